package conformance_test

import (
	"context"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/jail"
	"example.com/rawhttp/internal/testkit"
)

// After an error of Accept the server pauses before it accepts again: 5 ms at first, then twice
// as long each time, up to 1 s. It closes the oldest idle connections at once. A new connection
// resets the pause.
func TestAcceptErrors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log testkit.Log
		s := newServer(t, rawhttp.WithResolver(answerText("hi")), rawhttp.WithLogger(&log), rawhttp.WithDate(false))
		ln := &timedListener{memoryListener: newMemoryListener()}
		served := make(chan error, 1)
		go func() { served <- s.Serve(t.Context(), ln) }()
		oldest := ln.dial(t)
		time.Sleep(time.Second)
		newer := ln.dial(t)
		synctest.Wait()
		ln.pauses()

		for range 10 {
			ln.errs <- errTooManyFiles
		}
		ln.dial(t)
		want := []time.Duration{5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000}
		for i := range want {
			want[i] *= time.Millisecond
		}
		want = append(want, 0) // no pause after the connection
		if diff := cmp.Diff(want, ln.pauses()); diff != "" {
			t.Errorf("pauses after errors (-want +got):\n%s", diff)
		}
		if oldest.isOpen() || newer.isOpen() {
			t.Errorf("idle connections open after ten errors: oldest %v, newer %v", oldest.isOpen(), newer.isOpen())
		}
		if !log.Has("WARN", "accept", errTooManyFiles.Error()) {
			t.Errorf("log is %q, want the error at level warn", &log)
		}

		ln.errs <- errTooManyFiles
		ln.dial(t)
		if diff := cmp.Diff([]time.Duration{5 * time.Millisecond, 0}, ln.pauses()); diff != "" {
			t.Errorf("pauses after a connection (-want +got):\n%s", diff)
		}
		s.Close()
		<-served
	})
}

// At the first error the connection that has been idle longest is closed. A connection with a
// request in progress is never closed.
func TestAcceptErrorClosesOldestIdle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		s := newServer(t, rawhttp.WithDate(false), rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			if req.Path() == "/wait" {
				<-release
			}
			return rawhttp.Text(200, req.Path()), nil
		})))
		ln := newMemoryListener()
		served := make(chan error, 1)
		go func() { served <- s.Serve(t.Context(), ln) }()
		busy := ln.dial(t)
		busy.send(getRequest("/wait"))
		time.Sleep(time.Second)
		a := ln.dial(t)
		time.Sleep(time.Second)
		b := ln.dial(t)
		time.Sleep(time.Second)
		a.send(getRequest("/")) // now b has been idle longest
		open := func() [3]bool { return [3]bool{busy.isOpen(), a.isOpen(), b.isOpen()} }
		for i, want := range [][3]bool{{true, true, false}, {true, false, false}, {true, false, false}} {
			ln.errs <- errTooManyFiles
			time.Sleep(time.Second)
			if diff := cmp.Diff(want, open()); diff != "" {
				t.Errorf("whether busy, a, b are open after error %d (-want +got):\n%s", i+1, diff)
			}
		}
		close(release)
		if diff := cmp.Diff(okAnswer("/wait"), busy.received()); diff != "" {
			t.Errorf("answer to the request in progress (-want +got):\n%s", diff)
		}
		s.Close()
		<-served
	})
}

// A shutdown does not wait for the end of a pause.
func TestShutdownDuringAcceptPause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer(t, rawhttp.WithResolver(answerText("hi")))
		ln := newMemoryListener()
		for range 20 {
			ln.errs <- errTooManyFiles
		}
		served := make(chan error, 1)
		go func() { served <- s.Serve(t.Context(), ln) }()
		time.Sleep(3 * time.Second)
		start := time.Now()
		s.Close()
		if err := <-served; err != rawhttp.ErrServerClosed {
			t.Errorf("Serve = %v, want ErrServerClosed", err)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("Serve returned after %v, want 0", d)
		}
	})
}

var errTooManyFiles = &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}

