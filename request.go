package rawhttp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"example.com/rawhttp/internal/ascii"

	"example.com/rawhttp/internal/wire"
)

// A Request is a request as a resolver sees it. [ParseRequest] and the [Server]
// make one; the zero Request is empty and only good for [Request.Parse].
//
// The strings that its methods return may be kept. The Request
// itself, its Header values and its Body are valid until the response has been
// written or discarded; [Request.Clone] makes one that stays. Its methods must
// not be called concurrently.
type Request struct {
	// Body is the content: never nil, at its end io.EOF. A Read may wait for the client. It
	// may be read on any goroutine, one at a time, until the Response has been written;
	// after that Read returns an error. An error other than io.EOF is the client's fault or
	// the connection's end; the server answers it with its own status, or closes, whatever
	// the resolver makes of it.
	Body io.Reader

	requestData
}

// requestData is a Request without its Body, which a goroutine that outlives the response
// may go on reading, while the rest serves the next request.
type requestData struct {
	head    wire.Head
	str     string // head.text, made when first asked for
	prefix  string
	rewrite string    // the path of WithPath, or of a Mount
	user    string    // of WithUser
	trailer *Header   // shared by the copies that WithPath and its kin make; nil: none
	copied  bool      // head uses the memory of another Request
	conn    *ConnInfo // of WithConn, or of a Clone; nil: on has it
	on      carrier   // nil: none
}

// A carrier is the connection of a request, as far as the request and scripts need it.
type carrier interface {
	info() ConnInfo
	attend() // before a script runs
	interrupt()
	resume()
	logger() Logger
	software() string
	inform(head []byte) error // writes an informational response
	panicked(where string, v any) error
}

// ConnInfo describes the connection that a request came on. It is empty for a
// Request that [ParseRequest] made.
type ConnInfo struct {
	ID, Request           uint64     // the connection's number, the request's number on it, both from 1: as traces and logs show them
	LocalAddr, RemoteAddr net.Addr   // as the connection gives them
	Client                netip.Addr // who asks: RemoteAddr's address, or what a proxy in WithTrustedProxies says; invalid where RemoteAddr has none
	TLS                   bool       // the connection has a HandshakeContext method, as *tls.Conn has
	NetConn               net.Conn   // to ask, for example (*tls.Conn).ConnectionState; never read, write or close it
}

// noContent is the Body of a request without content.
type noContent struct{}

func (noContent) Read([]byte) (int, error) { return 0, io.EOF }

// reset makes r ready for another head: it is empty but for the memory of the head.
func (r *Request) reset() {
	text, fields := r.head.Text[:0], r.head.Fields[:0]
	r.Body, r.requestData = noContent{}, requestData{}
	r.head.Text, r.head.Fields = text, fields
}

// string returns a part of the head as a string that shares one allocation with
// all the others.
func (r *Request) string(s wire.Span) string {
	if len(r.str) != len(r.head.Text) {
		r.str = string(r.head.Text)
	}
	return r.str[s.Start:s.End]
}

// Method returns the method as received; methods are case-sensitive (RFC 9110,
// section 9.1).
func (r *Request) Method() string {
	switch m := r.head.Method.Of(r.head.Text); string(m) {
	case "GET":
		return "GET"
	case "HEAD":
		return "HEAD"
	case "POST":
		return "POST"
	}
	return r.string(r.head.Method)
}

// Target returns the request target exactly as received (RFC 9112, section 3.2).
func (r *Request) Target() string { return r.string(r.head.Target) }

// Path returns the path of the target: decoded once (%2F too), without dot
// segments and empty segments, beginning with a slash; below a [Mount] without
// its prefix. It ends in a slash if the target names a folder so. It may hold any
// byte but NUL. For "OPTIONS *" it is "*", for CONNECT "".
func (r *Request) Path() string {
	if r.rewrite != "" {
		return r.rewrite
	}
	return r.string(r.head.Path)
}

