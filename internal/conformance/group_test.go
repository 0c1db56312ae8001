package conformance_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/jail"
	"example.com/rawhttp/internal/testkit"
)

// If a listener fails permanently, its Serve shuts down gracefully and returns the error.
// Connections of other listeners stay open.
func TestListenerFailsPermanently(t *testing.T) {
	for _, failure := range []error{
		errors.New("the session has ended"), io.EOF, syscall.EINVAL, os.NewSyscallError("accept4", syscall.EBADF),
		&net.OpError{Op: "accept", Err: errors.New("the multiplexer is closed")},
	} {
		t.Run(failure.Error(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var log testkit.Log
				s, other, otherServed := serveListener(t, rawhttp.WithResolver(answerPathLater), rawhttp.WithLogger(&log))
				idle := other.dial(t)
				ln := newMemoryListener()
				served := make(chan error, 1)
				go func() { served <- s.Serve(t.Context(), ln) }()
				busy := ln.dial(t)
				busy.send(getRequest("/busy?5s"))
				start := time.Now()
				ln.errs <- failure
				busy.waitEnd(start)
				busy.Close()
				if err := <-served; err != failure {
					t.Errorf("Serve = %v, want %v", err, failure)
				}
				if got := time.Since(start); got != 5*time.Second {
					t.Errorf("Serve returned after %v, want 5s, the end of the request in progress", got)
				}
				if diff := cmp.Diff(lastAnswer("/busy"), busy.received()); diff != "" {
					t.Errorf("answer to the request in progress (-want +got):\n%s", diff)
				}
				if !idle.isOpen() {
					t.Error("an idle connection of another listener was closed")
				}
				idle.send(getRequest("/still"))
				if diff := cmp.Diff(okAnswer("/still"), idle.received()); diff != "" {
					t.Errorf("answer on the other listener (-want +got):\n%s", diff)
				}
				if log.Has("WARN") || log.Has("ERROR") {
					t.Errorf("log is %q, want nothing, since Serve returns the error", &log)
				}
				s.Close()
				<-otherServed
			})
		})
	}
}

type temporaryError struct{}

func (temporaryError) Error() string   { return "not now" }
func (temporaryError) Temporary() bool { return true }

// After a temporary error, Serve waits and accepts again. Only a shortage of descriptors or
// memory closes idle connections. The log has a line at the first error and one at the next
// accept.
func TestListenerFailsTemporarily(t *testing.T) {
	type test struct {
		err   error
		sheds bool
	}
	tests := []test{
		{&net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}, true},
		{temporaryError{}, false}, {&net.OpError{Op: "accept", Err: temporaryError{}}, false},
		{os.ErrDeadlineExceeded, false},
	}
	for _, err := range jail.Shortages { // EMFILE, ENFILE, ENOBUFS, ENOMEM and, on Windows, others
		tests = append(tests, test{err, true})
	}
	for _, err := range jail.ClientErrors {
		tests = append(tests, test{err, false})
	}
	for _, tt := range tests {
		t.Run(tt.err.Error(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var log testkit.Log
				s, ln, served := serveListener(t, rawhttp.WithResolver(answerPath), rawhttp.WithLogger(&log))
				idle := ln.dial(t)
				idle.send(getRequest("/"))
				time.Sleep(time.Second)
				for range 12 {
					ln.errs <- tt.err
				}
				time.Sleep(10 * time.Second)
				if got := !idle.isOpen(); got != tt.sheds {
					t.Errorf("an idle connection was closed: %v, want %v", got, tt.sheds)
				}
				fresh := ln.dial(t)
				fresh.send(getRequest("/a"))
				if diff := cmp.Diff(okAnswer("/a"), fresh.received()); diff != "" {
					t.Errorf("answer after the errors (-want +got):\n%s", diff)
				}
				want := []string{"WARN rawhttp: accept failed, retrying err=" + tt.err.Error(), "WARN rawhttp: accept works again failed=12"}
				if diff := cmp.Diff(want, strings.Split(log.String(), "\n")); diff != "" {
					t.Errorf("log (-want +got):\n%s", diff)
				}
				s.Close()
				<-served
			})
		})
	}
}

// Closing a listener resets the connections in its queue, so a graceful shutdown goes on
// accepting until no connection has arrived for 50 ms. Until then no response has Connection:
// close, since all clients would connect again.
func TestShutdownAcceptsQueuedConnections(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, ln, served := serveListener(t, rawhttp.WithResolver(answerPath))
		old := ln.dial(t)
		start := time.Now()
		stopped := make(chan error, 1)
		go func() { stopped <- s.Shutdown(t.Context()) }()
		synctest.Wait()
		old.send(getRequest("/persists"))
		if diff := cmp.Diff(okAnswer("/persists"), old.received()); diff != "" {
			t.Errorf("answer while the listener is open (-want +got):\n%s", diff)
		}
		accepted := 0
		for range 30 { // one every 41 ms, for more than a second
			time.Sleep(41 * time.Millisecond)
			client, server := duplexPipe()
			select {
			case ln.conns <- server:
			case <-ln.closed:
				client.Close()
				continue
			}
			c := newMemoryClient(client)
			c.send(getRequest("/fresh"))
			if diff := cmp.Diff(okAnswer("/fresh"), c.received()); diff != "" {
				t.Errorf("answer on a connection made %v after the start of Shutdown (-want +got):\n%s", time.Since(start), diff)
			}
			accepted++
			client.Close()
		}
		if want := 24; accepted != want { // after a second the listener closes
			t.Errorf("%d connections were accepted during Shutdown, want %d", accepted, want)
		}
		<-ln.closed
		old.Close()
		if err := <-stopped; err != nil {
			t.Errorf("Shutdown = %v, want nil", err)
		}
		if err := <-served; err != rawhttp.ErrServerClosed {
			t.Errorf("Serve = %v, want ErrServerClosed", err)
		}
	})
}

