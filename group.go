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

// A group is the set of connections of one call to Serve or ServeConn. They stop together.
type group struct {
	srv      *Server
	ctx      context.Context // ends when the connections are closed by force
	cancel   context.CancelFunc
	stopping atomic.Bool    // a graceful shutdown has begun; never reset
	stopped  chan struct{}  // closed when stopping is set
	closing  atomic.Bool    // it is stopping and accepts no more, so each response is the last of its connection
	done     chan struct{}  // closed when the last connection has closed
	running  sync.WaitGroup // counts connections, from before their goroutine starts to after their last hook

	ln     net.Listener // nil for ServeConn
	closed sync.Once    // closes ln

	mu     sync.Mutex // guards the fields below
	conns  *conn      // head of a linked list
	reason error      // why the group stops, returned by Serve; set once, before done is closed
	killed bool       // the connections were closed by force, and so is any that is added
	drain  *time.Timer

	quiet   *time.Timer // runs closeIfQuiet, at quietAt, after the group has begun to stop
	quietAt instant
	closeBy instant // latest time at which ln is closed
}

// newGroup makes a group and adds it to the Server. It returns ErrServerClosed if the Server
// is closed.
func (s *Server) newGroup(ctx context.Context, ln net.Listener) (*group, error) {
	g := &group{srv: s, ln: ln, stopped: make(chan struct{}), done: make(chan struct{})}
	// The end of ctx begins a graceful shutdown, during which requests must not be canceled.
	g.ctx, g.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrServerClosed
	}
	s.groups[g] = struct{}{}
	return g, nil
}

// After a temporary error, Accept is tried again after a pause, which doubles each time
// from firstPause to lastPause. The shortage counts as over when Accept has not failed for
// the time recovered. A single success is not enough: during a shortage, each connection
// that closes lets one more in, and the next Accept fails again.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
	recovered  = time.Second
)

// acceptAll accepts connections until the listener is closed or fails for good, and returns
// its error. A shortage of descriptors or memory is temporary, and so is an error that a
// client causes on its own connection.
func (g *group) acceptAll(ln net.Listener) error {
	trouble := acceptTrouble{log: g.srv.config.log}
	defer trouble.stop()
	for pause := firstPause; ; {
		nc, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return net.ErrClosed
		case err != nil && (g.closing.Load() || !isTemporary(err)):
			return err // with closing, the listener is closed, whatever its error says
		}
		g.postponeClose() // the queue was not empty, or its state is unknown
		if err == nil {
			pause = firstPause
			c := g.add(nc)
			c.mayPark = c.ready != nil // not in ServeConn, whose goroutine is the caller's
			go g.run(c)
			continue
		}
		if jail.IsShortage(err) { // the connection in the queue is worth more than an idle one
			g.srv.evict()
		}
		trouble.begin(err)
		g.pause(pause)
		trouble.retry()
		pause = min(2*pause, lastPause)
	}
}

// An acceptTrouble logs when Accept begins to fail, and when it works again.
type acceptTrouble struct {
	log    logger
	failed int         // failures since it began
	over   *time.Timer // logs that it is over; nil if Accept has never failed
}

// begin logs a failure if it is the first, or the first after trouble that was over.
func (t *acceptTrouble) begin(err error) {
	if t.over == nil || !t.over.Stop() {
		t.failed = 0
		t.log.Warn("rawhttp: accept failed, retrying", "err", err)
	}
	t.failed++
}

// retry is called before Accept is tried again. The trouble is over unless Accept fails soon.
func (t *acceptTrouble) retry() {
	log, failed := t.log, t.failed
	t.over = time.AfterFunc(recovered, func() { log.Warn("rawhttp: accept works again", "failed", failed) })
}

func (t *acceptTrouble) stop() {
	if t.over != nil {
		t.over.Stop()
	}
}

// pause waits for d. If the group stops, it waits only for a moment, since the queue must
// be emptied soon.
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

// isTemporary reports whether a listener may work again after err: a shortage, an error of a
// single connection, or an error that declares itself temporary.
func isTemporary(err error) bool {
	var t interface{ Temporary() bool }
	return jail.IsShortage(err) || jail.IsAny(err, jail.ClientErrors) || errors.As(err, &t) && t.Temporary()
}

// Closing a listener resets the connections in its queue. So a graceful shutdown keeps
// accepting until no connection has arrived for queueQuiet, but no longer than
// maxQueueTime. Until then responses do not announce the close of their connection, since
// all clients would reconnect at once.
const (
	queueQuiet   = 50 * time.Millisecond
	maxQueueTime = time.Second
)

// postponeClose keeps the listener of a stopping group open for another queueQuiet, since
// its queue may hold more connections.
func (g *group) postponeClose() {
	if !g.stopping.Load() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.awaitQuiet()
}

// awaitQuiet sets the timer that closes the listener. It reports false if closeBy has been
// reached. It is called with g.mu held.
func (g *group) awaitQuiet() bool {
	now := clock()
	if now >= g.closeBy {
		return false
	}
	g.quietAt = min(now.add(queueQuiet), g.closeBy)
	g.quiet.Reset(time.Duration(g.quietAt - now))
	return true
}

