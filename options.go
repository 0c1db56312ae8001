package rawhttp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"time"

	"example.com/rawhttp/internal/ascii"

	"example.com/rawhttp/internal/wire"
)

// An Option sets something of a [Server]. Each says what holds without it. An
// Option that is nil is ignored; of two that set the same, the later wins, unless
// they say that they add.
type Option interface {
	apply(*config) error
}

// A FileOption sets something of a [FileResolver]. It is also an [Option], for
// the one that a Server makes of [WithRoot] or [WithFS].
type FileOption interface {
	Option
	applyFile(*fileConfig) error
}

type option func(*config) error

func (o option) apply(c *config) error { return o(c) }

type fileOption func(*fileConfig) error

func (o fileOption) applyFile(c *fileConfig) error { return o(c) }
func (o fileOption) apply(c *config) error {
	c.fileOptions = append(c.fileOptions, o)
	return nil
}

// A Logger receives what an operator wants to know, in the manner of *slog.Logger,
// which is one: a message and pairs of a name and a value. Its methods may be
// called concurrently.
type Logger interface {
	Debug(msg string, args ...any)
	Info(msg string, args ...any)
	Warn(msg string, args ...any)
	Error(msg string, args ...any)
}

type discardLogger struct{}

func (discardLogger) Debug(string, ...any) {}
func (discardLogger) Info(string, ...any)  {}
func (discardLogger) Warn(string, ...any)  {}
func (discardLogger) Error(string, ...any) {}

// config is all that options set.
type config struct {
	sources     int // options that say what is served
	root        string
	fsys        fs.FS
	resolver    Resolver
	fileOptions []FileOption

	noDate, noContentLength bool
	serverField             string
	halfClose               bool

	readHeaderTimeout, idleTimeout, stallTimeout, drainTimeout time.Duration

	limits       wire.Limits
	maxBodyBytes int64
	maxConns     int

	hosts     hostSet
	proxies   proxySet
	errorPage func(ctx context.Context, req *Request, status int, err error) *Response
	log       Logger // nil: none, but for panics
	traces    []Trace
}

func defaultConfig() config {
	return config{
		readHeaderTimeout: 10 * time.Second,
		idleTimeout:       75 * time.Second,
		stallTimeout:      30 * time.Second,
		drainTimeout:      10 * time.Second,
		limits:            wire.DefaultLimits,
		maxBodyBytes:      10 << 20,
		maxConns:          defaultMaxConns(),
	}
}

// bufferLimit is how large the read buffer of a connection grows.
func (c *config) bufferLimit() int { return max(c.limits.Head, minBuffer) }

// WithRoot serves the folder dir, as [Dir] does. The Server opens it, and closes
// it with [Server.Close] or at the end of [Server.Shutdown].
//
// One of WithRoot, [WithFS] and [WithResolver] must be given, and no more.
func WithRoot(dir string) Option {
	return option(func(c *config) error {
		c.sources++
		c.root = dir
		if dir == "" {
			return errors.New(`WithRoot(""): the folder has no name; "." is the working directory`)
		}
		return nil
	})
}

// WithFS serves fsys, as [FS] does. nil counts as not given.
func WithFS(fsys fs.FS) Option {
	return option(func(c *config) error {
		if fsys == nil {
			return nil
		}
		c.sources++
		c.fsys = fsys
		return nil
	})
}

// WithResolver serves what r resolves. The Server never closes it. nil counts as not
// given.
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

// WithDate says whether responses have a Date field (RFC 9110, section 6.6.1).
// The default is true; false is for a system without a clock.
func WithDate(on bool) Option {
	return option(func(c *config) error {
		c.noDate = !on
		return nil
	})
}

// WithContentLength says whether responses whose length is known say it. The
// default is true; without, all content is chunked, or ends with the connection
// on HTTP/1.0, which is for testing clients.
func WithContentLength(on bool) Option {
	return option(func(c *config) error {
		c.noContentLength = !on
		return nil
	})
}

// WithServerField sends a Server field (RFC 9110, section 10.2.4) with each
// response that does not have its own. The default, and "", is none.
func WithServerField(s string) Option {
	return option(func(c *config) error {
		if !ascii.IsFieldValue(s) {
			return fmt.Errorf("WithServerField(%q): not a field value", s)
		}
		c.serverField = s
		return nil
	})
}

