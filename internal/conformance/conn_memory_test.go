package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/rawhttp"
)

// The helpers of this file are for tests of connections in memory. They work inside synctest.

// A duplexConn is one end of a connection that can be half-closed, as a TCP connection can. A
// Write blocks until it is read.
type duplexConn struct{ r, w net.Conn }

func duplexPipe() (client, server *duplexConn) {
	serverReads, clientWrites := net.Pipe()
	clientReads, serverWrites := net.Pipe()
	return &duplexConn{clientReads, clientWrites}, &duplexConn{serverReads, serverWrites}
}

func (c *duplexConn) Read(p []byte) (int, error)         { return c.r.Read(p) }
func (c *duplexConn) Write(p []byte) (int, error)        { return c.w.Write(p) }
func (c *duplexConn) CloseWrite() error                  { return c.w.Close() }
func (c *duplexConn) Close() error                       { return errors.Join(c.w.Close(), c.r.Close()) }
func (c *duplexConn) LocalAddr() net.Addr                { return c.r.LocalAddr() }
func (c *duplexConn) RemoteAddr() net.Addr               { return c.r.RemoteAddr() }
func (c *duplexConn) SetReadDeadline(t time.Time) error  { return c.r.SetReadDeadline(t) }
func (c *duplexConn) SetWriteDeadline(t time.Time) error { return c.w.SetWriteDeadline(t) }
func (c *duplexConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// talkInMemory sends the request over a connection in memory, closes that direction, and
// returns everything that the server sends until it closes.
func talkInMemory(t testing.TB, request string, opts ...rawhttp.Option) string {
	t.Helper()
	s := newServer(t, append([]rawhttp.Option{rawhttp.WithDate(false)}, opts...)...)
	client, server := duplexPipe()
	served := make(chan error, 1)
	go func() { served <- s.ServeConn(context.Background(), server) }()
	go func() {
		io.WriteString(client, request)
		client.CloseWrite()
	}()
	answer, err := io.ReadAll(client)
	if err != nil {
		t.Errorf("reading the answer to %q: %v", request, err)
	}
	client.Close()
	<-served
	return string(answer)
}

// A memoryClient is the client of a connection in memory. It reads all the time, so that no
// Write of the server blocks.
type memoryClient struct {
	net.Conn
	srv    *rawhttp.Server
	served chan error    // receives the result of ServeConn
	ended  chan struct{} // closed when the server has closed its side

	mu      sync.Mutex
	text    []byte
	endedAt time.Time
}

// newMemoryClient returns the client at conn.
func newMemoryClient(conn net.Conn) *memoryClient {
	c := &memoryClient{Conn: conn, ended: make(chan struct{})}
	go c.readAll()
	return c
}

// servePipe serves one end of a net.Pipe and returns the client at the other.
func servePipe(t testing.TB, opts ...rawhttp.Option) *memoryClient {
	t.Helper()
	client, server := net.Pipe()
	return serveConn(t, client, server, opts...)
}

// serveDuplex is servePipe over a connection that can be half-closed.
func serveDuplex(t testing.TB, opts ...rawhttp.Option) *memoryClient {
	t.Helper()
	client, server := duplexPipe()
	return serveConn(t, client, server, opts...)
}

// serveConn serves the connection whose ends are client and server.
func serveConn(t testing.TB, client, server net.Conn, opts ...rawhttp.Option) *memoryClient {
	t.Helper()
	c := serveUnread(t, client, server, opts...)
	go c.readAll()
	return c
}

// serveUnread is serveConn for a client that reads only when the test does.
func serveUnread(t testing.TB, client, server net.Conn, opts ...rawhttp.Option) *memoryClient {
	t.Helper()
	c := &memoryClient{
		Conn:   client,
		srv:    newServer(t, append([]rawhttp.Option{rawhttp.WithDate(false)}, opts...)...),
		served: make(chan error, 1),
		ended:  make(chan struct{}),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.served <- c.srv.ServeConn(context.Background(), server)
	}()
	t.Cleanup(func() {
		client.Close()
		<-done
	})
	return c
}

func (c *memoryClient) readAll() {
	defer func() {
		c.endedAt = time.Now()
		close(c.ended)
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Conn.Read(buf)
		c.mu.Lock()
		c.text = append(c.text, buf[:n]...)
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// send sends s and waits until all goroutines are idle. If the server does not read, the rest
// of s is sent when it does.
func (c *memoryClient) send(s string) {
	go io.WriteString(c.Conn, s)
	synctest.Wait()
}

// received returns everything that the server has sent since the last call.
func (c *memoryClient) received() string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := string(c.text)
	c.text = nil
	return s
}

// isOpen reports whether the server has not yet closed its side.
func (c *memoryClient) isOpen() bool {
	synctest.Wait()
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}

// defaultIdle is how long a connection may be idle by default.
const defaultIdle = 75 * time.Second

// beyondAllLimits is longer than any time limit.
const beyondAllLimits = 1000 * time.Hour

// waitEnd waits until the server has closed its side, and returns how long after start that
// was, or beyondAllLimits if it does not close.
func (c *memoryClient) waitEnd(start time.Time) time.Duration {
	select {
	case <-c.ended:
		return c.endedAt.Sub(start)
	case <-time.After(beyondAllLimits):
		return beyondAllLimits
	}
}

// textAnswer returns the bytes of an answer without Date whose content is text. status is the
// status code with its reason phrase; fields are the field lines after Content-Length.
func textAnswer(status string, fields []string, text string) string {
	lines := []string{
		"HTTP/1.1 " + status,
		"Content-Type: text/plain; charset=utf-8",
		"Content-Length: " + strconv.Itoa(len(text)),
	}
	return strings.Join(append(lines, fields...), "\r\n") + "\r\n\r\n" + text
}

// okAnswer is the answer of answerText(text).
func okAnswer(text string) string { return textAnswer("200 OK", nil, text) }

// lastAnswer is okAnswer with Connection: close.
func lastAnswer(text string) string { return textAnswer("200 OK", []string{"Connection: close"}, text) }

// ownError returns the server's own answer to an error. The connection persists unless the
// fields say that it closes.
func ownError(status string, fields ...string) string {
	return textAnswer(status, append([]string{"X-Content-Type-Options: nosniff"}, fields...), status+"\n")
}

const closeField = "Connection: close"

// answerPath answers each request with its path.
var answerPath = rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	return rawhttp.Text(200, req.Path()), nil
})

