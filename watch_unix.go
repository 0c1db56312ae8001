//go:build unix

package rawhttp

import (
	"net"
	"syscall"
)

// watch ends the context of the request if the connection is reset before stop is
// called. That the client has said its last (a FIN) is no reset. It must be the only
// reader of the connection until stop has returned.
func (c *conn) watch() (stop func()) {
	ctx := c.ctx
	tcp, ok := innermost(c.nc).(*net.TCPConn)
	if !ok || ctx == nil {
		return func() {}
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return func() {}
	}
	c.setReadDeadline(never)
	done := make(chan struct{})
	go func() {
		defer close(done)
		raw.Read(func(fd uintptr) (ended bool) { // called again whenever something has come
			errno, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
			if err != nil || errno != 0 {
				c.gone.Store(true)
				ctx.end()
				return true
			}
			return false
		})
	}()
	return func() {
		c.setReadDeadline(0) // long past
		<-done
	}
}
