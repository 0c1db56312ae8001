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

// Limits of chunked content, beside maxChunkLine. The first two bound what framing
// may cost beside the data that it frames.
const (
	maxFramingExcess = 16 << 10 // bytes
	chunkAllowance   = 16       // bytes of framing that a chunk may have, and 2 more for each byte of data
)

var (
	errContentClosed = errors.New("rawhttp: content was read after the response to its request")
	errNoContinue    = errors.New("rawhttp: the client waits for a 100 (Continue), which cannot follow the response's head")
)

// content reads the content of one request. Its errors are kept: what failed once
// fails for good.
type content struct {
	mu    sync.Mutex // held while the program reads
	ended error      // what the program gets from now on, nil while it may read

	in      *inbuf
	exact   *io.LimitedReader // what in reads from, where nothing behind the content may be read; else nil
	max     int64             // bytes of content
	proceed func() error      // asks the client that waits for it to go on; nil once done
	chunked bool
	trailer *Header // set at the end

	answered bool // of the connection: the response at hand says what was wrong with it

	// withheld says that the client may be waiting for a 100 (Continue). It is guarded by
	// the mutex of the connection's sink, since the head of the response depends on it.
	withheld bool

	left   int64 // bytes to come: of all the content, or of the chunk at hand
	read   int64 // bytes of content read
	offset int64 // bytes of content and framing used
	excess int64
	inData bool // a CRLF follows the data of the chunk at hand
	err    error
}

// noLimit is more content than there can be; a chunk size that does not fit an
// int64 is larger still.
const noLimit = 1<<63 - 2

// newContent returns the content of req, which in has next, of at most limit bytes;
// 0 is no limit.
func newContent(in *inbuf, req *Request, limit int64) *content {
	if limit == 0 {
		limit = noLimit
	}
	c := &content{in: in, max: limit, trailer: new(Header), left: req.head.ContentLength}
	req.trailer = c.trailer
	if req.head.ContentLength < 0 {
		c.chunked, c.left = true, 0
	}
	return c
}

// Content returns the content of a Request that [ParseRequest] made: what its Body is to a
// resolver of a [Server]. rest is what ParseRequest returned, the beginning of the content;
// more, which may be nil, is where the rest of it comes from. To pass the request on, set
// Body:
//
//	req.Body = req.Content(rest, conn)
//
// Read decodes the content by its framing (RFC 9112, sections 6 and 7), and at its end
// [Request.Trailer] returns the trailer fields. Read returns a [*ParseError] if the content is
// malformed, or ends early, which wraps io.ErrUnexpectedEOF too; errors of more are returned as
// they are. An error stays.
//
// The size of the content is not limited, since little of it is in memory at a time. ContentLength
// returns the declared size, and io.LimitReader limits what is read. Chunk lines and trailer
// sections are limited as a Server limits them. A client that waits for 100 (Continue) is not
// told to go on; that is for the caller to do.
//
// No byte that follows the content is read from more. So where another request may follow,
// have both parts in more:
//
//	in := bufio.NewReader(io.MultiReader(bytes.NewReader(rest), conn))
//	req.Body = req.Content(nil, in)
//
// After io.EOF the next request is read from in. As framing is read byte by byte, more should
// be buffered.
//
// rest is not changed, and must not change until it has been read. Content of a request without
// content is empty; of a request that a Server made, it is Body. It is called once for a request.
func (r *Request) Content(rest []byte, more io.Reader) io.Reader {
	switch {
	case r.on != nil:
		return r.Body
	case r.head.ContentLength == 0:
		return noContent{}
	}
	src := io.Reader(bytes.NewReader(rest))
	if more != nil {
		src = io.MultiReader(src, more)
	}
	exact := &io.LimitedReader{R: src}
	c := newContent(&inbuf{src: exact}, r, 0)
	c.exact = exact
	return c
}

// Read implements io.Reader. Its error is io.EOF at the end; a *ParseError for
// content that breaks a rule or a limit; or what became of the connection.
func (c *content) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		return 0, c.ended
	}
	return c.take(p)
}

// end takes the content away from the program: a later Read returns an error, also where
// the server reads to the end what the program has left.
func (c *content) end() {
	if c.ended == nil {
		c.ended = c.err
	}
	if c.ended == nil {
		c.ended = errContentClosed
	}
}

// drain is Read for the connection, when the program can read no more.
func (c *content) drain(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.take(p)
}

func (c *content) take(p []byte) (int, error) {
	if c.err != nil || len(p) == 0 {
		return 0, c.err
	}
	if err := c.askFor(); err != nil {
		return 0, c.fail(err)
	}
	if c.left == 0 {
		if err := c.next(); err != nil {
			return 0, c.fail(err)
		}
	}
	if c.exact != nil {
		c.exact.N = c.left
	}
	n, err := c.in.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	c.read += int64(n)
	c.offset += int64(n)
	if n > 0 {
		return n, nil
	}
	return 0, c.fail(c.early(err))
}

// fail keeps err, unless reading can go on.
func (c *content) fail(err error) error {
	if err != errInterrupted {
		c.err = err
	}
	return err
}

// fault returns the error that ended the content, nil if it can be read on or was
// read to its end.
func (c *content) fault() error {
	if c.err == io.EOF {
		return nil
	}
	return c.err
}

// refuse ends the content with an error that must be answered, unless it has ended with one
// already, and returns that.
func (c *content) refuse(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fault() == nil {
		c.err = err
	}
	return c.err
}

// askFor tells the client to go on, before the first byte is waited for.
func (c *content) askFor() error {
	if c.proceed == nil {
		return nil
	}
	proceed := c.proceed
	c.proceed = nil
	return proceed()
}

