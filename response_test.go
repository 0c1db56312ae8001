package rawhttp

import (
	"strings"
	"testing"
)

// respBytes gives what WriteTo writes.
func respBytes(t testing.TB, r *Response) string {
	t.Helper()
	var b strings.Builder
	if _, err := r.WriteTo(&b); err != nil {
		t.Errorf("WriteTo: %v", err)
	}
	return b.String()
}
