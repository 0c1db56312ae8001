package main

import (
	"bufio"
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
	"example.com/rawhttp/internal/testkit"
	"example.com/rawhttp/internal/transcript"
	"github.com/google/go-cmp/cmp"
)

// startSpy runs spy in front of the server. It returns the address of spy and a function that
// stops it and returns what it printed after its first line.
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

// A second signal ends spy even if it prints to a pipe that nobody reads.
func TestSpyStopsAtOnceWithBlockedOutput(t *testing.T) {
	t.Parallel()
	graceful, stopGracefully := context.WithCancel(t.Context())
	atOnce, stopAtOnce := context.WithCancel(t.Context())
	stdout, w := io.Pipe()
	defer stdout.Close()
	printed := make(chan struct{}, 10) // one value for each line
	status := make(chan int, 1)
	server := closing(t)
	go func() {
		out := writerFunc(func(b []byte) (int, error) { printed <- struct{}{}; return w.Write(b) })
		status <- run(stop{graceful, atOnce}, []string{"spy", "-addr", "127.0.0.1:0", server}, nil, out, io.Discard)
	}()
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	<-printed
	nc, err := net.Dial("tcp", strings.Fields(line)[2])
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	<-printed // by the connection
	stopGracefully()
	stopAtOnce()
	wantStopped(t, status)
}

// serveTCP listens and calls serve for each connection. It returns the address.
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

// Bytes are relayed in both directions at once, unchanged.
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
				return errors.New("read other bytes than were sent")
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
	nc := testkit.Dial(t, addr)
	go func() {
		io.Copy(nc, random(2))
		nc.CloseWrite()
	}()
	if err := compare(nc, 1); err != nil {
		t.Errorf("reading from the server: %v", err)
	}
	if err := <-heard; err != nil {
		t.Errorf("reading from the client: %v", err)
	}
	if shown := end(); len(shown) > size {
		t.Errorf("spy shows %d bytes, want at most %d, of twice as many", len(shown), size)
	}
}

// A half-close is passed on, and the other side may continue to send.
func TestSpyPassesHalfCloses(t *testing.T) {
	t.Parallel()
	addr, end := startSpy(t, serveTCP(t, func(nc *net.TCPConn) {
		b, _ := io.ReadAll(nc)
		nc.Write(append([]byte("heard "), b...))
	}))
	nc := testkit.Dial(t, addr)
	io.WriteString(nc, "hello\n")
	nc.CloseWrite()
	if b, err := io.ReadAll(nc); err != nil || string(b) != "heard hello\n" {
		t.Errorf("after a half-close the client reads %q, %v, want the rest of the answer", b, err)
	}
	_, shown, _ := strings.Cut(end(), "\n")
	const want = "#1 C --> hello<LF>\n#1 C ==> closes\n#1 S <-- heard hello<LF>\n#1 S <== closes\n"
	if diff := cmp.Diff(want, withoutPauses(shown)); diff != "" {
		t.Errorf("spy shows (-want +got):\n%s", diff)
	}
}

// A reset is passed on as a reset, in both directions.
func TestSpyPassesResets(t *testing.T) {
	t.Parallel()
	heard, ended := make(chan byte), make(chan error, 1)
	addr, _ := startSpy(t, serveTCP(t, func(nc *net.TCPConn) {
		b := make([]byte, 1)
		io.ReadFull(nc, b)
		if b[0] == 'r' {
			nc.SetLinger(0)
			nc.Close()
			return
		}
		heard <- b[0]
		_, err := nc.Read(b)
		ended <- err
	}))
	nc := testkit.Dial(t, addr)
	io.WriteString(nc, "r\n")
	if _, err := io.ReadAll(nc); !jail.IsAny(err, jail.ClientErrors) {
		t.Errorf("when the server resets, the client reads %v, want a reset", err)
	}
	nc = testkit.Dial(t, addr)
	io.WriteString(nc, "c")
	<-heard // a reset would discard bytes that have not been read
	nc.SetLinger(0)
	nc.Close()
	if err := <-ended; !jail.IsAny(err, jail.ClientErrors) {
		t.Errorf("when the client resets, the server reads %v, want a reset", err)
	}
}

