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

// A Response is what a resolver answers: a status, fields and content. It is a
// value that the server never changes.
//
// One made by [OK], [Text], [HTML], [Bytes], [Empty], [Redirect], [StreamFunc], [Upgrade], a
// status builder, or [Content] over an io.ReaderAt that is no io.Closer, may
// answer any number of requests, also at once. One made by [File], [Stream], or
// Content of another Reader, or changed by [Response.OnClose], serves once; a second time
// is answered with 500 and logged. Whoever is given a Response closes it: the server does so exactly once
// for each, however the exchange ends, and a resolver that drops one calls
// [Response.Close].
//
// The zero Response is a mistake, which Err reports. A status is between 200 and 599, or 101 of Upgrade;
// with 204, 205 and 304 no content is sent (RFC 9110, section 6.4.1), and a StreamFunc
// is not called.
//
// Set, Add, SetLength, SetTrailer, OnClose and CloseAfter change the Response, so they are
// for whoever made it, before it is handed on. A Response that has been served is frozen: to change it is a
// mistake, since a wrapper that forgot [Response.Clone] would send the fields meant for one
// client to the next. Mistakes are kept and reported by [Response.Err]; the server answers
// such a Response with 500 and logs why.
type Response struct {
	message
	served  atomic.Bool // it has been sent, or is being: it must not change any more
	changed atomic.Bool // somebody has tried to change it nevertheless
}

// A message is what a Response is made of, which its clones share.
type message struct {
	status     int32
	closeAfter bool
	imaged     bool // the Body is a *memory, which has images of it with these fields
	body
	mediaType string
	fields    []field
	src       *source // of a Response that serves once; nil: any number of times
	more      *extras // nil: none
	err       error
}

// Extras are what few Responses have. Clones share them, so they are replaced, never changed.
type extras struct {
	length   int64          // of SetLength; -1: none
	trailers trailerSection // nil: none
	upgrade  upgrader       // of a bodyUpgrade
	cause    causer         // of ErrorResponse; nil: none
}

// An upgrader is the protocol that a connection switches to. It is an interface so that
// programs that never call Upgrade do not have its code.
type upgrader interface {
	refusal(req *Request) error             // nil if the request asks for it
	prepare(c *conn) error                  // makes the connection ready for the 101, or returns the refusal
	appendFields(b []byte) []byte           // for the 101
	run(ctx context.Context, c *conn) error // after it
}

// A causer is the error that a Response is the answer to. It is an interface so that programs
// that never call ErrorResponse do not have its code.
type causer interface {
	answer(ctx context.Context, c *conn, resp *Response) *Response // in place of resp
}

// A trailerSection is trailer fields. It is an interface so that programs that never call
// SetTrailer do not have its code.
type trailerSection interface {
	appendNames(b []byte) []byte           // the field that names them, for the head
	appendFields(b []byte) ([]byte, error) // their lines
}

// extend returns new extras of r, with what it had.
func (r *Response) extend() *extras {
	e := &extras{length: -1}
	if r.more != nil {
		*e = *r.more
	}
	r.more = e
	return e
}

// A body is what the content of a Response is made from. Its kind says which of the others
// is set.
type body struct {
	kind    bodyKind
	once    bool // rep.Body is read from where it stands, once
	content []byte
	text    string
	f       func(ctx context.Context, w io.Writer) error
	rep     *Representation
}

type bodyKind uint8

const (
	bodyBytes          bodyKind = iota // content, of which there may be none
	bodyText                           // text, of no more than scratchSize
	bodyFunc                           // what f writes
	bodyStream                         // all of rep.Body, whatever the request's conditions
	bodyRepresentation                 // rep, or what conditions and ranges leave of it
	bodyUnmade                         // none: the Response answers HEAD alone
	bodyUpgrade                        // none: the connection switches to another protocol
)

// isInMemory reports whether the content is there before it is written. Else the program is
// asked for it, which may read the content of the request meanwhile.
func (b *body) isInMemory() bool {
	return b.kind == bodyBytes || b.kind == bodyText || b.kind == bodyUnmade
}

type field struct{ name, value string }

// Status returns the status code, of a Content the one that an unconditional
// request gets.
func (r *Response) Status() int { return int(r.status) }

