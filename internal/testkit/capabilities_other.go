//go:build !linux

package testkit

import (
	"os"
	"testing"
)

// WithoutCapabilities calls f, or skips the test if user 0 runs it, to whom permissions do not
// apply.
func WithoutCapabilities(t testing.TB, f func()) {
	t.Helper()
	if os.Geteuid() == 0 {
		t.Skip("user 0 may read everything")
	}
	f()
}
