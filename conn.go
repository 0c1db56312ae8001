package rawhttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"
)

// What a connection may cost once there is nothing more to say.
const (
	maxDrainBytes  = 256 << 10
	maxDrainTime   = 2 * time.Second
	maxLingerBytes = 1 << 20
	maxLingerTime  = 2 * time.Second
)

// A conn is one connection. All but its state belongs to the goroutine of serve.
type conn struct {
	srv   *Server
	group *group
	nc    net.Conn
	info  ConnInfo

	tooMany bool // it is over WithMaxConns

	// state is changed by others in one way: from idle to closed, which takes the
	// connection away before a request begins.
	state atomic.Uint32
	since atomic.Int64 // when it became idle, in Unix nanoseconds

	in     inbuf
	out    sink
	parser headParser
	req    Request
	body   *content // nil: the request has none
	t      responder
	start  time.Time // of the exchange
	err    error     // why the connection ends, nil if it ends in order

	waiting
}

func newConn(s *Server, g *group, nc net.Conn) *conn {
	c := &conn{srv: s, group: g, nc: nc}
	_, isTLS := nc.(interface{ HandshakeContext(context.Context) error })
	c.info = ConnInfo{
		ID:         s.stats.conns.Add(1),
		LocalAddr:  nc.LocalAddr(),
		RemoteAddr: nc.RemoteAddr(),
		Client:     addrOf(nc.RemoteAddr()),
		TLS:        isTLS,
		NetConn:    nc,
	}
	c.in.src = c
	c.out.w = c
	if t := s.config.readHeaderTimeout; t > 0 {
		c.limit = time.Now().Add(t)
	}
	c.since.Store(time.Now().UnixNano())
	return c
}

// serve carries the connection from its first byte to its end.
func (c *conn) serve() {
	defer c.close()
	for c.idle() && c.exchange() {
	}
}

// exchange carries one request and its response. It reports whether the
// connection may carry another (RFC 9112, section 9.3).
func (c *conn) exchange() (again bool) {
	if err := c.readHead(); err != nil {
		return c.refuseHead(err)
	}
	if err := c.admit(); err != nil {
		return c.refuse(err)
	}
	ctx, cancel := context.WithCancel(c.group.ctx)
	defer cancel()
	persist := c.respond(ctx, c.resolve(ctx))
	if !persist {
		return c.hangUp()
	}
	return c.drain()
}

// enter changes the state, which only the connection itself does but for idle.
func (c *conn) enter(s ConnState) {
	c.state.Store(uint32(s))
	c.srv.trace.connState(c.info.ID, s)
}

// idle waits for the first byte of the next request. It reports false where there
// will be none.
func (c *conn) idle() bool {
	c.info.Request++
	if len(c.in.bytes()) > 0 {
		c.enter(StateHead)
		return true
	}
	if c.info.Request > 1 { // a new connection is idle already, or was taken away
		c.setLimit(c.srv.config.idleTimeout)
		c.since.Store(time.Now().UnixNano())
		c.state.Store(uint32(StateIdle))
	}
	c.srv.trace.connState(c.info.ID, StateIdle)
	if c.group.stopping.Load() {
		return false
	}
	if err := c.in.fill(c.srv.config.bufferLimit()); err != nil {
		c.endIdle(err)
		return false
	}
	if !c.state.CompareAndSwap(uint32(StateIdle), uint32(StateHead)) {
		return false
	}
	c.srv.trace.connState(c.info.ID, StateHead)
	return true
}

// endIdle takes note of why there is no further request. That the client has
// gone, or kept silent, is in order.
func (c *conn) endIdle(err error) {
	if err != io.EOF && err != errTakenAway && !isTimeout(err) {
		c.err = err
	}
}

func (c *conn) setLimit(d time.Duration) {
	c.limit = time.Time{}
	if d > 0 {
		c.limit = time.Now().Add(d)
	}
}

