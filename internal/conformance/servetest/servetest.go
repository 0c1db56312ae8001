// Package servetest has what the tests that see the library from outside share: servers on
// ports and pipes, resolvers, and the counting of goroutines. Only they import it.
package servetest

import (
	"context"
	"flag"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// RunsScripts says whether the system has process groups, without which there are no scripts.
const RunsScripts = runtime.GOOS != "windows" && runtime.GOOS != "plan9" && runtime.GOOS != "js" && runtime.GOOS != "wasip1" && runtime.GOOS != "aix"

var (
	long   = flag.Bool("long", false, "run the tests that wait for seconds")
	update = flag.Bool("update", false, "rewrite the answers in the transcripts")
)

// Long reports whether slow tests are asked for with the flag -long.
func Long() bool { return *long }

// Update reports whether transcripts are to be rewritten, with the flag -update.
func Update() bool { return *update }

// Waits skips a test that waits for real seconds, unless the flag -long is set.
func Waits(t testing.TB) {
	t.Helper()
	if !*long {
		t.Skip("it waits for seconds: run with -long")
	}
}

// Main runs the tests of a package in the root of the module, which has testdata. A script that
// runs the same program, as TestScriptHelper, stays in its own folder.
func Main(m *testing.M) {
	for dir := "."; len(dir) < 10; dir = filepath.Join(dir, "..") {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			os.Chdir(dir)
			break
		}
	}
	flag.Set("test.parallel", "8") // tests that are parallel wait for scripts, and not for processors
	os.Exit(m.Run())
}

// New makes a Server, or fails the test. It has a Logger, so that panics on purpose
// are not written to standard error.
func New(t testing.TB, opts ...rawhttp.Option) *rawhttp.Server {
	t.Helper()
	s, err := rawhttp.New(append([]rawhttp.Option{rawhttp.WithLogger(testkit.QuietLogger{})}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Pipe serves one end of a net.Pipe and returns the other. The connection must end with the
// test. It works inside synctest, where a resolver must not wait for anything outside.
func Pipe(t testing.TB, opts ...rawhttp.Option) net.Conn {
	t.Helper()
	s := New(t, opts...)
	client, server := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- s.ServeConn(context.Background(), server) }()
	t.Cleanup(func() {
		client.Close()
		<-done
	})
	return client
}

// Listen serves on a port of 127.0.0.1 and returns the address. When the test ends
// the server is closed, without the time that a graceful stop takes, and Serve must
// return.
func Listen(t testing.TB, opts ...rawhttp.Option) (*rawhttp.Server, string) {
	t.Helper()
	s := New(t, opts...)
	return s, testkit.Serve(t, s, rawhttp.ErrServerClosed)
}

// Dir returns a resolver for the folder, which closes when the test ends.
func Dir(t testing.TB, dir string, opts ...rawhttp.FileOption) *rawhttp.FileResolver {
	t.Helper()
	f, err := rawhttp.Dir(dir, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// Say is a resolver that answers every request with the text.
func Say(s string) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return rawhttp.Text(200, s), nil })
}

// Echo is a resolver that answers with the content of the request, which it reads
// whole.
var Echo = rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	b, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	return rawhttp.Bytes(200, "application/octet-stream", b), nil
})

// Request parses a head, or fails the test.
func Request(t testing.TB, head string) *rawhttp.Request {
	t.Helper()
	req, _, err := rawhttp.ParseRequest([]byte(head))
	if err != nil {
		t.Fatalf("ParseRequest(%q) = %v", head, err)
	}
	return req
}
