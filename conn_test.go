package rawhttp

import (
	"context"
	"errors"
	"math"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/rawhttp/internal/testkit"
)

type contextKey struct{}

// contextConn returns a connection whose group has a context with the value "v".
func contextConn(t *testing.T) *conn {
	t.Helper()
	s := newServer(t, WithResolver(answerText("")))
	g, err := s.newGroup(context.WithValue(context.Background(), contextKey{}, "v"), nil)
	if err != nil {
		t.Fatal(err)
	}
	client, server := net.Pipe()
	t.Cleanup(func() { client.Close() })
	c := newConn(s, g, server)
	t.Cleanup(c.watch.end)
	return c
}

// Values are still available after the context has ended, whether or not it was used before.
func TestRequestContextValues(t *testing.T) {
	c := contextConn(t)
	used, unused := &requestContext{conn: c}, &requestContext{conn: c}
	used.Done()
	used.cancel(nil)
	unused.cancel(nil)
	for name, ctx := range map[string]*requestContext{"used": used, "unused": unused} {
		if got := ctx.Value(contextKey{}); got != "v" {
			t.Errorf("%s: Value of a context that has ended = %v, want v", name, got)
		}
	}
}

// A context that is derived from that of a request needs no goroutine.
func TestRequestContextNeedsNoGoroutines(t *testing.T) {
	ctx := &requestContext{conn: contextConn(t)}
	before := runtime.NumGoroutine()
	for range 50 {
		_, cancel := context.WithCancel(ctx)
		defer cancel()
	}
	if n := runtime.NumGoroutine() - before; n > 5 {
		t.Errorf("50 contexts derived from that of a request use %d goroutines, want no more than 5", n)
	}
}

// Done may be called concurrently, and also after the context has ended.
func TestRequestContextDone(t *testing.T) {
	c := contextConn(t)
	ended := &requestContext{conn: c}
	ended.cancel(nil)
	select {
	case <-ended.Done():
	default:
		t.Error("the Done channel of a context that has ended is not closed")
	}
	if err := ended.Err(); err != context.Canceled {
		t.Errorf("Err of a context that has ended = %v, want %v", err, context.Canceled)
	}
	for range 200 {
		ctx := &requestContext{conn: c}
		done := make(chan (<-chan struct{}), 4)
		for range 4 {
			go func() { done <- ctx.Done() }()
		}
		all := []<-chan struct{}{<-done, <-done, <-done, <-done}
		ctx.cancel(nil)
		for _, d := range all {
			select {
			case <-d:
			default:
				t.Fatal("a Done channel is not closed when the context ends")
			}
		}
	}
}

// The client is not watched for a context that ended while Done was called: the watch would read
// what belongs to the next request.
func TestWatchIgnoresEndedContext(t *testing.T) {
	c := contextConn(t)
	ctx := &requestContext{conn: c}
	ctx.cancel(nil)
	c.watch.until(ctx)
	if c.watch.ctx != nil || c.watch.timer != nil {
		t.Error("the client is watched for a context that has ended")
	}
}

// A time limit of centuries is none.
func TestInstantOverflow(t *testing.T) {
	for _, got := range []instant{instant(1).add(math.MaxInt64), clock().limit(math.MaxInt64), never.add(1), never.limit(0)} {
		if got != never {
			t.Errorf("the sum is %d, want never, %d", got, never)
		}
	}
}

// A write that has lost bytes of its source is not continued, although it has moved others.
func TestLostBytesEndWriting(t *testing.T) {
	c := contextConn(t)
	lost := errors.Join(errLostBytes, os.ErrDeadlineExceeded)
	calls := 0
	err := c.keepWriting(func() (int, error) {
		if calls++; calls > 1 {
			return 0, nil
		}
		return 1, lost
	})
	if calls != 1 || err != lost || c.write.broken != lost {
		t.Errorf("after %d calls keepWriting = %v, and %v later, want the error after 1", calls, err, c.write.broken)
	}
}

