package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// The error of Serve says why it stopped.
func TestServeResult(t *testing.T) {
	const queue, window = 50 * time.Millisecond, time.Second + 20*time.Millisecond
	tests := []struct {
		name string
		stop func(s *rawhttp.Server, ln net.Listener, cancel context.CancelFunc)
		want error

		// How long Serve takes to return without connections, and with new ones.
		none, idle time.Duration
	}{
		{"the context ends", func(_ *rawhttp.Server, _ net.Listener, cancel context.CancelFunc) { cancel() }, nil, queue, window},
		{"the owner closes the listener", func(_ *rawhttp.Server, ln net.Listener, _ context.CancelFunc) { ln.Close() }, net.ErrClosed, 0, window},
		{"Shutdown", func(s *rawhttp.Server, _ net.Listener, _ context.CancelFunc) { s.Shutdown(context.Background()) }, rawhttp.ErrServerClosed, queue, window},
		{"Close", func(s *rawhttp.Server, _ net.Listener, _ context.CancelFunc) { s.Close() }, rawhttp.ErrServerClosed, 0, 0},
		{"the context ends, then Close", func(s *rawhttp.Server, _ net.Listener, cancel context.CancelFunc) {
			cancel()
			synctest.Wait()
			s.Close()
		}, nil, 0, 0},
		{"Shutdown, then the context ends", func(s *rawhttp.Server, _ net.Listener, cancel context.CancelFunc) {
			s.Shutdown(context.Background())
			cancel()
		}, rawhttp.ErrServerClosed, queue, window},
	}
	for _, tt := range tests {
		for _, conns := range []int{0, 3} {
			t.Run(fmt.Sprintf("%s with %d idle connections", tt.name, conns), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					s := newServer(t, rawhttp.WithResolver(answerText("hi")))
					ln := newMemoryListener()
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					served := make(chan error, 1)
					go func() { served <- s.Serve(ctx, ln) }()
					var clients []*memoryClient
					for range conns {
						clients = append(clients, ln.dial(t))
					}
					synctest.Wait()
					start := time.Now()
					tt.stop(s, ln, cancel)
					if got := <-served; got != tt.want {
						t.Errorf("Serve = %v, want %v", got, tt.want)
					}
					want := tt.none
					if conns > 0 {
						want = tt.idle
					}
					if d := time.Since(start); d != want {
						t.Errorf("Serve returned after %v, want %v", d, want)
					}
					for _, c := range clients {
						if c.isOpen() {
							t.Error("an idle connection is open after Serve has returned")
						}
					}
					if _, err := ln.Accept(); err != net.ErrClosed {
						t.Errorf("the listener is not closed: Accept = %v", err)
					}
				})
			})
		}
	}
}

// The same on a listener of the system, whose errors wrap net.ErrClosed, after a connection was
// served.
func TestServeResultOverTCP(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		stop func(srv *rawhttp.Server, ln net.Listener, cancel func()) error
		want error
	}{
		{"end of the context", func(_ *rawhttp.Server, _ net.Listener, cancel func()) error { cancel(); return nil }, nil},
		{"listener closed by its owner", func(_ *rawhttp.Server, ln net.Listener, _ func()) error { return ln.Close() }, net.ErrClosed},
		{"Shutdown", func(srv *rawhttp.Server, _ net.Listener, _ func()) error { return srv.Shutdown(context.Background()) }, rawhttp.ErrServerClosed},
		{"Close", func(srv *rawhttp.Server, _ net.Listener, _ func()) error { return srv.Close() }, rawhttp.ErrServerClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv, err := rawhttp.New(rawhttp.WithResolver(rawhttp.First()))
			if err != nil {
				t.Fatal(err)
			}
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			served := make(chan error)
			go func() { served <- srv.Serve(ctx, ln) }()
			client, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			// After an answer Serve has certainly begun.
			fmt.Fprint(client, "GET / HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n")
			if _, err := io.ReadAll(client); err != nil {
				t.Fatal(err)
			}
			client.Close()
			if err := tt.stop(srv, ln, cancel); err != nil {
				t.Error(err)
			}
			if got := <-served; got != tt.want && !errors.Is(got, tt.want) {
				t.Errorf("Serve = %v, want %v", got, tt.want)
			}
		})
	}
}

