package rawhttp_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/rawhttp"
)

// A feed keeps the latest messages, and wakes the goroutines that wait for the next one.
type feed struct {
	mu      sync.Mutex
	last    int           // number of the latest message, counted from 1
	kept    []string      // the latest messages
	changed chan struct{} // closed and replaced at each message
}

func newFeed() *feed { return &feed{changed: make(chan struct{})} }

func (f *feed) publish(message string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	f.kept = append(f.kept, message)
	if len(f.kept) > 100 {
		f.kept = slices.Delete(f.kept, 0, 1)
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

// after returns the messages after number n that are still kept, the number of the latest
// message, and a channel that is closed when the next one is published.
func (f *feed) after(n int) (messages []string, last int, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n < 0 || n > f.last {
		n = 0 // n is from before a restart of the program
	}
	first := max(0, len(f.kept)-(f.last-n))
	return slices.Clone(f.kept[first:]), f.last, f.changed
}

// events returns a stream of server-sent events for a client that has seen those up to number
// seen. Each Write is sent at once, and the first one sends the head, even if it is empty. A
// comment every 15 seconds keeps proxies from closing a quiet connection. The data is JSON,
// since a line break would end it.
func events(f *feed, seen int) *rawhttp.Response {
	stream := rawhttp.StreamFunc(200, "text/event-stream", func(ctx context.Context, w io.Writer) error {
		heartbeat := time.NewTicker(15 * time.Second)
		defer heartbeat.Stop()
		stopping := rawhttp.Stopping(ctx)
		for seen := seen; ; {
			messages, last, changed := f.after(seen)
			var out bytes.Buffer
			for i, m := range messages {
				data, err := json.Marshal(m)
				if err != nil {
					return err
				}
				fmt.Fprintf(&out, "id: %d\ndata: %s\n\n", last-len(messages)+1+i, data)
			}
			if _, err := w.Write(out.Bytes()); err != nil {
				return err
			}
			seen = last
			select {
			case <-changed:
			case <-heartbeat.C:
				if _, err := io.WriteString(w, ":\n\n"); err != nil {
					return err
				}
			case <-stopping:
				_, err := io.WriteString(w, "event: stopping\ndata:\n\n")
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	return stream.Set("Cache-Control", "no-store")
}

// Server-sent events. In a browser, new EventSource("/events") receives them; it reconnects
// by itself and sends the number of the last event it received.
func Example_serverSentEvents() {
	news := newFeed()
	srv, err := rawhttp.New(rawhttp.WithResolver(rawhttp.Mount("/events", rawhttp.ResolverFunc(
		func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			seen, _ := strconv.Atoi(req.Header().Get("Last-Event-ID")) // 0 for a new client
			return events(news, seen), nil
		}))))
	if err != nil {
		log.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	served := make(chan error)
	go func() { served <- srv.Serve(ctx, ln) }()

	news.publish("tea is ready")
	resp, err := http.Get("http://" + ln.Addr().String() + "/events")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		fmt.Println(lines.Text())
		switch lines.Text() {
		case "id: 1":
			news.publish("so is\nthe cake")
		case "id: 2":
			stop() // the stream sends a last event and ends
		}
	}
	http.DefaultClient.CloseIdleConnections() // otherwise Serve waits a second for another request
	fmt.Println("Serve:", <-served)
	// Output:
	// id: 1
	// data: "tea is ready"
	//
	// id: 2
	// data: "so is\nthe cake"
	//
	// event: stopping
	// data:
	//
	// Serve: <nil>
}

// poll waits for messages after number seen. If there are none for 30 seconds, or when the
// server stops, the response is 204 (No Content), and the client asks again. When the client
// disconnects, poll ends too.
func poll(ctx context.Context, f *feed, seen int) (*rawhttp.Response, error) {
	timeout := time.NewTimer(30 * time.Second)
	defer timeout.Stop()
	for {
		messages, last, changed := f.after(seen)
		if len(messages) > 0 {
			content, err := json.Marshal(map[string]any{"last": last, "messages": messages})
			if err != nil {
				return nil, err
			}
			return rawhttp.OK("application/json", content).Set("Cache-Control", "no-store"), nil
		}
		select {
		case <-changed:
		case <-timeout.C:
			return rawhttp.Empty(204).Set("Cache-Control", "no-store"), nil
		case <-rawhttp.Stopping(ctx):
			return rawhttp.Empty(204).Set("Cache-Control", "no-store"), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Long polling: the response waits for the next message.
func Example_longPoll() {
	news := newFeed()
	news.publish("tea is ready")
	site := rawhttp.Mount("/messages", rawhttp.ResolverFunc(
		func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			seen, err := strconv.Atoi(req.Query().Get("after"))
			if err != nil {
				return nil, &rawhttp.StatusError{Status: 400, Err: err}
			}
			return poll(ctx, news, seen)
		}))

	for _, seen := range []string{"0", "1"} {
		if seen == "1" {
			go news.publish("so is the cake") // while the client waits
		}
		answer := rawhttp.Answer(site, "GET /messages?after="+seen+" HTTP/1.1\r\nHost: example.test\r\n\r\n")
		_, content, _ := strings.Cut(answer, "\r\n\r\n")
		fmt.Println(content)
	}
	// Output:
	// {"last":1,"messages":["tea is ready"]}
	// {"last":2,"messages":["so is the cake"]}
}

// zipFolder returns a download of the folder as a zip file, which is produced as it is sent.
// Links, devices and hidden names are left out. If there is an error, the connection is cut, so
// that the client notices.
func zipFolder(folder fs.FS, name string) *rawhttp.Response {
	download := rawhttp.StreamFunc(200, "application/zip", func(ctx context.Context, w io.Writer) error {
		out := bufio.NewWriterSize(w, 32<<10)
		archive := zip.NewWriter(out)
		err := fs.WalkDir(folder, ".", func(name string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case ctx.Err() != nil:
				return ctx.Err()
			case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && name != ".":
				return fs.SkipDir
			case !entry.Type().IsRegular() || strings.HasPrefix(entry.Name(), "."):
				return nil
			}
			return zipFile(archive, folder, name)
		})
		if err != nil {
			return err
		}
		if err := archive.Close(); err != nil {
			return err
		}
		return out.Flush()
	})
	return download.Set("Content-Disposition", attachment(name))
}

// attachment returns a Content-Disposition with which browsers save a response under the name.
// Clients that do not know filename* use the name in ASCII (RFC 6266, appendix D).
func attachment(name string) string {
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\%`, r) {
			return '_'
		}
		return r
	}, name)
	escaped := strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	return fmt.Sprintf(`attachment; filename="%s"; filename*=UTF-8''%s`, ascii, escaped)
}

// zipFile adds one file to the archive.
func zipFile(archive *zip.Writer, folder fs.FS, name string) error {
	f, err := folder.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	header, err := zip.FileInfoHeader(info)
	if err != nil {
		return err
	}
	header.Name, header.Method = name, zip.Deflate
	w, err := archive.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

// A folder that can be downloaded as a zip file. The os.Root follows no link out of it.
func Example_zipDownload() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"tea.txt", "cake.txt", ".password"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("content of "+name), 0o600); err != nil {
			log.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer root.Close()
	site := rawhttp.Mount("/folder.zip", rawhttp.Methods(map[string]rawhttp.Resolver{
		"GET": rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			return zipFolder(root.FS(), "Café.zip"), nil
		}),
	}))

	srv, err := rawhttp.New(rawhttp.WithResolver(site))
	if err != nil {
		log.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	go srv.Serve(context.Background(), ln)

	resp, err := http.Get("http://" + ln.Addr().String() + "/folder.zip")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Header.Get("Content-Disposition"))
	for _, f := range archive.File {
		fmt.Println(path.Base(f.Name), f.UncompressedSize64, "bytes")
	}
	// Output:
	// attachment; filename="Caf_.zip"; filename*=UTF-8''Caf%C3%A9.zip
	// cake.txt 19 bytes
	// tea.txt 18 bytes
}

// A quiet stream sends a comment every 15 seconds, and ends when its client disconnects.
func TestExampleEventsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, err := rawhttp.New(rawhttp.WithResolver(rawhttp.ResolverFunc(
			func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
				return events(newFeed(), 7), nil // 7 is from before a restart
			})))
		if err != nil {
			t.Fatal(err)
		}
		client, server := net.Pipe()
		served := make(chan error)
		go func() { served <- srv.ServeConn(t.Context(), server) }()
		start := time.Now()
		io.WriteString(client, "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			comment := make([]byte, 3)
			if _, err := io.ReadFull(resp.Body, comment); err != nil || string(comment) != ":\n\n" {
				t.Fatalf("read %q, %v, want a comment", comment, err)
			}
			if got, want := time.Since(start), time.Duration(i+1)*15*time.Second; got != want {
				t.Errorf("comment %d came after %v, want %v", i+1, got, want)
			}
		}
		client.Close()
		<-served
		if got := time.Since(start); got != 45*time.Second {
			t.Errorf("the stream ended after %v, want 45s, when the client disconnected", got)
		}
	})
}

// A poll without messages ends after half a minute, or when the server stops.
func TestExamplePollEnds(t *testing.T) {
	tests := []struct {
		name string
		stop time.Duration // when the server begins to stop
		want time.Duration
	}{
		{"timeout", time.Hour, 30 * time.Second},
		{"stop", 10 * time.Second, 10 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, err := rawhttp.New(rawhttp.WithResolver(rawhttp.ResolverFunc(
					func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
						return poll(ctx, newFeed(), 0)
					})))
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), tt.stop)
				defer cancel()
				client, server := net.Pipe()
				go srv.ServeConn(ctx, server)
				start := time.Now()
				io.WriteString(client, "GET / HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n")
				in := bufio.NewReader(client)
				if line, err := in.ReadString('\n'); line != "HTTP/1.1 204 No Content\r\n" || err != nil {
					t.Errorf("answered with %q, %v, want 204", line, err)
				}
				if got := time.Since(start); got != tt.want {
					t.Errorf("answered after %v, want %v", got, tt.want)
				}
				io.Copy(io.Discard, in)
			})
		})
	}
}
