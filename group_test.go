package rawhttp

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp/internal/jail"
)

type temporaryError struct{}

func (temporaryError) Error() string   { return "not now" }
func (temporaryError) Temporary() bool { return true }

// While the system is short of descriptors each that becomes free lets one connection in, and
// the next fails: that is one lack, with one line in the log when it begins, and one when
// Accept has not failed for a second.
func TestShortageWithConnectionsBetween(t *testing.T) {
	begins := "warn rawhttp: accept failed, retrying err" + errLiveTooMany.Error()
	bubble(t, func(t *testing.T) {
		var log liveLog
		s, ln, served := liveServing(t, WithResolver(livePath), WithLogger(&log))
		want := func(when string, lines ...string) {
			t.Helper()
			synctest.Wait()
			if diff := cmp.Diff(strings.Join(lines, "\n"), log.String()); diff != "" {
				t.Errorf("log %s (-want +got):\n%s", when, diff)
			}
		}
		for range 20 {
			ln.errs <- errLiveTooMany
			time.Sleep(firstPause)
			ln.dial(t)
			time.Sleep(recovered - time.Millisecond)
		}
		want("while each second one fails", begins)
		ln.dial(t)
		time.Sleep(time.Hour) // nobody comes
		want("when it is over", begins, "warn rawhttp: accept works again failed20")
		ln.errs <- errLiveTooMany
		time.Sleep(time.Hour)
		ln.errs <- errLiveTooMany
		want("with one failure an hour", begins, "warn rawhttp: accept works again failed20", begins, "warn rawhttp: accept works again failed1", begins)
		s.Close()
		<-served
	})
}

// An error that passes does not end the emptying of the queue at a stop: who comes after it
// is served. The listener closes when nothing has come for a moment, also no error.
func TestStopWhileAcceptFails(t *testing.T) {
	for _, err := range append([]error{jail.ClientErrors[0], temporaryError{}, errLiveTooMany, os.ErrDeadlineExceeded}, jail.Shortages...) {
		t.Run(err.Error(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, ln, served := liveServing(t, WithResolver(livePath))
				synctest.Wait()
				stopped := make(chan error, 1)
				go func() { stopped <- s.Shutdown(t.Context()) }()
				time.Sleep(queueQuiet - time.Millisecond)
				ln.errs <- err
				time.Sleep(queueQuiet - time.Millisecond)
				c := ln.dial(t)
				c.say(liveGet("/a"))
				if diff := cmp.Diff(liveOK("/a"), c.heard()); diff != "" {
					t.Errorf("answer to a client that came after the error (-want +got):\n%s", diff)
				}
				c.Close()
				start := time.Now()
				<-ln.closed
				if got := time.Since(start); got != queueQuiet {
					t.Errorf("the listener closes %v after the last connection, want %v", got, queueQuiet)
				}
				if err := <-stopped; err != nil {
					t.Errorf("Shutdown = %v, want nil", err)
				}
				<-served
			})
		})
	}
}

// A listener that fails all the time, and after its close too, holds up no stop for longer
// than its queue may take, and is not asked without a pause.
func TestStopWhileAcceptAlwaysFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newServer(t, WithResolver(livePath))
		ln := &failingListener{liveListener: newLiveListener()}
		served := make(chan error, 1)
		go func() { served <- s.Serve(t.Context(), ln) }()
		time.Sleep(time.Minute)
		before, start := ln.asked.Load(), time.Now()
		go s.Shutdown(t.Context())
		if err := <-served; err != ErrServerClosed {
			t.Errorf("Serve = %v, want ErrServerClosed", err)
		}
		if got := time.Since(start); got < maxQueueTime || got > maxQueueTime+firstPause {
			t.Errorf("Serve returns after %v, want %v and a pause at most", got, maxQueueTime)
		}
		if got, most := ln.asked.Load()-before, int64(maxQueueTime/firstPause)+2; got > most {
			t.Errorf("Accept was called %d times during the stop, want at most %d", got, most)
		}
	})
}

