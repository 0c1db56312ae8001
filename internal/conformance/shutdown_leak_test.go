package conformance_test

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// However connections end, no goroutine and no descriptor is left.
func TestConnectionsLeakNothing(t *testing.T) {
	noNewGoroutines(t)
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "large.bin"), make([]byte, 2<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	files := rawhttp.WithRoot(root)
	large := getRequest("/large.bin")
	ways := []struct {
		name string
		do   func(c *net.TCPConn)
	}{
		{"closes at once", func(c *net.TCPConn) {}},
		{"resets at once", func(c *net.TCPConn) { c.SetLinger(0) }},
		{"closes in the head", func(c *net.TCPConn) { io.WriteString(c, "GET / HT") }},
		{"closes after an answer", func(c *net.TCPConn) { io.WriteString(c, large); io.CopyN(io.Discard, c, 2<<20) }},
		{"closes during an answer", func(c *net.TCPConn) { io.WriteString(c, large); io.CopyN(io.Discard, c, 1000) }},
		{"resets during an answer", func(c *net.TCPConn) { io.WriteString(c, large); io.CopyN(io.Discard, c, 1000); c.SetLinger(0) }},
		{"closes in the content", func(c *net.TCPConn) { io.WriteString(c, chunkedRequest("/large.bin", "5\r\nab")) }},
		{"is refused", func(c *net.TCPConn) { io.WriteString(c, "GET\r\n\r\n"); io.Copy(io.Discard, c) }},
	}
	serve := func(each int) {
		s := newServer(t, files, rawhttp.WithMaxConns(0))
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- s.Serve(context.Background(), ln) }()
		slots := make(chan struct{}, 50)
		var all sync.WaitGroup
		for range each {
			for _, way := range ways {
				slots <- struct{}{}
				all.Go(func() {
					defer func() { <-slots }()
					c, err := net.Dial("tcp", ln.Addr().String())
					if err != nil {
						t.Error(err)
						return
					}
					way.do(c.(*net.TCPConn))
					c.Close()
				})
			}
		}
		all.Wait()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown = %v, want nil", err)
		}
		if err := <-served; err != rawhttp.ErrServerClosed {
			t.Errorf("Serve = %v, want ErrServerClosed", err)
		}
		want := rawhttp.Stats{Conns: uint64(each * len(ways))}
		got := s.Stats()
		got.Requests, got.BytesRead, got.BytesWritten = 0, 0, 0
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Stats at the end (-want +got):\n%s", diff)
		}
	}
	serve(1) // so that descriptors that the runtime opens once are open
	before := testkit.Descriptors()
	each := 25
	if *long {
		each = 125
	}
	serve(each)
	for range 500 { // descriptors of the clients may be closed a moment later
		if testkit.Descriptors() <= before {
			return
		}
		runtime.GC()
		runtime.Gosched()
	}
	t.Errorf("%d descriptors are open at the end, want %d as at the start", testkit.Descriptors(), before)
}
