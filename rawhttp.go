// Package rawhttp is an embeddable HTTP/1.x server (RFC 9110, RFC 9112) that lets you see every
// byte. It parses requests without I/O, builds responses as values, serves folders from a jail,
// runs scripts, and prints the conversation on the wire.
//
// Compared with net/http, a program with rawhttp is half the size; time limits are on by
// default; parsing rejects anything that two recipients could read differently; no request
// reaches a file outside the folder that is served; and requests and responses are values that
// can be made, parsed and written without a connection. It is not a client, has no TLS of its
// own and speaks neither HTTP/2 nor HTTP/3.
//
// # Serving files
//
// The smallest server serves a folder:
//
//	srv, err := rawhttp.New(rawhttp.WithRoot("public"))
//	if err != nil {
//		log.Fatal(err)
//	}
//	log.Fatal(srv.ListenAndServe(context.Background(), "127.0.0.1:8080"))
//
// [WithFS] serves an fs.FS instead, such as an embed.FS or a zip file. [WithListing],
// [WithIndex], [WithDotFiles], [WithMediaType], [WithCacheControl] and [WithPrecompressed]
// configure it. [Dir] and [FS] return a [Resolver] that does the same, to be combined with
// others.
//
// # Writing a resolver
//
// A [Resolver] maps a [Request] to a [Response]; [WithResolver] serves it. [Text], [HTML],
// [Bytes], [Redirect] and similar functions make responses; those of [Content] and [File]
// support conditions and ranges. To decline a request, return an error that wraps
// [io/fs.ErrNotExist]: [First] asks the next resolver, and the server answers 404. [Mount] and
// [Methods] select by path and method, and a function that takes a Resolver and returns one is
// middleware. A [StatusError] is an error that chooses its status, and [WithErrorPage] renders
// errors.
//
// HEAD, conditions, ranges, framing, trailers and persistent connections are implemented once
// and apply to every resolver.
//
// # Streaming
//
// [Stream] sends what a reader returns as it is produced, and [StreamFunc] what a function
// writes. The content of a request is its Body; [LimitBody] and [WithMaxBodyBytes] limit it.
// The context of a request ends when the client disconnects, and [Stopping] reports that the
// server is about to stop. [Upgrade] switches the connection to another protocol, such as
// WebSocket.
//
// # Limits
//
// The defaults are safe on the open Internet: [WithReadHeaderTimeout], [WithIdleTimeout],
// [WithStallTimeout], [WithMaxHeaderBytes], [WithMaxFields], [WithMaxBodyBytes] and
// [WithMaxConns]. A graceful shutdown, by the context of [Server.Serve] or by
// [Server.Shutdown], loses no request that finishes in time: see [WithDrainTimeout].
// [WithHosts] sets the hosts that are served, and [WithTrustedProxies] the proxies that are
// trusted.
//
// # Watching the wire
//
// [WithTrace] with a [Transcript] prints each request and response line by line; with an
// [AccessLog] it prints one line per response. A [Trace] of your own has hooks for connections,
// bytes and exchanges, and [Server.Stats] has counters. [ParseRequest], [ParseResponse],
// [Response.WriteContent], [WriteResponse] and [Answer] work on bytes alone: for tests, tools
// and examples.
//
// # Scripts
//
// [WithScript] runs files with a given extension as programs (CGI, RFC 3875), with limits that
// make scripts safe to expose. See also [WithScriptEnv], [WithScriptTimeout] and
// [WithMaxScripts].
//
// # TLS
//
// The package does not import crypto/tls. Pass [Server.Serve] a listener that speaks it, such
// as the one that tls.NewListener returns.
package rawhttp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.com/rawhttp/internal/ascii"
)

// A Server serves connections. Use [New] to make one. Its methods may be called
// concurrently, and Serve may run for several listeners at once.
type Server struct {
	config config
	format *wireFormat // a pointer, since cached wire images refer to it, and may outlive the Server
	trace  tracer
	files  *FileResolver // of WithRoot or WithFS, or nil
	stats  counters

	turnedAway  chan struct{} // one element per connection being answered with 503
	warnedHTTP2 atomic.Bool   // whether the log has a warning about HTTP/2

	evicting sync.Mutex // guards oldest; locked before mu
	oldest   []*idler   // connections to evict, in order, if they are still idle

	mu     sync.Mutex // guards the fields below; locked before the mutex of a group
	groups map[*group]struct{}
	closed bool // Shutdown or Close has been called, so no group can be added
}

