package rawhttp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"example.com/rawhttp/internal/wire"
)

// Limits on content that the resolver left unread, for which the next request waits.
const (
	maxDrainBytes   = 256 << 10       // that are known to come; for more the connection closes
	maxDrainSilence = 2 * time.Second // see readPaced
)

// A conn is one connection. It is in one phase at a time, which Trace sees as its ConnState:
//
//	phase    what it does                           limit of time               then
//	idle     waits for the first byte               WithIdleTimeout; the first  head, or parked after 10 ms
//	                                                time WithReadHeaderTimeout  (1 s once in talk), or closed
//	(parked) the same, without memory or goroutine  what is left of it          head, or closed
//	head     reads the head of a request            WithReadHeaderTimeout       resolve; refused: write
//	resolve  waits for the resolver                 none: the resolver's        write
//	write    writes the response                    WithStallTimeout without    idle, drain, or linger
//	                                                a byte taken
//	drain    reads content the resolver left        2 s without a byte          idle, or linger
//	linger   discards what comes after the last     5 s without a byte, 30 s    closed
//	         response, so that it is not reset      in all
//	closed
//
// While the resolver or the response reads content, silence of the client is limited by
// WithStallTimeout. Idle and lingering connections can be evicted, busy ones cannot.
//
// A conn belongs to the goroutine that runs serve or unpark, except where a field says
// otherwise. During an exchange content may be read on another goroutine, by the program, by
// a script's feeder or by net/http in a reverse proxy. Then the read side, that is read and
// work.in, belongs to whoever holds the mutex of content; watch.mu hands it over between that
// reader and the watch, which reads ahead while nobody else does. endContent and endWatch
// take it back before the goroutine of the connection reads again.
type conn struct {
	srv     *Server
	group   *group
	nc      net.Conn
	id      uint64
	isTLS   bool
	resumes bool   // see the function
	mayPark bool   // it may change its goroutine
	tooMany bool   // it is over WithMaxConns
	ready   *ready // reads the first bytes of a request; nil: work.in does

	num    uint64 // of the request
	state  ConnState
	client netip.Addr // who a proxy says that asks; invalid: none does
	leaves bool       // it was evicted, and answers one more request
	ended  bool       // it has come to its end; else its goroutine was ended
	err    error      // why it ends, nil if it was closed as HTTP has it
	work   *working   // nil while it is parked
	read   readSide
	write  writeSide
	watch  watch

	// Any goroutine may use these.

	// life is the time since which the connection has been idle, or one of the values below.
	// Others change it from idle or lingering to over, which evicts the connection.
	life   atomic.Int64
	parked atomic.Bool // it waits, and has no memory
	gone   atomic.Bool // it was reset, or closed by force

	prev, next *conn // of the group, under its lock
}

const (
	lifeLinger = -2 // the last response is written; the first to be evicted
	lifeOver   = -1
	lifeBusy   = 0 // a request has begun
	lifeIdle   = 1 // or later
)

// A readSide is what a connection knows of waiting for its client. The deadline of the
// net.Conn is left where it is while it is early, and moved to the true time when it fires:
// so limits are exact and cost nothing per request.
type readSide struct {
	limit       instant // when waiting for the client ends, except for content
	deadline    instant // as set on the net.Conn
	content     contentWait
	interrupted atomic.Bool // set by others: a read of content is to return
}

// A writeSide is what a connection knows of writing to its client.
type writeSide struct {
	deadline instant // as set on the net.Conn
	taken    int     // bytes written, up to maxJoined
	lowat    bool    // the system takes no more than it should
	broken   error   // why nothing can be written any more
}

// working is the memory of a connection that is not parked.
type working struct {
	req      Request  // as the client sent it, until the next
	shown    *Request // a copy, to be the resolver's for the exchange
	spare    *Request // what shown is without content: of this connection alone
	in       inbuf
	out      sink
	parser   wire.Parser
	body     *content // nil: the request has none
	t        responder
	ctx      *requestContext  // nil: no resolver was asked, or it has ended
	contexts []requestContext // for requests to come
	start    time.Time        // of the exchange, if that is traced

	refusedLine string // the request line of a head that is refused, "" if it could not be parsed
}

// workingPool has the memory of connections that have parked, cleared.
var workingPool = sync.Pool{New: func() any { return new(working) }}

