package rawhttp

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The folder of WithRoot is open until the last request is done.
func TestShutdownClosesRoot(t *testing.T) {
	root := t.TempDir()
	os.WriteFile(filepath.Join(root, "a.txt"), []byte("hello"), 0o644)
	get, _, err := ParseRequest([]byte(getRequest("/a.txt")))
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
			t.Errorf("resolver of WithResolver after %s: status %d, want 200: the server does not own it", name, got)
		}
		dir.Close()
	}
}

// A closeRecorder is a listener that records whether it was closed.
type closeRecorder struct {
	net.Listener
	closed atomic.Bool
}

func (l *closeRecorder) Close() error {
	l.closed.Store(true)
	return nil
}

// A timer that is noticed late says nothing about the queue of a listener: connections may have
// arrived while the system did not run the process. Closing the listener would reset them. The
// same holds for a timer that fired just before it was set again.
func TestListenerIsNotClosedLate(t *testing.T) {
	for late, open := range map[time.Duration]bool{-queueQuiet: true, 0: false, maxLate: false, maxLate + 1: true, time.Hour: true} {
		t.Run(late.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, WithResolver(answerText("a")))
				ln := &closeRecorder{}
				g, err := s.newGroup(t.Context(), ln)
				if err != nil {
					t.Fatal(err)
				}
				defer g.wait()
				g.stop(nil, 0)
				g.mu.Lock()
				g.quietAt = clock() - instant(late)
				g.mu.Unlock()
				g.closeIfQuiet()
				if ln.closed.Load() == open {
					t.Errorf("the timer is %v late: the listener is open: %v, want %v", late, !open, open)
				}
				time.Sleep(queueQuiet)
				synctest.Wait()
				if !ln.closed.Load() {
					t.Error("the listener is open after another queueQuiet, want it closed")
				}
			})
		})
	}
}

// A program that retains a closed connection does not thereby retain others.
func TestClosedConnectionRetainsNoOthers(t *testing.T) {
	g := &group{srv: newServer(t, WithResolver(answerText("hi")))}
	var conns []*conn
	for range 4 {
		c := &conn{}
		g.link(c)
		conns = append(conns, c)
	}
	for i, gone := range []int{2, 0, 3, 1} {
		g.remove(conns[gone])
		if c := conns[gone]; c.prev != nil || c.next != nil {
			t.Errorf("closed connection %d refers to others", gone)
		}
		left := 0
		for c := g.conns; c != nil; c = c.next {
			left++
		}
		if left != 3-i {
			t.Errorf("%d connections are left, want %d", left, 3-i)
		}
	}
}
