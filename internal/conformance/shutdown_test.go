package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// serveListener serves a listener in memory, inside synctest.
func serveListener(t *testing.T, opts ...rawhttp.Option) (*rawhttp.Server, *memoryListener, chan error) {
	t.Helper()
	s := newServer(t, append([]rawhttp.Option{rawhttp.WithDate(false)}, opts...)...)
	ln := newMemoryListener()
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background(), ln) }()
	return s, ln, served
}

// answerPathLater answers with the path after the time given by the query. It ignores its
// context.
var answerPathLater = rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	d, _ := time.ParseDuration(req.RawQuery())
	time.Sleep(d)
	return rawhttp.Text(200, req.Path()), nil
})

// Shutdown closes idle connections and waits for requests in progress, whose answers have
// Connection: close.
func TestShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, ln, served := serveListener(t, rawhttp.WithResolver(answerPathLater))
		old := ln.dial(t)
		old.send(getRequest("/old"))
		time.Sleep(2 * time.Second)
		fresh, idle, half := ln.dial(t), ln.dial(t), ln.dial(t)
		window := ln.dial(t)
		window.send(getRequest("/first"))
		short, long, pipelined, upload := ln.dial(t), ln.dial(t), ln.dial(t), ln.dial(t)
		idle.send(getRequest("/idle"))
		half.send(getRequest("/first") + "GET /half HT")
		short.send(getRequest("/short?1s"))
		long.send(getRequest("/long?1h"))
		pipelined.send(getRequest("/a") + getRequest("/b?2s") + getRequest("/c"))
		time.Sleep(300 * time.Millisecond)
		upload.send("POST /upload?3s HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe")

		start := time.Now()
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(context.Background()) }()
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		if _, err := ln.Accept(); err != net.ErrClosed {
			t.Errorf("the listener is not closed: Accept = %v", err)
		}
		time.Sleep(time.Until(start.Add(time.Second / 2)))
		half.send("TP/1.1\r\nHost: a\r\n\r\n")
		window.send(getRequest("/second"))
		tests := []struct {
			name string
			c    *memoryClient
			end  time.Duration
			want string
		}{
			{"idle for 2 s", old, 20 * time.Millisecond, okAnswer("/old")},
			{"nothing sent yet", fresh, 720 * time.Millisecond, ""},
			{"idle", idle, 720 * time.Millisecond, okAnswer("/idle")},
			{"used recently, then again", window, time.Second / 2, okAnswer("/first") + lastAnswer("/second")},
			{"half a head", half, time.Second / 2, okAnswer("/first") + lastAnswer("/half")},
			{"a short request", short, 700 * time.Millisecond, lastAnswer("/short")},
			{"a pipelined request, with one after it", pipelined, 1700 * time.Millisecond, okAnswer("/a") + lastAnswer("/b")},
			{"content arriving", upload, 3 * time.Second, lastAnswer("/upload")},
			{"a long request", long, time.Hour - 300*time.Millisecond, lastAnswer("/long")},
		}
		for _, tt := range tests {
			if got := tt.c.waitEnd(start); got != tt.end {
				t.Errorf("%s: closed after %v, want %v", tt.name, got, tt.end)
			}
			if diff := cmp.Diff(tt.want, tt.c.received()); diff != "" {
				t.Errorf("%s: answers (-want +got):\n%s", tt.name, diff)
			}
			if tt.c != long && len(done) > 0 {
				t.Fatalf("Shutdown returned after %v, while requests are in progress", time.Since(start))
			}
			tt.c.Close() // so that it does not linger
		}
		if err := <-done; err != nil {
			t.Errorf("Shutdown = %v, want nil", err)
		}
		if got, want := time.Since(start), time.Hour-300*time.Millisecond; got != want {
			t.Errorf("Shutdown returned after %v, want %v", got, want)
		}
		if err := <-served; err != rawhttp.ErrServerClosed {
			t.Errorf("Serve = %v, want ErrServerClosed", err)
		}
	})
}

// Shutdown waits for streams, since they are requests in progress.
func TestShutdownWaitsForStreams(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := servePipe(t, rawhttp.WithResolver(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.StreamFunc(200, "", func(ctx context.Context, w io.Writer) error {
				for i := range 5 {
					fmt.Fprint(w, i)
					time.Sleep(time.Hour)
				}
				return ctx.Err()
			}), nil
		})))
		c.send(getRequest("/"))
		start := time.Now()
		if err := c.srv.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown = %v, want nil", err)
		}
		if got, want := time.Since(start), 5*time.Hour+stopPause+20*time.Millisecond; got != want { // the client might send another request
			t.Errorf("Shutdown returned after %v, want %v", got, want)
		}
		want := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
			"1\r\n0\r\n1\r\n1\r\n1\r\n2\r\n1\r\n3\r\n1\r\n4\r\n0\r\n\r\n"
		if diff := cmp.Diff(want, c.received()); diff != "" {
			t.Errorf("answer whose head was sent before Shutdown (-want +got):\n%s", diff)
		}
		if err := <-c.served; err != rawhttp.ErrServerClosed {
			t.Errorf("ServeConn = %v, want ErrServerClosed", err)
		}
	})
}

