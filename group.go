package rawhttp

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A group is the connections of one call of Serve or ServeConn, which stop
// together.
type group struct {
	srv      *Server
	ctx      context.Context // ends when the connections are closed by force
	cancel   context.CancelFunc
	stopping atomic.Bool
	stopped  chan struct{} // closed when stopping is set
	done     chan struct{} // closed when the last connection is gone
	running  sync.WaitGroup

	mu     sync.Mutex
	ln     net.Listener
	conns  *conn // the first of a list
	reason error // why it stops, as Serve returns it
	drain  *time.Timer
}

func (s *Server) newGroup(ctx context.Context, ln net.Listener) (*group, error) {
	g := &group{srv: s, ln: ln, stopped: make(chan struct{}), done: make(chan struct{})}
	g.ctx, g.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrServerClosed
	}
	s.groups[g] = struct{}{}
	return g, nil
}

// acceptAll accepts connections until the listener is closed. Any other error is
// waited out, first 5 ms, then up to 1 s: it is the system's lack of descriptors
// or memory, or a client's doing, and it passes.
func (g *group) acceptAll(ln net.Listener) {
	const first, last = 5 * time.Millisecond, time.Second
	pause := first
	for {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			pause = first
			c := g.take(nc)
			c.mayPark = c.ready != nil
			go g.run(c)
			continue
		case errors.Is(err, net.ErrClosed), g.stopping.Load():
			return
		}
		evicted := g.srv.evict()
		g.srv.log.Warn("rawhttp: accept failed", "err", err, "pause", pause, "evicted", evicted)
		select {
		case <-time.After(pause):
		case <-g.stopped:
		}
		pause = min(2*pause, last)
	}
}

// take makes nc one of the group's connections.
func (g *group) take(nc net.Conn) *conn {
	s := g.srv
	n := s.stats.open.Add(1)
	c := newConn(s, g, nc)
	g.running.Add(1)
	if limit := s.config.maxConns; limit > 0 && n > int64(limit) && !s.evict() {
		c.tooMany = true
		c.life.Store(lifeBusy) // it is never idle
		s.stats.refused.Add(1)
		s.stats.open.Add(-1) // nor does it take a place
	}
	g.mu.Lock()
	g.add(c)
	g.mu.Unlock()
	return c
}

// run serves the connection, or tells its client that there are too many.
func (g *group) run(c *conn) {
	if !c.tooMany {
		c.serve()
		return
	}
	select {
	case g.srv.turnedAway <- struct{}{}:
		c.turnAway()
		<-g.srv.turnedAway
	default: // they are told no more
		c.dismiss()
	}
}

// add puts c at the beginning of the list. The group is locked.
func (g *group) add(c *conn) {
	c.next = g.conns
	if c.next != nil {
		c.next.prev = c
	}
	g.conns = c
}

func (g *group) remove(c *conn) {
	g.mu.Lock()
	if c.prev == nil {
		g.conns = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.prev, c.next = nil, nil // who keeps this one does not keep the others
	g.mu.Unlock()
	if !c.tooMany {
		g.srv.stats.open.Add(-1)
	}
}

// stop stops the group in order, and by force after the time to drain; 0 is never.
// The first reason counts.
func (g *group) stop(reason error, drain time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopping.Load() {
		return
	}
	g.reason = reason
	g.stopping.Store(true)
	close(g.stopped)
	if g.ln != nil {
		g.ln.Close()
	}
	for c := g.conns; c != nil; c = c.next {
		c.takeAway()
	}
	if drain > 0 {
		g.drain = time.AfterFunc(drain, g.kill)
	}
}

// kill closes the connections and ends the contexts of their requests.
func (g *group) kill() {
	g.mu.Lock()
	for c := g.conns; c != nil; c = c.next {
		c.gone.Store(true)
		innermost(c.nc).Close()
	}
	g.mu.Unlock()
	g.cancel() // after that, so that no resolver that gives up is answered for
}

// wait waits until the last connection is gone.
func (g *group) wait() error {
	g.running.Wait()
	g.mu.Lock()
	if g.drain != nil {
		g.drain.Stop()
	}
	g.mu.Unlock()
	g.cancel()
	g.srv.mu.Lock()
	delete(g.srv.groups, g)
	g.srv.mu.Unlock()
	close(g.done)
	return g.reason
}

// evict takes away the connection that has been idle the longest. It reports
// whether there was one.
func (s *Server) evict() bool {
	s.evicting.Lock()
	defer s.evicting.Unlock()
	for {
		if len(s.oldest) == 0 {
			s.findOldest()
		}
		if len(s.oldest) == 0 {
			return false
		}
		next := s.oldest[0]
		s.oldest[0], s.oldest = nil, s.oldest[1:]
		if next.c.life.Load() == next.since && next.c.takeAway() {
			return true
		}
	}
}

// An idler is a connection and since when it was idle when it was looked at.
type idler struct {
	c     *conn
	since int64
}

// findOldest finds the connections that have been idle the longest, some at once: to
// look at all for each that is evicted would be what a flood is after.
func (s *Server) findOldest() {
	var idle []*idler
	s.eachConn(func(c *conn) {
		if since := c.life.Load(); since >= lifeIdle {
			idle = append(idle, &idler{c, since})
		}
	})
	slices.SortFunc(idle, func(a, b *idler) int { return cmp.Compare(a.since, b.since) })
	s.oldest = slices.Clone(idle[:min(len(idle), maxOldest)])
}

// maxOldest is how many connections findOldest finds.
const maxOldest = 64
