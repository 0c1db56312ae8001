package rawhttp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"example.com/rawhttp/internal/wire"
)

// An exchange is one request and its response. Its memory serves one exchange after another.
type exchange struct {
	conn      *conn
	in        *inbuf // of the connection
	out       *sink  // of the connection
	parser    wire.Parser
	req       Request         // as the client sent it; kept until the next request
	shown     *Request        // the copy that the resolver sees
	spare     *Request        // the Request used as shown if there is no content; owned by the connection
	body      *content        // nil if the request has no content
	ctx       *requestContext // nil if no resolver was asked, or its context has ended
	responder responder
	contexts  []requestContext // allocated together, for later requests
	start     time.Time        // if it is traced

	asked       bool   // WithErrorPage was asked
	refusedLine string // the request line of a refused head, "" if it could not be parsed
}

// serve serves one request and its response. It reports whether the connection may serve
// another (RFC 9112, section 9.3).
func (x *exchange) serve() (again bool) {
	defer x.release()
	if err := x.readHead(); err != nil {
		return x.refuseHead(err)
	}
	err := x.admit()
	x.show() // also if it is refused, for error pages and traces
	if err != nil {
		return x.refuse(x.req.head.Text[:x.req.head.Size], err)
	}
	x.ctx = x.newContext()
	persist := x.respond(x.ctx, x.resolve(x.ctx))
	// hangUp and drain read from the client. Before that, the watch and the program's
	// goroutines must have stopped reading: the watch ends with the context.
	x.endContext()
	if !persist {
		return x.conn.hangUp()
	}
	return x.drain()
}

// show makes the Request that the resolver sees.
func (x *exchange) show() {
	x.shown = x.spare
	switch _, empty := x.spare.Body.(noContent); {
	case x.body != nil:
		// A Request that a program keeps must not show the content of a later one.
		x.shown = &Request{Body: x.body}
	case !empty: // otherwise do not write: a program that kept it may still be reading
		x.spare.Body = noContent{}
	}
	x.shown.requestData = x.req.requestData
}

// release releases what belongs to the exchange. An idle connection must not hold a
// response, and content must not be read after its exchange has ended. It is deferred, since
// a resolver may end the goroutine.
func (x *exchange) release() {
	x.endContext()
	x.endContent()
	if x.body != nil {
		x.shown = x.spare
		// The program may keep the body, but another connection may use these next.
		x.body.in, x.body.proceed = nil, nil
	}
	x.body = nil
	// Only these hold memory of the program. The other fields are small and describe how the
	// exchange went.
	x.responder.resp, x.responder.ranges = nil, nil
}

// endContent ends reading by the program. A goroutine that outlived the resolver may still
// be in a read, which is interrupted.
func (x *exchange) endContent() {
	if x.body == nil {
		return
	}
	if !x.body.mu.TryLock() { // a Read holds mu for as long as it waits for the client
		x.conn.interrupt()
		x.body.mu.Lock()
		x.conn.resume()
	}
	x.body.endReading()
	x.body.mu.Unlock()
	x.in.src = x.conn // drain, linger and the next head read with their own limits
}

// admit records properties of the request, and refuses requests that must not reach the
// resolver. The host comes first: a request for another server should learn nothing of this one.
func (x *exchange) admit() error {
	cfg := &x.conn.srv.config
	x.conn.srv.stats.requests.Add(1)
	x.req.conn, x.conn.client = x.conn, netip.Addr{} // each request of a proxy has a client of its own
	if len(cfg.proxies) > 0 {
		x.conn.client = cfg.clientOf(cfg.proxies, addrOf(x.conn.nc.RemoteAddr()), x.req.Header())
	}
	switch n := x.req.head.ContentLength; {
	case !cfg.hosts.allow(x.req.head.Host.Of(x.req.head.Text)):
		return &StatusError{Status: 421, Err: fmt.Errorf("host %q is not served here", x.req.Host())}
	case x.req.head.Expect == wire.ExpectOther:
		return &StatusError{Status: 417, Err: errors.New("the expectation is not 100-continue")}
	case cfg.maxBodyBytes > 0 && n > cfg.maxBodyBytes:
		x.beginContent() // so that refuse finds a fault in the content, and asks for a page
		return x.body.refuse(declaredTooLarge(n, cfg.maxBodyBytes))
	case x.req.head.Form == wire.AuthorityForm:
		// "most origin servers do not implement CONNECT" RFC 9110, section 9.3.6.
		return &StatusError{Status: 405, Allow: fileMethods, Err: errors.New("CONNECT")}
	case n != 0:
		x.beginContent()
	}
	return nil
}

