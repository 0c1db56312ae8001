package conformance_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// watchKinds make connections of the kinds that servers meet. Their clients can close their
// side; that of a net.Pipe closes both.
var watchKinds = map[string]func(t *testing.T) (client, server net.Conn){
	"kernel": func(*testing.T) (net.Conn, net.Conn) {
		client, server := kernelPair(64 << 10)
		return client, server
	},
	"wrapped": func(*testing.T) (net.Conn, net.Conn) {
		client, server := kernelPair(64 << 10)
		return client, plainConn{server}
	},
	"byte by byte": func(*testing.T) (net.Conn, net.Conn) {
		client, server := kernelPair(64 << 10)
		return client, fragmentedConn{server, 1}
	},
	"TLS": func(t *testing.T) (net.Conn, net.Conn) {
		client, server := kernelPair(64 << 10)
		config := liveTLS(t)
		return tls.Client(client, config), tls.Server(server, config)
	},
	"wrapped TLS": func(t *testing.T) (net.Conn, net.Conn) {
		client, server := kernelPair(64 << 10)
		config := liveTLS(t)
		return tls.Client(client, config), plainConn{tls.Server(server, config)}
	},
	"pipe": func(*testing.T) (net.Conn, net.Conn) { return net.Pipe() },
}

// watchEach runs a test on each kind of connection, once for a resolver that waits and once
// for a StreamFunc.
func watchEach(t *testing.T, test func(t *testing.T, dial func(t *testing.T) (client, server net.Conn), waits func(f func(context.Context) error) rawhttp.Resolver)) {
	waiters := map[string]func(f func(context.Context) error) rawhttp.Resolver{
		"Resolve": func(f func(context.Context) error) rawhttp.Resolver {
			return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
				if req.Path() == "/next" {
					return rawhttp.Text(200, "/next"), nil
				}
				if err := f(ctx); err != nil {
					return nil, err
				}
				return rawhttp.Text(200, "done"), nil
			})
		},
		"StreamFunc": func(f func(context.Context) error) rawhttp.Resolver {
			return rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
				if req.Path() == "/next" {
					return rawhttp.Text(200, "/next"), nil
				}
				return rawhttp.StreamFunc(200, "", func(ctx context.Context, w io.Writer) error {
					if _, err := io.WriteString(w, "begin"); err != nil {
						return err
					}
					if err := f(ctx); err != nil {
						return err
					}
					_, err := io.WriteString(w, "done")
					return err
				}), nil
			})
		},
	}
	for kind, dial := range watchKinds {
		for waiter, waits := range waiters {
			t.Run(kind+" "+waiter, func(t *testing.T) {
				bubble(t, func(t *testing.T) { test(t, dial, waits) })
			})
		}
	}
}

// watchClose closes the client's side, as far as it can.
func watchClose(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
		return
	}
	c.Close()
}

// What is read ahead of a client that sends without end has an end.
func TestReadAheadIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const kernel, limit = 8 << 10, 32 << 10
		client, server := kernelPair(kernel)
		c := liveServe(t, client, plainConn{server}, rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, _ *rawhttp.Request) (*rawhttp.Response, error) {
			select {
			case <-ctx.Done():
			case <-time.After(time.Hour):
			}
			return rawhttp.Text(200, ""), nil
		})))
		c.say(liveGet("/"))
		client.SetWriteDeadline(time.Now().Add(time.Minute))
		n, err := client.Write(make([]byte, 1<<20))
		if err == nil || n < limit || n > limit+kernel {
			t.Errorf("the server took %d bytes, %v, want those of its buffer, %d, and at most those of the kernel's, %d", n, err, limit, kernel)
		}
	})
}

// Content that is read in part while the watch goes on between is whole and in order.
func TestContentAheadIsReadInParts(t *testing.T) {
	content := make([]byte, 20_000)
	for i := range content {
		content[i] = "0123456789abcdef"[i*7/16%16]
	}
	for kind, dial := range watchKinds {
		for _, first := range []int{0, 1, 1000} { // bytes that come with the head
			t.Run(fmt.Sprint(kind, " ", first), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					read := make(chan []byte, 1)
					client, server := dial(t)
					liveServe(t, client, server, rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
						ctx.Done() // watched from now on
						var got []byte
						for p := make([]byte, 50); ; {
							time.Sleep(20 * time.Millisecond)
							n, err := req.Body.Read(p)
							got = append(got, p[:n]...)
							if err != nil {
								read <- got
								return rawhttp.Text(200, err.Error()), nil
							}
						}
					})))
					in := liveChunked("/", liveChunks(string(content), 7))
					head := strings.Index(in, "\r\n\r\n") + 4 + first
					go func() {
						io.WriteString(client, in[:head])
						time.Sleep(15 * time.Millisecond)
						for in = in[head:]; in != ""; in = in[min(3000, len(in)):] {
							io.WriteString(client, in[:min(3000, len(in))])
							time.Sleep(33 * time.Millisecond)
						}
					}()
					got := <-read
					if string(got) != string(content) {
						t.Errorf("%d bytes of content were read that are not the %d that were sent", len(got), len(content))
					}
				})
			})
		}
	}
}

