package rawhttp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"time"

	"example.com/rawhttp/internal/jail"
)

// The end of a connection.

// Limits on a lingering connection; see hangUp.
const (
	maxLingerSilence = 5 * time.Second  // longer than TCP takes to send a lost packet again, twice
	maxLingerTime    = 30 * time.Second // a client that never stops sending must not stay
)

// lingerPause is enough for a client that has sent everything. It is a variable so that the
// examples, which read to the end of a net.Pipe, can shorten it.
var lingerPause = 100 * time.Millisecond

// hangUp closes the connection so that the client can read the last response before it sees
// the close: "If a server performs an immediate close of a TCP connection, there is a
// significant risk that the client will not be able to read the last HTTP response." RFC
// 9112, section 9.6. So it sends the FIN at once, then reads and discards whatever arrives,
// however much: a client may send all of its content before it reads. It returns false,
// since no request follows.
func (c *conn) hangUp() (again bool) {
	if err := c.work.out.flushDone(); err != nil {
		c.err = err
	}
	if c.err != nil { // there is no complete response to protect
		return false
	}
	c.traceEnd(c.lastReason(), nil)
	silence := maxLingerSilence
	if closer, ok := c.nc.(interface{ CloseWrite() error }); !ok && c.work.exchange.heardAll() {
		silence = lingerPause
	} else if ok && closer.CloseWrite() != nil { // the connection is gone already
		return false
	}
	c.enter(StateLinger)
	if !c.tooMany { // one over the limit is not in the count, so evicting it would make no room
		c.life.Store(lifeLinger)
	}
	c.linger(silence)
	return false
}

// heardAll reports whether the client has sent all it may send on this connection: a complete
// request after which it expects the close. Most clients then send nothing more, so if the
// connection cannot be half-closed, they need not wait long for the full close.
func (x *exchange) heardAll() bool {
	if x.responder.status == 101 { // further input belongs to another protocol
		return true
	}
	whole := x.req.head.Size > 0 && (x.req.head.ContentLength == 0 || x.body != nil && x.body.err == io.EOF)
	return whole && (!x.req.head.Persist || x.responder.framing == byClose) && isBlank(x.in.bytes())
}

// isBlank reports whether b is empty or only line ends, which some clients send after
// content.
func isBlank(b []byte) bool { return len(bytes.Trim(b, "\r\n")) == 0 }

// linger reads until the client closes the connection, sends nothing for silence, or
// exceeds maxLingerTime. A client that sends more than line ends gets maxLingerSilence
// instead.
func (c *conn) linger(silence time.Duration) {
	c.work.in.release()
	c.work.out.release()
	buf := bufferPool.Get().(*[minBuffer]byte) // small, since most clients send nothing more
	defer bufferPool.Put(buf)
	if !c.tooMany { // otherwise it cannot be evicted; see hangUp
		c.srv.stats.lingering.Add(1)
		defer c.srv.stats.lingering.Add(-1)
	}
	now := clock()
	for end := now.add(maxLingerTime); now < end; now = clock() {
		c.read.limit = min(end, now.add(silence))
		n, err := c.Read(buf[:])
		if err != nil {
			return
		}
		if !isBlank(buf[:n]) {
			silence = maxLingerSilence
		}
	}
}

// cut ends the connection in the middle of a response, so that the client notices: it still
// expects the last chunk or the rest of Content-Length. If the close itself would end the
// content, the connection is reset instead.
func (c *conn) cut(err error) {
	x := &c.work.exchange
	c.err = err // so that hangUp does not linger
	if errors.Is(err, ErrAbort) {
		abort(c.nc)
		return
	}
	// A response that was cut is logged unless the client caused it.
	if c.write.broken == nil && !x.isClientsFault() {
		c.srv.config.log.Error("rawhttp: response cut", "conn", c.id, "request", c.num, "err", err)
	}
	// "A response that has neither chunked transfer coding nor Content-Length is terminated by
	// closure of the connection and [...] is considered complete unless an error was indicated
	// by the underlying connection". RFC 9112, section 8. A reset is such an error.
	if x.responder.framing == byClose {
		abort(c.nc)
	}
}

// close closes the connection, or parks it. It is deferred by each goroutine of a
// connection and recovers any remaining panic, so that the server goes on.
//
// The order matters. Complete responses are written before the socket closes. The connection
// leaves the group only after that, so that kill can close it by force while a write blocks.
// Hooks run last, when the connection is out of the count even if they wait. The group waits
// for all of it, so that no hook runs after Serve has returned.
func (c *conn) close() {
	if c.parked.Load() {
		c.park()
		return
	}
	defer c.group.running.Done()
	// Only a hook can panic here: panics of resolvers and responses are caught earlier.
	if v := recover(); v != nil {
		c.err = c.panicked("connection", v)
	} else if !c.endedNormally {
		c.cut(errGoexit)
	}
	c.protect(func() { // a resolver that ended the goroutine may have left complete responses
		if err := c.work.out.flushDone(); c.err == nil {
			c.err = err
		}
	})
	c.life.Store(lifeOver) // it can no longer be evicted
	if c.write.broken != nil {
		innermost(c.nc).Close() // a TLS close would try to send an alert
	}
	if err := c.nc.Close(); c.err == nil && err != nil && !errors.Is(err, net.ErrClosed) {
		c.err = err
	}
	c.group.remove(c)
	c.protect(func() { c.traceEnd(c.closeReason(), c.err) })
	c.protect(func() { c.srv.trace.connState(c.id, StateClosed) })
	c.protect(func() { c.srv.trace.connClose(c.id, c.err) })
}

