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

// A readyReader reads from a system connection once data is ready. While it waits it holds no
// buffer, except in a conversation, where it keeps the last one until the connection parks.
type readyReader struct {
	raw  syscall.RawConn
	read func(fd uintptr) (done bool) // r.try, stored once so that no read allocates a closure
	hold bool                         // keep buf while waiting
	buf  *[minBuffer]byte             // holds the last bytes read; may be nil
	n    int                          // result of the last read, for wait and take
	err  error                        // likewise
}

// newReadyReader returns nil if nc can only be read into a buffer that exists before the data
// arrives. It accepts only the types of package net: a wrapper with a SyscallConn method may
// change the bytes.
func newReadyReader(nc net.Conn) *readyReader {
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
	r := &readyReader{raw: raw}
	r.read = r.try
	return r
}

// try reads if data is available. An edge-triggered poller requires this order: read first,
// then wait.
func (r *readyReader) try(fd uintptr) (done bool) {
	if r.buf == nil {
		r.buf = bufferPool.Get().(*[minBuffer]byte)
	}
	r.n, r.err = syscall.Read(int(fd), r.buf[:])
	for r.err == syscall.EINTR { // package os would do the same
		r.n, r.err = syscall.Read(int(fd), r.buf[:])
	}
	if r.n <= 0 && !r.hold { // nothing has been read, so there is nothing to take
		r.drop()
	}
	return r.err != syscall.EAGAIN // otherwise the poller waits, and calls try again
}

// keep takes a buffer back from in, and holds it.
func (r *readyReader) keep(in *inbuf) {
	if len(in.buf) == minBuffer { // a buffer that has grown is not kept
		r.buf, in.buf = (*[minBuffer]byte)(in.buf), nil
	}
	r.hold = true
}

// drop releases the buffer.
func (r *readyReader) drop() {
	if r.buf != nil {
		bufferPool.Put(r.buf)
	}
	r.buf, r.hold = nil, false
}

// wait waits for data and reads once.
func (r *readyReader) wait() error {
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

// take returns the buffer, whose owner the caller becomes, and the bytes read into it.
func (r *readyReader) take() (buf *[minBuffer]byte, b []byte) {
	buf, r.buf = r.buf, nil
	return buf, buf[:r.n]
}

// awaitEnd waits until the client closes its side of the connection, and returns io.EOF, or
// resets it, and returns another error. It sees either even while unread data is buffered.
// It returns nil if the system can report neither. Nothing else may read the connection
// meanwhile.
func (c *conn) awaitEnd() error { return c.awaitState(sideClosed) }

// awaitReset is like awaitEnd but waits only for a reset.
func (c *conn) awaitReset() error { return c.awaitState(sideReset) }

// awaitState waits until the client's side is in the state least or a later one. It reads
// nothing, so input may stay in the buffer of the kernel.
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
	err = raw.Read(func(fd uintptr) (done bool) { // called again whenever data arrives
		now = sideOf(int(fd))
		return now >= least
	})
	switch {
	case now == sideReset: // first, since a reset also counts as closed
		return errClientReset
	case now >= least:
		return io.EOF
	}
	return err
}

// A side is the state of the client's side of a connection. Later states are greater.
type side int

const (
	sideOpen side = iota
	sideClosed
	sideReset
)

// sideOf returns the state of the client's side of the connection.
func sideOf(fd int) side {
	// SO_ERROR is cleared by reading it. Nothing else needs it: the connection has ended.
	if errno, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ERROR); err != nil || errno != 0 {
		return sideReset
	}
	option, closeWait, closed := tcpState()
	if option == 0 {
		return sideOpen
	}
	info, err := syscall.GetsockoptInt(fd, syscall.IPPROTO_TCP, option)
	if err != nil { // not TCP
		return sideOpen
	}
	// The option is a struct, of which GetsockoptInt returns the first four bytes as a number.
	switch state := binary.NativeEndian.AppendUint32(nil, uint32(info))[0]; state {
	case closeWait:
		return sideClosed
	case closed:
		return sideReset
	}
	return sideOpen
}

// tcpState returns the socket option whose first byte is the state of a TCP connection, and
// the values of CLOSE-WAIT (the other side has closed) and CLOSED (the connection no longer
// exists). Package syscall does not define them. If option is 0, the system has no such
// option.
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

// notSentLowat limits the bytes that the kernel accepts before it has sent them. A smaller limit
// saves memory, and does no harm where the network adds no delay, so a client on this machine,
// such as a proxy, gets notSentLowatLocal. A wrapped connection does not, since TLS would then
// wait after every second record. Elsewhere a limit of 64 KiB or less makes BBR treat a flow as
// limited by the application, and flows lose packets: on a link of 400 Mbit/s with a round trip
// of 5 ms, one in 14 with 64 KiB, one in 5 with 32 KiB, and one in 80 with 128 KiB, the same as
// without the option.
const (
	notSentLowat      = 128 << 10
	notSentLowatLocal = 32 << 10
)

// setNotSentLowat keeps the kernel from accepting megabytes at once: a slow client would
// need minutes to receive them, while the connection looks stalled. It sets
// TCP_NOTSENT_LOWAT (tcp(7)), which package syscall does not define. A failure does no
// harm. Wrappers such as TLS need it most: how far their writes have come cannot be seen,
// and without the option a blocked write continues only once a third of the kernel's buffer
// is free.
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
	if net.Conn(tcp) == nc && addrOf(tcp.LocalAddr()) == addrOf(tcp.RemoteAddr()) {
		lowat = notSentLowatLocal
	}
	raw.Control(func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, option, lowat)
	})
}

// defaultMaxConns allows two descriptors per connection, one of them for a file, and leaves
// 64 to the rest of the program.
func defaultMaxConns() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1000
	}
	files := min(uint64(limit.Cur), 1<<20) // the limit may be infinite
	half := (max(files, 64) - 64) / 2      // max first: the numbers are unsigned
	return int(min(max(half, 16), 10000))
}
