package rawhttp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"time"

	"example.com/rawhttp/internal/ascii"
	"example.com/rawhttp/internal/wire"
)

// An Option configures a [Server]. Each documents its default. New ignores an Option that is
// nil. If two options set the same thing, the later one wins, unless they are documented to
// add.
type Option interface {
	apply(*config) error
}

// A FileOption configures a [FileResolver]. It is also an [Option], for the FileResolver
// that a Server makes for [WithRoot] or [WithFS].
type FileOption interface {
	Option
	applyFile(*fileConfig) error
}

// An option is an Option as a function.
type option func(*config) error

func (o option) apply(c *config) error { return o(c) }

// A fileOption is a FileOption as a function. Applied to a Server, it is only collected: whether
// there are files is not known until all options have been applied.
type fileOption func(*fileConfig) error

func (o fileOption) applyFile(c *fileConfig) error { return o(c) }
func (o fileOption) apply(c *config) error {
	c.fileOptions = append(c.fileOptions, o)
	return nil
}

// A Logger receives messages for the operator: a message and pairs of name and value, as in
// package log/slog. A *slog.Logger is a Logger. Its methods may be called concurrently.
type Logger interface {
	Debug(msg string, args ...any)
	Info(msg string, args ...any)
	Warn(msg string, args ...any)
	Error(msg string, args ...any)
}

// A logger passes messages to a Logger; the zero logger discards them. If the Logger panics, the
// panic and the message are printed to standard error, or a panic on a goroutine of its own, such
// as that of a script, would end the program.
type logger struct{ to Logger }

func (l logger) Debug(msg string, args ...any) {
	if l.to != nil {
		defer printPanic(msg, args)
		l.to.Debug(msg, args...)
	}
}

func (l logger) Warn(msg string, args ...any) {
	if l.to != nil {
		defer printPanic(msg, args)
		l.to.Warn(msg, args...)
	}
}

func (l logger) Error(msg string, args ...any) {
	if l.to != nil {
		defer printPanic(msg, args)
		l.to.Error(msg, args...)
	}
}

// printPanic is deferred around calls of a Logger.
func printPanic(msg string, args []any) {
	if v := recover(); v != nil {
		fmt.Fprintf(os.Stderr, "rawhttp: panic in Logger: %v, at the message: %s %v\n", v, msg, args)
	}
}

// config holds all that Options set.
type config struct {
	sources     int                                       // number of WithRoot, WithFS and WithResolver options
	openFiles   func([]FileOption) (*FileResolver, error) // set by WithRoot or WithFS, so that programs link only what they use
	resolver    Resolver
	fileOptions []FileOption // checked even if they have nothing to apply to

	sendDate, sendContentLength bool
	serverField                 string
	halfClose                   bool

	readHeaderTimeout, idleTimeout, stallTimeout, drainTimeout time.Duration // 0 is no limit

	limits       wire.Limits
	maxBodyBytes int64 // 0 is no limit
	maxConns     int   // 0 is no limit

	hosts     hostSet
	proxies   proxySet
	clientOf  func(p proxySet, remote netip.Addr, h Header) netip.Addr // set by WithTrustedProxies, so that only programs that call it link the code
	errorPage func(ctx context.Context, req *Request, status int, err error) *Response
	log       logger
	traces    []Trace
}

// defaultConfig returns the defaults that the options document.
func defaultConfig() config {
	return config{
		sendDate:          true,
		sendContentLength: true,
		readHeaderTimeout: 10 * time.Second,
		idleTimeout:       75 * time.Second,
		stallTimeout:      30 * time.Second,
		drainTimeout:      10 * time.Second,
		limits:            wire.DefaultLimits,
		maxBodyBytes:      10 << 20,
		maxConns:          defaultMaxConns(),
	}
}

// bufferLimit returns the limit to which the read buffer of a connection grows, in bytes. A head
// must fit in it. A limit below minBuffer would save no memory, since buffers are pooled.
func (c *config) bufferLimit() int { return max(c.limits.Head, minBuffer) }

