package jail

import (
	"io/fs"
	"syscall"
)

// A systemError is an error of the system.
type systemError = syscall.ErrorString

const openFlags = 0 // there are no FIFOs

var (
	ClientErrors []error // the system reports no errors of single connections

	Shortages    = []error{syscall.EMFILE}
	LockErrors   = []error{syscall.ErrorString("exclusive use file already open")}
	DeviceErrors = []error{syscall.EIO, syscall.ETIMEDOUT}
)

// IsRemoved reports false, since the system cannot tell.
func IsRemoved(fs.FileInfo) bool { return false }
