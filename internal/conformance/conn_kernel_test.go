package conformance_test

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// The helpers of this file are for tests of failing connections. They work inside synctest.

// A kernelConn is one end of a connection in memory with buffers like those of the system: a
// Write returns when its bytes are in the buffer, and the other end reads them later, or never.
// It can be half-closed and reset.
type kernelConn struct{ in, out *kernelBuffer }

// kernelPair returns both ends of a connection whose buffers hold size bytes each.
func kernelPair(size int) (client, server *kernelConn) {
	up, down := newKernelBuffer(size), newKernelBuffer(size)
	return &kernelConn{in: down, out: up}, &kernelConn{in: up, out: down}
}

func (c *kernelConn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *kernelConn) Write(p []byte) (int, error) { return c.out.write(p) }
func (c *kernelConn) CloseWrite() error           { c.out.end(io.EOF); return nil }
func (c *kernelConn) LocalAddr() net.Addr         { return kernelAddr{} }
func (c *kernelConn) RemoteAddr() net.Addr        { return kernelAddr{} }
func (c *kernelConn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.readLimit, t)
	return nil
}
func (c *kernelConn) SetWriteDeadline(t time.Time) error {
	c.out.setDeadline(&c.out.writeLimit, t)
	return nil
}
func (c *kernelConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// Close resets the connection if there are unread bytes, as on TCP.
func (c *kernelConn) Close() error {
	if c.in.close() {
		c.out.end(syscall.ECONNRESET)
		return nil
	}
	c.out.end(io.EOF)
	return nil
}

// reset discards the bytes in transit, in both directions.
func (c *kernelConn) reset() {
	c.in.close()
	c.out.end(syscall.ECONNRESET)
}

type kernelAddr struct{}

func (kernelAddr) Network() string { return "kernel" }
func (kernelAddr) String() string  { return "kernel" }

// A kernelBuffer is one direction of a kernelConn.
type kernelBuffer struct {
	mu                    sync.Mutex
	changed               sync.Cond
	b                     []byte
	size                  int
	ended                 error // error of a Read at the end; nil if more may arrive
	closed                bool  // whether the reader has closed
	readLimit, writeLimit kernelLimit
}

type kernelLimit struct {
	passed bool
	timer  *time.Timer
}

func newKernelBuffer(size int) *kernelBuffer {
	k := &kernelBuffer{size: size}
	k.changed.L = &k.mu
	return k
}

func (k *kernelBuffer) setDeadline(l *kernelLimit, t time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
	}
	left := time.Until(t)
	l.passed = !t.IsZero() && left <= 0
	k.changed.Broadcast()
	if t.IsZero() || l.passed {
		return
	}
	l.timer = time.AfterFunc(left, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if !t.After(time.Now()) {
			l.passed = true
			k.changed.Broadcast()
		}
	})
}

func (k *kernelBuffer) read(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for {
		switch {
		case k.closed:
			return 0, net.ErrClosed
		case k.readLimit.passed: // even if there are bytes, as in package net
			return 0, os.ErrDeadlineExceeded
		case len(k.b) > 0:
			n := copy(p, k.b)
			k.b = k.b[n:]
			k.changed.Broadcast()
			return n, nil
		case k.ended != nil:
			return 0, k.ended
		}
		k.changed.Wait()
	}
}

func (k *kernelBuffer) write(p []byte) (n int, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for {
		switch {
		case k.closed:
			return n, syscall.ECONNRESET
		case k.ended != nil:
			return n, syscall.EPIPE
		case k.writeLimit.passed:
			return n, os.ErrDeadlineExceeded
		}
		m := min(len(p)-n, k.size-len(k.b))
		k.b = append(k.b, p[n:n+m]...)
		if n += m; m > 0 {
			k.changed.Broadcast()
		}
		if n == len(p) {
			return n, nil
		}
		k.changed.Wait()
	}
}

// end makes Read return err, after the bytes in transit if err is io.EOF, else at once.
func (k *kernelBuffer) end(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ended == nil {
		k.ended = err
	}
	if err != io.EOF {
		k.b = nil
	}
	k.changed.Broadcast()
}

// close makes Write fail. It reports whether there were unread bytes.
func (k *kernelBuffer) close() (unread bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	unread = len(k.b) > 0 && !k.closed
	k.closed, k.b = true, nil
	k.changed.Broadcast()
	return unread
}

// A plainConn hides the methods of a connection beyond those of net.Conn, as a wrapper does.
type plainConn struct{ net.Conn }

// A fragmentedConn reads at most size bytes at a time.
type fragmentedConn struct {
	net.Conn
	size int
}

func (c fragmentedConn) Read(p []byte) (int, error) { return c.Conn.Read(p[:min(len(p), c.size)]) }
