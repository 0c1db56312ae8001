package rawhttp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"example.com/rawhttp/internal/ascii"
	"example.com/rawhttp/internal/wire"
)

// A Representation is content with its metadata (RFC 9110, section 8). The zero
// Representation is empty content of unknown type.
type Representation struct {
	MediaType string // sent verbatim; "" means application/octet-stream

	// Body is the content, from its current position; nil means none. A Body that is an
	// io.Closer belongs to the Response, which serves once and closes it. A Body that is an
	// io.ReaderAt but not an io.Closer is read from offset 0 any number of times,
	// concurrently too. Any other Reader serves once.
	Body io.Reader

	Size    int64     // bytes of Body, at most 1<<62; 0 sends no content; -1 means unknown. If Body is shorter, the connection is cut
	ModTime time.Time // sent as Last-Modified unless zero
	ETag    string    // with its quotes, after W/ if weak; "" means none
}

// Media types of content that this package makes, or cannot name.
const (
	textPlain   = "text/plain; charset=utf-8"
	textHTML    = "text/html; charset=utf-8"
	octetStream = "application/octet-stream"
)

// newResponse returns a Response with empty content. 1xx statuses are mistakes, since they are
// not final: Inform sends them. Upgrade makes its own Response.
func newResponse(status int, mediaType string) *Response {
	r := &Response{message: message{status: int32(status)}}
	if status < 200 || status > 599 {
		r.fail(fmt.Errorf("status %d is not between 200 and 599", status))
	}
	// The usual media types need no check.
	if mediaType == textPlain || mediaType == textHTML || r.checkValue("Content-Type", mediaType) {
		r.mediaType = mediaType
	}
	return r
}

// OK returns a 200 response with the content. The media type is sent verbatim. The content
// is not copied and must not change while the Response is in use.
func OK(mediaType string, content []byte) *Response { return Bytes(200, mediaType, content) }

// Bytes returns a response with the content. The media type is sent verbatim, unless it is
// "". The content is not copied and must not change while the Response is in use.
func Bytes(status int, mediaType string, b []byte) *Response {
	r := newResponse(status, mediaType)
	r.content = b
	return r
}

// Text returns a response of type text/plain; charset=utf-8. Up to 64 KiB, s is not copied.
func Text(status int, s string) *Response { return newText(status, textPlain, s) }

// HTML returns a response of type text/html; charset=utf-8. It does not escape s. Up to 64
// KiB, s is not copied.
func HTML(status int, s string) *Response { return newText(status, textHTML, s) }

// newText returns a Response with a text. One that does not fit a scratch buffer is converted
// here, once, and not for each request; see putText.
func newText(status int, mediaType, s string) *Response {
	r := newResponse(status, mediaType)
	if len(s) > scratchSize {
		r.content = []byte(s)
		return r
	}
	r.kind, r.text = bodyText, s
	return r
}

// Empty returns a response without content: Content-Length is 0, or absent with 204 and 304
// (RFC 9110, section 8.6).
func Empty(status int) *Response { return newResponse(status, "") }

// statusResponse returns a plain-text response that names the status.
func statusResponse(status int) *Response { return Text(status, ascii.StatusText(status)+"\n") }

// NotFound returns a 404 with a line of text. It is final; a resolver that declines a
// request should return an error that wraps [fs.ErrNotExist] instead.
func NotFound() *Response { return statusResponse(404) }

// MethodNotAllowed returns a 405 with a line of text and the required Allow field (RFC
// 9110, section 15.5.6).
func MethodNotAllowed(allow ...string) *Response {
	r := statusResponse(405)
	for _, m := range allow {
		if !ascii.IsToken(m) {
			r.fail(fmt.Errorf("method %q in Allow is not a token", m))
		}
	}
	return r.Set("Allow", strings.Join(allow, ", "))
}

// InternalServerError returns a 500 with a line of text that does not reveal the cause.
func InternalServerError() *Response { return statusResponse(500) }

// Redirect returns a response with the status, 301, 302, 303, 307 or 308, and the location,
// a URI reference: absolute, or relative to the request's. The location is sent verbatim,
// so it must be escaped already, and consist of visible ASCII only.
func Redirect(status int, location string) *Response {
	r := statusResponse(status)
	switch status {
	case 301, 302, 303, 307, 308:
	default:
		r.fail(fmt.Errorf("status %d does not redirect", status))
	}
	if !ascii.IsVisible(location) {
		r.fail(fmt.Errorf("location %q is not a URI reference in visible ASCII", location))
	}
	return r.Set("Location", location)
}

