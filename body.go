package rawhttp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"example.com/rawhttp/internal/ascii"
	"example.com/rawhttp/internal/wire"
)

// Limits on the framing of chunked content relative to its data, in addition to the limit on
// the length of a chunk line: a client must not make the server work for content that is
// nearly all framing. "A server ought to limit the total length of chunk extensions received in
// a request to an amount reasonable for the services provided". RFC 9112, section 7.1.1. Chunks
// of a byte each, without extensions, stay within the allowance.
const (
	chunkAllowance   = 16       // bytes of framing that a chunk may have, and 2 more for each byte of data
	maxFramingExcess = 16 << 10 // bytes of framing above that, in all chunks
)

var (
	errContentClosed = errors.New("rawhttp: content was read after the response to its request")
	errNoContinue    = errors.New("rawhttp: the client waits for a 100 (Continue), which cannot follow the response's head")
)

// errInterrupted ends a read of content that another goroutine interrupted. Reading may
// continue after it.
var errInterrupted = errors.New("rawhttp: the read was interrupted")

// A content reads the content of one request. An error is permanent.
type content struct {
	mu    sync.Mutex // held while the program reads
	ended error      // error of further reads by the program; nil while it may read; guarded by mu

	answered bool // the current response reports the fault in the content; used by the connection alone

	// withheld reports whether the client may be waiting for a 100 (Continue). It changes
	// with both mu and the mutex of the connection's sink held, since the head of the
	// response depends on it; either suffices to read it.
	withheld bool

	// These do not change once the content has been made.
	chunked bool              // otherwise the length was declared
	exact   *io.LimitedReader // source of in, if nothing after the content may be read; otherwise nil
	trailer *Header           // what it points to is set at the end of the content

	// mu guards the fields below until endReading has been called. Then they belong to the
	// goroutine of the connection.

	in        *inbuf       // the input, of the connection or of this content alone
	max       int64        // bytes of content that are accepted
	proceed   func() error // sends a 100 (Continue) if the client waits for one; nil once done
	left      int64        // remaining bytes of the content or of the current chunk
	read      int64        // bytes of content read
	offset    int64        // bytes of content and framing used
	excess    int64        // bytes of framing above the allowance of the chunks; see maxFramingExcess
	inData    bool         // a CRLF follows the data of the current chunk
	inTrailer bool         // the last chunk line has been used
	err       error        // why reading has ended: io.EOF, or what was wrong; permanent
}

// noLimit exceeds any content; a chunk size that does not fit an int64 is larger still.
const noLimit = 1<<63 - 2

// newContent returns the content of req, which in returns next, limited to limit bytes; 0
// is no limit.
func newContent(in *inbuf, req *Request, limit int64) *content {
	if limit == 0 {
		limit = noLimit
	}
	c := &content{in: in, max: limit, trailer: new(Header), left: req.head.ContentLength}
	req.trailer = c.trailer // a pointer, so that copies of req have the fields at the end, too
	if req.head.ContentLength < 0 {
		c.chunked, c.left = true, 0
	}
	return c
}

// Content returns the content of a Request made by [ParseRequest], decoded as in the Body
// of a Request made by a [Server]. rest is the input that ParseRequest returned, the
// beginning of the content; more, which may be nil, is the source of further input. To pass
// the request on, set Body:
//
//	req.Body = req.Content(rest, conn)
//
// Read decodes the framing of the content (RFC 9112, sections 6 and 7). At the end,
// [Request.Trailer] returns the trailer fields. If the content is malformed, Read returns a
// [*ParseError]; if it ends early, the error also wraps io.ErrUnexpectedEOF. Errors of more
// are returned unchanged. An error is permanent.
//
// The size of the content is not limited, since little of it is in memory at a time: check
// ContentLength, the declared size, or use an io.LimitReader. Chunk lines and trailer
// sections have the limits of a Server. Content does not send a 100 (Continue) to a client
// that waits for one.
//
// Content reads no byte after the end of the content from more. If another request may
// follow, combine both parts in more:
//
//	in := bufio.NewReader(io.MultiReader(bytes.NewReader(rest), conn))
//	req.Body = req.Content(nil, in)
//
// After io.EOF, the next request can be read from in. Since framing is read byte by byte,
// more should be buffered.
//
// rest is not changed, and must not change until it has been read. If the request has no
// content, the result is empty; for a request made by a Server, it is Body. Content must be
// called only once per request.
func (r *Request) Content(rest []byte, more io.Reader) io.Reader {
	switch {
	case r.conn != nil:
		return r.Body
	case r.head.ContentLength == 0:
		return noContent{}
	}
	src := io.Reader(bytes.NewReader(rest))
	if more != nil {
		src = io.MultiReader(src, more)
	}
	exact := &io.LimitedReader{R: src} // its limit is set before each read
	c := newContent(&inbuf{src: exact}, r, 0)
	c.exact = exact
	return c
}

