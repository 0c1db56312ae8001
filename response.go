package rawhttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync/atomic"

	"example.com/rawhttp/internal/ascii"
)

// A Response is a resolver's answer to a request: a status, fields and content. It is a
// value that the server never changes.
//
// A Response made by [OK], [Text], [HTML], [Bytes], [Empty], [Redirect], [StreamFunc],
// [Upgrade], a status builder, or [Content] with an io.ReaderAt that is not an io.Closer,
// may serve any number of requests, concurrently too. A Response made by [File] or
// [Stream], or by Content with any other Reader, or changed by [Response.OnClose], serves
// once; if it is served again, the request is answered with 500 and the mistake is logged.
// The receiver of a Response must close it: the server closes each exactly once, however
// the exchange ends, and a resolver that drops one must call [Response.Close].
//
// The zero Response is a mistake, which Err reports. The status is between 200 and 599, or
// 101 for Upgrade. With 204, 205 and 304 no content is sent (RFC 9110, section 6.4.1), and
// a StreamFunc is not called.
//
// Set, Add, SetLength, SetTrailer, OnClose and CloseAfter change the Response. Only its
// maker may call them, before passing it on. A Response that a server or [WriteResponse] has begun
// to send is frozen.
// Changing it is a mistake, since a wrapper that forgot [Response.Clone] would send the
// fields meant for one client to the next. Mistakes are recorded and reported by
// [Response.Err]; the server answers with 500 instead of sending such a Response, and logs
// the reason.
type Response struct {
	message
	served  atomic.Bool // it has been or is being sent, and must not change
	changed atomic.Bool // a change was attempted after it was served
}

// A message is the part of a Response that its clones share.
type message struct {
	status        int32
	closeAfter    bool
	hasWireImages bool // Body is a *memoryContent whose wire images have these fields
	body
	mediaType string
	fields    []field
	src       *source // nil unless the Response serves once
	extras    *extras // nil if there are none
	err       error
}

// extras are fields that few Responses need. Clones share them, so they are replaced, never
// changed.
type extras struct {
	length   int64       // set by SetLength, or -1
	trailers trailers    // set by SetTrailer
	upgrade  upgrader    // set if kind is bodyUpgrade
	cause    *errorCause // of ErrorResponse, or nil
}

// An upgrader switches the connection to another protocol. It is an interface so that only
// programs that call Upgrade link its code.
type upgrader interface {
	refusal(req *Request) error             // returns nil if the request asks for the protocol
	prepare(x *exchange) error              // prepares the connection for the 101, or returns why not
	appendFields(b []byte) []byte           // of the 101
	run(ctx context.Context, c *conn) error // called after the 101 has been sent
}

// extend replaces the extras of r by a copy, and returns it. The clones of r share the old ones,
// which must not change.
func (r *Response) extend() *extras {
	e := &extras{length: -1}
	if r.extras != nil {
		*e = *r.extras
	}
	r.extras = e
	return e
}

// A body is the source of the content of a Response. Its kind determines which of the other
// fields is set.
type body struct {
	kind    bodyKind
	once    bool // rep.Body is read once, from its current position
	atStart bool // rep.Body is an *os.File that has just been opened, so its current position is 0
	content []byte
	text    string
	f       func(ctx context.Context, w io.Writer) error
	rep     *Representation // with bodyFunc, its validators, or nil
}

// A bodyKind says where the content of a Response comes from.
type bodyKind uint8

const (
	bodyBytes          bodyKind = iota // content, which may be empty
	bodyText                           // text of at most scratchSize bytes
	bodyFunc                           // what f writes
	bodyStream                         // all of rep.Body, regardless of conditions
	bodyRepresentation                 // rep, subject to conditions and ranges
	bodyOmitted                        // not generated: the Response only answers HEAD
	bodyUpgrade                        // none: the connection switches to another protocol
)

// isRepresentation reports whether the content is subject to conditions.
func (b *body) isRepresentation() bool { return b.rep != nil && b.kind != bodyStream }

// isInMemory reports whether the content exists before it is written. Otherwise the program
// produces it, and may read the content of the request meanwhile.
func (b *body) isInMemory() bool {
	return b.kind == bodyBytes || b.kind == bodyText || b.kind == bodyOmitted
}

