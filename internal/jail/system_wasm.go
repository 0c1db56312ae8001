//go:build js || wasip1

package jail

import (
	"io/fs"
	"syscall"
)

// A systemError is an error of the system.
type systemError = syscall.Errno

const openFlags = 0 // there are no FIFOs

// ClientErrors are the errors of accept that concern a single connection, closed by its
// client before it was accepted, or its network: "For reliable operation the application
// should detect the network errors defined for the protocol after accept() and treat them
// like EAGAIN by retrying." accept(2)
var ClientErrors = []error{
	syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EPROTO, syscall.ENOPROTOOPT, syscall.ENETDOWN,
	syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ETIMEDOUT,
}

var (
	// Shortages are the errors of a system that has temporarily run out of a resource.
	Shortages = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS}

	// LockErrors are the errors of a file that is locked or leased by another process.
	LockErrors = []error{syscall.EAGAIN, syscall.EBUSY}

	// DeviceErrors are the errors of a disk, or of the connection to it.
	DeviceErrors = []error{syscall.EIO, syscall.ESTALE, syscall.EBADF, syscall.ETIMEDOUT}
)

// IsRemoved reports false, since the system cannot tell.
func IsRemoved(fs.FileInfo) bool { return false }