// With WithHalfClose the same client waits for its answer, which the context allows; and
// what it sent with its request is not lost.
func TestWithHalfClose(t *testing.T) {
	watchEach(t, func(t *testing.T, dial func(t *testing.T) (client, server net.Conn), waits func(func(context.Context) error) rawhttp.Resolver) {
		client, server := dial(t)
		if _, ok := client.(interface{ CloseWrite() error }); !ok {
			client.Close()
			return
		}
		c := liveServe(t, client, server, rawhttp.WithHalfClose(true), rawhttp.WithResolver(waits(func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Hour):
				return nil
			}
		})))
		c.say(liveGet("/") + liveGet("/next"))
		time.Sleep(time.Minute)
		watchClose(client)
		start := time.Now()
		c.waitEnd(start)
		if got := c.heard(); !strings.Contains(got, "done") || !strings.HasSuffix(got, liveOK("/next")) {
			t.Errorf("the client heard %q, want both answers", got)
		}
	})
}

// What the watch has read is not lost: the requests that came while a resolver waited are
// answered, in order, however many they are.
func TestWatchKeepsWhatItReads(t *testing.T) {
	for _, n := range []int{1, 3, 200} {
		watchEach(t, func(t *testing.T, dial func(t *testing.T) (client, server net.Conn), waits func(func(context.Context) error) rawhttp.Resolver) {
			client, server := dial(t)
			c := liveServe(t, client, server, rawhttp.WithResolver(waits(func(ctx context.Context) error {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(time.Second):
					return nil
				}
			})))
			c.say(liveGet("/"))
			time.Sleep(500 * time.Millisecond)
			c.say(strings.Repeat(liveGet("/next"), n))
			time.Sleep(time.Second)
			_, got, _ := strings.Cut(c.heard(), "done")
			got = strings.TrimPrefix(got, "\r\n0\r\n\r\n")
			if diff := cmp.Diff(strings.Repeat(liveOK("/next"), n), got); diff != "" {
				t.Errorf("answers to %d requests that came meanwhile (-want +got):\n%s", n, diff)
			}
			c.say(liveGet("/next"))
			if diff := cmp.Diff(liveOK("/next"), c.heard()); diff != "" {
				t.Errorf("answer to one more (-want +got):\n%s", diff)
			}
			if got := c.srv.Stats().BytesRead; got != uint64(len(liveGet("/"))+(n+1)*len(liveGet("/next"))) {
				t.Errorf("Stats().BytesRead = %d, want all that was sent, once", got)
			}
		})
	}
}

// Content is read while somebody waits on the context: nothing of it is lost, and the end of
// the client is noticed in between.
func TestContentWhileTheContextIsWaitedFor(t *testing.T) {
	watchEach(t, func(t *testing.T, dial func(t *testing.T) (client, server net.Conn), _ func(func(context.Context) error) rawhttp.Resolver) {
		ended := make(chan bool, 1)
		client, server := dial(t)
		c := liveServe(t, client, server, rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			var got []byte
			buf := make([]byte, 7)
			for len(got) < 70 {
				time.Sleep(100 * time.Millisecond)
				n, err := req.Body.Read(buf)
				got = append(got, buf[:n]...)
				if err != nil {
					return nil, err
				}
			}
			if want := strings.Repeat("0123456789", 7); string(got) != want {
				t.Errorf("the content is %q, want %q", got, want)
			}
			<-ctx.Done()
			ended <- true
			return nil, ctx.Err()
		})))
		c.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
		for range 7 {
			time.Sleep(300 * time.Millisecond)
			c.say("0123456789")
		}
		time.Sleep(time.Second)
		watchClose(client)
		synctest.Wait()
		select {
		case <-ended:
		default:
			t.Error("the context has not ended: 30 bytes of content will never come")
			client.Close()
			<-ended
		}
	})
}

