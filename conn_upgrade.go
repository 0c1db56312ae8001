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
)

// Upgrade makes a response that switches the connection to another protocol, as in
// Upgrade("websocket", f): a 101 (Switching Protocols) with the fields Upgrade and
// Connection, and those that are set on it, such as Sec-WebSocket-Accept. Then the server
// calls f with the connection, and closes it when f returns.
//
// The request must ask for the protocol, in any case: with HTTP/1.1, the protocol in its
// field Upgrade, and the option upgrade in Connection (RFC 9110, section 7.8). Any other is
// answered with 426 (Upgrade Required) and the field Upgrade, as an error is that Resolve
// returns. What else the protocol demands, such as the method, is for the resolver to check.
// The content of the request that Resolve has not read is read and discarded before the 101.
//
// Reads of conn begin with the bytes that the client has sent after its request. conn has no
// deadlines but those that f sets; the time limits of the server do not apply. Its methods
// may be called concurrently. It has a method CloseWrite if the connection below has one.
// When f returns, later calls and those in progress fail.
//
// ctx is the context of the request, as [Resolver] describes it. It ends when f returns,
// when a graceful stop has used up its time (see [WithDrainTimeout]) and at [Server.Close],
// which close the connection too, and when the client has disconnected. [Stopping] says that
// a stop has begun.
//
// f runs on the goroutine of the connection. Its error, or panic, is logged, and reported as
// that of the [Exchange], which ends with f; [ErrAbort] resets the connection instead. The
// connection counts as one that is busy: [WithMaxConns] counts it, and it is never closed to
// make room. Hooks of a [Trace] see the bytes both ways, on the goroutines that read and
// write.
//
// The Response may answer any number of requests. [WriteResponse] and [Response.WriteTo] write
// the 101 alone, or the 426: the program that has the connection goes on itself. A protocol
// that is not a token, or two with a slash between, and a nil f, are mistakes.
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

// refusal implements upgrader: "A server MUST ignore an Upgrade header field that is received
// in an HTTP/1.0 request." RFC 9110, section 7.8.
func (u *upgrade) refusal(req *Request) error {
	h := req.Header()
	if req.head.Minor > 0 && h.HasToken("Connection", "upgrade") && h.HasToken("Upgrade", u.protocol) {
		return nil
	}
	err := &StatusError{Status: 426, Err: fmt.Errorf("the request does not ask for the protocol %s", u.protocol)}
	return &fieldError{err, "Upgrade", u.protocol}
}

// prepare implements upgrader. What follows the content is of the other protocol, so all of
// the content is read, which asks for it where the client waits for a 100 (Continue): "A
// server that receives both an Upgrade and an Expect header field with the "100-continue"
// expectation MUST send a 100 (Continue) response before sending a 101 (Switching Protocols)
// response." RFC 9110, section 7.8. What is wrong with the content is found by respond.
func (u *upgrade) prepare(c *conn) error {
	if err := u.refusal(&c.work.req); err != nil {
		return err
	}
	if c.work.body != nil {
		io.Copy(io.Discard, c.work.body)
	}
	return nil
}

// appendFields implements upgrader.
func (u *upgrade) appendFields(b []byte) []byte {
	return appendField(append(b, "Connection: Upgrade\r\n"...), "Upgrade", u.protocol)
}

// run implements upgrader.
func (u *upgrade) run(ctx context.Context, c *conn) error {
	conn := newUpgradedConn(c)
	defer conn.end() // also where f ends the goroutine
	var nc net.Conn = conn
	if _, ok := c.nc.(closeWriter); ok {
		nc = halfCloser{conn}
	}
	err := u.call(ctx, c, nc)
	switch {
	case err == nil, errors.Is(err, errPanicked):
	default:
		log := c.srv.log.Error
		if c.gone.Load() || ctx.Err() != nil { // so it was not the program
			log = c.srv.log.Debug
		}
		log("rawhttp: upgrade failed", "conn", c.id, "request", c.num, "protocol", u.protocol, "err", err)
	}
	return err
}

func (u *upgrade) call(ctx context.Context, c *conn, nc net.Conn) (err error) {
	defer c.catch("upgrade", &err)
	return u.f(ctx, nc)
}

