package rawhttp

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
)

// treeError returns what to answer with where the system cannot open a name or look at
// it. Any error that is not known is 404: no such name, an escape from the root, too many
// links, a name too long.
func treeError(err error) error {
	switch {
	case errors.As(err, new(*StatusError)):
		return err
	case isShortage(err), isAny(err, lockErrors), errors.Is(err, fs.ErrClosed):
		return &StatusError{Status: 503, Err: err}
	case isAny(err, deviceErrors), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrDeadlineExceeded):
		return &StatusError{Status: 500, Err: err}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
		return err
	}
	return &StatusError{Status: 404, Err: err}
}

// fsError returns what to answer with where an fs.FS cannot open a name or look at it. An
// fs.FS that is a folder of the system has the system's errors. Any other says itself that
// there is no such name; what does not is a fault, 500.
func fsError(err error) error {
	if errors.As(err, new(systemError)) || errors.Is(err, errEscapes()) || errors.Is(err, fs.ErrClosed) {
		return treeError(err)
	}
	return &StatusError{Status: StatusOf(err), Err: err}
}

// readError returns what to answer with where a folder that is open cannot be read: 404 if
// it has been removed meanwhile, and 500 for any error that is not known.
func readError(err error) error {
	if StatusOf(treeError(err)) == 404 && !errors.Is(err, fs.ErrNotExist) {
		return &StatusError{Status: 500, Err: err}
	}
	return treeError(err)
}

// errEscapes returns the error of a name that leads out of an [os.Root], which package os
// does not export.
var errEscapes = sync.OnceValue(func() error {
	_, err := os.OpenInRoot(".", "..")
	return errors.Unwrap(err)
})

// isShortage reports whether the system is out of something, and so for a time.
func isShortage(err error) bool { return isAny(err, shortages) }

func isAny(err error, targets []error) bool {
	return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
}
