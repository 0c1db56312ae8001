package conformance_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
)

// The connection closes gracefully when f returns: everything that f wrote arrives.
func TestUpgradeEnds(t *testing.T) {
	t.Parallel()
	onEachConn(t, func(t *testing.T, dial func(func(context.Context, net.Conn) error, ...rawhttp.Option) net.Conn) {
		late := make(chan error, 2)
		c := dial(func(ctx context.Context, conn net.Conn) error {
			started := make(chan struct{})
			go func() {
				close(started)
				_, err := conn.Read(make([]byte, 1))
				late <- err
				_, err = conn.Write([]byte("late"))
				late <- err
			}()
			<-started
			_, err := io.WriteString(conn, "goodbye")
			return err
		})
		go io.WriteString(c, askEcho)
		got, err := io.ReadAll(c)
		if err != nil || string(got) != switched+"goodbye" {
			t.Errorf("read %q, %v, want %q", got, err, switched+"goodbye")
		}
		for range 2 {
			if err := <-late; err == nil {
				t.Error("Read or Write after f has returned = nil error, want an error")
			}
		}
	})
}

// A lateDeadline is a connection on which, once armed, the first SetReadDeadline with no deadline
// takes effect after a later call with a deadline in the past, unless a mutex prevents that.
type lateDeadline struct {
	net.Conn
	begun chan bool // closed when the first call begins
	past  chan bool // receives after the later call
	armed atomic.Bool
}

func (c *lateDeadline) SetReadDeadline(t time.Time) error {
	if t.IsZero() && c.armed.CompareAndSwap(true, false) {
		close(c.begun)
		select {
		case <-c.past:
		case <-time.After(100 * time.Millisecond): // a mutex delays the later call
		}
	}
	err := c.Conn.SetReadDeadline(t)
	if t.Equal(time.Unix(1, 0)) {
		select {
		case c.past <- true:
		default:
		}
	}
	return err
}

// A Read that sets its deadline just when f returns does not block forever.
func TestUpgradeEndsReadThatStarts(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	defer client.Close()
	late := &lateDeadline{Conn: server, begun: make(chan bool), past: make(chan bool)}
	read := make(chan error, 1)
	s := newServer(t, rawhttp.WithDate(false), rawhttp.WithResolver(upgrades(func(_ context.Context, conn net.Conn) error {
		late.armed.Store(true)
		go func() {
			_, err := conn.Read(make([]byte, 1))
			read <- err
		}()
		<-late.begun
		return nil
	})))
	go s.ServeConn(context.Background(), late)
	go io.WriteString(client, askEcho)
	wantRead(t, client, switched)
	select {
	case err := <-read:
		if err == nil {
			t.Error("Read after f has returned = nil error, want an error")
		}
	case <-time.After(10 * time.Second):
		t.Error("Read has not returned 10 s after f")
	}
}

// ctx ends when the client has disconnected, whether f reads or not, and no bytes are lost.
func TestUpgradeClientDisconnects(t *testing.T) {
	t.Parallel()
	onEachConn(t, func(t *testing.T, dial func(func(context.Context, net.Conn) error, ...rawhttp.Option) net.Conn) {
		ended := make(chan string, 1)
		c := dial(func(ctx context.Context, conn net.Conn) error {
			<-ctx.Done()
			b, _ := io.ReadAll(conn)
			ended <- string(b)
			return nil
		})
		go io.WriteString(c, askEcho)
		wantRead(t, c, switched)
		io.WriteString(c, "last words")
		c.Close()
		if got := <-ended; got != "last words" {
			t.Errorf("f read %q, want what the client sent before it disconnected", got)
		}
	})
}

