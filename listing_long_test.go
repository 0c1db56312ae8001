package rawhttp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// listingOfFake serves a fake folder with so many names.
func listingOfFake(t testing.TB, names int, opts ...FileOption) (*FileResolver, *listingFake) {
	t.Helper()
	fake := &listingFake{t: t, names: names, mayRead: true}
	r, err := FS(fake, append([]FileOption{WithListing(ListHTML)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return r, fake
}

// A listing of more than 200 entries is not made in memory first: it is chunked, or
// ends with the connection, and has no entity tag.
func TestLongListingFraming(t *testing.T) {
	tests := []struct {
		request string
		names   int
		want    string // of the fields that tell of framing and persistence
		why     string
	}{
		{"GET HTTP/1.1", 200, "Content-Length ETag", ""},
		{"GET HTTP/1.0", 200, "Content-Length ETag Connection: close", ""},
		{"GET HTTP/1.0 keep-alive", 200, "Content-Length ETag Connection: keep-alive", ""},
		{"HEAD HTTP/1.1", 200, "", "only making the listing would tell"},
		{"GET HTTP/1.1", 201, "Transfer-Encoding: chunked", ""},
		{"GET HTTP/1.0", 201, "Connection: close", "1.0 knows no chunks: the close ends the content"},
		{"GET HTTP/1.0 keep-alive", 201, "Connection: close", ""},
		{"HEAD HTTP/1.1", 201, "", ""},
		{"HEAD HTTP/1.0 keep-alive", 201, "Connection: keep-alive", "there is no content to end"},
	}
	for _, tt := range tests {
		for _, form := range []string{"text", "html", "json"} {
			t.Run(fmt.Sprint(tt.request, " ", tt.names, " ", form), func(t *testing.T) {
				r, fake := listingOfFake(t, tt.names)
				fake.mayRead = strings.HasPrefix(tt.request, "GET")
				_, addr := listen(t, WithDate(false), WithResolver(r))
				method, version, _ := strings.Cut(tt.request, " ")
				request := method + " /?format=" + form + " " + strings.TrimSuffix(version, " keep-alive") + "\r\nHost: a\r\nIf-Match: \"a\"\r\n"
				if strings.HasSuffix(version, "keep-alive") {
					request += "Connection: keep-alive\r\n"
				}
				if tt.names <= 200 && fake.mayRead { // a condition that fails would fail it
					request = strings.Replace(request, "If-Match", "X-None", 1)
				}
				got := filesTake(t, talk(t, addr, request+"\r\n"))
				var fields []string
				for _, name := range []string{"Content-Length", "Transfer-Encoding", "ETag", "Connection"} {
					value, there := got.Fields[name]
					switch {
					case !there:
					case name == "Content-Length" || name == "ETag":
						fields = append(fields, name)
					default:
						fields = append(fields, name+": "+value)
					}
				}
				if diff := cmp.Diff(tt.want, strings.Join(fields, " ")); diff != "" || got.Status != "200 OK" {
					t.Errorf("answer to %q is %s with (-want +got):\n%s\nwhy: %s", request, got.Status, diff, tt.why)
				}
				if method == "HEAD" {
					return
				}
				if got.Fields["Transfer-Encoding"] == "chunked" {
					c, _, _ := bodyOf(t, bodyChunked, got.Content, 0, 0)
					content, err := bodyReadAll(c, 1<<16)
					if err != io.EOF {
						t.Errorf("content: %v", err)
					}
					got.Content = content
				}
				if names := listingCount(t, form, got.Content); names != tt.names {
					t.Errorf("%d entries, want %d", names, tt.names)
				}
			})
		}
	}
}

// listingCount counts the entries of a listing of a fake folder, which must be in
// order.
func listingCount(t *testing.T, form, content string) (n int) {
	t.Helper()
	var names []string
	switch form {
	case "text":
		names = listingLines(content)
	case "html":
		for _, row := range listingReadPage(t, content).Rows {
			names = append(names, row.Name)
		}
	case "json":
		for _, e := range listingReadJSON(t, content).Entries {
			names = append(names, e.Name)
		}
	}
	for i, name := range names {
		if want := fmt.Sprintf("file-%07d.txt", i+1); name != want {
			t.Fatalf("entry %d is %q, want %q", i, name, want)
		}
	}
	return len(names)
}

// A listingWatch looks at the server while a listing is written.
type listingWatch struct {
	writes, bytes int
	onWrite       func(write int, p []byte)
}

func (w *listingWatch) Write(p []byte) (int, error) {
	w.onWrite(w.writes, p)
	w.writes++
	w.bytes += len(p)
	return len(p), nil
}

// The first bytes of 100,000 entries leave before most of them have been looked at,
// where the order allows it; no write is large; and what is kept is little more than
// the names.
func TestLongListingStreams(t *testing.T) {
	const names = 100_000
	for _, form := range []string{"text", "html", "json", "html&sort=size", "json&sort=time&order=desc"} {
		t.Run(form, func(t *testing.T) {
			r, fake := listingOfFake(t, names)
			looked := 0
			fake.info = func(string) error { looked++; return nil }

			heap := func() uint64 {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return m.HeapAlloc
			}
			before, most := heap(), uint64(0)
			req := resolveGet(t, "/?format="+form)
			resp, err := r.Resolve(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			w := &listingWatch{onWrite: func(write int, p []byte) {
				if sorted := strings.Contains(form, "sort"); write < 2 && !sorted && looked > 1000 {
					t.Errorf("write %d, of %d bytes, comes when %d entries have been looked at", write, len(p), looked)
				}
				if len(p) > 20<<10 {
					t.Errorf("write %d has %d bytes, want some 16 KiB", write, len(p))
				}
				if write%200 == 0 {
					most = max(most, heap())
				}
			}}
			if persist, err := WriteResponse(t.Context(), w, req, resp); !persist || err != nil {
				t.Errorf("WriteResponse = %v, %v", persist, err)
			}
			if w.bytes < names*len("file-0000001.txt\n") || w.writes < w.bytes/(20<<10) {
				t.Errorf("%d writes of %d bytes", w.writes, w.bytes)
			}
			if n := int64(most - before); n > 16<<20 {
				t.Errorf("%d bytes are kept while it is written, want less than 16 MiB", n)
			}
			t.Logf("%d bytes kept, %d looked at, %d writes of %d bytes", most-before, looked, w.writes, w.bytes)
			if n := fake.open.Load(); n != 0 {
				t.Errorf("%d folders are open at the end", n)
			}
		})
	}
}

// A listing ends with the context of its request, while it is read and while it is
// written.
func TestLongListingEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, fake := listingOfFake(t, 100_000)
	fake.readDir = func(read int) error {
		if read >= 5000 {
			cancel()
		}
		if read > 6000 {
			t.Errorf("the folder is read on, behind %d names", read)
		}
		return nil
	}
	resp, err := r.Resolve(ctx, resolveGet(t, "/"))
	if resp != nil || StatusOf(err) != 503 || !errors.Is(err, context.Canceled) {
		t.Errorf("Resolve = %v, %v, want 503 and context.Canceled", resp, err)
	}

	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	fake.readDir = nil
	if resp, err = r.Resolve(ctx, resolveGet(t, "/")); err != nil {
		t.Fatal(err)
	}
	w := &listingWatch{onWrite: func(write int, p []byte) {
		if write == 2 {
			cancel()
		}
		if write > 2 {
			t.Errorf("write %d comes behind the end of the context", write)
		}
	}}
	if persist, err := WriteResponse(ctx, w, resolveGet(t, "/"), resp); persist || !errors.Is(err, context.Canceled) {
		t.Errorf("WriteResponse = %v, %v, want context.Canceled", persist, err)
	}
}

// listingHeld begins a long listing on a connection, of which it reads the status
// only.
func listingHeld(t *testing.T, r Resolver) (client net.Conn, status int) {
	t.Helper()
	client = pipe(t, WithResolver(r))
	go io.WriteString(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	return client, listingStatus(t, client)
}

func listingStatus(t *testing.T, client net.Conn) int {
	t.Helper()
	status := make([]byte, len("HTTP/1.1 200"))
	if _, err := io.ReadFull(client, status); err != nil {
		t.Errorf("read the status: %v", err)
		return 0
	}
	var n int
	fmt.Sscanf(string(status), "HTTP/1.1 %d", &n)
	return n
}

// At most 16 long listings are made at once. The next waits for one to end, and is
// answered with 503 after five seconds. Short listings and files do not wait.
func TestLongListingsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, _ := listingOfFake(t, 10_000)
		var clients []net.Conn
		start := time.Now()
		for range 16 {
			client, status := listingHeld(t, r)
			if status != 200 {
				t.Errorf("status %d, want 200", status)
			}
			clients = append(clients, client)
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("16 listings begin after %v, want at once", waited)
		}

		for range 2 {
			start = time.Now()
			client, status := listingHeld(t, r)
			if waited := time.Since(start); status != 503 || waited != 5*time.Second {
				t.Errorf("one more is answered with %d after %v, want 503 after 5s", status, waited)
			}
			client.Close()
		}

		start = time.Now()
		done := make(chan int)
		go func() {
			_, status := listingHeld(t, r)
			done <- status
		}()
		time.Sleep(3 * time.Second)
		clients[7].Close()
		if status, waited := <-done, time.Since(start); status != 200 || waited != 3*time.Second {
			t.Errorf("one more is answered with %d after %v, want 200 after 3s, when another has ended", status, waited)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		resp, err := r.Resolve(ctx, resolveGet(t, "/"))
		if waited := time.Since(start); resp != nil || StatusOf(err) != 503 || waited != time.Second {
			t.Errorf("one more, whose context ends, is answered with %v, %v after %v, want 503 after 1s", resp, err, waited)
		}

		start = time.Now()
		if got := listingAsk(t, r, "HEAD /"); got.Status != "200 OK" {
			t.Errorf("HEAD is answered with %s", got.Status)
		}
		another, _ := listingOfFake(t, 10_000)
		if client, status := listingHeld(t, another); status != 200 {
			t.Errorf("a long listing of another tree is answered with %d", status)
		} else {
			client.Close()
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("what does not need a turn waits for %v", waited)
		}
	})
}

// Short listings of a tree whose long ones are all taken are answered at once.
func TestShortListingsDoNotWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tree := listingFiles("short/a", "short/b")
		for i := range 300 {
			tree[fmt.Sprintf("long/%d", i)] = tree["short/a"]
		}
		r, err := FS(tree)
		if err != nil {
			t.Fatal(err)
		}
		for range maxListings {
			if _, err := r.Resolve(t.Context(), resolveGet(t, "/long/")); err != nil { // and never closed
				t.Fatal(err)
			}
		}
		start := time.Now()
		for target, want := range map[string]string{"/short/": "a\nb\n", "/short/a": "", "/": "long/\nshort/\n"} {
			if got := resolveString(t, r, resolveGet(t, target)); got != want {
				t.Errorf("GET %s is answered with %q, want %q", target, got, want)
			}
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("they wait for %v", waited)
		}
		if got := resolveString(t, r, resolveGet(t, "/long/")); got != "error 503" || time.Since(start) != 5*time.Second {
			t.Errorf("a long one is answered with %q after %v, want 503 after 5s", got, time.Since(start))
		}
	})
}

