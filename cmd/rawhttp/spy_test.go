package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/rawhttp/internal/jail"
	"example.com/rawhttp/internal/transcript"
	"github.com/google/go-cmp/cmp"
)

// startSpy runs spy in front of the server, and returns where it listens, and its end, which
// returns what it printed after its first line.
func startSpy(t *testing.T, server string) (addr string, end func() string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var stdout, stderr lockedBuffer
	done := make(chan int)
	go func() {
		done <- run(stop{ctx, context.Background()}, []string{"spy", "-addr", "127.0.0.1:0", server}, nil, &stdout, &stderr)
	}()
	listens := regexp.MustCompile(`^rawhttp spy: (\S+) relays to .*\n`)
	for listens.FindString(stdout.String()) == "" {
		select {
		case status := <-done:
			t.Fatalf("spy: status %d, %s", status, stderr.String())
		case <-time.After(time.Millisecond):
		}
	}
	end = sync.OnceValue(func() string {
		cancel()
		if status := <-done; status != 0 || stderr.String() != "" {
			t.Errorf("spy: status %d, %q, want 0", status, stderr.String())
		}
		_, shown, _ := strings.Cut(stdout.String(), "\n")
		return shown
	})
	t.Cleanup(func() { end() })
	return listens.FindStringSubmatch(stdout.String())[1], end
}

// serveTCP calls serve for each connection.
func serveTCP(t *testing.T, serve func(*net.TCPConn)) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				serve(nc.(*net.TCPConn))
			}()
		}
	}()
	return ln.Addr().String()
}

func dialTCP(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc.(*net.TCPConn)
}

// Bytes go in both directions at once, and none is changed.
func TestSpyRelaysBytes(t *testing.T) {
	t.Parallel()
	const size = 8 << 20
	random := func(seed uint64) io.Reader {
		var key [32]byte
		key[0] = byte(seed)
		return io.LimitReader(rand.NewChaCha8(key), size)
	}
	compare := func(nc net.Conn, seed uint64) error {
		want := random(seed)
		a, b := make([]byte, 64<<10), make([]byte, 64<<10)
		for {
			n, err := io.ReadFull(nc, a)
			m, _ := io.ReadFull(want, b)
			if n != m || !bytes.Equal(a[:n], b[:m]) {
				return errors.New("not the bytes that were sent")
			}
			if err != nil {
				return nil
			}
		}
	}
	heard := make(chan error, 1)
	addr, end := startSpy(t, serveTCP(t, func(nc *net.TCPConn) {
		said := make(chan struct{})
		go func() {
			io.Copy(nc, random(1))
			nc.CloseWrite()
			close(said)
		}()
		err := compare(nc, 2)
		<-said
		heard <- err
	}))
	nc := dialTCP(t, addr)
	go func() {
		io.Copy(nc, random(2))
		nc.CloseWrite()
	}()
	if err := compare(nc, 1); err != nil {
		t.Errorf("from the server: %v", err)
	}
	if err := <-heard; err != nil {
		t.Errorf("from the client: %v", err)
	}
	if shown := end(); len(shown) > size {
		t.Errorf("%d bytes are shown of two times %d", len(shown), size)
	}
}

// A half-close of one side reaches the other, which may go on sending.
func TestSpyPassesHalfCloses(t *testing.T) {
	t.Parallel()
	addr, end := startSpy(t, serveTCP(t, func(nc *net.TCPConn) {
		b, _ := io.ReadAll(nc)
		nc.Write(append([]byte("heard "), b...))
	}))
	nc := dialTCP(t, addr)
	io.WriteString(nc, "hello\n")
	nc.CloseWrite()
	if b, err := io.ReadAll(nc); err != nil || string(b) != "heard hello\n" {
		t.Errorf("after a half-close the client gets %q, %v", b, err)
	}
	_, shown, _ := strings.Cut(end(), "\n")
	const want = "#1 C --> hello<LF>\n#1 C ==> closes\n#1 S <-- heard hello<LF>\n#1 S <== closes\n"
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("spy shows (-want +got):\n%s", diff)
	}
}

// A reset is passed on as one, in both directions.
func TestSpyPassesResets(t *testing.T) {
	t.Parallel()
	heard := make(chan error, 1)
	addr, _ := startSpy(t, serveTCP(t, func(nc *net.TCPConn) {
		b := make([]byte, 1)
		io.ReadFull(nc, b)
		if b[0] == 'r' {
			nc.SetLinger(0)
			nc.Close()
			return
		}
		_, err := nc.Read(b)
		heard <- err
	}))
	nc := dialTCP(t, addr)
	io.WriteString(nc, "r\n")
	if _, err := io.ReadAll(nc); !jail.IsAny(err, jail.ClientErrors) {
		t.Errorf("when the server resets, the client gets %v, want a reset", err)
	}
	nc = dialTCP(t, addr)
	io.WriteString(nc, "c")
	time.Sleep(50 * time.Millisecond) // a reset discards what has not arrived
	nc.SetLinger(0)
	nc.Close()
	if err := <-heard; !jail.IsAny(err, jail.ClientErrors) {
		t.Errorf("when the client resets, the server gets %v, want a reset", err)
	}
}

