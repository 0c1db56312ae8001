//go:build linux || darwin

package rawhttp

import (
	"net"
	"runtime"
	"syscall"
)

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
	lowat := notSentLowat
	if addrOf(tcp.LocalAddr()) == addrOf(tcp.RemoteAddr()) {
		lowat = notSentLowatLocal
	}
	raw.Control(func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, option, lowat)
	})
}