// After Shutdown or Close, Serve and ServeConn close the listener or connection and return
// ErrServerClosed.
func TestServeAfterClose(t *testing.T) {
	stops := map[string]func(*rawhttp.Server) error{
		"Shutdown": func(s *rawhttp.Server) error { return s.Shutdown(context.Background()) },
		"Close":    (*rawhttp.Server).Close,
	}
	for name, stop := range stops {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, rawhttp.WithResolver(answerText("hi")))
			for range 2 { // a second call has no effect
				if err := stop(s); err != nil {
					t.Errorf("%s = %v, want nil", name, err)
				}
			}
			ln := newMemoryListener()
			if err := s.Serve(context.Background(), ln); err != rawhttp.ErrServerClosed {
				t.Errorf("Serve = %v, want exactly ErrServerClosed", err)
			}
			if _, err := ln.Accept(); err != net.ErrClosed {
				t.Errorf("the listener is not closed: Accept = %v", err)
			}
			client, server := net.Pipe()
			if err := s.ServeConn(context.Background(), server); err != rawhttp.ErrServerClosed {
				t.Errorf("ServeConn = %v, want exactly ErrServerClosed", err)
			}
			if _, err := client.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("the connection is not closed: Read = %v", err)
			}
			if err := s.ListenAndServe(context.Background(), "127.0.0.1:0"); err != rawhttp.ErrServerClosed {
				t.Errorf("ListenAndServe = %v, want exactly ErrServerClosed", err)
			}
		})
	}
}

// The error of ServeConn says why the connection ended.
func TestServeConnResult(t *testing.T) {
	tests := []struct {
		name string
		do   func(c *memoryClient, cancel context.CancelFunc)
		want error
	}{
		{"the client closes at once", func(c *memoryClient, _ context.CancelFunc) { c.Close() }, nil},
		{"the client closes after an answer", func(c *memoryClient, _ context.CancelFunc) { c.send(getRequest("/")); c.Close() }, nil},
		{"the client sends nothing", func(c *memoryClient, _ context.CancelFunc) {}, nil},
		{"the client is idle", func(c *memoryClient, _ context.CancelFunc) { c.send(getRequest("/")) }, nil},
		{"the client sends Connection: close", func(c *memoryClient, _ context.CancelFunc) { c.send(getRequest("/", "Connection: close")) }, nil},
		{"a head is refused", func(c *memoryClient, _ context.CancelFunc) { c.send("GET\r\n\r\n") }, nil},
		{"the context ends", func(c *memoryClient, cancel context.CancelFunc) { cancel() }, nil},
		{"Close", func(c *memoryClient, _ context.CancelFunc) { c.srv.Close() }, rawhttp.ErrServerClosed},
		{"Shutdown", func(c *memoryClient, _ context.CancelFunc) { c.srv.Shutdown(context.Background()) }, rawhttp.ErrServerClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				client, server := net.Pipe()
				c := &memoryClient{Conn: client, ended: make(chan struct{}), srv: newServer(t, rawhttp.WithResolver(answerPath))}
				go c.readAll()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				served := make(chan error, 1)
				go func() { served <- c.srv.ServeConn(ctx, server) }()
				synctest.Wait()
				tt.do(c, cancel)
				if got := <-served; got != tt.want {
					t.Errorf("ServeConn = %v, want exactly %v", got, tt.want)
				}
				if c.isOpen() {
					t.Error("ServeConn returned without closing the connection")
				}
			})
		})
	}
	t.Run("a response is cut", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			cause := errors.New("cause")
			c := servePipe(t, rawhttp.WithResolver(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
				return rawhttp.StreamFunc(200, "", func(_ context.Context, w io.Writer) error { io.WriteString(w, "x"); return cause }), nil
			})))
			c.send(getRequest("/"))
			if got := <-c.served; !errors.Is(got, cause) {
				t.Errorf("ServeConn = %v, want an error that wraps %v", got, cause)
			}
		})
	})
}