// The end of Shutdown's context closes connections by force and ends the contexts of their
// requests. Close does so at once. Serve returns when the resolvers have returned.
func TestForcedClose(t *testing.T) {
	tests := []struct {
		name string
		stop func(s *rawhttp.Server) error
		want error
		took time.Duration // time until stop returns and contexts end
	}{
		{"Shutdown", func(s *rawhttp.Server) error {
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			defer cancel()
			return s.Shutdown(ctx)
		}, context.DeadlineExceeded, 3 * time.Second},
		{"Shutdown with a context that has ended", func(s *rawhttp.Server) error {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			return s.Shutdown(ctx)
		}, context.Canceled, 0},
		{"Close", (*rawhttp.Server).Close, nil, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var mu sync.Mutex
				var ended []time.Duration
				start := time.Now()
				wait := func(ctx context.Context) error {
					<-ctx.Done()
					mu.Lock()
					defer mu.Unlock()
					ended = append(ended, time.Since(start))
					return ctx.Err()
				}
				s, ln, served := serveListener(t, rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
					switch req.Path() {
					case "/deaf":
						time.Sleep(time.Minute)
						return rawhttp.Text(200, "too late"), nil
					case "/stream":
						return rawhttp.StreamFunc(200, "", func(ctx context.Context, w io.Writer) error {
							io.WriteString(w, "begin")
							return wait(ctx)
						}), nil
					case "/read":
						io.Copy(io.Discard, req.Body)
						return rawhttp.Text(200, "too late"), nil
					}
					return nil, wait(ctx)
				})))
				clients := map[string]*memoryClient{}
				for _, path := range []string{"/resolve", "/stream", "/read", "/deaf", "/half", "/idle"} {
					clients[path] = ln.dial(t)
				}
				clients["/resolve"].send(getRequest("/resolve"))
				clients["/stream"].send(getRequest("/stream"))
				clients["/read"].send("POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
				clients["/deaf"].send(getRequest("/deaf"))
				clients["/half"].send("GET /half HT")
				if err := tt.stop(s); err != tt.want {
					t.Errorf("%s = %v, want %v", tt.name, err, tt.want)
				}
				if got := time.Since(start); got != tt.took {
					t.Errorf("%s returned after %v, want %v", tt.name, got, tt.took)
				}
				for path, c := range clients {
					want := tt.took
					if path == "/idle" {
						want = min(want, stopPause+20*time.Millisecond)
					}
					if got := c.waitEnd(start); got != want {
						t.Errorf("%s: closed after %v, want %v", path, got, want)
					}
					wantText := ""
					if path == "/stream" {
						wantText = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n"
					}
					if diff := cmp.Diff(wantText, c.received()); diff != "" {
						t.Errorf("%s: answer (-want +got):\n%s", path, diff)
					}
				}
				if diff := cmp.Diff([]time.Duration{tt.took, tt.took}, ended); diff != "" {
					t.Errorf("when the contexts of requests ended (-want +got):\n%s", diff)
				}
				if len(served) > 0 {
					t.Error("Serve returned before a resolver that ignores its context")
				}
				if err := <-served; err != rawhttp.ErrServerClosed {
					t.Errorf("Serve = %v, want ErrServerClosed", err)
				}
				if got := time.Since(start); got != time.Minute {
					t.Errorf("Serve returned after %v, want 1m0s", got)
				}
			})
		})
	}
}

// Shutdown stops all calls of Serve and ServeConn. It also waits for calls that are already
// draining because their context ended.
func TestShutdownOfSeveral(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer(t, rawhttp.WithResolver(answerPathLater), rawhttp.WithDate(false))
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan error, 10)
		lns := []*memoryListener{newMemoryListener(), newMemoryListener()}
		for _, ln := range lns {
			go func() { results <- s.Serve(ctx, ln) }()
			ln.dial(t).send(getRequest("/?5s"))
		}
		client, server := net.Pipe()
		defer client.Close()
		go func() { results <- s.ServeConn(ctx, server) }()
		go io.WriteString(client, getRequest("/?4s"))
		go io.Copy(io.Discard, client)
		synctest.Wait()
		cancel() // both drain
		synctest.Wait()
		start := time.Now()
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if err := s.Shutdown(context.Background()); err != nil {
					t.Errorf("Shutdown = %v, want nil", err)
				}
				if got := time.Since(start); got != 10*time.Second { // including 5 s of lingering
					t.Errorf("Shutdown returned after %v, want 10s", got)
				}
			})
		}
		all.Wait()
		for range 3 {
			if err := <-results; err != nil {
				t.Errorf("Serve or ServeConn = %v, want nil, since its context ended first", err)
			}
		}
	})
}

