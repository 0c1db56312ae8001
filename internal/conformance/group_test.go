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

	"example.com/rawhttp/internal/jail"

	"example.com/rawhttp"
)

// A listener that has failed for good, as one of a session that has ended, ends Serve
// gracefully and with its error. It is no reason to close connections of other listeners.
func TestListenerThatFailsForGood(t *testing.T) {
	for _, failure := range []error{
		errors.New("the session has ended"), io.EOF, syscall.EINVAL, os.NewSyscallError("accept4", syscall.EBADF),
		&net.OpError{Op: "accept", Err: errors.New("the multiplexer is closed")},
	} {
		t.Run(failure.Error(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var log plainLog
				s, other, otherServed := serveListener(t, rawhttp.WithResolver(answerPathLater), rawhttp.WithLogger(&log))
				idle := other.dial(t)
				ln := newMemoryListener()
				served := make(chan error, 1)
				go func() { served <- s.Serve(t.Context(), ln) }()
				busy := ln.dial(t)
				busy.say(getRequest("/busy?5s"))
				start := time.Now()
				ln.errs <- failure
				busy.waitEnd(start)
				busy.Close()
				if err := <-served; err != failure {
					t.Errorf("Serve = %v, want %v", err, failure)
				}
				if got := time.Since(start); got != 5*time.Second {
					t.Errorf("Serve returned after %v, want 5s: a request was in progress", got)
				}
				if diff := cmp.Diff(lastAnswer("/busy"), busy.heard()); diff != "" {
					t.Errorf("answer to the request in progress (-want +got):\n%s", diff)
				}
				if !idle.isOpen() {
					t.Error("an idle connection of another listener was closed")
				}
				idle.say(getRequest("/still"))
				if diff := cmp.Diff(okAnswer("/still"), idle.heard()); diff != "" {
					t.Errorf("answer on the other listener (-want +got):\n%s", diff)
				}
				if log.has("warn") || log.has("error") {
					t.Errorf("the log has %q, want nothing: Serve returns the error", &log)
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

// Errors that pass are waited out. Only a lack of descriptors or memory closes idle
// connections. The log has a line when it begins and one when it is over.
func TestListenerThatFailsForATime(t *testing.T) {
	type test struct {
		err   error
		sheds bool
	}
	tests := []test{
		{&net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}, true},
		{temporaryError{}, false}, {&net.OpError{Op: "accept", Err: temporaryError{}}, false},
		{os.ErrDeadlineExceeded, false},
	}
	for _, err := range jail.Shortages { // ENFILE, ENOBUFS, ENOMEM and, on Windows, others
		tests = append(tests, test{err, true})
	}
	for _, err := range jail.ClientErrors {
		tests = append(tests, test{err, false})
	}
	for _, tt := range tests {
		t.Run(tt.err.Error(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var log plainLog
				s, ln, served := serveListener(t, rawhttp.WithResolver(answerPath), rawhttp.WithLogger(&log))
				idle := ln.dial(t)
				idle.say(getRequest("/"))
				time.Sleep(time.Second)
				for range 12 {
					ln.errs <- tt.err
				}
				time.Sleep(10 * time.Second)
				if got := !idle.isOpen(); got != tt.sheds {
					t.Errorf("an idle connection was closed: %v, want %v", got, tt.sheds)
				}
				fresh := ln.dial(t)
				fresh.say(getRequest("/a"))
				if diff := cmp.Diff(okAnswer("/a"), fresh.heard()); diff != "" {
					t.Errorf("answer when it is over (-want +got):\n%s", diff)
				}
				want := []string{"warn rawhttp: accept failed, retrying err" + tt.err.Error(), "warn rawhttp: accept works again failed12"}
				if diff := cmp.Diff(want, strings.Split(log.String(), "\n")); diff != "" {
					t.Errorf("log (-want +got):\n%s", diff)
				}
				s.Close()
				<-served
			})
		})
	}
}

// Closing a listener resets the connections in its queue. So a graceful stop goes on
// accepting until no connection has arrived for a moment. Until then no response announces
// that its connection closes, since all clients would connect again.
func TestStopAcceptsWhatIsInTheQueue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, ln, served := serveListener(t, rawhttp.WithResolver(answerPath))
		old := ln.dial(t)
		start := time.Now()
		stopped := make(chan error, 1)
		go func() { stopped <- s.Shutdown(t.Context()) }()
		synctest.Wait()
		old.say(getRequest("/persists"))
		if diff := cmp.Diff(okAnswer("/persists"), old.heard()); diff != "" {
			t.Errorf("answer while the listener is open (-want +got):\n%s", diff)
		}
		for range 30 { // one each 40 ms, for more than a second
			time.Sleep(40 * time.Millisecond)
			client, server := duplexPipe()
			select {
			case ln.conns <- server:
			case <-ln.closed:
				client.Close()
				continue
			}
			c := &memoryClient{Conn: client, ended: make(chan struct{})}
			go c.readAll()
			c.say(getRequest("/fresh"))
			if got := c.heard(); got != okAnswer("/fresh") && got != lastAnswer("/fresh") {
				t.Errorf("answer on a connection that came %v after the stop: %q", time.Since(start), got)
			}
			client.Close()
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

// The listener closes after 50 ms in which no connection came, or after a second.
func TestTimeOfTheQueueAtAStop(t *testing.T) {
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
				t.Errorf("with a connection each %v the listener closes after %v, want %v", every, got, want)
			}
			<-served
		})
	}
}

