package rawhttp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"example.com/rawhttp/internal/ascii"
)

// A Resolver says what a request is answered with. The [Server] sees to how HTTP
// sends it: HEAD, framing, persistence.
//
// An error that wraps [fs.ErrNotExist] means "not mine": [First] goes on to the
// next, and at the end the answer is 404. Other errors are answered with the
// status that [StatusOf] gives; clients never see their text. [ErrAbort] is not answered at
// all. A Response is final, whatever its status.
//
// A Resolver that wraps another may return [ErrorResponse] of its error, to add fields to it.
//
// Every method comes to Resolve, unknown ones too, but CONNECT, TRACE and "OPTIONS *",
// which the server answers. An OPTIONS that is refused with 405 is answered with 204 and
// the Allow of the refusal (RFC 9110, section 9.3.7).
//
// Resolve is called concurrently, on the goroutine of the connection. req is valid until
// the Response has been written. ctx ends then, when the time for a graceful stop is over,
// at [Server.Close], and when the client resets its connection or closes its side of it,
// which [WithHalfClose] allows. A client that has disconnected is noticed while somebody
// waits for ctx.Done(), unless much of what it sent has not been read (see WithHalfClose);
// otherwise when the server next reads or writes. ctx has the values of the context of
// [Server.Serve]. [Stopping] returns a channel that is closed when a graceful stop begins.
//
// A Response is written after Resolve has returned. So a resolver that wraps another and gives
// it a context of its own must not end that context with a deferred call: a script, or a
// [Stream] whose reader uses it, would end before it was written. [Response.OnClose] ends it in
// time. What is written sees the context that its own resolver got; the function of a
// [StreamFunc] gets that of the request, without the values and deadlines of wrappers, which it
// can use from its closure.
type Resolver interface {
	Resolve(ctx context.Context, req *Request) (*Response, error)
}

// A ResolverFunc is a function as a [Resolver].
type ResolverFunc func(ctx context.Context, req *Request) (*Response, error)

// Resolve calls f.
func (f ResolverFunc) Resolve(ctx context.Context, req *Request) (*Response, error) {
	return f(ctx, req)
}

// First asks the resolvers in turn and returns the answer of the first that does not
// return an error wrapping [fs.ErrNotExist]. None is fs.ErrNotExist too. First panics if one of
// them is nil.
func First(rs ...Resolver) Resolver {
	rs = slices.Clone(rs)
	if i := slices.Index(rs, nil); i >= 0 {
		panic(fmt.Sprintf("rawhttp: First: Resolver %d of %d is nil", i+1, len(rs)))
	}
	return ResolverFunc(func(ctx context.Context, req *Request) (*Response, error) {
		err := error(fs.ErrNotExist)
		for _, r := range rs {
			var resp *Response
			if resp, err = r.Resolve(ctx, req); !errors.Is(err, fs.ErrNotExist) {
				return resp, err
			}
			if resp != nil {
				resp.Close()
			}
		}
		return nil, err
	})
}

// knownMethods are the methods of RFC 9110, section 9, and PATCH (RFC 5789), in the order of
// the Allow field.
var knownMethods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

// Methods asks the resolver of the request's method. That of GET answers HEAD too, unless HEAD
// has its own. OPTIONS, unless it has its own, is answered with 204 and the Allow field. Any
// other method that is known, one of RFC 9110, section 9, or PATCH, is an error that is
// answered with 405 and Allow; one that is not known is answered with 501 (RFC 9110, section
// 9.1). Allow has the methods in the order in which the RFC describes them, then others by name.
//
// Methods answers for every path: below a [Mount] of one path, or in a resolver that has
// chosen by path already. It copies m. It panics if m is empty, a Resolver is nil, or a name
// is not a token in upper case, as methods are case-sensitive.
func Methods(m map[string]Resolver) Resolver {
	if len(m) == 0 {
		panic("rawhttp: Methods: there are no methods")
	}
	for _, method := range slices.Sorted(maps.Keys(m)) {
		switch {
		case !ascii.IsToken(method) || method != strings.ToUpper(method):
			panic(fmt.Sprintf("rawhttp: Methods: %q is not the name of a method in upper case", method))
		case m[method] == nil:
			panic("rawhttp: Methods: the Resolver of " + method + " is nil")
		}
	}
	m = maps.Clone(m)
	if m["HEAD"] == nil && m["GET"] != nil {
		m["HEAD"] = m["GET"]
	}
	allow := allowOfMethods(m)
	return ResolverFunc(func(ctx context.Context, req *Request) (*Response, error) {
		if r := m[req.Method()]; r != nil {
			return r.Resolve(ctx, req)
		}
		if req.isOptions() {
			return allowed(strings.Join(allow, ", ")), nil
		}
		return nil, refuseMethod(req, allow)
	})
}

