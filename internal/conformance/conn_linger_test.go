package conformance_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// After the last response the server closes its side and keeps reading, so that a reset does
// not destroy the response: until the client closes, sends nothing for 5 s, or 30 s have
// passed, however much it sends.
func TestLingeringClose(t *testing.T) {
	t.Parallel()
	const bad = "GET\r\n\r\n"
	refusal := textAnswer("400 Bad Request", []string{"X-Content-Type-Options: nosniff", closeField},
		"400 Bad Request: method is not a token (RFC 9110, section 9.1)\n")
	tests := []struct {
		name string
		do   func(c net.Conn) // what the client does after the refusal
		want time.Duration    // time until the close
	}{
		{"silent client", func(net.Conn) {}, 5 * time.Second},
		{"client that closes", func(c net.Conn) { c.Close() }, 0},
		{"client that sends a byte now and then", func(c net.Conn) {
			for { // until the server closes
				if _, err := io.WriteString(c, "x"); err != nil {
					return
				}
				time.Sleep(4900 * time.Millisecond)
			}
		}, 30 * time.Second},
		{"client that falls silent", func(c net.Conn) {
			io.WriteString(c, "x")
			time.Sleep(3 * time.Second)
			io.WriteString(c, "x")
		}, 8 * time.Second},
		{"client that keeps sending", func(c net.Conn) {
			for i := range 16 {
				if n, err := io.WriteString(c, strings.Repeat("x", 1<<20)); err != nil {
					t.Errorf("after %d bytes of MiB %d: %v, want 16 MiB to be read", n, i+1, err)
				}
			}
		}, 5 * time.Second},
		{"client whose requests are not parsed", func(c net.Conn) { io.WriteString(c, getRequest("/")+getRequest("/")) }, 5 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for kind, serve := range map[string]func(testing.TB, ...rawhttp.Option) *memoryClient{"with CloseWrite": serveDuplex, "without": servePipe} {
				bubble(t, func(t *testing.T) {
					c := serve(t, rawhttp.WithResolver(answerPath))
					c.send(bad)
					if diff := cmp.Diff(refusal, c.received()); diff != "" {
						t.Errorf("%s: answer to %q (-want +got):\n%s", kind, bad, diff)
					}
					if kind == "with CloseWrite" && c.isOpen() {
						t.Errorf("%s: the server did not close its side at once", kind)
					}
					start := time.Now()
					done := make(chan struct{})
					go func() {
						tt.do(c.Conn)
						close(done)
					}()
					if err := <-c.served; err != nil {
						t.Errorf("%s: ServeConn = %v, want nil", kind, err)
					}
					if got := time.Since(start); got != tt.want {
						t.Errorf("%s: closed after %v, want %v", kind, got, tt.want)
					}
					if got := c.received(); got != "" {
						t.Errorf("%s: after its last response the server sent %q, want nothing", kind, got)
					}
					if got := c.srv.Stats().Requests; got != 0 {
						t.Errorf("%s: Stats().Requests = %d, want 0", kind, got)
					}
					<-done
				})
			}
		})
	}
}

