package testkit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// Dial connects to the address. The connection closes when the test ends.
func Dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// Talk connects to the address, sends the request, half-closes the connection, and returns
// everything that the server sends until it closes.
func Talk(t testing.TB, addr, request string) string {
	t.Helper()
	c := Dial(t, addr)
	go func() {
		io.WriteString(c, request)
		c.CloseWrite()
	}()
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Errorf("reading the answer to %q: %v", request, err)
	}
	return string(answer)
}

// Serve runs the server on a port of 127.0.0.1 and returns its address. When the test ends
// the server is closed, without waiting as a graceful shutdown does, and its method Serve must
// return nil or the error closed.
func Serve(t testing.TB, s interface {
	Serve(context.Context, net.Listener) error
	Close() error
}, closed error) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		s.Close()
		if err := <-done; err != nil && !errors.Is(err, closed) {
			t.Errorf("Serve = %v, want nil after its context has ended", err)
		}
	})
	return ln.Addr().String()
}

// SplitHead splits an answer after the empty line that ends its head.
func SplitHead(answer string) (head, rest string) {
	i := strings.Index(answer, "\r\n\r\n")
	if i < 0 {
		return answer, ""
	}
	return answer[:i+4], answer[i+4:]
}

// Descriptors returns the number of open descriptors, 0 if the system does not show them.
func Descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		panic(err)
	}
	return len(entries)
}

// A RecordingConn records what is written to it. Its methods may be called concurrently.
type RecordingConn struct {
	net.Conn
	mu     sync.Mutex
	writes []string
}

// Write records p and writes it.
func (c *RecordingConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.writes = append(c.writes, string(p))
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// Writes returns the argument of each Write since the last call of Writes.
func (c *RecordingConn) Writes() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.writes
	c.writes = nil
	return w
}

// A RepeatingConn is a connection on which the same requests arrive repeatedly. What is
// written to it is dropped.
type RepeatingConn struct {
	net.Conn
	Requests string // what one Read returns
	Reads    int    // how often Read returns them before it returns io.EOF
	Written  int    // number of bytes written
}

// Read returns the requests.
func (c *RepeatingConn) Read(p []byte) (int, error) {
	if c.Reads == 0 {
		return 0, io.EOF
	}
	c.Reads--
	return copy(p, c.Requests), nil
}

// Write drops p.
func (c *RepeatingConn) Write(p []byte) (int, error) {
	c.Written += len(p)
	return len(p), nil
}

// The other methods of a net.Conn do nothing.

func (c *RepeatingConn) Close() error                     { return nil }
func (c *RepeatingConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *RepeatingConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *RepeatingConn) SetReadDeadline(time.Time) error  { return nil }
func (c *RepeatingConn) SetWriteDeadline(time.Time) error { return nil }

// Shorten leaves out the middle of a long text, so that messages about it stay readable.
func Shorten(s string) string {
	if len(s) > 200 {
		return fmt.Sprintf("%s...%s (%d bytes)", s[:100], s[len(s)-60:], len(s))
	}
	return s
}
