package rawhttp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"example.com/rawhttp/internal/ascii"
	"example.com/rawhttp/internal/wire"
)

// A Request is an HTTP request as resolvers see it. [ParseRequest] and the [Server] make
// Requests; the zero Request is empty and only useful for [Request.Parse].
//
// The strings returned by its methods may be kept. The Request itself, its Header values
// and its Body are valid until the response has been written or discarded; use
// [Request.Clone] to keep a request. The methods must not be called concurrently.
type Request struct {
	// Body is the content. It is never nil, and returns io.EOF at the end. A Read may wait
	// for the client. Body may be read on any goroutine, but only one at a time, until the
	// Response has been written; after that, Read returns an error. An error other than
	// io.EOF means that the client made a mistake or the connection ended; the server then
	// answers with the status of the error, or closes, whatever the resolver returns.
	Body io.Reader

	requestData
}

// requestData is a Request without its Body. A goroutine that outlives the response may
// still read the Body, while the rest is reused for the next request.
type requestData struct {
	head     wire.Head
	str      string      // head.Text as a string, made on first use
	prefix   string      // removed from the path by Mounts; see Prefix
	rewrite  string      // path set by WithPath or Mount
	user     string      // set by WithUser
	trailer  *Header     // shared by the copies that WithPath and similar methods make; may be nil
	copied   bool        // head uses the memory of another Request
	connInfo *ConnInfo   // set by WithConn or Clone; if nil, conn is asked
	conn     requestConn // nil if there is no connection

	inform func(status int, fields ...string) error // set by WithInform; if nil, conn is asked
}

// A requestConn is the connection of a request, as far as the request and scripts need it.
type requestConn interface {
	info() ConnInfo
	prepareForScript() // called before a script runs
	interrupt()        // ends the current read of Body
	resume()           // undoes interrupt
	logger() logger
	serverSoftware() string             // value of SERVER_SOFTWARE
	inform(head []byte) error           // writes an informational response
	panicked(where string, v any) error // logs a panic on a goroutine of a script, and returns it as an error
}

// ConnInfo describes the connection of a request. It is zero for a Request made by
// [ParseRequest].
type ConnInfo struct {
	ID, Request           uint64     // numbers of the connection and of the request on it, from 1, as in traces and logs
	LocalAddr, RemoteAddr net.Addr   // as reported by the connection
	Client                netip.Addr // address of the client: that of RemoteAddr, or one reported by a proxy in WithTrustedProxies; invalid if unknown
	TLS                   bool       // the connection has a HandshakeContext method, like *tls.Conn
	NetConn               net.Conn   // for queries such as (*tls.Conn).ConnectionState; never read, write or close it
}

// noContent is the Body of a request without content.
type noContent struct{}

func (noContent) Read([]byte) (int, error) { return 0, io.EOF }

// reset empties r for another head. It keeps the memory of the head.
func (r *Request) reset() {
	text, fields := r.head.Text[:0], r.head.Fields[:0]
	r.Body, r.requestData = noContent{}, requestData{}
	r.head.Text, r.head.Fields = text, fields
}

// string returns a part of the head as a string. All such strings share one allocation.
func (r *Request) string(s wire.Span) string {
	if len(r.str) != len(r.head.Text) { // it is not made yet: reset clears it with the head
		r.str = string(r.head.Text)
	}
	return r.str[s.Start:s.End]
}

// Method returns the method as received. Methods are case-sensitive (RFC 9110, section
// 9.1).
func (r *Request) Method() string {
	switch m := r.head.Method.Of(r.head.Text); string(m) { // the usual ones need no allocation
	case "GET":
		return "GET"
	case "HEAD":
		return "HEAD"
	case "POST":
		return "POST"
	}
	return r.string(r.head.Method)
}

// Target returns the request target as received (RFC 9112, section 3.2).
func (r *Request) Target() string { return r.string(r.head.Target) }

// Path returns the path of the target: decoded once (including %2F), then without dot
// segments and empty segments, beginning with a slash, and below a [Mount] without the
// prefix. It ends in a slash if the target names a folder. It may contain any byte except
// NUL. For "OPTIONS *" it is "*", for CONNECT "".
func (r *Request) Path() string {
	if r.rewrite != "" {
		return r.rewrite
	}
	return r.string(r.head.Path)
}

