package rawhttp

import (
	"context"
	"io"
	"strings"
	"testing"
)

// respWrite is the function of a StreamFunc that makes one Write of each part.
func respWrite(parts ...string) func(context.Context, io.Writer) error {
	return func(_ context.Context, w io.Writer) error {
		for _, p := range parts {
			if _, err := io.WriteString(w, p); err != nil {
				return err
			}
		}
		return nil
	}
}

// A respParts is a Reader, and nothing more, that gives one part with each Read.
type respParts struct{ parts []string }

func (r *respParts) Read(p []byte) (int, error) {
	if len(r.parts) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.parts[0])
	if r.parts[0] = r.parts[0][n:]; r.parts[0] == "" {
		r.parts = r.parts[1:]
	}
	return n, nil
}

func respReader(parts ...string) io.Reader { return &respParts{parts} }

// respBytes gives what WriteTo writes.
func respBytes(t testing.TB, r *Response) string {
	t.Helper()
	var b strings.Builder
	if _, err := r.WriteTo(&b); err != nil {
		t.Errorf("WriteTo: %v", err)
	}
	return b.String()
}