// Status returns the status code; for Content, that of the response to an unconditional
// request.
func (r *Response) Status() int { return int(r.status) }

// Fields returns the fields of the Response: Content-Type first, then the others in the
// order in which they were set. It does not return fields that the server adds, nor the
// validators of a [Representation], which would be wrong for other content with the same
// fields; [Response.Encode] keeps them.
func (r *Response) Fields() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		if r.mediaType != "" && !yield("Content-Type", r.mediaType) {
			return
		}
		for _, f := range r.fields {
			if !yield(f.name, f.value) {
				return
			}
		}
	}
}

// Err returns all mistakes made in building the Response, joined, or nil.
func (r *Response) Err() error {
	if r.changed.Load() {
		return errors.Join(r.err, errServedAndChanged)
	}
	if r.status == 0 && r.err == nil {
		return errNoStatus
	}
	return r.err
}

var errServedAndChanged = errors.New("rawhttp: response: changed after it was served: call Clone before changing the Response of another resolver")

var errNoStatus = errors.New("rawhttp: response: the zero Response has no status")

// fail records a mistake, for Err. Mistakes are joined, so that a program sees all of them.
func (r *Response) fail(err error) {
	r.err = errors.Join(r.err, fmt.Errorf("rawhttp: response: %w", err))
}

// Close closes the content of a Response that serves once, and calls the functions added by
// OnClose. Only the first call has an effect. Close may be called at any time, even while
// the Response is being written.
func (r *Response) Close() error { return r.src.close() }

// Clone returns a copy that has its own fields but shares the content. A resolver that
// wraps another must call it before Set or Add, unless it made r itself. If r serves once,
// r and its clones serve once together.
//
//go:noinline
func (r *Response) Clone() *Response { // inlined, it would add 1.3 KB to every program
	c := &Response{message: r.message}
	c.fields = slices.Clip(r.fields) // so that appending allocates
	return c
}

// Set sets a field, replacing any fields of that name. The name must be a token; the value
// must not contain control bytes, nor begin or end with a blank. The server itself sets
// Content-Length (see [Response.SetLength]), Connection (see [Response.CloseAfter]),
// Transfer-Encoding and Date. Invalid use changes nothing and is reported by [Response.Err].
func (r *Response) Set(name, value string) *Response {
	if r.rejectsChange() || !r.checkField(name, value) {
		return r
	}
	r.hasWireImages = false // the wire images have other fields
	if ascii.EqualFold(name, "Content-Type") {
		r.mediaType = value
		return r
	}
	if r.has(name) { // delete from a copy, since clones may share the fields
		r.fields = slices.DeleteFunc(slices.Clone(r.fields), func(f field) bool { return ascii.EqualFold(f.name, name) })
	}
	r.fields = append(r.fields, field{name, value})
	return r
}

// Add adds a field line after those of the same name. The rules are those of
// [Response.Set]. There can be only one Content-Type.
func (r *Response) Add(name, value string) *Response {
	if r.rejectsChange() {
		return r
	}
	if ascii.EqualFold(name, "Content-Type") && r.mediaType != "" {
		r.fail(errors.New("Content-Type is already set"))
		return r
	}
	if ascii.EqualFold(name, "Content-Type") {
		return r.Set(name, value)
	}
	if r.checkField(name, value) {
		r.hasWireImages = false
		r.fields = append(r.fields, field{name, value})
	}
	return r
}

// checkField reports whether the field may be set, and records the reason if not. The fields
// that the server sets depend on the request, which a Response does not know.
func (r *Response) checkField(name, value string) bool {
	switch {
	case !ascii.IsToken(name):
		r.fail(fmt.Errorf("field name %q is not a token", name))
	case !r.checkValue(name, value):
	case ascii.EqualFold(name, "Content-Length"):
		r.fail(errors.New("the server sets Content-Length; see Response.SetLength"))
	case ascii.EqualFold(name, "Connection"):
		r.fail(errors.New("the server sets Connection; see Response.CloseAfter"))
	case ascii.EqualFold(name, "Transfer-Encoding"), ascii.EqualFold(name, "Date"):
		r.fail(fmt.Errorf("the server sets %s", name))
	case r.kind == bodyUpgrade && ascii.EqualFold(name, "Upgrade"):
		r.fail(errors.New("field Upgrade is the protocol of Upgrade"))
	default:
		return true
	}
	return false
}

