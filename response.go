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
// One made by [OK], [Text], [HTML], [Bytes], [Empty], [Redirect], [StreamFunc], a
// status builder, or [Content] over an io.ReaderAt that is no io.Closer, may
// answer any number of requests, also at once. One made by [File], [Stream], or
// Content of another Reader serves once; a second time is answered with 500 and
// logged. Whoever is given a Response closes it: the server does so exactly once
// for each, however the exchange ends, and a resolver that drops one calls
// [Response.Close].
//
// The zero Response is a mistake, which Err reports. A status is between 200 and 599;
// with 204, 205 and 304 no content is sent (RFC 9110, section 6.4.1), and a StreamFunc
// is not called.
//
// Set, Add and CloseAfter change the Response, so they are for whoever made it,
// before it is handed on. A Response that has been served is frozen: to change it is a
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
	err       error
}

// A body is what the content of a Response is made from. Its kind says which of the others
// is set.
type body struct {
	kind    bodyKind
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
)

// isInMemory reports whether the content is there before it is written. Else the program is
// asked for it, which may read the content of the request meanwhile.
func (b *body) isInMemory() bool {
	return b.kind == bodyBytes || b.kind == bodyText || b.kind == bodyUnmade
}

type field struct{ name, value string }

// A source is a reader that serves once, shared by the clones of its Response.
type source struct {
	used, closed atomic.Bool
	closer       io.Closer // may be nil
}

func (s *source) close() error {
	if s == nil || s.closer == nil || s.closed.Swap(true) {
		return nil
	}
	return s.closer.Close()
}

var errServedTwice = errors.New("rawhttp: a Response that serves once was served or closed before")

// take claims the source for one response.
func (s *source) take() error {
	if s != nil && (s.used.Swap(true) || s.closed.Load()) {
		return errServedTwice
	}
	return nil
}

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

// Close closes the content of a Response that serves once, the first time it is
// called. It may be called at any time, and while the Response is being written.
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
