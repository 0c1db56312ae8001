// Package rawhttp is an embeddable HTTP/1.x server (RFC 9110, RFC 9112) in which
// every byte is in view: it parses requests without I/O, builds responses as
// values, serves a folder from a jail, and shows the conversation on the wire.
//
// A [Resolver] says what a request is answered with, [New] makes a [Server] of it,
// and [Server.Serve] serves:
//
//	srv, err := rawhttp.New(rawhttp.WithRoot("public"))
//	if err != nil {
//		log.Fatal(err)
//	}
//	log.Fatal(srv.ListenAndServe(context.Background(), "127.0.0.1:8080"))
//
// Data moves one way: listener, connection, parse, framing, resolve, respond,
// write. Limits of time and size are on by default and safe on the open Internet.
// There is no TLS in it: give [Server.Serve] a listener that has it.
package rawhttp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Server serves connections. [New] makes one; its methods may be called
// concurrently, and Serve for several listeners.
type Server struct {
	config config
	format *wireFormat // apart, for the images that outlive the Server
	trace  tracer
	log    Logger
	files  *FileResolver // of WithRoot or WithFS, nil if there is none
	stats  counters

	turnedAway chan struct{} // holds one for each connection that is told of 503

	evicting sync.Mutex
	oldest   []*idler // connections to evict, in order, as long as they stay idle

	mu     sync.Mutex
	groups map[*group]struct{}
	closed bool
}

type counters struct {
	conns, requests, bytesRead, bytesWritten, refused atomic.Uint64
	open                                              atomic.Int64
}

// Stats are counts since the Server was made, and of connections open now.
type Stats struct {
	ConnsOpen    uint64 // connections open, those that are idle included
	ConnsIdle    uint64 // connections that wait for a request
	Conns        uint64 // connections taken over
	Requests     uint64 // requests whose head was accepted
	BytesRead    uint64 // from clients
	BytesWritten uint64 // to clients
	Refused      uint64 // connections over WithMaxConns
}

// New makes a Server. It reports every mistake in the options, joined.
func New(opts ...Option) (*Server, error) {
	s := &Server{
		config:     defaultConfig(),
		groups:     make(map[*group]struct{}),
		turnedAway: make(chan struct{}, 64),
	}
	var errs []error
	for _, o := range opts {
		if o != nil {
			errs = append(errs, o.apply(&s.config))
		}
	}
	errs = append(errs, s.open())
	if err := errors.Join(errs...); err != nil {
		s.closeFiles()
		return nil, fmt.Errorf("rawhttp: New: %w", err)
	}
	s.log = s.config.log
	s.format = &wireFormat{server: s.config.serverField, contentLength: !s.config.noContentLength}
	if !s.config.noDate {
		s.format.date = new(dateCache).text
	}
	for _, t := range s.config.traces {
		s.trace.add(t)
	}
	return s, nil
}

// open makes the resolver that the options ask for.
func (s *Server) open() (err error) {
	c := &s.config
	switch {
	case c.sources == 1 && c.fsys != nil:
		s.files, err = openFS(c.fsys, c.fileOptions)
		c.resolver = s.files
		return err
	case c.sources == 1 && c.root != "":
		s.files, err = openDir(c.root, c.fileOptions)
		c.resolver = s.files
		return err
	}
	_, err = newFileConfig(c.fileOptions)
	if c.sources != 1 {
		err = errors.Join(err, fmt.Errorf("one of WithRoot, WithFS and WithResolver must be given, not %d", c.sources))
	}
	if c.resolver != nil && len(c.fileOptions) > 0 {
		err = errors.Join(err, errors.New("options for files need WithRoot or WithFS"))
	}
	return err
}

func (s *Server) closeFiles() error {
	if s.files == nil {
		return nil
	}
	return s.files.Close()
}

