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

// TreeError returns what to answer with where the system cannot open a name or look at
// it. Any error that is not known is 404: no such name, an escape from the root, too many
// links, a name too long.
func TreeError(err error) error {
	switch {
	case errors.As(err, new(interface{ StatusCode() int })): // it has a status already
		return err
	case IsShortage(err), IsAny(err, LockErrors), errors.Is(err, fs.ErrClosed):
		return &jailError{Status: 503, Err: err}
	case IsAny(err, DeviceErrors), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrDeadlineExceeded):
		return &jailError{Status: 500, Err: err}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
		return err
	}
	return &jailError{Status: 404, Err: err}
}

// fsError returns what to answer with where an fs.FS cannot open a name or look at it. An
// fs.FS that is a folder of the system has the system's errors. Any other says itself that
// there is no such name; what does not is a fault, 500.
func fsError(err error) error {
	if errors.As(err, new(systemError)) || errors.Is(err, ErrEscapes()) || errors.Is(err, fs.ErrClosed) {
		return TreeError(err)
	}
	return &jailError{Status: statusOf(err), Err: err}
}

// ReadError returns what to answer with where a folder that is open cannot be read: 404 if
// it has been removed meanwhile, and 500 for any error that is not known.
func ReadError(err error) error {
	if statusOf(TreeError(err)) == 404 && !errors.Is(err, fs.ErrNotExist) {
		return &jailError{Status: 500, Err: err}
	}
	return TreeError(err)
}

// ErrEscapes returns the error of a name that leads out of an [os.Root], which package os
// does not export.
var ErrEscapes = sync.OnceValue(func() error {
	_, err := os.OpenInRoot(".", "..")
	return errors.Unwrap(err)
})

// IsShortage reports whether the system is out of something, and so for a time.
func IsShortage(err error) bool { return IsAny(err, Shortages) }

func IsAny(err error, targets []error) bool {
	return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
}

// A jailError is an error with the status code to answer it with.
type jailError struct {
	Status int
	Err    error
}

func (e *jailError) Error() string {
	return "rawhttp: " + ascii.StatusText(e.Status) + ": " + e.Err.Error()
}

func (e *jailError) Unwrap() error { return e.Err }

// StatusCode returns the status code to answer with.
func (e *jailError) StatusCode() int { return e.Status }

// Is reports a 404 to be [fs.ErrNotExist].
func (e *jailError) Is(target error) bool { return e.Status == 404 && target == fs.ErrNotExist }

// statusOf returns the status of an error: what it says itself, or what package fs means.
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

// ErrBusy is the error of a name that cannot be looked up for now.
var ErrBusy = &jailError{Status: 503, Err: errors.New("folders were moved each time a name was looked up")}
