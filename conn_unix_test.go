//go:build unix

package rawhttp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/rawhttp/internal/testkit"
	"github.com/google/go-cmp/cmp"
)

// parked returns the number of the server's connections that are parked.
func parked(s *Server) (n int) {
	s.eachConn(func(c *conn) {
		if c.parked.Load() {
			n++
		}
	})
	return n
}

// waitParked waits until n connections of the server are parked.
func waitParked(t *testing.T, s *Server, n int) {
	t.Helper()
	testkit.Await(t, fmt.Sprint(n, " connections are parked"), func() bool { return parked(s) == n })
}

// A connection that has been idle for a while is parked. The client does not notice.
func TestParkedConnection(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		opts []Option
		do   func(t *testing.T, s *Server, c net.Conn) // ends the connection, or sees its end
		want Stats
	}{
		{"the next request", nil, func(t *testing.T, s *Server, c net.Conn) {
			for range 2 {
				wantHi(t, c, getRequest("/"), 1)
				waitParked(t, s, 1)
			}
			c.Close()
		}, Stats{Conns: 1, Requests: 3}},
		{"a conversation", nil, func(t *testing.T, s *Server, c net.Conn) {
			for range inTalk + 1 {
				wantHi(t, c, getRequest("/"), 1)
			}
			waitParked(t, s, 1)
			wantHi(t, c, getRequest("/"), 1)
			c.Close()
		}, Stats{Conns: 1, Requests: 1 + inTalk + 1 + 1}},
		{"several at once", nil, func(t *testing.T, s *Server, c net.Conn) {
			wantHi(t, c, strings.Repeat(getRequest("/"), 300), 300) // more than one buffer
			c.Close()
		}, Stats{Conns: 1, Requests: 301}},
		{"a byte at a time", nil, func(t *testing.T, s *Server, c net.Conn) {
			request := getRequest("/")
			for _, b := range []byte(request[:len(request)-1]) {
				c.Write([]byte{b})
			}
			wantHi(t, c, request[len(request)-1:], 1)
			c.Close()
		}, Stats{Conns: 1, Requests: 2}},
		{"the client closes", nil, func(t *testing.T, s *Server, c net.Conn) { c.Close() }, Stats{Conns: 1, Requests: 1}},
		{"the client resets", nil, func(t *testing.T, s *Server, c net.Conn) {
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}, Stats{Conns: 1, Requests: 1}},
		{"another connection takes its place", []Option{WithMaxConns(1), WithIdleTimeout(0)}, func(t *testing.T, s *Server, c net.Conn) {
			another := dial(t, c.RemoteAddr().String())
			wantHi(t, another, getRequest("/"), 1)
			if b, err := io.ReadAll(c); len(b) > 0 || err != nil {
				t.Errorf("an evicted connection ended with %q, %v, want no bytes", b, err)
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
			s, addr := listen(t, append(tt.opts, WithResolver(answerText("hi")))...)
			c := dial(t, addr)
			wantHi(t, c, getRequest("/"), 1)
			waitParked(t, s, 1)
			if got := s.Stats(); got.ConnsIdle != 1 || got.ConnsOpen != 1 {
				t.Errorf("Stats of a parked connection: %+v, want it idle", got)
			}
			tt.do(t, s, c)
			testkit.Await(t, "no connection is open", func() bool { return s.Stats().ConnsOpen == 0 })
			got := s.Stats()
			tt.want.BytesRead = tt.want.Requests * uint64(len(getRequest("/")))
			got.BytesWritten = 0
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Stats (-want +got):\n%s", diff)
			}
		})
	}
}

// The idle time also ends a connection that is parked.
func TestParkedConnectionIdleTime(t *testing.T) {
	t.Parallel()
	s, addr := listen(t, WithResolver(answerText("hi")), WithIdleTimeout(500*time.Millisecond))
	for range 20 { // on a busy machine the idle time may end before the connection is seen parked
		c := dial(t, addr)
		wantHi(t, c, getRequest("/"), 1)
		wasParked := false
		testkit.Await(t, "the connection is parked or has ended", func() bool {
			wasParked = parked(s) == 1
			return wasParked || s.Stats().ConnsOpen == 0
		})
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if b, err := io.ReadAll(c); len(b) > 0 || err != nil {
			t.Errorf("an idle connection ended with %q, %v, want no bytes", b, err)
		}
		if wasParked {
			return
		}
	}
	t.Error("none of 20 idle connections was seen parked")
}

// A connection on which nothing was received is parked too.
func TestParkedBeforeItsFirstRequest(t *testing.T) {
	s, addr := listen(t, WithResolver(answerText("hi")))
	c := dial(t, addr)
	waitParked(t, s, 1)
	wantHi(t, c, getRequest("/"), 1)
}