// WithRoot serves the folder dir, as [Dir] does. The Server opens the folder, and closes it
// in [Server.Close] or at the end of [Server.Shutdown].
//
// Exactly one of WithRoot, [WithFS] and [WithResolver] must be given.
func WithRoot(dir string) Option {
	return option(func(c *config) error {
		c.sources++
		if dir == "" {
			return errors.New(`WithRoot(""): dir is empty; use "." for the working directory`)
		}
		c.openFiles = func(opts []FileOption) (*FileResolver, error) { return openDir(dir, opts) }
		return nil
	})
}

// WithFS serves fsys, as [FS] does. A nil fsys is ignored, as if the option were not given.
func WithFS(fsys fs.FS) Option {
	return option(func(c *config) error {
		if fsys == nil {
			return nil
		}
		c.sources++
		c.openFiles = func(opts []FileOption) (*FileResolver, error) { return openFS(fsys, opts) }
		return nil
	})
}

// WithResolver serves the responses of r. The Server does not close r. A nil r is ignored,
// as if the option were not given.
func WithResolver(r Resolver) Option {
	return option(func(c *config) error {
		if r == nil {
			return nil
		}
		c.sources++
		c.resolver = r
		return nil
	})
}

// WithDate sets whether responses have a Date field (RFC 9110, section 6.6.1). The default
// is true; use false on a system without a clock.
func WithDate(on bool) Option {
	return option(func(c *config) error {
		c.sendDate = on
		return nil
	})
}

// WithContentLength sets whether responses of known length have a Content-Length field. The
// default is true. With false, all content is chunked or, on HTTP/1.0, ends with the
// connection; that is useful for testing clients.
func WithContentLength(on bool) Option {
	return option(func(c *config) error {
		c.sendContentLength = on
		return nil
	})
}

// WithServerField adds a Server field (RFC 9110, section 10.2.4) to each response that does
// not have one. The default is "", for no field.
func WithServerField(s string) Option {
	return option(func(c *config) error {
		if !ascii.IsFieldValue(s) {
			return fmt.Errorf("WithServerField(%q): not a field value", s)
		}
		c.serverField = s
		return nil
	})
}

// duration returns the option for a time limit.
func duration(name string, d time.Duration, field func(*config) *time.Duration) Option {
	return option(func(c *config) error {
		if d < 0 {
			return fmt.Errorf("%s(%v): negative time limit", name, d)
		}
		*field(c) = d
		return nil
	})
}

// WithReadHeaderTimeout limits the time to receive a head, from when the connection is
// accepted, or for later requests from their first byte. The limit is absolute: more bytes do
// not extend it. A late head is answered with 408; a connection on which no byte has
// arrived is closed without a response.
//
// The default is 10 seconds; 0 is no limit.
func WithReadHeaderTimeout(d time.Duration) Option {
	return duration("WithReadHeaderTimeout", d, func(c *config) *time.Duration { return &c.readHeaderTimeout })
}

// WithIdleTimeout limits the time between two requests on a connection. When it is
// exceeded, the connection is closed without a response.
//
// The default is 75 seconds, longer than most load balancers keep idle connections, so that
// they close them first; 0 is no limit.
func WithIdleTimeout(d time.Duration) Option {
	return duration("WithIdleTimeout", d, func(c *config) *time.Duration { return &c.idleTimeout })
}

// WithStallTimeout limits how long a client may make no progress while the server waits for
// it: send no byte of the content of its request, or accept no byte of the response. Once
// the server has waited for d in total for the content of a request, the content must also
// have arrived at 240 bytes per second or more on average. A client that exceeds the limit
// receives a 408 if the head of the response has not been sent; otherwise the connection is
// cut. Time spent in the resolver does not count.
//
// A client that accepts nothing is cut off after d, or up to d/20 later. One that reads
// slowly is not cut off as long as its system accepts a byte within d. A system whose buffer
// is full may accept nothing until most of it has been read: with the default, and a buffer of
// 128 KiB, the client must read about 5 KB per second. Over TLS and on Windows, where a write
// cannot be resumed, responses are written in pieces of 16 KiB, and the limit applies to each
// piece.
//
// The default is 30 seconds; 0 is no limit.
func WithStallTimeout(d time.Duration) Option {
	return duration("WithStallTimeout", d, func(c *config) *time.Duration { return &c.stallTimeout })
}