// Read implements io.Reader. It returns io.EOF at the end, a *ParseError if the content
// violates a rule or a limit, or the error of the connection.
func (c *content) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		return 0, c.ended
	}
	return c.readLocked(p)
}

// endReading ends reading by the program. Later reads return an error, even while the server reads
// what the program left unread.
func (c *content) endReading() {
	if c.ended == nil {
		c.ended = c.err // a program that reads again at the end must still get io.EOF
	}
	if c.ended == nil {
		c.ended = errContentClosed // not io.EOF, which would make a part look like the whole
	}
}

// drain is Read for the connection, after endReading.
func (c *content) drain(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.readLocked(p)
}

// readLocked is Read with mu held.
func (c *content) readLocked(p []byte) (int, error) {
	if c.err != nil || len(p) == 0 {
		return 0, c.err
	}
	if err := c.askFor(); err != nil {
		return 0, c.fail(err)
	}
	if c.left == 0 { // at the beginning of chunked content, after a chunk, or at the end
		if err := c.next(); err != nil {
			return 0, c.fail(err)
		}
	}
	if c.exact != nil {
		c.exact.N = c.left
	}
	n, err := c.readData(p)
	c.left -= int64(n)
	c.read += int64(n)
	c.offset += int64(n)
	if n > 0 {
		return n, nil
	}
	return 0, c.fail(c.endsEarly(err))
}

// readData reads once from the data. The data of a chunk is followed by framing, which may be read
// at the same time; other content is followed by the next request.
func (c *content) readData(p []byte) (int, error) {
	if c.chunked && c.exact == nil {
		return c.in.readChunk(p, c.left)
	}
	return c.in.Read(p[:min(int64(len(p)), c.left)])
}

// fail records err, unless reading can continue after it.
func (c *content) fail(err error) error {
	if err != errInterrupted {
		c.err = err
	}
	return err
}

// fault returns the error that ended the content, or nil if it can be read on or was read
// to its end.
func (c *content) fault() error {
	if c.err == io.EOF {
		return nil
	}
	return c.err
}

// refuse ends the content with an error that must be answered, and returns it. If an error
// has ended the content already, it returns that one. After endReading, when the response has been
// chosen, it changes nothing.
func (c *content) refuse(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		return err
	}
	if c.fault() == nil {
		c.err = err
	}
	return c.err
}

// askFor sends a 100 (Continue) before the first byte is read.
func (c *content) askFor() error {
	if c.proceed == nil {
		return nil
	}
	proceed := c.proceed
	c.proceed = nil // it is sent once, even if the read that follows is interrupted
	return proceed()
}

// endsWithin reports whether the rest of the content, as far as it is known, is at most n
// bytes. Of chunked content only the current chunk is known, so it is given the benefit of the
// doubt.
func (c *content) endsWithin(n int64) bool { return c.err == io.EOF || c.left <= n }

// endsEarly converts the end of the input within the content to an error. It returns any
// other error as it is. "If the sender closes the connection or the recipient times out before
// the indicated number of octets are received, the recipient MUST consider the message to be
// incomplete and close the connection." RFC 9112, section 6.3.
func (c *content) endsEarly(err error) error {
	if err != io.EOF {
		return err
	}
	return fmt.Errorf("%w: %w", malformed(int(c.offset)+len(c.in.bytes()), "content ends early", "RFC 9112, section 8"), io.ErrUnexpectedEOF)
}