// readHead reads and parses the head of the next request.
func (c *conn) readHead() error {
	c.start = time.Now()
	c.parser = c.req.begin(c.srv.config.limits)
	c.body, c.t = nil, responder{}
	for first := true; ; first = false {
		n, err := c.parser.parse(c.in.bytes())
		if err == nil {
			c.in.advance(n)
			return nil
		}
		if err != ErrIncomplete {
			return err
		}
		if first && c.info.Request > 1 { // the first request has its time from the accept
			c.setLimit(c.srv.config.readHeaderTimeout)
		}
		if err := c.in.fill(c.srv.config.bufferLimit()); err != nil {
			return c.shortHead(err)
		}
	}
}

// errNoHead ends a connection where no answer is due or possible.
var errNoHead = errors.New("rawhttp: no request")

// shortHead says what an error means that came before the head was whole.
func (c *conn) shortHead(err error) error {
	begun := c.parser.phase > inMethod || c.parser.pos > c.parser.line
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
	isHead := c.parser.phase > inMethod && string(c.req.method.of(c.in.bytes())) == "HEAD"
	c.req.begin(c.srv.config.limits)
	if isHead { // all that the answer must know
		c.req.text = append(c.req.text, "HEAD"...)
		c.req.method = span{0, 4}
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

// admit takes note of what came with the head and refuses what no resolver is to
// see.
func (c *conn) admit() error {
	cfg := &c.srv.config
	c.srv.stats.requests.Add(1)
	c.req.conn = c.info
	if len(cfg.proxies) > 0 {
		c.req.conn.Client = cfg.proxies.client(c.info.Client, c.req.Header())
	}
	switch n := c.req.contentLength; {
	case !cfg.hosts.allow(c.req.host.of(c.req.text)):
		return &StatusError{Status: 421, Err: fmt.Errorf("host %q is not served here", c.req.Host())}
	case c.req.expect == expectOther:
		return &StatusError{Status: 417, Err: errors.New("Expect is not 100-continue")}
	case cfg.maxBodyBytes > 0 && n > cfg.maxBodyBytes:
		return &StatusError{Status: 413, Err: fmt.Errorf("content of %d bytes, the limit is %d", n, cfg.maxBodyBytes)}
	case c.req.form == authorityForm:
		return &StatusError{Status: 405, Allow: fileMethods, Err: errors.New("CONNECT")}
	case n != 0:
		c.body = newContent(&c.in, &c.req, cfg.maxBodyBytes)
		if c.req.expect == expectContinue {
			c.body.proceed = c.proceed
		}
		c.req.Body = c.body
		c.waiting.content = contentWait{}
	}
	return nil
}

// proceed asks the client for the content that it holds back. "A server MUST NOT
// send a 1xx response after the final one" follows from RFC 9110, section 15.2.
func (c *conn) proceed() error {
	if c.t.headOut {
		return errNoContinue
	}
	if err := c.out.flushDone(); err != nil {
		return err
	}
	_, err := c.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
	return err
}

// resolve gets the response to the request. There is always one.
func (c *conn) resolve(ctx context.Context) (resp *Response) {
	c.enter(StateResolve)
	defer func() {
		if v := recover(); v != nil {
			resp = c.failure(ctx, c.panicked("resolver", v)).Clone().CloseAfter()
		}
	}()
	if resp := c.ownAnswer(); resp != nil {
		return resp
	}
	resp, err := c.srv.config.resolver.Resolve(ctx, &c.req)
	switch {
	case err != nil:
		if resp != nil {
			resp.Close()
		}
		return c.failure(ctx, err)
	case resp == nil:
		return c.failure(ctx, errors.New("rawhttp: the resolver gave neither a response nor an error"))
	case resp.status == 405 && c.req.isOptions():
		resp.Close()
		return allowed(resp.get("Allow"))
	}
	return resp
}

// fileMethods are what the server and a file resolver allow.
var fileMethods = []string{"GET", "HEAD", "OPTIONS"}

// ownAnswer answers what is asked of the server, not of a resource: "OPTIONS *"
// (RFC 9110, section 9.3.7), and TRACE, which we refuse, since it would show a
// client's fields to scripts that must not see them.
func (c *conn) ownAnswer() *Response {
	switch {
	case c.req.form == asteriskForm:
		return allowed("GET, HEAD, OPTIONS")
	case string(c.req.method.of(c.req.text)) == "TRACE":
		return errorResponse(&StatusError{Status: 405, Allow: fileMethods})
	}
	return nil
}

// failure makes the response to an error that a resolver returned.
func (c *conn) failure(ctx context.Context, err error) *Response {
	status := errorStatus(err)
	c.logFailure(status, err)
	if status == 405 && c.req.isOptions() {
		return allowed(strings.Join(allowOf(err), ", "))
	}
	page := c.errorPage(ctx, status, err)
	if page == nil {
		return errorResponse(err)
	}
	if status == 405 && !page.has("Allow") {
		page = page.Clone().Set("Allow", strings.Join(allowOf(err), ", "))
	}
	return page
}

// errorPage asks the program for a page of its own; a panic of it is as good as
// none.
func (c *conn) errorPage(ctx context.Context, status int, err error) (page *Response) {
	if c.srv.config.errorPage == nil {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			c.panicked("error page", v)
			page = nil
		}
	}()
	return c.srv.config.errorPage(ctx, &c.req, status, err)
}

// respond writes the response, or what must be said in its place, and closes it.
// It reports whether the connection may carry another request.
func (c *conn) respond(ctx context.Context, resp *Response) (persist bool) {
	c.enter(StateWrite)
	err := c.contentFault()
	if err == nil {
		err = c.send(ctx, resp)
	}
	resp.Close()
	if instead := c.instead(err); instead != nil {
		c.out.buf = c.out.buf[:c.out.done]
		err = c.send(ctx, instead)
	}
	c.out.done = len(c.out.buf)
	if !c.t.persist || err != nil || len(c.out.buf) >= maxJoined || c.srv.trace.exchanges {
		err = errors.Join(err, c.out.flush())
	}
	if err != nil {
		c.cut(err)
	}
	c.traceExchange(err)
	return c.t.persist && err == nil
}

// send puts one response.
func (c *conn) send(ctx context.Context, resp *Response) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = c.panicked("response", v)
		}
	}()
	c.t = responder{out: &c.out, format: &c.srv.format, req: &c.req, resp: resp, persist: c.mayPersist(resp)}
	return c.t.write(ctx)
}

