package rawhttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp/internal/ascii"
)

// errorsCoder is an error of somebody else that has a status code.
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

		{"ParseError", &ParseError{Status: 431}, 431},
		{"ParseError, wrapped", wrap(&ParseError{Status: 414}), 414},
		{"StatusError", &StatusError{Status: 409}, 409},
		{"StatusError, wrapped", wrap(wrap(&StatusError{Status: 409})), 409},
		{"StatusError around another cause", &StatusError{Status: 410, Err: fs.ErrPermission}, 410},
		{"StatusError 403 around not exist", &StatusError{Status: 403, Err: fs.ErrNotExist}, 403},
		{"coder of somebody else", wrap(errorsCoder(418)), 418},

		{"outermost wins", &StatusError{Status: 502, Err: wrap(&StatusError{Status: 404})}, 502},
		{"outermost wins, other types", &StatusError{Status: 502, Err: errorsCoder(418)}, 502},
		{"outermost wins, wrapped", wrap(&StatusError{Status: 502, Err: &ParseError{Status: 400}}), 502},
		{"a code wins over the cause around it", wrap(fmt.Errorf("%w: %w", fs.ErrNotExist, errorsCoder(418))), 418},

		{"joined, first has a code", errors.Join(&StatusError{Status: 409}, &StatusError{Status: 410}), 409},
		{"joined, second has a code", errors.Join(io.EOF, &StatusError{Status: 410}), 410},
		{"joined, code behind a cause", errors.Join(fs.ErrNotExist, errorsCoder(418)), 418},
		{"joined, a cause", errors.Join(io.EOF, wrap(fs.ErrPermission)), 403},
		{"joined with nil", errors.Join(nil, fs.ErrNotExist), 404},
	}
	for _, tt := range tests {
		if got := StatusOf(tt.err); got != tt.want {
			t.Errorf("%s: StatusOf(%v) = %d, want %d", tt.name, tt.err, got, tt.want)
		}
	}
}

func TestStatusError(t *testing.T) {
	cause := &fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}
	err := error(&StatusError{Status: 404, Err: cause})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("a StatusError with 404 is not fs.ErrNotExist")
	}
	if !errors.Is(err, fs.ErrPermission) {
		t.Error("a StatusError is not its cause")
	}
	if errors.Is(err, fs.ErrInvalid) {
		t.Error("a StatusError with 404 is fs.ErrInvalid")
	}
	var pathErr *fs.PathError
	if !errors.As(err, &pathErr) || pathErr != cause {
		t.Errorf("As(*fs.PathError) = %v, want the cause", pathErr)
	}
	var statusErr *StatusError
	if !errors.As(fmt.Errorf("x: %w", err), &statusErr) || statusErr != err {
		t.Errorf("As(*StatusError) = %v, want the error itself", statusErr)
	}
	if got := errors.Unwrap(err); got != cause {
		t.Errorf("Unwrap = %v, want the cause", got)
	}
	if got := errors.Unwrap(&StatusError{Status: 404}); got != nil {
		t.Errorf("Unwrap = %v without a cause, want nil", got)
	}
	for _, status := range []int{0, 400, 403, 405, 410, 500} {
		if errors.Is(&StatusError{Status: status}, fs.ErrNotExist) {
			t.Errorf("a StatusError with %d is fs.ErrNotExist", status)
		}
	}
	if !errors.Is(fmt.Errorf("x: %w", &StatusError{Status: 404}), fs.ErrNotExist) {
		t.Error("a wrapped StatusError with 404 is not fs.ErrNotExist")
	}
}

func TestErrorTexts(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&ParseError{400, 20, "field name is not a token", "RFC 9112, section 5.1"}, "rawhttp: malformed request at byte 20: field name is not a token (RFC 9112, section 5.1)"},
		{&StatusError{Status: 404}, "rawhttp: 404 Not Found"},
		{&StatusError{Status: 502, Err: errors.New("upstream")}, "rawhttp: 502 Bad Gateway: upstream"},
		{&StatusError{Status: 499, Err: io.EOF}, "rawhttp: 499: EOF"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("Error() = %q, want %q", got, tt.want)
		}
	}
	for _, err := range []error{ErrIncomplete, ErrServerClosed} {
		if !strings.HasPrefix(err.Error(), "rawhttp: ") {
			t.Errorf("%q has no prefix", err)
		}
	}
}

