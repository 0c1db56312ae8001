//go:build unix

package rawhttp

import (
	"io"
	"net"
	"os"
	"syscall"
)

// ready reads from a connection of the system. While nothing has come it holds no buffer
// or, in a conversation, the one that it had, until the connection parks.
type ready struct {
	raw  syscall.RawConn
	read func(fd uintptr) (done bool) // made once: a new closure each time would be an allocation
	hold bool                         // buf is kept while nothing has come
	buf  *[minBuffer]byte             // what was read last; may be nil
	n    int
	err  error
}

// newReady gives nil for a connection that must be read into a buffer that is there.
func newReady(nc net.Conn) *ready {
	var system syscall.Conn
	switch nc := nc.(type) {
	case *net.TCPConn:
		system = nc
	case *net.UnixConn:
		system = nc
	default:
		return nil
	}
	raw, err := system.SyscallConn()
	if err != nil {
		return nil
	}
	r := &ready{raw: raw}
	r.read = r.try
	return r
}

// try reads, if there is something. To read first and wait then is the order that an
// edge-triggered poller needs.
func (r *ready) try(fd uintptr) (done bool) {
	if r.buf == nil {
		r.buf = bufferPool.Get().(*[minBuffer]byte)
	}
	r.n, r.err = syscall.Read(int(fd), r.buf[:])
	for r.err == syscall.EINTR {
		r.n, r.err = syscall.Read(int(fd), r.buf[:])
	}
	if r.n <= 0 && !r.hold {
		r.drop()
	}
	return r.err != syscall.EAGAIN
}

// keep takes the buffer of in back, to hold it.
func (r *ready) keep(in *inbuf) {
	if len(in.buf) == minBuffer {
		r.buf, in.buf = (*[minBuffer]byte)(in.buf), nil
	}
	r.hold = true
}

// drop gives the buffer up.
func (r *ready) drop() {
	if r.buf != nil {
		bufferPool.Put(r.buf)
	}
	r.buf, r.hold = nil, false
}

// wait reads once.
func (r *ready) wait() error {
	if err := r.raw.Read(r.read); err != nil {
		return err
	}
	switch {
	case r.err != nil:
		return os.NewSyscallError("read", r.err)
	case r.n == 0:
		return io.EOF
	}
	return nil
}

// take puts what was read into in, which has no buffer, and gives its length.
func (r *ready) take(in *inbuf) int {
	in.buf, in.w = r.buf[:], r.n
	r.buf = nil
	return r.n
}