// takeMemory takes the memory of the connection from the pool.
func (c *conn) takeMemory() {
	w := workingPool.Get().(*working)
	w.in.src, w.out.w = c, c
	w.spare = &Request{Body: noContent{}}
	w.shown = w.spare
	c.work = w
}

// releaseMemory returns the memory of an idle connection to the pool. Its buffers must be
// empty.
func (c *conn) releaseMemory() {
	w := c.work
	c.work, *w = nil, working{}
	workingPool.Put(w)
}

func newConn(s *Server, g *group, nc net.Conn) *conn {
	c := &conn{srv: s, group: g, nc: nc, id: s.stats.conns.Add(1), ready: newReady(nc)}
	_, c.isTLS = nc.(handshaker)
	c.resumes = !c.isTLS && resumes(nc)
	c.watch.ahead.src = nc
	c.takeMemory()
	now := clock()
	c.read.limit, c.read.deadline, c.write.deadline = now.limit(s.config.readHeaderTimeout), never, never
	c.life.Store(int64(now))
	return c
}

// serve carries the connection from its first byte to its end.
func (c *conn) serve() {
	defer c.close()
	c.srv.trace.connOpen(c.id, c.nc)
	c.carry(c.idle())
}

// carry carries requests, if there is one, until no more follow for now.
func (c *conn) carry(again bool) {
	for again && c.exchange() {
		again = c.idle()
	}
	c.ended = true
}

// exchange carries one request and its response. It reports whether the
// connection may carry another (RFC 9112, section 9.3).
func (c *conn) exchange() (again bool) {
	defer c.forget()
	if err := c.readHead(); err != nil {
		return c.refuseHead(err)
	}
	err := c.admit()
	c.show()
	if err != nil {
		return c.refuse(err)
	}
	c.work.ctx = c.newContext()
	persist := c.respond(c.work.ctx, c.resolve(c.work.ctx))
	c.endContext()
	c.endContent()
	if !persist {
		return c.hangUp()
	}
	return c.drain()
}

// show makes the Request that the resolver is to see.
func (c *conn) show() {
	c.work.shown = c.work.spare
	switch _, empty := c.work.spare.Body.(noContent); {
	case c.work.body != nil: // nobody who keeps it is to find the content of another request
		c.work.shown = &Request{Body: c.work.body}
	case !empty: // else it is not written to: who kept it may still be reading
		c.work.spare.Body = noContent{}
	}
	c.work.shown.requestData = c.work.req.requestData
}

// forget lets go of what belongs to the exchange that ends: an idle connection must
// not keep a response, and nobody reads content behind its own exchange.
func (c *conn) forget() {
	c.endContext()
	c.endContent()
	if c.work.body != nil {
		c.work.shown = c.work.spare
		c.work.body.in, c.work.body.proceed = nil, nil // a program may keep it, while these go to another connection
	}
	c.work.body = nil
	c.work.t.resp, c.work.t.ranges = nil, nil // the rest is small, and tells how the exchange went
}

// endContent takes the content away from the program, of which a goroutine that nobody
// waits for may still be reading it.
func (c *conn) endContent() {
	if c.work.body == nil {
		return
	}
	if !c.work.body.mu.TryLock() {
		c.interrupt()
		c.work.body.mu.Lock()
		c.resume()
	}
	c.work.body.end()
	c.work.body.mu.Unlock()
	c.work.in.src = c
}

// enter changes the state.
func (c *conn) enter(s ConnState) {
	c.state = s
	c.srv.trace.connState(c.id, s)
}

// setLimit limits the time that the client is waited for from now on; 0 is no limit.
func (c *conn) setLimit(d time.Duration) { c.read.limit = clock().limit(d) }

// readHead reads and parses the head of the next request.
func (c *conn) readHead() error {
	if c.srv.trace.exchanges {
		c.work.start = time.Now()
	}
	c.work.t.framing, c.work.t.headOut, c.work.refusedLine = noFraming, false, ""
	if c.repeats() {
		return nil
	}
	c.work.req.reset()
	c.work.parser.Begin(&c.work.req.head, c.srv.config.limits)
	for first := true; ; first = false {
		n, err := c.work.parser.Parse(c.work.in.bytes())
		if err == nil {
			c.work.in.advance(n)
			return nil
		}
		if err != wire.ErrIncomplete {
			return parseError(err)
		}
		if first && c.num > 1 { // the first request has its time from the accept
			c.setLimit(c.srv.config.readHeaderTimeout)
		}
		ended, err := c.fillHead()
		if err != nil {
			return c.shortHead(err)
		}
		if ended {
			n, err := c.work.parser.EndEarly(c.work.in.bytes())
			c.work.in.advance(n)
			return parseError(err)
		}
	}
}

