package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// A busy system may suspend the process for a while. When the process runs again, a time limit may
// have passed although the bytes had arrived before it. Then the bytes count, not the limit.

// A suspendedConn is a connection of a process that the system suspends: the first
// Read that waits for the given time, until its deadline, returns only after the suspension.
type suspendedConn struct {
	net.Conn
	wait, suspended time.Duration
}

func (c *suspendedConn) Read(p []byte) (int, error) {
	start := time.Now()
	n, err := c.Conn.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) && time.Since(start) == c.wait {
		time.Sleep(c.suspended)
		c.suspended = 0
	}
	return n, err
}

// A request that arrives while the process is suspended is answered, even if the
// connection was about to be closed for a shutdown.
func TestRequestSentWhileSuspended(t *testing.T) {
	const lastLook = 20 * time.Millisecond // before an idle connection closes for a shutdown
	for suspended, want := range map[time.Duration]string{2 * time.Millisecond: "", 10 * time.Millisecond: lastAnswer("/a"), time.Minute: lastAnswer("/a")} {
		t.Run(suspended.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				client, server := duplexPipe()
				c := serveConn(t, client, &suspendedConn{server, lastLook, suspended}, rawhttp.WithResolver(answerPath))
				c.send(getRequest("/first"))
				c.received()
				time.Sleep(10 * time.Second)
				go c.srv.Shutdown(t.Context())
				time.Sleep(lastLook + suspended/2)
				c.send(getRequest("/a"))
				time.Sleep(suspended)
				if diff := cmp.Diff(want, c.received()); diff != "" {
					t.Errorf("answer after a suspension of %v (-want +got):\n%s", suspended, diff)
				}
			})
		})
	}
}

// A request that arrives while the process is suspended is answered, even if the idle timeout is
// over when the process notices it. Without a request, the connection closes.
func TestIdleTimeoutWhileSuspended(t *testing.T) {
	const limit = 5 * time.Second
	tests := []struct {
		suspended time.Duration
		sent      string // meanwhile
		want      string
	}{
		{2 * time.Millisecond, getRequest("/a"), ""}, // the server waited for it until the limit
		{10 * time.Millisecond, getRequest("/a"), okAnswer("/a")},
		{time.Minute, getRequest("/a"), okAnswer("/a")},
		{time.Minute, "", ""},
		{time.Minute, "\r\n", ""}, // an empty line does not begin a request
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%v %q", tt.suspended, tt.sent), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				client, server := duplexPipe()
				c := serveConn(t, client, &suspendedConn{server, limit, tt.suspended}, rawhttp.WithResolver(answerPath), rawhttp.WithIdleTimeout(limit))
				c.send(getRequest("/first"))
				c.received()
				time.Sleep(limit + tt.suspended/2)
				c.send(tt.sent)
				time.Sleep(tt.suspended + 100*time.Millisecond)
				if diff := cmp.Diff(tt.want, c.received()); diff != "" {
					t.Errorf("answer after a suspension of %v (-want +got):\n%s", tt.suspended, diff)
				}
				if tt.want == "" && c.srv.Stats().ConnsOpen > 0 {
					t.Error("the connection is open, want it closed")
				}
			})
		})
	}
}

// A suspendedWriter is a connection of a process that the system suspends: the first
// Write that times out at or after the given time returns only after the suspension.
type suspendedWriter struct {
	net.Conn
	from      time.Time
	suspended time.Duration
}

func (c *suspendedWriter) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if errors.Is(err, os.ErrDeadlineExceeded) && !time.Now().Before(c.from) {
		time.Sleep(c.suspended)
		c.suspended = 0
	}
	return n, err
}