// A timedListener records the times between calls of Accept.
type timedListener struct {
	*memoryListener
	mu   sync.Mutex
	last time.Time
	gaps []time.Duration
}

func (l *timedListener) Accept() (net.Conn, error) {
	l.mu.Lock()
	if now := time.Now(); l.last.IsZero() {
		l.last = now
	} else {
		l.gaps = append(l.gaps, now.Sub(l.last))
	}
	l.mu.Unlock()
	c, err := l.memoryListener.Accept()
	l.mu.Lock()
	l.last = time.Now() // the pause starts when the call returns
	l.mu.Unlock()
	return c, err
}

// pauses returns the times from the end of each call to the start of the next.
func (l *timedListener) pauses() []time.Duration {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	gaps := l.gaps
	l.gaps = nil
	return gaps
}

// evicted is the time for which an evicted connection is still read, for a request that the
// client may already have sent.
const evicted = 20 * time.Millisecond

// A connection over WithMaxConns evicts the one that has been idle longest. If none is idle, it
// is answered with 503.
func TestWithMaxConns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := map[string]chan struct{}{"/wait": make(chan struct{}), "/c": make(chan struct{})}
		var log testkit.Log
		s := newServer(t, rawhttp.WithMaxConns(2), rawhttp.WithDate(false), rawhttp.WithLogger(&log), rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			if ch := release[req.Path()]; ch != nil {
				<-ch
			}
			return rawhttp.Text(200, req.Path()), nil
		})))
		ln := newMemoryListener()
		served := make(chan error, 1)
		go func() { served <- s.Serve(t.Context(), ln) }()
		dial := func() *memoryClient {
			time.Sleep(time.Second)
			return ln.dial(t)
		}
		check := func(what string, want bool, c *memoryClient) {
			t.Helper()
			if got := c.isOpen(); got != want {
				t.Errorf("%s is open: %v, want %v", what, got, want)
			}
		}
		stats := func(open, idle, conns, refused uint64) {
			t.Helper()
			got := s.Stats()
			got.Requests, got.BytesRead, got.BytesWritten = 0, 0, 0
			if diff := cmp.Diff(rawhttp.Stats{ConnsOpen: open, ConnsIdle: idle, Conns: conns, Refused: refused}, got); diff != "" {
				t.Errorf("Stats (-want +got):\n%s", diff)
			}
		}
		a, b := dial(), dial()
		time.Sleep(time.Second)
		a.send(getRequest("/"))
		stats(2, 2, 2, 0)

		c := dial() // evicts b
		time.Sleep(evicted)
		check("a, which asked last,", true, a)
		check("b, which has been idle the longest,", false, b)
		check("c", true, c)
		stats(2, 2, 3, 0)

		a.send(getRequest("/wait"))
		c.send(getRequest("/c"))
		stats(2, 0, 3, 0)
		d := dial()
		d.send("GET / HTTP/1.1\r\n") // the server does not read this
		want := ownError("503 Service Unavailable", "Retry-After: 1", closeField)
		if diff := cmp.Diff(want, d.received()); diff != "" {
			t.Errorf("answer to the third while two are busy (-want +got):\n%s", diff)
		}
		check("d, which was refused,", false, d)
		check("a", true, a)
		check("c", true, c)
		stats(2, 0, 4, 1)

		// A refused connection does not count toward the limit while it lingers.
		close(release["/c"])
		c.Close()
		synctest.Wait()
		e := ln.dial(t)
		check("e", true, e)
		e.send(getRequest("/e"))
		if diff := cmp.Diff(okAnswer("/e"), e.received()); diff != "" {
			t.Errorf("answer while a refused connection lingers (-want +got):\n%s", diff)
		}
		close(release["/wait"])
		a.received()
		s.Shutdown(t.Context())
		stats(0, 0, 5, 1)
		<-served
		if log.Has("ERROR") {
			t.Errorf("log is %q, want nothing at level error", &log)
		}
	})
}