// beginContent prepares reading the content of the request; endContent ends it.
func (x *exchange) beginContent() {
	x.body = newContent(x.in, &x.req, x.conn.srv.config.maxBodyBytes)
	if x.req.head.Expect == wire.ExpectContinue {
		x.body.proceed, x.body.withheld = x.proceed, true
	}
	x.conn.read.content = contentWait{}
	x.in.src = (*contentConn)(x.conn)
	if n := x.req.head.ContentLength; n < 0 || n > int64(len(x.in.bytes())) {
		// The client may wait for earlier responses before it sends its content. No one writes
		// them while content is read. An error is kept, and fails the next write.
		x.out.flushDone()
	}
}

// prepareForScript prepares the connection for a script: it writes complete responses, and makes a
// client that has closed its side still count as connected.
func (c *conn) prepareForScript() {
	c.work.out.flushDone() // an error is kept, and fails the next write
	c.watch.halfOpen.Store(true)
}

// proceed sends a 100 (Continue) if the client may be withholding its content. "A server
// MAY omit sending a 100 (Continue) response if it has already received some or all of the
// content". RFC 9110, section 10.1.1. A 1xx response must precede the final one (section
// 15.2), so it is too late once the head has been sent.
func (x *exchange) proceed() error {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	if len(x.in.bytes()) > 0 { // content has arrived: the client did not wait
		x.body.withheld = false
		return nil
	}
	if x.responder.headOut {
		return errNoContinue
	}
	x.body.withheld = false
	if err := x.out.flushDone(); err != nil { // the responses to earlier requests come first
		return err
	}
	_, err := x.conn.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
	return err
}

// inform writes an informational response, which comes before the final one (RFC 9110, section
// 15.2). The beginning of the final response may be in the output already, but not written.
func (c *conn) inform(head []byte) error {
	c.work.out.mu.Lock()
	defer c.work.out.mu.Unlock()
	if c.work.exchange.responder.headOut {
		return errLateInform
	}
	if err := c.work.out.flushDone(); err != nil {
		return err
	}
	_, err := c.Write(head)
	return err
}

var errLateInform = errors.New("rawhttp: Inform: the head of the response has been written")

// resolve returns the response to the request. It is never nil.
func (x *exchange) resolve(ctx context.Context) *Response {
	x.conn.enter(StateResolve)
	if resp := x.ownAnswer(); resp != nil {
		return resp
	}
	resp, err := x.ask(ctx)
	if err == nil && resp != nil && resp.extras == nil && resp.status != 405 { // nearly always
		return resp
	}
	// Whatever is sent, closing it must also release what resp holds.
	return x.responseTo(ctx, resp, err).inPlaceOf(resp)
}

// responseTo returns the response to send: resp, one in place of it, or one for err. It is
// never nil. If a hook panics, it closes resp.
func (x *exchange) responseTo(ctx context.Context, resp *Response, err error) (answer *Response) {
	defer func() {
		if answer == nil && resp != nil {
			x.closeResponse(resp)
		}
	}()
	switch {
	case err != nil:
		return x.resolveError(ctx, err)
	case resp == nil:
		return x.failure(ctx, errors.New("rawhttp: the resolver returned neither a response nor an error"))
	case resp.kind == bodyUpgrade: // before its head is made: the answer may be 426
		if err := resp.extras.upgrade.prepare(x); err != nil {
			return x.failure(ctx, err)
		}
	case resp.extras != nil && resp.extras.cause != nil && resp.Err() == nil:
		cause := resp.extras.cause
		return cause.amend(x.resolveError(ctx, cause.err), resp)
	case resp.status == 405 && x.req.isOptions(): // as failure does for an error
		return allowed(resp.get("Allow"))
	}
	return resp
}