// One Server may serve several listeners. Each Serve has its own context.
func TestSeveralListeners(t *testing.T) {
	bubble(t, func(t *testing.T) {
		type key struct{}
		s := newServer(t, rawhttp.WithDate(false), rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, _ *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.Text(200, fmt.Sprint(ctx.Value(key{}))), nil
		})))
		var lns []*memoryListener
		var cancels []context.CancelFunc
		var results []chan error
		for i := range 3 {
			ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, i))
			ln, served := newMemoryListener(), make(chan error, 1)
			go func() { served <- s.Serve(ctx, ln) }()
			lns, cancels, results = append(lns, ln), append(cancels, cancel), append(results, served)
		}
		ask := func(c *memoryClient, want string) {
			t.Helper()
			c.send(getRequest("/"))
			if diff := cmp.Diff(want, c.received()); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		}
		clients := []*memoryClient{lns[0].dial(t), lns[1].dial(t), lns[2].dial(t)}
		for i, c := range clients {
			ask(c, okAnswer(fmt.Sprint(i)))
		}
		cancels[1]()
		if err := <-results[1]; err != nil {
			t.Errorf("Serve whose context ended = %v, want nil", err)
		}
		if clients[1].isOpen() {
			t.Error("the connection of the Serve that returned is open")
		}
		ask(clients[0], okAnswer("0"))
		ask(lns[2].dial(t), okAnswer("2"))
		s.Close()
		for _, i := range []int{0, 2} {
			if err := <-results[i]; err != rawhttp.ErrServerClosed {
				t.Errorf("Serve = %v, want ErrServerClosed", err)
			}
			cancels[i]()
		}
	})
}

// The end of Serve's context starts a graceful shutdown. Requests in progress have the drain time
// to finish, and their answers have Connection: close.
func TestServeContextEndsGracefully(t *testing.T) {
	tests := []struct {
		name  string
		work  time.Duration // time that the request in progress still takes when the context ends
		drain []rawhttp.Option
		want  time.Duration // time until Serve returns
		cut   bool
	}{
		{"in time", 4 * time.Second, nil, 4 * time.Second, false},
		{"at the last moment", 10*time.Second - 1, nil, 10*time.Second - 1, false},
		{"too late", time.Hour, nil, 10 * time.Second, true},
		{"too late for a shorter drain time", 4 * time.Second, []rawhttp.Option{rawhttp.WithDrainTimeout(3 * time.Second)}, 3 * time.Second, true},
		{"no limit", 100 * time.Hour, []rawhttp.Option{rawhttp.WithDrainTimeout(0)}, 100 * time.Hour, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var ctxErr error
				resolver := rawhttp.ResolverFunc(func(ctx context.Context, _ *rawhttp.Request) (*rawhttp.Response, error) {
					select {
					case <-time.After(tt.work):
					case <-ctx.Done():
						ctxErr = ctx.Err()
					}
					return rawhttp.Text(200, "done"), nil
				})
				s := newServer(t, append(tt.drain, rawhttp.WithResolver(resolver), rawhttp.WithDate(false))...)
				ln := newMemoryListener()
				ctx, cancel := context.WithCancel(t.Context())
				served := make(chan error, 1)
				go func() { served <- s.Serve(ctx, ln) }()
				c := ln.dial(t)
				c.send(getRequest("/"))
				start := time.Now()
				cancel()
				synctest.Wait()
				if _, err := ln.Accept(); err != net.ErrClosed {
					t.Errorf("the listener is not closed while requests finish: Accept = %v", err)
				}
				if got := c.waitEnd(start); got != tt.want {
					t.Errorf("the connection closed after %v, want %v", got, tt.want)
				}
				c.Close()
				if err := <-served; err != nil {
					t.Errorf("Serve = %v, want nil", err)
				}
				want := lastAnswer("done")
				if tt.cut {
					want = ""
				}
				if diff := cmp.Diff(want, c.received()); diff != "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
				if (ctxErr != nil) != tt.cut {
					t.Errorf("the request's context ended with %v, want it to end only after the drain time", ctxErr)
				}
			})
		})
	}
}

