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

// Limits on a connection that lingers: see hangUp.
const (
	maxLingerSilence = 5 * time.Second
	maxLingerTime    = 30 * time.Second
	lingerPause      = 100 * time.Millisecond // silence enough of a client that has said all
)

// A conn is one connection. All but what is atomic belongs to its goroutine, with two
// exceptions. While an exchange is on, what is needed to read (readDeadline, content and
// the fields of in) belongs to whoever reads content, on whatever goroutine, or else to the
// watch; their mutexes hand it over. And watch says itself what it owns.
type conn struct {
	srv     *Server
	group   *group
	nc      net.Conn
	id      uint64
	num     uint64 // of the request
	isTLS   bool
	resumes bool // see the function

	client     netip.Addr // who a proxy says that asks; invalid: none does
	tooMany    bool       // it is over WithMaxConns
	prev, next *conn      // of the group, under its lock

	// life is the time since which the connection has been idle, or one of the below.
	// Others change it in one way: from idle or lingering to over, which evicts it.
	life   atomic.Int64
	state  ConnState
	leaves bool        // it was evicted, and answers one more request
	gone   atomic.Bool // it was reset, or closed by force

	ready   *ready      // reads the first bytes of a request; nil: in does
	mayPark bool        // it may change its goroutine
	parked  atomic.Bool // it waits, and has nothing to work with
	ended   bool        // it has come to its end; else its goroutine was ended
	err     error       // why it ends, nil if it ends in order
	watch   watch
	waiting

	*working // nil while it is parked
}

const (
	lifeLinger = -2 // the last response is written; the first to be evicted
	lifeOver   = -1
	lifeBusy   = 0 // a request has begun
	lifeIdle   = 1 // or later
)

// working is what a connection works with.
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

// workingPool has what parked connections worked with. They hold nothing of them.
var workingPool = sync.Pool{New: func() any { return new(working) }}

// work takes what the connection works with.
func (c *conn) work() {
	w := workingPool.Get().(*working)
	w.in.src, w.out.w = c, c
	w.spare = &Request{Body: noContent{}}
	w.shown = w.spare
	c.working = w
}

// rest releases the buffers and the parsed request while the connection is idle. The buffers
// must be empty.
func (c *conn) rest() {
	w := c.working
	c.working, *w = nil, working{}
	workingPool.Put(w)
}

func newConn(s *Server, g *group, nc net.Conn) *conn {
	c := &conn{srv: s, group: g, nc: nc, id: s.stats.conns.Add(1), ready: newReady(nc)}
	_, c.isTLS = nc.(handshaker)
	c.resumes = !c.isTLS && resumes(nc)
	c.watch.ahead.src = nc
	c.work()
	now := clock()
	c.limit, c.readDeadline, c.writeDeadline = now.limit(s.config.readHeaderTimeout), never, never
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
	c.ctx = c.newContext()
	persist := c.respond(c.ctx, c.resolve(c.ctx))
	c.endContext()
	c.endContent()
	if !persist {
		return c.hangUp()
	}
	return c.drain()
}

// show makes the Request that the resolver is to see.
func (c *conn) show() {
	c.shown = c.spare
	switch _, empty := c.spare.Body.(noContent); {
	case c.body != nil: // nobody who keeps it is to find the content of another request
		c.shown = &Request{Body: c.body}
	case !empty: // else it is not written to: who kept it may still be reading
		c.spare.Body = noContent{}
	}
	c.shown.requestData = c.req.requestData
}

// forget lets go of what belongs to the exchange that ends: an idle connection must
// not keep a response, and nobody reads content behind its own exchange.
func (c *conn) forget() {
	c.endContext()
	c.endContent()
	if c.body != nil {
		c.shown = c.spare
		c.body.in, c.body.proceed = nil, nil // a program may keep it, while these go to another connection
	}
	c.body = nil
	c.t.resp, c.t.ranges = nil, nil // the rest is small, and tells how the exchange went
}

// endContent takes the content away from the program, of which a goroutine that nobody
// waits for may still be reading it.
func (c *conn) endContent() {
	if c.body == nil {
		return
	}
	if !c.body.mu.TryLock() {
		c.interrupt()
		c.body.mu.Lock()
		c.resume()
	}
	c.body.end()
	c.body.mu.Unlock()
	c.in.src = c
}

// enter changes the state.
func (c *conn) enter(s ConnState) {
	c.state = s
	c.srv.trace.connState(c.id, s)
}

// setLimit limits the time that the client is waited for from now on; 0 is no limit.
func (c *conn) setLimit(d time.Duration) { c.limit = clock().limit(d) }