// noSniff keeps clients from guessing another media type.
func noSniff(r *Response) *Response { return r.Set("X-Content-Type-Options", "nosniff") }

// Stream returns a response with content of unknown length: chunked or, on HTTP/1.0, ended by
// the close of the connection. The bytes of each Read are sent at once, the head with the
// first. An error of Read before that is answered with 500, and with those fields of the
// Response that do not describe its content; a later one cuts the connection, so that the
// client notices.
//
// A Read in progress is not interrupted, neither when the client disconnects nor by
// [Server.Close], after which nothing more is sent. So the Read of a reader that may wait for
// long should return when the context of the request ends.
//
// If r is an io.Closer, [Response.Close] closes it. The server calls Close after the last Read,
// since not every reader permits a Close during a Read. For one that does, such as a net.Conn, an
// *io.PipeReader or, on Unix, the *os.File of a pipe, this ends the Read when the context of the
// request ends:
//
//	resp := rawhttp.Stream(200, "text/plain", r)
//	context.AfterFunc(ctx, func() { resp.Close() })
//
// Stream(200, t, req.Body) is an echo. For HEAD nothing is read. While the Response is written,
// the content of the request may be read, by r or on another goroutine, as net/http's client
// does in a reverse proxy.
func Stream(status int, mediaType string, r io.Reader) *Response {
	resp := newResponse(status, mediaType)
	if r == nil {
		resp.fail(errors.New("Stream of a nil Reader"))
		return resp
	}
	closer, _ := r.(io.Closer)
	resp.kind, resp.rep = bodyStream, &Representation{MediaType: mediaType, Body: r, Size: -1}
	resp.src = &source{closer: closer}
	return resp
}

// StreamFunc returns a response whose content f writes. Each Write is sent at once, the
// head with the first; a first Write of no bytes sends the head alone. To batch writes,
// wrap w in a bufio.Writer. An error or panic before the first Write is answered with 500, and
// with those fields of the Response that do not describe its content, such as a request ID; a
// later one cuts the connection.
//
// f runs once for each request that the Response answers with content, so not for HEAD, on
// the goroutine of the connection. The Body of the request may be read meanwhile, even on
// another goroutine. ctx is the context of the request, as described at [Resolver], without
// values and deadlines added by a wrapping resolver. A Write fails after a reset, and when
// the server stops waiting; a client that has only closed its side may be waiting for the
// rest. f must not keep w.
//
// [Response.SetLength] and [Response.SetTrailer] add what is known before, or after, the
// content. With [ErrAbort] from f, the connection is reset instead.
func StreamFunc(status int, mediaType string, f func(ctx context.Context, w io.Writer) error) *Response {
	r := newResponse(status, mediaType)
	if f == nil {
		r.fail(errors.New("StreamFunc of a nil function"))
		return r
	}
	r.kind, r.f = bodyFunc, f
	return r
}

// OnClose adds a function to be called once when the Response is no longer needed: by the
// server after the exchange, however it ended, or by [Response.Close]. Content is closed
// first; then the functions are called in the order in which they were added. OnClose makes
// the Response serve once, like that of [File]; a resolver that wraps another must call
// [Response.Clone] first, so that a shared Response stays reusable.
//
// Use it to release what a stream needs until it has been written. A deferred call in
// Resolve would run too early:
//
//	ctx, cancel := context.WithTimeout(ctx, time.Minute)
//	resp, err := next.Resolve(ctx, req)
//	if err != nil {
//		cancel()
//		return nil, err
//	}
//	return resp.Clone().OnClose(cancel), nil
//
// f runs on the goroutine of the connection or of the caller of Close. If it panics, the
// panic is logged and the connection ends. If the Response has already been served, which
// is a mistake as for Set, f is called at once.
func (r *Response) OnClose(f func()) *Response {
	switch {
	case f == nil:
		r.fail(errors.New("OnClose with a nil function"))
	case r.rejectsChange():
		f()
	default:
		r.src = &source{closer: closeFunc(f), inner: r.src}
	}
	return r
}

