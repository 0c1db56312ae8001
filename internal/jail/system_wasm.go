//go:build js || wasip1

package jail

import (
	"io/fs"
	"syscall"
)

// A systemError is an error of the system.
type systemError = syscall.Errno

const nonblock = 0 // there is no FIFO

// ClientErrors are those of accept that are of one connection, of a client that closed it
// before it was accepted, or of its network: "For reliable operation the application should
// detect the network errors defined for the protocol after accept() and treat them like
// EAGAIN by retrying." accept(2)
var ClientErrors = []error{
	syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EPROTO, syscall.ENOPROTOOPT, syscall.ENETDOWN,
	syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ETIMEDOUT,
}

var (
	Shortages = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS}

	// LockErrors are those of a file that somebody has locked or holds a lease on.
	LockErrors = []error{syscall.EAGAIN, syscall.EBUSY}

	// DeviceErrors are those of a disk, or of the way to it.
	DeviceErrors = []error{syscall.EIO, syscall.ESTALE, syscall.EBADF, syscall.ETIMEDOUT}
)

// IsRemoved is false: the system does not say so.
func IsRemoved(fs.FileInfo) bool { return false }