// Serve, Shutdown and Close may be called concurrently: there is no data race, and all of them
// return.
func TestConcurrentServeShutdownClose(t *testing.T) {
	t.Parallel()
	noNewGoroutines(t)
	for i := range 20 {
		s := newServer(t, rawhttp.WithResolver(answerPath), rawhttp.WithMaxConns(8))
		var all sync.WaitGroup
		for range 3 {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				if err := s.Serve(context.Background(), ln); err != rawhttp.ErrServerClosed {
					t.Errorf("Serve = %v, want ErrServerClosed", err)
				}
			})
			all.Go(func() {
				client, server := net.Pipe()
				go func() {
					io.WriteString(client, getRequest("/"))
					client.Close()
				}()
				go io.Copy(io.Discard, client)
				s.ServeConn(context.Background(), server)
			})
			for range 5 {
				all.Go(func() {
					c, err := net.Dial("tcp", ln.Addr().String())
					if err != nil {
						return
					}
					defer c.Close()
					io.WriteString(c, getRequest("/")+getRequest("/", "Connection: close"))
					io.Copy(io.Discard, c)
				})
			}
		}
		all.Go(func() { s.Stats() })
		for range 2 {
			all.Go(func() { s.Shutdown(context.Background()) })
		}
		if i%2 == 0 {
			all.Go(func() { s.Close() })
		}
		all.Wait()
		if got := s.Stats(); got.ConnsOpen != 0 || got.ConnsIdle != 0 {
			t.Errorf("Stats at the end: %+v, want no open connections", got)
		}
	}
}

// Shutdown may begin while an answer is written. The answer is sent, and a request that arrived
// with the first is answered too.
func TestShutdownDuringAnswer(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"alone", getRequest("/a"), okAnswer("/a")},
		{"with a request after it", getRequest("/a") + getRequest("/b"), okAnswer("/a") + lastAnswer("/b")},
		{"with unread content", postRequest("/a", "hello"), okAnswer("/a")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var s *rawhttp.Server
				resolver := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
					if req.Path() != "/a" {
						return rawhttp.Text(200, req.Path()), nil
					}
					body := struct {
						io.Reader
						io.Closer
					}{strings.NewReader("/a"), closerFunc(func() error {
						go s.Shutdown(context.Background())
						for !refusesConns(s) {
							runtime.Gosched()
						}
						return nil
					})}
					return rawhttp.Content(rawhttp.Representation{MediaType: "text/plain; charset=utf-8", Body: body, Size: 2}), nil
				})
				c := serveDuplex(t, rawhttp.WithResolver(resolver))
				s = c.srv
				c.send(tt.in)
				c.Close()
				if diff := cmp.Diff(tt.want, c.received()); diff != "" {
					t.Errorf("answers (-want +got):\n%s", diff)
				}
				if err := <-c.served; err != rawhttp.ErrServerClosed {
					t.Errorf("ServeConn = %v, want ErrServerClosed", err)
				}
			})
		})
	}
}

type closerFunc func() error

func (f closerFunc) Close() error { return f() }

// A request in progress when Shutdown begins can still open its file.
func TestShutdownServesFilesInProgress(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	os.WriteFile(filepath.Join(root, "a.txt"), []byte("hello"), 0o644)
	var s *rawhttp.Server
	var once sync.Once
	stopped := make(chan error, 1)
	begun := make(chan struct{})
	s, addr := listen(t, rawhttp.WithRoot(root), rawhttp.WithTrace(rawhttp.Trace{ConnState: func(_ uint64, state rawhttp.ConnState) {
		if state == rawhttp.StateResolve { // the file has not been opened yet
			once.Do(func() {
				go func() {
					close(begun)
					stopped <- s.Shutdown(context.Background())
				}()
				<-begun
				for !refusesConns(s) {
					runtime.Gosched()
				}
			})
		}
	}}))
	if got := talk(t, addr, getRequest("/a.txt")); !strings.HasPrefix(got, "HTTP/1.1 200 ") || !strings.HasSuffix(got, "\r\n\r\nhello") {
		t.Errorf("answer to the request in progress: %q, want the file", got)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Shutdown = %v, want nil", err)
	}
}

// refusesConns reports whether the server accepts no more connections.
func refusesConns(s *rawhttp.Server) bool {
	client, server := net.Pipe()
	client.Close()
	return errors.Is(s.ServeConn(context.Background(), server), rawhttp.ErrServerClosed)
}