// A closeFunc is a function added by OnClose.
type closeFunc func()

func (f closeFunc) Close() error {
	f()
	return nil
}

// inPlaceOf returns r, which the server sends in place of another Response. When it is closed,
// so is the other, after it. other may be nil or r.
func (r *Response) inPlaceOf(other *Response) *Response {
	if other == nil || other == r || other.src == nil {
		return r
	}
	r = r.Clone() // r may be shared
	r.src = &source{closer: other, inner: r.src}
	return r
}

// withoutSource returns a copy that closes nothing, and so must not be served.
func (r *Response) withoutSource() *Response {
	r = r.Clone()
	r.src = nil
	return r
}

// A source is the part of a Response that serves once, shared by its clones: a reader, or a
// function added by OnClose. Each OnClose puts another source around the previous one, so
// closing begins with the innermost.
type source struct {
	used, closed atomic.Bool // set once; a Response may be closed while it is being written
	closer       io.Closer   // may be nil
	inner        *source     // source of the Response on which OnClose was called; may be nil
	innerTaken   atomic.Bool // another response uses inner, and closes it
}

// close closes inner, then s.
func (s *source) close() (err error) {
	if s == nil || s.closer == nil || s.closed.Swap(true) {
		return nil
	}
	defer func() { // also if inner panics
		if closeErr := s.closer.Close(); err == nil {
			err = closeErr
		}
	}()
	if s.innerTaken.Load() {
		return nil
	}
	return s.inner.close()
}

var (
	errServedTwice = errors.New("rawhttp: a Response that serves once was served or closed before")
	errClonedTwice = errors.New("rawhttp: a clone of a Response that serves once was served or closed before")
)

// claim claims the source for one response. It returns errServedTwice if s has been claimed or
// closed before, and errClonedTwice if only inner has.
func (s *source) claim() error {
	if s == nil {
		return nil
	}
	if s.used.Swap(true) || s.closed.Load() { // Swap, so that of two exchanges only one wins
		return errServedTwice
	}
	if s.inner.claim() != nil { // s belongs to this exchange, so it closes s, but not inner
		s.innerTaken.Store(true)
		return errClonedTwice
	}
	return nil
}

// maxSize is the largest size of content. The sum of two sizes, or of one and the framing
// around it, does not overflow an int64.
const maxSize = 1 << 62

// Content returns a response with a representation: a 200 or, depending on the conditions
// and ranges of a GET or HEAD (RFC 9110, sections 13 and 14), a 206, 304, 412 or 416.
// Ranges need a Size and a Body that is an io.ReaderAt or io.Seeker; up to 16 ranges are
// served, with no more bytes in total than the representation has. An ETag or Last-Modified
// field that is Set replaces the Representation's. A malformed ETag or an invalid Size is a
// mistake that Err reports.
func Content(rep Representation) *Response {
	if rep.MediaType == "" {
		rep.MediaType = octetStream
	}
	r := newResponse(200, rep.MediaType)
	if rep.Size < -1 || rep.Size > maxSize {
		r.fail(fmt.Errorf("size %d is not between -1 and %d bytes", rep.Size, int64(maxSize)))
	}
	r.checkETag(rep.ETag)
	if rep.Body == nil {
		rep.Size = 0
	}
	_, at := rep.Body.(io.ReaderAt)
	closer, closes := rep.Body.(io.Closer)
	if rep.Body != nil && (closes || !at) { // reading moves its position, or closing ends it
		r.once, r.src = true, &source{closer: closer}
	}
	r.kind, r.rep = bodyRepresentation, &rep
	return r
}

// checkETag records a mistake if the ETag of a Representation is malformed.
func (r *Response) checkETag(etag string) *Response {
	if etag != "" && !ascii.IsEntityTag(etag) {
		r.fail(fmt.Errorf("ETag %q is not an entity tag", etag))
	}
	return r
}