// next proceeds after the current data, to the next chunk or the end.
func (c *content) next() error {
	if !c.chunked {
		return io.EOF
	}
	if c.inData {
		if err := c.dataEnd(); err != nil {
			return err
		}
	}
	if c.inTrailer { // reading it was interrupted
		return c.trailerSection()
	}
	size, err := c.chunkLine()
	if err != nil {
		return err
	}
	if size == 0 {
		c.inTrailer = true
		return c.trailerSection()
	}
	if size > c.max-c.read { // before any of the chunk is read; the difference cannot overflow
		return tooLargeAt(c.offset)
	}
	c.left, c.inData = size, true
	return nil
}

// fill reads more framing. If nothing after the content may be read, it reads one byte: as the
// framing is incomplete, that byte belongs to it.
func (c *content) fill(limit int) error {
	if c.exact != nil {
		c.exact.N = 1
	}
	return c.in.fill(limit)
}

// use consumes n bytes of framing.
func (c *content) use(n int) {
	c.in.advance(n)
	c.offset += int64(n)
	c.excess += int64(n)
}

// dataEnd parses the CRLF after the data of a chunk.
func (c *content) dataEnd() error {
	// The bytes are checked one by one, so that a wrong one is reported without waiting for
	// more.
	for i, want := range []byte("\r\n") {
		for len(c.in.bytes()) <= i {
			if err := c.fill(minBuffer); err != nil {
				return c.endsEarly(err)
			}
		}
		if c.in.bytes()[i] != want {
			return malformed(int(c.offset)+i, "chunk data does not end in CRLF", "RFC 9112, section 7.1")
		}
	}
	c.use(len("\r\n"))
	c.inData = false
	return nil
}

// chunkLine parses the line before the data of a chunk.
func (c *content) chunkLine() (int64, error) {
	for {
		size, n, err := wire.ParseChunkLine(c.in.bytes())
		switch {
		case err == nil:
			c.use(n)
			// An unused allowance does not accumulate: a large chunk does not pay for many tiny
			// ones. The size is cut so that doubling it cannot overflow.
			if c.excess = max(0, c.excess-chunkAllowance-2*min(size, 1<<32)); c.excess > maxFramingExcess {
				return 0, malformed(int(c.offset), "chunks are too small, or their extensions too long", "RFC 9112, section 7.1.1")
			}
			return size, nil
		case err != wire.ErrIncomplete:
			return 0, c.atOffset(err)
		}
		if err := c.fill(minBuffer); err != nil {
			return 0, c.endsEarly(err)
		}
	}
}

// trailerSection parses the trailer fields and the empty line. It returns io.EOF, the end of the
// content, if they are valid. They are kept separate from the header: only a recipient that
// knows a field may merge it (RFC 9110, section 6.5.1). Nothing is used up until the section is
// complete, so an interrupted read can begin again.
func (c *content) trailerSection() error {
	h := new(wire.Head)
	var p wire.Parser
	p.BeginTrailer(h)
	for {
		n, err := p.ParseTrailer(c.in.bytes())
		switch {
		case err == nil:
			if err := c.takeTrailer(h, n); err != nil {
				return err
			}
			return io.EOF
		case err != wire.ErrIncomplete:
			return c.atOffset(err)
		}
		if err := c.fill(wire.MaxTrailerBytes); err != nil {
			return c.endsEarly(err)
		}
	}
}

// atOffset makes the offset of a parser's error count from the beginning of the content.
func (c *content) atOffset(err error) error {
	if e, ok := err.(*wire.Error); ok {
		e.Offset += int(c.offset)
	}
	return parseError(err)
}