// ask calls the resolver.
func (x *exchange) ask(ctx context.Context) (resp *Response, err error) {
	defer x.conn.catch("resolver", &err)
	return x.conn.srv.config.resolver.Resolve(ctx, x.shown)
}

// ownAnswer returns the response to requests that concern the server rather than a
// resource: "OPTIONS *" (RFC 9110, section 9.3.7), and TRACE, which is refused, since it
// would reveal fields of a client to scripts in the browser. The RFC lets a server choose: only
// GET and HEAD are required (section 9.1).
func (x *exchange) ownAnswer() *Response {
	switch {
	case x.req.head.Form == wire.AsteriskForm:
		return allowed(strings.Join(fileMethods, ", "))
	case string(x.req.head.Method.Of(x.req.head.Text)) == "TRACE":
		return errorResponse(&StatusError{Status: 405, Allow: fileMethods})
	}
	return nil
}

// respond writes the response, or another one that must replace it, and closes it. It
// reports whether the connection may carry another request.
func (x *exchange) respond(ctx context.Context, resp *Response) (persist bool) {
	if resp.isInMemory() { // so the program has finished reading
		x.endContent()
	}
	defer func() { // also if a hook panics
		if resp.src != nil && x.closeResponse(resp) != nil {
			persist = false
		}
	}()
	x.conn.enter(StateWrite)
	err := x.sendUnlessFaulty(ctx, resp)
	// Nothing reads the content after the response.
	x.endContent()
	// The first replacement may be a page of the program, which may fail, too. The second is
	// plain text.
	for i := 0; i < 2 && err != nil; i++ {
		if err == errServedTwice {
			resp = resp.withoutSource() // the exchange that serves it closes it
		}
		instead := x.replacement(ctx, resp, err)
		if instead == nil {
			break
		}
		resp = instead // before it is sent: if it ends the goroutine, it is closed as well
		err = x.send(ctx, resp)
	}
	if err != nil && errors.Is(err, ErrAbort) {
		x.retract()
	}
	x.out.done = len(x.out.buf)
	if err != nil || x.mustFlush() {
		err = errors.Join(err, x.out.flush())
	}
	x.responder.headOut = true // the head is written, or is the next to be written
	switch {
	case err != nil:
		x.conn.cut(err)
	case x.responder.status == 101:
		err = x.responder.resp.extras.upgrade.run(ctx, x.conn)
	}
	x.trace(err)
	return x.responder.persist && err == nil
}

// sendUnlessFaulty sends the response. If the resolver has ignored a fault in the content, it sends
// nothing and returns the fault, whose answer replaces the response.
func (x *exchange) sendUnlessFaulty(ctx context.Context, resp *Response) error {
	fault := x.contentFault()
	if fault == nil || x.body.answered || errors.Is(resp.err, ErrAbort) {
		return x.send(ctx, resp)
	}
	x.responder = responder{resp: resp}
	return fault
}

// mustFlush reports whether the response must be written now. Otherwise it is written
// together with those to requests that have arrived already, before the next read.
func (x *exchange) mustFlush() bool {
	if !x.responder.persist || len(x.out.buf) >= maxJoined || x.conn.srv.trace.exchanges || x.conn.srv.trace.bytes {
		return true // hooks report a response when it has been written
	}
	// A program that waits for the end of ctx may rely on the response being written then.
	return x.ctx != nil && x.ctx.isWaited()
}

// retract removes the part of the response that has not been written: after ErrAbort the
// client must not receive more of it.
func (x *exchange) retract() {
	x.out.buf = x.out.buf[:x.out.done]
	if !x.responder.headOut {
		x.responder.status, x.responder.sent = 0, 0
	}
}