// An idle connection retains neither the memory that a long head has needed nor its last response.
func TestIdleConnectionReleasesMemory(t *testing.T) {
	long := strings.Replace(getRequest("/"), "\r\n\r\n", strings.Repeat("\r\nCookie: "+strings.Repeat("c", 5000), 6)+"\r\n\r\n", 1)
	lines := strings.Replace(getRequest("/"), "\r\n\r\n", "\r\n"+strings.Repeat("a: b\r\n", 90)+"\r\n", 1)
	ranges := strings.Replace(getRequest("/"), "\r\n\r\n", "\r\nRange: bytes=0-1\r\n\r\n", 1)
	const text = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n\r\nhi"
	const part = "HTTP/1.1 206 Partial Content\r\nContent-Type: a/b\r\nContent-Length: 2\r\nAccept-Ranges: bytes\r\nContent-Range: bytes 0-1/5\r\n\r\nhi"
	for name, tt := range map[string]struct{ requests, want string }{
		"long lines": {long, text},
		"many lines": {lines, text},
		"pipelined":  {long + lines + long, text + text + text},
		"ranges":     {ranges, part},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, WithDate(false), WithResolver(ResolverFunc(func(_ context.Context, req *Request) (*Response, error) {
					if req.Header().Get("Range") != "" {
						return Content(Representation{MediaType: "a/b", Body: strings.NewReader("hi, a"), Size: 5}), nil
					}
					return Text(200, "hi"), nil
				})))
				client, server := net.Pipe()
				served := make(chan error, 1)
				go func() { served <- s.ServeConn(t.Context(), server) }()
				if got := converse(t, client, tt.requests, len(tt.want)); got != tt.want {
					t.Errorf("answer %q, want %q", got, tt.want)
				}
				synctest.Wait()
				conns := 0
				s.eachConn(func(c *conn) {
					conns++
					if x := &c.work.exchange; x.responder.resp != nil || x.responder.ranges != nil {
						t.Error("an idle connection retains its last response")
					}
					for what, got := range map[string]struct{ is, most int }{
						"input":        {len(c.work.in.buf), minBuffer},
						"output":       {cap(c.work.out.buf), 0},
						"last head":    {cap(c.work.exchange.req.head.Text), maxIdleText},
						"spare head":   {cap(c.work.exchange.spare.head.Text), maxIdleText},
						"last fields":  {cap(c.work.exchange.req.head.Fields), maxIdleFields},
						"spare fields": {cap(c.work.exchange.spare.head.Fields), maxIdleFields},
					} {
						if got.is > got.most {
							t.Errorf("%s: an idle connection retains %d, want at most %d", what, got.is, got.most)
						}
					}
				})
				if conns != 1 {
					t.Errorf("there are %d connections, want 1", conns)
				}
				s.Close()
				<-served
			})
		})
	}
}

// A connection is evicted only if it is still idle when it is evicted. A request that arrives at the same moment is
// answered, and its connection then closes.
func TestEvictionAndRequest(t *testing.T) {
	s := newServer(t, WithResolver(answerText("hi")))
	client, server := net.Pipe()
	defer client.Close()
	c := newConn(s, new(group), server)
	c.life.Store(lifeIdle + 1)
	if c.evict(lifeIdle) || c.life.Load() != lifeIdle+1 {
		t.Error("a connection that received a request after it was chosen is evicted")
	}
	c.life.Store(lifeBusy)
	if c.evict(lifeIdle) || c.life.Load() != lifeBusy {
		t.Error("a busy connection is evicted")
	}
	c.life.Store(lifeIdle)
	if !c.evict(lifeIdle) || c.life.Load() != lifeOver {
		t.Error("an idle connection is not evicted")
	}
	c.work.in.buf, c.work.in.w = []byte("GET"), 3
	const rounds = 100_000
	var begun, ended atomic.Int32 // rounds
	var evicted atomic.Bool
	go func() {
		for round := range int32(rounds) {
			for begun.Load() <= round {
				runtime.Gosched()
			}
			for range round % 512 { // vary the time between the two
			}
			evicted.Store(c.evict(lifeIdle))
			ended.Store(round + 1)
		}
	}()
	wrong := 0
	for round := range int32(rounds) {
		c.life.Store(lifeIdle)
		c.evicted = false
		begun.Store(round + 1)
		c.begin(nil)
		for ended.Load() <= round {
			runtime.Gosched()
		}
		if evicted.Load() != c.evicted {
			wrong++
		}
	}
	if wrong > 0 {
		t.Errorf("in %d of %d rounds, evict and begin disagree on whether the connection was evicted", wrong, rounds)
	}
}

const benchmarkGet = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"

// benchmarkConn serves n batches of requests.
func benchmarkConn(s *Server, batch string, n int) {
	s.ServeConn(context.Background(), &testkit.RepeatingConn{Requests: batch, Reads: n})
}

// A namedAddr is an address that is not one of package net.
type namedAddr string

func (namedAddr) Network() string  { return "named" }
func (a namedAddr) String() string { return string(a) }

