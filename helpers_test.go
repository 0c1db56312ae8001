package rawhttp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/rawhttp/internal/jail"
)

// TestMain runs more parallel tests at once than there are processors: they wait for time.
func TestMain(m *testing.M) {
	flag.Set("test.parallel", "16")
	os.Exit(m.Run())
}

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

// talk sends what a client says, half-closes, and returns all that the server
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

// splitHead splits an answer after the empty line of its head.
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

// resolveGet makes a GET of the target.
func resolveGet(t testing.TB, target string) *Request {
	t.Helper()
	return writeRequest(t, "GET "+target+" HTTP/1.1\r\nHost: a\r\n\r\n")
}

// resolveString describes what a resolver answers.
func resolveString(t testing.TB, r Resolver, req *Request) string {
	t.Helper()
	resp, err := r.Resolve(t.Context(), req)
	switch {
	case err != nil && resp != nil:
		t.Errorf("Resolve(%q) = %v, %v, want one of them", req.Target(), resp, err)
	case errors.Is(err, fs.ErrNotExist):
		return "not mine"
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
	_, content := splitHead(respBytes(t, resp))
	return content
}

// respBytes returns what WriteTo writes.
func respBytes(t testing.TB, r *Response) string {
	t.Helper()
	var b strings.Builder
	if _, err := r.WriteTo(&b); err != nil {
		t.Errorf("WriteTo: %v", err)
	}
	return b.String()
}

// liveTLS makes a configuration, for both sides, with a certificate of its own.
func liveTLS(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"example.test"},
		NotAfter:     time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		RootCAs:      roots,
		ServerName:   "example.test",
	}
}

// liveDescriptors counts them where the system shows them, else returns 0.
func liveDescriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		panic(err)
	}
	return len(entries)
}

// writeRequest parses a request head.
func writeRequest(t testing.TB, head string) *Request {
	t.Helper()
	req, _, err := ParseRequest([]byte(head))
	if err != nil {
		t.Fatalf("ParseRequest(%q): %v", head, err)
	}
	return req
}
