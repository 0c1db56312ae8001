package conformance_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit/testtls"
)

// A slowConn reads at most 1000 bytes every 100 ms.
type slowConn struct{ net.Conn }

func (c slowConn) Read(p []byte) (int, error) {
	time.Sleep(100 * time.Millisecond)
	return c.Conn.Read(p[:min(len(p), 1000)])
}

// serveTLS serves a TLS connection. wrap wraps the client's side of the connection below TLS.
func serveTLS(t *testing.T, config *tls.Config, wrap func(net.Conn) net.Conn, opts ...rawhttp.Option) *memoryClient {
	t.Helper()
	client, server := duplexPipe()
	if wrap == nil {
		wrap = func(c net.Conn) net.Conn { return c }
	}
	outer := tls.Client(wrap(client), config)
	c := serveUnread(t, outer, tls.Server(server, config), opts...)
	if err := outer.Handshake(); err != nil { // now, so that Read and Write do not wait for each other's handshake
		t.Fatal(err)
	}
	go c.readAll()
	return c
}

// A TLS connection cannot write after a deadline has passed, so early deadlines must not stay.
func TestTLSAnswersFarApart(t *testing.T) {
	config := testtls.Config(t)
	for _, apart := range []time.Duration{time.Second, 29 * time.Second, 31 * time.Second, 59 * time.Second} {
		bubble(t, func(t *testing.T) {
			c := serveTLS(t, config, nil, rawhttp.WithResolver(answerPath))
			for range 4 {
				c.send(getRequest("/a"))
				if diff := cmp.Diff(okAnswer("/a"), c.received()); diff != "" {
					t.Errorf("answers %v apart (-want +got):\n%s", apart, diff)
				}
				time.Sleep(apart)
			}
			if got, want := c.waitEnd(time.Now()), defaultIdle-apart; got != want {
				t.Errorf("then closed after %v, want %v", got, want)
			}
		})
	}
}

// A client that reads 10 kB/s is never cut.
func TestTLSSlowReaderIsNotCut(t *testing.T) {
	config := testtls.Config(t)
	text := strings.Repeat("0123456789", 100_000)
	resolvers := map[string]rawhttp.Resolver{
		"text": answerText(text),
		"content": rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.Content(rawhttp.Representation{MediaType: "text/plain; charset=utf-8", Body: io.MultiReader(strings.NewReader(text)), Size: int64(len(text))}), nil
		}),
	}
	for name, resolver := range resolvers {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				slow := func(c net.Conn) net.Conn { return slowConn{c} }
				c := serveTLS(t, config, slow, rawhttp.WithResolver(resolver))
				c.send(getRequest("/", "Connection: close"))
				start := time.Now()
				took := c.waitEnd(start)
				if got := c.received(); got != lastAnswer(text) {
					t.Errorf("after %v the client received %d bytes, want %d", took, len(got), len(lastAnswer(text)))
				}
			})
		})
	}
}

// tlsWrappers has wrappers whose methods do not reveal the TLS connection inside.
var tlsWrappers = map[string]func(net.Conn) net.Conn{
	"in view":      func(c net.Conn) net.Conn { return c },
	"hidden":       func(c net.Conn) net.Conn { return plainConn{c} },
	"hidden twice": func(c net.Conn) net.Conn { return &fragmentedConn{plainConn{c}, 1000} },
}

// A client that reads little at a time is not cut if a wrapper hides the TLS connection. Its
// Write must not meet a deadline before the limit, since TLS cannot write after one.
func TestHiddenTLSSlowReaderIsNotCut(t *testing.T) {
	config := testtls.Config(t)
	text := strings.Repeat("x", 1<<20)
	for name, hide := range tlsWrappers {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				below, server := kernelPair(32 << 10)
				client := tls.Client(below, config)
				serveUnread(t, client, hide(tls.Server(server, config)), rawhttp.WithResolver(answerText(text)))
				go io.WriteString(client, getRequest("/"))
				got := make([]byte, len(okAnswer(text)))
				for n := 0; n < len(got); {
					m, err := client.Read(got[n:min(n+16<<10, len(got))])
					n += m
					if err != nil {
						t.Fatalf("after %d bytes: %v", n, err)
					}
					time.Sleep(time.Second)
				}
				if string(got) != okAnswer(text) {
					t.Error("the client received other bytes than the answer")
				}
			})
		})
	}
}

// A client that reads nothing is cut, even if some bytes fit into the system's buffer.
func TestTLSWriteStall(t *testing.T) {
	config := testtls.Config(t)
	for name, hide := range tlsWrappers {
		for _, buffer := range []int{1, 5000, 100_000} {
			t.Run(fmt.Sprintf("%s/buffer of %d bytes", name, buffer), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					below, server := kernelPair(buffer)
					client := tls.Client(below, config)
					c := serveUnread(t, client, hide(tls.Server(server, config)), rawhttp.WithResolver(answerText(strings.Repeat("x", 1<<20))))
					if err := client.Handshake(); err != nil {
						t.Fatal(err)
					}
					io.WriteString(client, getRequest("/"))
					start := time.Now()
					<-c.served
					most := 31500 * time.Millisecond
					if name != "in view" {
						most += 5 * time.Second // for the close_notify of the hidden TLS connection
					}
					if got := time.Since(start); got < 30*time.Second || got > most {
						t.Errorf("closed after %v, want 30s to %v", got, most)
					}
				})
			})
		}
	}
}