// contentFault gives what the client did wrong in the content. It must be answered
// whatever the resolver made of it.
func (c *conn) contentFault() error {
	if c.body == nil {
		return nil
	}
	return c.body.fault()
}

// instead gives the response to send where another failed with err before any of
// it was out, nil if there is nothing to say or nobody to say it to.
func (c *conn) instead(err error) *Response {
	fault := c.contentFault()
	switch {
	case err == nil || c.t.headOut || c.broken != nil:
		return nil
	case fault != nil:
		return errorResponse(fault).CloseAfter()
	}
	c.logFailure(500, err)
	resp := errorResponse(&StatusError{Status: 500})
	if errors.Is(err, errPanicked) {
		resp.CloseAfter()
	}
	return resp
}

// mayPersist reports whether the connection can go on behind the response, as far
// as the content of the request allows.
func (c *conn) mayPersist(resp *Response) bool {
	if c.group.stopping.Load() {
		return false
	}
	if c.body == nil || c.body.err == io.EOF || resp.f != nil || resp.rep != nil {
		return true
	}
	return c.body.fault() == nil && c.body.left <= maxDrainBytes
}

// cut ends the connection in the middle of a response, so that the client can
// tell: by then it waits for the last chunk or the rest of Content-Length. Where
// the end of the connection is what ends the content it must not end in order.
func (c *conn) cut(err error) {
	c.err = err
	if c.t.framing == byClose {
		abort(c.nc)
	}
	if c.broken == nil {
		c.srv.log.Error("rawhttp: response cut", "conn", c.info.ID, "request", c.info.Request, "err", err)
	}
}