// WithHalfClose sets whether a client may close its side of the connection after its request
// and still expect the response. The response is sent either way. With false, the default, the
// close ends the context of the request, since a client that has disconnected looks the same.
// With true, only a reset ends the context.
//
// The close is noticed only after everything that the client sent before it. While nothing
// else reads the connection, the server reads ahead on behalf of a program that waits for
// the context, up to the limit of a head, 32 KiB by default. If more is unread, the close
// is noticed later: when some of it has been read, or when a reset follows. A reset is
// noticed at once, except after that much unread data on Windows, or if the server cannot
// reach the socket of a connection because its wrapper has no NetConn method.
func WithHalfClose(on bool) Option {
	return option(func(c *config) error {
		c.halfClose = on
		return nil
	})
}

// WithDrainTimeout limits how long requests in progress may take to finish after the
// context of [Server.Serve] has ended; then their connections are closed. [Server.Shutdown]
// is limited by its own context instead.
//
// The default is 10 seconds; 0 is no limit.
func WithDrainTimeout(d time.Duration) Option {
	return duration("WithDrainTimeout", d, func(c *config) *time.Duration { return &c.drainTimeout })
}

// Bounds of WithMaxHeaderBytes. Less than the minimum would reject nearly every request; more
// than the maximum would let each connection use that much memory.
const (
	minHeaderBytes = 512
	maxHeaderBytes = 1 << 20
)

// WithMaxHeaderBytes limits the request line and header section together to n bytes. The
// read buffer of a connection grows no larger. A longer head is answered with 431, or with
// 414 if the request line alone is too long. Regardless of n, a single line is limited to 8
// KiB.
//
// The default is 32 KiB; the minimum is 512 bytes, the maximum 1 MiB.
func WithMaxHeaderBytes(n int) Option {
	return option(func(c *config) error {
		if n < minHeaderBytes || n > maxHeaderBytes {
			return fmt.Errorf("WithMaxHeaderBytes(%d): not between %d and %d bytes", n, minHeaderBytes, maxHeaderBytes)
		}
		c.limits.Head = n
		return nil
	})
}

// WithMaxFields limits the number of field lines in a header section. A request with more
// is answered with 431.
//
// The default is 100; the minimum is 1, the maximum 10000.
func WithMaxFields(n int) Option {
	return option(func(c *config) error {
		if n < 1 || n > 10000 {
			return fmt.Errorf("WithMaxFields(%d): not between 1 and 10000", n)
		}
		c.limits.Fields = n
		return nil
	})
}

// WithMaxBodyBytes limits the content of a request to n bytes. Longer content is answered
// with 413, before any of it is read if its length is declared. [LimitBody] sets a lower
// limit for some of the requests.
//
// The default is 10 MiB; 0 is no limit.
func WithMaxBodyBytes(n int64) Option {
	return option(func(c *config) error {
		if n < 0 {
			return fmt.Errorf("WithMaxBodyBytes(%d): negative limit", n)
		}
		c.maxBodyBytes = n
		return nil
	})
}

// WithMaxConns limits the number of open connections. A connection over the limit replaces one
// that is only waiting for its client to close, or else the one that has been idle longest. If
// no connection can be replaced, the new one is answered with 503 and closed. In a flood, when
// 64 connections are being answered that way, further ones are closed without a response.
//
// The default is (limit on open files - 64) / 2, but at least 16 and at most 10000; 0 is no
// limit.
func WithMaxConns(n int) Option {
	return option(func(c *config) error {
		if n < 0 {
			return fmt.Errorf("WithMaxConns(%d): negative limit", n)
		}
		c.maxConns = n
		return nil
	})
}

// WithHosts serves only requests for the named hosts, given without port; case is ignored.
// Other requests are answered with 421 (RFC 9110, section 7.4), even HTTP/1.0 requests
// without a host. There are no wildcards, and "a.test." with a final dot is another name. An
// IPv6 address must be in brackets. On a loopback or private address, this option prevents DNS
// rebinding, in which a foreign domain name resolves to the server.
//
// Later calls add hosts. The default is to serve any host.
func WithHosts(names ...string) Option {
	return option(func(c *config) error {
		var errs []error
		for _, name := range names {
			// A name that no Host equals would never match. RFC 3986 allows "*" in a host, but here
			// it is meant as a pattern.
			if wire.AuthorityError([]byte(name)) >= 0 || wire.HostWithoutPort(name) != name || strings.Contains(name, "*") {
				errs = append(errs, fmt.Errorf("WithHosts: %q is not a host without port or wildcard", name))
				continue
			}
			c.hosts = append(c.hosts, strings.ToLower(name))
		}
		return errors.Join(errs...)
	})
}

