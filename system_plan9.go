package rawhttp

import "syscall"

// A systemError is an error of the system.
type systemError = syscall.ErrorString

const nonblock = 0 // there is no FIFO

const errAborted = syscall.ErrorString("connection aborted") // which the system does not report

var (
	shortages    = []error{syscall.EMFILE}
	lockErrors   = []error{syscall.ErrorString("exclusive use file already open")}
	deviceErrors = []error{syscall.EIO, syscall.ETIMEDOUT}
)
