package conformance_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// newServer makes a Server, or fails the test. It has a Logger, so that panics on purpose
// are not written to standard error.
func newServer(t testing.TB, opts ...rawhttp.Option) *rawhttp.Server {
	t.Helper()
	s, err := rawhttp.New(append([]rawhttp.Option{rawhttp.WithLogger(testkit.QuietLogger{})}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// pipe serves one end of a net.Pipe and returns the other. The connection must end with the
// test. It works inside synctest, where a resolver must not wait for anything outside.
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

// listen serves on a port of 127.0.0.1 and returns the address. When the test ends
// the server is closed, without the time that a graceful stop takes, and Serve must
// return.
func listen(t testing.TB, opts ...rawhttp.Option) (*rawhttp.Server, string) {
	t.Helper()
	s := newServer(t, opts...)
	return s, testkit.Serve(t, s, rawhttp.ErrServerClosed)
}

// say is a resolver that answers every request with the text.
func say(s string) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return rawhttp.Text(200, s), nil })
}

// echo is a resolver that answers with the content of the request, which it reads
// whole.
var echo = rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	b, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	return rawhttp.Bytes(200, "application/octet-stream", b), nil
})

// bubble runs f inside synctest: time is 2000-01-01 00:00:00 UTC at its start and
// passes only while all goroutines of f wait.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// noNewGoroutines fails the test if goroutines of connections that it has started are left
// at its end. It must be called before servers are made: goroutines inherit its label.
func noNewGoroutines(t *testing.T) {
	t.Helper()
	label := pprof.Labels("test", t.Name())
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), label))
	t.Cleanup(func() {
		var left int
		for range 200 { // ending goroutines need to be scheduled
			if left = labeledGoroutines(t.Name()); left == 0 {
				return
			}
			runtime.Gosched()
			<-time.After(10 * time.Millisecond)
		}
		t.Errorf("%d goroutines of the package are left:\n%s", left, goroutines())
	})
}

// labeledGoroutines counts the goroutines with the label of the test that run methods of
// connections and groups.
func labeledGoroutines(test string) (n int) {
	var profile strings.Builder
	pprof.Lookup("goroutine").WriteTo(&profile, 1)
	label := fmt.Sprintf("%q:%q", "test", test)
	_, records, _ := strings.Cut(profile.String(), "\n")
	for record := range strings.SplitSeq(records, "\n\n") {
		isOwn := strings.Contains(record, "rawhttp.(*conn)") || strings.Contains(record, "rawhttp.(*group)")
		if same, _, _ := strings.Cut(record, " @"); isOwn && strings.Contains(record, label) {
			count, _ := strconv.Atoi(same)
			n += count
		}
	}
	return n
}

// A helper that finds no goroutine would pass every test.
func TestLabeledGoroutines(t *testing.T) {
	noNewGoroutines(t)
	c := pipe(t, rawhttp.WithResolver(say("a")))
	io.WriteString(c, "G") // a connection reads it
	if n := labeledGoroutines(t.Name()); n != 1 {
		t.Errorf("%d goroutines of a connection are labeled, want 1", n)
	}
	if n := labeledGoroutines("TestLabeled"); n != 0 {
		t.Errorf("%d goroutines have the label of another test, want 0", n)
	}
}

// goroutines returns the stacks of all goroutines.
func goroutines() string {
	for size := 1 << 20; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size { // otherwise it may not be all of them
			return string(buf[:n])
		}
	}
}

// isEntityTag reports whether s is an entity tag, weak or strong (RFC 9110, section 8.8.3).
func isEntityTag(s string) bool {
	s = strings.TrimPrefix(s, "W/")
	return len(s) >= 2 && s[0] == '"' && strings.IndexFunc(s[1:], func(r rune) bool { return r <= ' ' || r == '"' || r == 0x7f }) == len(s)-2
}

// unchunk returns the content of chunks, which must be whole.
func unchunk(t testing.TB, chunks string) string {
	t.Helper()
	content, err := io.ReadAll(httputil.NewChunkedReader(strings.NewReader(chunks)))
	if err != nil {
		t.Errorf("content: %v", err)
	}
	return string(content)
}

// Short names of helpers that several packages of tests use.
var (
	dial      = testkit.Dial
	talk      = testkit.Talk
	splitHead = testkit.SplitHead
)
