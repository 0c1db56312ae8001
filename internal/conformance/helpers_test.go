package conformance_test

import (
	"context"
	"io"
	"io/fs"
	"net"
	"net/http/httputil"
	"strings"
	"testing"
	"testing/synctest"

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

// pipe serves one end of a net.Pipe and returns the other, which is closed when the test ends.
// Inside synctest, the resolver must not wait for anything outside the bubble.
func pipe(t testing.TB, opts ...rawhttp.Option) net.Conn {
	t.Helper()
	s := newServer(t, opts...)
	client, server := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- s.ServeConn(context.Background(), server) }()
	t.Cleanup(func() {
		client.Close()
		<-done
	})
	return client
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

// filesOfFS returns a resolver for the tree, which closes when the test ends.
func filesOfFS(t testing.TB, fsys fs.FS, opts ...rawhttp.FileOption) *rawhttp.FileResolver {
	t.Helper()
	f, err := rawhttp.FS(fsys, opts...)
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

// resolverFunc returns a Resolver that needs no context.
func resolverFunc(f func(*rawhttp.Request) (*rawhttp.Response, error)) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) { return f(req) })
}

// echo answers with the content of the request, which it reads completely.
var echo = rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	b, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	return rawhttp.Bytes(200, "application/octet-stream", b), nil
})

// requestOf parses a head, or fails the test.
func requestOf(t testing.TB, head string) *rawhttp.Request {
	t.Helper()
	req, _, err := rawhttp.ParseRequest([]byte(head))
	if err != nil {
		t.Fatalf("ParseRequest(%q) = %v", head, err)
	}
	return req
}

// bubble runs f inside synctest, where time starts at 2000-01-01 00:00:00 UTC and advances only
// while all goroutines of f are blocked.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// isEntityTag reports whether s is an entity tag, weak or strong (RFC 9110, section 8.8.3).
func isEntityTag(s string) bool {
	s = strings.TrimPrefix(s, "W/")
	return len(s) >= 2 && s[0] == '"' && strings.IndexFunc(s[1:], func(r rune) bool { return r <= ' ' || r == '"' || r == 0x7f }) == len(s)-2
}

// unchunk returns the content of chunks, which must be complete.
func unchunk(t testing.TB, chunks string) string {
	t.Helper()
	content, err := io.ReadAll(httputil.NewChunkedReader(strings.NewReader(chunks)))
	if err != nil {
		t.Errorf("content: %v", err)
	}
	return string(content)
}

// Requests of HTTP/1.1 and HTTP/1.0 for the path /.
const (
	get11  = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	head11 = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
	get10  = "GET / HTTP/1.0\r\n\r\n"
)

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