// takeTrailer makes the first n bytes of the input, parsed into h, the trailer section. It
// rejects fields that frame or route a message: a program or gateway that merges trailer fields
// into the header, against the rule, would see another message than this server.
func (c *content) takeTrailer(h *wire.Head, n int) error {
	// The program may keep the Trailer, while the buffer is reused.
	h.Text = bytes.Clone(c.in.bytes()[:n])
	for _, f := range h.Fields {
		name := f.Name.Of(h.Text)
		if ascii.EqualFold(name, "Host") || ascii.EqualFold(name, "Content-Length") || ascii.EqualFold(name, "Transfer-Encoding") || wire.IsFramingTwin(name) {
			return malformed(int(c.offset)+int(f.Name.Start), "field is not allowed in a trailer section", "RFC 9110, section 6.5.1")
		}
	}
	*c.trailer = Header{string(h.Text), h.Fields}
	c.use(n)
	return nil
}

// LimitBody returns a resolver that limits the content of requests to r to n bytes, less
// than [WithMaxBodyBytes] permits. Longer content is answered in the same way, with 413
// (RFC 9110, section 15.5.14), and the connection closes. If the length is declared, this
// happens before r is called: nothing is read, and a client that waits for 100 (Continue)
// sends nothing. Otherwise it happens when r reads more than n bytes; Read returns a
// [*ParseError], and the request is answered with 413 whatever r returns. [WithErrorPage]
// is called for the page.
//
// Since LimitBody may answer before r is called, put it around the resolver that has been
// selected, for example inside a [Mount], and last in [First]. LimitBodies nest, and the
// smallest limit applies. A limit above that of the Server has no effect. If a resolver in
// front has replaced Body, for example by its decompressed content, LimitBody limits both
// the declared length and the bytes read from that Body; only r learns that the latter are
// too many, and it should return the error.
//
// With a limit of 0, requests must have no content. LimitBody panics if n is negative or r
// is nil.
func LimitBody(n int64, r Resolver) Resolver {
	switch {
	case n < 0:
		panic(fmt.Sprintf("rawhttp: LimitBody: %d bytes: a limit is not negative", n))
	case r == nil:
		panic("rawhttp: LimitBody: the Resolver is nil")
	}
	return ResolverFunc(func(ctx context.Context, req *Request) (*Response, error) {
		_, empty := req.Body.(noContent)
		_, ours := req.Body.(*content)
		body, declared := innerContent(req.Body), req.ContentLength()
		switch {
		case declared > n && body != nil:
			return nil, body.refuse(declaredTooLarge(declared, n))
		case declared > n:
			return nil, declaredTooLarge(declared, n)
		case empty || ours && declared >= 0: // framing limits it to the declared length
			return r.Resolve(ctx, req)
		}
		limited := req.copy()
		limited.Body = &limitedBody{from: req.Body, body: body, left: n}
		return r.Resolve(ctx, limited)
	})
}

// innerContent returns the content that a Body reads, or nil if a program has replaced it.
func innerContent(r io.Reader) *content {
	switch r := r.(type) {
	case *content:
		return r
	case *limitedBody:
		return r.body
	}
	return nil
}

// A limitedBody is the Body of a request limited by LimitBody.
type limitedBody struct {
	from io.Reader
	body *content // what it reads, or nil if unknown
	left int64    // bytes that may still be read
	read int64    // bytes read, for the offset in the error
	err  error    // set when the limit is exceeded
}

// Read implements io.Reader. To detect excess, it reads one byte more than the limit.
func (b *limitedBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if int64(len(p)) > b.left {
		p = p[:b.left+1]
	}
	n, err := b.from.Read(p)
	if int64(n) > b.left {
		n = int(b.left)
		b.err = tooLargeAt(b.read + b.left)
		if b.body != nil { // so that the server answers 413 whatever the resolver returns
			b.err = b.body.refuse(b.err)
		}
		err = b.err
	}
	b.left -= int64(n)
	b.read += int64(n)
	return n, err
}

// declaredTooLarge returns the error for content whose declared length exceeds the limit.
func declaredTooLarge(n, limit int64) error {
	return &StatusError{Status: 413, Err: fmt.Errorf("content of %d bytes, the limit is %d", n, limit)}
}

// tooLargeAt returns the error for content that exceeds the limit at offset off.
func tooLargeAt(off int64) error {
	return &ParseError{413, int(off), "content is too large", "RFC 9110, section 15.5.14"}
}