// duration makes the option of a time limit.
func duration(name string, d time.Duration, field func(*config) *time.Duration) Option {
	return option(func(c *config) error {
		if d < 0 {
			return fmt.Errorf("%s(%v): a time limit is not negative", name, d)
		}
		*field(c) = d
		return nil
	})
}

// WithReadHeaderTimeout limits the time from the accept of a connection, and for
// later requests from their first byte, to the end of the head. It is absolute: a
// byte now and then does not extend it. A head that is late is answered with 408,
// a connection on which nothing came is closed without a word.
//
// The default is 10 seconds; 0 is no limit.
func WithReadHeaderTimeout(d time.Duration) Option {
	return duration("WithReadHeaderTimeout", d, func(c *config) *time.Duration { return &c.readHeaderTimeout })
}

// WithIdleTimeout limits the time between two requests of a connection, which is
// then closed without a word.
//
// The default is 75 seconds, longer than load balancers keep connections idle, which
// are to be the ones that close; 0 is no limit.
func WithIdleTimeout(d time.Duration) Option {
	return duration("WithIdleTimeout", d, func(c *config) *time.Duration { return &c.idleTimeout })
}

// WithStallTimeout limits how long a client may do nothing while the server waits for
// it: send no byte of the content of its request, or take no byte of the response. Once
// the server has waited that long for the content of one request, the content must also
// have come at 240 bytes per second on average. A client that breaks the limit gets a 408
// if the head of the response is not out yet; otherwise the connection is cut. The time
// that a resolver takes does not count.
//
// A client that is merely slow is never cut. One that takes nothing is cut within a
// twentieth of the limit after it. Over TLS and on Windows, where a write cannot be resumed, a
// response leaves in pieces of 16 KiB, and the client has the limit for each piece.
//
// The default is 30 seconds; 0 is no limit.
func WithStallTimeout(d time.Duration) Option {
	return duration("WithStallTimeout", d, func(c *config) *time.Duration { return &c.stallTimeout })
}

// WithHalfClose says whether a client may close its side of the connection after its
// request and still wait for the response. Either way the response is sent; but with
// false, the default, the end of what a client sends ends the context of its request, as
// a client that has gone for good looks the same. With true only a reset does.
//
// The end shows behind all that the client has sent. While nobody reads that, the server
// reads ahead for whoever waits on the context, up to the limit of a head, 32 KiB. An end
// behind more shows later: when some of it has been read, or where a reset takes its place.
// A reset shows at once, but behind that much on Windows, and on a connection whose socket
// the server cannot get at, since a wrapper has no NetConn method.
func WithHalfClose(on bool) Option {
	return option(func(c *config) error {
		c.halfClose = on
		return nil
	})
}

// WithDrainTimeout limits the time that requests in progress have to finish when
// the context of [Server.Serve] has ended; then their connections are closed.
// [Server.Shutdown] has a context of its own for that.
//
// The default is 10 seconds; 0 is no limit.
func WithDrainTimeout(d time.Duration) Option {
	return duration("WithDrainTimeout", d, func(c *config) *time.Duration { return &c.drainTimeout })
}

const (
	minHeaderBytes = 512
	maxHeaderBytes = 1 << 20
)

// WithMaxHeaderBytes limits the request line and header section together to n
// bytes, also the most that a connection's read buffer grows to. A longer head
// is answered with 414 if not even the request line fits, else with 431. Whatever
// n is, one line has at most 8 KiB.
//
// The default is 32 KiB; the least is 512 bytes, the most 1 MiB.
func WithMaxHeaderBytes(n int) Option {
	return option(func(c *config) error {
		if n < minHeaderBytes || n > maxHeaderBytes {
			return fmt.Errorf("WithMaxHeaderBytes(%d): the least is %d bytes, the most %d", n, minHeaderBytes, maxHeaderBytes)
		}
		c.limits.Head = n
		return nil
	})
}

// WithMaxFields limits the number of field lines in a header section, which is
// answered with 431 if it has more.
//
// The default is 100; the least is 1, the most 10000.
func WithMaxFields(n int) Option {
	return option(func(c *config) error {
		if n < 1 || n > 10000 {
			return fmt.Errorf("WithMaxFields(%d): the least is 1, the most 10000", n)
		}
		c.limits.Fields = n
		return nil
	})
}

