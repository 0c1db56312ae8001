//go:build unix

package rawhttp

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"runtime"
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

// newReady returns nil for a connection that must be read into a buffer that is there.
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

// drop lets go of the buffer.
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

// take returns the buffer that was read into, and what was read.
func (r *ready) take() (buf *[minBuffer]byte, b []byte) {
	buf, r.buf = r.buf, nil
	return buf, buf[:r.n]
}

// awaitEnd waits until the client has closed its side of the connection, and returns io.EOF
// then, or has reset it, which is another error, whatever there is to be read before. It
// returns nil where neither can be seen. Nobody else may read the connection meanwhile.
func (c *conn) awaitEnd() error { return c.awaitState(sideClosed) }

// awaitReset is awaitEnd for a reset alone.
func (c *conn) awaitReset() error { return c.awaitState(sideReset) }

func (c *conn) awaitState(least side) error {
	system, ok := innermost(c.nc).(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := system.SyscallConn()
	if err != nil {
		return nil
	}
	now := sideOpen
	err = raw.Read(func(fd uintptr) (done bool) { // called again whenever something has come
		now = sideOf(int(fd))
		return now >= least
	})
	switch {
	case now == sideReset:
		return errClientReset
	case now >= least:
		return io.EOF
	}
	return err
}

// A side is how the client's side of a connection stands.
type side int

const (
	sideOpen side = iota
	sideClosed
	sideReset
)

// sideOf asks the system for the client's side of the connection.
func sideOf(fd int) side {
	if errno, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ERROR); err != nil || errno != 0 {
		return sideReset
	}
	option, closeWait, closed := tcpState()
	if option == 0 {
		return sideOpen
	}
	info, err := syscall.GetsockoptInt(fd, syscall.IPPROTO_TCP, option)
	if err != nil { // it is not TCP
		return sideOpen
	}
	switch state := binary.NativeEndian.AppendUint32(nil, uint32(info))[0]; state {
	case closeWait:
		return sideClosed
	case closed:
		return sideReset
	}
	return sideOpen
}

// tcpState gives the option whose first byte is the state of a TCP connection, and what it
// is there when the other side has closed its own (CLOSE-WAIT) and when there is no
// connection any more (CLOSED). Package syscall has no names for them. 0 is no such option.
func tcpState() (option int, closeWait, closed byte) {
	switch runtime.GOOS {
	case "linux", "android":
		return 11, 8, 7 // TCP_INFO, linux/tcp.h and net/tcp_states.h
	case "freebsd":
		return 32, 5, 0 // TCP_INFO, netinet/tcp.h and netinet/tcp_fsm.h
	case "darwin", "ios":
		return 0x106, 5, 0 // TCP_CONNECTION_INFO, the same files
	}
	return 0, 0, 0
}

// How many bytes the kernel takes ahead of what it has sent. Less costs less where there
// is no delay, so a client on this machine, as a proxy may be, gets little. Elsewhere
// flows under BBR lose packets from 64 KiB down, as they then seem to be limited by us:
// on a link of 400 Mbit/s with 5 ms there and back one in 14, with 32 KiB one in 5, with
// 128 KiB one in 80, as many as without the option.
const (
	notSentLowat      = 128 << 10
	notSentLowatLocal = 32 << 10
)

// setNotSentLowat keeps the kernel from taking megabytes at once, which a slow
// client then needs minutes for, while the connection looks stuck. The option is
// TCP_NOTSENT_LOWAT (tcp(7)); it is missing in package syscall. A failure is no
// harm. What is wrapped around the connection, as TLS, needs it most: its writes cannot
// be looked into, and without it one that waits goes on only when a third of the kernel's
// buffer is free.
func setNotSentLowat(nc net.Conn) {
	tcp, ok := innermost(nc).(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	var option int
	switch runtime.GOOS {
	case "linux", "android":
		option = 0x19 // linux/tcp.h
	case "darwin", "ios":
		option = 0x201 // netinet/tcp.h
	default:
		return
	}
	lowat := notSentLowat
	if addrOf(tcp.LocalAddr()) == addrOf(tcp.RemoteAddr()) {
		lowat = notSentLowatLocal
	}
	raw.Control(func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, option, lowat)
	})
}

// defaultMaxConns leaves a descriptor for a file beside each connection's, and 64
// for the rest of the program.
func defaultMaxConns() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1000
	}
	files := min(uint64(limit.Cur), 1<<20) // it may be infinite
	half := (max(files, 64) - 64) / 2
	return int(min(max(half, 16), 10000))
}
