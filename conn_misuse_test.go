//go:build unix

package rawhttp

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// What programs do that keep what is not theirs any more must not reach others.

// A Request that is kept tells nothing that can be relied on, but does no harm.
func TestRequestIsKept(t *testing.T) {
	kept := make(chan *Request, 1)
	s, addr := listen(t, WithResolver(ResolverFunc(func(_ context.Context, req *Request) (*Response, error) {
		kept <- req
		return Text(200, "hi"), nil
	})))
	c := dial(t, addr)
	parkAsk(t, c, liveGet("/"), 1)
	parkAwait(t, s, 1)
	req := <-kept
	if id := req.Conn().ID; id != 1 {
		t.Errorf("Conn().ID = %d, want 1", id)
	}
	if path := req.Clone().Path(); path != "/" {
		t.Errorf("Clone().Path() = %q, want /", path)
	}
}

// Who keeps a connection that is gone keeps no others.
func TestConnectionThatIsGoneStandsAlone(t *testing.T) {
	g := &group{srv: newServer(t, WithResolver(say("hi")))}
	var conns []*conn
	for range 4 {
		c := &conn{}
		g.add(c)
		conns = append(conns, c)
	}
	for i, gone := range []int{2, 0, 3, 1} {
		g.remove(conns[gone])
		if c := conns[gone]; c.prev != nil || c.next != nil {
			t.Errorf("connection %d, which is gone, knows others", gone)
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

// Content of which there is much leaves much time.
func TestContentTimeOfMuch(t *testing.T) {
	for received, want := range map[int64]time.Duration{
		0: 30 * time.Second, 240 * 30: 30 * time.Second, 240*60 + 60: 60*time.Second + 250*time.Millisecond,
		8_000_000_000: 8_000_000_000 / 240 * time.Second, 1 << 33: (1 << 33) * time.Second / 240, 10e9: (1 << 33) * time.Second / 240, 1<<63 - 1: (1 << 33) * time.Second / 240,
	} {
		w := contentWait{received: received}
		if got := w.allowed(30 * time.Second); got.Truncate(time.Second) != want.Truncate(time.Second) {
			t.Errorf("allowed behind %d bytes is %v, want %v", received, got, want)
		}
	}
}

// A goroutine that writes on, behind the end of its StreamFunc, gets an error, and what
// its connection worked with can go to another meanwhile.
func TestContentIsWrittenBehindTheEnd(t *testing.T) {
	var writers sync.WaitGroup
	done := make(chan struct{})
	defer writers.Wait()
	defer close(done)
	s, addr := listen(t, WithDate(false), WithResolver(ResolverFunc(func(context.Context, *Request) (*Response, error) {
		return StreamFunc(200, "a/b", func(_ context.Context, w io.Writer) error {
			_, err := io.WriteString(w, "hi")
			writers.Go(func() {
				for writeErr := error(nil); writeErr == nil; { // until the end
					_, writeErr = w.Write(nil)
				}
				for {
					select {
					case <-done:
						return
					default:
						io.WriteString(w, "behind")
					}
				}
			})
			return err
		}), nil
	})))
	var conns []net.Conn
	for range 4 {
		c := dial(t, addr)
		parkAsk(t, c, liveGet("/"), 1)
		conns = append(conns, c)
	}
	parkAwait(t, s, len(conns))
	for _, c := range conns { // from what others had
		parkAsk(t, c, liveGet("/"), 1)
	}
	parkAwait(t, s, len(conns))
}
