package rawhttp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"example.com/rawhttp/internal/wire"
)

// Limits on draining the content that a resolver left unread, before the next request.
const (
	// maxDrainBytes is about what the kernel has buffered already, so reading it costs less than
	// a new connection. If more is known to come, the connection closes instead.
	maxDrainBytes = 256 << 10

	// maxDrainSilence is shorter than the default stall timeout, since no one waits for this
	// content. See readPaced.
	maxDrainSilence = 2 * time.Second
)

// A conn is one connection. It is in one phase at a time, which Trace reports as a
// ConnState:
//
//	phase    what the connection does                 time limit                  next
//	idle     waits for the first byte of a request    WithIdleTimeout; for the    head, parked after 10 ms
//	                                                  first request               (1 s in a conversation),
//	                                                  WithReadHeaderTimeout       or closed
//	(parked) is idle, without buffers, on a small     the rest of the idle time   head, or closed
//	         stack (see unpark)
//	head     reads the head of the request            WithReadHeaderTimeout       resolve, write if refused,
//	                                                                              or closed if reset
//	resolve  waits for the resolver                   none                        write
//	write    writes the response                      WithStallTimeout without    idle, head if a request has
//	                                                  progress                    arrived, drain, linger, or
//	                                                                              closed if cut
//	         or the function of Upgrade runs          none                        linger
//	drain    reads content the resolver left unread   2 s without a byte          idle, head, or linger
//	linger   discards input after the last response,  5 s without a byte, 30 s    closed
//	         so that the client is not reset          in total
//	closed
//
// A connection over WithMaxConns begins with write. A resolver that ends its goroutine closes
// its connection. TestConnPhases checks the last column.
//
// While the resolver or the response reads content, WithStallTimeout limits how long the
// client may be silent, and minContentRate how slowly it may send; drain has the same rate.
// Idle and lingering connections can be evicted; busy ones cannot.
//
// A conn belongs to the goroutine that runs serve or unpark, unless a field says otherwise.
// During an exchange, other goroutines of the program use parts of it:
//
//   - The read side (the fields read and ready, and work.in) belongs to whoever reads the
//     content and holds its mutex: the connection's own goroutine, one of the program, a
//     script's feeder, or net/http in a reverse proxy. While nothing reads, the watch may read
//     ahead; watch.mu passes the read side between the reader and the watch. endContent and
//     watch.end take it back before the connection reads the next head.
//   - The write side (the fields write and work.out) belongs to the connection's own
//     goroutine, except before the head of the response has been written: then the first read
//     of content may send a 100 (Continue), and Request.Inform other informational responses.
//     They hold work.out.mu, and so does the response if a 100 may still be sent.
//   - While the function of Upgrade runs, the mutexes reads and writes of upgradedConn guard
//     the read side and the responder's count of bytes. upgradedConn.end takes them back.
type conn struct {
	srv           *Server
	group         *group
	nc            net.Conn     // as accepted; may be a TLS connection or another wrapper
	id            uint64       // from 1, unique in the Server
	isTLS         bool         // nc has a handshake; see shakeHands
	resumesWrites bool         // see func resumesWrites
	mayPark       bool         // the connection may move to another goroutine
	tooMany       bool         // it exceeds WithMaxConns
	ready         *readyReader // reads the first bytes of a request without holding a buffer; if nil, work.in reads them

	num           uint64     // number of the current request, from 1
	client        netip.Addr // client address reported by a trusted proxy, or invalid
	state         ConnState
	evicted       bool        // while its next request was in flight: it closes after one more response
	endTraced     bool        // traceEnd has reported why it ends
	endedNormally bool        // not by runtime.Goexit in a resolver
	err           error       // why it ended; nil if it closed as HTTP allows
	work          *connMemory // nil while parked
	read          readSide
	write         writeSide
	watch         watch

	// Any goroutine may use the fields below.

	// life is the time since which the connection has been idle, or one of the life
	// constants. Other goroutines change it from idle or lingering to lifeOver to evict the
	// connection.
	life   atomic.Int64
	parked atomic.Bool // it is waiting without memory; atomic for tests
	gone   atomic.Bool // it was reset, or closed by force

	prev, next *conn // in the group's list; guarded by group.mu
}

