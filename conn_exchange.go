package rawhttp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"example.com/rawhttp/internal/wire"
)

// admit takes note of what came with the head and refuses what no resolver is to
// see.
func (c *conn) admit() error {
	cfg := &c.srv.config
	c.srv.stats.requests.Add(1)
	c.work.req.on, c.client = c, netip.Addr{}
	if len(cfg.proxies) > 0 {
		c.client = cfg.clientOf(cfg.proxies, addrOf(c.nc.RemoteAddr()), c.work.req.Header())
	}
	switch n := c.work.req.head.ContentLength; {
	case !cfg.hosts.allow(c.work.req.head.Host.Of(c.work.req.head.Text)):
		return &StatusError{Status: 421, Err: fmt.Errorf("host %q is not served here", c.work.req.Host())}
	case c.work.req.head.Expect == wire.ExpectOther:
		return &StatusError{Status: 417, Err: errors.New("the expectation is not 100-continue")}
	case cfg.maxBodyBytes > 0 && n > cfg.maxBodyBytes:
		c.expectContent()
		return c.work.body.refuse(tooLarge(n, cfg.maxBodyBytes))
	case c.work.req.head.Form == wire.AuthorityForm:
		return &StatusError{Status: 405, Allow: fileMethods, Err: errors.New("CONNECT")}
	case n != 0:
		c.expectContent()
	}
	return nil
}

// expectContent makes the content of the request ready to be read.
func (c *conn) expectContent() {
	c.work.body = newContent(&c.work.in, &c.work.req, c.srv.config.maxBodyBytes)
	if c.work.req.head.Expect == wire.ExpectContinue {
		c.work.body.proceed, c.work.body.withheld = c.proceed, true
	}
	c.read.content = contentWait{}
	c.work.in.src = (*contentConn)(c)
	if n := c.work.req.head.ContentLength; n < 0 || n > int64(len(c.work.in.bytes())) {
		c.work.out.flushDone() // while it is read nobody does; an error is kept, and fails the next write
	}
}

// attend makes the connection ready for a script: what is whole is written, and a client
// that has closed its side is answered all the same.
func (c *conn) attend() {
	c.work.out.flushDone() // an error is kept, and fails the next write
	c.watch.halfOpen.Store(true)
}

func (c *conn) logger() Logger { return c.srv.log }

// software returns the name of the server.
func (c *conn) software() string {
	if c.srv.format.server == "" {
		return "rawhttp"
	}
	return c.srv.format.server
}

// info describes the connection, for the request at hand.
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

// proceed asks the client for the content that it may be holding back. "A server MAY omit
// sending a 100 (Continue) response if it has already received some or all of the
// content". RFC 9110, section 10.1.1. A 1xx response comes before the final one (section
// 15.2), so it is too late after its head.
func (c *conn) proceed() error {
	c.work.out.mu.Lock()
	defer c.work.out.mu.Unlock()
	if len(c.work.in.bytes()) > 0 {
		c.work.body.withheld = false
		return nil
	}
	if c.work.t.headOut {
		return errNoContinue
	}
	c.work.body.withheld = false
	if err := c.work.out.flushDone(); err != nil {
		return err
	}
	_, err := c.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
	return err
}

// inform writes an informational response, which comes before the final one (RFC 9110, section
// 15.2). The beginning of that may wait to be written already.
func (c *conn) inform(head []byte) error {
	c.work.out.mu.Lock()
	defer c.work.out.mu.Unlock()
	if c.work.t.headOut {
		return errLateInform
	}
	if err := c.work.out.flushDone(); err != nil {
		return err
	}
	_, err := c.Write(head)
	return err
}

var errLateInform = errors.New("rawhttp: Inform: the head of the response has been written")

