package rawhttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"

	"example.com/rawhttp/internal/ascii"
	"example.com/rawhttp/internal/wire"
)

// A wireFormat holds the options that affect the bytes of every response.
type wireFormat struct {
	date          func() string // nil sends no Date
	server        string        // "" sends no Server
	contentLength bool          // whether to send Content-Length if the length is known
}

// messageFraming is how the recipient finds the end of the content (RFC 9112, section 6.3).
type messageFraming uint8

const (
	noFraming messageFraming = iota // the status does not allow content
	byLength
	byChunks
	byClose
	undeclared // response to HEAD whose length is unknown without generating the content
)

// A responder writes one response to one request.
type responder struct {
	out     *sink
	format  *wireFormat
	req     *Request
	resp    *Response
	persist bool  // the connection may carry another request after this response
	alone   bool  // no further request has arrived whose response could be sent with this one
	headOut bool  // some of it has been written, so it cannot be replaced
	sent    int64 // bytes of content put, except those that a failed write has not taken

	// withheld reports whether the client may be waiting for a 100 (Continue). If it is not
	// nil, a 100 may be sent while the response is written. So the head is made only when
	// there is content to follow it, and the mutex of the sink guards the output.
	withheld func() bool
	headDue  bool // the head is not made yet

	validators        // of a Representation
	selection         // the selected part of it
	boundary   string // between several ranges

	framing messageFraming
	length  int64 // bytes of content still to be put; negative if unknown
}

// write writes the response. If it returns an error, the response is incomplete: if headOut is
// not set, another response can be written; otherwise the connection must be cut, so that the
// client notices.
func (t *responder) write(ctx context.Context) error {
	if err := t.resp.Err(); err != nil {
		return err
	}
	if src := t.resp.src; src != nil { // before anything is put, so that another response can be
		if err := src.claim(); err != nil {
			return err
		}
	}
	if t.resp.hasWireImages && t.mayUseWireImage() {
		return t.writeFromWireImage(ctx)
	}
	return t.writeInSteps(ctx)
}

// writeInSteps puts the head and then the content, without a wire image.
func (t *responder) writeInSteps(ctx context.Context) error {
	t.represent()
	t.frame()
	// "the server MUST NOT send content in the response" to HEAD. RFC 9110, section 9.3.2.
	bare := t.framing == noFraming || t.req.isHead()
	if t.headDue = t.withheld != nil; !t.headDue {
		t.putHead()
	} else if bare {
		t.putDueHead()
	}
	if bare {
		return nil
	}
	if err := t.putContent(ctx); err != nil {
		return err
	}
	return t.putEnd()
}

// lock acquires the lock shared with the sending of a 100 (Continue), and puts the head if
// it is due. The caller must unlock out.mu.
func (t *responder) lock() {
	t.out.mu.Lock()
	if t.headDue {
		t.putHead()
	}
}

// putDueHead puts the head if it is due.
func (t *responder) putDueHead() {
	t.lock()
	t.out.mu.Unlock()
}

// frame determines the framing of the content and whether the connection persists. "A server
// MUST NOT send a response containing Transfer-Encoding unless the corresponding request
// indicates HTTP/1.1 (or later minor revisions)." RFC 9112, section 6.1.
func (t *responder) frame() {
	size := t.size()
	t.length = size
	switch {
	case !ascii.MayHaveContent(t.status):
		t.framing = noFraming
	case size >= 0 && t.format.contentLength:
		t.framing = byLength
	case t.resp.kind == bodyOmitted: // how the content of a GET would be framed is not known
		t.framing = undeclared
	case t.req.head.Minor > 0:
		t.framing = byChunks
	default:
		t.framing = byClose
	}
	// "In order to remain persistent, all messages on a connection need to have a self-defined
	// message length". RFC 9112, section 9.3. After a 101, the connection has another protocol.
	t.persist = t.persist && t.req.head.Persist && !t.resp.closeAfter && t.framing != byClose && t.status != 101
}

