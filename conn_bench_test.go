package rawhttp

import (
	"context"
	"io"
	"net"
	"time"
)

// A repeatingConn is a connection on which the same requests come again and again.
type repeatingConn struct {
	net.Conn
	requests string // what one Read gives
	reads    int    // how often it does
	answered int    // bytes
}

func (c *repeatingConn) Read(p []byte) (int, error) {
	if c.reads == 0 {
		return 0, io.EOF
	}
	c.reads--
	return copy(p, c.requests), nil
}

func (c *repeatingConn) Write(p []byte) (int, error) {
	c.answered += len(p)
	return len(p), nil
}

func (c *repeatingConn) Close() error                     { return nil }
func (c *repeatingConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *repeatingConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *repeatingConn) SetReadDeadline(time.Time) error  { return nil }
func (c *repeatingConn) SetWriteDeadline(time.Time) error { return nil }

const benchmarkGet = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"

// benchmarkConn serves n batches of requests.
func benchmarkConn(s *Server, batch string, n int) {
	s.ServeConn(context.Background(), &repeatingConn{requests: batch, reads: n})
}
