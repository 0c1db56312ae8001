package rawhttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.com/rawhttp/internal/ascii"
	"example.com/rawhttp/internal/wire"
)

// Upgrade returns a response that switches the connection to another protocol, as in
// Upgrade("websocket", f). The server sends a 101 (Switching Protocols) with the fields
// Upgrade and Connection, and any fields set on the response, such as Sec-WebSocket-Accept.
// Then it calls f with the connection, and closes the connection when f returns.
//
// The request must ask for the protocol: over HTTP/1.1, with the protocol in its Upgrade field,
// ignoring case, and the option upgrade in Connection (RFC 9110, section 7.8). Any other
// request is answered with 426 (Upgrade Required) and an Upgrade field, in the manner of an
// error returned by Resolve. The resolver must check the other demands of the protocol, such as
// the method. The server reads and discards content that Resolve left unread before it sends
// the 101.
//
// Reads from conn begin with any bytes that the client sent after its request. conn has no
// deadlines except those set by f; the time limits of the server do not apply. Its methods
// may be called concurrently. It has a CloseWrite method if the underlying connection has
// one. When f returns, later calls and those in progress fail.
//
// ctx is the context of the request, as described at [Resolver]. It ends when f returns,
// when the client disconnects, and when a graceful shutdown exceeds its time (see
// [WithDrainTimeout]) or [Server.Close] is called; these two also close the connection.
// [Stopping] reports that a graceful shutdown has begun.
//
// f runs on the goroutine of the connection. Its error or panic is logged and becomes the
// error of the [Exchange], which ends with f; [ErrAbort] resets the connection instead. The
// connection counts as busy: it counts toward [WithMaxConns] and is never closed to make
// room for another. Hooks of a [Trace] receive the bytes of both directions, on the
// goroutines that read and write.
//
// The Response may serve any number of requests. [WriteResponse] and [Response.WriteTo]
// write only the 101 or the 426, and leave the rest to the program that owns the
// connection. It is a mistake if f is nil, or if protocol is not a token or two tokens
// separated by a slash.
func Upgrade(protocol string, f func(ctx context.Context, conn net.Conn) error) *Response {
	r := &Response{message: message{status: 101, body: body{kind: bodyUpgrade}}}
	name, version, found := strings.Cut(protocol, "/")
	if !ascii.IsToken(name) || found && !ascii.IsToken(version) {
		r.fail(fmt.Errorf("%q is not a protocol", protocol))
	}
	if f == nil {
		r.fail(errors.New("Upgrade with a nil function"))
	}
	r.extend().upgrade = &upgrade{protocol, f}
	return r
}

// An upgrade is the protocol that a connection switches to.
type upgrade struct {
	protocol string
	f        func(ctx context.Context, conn net.Conn) error
}

// refusal implements upgrader: "A server that receives an Upgrade header field in an HTTP/1.0
// request MUST ignore that Upgrade field." And "A server MUST NOT switch to a protocol that was
// not indicated by the client in the corresponding request's Upgrade header field." RFC 9110,
// section 7.8.
func (u *upgrade) refusal(req *Request) error {
	h := req.Header()
	if req.head.Minor > 0 && h.HasToken("Connection", "upgrade") && h.HasToken("Upgrade", u.protocol) {
		return nil
	}
	err := &StatusError{Status: 426, Err: fmt.Errorf("the request does not ask for the protocol %s", u.protocol)}
	// "The server MUST send an Upgrade header field in a 426 response". RFC 9110, section
	// 15.5.22.
	return &fieldError{err, "Upgrade", u.protocol}
}

// prepare implements upgrader. It reads all of the content, since the bytes after it belong to
// the other protocol. If the client waits for a 100 (Continue), reading sends one: "If a server
// receives both an Upgrade and an Expect header field with the "100-continue" expectation [...],
// the server MUST send a 100 (Continue) response before sending a 101 (Switching Protocols)
// response." RFC 9110, section 7.8. respond reports errors in the content.
func (u *upgrade) prepare(x *exchange) error {
	if err := u.refusal(&x.req); err != nil {
		return err
	}
	if x.body != nil {
		io.Copy(io.Discard, x.body)
	}
	return nil
}