// counters are the counters of a Server, for Stats and for its limits. Any goroutine may
// change them.
type counters struct {
	conns, requests, bytesRead, bytesWritten, refused atomic.Uint64
	open, lingering                                   atomic.Int64
}

// Stats are counters since the Server was made, and the connections open now.
type Stats struct {
	ConnsOpen    uint64 // connections open, including idle ones
	ConnsIdle    uint64 // connections waiting for a request
	Conns        uint64 // connections accepted
	Requests     uint64 // requests whose head was accepted
	BytesRead    uint64 // from clients
	BytesWritten uint64 // to clients
	Refused      uint64 // connections over WithMaxConns; requests that are refused have the hook Trace.Refused
}

// New makes a Server. Its error joins all mistakes found in the options.
func New(opts ...Option) (*Server, error) {
	s := &Server{
		config: defaultConfig(),
		groups: make(map[*group]struct{}),
		// Each connection being answered holds a goroutine and memory, so a flood must not have
		// many such connections.
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
		s.closeFiles() // open may have opened the folder although another option is wrong
		return nil, fmt.Errorf("rawhttp: New: %w", err)
	}
	s.format = &wireFormat{server: s.config.serverField, contentLength: s.config.sendContentLength}
	if s.config.sendDate {
		s.format.date = new(ascii.DateCache).Text
	}
	for _, t := range s.config.traces {
		s.trace.add(t)
	}
	return s, nil
}

// open makes the resolver described by the options.
func (s *Server) open() (err error) {
	c := &s.config
	if c.sources == 1 && c.openFiles != nil {
		s.files, err = c.openFiles(c.fileOptions)
		c.resolver = s.files
		return err
	}
	_, err = newFileConfig(c.fileOptions) // to report mistakes in these options as well
	switch hasFileOptions := len(c.fileOptions) > 0; {
	case c.sources == 0 && hasFileOptions:
		err = errors.Join(err, errors.New("one of WithRoot, WithFS and WithResolver must be given; options for files need WithRoot or WithFS"))
	case c.sources != 1:
		err = errors.Join(err, fmt.Errorf("one of WithRoot, WithFS and WithResolver must be given, not %d", c.sources))
	case c.resolver != nil && hasFileOptions:
		err = errors.Join(err, errors.New("options for files need WithRoot or WithFS; with WithResolver they belong to its Dir or FS"))
	}
	return err
}

// closeFiles closes the folder that open has opened, if any.
func (s *Server) closeFiles() error {
	if s.files == nil {
		return nil
	}
	return s.files.Close()
}

// ListenAndServe listens on the TCP address addr, such as "127.0.0.1:8080", and serves it.
// It returns the error of listening, or that of [Server.Serve].
func (s *Server) ListenAndServe(ctx context.Context, addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("rawhttp: %w", err)
	}
	return s.Serve(ctx, ln)
}

// Serve accepts connections on ln and serves them until it is told to stop. It closes ln,
// and returns when the last connection has closed.
//
// When ctx ends, Serve stops gracefully and still answers requests that are in flight: it
// accepts the connections in the listener's queue, closes ln, answers further requests with
// Connection: close, and closes connections that have been idle for a second. [Stopping]
// informs streams. After [WithDrainTimeout], Serve closes the remaining connections. Then
// it returns nil.
//
// After [Server.Shutdown] or [Server.Close], Serve returns [ErrServerClosed]; if something
// else closed ln, it returns [net.ErrClosed]. If Accept fails because the system is short
// of a resource, such as descriptors, Serve closes the connection that has been idle
// longest and tries again within a second. Any other error of Accept is final: Serve stops
// gracefully and returns it.
//
// The contexts of requests carry the values of ctx, but do not end with it.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if ln == nil {
		return errors.New("rawhttp: Serve: the Listener is nil")
	}
	g, err := s.newGroup(ctx, ln)
	if err != nil {
		ln.Close()
		return err
	}
	defer context.AfterFunc(ctx, func() { g.stop(nil, s.config.drainTimeout) })()
	err = g.acceptAll(ln)
	g.stop(err, s.config.drainTimeout) // no effect if a stop closed ln: its reason counts
	g.closeListener()
	return g.wait()
}