// Values of life. An instant is at least 1, so the values below lifeIdle are free for other
// states.
const (
	lifeLinger = -2 // the last response is written; evicted before idle connections
	lifeOver   = -1 // evicted or closed; begin may take an eviction back
	lifeBusy   = 0  // a request has begun; never evicted
	lifeIdle   = 1  // idle since this instant, or any greater one
)

// A readSide is the state of reading from the client. The deadline of the net.Conn is not
// moved for each read: while it is too early it stays, and when it fires it is set to the
// true limit. So limits are exact, yet most requests set no deadline.
//
// Only the owner of the read side writes deadline. Other goroutines set one on the net.Conn
// alone, to wake a read: interrupt, evict and watch.stop set one in the past, and leave sets
// the time at which an idle connection is to close. The read that wakes looks at what they have
// stored (interrupted, life, stopped, group.stopping), and sets a deadline again if it goes on.
type readSide struct {
	limit       instant // until when to wait for the client; content has its own limit
	deadline    instant // as set on the net.Conn
	content     contentWait
	looks       int         // see readBefore
	interrupted atomic.Bool // set by other goroutines to make a read of content return
}

// A writeSide is the state of writing to the client. Only the owner of the write side writes
// deadline; see conn.
type writeSide struct {
	deadline instant // as set on the net.Conn
	taken    int     // bytes written, counted up to maxJoined
	lowat    bool    // the kernel's send buffer is limited (see setNotSentLowat)
	broken   error   // the error that ended writing for good
}

// A connMemory is what a connection works with. A parked connection has none.
type connMemory struct {
	in       inbuf
	out      sink
	exchange exchange
}

// memoryPool holds the cleared memory of parked connections.
var memoryPool = sync.Pool{New: func() any { return new(connMemory) }}

// takeMemory takes the memory that the connection needs to read a head. releaseMemory
// returns it.
func (c *conn) takeMemory() {
	w := memoryPool.Get().(*connMemory)
	w.in.src, w.out.w = c, c
	x := &w.exchange
	x.conn, x.in, x.out = c, &w.in, &w.out
	// A program that kept the spare Request of another connection must not see the requests
	// of this one, so it is not pooled.
	x.spare = &Request{Body: noContent{}}
	x.shown = x.spare
	c.work = w
}

// releaseMemory returns the memory of an idle connection to memoryPool. Its buffers must
// be empty.
func (c *conn) releaseMemory() {
	w := c.work
	c.work, *w = nil, connMemory{}
	memoryPool.Put(w)
}

// newConn makes the conn of an accepted connection. It is idle, and the time limit of its first
// head has begun. It assumes that nc has no deadlines; if it has one after all, that is noticed
// when it fires.
func newConn(s *Server, g *group, nc net.Conn) *conn {
	c := &conn{srv: s, group: g, nc: nc, id: s.stats.conns.Add(1), ready: newReadyReader(nc)}
	_, c.isTLS = nc.(handshaker)
	c.resumesWrites = !c.isTLS && resumesWrites(nc)
	c.watch.conn, c.watch.ahead.src = c, nc // not c, whose Read writes responses first and takes from ahead
	c.takeMemory()
	now := clock()
	c.read.limit, c.read.deadline, c.write.deadline = now.limit(s.config.readHeaderTimeout), never, never
	c.life.Store(int64(now)) // idle, so that a client that never sends a byte can be evicted
	return c
}

// serve serves the connection from its first byte until it closes or parks.
func (c *conn) serve() {
	growStack()
	defer c.close() // before the first hook, which may panic
	c.srv.trace.connOpen(c.id, c.nc)
	c.serveRequests(c.idle())
}