// EscapedPath returns [Request.Path] with the client's escaping: "/a%2Fb" is one segment,
// although Path, "/a/b", has two. A router that splits the escaped path at slashes and
// unescapes each segment sees the segments that the client meant. As in Path, dot segments,
// empty segments and the prefix of a [Mount] are removed. Unescaping the whole result
// yields Path.
//
// If the client's escaping no longer applies, since [Request.WithPath] has set another path
// or ".." has removed an encoded slash, EscapedPath escapes Path itself. It does not
// allocate if the result is a part of the target.
func (r *Request) EscapedPath() string {
	path, whole := r.Path(), r.string(r.head.Path)
	if !strings.HasPrefix(path, "/") { // "*", or "" for CONNECT
		return path
	}
	// Only a path that Mounts have shortened, and no resolver has replaced, is a part of the
	// client's.
	isOurs := len(r.prefix)+len(path) == len(whole) && strings.HasPrefix(whole, r.prefix) && strings.HasSuffix(whole, path)
	raw := r.string(r.head.RawPath)
	if !isOurs || raw == "" {
		return escapePath(path)
	}
	rest, ok := wire.EscapedRest(raw, whole, len(r.prefix))
	if !ok { // the raw path is not clean: clean it as the decoded one was, also of encoded dots
		raw = strings.ReplaceAll(strings.ReplaceAll(raw, "%2e", "."), "%2E", ".")
		rest, ok = wire.EscapedRest(string(wire.CleanPath([]byte(raw))), whole, len(r.prefix))
	}
	switch {
	case !ok:
		return escapePath(path)
	case rest[0] != '/': // the final slash of the prefix was encoded
		return "/" + rest[len("%2F"):]
	}
	return rest
}

// escapePath percent-encodes the bytes of a path other than slashes and unreserved
// characters.
func escapePath(path string) string {
	return strings.ReplaceAll(ascii.EscapeSegment(path), "%2F", "/")
}

// Prefix returns the prefixes that Mounts have removed from the path, without the final
// slash, or "" outside a Mount. Prefix()+Path() is the whole path, except below a [Mount]
// of a single path: there Path() is "/", and Prefix() is the whole path.
func (r *Request) Prefix() string { return r.prefix }

// RawQuery returns the query as received, without the question mark.
func (r *Request) RawQuery() string { return r.string(r.head.Query) }

// Query parses the query. It drops pairs that cannot be parsed. Each call parses the query
// again.
func (r *Request) Query() url.Values {
	v, _ := url.ParseQuery(r.RawQuery()) // the error is about the pairs dropped
	return v
}

// Host returns the host and optional port of the target, if it has one, or else of the Host
// field. It can be "" only in HTTP/1.0 (RFC 9112, section 3.2).
func (r *Request) Host() string { return r.string(r.head.Host) }

// Version returns the HTTP version as received, "HTTP/1.1" or "HTTP/1.0". A higher minor
// version is possible and is treated as 1.1 (RFC 9110, section 6.2).
func (r *Request) Version() string {
	switch r.head.Minor {
	case 0:
		return "HTTP/1.0"
	case 1:
		return "HTTP/1.1"
	}
	return "HTTP/1." + string(rune('0'+r.head.Minor))
}

// Header returns the fields of the header section.
func (r *Request) Header() Header {
	r.string(wire.Span{}) // makes str
	return Header{r.str, r.head.Fields}
}

// ContentLength returns the length of the content in bytes: 0 if there is none, or -1 if it
// is chunked, so that its length is unknown until its end.
func (r *Request) ContentLength() int64 { return r.head.ContentLength }

// Trailer returns the trailer fields (RFC 9110, section 6.5). It is empty until Body has
// returned io.EOF. Trailer fields are never merged into Header.
func (r *Request) Trailer() Header {
	if r.trailer == nil {
		return Header{}
	}
	return *r.trailer
}

// Conn returns information about the connection of the request.
func (r *Request) Conn() ConnInfo {
	switch {
	case r.connInfo != nil:
		return *r.connInfo
	case r.conn != nil:
		return r.conn.info()
	}
	return ConnInfo{}
}

// Head returns a copy of the head as received, including the empty line.
func (r *Request) Head() []byte { return bytes.Clone(r.head.Text[:r.head.Size]) }

// Clone returns a copy that remains valid after the response. Its Body is empty, and its
// Trailer is the current one.
func (r *Request) Clone() *Request {
	c := *r
	info := r.Conn() // now, since the connection will not answer for this request later
	c.Body, c.connInfo, c.conn, c.inform, c.copied = noContent{}, &info, nil, nil, false
	c.head.Text = slices.Clone(r.head.Text)
	c.head.Fields = slices.Clone(r.head.Fields)
	if r.trailer != nil { // the original is set when the content ends
		trailer := *r.trailer
		c.trailer = &trailer
	}
	return &c
}

