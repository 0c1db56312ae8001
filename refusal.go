package rawhttp

import (
	"context"
	"errors"
	"slices"
	"strings"

	"example.com/rawhttp/internal/ascii"
	"example.com/rawhttp/internal/jail"
)

// addErrorFields adds the fields that belong to err, such as Allow, unless the response
// has them.
func addErrorFields(r *Response, err error) *Response {
	if errorStatus(err) == 405 {
		r = r.withMissing("Allow", strings.Join(allowOf(err), ", "))
	}
	if errors.Is(err, jail.ErrBusy) { // the next attempt may succeed
		r = r.withMissing("Retry-After", "1")
	}
	var fe *fieldError
	if errors.As(err, &fe) {
		r = r.withMissing(fe.name, fe.value)
	}
	return r
}

// withMissing returns r, or a clone with the field added if r does not have it.
func (r *Response) withMissing(name, value string) *Response {
	if r.has(name) {
		return r
	}
	return r.Clone().Set(name, value)
}

// ErrorResponse returns the Response to an error of [Resolver.Resolve]. Its status is that of
// [StatusOf], and its content a line of plain text that does not show the error; a 405 has the
// field Allow. It is meant for resolvers that wrap others and add fields to every response,
// such as a request ID, CORS fields or Retry-After:
//
//	resp, err := next.Resolve(ctx, req)
//	if err != nil {
//		resp = rawhttp.ErrorResponse(err)
//	}
//	return resp.Clone().Set("X-Request-Id", id), nil
//
// A [Server] treats the Response as it would treat the error itself: it logs the error, calls
// [WithErrorPage] for a page, answers OPTIONS with 204 instead of 405, and closes the
// connection if the content of the request is at fault. Fields set on the Response are added
// to the page. They replace the page's fields of the same name, except Vary and Set-Cookie,
// which are added.
//
// The Response is final: [First] does not ask the next resolver. So wrap First as a whole, not
// the resolvers in it.
//
// The Response to [ErrAbort] aborts the connection, also as a page of WithErrorPage;
// [Response.Err] returns the error. A nil error is a mistake that Err reports.
func ErrorResponse(err error) *Response {
	r := errorResponse(err)
	switch {
	case err == nil:
		r.fail(errors.New("ErrorResponse of a nil error"))
	case errors.Is(err, ErrAbort):
		r.err = err
	}
	r.extend().cause = &errorCause{err}
	return r
}

// An errorCause is the error that was passed to ErrorResponse.
type errorCause struct{ err error }

// amend applies the program's changes to the server's answer. changed is the Response that
// ErrorResponse returned, as the program has changed it.
func (e *errorCause) amend(answer, changed *Response) *Response {
	original, r := errorResponse(e.err), answer.Clone()
	r.closeAfter = r.closeAfter || changed.closeAfter
	if changed.mediaType != original.mediaType {
		r.Set("Content-Type", changed.mediaType)
	}
	put := make(map[string]bool) // fields of the program whose first line has replaced the page's
	for _, f := range changed.fields {
		name := strings.ToLower(f.name)
		switch {
		case slices.Contains(original.fields, f): // not a change of the program
		case put[name], name == "vary", name == "set-cookie":
			// Further lines of a field are added. So is a first Vary or Set-Cookie, since that
			// of the page still applies.
			r.Add(f.name, f.value)
		default:
			r.Set(f.name, f.value)
			put[name] = true
		}
	}
	return r
}

// errorResponse returns a plain-text response to err. It reveals no more than the
// status and, for a malformed request, the rule that was violated.
func errorResponse(err error) *Response {
	status := errorStatus(err)
	text := ascii.StatusText(status)
	var pe *ParseError
	// With another status, the reason is not what the response is about.
	if errors.As(err, &pe) && pe.Status == status {
		text += ": " + pe.Reason + " (" + pe.Section + ")"
	}
	return addErrorFields(noSniff(Text(status, text+"\n")), err)
}

// allowed returns the response to OPTIONS: "any header that might indicate optional features
// implemented by the server and applicable to the target resource (e.g., Allow)". RFC 9110,
// section 9.3.7.
func allowed(methods string) *Response {
	return noSniff(Empty(204).Set("Allow", methods))
}

// keepFields adds to r the fields of the response that it replaces, except those that describe
// content and those that r has. The Vary fields of both apply.
func (r *Response) keepFields(failed *Response) {
	// had is taken before any field is added, so that all lines of a field that r lacks are
	// added.
	had := Response{message: message{fields: r.fields}}
	for _, f := range failed.fields {
		if ascii.EqualFold(f.name, "Date") { // of a response from ParseResponse; the server sets its own
			continue
		}
		if !describesContent(f.name) && (!had.has(f.name) || ascii.EqualFold(f.name, "Vary")) {
			r.Add(f.name, f.value)
		}
	}
}

// describesContent reports whether a field describes the content of its response, and so is
// wrong for other content.
func describesContent(name string) bool {
	return isContentField(name) || ascii.IsAnyOf(name, "ETag", "Last-Modified", "Cache-Control", "Expires", "Accept-Ranges")
}

// isContentField reports whether a field describes content, by its name: it begins with
// Content- but is not one of the security policies, which concern the page as a whole.
func isContentField(name string) bool {
	return ascii.HasPrefixFold(name, "Content-") && !ascii.HasPrefixFold(name, "Content-Security-Policy")
}