// ParseResponse parses the response at the beginning of b. The method is that of the request,
// since it determines, together with the status, whether the response has content (RFC 9112,
// section 6.3).
//
// The limits and the strictness are those of [ParseRequest], and so are the three outcomes: a
// Response and the rest of b; [ErrIncomplete] while the head or the content is incomplete; or
// a [*ParseError] with the Status 502 (Bad Gateway), whose Offset counts from the beginning of
// b. 1xx responses are not skipped: the final response follows in rest.
//
// The content is decoded from its framing. Content with neither Content-Length nor the chunked
// coding extends to the end of the connection. ParseResponse then takes everything after the
// head as content and returns a nil rest; otherwise rest is never nil. So a program that reads
// from a connection and gets a nil rest must read to the end of the connection and parse again.
//
// The Response may be changed, returned by a resolver, and written any number of times. It has
// the fields that were received, except those that frame the message (Content-Length,
// Transfer-Encoding, Trailer and Connection), and those trailer fields that
// [Response.SetTrailer] permits. If the response received closes its connection, so does this
// one. Its Date replaces the server's. The reason phrase is not kept, since it has no meaning
// (RFC 9112, section 4).
//
// A response to HEAD answers only HEAD, with the declared length; a request with any other
// method is answered with 500. A 1xx response cannot be written, and Err reports that:
// [Request.Inform] and [Upgrade] send those.
//
// [Response.WriteTo] writes bytes that parse, for the same method, to an equal Response.
// Parsing and writing those bytes again does not change them.
//
// The Response does not refer to b.
func ParseResponse(b []byte, method string) (resp *Response, rest []byte, err error) {
	var h wire.Head
	var p wire.Parser
	p.Begin(&h, wire.DefaultLimits)
	status, n, err := p.ParseResponse(b)
	if err != nil {
		return nil, nil, parseError(err)
	}
	resp = newResponse(status, "")
	resp.closeAfter = !h.Persist
	resp.takeFields(Header{string(h.Text), h.Fields})
	rest = b[n:]
	var content []byte
	switch length := h.ContentLength; {
	case method == "HEAD":
		resp.kind = bodyOmitted
		if length >= 0 {
			resp.extend().length = length
		}
	case !wire.HasContent(method, status):
	case length == wire.UntilClose:
		// The close ends the content, whatever Connection says.
		content, rest, resp.closeAfter = rest, nil, true
	case length < 0:
		content, rest, err = resp.takeChunks(b, n)
	case length > int64(len(rest)):
		return nil, nil, ErrIncomplete
	default:
		content, rest = rest[:length], rest[length:]
	}
	switch {
	case err != nil:
		return nil, nil, err
	case status == 205 && len(content) > 0:
		// Such a Response could not be written: the server sends no content with 205.
		return nil, nil, &ParseError{wire.BadGateway, n, "content with status 205, which has no content", "RFC 9110, section 15.3.6"}
	case resp.kind == bodyBytes:
		resp.content = bytes.Clone(content)
	}
	return resp, rest, nil
}

// takeFields sets the fields of a Response that was received.
func (r *Response) takeFields(h Header) {
	for name, value := range h.All() {
		switch {
		case ascii.EqualFold(name, "Content-Type"):
			r.mediaType = value
		case ascii.IsAnyOf(name, "Content-Length", "Transfer-Encoding", "Trailer", "Connection"):
		default:
			r.fields = append(r.fields, field{name, value})
		}
	}
	r.extend() // putHead looks for a Date only in a Response with extras
}

// takeChunks takes the chunked content that begins at b[n], to be written in chunks again. It
// returns the content, and the bytes after it.
func (r *Response) takeChunks(b []byte, n int) (content, rest []byte, err error) {
	var chunked Request
	chunked.head.ContentLength = -1
	in := bytes.NewReader(b[n:])
	content, err = io.ReadAll(chunked.Content(nil, in))
	var pe *ParseError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, nil, ErrIncomplete
	case errors.As(err, &pe):
		return nil, nil, &ParseError{wire.BadGateway, n + pe.Offset, pe.Reason, pe.Section}
	}
	r.kind = bodyFunc
	r.f = func(_ context.Context, w io.Writer) error {
		_, err := w.Write(content)
		return err
	}
	var all trailers
	for name, value := range chunked.Trailer().All() {
		if value != "" && mayBeTrailer(name) { // an empty one is not written
			all = append(all, trailer{name, func() string { return value }})
		}
	}
	if all != nil {
		r.extend().trailers = all
	}
	return content, b[len(b)-in.Len():], nil
}