// copy returns a Request that shares everything with r.
func (r *Request) copy() *Request {
	c := *r
	c.copied = true
	return &c
}

// WithPath returns a copy of the request with another decoded path, for a resolver that
// rewrites paths. Body is shared, and Target stays as received; EscapedPath becomes the path,
// percent-encoded where necessary. The path is not cleaned; "" changes nothing. WithPath
// panics if the path does not begin with a slash.
func (r *Request) WithPath(path string) *Request {
	if path != "" && path[0] != '/' {
		panic(fmt.Sprintf("rawhttp: WithPath: the path %q does not begin with a slash", path))
	}
	c := r.copy()
	if path != "" {
		c.rewrite = path
	}
	return c
}

// WithUser returns a copy of the request with the name of a user, authenticated by a
// resolver in front. Scripts receive it as REMOTE_USER (RFC 3875, section 4.1.11); "" means
// no user. AUTH_TYPE is not set, since the server does not know how the user was
// authenticated. The copy shares Body with r, which does not change.
//
// A script may trust REMOTE_USER, since no field of the request sets it.
func (r *Request) WithUser(name string) *Request {
	c := r.copy()
	c.user = name
	return c
}

// WithConn returns a copy of the request with other information about its connection, for
// adapters to other servers, resolvers that know the client better, and unit tests. Scripts
// receive it too. It does not affect how the request is answered. The copy shares Body with
// r, which does not change.
func (r *Request) WithConn(info ConnInfo) *Request {
	c := r.copy()
	c.connInfo = &info
	return c
}

// Inform sends an informational response before the final one, such as 103 (Early Hints) with
// Link fields, or 102 (Processing). The fields are name, value, and so on:
//
//	req.Inform(103, "Link", "</style.css>; rel=preload; as=style")
//
// It may be called any number of times by Resolve, and by a StreamFunc before its first Write,
// but not by a goroutine that outlives them. It returns an error when the head of the final
// response has been written, or the client has disconnected. If the request is HTTP/1.0, which
// has no informational responses (RFC 9110, section 15.2), Inform sends nothing and returns
// nil.
//
// Some clients and proxies take an informational response for the final one, among them nginx
// 1.22 and Python 3.11. Behind such a proxy, the next request on the connection may get no
// response. So send one only if the client and all proxies in between are known to understand
// it (RFC 8297, section 3).
//
// The status must be between 102 and 199: the server itself sends 100 (Continue), and [Upgrade]
// sends 101. A name without its value, a field that [Response.Set] rejects, and a field for
// framing or the connection are errors, whatever the version. For a request without a
// connection, such as one made by [ParseRequest] or [Request.Clone], the error wraps
// [errors.ErrUnsupported], unless [Request.WithInform] has set a function.
func (r *Request) Inform(status int, fields ...string) error {
	head, err := informationalHead(status, fields)
	switch {
	case err != nil:
		return fmt.Errorf("rawhttp: Inform: %w", err)
	case r.conn == nil && r.inform == nil:
		return errNoConnection
	case r.head.Minor == 0:
		// "a server MUST NOT send a 1xx response to an HTTP/1.0 client" RFC 9110, section 15.2.
		return nil
	case r.inform != nil:
		return r.inform(status, fields...)
	}
	return r.conn.inform(head)
}

// WithInform returns a copy of the request whose [Request.Inform] calls f with its arguments and
// returns the error of f. It is for adapters to other servers, and for programs that own the
// connection of a request from [ParseRequest]. Inform still checks its arguments, and does not
// call f if they are invalid or the request is HTTP/1.0 (RFC 9110, section 15.2).
//
// f must not change or keep the slice of fields. It runs on the goroutine that calls Inform, and
// should return an error once the head of the final response has been written. If f is nil,
// Inform uses the connection again. Copies of the copy keep f, except for that of
// [Request.Clone]. The copy shares Body with r, which does not change.
func (r *Request) WithInform(f func(status int, fields ...string) error) *Request {
	c := r.copy()
	c.inform = f
	return c
}

var errNoConnection = fmt.Errorf("rawhttp: Inform: the request has no connection: %w", errors.ErrUnsupported)