// However a long listing ends, its turn is given to another.
func TestLongListingsGiveBackTheirTurn(t *testing.T) {
	const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	dropped := errors.New("dropped")
	tests := []struct {
		name string
		do   func(t *testing.T, r *FileResolver, fake *listingFake)
	}{
		{"read to its end", func(t *testing.T, r *FileResolver, _ *listingFake) {
			client := pipe(t, WithResolver(r))
			go io.WriteString(client, get)
			resp, err := http.ReadResponse(bufio.NewReader(client), nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Error(err)
			}
		}},
		{"HEAD", func(t *testing.T, r *FileResolver, _ *listingFake) { listingAsk(t, r, "HEAD /") }},
		{"a client that goes", func(t *testing.T, r *FileResolver, _ *listingFake) {
			client, _ := listingHeld(t, r)
			client.Close()
		}},
		{"a client that stalls", func(t *testing.T, r *FileResolver, _ *listingFake) {
			client, _ := listingHeld(t, r)
			time.Sleep(31 * time.Second)
			client.Close()
		}},
		{"a server that is closed", func(t *testing.T, r *FileResolver, _ *listingFake) {
			s := newServer(t, WithResolver(r))
			client, server := net.Pipe()
			done := make(chan error)
			go func() { done <- s.ServeConn(context.Background(), server) }()
			go io.WriteString(client, get)
			listingStatus(t, client)
			s.Close()
			<-done
		}},
		{"a context that has ended", func(t *testing.T, r *FileResolver, fake *listingFake) {
			ctx, cancel := context.WithCancel(t.Context())
			fake.readDir = func(read int) error {
				if read > 0 {
					cancel()
				}
				return nil
			}
			if _, err := r.Resolve(ctx, resolveGet(t, "/")); !errors.Is(err, context.Canceled) {
				t.Errorf("Resolve: %v", err)
			}
			cancel()
		}},
		{"a ReadDir that fails", func(t *testing.T, r *FileResolver, fake *listingFake) {
			fake.readDir = func(read int) error {
				if read > 0 {
					return io.ErrUnexpectedEOF
				}
				return nil
			}
			if _, err := r.Resolve(t.Context(), resolveGet(t, "/")); StatusOf(err) != 500 {
				t.Errorf("Resolve: %v", err)
			}
		}},
		{"a ReadDir that panics", func(t *testing.T, r *FileResolver, fake *listingFake) {
			fake.readDir = func(read int) error {
				if read > 0 {
					panic("on purpose")
				}
				return nil
			}
			if got := listingTalk(t, r, get); !strings.HasPrefix(got, "HTTP/1.1 500 ") {
				t.Errorf("answer %q, want 500", got)
			}
		}},
		{"an Info that panics while reading", func(t *testing.T, r *FileResolver, fake *listingFake) {
			fake.info = func(name string) error {
				if name == "file-0000100.txt" {
					panic("on purpose")
				}
				return nil
			}
			if got := listingTalk(t, r, strings.Replace(get, "/", "/?sort=size", 1)); !strings.HasPrefix(got, "HTTP/1.1 500 ") {
				t.Errorf("answer %q, want 500", got)
			}
		}},
		{"an Info that panics while writing", func(t *testing.T, r *FileResolver, fake *listingFake) {
			fake.info = func(name string) error {
				if name == "file-0001200.txt" {
					panic("on purpose")
				}
				return nil
			}
			if got := listingTalk(t, r, get); !strings.HasPrefix(got, "HTTP/1.1 200 ") || strings.HasSuffix(got, "\r\n0\r\n\r\n") {
				t.Errorf("answer of %d bytes, want one of 200 that is cut", len(got))
			}
		}},
		{"an Info that fails", func(t *testing.T, r *FileResolver, fake *listingFake) {
			fake.info = func(name string) error { return fs.ErrClosed }
			if got := listingTalk(t, r, get); !strings.HasPrefix(got, "HTTP/1.1 503 ") && !strings.HasPrefix(got, "HTTP/1.1 500 ") {
				t.Errorf("answer %q, want 5xx", got)
			}
		}},
		{"a resolver in front that drops it", func(t *testing.T, r *FileResolver, _ *listingFake) {
			front := ResolverFunc(func(ctx context.Context, req *Request) (*Response, error) {
				resp, err := r.Resolve(ctx, req)
				if err == nil {
					err = errors.Join(dropped, resp.Close(), resp.Close())
				}
				return nil, err
			})
			if got := listingTalk(t, front, get); !strings.HasPrefix(got, "HTTP/1.1 500 ") {
				t.Errorf("answer %q, want 500", got)
			}
		}},
		{"a resolver in front that spoils it", func(t *testing.T, r *FileResolver, _ *listingFake) {
			front := ResolverFunc(func(ctx context.Context, req *Request) (*Response, error) {
				resp, err := r.Resolve(ctx, req)
				return resp.Clone().Set("X A", "no token"), err
			})
			if got := listingTalk(t, front, get); !strings.HasPrefix(got, "HTTP/1.1 500 ") {
				t.Errorf("answer %q, want 500", got)
			}
		}},
		{"HTTP/1.0", func(t *testing.T, r *FileResolver, _ *listingFake) {
			listingTalk(t, r, "GET / HTTP/1.0\r\n\r\n")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r, fake := listingOfFake(t, 1500)
				for range maxListings + 1 {
					tt.do(t, r, fake)
				}
				fake.readDir, fake.info = nil, nil
				start := time.Now()
				for range 2 * maxListings {
					if got := listingAsk(t, r, "GET /?format=text"); got.Status != "200 OK" || strings.Count(got.Content, "\n") != 1500 {
						t.Fatalf("the next listing is answered with %s, after %v", got.Status, time.Since(start))
					}
				}
				if waited := time.Since(start); waited != 0 {
					t.Errorf("the next listings wait for %v", waited)
				}
			})
		})
	}
}

// listingTalk gives the answer to a request on a connection of its own, to its end.
func listingTalk(t *testing.T, r Resolver, request string) string {
	t.Helper()
	client := pipe(t, WithResolver(r))
	go io.WriteString(client, strings.Replace(request, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1))
	answer, err := io.ReadAll(client)
	if err != nil {
		t.Errorf("read the answer: %v", err)
	}
	return string(answer)
}

// 100,000 entries in each form.
func BenchmarkLongListing(b *testing.B) {
	for _, form := range []string{"text", "html", "json", "html&sort=size"} {
		b.Run(form, func(b *testing.B) {
			r, _ := listingOfFake(b, 100_000)
			req := resolveGet(b, "/?format="+form)
			b.ReportAllocs()
			for b.Loop() {
				resp, err := r.Resolve(b.Context(), req)
				if err != nil {
					b.Fatal(err)
				}
				n, err := resp.WriteTo(io.Discard)
				if err != nil {
					b.Fatal(err)
				}
				resp.Close()
				b.SetBytes(n)
			}
		})
	}
}
