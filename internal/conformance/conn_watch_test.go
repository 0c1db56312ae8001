package conformance_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit/testtls"
)

// watchKinds makes connections of the kinds that servers see. Their clients can close one
// direction, except that a net.Pipe closes both.
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
		config := testtls.Config(t)
		return tls.Client(client, config), tls.Server(server, config)
	},
	"wrapped TLS": func(t *testing.T) (net.Conn, net.Conn) {
		client, server := kernelPair(64 << 10)
		config := testtls.Config(t)
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

// watchClose closes the client's direction of c, or c if it cannot close one direction.
func watchClose(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
		return
	}
	c.Close()
}

// The watch reads ahead a limited amount from a client that sends without end.
func TestReadAheadIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const kernel, limit = 8 << 10, 32 << 10
		client, server := kernelPair(kernel)
		c := serveConn(t, client, plainConn{server}, rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, _ *rawhttp.Request) (*rawhttp.Response, error) {
			select {
			case <-ctx.Done():
			case <-time.After(time.Hour):
			}
			return rawhttp.Text(200, ""), nil
		})))
		c.send(getRequest("/"))
		client.SetWriteDeadline(time.Now().Add(time.Minute))
		n, err := client.Write(make([]byte, 1<<20))
		if err == nil || n < limit || n > limit+kernel {
			t.Errorf("the client sent %d bytes, %v, want the %d of the server's buffer and at most %d in the kernel's", n, err, limit, kernel)
		}
	})
}

// Content that is read in parts, with the watch running in between, is complete and in order.
func TestContentReadInPartsWhileWatched(t *testing.T) {
	t.Parallel()
	content := make([]byte, 20_000)
	for i := range content {
		content[i] = "0123456789abcdef"[i*7/16%16]
	}
	for kind, dial := range watchKinds {
		for _, first := range []int{0, 1, 1000} { // bytes sent with the head
			t.Run(fmt.Sprint(kind, " ", first), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					read := make(chan []byte, 1)
					client, server := dial(t)
					serveConn(t, client, server, rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
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
					in := chunkedRequest("/", inChunks(string(content), 7))
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
						t.Errorf("the %d bytes of content read differ from the %d sent", len(got), len(content))
					}
				})
			})
		}
	}
}

// With WithHalfClose a client that closes its side gets its answer, the context does not end,
// and the content of the request is not lost.
func TestWithHalfClose(t *testing.T) {
	watchEach(t, func(t *testing.T, dial func(t *testing.T) (client, server net.Conn), waits func(func(context.Context) error) rawhttp.Resolver) {
		client, server := dial(t)
		if _, ok := client.(interface{ CloseWrite() error }); !ok {
			client.Close()
			return
		}
		c := serveConn(t, client, server, rawhttp.WithHalfClose(true), rawhttp.WithResolver(waits(func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Hour):
				return nil
			}
		})))
		c.send(getRequest("/") + getRequest("/next"))
		time.Sleep(time.Minute)
		watchClose(client)
		start := time.Now()
		c.waitEnd(start)
		if got := c.received(); !strings.Contains(got, "done") || !strings.HasSuffix(got, okAnswer("/next")) {
			t.Errorf("client received %q, want both answers", got)
		}
	})
}

// Bytes that the watch has read are not lost: all requests that arrived while a resolver
// waited are answered in order.
func TestRequestsReadByWatchAreAnswered(t *testing.T) {
	for _, n := range []int{1, 3, 200} {
		watchEach(t, func(t *testing.T, dial func(t *testing.T) (client, server net.Conn), waits func(func(context.Context) error) rawhttp.Resolver) {
			client, server := dial(t)
			c := serveConn(t, client, server, rawhttp.WithResolver(waits(func(ctx context.Context) error {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(time.Second):
					return nil
				}
			})))
			c.send(getRequest("/"))
			time.Sleep(500 * time.Millisecond)
			c.send(strings.Repeat(getRequest("/next"), n))
			time.Sleep(time.Second)
			_, got, _ := strings.Cut(c.received(), "done")
			got = strings.TrimPrefix(got, "\r\n0\r\n\r\n")
			if diff := cmp.Diff(strings.Repeat(okAnswer("/next"), n), got); diff != "" {
				t.Errorf("answers to %d requests that arrived meanwhile (-want +got):\n%s", n, diff)
			}
			c.send(getRequest("/next"))
			if diff := cmp.Diff(okAnswer("/next"), c.received()); diff != "" {
				t.Errorf("answer to one more (-want +got):\n%s", diff)
			}
			if got := c.srv.Stats().BytesRead; got != uint64(len(getRequest("/"))+(n+1)*len(getRequest("/next"))) {
				t.Errorf("Stats().BytesRead = %d, want each byte sent counted once", got)
			}
		})
	}
}