// A connection that cannot close one direction lingers only for 100 ms if the client has sent
// its whole request and waits for the close. Line ends after the request, which some clients send,
// do not change that.
func TestCloseWithoutCloseWrite(t *testing.T) {
	stream := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		switch req.Path() {
		case "/read":
			io.Copy(io.Discard, req.Body)
		case "/upgrade":
			return rawhttp.Upgrade("x", func(context.Context, net.Conn) error { return nil }), nil
		}
		return rawhttp.Stream(200, "a/b", strings.NewReader("x")), nil
	})
	post := func(path, version string, fields ...string) string {
		return strings.Replace(postRequest(path, "hello", fields...), "HTTP/1.1", version, 1)
	}
	tests := []struct {
		name, in string
		later    string // sent after 50 ms
		want     time.Duration
	}{
		{"the client asks for the close", getRequest("/", "Connection: close"), "", 100 * time.Millisecond},
		{"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "", 100 * time.Millisecond},
		{"HTTP/1.0, content that is read", post("/read", "HTTP/1.0"), "", 100 * time.Millisecond},
		{"HTTP/1.0 with keep-alive, content that ends with the connection", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "", 100 * time.Millisecond},
		{"HTTP/1.0, content that is read and a line end", post("/read", "HTTP/1.0") + "\r\n", "", 100 * time.Millisecond},
		{"another protocol", getRequest("/upgrade", "Connection: upgrade", "Upgrade: x"), "", 100 * time.Millisecond},
		{"another request after the last", getRequest("/", "Connection: close") + getRequest("/"), "", 5 * time.Second},
		{"content that is not read", post("/", "HTTP/1.1", "Connection: close"), "", 5 * time.Second},
		{"content that is refused", getRequest("/", "Connection: close", "Content-Length: 20971520"), "", 5 * time.Second},
		{"a head that is refused", "GET\r\n\r\n", "", 5 * time.Second},
		{"a line end later", getRequest("/", "Connection: close"), "\r\n", 150 * time.Millisecond},
		{"another byte later", getRequest("/", "Connection: close"), "x", 50*time.Millisecond + 5*time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := servePipe(t, rawhttp.WithResolver(stream))
				start := time.Now()
				c.send(tt.in)
				if tt.later != "" {
					time.Sleep(50 * time.Millisecond)
					c.send(tt.later)
				}
				<-c.served
				if got := time.Since(start); got != tt.want {
					t.Errorf("closed after %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// Bytes that a client sends after its last request, against the rules, do not reset the
// connection, so its answer is not lost.
func TestBytesAfterTheLastRequest(t *testing.T) {
	for _, pause := range []time.Duration{0, time.Millisecond, 90 * time.Millisecond} {
		bubble(t, func(t *testing.T) {
			client, server := kernelPair(10_000)
			serveUnread(t, client, plainConn{server}, rawhttp.WithResolver(answerPath))
			io.WriteString(client, getRequest("/", "Connection: close"))
			time.Sleep(pause)
			for range 20 {
				if _, err := io.WriteString(client, strings.Repeat("x", 50_000)); err != nil {
					t.Fatalf("Write %v after the request: %v", pause, err)
				}
				time.Sleep(time.Second)
			}
			got, err := io.ReadAll(client)
			if want := lastAnswer("/"); string(got) != want || err != nil {
				t.Errorf("with bytes %v after the request: answer %q, %v, want %q and io.EOF", pause, got, err, want)
			}
		})
	}
}

// A lingering connection is evicted before an idle one, however long the idle one has been
// idle. Shutdown waits for lingering connections, up to the drain time.
func TestLingeringConnectionsAreEvictedFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, ln, served := serveListener(t, rawhttp.WithMaxConns(3), rawhttp.WithResolver(answerPath))
		idle, other := ln.dial(t), ln.dial(t)
		time.Sleep(3 * time.Second)
		lingers := ln.dial(t)
		lingers.send("GET\r\n\r\n")
		if got := s.Stats(); got.ConnsOpen != 3 || got.ConnsIdle != 2 {
			t.Errorf("Stats = %+v, want 3 connections, 2 of them idle", got)
		}
		written := make(chan error, 1)
		go func() { // send for as long as the server reads
			for {
				if _, err := io.WriteString(lingers.Conn, "x"); err != nil {
					written <- err
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
		time.Sleep(time.Second)
		fourth := ln.dial(t)
		time.Sleep(2 * time.Millisecond)
		select {
		case <-written:
		default:
			t.Error("the lingering connection is still read after a connection over the limit was accepted")
		}
		if !idle.isOpen() || !other.isOpen() || !fourth.isOpen() {
			t.Error("an idle connection was closed while another lingered")
		}
		fourth.send("GET\r\n\r\n")
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		if err := s.Shutdown(ctx); err != context.DeadlineExceeded {
			t.Errorf("Shutdown = %v, want context.DeadlineExceeded, since a connection lingers", err)
		}
		<-served
		if got := time.Since(start); got != 3*time.Second {
			t.Errorf("Serve returned after %v, want 3s", got)
		}
	})
}