// A reset is shown even if it is noticed only by a write, since the client had closed its side.
func TestSpyShowsResetsAfterHalfCloses(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	addr, end := startSpy(t, serveTCP(t, func(nc *net.TCPConn) {
		defer close(over)
		io.Copy(io.Discard, nc)
		for { // until spy has passed on the reset
			if _, err := nc.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	}))
	nc := testkit.Dial(t, addr)
	io.WriteString(nc, "a\n")
	nc.CloseWrite()
	io.ReadFull(nc, make([]byte, 1))
	nc.SetLinger(0)
	nc.Close()
	<-over
	if shown := end(); !strings.HasSuffix(shown, "#1 C ==> resets the connection\n") {
		t.Errorf("spy shows:\n%s\nwant the reset at the end", shown)
	}
}

func TestSpyWithoutServer(t *testing.T) {
	t.Parallel()
	addr, end := startSpy(t, "127.0.0.1:1")
	if nc, err := net.Dial("tcp", addr); err == nil { // otherwise the reset was faster
		defer nc.Close()
		if b, err := io.ReadAll(nc); err == nil || len(b) > 0 {
			t.Errorf("without a server the client reads %q, %v, want a reset", b, err)
		}
	}
	if shown := end(); !regexp.MustCompile(`#1 S <== cannot be reached: 127\.0\.0\.1:1: .*refused.*\n`).MatchString(shown) {
		t.Errorf("spy shows %q, want that the server cannot be reached", shown)
	}
}

// If spy is stopped while it connects, it does not report that the server cannot be reached.
func TestSpyStopsWhileConnecting(t *testing.T) {
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
			t.Errorf("spy shows %q, want only that the client connects", got)
		}
	})
	if nc, err := net.Dial("tcp", addr); err == nil { // otherwise the reset was faster
		defer nc.Close()
	}
	<-over
}

// If as many connections are open as are relayed at once, the next one waits.
func TestSpyLimitsConnections(t *testing.T) {
	t.Parallel()
	server := serveTCP(t, func(nc *net.TCPConn) { io.Copy(nc, nc) })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var shown, warnings lockedBuffer
	r := &relay{server: server, slots: make(chan struct{}, 2), warnings: &warnings}
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
	const want = "rawhttp spy: 2 connections are open; new ones wait until one of them closes\n"
	testkit.Await(t, "while the third waits, spy warns: "+want, func() bool { return warnings.String() == want })
	third.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := third.Read(make([]byte, 2)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("with a limit of two, the third connection reads %d bytes, %v, want no answer", n, err)
	}
	open[0].Close()
	third.SetReadDeadline(time.Time{})
	if _, err := io.ReadFull(third, make([]byte, 2)); err != nil {
		t.Errorf("the third connection, after the first has closed: %v, want an answer", err)
	}
}

// A spy that relayed to itself would open connections until it may open no more.
func TestSpyOfItself(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"", "localhost:", "0.0.0.0:"} {
		port, status, stdout, stderr := "", 1, "", ""
		for try := 0; try < 10 && status == 1; try++ { // another process may listen on the port meanwhile
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			_, port, _ = net.SplitHostPort(ln.Addr().String())
			ln.Close()
			status, stdout, stderr = call(t, "", "spy", "-addr", port, host+port)
		}
		if status != 2 || stdout != "" || !strings.Contains(stderr, "where spy itself listens") {
			t.Errorf("spy -addr %s %s: status %d, %q, %q, want 2 and that it relays to itself", port, host+port, status, stdout, stderr)
		}
	}
	for _, tt := range []struct {
		server, at string
		want       bool
	}{
		{"127.0.0.1:8081", "127.0.0.1:8081", true},
		{"127.0.0.1:8081", "[::]:8081", true},
		{"[::1]:8081", "[::1]:8081", true},
		{"127.0.0.2:8081", "127.0.0.1:8081", false},
		{"127.0.0.1:8080", "127.0.0.1:8081", false},
		{"no..name:8080", "127.0.0.1:8081", false},
	} {
		at, err := net.ResolveTCPAddr("tcp", tt.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := isSame(tt.server, at); got != tt.want {
			t.Errorf("isSame(%q, %q) = %v, want %v", tt.server, tt.at, got, tt.want)
		}
	}
}

func TestSpyMisused(t *testing.T) {
	for _, args := range [][]string{{"spy"}, {"spy", "a:1", "b:2"}, {"spy", "localhost"}, {"spy", "localhost", "81"}, {"spy", "localhost:80", "81"}, {"spy", "-addr", "x", "a:1"}, {"spy", "localhost:0"}} {
		status, stdout, stderr := call(t, "", args...)
		if status != 2 || stdout != "" || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: status %d, stdout %q, stderr %q, want 2 and one line on stderr", args, status, stdout, stderr)
		}
	}
}
