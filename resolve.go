package rawhttp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"slices"
	"strings"

	"example.com/rawhttp/internal/ascii"
)

// A Resolver maps requests to responses. The [Server] handles the protocol: HEAD, framing,
// persistence.
//
// To decline a request, return an error that wraps [fs.ErrNotExist]: [First] then asks the
// next resolver, and if there is none, the request is answered with 404. Other errors are
// answered with the status that [StatusOf] returns; clients never see their text. [ErrAbort]
// resets the connection instead. A Response is final, whatever its status. A Resolver that
// wraps another may return [ErrorResponse] of its error, to add fields to it.
//
// Resolve receives all methods, even unknown ones, except CONNECT, TRACE and "OPTIONS *",
// which the server answers itself. If an OPTIONS request is refused with 405, the server
// answers it with 204 and the same Allow field (RFC 9110, section 9.3.7).
//
// Resolve is called concurrently, on the goroutine of the connection. req is valid until the
// Response has been written. ctx ends then, and earlier when a graceful shutdown exceeds its
// time, at [Server.Close], when the client resets the connection, or when it closes its side,
// unless [WithHalfClose] allows that. While the program waits for ctx.Done(), the server
// notices that the client has disconnected, unless much of its input is unread (see
// WithHalfClose); otherwise it notices on its next read or write. ctx has the values of the
// context of [Server.Serve]. [Stopping] returns a channel that is closed when a graceful shutdown
// begins.
//
// The Response is written after Resolve has returned. A resolver that wraps another and passes
// it a context of its own must therefore not cancel that context in a deferred call: a script,
// or a [Stream] whose reader uses the context, would be cut off. Cancel it in
// [Response.OnClose]. The function of a [StreamFunc] gets the context of the request, without
// the values and deadlines that wrappers have added; it can use theirs from its closure.
//
// A panic in Resolve is logged with its stack and answered with 500, and the connection closes. A
// Response that Resolve holds at that time is not closed, unless Resolve has deferred a call of
// [Response.Close].
// It passes through resolvers that wrap others, so this answer lacks the fields that they add.
// To have them there too, let the innermost wrapper recover, and return an error or its
// [ErrorResponse]; the others then see an error.
type Resolver interface {
	Resolve(ctx context.Context, req *Request) (*Response, error)
}

// A ResolverFunc is a function that implements [Resolver].
type ResolverFunc func(ctx context.Context, req *Request) (*Response, error)

// Resolve calls f.
func (f ResolverFunc) Resolve(ctx context.Context, req *Request) (*Response, error) {
	return f(ctx, req)
}

// First returns a resolver that asks rs in turn, and returns the result of the first that does
// not decline with an error that wraps [fs.ErrNotExist]. If all decline, so does First. It
// panics if one of them is nil.
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
			if resp != nil { // a mistake, but what the Response holds must be released
				resp.Close()
			}
		}
		return nil, err
	})
}

// fileMethods are the methods allowed by the server itself and by a file resolver.
var fileMethods = []string{"GET", "HEAD", "OPTIONS"}

// Methods returns a resolver that calls the resolver in m for the method of the request. The
// resolver for GET also answers HEAD, unless m has one for HEAD. OPTIONS is answered with 204
// and Allow, unless m has a resolver for it. Any other known method (PATCH, and those of RFC
// 9110, section 9) is answered with 405 and Allow, and an unknown one with 501 (RFC 9110,
// section 9.1). Allow lists the methods in the order of the RFC, then others sorted by name.
//
// Methods answers for every path, so use it below a [Mount] of one path, or in a resolver
// that has already selected the path. It copies m. It panics if m is empty, a Resolver is
// nil, or a name is not a token in upper case, since methods are case-sensitive.
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
	// "The HEAD method is identical to GET except that the server MUST NOT send content in the
	// response." RFC 9110, section 9.3.2. The server leaves out the content.
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
	slices.Sort(other) // the order of a map is random
	return append(known, other...)
}

// refuseMethod returns the error for a method that the resource does not support: 405 with
// the allowed methods, or 501 if the method is unknown. "An origin server that receives a
// request method that is unrecognized or not implemented SHOULD respond with the 501 (Not
// Implemented) status code." RFC 9110, section 9.1.
func refuseMethod(req *Request, allow []string) error {
	err := &StatusError{Status: 501, Err: fmt.Errorf("method %q", req.Method())}
	if req.isKnownMethod() {
		err.Status, err.Allow = 405, allow
	}
	return err
}

// Mount returns a resolver that passes requests below prefix to r, with the prefix moved from
// the path to [Request.Prefix]. It declines any other path with [fs.ErrNotExist]. Mounts nest.
//
// A prefix that ends in a slash, such as "/static/", stands for all paths that begin with it,
// and "/static" is redirected to it with 301. A prefix without one, such as "/healthz", stands
// for that path alone, which r sees as "/"; a listing there would have links that lead nowhere.
// A missing slash at the beginning is added. Mount panics if r is nil.
func Mount(prefix string, r Resolver) Resolver {
	if r == nil {
		panic(fmt.Sprintf("rawhttp: Mount(%q): the Resolver is nil", prefix))
	}
	if !strings.HasPrefix(prefix, "/") {
		prefix = "/" + prefix
	}
	bare := strings.TrimSuffix(prefix, "/") // equal to prefix if that stands for one path
	return ResolverFunc(func(ctx context.Context, req *Request) (*Response, error) {
		path := req.Path()
		rest, below := strings.CutPrefix(path, prefix)
		switch {
		case prefix == path && bare == prefix:
			return r.Resolve(ctx, req.below(bare, "/"))
		case below && bare != prefix:
			return r.Resolve(ctx, req.below(bare, "/"+rest))
		case path == bare && bare != "": // relative references in what r returns need the slash
			return noSniff(toFolder(req)), nil
		}
		return nil, fs.ErrNotExist
	})
}

// below returns the request as a resolver below a Mount sees it.
func (r *Request) below(prefix, path string) *Request {
	c := r.WithPath(path)
	c.prefix += prefix
	return c
}

// isAtFolder reports whether the path ends in a slash, as the client sees it.
func (r *Request) isAtFolder() bool {
	raw := r.head.RawPath.Of(r.head.Text)
	return len(raw) > 0 && raw[len(raw)-1] == '/'
}

// endsInEncodedSlash reports whether the path ends in "%2F". It names a folder, but to the
// client its last segment is longer, so relative references lead to the folder above.
func (r *Request) endsInEncodedSlash() bool {
	raw := r.head.RawPath.Of(r.head.Text)
	n := len(raw)
	return n >= 3 && raw[n-3] == '%' && raw[n-2] == '2' && (raw[n-1] == 'F' || raw[n-1] == 'f')
}

// toFolder redirects to the path with a final slash, and keeps the query. The reference is
// relative to the target as the client sees it, and begins with a dot, so that no path can
// be read as another host, as "//host" would.
func toFolder(req *Request) *Response {
	raw, path := req.string(req.head.RawPath), req.Path()
	last, err := url.PathUnescape(raw[strings.LastIndexByte(raw, '/')+1:])
	if err != nil || last == "" { // a resolver in front has replaced the path
		last = path[strings.LastIndexByte(path, '/')+1:]
	}
	location := "./" + ascii.EscapeSegment(last) + "/"
	if q := req.RawQuery(); q != "" {
		location += "?" + q
	}
	return Redirect(301, location)
}