// 500 event streams whose clients have closed end without their next event.
func TestClosedEventStreamsEnd(t *testing.T) {
	noNewGoroutines(t)
	const streams = 500
	var ended sync.WaitGroup
	ended.Add(streams)
	s, addr := listen(t, rawhttp.WithMaxConns(0), rawhttp.WithResolver(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.StreamFunc(200, "text/event-stream", func(ctx context.Context, w io.Writer) error {
			defer ended.Done()
			if _, err := io.WriteString(w, "data: hello\n\n"); err != nil {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		}), nil
	})))
	for range streams {
		c := dial(t, addr)
		io.WriteString(c, liveGet("/"))
		if _, err := io.ReadFull(c, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	ended.Wait()
	s.Shutdown(t.Context())
}

// A write goes through after the client has closed its side, since it may be reading: what
// is ready is sent.
func TestWriteAfterTheClientHasClosed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		client, server := kernelPair(64 << 10)
		c := liveServe(t, client, server, rawhttp.WithResolver(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.StreamFunc(200, "", func(ctx context.Context, w io.Writer) error {
				<-ctx.Done()
				_, err := io.WriteString(w, "goodbye")
				return err
			}), nil
		})))
		c.say(liveGet("/"))
		client.CloseWrite()
		time.Sleep(time.Second)
		if got := c.heard(); !strings.HasSuffix(got, "7\r\ngoodbye\r\n0\r\n\r\n") {
			t.Errorf("the client heard %q, want what was written after the end of the context", got)
		}
	})
}

// Who does not wait does not pay: there is no goroutine, and none stays.
func TestWatchGoroutines(t *testing.T) {
	count := func() (n int) {
		for _, kind := range []string{"runWatch", "readAhead"} {
			n += strings.Count(goroutines(), kind)
		}
		return n
	}
	bubble(t, func(t *testing.T) {
		var during []int
		c := newLiveHalf(t, rawhttp.WithIdleTimeout(0), rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			switch req.Path() {
			case "/long":
				time.Sleep(time.Hour)
			case "/soon":
				_, cancel := context.WithTimeout(ctx, time.Hour)
				defer cancel()
				time.Sleep(9 * time.Millisecond)
			case "/waits":
				_, cancel := context.WithTimeout(ctx, time.Hour)
				defer cancel()
				time.Sleep(time.Minute)
			}
			during = append(during, count())
			return rawhttp.Text(200, ""), nil
		})))
		for _, path := range []string{"/long", "/soon", "/waits", "/soon"} {
			c.say(liveGet(path))
			time.Sleep(2 * time.Hour)
		}
		synctest.Wait()
		if diff := cmp.Diff([]bool{false, false, true, false}, []bool{during[0] > 0, during[1] > 0, during[2] > 0, during[3] > 0}); diff != "" {
			t.Errorf("a goroutine watches (-want +got):\n%s", diff)
		}
		if n := count(); n != 0 {
			t.Errorf("%d goroutines watch an idle connection", n)
		}
	})
}

// A goroutine that outlives Resolve reads no content: it gets an error, also where the
// server has read the rest to its end, and never the content of another request.
func TestContentIsReadLate(t *testing.T) {
	for _, content := range []string{"hello", strings.Repeat("x", 100_000)} {
		for _, how := range []string{"fixed", "chunked"} {
			t.Run(fmt.Sprint(how, len(content)), func(t *testing.T) {
				var kept []*rawhttp.Request
				resolver := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
					kept = append(kept, req)
					return rawhttp.Text(200, ""), nil
				})
				in := livePost("/", content)
				if how == "chunked" {
					in = liveChunked("/", liveChunks(content, 1000))
				}
				liveTalk(t, in+in+liveGet("/")+in, rawhttp.WithResolver(resolver))
				if len(kept) != 4 {
					t.Fatalf("%d requests, want 4", len(kept))
				}
				for i, req := range kept {
					if i == 2 {
						continue // it has no content
					}
					n, err := req.Body.Read(make([]byte, 10))
					if n > 0 || err == nil || errors.Is(err, io.EOF) {
						t.Errorf("request %d: Body.Read after the response = %d, %v, want an error", i+1, n, err)
					}
				}
			})
		}
	}
}

// Nor is it a data race to read the Body of a request without content late, while its
// connection serves others; with -race this test would tell.
func TestBodyWithoutContentIsReadLate(t *testing.T) {
	t.Parallel()
	long := "A: " + strings.Repeat("a", idleText)
	bubble(t, func(t *testing.T) {
		var late sync.WaitGroup
		done := make(chan struct{})
		c := newLive(t, rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			if req.Path() == "/late" {
				late.Go(func() {
					for {
						if n, err := req.Body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
							t.Errorf("Body.Read = %d, %v, want 0, io.EOF", n, err)
						}
						select {
						case <-done:
							return
						case <-time.After(time.Microsecond):
						}
					}
				})
			}
			return rawhttp.Text(200, ""), nil
		})))
		for range 5 {
			for _, in := range []string{liveGet("/late"), liveGet("/next"), liveGet("/long", long), livePost("/", "content"), liveGet("/late") + liveGet("/")} {
				c.say(in)
				time.Sleep(time.Millisecond)
			}
		}
		close(done)
		late.Wait()
	})
}

