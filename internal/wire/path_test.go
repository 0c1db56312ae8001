package wire

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type pathAccept struct {
	name, target string
	path, query  string
	why          string
}

var pathAccepts = []pathAccept{
	{name: "root", target: "/", path: "/"},
	{name: "plain", target: "/a/b.txt", path: "/a/b.txt"},
	{name: "folder", target: "/a/", path: "/a/", why: "the last slash is kept"},

	{name: "encoded space", target: "/a%20b", path: "/a b"},
	{name: "decoded once", target: "/%2541", path: "/%41", why: "after decoding twice, %252e%252e would evade a check between the two"},
	{name: "encoded percent sign alone", target: "/100%25", path: "/100%"},
	{name: "digits of both cases", target: "/%7e%7E%c3%A4", path: "/~~\xc3\xa4"},
	{name: "every byte may be in a name", target: "/%ff%01%0d%0a%7f", path: "/\xff\x01\r\n\x7f"},
	{name: "encoded question mark", target: "/a%3fb?c", path: "/a?b", query: "c", why: "the query is split off before decoding (RFC 3986, section 2.4)"},
	{name: "encoded number sign", target: "/a%23b", path: "/a#b"},
	{name: "encoded backslash", target: "/a%5cb", path: `/a\b`, why: "it is part of a name; only a raw backslash is refused"},
	{name: "plus sign", target: "/a+b?c+d", path: "/a+b", query: "c+d", why: "a plus sign means a space only in forms"},
	{name: "semicolon", target: "/a;b=c/d", path: "/a;b=c/d"},

	{name: "encoded slash", target: "/a%2Fb", path: "/a/b", why: "%2F decodes to a slash"},
	{name: "encoded slash in lower case", target: "/a%2fb", path: "/a/b"},
	{name: "encoded slash at the end", target: "/a%2F", path: "/a/"},
	{name: "encoded slash next to a slash", target: "/a/%2Fb%2F/", path: "/a/b/", why: "collapsed like any run of slashes"},

	{name: "dot segment", target: "/a/./b", path: "/a/b", why: "RFC 3986, section 5.2.4"},
	{name: "dot segment at the end", target: "/a/.", path: "/a/", why: "the path names the folder"},
	{name: "dot segment alone", target: "/.", path: "/"},
	{name: "double dot segment", target: "/a/../b", path: "/b"},
	{name: "double dot segment at the end", target: "/a/b/..", path: "/a/"},
	{name: "double dot segment with a slash", target: "/a/b/../", path: "/a/"},
	{name: "double dot segment alone", target: "/..", path: "/", why: "nothing is above the root"},
	{name: "more double dots than segments", target: "/a/../../../b", path: "/b"},
	{name: "the example of RFC 3986", target: "/a/b/c/./../../g", path: "/a/g"},
	{name: "the relative example of RFC 3986", target: "/mid/content=5/../6", path: "/mid/6"},
	{name: "encoded dots", target: "/a/%2e%2e/b", path: "/b", why: "decoded before dot segments are removed"},
	{name: "one dot encoded, one not", target: "/a/.%2E/%2e/b", path: "/b"},
	{name: "encoded dots and slash", target: "/a/%2e%2e%2fb", path: "/b"},
	{name: "dots encoded twice", target: "/a/%252e%252e/b", path: "/a/%2e%2e/b", why: "a name with percent signs"},
	{name: "three dots", target: "/a/.../b", path: "/a/.../b", why: "an ordinary name"},
	{name: "names with dots", target: "/.a/..b/c./d..", path: "/.a/..b/c./d.."},

	{name: "run of slashes", target: "//a///b//", path: "/a/b/", why: "empty segments are dropped"},
	{name: "only slashes", target: "///", path: "/"},
	{name: "empty segment before a double dot", target: "/a//../b", path: "/b", why: "as in file systems, .. does not remove an empty segment"},
	{name: "looks like an authority", target: "//other.test/b", path: "/other.test/b", why: "origin-form begins with a slash"},

	{name: "query", target: "/a?b=c&d", path: "/a", query: "b=c&d"},
	{name: "empty query", target: "/a?", path: "/a"},
	{name: "two question marks", target: "/a?b?c", path: "/a", query: "b?c", why: "the first ends the path (RFC 3986, section 3.4)"},
	{name: "query is left as received", target: "/a?%zz%00/../%2e", path: "/a", query: "%zz%00/../%2e"},
	{name: "backslash in the query", target: `/a?b\c`, path: "/a", query: `b\c`},
	{name: "dot segment before the query", target: "/a/..?b", path: "/", query: "b"},
	{name: "other printable ASCII", target: `/|{}^"<>[]`, path: `/|{}^"<>[]`},

	{name: "absolute-form", target: "http://b.test/c/../d", path: "/d"},
	{name: "absolute-form, https", target: "https://b.test/c", path: "/c"},
	{name: "absolute-form, scheme in capitals", target: "HTTPS://b.test/c", path: "/c", why: "schemes are case-insensitive (RFC 3986, section 3.1)"},
	{name: "absolute-form, empty path", target: "http://b.test", path: "/", why: "equal to / (RFC 9110, section 4.2.3)"},
	{name: "absolute-form, empty path and a query", target: "http://b.test?c", path: "/", query: "c"},
	{name: "absolute-form, run of slashes", target: "http://b.test//c", path: "/c"},
}

