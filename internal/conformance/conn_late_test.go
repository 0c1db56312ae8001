package conformance_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
)

// A busy system may not run the process for a while. When it runs again, a time limit is over and
// what should have arrived before is there: the limit must not win.

// A stalledConn is a connection of a process that the system does not run for a while: the first
// Read that waits for the given time, until its deadline, returns only after the stall.
type stalledConn struct {
	net.Conn
	wait, stall time.Duration
}

func (c *stalledConn) Read(p []byte) (int, error) {
	start := time.Now()
	n, err := c.Conn.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) && time.Since(start) == c.wait {
		time.Sleep(c.stall)
		c.stall = 0
	}
	return n, err
}

// A request that arrives while the system does not run the process is answered, even if the
// connection was about to be closed for a shutdown.
func TestRequestSentDuringStall(t *testing.T) {
	const lastLook = 20 * time.Millisecond // before an idle connection closes for a shutdown
	for stall, want := range map[time.Duration]string{2 * time.Millisecond: "", 10 * time.Millisecond: lastAnswer("/a"), time.Minute: lastAnswer("/a")} {
		t.Run(stall.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newServer(t, rawhttp.WithResolver(answerPath), rawhttp.WithDate(false))
				near, far := duplexPipe()
				served := make(chan error, 1)
				go func() { served <- s.ServeConn(t.Context(), &stalledConn{far, lastLook, stall}) }()
				c := &memoryClient{Conn: near, ended: make(chan struct{})}
				go c.readAll()
				c.send(getRequest("/first"))
				c.received()
				time.Sleep(10 * time.Second)
				go s.Shutdown(t.Context())
				time.Sleep(lastLook + stall/2)
				c.send(getRequest("/a"))
				time.Sleep(stall)
				if diff := cmp.Diff(want, c.received()); diff != "" {
					t.Errorf("answer after a stall of %v (-want +got):\n%s", stall, diff)
				}
				near.Close()
				<-served
			})
		})
	}
}

// A stalledWriter is a connection of a process that the system does not run for a while: the first
// Write that times out at or after the given time returns only after the stall.
type stalledWriter struct {
	net.Conn
	from  time.Time
	stall time.Duration
}

func (c *stalledWriter) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if errors.Is(err, os.ErrDeadlineExceeded) && !time.Now().Before(c.from) {
		time.Sleep(c.stall)
		c.stall = 0
	}
	return n, err
}

// Bytes that the client accepts while the system does not run the process count, even if the limit
// is over when it runs again.
func TestWriteStallDuringStallOfProcess(t *testing.T) {
	for accepts, want := range map[time.Duration]string{29800 * time.Millisecond: okAnswer("/"), 32 * time.Second: ""} {
		t.Run(accepts.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				client, server := net.Pipe()
				slow := &stalledWriter{server, time.Now().Add(29 * time.Second), 1500 * time.Millisecond}
				c := serveUnread(t, client, slow, rawhttp.WithResolver(answerPath))
				c.send(getRequest("/"))
				time.Sleep(accepts)
				answer := make([]byte, len(okAnswer("/")))
				n, _ := io.ReadFull(c, answer)
				if diff := cmp.Diff(want, string(answer[:n])); diff != "" {
					t.Errorf("a client that accepts nothing for %v receives (-want +got):\n%s", accepts, diff)
				}
			})
		})
	}
}

// The rest of a head that arrives while the system does not run the process belongs to the head,
// even if it is noticed only after the pause that ends a head without an empty line.
func TestLenientHeadDuringStall(t *testing.T) {
	const pause = 200 * time.Millisecond
	head := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, req.Header().Get("A")), nil
	})
	for stall, want := range map[time.Duration]string{2 * time.Millisecond: "", 10 * time.Millisecond: "b", time.Second: "b"} {
		t.Run(stall.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newServer(t, rawhttp.WithLenientParsing(), rawhttp.WithResolver(head))
				near, far := duplexPipe()
				served := make(chan error, 1)
				go func() { served <- s.ServeConn(t.Context(), &stalledConn{far, pause, stall}) }()
				c := &memoryClient{Conn: near, ended: make(chan struct{})}
				go c.readAll()
				c.send("GET / HTTP/1.1\r\nHost: a\r\n")
				time.Sleep(pause + stall/2)
				c.send("A: b\r\n\r\n")
				time.Sleep(stall)
				if _, content := splitHead(c.received()); content != want {
					t.Errorf("the field sent during a stall of %v has the value %q, want %q", stall, content, want)
				}
				near.Close()
				<-served
			})
		})
	}
}

