package nethttp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"example.com/rawhttp"
)

// Hijack implements http.Hijacker for requests that ask for another protocol. The handler
// switches to it by calling WriteHeader(101) before Hijack, or by writing a response of status
// 101 to the connection. Before that, Read waits, and nothing else can be written.
//
// The connection is closed when the handler closes it. After the handler has returned it is
// also closed when the client disconnects or the server stops.
func (w *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	switch {
	case w.hijacked != nil:
		return nil, nil, http.ErrHijacked
	case !asksForUpgrade(w.req):
		return nil, nil, fmt.Errorf("nethttp: hijack a connection whose client does not ask for another protocol: %w", http.ErrNotSupported)
	case w.sent != nil && w.status != http.StatusSwitchingProtocols:
		return nil, nil, fmt.Errorf("nethttp: hijack after WriteHeader(%d): %w", w.status, http.ErrNotSupported)
	}
	c := &hijackedConn{w: w, info: w.req.Conn(), over: make(chan struct{})}
	w.hijacked = c
	if w.sent != nil {
		if err := c.switchTo(w.sent); err != nil {
			return nil, nil, err
		}
	}
	return c, bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriter(c)), nil
}

// A hijackedConn is a connection in the hands of a handler. It begins when the server has
// written the 101.
type hijackedConn struct {
	w    *responseWriter
	info rawhttp.ConnInfo

	head     []byte // written by the handler so far
	switched bool   // the protocol has changed; belongs to the goroutine that writes

	mu        sync.Mutex
	conn      net.Conn // nil before the 101
	deadlines [2]*time.Time
	over      chan struct{} // closed by Close
	closed    bool
}

var errNotSwitched = errors.New("nethttp: a hijacked connection begins with a response of status 101")

// switchTo sets the fields of the response, and waits until it has been written.
func (c *hijackedConn) switchTo(h http.Header) error {
	c.switched = true
	c.w.status, c.w.sent = http.StatusSwitchingProtocols, h
	c.w.decide()
	select {
	case <-c.w.attached:
		return nil
	case <-c.w.closed:
		return errDropped
	}
}

// response returns the response that switches protocols.
func (c *hijackedConn) response(w *responseWriter) *rawhttp.Response {
	protocol, _, _ := strings.Cut(w.sent.Get("Upgrade"), ",")
	w.sent.Del("Upgrade")
	w.sent.Del("Connection")
	resp := rawhttp.Upgrade(strings.TrimSpace(protocol), func(ctx context.Context, conn net.Conn) error {
		if err := c.attach(conn); err != nil {
			return err
		}
		close(w.attached)
		c.wait(ctx)
		return w.report()
	})
	return w.setHead(resp)
}

// attach takes the connection of the server, and sets the deadlines that the handler has set
// before.
func (c *hijackedConn) attach(conn net.Conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.conn = conn
	if t := c.deadlines[0]; t != nil {
		conn.SetReadDeadline(*t)
	}
	if t := c.deadlines[1]; t != nil {
		conn.SetWriteDeadline(*t)
	}
	return nil
}

// wait returns when the connection is no longer needed.
func (c *hijackedConn) wait(ctx context.Context) {
	select {
	case <-c.over:
	case <-c.w.done:
		select {
		case <-c.over:
		case <-ctx.Done():
		}
	}
}

// Read implements net.Conn.
func (c *hijackedConn) Read(p []byte) (int, error) {
	select {
	case <-c.w.attached:
	case <-c.w.closed:
		return 0, net.ErrClosed
	case <-c.over:
		return 0, net.ErrClosed
	}
	return c.conn.Read(p)
}

// Write implements net.Conn. The first bytes are those of a response of status 101.
func (c *hijackedConn) Write(p []byte) (int, error) {
	if c.switched {
		if c.conn == nil {
			return 0, net.ErrClosed
		}
		return c.conn.Write(p)
	}
	c.head = append(c.head, p...)
	head, rest, whole := bytes.Cut(c.head, []byte("\r\n\r\n"))
	if !whole {
		if len(c.head) > maxHead {
			return 0, errNotSwitched
		}
		return len(p), nil
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(append(head, "\r\n\r\n"...))), nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		return 0, errors.Join(errNotSwitched, err)
	}
	rest = bytes.Clone(rest)
	if err := c.switchTo(resp.Header); err != nil {
		return 0, err
	}
	if len(rest) > 0 {
		if _, err := c.conn.Write(rest); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// maxHead is the most that a handler may write as the head of a 101.
const maxHead = 32 << 10

// Close implements net.Conn.
func (c *hijackedConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.closed = true
	close(c.over)
	if c.conn == nil {
		return nil
	}
	return c.conn.Close()
}

// CloseWrite closes the connection for writing where that is possible.
func (c *hijackedConn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// LocalAddr implements net.Conn.
func (c *hijackedConn) LocalAddr() net.Addr { return c.info.LocalAddr }

// RemoteAddr implements net.Conn.
func (c *hijackedConn) RemoteAddr() net.Addr { return c.info.RemoteAddr }

// SetDeadline implements net.Conn.
func (c *hijackedConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (c *hijackedConn) SetReadDeadline(t time.Time) error {
	return c.setDeadline(0, net.Conn.SetReadDeadline, t)
}

// SetWriteDeadline implements net.Conn.
func (c *hijackedConn) SetWriteDeadline(t time.Time) error {
	return c.setDeadline(1, net.Conn.SetWriteDeadline, t)
}

// setDeadline sets a deadline, or keeps it for attach.
func (c *hijackedConn) setDeadline(i int, set func(net.Conn, time.Time) error, t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		return set(c.conn, t)
	}
	c.deadlines[i] = &t
	return nil
}