func TestPath(t *testing.T) {
	for _, tt := range pathAccepts {
		t.Run(tt.name, func(t *testing.T) {
			in := "GET " + tt.target + " HTTP/1.1\r\nHost: a\r\n\r\n"
			req, _, err := parseRequest([]byte(in))
			if err != nil {
				t.Fatalf("parseRequest(%q) = %v\nwhy: %s", in, err, tt.why)
			}
			want := [...]string{tt.target, tt.path, tt.query}
			got := [...]string{req.Target(), req.Path(), req.RawQuery()}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Target, Path, RawQuery of %q (-want +got):\n%s\nwhy: %s", in, diff, tt.why)
			}
		})
	}
}

const pathNone = "request target does not begin with /, http:// or https://"

// In the inputs a target begins at byte 4 unless the method is longer.
var pathRefusals = []parseRefusal{{
	name:    "encoded NUL",
	in:      "GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n",
	want:    Error{400, 6, "path has an encoded NUL", "RFC 3986, section 7.3"},
	certain: headEnd,
	why:     "some systems end a name at NUL",
}, {
	name:    "percent sign before letters",
	in:      "GET /a/%zz HTTP/1.1\r\nHost: a\r\n\r\n",
	want:    Error{400, 7, "path has a percent sign without two hexadecimal digits", "RFC 3986, section 2.1"},
	certain: headEnd,
}, {
	name:    "percent sign before one digit",
	in:      "GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n",
	want:    Error{400, 5, "path has a percent sign without two hexadecimal digits", "RFC 3986, section 2.1"},
	certain: headEnd,
}, {
	name:    "percent sign at the end",
	in:      "GET /a% HTTP/1.1\r\nHost: a\r\n\r\n",
	want:    Error{400, 6, "path has a percent sign without two hexadecimal digits", "RFC 3986, section 2.1"},
	certain: headEnd,
}, {
	name:    "percent sign before the query",
	in:      "GET /a%?41 HTTP/1.1\r\nHost: a\r\n\r\n",
	want:    Error{400, 6, "path has a percent sign without two hexadecimal digits", "RFC 3986, section 2.1"},
	certain: headEnd,
	why:     "the query is not part of the path",
}, {
	name:    "invalid second triplet",
	in:      "GET /%41%4g HTTP/1.1\r\nHost: a\r\n\r\n",
	want:    Error{400, 8, "path has a percent sign without two hexadecimal digits", "RFC 3986, section 2.1"},
	certain: headEnd,
}, {
	name:    "backslash in the path",
	in:      "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n",
	want:    Error{400, 6, "path has a backslash", "RFC 3986, section 3.3"},
	certain: headEnd,
	why:     "some recipients read it as a slash",
}, {
	name:    "invalid triplet in the path of an absolute-form",
	in:      "GET http://b/%0 HTTP/1.1\r\nHost: a\r\n\r\n",
	want:    Error{400, 13, "path has a percent sign without two hexadecimal digits", "RFC 3986, section 2.1"},
	certain: headEnd,
}, {
	name:    "no slash",
	in:      "GET q HTTP/1.1\r\nHost: a\r\n\r\n",
	want:    Error{400, 4, pathNone, "RFC 9112, section 3.2"},
	certain: lineEnd,
}, {
	name:    "only a query",
	in:      "GET ?q HTTP/1.1\r\nHost: a\r\n\r\n",
	want:    Error{400, 4, pathNone, "RFC 9112, section 3.2"},
	certain: lineEnd,
}, {
	name:    "authority-form with GET",
	in:      "GET a.test:80 HTTP/1.1\r\nHost: a.test\r\n\r\n",
	want:    Error{400, 4, pathNone, "RFC 9112, section 3.2"},
	certain: lineEnd,
	why:     "for CONNECT only (RFC 9112, section 3.2.3)",
}, {
	name:    "another scheme",
	in:      "GET ftp://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
	want:    Error{400, 4, pathNone, "RFC 9112, section 3.2"},
	certain: lineEnd,
}, {
	name:    "scheme without an authority",
	in:      "GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n",
	want:    Error{400, 4, pathNone, "RFC 9112, section 3.2"},
	certain: lineEnd,
}, {
	name:    "GET *",
	in:      "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
	want:    Error{400, 4, "request target * with a method other than OPTIONS", "RFC 9112, section 3.2.4"},
	certain: lineEnd,
}, {
	name:    "POST *",
	in:      "POST * HTTP/1.1\r\nHost: a\r\n\r\n",
	want:    Error{400, 5, "request target * with a method other than OPTIONS", "RFC 9112, section 3.2.4"},
	certain: lineEnd,
}, {
	name:    "OPTIONS *x",
	in:      "OPTIONS *x HTTP/1.1\r\nHost: a\r\n\r\n",
	want:    Error{400, 8, pathNone, "RFC 9112, section 3.2"},
	certain: lineEnd,
}, {
	name:    "absolute-form, empty host",
	in:      "GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n",
	want:    Error{400, 11, "host in the request target is not of the form host or host:port", "RFC 9110, section 4.2"},
	certain: lineEnd,
	why:     "an http URI with an empty host MUST be rejected (RFC 9110, section 4.2.1)",
}, {
	name:    "absolute-form, nothing after the scheme",
	in:      "GET http:// HTTP/1.1\r\nHost: a\r\n\r\n",
	want:    Error{400, 11, "host in the request target is not of the form host or host:port", "RFC 9110, section 4.2"},
	certain: lineEnd,
}, {
	name:    "absolute-form with user information",
	in:      "GET http://u@b.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n",
	want:    Error{400, 12, "host in the request target is not of the form host or host:port", "RFC 9110, section 4.2"},
	certain: lineEnd,
	why:     "SHOULD be treated as an error (RFC 9110, section 4.2.4)",
}, {
	name:    "absolute-form with user information and a password",
	in:      "GET http://u:p@b.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n",
	want:    Error{400, 13, "host in the request target is not of the form host or host:port", "RFC 9110, section 4.2"},
	certain: lineEnd,
}, {
	name:    "absolute-form, backslash in the authority",
	in:      "GET http://b\\@c/ HTTP/1.1\r\nHost: b\r\n\r\n",
	want:    Error{400, 12, "host in the request target is not of the form host or host:port", "RFC 9110, section 4.2"},
	certain: lineEnd,
	why:     "some recipients read it as the end of the authority",
}, {
	name:    "CONNECT with a path",
	in:      "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n",
	want:    Error{400, 8, "request target of CONNECT is not of the form host:port", "RFC 9112, section 3.2.3"},
	certain: lineEnd,
}, {
	name:    "CONNECT with an absolute-form",
	in:      "CONNECT http://b.test:80/ HTTP/1.1\r\nHost: a\r\n\r\n",
	want:    Error{400, 13, "request target of CONNECT is not of the form host:port", "RFC 9112, section 3.2.3"},
	certain: lineEnd,
}, {
	name:    "CONNECT without a port",
	in:      "CONNECT b.test HTTP/1.1\r\nHost: a\r\n\r\n",
	want:    Error{400, 14, "request target of CONNECT has no port", "RFC 9112, section 3.2.3"},
	certain: lineEnd,
	why:     "there is no default port",
}, {
	name:    "CONNECT with an empty port",
	in:      "CONNECT b.test: HTTP/1.1\r\nHost: a\r\n\r\n",
	want:    Error{400, 15, "request target of CONNECT has no port", "RFC 9112, section 3.2.3"},
	certain: lineEnd,
	why:     "a server MUST reject an empty port (RFC 9110, section 9.3.6)",
}, {
	name:    "CONNECT to an IPv6 address without a port",
	in:      "CONNECT [::1] HTTP/1.1\r\nHost: a\r\n\r\n",
	want:    Error{400, 13, "request target of CONNECT has no port", "RFC 9112, section 3.2.3"},
	certain: lineEnd,
}, {
	name:    "CONNECT *",
	in:      "CONNECT *:80\\ HTTP/1.1\r\nHost: a\r\n\r\n",
	want:    Error{400, 12, "request target of CONNECT is not of the form host:port", "RFC 9112, section 3.2.3"},
	certain: lineEnd,
	why:     "an asterisk may be in a registered name, but a port has only digits",
}}