// Fields returns the fields of the Response: Content-Type first, then the others
// as they were set. What the server adds is not among them.
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

// Err reports every mistake in building the Response, nil if there is none.
func (r *Response) Err() error {
	if r.changed.Load() {
		return errors.Join(r.err, errServedAndChanged)
	}
	if r.status == 0 && r.err == nil {
		return errNoStatus
	}
	return r.err
}

var errServedAndChanged = errors.New("rawhttp: response: changed after it was served: a resolver that adds to the Response of another calls Clone first")

var errNoStatus = errors.New("rawhttp: response: the zero Response has no status")

func (r *Response) fail(err error) {
	r.err = errors.Join(r.err, fmt.Errorf("rawhttp: response: %w", err))
}

// Close closes the content of a Response that serves once, and calls the functions of
// OnClose, the first time it is called. It may be called at any time, and while the Response
// is being written.
func (r *Response) Close() error { return r.src.close() }

// Clone returns a copy with fields of its own that shares the content. A resolver
// that wraps another calls it before Set or Add, unless it made r itself. Original
// and copy of a Response that serves once serve once together.
func (r *Response) Clone() *Response {
	c := &Response{message: r.message}
	c.fields = slices.Clip(r.fields) // what is added goes elsewhere
	return c
}

// Set sets the field to the value, in the place of those of that name. The name
// must be a token; the value must have no control bytes and no blanks at its
// ends. Content-Length, Transfer-Encoding, Connection and Date are the server's.
// Misuse changes nothing and is reported by [Response.Err].
func (r *Response) Set(name, value string) *Response {
	if r.isServed() || !r.may(name, value) {
		return r
	}
	r.imaged = false // it is not what the images are of
	if ascii.EqualFold(name, "Content-Type") {
		r.mediaType = value
		return r
	}
	if r.has(name) { // in a copy, which others may share
		r.fields = slices.DeleteFunc(slices.Clone(r.fields), func(f field) bool { return ascii.EqualFold(f.name, name) })
	}
	r.fields = append(r.fields, field{name, value})
	return r
}

// Add adds a field line, behind those of that name. The rules are those of
// [Response.Set]; there is one Content-Type.
func (r *Response) Add(name, value string) *Response {
	if r.isServed() {
		return r
	}
	if ascii.EqualFold(name, "Content-Type") && r.mediaType != "" {
		r.fail(errors.New("Content-Type is there already"))
		return r
	}
	if ascii.EqualFold(name, "Content-Type") {
		return r.Set(name, value)
	}
	if r.may(name, value) {
		r.imaged = false
		r.fields = append(r.fields, field{name, value})
	}
	return r
}

// may reports whether the field may be set, and keeps the reason if not.
func (r *Response) may(name, value string) bool {
	switch {
	case !ascii.IsToken(name):
		r.fail(fmt.Errorf("field name %q is not a token", name))
	case !r.mayValue(name, value):
	case ascii.EqualFold(name, "Content-Length"), ascii.EqualFold(name, "Transfer-Encoding"),
		ascii.EqualFold(name, "Connection"), ascii.EqualFold(name, "Date"):
		r.fail(fmt.Errorf("field %s is the server's", name))
	case r.kind == bodyUpgrade && ascii.EqualFold(name, "Upgrade"):
		r.fail(errors.New("field Upgrade is the protocol of Upgrade"))
	default:
		return true
	}
	return false
}

func (r *Response) mayValue(name, value string) bool {
	ok := ascii.IsFieldValue(value)
	if !ok {
		r.fail(fmt.Errorf("value of field %s: %q has control bytes, or blanks at its ends", name, value))
	}
	return ok
}