// One search for the longest idle connections serves several evictions. A connection that was
// busy meanwhile is not evicted.
func TestEvictionOfSeveral(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, ln, served := serveListener(t, rawhttp.WithMaxConns(4), rawhttp.WithResolver(answerPath))
		dial := func() *memoryClient {
			time.Sleep(time.Second)
			return ln.dial(t)
		}
		clients := []*memoryClient{dial(), dial(), dial(), dial()}
		check := func(want ...bool) {
			t.Helper()
			time.Sleep(evicted)
			var got []bool
			for _, c := range clients {
				got = append(got, c.isOpen())
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("open connections (-want +got):\n%s", diff)
			}
		}
		clients = append(clients, dial())
		check(false, true, true, true, true)
		time.Sleep(time.Second)
		clients[1].send(getRequest("/"))
		clients = append(clients, dial())
		check(false, true, false, true, true, true)
		clients[3].Close()
		clients = append(clients, dial())
		check(false, true, false, false, true, true, true)
		clients = append(clients, dial())
		check(false, true, false, false, false, true, true, true)
		clients = append(clients, dial(), dial())
		check(false, false, false, false, false, false, true, true, true, true)
		s.Close()
		<-served
	})
}

// Only a limited number of refused connections get an answer and linger; others are closed
// without one.
func TestManyRefusedConnections(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		var mu sync.Mutex
		open := map[uint64]string{}
		trace := rawhttp.Trace{
			ConnOpen:  func(conn uint64, _ net.Conn) { mu.Lock(); defer mu.Unlock(); open[conn] += "open " },
			ConnClose: func(conn uint64, _ error) { mu.Lock(); defer mu.Unlock(); open[conn] += "close " },
		}
		s := newServer(t, rawhttp.WithMaxConns(1), rawhttp.WithDate(false), rawhttp.WithTrace(trace), rawhttp.WithResolver(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			<-release
			return rawhttp.Text(200, "hi"), nil
		})))
		ln := newMemoryListener()
		served := make(chan error, 1)
		go func() { served <- s.Serve(t.Context(), ln) }()
		busy := ln.dial(t)
		busy.send(getRequest("/"))
		told := 0
		for range 200 {
			if c := ln.dial(t); strings.HasPrefix(c.received(), "HTTP/1.1 503 ") {
				told++
			}
		}
		if told < 16 || told >= 200 {
			t.Errorf("%d of 200 concurrent connections were answered with 503, want a limited number", told)
		}
		time.Sleep(lingerSilence) // until the refused connections have closed
		synctest.Wait()
		if c := ln.dial(t); !strings.HasPrefix(c.received(), "HTTP/1.1 503 ") {
			t.Error("a connection after that was not answered")
		}
		if got := s.Stats().Refused; got != 201 {
			t.Errorf("Stats().Refused = %d, want 201", got)
		}
		close(release)
		if diff := cmp.Diff(okAnswer("hi"), busy.received()); diff != "" {
			t.Errorf("answer on the connection that is served (-want +got):\n%s", diff)
		}
		s.Shutdown(t.Context())
		<-served
		unpaired := 0
		for _, calls := range open {
			if calls != "open close " {
				unpaired++
			}
		}
		if unpaired > 0 {
			t.Errorf("ConnOpen and ConnClose were not called once each for %d of %d connections", unpaired, len(open))
		}
		if len(open) != 202 {
			t.Errorf("hooks were called for %d connections, want 202", len(open))
		}
	})
}

// Without a limit no connection is evicted or refused.
func TestWithoutMaxConns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer(t, rawhttp.WithMaxConns(0), rawhttp.WithResolver(answerText("hi")))
		ln := newMemoryListener()
		served := make(chan error, 1)
		go func() { served <- s.Serve(t.Context(), ln) }()
		for range 100 {
			ln.dial(t)
		}
		if diff := cmp.Diff(rawhttp.Stats{ConnsOpen: 100, ConnsIdle: 100, Conns: 100}, s.Stats()); diff != "" {
			t.Errorf("Stats (-want +got):\n%s", diff)
		}
		s.Close()
		<-served
	})
}