func TestPathRefuses(t *testing.T) { checkRefusals(t, pathRefusals) }

// TestAuthority tests uri-host [ ":" port ], in the Host field and as the authority of
// an absolute-form (RFC 9110, section 7.2; RFC 3986, section 3.2.2).
func TestAuthority(t *testing.T) {
	const ok = -1
	tests := []struct {
		authority string
		bad       int // offset of the first invalid byte
		why       string
	}{
		{"a", ok, ""},
		{"example.test", ok, ""},
		{"example.test.", ok, "a fully qualified name"},
		{"example.test:8080", ok, ""},
		{"EXAMPLE.test", ok, ""},
		{"a_b-c", ok, "a registered name need not be a DNS name"},
		{"!$&'()*+,;=~", ok, "sub-delims and unreserved"},
		{"%41%c3%a4", ok, "percent-encoded"},
		{"127.0.0.1:80", ok, ""},
		{"999.1", ok, "a registered name"},
		{"a:", ok, "port = *DIGIT (RFC 3986, section 3.2.3)"},
		{"a:0", ok, ""},
		{"a:65535", ok, ""},
		{"a:00080", ok, ""},
		{"[::1]", ok, ""},
		{"[::1]:8080", ok, ""},
		{"[::1]:", ok, ""},
		{"[::]", ok, ""},
		{"[2001:DB8:0:0:8:800:200c:417a]", ok, ""},
		{"[::ffff:192.0.2.1]:80", ok, ""},
		{"[1:2:3:4:5:6:7:8]", ok, ""},
		{"[1:2:3:4:5:6:7::]", ok, "a double colon for one group"},
		{"[::2:3:4:5:6:7:8]", ok, "a double colon for one group"},
		{"[1:2:3:4:5:6:255.249.99.0]", ok, "an IPv4 address is two groups"},
		{"[1:2:3:4:5::7:8]", ok, ""},
		{"[::4:5:6:7:192.0.2.1]", ok, ""},
		{"[v1.fe:a]", ok, "IPvFuture"},
		{"[v1.a]", ok, "IPvFuture"},
		{"[VF0.a:!~_]:80", ok, "IPvFuture"},

		{"", 0, "RFC 9110, section 4.2.1: the host must not be empty"},
		{":80", 0, "only a port"},
		{"u@a", 1, "user information"},
		{"u:p@a", 2, "user information"},
		{"a:80@b", 4, "user information that looks like a host and a port"},
		{"a, b", 2, "two hosts"},
		{"a b", 1, ""},
		{"a\tb", 1, ""},
		{"a/b", 1, "a path"},
		{"a?b", 1, "a query"},
		{"a#b", 1, "a fragment"},
		{`a\b`, 1, ""},
		{"a\x80b", 1, "8-bit bytes are percent-encoded"},
		{"\xc3\xa4", 0, ""},
		{`a"`, 1, ""}, {"<a>", 0, ""}, {"a|b", 1, ""}, {"a^b", 1, ""}, {"a`", 1, ""}, {"{a}", 0, ""},
		{"a%", 1, "an incomplete triplet"},
		{"a%4", 1, "an incomplete triplet"},
		{"a%zz", 1, "not a triplet"},
		{"a%4:80", 1, "not a triplet"},
		{"a:b", 2, "letters as a port"},
		{"a:8b", 3, ""},
		{"a:-1", 2, ""},
		{"a:+1", 2, ""},
		{"a:80:90", 4, "two ports"},
		{"a::1", 2, "an IPv6 address must be in brackets"},
		{"::1", 0, "an IPv6 address must be in brackets"},
		{"a:65536", 6, "too large for a port"},
		{"a:99999999999999999999", 6, "too large for a port"},
		{"[::1", 4, "an unmatched bracket"},
		{"::1]", 0, "an unmatched bracket"},
		{"a]", 1, "an unmatched bracket"},
		{"[", 1, ""},
		{"[]", 1, "empty"},
		{"[:]", 2, "no address has one colon"},
		{"[127.0.0.1]", 10, "not an IPv6 address"},
		{"[a.test]", 2, "not an IPv6 address"},
		{"[1:2:3:4:5:6:7:8:9:a]", 16, "too many groups"},
		{"[0::0::0]", 6, "two double colons"},
		{"[1:2:3:4:5:6:7::8]", 16, "a double colon that replaces no group"},
		{"[4712::abcd::]", 12, "two double colons"},
		{"[1::2::3]", 6, "two double colons"},
		{"[0::0::127.0.0.1]", 6, "two double colons"},
		{"[:::]", 3, "three colons"},
		{"[1111:::3333:4444:5555:6666:7777:8888]", 7, "three colons"},
		{"[00000:0:0:0:0:0:0:0]", 5, "five digits"},
		{"[00000:0:0:0:0:0:127.0.0.1]", 5, "five digits"},
		{"[1234:5678:90AB:CDEF:1234:5678:90AB:]", 36, "a colon at the end"},
		{"[:2222:3333:4444:5555:6666:7777:8888]", 2, "a colon at the beginning"},
		{"[1::2:]", 6, "a colon at the end"},
		{"[1111:2222:3333:4444:5555:6666:7777:8888:9999]", 40, "nine groups"},
		{"[1111:2222:3333]", 15, "three groups"},
		{"[1:2:3:4:5:6:7:8::]", 16, "eight groups and a double colon"},
		{"[::1:2:3:4:5:6:7:8]", 16, "eight groups and a double colon"},
		{"[1234:5678:90AB:CDEF:1234:127.0.0.1]", 35, "seven groups"},
		{"[1111:2222:3333:4444:5555:6666:7777:1.2.3.4]", 37, "nine groups"},
		{"[1:2:3:4:5:6::1.2.3.4]", 15, "eight groups and a double colon"},
		{"[1.2.3.4::]", 8, "an IPv4 address must be last"},
		{"[::1.2.3.4:5]", 10, "an IPv4 address must be last"},
		{"[::127.00.0.1]", 8, "a leading zero"},
		{"[1::127..0.1]", 8, "an empty octet"},
		{"[1::127.a.0.1]", 8, "not a digit"},
		{"[::ffff:1.2.3.400]", 16, "over 255"},
		{"[::ffff:1.2.3.256]", 16, "over 255"},
		{"[::ffff:1.2.3]", 13, "three octets"},
		{"[::ffff:1.2.3.]", 14, "an empty octet"},
		{"[::ffff:1.2.3.4.5]", 15, "five octets"},
		{"[::.2.3.4]", 3, "an empty octet"},
		{"[v.a]", 2, "IPvFuture without its version"},
		{"[v1]", 3, "IPvFuture without its address"},
		{"[v1.]", 4, "IPvFuture without its address"},
		{"[v1.a/b]", 5, "a byte that is not allowed in IPvFuture"},
		{"[vg.a]", 2, "the version must be hexadecimal"},
		{"[v1:a]", 3, "IPvFuture needs a dot"},
		{"[fe80::1%25eth0]", 8, "a zone has a meaning only on its own machine (RFC 6874, section 3)"},
		{"[::1]a", 5, "only a port may follow"},
		{"[::1].test", 5, ""},
		{"[::1]:b", 6, ""},
		{"[[::1]]", 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.authority, func(t *testing.T) {
			if got := AuthorityError([]byte(tt.authority)); got != tt.bad {
				t.Errorf("AuthorityError(%q) = %d, want %d\nwhy: %s", tt.authority, got, tt.bad, tt.why)
			}

			in := "GET / HTTP/1.1\r\nHost: " + tt.authority + "\r\n\r\n"
			want := &Error{400, len("GET / HTTP/1.1\r\nHost: ") + tt.bad, "Host is not of the form host or host:port", "RFC 9112, section 3.2"}
			checkAuthority(t, in, tt.authority, tt.bad == ok, want)

			ends := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("/?#", r) }
			if strings.ContainsFunc(tt.authority, ends) {
				return // the byte ends the authority or the target
			}
			in = "GET http://" + tt.authority + "/a HTTP/1.1\r\nHost: b\r\n\r\n"
			want = &Error{400, len("GET http://") + tt.bad, "host in the request target is not of the form host or host:port", "RFC 9110, section 4.2"}
			checkAuthority(t, in, tt.authority, tt.bad == ok, want)
		})
	}
}

func checkAuthority(t *testing.T, in, host string, ok bool, want *Error) {
	t.Helper()
	if !ok {
		host = ""
	} else {
		want = nil
	}
	var r request
	_, err := r.Parse([]byte(in))
	if diff := cmp.Diff(want, parseErrorOf(err)); diff != "" {
		t.Errorf("Parse(%q) error (-want +got):\n%s", in, diff)
	}
	if r.Host() != host {
		t.Errorf("Parse(%q): Host = %q, want %q", in, r.Host(), host)
	}
}

// The target of CONNECT has a host and a port, and no path.
func TestPathOfConnect(t *testing.T) {
	for _, target := range []string{"b.test:443", "[::1]:443", "127.0.0.1:1"} {
		in := "CONNECT " + target + " HTTP/1.1\r\nHost: a\r\n\r\n"
		req, _, err := parseRequest([]byte(in))
		if err != nil {
			t.Errorf("parseRequest(%q) = %v", in, err)
			continue
		}
		if req.Host() != target || req.Path() != "" || req.RawQuery() != "" {
			t.Errorf("parseRequest(%q): Host %q, Path %q, RawQuery %q, want %q, no path and no query", in, req.Host(), req.Path(), req.RawQuery(), target)
		}
	}
}