// WithTrustedProxies trusts proxies with these addresses to report the address of the
// client: ConnInfo.Client is then the last address in X-Forwarded-For that is not one of
// theirs. Later calls add prefixes. The default is none.
func WithTrustedProxies(prefixes ...netip.Prefix) Option {
	return option(func(c *config) error {
		var errs []error
		for _, p := range prefixes {
			// Addresses are unmapped before they are compared, so such a prefix would match
			// none.
			if !p.IsValid() || p.Addr().Is4In6() {
				errs = append(errs, fmt.Errorf("WithTrustedProxies: %v is invalid, or an IPv4 prefix written as IPv6", p))
			}
		}
		c.proxies, c.clientOf = append(c.proxies, prefixes...), proxySet.client
		return errors.Join(errs...)
	})
}

// WithErrorPage makes f provide the response if Resolve returns an error, panics (500), or
// returns neither a response nor an error (500). The response may be a page, or the index file
// of an application for a 404. f receives the status and the error, which it should not show to
// clients. If f returns nil, the plain-text error is sent. If f returns
// ErrorResponse(ErrAbort), the connection is aborted (see [ErrAbort]), but the error that f
// received is still logged, at the level that [WithLogger] describes.
//
// f is also called, whatever the resolver returned, if the content of a Response fails before any
// of it has been sent (500), and if the content of the request is too large (413), malformed (400)
// or too slow (408). After an error in the content of the request the connection closes.
//
// f is called at most once for each request. If its response fails in turn, or is an [Upgrade], a
// plain 500 is sent; if its response fails because the content of the request does, the plain-text
// error for that content is sent.
//
// f is not called for
//
//   - responses that a resolver returns, other than those of [ErrorResponse] and
//     [Representation.Precondition], and an [Upgrade] that is answered with 426;
//   - the plain 500 in place of a Response whose [Response.Err] reports a mistake;
//   - a head that is refused, since there is no Request then;
//   - a request that the server refuses by its head alone: one for a host that it does not serve
//     (421), with an unknown expectation (417), or with the method CONNECT or TRACE (405).
//
// ctx is that of the request, with one exception: for content that is refused before the resolver
// is called, because its declared length is too large, ctx ends only when the server cuts its
// connections, and [Stopping] returns nil for it.
//
// f may be called concurrently. The default is the plain-text error; a nil f is ignored.
func WithErrorPage(f func(ctx context.Context, req *Request, status int, err error) *Response) Option {
	return option(func(c *config) error {
		if f != nil {
			c.errorPage = f
		}
		return nil
	})
}

// WithLogger logs to l what clients must not see: panics with their stacks, errors from
// accepting connections, standard error of scripts, and the causes of failed requests and TLS
// handshakes. It uses Error if the server is at fault, and Debug if the client is, so that with
// a higher level a client cannot fill the log with its mistakes. The default writes panics to
// standard error and discards the rest; a nil l is ignored. If l panics, the panic and the message
// are printed to standard error.
func WithLogger(l Logger) Option {
	return option(func(c *config) error {
		if l != nil {
			c.log = logger{l}
		}
		return nil
	})
}

// WithTrace adds t, whose hooks are called in addition to those of earlier traces.
func WithTrace(t Trace) Option {
	return option(func(c *config) error {
		c.traces = append(c.traces, t)
		return nil
	})
}

// WithLenientParsing accepts the heads that [ParseRequestLenient] accepts. It also accepts
// a head without its final empty line, if the last line is complete, there is no
// Content-Length or Transfer-Encoding, and nothing more arrives for 200 milliseconds; the
// connection closes after the response. The default is strict parsing.
func WithLenientParsing() Option {
	return option(func(c *config) error {
		c.limits.Lenient = true
		return nil
	})
}
