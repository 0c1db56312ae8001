package rawhttp

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"example.com/rawhttp/internal/jail"
)

// newServer makes a Server, or fails the test. It has a Logger, so that panics on purpose
// are not written to standard error.
func newServer(t testing.TB, opts ...Option) *Server {
	t.Helper()
	s, err := New(append([]Option{WithLogger(quietLogger{})}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// listen serves on a port of 127.0.0.1 and returns the address. When the test ends
// the server is closed, without the time that a graceful stop takes, and Serve must
// return.
func listen(t testing.TB, opts ...Option) (*Server, string) {
	t.Helper()
	s := newServer(t, opts...)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		s.Close()
		if err := <-done; err != nil && !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve = %v, want nil after the end of its context", err)
		}
	})
	return s, ln.Addr().String()
}

// dial connects to the address; the test's end closes the connection.
func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// talk sends what a client says, half-closes, and gives all that the server
// answers until it closes.
func talk(t testing.TB, addr, request string) string {
	t.Helper()
	c := dial(t, addr)
	go func() {
		io.WriteString(c, request)
		c.CloseWrite()
	}()
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Errorf("read the answer to %q: %v", request, err)
	}
	return string(answer)
}

// say is a resolver that answers every request with the text.
func say(s string) Resolver {
	return ResolverFunc(func(context.Context, *Request) (*Response, error) { return Text(200, s), nil })
}

// bubble runs f inside synctest: time is 2000-01-01 00:00:00 UTC at its start and
// passes only while all goroutines of f wait.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// splitHead splits an answer behind the empty line of its head.
func splitHead(answer string) (head, rest string) {
	i := strings.Index(answer, "\r\n\r\n")
	if i < 0 {
		return answer, ""
	}
	return answer[:i+4], answer[i+4:]
}

// A quietLogger drops what is logged.
type quietLogger struct{}

func (quietLogger) Debug(string, ...any) {}
func (quietLogger) Info(string, ...any)  {}
func (quietLogger) Warn(string, ...any)  {}
func (quietLogger) Error(string, ...any) {}

// jails opens the folder in each way that there is here.
func jails(t testing.TB, dir string) map[string]jail.LinkReader {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	trees := map[string]jail.LinkReader{"os.Root": &jail.OSRoot{Root: root}}
	if j := jail.OpenBeneath(dir); j != nil {
		trees["openat2"] = j
	}
	for _, tree := range trees {
		t.Cleanup(func() { tree.Close() })
	}
	return trees
}