// readHead reads and parses the head of the next request.
func (c *conn) readHead() error {
	if c.srv.trace.exchanges {
		c.start = time.Now()
	}
	c.t.framing, c.t.headOut, c.refusedLine = noFraming, false, ""
	if c.repeats() {
		return nil
	}
	c.req.reset()
	c.parser.Begin(&c.req.head, c.srv.config.limits)
	for first := true; ; first = false {
		n, err := c.parser.Parse(c.in.bytes())
		if err == nil {
			c.in.advance(n)
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
			n, err := c.parser.EndEarly(c.in.bytes())
			c.in.advance(n)
			return parseError(err)
		}
	}
}

// lenientPause is how long a head parsed leniently waits for its empty line.
const lenientPause = 200 * time.Millisecond

// fillHead reads more of the head. It reports that the head has ended where no more
// came for a while, and what is there may be all of it.
func (c *conn) fillHead() (ended bool, err error) {
	if !c.parser.MayEnd(c.in.bytes()) {
		return false, c.in.fill(c.srv.config.bufferLimit())
	}
	if err := c.flushFirst(); err != nil {
		return false, err
	}
	limit, pause := c.limit, clock().add(lenientPause)
	c.limit = min(limit, pause)
	err = c.in.fill(c.srv.config.bufferLimit())
	c.limit = limit
	if isTimeout(err) && pause < limit {
		return true, nil
	}
	return false, err
}

// repeats takes the next head if it is the last one again, byte for byte, as from a client
// that polls: then the head is parsed, and its text may be there as a string.
func (c *conn) repeats() bool {
	r := &c.req
	if r.head.Size == 0 || !bytes.HasPrefix(c.in.bytes(), r.head.Text[:r.head.Size]) {
		return false
	}
	if c.shown.str == string(r.head.Text) {
		r.str = c.shown.str
	}
	c.in.advance(r.head.Size)
	return true
}

// errNoHead ends a connection where no answer is due or possible.
var errNoHead = errors.New("rawhttp: no request")

// shortHead says what an error means that came before the head was whole.
func (c *conn) shortHead(err error) error {
	begun := c.parser.HasBegun()
	switch {
	case isTimeout(err):
		return &StatusError{Status: 408, Err: fmt.Errorf("read the head: %w", err)}
	case err == io.EOF && begun:
		return malformed(len(c.in.bytes()), "the head ends early", "RFC 9112, section 8")
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
	b := c.in.bytes()
	isHead := string(c.parser.MethodOf(b)) == "HEAD"
	c.refusedLine = c.parser.RequestLineOf(b)
	if c.isTLS && bytes.HasPrefix(b, []byte("PRI * HTTP/2.0\r\n")) && !c.srv.toldOfHTTP2.Swap(true) {
		c.srv.log.Warn("rawhttp: a client speaks HTTP/2 over TLS, which this server does not: the tls.Config must not offer h2 in NextProtos", "conn", c.id)
	}
	c.req.reset()
	if isHead { // all that the answer must know
		c.req.head.Text = append(c.req.head.Text, "HEAD"...)
		c.req.head.Method = wire.NewSpan(0, 4)
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
	if c.body == nil || c.body.err == io.EOF {
		return true
	}
	c.enter(StateDrain)
	c.waiting.content = contentWait{}
	c.body.proceed, c.body.max = nil, noLimit
	scratch := scratchPool.Get().(*[scratchSize]byte)
	defer scratchPool.Put(scratch)
	for {
		_, err := c.body.drain(scratch[:])
		if err == io.EOF {
			return true
		}
		if err != nil {
			return c.hangUp()
		}
	}
}

// hangUp closes the connection so that the client reads the last response before
// it hears of the close: "If a server performs an immediate close of a TCP
// connection, there is a significant risk that the client will not be able to read
// the last HTTP response." RFC 9112, section 9.6. So the FIN goes out at once, and
// what still comes is read and discarded, however much it is: the client may send all
// of its content before it reads. It reports that no request follows.
func (c *conn) hangUp() (again bool) {
	if err := c.out.flushDone(); err != nil {
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
	whole := c.req.head.Size > 0 && (c.req.head.ContentLength == 0 || c.body != nil && c.body.err == io.EOF)
	return whole && (!c.req.head.Persist || c.t.framing == byClose) && isBlank(c.in.bytes())
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
		c.limit = min(end, now.add(silence))
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
		c.rest()
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
		if err := c.out.flushDone(); c.err == nil {
			c.err = err
		}
	})
	c.life.Store(lifeOver)
	if c.broken != nil {
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
	c.start, c.num = time.Now(), 1
	c.setLimit(maxLingerSilence)
	c.setReadDeadline(c.limit) // a TLS handshake reads
	c.req.reset()
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