// ServeConn serves one connection and closes it. It returns when the connection has closed:
// nil if the client closed it, it timed out while idle, or a response announced the close;
// [ErrServerClosed] after [Server.Shutdown] or [Server.Close]; or else the error that ended
// it. When ctx ends, ServeConn stops like [Server.Serve].
func (s *Server) ServeConn(ctx context.Context, conn net.Conn) (err error) {
	if conn == nil {
		return errors.New("rawhttp: ServeConn: the Conn is nil")
	}
	g, err := s.newGroup(ctx, nil)
	if err != nil {
		conn.Close()
		return err
	}
	defer context.AfterFunc(ctx, func() { g.stop(nil, s.config.drainTimeout) })()
	c := g.add(conn)
	defer func() { // deferred, since a resolver may end the goroutine
		g.stop(nil, s.config.drainTimeout)
		if err = g.wait(); err == nil {
			err = c.err
		}
	}()
	g.run(c)
	return nil
}

// Shutdown stops the Server for good. It stops gracefully, as [Server.Serve] does when its
// context ends, and waits until requests in progress have been answered. If ctx ends first,
// Shutdown closes their connections, does not wait for their resolvers, and returns the
// error of ctx. Finally it closes the folder that [WithRoot] opened; the end of Serve alone
// does not.
func (s *Server) Shutdown(ctx context.Context) error {
	groups := s.stopAll()
	var err error
	// Waiting in turn is enough: all groups have been stopped, and ctx ends for all of them.
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

// Close closes the listeners, all connections, even during a request, and the folder that
// [WithRoot] opened. The contexts of requests in progress end. Nothing is sent to clients after
// Close has returned. It does not wait for resolvers, nor for a [Stream] whose reader waits
// without regard to the context; [Server.Serve] does.
func (s *Server) Close() error {
	for _, g := range s.stopAll() {
		g.kill()
	}
	return s.closeFiles()
}

// stopAll stops all groups gracefully, without a limit on their time, and returns them. After
// it, no group can be added.
func (s *Server) stopAll() []*group {
	s.mu.Lock()
	s.closed = true // in the critical section that lists the groups, so that none escapes
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

// Stats returns the current counters. They are read one after another, not at one instant. It
// takes time proportional to the number of connections.
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

// eachConn calls f for each connection, with the mutexes of the Server and of its group held.
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

// Answer returns the exact bytes that a [Server] for r, with default options, sends in answer
// to a request, except the Date field. It is meant for unit tests and examples, since it needs
// no connection:
//
//	got := rawhttp.Answer(r, "GET /a HTTP/1.1\r\nHost: example.test\r\n\r\n")
//
// The request is everything that a client sends before it closes its side of a connection: a
// head with CRLF line ends, and content framed as the head says. A malformed request is
// answered as a Server answers it, an incomplete one with 400. Several requests in a row are
// answered in turn, until a response closes the connection; an empty request has no response. A
// response that a Server would cut ends at that point.
//
// The request has no connection: [Request.Conn] returns the zero ConnInfo. The context of
// Resolve ends with the exchange, not earlier. A panic of r is answered with 500, and
// written to standard error with its stack. Answer panics if r is nil. It may be called
// concurrently.
func Answer(r Resolver, request string) string {
	if r == nil {
		panic("rawhttp: Answer: the Resolver is nil")
	}
	unconnected := ResolverFunc(func(ctx context.Context, req *Request) (*Response, error) {
		return r.Resolve(ctx, req.WithConn(ConnInfo{}))
	})
	// WithHalfClose, since io.EOF means here that the request ends, not that the client has
	// disconnected.
	srv, err := New(WithResolver(unconnected), WithDate(false), WithHalfClose(true))
	if err != nil {
		panic(err) // cannot happen with these options
	}
	conn := &answerConn{in: strings.NewReader(request)}
	srv.ServeConn(context.Background(), conn) // the response shows what went wrong
	return conn.out.String()
}

// An answerConn is a connection to a client that has sent everything, and accepts
// everything it is sent.
type answerConn struct {
	in  *strings.Reader
	out strings.Builder
}

func (c *answerConn) Read(p []byte) (int, error)     { return c.in.Read(p) }
func (c *answerConn) Write(p []byte) (int, error)    { return c.out.Write(p) }
func (*answerConn) Close() error                     { return nil }
func (*answerConn) LocalAddr() net.Addr              { return answerAddr{} }
func (*answerConn) RemoteAddr() net.Addr             { return answerAddr{} }
func (*answerConn) SetDeadline(time.Time) error      { return nil }
func (*answerConn) SetReadDeadline(time.Time) error  { return nil }
func (*answerConn) SetWriteDeadline(time.Time) error { return nil }

// An answerAddr is the address of both ends. It is not nil, since programs print addresses.
type answerAddr struct{}

func (answerAddr) Network() string { return "memory" }
func (answerAddr) String() string  { return "memory" }
