package nethttp

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"example.com/rawhttp"
)

// A requestBody is the content of a request of net/http. A resolver may read it on another
// goroutine.
type requestBody struct {
	r     io.Reader
	n     atomic.Int64          // bytes read
	ended atomic.Bool           // io.EOF was read
	fault atomic.Pointer[error] // of r, as rawhttp answers it; nil if there was none
}

// Read reads the content. Its errors are the client's, so each has a status.
func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n.Add(int64(n))
	switch err {
	case nil:
		return n, nil
	case io.EOF:
		b.ended.Store(true)
		return n, err
	}
	status := http.StatusBadRequest
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		status = http.StatusRequestEntityTooLarge
	}
	err = &rawhttp.StatusError{Status: status, Err: fmt.Errorf("read content: %w", err)}
	b.fault.CompareAndSwap(nil, &err)
	return n, err
}

// maxDiscarded is how much content an http.Server discards after a handler to keep a
// connection.
const maxDiscarded = 256 << 10

// discard reads the rest of the content of the given length, if an http.Server would do so
// after the handler. After EnableFullDuplex, an http.Server that did so would panic, since it
// would read the next request on two goroutines.
func (b *requestBody) discard(length int64) {
	if left := length - b.n.Load(); !b.ended.Load() && (length < 0 || left <= maxDiscarded) {
		io.CopyN(io.Discard, b, maxDiscarded+1)
	}
}
