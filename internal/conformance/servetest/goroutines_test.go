package servetest_test

import (
	"io"
	"testing"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/conformance/servetest"
)

// A helper that finds no goroutine would pass every test.
func TestLabeledGoroutines(t *testing.T) {
	servetest.NoNewGoroutines(t)
	c := servetest.Pipe(t, rawhttp.WithResolver(servetest.Say("a")))
	io.WriteString(c, "G") // a connection reads it
	if n := servetest.LabeledGoroutines(t.Name()); n != 1 {
		t.Errorf("%d goroutines of a connection are labeled, want 1", n)
	}
	if n := servetest.LabeledGoroutines("TestLabeled"); n != 0 {
		t.Errorf("%d goroutines have the label of another test, want 0", n)
	}
}
