package testkit

import (
	"testing"
	"time"
)

// Await waits for a condition that becomes true by itself. It fails the test after half a
// minute, which even a busy machine does not take. what describes the condition, as in "the
// file is cached".
func Await(t testing.TB, what string, isTrue func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !isTrue(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after 30 s it is still not true that %s", what)
		}
	}
}
