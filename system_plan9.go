package rawhttp

import "syscall"

// A systemError is an error of the system.
type systemError = syscall.ErrorString

const nonblock = 0 // there is no FIFO

var (
	clientErrors []error // of accept that are of one connection: the system reports none

	shortages    = []error{syscall.EMFILE}
	lockErrors   = []error{syscall.ErrorString("exclusive use file already open")}
	deviceErrors = []error{syscall.EIO, syscall.ETIMEDOUT}
)