// serveRequests serves requests, if again is set, until the connection parks or ends.
func (c *conn) serveRequests(again bool) {
	for again && c.work.exchange.serve() {
		again = c.idle()
	}
	c.endedNormally = true
}

// growStack grows the stack of a new goroutine to the size that a request needs. Otherwise it would
// grow during the request, when the runtime has to adjust the frames of many functions.
//
//go:noinline
func growStack() {
	var frame [2 << 10]byte
	runtime.KeepAlive(&frame)
}

// enter begins a phase. Only the connection's own goroutine calls it.
func (c *conn) enter(s ConnState) {
	c.state = s
	c.srv.trace.connState(c.id, s)
}

// setLimit limits waiting for the client to d from now; 0 is no limit.
func (c *conn) setLimit(d time.Duration) { c.read.limit, c.read.looks = clock().limit(d), 0 }

// readHead reads and parses the next head. It returns the error with which the request is to
// be answered, or errNoHead.
func (x *exchange) readHead() error {
	if x.conn.srv.trace.exchanges {
		x.start = time.Now()
	}
	// Reset what the previous response has left. Before newResponder does so, sending a 100
	// (Continue) depends on headOut, and cut depends on framing if the resolver ends the goroutine.
	x.responder.framing, x.responder.headOut, x.asked, x.refusedLine = noFraming, false, false, ""
	if x.reuseHead() { // before reset, since it needs the last head
		return nil
	}
	x.req.reset()
	x.parser.Begin(&x.req.head, x.conn.srv.config.limits)
	for first := true; ; first = false {
		n, err := x.parser.Parse(x.in.bytes())
		if err == nil {
			x.in.advance(n)
			return nil
		}
		if err != wire.ErrIncomplete {
			return parseError(err)
		}
		if first && x.conn.num > 1 { // the time for the first request began at accept
			x.conn.setLimit(x.conn.srv.config.readHeaderTimeout)
		}
		ended, err := x.fillHead()
		if err != nil {
			return x.headError(err)
		}
		if ended {
			n, err := x.parser.EndEarly(x.in.bytes())
			if err == nil {
				x.in.advance(n)
			}
			return parseError(err)
		}
	}
}

// lenientPause is how long a head parsed leniently waits for its empty line. A shorter pause
// could end a head whose lines arrive in packets of their own. A longer one would delay each
// response to a client that never sends the empty line.
const lenientPause = 200 * time.Millisecond

// fillHead reads more of the head. In lenient parsing it reports that the head has ended if
// it may be complete and no more arrives within lenientPause.
func (x *exchange) fillHead() (ended bool, err error) {
	if !x.parser.MayEnd(x.in.bytes()) {
		return false, x.in.fill(x.conn.srv.config.bufferLimit())
	}
	if err := x.conn.flushFirst(); err != nil { // Read does this too, but it would use up the pause
		return false, err
	}
	limit, pause := x.conn.read.limit, clock().add(lenientPause)
	x.conn.read.limit = min(limit, pause)
	err = x.in.fill(x.conn.srv.config.bufferLimit())
	x.conn.read.limit = limit
	if isTimeout(err) && pause < limit { // otherwise the time for the head is over: 408
		return true, nil
	}
	return false, err
}

// reuseHead consumes the next head if it equals the last one byte for byte, as from a client
// that polls, and reports whether it does. The last one has been parsed already, and its text
// may already exist as a string. The last one cannot be a refused head, since its connection
// closes.
func (x *exchange) reuseHead() bool {
	r := &x.req
	if r.head.Size == 0 || !bytes.HasPrefix(x.in.bytes(), r.head.Text[:r.head.Size]) {
		return false
	}
	if x.shown.str == string(r.head.Text) {
		r.str = x.shown.str
	}
	x.in.advance(r.head.Size)
	return true
}

// errNoHead ends a connection to which no response is due, or none can be sent.
var errNoHead = errors.New("rawhttp: no request")

