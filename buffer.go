package rawhttp

import (
	"io"
	"sync"
)

const (
	// minBuffer is the least that there is room for.
	minBuffer = 4 << 10

	// maxJoined is how much of heads and content is collected before it is
	// written: less than that costs more in system calls than in copying.
	maxJoined = 64 << 10

	// scratchSize is how much is read at once from content that is not in memory.
	scratchSize = 64 << 10

	// maxEmptyReads is how often a Reader may give nothing and no error.
	maxEmptyReads = 100
)

var scratchPool = sync.Pool{New: func() any { return new([scratchSize]byte) }}

// An inbuf holds what came from the client and was not used yet.
type inbuf struct {
	src  io.Reader
	buf  []byte
	r, w int // buf[r:w] is not used yet
}

// bufferPool has the least of buffers, for connections that are not idle.
var bufferPool = sync.Pool{New: func() any { return new([minBuffer]byte) }}

// release lets go of the buffer. Nothing must be in it.
func (in *inbuf) release() {
	if len(in.buf) == minBuffer {
		bufferPool.Put((*[minBuffer]byte)(in.buf))
	}
	*in = inbuf{src: in.src}
}

func (in *inbuf) bytes() []byte { return in.buf[in.r:in.w] }

// advance uses n bytes.
func (in *inbuf) advance(n int) {
	in.r += n
	if in.r == in.w {
		in.r, in.w = 0, 0
	}
}

// fill reads once more, behind what is there; the buffer grows up to limit bytes,
// which there must be fewer of.
func (in *inbuf) fill(limit int) error {
	if in.w == len(in.buf) {
		in.makeRoom(limit)
	}
	n, err := steadyReader{in.src}.Read(in.buf[in.w:])
	in.w += n
	if n > 0 {
		return nil
	}
	return err
}

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

// Read returns what is there; else what one read from the client gives, straight
// into p if p is large.
func (in *inbuf) Read(p []byte) (int, error) {
	if in.r == in.w {
		if len(p) >= minBuffer {
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

// A sink collects bytes for the client, so that a head, small content and the
// responses to pipelined requests leave in one write.
type sink struct {
	w    io.Writer
	buf  []byte
	done int        // bytes of buf that belong to whole responses
	home *[]byte    // what buf came from a pool in, nil if it has none
	mu   sync.Mutex // held to write where the client may be asked for content meanwhile
}

var sinkPool = sync.Pool{New: func() any {
	b := make([]byte, 0, minBuffer)
	return &b
}}

// take takes a buffer if there is none.
func (k *sink) take() {
	if k.home == nil {
		k.home = sinkPool.Get().(*[]byte)
		k.buf = *k.home
	}
}

// release lets go of the buffer, with all that it has grown. Nothing must be in it.
func (k *sink) release() {
	if k.home != nil {
		*k.home = k.buf[:0]
		sinkPool.Put(k.home)
	}
	k.buf, k.home = nil, nil
}

// put takes p, to be written with what was put before it.
func (k *sink) put(p []byte) error {
	if len(k.buf)+len(p) > maxJoined {
		if err := k.flush(); err != nil {
			return err
		}
	}
	if len(p) > maxJoined {
		_, err := k.w.Write(p)
		return err
	}
	k.buf = append(k.buf, p...)
	return nil
}

// flush writes all that was put.
func (k *sink) flush() error {
	if len(k.buf) == 0 {
		return nil
	}
	p := k.buf
	k.buf, k.done = p[:0], 0 // before Write, whose hooks may panic: p must not be written twice
	_, err := k.w.Write(p)
	return err
}

// flushDone writes the responses that are whole, and keeps the beginning of the
// one that is being made.
func (k *sink) flushDone() error {
	if k.done == 0 {
		return nil
	}
	p, rest := k.buf[:k.done], k.buf[k.done:]
	k.buf, k.done = rest, 0
	_, err := k.w.Write(p)
	k.buf = p[:copy(p[:cap(p)], rest)]
	return err
}

// A steadyReader makes a Reader that gives nothing, again and again, fail.
type steadyReader struct{ r io.Reader }

func (s steadyReader) Read(p []byte) (int, error) {
	for range maxEmptyReads {
		if n, err := s.r.Read(p); n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}
