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

	"example.com/rawhttp/internal/jail"
)

// A group is the connections of one call of Serve or ServeConn, which stop
// together.
type group struct {
	srv      *Server
	ctx      context.Context // ends when the connections are closed by force
	cancel   context.CancelFunc
	stopping atomic.Bool
	stopped  chan struct{} // closed when stopping is set
	closing  atomic.Bool   // it stops and accepts no more, so each response is the last of its connection
	done     chan struct{} // closed when the last connection is gone
	running  sync.WaitGroup

	mu     sync.Mutex
	ln     net.Listener
	conns  *conn // the first of a list
	reason error // why it stops, as Serve returns it
	drain  *time.Timer

	closed  sync.Once   // done when ln has been closed
	quiet   *time.Timer // closes ln, once the group stops
	closeBy instant     // when it does so at the latest
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

// Between two tries of Accept after an error that passes there is a pause, each time twice
// as long. The lack of something is over when Accept has not failed for a while: meanwhile
// each connection that goes lets one more in, and the next fails again.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
	recovered  = time.Second
)

// acceptAll accepts connections until the listener is closed or has failed for good, and
// returns its error. A lack of descriptors or memory passes, as does what a client does to
// its own connection.
func (g *group) acceptAll(ln net.Listener) error {
	failed, pause := 0, firstPause
	var over *time.Timer // tells that it is over; nil: Accept has never failed
	defer func() {
		if over != nil {
			over.Stop()
		}
	}()
	for {
		nc, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return net.ErrClosed
		case err != nil && (g.closing.Load() || !jail.IsShortage(err) && !isTemporary(err)):
			return err
		}
		g.postponeClose() // the queue was not empty, or nobody knows
		if err == nil {
			pause = firstPause
			c := g.take(nc)
			c.mayPark = c.ready != nil
			go g.run(c)
			continue
		}
		if jail.IsShortage(err) {
			g.srv.evict()
		}
		if over == nil || !over.Stop() {
			failed = 0
			g.srv.log.Warn("rawhttp: accept failed, and is tried again", "err", err)
		}
		g.pause(pause)
		pause = min(2*pause, lastPause)
		failed++
		times := failed
		over = time.AfterFunc(recovered, func() { g.srv.log.Warn("rawhttp: accept works again", "failed", times) })
	}
}

// pause waits for d, or for a moment if the group stops: its queue is to be emptied soon.
func (g *group) pause(d time.Duration) {
	select {
	case <-time.After(d):
		return
	case <-g.stopped:
	}
	select {
	case <-time.After(firstPause):
	case <-g.ctx.Done():
	}
}

// isTemporary reports whether a listener may work again after the error of Accept: it is
// of one connection, or says so itself.
func isTemporary(err error) bool {
	var t interface{ Temporary() bool }
	return jail.IsAny(err, jail.ClientErrors) || errors.As(err, &t) && t.Temporary()
}

// A listener that is closed resets the connections in its queue. So a graceful stop goes
// on accepting until none has come for a moment, but not for long. Until then responses
// do not say that their connection closes: all clients would connect again at once.
const (
	queueQuiet   = 50 * time.Millisecond
	maxQueueTime = time.Second
)

// postponeClose keeps the listener of a group that stops open for another moment, since
// there may be more in its queue.
func (g *group) postponeClose() {
	if !g.stopping.Load() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if left := time.Duration(g.closeBy - clock()); left > 0 {
		g.quiet.Reset(min(queueQuiet, left))
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

// stop stops the group gracefully, and by force after the time to drain; 0 is never.
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
	if g.ln == nil {
		g.closing.Store(true)
	} else {
		g.closeBy = clock().add(maxQueueTime)
		g.quiet = time.AfterFunc(queueQuiet, g.closeListener)
	}
	for c := g.conns; c != nil; c = c.next {
		c.leave()
	}
	if drain > 0 {
		g.drain = time.AfterFunc(drain, g.kill)
	}
}

func (g *group) closeListener() {
	if g.ln == nil {
		return
	}
	g.closed.Do(func() { g.ln.Close() })
	g.closing.Store(true) // after that: who hears of a close connects again at once
}

// kill closes the listener and the connections, and ends the contexts of their requests.
func (g *group) kill() {
	g.closeListener()
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
	for _, t := range []*time.Timer{g.drain, g.quiet} {
		if t != nil {
			t.Stop()
		}
	}
	g.mu.Unlock()
	g.cancel()
	g.srv.mu.Lock()
	delete(g.srv.groups, g)
	g.srv.mu.Unlock()
	close(g.done)
	return g.reason
}

// evict ends a connection: one that lingers, else the one that has been idle the
// longest. It reports whether there was one.
func (s *Server) evict() bool {
	s.evicting.Lock()
	defer s.evicting.Unlock()
	if s.stats.lingering.Load() > 0 && len(s.oldest) > 0 && s.oldest[0].life != lifeLinger {
		s.oldest = nil // they come first
	}
	for {
		if len(s.oldest) == 0 {
			s.findOldest()
		}
		if len(s.oldest) == 0 {
			return false
		}
		next := s.oldest[0]
		s.oldest[0], s.oldest = nil, s.oldest[1:]
		if next.c.evict(next.life) {
			return true
		}
	}
}

// An idler is a connection that may be evicted, and its life when it was looked at.
type idler struct {
	c    *conn
	life int64
}

// findOldest finds the connections to evict first, several at once: to look at all for
// each that is evicted would be what a flood is after.
func (s *Server) findOldest() {
	var idle []*idler
	s.eachConn(func(c *conn) {
		if life := c.life.Load(); life >= lifeIdle || life == lifeLinger {
			idle = append(idle, &idler{c, life})
		}
	})
	slices.SortFunc(idle, func(a, b *idler) int { return cmp.Compare(a.life, b.life) })
	s.oldest = slices.Clone(idle[:min(len(idle), maxOldest)])
}

// maxOldest is how many connections findOldest finds.
const maxOldest = 64
