//go:build linux && !android && (amd64 || arm64)

package conformance_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"example.com/rawhttp"
)

func sendfileRefusedTo(t *testing.T, s *rawhttp.Server, call uintptr, errno syscall.Errno, request string, read func(io.Reader) ([]byte, error)) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocks it
		if err := jailRefuse(call, errno); err != nil {
			nc.Close()
			done <- err
			return
		}
		s.ServeConn(context.Background(), nc)
		done <- nil
	}()
	io.WriteString(c, request)
	c.(*net.TCPConn).CloseWrite()
	b, _ := read(c)
	if err := <-done; err != nil {
		t.Skip("no filters here:", err)
	}
	return string(b)
}

// Where the system refuses sendfile a file goes by way of a buffer. A write that meets its
// deadline has then read more than it wrote, which must come all the same: a client that
// pauses gets every byte.
func TestSlowClientWithoutSendfile(t *testing.T) {
	t.Parallel()
	content := make([]byte, 16<<20)
	rand.NewChaCha8([32]byte{}).Read(content)
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "large"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	pauses := func(r io.Reader) ([]byte, error) {
		var got []byte
		for range 3 {
			b := make([]byte, 3<<20)
			n, err := io.ReadFull(r, b)
			if got = append(got, b[:n]...); err != nil {
				return got, err
			}
			time.Sleep(300 * time.Millisecond) // of the 4 s below, so that writes meet some of their deadlines
		}
		b, err := io.ReadAll(r)
		return append(got, b...), err
	}
	s := newServer(t, rawhttp.WithRoot(root), rawhttp.WithStallTimeout(4*time.Second))
	_, got := splitHead(sendfileRefusedTo(t, s, syscall.SYS_SENDFILE, syscall.ENOSYS, liveGet("/large"), pauses))
	if got != string(content) {
		n := 0
		for n < min(len(got), len(content)) && got[n] == content[n] {
			n++
		}
		t.Errorf("the client has %d bytes of %d, the first %d of them right", len(got), len(content), n)
	}
}

// What opens a file keeps it from programs that are started meanwhile.
func TestOpenedFilesAreClosedOnExec(t *testing.T) {
	for how, j := range jails(t, jailMake(t)) {
		file, _, err := j.Open("a")
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := file.(*os.File).SyscallConn()
		raw.Control(func(fd uintptr) {
			if flags, _, _ := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_GETFD, 0); flags&syscall.FD_CLOEXEC == 0 {
				t.Errorf("%s: a file would be inherited", how)
			}
		})
		file.Close()
	}
}