// A request's context has the values of Serve's, but neither its deadline nor its end.
func TestRequestContextOutlivesServeContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		type key struct{}
		var seen []error
		resolver := rawhttp.ResolverFunc(func(ctx context.Context, _ *rawhttp.Request) (*rawhttp.Response, error) {
			time.Sleep(time.Second)
			seen = append(seen, ctx.Err())
			if _, ok := ctx.Deadline(); ok {
				t.Error("the request's context has the deadline of Serve's")
			}
			return rawhttp.Text(200, fmt.Sprint(ctx.Value(key{}))), nil
		})
		s := newServer(t, rawhttp.WithResolver(resolver), rawhttp.WithDate(false))
		ln := newMemoryListener()
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "carried"), time.Second/2)
		defer cancel()
		served := make(chan error, 1)
		go func() { served <- s.Serve(ctx, ln) }()
		c := ln.dial(t)
		c.send(getRequest("/"))
		c.waitEnd(time.Now())
		c.Close()
		if diff := cmp.Diff(lastAnswer("carried"), c.received()); diff != "" {
			t.Errorf("answer (-want +got):\n%s", diff)
		}
		if len(seen) != 1 || seen[0] != nil {
			t.Errorf("ctx.Err() after the end of Serve's context: %v, want nil", seen)
		}
		<-served
	})
}

// Stats has both totals and current numbers.
func TestStats(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := serveDuplex(t, rawhttp.WithResolver(answerPath))
		read, written := uint64(0), uint64(0)
		check := func(requests, idle uint64) {
			t.Helper()
			synctest.Wait()
			want := rawhttp.Stats{ConnsOpen: 1, ConnsIdle: idle, Conns: 1, Requests: requests, BytesRead: read, BytesWritten: written}
			if diff := cmp.Diff(want, c.srv.Stats()); diff != "" {
				t.Errorf("Stats (-want +got):\n%s", diff)
			}
		}
		ask := func(s string) {
			c.send(s)
			read += uint64(len(s))
			written += uint64(len(c.received()))
		}
		check(0, 1)
		ask("GET / HT")
		check(0, 0)
		ask("TP/1.1\r\nHost: a\r\n\r\n")
		check(1, 1)
		ask(postRequest("/a", "content that nobody reads") + getRequest("/b"))
		check(3, 1)
		ask("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n")
		check(4, 1)
		c.send("GET\r\n\r\n")
		read += 7
		written += uint64(len(c.received()))
		check(4, 0) // the connection lingers
		c.Close()
		synctest.Wait()
		want := rawhttp.Stats{Conns: 1, Requests: 4, BytesRead: read, BytesWritten: written}
		if diff := cmp.Diff(want, c.srv.Stats()); diff != "" {
			t.Errorf("Stats at the end (-want +got):\n%s", diff)
		}
	})
}

// Stats counts bytes sent by sendfile too.
func TestStatsCountSendfile(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	os.WriteFile(filepath.Join(root, "large.bin"), make([]byte, 1<<20), 0o644)
	s, addr := listen(t, rawhttp.WithRoot(root))
	got := talk(t, addr, getRequest("/large.bin"))
	s.Shutdown(context.Background())
	if st := s.Stats(); st.BytesWritten != uint64(len(got)) || len(got) < 1<<20 {
		t.Errorf("Stats().BytesWritten = %d, want the %d that the client received", st.BytesWritten, len(got))
	}
}

// A Server closes the folders that it opened, but not resolvers that the program made.
func TestCloseOwnership(t *testing.T) {
	given, err := rawhttp.FS(fstest.MapFS{"a.txt": {Data: []byte("x")}})
	if err != nil {
		t.Fatal(err)
	}
	srv, err := rawhttp.New(rawhttp.WithResolver(given))
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	const get = "GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n"
	if got := rawhttp.Answer(given, get); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") {
		t.Errorf("answer of the program's resolver after Server.Close: %q, want 200 OK", got)
	}
	if err := given.Close(); err != nil {
		t.Fatal(err)
	}
	if got := rawhttp.Answer(given, get); !strings.HasPrefix(got, "HTTP/1.1 503 Service Unavailable\r\n") {
		t.Errorf("answer of the resolver after its own Close: %q, want 503 Service Unavailable", got)
	}
}
