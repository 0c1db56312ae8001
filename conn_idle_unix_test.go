//go:build unix

package rawhttp

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// parkAwait waits until n connections of the server are parked.
func parkAwait(t *testing.T, s *Server, n int) {
	t.Helper()
	parked := func() (n int) {
		s.eachConn(func(c *conn) {
			if c.parked.Load() {
				n++
			}
		})
		return n
	}
	for end := time.Now().Add(30 * time.Second); parked() != n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d connections are parked, want %d", parked(), n)
		}
	}
}

// A connection that has been idle for a while changes its goroutine. Nobody can tell.
func TestParkedConnection(t *testing.T) {
	tests := []struct {
		name string
		opts []Option
		do   func(t *testing.T, s *Server, c net.Conn) // ends the connection, or sees its end
		want Stats
	}{
		{"the next request", nil, func(t *testing.T, s *Server, c net.Conn) {
			for range 2 {
				parkAsk(t, c, liveGet("/"), 1)
				parkAwait(t, s, 1)
			}
			c.Close()
		}, Stats{Conns: 1, Requests: 3}},
		{"a conversation", nil, func(t *testing.T, s *Server, c net.Conn) {
			for range 2 {
				for range inTalk + 1 {
					parkAsk(t, c, liveGet("/"), 1)
				}
				parkAwait(t, s, 1)
			}
			c.Close()
		}, Stats{Conns: 1, Requests: 1 + 2*(inTalk+1)}},
		{"several at once", nil, func(t *testing.T, s *Server, c net.Conn) {
			parkAsk(t, c, strings.Repeat(liveGet("/"), 300), 300) // more than one buffer
			c.Close()
		}, Stats{Conns: 1, Requests: 301}},
		{"a byte at a time", nil, func(t *testing.T, s *Server, c net.Conn) {
			request := liveGet("/")
			for _, b := range []byte(request[:len(request)-1]) {
				c.Write([]byte{b})
			}
			parkAsk(t, c, request[len(request)-1:], 1)
			c.Close()
		}, Stats{Conns: 1, Requests: 2}},
		{"the client leaves", nil, func(t *testing.T, s *Server, c net.Conn) { c.Close() }, Stats{Conns: 1, Requests: 1}},
		{"the client resets", nil, func(t *testing.T, s *Server, c net.Conn) {
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}, Stats{Conns: 1, Requests: 1}},
		{"its time is over", []Option{WithIdleTimeout(time.Second)}, func(t *testing.T, s *Server, c net.Conn) {
			if b, err := io.ReadAll(c); len(b) > 0 || err != nil {
				t.Errorf("the end of an idle connection is %q, %v, want no word", b, err)
			}
		}, Stats{Conns: 1, Requests: 1}},
		{"another takes its place", []Option{WithMaxConns(1)}, func(t *testing.T, s *Server, c net.Conn) {
			another := dial(t, c.RemoteAddr().String())
			parkAsk(t, another, liveGet("/"), 1)
			if b, err := io.ReadAll(c); len(b) > 0 || err != nil {
				t.Errorf("the end of a connection that gave way is %q, %v, want no word", b, err)
			}
			another.Close()
		}, Stats{Conns: 2, Requests: 2}},
		{"Shutdown", nil, func(t *testing.T, s *Server, c net.Conn) {
			if err := s.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
			io.ReadAll(c)
		}, Stats{Conns: 1, Requests: 1}},
		{"Close", nil, func(t *testing.T, s *Server, c net.Conn) { s.Close(); io.ReadAll(c) }, Stats{Conns: 1, Requests: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, addr := listen(t, append(tt.opts, WithResolver(say("hi")))...)
			c := dial(t, addr)
			parkAsk(t, c, liveGet("/"), 1)
			parkAwait(t, s, 1)
			if got := s.Stats(); got.ConnsIdle != 1 || got.ConnsOpen != 1 {
				t.Errorf("Stats of a parked connection: %+v, want it idle", got)
			}
			tt.do(t, s, c)
			for end := time.Now().Add(30 * time.Second); s.Stats().ConnsOpen > 0 && time.Now().Before(end); {
				time.Sleep(5 * time.Millisecond)
			}
			got := s.Stats()
			tt.want.BytesRead = tt.want.Requests * uint64(len(liveGet("/")))
			got.BytesWritten = 0
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Stats (-want +got):\n%s", diff)
			}
		})
	}
}

// A connection that never said a word is parked, too.
func TestParkedBeforeItsFirstRequest(t *testing.T) {
	s, addr := listen(t, WithResolver(say("hi")))
	c := dial(t, addr)
	parkAwait(t, s, 1)
	parkAsk(t, c, liveGet("/"), 1)
}

// parkAsk sends requests and reads their answers.
func parkAsk(t *testing.T, c net.Conn, requests string, n int) {
	t.Helper()
	go io.WriteString(c, requests)
	answers := bufio.NewReader(c)
	for range n {
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); string(b) != "hi" || err != nil {
			t.Fatalf("answer %q, %v, want hi", b, err)
		}
	}
}

// A connection that is evicted in the moment in which it parks does not wait: its own
// deadline would hide the one that is to wake it.
func TestEvictedWhileItParks(t *testing.T) {
	s, addr := listen(t, WithResolver(say("hi")))
	dialed := dial(t, addr)
	c := newConn(s, new(group), dialed) // either end can wait
	c.read.limit = clock().add(time.Hour)
	if !c.evict(c.life.Load()) {
		t.Fatal("an idle connection is not evicted")
	}
	if err := c.awaitParked(); !isTimeout(err) {
		t.Errorf("awaitParked = %v, want a timeout", err)
	}
}

// A connection that parks gives up the buffer that it has held in a conversation.
func TestParkedConnectionHoldsNoBuffer(t *testing.T) {
	s, addr := listen(t, WithResolver(say("hi")))
	c := newConn(s, new(group), dial(t, addr)) // either end can wait
	c.work.in.buf = new([minBuffer]byte)[:]
	c.ready.keep(&c.work.in)
	c.read.limit = clock().add(time.Millisecond)
	if err := c.awaitParked(); !isTimeout(err) || c.ready.buf == nil {
		t.Fatalf("awaitParked = %v, with a buffer: %v, want one until the connection parks", err, c.ready.buf != nil)
	}
	if c.begin(errToPark) || c.ready.buf != nil || c.work.in.buf != nil {
		t.Error("a connection that parks holds a buffer")
	}
	if err := c.awaitParked(); !isTimeout(err) || c.ready.buf != nil {
		t.Errorf("awaitParked = %v, with a buffer: %v, want none while it waits", err, c.ready.buf != nil)
	}
}
