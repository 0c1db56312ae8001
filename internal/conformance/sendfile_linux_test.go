//go:build linux && !android && (amd64 || arm64)

package conformance_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
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
	const size, piece = 16 << 20, 64 << 10
	noise := func() io.Reader { return rand.NewChaCha8([32]byte{}) }
	root := t.TempDir()
	f, err := os.Create(filepath.Join(root, "large"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(f, noise(), size); err != nil {
		t.Fatal(err)
	}
	f.Close()
	// compare reads the answer with pauses, and returns what is wrong.
	compare := func(conn io.Reader) ([]byte, error) {
		r, want := bufio.NewReader(conn), noise()
		for line := ""; line != "\r\n"; {
			var err error
			if line, err = r.ReadString('\n'); err != nil {
				return fmt.Appendf(nil, "read the head until %v", err), nil
			}
		}
		got, right := make([]byte, piece), make([]byte, piece)
		for n := 0; n < size; n += piece {
			if n == 3<<20 || n == 6<<20 || n == 9<<20 {
				time.Sleep(300 * time.Millisecond) // long enough that some Writes exceed their deadline, which is based on the 4 s below
			}
			if m, err := io.ReadFull(r, got); err != nil {
				return fmt.Appendf(nil, "read %d bytes of content until %v", n+m, err), nil
			}
			if io.ReadFull(want, right); !bytes.Equal(got, right) {
				return fmt.Appendf(nil, "read wrong content after %d bytes", n), nil
			}
		}
		if rest, _ := io.ReadAll(r); len(rest) > 0 {
			return fmt.Appendf(nil, "read %d bytes more", len(rest)), nil
		}
		return nil, nil
	}
	s := newServer(t, rawhttp.WithRoot(root), rawhttp.WithStallTimeout(4*time.Second))
	if wrong := testkit.AnswerWithoutCall(t, func(c net.Conn) { s.ServeConn(context.Background(), c) }, syscall.SYS_SENDFILE, syscall.ENOSYS, getRequest("/large"), compare); wrong != "" {
		t.Errorf("the client %s, want the %d bytes of the file", wrong, size)
	}
}
