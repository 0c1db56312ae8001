package jail

import (
	"io/fs"
	"syscall"
)

// A systemError is an error of the system.
type systemError = syscall.ErrorString

const nonblock = 0 // there is no FIFO

var (
	ClientErrors []error // of accept that are of one connection: the system reports none

	Shortages    = []error{syscall.EMFILE}
	LockErrors   = []error{syscall.ErrorString("exclusive use file already open")}
	DeviceErrors = []error{syscall.EIO, syscall.ETIMEDOUT}
)

// IsRemoved is false: the system does not say so.
func IsRemoved(fs.FileInfo) bool { return false }