type closeWriter interface{ CloseWrite() error }

// An upgradedConn is a connection in the hands of the program, until it ends.
type upgradedConn struct {
	c      *conn
	reads  sync.Mutex // held while it is read
	writes sync.Mutex // held while it is written to
	over   atomic.Bool

	readDeadline time.Time // as the program set it; guarded by watch.mu
}

// newUpgradedConn takes the connection from the server, with what was read ahead. The watch
// goes on while nobody reads, if somebody waits for the end of the context.
func newUpgradedConn(c *conn) *upgradedConn {
	c.beginRead()
	defer c.endRead()
	if c.ready != nil {
		c.ready.drop()
	}
	c.work.out.release()
	c.nc.SetDeadline(time.Time{})
	c.read.deadline, c.write.deadline = never, never
	return &upgradedConn{c: c}
}

// end takes the connection back, for its last moments.
func (u *upgradedConn) end() {
	u.over.Store(true)
	past := time.Unix(1, 0)
	if !u.reads.TryLock() {
		u.c.nc.SetReadDeadline(past)
		u.reads.Lock()
	}
	defer u.reads.Unlock()
	if !u.writes.TryLock() { // else it is left alone: TLS fails for good after a deadline
		u.c.nc.SetWriteDeadline(past)
		u.writes.Lock()
	}
	defer u.writes.Unlock()
	u.c.endWatch()
	u.c.nc.SetDeadline(time.Time{})
	u.c.read.deadline, u.c.write.deadline = never, never
}

// Read implements net.Conn. What came early is first.
func (u *upgradedConn) Read(p []byte) (n int, err error) {
	u.reads.Lock()
	defer u.reads.Unlock()
	if u.over.Load() {
		return 0, net.ErrClosed
	}
	c := u.c
	c.beginRead()
	defer c.endRead()
	if !u.armRead() {
		if n = u.readEarly(p); n > 0 {
			return n, nil
		}
	}
	n, err = c.nc.Read(p)
	c.countRead(p[:n])
	return n, err
}

// armRead sets the deadline for a read, which the watch may have changed. It reports whether
// it has passed.
func (u *upgradedConn) armRead() (passed bool) {
	u.c.watch.mu.Lock()
	defer u.c.watch.mu.Unlock()
	if !u.over.Load() {
		u.c.nc.SetReadDeadline(u.readDeadline)
	}
	return !u.readDeadline.IsZero() && time.Until(u.readDeadline) <= 0
}

// readEarly reads what came with the request, then what the watch has read.
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
	c.work.t.sent += int64(n)
	c.srv.stats.bytesWritten.Add(uint64(n))
	c.srv.trace.bytesWritten(c.id, c.num, p[:n])
	return n, err
}

// Close implements net.Conn. It closes at once, as the connection below does.
func (u *upgradedConn) Close() error {
	if u.over.Load() {
		return net.ErrClosed
	}
	u.c.endWatch() // which would take it for a reset
	return u.c.nc.Close()
}

func (u *upgradedConn) LocalAddr() net.Addr                { return u.c.nc.LocalAddr() }
func (u *upgradedConn) RemoteAddr() net.Addr               { return u.c.nc.RemoteAddr() }
func (u *upgradedConn) SetDeadline(t time.Time) error      { return u.setDeadline(t, true, true) }
func (u *upgradedConn) SetReadDeadline(t time.Time) error  { return u.setDeadline(t, true, false) }
func (u *upgradedConn) SetWriteDeadline(t time.Time) error { return u.setDeadline(t, false, true) }

// setDeadline sets deadlines. While the watch reads, the one for reads is kept for the next
// Read.
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
	if read && w.reading {
		if err := u.c.nc.SetReadDeadline(t); err != nil {
			return err
		}
	}
	if write {
		return u.c.nc.SetWriteDeadline(t)
	}
	return nil
}

// A halfCloser is an upgradedConn above a connection that can close one direction.
type halfCloser struct{ *upgradedConn }

// CloseWrite ends what is written: the client reads io.EOF, and may go on writing.
func (h halfCloser) CloseWrite() error {
	if h.over.Load() {
		return net.ErrClosed
	}
	return h.c.nc.(closeWriter).CloseWrite()
}