// putHead puts the status line and the fields.
func (t *responder) putHead() {
	t.headDue = false
	if t.withheld != nil && t.withheld() { // only now is it certain that no 100 will be sent
		t.persist = false
	}
	t.out.acquire()
	b := wire.AppendStatusLine(t.out.buf, t.status)
	// Only ParseResponse sets Date, and it makes extras.
	if t.format.date != nil && (t.resp.extras == nil || !t.resp.has("Date")) {
		b = wire.AppendField(b, "Date", t.format.date())
	}
	if t.format.server != "" && !t.resp.has("Server") {
		b = wire.AppendField(b, "Server", t.format.server)
	}
	if mediaType := t.mediaType(); mediaType != "" && t.framing != noFraming {
		b = wire.AppendField(b, "Content-Type", mediaType)
	}
	b = t.appendFraming(b)
	b = t.appendRepresentation(b)
	for _, f := range t.resp.fields {
		if t.status == 304 && isContentField(f.name) && !ascii.EqualFold(f.name, "Content-Location") {
			continue // it describes content that is not sent (RFC 9110, section 15.4.5)
		}
		b = wire.AppendField(b, f.name, f.value)
	}
	// "The server MUST send an Upgrade header field" RFC 9110, section 15.5.22.
	if t.status == 426 {
		b = append(b, "Connection: Upgrade\r\n"...)
	}
	switch {
	case t.status == 101:
		b = t.resp.extras.upgrade.appendFields(b)
	case !t.persist:
		// "SHOULD send a "close" connection option in its final response" RFC 9112, section 9.6.
		b = append(b, "Connection: close\r\n"...)
	case t.req.head.Minor == 0:
		// Without it, the client takes the connection to close (RFC 9112, section 9.3).
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	t.out.buf = append(b, "\r\n"...)
}

// appendFraming appends the field for the framing: one or none, never both (RFC 9112,
// section 6.2).
func (t *responder) appendFraming(b []byte) []byte {
	switch {
	case t.framing == byLength:
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, t.length, 10)
		return append(b, "\r\n"...)
	case t.framing == byChunks:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
		if trailers := t.trailers(); trailers != nil && !t.resp.has("Trailer") {
			b = trailers.appendNames(b)
		}
	case t.status == 205:
		// Without a length, the close would end the content (RFC 9112, section 6.3).
		// "MUST NOT generate content" RFC 9110, section 15.3.6.
		return append(b, "Content-Length: 0\r\n"...)
	}
	return b
}

// size returns the length of the content, or -1 if it is unknown.
func (t *responder) size() int64 {
	// A declared length is the only one: SetLength rejects content of known length.
	if e := t.resp.extras; e != nil && e.length >= 0 {
		return e.length
	}
	switch t.resp.kind {
	case bodyBytes:
		return int64(len(t.resp.content))
	case bodyText:
		return int64(len(t.resp.text))
	case bodyRepresentation:
		return t.representationSize()
	}
	return -1
}

// mediaType returns the value of Content-Type, or "".
func (t *responder) mediaType() string {
	if len(t.ranges) > 1 {
		return "multipart/byteranges; boundary=" + t.boundary
	}
	return t.resp.mediaType
}

// trailers returns the trailer fields of the response, which is chunked.
func (t *responder) trailers() trailers {
	if t.resp.extras == nil {
		return nil
	}
	return t.resp.extras.trailers
}

// putContent puts the content.
func (t *responder) putContent(ctx context.Context) error {
	switch t.resp.kind {
	case bodyBytes:
		return t.put(t.resp.content)
	case bodyText:
		return t.putText(t.resp.text)
	case bodyFunc:
		return t.putFunc(ctx)
	case bodyStream:
		return t.copy(t.resp.rep.Body, -1)
	case bodyRepresentation:
		return t.putRepresentation()
	case bodyOmitted: // it answers HEAD only: of a listing or a script, or made by ParseResponse
		return errOmitted
	}
	return nil
}

// putText puts a text of at most scratchSize bytes without converting it to a []byte.
func (t *responder) putText(text string) error {
	// The text nearly always fits the output, and needs no copy in between.
	if t.framing == byLength && !t.headDue && len(t.out.buf)+len(text) <= maxJoined {
		t.sent += int64(len(text))
		t.length -= int64(len(text))
		t.out.buf = append(t.out.buf, text...)
		return nil
	}
	scratch := scratchPool.Get().(*[scratchSize]byte)
	defer scratchPool.Put(scratch)
	return t.put(scratch[:copy(scratch[:], text)])
}

// putFunc calls the program to write the content. If a Write fails, the response fails,
// even if the program ignores the error.
func (t *responder) putFunc(ctx context.Context) error {
	w := &contentWriter{t: t, ctx: ctx}
	defer w.close() // also if f panics or ends the goroutine: w must not reach the next response
	if err := t.resp.f(ctx, w); err != nil {
		return err
	}
	return w.close()
}

// copy puts size bytes of r or, if size is -1, all of r, sending the bytes of each Read at
// once.
func (t *responder) copy(r io.Reader, size int64) error {
	if to, ok := t.out.w.(io.ReaderFrom); ok && size > scratchSize && t.framing == byLength {
		return t.copyLarge(to, r, size)
	}
	scratch := scratchPool.Get().(*[scratchSize]byte)
	defer scratchPool.Put(scratch)
	for left := size; left != 0; {
		var n int
		var err error
		p := scratch[:]
		if size < 0 { // a stream: what there is leaves at once
			n, err = steadyReader{r}.Read(p)
		} else {
			p = p[:min(left, scratchSize)]
			n, err = io.ReadFull(steadyReader{r}, p)
		}
		if putErr := t.put(p[:n]); putErr != nil {
			return putErr
		}
		switch {
		case err == io.EOF && size < 0:
			return nil
		case err != nil:
			return fmt.Errorf("read content: %w", unexpected(err))
		}
		if size < 0 && n > 0 {
			if err := t.push(); err != nil {
				return err
			}
		}
		left -= int64(n)
	}
	return nil
}

