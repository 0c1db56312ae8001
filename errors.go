package rawhttp

import (
	"context"
	"errors"
	"io/fs"

	"example.com/rawhttp/internal/ascii"
	"example.com/rawhttp/internal/wire"
)

// ErrIncomplete is returned by the parsers while the bytes given so far may be the beginning of
// a message: read more and parse again. It is not a failure.
var ErrIncomplete = wire.ErrIncomplete

// ErrServerClosed is returned by the Serve methods of a [Server] after
// [Server.Shutdown] or [Server.Close].
var ErrServerClosed = errors.New("rawhttp: the server is closed")

// ErrAbort makes the server end a connection without an answer, for example when a client
// appears to be attacking. Return it, alone or wrapped, from a [Resolver], from the function of
// a [StreamFunc] or [Upgrade], or from the reader of a [Stream]. Where a Response is needed,
// return ErrorResponse(ErrAbort).
//
// A TCP connection is reset, even if it is wrapped, as long as each wrapper has a method
// NetConn that returns the connection inside; any other connection is closed. Nothing is
// logged, and [WithErrorPage] is not called. Responses to earlier requests are sent, but the
// reset may overtake them. [Exchange] and the hooks for the end of a connection report
// ErrAbort; Status is 0 if no response had begun.
var ErrAbort = errors.New("rawhttp: the connection is aborted")

// A ParseError reports a request, or for [ParseResponse] a response, that cannot be accepted.
// Its Reason is fixed text and safe to send; it never repeats input.
type ParseError struct {
	Status int // status code of the response

	// Offset is the number of bytes before the first invalid one: of the head, or of
	// the content including its framing. If something is missing, it is the length of
	// the head.
	Offset int

	Reason  string // what is wrong, such as "field name is not a token"
	Section string // source of the rule, such as "RFC 9112, section 5.1"
}

// Error returns the offset, the reason and the source of the rule.
func (e *ParseError) Error() string {
	return (*wire.Error)(e).Error()
}

// StatusCode returns the status code of the response, for [StatusOf].
func (e *ParseError) StatusCode() int { return e.Status }

// malformed returns a ParseError with status 400.
func malformed(off int, reason, section string) *ParseError {
	return (*ParseError)(wire.Malformed(off, reason, section))
}

// parseError converts an error of the parser to a *ParseError.
func parseError(err error) error {
	if e, ok := err.(*wire.Error); ok {
		return (*ParseError)(e)
	}
	return err
}

// A StatusError is an error with a status code. A resolver returns one to choose the status of
// the response. A Status outside 400 to 599 is answered with 500.
type StatusError struct {
	Status int      // status code of the response
	Allow  []string // allowed methods, sent in the Allow field with 405
	Err    error    // the cause, for the log; never sent; may be nil
}

// Error returns the status and the cause.
func (e *StatusError) Error() string {
	if e.Err == nil {
		return "rawhttp: " + ascii.StatusText(e.Status)
	}
	return "rawhttp: " + ascii.StatusText(e.Status) + ": " + e.Err.Error()
}

// Unwrap returns the cause, or nil.
func (e *StatusError) Unwrap() error { return e.Err }

// StatusCode returns the status code of the response, for [StatusOf].
func (e *StatusError) StatusCode() int { return e.Status }

// Is reports whether target is [fs.ErrNotExist] and the status is 404, so that [First]
// asks the next resolver.
func (e *StatusError) Is(target error) bool { return e.Status == 404 && target == fs.ErrNotExist }

// StatusOf returns the status code with which err is answered: 200 for nil; the result
// of the outermost error in the chain that has a method StatusCode() int; 404 for
// [fs.ErrNotExist] and [fs.ErrInvalid], 403 for [fs.ErrPermission], 503 for
// [context.DeadlineExceeded]; and 500 for any other error.
func StatusOf(err error) int {
	var coder interface {
		error
		StatusCode() int
	}
	switch {
	case err == nil:
		return 200
	case errors.As(err, &coder): // first: a status that was chosen says more than what it wraps
		return coder.StatusCode()
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		return 404
	case errors.Is(err, fs.ErrPermission):
		return 403
	case errors.Is(err, context.DeadlineExceeded):
		return 503
	}
	return 500
}

// A fieldError is an error with a field for its response.
type fieldError struct {
	error
	name, value string
}

func (e *fieldError) Unwrap() error { return e.error }

// busyError returns a 503 with Retry-After, for a condition that passes soon.
func busyError(why string) error {
	return &fieldError{&StatusError{Status: 503, Err: errors.New(why)}, "Retry-After", "1"}
}

// allowOf returns the allowed methods of a 405, or nil.
func allowOf(err error) []string {
	var se *StatusError
	if errors.As(err, &se) {
		return se.Allow
	}
	return nil
}

// errorStatus returns the status with which err is answered, always an error status.
func errorStatus(err error) int {
	if status := StatusOf(err); status >= 400 && status <= 599 {
		return status
	}
	return 500
}