// isSmall reports whether so little is left of the content, as far as that is known, that
// the next request can wait for it.
func (c *content) isSmall() bool { return c.err == io.EOF || c.left <= maxDrainBytes }

// early says what the end of the input means where there should be content.
func (c *content) early(err error) error {
	if err != io.EOF {
		return err
	}
	return fmt.Errorf("%w: %w", malformed(int(c.offset)+len(c.in.bytes()), "content ends early", "RFC 9112, section 8"), io.ErrUnexpectedEOF)
}

// next goes on behind the data at hand: to the end, or into another chunk.
func (c *content) next() error {
	if !c.chunked {
		return io.EOF
	}
	if c.inData {
		if err := c.dataEnd(); err != nil {
			return err
		}
	}
	size, err := c.chunkLine()
	if err != nil {
		return err
	}
	if size == 0 {
		if err := c.trailerSection(); err != nil {
			return err
		}
		return io.EOF
	}
	if size > c.max-c.read {
		return tooMuch(c.offset)
	}
	c.left, c.inData = size, true
	return nil
}

// fill reads more of the framing, of which one byte comes for sure where there is not enough.
func (c *content) fill(limit int) error {
	if c.exact != nil {
		c.exact.N = 1
	}
	return c.in.fill(limit)
}

// use takes n bytes of framing off the input.
func (c *content) use(n int) {
	c.in.advance(n)
	c.offset += int64(n)
	c.excess += int64(n)
}

// dataEnd parses the CRLF behind the data of a chunk.
func (c *content) dataEnd() error {
	for i, want := range []byte("\r\n") {
		for len(c.in.bytes()) <= i {
			if err := c.fill(minBuffer); err != nil {
				return c.early(err)
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
			if c.excess = max(0, c.excess-chunkAllowance-2*min(size, 1<<32)); c.excess > maxFramingExcess {
				return 0, malformed(int(c.offset), "chunks are too small for their framing", "RFC 9112, section 7.1.1")
			}
			return size, nil
		case err != wire.ErrIncomplete:
			return 0, c.at(err)
		}
		if err := c.fill(minBuffer); err != nil {
			return 0, c.early(err)
		}
	}
}

// trailerSection parses the trailer fields and the empty line. They are kept apart
// from the header's: only who knows that a field may come late may merge it (RFC
// 9110, section 6.5.1).
func (c *content) trailerSection() error {
	h := new(wire.Head)
	var p wire.Parser
	p.BeginTrailer(h)
	for {
		n, err := p.ParseTrailer(c.in.bytes())
		switch {
		case err == nil:
			return c.takeTrailer(h, n)
		case err != wire.ErrIncomplete:
			return c.at(err)
		}
		if err := c.fill(wire.MaxTrailerBytes); err != nil {
			return c.early(err)
		}
	}
}

// at gives an error of the parser the place that it has in the content.
func (c *content) at(err error) error {
	if e, ok := err.(*wire.Error); ok {
		e.Offset += int(c.offset)
	}
	return parseError(err)
}

func (c *content) takeTrailer(h *wire.Head, n int) error {
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

// LimitBody limits the content of the requests that r resolves to n bytes, fewer than
// [WithMaxBodyBytes] permits. More is answered in the same way, with 413 (RFC 9110, section
// 15.5.14), after which the connection closes: before r is asked if the length is declared, so
// that nothing is read and a client that waits for 100 (Continue) sends nothing; otherwise when
// r reads past n bytes, whatever r makes of the error, a [*ParseError], that Read returns.
// [WithErrorPage] is asked for a page.
//
// As LimitBody answers before r is asked, it belongs below what selects r, such as [Mount], and
// last in [First]. LimitBodies nest, and the least limit holds. One that is larger than that of
// the Server has no effect. Where a resolver in front has replaced Body, as by its decompressed
// content, both the declared length and what is read of that Body are limited; then only r
// learns that the latter is too much, and should return the error.
//
// With a limit of 0, requests must have no content. LimitBody panics if n is negative or r is
// nil.
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
			return nil, body.refuse(tooLarge(declared, n))
		case declared > n:
			return nil, tooLarge(declared, n)
		case empty || ours && declared >= 0:
			return r.Resolve(ctx, req)
		}
		limited := req.copy()
		limited.Body = &limitedBody{from: req.Body, body: body, left: n}
		return r.Resolve(ctx, limited)
	})
}

// innerContent returns the content that a Body reads, nil if a program has replaced it.
func innerContent(r io.Reader) *content {
	switch r := r.(type) {
	case *content:
		return r
	case *limitedBody:
		return r.body
	}
	return nil
}

// A limitedBody is the Body of a request below LimitBody.
type limitedBody struct {
	from io.Reader
	body *content // what it reads, nil if that is not known
	left int64
	read int64
	err  error // set when there was too much
}

// Read implements io.Reader. To tell too much from enough it reads one byte more.
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
		b.err = tooMuch(b.read + b.left)
		if b.body != nil {
			b.err = b.body.refuse(b.err)
		}
		err = b.err
	}
	b.left -= int64(n)
	b.read += int64(n)
	return n, err
}

// tooLarge refuses content for the length that it declares, tooMuch for its bytes up to off.
func tooLarge(n, limit int64) error {
	return &StatusError{Status: 413, Err: fmt.Errorf("content of %d bytes, the limit is %d", n, limit)}
}

func tooMuch(off int64) error {
	return &ParseError{413, int(off), "content is too large", "RFC 9110, section 15.5.14"}
}