// checkValue is like checkField, for the value alone.
func (r *Response) checkValue(name, value string) bool {
	ok := ascii.IsFieldValue(value)
	if !ok {
		r.fail(fmt.Errorf("value of field %s: %q has control bytes, or blanks at its ends", name, value))
	}
	return ok
}

// SetLength declares that the content has n bytes, for a Response that does not know its
// length: a [Stream] or [StreamFunc], or a response to HEAD without content, such as that
// of a folder's listing. The content is then sent with Content-Length instead of chunked,
// and a connection to an HTTP/1.0 client can persist.
//
// Content of another length is an error. If none of it has been sent, the request is
// answered with 500; otherwise the connection is cut. More than n bytes are never sent. It
// is a mistake to call SetLength if the length is known, or with n below 0. With
// [WithContentLength] off, and with 204, 205 and 304, no Content-Length is sent.
func (r *Response) SetLength(n int64) *Response {
	switch {
	case r.rejectsChange():
	case n < 0 || n > maxSize:
		r.fail(fmt.Errorf("length %d is not between 0 and %d bytes", n, int64(maxSize)))
	case r.kind == bodyRepresentation || r.kind == bodyUpgrade || len(r.content)+len(r.text) > 0:
		r.fail(errors.New("SetLength for content of known length"))
	default:
		r.extend().length = n
	}
	return r
}

// SetTrailer sets a trailer field (RFC 9110, section 6.5), replacing one of that name.
// value is called when all of the content has been written, on the same goroutine. The
// field is not sent if value returns "".
//
// Only chunked content has a trailer section: that of a [Stream] or [StreamFunc] without
// SetLength, sent to an HTTP/1.1 client. Otherwise value is not called. The Trailer field
// in the head names the trailer fields. Clients may discard them.
//
// Fields that a recipient needs before the content must not follow it (section 6.5.1):
// fields for framing, routing, authentication, conditions, caching and ranges, and all
// fields that begin with Content-, except Content-Digest. Setting one of these is a
// mistake. If value panics or returns an invalid field value, the connection is cut.
func (r *Response) SetTrailer(name string, value func() string) *Response {
	switch {
	case r.rejectsChange():
	case !ascii.IsToken(name):
		r.fail(fmt.Errorf("trailer field name %q is not a token", name))
	case !mayBeTrailer(name):
		r.fail(fmt.Errorf("field %s is not allowed in a trailer section", name))
	case value == nil:
		r.fail(fmt.Errorf("trailer field %s has a nil function", name))
	default:
		e := r.extend()
		others := slices.DeleteFunc(slices.Clone(e.trailers), func(t trailer) bool { return ascii.EqualFold(t.name, name) })
		e.trailers = append(others, trailer{name, value})
	}
	return r
}

// CloseAfter makes the server close the connection after the Response.
func (r *Response) CloseAfter() *Response {
	if !r.rejectsChange() {
		r.closeAfter = true
	}
	return r
}

// freeze is called before the Response is sent.
func (r *Response) freeze() { r.served.Store(true) }

// rejectsChange reports whether the Response has been served, so that it must not change any
// more. It records the attempt to change it, for Err.
func (r *Response) rejectsChange() bool {
	if r.served.Load() { // another goroutine may be sending it: r.err must not be written
		r.changed.Store(true)
		return true
	}
	return false
}

// get returns the value of the first field with the name, or "".
func (r *Response) get(name string) string {
	for _, f := range r.fields {
		if ascii.EqualFold(f.name, name) {
			return f.value
		}
	}
	return ""
}

// has reports whether the Response has a field with the name.
func (r *Response) has(name string) bool {
	for _, f := range r.fields {
		if ascii.EqualFold(f.name, name) {
			return true
		}
	}
	return false
}