// A Body that a resolver puts in the place of the one it was given is that of its request
// alone.
func TestBodyIsOfOneRequest(t *testing.T) {
	var got []string
	liveTalk(t, liveGet("/")+liveGet("/")+livePost("/", "content")+liveGet("/"), rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		b, _ := io.ReadAll(req.Body)
		got = append(got, string(b))
		req.Body = strings.NewReader("another")
		return rawhttp.Text(200, ""), nil
	})))
	if diff := cmp.Diff([]string{"", "", "content", ""}, got); diff != "" {
		t.Errorf("content of four requests (-want +got):\n%s", diff)
	}
}

// Content that was read to its end stays so.
func TestContentThatWasReadToItsEnd(t *testing.T) {
	var kept *rawhttp.Request
	liveTalk(t, livePost("/", "hello"), rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		kept = req
		io.Copy(io.Discard, req.Body)
		return rawhttp.Text(200, ""), nil
	})))
	if n, err := kept.Body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("Body.Read = %d, %v, want 0, io.EOF", n, err)
	}
}

// Whoever waits on the context of a request learns at once that the client has closed its
// side of the connection, on any connection.
func TestContextEndsWithTheClient(t *testing.T) {
	requests := map[string]string{
		"GET":                     liveGet("/"),
		"content that is there":   livePost("/", "hello"),
		"content that is cut":     livePost("/", "hello")[:len(livePost("/", "hello"))-1],
		"a request after it":      liveGet("/") + liveGet("/next"),
		"half a request after it": liveGet("/") + "GET /ne",
		"an empty line after it":  liveGet("/") + "\r\n",
		"content nobody reads":    livePost("/", strings.Repeat("x", 20_000)),
		"many requests after it":  liveGet("/") + strings.Repeat(liveGet("/next"), 300),
	}
	for name, request := range requests {
		t.Run(name, func(t *testing.T) {
			watchEach(t, func(t *testing.T, dial func(t *testing.T) (client, server net.Conn), waits func(func(context.Context) error) rawhttp.Resolver) {
				var log liveLog
				learned := make(chan time.Duration, 1)
				var closed time.Time
				client, server := dial(t)
				c := liveServe(t, client, server, rawhttp.WithLogger(&log), rawhttp.WithResolver(waits(func(ctx context.Context) error {
					<-ctx.Done()
					learned <- time.Since(closed)
					if got := context.Cause(ctx).Error(); got != clientClosed {
						t.Errorf("context.Cause = %q, want %q", got, clientClosed)
					}
					return ctx.Err()
				})))
				c.say(request)
				time.Sleep(time.Hour)
				if len(learned) > 0 {
					t.Error("the context has ended before")
				}
				closed = time.Now()
				watchClose(client)
				select {
				case got := <-learned:
					if got != 0 {
						t.Errorf("the context ends after %v, want at once", got)
					}
				case <-time.After(time.Hour):
					t.Error("the context does not end")
					client.Close()
				}
				if log.has("error") || log.has("warn") {
					t.Errorf("the log has %q: it is the client's doing", &log)
				}
			})
		})
	}
}

