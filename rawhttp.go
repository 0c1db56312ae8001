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
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"example.com/rawhttp/internal/ascii"
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

	turnedAway  chan struct{} // holds one for each connection that is told of 503
	toldOfHTTP2 atomic.Bool   // the log was told that a client speaks it

	evicting sync.Mutex
	oldest   []*idler // connections to evict, in order, as long as they stay idle

	mu     sync.Mutex
	groups map[*group]struct{}
	closed bool
}

type counters struct {
	conns, requests, bytesRead, bytesWritten, refused atomic.Uint64
	open, lingering                                   atomic.Int64
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
	if s.log = s.config.log; s.log == nil {
		s.log = discardLogger{}
	}
	s.format = &wireFormat{server: s.config.serverField, contentLength: !s.config.noContentLength}
	if !s.config.noDate {
		s.format.date = new(ascii.DateCache).Text
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

// Serve accepts connections on ln and serves them until it is asked to stop. It closes ln,
// and returns when the last connection is gone.
//
// When ctx ends, Serve stops gracefully. Requests that are on their way are still answered:
// it accepts what waits in the listener's queue, closes ln, answers the requests of open
// connections with Connection: close, and closes those that have been idle for a second.
// Streams can learn of it from [Stopping]. What has not ended after [WithDrainTimeout] is
// closed. Then Serve returns nil.
//
// After [Server.Shutdown] or [Server.Close] it returns [ErrServerClosed], and
// [net.ErrClosed] if ln was closed by somebody else. When Accept fails because the system
// is short of something, such as descriptors, Serve closes the connection that has been idle
// the longest and tries again within a second. Any other error of Accept is final: Serve
// stops as above and returns it.
//
// The contexts of requests carry the values of ctx, but do not end with it.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	g, err := s.newGroup(ctx, ln)
	if err != nil {
		ln.Close()
		return err
	}
	defer context.AfterFunc(ctx, func() { g.stop(nil, s.config.drainTimeout) })()
	err = g.acceptAll(ln)
	g.stop(err, s.config.drainTimeout)
	g.closeListener()
	return g.wait()
}

// ServeConn serves one connection and closes it. It returns when the connection is gone:
// nil if the client left, stayed idle or was told to close, [ErrServerClosed] after
// [Server.Shutdown] or [Server.Close], or what went wrong. The end of ctx stops it as it
// stops [Server.Serve].
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

// Shutdown stops the Server for good and gracefully, as the end of its context stops
// [Server.Serve], and waits until requests in progress are answered. If ctx ends first,
// Shutdown closes their connections, does not wait for resolvers that go on, and returns the
// error of ctx. Finally it closes what [WithRoot] opened, which the end of the context of
// Serve does not.
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

// Stats returns the counts. It looks at each connection.
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
