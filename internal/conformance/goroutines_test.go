package conformance_test

import (
	"io"
	"testing"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// LabeledGoroutines finds the goroutines of this test and no others. If it found none, tests of
// leaks could not fail.
func TestLabeledGoroutines(t *testing.T) {
	noNewGoroutines(t)
	c := pipe(t, rawhttp.WithResolver(answerText("a")))
	io.WriteString(c, "G") // so that a goroutine serves the connection
	if n := testkit.LabeledGoroutines(t.Name()); n != 1 {
		t.Errorf("%d goroutines of a connection are labeled, want 1", n)
	}
	if n := testkit.LabeledGoroutines("TestLabeled"); n != 0 {
		t.Errorf("%d goroutines have the label of another test, want 0", n)
	}
}