// The limit on the first head starts at the accept, so it includes the TLS handshake.
func TestTLSHandshakeTime(t *testing.T) {
	config := testtls.Config(t)
	hello := clientHello(t, config)
	tests := []struct {
		name string
		send string // bytes sent below TLS
	}{
		{"nothing", ""},
		{"half a ClientHello", hello[:len(hello)/2]},
		{"a ClientHello, and the answer is not read", hello},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				client, server := duplexPipe()
				c := serveUnread(t, client, tls.Server(server, config), rawhttp.WithResolver(answerPath))
				start := time.Now()
				c.send(tt.send)
				select {
				case <-c.served:
				case <-time.After(beyondAllLimits):
				}
				if got := time.Since(start); got != 10*time.Second {
					t.Errorf("closed after %v, want 10s", got)
				}
			})
		})
	}
	t.Run("handshake and half a head", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			start := time.Now()
			c := serveTLS(t, config, nil, rawhttp.WithResolver(answerPath))
			time.Sleep(4 * time.Second)
			c.send("GET / HT")
			if got := c.waitEnd(start); got != 10*time.Second {
				t.Errorf("closed %v after the accept, want 10s", got)
			}
			if diff := cmp.Diff(lateAnswer, c.received()); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	})
}

// A countingReads counts the bytes read.
type countingReads struct {
	net.Conn
	n int
}

func (c *countingReads) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.n += n
	return n, err
}

// Before a TLS connection closes gracefully, the server sends close_notify (RFC 8446, section
// 6.1), so that the client can distinguish the close from a cut.
func TestTLSIdleConnectionSendsCloseNotify(t *testing.T) {
	config := testtls.Config(t)
	bubble(t, func(t *testing.T) {
		client, server := duplexPipe()
		below := &countingReads{Conn: client}
		outer := tls.Client(below, config)
		c := serveUnread(t, outer, tls.Server(server, config), rawhttp.WithResolver(answerPath))
		go io.WriteString(outer, getRequest("/"))
		if _, err := io.ReadFull(outer, make([]byte, len(okAnswer("/")))); err != nil {
			t.Fatal(err)
		}
		answered := below.n
		if rest, err := io.ReadAll(outer); len(rest) > 0 || err != nil {
			t.Errorf("after the answer the client read %q, %v, want io.EOF", rest, err)
		}
		<-c.served
		if below.n == answered {
			t.Error("no bytes after the answer, want the alert close_notify")
		}
	})
}

// A client over WithMaxConns that is silent during the TLS handshake is closed after the linger
// time.
func TestTLSHandshakeOfRefusedConnection(t *testing.T) {
	config := testtls.Config(t)
	bubble(t, func(t *testing.T) {
		s, ln, served := serveListener(t, rawhttp.WithMaxConns(1), rawhttp.WithResolver(answerPathLater))
		ln.dial(t).send(getRequest("/?1h"))
		client, server := duplexPipe()
		start := time.Now()
		ln.conns <- tls.Server(server, config)
		if got, err := io.ReadAll(client); len(got) > 0 || err != nil {
			t.Errorf("client read %q, %v, want io.EOF", got, err)
		}
		if got := time.Since(start); got != lingerSilence {
			t.Errorf("closed after %v, want %v", got, lingerSilence)
		}
		s.Close()
		<-served
	})
}

// A TLS connection that is accepted while the server is stopping, and whose client is silent, does
// not keep the server for longer than one without TLS.
func TestTLSHandshakeWhileStopping(t *testing.T) {
	config := testtls.Config(t)
	const look = 20 * time.Millisecond // at a connection that is to close, for a request in flight
	for kind, want := range map[string]time.Duration{"TLS": time.Second, "no TLS": time.Second + look} {
		bubble(t, func(t *testing.T) {
			s, ln, _ := serveListener(t, rawhttp.WithResolver(answerPath))
			synctest.Wait()
			stopped := make(chan struct{})
			go func() { s.Shutdown(context.Background()); close(stopped) }()
			synctest.Wait()
			start := time.Now()
			client, server := duplexPipe()
			defer client.Close()
			var conn net.Conn = server
			if kind == "TLS" {
				conn = tls.Server(server, config)
			}
			ln.conns <- conn
			<-stopped
			if got := time.Since(start); got != want {
				t.Errorf("%s: Shutdown returned after %v, want %v", kind, got, want)
			}
		})
	}
}

// clientHello returns the bytes that a TLS client sends first.
func clientHello(t *testing.T, config *tls.Config) (hello string) {
	t.Helper()
	bubble(t, func(t *testing.T) {
		client, server := net.Pipe()
		go tls.Client(client, config).Handshake()
		buf := make([]byte, 64<<10)
		n, err := server.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		hello = string(buf[:n])
		server.Close()
		synctest.Wait()
	})
	return hello
}