// EscapedPath returns [Request.Path] as the client escaped it: "/a%2Fb" is one segment, of
// which Path, "/a/b", makes two. So a router that takes the path apart at the slashes and
// unescapes each segment sees the segments that the client meant. As in Path, dot segments
// and empty segments are removed, and below a [Mount] so is its prefix. To remove the
// percent-encoding from all of it leads to Path.
//
// Where the escapes of the client no longer fit, since [Request.WithPath] has set another path
// or ".." has removed an encoded slash, Path is escaped anew. Nothing is allocated for a path
// that is a part of the target.
func (r *Request) EscapedPath() string {
	path, whole := r.Path(), r.string(r.head.Path)
	if !strings.HasPrefix(path, "/") {
		return path
	}
	isOurs := len(r.prefix)+len(path) == len(whole) && strings.HasPrefix(whole, r.prefix) && strings.HasSuffix(whole, path)
	raw := r.string(r.head.RawPath)
	if !isOurs || raw == "" {
		return escapePath(path)
	}
	rest, ok := wire.EscapedRest(raw, whole, len(r.prefix))
	if !ok {
		raw = strings.ReplaceAll(strings.ReplaceAll(raw, "%2e", "."), "%2E", ".")
		rest, ok = wire.EscapedRest(string(wire.CleanPath([]byte(raw))), whole, len(r.prefix))
	}
	switch {
	case !ok:
		return escapePath(path)
	case rest[0] != '/': // the slash at the end of the prefix was encoded
		return "/" + rest[len("%2F"):]
	}
	return rest
}

// escapePath percent-encodes the bytes of a path that are neither slashes nor unreserved.
func escapePath(path string) string {
	return strings.ReplaceAll(ascii.EscapeSegment(path), "%2F", "/")
}

// Prefix returns what the Mounts above took off the path, without the last slash;
// "" at the top. So Prefix()+Path() is the whole path; below a [Mount] of one path
// alone, where Path() is "/", the whole path is Prefix().
func (r *Request) Prefix() string { return r.prefix }

// RawQuery returns the query as received, without its question mark.
func (r *Request) RawQuery() string { return r.string(r.head.Query) }

// Query parses the query. Pairs that cannot be parsed are left out. Each call
// parses anew.
func (r *Request) Query() url.Values {
	v, _ := url.ParseQuery(r.RawQuery())
	return v
}

// Host returns host and optional port: the target's if it names one, else the Host
// field's. It is "" only in HTTP/1.0 (RFC 9112, section 3.2).
func (r *Request) Host() string { return r.string(r.head.Host) }

// Version returns the HTTP version as received, "HTTP/1.1" or "HTTP/1.0"; a higher
// minor version is possible and works as 1.1 (RFC 9110, section 2.5).
func (r *Request) Version() string {
	switch r.head.Minor {
	case 0:
		return "HTTP/1.0"
	case 1:
		return "HTTP/1.1"
	}
	return "HTTP/1." + string(rune('0'+r.head.Minor))
}

// Header returns the field lines.
func (r *Request) Header() Header {
	r.string(wire.Span{})
	return Header{r.str, r.head.Fields}
}

// ContentLength returns the length of the content in bytes: 0 if there is none, -1
// if it is chunked and its length not known before its end.
func (r *Request) ContentLength() int64 { return r.head.ContentLength }

// Trailer returns the trailer fields (RFC 9110, section 6.5): empty until Body has
// given io.EOF, kept apart from the header's for good.
func (r *Request) Trailer() Header {
	if r.trailer == nil {
		return Header{}
	}
	return *r.trailer
}

// Conn returns what is known of the connection that the request came on.
func (r *Request) Conn() ConnInfo {
	switch {
	case r.conn != nil:
		return *r.conn
	case r.on != nil:
		return r.on.info()
	}
	return ConnInfo{}
}

// Head returns a copy of the head as it was received, from the first byte to the empty
// line.
func (r *Request) Head() []byte { return bytes.Clone(r.head.Text[:r.head.Size]) }

