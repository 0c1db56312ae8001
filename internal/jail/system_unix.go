//go:build unix

package jail

import (
	"io/fs"
	"syscall"
)

// A systemError is an error of the system.
type systemError = syscall.Errno

// openFlags open a FIFO without waiting for a writer, and a terminal without making it the
// controlling terminal of the process, which its hangup would end. They have no effect on a
// regular file.
const openFlags = syscall.O_NONBLOCK | syscall.O_NOCTTY

// ClientErrors are the errors of accept that concern a single connection, closed by its
// client before it was accepted, or its network: "For reliable operation the application
// should detect the network errors defined for the protocol after accept() and treat them
// like EAGAIN by retrying." accept(2)
var ClientErrors = []error{
	syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EPROTO, syscall.ENOPROTOOPT, syscall.ENETDOWN,
	syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ETIMEDOUT,
}

var (
	// Shortages are the errors of a system that has temporarily run out of a resource.
	Shortages = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS}

	// LockErrors are the errors of a file that is locked or leased by another process. EAGAIN
	// comes from O_NONBLOCK: without it, open would wait for the lease to be given up.
	LockErrors = []error{syscall.EAGAIN, syscall.EBUSY}

	// DeviceErrors are the errors of a disk, or of the connection to it.
	DeviceErrors = []error{syscall.EIO, syscall.ESTALE, syscall.EBADF, syscall.ETIMEDOUT}
)

// IsRemoved reports whether the FileInfo of an open folder shows that the folder has been
// removed.
func IsRemoved(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Nlink == 0
}
