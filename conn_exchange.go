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

// admit records properties of the request, and refuses requests that must not reach the
// resolver. The host comes first: a request for another server should learn nothing of this one.
func (c *conn) admit() error {
	cfg := &c.srv.config
	c.srv.stats.requests.Add(1)
	c.work.req.conn, c.client = c, netip.Addr{} // each request of a proxy has a client of its own
	if len(cfg.proxies) > 0 {
		c.client = cfg.clientOf(cfg.proxies, addrOf(c.nc.RemoteAddr()), c.work.req.Header())
	}
	switch n := c.work.req.head.ContentLength; {
	case !cfg.hosts.allow(c.work.req.head.Host.Of(c.work.req.head.Text)):
		return &StatusError{Status: 421, Err: fmt.Errorf("host %q is not served here", c.work.req.Host())}
	case c.work.req.head.Expect == wire.ExpectOther:
		return &StatusError{Status: 417, Err: errors.New("the expectation is not 100-continue")}
	case cfg.maxBodyBytes > 0 && n > cfg.maxBodyBytes:
		c.beginContent() // so that conn.refuse finds a fault in the content, and asks for a page
		return c.work.body.refuse(declaredTooLarge(n, cfg.maxBodyBytes))
	case c.work.req.head.Form == wire.AuthorityForm:
		// "most origin servers do not implement CONNECT" RFC 9110, section 9.3.6.
		return &StatusError{Status: 405, Allow: fileMethods, Err: errors.New("CONNECT")}
	case n != 0:
		c.beginContent()
	}
	return nil
}

