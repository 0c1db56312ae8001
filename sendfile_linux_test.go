//go:build linux && !android && (amd64 || arm64)

package rawhttp

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// sendfileRefused serves one connection on a thread on which a system call fails, and
// returns what the client reads.
func sendfileRefused(t *testing.T, s *Server, call uintptr, errno syscall.Errno, request string) string {
	t.Helper()
	return sendfileRefusedTo(t, s, call, errno, request, io.ReadAll)
}

func sendfileRefusedTo(t *testing.T, s *Server, call uintptr, errno syscall.Errno, request string, read func(io.Reader) ([]byte, error)) string {
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

// Large files leave by sendfile, in either jail: where that fails so does the answer.
// Small ones and ranges up to 64 KiB do not need it.
func TestLargeFilesLeaveBySendfile(t *testing.T) {
	root := t.TempDir()
	for name, size := range map[string]int{"large": 200_000, "small": 60_000} {
		if err := os.WriteFile(filepath.Join(root, name), make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for how, j := range jails(t, root) {
		files := filesOfDir(t, root)
		files.tree.Close()
		files.tree = j
		files.cache.tree = nil
		s := newServer(t, WithResolver(files))
		for name, whole := range map[string]bool{"large": false, "small": true} {
			got := sendfileRefused(t, s, syscall.SYS_SENDFILE, syscall.EIO, liveGet("/"+name))
			if (len(got) > 60_000) != whole {
				t.Errorf("%s: without sendfile the answer of the %s file has %d bytes", how, name, len(got))
			}
		}
	}
}

// How much may wait in the system unsent is bounded before a large write, and only then:
// more for another machine, which the client at 127.0.0.2 is taken for.
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
				t.Error("the option is set before anything large")
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
		io.WriteString(c, liveGet(path)+liveGet("/then"))
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, c)
		c.Close()
		if got := <-seen; got != want {
			t.Errorf("%s: after %s TCP_NOTSENT_LOWAT is %d, want %d", tt.client, path, got, want)
		}
	}
}

// lowatOf returns how much may wait in the system unsent.
func lowatOf(t *testing.T, tcp *net.TCPConn) (n int) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		t.Error(err)
		return 0
	}
	raw.Control(func(fd uintptr) { n, _ = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, 0x19) })
	return n
}

// What is wrapped around a connection of the system and says so, as TLS does, is bounded
// below.
func TestNotSentLowatBelowWrappers(t *testing.T) {
	t.Parallel()
	config := liveTLS(t)
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"TLS":                     func(c net.Conn) net.Conn { return tls.Server(c, config) },
		"a wrapper that says it":  func(c net.Conn) net.Conn { return tellingConn{c} },
		"such a wrapper, and TLS": func(c net.Conn) net.Conn { return tls.Server(tellingConn{c}, config) },
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
			c := liveServe(t, client, server, WithResolver(resolver))
			io.WriteString(client, liveGet("/")+liveGet("/", "Connection: close"))
			<-c.ended
			if before, behind := <-seen, <-seen; before == notSentLowatLocal || behind != notSentLowatLocal {
				t.Errorf("TCP_NOTSENT_LOWAT is %d before a large response and %d after it, want %d only after it", before, behind, notSentLowatLocal)
			}
		})
	}
}

// A tellingConn is a wrapper that says what is in it.
type tellingConn struct{ net.Conn }

func (c tellingConn) NetConn() net.Conn { return c.Conn }

// jailRefuse has a system call answered with errno on the thread that calls.
func jailRefuse(call uintptr, errno syscall.Errno) error {
	const (
		load, jumpEqual, give      = 0x20, 0x15, 0x06 // linux/bpf_common.h
		allow, refuse              = 0x7fff0000, 0x00050000
		setNoNewPrivs, setFilter   = 38, 22 // prctl(2)
		modeFilter                 = 2
		offsetOfNumber, next, skip = 0, 0, 1
	)
	type instruction struct {
		code     uint16
		yes, no  uint8
		constant uint32
	}
	program := []instruction{
		{load, 0, 0, offsetOfNumber},
		{jumpEqual, next, skip, uint32(call)},
		{give, 0, 0, refuse | uint32(errno)},
		{give, 0, 0, allow},
	}
	filter := &struct {
		n       uint16
		program *instruction
	}{uint16(len(program)), &program[0]}
	if _, _, errno := syscall.Syscall6(syscall.SYS_PRCTL, setNoNewPrivs, 1, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	_, _, refused := syscall.Syscall(syscall.SYS_PRCTL, setFilter, modeFilter, reflect.ValueOf(filter).Pointer())
	runtime.KeepAlive(filter)
	if refused != 0 {
		return refused
	}
	return nil
}
