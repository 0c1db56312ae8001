package rawhttp

import (
	"bytes"
	"errors"
	"io"
	"net"
	"time"
)

// How a connection ends.

// Limits on a connection that lingers: see hangUp.
const (
	maxLingerSilence = 5 * time.Second
	maxLingerTime    = 30 * time.Second
	lingerPause      = 100 * time.Millisecond // silence enough of a client that has said all
)

// hangUp closes the connection so that the client reads the last response before
// it hears of the close: "If a server performs an immediate close of a TCP
// connection, there is a significant risk that the client will not be able to read
// the last HTTP response." RFC 9112, section 9.6. So the FIN goes out at once, and
// what still comes is read and discarded, however much it is: the client may send all
// of its content before it reads. It reports that no request follows.
func (c *conn) hangUp() (again bool) {
	if err := c.work.out.flushDone(); err != nil {
		c.err = err
	}
	if c.err != nil {
		return false
	}
	silence := maxLingerSilence
	if closer, ok := c.nc.(interface{ CloseWrite() error }); !ok && c.heardAll() {
		silence = lingerPause
	} else if ok && closer.CloseWrite() != nil {
		return false
	}
	c.enter(StateLinger)
	if !c.tooMany {
		c.life.Store(lifeLinger)
	}
	c.linger(silence)
	return false
}

// heardAll reports whether the client has sent all that it may on this connection: a
// request as a whole, after which it expects the close. Then most clients send nothing,
// and where there is no FIN they need not wait for the close for long.
func (c *conn) heardAll() bool {
	whole := c.work.req.head.Size > 0 && (c.work.req.head.ContentLength == 0 || c.work.body != nil && c.work.body.err == io.EOF)
	return whole && (!c.work.req.head.Persist || c.work.t.framing == byClose) && isBlank(c.work.in.bytes())
}

// isBlank reports whether b is at most line ends, as some clients send behind content.
func isBlank(b []byte) bool { return len(bytes.Trim(b, "\r\n")) == 0 }

// linger reads until the client closes the connection, or has sent nothing for as long as
// silence, or has taken too long. A client that sends more than line ends may go on for a
// while, and has maxLingerSilence.
func (c *conn) linger(silence time.Duration) {
	scratch := scratchPool.Get().(*[scratchSize]byte)
	defer scratchPool.Put(scratch)
	c.srv.stats.lingering.Add(1)
	defer c.srv.stats.lingering.Add(-1)
	now := clock()
	for end := now.add(maxLingerTime); now < end; now = clock() {
		c.read.limit = min(end, now.add(silence))
		n, err := c.Read(scratch[:])
		if err != nil {
			return
		}
		if !isBlank(scratch[:n]) {
			silence = maxLingerSilence
		}
	}
}

// close ends the connection, or what it has to do for now. It is deferred, and catches
// what no other has caught: the server goes on.
func (c *conn) close() {
	if c.parked.Load() {
		c.releaseMemory()
		c.ended = false
		go c.unpark()
		return
	}
	defer c.group.running.Done()
	if v := recover(); v != nil {
		c.err = c.panicked("connection", v)
	} else if !c.ended {
		c.cut(errGoexit)
	}
	c.guarded(func() { // a resolver that has ended the goroutine may have left what is whole
		if err := c.work.out.flushDone(); c.err == nil {
			c.err = err
		}
	})
	c.life.Store(lifeOver)
	if c.write.broken != nil {
		innermost(c.nc).Close() // TLS would want to say goodbye
	}
	if err := c.nc.Close(); c.err == nil && err != nil && !errors.Is(err, net.ErrClosed) {
		c.err = err
	}
	c.group.remove(c)
	c.guarded(func() { c.srv.trace.connState(c.id, StateClosed) })
	c.guarded(func() { c.srv.trace.connClose(c.id, c.err) })
}

// guarded calls f, which may call hooks, and so panic: that must not end the server
// either.
func (c *conn) guarded(f func()) {
	defer func() {
		if v := recover(); v != nil {
			c.err = errors.Join(c.err, c.panicked("trace", v))
		}
	}()
	f()
}

// dismiss closes a connection that is told nothing.
func (c *conn) dismiss() {
	defer c.close()
	c.srv.trace.connOpen(c.id, c.nc)
	c.ended = true
}

// errGoexit is what ends a connection whose resolver, or StreamFunc, has ended the
// goroutine, as (*testing.T).FailNow does.
var errGoexit = errors.New("rawhttp: runtime.Goexit in a resolver or response")

// turnAway tells the client that there are too many connections.
func (c *conn) turnAway() {
	defer c.close()
	c.srv.trace.connOpen(c.id, c.nc)
	c.work.start, c.num = time.Now(), 1
	c.setLimit(maxLingerSilence)
	c.setReadDeadline(c.read.limit) // a TLS handshake reads
	c.work.req.reset()
	busy := errorResponse(busyError("too many connections")).CloseAfter()
	c.respond(c.group.ctx, busy)
	c.hangUp()
	c.ended = true
}

// abort closes a connection with a reset, where it can.
func abort(nc net.Conn) {
	nc = innermost(nc)
	if tcp, ok := nc.(interface{ SetLinger(int) error }); ok {
		tcp.SetLinger(0)
	}
	nc.Close()
}

// innermost returns the connection that others, as TLS, are wrapped around: closing
// it waits for nothing.
func innermost(nc net.Conn) net.Conn {
	for {
		outer, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			return nc
		}
		nc = outer.NetConn()
	}
}