// beginContent prepares reading the content of the request; endContent ends it.
func (c *conn) beginContent() {
	c.work.body = newContent(&c.work.in, &c.work.req, c.srv.config.maxBodyBytes)
	if c.work.req.head.Expect == wire.ExpectContinue {
		c.work.body.proceed, c.work.body.withheld = c.proceed, true
	}
	c.read.content = contentWait{}
	c.work.in.src = (*contentConn)(c)
	if n := c.work.req.head.ContentLength; n < 0 || n > int64(len(c.work.in.bytes())) {
		// The client may wait for earlier responses before it sends its content. No one writes
		// them while content is read. An error is kept, and fails the next write.
		c.work.out.flushDone()
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
func (c *conn) proceed() error {
	c.work.out.mu.Lock()
	defer c.work.out.mu.Unlock()
	if len(c.work.in.bytes()) > 0 { // content has arrived: the client did not wait
		c.work.body.withheld = false
		return nil
	}
	if c.work.responder.headOut {
		return errNoContinue
	}
	c.work.body.withheld = false
	if err := c.work.out.flushDone(); err != nil { // the responses to earlier requests come first
		return err
	}
	_, err := c.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
	return err
}

// inform writes an informational response, which comes before the final one (RFC 9110, section
// 15.2). The beginning of the final response may be in the output already, but not written.
func (c *conn) inform(head []byte) error {
	c.work.out.mu.Lock()
	defer c.work.out.mu.Unlock()
	if c.work.responder.headOut {
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
func (c *conn) resolve(ctx context.Context) *Response {
	c.enter(StateResolve)
	if resp := c.ownAnswer(); resp != nil {
		return resp
	}
	resp, err := c.ask(ctx)
	if err == nil && resp.isUsual() {
		return resp
	}
	// Whatever is sent, closing it must also release what resp holds.
	return c.responseTo(ctx, resp, err).inPlaceOf(resp)
}

// responseTo returns the response to send: resp, one in place of it, or one for err. It is
// never nil. If a hook panics, it closes resp.
func (c *conn) responseTo(ctx context.Context, resp *Response, err error) (answer *Response) {
	defer func() {
		if answer == nil && resp != nil {
			c.closeResponse(resp)
		}
	}()
	switch {
	case err != nil:
		return c.resolveError(ctx, err)
	case resp == nil:
		return c.failure(ctx, errors.New("rawhttp: the resolver returned neither a response nor an error"))
	case resp.kind == bodyUpgrade: // before its head is made: the answer may be 426
		if err := resp.extras.upgrade.prepare(c); err != nil {
			return c.failure(ctx, err)
		}
	case resp.extras != nil && resp.extras.cause != nil && resp.Err() == nil:
		cause := resp.extras.cause
		return cause.amend(c.resolveError(ctx, cause.err()), resp)
	case resp.status == 405 && c.work.req.isOptions(): // as failure does for an error
		return allowed(resp.get("Allow"))
	}
	return resp
}

// resolveError makes the response to a result or a panic of Resolve.
func (c *conn) resolveError(ctx context.Context, err error) *Response {
	switch {
	case errors.Is(err, errPanicked):
		// The state of the program is unknown, so the connection ends.
		return c.failure(ctx, err).Clone().CloseAfter()
	case errors.Is(err, ErrAbort): // sending it fails with ErrAbort, and respond aborts
		return &Response{message: message{err: err}}
	}
	return c.failure(ctx, err)
}

// ask calls the resolver.
func (c *conn) ask(ctx context.Context) (resp *Response, err error) {
	defer c.catch("resolver", &err)
	return c.srv.config.resolver.Resolve(ctx, c.work.shown)
}

// ownAnswer returns the response to requests that concern the server rather than a
// resource: "OPTIONS *" (RFC 9110, section 9.3.7), and TRACE, which is refused, since it
// would reveal fields of a client to scripts in the browser. The RFC lets a server choose: only
// GET and HEAD are required (section 9.1).
func (c *conn) ownAnswer() *Response {
	switch {
	case c.work.req.head.Form == wire.AsteriskForm:
		return allowed(strings.Join(fileMethods, ", "))
	case string(c.work.req.head.Method.Of(c.work.req.head.Text)) == "TRACE":
		return errorResponse(&StatusError{Status: 405, Allow: fileMethods})
	}
	return nil
}

// failure returns the response to an error of the resolver.
func (c *conn) failure(ctx context.Context, err error) *Response {
	if fault := c.contentFault(); fault != nil {
		return c.answerFault(ctx, fault, err)
	}
	status := errorStatus(err)
	c.logFailure(status, err)
	if status == 405 && c.work.req.isOptions() { // the methods are what the client asks for
		return allowed(strings.Join(allowOf(err), ", "))
	}
	return c.answerError(ctx, status, err)
}

// answerError returns the program's page for the error, or the plain text if there is none.
func (c *conn) answerError(ctx context.Context, status int, err error) *Response {
	page, failed := c.errorPage(ctx, status, err)
	switch {
	case failed != nil:
		return errorResponse(failed).CloseAfter()
	case page == nil:
		return errorResponse(err)
	}
	return addErrorFields(page, err)
}

// errorPage asks the program for its page, nil if it has none.
func (c *conn) errorPage(ctx context.Context, status int, err error) (page *Response, failed error) {
	if c.srv.config.errorPage == nil {
		return nil, nil
	}
	c.work.asked = true // also if it panics: it is asked once for each request
	defer c.catch("error page", &failed)
	return c.srv.config.errorPage(ctx, c.work.shown, status, err), nil
}

// respond writes the response, or another one that must replace it, and closes it. It
// reports whether the connection may carry another request.
func (c *conn) respond(ctx context.Context, resp *Response) (persist bool) {
	if resp.isInMemory() { // so the program has finished reading
		c.endContent()
	}
	mustClose := true
	defer func() { // also if a hook panics
		if mustClose && resp.src != nil && c.closeResponse(resp) != nil {
			persist = false
		}
	}()
	c.enter(StateWrite)
	err := c.sendUnlessFaulty(ctx, resp)
	// Nothing reads the content after the response.
	c.endContent()
	// The first replacement may be a page of the program, which may fail, too. The second is
	// plain text.
	for i := 0; i < 2 && err != nil; i++ {
		resp, err = c.replace(ctx, resp, err)
	}
	mustClose = err != errServedTwice // otherwise the exchange that serves it closes it
	if err != nil && errors.Is(err, ErrAbort) {
		c.retract()
	}
	c.work.out.done = len(c.work.out.buf)
	if err != nil || c.mustFlush() {
		err = errors.Join(err, c.work.out.flush())
	}
	c.work.responder.headOut = true // or will be, before anything else
	switch {
	case err != nil:
		c.cut(err)
	case c.work.responder.status == 101:
		err = c.work.responder.resp.extras.upgrade.run(ctx, c)
	}
	c.traceExchange(err)
	return c.work.responder.persist && err == nil
}

// sendUnlessFaulty sends the response. If the resolver has ignored a fault in the content, it sends
// nothing and returns the fault, whose answer replaces the response.
func (c *conn) sendUnlessFaulty(ctx context.Context, resp *Response) error {
	fault := c.contentFault()
	if fault == nil || c.work.body.answered || errors.Is(resp.err, ErrAbort) {
		return c.send(ctx, resp)
	}
	c.work.responder = responder{resp: resp}
	return fault
}

// mustFlush reports whether the response must be written now. Otherwise it is written
// together with those to requests that have arrived already, before the next read.
func (c *conn) mustFlush() bool {
	if !c.work.responder.persist || len(c.work.out.buf) >= maxJoined || c.srv.trace.exchanges || c.srv.trace.bytes {
		return true // hooks report a response when it has been written
	}
	// A program that waits for the end of ctx may rely on the response being written then.
	return c.work.ctx != nil && c.work.ctx.isWaited()
}

// replace sends another response in place of one that failed with err, if that is possible.
// It returns the response that was sent last, which closes both, and its error.
func (c *conn) replace(ctx context.Context, failed *Response, err error) (*Response, error) {
	instead := c.instead(ctx, failed, err)
	if instead == nil {
		return failed, err
	}
	// The fields of a Response that was changed after it was served, or served twice, may be
	// meant for another client.
	if failed.Err() == nil && err != errServedTwice && err != errClonedTwice {
		instead = instead.Clone()
		instead.keepFields(failed)
	}
	if err != errServedTwice { // otherwise the exchange that serves it closes it
		instead = instead.inPlaceOf(failed)
	}
	c.work.out.buf = c.work.out.buf[:c.work.out.done] // drop what was put of the failed one
	return instead, c.send(ctx, instead)
}

// retract removes the part of the response that has not been written: after ErrAbort the
// client must not receive more of it.
func (c *conn) retract() {
	c.work.out.buf = c.work.out.buf[:c.work.out.done]
	if !c.work.responder.headOut {
		c.work.responder.status, c.work.responder.sent = 0, 0
	}
}

// closeResponse closes the response. It returns an error only if the program panicked;
// other errors do not concern the client.
func (c *conn) closeResponse(resp *Response) (err error) {
	defer c.catch("response", &err)
	resp.Close()
	return nil
}

// send puts one response into the output. It writes only what does not fit there, and the
// content of streams.
func (c *conn) send(ctx context.Context, resp *Response) (err error) {
	defer c.catch("response", &err)
	c.newResponder(resp)
	resp.freeze()
	if resp.kind == bodyFunc && !c.work.req.isHead() {
		// The function may take long, and earlier responses must not wait for it. An error is
		// kept, and fails the next write.
		c.work.out.flushDone()
	}
	return c.work.responder.write(ctx)
}

// newResponder prepares c.work.responder for the response.
func (c *conn) newResponder(resp *Response) {
	persist := c.mayPersist(resp)
	if c.work.body != nil {
		c.work.out.mu.Lock() // a 100 (Continue) may be sent concurrently
		defer c.work.out.mu.Unlock()
	}
	t := &c.work.responder
	*t = responder{}
	t.out, t.format, t.req, t.resp = &c.work.out, c.srv.format, &c.work.req, resp
	t.persist, t.alone = persist, c.work.body == nil && len(c.work.in.bytes()) == 0
	if c.work.body != nil && c.work.body.withheld {
		t.withheld = c.withholds
	}
}

// withholds reports whether the client may be waiting for a 100 (Continue) that can no
// longer be sent, since the head of the response is being made. It is then unknown whether
// content or the next request follows, so the connection cannot persist. It is called with
// the mutex of the sink or of the content held.
func (c *conn) withholds() bool { return c.work.body.withheld && len(c.work.in.bytes()) == 0 }

// contentFault returns the client's mistake in the content, if any. It determines the
// response, whatever the resolver returned.
func (c *conn) contentFault() error {
	// While another goroutine reads the content, no fault is known.
	if c.work.body == nil || !c.work.body.mu.TryLock() {
		return nil
	}
	defer c.work.body.mu.Unlock()
	return c.work.body.fault()
}

// answerFault returns the response to a fault in the content. The fault is a protocol
// error, unlike err, the program's error.
func (c *conn) answerFault(ctx context.Context, fault, err error) *Response {
	c.work.body.answered = true
	c.traceRefused(nil, fault)
	status := errorStatus(fault)
	c.logFailure(status, joinOnce(fault, err))
	if status >= 500 { // the connection is ending; no one would read a page
		return errorResponse(fault).CloseAfter()
	}
	return c.answerError(ctx, status, fault).Clone().CloseAfter()
}

// instead returns the response to send when another failed with err before any of it was
// written, or nil if there is nothing to send or the client has disconnected.
func (c *conn) instead(ctx context.Context, failed *Response, err error) *Response {
	if err == nil || c.work.responder.headOut || c.write.broken != nil || c.gone.Load() || errors.Is(err, ErrAbort) {
		return nil // headOut: the client has a status already
	}
	if fault := c.contentFault(); fault != nil && !c.work.body.answered {
		return c.answerFault(ctx, fault, err)
	}
	c.logFailure(500, err)
	if failed.Err() != nil || c.work.asked { // the program's mistake, or its page failed
		return errorResponse(&StatusError{Status: 500}).CloseAfter()
	}
	resp := c.answerError(ctx, 500, &StatusError{Status: 500, Err: err})
	if errors.Is(err, errPanicked) {
		return resp.Clone().CloseAfter()
	}
	return resp
}

// mayPersist reports whether the connection may persist after the response, as far as the
// content of the request allows: the rest of it must be small, or the response may read it.
// The head of the response announces the result, so it must be known before the content is
// written.
func (c *conn) mayPersist(resp *Response) bool {
	switch {
	case c.group.closing.Load() || c.evicted:
		return false
	case c.work.body == nil || resp.kind == bodyFunc || resp.kind == bodyStream:
		// The response may read all of the content while it is written.
		return true
	case !c.work.body.mu.TryLock(): // it is being read, and may be left incomplete
		return false
	}
	defer c.work.body.mu.Unlock()
	if resp.isInMemory() && c.withholds() { // nothing will read it
		return false
	}
	return c.work.body.endsWithin(maxDrainBytes)
}

// logFailure logs why a request failed, which the client is not told. Failures caused by
// the client are logged at debug level, and so are unknown methods (501) and versions
// (505). A panic has already been logged with its stack.
func (c *conn) logFailure(status int, err error) {
	log := c.srv.log.Error
	if c.gone.Load() || c.clientClosed() || c.contentFault() != nil || status < 500 || status == 501 || status == 505 || errors.Is(err, errPanicked) {
		log = c.srv.log.Debug
	}
	args := []any{"conn", c.id, "request", c.num, "status", status, "err", err}
	if c.work.refusedLine != "" {
		args = append(args, "line", c.work.refusedLine)
	}
	log("rawhttp: request failed", args...)
}

// clientClosed reports whether the context of the request ended because the client closed
// its side of the connection.
func (c *conn) clientClosed() bool {
	return c.work.ctx != nil && context.Cause(c.work.ctx) == errClientClosed
}

// joinOnce joins the fault in the content with the program's error, which often wraps it.
func joinOnce(fault, err error) error {
	if errors.Is(err, fault) {
		return err
	}
	return errors.Join(fault, err)
}

// traceRefused reports to Trace that the server refuses a request. b is the part of the
// head received, or nil if the content is refused.
func (c *conn) traceRefused(b []byte, err error) {
	c.srv.trace.refused(Refusal{Conn: c.id, Num: c.num, Head: b, Status: errorStatus(err), Err: err})
}

// traceExchange reports the exchange that ends to Trace.
func (c *conn) traceExchange(err error) {
	if !c.srv.trace.exchanges {
		return
	}
	x := Exchange{
		Conn:        c.id,
		Num:         c.num,
		RequestLine: c.work.refusedLine,
		Status:      c.work.responder.status,
		Bytes:       c.work.responder.sent,
		Start:       c.work.start,
		Duration:    time.Since(c.work.start),
		Err:         err,
	}
	client := addrOf(c.nc.RemoteAddr())
	if c.work.req.conn != nil { // a request was admitted
		x.Request, x.RequestLine = c.work.shown, c.work.req.head.RequestLine(c.work.req.head.Text)
		client = c.info().Client
	}
	if client.IsValid() {
		x.Client = client.String()
	}
	for _, tr := range c.srv.trace.list {
		if tr.Exchange != nil {
			tr.Exchange(x)
		}
	}
}