// Stopping is closed when a stop has begun, in contexts derived from a request's too, and of
// nothing in others.
func TestStopping(t *testing.T) {
	bubble(t, func(t *testing.T) {
		said := make(chan time.Duration, 1)
		s, ln, served := serveListener(t, rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, _ *rawhttp.Request) (*rawhttp.Response, error) {
			ctx, cancel := context.WithCancel(context.WithValue(ctx, contextKey{}, "v"))
			defer cancel()
			start := time.Now()
			<-rawhttp.Stopping(ctx)
			said <- time.Since(start)
			return rawhttp.StreamFunc(200, "", func(ctx context.Context, w io.Writer) error {
				<-rawhttp.Stopping(ctx)
				_, err := io.WriteString(w, "goodbye")
				return err
			}), nil
		})))
		c := ln.dial(t)
		c.say(getRequest("/"))
		time.Sleep(time.Hour)
		go s.Shutdown(t.Context())
		if got := <-said; got != time.Hour {
			t.Errorf("Stopping is closed after %v, want 1h", got)
		}
		if got := c.heard(); !strings.HasSuffix(got, "7\r\ngoodbye\r\n0\r\n\r\n") {
			t.Errorf("the client heard %q, want the end of the stream", got)
		}
		c.Close()
		<-served
		if rawhttp.Stopping(t.Context()) != nil {
			t.Error("Stopping of a context that is no request's is a channel, want nil")
		}
	})
}

// A request that was on its way when its connection was to go is answered, and says that
// the connection closes.
func TestRequestOnItsWay(t *testing.T) {
	evict := func(t *testing.T, _ *rawhttp.Server, ln *memoryListener) { ln.dial(t) }
	shutdown := func(_ *testing.T, s *rawhttp.Server, _ *memoryListener) { go s.Shutdown(context.Background()) }
	tests := []struct {
		name string
		idle time.Duration
		end  func(*testing.T, *rawhttp.Server, *memoryListener)
		wait time.Duration // until the request comes
		want string
	}{
		{"evicted", 10 * time.Second, evict, 19 * time.Millisecond, lastAnswer("/a")},
		{"evicted, and the request comes too late", 10 * time.Second, evict, 21 * time.Millisecond, ""},
		{"a stop", 10 * time.Second, shutdown, 19 * time.Millisecond, okAnswer("/a")},
		{"a stop, and the request comes too late", 10 * time.Second, shutdown, 21 * time.Millisecond, ""},
		{"a stop, used a moment ago", 100 * time.Millisecond, shutdown, 919 * time.Millisecond, lastAnswer("/a")},
		{"a stop, used a moment ago, and too late", 100 * time.Millisecond, shutdown, 921 * time.Millisecond, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, ln, served := serveListener(t, rawhttp.WithMaxConns(1), rawhttp.WithResolver(answerPath))
				c := ln.dial(t)
				c.say(getRequest("/first"))
				c.heard()
				time.Sleep(tt.idle)
				tt.end(t, s, ln)
				time.Sleep(tt.wait)
				c.say(getRequest("/a"))
				if diff := cmp.Diff(tt.want, c.heard()); diff != "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
				s.Close()
				<-served
			})
		})
	}
}