// What a client reads of an error is the status, or the rule that a head broke; of
// the cause nothing.
func TestErrorResponse(t *testing.T) {
	const secret = "S3CRET"
	cause := errors.New(secret)
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"unknown", cause, "500 Internal Server Error\n"},
		{"wrapped", fmt.Errorf(secret+": %w", fs.ErrNotExist), "404 Not Found\n"},
		{"of a path", &fs.PathError{Op: secret, Path: secret, Err: fs.ErrPermission}, "403 Forbidden\n"},
		{"StatusError", &StatusError{Status: 409, Err: cause}, "409 Conflict\n"},
		{"StatusError without a phrase", &StatusError{Status: 499, Err: cause}, "499\n"},
		{"StatusError that is none", &StatusError{Status: 200, Err: cause}, "500 Internal Server Error\n"},
		{"StatusError of an interim response", &StatusError{Status: 100}, "500 Internal Server Error\n"},
		{"StatusError of a redirect", &StatusError{Status: 301}, "500 Internal Server Error\n"},
		{"zero StatusError", &StatusError{}, "500 Internal Server Error\n"},
		{"status over 599", &StatusError{Status: 600}, "500 Internal Server Error\n"},
		{"nil", nil, "500 Internal Server Error\n"},
		{"too large", &ParseError{413, 100, "content is too large", "RFC 9110, section 15.5.14"}, "413 Content Too Large: content is too large (RFC 9110, section 15.5.14)\n"},
		{"refused head", &ParseError{400, 20, "field name is not a token", "RFC 9112, section 5.1"}, "400 Bad Request: field name is not a token (RFC 9112, section 5.1)\n"},
		{"refused head, wrapped", fmt.Errorf(secret+": %w", &ParseError{400, 0, "x", "y"}), "400 Bad Request: x (y)\n"},
		{"ParseError below another status", &StatusError{Status: 502, Err: &ParseError{400, 0, secret, secret}}, "502 Bad Gateway\n"},
		{"coder of somebody else", errorsCoder(418), "418\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp := errorResponse(tt.err)
			if err := resp.Err(); err != nil {
				t.Fatalf("errorResponse(%v): Err = %v", tt.err, err)
			}
			var b strings.Builder
			if _, err := resp.WriteTo(&b); err != nil {
				t.Fatal(err)
			}
			head, content := splitHead(b.String())
			if diff := cmp.Diff(tt.want, content); diff != "" {
				t.Errorf("errorResponse(%v) content (-want +got):\n%s", tt.err, diff)
			}
			status, _, _ := strings.Cut(strings.TrimSpace(tt.want), ":")
			status, _, _ = strings.Cut(status, "\n")
			if want := "HTTP/1.1 " + status; !strings.HasPrefix(head, want) {
				t.Errorf("errorResponse(%v) head is %q, want %q", tt.err, head, want)
			}
			for _, want := range []string{"Content-Type: text/plain; charset=utf-8\r\n", "X-Content-Type-Options: nosniff\r\n"} {
				if !strings.Contains(head, want) {
					t.Errorf("errorResponse(%v) has no %q: %q", tt.err, want, head)
				}
			}
			if strings.Contains(b.String(), secret) {
				t.Errorf("errorResponse(%v) tells of the cause: %q", tt.err, b.String())
			}
		})
	}
}

// "Allow goes with 405": a 405 MUST have the field, even if it is empty (RFC 9110,
// section 15.5.6), no other status has it from us.
func TestErrorResponseAllow(t *testing.T) {
	tests := []struct {
		err  error
		want []string
	}{
		{&StatusError{Status: 405, Allow: []string{"GET", "PUT"}}, []string{"GET, PUT"}},
		{fmt.Errorf("x: %w", &StatusError{Status: 405, Allow: []string{"GET"}}), []string{"GET"}},
		{&StatusError{Status: 405}, []string{""}},
		{errorsCoder(405), []string{""}},
		{&StatusError{Status: 403, Allow: []string{"GET"}}, nil},
		{&StatusError{Status: 501, Allow: []string{"GET"}}, nil},
	}
	for _, tt := range tests {
		resp := errorResponse(tt.err)
		var got []string
		for name, value := range resp.Fields() {
			if ascii.EqualFold(name, "Allow") {
				got = append(got, value)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("errorResponse(%v) Allow (-want +got):\n%s", tt.err, diff)
		}
	}
	if err := errorResponse(&StatusError{Status: 405, Allow: []string{"GET\r\nX: y"}}).Err(); err == nil {
		t.Error("a line break in Allow is not reported")
	}
}