// resolveError makes the response to a result or a panic of Resolve.
func (x *exchange) resolveError(ctx context.Context, err error) *Response {
	switch {
	case errors.Is(err, errPanicked):
		// The state of the program is unknown, so the connection ends.
		return x.failure(ctx, err).Clone().CloseAfter()
	case errors.Is(err, ErrAbort): // sending it fails with ErrAbort, and respond aborts
		return &Response{message: message{err: err}}
	}
	return x.failure(ctx, err)
}

// failure returns the response to an error of the resolver.
func (x *exchange) failure(ctx context.Context, err error) *Response {
	if fault := x.contentFault(); fault != nil {
		return x.answerFault(ctx, fault, err)
	}
	status := errorStatus(err)
	x.logFailure(status, err)
	if status == 405 && x.req.isOptions() { // the methods are what the client asks for
		return allowed(strings.Join(allowOf(err), ", "))
	}
	return x.answerError(ctx, status, err)
}

// answerError returns the program's page for the error, or the plain text if there is none.
func (x *exchange) answerError(ctx context.Context, status int, err error) *Response {
	page, failed := x.errorPage(ctx, status, err)
	switch {
	case failed != nil:
		return errorResponse(failed).CloseAfter()
	case page == nil:
		return errorResponse(err)
	}
	return addErrorFields(page, err)
}

// errorPage asks the program for its page, nil if it has none or has been asked before.
func (x *exchange) errorPage(ctx context.Context, status int, err error) (page *Response, failed error) {
	if x.conn.srv.config.errorPage == nil || x.asked {
		return nil, nil
	}
	x.asked = true // also if it panics
	defer x.conn.catch("error page", &failed)
	return x.conn.srv.config.errorPage(ctx, x.shown, status, err), nil
}

// replacement returns the response to send in place of one that failed with err, or nil if
// there is none. Closing it closes both.
func (x *exchange) replacement(ctx context.Context, failed *Response, err error) *Response {
	instead := x.instead(ctx, failed, err)
	if instead == nil {
		return nil
	}
	// The fields of a Response that was changed after it was served, or served twice, may be
	// meant for another client.
	if failed.Err() == nil && err != errServedTwice && err != errClonedTwice {
		instead = instead.Clone()
		instead.keepFields(failed)
	}
	x.out.buf = x.out.buf[:x.out.done] // drop what was put of the failed one
	return instead.inPlaceOf(failed)
}

// instead returns the response to send when another failed with err before any of it was
// written, or nil if there is nothing to send or the client has disconnected.
func (x *exchange) instead(ctx context.Context, failed *Response, err error) *Response {
	if err == nil || x.responder.headOut || x.conn.write.broken != nil || x.conn.gone.Load() || errors.Is(err, ErrAbort) {
		return nil // headOut: the client has a status already
	}
	if fault := x.contentFault(); fault != nil && !x.body.answered {
		return x.answerFault(ctx, fault, err)
	}
	x.logFailure(500, err)
	if failed.Err() != nil || x.asked { // the program's mistake, or its page failed
		return errorResponse(&StatusError{Status: 500}).CloseAfter()
	}
	resp := x.answerError(ctx, 500, &StatusError{Status: 500, Err: err})
	if errors.Is(err, errPanicked) {
		return resp.Clone().CloseAfter()
	}
	return resp
}

// contentFault returns the client's mistake in the content, if any. It determines the
// response, whatever the resolver returned.
func (x *exchange) contentFault() error {
	// While another goroutine reads the content, no fault is known.
	if x.body == nil || !x.body.mu.TryLock() {
		return nil
	}
	defer x.body.mu.Unlock()
	return x.body.fault()
}

// answerFault returns the response to a fault in the content. The fault is a protocol
// error, unlike err, the program's error.
func (x *exchange) answerFault(ctx context.Context, fault, err error) *Response {
	x.body.answered = true
	x.traceRefused(nil, fault)
	status := errorStatus(fault)
	x.logFailure(status, joinOnce(fault, err))
	if status >= 500 { // the connection is ending; no one would read a page
		return errorResponse(fault).CloseAfter()
	}
	return x.answerError(ctx, status, fault).Clone().CloseAfter()
}

// logFailure logs why a request failed; the client is not told. Failures caused by the client
// are logged at debug level, and so are unknown methods (501) and versions (505), and panics,
// which have already been logged with their stack.
func (x *exchange) logFailure(status int, err error) {
	log := x.conn.srv.config.log.Error
	// If a page for an error in the content fails, that is not the client's fault.
	byClient := x.isDisconnected() || errors.Is(err, x.contentFault())
	if byClient || status < 500 || status == 501 || status == 505 || errors.Is(err, errPanicked) {
		log = x.conn.srv.config.log.Debug
	}
	args := []any{"conn", x.conn.id, "request", x.conn.num, "status", status, "err", err}
	if x.refusedLine != "" {
		args = append(args, "line", x.refusedLine)
	}
	log("rawhttp: request failed", args...)
}

// isClientsFault reports whether the client has disconnected, or made a mistake in the content.
// What fails then is not the server's failure.
func (x *exchange) isClientsFault() bool { return x.isDisconnected() || x.contentFault() != nil }

// isDisconnected reports whether the client has disconnected.
func (x *exchange) isDisconnected() bool {
	return x.conn.gone.Load() || x.ctx != nil && context.Cause(x.ctx) == errClientClosed
}

// joinOnce joins the fault in the content with the program's error, which often wraps it.
func joinOnce(fault, err error) error {
	if errors.Is(err, fault) {
		return err
	}
	return errors.Join(fault, err)
}