// What a client has sent and nobody reads hides neither its end, where the system tells of
// it, nor its reset, also below TLS. Much of it keeps the end itself from coming, since the
// system has no room for what is sent before.
func TestContextEndsBehindUnreadContent(t *testing.T) {
	switch runtime.GOOS {
	case "linux", "android", "darwin", "ios", "freebsd":
	default:
		t.Skip("the system does not tell")
	}
	noNewGoroutines(t)
	type conns = func(c *net.TCPConn) net.Conn
	config := liveTLS(t)
	kinds := map[string]struct{ server, client conns }{
		"TCP":         {func(c *net.TCPConn) net.Conn { return c }, func(c *net.TCPConn) net.Conn { return c }},
		"TLS":         {func(c *net.TCPConn) net.Conn { return tls.Server(c, config) }, func(c *net.TCPConn) net.Conn { return tls.Client(c, config) }},
		"wrapped TCP": {func(c *net.TCPConn) net.Conn { return namedConn{c} }, func(c *net.TCPConn) net.Conn { return c }},
	}
	ends := map[string]struct {
		opts []rawhttp.Option
		end  func(c *net.TCPConn)
		want string
	}{
		"close":      {end: func(c *net.TCPConn) { c.Close() }, want: clientClosed},
		"half-close": {end: func(c *net.TCPConn) { c.CloseWrite() }, want: clientClosed},
		"reset":      {end: func(c *net.TCPConn) { reset(c) }, want: clientReset},
		"half-close, and a reset after it": {
			opts: []rawhttp.Option{rawhttp.WithHalfClose(true)},
			end:  func(c *net.TCPConn) { c.CloseWrite(); time.Sleep(50 * time.Millisecond); reset(c) },
			want: clientReset,
		},
	}
	for kind, conns := range kinds {
		for how, tt := range ends {
			for _, size := range []int{20_000, 60_000, 200_000} {
				if size > 100_000 && tt.want == clientClosed {
					continue
				}
				t.Run(fmt.Sprint(kind, " ", how, " ", size), func(t *testing.T) {
					ln, err := net.Listen("tcp", "127.0.0.1:0")
					if err != nil {
						t.Fatal(err)
					}
					defer ln.Close()
					socket := dial(t, ln.Addr().String())
					accepted, err := ln.Accept()
					if err != nil {
						t.Fatal(err)
					}
					waits, ended := make(chan bool, 1), make(chan string, 1)
					s := newServer(t, append(tt.opts, rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, _ *rawhttp.Request) (*rawhttp.Response, error) {
						ctx.Done()
						waits <- true
						<-ctx.Done()
						ended <- context.Cause(ctx).Error()
						return nil, ctx.Err()
					})))...)
					served := make(chan error, 1)
					go func() { served <- s.ServeConn(context.Background(), conns.server(accepted.(*net.TCPConn))) }()
					if _, err := io.WriteString(conns.client(socket), livePost("/", strings.Repeat("x", size))); err != nil {
						t.Fatal(err)
					}
					<-waits
					tt.end(socket)
					if got := <-ended; got != tt.want {
						t.Errorf("context.Cause = %q, want %q", got, tt.want)
					}
					s.Close()
					<-served
				})
			}
		}
	}
}

// The causes of contexts that end with the client, as logs show them.
const (
	clientClosed = "rawhttp: the client closed its side of the connection"
	clientReset  = "rawhttp: the client reset the connection"
)

// reset resets a connection.
func reset(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}

// A namedConn hides what a connection can do, but names it.
type namedConn struct{ net.Conn }

func (c namedConn) NetConn() net.Conn { return c.Conn }

// A reset ends the context, on real sockets: also where there is content or a request that
// nobody reads, and after the client has closed its side.
func TestContextEndsWithAReset(t *testing.T) {
	noNewGoroutines(t)
	kinds := map[string]func(net.Listener) net.Listener{
		"TCP":     func(ln net.Listener) net.Listener { return ln },
		"wrapped": func(ln net.Listener) net.Listener { return plainListener{ln} },
	}
	tests := []struct {
		name, in string
		opts     []rawhttp.Option
		half     bool // the client closes its side before
	}{
		{name: "GET", in: liveGet("/")},
		{name: "a request after it", in: liveGet("/") + liveGet("/")},
		{name: "after a half-close", in: liveGet("/"), opts: []rawhttp.Option{rawhttp.WithHalfClose(true)}, half: true},
	}
	for kind, wrap := range kinds {
		for _, tt := range tests {
			if tt.half && (kind == "wrapped" || runtime.GOOS == "windows") {
				continue // there is nothing left to read, and no socket to be seen: see awaitReset
			}
			t.Run(kind+" "+tt.name, func(t *testing.T) {
				waits, ended := make(chan bool, 1), make(chan string, 1)
				s := newServer(t, append(tt.opts, rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, _ *rawhttp.Request) (*rawhttp.Response, error) {
					waits <- true
					<-ctx.Done()
					ended <- context.Cause(ctx).Error()
					return nil, ctx.Err()
				})))...)
				ln, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				served := make(chan error, 1)
				go func() { served <- s.Serve(context.Background(), wrap(ln)) }()
				c := dial(t, ln.Addr().String())
				io.WriteString(c, tt.in)
				<-waits
				if tt.half {
					c.CloseWrite()
				}
				c.SetLinger(0)
				c.Close()
				if got := <-ended; got != clientReset && got != clientClosed {
					t.Errorf("context.Cause = %q, want the end of the client", got)
				}
				s.Close()
				<-served
			})
		}
	}
}

// A plainListener hides what its connections can do beyond net.Conn.
type plainListener struct{ net.Listener }

func (l plainListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return plainConn{c}, nil
}