// A scriptedConn is a connection to a client that sends the bytes of in and then closes its side.
// out receives what is written to the connection.
type scriptedConn struct {
	net.Conn
	in  io.Reader
	out bytes.Buffer
}

func (c *scriptedConn) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *scriptedConn) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *scriptedConn) Close() error                     { return nil }
func (c *scriptedConn) LocalAddr() net.Addr              { return nil }
func (c *scriptedConn) RemoteAddr() net.Addr             { return nil }
func (c *scriptedConn) SetReadDeadline(time.Time) error  { return nil }
func (c *scriptedConn) SetWriteDeadline(time.Time) error { return nil }

// A memoryListener is a listener in memory: Accept returns the connections and errors that the
// test sends on conns and errs.
type memoryListener struct {
	conns  chan net.Conn
	errs   chan error
	closed chan struct{}
	once   sync.Once
}

func newMemoryListener() *memoryListener {
	return &memoryListener{conns: make(chan net.Conn), errs: make(chan error, 100), closed: make(chan struct{})}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select { // errors take precedence
	case err := <-l.errs:
		return nil, err
	default:
	}
	select {
	case c := <-l.conns:
		return c, nil
	case err := <-l.errs:
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memoryListener) Addr() net.Addr { return memoryAddr("listener") }

// dial connects to the listener.
func (l *memoryListener) dial(t testing.TB) *memoryClient {
	t.Helper()
	client, server := duplexPipe()
	c := newMemoryClient(client)
	t.Cleanup(func() { client.Close() })
	l.conns <- server
	synctest.Wait()
	return c
}

type memoryAddr string

func (memoryAddr) Network() string  { return "memory" }
func (a memoryAddr) String() string { return string(a) }