// At a shutdown the listener closes after 50 ms without a connection, or after a second.
func TestShutdownQueueTime(t *testing.T) {
	for every, want := range map[time.Duration]time.Duration{
		time.Hour: 50 * time.Millisecond, 40 * time.Millisecond: time.Second, 51 * time.Millisecond: 50 * time.Millisecond,
	} {
		bubble(t, func(t *testing.T) {
			s, ln, served := serveListener(t, rawhttp.WithResolver(answerPath))
			synctest.Wait()
			start := time.Now()
			go s.Shutdown(t.Context())
			go func() {
				for {
					select {
					case <-time.After(every):
						client, server := duplexPipe()
						select {
						case ln.conns <- server:
						case <-ln.closed:
						}
						client.Close()
					case <-ln.closed:
						return
					}
				}
			}()
			<-ln.closed
			if got := time.Since(start); got != want {
				t.Errorf("with a connection every %v the listener closed after %v, want %v", every, got, want)
			}
			<-served
		})
	}
}

// The channel of Stopping is closed when a shutdown begins, also for contexts derived from that
// of a request. For other contexts it is nil.
func TestStopping(t *testing.T) {
	bubble(t, func(t *testing.T) {
		waited := make(chan time.Duration, 1)
		s, ln, served := serveListener(t, rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, _ *rawhttp.Request) (*rawhttp.Response, error) {
			ctx, cancel := context.WithCancel(context.WithValue(ctx, contextKey{}, "v"))
			defer cancel()
			start := time.Now()
			<-rawhttp.Stopping(ctx)
			waited <- time.Since(start)
			return rawhttp.StreamFunc(200, "", func(ctx context.Context, w io.Writer) error {
				<-rawhttp.Stopping(ctx)
				_, err := io.WriteString(w, "goodbye")
				return err
			}), nil
		})))
		c := ln.dial(t)
		c.send(getRequest("/"))
		time.Sleep(time.Hour)
		go s.Shutdown(t.Context())
		if got := <-waited; got != time.Hour {
			t.Errorf("Stopping was closed after %v, want 1h", got)
		}
		if got := c.received(); !strings.HasSuffix(got, "7\r\ngoodbye\r\n0\r\n\r\n") {
			t.Errorf("client received %q, want the end of the stream", got)
		}
		c.Close()
		<-served
		stopping := make(chan struct{})
		ctx, cancel := context.WithCancel(rawhttp.ContextWithStopping(t.Context(), stopping))
		cancel()
		if got := rawhttp.Stopping(ctx); got != (<-chan struct{})(stopping) {
			t.Errorf("Stopping of a context of ContextWithStopping = %v, want its channel", got)
		}
		if rawhttp.Stopping(t.Context()) != nil {
			t.Error("Stopping of a context that is not a request's is not nil")
		}
	})
}

// A connection that lingers is evicted before one that is idle, even if others were idle when the
// server last looked for connections to evict.
func TestLingeringIsEvictedFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, ln, served := serveListener(t, rawhttp.WithMaxConns(3), rawhttp.WithResolver(answerPath))
		var conns []*memoryClient
		for range 3 {
			conns = append(conns, ln.dial(t))
			time.Sleep(time.Second)
		}
		ln.dial(t) // evicts the first
		time.Sleep(time.Second)
		conns[2].send(getRequest("/", closeField)) // lingers
		ln.dial(t)                                 // evicts it
		time.Sleep(time.Second)
		if !conns[1].isOpen() {
			t.Error("an idle connection was evicted, although another one lingered")
		}
		s.Close()
		<-served
	})
}

// A connection chosen for eviction or shutdown stays open for a moment, for a request that the
// client may already have sent.
func TestRequestSentDuringEvictionOrShutdown(t *testing.T) {
	evict := func(t *testing.T, _ *rawhttp.Server, ln *memoryListener) { ln.dial(t) }
	shutdown := func(_ *testing.T, s *rawhttp.Server, _ *memoryListener) { go s.Shutdown(context.Background()) }
	tests := []struct {
		name string
		idle time.Duration
		end  func(*testing.T, *rawhttp.Server, *memoryListener)
		wait time.Duration // time from the eviction or shutdown to the request
		want string
	}{
		{"evicted", 10 * time.Second, evict, 19 * time.Millisecond, lastAnswer("/a")},
		{"evicted, request too late", 10 * time.Second, evict, 21 * time.Millisecond, ""},
		{"shutdown", 10 * time.Second, shutdown, 19 * time.Millisecond, okAnswer("/a")},
		{"shutdown, request too late", 10 * time.Second, shutdown, 21 * time.Millisecond, ""},
		{"shutdown, connection used recently", 100 * time.Millisecond, shutdown, 919 * time.Millisecond, lastAnswer("/a")},
		{"shutdown, connection used recently, request too late", 100 * time.Millisecond, shutdown, 921 * time.Millisecond, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, ln, served := serveListener(t, rawhttp.WithMaxConns(1), rawhttp.WithResolver(answerPath))
				c := ln.dial(t)
				c.send(getRequest("/first"))
				c.received()
				time.Sleep(tt.idle)
				tt.end(t, s, ln)
				time.Sleep(tt.wait)
				c.send(getRequest("/a"))
				if diff := cmp.Diff(tt.want, c.received()); diff != "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
				s.Close()
				<-served
			})
		})
	}
}