// A reset that is noticed by writing alone is shown, too: the client has closed its side before.
func TestSpyShowsResetsAfterHalfCloses(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	addr, end := startSpy(t, serveTCP(t, func(nc *net.TCPConn) {
		defer close(over)
		io.Copy(io.Discard, nc)
		for { // until the reset is passed on
			if _, err := nc.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	}))
	nc := dialTCP(t, addr)
	io.WriteString(nc, "a\n")
	nc.CloseWrite()
	io.ReadFull(nc, make([]byte, 1))
	nc.SetLinger(0)
	nc.Close()
	<-over
	if shown := end(); !strings.HasSuffix(shown, "#1 C ==> resets the connection\n") {
		t.Errorf("spy shows:\n%s", shown)
	}
}

func TestSpyWithoutServer(t *testing.T) {
	t.Parallel()
	addr, end := startSpy(t, "127.0.0.1:1")
	if nc, err := net.Dial("tcp", addr); err == nil { // else the reset was quicker
		defer nc.Close()
		if b, err := io.ReadAll(nc); err == nil || len(b) > 0 {
			t.Errorf("without a server the client gets %q, %v, want a reset", b, err)
		}
	}
	if shown := end(); !regexp.MustCompile(`#1 S <== cannot be reached: 127\.0\.0\.1:1: .*refused.*\n`).MatchString(shown) {
		t.Errorf("spy shows %q", shown)
	}
}

// A spy that is stopped while it connects does not say that the server cannot be reached.
func TestSpyStopsWhileItConnects(t *testing.T) {
	t.Parallel()
	server := serveTCP(t, func(nc *net.TCPConn) {})
	over := make(chan struct{})
	addr := serveTCP(t, func(client *net.TCPConn) {
		defer close(over)
		var shown lockedBuffer
		r := &relay{server: server}
		r.printer = transcript.New(transcript.Options{Mail: true}, func(line string) { io.WriteString(&shown, line) })
		ctx, stop := context.WithCancel(t.Context())
		stop()
		r.connection(ctx, 1, client)
		if got := shown.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "connects") {
			t.Errorf("spy shows %q, want that the client connects", got)
		}
	})
	if nc, err := net.Dial("tcp", addr); err == nil { // else the reset was quicker
		defer nc.Close()
	}
	<-over
}

// When as many connections are open as are relayed at once, the next one waits for its turn.
func TestSpyLimitsConnections(t *testing.T) {
	t.Parallel()
	server := serveTCP(t, func(nc *net.TCPConn) { io.Copy(nc, nc) })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var shown lockedBuffer
	r := &relay{server: server, slots: make(chan struct{}, 2)}
	r.printer = transcript.New(transcript.Options{Mail: true}, func(line string) { io.WriteString(&shown, line) })
	ctx, cancel := context.WithCancel(t.Context())
	var accepting sync.WaitGroup
	accepting.Go(func() { r.acceptAll(ctx, ln) })
	defer accepting.Wait()
	defer cancel()

	var open []net.Conn
	for range 2 {
		nc, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		io.WriteString(nc, "a\n")
		if _, err := io.ReadFull(nc, make([]byte, 2)); err != nil {
			t.Fatal(err)
		}
		open = append(open, nc)
	}
	third, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	io.WriteString(third, "b\n")
	third.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := third.Read(make([]byte, 2)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the third of two connections: %d bytes, %v, want no answer", n, err)
	}
	open[0].Close()
	third.SetReadDeadline(time.Time{})
	if _, err := io.ReadFull(third, make([]byte, 2)); err != nil {
		t.Errorf("the third connection, after the first has closed: %v, want an answer", err)
	}
}

func TestSpyMisused(t *testing.T) {
	for _, args := range [][]string{{"spy"}, {"spy", "a:1", "b:2"}, {"spy", "localhost"}, {"spy", "-addr", "x", "a:1"}, {"spy", "localhost:0"}} {
		status, stdout, stderr := call(t, "", args...)
		if status != 2 || stdout != "" || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: status %d, %q, %q, want 2 and a line", args, status, stdout, stderr)
		}
	}
}