// appendFields implements upgrader. "A sender of Upgrade MUST also send an "Upgrade" connection
// option in the Connection header field". RFC 9110, section 7.8.
func (u *upgrade) appendFields(b []byte) []byte {
	return wire.AppendField(append(b, "Connection: Upgrade\r\n"...), "Upgrade", u.protocol)
}

// run implements upgrader.
func (u *upgrade) run(ctx context.Context, c *conn) error {
	conn := newUpgradedConn(c)
	defer conn.end() // also if f ends the goroutine
	var nc net.Conn = conn
	if _, ok := c.nc.(closeWriter); ok {
		nc = halfCloser{conn}
	}
	err := u.call(ctx, c, nc)
	switch {
	case err == nil, errors.Is(err, errPanicked): // a panic has been logged with its stack
	case errors.Is(err, ErrAbort):
		c.cut(err)
	default:
		log := c.srv.config.log.Error
		if c.gone.Load() || ctx.Err() != nil { // not the program's fault
			log = c.srv.config.log.Debug
		}
		log("rawhttp: upgrade failed", "conn", c.id, "request", c.num, "protocol", u.protocol, "err", err)
	}
	return err
}

// call calls f, and converts a panic into an error.
func (u *upgrade) call(ctx context.Context, c *conn, nc net.Conn) (err error) {
	defer c.catch("upgrade", &err)
	return u.f(ctx, nc)
}

// A closeWriter is a connection that can be half-closed, such as a *net.TCPConn or a *tls.Conn.
type closeWriter interface{ CloseWrite() error }

// An upgradedConn is a connection handed over to the program until f returns.
type upgradedConn struct {
	c      *conn
	reads  sync.Mutex  // held during a read
	writes sync.Mutex  // held during a write
	over   atomic.Bool // f has returned, so c belongs to the server again

	readDeadline time.Time // as set by the program; guarded by watch.mu
}

// newUpgradedConn takes the connection over from the server, including input that was read
// ahead. The watch continues between reads if the program waits for the end of the context.
func newUpgradedConn(c *conn) *upgradedConn {
	c.watch.beginRead() // stops the watch, which reads too
	defer c.watch.endRead()
	if c.ready != nil {
		c.ready.drop()
	}
	c.work.out.release() // the 101 has been written, and an upgraded connection may live for long
	c.nc.SetDeadline(time.Time{})
	c.read.deadline, c.write.deadline = never, never
	return &upgradedConn{c: c}
}

// end hands the connection back to the server.
func (u *upgradedConn) end() {
	u.over.Store(true) // before anything else, so that no call begins that is not waited for
	if !u.reads.TryLock() {
		u.expire(u.c.nc.SetReadDeadline)
		u.reads.Lock()
	}
	defer u.reads.Unlock()
	if !u.writes.TryLock() { // otherwise set no deadline, after which TLS fails for good
		u.expire(u.c.nc.SetWriteDeadline)
		u.writes.Lock()
	}
	defer u.writes.Unlock()
	u.c.watch.end()
	u.c.nc.SetDeadline(time.Time{}) // clears those that expire and the program have set; lingering sets its own
	u.c.read.deadline, u.c.write.deadline = never, never
}

// expire sets a deadline in the past. With the mutex, no deadline of the program can replace
// it: once over is set, armRead and setDeadline set none.
func (u *upgradedConn) expire(setDeadline func(time.Time) error) {
	u.c.watch.mu.Lock()
	defer u.c.watch.mu.Unlock()
	setDeadline(time.Unix(1, 0))
}

