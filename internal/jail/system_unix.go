//go:build unix

package jail

import (
	"io/fs"
	"syscall"
)

// A systemError is an error of the system.
type systemError = syscall.Errno

// nonblock has a FIFO opened without waiting for somebody to write to it. It changes
// nothing for a regular file.
const nonblock = syscall.O_NONBLOCK

// ClientErrors are those of accept that are of one connection, of a client that closed it
// before it was accepted, or of its network: "For reliable operation the application should
// detect the network errors defined for the protocol after accept() and treat them like
// EAGAIN by retrying." accept(2)
var ClientErrors = []error{
	syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EPROTO, syscall.ENOPROTOOPT, syscall.ENETDOWN,
	syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ETIMEDOUT,
}

var (
	Shortages = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS}

	// LockErrors are those of a file that somebody has locked or holds a lease on.
	LockErrors = []error{syscall.EAGAIN, syscall.EBUSY}

	// DeviceErrors are those of a disk, or of the way to it.
	DeviceErrors = []error{syscall.EIO, syscall.ESTALE, syscall.EBADF, syscall.ETIMEDOUT}
)

// IsRemoved reports whether the FileInfo of an open folder says that it has been removed.
func IsRemoved(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Nlink == 0
}