// resolve gets the response to the request. There is always one.
func (c *conn) resolve(ctx context.Context) *Response {
	c.enter(StateResolve)
	if resp := c.ownAnswer(); resp != nil {
		return resp
	}
	resp, err := c.ask(ctx)
	switch {
	case err != nil:
		return c.resolveError(ctx, err)
	case resp == nil:
		return c.failure(ctx, errors.New("rawhttp: the resolver gave neither a response nor an error"))
	case resp.kind == bodyUpgrade:
		if err := resp.more.upgrade.prepare(c); err != nil {
			c.closeResponse(resp)
			return c.failure(ctx, err)
		}
	case resp.more != nil && resp.more.cause != nil && resp.Err() == nil:
		defer c.closeResponse(resp)
		return resp.more.cause.answer(ctx, c, resp)
	case resp.status == 405 && c.work.req.isOptions():
		c.closeResponse(resp)
		return allowed(resp.get("Allow"))
	}
	return resp
}

// resolveError makes the response to what Resolve returned, or panicked with.
func (c *conn) resolveError(ctx context.Context, err error) *Response {
	switch {
	case errors.Is(err, errPanicked):
		return c.failure(ctx, err).Clone().CloseAfter()
	case errors.Is(err, ErrAbort):
		return &Response{message: message{err: err}}
	}
	return c.failure(ctx, err)
}

// ask asks the resolver. What it returns with an error is closed.
func (c *conn) ask(ctx context.Context) (resp *Response, err error) {
	defer c.catch("resolver", &err)
	resp, err = c.srv.config.resolver.Resolve(ctx, c.work.shown)
	if err != nil && resp != nil {
		resp.Close()
	}
	return resp, err
}

// fileMethods are what the server and a file resolver allow.
var fileMethods = []string{"GET", "HEAD", "OPTIONS"}

// ownAnswer answers what is asked of the server, not of a resource: "OPTIONS *"
// (RFC 9110, section 9.3.7), and TRACE, which we refuse, since it would show a
// client's fields to scripts that must not see them.
func (c *conn) ownAnswer() *Response {
	switch {
	case c.work.req.head.Form == wire.AsteriskForm:
		return allowed(strings.Join(fileMethods, ", "))
	case string(c.work.req.head.Method.Of(c.work.req.head.Text)) == "TRACE":
		return errorResponse(&StatusError{Status: 405, Allow: fileMethods})
	}
	return nil
}

// failure makes the response to an error that a resolver returned.
func (c *conn) failure(ctx context.Context, err error) *Response {
	if fault := c.contentFault(); fault != nil {
		return c.answerFault(ctx, fault, err)
	}
	status := errorStatus(err)
	c.logFailure(status, err)
	if status == 405 && c.work.req.isOptions() {
		return allowed(strings.Join(allowOf(err), ", "))
	}
	return c.answerError(ctx, status, err)
}

// answerError makes the page of the program for the error, or the plain text if there is none.
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

// errorPage asks the program for a page of its own, nil for none.
func (c *conn) errorPage(ctx context.Context, status int, err error) (page *Response, failed error) {
	if c.srv.config.errorPage == nil {
		return nil, nil
	}
	defer c.catch("error page", &failed)
	return c.srv.config.errorPage(ctx, c.work.shown, status, err), nil
}

// respond writes the response, or what must be said in its place, and closes it.
// It reports whether the connection may carry another request.
func (c *conn) respond(ctx context.Context, resp *Response) (persist bool) {
	if resp.isInMemory() { // so what it is made of has been read
		c.endContent()
	}
	c.enter(StateWrite)
	ours := true
	defer func() {
		if ours && resp.src != nil && c.closeResponse(resp) != nil {
			persist = false
		}
	}()
	err := c.contentFault()
	if err == nil || c.work.body.answered || errors.Is(resp.err, ErrAbort) {
		err = c.send(ctx, resp)
	} else {
		c.work.t = responder{resp: resp}
	}
	ours = err != errServedTwice // else the exchange that serves it closes it
	if instead := c.instead(ctx, resp, err); instead != nil {
		c.work.out.buf = c.work.out.buf[:c.work.out.done]
		err = c.send(ctx, instead)
	}
	if err != nil && errors.Is(err, ErrAbort) {
		c.retract()
	}
	c.work.out.done = len(c.work.out.buf)
	if !c.work.t.persist || err != nil || len(c.work.out.buf) >= maxJoined || c.srv.trace.exchanges || c.srv.trace.bytes || c.work.ctx != nil && c.work.ctx.isWaited() {
		err = errors.Join(err, c.work.out.flush())
	}
	switch {
	case err != nil:
		c.cut(err)
	case c.work.t.status == 101:
		err = c.work.t.resp.more.upgrade.run(ctx, c)
	}
	c.traceExchange(err)
	return c.work.t.persist && err == nil
}