// Clone returns a copy that outlives the response. Its Body is empty, its Trailer what it
// is now.
func (r *Request) Clone() *Request {
	c := *r
	info := r.Conn()
	c.Body, c.conn, c.on, c.copied = noContent{}, &info, nil, false
	c.head.Text = slices.Clone(r.head.Text)
	c.head.Fields = slices.Clone(r.head.Fields)
	if r.trailer != nil { // it is written when the content ends
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

// WithPath returns the same request with another decoded path, for a resolver that
// rewrites: r is not changed, Body is shared, Target stays as received. EscapedPath is the
// path with what needs it percent-encoded. The path is not cleaned; "" changes nothing.
// WithPath panics if it does not begin with a slash.
func (r *Request) WithPath(path string) *Request {
	if path != "" && path[0] != '/' {
		panic(fmt.Sprintf("rawhttp: WithPath: the path %q does not begin with a slash", path))
	}
	c := r.copy()
	c.rewrite = path
	return c
}

// WithUser returns the same request with the name of the user that a resolver in front has
// authenticated. Scripts get it as REMOTE_USER (RFC 3875, section 4.1.11); "" is no user.
// AUTH_TYPE is not set, because the server does not know how the user was authenticated.
// r is not changed, Body is shared.
//
// A script may trust REMOTE_USER: no field of the request sets it.
func (r *Request) WithUser(name string) *Request {
	c := r.copy()
	c.user = name
	return c
}

// WithConn returns the same request with another description of its connection, for adapters
// to other servers, resolvers that know better who the client is, and unit tests. Scripts see
// it too. It does not change how r is answered: r is not changed, Body is shared.
func (r *Request) WithConn(info ConnInfo) *Request {
	c := r.copy()
	c.conn = &info
	return c
}

// Inform sends an informational response before the final one, such as 103 (Early Hints) with
// Link fields, or 102 (Processing). The fields are name, value, and so on:
//
//	req.Inform(103, "Link", "</style.css>; rel=preload; as=style")
//
// It may be called any number of times by Resolve, and by a StreamFunc before its first Write;
// after the head of the final response it returns an error, and when the client has
// disconnected. To HTTP/1.0, which does not know informational responses (RFC 9110, section
// 15.2), it sends nothing and returns nil.
//
// The status is between 102 and 199: 100 (Continue) is the server's, and [Upgrade] makes a 101.
// A name without its value, what [Response.Set] would not take, and fields of framing and of
// the connection are errors, whatever the version. For a request without a connection, as
// [ParseRequest] and [Request.Clone] make, the error wraps [errors.ErrUnsupported].
func (r *Request) Inform(status int, fields ...string) error {
	head, err := informationalHead(status, fields)
	switch {
	case err != nil:
		return fmt.Errorf("rawhttp: Inform: %w", err)
	case r.on == nil:
		return errNoConnection
	case r.head.Minor == 0:
		return nil
	}
	return r.on.inform(head)
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
	b := appendStatusLine(nil, status)
	for field := range slices.Chunk(fields, 2) {
		name, value := field[0], field[1]
		switch {
		case !ascii.IsToken(name):
			return nil, fmt.Errorf("field name %q is not a token", name)
		case !ascii.IsFieldValue(value):
			return nil, fmt.Errorf("value of field %s: %q has control bytes, or blanks at its ends", name, value)
		case ascii.IsAnyOf(name, "Content-Length", "Transfer-Encoding", "Trailer", "TE", "Connection", "Keep-Alive", "Upgrade", "Date"):
			return nil, fmt.Errorf("field %s is the server's", name)
		}
		b = appendField(b, name, value)
	}
	return append(b, "\r\n"...), nil
}

// isHead and its kin ask of the method without making a string.
func (r *Request) isHead() bool    { return string(r.head.Method.Of(r.head.Text)) == "HEAD" }
func (r *Request) isGet() bool     { return string(r.head.Method.Of(r.head.Text)) == "GET" }
func (r *Request) isOptions() bool { return string(r.head.Method.Of(r.head.Text)) == "OPTIONS" }

// isKnownMethod reports whether the method is one of knownMethods.
func (r *Request) isKnownMethod() bool { return slices.Contains(knownMethods, r.Method()) }

// A Header is the field lines of a header or trailer section, in order and with
// names as received. Names are looked up without regard to case. The zero Header
// is empty. A Header is valid as long as its [Request] and must not be kept
// longer; the strings it returns may.
type Header struct {
	text   string
	fields []wire.FieldLine
}

func (h Header) name(i int) string  { f := h.fields[i].Name; return h.text[f.Start:f.End] }
func (h Header) value(i int) string { f := h.fields[i].Value; return h.text[f.Start:f.End] }

// Len returns the number of field lines.
func (h Header) Len() int { return len(h.fields) }

// Get returns the value of the first field line with the name, "" if there is none.
func (h Header) Get(name string) string {
	for v := range h.Values(name) {
		return v
	}
	return ""
}

// Values returns the value of each field line with the name, in order.
func (h Header) Values(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range h.fields {
			if ascii.EqualFold(h.name(i), name) && !yield(h.value(i)) {
				return
			}
		}
	}
}

// All returns name and value of each field line, in order.
func (h Header) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i := range h.fields {
			if !yield(h.name(i), h.value(i)) {
				return
			}
		}
	}
}