// closeIfQuiet closes the listener, unless a connection has arrived since the timer fired, which
// has set the timer again. If the system runs the timer late, connections may have arrived
// meanwhile, so it waits for another queueQuiet instead. The delay does not count toward
// maxQueueTime.
func (g *group) closeIfQuiet() {
	g.mu.Lock()
	late := time.Duration(clock() - g.quietAt)
	if late > maxLate {
		g.closeBy = g.closeBy.add(late)
	}
	open := late < 0 || late > maxLate && g.awaitQuiet()
	g.mu.Unlock()
	if !open {
		g.closeListener()
	}
}

// add adds a connection to the group, in place of an idle one if there are too many.
func (g *group) add(nc net.Conn) *conn {
	s := g.srv
	// Counting comes before the check, so that two groups cannot both take the last place.
	n := s.stats.open.Add(1)
	c := newConn(s, g, nc)
	g.running.Add(1)
	if limit := s.config.maxConns; limit > 0 && n > int64(limit) && !s.evict() {
		c.tooMany = true
		c.life.Store(lifeBusy) // it can never be evicted
		s.stats.refused.Add(1)
		s.stats.open.Add(-1) // and does not count as open
	}
	g.mu.Lock()
	g.link(c)
	if g.killed { // kill has walked the list already
		c.kill()
	}
	g.mu.Unlock()
	return c
}

// run serves the connection, or refuses it if there are too many.
func (g *group) run(c *conn) {
	if !c.tooMany {
		c.serve()
		return
	}
	select {
	case g.srv.turnedAway <- struct{}{}:
		defer func() { <-g.srv.turnedAway }() // also if a hook ends the goroutine
		c.turnAway()
	default: // enough connections are being answered already
		c.dismiss()
	}
}

// link puts c at the head of the list. It is called with g.mu held.
func (g *group) link(c *conn) {
	c.next = g.conns
	if c.next != nil {
		c.next.prev = c
	}
	g.conns = c
}

// remove takes c, which has closed, out of the group.
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
	c.prev, c.next = nil, nil // a program that keeps this one must not keep the others
	g.mu.Unlock()
	if !c.tooMany { // add has taken it out of the count
		g.srv.stats.open.Add(-1)
	}
}

// stop stops the group gracefully, and by force after drain; 0 means never. Busy connections
// end with their response (see mayPersist), idle ones when leaveAt says so. Only the first
// call of stop has an effect.
func (g *group) stop(reason error, drain time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopping.Load() {
		return
	}
	g.reason = reason
	g.stopping.Store(true) // before leave below: an idle connection looks at it when it wakes
	close(g.stopped)
	if g.ln == nil { // ServeConn accepts no more
		g.closing.Store(true)
	} else {
		g.closeBy = clock().add(maxQueueTime)
		g.quiet = time.AfterFunc(maxQueueTime, g.closeIfQuiet)
		g.awaitQuiet()
	}
	for c := g.conns; c != nil; c = c.next {
		c.leave()
	}
	if drain > 0 {
		g.drain = time.AfterFunc(drain, g.kill)
	}
}

// closeListener closes the listener, if there is one. It may be called more than once.
func (g *group) closeListener() {
	if g.ln == nil {
		return
	}
	g.closed.Do(func() { g.ln.Close() })
	g.closing.Store(true) // only now: a client told to close reconnects at once
}

// kill closes the listener and the connections, and ends the contexts of their requests.
func (g *group) kill() {
	g.closeListener()
	g.mu.Lock()
	g.killed = true
	for c := g.conns; c != nil; c = c.next {
		c.kill()
	}
	g.mu.Unlock()
	g.cancel() // only now, so that a resolver that gives up because of it is not answered
}

// wait waits until the last connection has closed, and removes the group from the Server. It
// returns the reason of the stop.
func (g *group) wait() error {
	g.running.Wait()
	g.mu.Lock()
	for _, t := range []*time.Timer{g.drain, g.quiet} {
		if t != nil {
			t.Stop()
		}
	}
	g.mu.Unlock()
	g.cancel() // releases what refers to the context
	g.srv.mu.Lock()
	delete(g.srv.groups, g)
	g.srv.mu.Unlock()
	close(g.done)
	return g.reason
}

// evict closes a connection: one that lingers, or else the one that has been idle longest.
// It reports whether it found one.
func (s *Server) evict() bool {
	s.evicting.Lock()
	defer s.evicting.Unlock()
	if s.stats.lingering.Load() > 0 && len(s.oldest) > 0 && s.oldest[0].life != lifeLinger {
		s.oldest = nil // search again: lingering connections come first
	}
	// Each round uses up one connection of the list. If it has become busy since the search, its
	// evict fails, and the next one is tried.
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

// An idler is a connection that may be evicted, with its life when it was found.
type idler struct {
	c    *conn
	life int64
}

// findOldest finds the first maxOldest connections to evict. Searching all connections for
// each eviction would multiply the cost of a flood.
func (s *Server) findOldest() {
	var idle []*idler // pointers, since sorting values would add 12 KB of code
	s.eachConn(func(c *conn) {
		if life := c.life.Load(); life >= lifeIdle || life == lifeLinger {
			idle = append(idle, &idler{c, life})
		}
	})
	// lifeLinger is negative, so lingering connections come first.
	slices.SortFunc(idle, func(a, b *idler) int { return cmp.Compare(a.life, b.life) })
	// The clone lets the rest be freed.
	s.oldest = slices.Clone(idle[:min(len(idle), maxOldest)])
}

// maxOldest is how many evictions share one search. The order of the connections found goes
// out of date as they serve requests, so it is not large.
const maxOldest = 64