// WithMaxBodyBytes limits the content of a request to n bytes. More is answered
// with 413, before it is read if its length is declared.
//
// The default is 10 MiB; 0 is no limit.
func WithMaxBodyBytes(n int64) Option {
	return option(func(c *config) error {
		if n < 0 {
			return fmt.Errorf("WithMaxBodyBytes(%d): a limit is not negative", n)
		}
		c.maxBodyBytes = n
		return nil
	})
}

// WithMaxConns limits the number of open connections. One more takes the place of a
// connection that is only waiting for its client to close, or else of the one that has been
// idle the longest. If there is none it is answered with 503 and closed; in a flood, beyond
// 64 of these at a time, it is closed without an answer.
//
// The default is half of what remains of the limit of open files when 64 are set
// aside, between 16 and 10000; 0 is no limit.
func WithMaxConns(n int) Option {
	return option(func(c *config) error {
		if n < 0 {
			return fmt.Errorf("WithMaxConns(%d): a limit is not negative", n)
		}
		c.maxConns = n
		return nil
	})
}

// WithHosts serves requests for the hosts named, without port and in any case, and
// answers others with 421 (RFC 9110, section 7.4), also those of HTTP/1.0 that name
// none. An IPv6 address is in brackets. A server on a loopback or
// private address that sets it cannot be reached through a DNS name of somebody
// else's. Later calls add; the default is any host.
func WithHosts(names ...string) Option {
	return option(func(c *config) error {
		var errs []error
		for _, name := range names {
			if wire.AuthorityError([]byte(name)) >= 0 || wire.HostWithoutPort(name) != name {
				errs = append(errs, fmt.Errorf("WithHosts: %q is not a host", name))
				continue
			}
			c.hosts = append(c.hosts, strings.ToLower(name))
		}
		return errors.Join(errs...)
	})
}

// WithTrustedProxies takes the word of proxies with these addresses for who the
// client is: ConnInfo.Client is then the last address in X-Forwarded-For that is
// not one of theirs. Later calls add; the default is none.
func WithTrustedProxies(prefixes ...netip.Prefix) Option {
	return option(func(c *config) error {
		var errs []error
		for _, p := range prefixes {
			if !p.IsValid() || p.Addr().Is4In6() {
				errs = append(errs, fmt.Errorf("WithTrustedProxies: %v is not a valid prefix, or an IPv4 one as IPv6", p))
			}
		}
		c.proxies = append(c.proxies, prefixes...)
		return errors.Join(errs...)
	})
}

// WithErrorPage lets f answer where Resolve returned an error, panicked (500), or
// gave neither response nor error (500): with a page, or with an application's
// index for a 404. f gets the status and, for its own use, the error; nil from it
// stands for the plain text. It is not asked about requests that break the
// protocol or a limit, nor about responses that a resolver returned. It may be
// called concurrently. The default is the plain text; nil is ignored.
func WithErrorPage(f func(ctx context.Context, req *Request, status int, err error) *Response) Option {
	return option(func(c *config) error {
		if f != nil {
			c.errorPage = f
		}
		return nil
	})
}

// WithLogger sends to l what clients must not see: panics with their stacks, trouble with
// accepting, and the causes of failed requests and TLS handshakes, by Error if the fault is
// the server's and by Debug if it is the client's. The default writes panics to standard
// error and discards the rest; nil is ignored.
func WithLogger(l Logger) Option {
	return option(func(c *config) error {
		if l != nil {
			c.log = l
		}
		return nil
	})
}

// WithTrace calls the hooks of t. Later calls add.
func WithTrace(t Trace) Option {
	return option(func(c *config) error {
		c.traces = append(c.traces, t)
		return nil
	})
}

// WithLenientParsing accepts heads as [ParseRequestLenient] does. A head whose empty line
// is missing ends where its lines so far are whole, none of them is Content-Length or
// Transfer-Encoding, and nothing more has come for 200 milliseconds; the connection
// closes after the response. The default is off.
func WithLenientParsing() Option {
	return option(func(c *config) error {
		c.limits.Lenient = true
		return nil
	})
}