// SetLength says that the content has n bytes, where the Response does not know it: for a
// [Stream] or [StreamFunc], and for one without content, or of a folder's listing, that
// answers HEAD. The content is then sent with Content-Length in place of chunked, to HTTP/1.0
// too, where the connection can persist.
//
// Content of another length is an error. If none of it was sent, the answer is 500;
// otherwise the connection is cut, and never more than n bytes are sent. Content whose
// length is known, and n below 0, are mistakes. With [WithContentLength] off, and with 204,
// 205 and 304, no Content-Length is sent.
func (r *Response) SetLength(n int64) *Response {
	switch {
	case r.isServed():
	case n < 0 || n > maxSize:
		r.fail(fmt.Errorf("length %d is not between 0 and %d bytes", n, int64(maxSize)))
	case r.kind == bodyRepresentation || r.kind == bodyUpgrade || len(r.content)+len(r.text) > 0:
		r.fail(errors.New("SetLength of content whose length is known"))
	default:
		r.extend().length = n
	}
	return r
}

// SetTrailer adds a trailer field (RFC 9110, section 6.5) in the place of one of that name.
// value is called when all of the content has been written, on the same goroutine; the field
// is sent unless it returns "".
//
// Only chunked content has a trailer section: that of a [Stream] or [StreamFunc] without
// SetLength, to a client of HTTP/1.1. Otherwise value is not called. The field Trailer in the
// head names the trailer fields. Clients may discard them.
//
// Fields that a recipient needs before the content must not come after it (section 6.5.1):
// those of framing, routing, authentication, conditions, caching and ranges, and all that
// begin with Content-, except Content-Digest. Such a name is a mistake. If value panics, or
// returns what is no field value, the connection is cut.
func (r *Response) SetTrailer(name string, value func() string) *Response {
	switch {
	case r.isServed():
	case !ascii.IsToken(name):
		r.fail(fmt.Errorf("trailer field name %q is not a token", name))
	case !mayBeTrailer(name):
		r.fail(fmt.Errorf("field %s is not allowed in a trailer section", name))
	case value == nil:
		r.fail(fmt.Errorf("trailer field %s has a nil function", name))
	default:
		e := r.extend()
		all, _ := e.trailers.(trailers)
		all = slices.DeleteFunc(slices.Clone(all), func(t trailer) bool { return ascii.EqualFold(t.name, name) })
		e.trailers = append(all, trailer{name, value})
	}
	return r
}

// Trailers are what SetTrailer was told.
type trailers []trailer

type trailer struct {
	name  string
	value func() string
}

// appendNames implements trailerSection (RFC 9110, section 6.6.2).
func (all trailers) appendNames(b []byte) []byte {
	before := "Trailer: "
	for _, t := range all {
		b = append(append(b, before...), t.name...)
		before = ", "
	}
	return append(b, "\r\n"...)
}

// appendFields implements trailerSection.
func (all trailers) appendFields(b []byte) ([]byte, error) {
	for _, t := range all {
		value := t.value()
		if !ascii.IsFieldValue(value) {
			return b, fmt.Errorf("value of trailer field %s: %q has control bytes, or blanks at its ends", t.name, value)
		}
		if value != "" {
			b = appendField(b, t.name, value)
		}
	}
	return b, nil
}

// mayBeTrailer reports whether a field may come after the content: "Many fields cannot be
// processed outside the header section because their evaluation is necessary prior to
// receiving the content, such as those that describe message framing, routing, authentication,
// request modifiers, response controls, or content format." RFC 9110, section 6.5.1. Of other
// fields the program knows.
func mayBeTrailer(name string) bool {
	switch {
	case ascii.EqualFold(name, "Content-Digest"): // RFC 9530, section 2
		return true
	case ascii.HasPrefixFold(name, "Content-"), ascii.HasPrefixFold(name, "If-"), ascii.HasPrefixFold(name, "Proxy-"):
		return false
	}
	return !ascii.IsAnyOf(name, "Transfer-Encoding", "TE", "Trailer", "Connection", "Keep-Alive", "Upgrade", "Host",
		"Authorization", "WWW-Authenticate", "Cookie", "Set-Cookie", "Age", "Cache-Control", "Date", "Expires", "Expect",
		"Location", "Max-Forwards", "Pragma", "Range", "Accept-Ranges", "Retry-After", "Vary")
}