// A failingListener always fails in the same way.
type failingListener struct {
	*liveListener
	asked atomic.Int64
}

func (l *failingListener) Accept() (net.Conn, error) {
	l.asked.Add(1)
	return nil, temporaryError{}
}

// A request that was on its way when its connection was to go is answered, and says that
// the connection closes.
func TestRequestOnItsWay(t *testing.T) {
	evict := func(s *Server) { s.evict() }
	shutdown := func(s *Server) { go s.Shutdown(context.Background()) }
	tests := []struct {
		name string
		idle time.Duration
		go_  func(s *Server)
		wait time.Duration // until the request comes
		want string
	}{
		{"evicted", 10 * time.Second, evict, 19 * time.Millisecond, liveLast("/a")},
		{"evicted, and the request comes too late", 10 * time.Second, evict, 21 * time.Millisecond, ""},
		{"a stop", 10 * time.Second, shutdown, 19 * time.Millisecond, liveOK("/a")},
		{"a stop, and the request comes too late", 10 * time.Second, shutdown, 21 * time.Millisecond, ""},
		{"a stop, used a moment ago", 100 * time.Millisecond, shutdown, 919 * time.Millisecond, liveLast("/a")},
		{"a stop, used a moment ago, and too late", 100 * time.Millisecond, shutdown, 921 * time.Millisecond, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, ln, served := liveServing(t, WithResolver(livePath))
				c := ln.dial(t)
				c.say(liveGet("/first"))
				c.heard()
				time.Sleep(tt.idle)
				tt.go_(s)
				time.Sleep(tt.wait)
				c.say(liveGet("/a"))
				if diff := cmp.Diff(tt.want, c.heard()); diff != "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
				s.Close()
				<-served
			})
		})
	}
}

// liveServing serves a listener in memory, inside synctest.
func liveServing(t *testing.T, opts ...Option) (*Server, *liveListener, chan error) {
	t.Helper()
	s := newServer(t, append([]Option{WithDate(false)}, opts...)...)
	ln := newLiveListener()
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background(), ln) }()
	return s, ln, served
}

// The folder of WithRoot is open until the last request is done.
func TestShutdownClosesRoot(t *testing.T) {
	root := t.TempDir()
	os.WriteFile(filepath.Join(root, "a.txt"), []byte("hello"), 0o644)
	get, _, err := ParseRequest([]byte(liveGet("/a.txt")))
	if err != nil {
		t.Fatal(err)
	}
	status := func(r Resolver) int {
		resp, err := r.Resolve(context.Background(), get)
		if err != nil {
			return StatusOf(err)
		}
		defer resp.Close()
		return resp.Status()
	}
	stops := map[string]func(*Server) error{
		"Shutdown": func(s *Server) error { return s.Shutdown(context.Background()) },
		"Close":    (*Server).Close,
	}
	for name, stop := range stops {
		for option, opt := range map[string]Option{"WithRoot": WithRoot(root), "WithFS": WithFS(os.DirFS(root))} {
			s := newServer(t, opt)
			if got := status(s.files); got != 200 {
				t.Errorf("%s before %s: status %d, want 200", option, name, got)
			}
			if err := stop(s); err != nil {
				t.Errorf("%s: %s = %v, want nil", option, name, err)
			}
			if got := status(s.files); got != 503 {
				t.Errorf("%s after %s: status %d, want 503", option, name, got)
			}
		}
		dir, err := Dir(root)
		if err != nil {
			t.Fatal(err)
		}
		if err := stop(newServer(t, WithResolver(dir))); err != nil {
			t.Errorf("%s = %v, want nil", name, err)
		}
		if got := status(dir); got != 200 {
			t.Errorf("resolver given by WithResolver after %s: status %d, want 200: it is not the server's", name, got)
		}
		dir.Close()
	}
}
