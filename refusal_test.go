package rawhttp

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp/internal/ascii"
	"example.com/rawhttp/internal/jail"
)

// codedError is an error of another package that has a status code.
type codedError int

func (c codedError) Error() string   { return fmt.Sprint("coder ", int(c)) }
func (c codedError) StatusCode() int { return int(c) }

// The client receives the status of an error, or the rule that its head broke, but nothing of the
// cause.
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
		{"PathError", &fs.PathError{Op: secret, Path: secret, Err: fs.ErrPermission}, "403 Forbidden\n"},
		{"StatusError", &StatusError{Status: 409, Err: cause}, "409 Conflict\n"},
		{"StatusError without a phrase", &StatusError{Status: 499, Err: cause}, "499\n"},
		{"StatusError with a successful status", &StatusError{Status: 200, Err: cause}, "500 Internal Server Error\n"},
		{"StatusError of an interim response", &StatusError{Status: 100}, "500 Internal Server Error\n"},
		{"StatusError of a redirect", &StatusError{Status: 301}, "500 Internal Server Error\n"},
		{"zero StatusError", &StatusError{}, "500 Internal Server Error\n"},
		{"status over 599", &StatusError{Status: 600}, "500 Internal Server Error\n"},
		{"nil", nil, "500 Internal Server Error\n"},
		{"too large", &ParseError{413, 100, "content is too large", "RFC 9110, section 15.5.14"}, "413 Content Too Large: content is too large (RFC 9110, section 15.5.14)\n"},
		{"refused head", &ParseError{400, 20, "field name is not a token", "RFC 9112, section 5.1"}, "400 Bad Request: field name is not a token (RFC 9112, section 5.1)\n"},
		{"refused head, wrapped", fmt.Errorf(secret+": %w", &ParseError{400, 0, "x", "y"}), "400 Bad Request: x (y)\n"},
		{"ParseError in a StatusError", &StatusError{Status: 502, Err: &ParseError{400, 0, secret, secret}}, "502 Bad Gateway\n"},
		{"error of another package with a status", codedError(418), "418\n"},
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
				t.Errorf("errorResponse(%v) reveals the cause: %q", tt.err, b.String())
			}
		})
	}
}

// "Allow goes with 405": a 405 MUST have the field, even if it is empty (RFC 9110,
// section 15.5.6); the server adds it to no other status.
func TestErrorResponseAllow(t *testing.T) {
	tests := []struct {
		err  error
		want []string
	}{
		{&StatusError{Status: 405, Allow: []string{"GET", "PUT"}}, []string{"GET, PUT"}},
		{fmt.Errorf("x: %w", &StatusError{Status: 405, Allow: []string{"GET"}}), []string{"GET"}},
		{&StatusError{Status: 405}, []string{""}},
		{codedError(405), []string{""}},
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

// A name that cannot be looked up while folders are being renamed is answered with Retry-After.
func TestRetryAfterWhenBusy(t *testing.T) {
	resp := errorResponse(fmt.Errorf("open: %w", jail.ErrBusy))
	if resp.Status() != 503 || resp.get("Retry-After") != "1" {
		t.Errorf("answered with %d, Retry-After %q, want 503 and 1", resp.Status(), resp.get("Retry-After"))
	}
}
