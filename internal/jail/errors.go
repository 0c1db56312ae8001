package jail

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"

	"example.com/rawhttp/internal/ascii"
)

// TreeError returns the error for a request if the system could not open or stat a name. It
// maps any unknown error to 404: no such name, an escape from the root, too many links, or
// too long a name.
func TreeError(err error) error {
	switch {
	case errors.As(err, new(interface{ StatusCode() int })): // it has a status already
		return err
	case IsShortage(err), IsAny(err, LockErrors), errors.Is(err, fs.ErrClosed): // the client may try again
		return &jailError{Status: 503, Err: err}
	case IsAny(err, DeviceErrors), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrDeadlineExceeded):
		return &jailError{Status: 500, Err: err}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist): // they have a status: 403 and 404
		return err
	}
	return &jailError{Status: 404, Err: err}
}

// fsError is TreeError for an fs.FS. If the fs.FS is a folder of the system, its errors are
// errors of the system. Any other fs.FS must report a missing name as [fs.ErrNotExist];
// other errors are faults, 500.
func fsError(err error) error {
	if errors.As(err, new(systemError)) || errors.Is(err, ErrEscapes()) || errors.Is(err, fs.ErrClosed) {
		return TreeError(err)
	}
	return &jailError{Status: statusOf(err), Err: err}
}

// ReadError returns the error for a request if an open file or folder could not be read: 404 if
// it was removed meanwhile, and 500 for any unknown error, since its name was found.
func ReadError(err error) error {
	if statusOf(TreeError(err)) == 404 && !errors.Is(err, fs.ErrNotExist) {
		return &jailError{Status: 500, Err: err}
	}
	return TreeError(err)
}

// ErrEscapes returns the error for a name that leads out of an [os.Root], which package os
// does not export. So ErrEscapes makes os return it.
var ErrEscapes = sync.OnceValue(func() error {
	_, err := os.OpenInRoot(".", "..")
	return errors.Unwrap(err)
})

// errEscape is the error for a name that leads out of a folder confined by the kernel. The error of
// the kernel is EXDEV, whose text ("invalid cross-device link") would mislead.
var errEscape = errors.New("the name leads out of the folder")

// IsEscape reports whether err is the error for a name that leads out of its tree: for a path that
// is clean, by a symbolic link.
func IsEscape(err error) bool {
	return errors.Is(err, errEscape) || !errors.Is(err, fs.ErrPermission) && errors.Is(err, ErrEscapes())
}

// IsShortage reports whether the system has temporarily run out of a resource.
func IsShortage(err error) bool { return IsAny(err, Shortages) }

// IsAny reports whether err is one of the targets, or wraps one.
func IsAny(err error, targets []error) bool {
	return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
}

// A jailError is an error with a status code. The root package, which this one cannot
// import, finds the code by its method.
type jailError struct {
	Status int
	Err    error
}

func (e *jailError) Error() string {
	return "rawhttp: " + ascii.StatusText(e.Status) + ": " + e.Err.Error()
}

func (e *jailError) Unwrap() error { return e.Err }

// StatusCode returns the status code of the response.
func (e *jailError) StatusCode() int { return e.Status }

// Is reports whether target is [fs.ErrNotExist] and the status is 404, so that First asks the
// next resolver also if the system has another name for the error.
func (e *jailError) Is(target error) bool { return e.Status == 404 && target == fs.ErrNotExist }

// statusOf returns the status of an error: its own, or the one that corresponds to an error
// of package fs. It is StatusOf of the root package, which this one cannot import.
func statusOf(err error) int {
	var coder interface{ StatusCode() int }
	switch {
	case errors.As(err, &coder):
		return coder.StatusCode()
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		return 404
	case errors.Is(err, fs.ErrPermission):
		return 403
	}
	return 500
}

// ErrBusy is the error for a name that cannot be looked up at the moment.
var ErrBusy = &jailError{Status: 503, Err: errors.New("folders were moved during every lookup of the name")}