// HasToken reports whether the token, in any case, is a member of the lists that
// the field lines with the name hold, as in HasToken("Connection", "close").
func (h Header) HasToken(name, token string) bool {
	for v := range h.Values(name) {
		if ascii.HasMember(v, token) {
			return true
		}
	}
	return false
}

// ParseRequest parses the request head that b begins with, at the default
// limits: a request line and field lines of at most 8 KiB each, 100 field lines,
// 32 KiB together.
//
// There are three outcomes. A Request and the rest of b, which begins with the
// content if [Request.ContentLength] is not 0; its Body is empty, and
// [Request.Content] decodes it. Or
// [ErrIncomplete]: b may be the beginning of a head. Or a [*ParseError], as soon
// as it is certain, however little of the head is there. A Request that exists
// is safe to act on: its grammar, Host, target, version and framing were checked
// (RFC 9110; RFC 9112, sections 2 to 6).
//
// The Request keeps no reference to b.
func ParseRequest(b []byte) (req *Request, rest []byte, err error) {
	req = new(Request)
	if rest, err = req.Parse(b); err != nil {
		return nil, nil, err
	}
	return req, rest, nil
}

// Parse is [ParseRequest] into r: 0 allocations once r has grown. What r was
// before is gone, strings that were taken from it stay as they are.
func (r *Request) Parse(b []byte) (rest []byte, err error) {
	if r.on != nil || r.copied {
		r.head.Text, r.head.Fields = nil, nil // which its connection, and the Request that it is a copy of, go on to use
	}
	r.reset()
	var p wire.Parser
	p.Begin(&r.head, wire.DefaultLimits)
	n, err := p.Parse(b)
	if err != nil {
		r.reset() // nothing half-parsed to be looked at
		return nil, parseError(err)
	}
	return b[n:], nil
}

// ParseRequestLenient is [ParseRequest] for input that people typed or old senders
// made. A bare LF ends a line (RFC 9112, section 2.2), and a folded line continues
// the field before it, joined by one space (section 5.2). Since b is all there is, the
// final empty line may be missing, and so may the end of the last line: "GET /a
// HTTP/1.1" alone is a request for /a. Such a head need not have a Host field.
//
// Nothing else is relaxed. What says where the message ends and whom it is for must
// not be read in two ways: a Host, Content-Length or Transfer-Encoding field is
// refused if it is folded, or if some lines of the head end in CRLF and some in LF.
//
// [ErrIncomplete] is returned while the request line is not whole, and for a head with
// Content-Length or Transfer-Encoding until its empty line is there.
func ParseRequestLenient(b []byte) (req *Request, rest []byte, err error) {
	req = new(Request)
	max := wire.DefaultLimits
	max.Lenient = true
	var p wire.Parser
	p.Begin(&req.head, max)
	n, err := p.ParseAll(b)
	if err != nil {
		return nil, nil, parseError(err)
	}
	return req, b[n:], nil
}