// retract takes back what of the response has not left.
func (c *conn) retract() {
	c.work.out.buf = c.work.out.buf[:c.work.out.done]
	if !c.work.t.headOut {
		c.work.t.status, c.work.t.sent = 0, 0
	}
}

// closeResponse closes the response. It returns an error if the program panicked; what else
// goes wrong is no concern of the client.
func (c *conn) closeResponse(resp *Response) (err error) {
	defer c.catch("response", &err)
	resp.Close()
	return nil
}

// send puts one response.
func (c *conn) send(ctx context.Context, resp *Response) (err error) {
	defer c.catch("response", &err)
	c.newResponder(resp)
	resp.freeze()
	defer c.endContent() // nothing reads it after the response
	if resp.kind == bodyFunc && !c.work.req.isHead() {
		c.work.out.flushDone() // an error is kept, and fails the next write
	}
	return c.work.t.write(ctx)
}

func (c *conn) newResponder(resp *Response) {
	persist := c.mayPersist(resp)
	if c.work.body != nil {
		c.work.out.mu.Lock() // it may be asked for meanwhile
		defer c.work.out.mu.Unlock()
	}
	c.work.t = responder{}
	c.work.t.out, c.work.t.format, c.work.t.req, c.work.t.resp = &c.work.out, c.srv.format, &c.work.req, resp
	c.work.t.persist, c.work.t.last = persist, c.work.body == nil && len(c.work.in.bytes()) == 0
	if c.work.body != nil && c.work.body.withheld {
		c.work.t.withheld = c.withholds
	}
}

// withholds reports whether the client may be waiting for a 100 (Continue) that cannot
// follow any more, as the head of the response is being made. The mutex of the sink is
// held. Then nobody knows whether content or the next request comes, so the connection
// cannot persist.
func (c *conn) withholds() bool { return c.work.body.withheld && len(c.work.in.bytes()) == 0 }

// contentFault returns what the client did wrong in the content. It must be answered
// whatever the resolver made of it.
func (c *conn) contentFault() error {
	if c.work.body == nil || !c.work.body.mu.TryLock() {
		return nil
	}
	defer c.work.body.mu.Unlock()
	return c.work.body.fault()
}

// answerFault makes the response to a fault of the content, which is the protocol's and not
// the program's, whose error is err.
func (c *conn) answerFault(ctx context.Context, fault, err error) *Response {
	c.work.body.answered = true
	c.traceRefused(nil, fault)
	status := errorStatus(fault)
	c.logFailure(status, joinOnce(fault, err))
	if status >= 500 { // the end of the connection: nobody reads a page
		return errorResponse(fault).CloseAfter()
	}
	return c.answerError(ctx, status, fault).Clone().CloseAfter()
}

// instead returns the response to send where another has failed with err before any of
// it was out, nil if there is nothing to say or nobody to say it to.
func (c *conn) instead(ctx context.Context, failed *Response, err error) *Response {
	if err == nil || c.work.t.headOut || c.write.broken != nil || c.gone.Load() || errors.Is(err, ErrAbort) {
		return nil
	}
	if fault := c.contentFault(); fault != nil && !c.work.body.answered {
		return c.answerFault(ctx, fault, err)
	}
	c.logFailure(500, err)
	resp := errorResponse(&StatusError{Status: 500})
	if failed.Err() != nil || errors.Is(err, errPanicked) { // the program is in error
		resp.CloseAfter()
	}
	return resp
}