// A graceful shutdown closes Stopping and waits for f. After the drain time it ends ctx and
// closes the connection.
func TestUpgradeShutdown(t *testing.T) {
	t.Parallel()
	for name, stops := range map[string]bool{"f obeys Stopping": true, "f ignores Stopping": false} {
		t.Run(name, func(t *testing.T) {
			noNewGoroutines(t)
			result := make(chan error, 1)
			s := newServer(t, rawhttp.WithDate(false), rawhttp.WithResolver(upgrades(func(ctx context.Context, conn net.Conn) error {
				<-rawhttp.Stopping(ctx)
				if stops {
					_, err := io.WriteString(conn, "goodbye")
					result <- ctx.Err()
					return err
				}
				_, err := conn.Read(make([]byte, 1))
				<-ctx.Done()
				result <- err
				return err
			})))
			c := upgradeKinds["TCP"](t, s)
			go io.WriteString(c, askEcho)
			wantRead(t, c, switched)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			if stops {
				ctx, cancel = context.WithCancel(t.Context())
			}
			defer cancel()
			stopped := make(chan error, 1)
			go func() { stopped <- s.Shutdown(ctx) }()
			if stops {
				wantRead(t, c, "goodbye")
				c.Close()
			}
			if err := <-result; (err == nil) != stops {
				t.Errorf("f returned %v", err)
			}
			if err := <-stopped; (err == nil) != stops {
				t.Errorf("Shutdown = %v", err)
			}
		})
	}
}

// Close ends the connection at once.
func TestUpgradeServerClose(t *testing.T) {
	noNewGoroutines(t)
	ended := make(chan error, 1)
	s := newServer(t, rawhttp.WithDate(false), rawhttp.WithResolver(upgrades(func(ctx context.Context, conn net.Conn) error {
		_, err := conn.Read(make([]byte, 1))
		<-ctx.Done()
		ended <- err
		return err
	})))
	c := upgradeKinds["TCP"](t, s)
	go io.WriteString(c, askEcho)
	wantRead(t, c, switched)
	s.Close()
	if err := <-ended; err == nil {
		t.Error("Read after Close = nil error, want an error")
	}
}

// OnClose of an Upgrade is called after f has returned.
func TestUpgradeOnClose(t *testing.T) {
	var order []string
	got := rawhttp.Answer(resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Upgrade("echo", func(context.Context, net.Conn) error {
			order = append(order, "f")
			return nil
		}).OnClose(func() { order = append(order, "closed") }), nil
	}), askEcho)
	if diff := cmp.Diff([]string{"f", "closed"}, order); diff != "" || got != switched {
		t.Errorf("answer %q, calls (-want +got):\n%s", got, diff)
	}
}

// If f calls Close, the connection closes at once. ctx does not end, since the client did not
// disconnect.
func TestUpgradeClose(t *testing.T) {
	onEachConn(t, func(t *testing.T, dial func(func(context.Context, net.Conn) error, ...rawhttp.Option) net.Conn) {
		c := dial(func(ctx context.Context, conn net.Conn) error {
			defer context.AfterFunc(ctx, func() {})()
			if err := conn.Close(); err != nil {
				t.Errorf("Close() = %v", err)
			}
			if _, err := conn.Write([]byte("x")); err == nil {
				t.Error("Write after Close = nil error, want an error")
			}
			if err := ctx.Err(); err != nil {
				t.Errorf("ctx ended with %v, want it not to end", context.Cause(ctx))
			}
			return nil
		})
		go io.WriteString(c, askEcho)
		wantRead(t, c, switched)
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("Read after the server closed = nil error, want an error")
		}
	})
}

// Close may be called while another goroutine reads bytes that arrived early. Only a run with
// -race can fail here.
func TestUpgradeCloseDuringRead(t *testing.T) {
	early := strings.Repeat("x", 2000)
	for range 20 {
		bubble(t, func(t *testing.T) {
			arrived := make(chan struct{})
			c := pipe(t, rawhttp.WithResolver(upgrades(func(ctx context.Context, conn net.Conn) error {
				ctx.Done() // so that the server reads ahead
				<-arrived
				closed := make(chan error, 1)
				go func() { closed <- conn.Close() }()
				for range len(early) {
					if n, err := conn.Read(make([]byte, 1)); n != 1 {
						t.Errorf("Read = %d, %v, want a byte that arrived before Close", n, err)
						break
					}
				}
				return <-closed
			})))
			io.WriteString(c, askEcho)
			go io.Copy(io.Discard, c)
			time.Sleep(time.Second)
			io.WriteString(c, early)
			close(arrived)
		})
	}
}
