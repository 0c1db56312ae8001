package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"example.com/rawhttp"
)

// peer returns the path of a command, or fails the test.
func peer(t *testing.T, command, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(command)
	if err != nil { // PATH may lack the folders of system administration
		path, err = exec.LookPath("/usr/sbin/" + command)
	}
	if err != nil {
		t.Fatalf("%s is not installed (Debian: apt-get install %s)", command, debianPackage)
	}
	return path
}

// serve serves on a port of 127.0.0.1 and returns the address. Responses have no
// Date, so that they are the same every time.
func serve(t *testing.T, opts ...rawhttp.Option) (*rawhttp.Server, string) {
	t.Helper()
	ln := listen(t)
	return serveOn(t, ln, opts...), ln.Addr().String()
}

func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// serveOn serves on the listener. When the test ends, Serve must return after its context
// has ended, with no open connection.
func serveOn(t *testing.T, ln net.Listener, opts ...rawhttp.Option) *rawhttp.Server {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	srv, err := rawhttp.New(append([]rawhttp.Option{rawhttp.WithDate(false), rawhttp.WithLogger(logger)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Serve = %v, want nil after its context has ended", err)
		}
		if n := srv.Stats().ConnsOpen; n != 0 {
			t.Errorf("%d connections are open after Serve has returned, want none", n)
		}
		if err := srv.Close(); err != nil {
			t.Errorf("Close = %v, want nil", err)
		}
	})
	return srv
}

// routes has a resolver for each path.
type routes map[string]rawhttp.ResolverFunc

func (r routes) Resolve(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	resolve, ok := r[req.Path()]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return resolve(ctx, req)
}

// always answers with the same Response.
func always(resp *rawhttp.Response) rawhttp.ResolverFunc {
	return func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return resp, nil }
}

const octets = "application/octet-stream"

// site serves the resources that most tests use: the ways in which a resolver can answer, and
// files of the folder below /files/.
func site(t *testing.T, folder string) rawhttp.Resolver {
	t.Helper()
	files, err := rawhttp.Dir(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	return rawhttp.First(rawhttp.Mount("/files/", files), routes{
		"/hello":       always(rawhttp.Text(200, "hello\n")),
		"/empty":       always(rawhttp.Empty(204)),
		"/stream":      always(rawhttp.StreamFunc(200, "text/plain", writeLines)),
		"/cut":         always(rawhttp.StreamFunc(200, "text/plain", writeHalf)),
		"/short":       short,
		"/fail":        fail,
		"/echo":        echo,
		"/echo-stream": echoStream,
	})
}

var errOnPurpose = errors.New("this response fails on purpose")

func writeLines(_ context.Context, w io.Writer) error {
	for i := range 3 {
		if _, err := fmt.Fprintf(w, "line %d\n", i+1); err != nil {
			return err
		}
	}
	return nil
}

// writeHalf writes content that is cut after its first bytes.
func writeHalf(_ context.Context, w io.Writer) error {
	if _, err := io.WriteString(w, "half"); err != nil {
		return err
	}
	return errOnPurpose
}

// short sends half of its Content-Length, which is too much to be buffered until
// the mistake is noticed.
func short(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
	half := bytes.NewReader(make([]byte, 1<<20))
	return rawhttp.Content(rawhttp.Representation{MediaType: "text/plain", Body: half, Size: 2 << 20}), nil
}

func fail(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return nil, errOnPurpose }

// echo reads all of the content and then sends it back, with the declared length of the
// request in Declared-Length.
func echo(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	content, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	return rawhttp.OK(octets, content).Set("Declared-Length", fmt.Sprint(req.ContentLength())), nil
}

// echoStream sends the content back as it arrives.
func echoStream(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	return rawhttp.Stream(200, octets, req.Body), nil
}

// twoPieces is a stream whose second piece is not written before goOn is
// closed. The first is "first piece\n", the second "second piece\n".
func twoPieces(goOn <-chan struct{}) rawhttp.ResolverFunc {
	return always(rawhttp.StreamFunc(200, "text/plain", func(ctx context.Context, w io.Writer) error {
		if _, err := io.WriteString(w, "first piece\n"); err != nil {
			return err
		}
		select {
		case <-goOn:
		case <-ctx.Done():
			return ctx.Err()
		}
		_, err := io.WriteString(w, "second piece\n")
		return err
	}))
}

// readTwoPieces reads such a stream from a peer. The first piece must arrive while
// the second is held back; otherwise it waits until the peer gives up.
func readTwoPieces(t *testing.T, from io.Reader, goOn chan<- struct{}) {
	t.Helper()
	first := make([]byte, len("first piece\n"))
	n, err := io.ReadFull(from, first)
	close(goOn)
	if err != nil || string(first) != "first piece\n" {
		t.Errorf("read %q, %v before the second piece was written, want the first", first[:n], err)
		return
	}
	rest, err := io.ReadAll(from)
	if err != nil || string(rest) != "second piece\n" {
		t.Errorf("read %q, %v after the first piece, want the second", rest, err)
	}
}

// someBytes returns n pseudorandom bytes, the same every time.
func someBytes(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

// writeFile makes a file in the folder and returns its path.
func writeFile(t *testing.T, folder, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantBytes compares content that is too long to show.
func wantBytes(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	same := 0
	for same < min(len(got), len(want)) && got[same] == want[same] {
		same++
	}
	t.Errorf("%s: got %d bytes, want %d; the first difference is at offset %d", what, len(got), len(want), same)
}
