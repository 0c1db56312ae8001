package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"example.com/rawhttp"
)

// errorsCoder is an error type of another package with a StatusCode method.
type errorsCoder int

func (c errorsCoder) Error() string   { return fmt.Sprint("coder ", int(c)) }
func (c errorsCoder) StatusCode() int { return int(c) }

func TestStatusOf(t *testing.T) {
	wrap := func(err error) error { return fmt.Errorf("while testing: %w", err) }
	tests := []struct {
		name string
		err  error
		want int
	}{
		{"nil", nil, 200},
		{"unknown", errors.New("x"), 500},
		{"EOF", io.EOF, 500},

		{"not exist", fs.ErrNotExist, 404},
		{"not exist, wrapped", wrap(wrap(fs.ErrNotExist)), 404},
		{"not exist, of a path", &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}, 404},
		{"not exist, os", os.ErrNotExist, 404},
		{"permission", fs.ErrPermission, 403},
		{"permission, of a path", wrap(&fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}), 403},
		{"invalid", fs.ErrInvalid, 404},
		{"invalid, wrapped", wrap(fs.ErrInvalid), 404},
		{"deadline", context.DeadlineExceeded, 503},
		{"deadline, wrapped", wrap(context.DeadlineExceeded), 503},
		{"canceled", context.Canceled, 500},
		{"exist", fs.ErrExist, 500},
		{"closed", fs.ErrClosed, 500},

		{"ParseError", &rawhttp.ParseError{Status: 431}, 431},
		{"ParseError, wrapped", wrap(&rawhttp.ParseError{Status: 414}), 414},
		{"StatusError", &rawhttp.StatusError{Status: 409}, 409},
		{"StatusError, wrapped", wrap(wrap(&rawhttp.StatusError{Status: 409})), 409},
		{"StatusError around another cause", &rawhttp.StatusError{Status: 410, Err: fs.ErrPermission}, 410},
		{"StatusError 403 around not exist", &rawhttp.StatusError{Status: 403, Err: fs.ErrNotExist}, 403},
		{"StatusCode of another type", wrap(errorsCoder(418)), 418},

		{"outermost wins", &rawhttp.StatusError{Status: 502, Err: wrap(&rawhttp.StatusError{Status: 404})}, 502},
		{"outermost wins, other types", &rawhttp.StatusError{Status: 502, Err: errorsCoder(418)}, 502},
		{"outermost wins, wrapped", wrap(&rawhttp.StatusError{Status: 502, Err: &rawhttp.ParseError{Status: 400}}), 502},
		{"a code wins over a cause next to it", wrap(fmt.Errorf("%w: %w", fs.ErrNotExist, errorsCoder(418))), 418},

		{"joined, first has a code", errors.Join(&rawhttp.StatusError{Status: 409}, &rawhttp.StatusError{Status: 410}), 409},
		{"joined, second has a code", errors.Join(io.EOF, &rawhttp.StatusError{Status: 410}), 410},
		{"joined, code after a cause", errors.Join(fs.ErrNotExist, errorsCoder(418)), 418},
		{"joined, a cause", errors.Join(io.EOF, wrap(fs.ErrPermission)), 403},
		{"joined with nil", errors.Join(nil, fs.ErrNotExist), 404},
	}
	for _, tt := range tests {
		if got := rawhttp.StatusOf(tt.err); got != tt.want {
			t.Errorf("%s: StatusOf(%v) = %d, want %d", tt.name, tt.err, got, tt.want)
		}
	}
}

func TestStatusError(t *testing.T) {
	cause := &fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}
	err := error(&rawhttp.StatusError{Status: 404, Err: cause})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("errors.Is(StatusError with 404, fs.ErrNotExist) = false")
	}
	if !errors.Is(err, fs.ErrPermission) {
		t.Error("errors.Is(StatusError, its cause) = false")
	}
	if errors.Is(err, fs.ErrInvalid) {
		t.Error("errors.Is(StatusError with 404, fs.ErrInvalid) = true")
	}
	var pathErr *fs.PathError
	if !errors.As(err, &pathErr) || pathErr != cause {
		t.Errorf("As(*fs.PathError) = %v, want the cause", pathErr)
	}
	var statusErr *rawhttp.StatusError
	if !errors.As(fmt.Errorf("x: %w", err), &statusErr) || statusErr != err {
		t.Errorf("As(*StatusError) = %v, want the error itself", statusErr)
	}
	if got := errors.Unwrap(err); got != cause {
		t.Errorf("Unwrap = %v, want the cause", got)
	}
	if got := errors.Unwrap(&rawhttp.StatusError{Status: 404}); got != nil {
		t.Errorf("Unwrap of a StatusError without a cause = %v, want nil", got)
	}
	for _, status := range []int{0, 400, 403, 405, 410, 500} {
		if errors.Is(&rawhttp.StatusError{Status: status}, fs.ErrNotExist) {
			t.Errorf("errors.Is(StatusError with %d, fs.ErrNotExist) = true", status)
		}
	}
	if !errors.Is(fmt.Errorf("x: %w", &rawhttp.StatusError{Status: 404}), fs.ErrNotExist) {
		t.Error("errors.Is(wrapped StatusError with 404, fs.ErrNotExist) = false")
	}
}

func TestErrorTexts(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&rawhttp.ParseError{Status: 400, Offset: 20, Reason: "field name is not a token", Section: "RFC 9112, section 5.1"}, "rawhttp: malformed request at byte 20: field name is not a token (RFC 9112, section 5.1)"},
		{&rawhttp.StatusError{Status: 404}, "rawhttp: 404 Not Found"},
		{&rawhttp.StatusError{Status: 502, Err: errors.New("upstream")}, "rawhttp: 502 Bad Gateway: upstream"},
		{&rawhttp.StatusError{Status: 499, Err: io.EOF}, "rawhttp: 499: EOF"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("Error() = %q, want %q", got, tt.want)
		}
	}
	for _, err := range []error{rawhttp.ErrIncomplete, rawhttp.ErrServerClosed, rawhttp.ErrAbort} {
		if !strings.HasPrefix(err.Error(), "rawhttp: ") {
			t.Errorf("Error() = %q, want the prefix %q", err, "rawhttp: ")
		}
	}
}
