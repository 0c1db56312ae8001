//go:build linux && !android && (amd64 || arm64)

package rawhttp

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"example.com/rawhttp/internal/testkit"
	"example.com/rawhttp/internal/testkit/testtls"
)

// answerWithoutCall serves one connection on a thread on which the given system call fails, and
// returns everything that the client reads.
func answerWithoutCall(t *testing.T, s *Server, call uintptr, errno syscall.Errno, request string) string {
	t.Helper()
	return testkit.AnswerWithoutCall(t, func(c net.Conn) { s.ServeConn(context.Background(), c) }, call, errno, request, io.ReadAll)
}

// Large files are sent with sendfile, in either jail: if that fails, so does the answer.
// Small files and ranges up to 64 KiB do not need it.
func TestLargeFilesUseSendfile(t *testing.T) {
	root := t.TempDir()
	for name, size := range map[string]int{"large": 200_000, "small": 60_000} {
		if err := os.WriteFile(filepath.Join(root, name), make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for how, j := range testkit.Trees(t, root) {
		files := filesOfDir(t, root)
		files.tree.Close()
		files.tree = j
		files.cache.tree = nil
		s := newServer(t, WithResolver(files))
		for name, whole := range map[string]bool{"large": false, "small": true} {
			got := answerWithoutCall(t, s, syscall.SYS_SENDFILE, syscall.EIO, getRequest("/"+name))
			if (len(got) > 60_000) != whole {
				t.Errorf("%s: if sendfile fails, the answer for the %s file has %d bytes, want only that for the small file to be complete", how, name, len(got))
			}
		}
	}
}

// A range of up to 64 KiB of a file of a tree is read without a seek, which a larger one needs
// for sendfile.
func TestSmallRangesOfFilesNeedNoSeek(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "large"), make([]byte, 200_000), 0o644); err != nil {
		t.Fatal(err)
	}
	for how, j := range testkit.Trees(t, root) {
		files := filesOfDir(t, root)
		files.tree.Close()
		files.tree = j
		s := newServer(t, WithResolver(files))
		for ranges, want := range map[string]string{
			"1000-66535":         "HTTP/1.1 206 ",
			"1000-66536":         "HTTP/1.1 500 ",
			"199999-,1000-66535": "HTTP/1.1 206 ",
			"199999-,1000-66536": "HTTP/1.1 500 ",
		} {
			request := "GET /large HTTP/1.1\r\nHost: a\r\nRange: bytes=" + ranges + "\r\n\r\n"
			got := answerWithoutCall(t, s, syscall.SYS_LSEEK, syscall.EIO, request)
			if !strings.HasPrefix(got, want) {
				t.Errorf("%s: if lseek fails, the answer to Range: bytes=%s begins with %q, want %q", how, ranges, testkit.Shorten(got), want)
			}
		}
	}
}

// The amount of unsent data in the system is limited before a large write, and only then. The
// limit is higher for another machine; the client at 127.0.0.2 counts as one.
func TestNotSentLowat(t *testing.T) {
	root := t.TempDir()
	for name, size := range map[string]int{"large": 200_000, "small": 10} {
		if err := os.WriteFile(filepath.Join(root, name), make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files := filesOfDir(t, root)
	large := Text(200, strings.Repeat("x", 200_000))
	for _, tt := range []struct {
		path, client string
		want         int // 0: as before
	}{
		{"/small", "127.0.0.1", 0},
		{"/large", "127.0.0.1", notSentLowatLocal},
		{"/large", "127.0.0.2", notSentLowat},
		{"/text", "127.0.0.1", notSentLowatLocal},
		{"/text", "127.0.0.2", notSentLowat},
	} {
		path, want := tt.path, tt.want
		var nc net.Conn
		lowat := func() int { return lowatOf(t, nc.(*net.TCPConn)) }
		seen := make(chan int, 1)
		_, addr := listen(t, WithResolver(ResolverFunc(func(ctx context.Context, req *Request) (*Response, error) {
			if req.Path() == "/then" {
				seen <- lowat()
				return Text(200, ""), nil
			}
			nc = req.Conn().NetConn
			before := lowat()
			if path == "/small" {
				want = before
			}
			if before == notSentLowat || before == notSentLowatLocal {
				t.Error("the option is set before the first large write")
			}
			if req.Path() == "/text" {
				return large, nil
			}
			return files.Resolve(ctx, req)
		})))
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(tt.client)}}
		c, err := dialer.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, getRequest(path)+getRequest("/then"))
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, c)
		c.Close()
		if got := <-seen; got != want {
			t.Errorf("%s: after %s TCP_NOTSENT_LOWAT is %d, want %d", tt.client, path, got, want)
		}
	}
}

// lowatOf returns TCP_NOTSENT_LOWAT of the connection.
func lowatOf(t *testing.T, tcp *net.TCPConn) (n int) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		t.Error(err)
		return 0
	}
	raw.Control(func(fd uintptr) { n, _ = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, 0x19) })
	return n
}

// If a wrapper returns its connection from NetConn, as TLS does, the limit is set on that
// connection. It is the higher one, also for a client on this machine.
func TestNotSentLowatBelowWrappers(t *testing.T) {
	t.Parallel()
	config := testtls.Config(t)
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"TLS":             func(c net.Conn) net.Conn { return tls.Server(c, config) },
		"wrapper":         func(c net.Conn) net.Conn { return wrappedConn{c} },
		"wrapper and TLS": func(c net.Conn) net.Conn { return tls.Server(wrappedConn{c}, config) },
	} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			var client net.Conn = dial(t, ln.Addr().String())
			below, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			server := wrap(below)
			if _, ok := server.(*tls.Conn); ok {
				client = tls.Client(client, config)
			}
			seen := make(chan int, 2)
			resolver := ResolverFunc(func(_ context.Context, req *Request) (*Response, error) {
				seen <- lowatOf(t, below.(*net.TCPConn))
				return Text(200, strings.Repeat("x", 200_000)), nil
			})
			s := newServer(t, WithResolver(resolver))
			go s.ServeConn(t.Context(), server)
			io.WriteString(client, getRequest("/")+getRequest("/", "Connection: close"))
			io.Copy(io.Discard, client)
			if before, after := <-seen, <-seen; before == notSentLowat || after != notSentLowat {
				t.Errorf("TCP_NOTSENT_LOWAT is %d before a large response and %d after it, want %d only after it", before, after, notSentLowat)
			}
		})
	}
}

// A wrappedConn is a wrapper that has the method NetConn.
type wrappedConn struct{ net.Conn }

func (c wrappedConn) NetConn() net.Conn { return c.Conn }