// allowOfMethods returns the methods of m, and OPTIONS, in the order of the Allow field.
func allowOfMethods(m map[string]Resolver) []string {
	var known, other []string
	for _, method := range knownMethods {
		if m[method] != nil || method == "OPTIONS" {
			known = append(known, method)
		}
	}
	for method := range m {
		if !slices.Contains(knownMethods, method) {
			other = append(other, method)
		}
	}
	slices.Sort(other)
	return append(known, other...)
}

// refuseMethod returns the error for a method that the resource does not have: 405 with the
// methods that it allows, or 501 if the method is not known at all.
func refuseMethod(req *Request, allow []string) error {
	err := &StatusError{Status: 501, Err: fmt.Errorf("method %q", req.Method())}
	if req.isKnownMethod() {
		err.Status, err.Allow = 405, allow
	}
	return err
}

// Mount gives r the requests below prefix, with the prefix taken off their path
// and moved to [Request.Prefix]. Any other path is [fs.ErrNotExist]. Mounts nest.
//
// With a slash at its end, as "/static/", the prefix stands for all paths that
// begin with it, and "/static" is redirected to it with 301. Without, as
// "/healthz", it stands for that path alone, and r sees the path "/". A prefix
// that does not begin with a slash is given one. Below a path alone the links of a
// listing lead nowhere, as nothing is below it. Mount panics if r is nil.
func Mount(prefix string, r Resolver) Resolver {
	if r == nil {
		panic(fmt.Sprintf("rawhttp: Mount(%q): the Resolver is nil", prefix))
	}
	if !strings.HasPrefix(prefix, "/") {
		prefix = "/" + prefix
	}
	bare := strings.TrimSuffix(prefix, "/")
	return ResolverFunc(func(ctx context.Context, req *Request) (*Response, error) {
		path := req.Path()
		rest, below := strings.CutPrefix(path, prefix)
		switch {
		case prefix == path && bare == prefix:
			return r.Resolve(ctx, req.below(bare, "/"))
		case below && bare != prefix:
			return r.Resolve(ctx, req.below(bare, "/"+rest))
		case path == bare && bare != "":
			return noSniff(toFolder(req)), nil
		}
		return nil, fs.ErrNotExist
	})
}

// below returns the request as a resolver below a mount sees it.
func (r *Request) below(prefix, path string) *Request {
	c := r.WithPath(path)
	c.prefix += prefix
	return c
}

// isAtFolder reports whether the path as the client knows it ends in a slash.
func (r *Request) isAtFolder() bool {
	raw := r.head.RawPath.Of(r.head.Text)
	return len(raw) > 0 && raw[len(raw)-1] == '/'
}

// toFolder redirects to the path with a slash at its end, the query kept. The
// reference is relative, to the target as the client knows it, and begins with a
// dot, so that no path can name another host, as "//host" would.
func toFolder(req *Request) *Response {
	raw, path := req.string(req.head.RawPath), req.Path()
	last, err := url.PathUnescape(raw[strings.LastIndexByte(raw, '/')+1:])
	if err != nil || last == "" { // a resolver in front has put another path in its place
		last = path[strings.LastIndexByte(path, '/')+1:]
	}
	location := "./" + ascii.EscapeSegment(last) + "/"
	if q := req.RawQuery(); q != "" {
		location += "?" + q
	}
	return Redirect(301, location)
}

// Answer returns the bytes with which a [Server] of r, with default options but without the
// Date field, answers a request given as its bytes. It is for unit tests and examples, which
// need no connection then:
//
//	got := rawhttp.Answer(r, "GET /a HTTP/1.1\r\nHost: example.test\r\n\r\n")
//
// The request is what a client sends before it closes its side of a connection: a head with
// CRLF at the end of each line, and its content, framed as the head says. What the server
// refuses is answered as it answers it, an incomplete request with 400. Several requests, one
// after the other, are answered in turn, until an answer closes the connection; no bytes are
// answered by none. A response that would be cut ends where it is cut.
//
// The request has no connection: [Request.Conn] returns the zero ConnInfo. The context of
// Resolve ends with the exchange, not earlier. A panic of r is answered with 500, and written
// to standard error with its stack. Answer panics if r is nil. It may be called concurrently.
func Answer(r Resolver, request string) string {
	if r == nil {
		panic("rawhttp: Answer: the Resolver is nil")
	}
	unconnected := ResolverFunc(func(ctx context.Context, req *Request) (*Response, error) {
		return r.Resolve(ctx, req.WithConn(ConnInfo{}))
	})
	srv, err := New(WithResolver(unconnected), WithDate(false), WithHalfClose(true))
	if err != nil {
		panic(err) // these options have no mistakes
	}
	conn := &answerConn{in: strings.NewReader(request)}
	srv.ServeConn(context.Background(), conn) // what went wrong can be seen from the answer
	return conn.out.String()
}

// An answerConn is a connection to a client that has sent all that it will send, and takes
// all that it is sent.
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

type answerAddr struct{}

func (answerAddr) Network() string { return "memory" }
func (answerAddr) String() string  { return "memory" }