// While the system is short of descriptors, each one that becomes free admits one connection, and
// the next Accept fails. This is one shortage, with one line in the log when it begins and one
// when Accept has not failed for a second.
func TestShortageIsLoggedOnce(t *testing.T) {
	begins := "WARN rawhttp: accept failed, retrying err=" + errTooManyFiles.Error()
	bubble(t, func(t *testing.T) {
		var log testkit.Log
		s, ln, served := serveListener(t, rawhttp.WithResolver(answerPath), rawhttp.WithLogger(&log))
		want := func(when string, lines ...string) {
			t.Helper()
			synctest.Wait()
			if diff := cmp.Diff(strings.Join(lines, "\n"), log.String()); diff != "" {
				t.Errorf("log %s (-want +got):\n%s", when, diff)
			}
		}
		for range 20 {
			ln.errs <- errTooManyFiles
			time.Sleep(firstPause)
			ln.dial(t)
			time.Sleep(recovered - time.Millisecond)
		}
		want("while each second one fails", begins)
		ln.dial(t)
		time.Sleep(time.Hour) // no connection arrives
		want("when it is over", begins, "WARN rawhttp: accept works again failed=20")
		ln.errs <- errTooManyFiles
		time.Sleep(time.Hour)
		ln.errs <- errTooManyFiles
		want("with one failure an hour", begins, "WARN rawhttp: accept works again failed=20", begins, "WARN rawhttp: accept works again failed=1", begins)
		s.Close()
		<-served
	})
}

// After a temporary error during a graceful shutdown, connections are still accepted. The
// listener closes after 50 ms without connections or errors.
func TestShutdownWhileAcceptFails(t *testing.T) {
	for _, err := range append([]error{jail.ClientErrors[0], temporaryError{}, errTooManyFiles, os.ErrDeadlineExceeded}, jail.Shortages...) {
		t.Run(err.Error(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, ln, served := serveListener(t, rawhttp.WithResolver(answerPath))
				synctest.Wait()
				stopped := make(chan error, 1)
				go func() { stopped <- s.Shutdown(t.Context()) }()
				time.Sleep(queueQuiet - time.Millisecond)
				ln.errs <- err
				time.Sleep(queueQuiet - time.Millisecond)
				c := ln.dial(t)
				c.send(getRequest("/a"))
				if diff := cmp.Diff(okAnswer("/a"), c.received()); diff != "" {
					t.Errorf("answer to a client that connected after the error (-want +got):\n%s", diff)
				}
				c.Close()
				start := time.Now()
				<-ln.closed
				if got := time.Since(start); got != queueQuiet {
					t.Errorf("the listener closed %v after the last connection, want %v", got, queueQuiet)
				}
				if err := <-stopped; err != nil {
					t.Errorf("Shutdown = %v, want nil", err)
				}
				<-served
			})
		})
	}
}

// A listener whose Accept always fails, even after its close, delays a shutdown by no more than
// the maximum time for the queue, and Accept is not called without pauses.
func TestShutdownWhileAcceptAlwaysFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer(t, rawhttp.WithResolver(answerPath))
		ln := &failingListener{memoryListener: newMemoryListener()}
		served := make(chan error, 1)
		go func() { served <- s.Serve(t.Context(), ln) }()
		time.Sleep(time.Minute)
		before, start := ln.asked.Load(), time.Now()
		go s.Shutdown(t.Context())
		if err := <-served; err != rawhttp.ErrServerClosed {
			t.Errorf("Serve = %v, want rawhttp.ErrServerClosed", err)
		}
		if got := time.Since(start); got < maxQueueTime || got > maxQueueTime+firstPause {
			t.Errorf("Serve returned after %v, want at most %v and a pause", got, maxQueueTime)
		}
		if got, most := ln.asked.Load()-before, int64(maxQueueTime/firstPause)+2; got > most {
			t.Errorf("Accept was called %d times during Shutdown, want at most %d", got, most)
		}
	})
}

// A failingListener is a listener whose Accept always returns the same error.
type failingListener struct {
	*memoryListener
	asked atomic.Int64
}

func (l *failingListener) Accept() (net.Conn, error) {
	l.asked.Add(1)
	return nil, temporaryError{}
}