// firstSize is how many bytes of large content are sent with the head: what fits into the
// initial window of a connection (RFC 6928, section 2).
const firstSize = 14_000

// copyLarge puts the bytes of the first Read, and leaves the rest to the connection, which
// may avoid a buffer.
func (t *responder) copyLarge(to io.ReaderFrom, r io.Reader, size int64) error {
	scratch := scratchPool.Get().(*[scratchSize]byte)
	first, err := steadyReader{r}.Read(scratch[:firstSize])
	if err != nil {
		err = fmt.Errorf("read content: %w", unexpected(err))
	} else {
		err = t.put(scratch[:first])
	}
	scratchPool.Put(scratch) // not deferred: the rest may take long, and needs no buffer
	if err == nil {
		err = t.push()
	}
	if err != nil {
		return err
	}
	n, err := to.ReadFrom(&io.LimitedReader{R: r, N: size - int64(first)})
	t.sent += n
	t.length -= n
	return err
}

// unexpected converts io.EOF to io.ErrUnexpectedEOF.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// errStreamEnded is returned to a StreamFunc that writes after it has returned.
var errStreamEnded = errors.New("rawhttp: write after the end of the response")

// errTooLong reports content that is longer than declared by SetLength.
var errTooLong = errors.New("rawhttp: the content is longer than declared")

// put puts content in the framing of the response.
func (t *responder) put(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if t.withheld != nil {
		t.lock()
		defer t.out.mu.Unlock()
	}
	if t.length >= 0 {
		if t.length < int64(len(p)) { // the excess would be read as the next response
			return errTooLong
		}
		t.length -= int64(len(p))
	}
	if t.framing == byChunks { // p is not empty: a chunk of size 0 would be the last
		t.out.buf = strconv.AppendUint(t.out.buf, uint64(len(p)), 16)
		t.out.buf = append(t.out.buf, "\r\n"...)
	}
	// put writes if p does not fit. headOut is set before, since a failed write may have sent
	// some of it.
	if len(t.out.buf)+len(p) > maxJoined {
		t.headOut = true
	}
	n, err := t.out.put(p)
	t.sent += int64(n)
	if err != nil {
		return err
	}
	if t.framing == byChunks {
		t.out.buf = append(t.out.buf, "\r\n"...)
	}
	return nil
}

// push writes everything put so far.
func (t *responder) push() error {
	if t.withheld != nil {
		t.lock()
		defer t.out.mu.Unlock()
	}
	t.headOut = true // before flush, as in put
	return t.out.flush()
}

// putEnd puts the end of the content. It returns an error if the content is short.
func (t *responder) putEnd() error {
	if t.length > 0 { // the client must not take a part for the whole
		return fmt.Errorf("content is %d bytes short: %w", t.length, io.ErrUnexpectedEOF)
	}
	if t.framing == byChunks {
		return t.endChunks()
	}
	if t.withheld != nil {
		t.putDueHead()
	}
	return nil
}

// endChunks puts the last chunk and the trailer section (RFC 9112, section 7.1).
func (t *responder) endChunks() (err error) {
	var fields []byte
	if trailers := t.trailers(); trailers != nil { // before the lock, since it calls the program
		if fields, err = trailers.appendFields(nil); err != nil {
			return err
		}
	}
	if t.withheld != nil {
		t.lock()
		defer t.out.mu.Unlock()
	}
	t.out.buf = append(t.out.buf, "0\r\n"...)
	t.out.buf = append(t.out.buf, fields...)
	t.out.buf = append(t.out.buf, "\r\n"...)
	return nil
}

// A contentWriter is the writer of a StreamFunc. It has its own lock, since a program may
// keep it while the responder goes to another response or connection.
type contentWriter struct {
	ctx context.Context
	mu  sync.Mutex
	err error
	t   *responder // nil after the StreamFunc has returned
}

// Write implements io.Writer. After an error, it returns the same error each time. It checks the
// context first: a program that only writes has no other way to notice that the server stops.
func (w *contentWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t == nil {
		return 0, w.err
	}
	if w.err == nil {
		w.err = context.Cause(w.ctx)
	}
	if w.err == errClientClosed { // it may still be reading
		w.err = nil
	}
	if w.err == nil {
		w.err = w.t.put(p)
	}
	if w.err == nil {
		w.err = w.t.push()
	}
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

// close makes later writes fail, and returns the error of an earlier one.
func (w *contentWriter) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t, w.ctx = nil, nil
	err := w.err
	if err == nil {
		w.err = errStreamEnded
	}
	return err
}