// drain reads what the resolver left of the content, if that is not much, so that
// the next request can be found behind it. It reports whether it can.
func (c *conn) drain() bool {
	if c.body == nil {
		return true
	}
	defer c.body.close()
	if c.body.err == io.EOF {
		return true
	}
	c.enter(StateDrain)
	c.setLimit(maxDrainTime)
	c.body.proceed = nil
	if !c.discard(c.body, maxDrainBytes) {
		return c.hangUp()
	}
	return true
}

// discard reads r to its end and reports whether that came within max bytes and
// the limit of time.
func (c *conn) discard(r io.Reader, max int64) bool {
	scratch := scratchPool.Get().(*[scratchSize]byte)
	defer scratchPool.Put(scratch)
	for max >= 0 {
		n, err := r.Read(scratch[:])
		if err != nil {
			return err == io.EOF
		}
		max -= int64(n)
	}
	return false
}

// hangUp closes the connection so that the client reads the last response before
// it hears of the close: "If a server performs an immediate close of a TCP
// connection, there is a significant risk that the client will not be able to read
// the last HTTP response." RFC 9112, section 9.6. So the FIN goes out at once, and
// what still comes is read for a while. It reports that no request follows.
func (c *conn) hangUp() (again bool) {
	closer, ok := c.nc.(interface{ CloseWrite() error })
	if c.err != nil || !ok || closer.CloseWrite() != nil {
		return false
	}
	c.enter(StateLinger)
	c.setLimit(maxLingerTime)
	c.discard(c, maxLingerBytes)
	return false
}

// close ends the connection. It is deferred, and catches what no other has caught:
// the server goes on.
func (c *conn) close() {
	if v := recover(); v != nil {
		c.err = c.panicked("connection", v)
	}
	c.enter(StateClosed)
	if err := c.nc.Close(); c.err == nil && err != nil && !errors.Is(err, net.ErrClosed) {
		c.err = err
	}
	c.srv.trace.connClose(c.info.ID, c.err)
	c.group.remove(c)
}

// turnAway tells the client that there are too many connections.
func (c *conn) turnAway() {
	defer c.close()
	c.setLimit(maxLingerTime)
	c.setReadDeadline(c.limit) // a TLS handshake reads
	c.req.begin(c.srv.config.limits)
	busy := errorResponse(&StatusError{Status: 503}).Set("Retry-After", "1").CloseAfter()
	c.respond(c.group.ctx, busy)
	c.hangUp()
}

// abort closes a connection with a reset, where it can.
func abort(nc net.Conn) {
	nc = innermost(nc)
	if tcp, ok := nc.(interface{ SetLinger(int) error }); ok {
		tcp.SetLinger(0)
	}
	nc.Close()
}

// innermost gives the connection that others, as TLS, are wrapped around: closing
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

// errPanicked is what a panic in a resolver or a response counts as.
var errPanicked = errors.New("rawhttp: panic")

func (c *conn) panicked(where string, v any) error {
	c.srv.log.Error("rawhttp: panic", "in", where, "conn", c.info.ID, "request", c.info.Request,
		"panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	return fmt.Errorf("%w in %s: %v", errPanicked, where, v)
}

// logFailure tells the log why a request failed; the client is not told.
func (c *conn) logFailure(status int, err error) {
	log := c.srv.log.Debug
	if status >= 500 && !errors.Is(err, errPanicked) {
		log = c.srv.log.Error
	}
	log("rawhttp: request failed", "conn", c.info.ID, "request", c.info.Request, "status", status, "err", err)
}