// ListenAndServe listens on the TCP address, as in "127.0.0.1:8080", and serves.
// It returns what [Server.Serve] does, or why it cannot listen.
func (s *Server) ListenAndServe(ctx context.Context, addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("rawhttp: %w", err)
	}
	return s.Serve(ctx, ln)
}

// Serve accepts connections on ln and serves them, until it is asked to stop. It
// returns when the last of them is gone, and closes ln. The end of ctx stops it in
// order: idle connections are closed, requests in progress have the time that
// [WithDrainTimeout] says; then Serve returns nil. After [Server.Shutdown] or
// [Server.Close] it returns [ErrServerClosed], and [net.ErrClosed] if ln was closed
// by somebody else. Errors of Accept do not end it.
//
// The contexts of requests carry the values of ctx, but do not end with it.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	g, err := s.newGroup(ctx, ln)
	if err != nil {
		ln.Close()
		return err
	}
	defer context.AfterFunc(ctx, func() { g.stop(nil, s.config.drainTimeout) })()
	g.acceptAll(ln)
	g.stop(net.ErrClosed, s.config.drainTimeout)
	return g.wait()
}

// ServeConn serves one connection, and closes it. It returns when the connection
// is gone: nil if it ended in order, which includes that the client left or stayed
// idle; what went wrong; or [ErrServerClosed]. The end of ctx stops it as it stops
// [Server.Serve].
func (s *Server) ServeConn(ctx context.Context, conn net.Conn) (err error) {
	g, err := s.newGroup(ctx, nil)
	if err != nil {
		conn.Close()
		return err
	}
	defer context.AfterFunc(ctx, func() { g.stop(nil, s.config.drainTimeout) })()
	c := g.take(conn)
	defer func() { // deferred, since a resolver may end the goroutine
		g.stop(nil, s.config.drainTimeout)
		if err = g.wait(); err == nil {
			err = c.err
		}
	}()
	g.run(c)
	return nil
}

// Shutdown stops the Server for good, in order: it closes listeners and idle
// connections and waits until requests in progress are answered. If ctx ends before,
// their connections are closed, resolvers that go on are not waited for, and Shutdown
// returns the error of ctx. At last it closes what [WithRoot] opened, which the end of
// a context of [Server.Serve] does not.
func (s *Server) Shutdown(ctx context.Context) error {
	groups := s.stopAll()
	var err error
	for _, g := range groups {
		select {
		case <-g.done:
		case <-ctx.Done():
			err = ctx.Err()
			g.kill()
		}
	}
	if closeErr := s.closeFiles(); err == nil {
		err = closeErr
	}
	return err
}

// Close closes listeners and connections at once, requests in progress too, whose
// contexts end, and what [WithRoot] opened. It does not wait for resolvers to
// return; [Server.Serve] does.
func (s *Server) Close() error {
	for _, g := range s.stopAll() {
		g.kill()
	}
	return s.closeFiles()
}

func (s *Server) stopAll() []*group {
	s.mu.Lock()
	s.closed = true
	var groups []*group
	for g := range s.groups {
		groups = append(groups, g)
	}
	s.mu.Unlock()
	for _, g := range groups {
		g.stop(ErrServerClosed, 0)
	}
	return groups
}

// Stats gives the counts. It looks at each connection.
func (s *Server) Stats() Stats {
	st := Stats{
		ConnsOpen:    uint64(s.stats.open.Load()),
		Conns:        s.stats.conns.Load(),
		Requests:     s.stats.requests.Load(),
		BytesRead:    s.stats.bytesRead.Load(),
		BytesWritten: s.stats.bytesWritten.Load(),
		Refused:      s.stats.refused.Load(),
	}
	s.eachConn(func(c *conn) {
		if c.life.Load() >= lifeIdle {
			st.ConnsIdle++
		}
	})
	return st
}

func (s *Server) eachConn(f func(*conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for g := range s.groups {
		g.mu.Lock()
		for c := g.conns; c != nil; c = c.next {
			f(c)
		}
		g.mu.Unlock()
	}
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