// Content that is read while the context is watched is complete, and a client that disconnects
// in the middle is noticed.
func TestContentReadWhileContextIsWatched(t *testing.T) {
	watchEach(t, func(t *testing.T, dial func(t *testing.T) (client, server net.Conn), _ func(func(context.Context) error) rawhttp.Resolver) {
		ended := make(chan bool, 1)
		client, server := dial(t)
		c := serveConn(t, client, server, rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
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
				t.Errorf("content %q, want %q", got, want)
			}
			<-ctx.Done()
			ended <- true
			return nil, ctx.Err()
		})))
		c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
		for range 7 {
			time.Sleep(300 * time.Millisecond)
			c.send("0123456789")
		}
		time.Sleep(time.Second)
		watchClose(client)
		synctest.Wait()
		select {
		case <-ended:
		default:
			t.Error("the context has not ended, although 30 bytes of content are missing")
			client.Close()
			<-ended
		}
	})
}

// 500 event streams end when their clients close, without waiting for their next event.
func TestClosedEventStreamsEnd(t *testing.T) {
	t.Parallel()
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
		io.WriteString(c, getRequest("/"))
		if _, err := io.ReadFull(c, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	ended.Wait()
	s.Shutdown(t.Context())
}

// Writes succeed after the client has closed its side, since it may still be reading.
func TestWriteAfterClientCloses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		client, server := kernelPair(64 << 10)
		c := serveConn(t, client, server, rawhttp.WithResolver(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.StreamFunc(200, "", func(ctx context.Context, w io.Writer) error {
				<-ctx.Done()
				_, err := io.WriteString(w, "goodbye")
				return err
			}), nil
		})))
		c.send(getRequest("/"))
		client.CloseWrite()
		time.Sleep(time.Second)
		if got := c.received(); !strings.HasSuffix(got, "7\r\ngoodbye\r\n0\r\n\r\n") {
			t.Errorf("client received %q, want what was written after the end of the context", got)
		}
	})
}

// A resolver that does not wait for its context starts no goroutine, and none remains after one
// that does.
func TestWatchGoroutines(t *testing.T) {
	count := func() (n int) {
		for _, kind := range []string{"(*watch).run", "(*watch).readAhead"} {
			n += strings.Count(goroutines(), kind)
		}
		return n
	}
	bubble(t, func(t *testing.T) {
		var during []int
		c := serveDuplex(t, rawhttp.WithIdleTimeout(0), rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
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
			c.send(getRequest(path))
			time.Sleep(2 * time.Hour)
		}
		synctest.Wait()
		if diff := cmp.Diff([]bool{false, false, true, false}, []bool{during[0] > 0, during[1] > 0, during[2] > 0, during[3] > 0}); diff != "" {
			t.Errorf("whether a goroutine watches (-want +got):\n%s", diff)
		}
		if n := count(); n != 0 {
			t.Errorf("%d goroutines watch an idle connection, want 0", n)
		}
	})
}

// The causes of contexts that end because the client disconnected, as logs show them.
const (
	clientClosed = "rawhttp: the client closed its side of the connection"
	clientReset  = "rawhttp: the client reset the connection"
)

// reset resets a connection.
func reset(c *net.TCPConn) {
	c.SetLinger(0)
	c.Close()
}

// A namedConn hides the methods of a connection, but returns it from NetConn.
type namedConn struct{ net.Conn }

func (c namedConn) NetConn() net.Conn { return c.Conn }

// A plainListener hides the methods of its connections beyond those of net.Conn.
type plainListener struct{ net.Listener }

func (l plainListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return plainConn{c}, nil
}