// The rest of a head or of content that arrives in time is read, even if the time limit is over
// when the process notices it.
func TestRequestReadDuringStall(t *testing.T) {
	tests := []struct {
		name, begin, rest string
		limit, wait       time.Duration // time limit, and how long the last Read before it waits
		want, late        string        // answer after a stall, and status without one
	}{
		{"head", "GET / HTTP/1.1\r\nHost: a\r\n", "\r\n", 10 * time.Second, 10 * time.Second, okAnswer(""), "408"},
		// The deadline of the head wakes the first Read of content.
		{"content", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe", "llo", 30 * time.Second, 20 * time.Second, okAnswer("hello"), "408"},
	}
	for _, tt := range tests {
		for stall, inTime := range map[time.Duration]bool{2 * time.Millisecond: false, 10 * time.Millisecond: true, time.Minute: true} {
			t.Run(tt.name+" "+stall.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					content := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
						b, err := io.ReadAll(req.Body)
						return rawhttp.Text(200, string(b)), err
					})
					s := newServer(t, rawhttp.WithDate(false), rawhttp.WithResolver(content))
					near, far := duplexPipe()
					served := make(chan error, 1)
					go func() { served <- s.ServeConn(t.Context(), &stalledConn{far, tt.wait, stall}) }()
					c := &memoryClient{Conn: near, ended: make(chan struct{})}
					go c.readAll()
					c.send(tt.begin)
					time.Sleep(tt.limit + stall/2)
					go c.send(tt.rest) // it cannot be written if the server has ended the request
					time.Sleep(stall)
					got := c.received()
					if inTime && got != tt.want || !inTime && !strings.HasPrefix(got, "HTTP/1.1 "+tt.late) {
						t.Errorf("after a stall of %v the client received %q, want %q, or %s without one", stall, got, tt.want, tt.late)
					}
					near.Close()
					<-served
				})
			})
		}
	}
}

// A limit that was noticed late still holds: a client cannot extend it with a byte now and then.
func TestLimitHoldsAfterStall(t *testing.T) {
	tests := []struct {
		name, begin string
		limit, wait time.Duration // as in TestRequestReadDuringStall
	}{
		{"head", "GET / HTTP/1.1\r\nHost: a\r\nX: ", 10 * time.Second, 10 * time.Second},
		// The deadline of the head wakes the first Read of content.
		{"content", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", 30 * time.Second, 20 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newServer(t, rawhttp.WithDate(false), rawhttp.WithResolver(resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
					_, err := io.Copy(io.Discard, req.Body)
					return rawhttp.Empty(204), err
				})))
				near, far := duplexPipe()
				served := make(chan error, 1)
				go func() { served <- s.ServeConn(t.Context(), &stalledConn{far, tt.wait, time.Second}) }()
				c := &memoryClient{Conn: near, ended: make(chan struct{})}
				go c.readAll()
				c.send(tt.begin)
				time.Sleep(tt.limit + 500*time.Millisecond)
				for range 500 { // 100 bytes per second, less than the minimum for content
					near.Write([]byte("x"))
					time.Sleep(10 * time.Millisecond)
				}
				if got := c.received(); !strings.HasPrefix(got, "HTTP/1.1 408 ") {
					t.Errorf("5 s after a limit of %v the client has received %q, want 408", tt.limit, got)
				}
				near.Close()
				<-served
			})
		})
	}
}
