package scripts_test

import (
	"context"
	"testing"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// newServer makes a Server, or fails the test. The Server has a Logger, so that intended panics
// are not printed to standard error.
func newServer(t testing.TB, opts ...rawhttp.Option) *rawhttp.Server {
	t.Helper()
	s, err := rawhttp.New(append([]rawhttp.Option{rawhttp.WithLogger(testkit.QuietLogger{})}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// listen serves on a port of 127.0.0.1 and returns the address. When the test ends, the server
// is closed, without a graceful shutdown, and Serve must return.
func listen(t testing.TB, opts ...rawhttp.Option) (*rawhttp.Server, string) {
	t.Helper()
	s := newServer(t, opts...)
	return s, testkit.Serve(t, s, rawhttp.ErrServerClosed)
}

// filesOfDir returns a resolver for the folder, which closes when the test ends.
func filesOfDir(t testing.TB, dir string, opts ...rawhttp.FileOption) *rawhttp.FileResolver {
	t.Helper()
	f, err := rawhttp.Dir(dir, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// answerText returns a resolver that answers every request with the text s.
func answerText(s string) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return rawhttp.Text(200, s), nil })
}

// requestOf parses a head, or fails the test.
func requestOf(t testing.TB, head string) *rawhttp.Request {
	t.Helper()
	req, _, err := rawhttp.ParseRequest([]byte(head))
	if err != nil {
		t.Fatalf("ParseRequest(%q) = %v", head, err)
	}
	return req
}

// Short names of helpers that several packages of tests use.
var (
	dial            = testkit.Dial
	talk            = testkit.Talk
	splitHead       = testkit.SplitHead
	getRequest      = testkit.GetRequest
	postRequest     = testkit.PostRequest
	chunkedRequest  = testkit.ChunkedRequest
	goroutines      = testkit.Goroutines
	noNewGoroutines = testkit.NoNewGoroutines
)
