package rawhttp

import (
	"io"
	"sync"
)

const (
	// minBuffer is the smallest size of a buffer: a page of memory, enough for nearly all heads.
	minBuffer = 4 << 10

	// maxJoined is how much output is collected before it is written: up to this size,
	// a system call costs more than a copy.
	maxJoined = 64 << 10

	// scratchSize is the size of one read of content that is not in memory: as much as is written
	// at once.
	scratchSize = 64 << 10

	// maxEmptyReads is how often a Reader may return 0 bytes without an error, which io.Reader
	// discourages. Package bufio has the same number.
	maxEmptyReads = 100
)

// scratchPool holds buffers for copying. A buffer is in use only while something is copied, not
// for the life of a connection.
var scratchPool = sync.Pool{New: func() any { return new([scratchSize]byte) }}

// An inbuf holds bytes from the client that have not been used yet.
type inbuf struct {
	src  io.Reader
	buf  []byte
	r, w int // buf[r:w] is unused input
}

// bufferPool holds buffers of minBuffer bytes, for connections that are not idle.
var bufferPool = sync.Pool{New: func() any { return new([minBuffer]byte) }}

// release discards the unused input and releases the buffer.
func (in *inbuf) release() {
	if len(in.buf) == minBuffer {
		bufferPool.Put((*[minBuffer]byte)(in.buf))
	}
	*in = inbuf{src: in.src}
}

// bytes returns the unused input. It is valid until the next call of another method.
func (in *inbuf) bytes() []byte { return in.buf[in.r:in.w] }

// advance consumes n bytes.
func (in *inbuf) advance(n int) {
	in.r += n
	if in.r == in.w { // empty: the whole buffer is free again, without a copy
		in.r, in.w = 0, 0
	}
}

// fill reads once more and appends to the buffer, which may grow up to limit bytes. It
// must hold fewer than limit.
func (in *inbuf) fill(limit int) error {
	if in.w == len(in.buf) {
		in.makeRoom(limit)
	}
	n, err := steadyReader{in.src}.Read(in.buf[in.w:])
	in.w += n
	if n > 0 { // an error that came with bytes comes again
		return nil
	}
	return err
}

// makeRoom makes room at the end of a full buffer: it moves the unused input to the beginning,
// gets a first buffer, or doubles the buffer up to limit.
func (in *inbuf) makeRoom(limit int) {
	if in.r > 0 {
		in.w = copy(in.buf, in.bytes())
		in.r = 0
		return
	}
	if in.buf == nil {
		in.buf = bufferPool.Get().(*[minBuffer]byte)[:]
		return
	}
	grown := make([]byte, max(minBuffer, min(limit, 2*len(in.buf))))
	copy(grown, in.buf)
	in.buf = grown
}

// Read returns buffered bytes. If there are none, it reads once from the client,
// directly into p if p is large.
func (in *inbuf) Read(p []byte) (int, error) {
	if in.r == in.w {
		if len(p) >= minBuffer { // a copy would gain nothing
			return steadyReader{in.src}.Read(p)
		}
		if err := in.fill(minBuffer); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.bytes())
	in.advance(n)
	return n, nil
}

// readChunk reads up to left bytes of data, which are followed by more input. If p has room for
// more than the data, it reads some of that input at the same time, moves it to the buffer, and
// clears it in p.
func (in *inbuf) readChunk(p []byte, left int64) (int, error) {
	if in.r < in.w || int64(len(p)) <= left || len(p) < minBuffer {
		return in.Read(p[:min(int64(len(p)), left)])
	}
	if in.buf == nil {
		in.makeRoom(minBuffer)
	}
	data := int(left)
	n, err := steadyReader{in.src}.Read(p[:min(len(p), data+len(in.buf))])
	if n > data {
		in.w = copy(in.buf, p[data:n])
		clear(p[data:n])
		n = data
	}
	return n, err
}

// A sink collects output, so that a head, small content and the responses to pipelined
// requests are sent in one write.
type sink struct {
	w    io.Writer
	buf  []byte     // output that has not been written
	done int        // bytes of buf that belong to complete responses; the rest can still be replaced
	home *[]byte    // the pooled slice that buf came from, or nil
	mu   sync.Mutex // held while writing, if a 100 (Continue) may be sent meanwhile, and by Inform
}

// sinkPool holds pointers to slices, since a slice in a sync.Pool would be allocated by each
// Put.
var sinkPool = sync.Pool{New: func() any {
	b := make([]byte, 0, minBuffer)
	return &b
}}

// acquire gets a buffer from the pool if there is none.
func (s *sink) acquire() {
	if s.home == nil {
		s.home = sinkPool.Get().(*[]byte)
		s.buf = *s.home
	}
}

// release returns the buffer to the pool at the size to which it has grown. It must be
// empty.
func (s *sink) release() {
	if s.home != nil {
		*s.home = s.buf[:0]
		sinkPool.Put(s.home)
	}
	s.buf, s.home = nil, nil
}

// put appends p to the output, or writes it if it is large. It returns how many bytes of p it
// has taken: all of them, unless there is an error.
func (s *sink) put(p []byte) (n int, err error) {
	if len(s.buf)+len(p) > maxJoined {
		if err := s.flush(); err != nil {
			return 0, err
		}
	}
	if len(p) > maxJoined {
		return s.w.Write(p)
	}
	s.buf = append(s.buf, p...)
	return len(p), nil
}

// flush writes all output.
func (s *sink) flush() error {
	if len(s.buf) == 0 {
		return nil
	}
	p := s.buf
	s.buf, s.done = p[:0], 0 // before Write, whose hooks may panic: p must not be written twice
	_, err := s.w.Write(p)
	return err
}

// flushDone writes the complete responses and keeps the beginning of the next one.
func (s *sink) flushDone() error {
	if s.done == 0 {
		return nil
	}
	p, rest := s.buf[:s.done], s.buf[s.done:]
	s.buf, s.done = rest, 0 // before Write, as in flush
	_, err := s.w.Write(p)
	s.buf = p[:copy(p[:cap(p)], rest)]
	return err
}

// A steadyReader fails with io.ErrNoProgress if its Reader keeps returning no bytes and
// no error.
type steadyReader struct{ r io.Reader }

// Read reads until there are bytes or an error. A Reader that returns neither forever would
// otherwise keep its goroutine busy forever.
func (s steadyReader) Read(p []byte) (int, error) {
	for range maxEmptyReads {
		if n, err := s.r.Read(p); n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// A countingWriter counts the bytes that w accepts, also those before an error.
type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
