package rawhttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// The time between two requests.

// idle waits for the first byte of the next request. It reports false if the connection
// parks or ends instead.
func (c *conn) idle() bool {
	// The watch may have read the beginning of the next request. It is in the buffer of the
	// connection then, not in that of the kernel, and readIdle would wait in vain.
	if len(c.work.in.bytes()) == 0 && len(c.watch.ahead.bytes()) > 0 {
		c.work.in.fill(c.srv.config.bufferLimit())
	}
	waits := c.atStart()
	if waits {
		if err := c.releaseIdle(); err != nil {
			c.err = err
			return false
		}
	}
	c.num++     // after releaseIdle, whose writes belong to the previous request in traces
	if !waits { // a pipelined request: the connection is never idle and keeps its memory
		c.enter(StateHead)
		return true
	}
	now := clock()
	if c.num > 1 { // a new connection is idle already, or was evicted
		c.read.limit = now.limit(c.srv.config.idleTimeout)
		c.life.Store(int64(now))
	}
	c.enter(StateIdle)
	if c.num == 1 && !c.shakeHands() {
		return false
	}
	park := parkSoon
	if c.num >= inTalk {
		park = parkLate
	}
	return c.begin(c.awaitInput(now.add(park)))
}

// shakeHands performs the handshake of a TLS connection, which counts as idle and shares
// the time limit of the first head. It reports whether it succeeded.
func (c *conn) shakeHands() bool {
	tls, ok := c.nc.(handshaker)
	if !ok {
		return true
	}
	growStackForHandshake()
	c.setWriteDeadline(c.read.limit) // a handshake writes, too, and must not hang there
	c.setReadDeadline(c.read.limit)
	// If the server began to stop before this, the deadline that leave set was overwritten.
	if at := c.leaveAt(); at < c.read.limit {
		c.setReadDeadline(at)
	}
	// The deadlines limit the handshake. A context with a limit would take a goroutine.
	err := tls.HandshakeContext(context.Background())
	if err == nil {
		return true
	}
	c.endIdle(err)
	if c.err != nil {
		msg := "rawhttp: TLS handshake failed"
		if speaksHTTP(err) {
			msg = "rawhttp: plain HTTP on a TLS port"
		}
		c.srv.config.log.Debug(msg, "conn", c.id, "err", err)
	}
	return false
}

// growStackForHandshake is like growStack. A handshake needs more.
//
//go:noinline
func growStackForHandshake() {
	var frame [10 << 10]byte
	runtime.KeepAlive(&frame)
}

// A handshaker is a TLS connection, such as a *tls.Conn.
type handshaker interface {
	HandshakeContext(context.Context) error
}

// speaksHTTP reports whether a handshake failed with err because the client sent a
// plain-text request, which begins with a capital letter. Then err is a
// tls.RecordHeaderError, recognized by its printed form: importing crypto/tls or reflect
// would cost too much.
func speaksHTTP(err error) bool {
	_, header, ok := strings.Cut(fmt.Sprintf("%#v", err), "RecordHeader:[5]uint8{0x")
	if !ok {
		return false
	}
	first, _ := strconv.ParseUint(header[:2], 16, 8)
	return 'A' <= first && first <= 'Z'
}

// atStart reports whether nothing of the next request has arrived. An empty line before the
// request line does not count: "a server that is expecting to receive and parse a
// request-line SHOULD ignore at least one empty line (CRLF) received prior to the
// request-line." RFC 9112, section 2.2. It stays in the buffer; the parser ignores one.
func (c *conn) atStart() bool {
	switch string(c.work.in.bytes()) {
	case "", "\r", "\r\n":
		return true
	case "\n":
		return c.srv.config.limits.Lenient
	}
	return false
}

// begin begins a request. If err is nil, its first bytes have arrived.
func (c *conn) begin(err error) bool {
	if err == errToPark {
		c.ready.drop()
		c.parked.Store(true) // close, which this goroutine runs next, calls park
		return false
	}
	for err == nil && c.atStart() { // only an empty line has arrived
		err = c.work.in.fill(c.srv.config.bufferLimit())
	}
	if err != nil {
		c.endIdle(err)
		return false
	}
	if life := c.life.Load(); life == lifeOver || !c.life.CompareAndSwap(life, lifeBusy) {
		// It was evicted while its request was in flight. The request has arrived, so it is
		// answered, and the connection closes after that.
		c.evicted = true
		c.life.Store(lifeBusy)
	}
	c.enter(StateHead)
	return true
}

// An idle connection keeps its memory for parkSoon, or for parkLate if it has served inTalk
// requests and so is likely in a conversation. Most clients send their next request at once
// or not for a long time. Parking takes a new goroutine, so the connection parks only when the
// wait so far makes a long one likely.
const (
	parkSoon = 10 * time.Millisecond
	parkLate = time.Second
	inTalk   = 4
)

var errToPark = errors.New("rawhttp: no request yet, connection to be parked")

// park releases the memory of the connection, and moves it to a goroutine with a small stack. The
// goroutine that calls it must end.
func (c *conn) park() {
	c.releaseMemory()
	c.endedNormally = false
	go c.unpark()
}

// unpark waits for the next request on a new goroutine, since the stack of the previous one
// has grown and does not shrink while it waits.
func (c *conn) unpark() {
	err := c.awaitParked()
	growStack()
	defer c.close() // not before: while parked is set, close would park the connection again
	c.takeMemory()
	c.parked.Store(false)
	if err == nil {
		c.takeReady()
	}
	c.serveRequests(c.begin(err))
}

