package rawhttp

import (
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// An idle connection does not keep the room that a long head has taken.
func TestIdleConnectionIsSlim(t *testing.T) {
	long := strings.Replace(liveGet("/"), "\r\n\r\n", strings.Repeat("\r\nCookie: "+strings.Repeat("c", 5000), 6)+"\r\n\r\n", 1)
	lines := strings.Replace(liveGet("/"), "\r\n\r\n", "\r\n"+strings.Repeat("a: b\r\n", 90)+"\r\n", 1)
	for name, request := range map[string]string{"long lines": long, "many lines": lines, "pipelined": long + lines + long} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, ln, served := liveServing(t, WithResolver(livePath))
				client := ln.dial(t)
				client.say(request)
				if got, want := client.heard(), strings.Repeat(liveOK("/"), strings.Count(request, "GET")); got != want {
					t.Errorf("answer %q, want %q", got, want)
				}
				synctest.Wait()
				s.eachConn(func(c *conn) {
					for what, got := range map[string]struct{ is, most int }{
						"input":          {len(c.work.in.buf), minBuffer},
						"output":         {cap(c.work.out.buf), 0},
						"last head":      {cap(c.work.req.head.Text), maxIdleText},
						"its copy":       {cap(c.work.spare.head.Text), maxIdleText},
						"its fields":     {cap(c.work.req.head.Fields), maxIdleFields},
						"fields of that": {cap(c.work.spare.head.Fields), maxIdleFields},
					} {
						if got.is > got.most {
							t.Errorf("%s: an idle connection keeps %d, want at most %d", what, got.is, got.most)
						}
					}
				})
				s.Close()
				<-served
			})
		})
	}
}

// A connection is evicted only as long as it is what it was when it was chosen: the request
// that comes in the same moment is answered, and either is told of the other.
func TestEvictionAndRequest(t *testing.T) {
	s := newServer(t, WithResolver(say("hi")))
	client, server := net.Pipe()
	defer client.Close()
	c := newConn(s, new(group), server)
	c.life.Store(lifeIdle + 1)
	if c.evict(lifeIdle) || c.life.Load() != lifeIdle+1 {
		t.Error("a connection that has had a request since it was chosen is evicted")
	}
	c.life.Store(lifeBusy)
	if c.evict(lifeIdle) || c.life.Load() != lifeBusy {
		t.Error("a connection that is busy is evicted")
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
			for range round % 512 { // so that the two meet in every way
			}
			evicted.Store(c.evict(lifeIdle))
			ended.Store(round + 1)
		}
	}()
	wrong := 0
	for round := range int32(rounds) {
		c.life.Store(lifeIdle)
		c.leaves = false
		begun.Store(round + 1)
		c.begin(nil)
		for ended.Load() <= round {
			runtime.Gosched()
		}
		if evicted.Load() != c.leaves {
			wrong++
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d times a request and the eviction of its connection do not know of each other", wrong, rounds)
	}
}
