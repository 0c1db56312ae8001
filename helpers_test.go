package rawhttp

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/rawhttp/internal/testkit"
)

// TestMain runs more parallel tests at once than there are processors, since they wait for time.
func TestMain(m *testing.M) {
	flag.Set("test.parallel", "16")
	lingerPause = 5 * time.Millisecond
	os.Exit(m.Run())
}

// newServer makes a Server, or fails the test. It has a Logger, so that intended panics
// are not written to standard error.
func newServer(t testing.TB, opts ...Option) *Server {
	t.Helper()
	s, err := New(append([]Option{WithLogger(testkit.QuietLogger{})}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// listen serves on a port of 127.0.0.1 and returns the address. When the test ends
// the server is closed, without waiting as a graceful shutdown does, and Serve must
// return.
func listen(t testing.TB, opts ...Option) (*Server, string) {
	t.Helper()
	s := newServer(t, opts...)
	return s, testkit.Serve(t, s, ErrServerClosed)
}

// converse sends the requests and returns the next n bytes from the connection.
func converse(t testing.TB, c net.Conn, requests string, n int) string {
	t.Helper()
	go io.WriteString(c, requests)
	answer := make([]byte, n)
	if n, err := io.ReadFull(c, answer); err != nil {
		t.Errorf("after %d bytes of the answer: %v", n, err)
	}
	return string(answer)
}

// answerText is a resolver that answers every request with the text.
func answerText(s string) Resolver {
	return ResolverFunc(func(context.Context, *Request) (*Response, error) { return Text(200, s), nil })
}

// resolveGet makes a GET of the target.
func resolveGet(t testing.TB, target string) *Request {
	t.Helper()
	return requestOf(t, "GET "+target+" HTTP/1.1\r\nHost: a\r\n\r\n")
}

// resolveString describes the answer of a resolver.
func resolveString(t testing.TB, r Resolver, req *Request) string {
	t.Helper()
	resp, err := r.Resolve(t.Context(), req)
	switch {
	case err != nil && resp != nil:
		t.Errorf("Resolve(%q) = %v, %v, want either a response or an error", req.Target(), resp, err)
	case errors.Is(err, fs.ErrNotExist):
		return "declined"
	case err != nil:
		return fmt.Sprint("error ", StatusOf(err))
	case resp == nil:
		return "nil"
	}
	defer resp.Close()
	if err := resp.Err(); err != nil {
		t.Errorf("Resolve(%q): %v", req.Target(), err)
	}
	if location := maps.Collect(resp.Fields())["Location"]; location != "" {
		return fmt.Sprint(resp.Status(), " ", location)
	}
	if resp.Status() != 200 {
		return fmt.Sprint(resp.Status())
	}
	if req.Method() == "HEAD" {
		return ""
	}
	var content strings.Builder // without framing: a slow machine sends a script's output in chunks
	if _, err := resp.WriteContent(t.Context(), &content); err != nil {
		t.Errorf("WriteContent of the response to %q: %v", req.Target(), err)
	}
	return content.String()
}

// Short names of helpers that several packages of tests use.
var (
	dial       = testkit.Dial
	talk       = testkit.Talk
	splitHead  = testkit.SplitHead
	getRequest = testkit.GetRequest
)