// informationalHead returns the bytes of a response without content.
func informationalHead(status int, fields []string) ([]byte, error) {
	switch {
	case status < 102 || status > 199:
		return nil, fmt.Errorf("status %d is not between 102 and 199", status)
	case len(fields)%2 != 0:
		return nil, fmt.Errorf("field %q has no value", fields[len(fields)-1])
	}
	b := wire.AppendStatusLine(nil, status)
	for field := range slices.Chunk(fields, 2) {
		name, value := field[0], field[1]
		switch {
		case !ascii.IsToken(name):
			return nil, fmt.Errorf("field name %q is not a token", name)
		case !ascii.IsFieldValue(value):
			return nil, fmt.Errorf("value of field %s: %q has control bytes, or blanks at its ends", name, value)
		case ascii.IsAnyOf(name, "Content-Length", "Transfer-Encoding", "Trailer", "TE", "Connection", "Keep-Alive", "Upgrade", "Date"):
			return nil, fmt.Errorf("field %s is set by the server", name)
		}
		b = wire.AppendField(b, name, value)
	}
	return append(b, "\r\n"...), nil
}

// isHead, isGet and isOptions examine the method without making a string.
func (r *Request) isHead() bool    { return string(r.head.Method.Of(r.head.Text)) == "HEAD" }
func (r *Request) isGet() bool     { return string(r.head.Method.Of(r.head.Text)) == "GET" }
func (r *Request) isOptions() bool { return string(r.head.Method.Of(r.head.Text)) == "OPTIONS" }

// knownMethods are the methods of RFC 9110, section 9, and PATCH (RFC 5789), in the order
// of the Allow field. A method that is not among them is answered with 501, unless a resolver
// accepts it.
var knownMethods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

// isKnownMethod reports whether the method is in knownMethods.
func (r *Request) isKnownMethod() bool { return slices.Contains(knownMethods, r.Method()) }

// ParseRequest parses the request head at the beginning of b, with the default limits: 8
// KiB for the request line and for each field line, 100 field lines, 32 KiB in total.
//
// It returns a Request and the rest of b, which begins with the content if
// [Request.ContentLength] is not 0. The Body of the Request is empty; [Request.Content]
// decodes the content. If b may be the beginning of a valid head, ParseRequest returns
// [ErrIncomplete]. Otherwise it returns a [*ParseError], as soon as the mistake is certain,
// even if most of the head is missing. A Request returned by ParseRequest is safe to act
// on: its syntax, Host, target, version and framing have been checked (RFC 9110; RFC 9112,
// sections 2 to 6).
//
// The Request does not refer to b.
func ParseRequest(b []byte) (req *Request, rest []byte, err error) {
	req = new(Request)
	if rest, err = req.Parse(b); err != nil {
		return nil, nil, err
	}
	return req, rest, nil
}

// Parse is like [ParseRequest], but parses into r, and does not allocate once r has grown.
// It overwrites the previous request; strings obtained from it remain valid.
func (r *Request) Parse(b []byte) (rest []byte, err error) {
	if r.conn != nil || r.copied {
		// The connection, or the Request that r is a copy of, still uses this memory.
		r.head.Text, r.head.Fields = nil, nil
	}
	r.reset()
	var p wire.Parser
	p.Begin(&r.head, wire.DefaultLimits)
	n, err := p.Parse(b)
	if err != nil {
		r.reset() // leave nothing half parsed
		return nil, parseError(err)
	}
	return b[n:], nil
}

// ParseRequestLenient is like [ParseRequest], for input from people or old senders. It
// accepts a bare LF as a line end (RFC 9112, section 2.2), and joins a folded line to the
// previous field line with one space (section 5.2). Since b is all of the input, the final
// empty line and the last line end may be missing: "GET /a HTTP/1.1" alone is a request for
// /a. Such a head need not have a Host field.
//
// Nothing else is relaxed. Fields that determine the end or the destination of the message
// must not be ambiguous: a Host, Content-Length or Transfer-Encoding field is rejected if
// it is folded, or if the lines of the head end in both CRLF and LF.
//
// It returns [ErrIncomplete] if the request line is incomplete, or if a head with
// Content-Length or Transfer-Encoding lacks its empty line.
func ParseRequestLenient(b []byte) (req *Request, rest []byte, err error) {
	req = new(Request)
	limits := wire.DefaultLimits
	limits.Lenient = true
	var p wire.Parser
	p.Begin(&req.head, limits)
	n, err := p.ParseAll(b) // not Parse, which would wait for the empty line
	if err != nil {
		return nil, nil, parseError(err)
	}
	return req, b[n:], nil
}