// headError converts an error from reading an incomplete head.
func (x *exchange) headError(err error) error {
	begun := x.parser.HasBegun()
	switch {
	case isTimeout(err):
		return &StatusError{Status: 408, Err: fmt.Errorf("read the head: %w", err)}
	case err == io.EOF && begun: // the client may still read: it may have closed only its side
		return malformed(len(x.in.bytes()), "head ends early", "RFC 9112, section 8")
	case err == io.EOF:
		return errNoHead
	}
	x.conn.err = err
	return errNoHead
}

// refuseHead answers a head that cannot be accepted.
func (x *exchange) refuseHead(err error) (again bool) {
	if err == errNoHead {
		return false
	}
	b := x.in.bytes()
	isHead := string(x.parser.MethodOf(b)) == "HEAD"
	x.refusedLine = x.parser.RequestLineOf(b)
	if x.conn.isTLS && bytes.HasPrefix(b, []byte("PRI * HTTP/2.0\r\n")) && !x.conn.srv.warnedHTTP2.Swap(true) {
		x.conn.srv.config.log.Warn("rawhttp: a client speaks HTTP/2 over TLS, which this server does not support: remove h2 from NextProtos in the tls.Config", "conn", x.conn.id)
	}
	x.req.reset() // nothing in a refused head can be relied on
	if isHead {   // except that a response to HEAD must have no content
		x.req.head.Text = append(x.req.head.Text, "HEAD"...)
		x.req.head.Method = wire.NewSpan(0, 4)
	}
	return x.refuse(b, err)
}

// refuse answers a request that no resolver sees. Then it closes the connection: the content is
// not read, and after a malformed head it is unknown where the next request begins. b is the part
// of the head that has been received.
func (x *exchange) refuse(b []byte, err error) (again bool) {
	x.traceRefused(b, err)
	x.logFailure(errorStatus(err), err)
	resp := errorResponse(err)
	if x.contentFault() != nil { // the head is accepted, and declares too much content
		x.body.answered = true
		resp = x.answerError(x.conn.group.ctx, errorStatus(err), err).Clone()
	}
	x.respond(x.conn.group.ctx, resp.CloseAfter())
	return x.conn.hangUp()
}

// drain reads the rest of the content, to find the next request after it. It reports
// whether that worked. It sets no limit on the size, as long as the client keeps sending:
// the response has told the client that the connection persists, so it may already have
// sent its next request. "A server MUST read the entire request message body or close the
// connection after sending its response; otherwise, the remaining data on a persistent
// connection would be misinterpreted as the next request." RFC 9112, section 9.3.
func (x *exchange) drain() bool {
	if x.body == nil || x.body.err == io.EOF {
		return true
	}
	x.conn.enter(StateDrain)
	x.conn.read.content = contentWait{} // the rate counts from now
	// A 100 (Continue) cannot follow the response.
	x.body.proceed, x.body.max = nil, noLimit
	scratch := scratchPool.Get().(*[scratchSize]byte)
	defer scratchPool.Put(scratch)
	for {
		_, err := x.body.drain(scratch[:])
		if err == io.EOF {
			return true
		}
		if err != nil {
			return x.conn.hangUp()
		}
	}
}

// info describes the connection and the current request.
func (c *conn) info() ConnInfo {
	info := ConnInfo{
		ID:         c.id,
		Request:    c.num,
		LocalAddr:  c.nc.LocalAddr(),
		RemoteAddr: c.nc.RemoteAddr(),
		Client:     c.client,
		TLS:        c.isTLS,
		NetConn:    c.nc,
	}
	if !info.Client.IsValid() {
		info.Client = addrOf(info.RemoteAddr)
	}
	return info
}

func (c *conn) logger() logger { return c.srv.config.log }

// serverSoftware returns the value of SERVER_SOFTWARE.
func (c *conn) serverSoftware() string {
	if c.srv.format.server == "" {
		return "rawhttp"
	}
	return c.srv.format.server
}