// mayPersist reports whether the connection can go on after the response, as far as the
// content of the request allows: what is left of it must be little, or be what the response
// may read.
func (c *conn) mayPersist(resp *Response) bool {
	switch {
	case c.group.closing.Load() || c.leaves:
		return false
	case c.work.body == nil || resp.kind == bodyFunc || resp.kind == bodyStream:
		return true
	case !c.work.body.mu.TryLock(): // somebody reads it, and may leave any of it
		return false
	}
	defer c.work.body.mu.Unlock()
	if resp.isInMemory() && c.withholds() { // nobody is going to read it
		return false
	}
	return c.work.body.isSmall()
}

// cut ends the connection in the middle of a response, so that the client can
// tell: by then it waits for the last chunk or the rest of Content-Length. Where
// the end of the connection is what ends the content it must not end in order.
func (c *conn) cut(err error) {
	c.err = err
	if errors.Is(err, ErrAbort) {
		abort(c.nc)
		return
	}
	if c.write.broken == nil && !c.gone.Load() && !c.hasLeft() && c.contentFault() == nil { // so it was not the client
		c.srv.log.Error("rawhttp: response cut", "conn", c.id, "request", c.num, "err", err)
	}
	if c.work.t.framing == byClose {
		abort(c.nc)
	}
}

// errPanicked is what a panic in a resolver or a response counts as.
var errPanicked = errors.New("rawhttp: panic")

// catch is deferred where the program is called: it makes a panic there the error.
func (c *conn) catch(where string, err *error) {
	if v := recover(); v != nil {
		*err = c.panicked(where, v)
	}
}

// panicked logs a panic, and returns it as an error.
func (c *conn) panicked(where string, v any) error {
	stack := debug.Stack()
	if c.srv.config.log == nil {
		fmt.Fprintf(os.Stderr, "rawhttp: panic in %s (conn %d, request %d): %v\n%s", where, c.id, c.num, v, stack)
	}
	c.srv.log.Error("rawhttp: panic", "in", where, "conn", c.id, "request", c.num,
		"panic", fmt.Sprint(v), "stack", string(stack))
	return fmt.Errorf("%w in %s: %v", errPanicked, where, v)
}

// logFailure logs why a request failed; the client does not learn it. What is
// the client's own doing is no error of ours, nor are methods (501) and versions
// (505) that we do not know. A panic was logged with its stack.
func (c *conn) logFailure(status int, err error) {
	log := c.srv.log.Error
	if c.gone.Load() || c.hasLeft() || c.contentFault() != nil || status < 500 || status == 501 || status == 505 || errors.Is(err, errPanicked) {
		log = c.srv.log.Debug
	}
	args := []any{"conn", c.id, "request", c.num, "status", status, "err", err}
	if c.work.refusedLine != "" {
		args = append(args, "line", c.work.refusedLine)
	}
	log("rawhttp: request failed", args...)
}

// hasLeft reports whether the context of the request was ended since the client closed its
// side of the connection.
func (c *conn) hasLeft() bool {
	return c.work.ctx != nil && context.Cause(c.work.ctx) == errClientClosed
}

// joinOnce joins the error of content with that of the program, which often wraps it.
func joinOnce(fault, err error) error {
	if errors.Is(err, fault) {
		return err
	}
	return errors.Join(fault, err)
}

// traceRefused reports that the server itself refuses a request, of whose head the bytes b
// were received, or its content; then b is nil.
func (c *conn) traceRefused(b []byte, err error) {
	c.srv.trace.refused(Refusal{Conn: c.id, Num: c.num, Head: b, Status: errorStatus(err), Err: err})
}

// traceExchange reports the exchange that ends.
func (c *conn) traceExchange(err error) {
	if !c.srv.trace.exchanges {
		return
	}
	x := Exchange{
		Conn:        c.id,
		Num:         c.num,
		RequestLine: c.work.refusedLine,
		Status:      c.work.t.status,
		Bytes:       c.work.t.sent,
		Start:       c.work.start,
		Duration:    time.Since(c.work.start),
		Err:         err,
	}
	client := addrOf(c.nc.RemoteAddr())
	if c.work.req.on != nil { // a request was admitted
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