// An idle connection keeps its last head, to recognize the same request again, if the head
// needs no more memory than the heads of most clients. So an idle connection needs
// little memory, whatever the client has sent.
const (
	maxIdleText   = 1 << 10 // bytes
	maxIdleFields = 32      // field lines
)

// releaseIdle flushes the output and releases memory that an idle connection does not need.
func (c *conn) releaseIdle() error {
	if err := c.work.out.flush(); err != nil {
		return err
	}
	c.work.out.release()
	if len(c.work.in.bytes()) == 0 {
		// Only the input buffer is kept: output buffers are larger, and better shared.
		if c.mayPark && c.num >= inTalk {
			c.ready.keep(&c.work.in)
		}
		c.work.in.release()
	}
	if cap(c.work.exchange.req.head.Text) > maxIdleText || cap(c.work.exchange.req.head.Fields) > maxIdleFields {
		// spare refers to the same memory as req.
		c.work.exchange.req, c.work.exchange.spare.requestData = Request{}, requestData{}
	}
	return nil
}

// endIdle records why there is no further request. It is not an error if the client closed the
// connection or stayed silent.
func (c *conn) endIdle(err error) {
	why := EndByClient
	// evict and leave wake the read by a deadline, so the error is a timeout in both cases.
	switch {
	case isTimeout(err) && c.life.Load() == lifeOver:
		why = EndEvicted
	case isTimeout(err) && c.group.stopping.Load():
		why = EndStopped
	case isTimeout(err):
		why = EndIdle
	case err != io.EOF && !c.isKilled():
		c.err = err
	}
	c.traceEnd(why, c.err)
}

// awaitInput waits for the first bytes of a request. It returns errToPark if none have arrived
// at the instant park and the connection need not close yet, even if the server is stopping.
func (c *conn) awaitInput(park instant) error {
	// Without c.ready, or after an empty line, the connection needs its buffer, so it waits with
	// it and does not park.
	if c.ready == nil || len(c.work.in.bytes()) > 0 {
		return c.work.in.fill(c.srv.config.bufferLimit())
	}
	limit := c.read.limit
	if c.mayPark {
		limit = min(limit, park)
	}
	_, err := c.readIdle(limit, nil)
	if err == nil {
		c.takeReady()
	}
	return err
}

// takeReady moves what c.ready has read into work.in, which has no buffer.
func (c *conn) takeReady() {
	buf, b := c.ready.take()
	c.work.in.buf, c.work.in.w = buf[:], len(b)
	c.countRead(b)
}

// awaitParked waits for the first bytes of a request on a parked connection.
func (c *conn) awaitParked() error {
	_, err := c.readIdle(c.read.limit, nil)
	return err
}

// readIdle reads into p until limit, or until the connection is to leave. If p is nil, it waits
// for c.ready to read instead. It returns errToPark if limit is reached and the connection need
// not close yet.
//
// Once its deadline is in the past, a read fails even if a request is in the buffer of the kernel.
// That happens if the connection is to leave, or if the system did not run the process before
// limit was reached. Such a request was sent in time and must be served, so readIdle looks again
// before the connection closes. A request that arrives after limit, even by a millisecond, may be
// lost with the connection. A client must expect that when it reuses a connection, and may repeat
// an idempotent request (RFC 9112, section 9.3.1).
func (c *conn) readIdle(limit instant, p []byte) (n int, err error) {
	fired, looks := false, 0
	for {
		until := limit
		if looks == 0 {
			until = min(limit, c.leaveAt())
		}
		if fired || c.read.deadline > until { // a deadline that is too early stays; see readSide
			c.setReadDeadline(until)
		}
		// If leave was called meanwhile, its deadline was overwritten.
		if looks == 0 && c.leaveAt() < until {
			continue
		}
		if p != nil {
			n, err = c.nc.Read(p)
		} else {
			err = c.ready.wait()
		}
		fired = true
		if !isTimeout(err) || n > 0 {
			return n, err
		}
		leave, inTime := c.leaveAt(), clock() <= until.add(maxLate)
		switch {
		case clock() < until: // the deadline was an earlier one; see readSide
		case until < min(c.read.limit, leave):
			return 0, errToPark
		case looks == maxLooks, inTime && (looks > 0 || leave == never):
			return 0, err
		default:
			looks++
			limit = clock().add(lookTime)
		}
	}
}

// stopWindow is how long a connection must have been idle before a graceful shutdown closes it,
// since its next request may be in flight: "a client might have started to send a new request at
// the same time that the server has decided to close the "idle" connection." RFC 9112, section
// 9.5. A second exceeds the round trip of nearly all clients.
const stopWindow = time.Second

// leaveAt returns when an idle connection is to leave: at once if it was evicted,
// stopWindow after its last request if the server is stopping, and otherwise never.
func (c *conn) leaveAt() instant {
	life := c.life.Load()
	switch {
	case life == lifeOver:
		return 0
	case c.group.stopping.Load():
		return instant(life).add(stopWindow)
	}
	return never
}

// leave sets the deadline of an idle connection when the server stops. Any goroutine may
// call it.
func (c *conn) leave() {
	if c.life.Load() >= lifeIdle { // a busy one leaves when it is idle again; see also mayPersist
		c.nc.SetReadDeadline(c.leaveAt().deadline())
	}
}