// lenientPause is how long a head parsed leniently waits for its empty line.
const lenientPause = 200 * time.Millisecond

// fillHead reads more of the head. It reports that the head has ended where no more
// came for a while, and what is there may be all of it.
func (c *conn) fillHead() (ended bool, err error) {
	if !c.work.parser.MayEnd(c.work.in.bytes()) {
		return false, c.work.in.fill(c.srv.config.bufferLimit())
	}
	if err := c.flushFirst(); err != nil {
		return false, err
	}
	limit, pause := c.read.limit, clock().add(lenientPause)
	c.read.limit = min(limit, pause)
	err = c.work.in.fill(c.srv.config.bufferLimit())
	c.read.limit = limit
	if isTimeout(err) && pause < limit {
		return true, nil
	}
	return false, err
}

// repeats takes the next head if it is the last one again, byte for byte, as from a client
// that polls: then the head is parsed, and its text may be there as a string.
func (c *conn) repeats() bool {
	r := &c.work.req
	if r.head.Size == 0 || !bytes.HasPrefix(c.work.in.bytes(), r.head.Text[:r.head.Size]) {
		return false
	}
	if c.work.shown.str == string(r.head.Text) {
		r.str = c.work.shown.str
	}
	c.work.in.advance(r.head.Size)
	return true
}

// errNoHead ends a connection where no answer is due or possible.
var errNoHead = errors.New("rawhttp: no request")

// shortHead says what an error means that came before the head was whole.
func (c *conn) shortHead(err error) error {
	begun := c.work.parser.HasBegun()
	switch {
	case isTimeout(err):
		return &StatusError{Status: 408, Err: fmt.Errorf("read the head: %w", err)}
	case err == io.EOF && begun:
		return malformed(len(c.work.in.bytes()), "the head ends early", "RFC 9112, section 8")
	case err == io.EOF:
		return errNoHead
	}
	c.err = err
	return errNoHead
}

// refuseHead answers a head that cannot be accepted.
func (c *conn) refuseHead(err error) (again bool) {
	if err == errNoHead {
		return false
	}
	b := c.work.in.bytes()
	isHead := string(c.work.parser.MethodOf(b)) == "HEAD"
	c.work.refusedLine = c.work.parser.RequestLineOf(b)
	if c.isTLS && bytes.HasPrefix(b, []byte("PRI * HTTP/2.0\r\n")) && !c.srv.toldOfHTTP2.Swap(true) {
		c.srv.log.Warn("rawhttp: a client speaks HTTP/2 over TLS, which this server does not: the tls.Config must not offer h2 in NextProtos", "conn", c.id)
	}
	c.work.req.reset()
	if isHead { // all that the answer must know
		c.work.req.head.Text = append(c.work.req.head.Text, "HEAD"...)
		c.work.req.head.Method = wire.NewSpan(0, 4)
	}
	return c.refuse(err)
}

// refuse answers a request that no resolver gets to see, and closes: what follows
// it cannot be told for sure (RFC 9112, section 9.6).
func (c *conn) refuse(err error) (again bool) {
	c.logFailure(errorStatus(err), err)
	c.respond(c.group.ctx, errorResponse(err).CloseAfter())
	return c.hangUp()
}

// drain reads what is left of the content, so that the next request can be found after it.
// It reports whether it can. All of it is read, however much it is, as long as the client
// goes on sending: it has been told that the connection persists, and may send its next
// request.
func (c *conn) drain() bool {
	if c.work.body == nil || c.work.body.err == io.EOF {
		return true
	}
	c.enter(StateDrain)
	c.read.content = contentWait{}
	c.work.body.proceed, c.work.body.max = nil, noLimit
	scratch := scratchPool.Get().(*[scratchSize]byte)
	defer scratchPool.Put(scratch)
	for {
		_, err := c.work.body.drain(scratch[:])
		if err == io.EOF {
			return true
		}
		if err != nil {
			return c.hangUp()
		}
	}
}