// traceEnd reports why the connection ends, the first time that it is called: the first
// reason is the cause, and later ones follow from it. If the connection was killed, that is the
// cause of whatever has happened to its reads and writes.
func (c *conn) traceEnd(why EndReason, err error) {
	if c.endTraced {
		return
	}
	c.endTraced = true
	if c.isKilled() {
		why = EndStopped
	}
	c.srv.trace.connEnd(c.id, why, err)
}

// lastReason returns why the response that was written is the last.
func (c *conn) lastReason() EndReason {
	switch {
	case c.tooMany || c.evicted:
		return EndEvicted
	case c.group.closing.Load():
		return EndStopped
	}
	return EndAnswered
}

// closeReason returns why the connection closes, for one whose end has not been reported yet.
func (c *conn) closeReason() EndReason {
	broken := c.write.broken
	switch {
	case c.tooMany:
		return EndEvicted
	case c.err == nil, jail.IsAny(c.err, jail.ClientErrors), broken != nil && !isTimeout(broken):
		return EndByClient
	}
	return EndFailed
}

// protect calls f, which may call hooks. A panic in f must not end the server.
func (c *conn) protect(f func()) {
	var err error
	defer func() { // runs after catch has set err
		if err != nil {
			c.err = errors.Join(c.err, err)
		}
	}()
	defer c.catch("trace", &err)
	f()
}

// errPanicked is wrapped by the error for a panic in a resolver or response.
var errPanicked = errors.New("rawhttp: panic")

// catch is deferred around calls into the program. It converts a panic into an error. It does
// not stop runtime.Goexit, for which recover returns nil.
func (c *conn) catch(where string, err *error) {
	if v := recover(); v != nil {
		*err = c.panicked(where, v)
	}
}

// panicked logs a panic and returns it as an error. If no Logger was set, the panic is printed: it
// must not pass unnoticed.
func (c *conn) panicked(where string, v any) error {
	stack := debug.Stack()
	if c.srv.config.log.to == nil {
		fmt.Fprintf(os.Stderr, "rawhttp: panic in %s (conn %d, request %d): %v\n%s", where, c.id, c.num, v, stack)
	}
	c.srv.config.log.Error("rawhttp: panic", "in", where, "conn", c.id, "request", c.num,
		"panic", fmt.Sprint(v), "stack", string(stack))
	return fmt.Errorf("%w in %s: %v", errPanicked, where, v)
}

// dismiss closes a connection without a response.
func (c *conn) dismiss() {
	defer c.close()
	c.srv.trace.connOpen(c.id, c.nc)
	c.endedNormally = true // otherwise close would take it for runtime.Goexit
}

// errGoexit ends a connection whose resolver or StreamFunc ended the goroutine, as
// (*testing.T).FailNow does.
var errGoexit = errors.New("rawhttp: runtime.Goexit in a resolver or response")

// turnAway answers 503 because there are too many connections. It does not read the request
// first: in a flood, connections waiting for a request would take up all the places in turnedAway.
func (c *conn) turnAway() {
	defer c.close()
	c.srv.trace.connOpen(c.id, c.nc)
	x := &c.work.exchange
	x.start, c.num = time.Now(), 1
	c.setLimit(maxLingerSilence)
	c.setReadDeadline(c.read.limit) // for reads of a TLS handshake
	x.req.reset()                   // the responder needs a Request; an empty one is HTTP/1.0
	busy := errorResponse(busyError("too many connections")).CloseAfter()
	x.respond(c.group.ctx, busy)
	c.hangUp()
	c.endedNormally = true
}

// kill closes the connection by force. Any goroutine may call it.
func (c *conn) kill() {
	// gone is set first, so that the errors that the close causes are not logged as failures.
	c.gone.Store(true)
	innermost(c.nc).Close()
}

// isKilled reports whether the server has closed the connection by force: it does so only after
// it has begun to stop.
func (c *conn) isKilled() bool { return c.gone.Load() && c.group.stopping.Load() }

// abort closes a connection with a reset, if it can.
func abort(nc net.Conn) {
	nc = innermost(nc)
	if tcp, ok := nc.(interface{ SetLinger(int) error }); ok {
		tcp.SetLinger(0) // close discards what the kernel has not sent yet, and sends a reset
	}
	nc.Close()
}

// innermost returns the connection at the core of wrappers such as TLS. Closing it never
// blocks, while a TLS connection may wait for a write in progress and then send an alert.
func innermost(nc net.Conn) net.Conn {
	for {
		outer, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			return nc
		}
		nc = outer.NetConn()
	}
}