func TestAddrOf(t *testing.T) {
	tcp := func(ip string) *net.TCPAddr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 80} }
	tests := []struct {
		name string
		in   net.Addr
		want string
	}{
		{"nil", nil, "invalid IP"},
		{"TCP", tcp("192.0.2.1"), "192.0.2.1"},
		{"TCP, IPv6", tcp("2001:db8::1"), "2001:db8::1"},
		{"TCP, IPv4 as IPv6", tcp("::ffff:192.0.2.1"), "192.0.2.1"},
		{"TCP, link-local", &net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0"}, "fe80::1%eth0"},
		{"TCP, no address", &net.TCPAddr{Port: 80}, "invalid IP"},
		{"UDP", &net.UDPAddr{IP: net.ParseIP("192.0.2.1"), Port: 80}, "192.0.2.1"},
		{"IP", &net.IPAddr{IP: net.ParseIP("2001:db8::1")}, "2001:db8::1"},
		{"Unix", &net.UnixAddr{Name: "/run/10.0.0.1"}, "invalid IP"},
		{"Unix, abstract", &net.UnixAddr{Name: "@"}, "invalid IP"},
		{"Unix, no name", &net.UnixAddr{}, "invalid IP"},
		{"a wrapper's", namedAddr("192.0.2.1:80"), "192.0.2.1"},
		{"a wrapper's, IPv6", namedAddr("[2001:db8::1]:80"), "2001:db8::1"},
		{"wrapper, no port", namedAddr("2001:db8::1"), "2001:db8::1"},
		{"pipe", namedAddr("pipe"), "invalid IP"},
		{"host name", namedAddr("localhost:80"), "invalid IP"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := addrOf(tt.in).String(); got != tt.want {
				t.Errorf("addrOf(%v) = %s, want %s", tt.in, got, tt.want)
			}
		})
	}
}

// The end of a refused connection makes room for another 503, even if a hook ends its
// goroutine.
func TestGoexitMakesRoomFor503(t *testing.T) {
	exited := false
	exit := Trace{ConnState: func(_ uint64, s ConnState) {
		if s == StateWrite {
			exited = true
			runtime.Goexit()
		}
	}}
	s := newServer(t, WithMaxConns(1), WithResolver(answerText("hi")), WithTrace(exit))
	g, err := s.newGroup(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	client, server := net.Pipe()
	defer client.Close()
	c := g.add(server)
	c.tooMany = true
	var done sync.WaitGroup
	done.Go(func() { g.run(c) })
	done.Wait()
	if n := len(s.turnedAway); n != 0 || !exited {
		t.Errorf("%d connections count as being answered with 503 after the last one has ended, want 0; the hook has ended its goroutine: %v", n, exited)
	}
	g.wait()
}

// A refused connection that lingers does not count as one that can be evicted: each eviction
// would search all connections for it.
func TestRefusedConnectionDoesNotCountAsLingering(t *testing.T) {
	for _, tooMany := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, WithResolver(answerText("hi")))
			client, server := net.Pipe()
			c := newConn(s, new(group), server)
			c.tooMany = tooMany
			go c.linger(time.Second)
			synctest.Wait()
			want := int64(1)
			if tooMany {
				want = 0
			}
			if got := s.stats.lingering.Load(); got != want {
				t.Errorf("refused: %v: %d connections count as lingering, want %d", tooMany, got, want)
			}
			client.Close()
			synctest.Wait()
		})
	}
}

// A refused connection is never evicted.
func TestRefusedConnectionIsNotEvicted(t *testing.T) {
	s := newServer(t, WithMaxConns(1), WithResolver(answerText("hi")))
	g, err := s.newGroup(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	take := func() *conn {
		client, server := net.Pipe()
		t.Cleanup(func() { client.Close() })
		return g.add(server)
	}
	busy := take()
	busy.life.Store(lifeBusy)
	if second := take(); !second.tooMany {
		t.Error("with a limit of one, the second connection is not refused")
	}
	if third := take(); !third.tooMany {
		t.Error("the third connection is accepted, as if the refused second one were idle")
	}
	if got := s.Stats(); got.ConnsIdle != 0 || got.Refused != 2 {
		t.Errorf("Stats = %+v, want none idle and two refused", got)
	}
	for g.conns != nil { // they were never served
		g.remove(g.conns)
		g.running.Done()
	}
	g.wait()
}

// The more content is received, the more time the client has.
func TestContentTimeGrowsWithContent(t *testing.T) {
	const most = 1 << 33 * time.Second / 240 // bytes after 8 GiB do not count
	for _, tt := range []struct {
		received     int64
		waited, want time.Duration
	}{
		{0, 0, 30 * time.Second},
		{0, 10 * time.Second, 20 * time.Second},
		{240 * 30, 0, 30 * time.Second},
		{240*60 + 60, 0, 60*time.Second + 250*time.Millisecond},
		{240*60 + 60, 90 * time.Second, -30*time.Second + 250*time.Millisecond},
		{8_000_000_080, 0, 33_333_333*time.Second + 666666666},
		{1 << 33, 0, most},
		{10e9, 0, most},
		{1<<63 - 1, 0, most},
	} {
		w := contentWait{received: tt.received, waited: tt.waited}
		if got := w.allowed(30 * time.Second); got != tt.want {
			t.Errorf("time allowed after %d bytes and %v = %v, want %v", tt.received, tt.waited, got, tt.want)
		}
	}
}