// Read implements net.Conn. It returns bytes that arrived early first.
func (u *upgradedConn) Read(p []byte) (n int, err error) {
	u.reads.Lock()
	defer u.reads.Unlock()
	if u.over.Load() {
		return 0, net.ErrClosed
	}
	c := u.c
	c.watch.beginRead()
	defer c.watch.endRead()
	passed, err := u.armRead()
	if err != nil {
		return 0, err
	}
	if !passed {
		if n = u.readEarly(p); n > 0 {
			return n, nil
		}
	}
	// This reads directly into the program's buffer: the program may never read again, so the
	// connection should hold no buffer of its own.
	n, err = c.nc.Read(p)
	c.countRead(p[:n])
	return n, err
}

// armRead sets the deadline for a read, which the watch may have changed. It reports
// whether the deadline has passed. If f has returned, it returns an error: the watch may have
// replaced the deadline of expire.
func (u *upgradedConn) armRead() (passed bool, err error) {
	u.c.watch.mu.Lock()
	defer u.c.watch.mu.Unlock()
	if u.over.Load() {
		return false, net.ErrClosed
	}
	u.c.nc.SetReadDeadline(u.readDeadline)
	return !u.readDeadline.IsZero() && time.Until(u.readDeadline) <= 0, nil
}

// readEarly reads the bytes that arrived with the request, and then those that the watch has
// read.
func (u *upgradedConn) readEarly(p []byte) int {
	c := u.c
	if n := copy(p, c.work.in.bytes()); n > 0 {
		if c.work.in.advance(n); len(c.work.in.bytes()) == 0 {
			c.work.in.release()
		}
		return n
	}
	n := c.watch.takeAhead(p)
	c.countRead(p[:n])
	return n
}

// Write implements net.Conn.
func (u *upgradedConn) Write(p []byte) (n int, err error) {
	u.writes.Lock()
	defer u.writes.Unlock()
	if u.over.Load() {
		return 0, net.ErrClosed
	}
	c := u.c
	n, err = c.nc.Write(p)
	c.work.exchange.responder.sent += int64(n) // Exchange.Bytes counts them
	c.srv.stats.bytesWritten.Add(uint64(n))
	c.srv.trace.bytesWritten(c.id, c.num, p[:n])
	return n, err
}

// Close implements net.Conn. It closes the underlying connection at once. It takes neither
// mutex, since it must end calls in progress.
func (u *upgradedConn) Close() error {
	if u.over.Load() {
		return net.ErrClosed
	}
	u.c.watch.end() // the watch would take the close for a reset
	return u.c.nc.Close()
}

func (u *upgradedConn) LocalAddr() net.Addr                { return u.c.nc.LocalAddr() }
func (u *upgradedConn) RemoteAddr() net.Addr               { return u.c.nc.RemoteAddr() }
func (u *upgradedConn) SetDeadline(t time.Time) error      { return u.setDeadline(t, true, true) }
func (u *upgradedConn) SetReadDeadline(t time.Time) error  { return u.setDeadline(t, true, false) }
func (u *upgradedConn) SetWriteDeadline(t time.Time) error { return u.setDeadline(t, false, true) }

// setDeadline sets deadlines. While the watch reads, it stores the read deadline for the
// next Read.
func (u *upgradedConn) setDeadline(t time.Time, read, write bool) error {
	w := &u.c.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	if u.over.Load() {
		return net.ErrClosed
	}
	if read {
		u.readDeadline = t
	}
	if read && w.reading { // a Read in progress must notice; the deadline of the watch is its own
		if err := u.c.nc.SetReadDeadline(t); err != nil {
			return err
		}
	}
	if write {
		return u.c.nc.SetWriteDeadline(t)
	}
	return nil
}

// A halfCloser is an upgradedConn whose underlying connection can close one direction.
type halfCloser struct{ *upgradedConn }

// CloseWrite closes the sending direction: the client reads io.EOF, and may continue to
// send.
func (h halfCloser) CloseWrite() error {
	if h.over.Load() {
		return net.ErrClosed
	}
	return h.c.nc.(closeWriter).CloseWrite()
}