// Bytes that the client accepts while the process is suspended count, even if the limit
// is over when it runs again.
func TestWriteStallWhileSuspended(t *testing.T) {
	for accepts, want := range map[time.Duration]string{29800 * time.Millisecond: okAnswer("/"), 32 * time.Second: ""} {
		t.Run(accepts.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				client, server := net.Pipe()
				slow := &suspendedWriter{server, time.Now().Add(29 * time.Second), 1500 * time.Millisecond}
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

// The rest of a head that arrives while the process is suspended belongs to the head,
// even if it is noticed only after the pause that ends a head without an empty line.
func TestLenientHeadWhileSuspended(t *testing.T) {
	const pause = 200 * time.Millisecond
	head := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, req.Header().Get("A")), nil
	})
	for suspended, want := range map[time.Duration]string{2 * time.Millisecond: "", 10 * time.Millisecond: "b", time.Second: "b"} {
		t.Run(suspended.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				client, server := duplexPipe()
				c := serveConn(t, client, &suspendedConn{server, pause, suspended}, rawhttp.WithLenientParsing(), rawhttp.WithResolver(head))
				c.send("GET / HTTP/1.1\r\nHost: a\r\n")
				time.Sleep(pause + suspended/2)
				c.send("A: b\r\n\r\n")
				time.Sleep(suspended)
				if _, content := splitHead(c.received()); content != want {
					t.Errorf("the field sent during a suspension of %v has the value %q, want %q", suspended, content, want)
				}
			})
		})
	}
}

// The rest of a head or of content that arrives in time is read, even if the time limit is over
// when the process notices it.
func TestRequestReadWhileSuspended(t *testing.T) {
	tests := []struct {
		name, begin, rest string
		limit, wait       time.Duration // time limit, and how long the last Read before it waits
		want              string        // answer if the rest counts as in time
	}{
		{"head", "GET / HTTP/1.1\r\nHost: a\r\n", "\r\n", 10 * time.Second, 10 * time.Second, okAnswer("")},
		// The deadline of the head wakes the first Read of content.
		{"content", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe", "llo", 30 * time.Second, 20 * time.Second, okAnswer("hello")},
	}
	for _, tt := range tests {
		for suspended, inTime := range map[time.Duration]bool{2 * time.Millisecond: false, 10 * time.Millisecond: true, time.Minute: true} {
			t.Run(tt.name+" "+suspended.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					content := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
						b, err := io.ReadAll(req.Body)
						return rawhttp.Text(200, string(b)), err
					})
					client, server := duplexPipe()
					c := serveConn(t, client, &suspendedConn{server, tt.wait, suspended}, rawhttp.WithResolver(content))
					c.send(tt.begin)
					time.Sleep(tt.limit + suspended/2)
					go c.send(tt.rest) // it cannot be written if the server has ended the request
					time.Sleep(suspended)
					want := lateAnswer
					if inTime {
						want = tt.want
					}
					if diff := cmp.Diff(want, c.received()); diff != "" {
						t.Errorf("answer after a suspension of %v (-want +got):\n%s", suspended, diff)
					}
				})
			})
		}
	}
}

// A limit that was noticed late still holds: a client cannot extend it with a byte now and then.
func TestLimitHoldsAfterSuspension(t *testing.T) {
	tests := []struct {
		name, begin string
		limit, wait time.Duration // as in TestRequestReadWhileSuspended
	}{
		{"head", "GET / HTTP/1.1\r\nHost: a\r\nX: ", 10 * time.Second, 10 * time.Second},
		// The deadline of the head wakes the first Read of content.
		{"content", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", 30 * time.Second, 20 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				client, server := duplexPipe()
				c := serveConn(t, client, &suspendedConn{server, tt.wait, time.Second}, rawhttp.WithResolver(answerAfterReading(-1)))
				c.send(tt.begin)
				time.Sleep(tt.limit + 500*time.Millisecond)
				for range 500 { // 100 bytes per second, less than the minimum for content
					io.WriteString(client, "x")
					time.Sleep(10 * time.Millisecond)
				}
				if got := c.received(); !strings.HasPrefix(got, "HTTP/1.1 408 ") {
					t.Errorf("5 s after a limit of %v the client has received %q, want 408", tt.limit, got)
				}
			})
		})
	}
}
