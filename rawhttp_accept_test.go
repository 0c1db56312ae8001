package rawhttp

import (
	"context"
	"net"
	"os"
	"syscall"
	"testing"
)

var errLiveTooMany = &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}

// A connection that is refused is none that can be evicted, from its first moment.
func TestRefusedConnectionIsNotEvicted(t *testing.T) {
	s := newServer(t, WithMaxConns(1), WithResolver(say("hi")))
	g, err := s.newGroup(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	take := func() *conn {
		client, server := net.Pipe()
		t.Cleanup(func() { client.Close() })
		return g.take(server)
	}
	busy := take()
	busy.life.Store(lifeBusy)
	if second := take(); !second.tooMany {
		t.Error("the second connection of one is not refused")
	}
	if third := take(); !third.tooMany {
		t.Error("the third takes the place of the second, which was refused, as if that were idle")
	}
	if got := s.Stats(); got.ConnsIdle != 0 || got.Refused != 2 {
		t.Errorf("Stats = %+v, want none idle and two refused", got)
	}
	for g.conns != nil { // they were never run
		g.remove(g.conns)
		g.running.Done()
	}
	g.wait()
}