// wantHi sends n requests, which must each be answered with "hi".
func wantHi(t *testing.T, c net.Conn, requests string, n int) {
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

// A connection that is evicted while being parked does not wait: its own deadline must not
// replace the one that wakes it.
func TestEvictedWhileParking(t *testing.T) {
	s, addr := listen(t, WithResolver(answerText("hi")))
	dialed := dial(t, addr)
	c := newConn(s, new(group), dialed) // awaitParked works on either end
	c.read.limit = clock().add(time.Hour)
	if !c.evict(c.life.Load()) {
		t.Fatal("an idle connection is not evicted")
	}
	if err := c.awaitParked(); !isTimeout(err) {
		t.Errorf("awaitParked = %v, want a timeout", err)
	}
}

// A connection that becomes idle while the server is stopping has the whole stopWindow for its
// next request: if it could not park, it would close when it usually parks.
func TestParkedWhileStopping(t *testing.T) {
	s, addr := listen(t, WithResolver(answerText("hi")))
	g := new(group)
	g.stopping.Store(true)
	c := newConn(s, g, dial(t, addr)) // awaitInput works on either end
	c.mayPark, c.read.limit = true, clock().add(time.Hour)
	if err := c.awaitInput(clock().add(parkSoon)); err != errToPark {
		t.Errorf("awaitInput = %v, want errToPark", err)
	}
	c.life.Store(int64(clock() - instant(stopWindow))) // idle since then
	if err := c.awaitParked(); !isTimeout(err) {
		t.Errorf("awaitParked after the stop window = %v, want a timeout", err)
	}
}

// A parked connection whose idle timeout is over when the process runs again, after it was
// stopped, still finds a request in the buffer of the kernel.
func TestParkedRequestOutlivesIdleTimeout(t *testing.T) {
	s, addr := listen(t, WithResolver(answerText("hi")))
	client := dial(t, addr)
	converse(t, client, getRequest("/"), len("HTTP/1.1 ")) // the answer is in the buffer then
	c := newConn(s, new(group), client)                    // awaitParked works on either end
	c.read.limit = clock() - instant(time.Hour)
	if err := c.awaitParked(); err != nil {
		t.Errorf("awaitParked = %v, want what is in the buffer", err)
	}
}

// A connection releases its buffer when it parks.
func TestParkedConnectionHoldsNoBuffer(t *testing.T) {
	s, addr := listen(t, WithResolver(answerText("hi")))
	c := newConn(s, new(group), dial(t, addr)) // awaitParked works on either end
	c.work.in.buf = new([minBuffer]byte)[:]
	c.ready.keep(&c.work.in)
	c.read.limit = clock().add(time.Millisecond)
	if err := c.awaitParked(); !isTimeout(err) || c.ready.buf == nil {
		t.Fatalf("awaitParked = %v, with a buffer: %v, want one until the connection parks", err, c.ready.buf != nil)
	}
	if c.begin(errToPark) || c.ready.buf != nil || c.work.in.buf != nil {
		t.Error("a parked connection holds a buffer")
	}
	if err := c.awaitParked(); !isTimeout(err) || c.ready.buf != nil {
		t.Errorf("awaitParked = %v, with a buffer: %v, want none while it waits", err, c.ready.buf != nil)
	}
}

// A program that retains a Request cannot rely on its contents, but using it does no harm.
func TestRetainedRequest(t *testing.T) {
	kept := make(chan *Request, 1)
	s, addr := listen(t, WithResolver(ResolverFunc(func(_ context.Context, req *Request) (*Response, error) {
		kept <- req
		return Text(200, "hi"), nil
	})))
	c := dial(t, addr)
	wantHi(t, c, getRequest("/"), 1)
	waitParked(t, s, 1)
	req := <-kept
	if id := req.Conn().ID; id != 1 {
		t.Errorf("Conn().ID = %d, want 1", id)
	}
	if path := req.Clone().Path(); path != "/" {
		t.Errorf("Clone().Path() = %q, want /", path)
	}
}

// A goroutine that writes after its StreamFunc has returned gets an error, even if the
// buffers of its connection belong to another by then.
func TestContentWrittenAfterReturn(t *testing.T) {
	t.Parallel()
	var writers sync.WaitGroup
	done := make(chan struct{})
	defer writers.Wait()
	defer close(done)
	s, addr := listen(t, WithDate(false), WithResolver(ResolverFunc(func(context.Context, *Request) (*Response, error) {
		return StreamFunc(200, "a/b", func(_ context.Context, w io.Writer) error {
			_, err := io.WriteString(w, "hi")
			writers.Go(func() {
				for writeErr := error(nil); writeErr == nil; { // until the stream has ended
					_, writeErr = w.Write(nil)
				}
				for {
					select {
					case <-done:
						return
					case <-time.After(time.Microsecond):
						if _, err := io.WriteString(w, "late"); err == nil {
							t.Error("a write after the end of the stream returns no error")
							return
						}
					}
				}
			})
			return err
		}), nil
	})))
	var conns []net.Conn
	for range 4 {
		c := dial(t, addr)
		wantHi(t, c, getRequest("/"), 1)
		conns = append(conns, c)
	}
	waitParked(t, s, len(conns))
	for _, c := range conns { // with buffers that other connections have used
		wantHi(t, c, getRequest("/"), 1)
	}
	waitParked(t, s, len(conns))
}

// The default of WithMaxConns leaves descriptors for files and for the rest of the
// program.
func TestDefaultMaxConns(t *testing.T) {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before)
	for _, tt := range []struct {
		files syscall.Rlimit
		want  int
	}{
		{syscall.Rlimit{Cur: 80}, 16},
		{syscall.Rlimit{Cur: 95}, 16},
		{syscall.Rlimit{Cur: 98}, 17},
		{syscall.Rlimit{Cur: 1024}, 480},
		{syscall.Rlimit{Cur: 20_063}, 9999},
		{syscall.Rlimit{Cur: 20_064}, 10_000},
		{syscall.Rlimit{Cur: 60_000}, 10_000},
	} {
		if tt.files.Max = before.Max; tt.files.Cur > tt.files.Max {
			continue // not permitted here
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &tt.files); err != nil {
			t.Fatal(err)
		}
		if got := newServer(t, WithResolver(answerText("hi"))).config.maxConns; got != tt.want {
			t.Errorf("the default of WithMaxConns is %d with a limit of %d open files, want %d", got, tt.files.Cur, tt.want)
		}
	}
}