// WriteTo writes the exact bytes of the response to a plain GET over HTTP/1.1, without Date, so
// that they are the same every time. For a Response that can only answer HEAD, such as one that
// [ParseResponse] made for the method HEAD, it writes the response to HEAD. If [Response.Err]
// returns an error, WriteTo writes nothing and returns that error. WriteTo uses up a Response
// that serves once, but does not close it.
func (r *Response) WriteTo(w io.Writer) (n int64, err error) {
	method := "GET"
	if r.kind == bodyOmitted {
		method = "HEAD"
	}
	plain, _, err := ParseRequest([]byte(method + " / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	if err != nil {
		return 0, err
	}
	count := &countingWriter{w: w}
	_, err = writeResponse(context.Background(), count, &wireFormat{contentLength: true}, plain, r)
	return count.n, err
}

// WriteContent writes the content alone, without head and framing, and returns the number of
// bytes written. It is for resolvers that cache or record the responses of another; to compress
// them, use [Response.Encode].
//
// It writes the content of a plain GET: conditions and ranges of the request are not applied.
// With 204, 205 and 304 there is no content. The content of a listing or of a script is not
// made for a HEAD request: then the error wraps [errors.ErrUnsupported], and a wrapper should
// pass the Response on.
//
// The error is that of [Response.Err], of w, of the content's reader or of a [StreamFunc], or
// reports that the length differs from that of SetLength or a [Representation]; by then w may
// have some of the content. A StreamFunc gets ctx, and is called even if it was called before;
// its panics are not recovered. A Response that serves once is used up, but not closed. The
// functions of SetTrailer are not called.
func (r *Response) WriteContent(ctx context.Context, w io.Writer) (n int64, err error) {
	if err := r.Err(); err != nil {
		return 0, err
	}
	if !ascii.MayHaveContent(r.Status()) {
		return 0, nil
	}
	if r.kind == bodyOmitted {
		return 0, errOmitted
	}
	if err := r.src.claim(); err != nil {
		return 0, err
	}
	return r.writeContent(ctx, w)
}

// writeContent writes the content of a Response whose source has been claimed.
func (r *Response) writeContent(ctx context.Context, w io.Writer) (n int64, err error) {
	count := &countingWriter{w: w}
	t := responder{out: &sink{w: count}, resp: r, framing: byClose} // content without any framing
	t.length = t.size()
	err = t.putContent(ctx)
	if err == nil {
		err = t.putEnd()
	}
	err = errors.Join(err, t.out.flush())
	t.out.release()
	return count.n, err
}

var errOmitted = fmt.Errorf("rawhttp: the Response answers only HEAD, so its content was not made: %w", errors.ErrUnsupported)

// WriteResponse writes the response to the request, for a program that owns the connection,
// as a [Server] with default options would: method, version and persistence are those of
// req. If resp.Err() is not nil, it writes nothing and returns that error. It closes resp.
//
// persist reports whether the connection may carry another request, once the content of
// this one has been read. After an error the connection must be closed.
func WriteResponse(ctx context.Context, w io.Writer, req *Request, resp *Response) (persist bool, err error) {
	switch {
	case resp == nil:
		return false, errors.New("rawhttp: WriteResponse: the Response is nil")
	case req == nil:
		return false, errors.Join(errors.New("rawhttp: WriteResponse: the Request is nil"), resp.Close())
	}
	var d ascii.DateCache
	defer func() { // also if the program's reader or function panics
		if closeErr := resp.Close(); err == nil && closeErr != nil {
			persist, err = false, closeErr
		}
	}()
	resp.freeze()
	return writeResponse(ctx, w, &wireFormat{date: d.Text, contentLength: true}, req, resp)
}

// writeResponse writes the response in the format. If the response fails before any of it has
// been written, nothing is, and the caller can write another.
func writeResponse(ctx context.Context, w io.Writer, format *wireFormat, req *Request, resp *Response) (persist bool, err error) {
	if resp.kind == bodyUpgrade {
		if err := resp.extras.upgrade.refusal(req); err != nil {
			resp = errorResponse(err)
		}
	}
	out := sink{w: w}
	t := responder{out: &out, format: format, req: req, resp: resp, persist: true}
	err = t.write(ctx)
	if err == nil || t.headOut {
		err = errors.Join(err, out.flush())
	}
	out.buf = out.buf[:0] // drops what was put of a response that failed
	out.release()
	return t.persist && err == nil, err
}
