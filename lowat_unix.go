//go:build linux || darwin

package rawhttp

import (
	"net"
	"runtime"
	"syscall"
)

// notSentLowat is how many bytes the kernel takes ahead of what it has sent.
const notSentLowat = 128 << 10

// setNotSentLowat keeps the kernel from taking megabytes at once, which a slow
// client then needs minutes for, while the connection looks stuck. The option is
// TCP_NOTSENT_LOWAT (tcp(7)); it is missing in package syscall. A failure is no
// harm.
func setNotSentLowat(nc net.Conn) {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	option := 0x19 // linux/tcp.h
	if runtime.GOOS == "darwin" {
		option = 0x201 // netinet/tcp.h
	}
	raw.Control(func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, option, notSentLowat)
	})
}
