package conformance_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// The net.Conn that the function of Upgrade gets.

// f may set deadlines. None of the server's deadlines is left when f is called.
func TestUpgradeDeadlines(t *testing.T) {
	t.Parallel()
	onEachConn(t, func(t *testing.T, dial func(func(context.Context, net.Conn) error, ...rawhttp.Option) net.Conn) {
		c := dial(func(ctx context.Context, conn net.Conn) error {
			buf := make([]byte, 1)
			defer context.AfterFunc(ctx, func() {})()
			for range 2 { // a deadline that has passed can be removed
				conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
				if _, err := conn.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("Read after its deadline: %v", err)
				}
			}
			if err := conn.SetDeadline(time.Now().Add(-time.Second)); err != nil {
				t.Error(err)
			}
			if _, err := conn.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Read after its deadline: %v", err)
			}
			conn.SetDeadline(time.Time{})
			time.AfterFunc(20*time.Millisecond, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
			if _, err := conn.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Read whose deadline was set meanwhile: %v", err)
			}
			conn.SetReadDeadline(time.Time{})
			io.WriteString(conn, "now")
			if _, err := conn.Read(buf); err != nil {
				t.Errorf("Read after the deadline was removed: %v", err)
			}
			_, err := conn.Write(buf)
			return err
		})
		go io.WriteString(c, askEcho)
		wantRead(t, c, switched+"now")
		io.WriteString(c, "x")
		wantRead(t, c, "x")
	})
}

// Between reads, the watch may read ahead. That changes nothing for f: deadlines that have passed
// hold for bytes that have arrived, these count as read, and a Close is not taken for a reset by the
// client.
func TestUpgradeBetweenReads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log testkit.Log
		client, server := kernelPair(1 << 16)
		s := newServer(t, rawhttp.WithLogger(&log), rawhttp.WithResolver(upgrades(func(ctx context.Context, conn net.Conn) error {
			ctx.Done()
			time.Sleep(time.Second) // the client sends "ab" meanwhile
			conn.SetReadDeadline(time.Unix(1, 0))
			if n, err := conn.Read(make([]byte, 9)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Read after its deadline = %d, %v, want no bytes", n, err)
			}
			conn.SetReadDeadline(time.Time{})
			wantRead(t, conn, "ab")
			time.Sleep(time.Second)
			conn.Close()
			time.Sleep(time.Second)
			if err := ctx.Err(); err != nil {
				t.Errorf("after Close, Err of the context = %v, want nil", err)
			}
			return errors.New("on purpose")
		})))
		io.WriteString(client, askEcho)
		time.AfterFunc(500*time.Millisecond, func() { io.WriteString(client, "ab") })
		s.ServeConn(t.Context(), server)
		if got, want := s.Stats().BytesRead, uint64(len(askEcho+"ab")); got != want {
			t.Errorf("Stats().BytesRead = %d, want %d", got, want)
		}
		if !log.Has("ERROR", "on purpose") {
			t.Errorf("log is %q, want the error at level error", &log)
		}
	})
}

// What fails because the client has disconnected is not logged at level error.
func TestUpgradeErrorAfterDisconnect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log testkit.Log
		client, server := kernelPair(1 << 16)
		s := newServer(t, rawhttp.WithLogger(&log), rawhttp.WithResolver(upgrades(func(ctx context.Context, conn net.Conn) error {
			<-ctx.Done()
			return errors.New("on purpose")
		})))
		io.WriteString(client, askEcho)
		time.AfterFunc(time.Second, func() { client.CloseWrite() })
		s.ServeConn(t.Context(), server)
		if !log.Has("DEBUG", "on purpose") || log.Has("ERROR") {
			t.Errorf("log is %q, want the error at level debug", &log)
		}
	})
}

// A write deadline ends a Write to a client that does not read. It does not concern Read, and once
// it is removed, Write works again.
func TestUpgradeWriteDeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := pipe(t, rawhttp.WithDate(false), rawhttp.WithResolver(upgrades(func(_ context.Context, conn net.Conn) error {
			const limit = time.Minute
			start := time.Now()
			if err := conn.SetWriteDeadline(start.Add(limit)); err != nil {
				t.Error(err)
			}
			if n, err := io.WriteString(conn, "unread"); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != limit {
				t.Errorf("Write = %d, %v after %v, want 0 bytes and the deadline after %v", n, err, time.Since(start), limit)
			}
			if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
				t.Errorf("Read after the write deadline: %v", err)
			}
			if err := conn.SetWriteDeadline(time.Time{}); err != nil {
				t.Error(err)
			}
			_, err := io.WriteString(conn, "read")
			return err
		})))
		go io.WriteString(c, askEcho)
		wantRead(t, c, switched)
		time.Sleep(time.Hour) // the client does not read, but sends
		io.WriteString(c, "x")
		wantRead(t, c, "read")
	})
}

func TestUpgradeAddresses(t *testing.T) {
	t.Parallel()
	onEachConn(t, func(t *testing.T, dial func(func(context.Context, net.Conn) error, ...rawhttp.Option) net.Conn) {
		addrs := make(chan [2]string, 1)
		c := dial(func(_ context.Context, conn net.Conn) error {
			addrs <- [2]string{conn.LocalAddr().String(), conn.RemoteAddr().String()}
			return nil
		})
		go io.WriteString(c, askEcho)
		wantRead(t, c, switched)
		if got, want := <-addrs, [2]string{c.RemoteAddr().String(), c.LocalAddr().String()}; got != want {
			t.Errorf("the local and the remote address are %q, want %q", got, want)
		}
	})
}

// No limit of the server ends an upgraded connection, however long it is silent.
func TestUpgradeHasNoLimits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := pipe(t, rawhttp.WithDate(false), rawhttp.WithResolver(upgrades(echoes)))
		go io.WriteString(c, askEcho)
		wantRead(t, c, switched)
		time.Sleep(24 * time.Hour)
		go io.WriteString(c, "a")
		time.Sleep(24 * time.Hour) // a stalled reader does not end it either
		wantRead(t, c, "a")
	})
}

func TestUpgradeCloseWrite(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"TCP": true, "TLS": true, "wrapped": false, "pipe": false} {
		t.Run(name, func(t *testing.T) {
			heard := make(chan string, 1)
			s := newServer(t, rawhttp.WithDate(false), rawhttp.WithResolver(upgrades(func(_ context.Context, conn net.Conn) error {
				half, ok := conn.(interface{ CloseWrite() error })
				if ok != want {
					t.Errorf("the connection has CloseWrite: %v, want %v", ok, want)
				}
				if !ok {
					return nil
				}
				if err := half.CloseWrite(); err != nil {
					t.Error(err)
				}
				b, _ := io.ReadAll(conn)
				heard <- string(b)
				return nil
			})))
			c := upgradeKinds[name](t, s)
			go io.WriteString(c, askEcho)
			got, err := io.ReadAll(c)
			if err != nil || string(got) != switched {
				t.Errorf("read %q, %v, want %q and io.EOF", got, err, switched)
			}
			if want {
				io.WriteString(c, "after")
				c.(interface{ CloseWrite() error }).CloseWrite()
				if got := <-heard; got != "after" {
					t.Errorf("f read %q after CloseWrite, want what the client sent", got)
				}
			}
		})
	}
}