// closeResponse closes the response. It returns an error only if the program panicked;
// other errors do not concern the client.
func (x *exchange) closeResponse(resp *Response) (err error) {
	defer x.conn.catch("response", &err)
	resp.Close()
	return nil
}

// send puts one response into the output. It writes only what does not fit there, and the
// content of streams.
func (x *exchange) send(ctx context.Context, resp *Response) (err error) {
	defer x.conn.catch("response", &err)
	x.newResponder(resp)
	resp.freeze()
	if resp.kind == bodyUpgrade && x.asked {
		return errPageUpgrades
	}
	if resp.kind == bodyFunc && !x.req.isHead() {
		// The function may take long, and earlier responses must not wait for it. An error is
		// kept, and fails the next write.
		x.out.flushDone()
	}
	return x.responder.write(ctx)
}

// errPageUpgrades reports an Upgrade that no upgrader has prepared: the client may not have asked
// for the protocol.
var errPageUpgrades = errors.New("rawhttp: WithErrorPage: an error page cannot be an Upgrade")

// newResponder prepares x.responder for the response.
func (x *exchange) newResponder(resp *Response) {
	persist := x.mayPersist(resp)
	if x.body != nil {
		x.out.mu.Lock() // a 100 (Continue) may be sent concurrently
		defer x.out.mu.Unlock()
	}
	t := &x.responder
	*t = responder{}
	t.out, t.format, t.req, t.resp = x.out, x.conn.srv.format, &x.req, resp
	t.persist, t.alone = persist, x.body == nil && len(x.in.bytes()) == 0
	if x.body != nil && x.body.withheld {
		t.withheld = x.withholds
	}
}

// withholds reports whether the client may be waiting for a 100 (Continue) that can no
// longer be sent, since the head of the response is being made. It is then unknown whether
// content or the next request follows, so the connection cannot persist. It is called with the
// mutex of the sink held.
func (x *exchange) withholds() bool { return x.body.withheld && len(x.in.bytes()) == 0 }

// mayPersist reports whether the connection may persist after the response, as far as the
// content of the request allows: the rest of it must be small, or the response may read it.
// The head of the response announces the result, so it must be known before the content is
// written.
func (x *exchange) mayPersist(resp *Response) bool {
	switch {
	case x.conn.group.closing.Load() || x.conn.evicted:
		return false
	case x.body == nil || resp.kind == bodyFunc || resp.kind == bodyStream:
		// The response may read all of the content while it is written.
		return true
	case !x.body.mu.TryLock(): // it is being read, and may be left incomplete
		return false
	}
	defer x.body.mu.Unlock()
	return x.body.endsWithin(maxDrainBytes)
}

// traceRefused reports to Trace that the server refuses a request. b is the part of the
// head received, or nil if the content is refused.
func (x *exchange) traceRefused(b []byte, err error) {
	x.conn.srv.trace.refused(Refusal{Conn: x.conn.id, Num: x.conn.num, Head: b, Status: errorStatus(err), Err: err})
}

// trace reports the exchange that ends to Trace.
func (x *exchange) trace(err error) {
	if !x.conn.srv.trace.exchanges {
		return
	}
	e := Exchange{
		Conn:        x.conn.id,
		Num:         x.conn.num,
		RequestLine: x.refusedLine,
		Status:      x.responder.status,
		Bytes:       x.responder.sent,
		Start:       x.start,
		Duration:    time.Since(x.start),
		Err:         err,
	}
	client := addrOf(x.conn.nc.RemoteAddr())
	if x.req.conn != nil { // a request was admitted
		e.Request, e.RequestLine = x.shown, x.req.head.RequestLine(x.req.head.Text)
		client = x.conn.info().Client
	}
	if client.IsValid() {
		e.Client = client.String()
	}
	for _, tr := range x.conn.srv.trace.list {
		if tr.Exchange != nil {
			tr.Exchange(e)
		}
	}
}
