//go:build js || wasip1

package rawhttp

import "syscall"

// A systemError is an error of the system.
type systemError = syscall.Errno

const nonblock = 0 // there is no FIFO

const errAborted = syscall.ECONNABORTED // a client closed its connection before it was accepted

var (
	shortages = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS}

	// lockErrors are those of a file that somebody has locked or holds a lease on.
	lockErrors = []error{syscall.EAGAIN, syscall.EBUSY}

	// deviceErrors are those of a disk, or of the way to it.
	deviceErrors = []error{syscall.EIO, syscall.ESTALE, syscall.EBADF, syscall.ETIMEDOUT}
)
