//go:build linux && !android && (amd64 || arm64)

package conformance_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// If the system refuses sendfile, a file is sent through a buffer. When a Write exceeds its
// deadline, more bytes have been read from the file than written. They must not be lost: a
// client that pauses receives every byte.
func TestSlowClientWithoutSendfile(t *testing.T) {
	t.Parallel()
	content := make([]byte, 16<<20)
	rand.NewChaCha8([32]byte{}).Read(content)
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "large"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	pauses := func(r io.Reader) ([]byte, error) {
		var got bytes.Buffer
		got.Grow(len(content) + 1<<10)
		for range 3 {
			if _, err := io.CopyN(&got, r, 3<<20); err != nil {
				return got.Bytes(), err
			}
			time.Sleep(300 * time.Millisecond) // long enough that some Writes exceed their deadline, which is based on the 4 s below
		}
		_, err := got.ReadFrom(r)
		return got.Bytes(), err
	}
	s := newServer(t, rawhttp.WithRoot(root), rawhttp.WithStallTimeout(4*time.Second))
	_, got := splitHead(testkit.AnswerWithoutCall(t, func(c net.Conn) { s.ServeConn(context.Background(), c) }, syscall.SYS_SENDFILE, syscall.ENOSYS, getRequest("/large"), pauses))
	if got != string(content) {
		n := 0
		for n < min(len(got), len(content)) && got[n] == content[n] {
			n++
		}
		t.Errorf("the client received %d bytes of %d, the first %d of them correct", len(got), len(content), n)
	}
}
