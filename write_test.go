package rawhttp

import (
	"testing"
)

// writeRequest parses a request head.
func writeRequest(t testing.TB, head string) *Request {
	t.Helper()
	req, _, err := ParseRequest([]byte(head))
	if err != nil {
		t.Fatalf("ParseRequest(%q): %v", head, err)
	}
	return req
}