// OnClose has f called when the server, or a resolver that drops the Response, is finished
// with it: after the exchange, however it ended, and by [Response.Close], but once in all.
// Content is closed first, then the functions are called in the order in which they were
// added. It makes the Response serve once, as one of [File] does; a resolver that wraps
// another calls [Response.Clone] first, so that a Response that was shared stays so.
//
// It ends what a stream needs until it has been written, which a deferred call in Resolve
// would end too early:
//
//	ctx, cancel := context.WithTimeout(ctx, time.Minute)
//	resp, err := next.Resolve(ctx, req)
//	if err != nil {
//		cancel()
//		return nil, err
//	}
//	return resp.Clone().OnClose(cancel), nil
//
// f runs on the goroutine of the connection, or of whoever calls Close. If it panics, that is
// logged, and the connection ends. If the Response has been served, which is a mistake as it
// is for Set, f is called at once.
func (r *Response) OnClose(f func()) *Response {
	switch {
	case f == nil:
		r.fail(errors.New("OnClose of a nil function"))
	case r.isServed():
		f()
	default:
		r.src = &source{closer: closeFunc(f), inner: r.src}
	}
	return r
}

// A closeFunc is a function of OnClose.
type closeFunc func()

func (f closeFunc) Close() error {
	f()
	return nil
}

// CloseAfter makes the server close the connection after the Response.
func (r *Response) CloseAfter() *Response {
	if !r.isServed() {
		r.closeAfter = true
	}
	return r
}

// freeze is called when the Response begins to be sent.
func (r *Response) freeze() {
	if !r.served.Load() { // which is cheaper
		r.served.Store(true)
	}
}

// isServed reports whether the Response must not change any more. It is asked by whoever
// wants to change it: of that Err is to tell.
func (r *Response) isServed() bool {
	if r.served.Load() {
		r.changed.Store(true)
		return true
	}
	return false
}

// get returns the value of the first field of the name, "" if there is none.
func (r *Response) get(name string) string {
	for _, f := range r.fields {
		if ascii.EqualFold(f.name, name) {
			return f.value
		}
	}
	return ""
}

// has reports whether the Response has a field of the name.
func (r *Response) has(name string) bool {
	for _, f := range r.fields {
		if ascii.EqualFold(f.name, name) {
			return true
		}
	}
	return false
}

// WriteTo writes the exact bytes of the answer to a plain GET over HTTP/1.1,
// without Date: the same every time. It reports what [Response.Err] does and
// writes nothing then. A Response that serves once is served by it; it is not
// closed.
func (r *Response) WriteTo(w io.Writer) (n int64, err error) {
	plainGet, _, err := ParseRequest([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	if err != nil {
		return 0, err
	}
	count := &countingWriter{w: w}
	_, err = writeResponse(context.Background(), count, &wireFormat{contentLength: true}, plainGet, r)
	return count.n, err
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// WriteContent writes the content alone, without head and framing: what a resolver needs
// that compresses, caches or records the answers of another. It returns the bytes written.
//
// The content is all of that of a plain GET: conditions and ranges of the request are not
// applied. With 204, 205 and 304 there is none. The content of a folder's listing, and of a
// script, is not made to answer HEAD: then the error wraps [errors.ErrUnsupported], and a
// wrapper passes the Response on.
//
// It reports what [Response.Err] does, an error of w, of the content's reader or of a
// [StreamFunc], which gets ctx and is called even if it was before, and content whose length
// is not that of SetLength or a [Representation]; w may have some of it by then. A panic of a
// StreamFunc is the caller's. A Response that serves once is served by it; it is not closed.
// Trailer fields are not asked for.
func (r *Response) WriteContent(ctx context.Context, w io.Writer) (n int64, err error) {
	if err := r.Err(); err != nil {
		return 0, err
	}
	if !ascii.MayHaveContent(r.Status()) {
		return 0, nil
	}
	if r.kind == bodyUnmade {
		return 0, errUnmade
	}
	if err := r.src.take(); err != nil {
		return 0, err
	}
	count := &countingWriter{w: w}
	t := responder{out: &sink{w: count}, resp: r, framing: byClose}
	t.length = t.size()
	err = t.putContent(ctx)
	if err == nil {
		err = t.end()
	}
	err = errors.Join(err, t.out.flush())
	t.out.release()
	return count.n, err
}

var errUnmade = fmt.Errorf("rawhttp: the content of an answer to HEAD was not made: %w", errors.ErrUnsupported)
