package conformance_test

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

func TestRequestVersion(t *testing.T) {
	for _, version := range []string{"HTTP/1.0", "HTTP/1.1", "HTTP/1.2", "HTTP/1.9"} {
		if got := requestOf(t, "GET / "+version+"\r\nHost: a\r\n\r\n").Version(); got != version {
			t.Errorf("Version = %q, want %q", got, version)
		}
	}
}

// Of a target in absolute-form, "the origin server MUST ignore the received Host header field (if
// any) and instead use the host information of the request-target." RFC 9112, section 3.2.2.
func TestRequestHost(t *testing.T) {
	tests := []struct{ line, want, why string }{
		{"GET / HTTP/1.1\r\nHost: field.test:81", "field.test:81", "origin-form"},
		{"GET / HTTP/1.1\r\nHost:\t Field.TEST ", "Field.TEST", "as received, without the blanks around it"},
		{"OPTIONS * HTTP/1.1\r\nHost: field.test", "field.test", "asterisk-form"},
		{"GET http://target.test:82/ HTTP/1.1\r\nHost: field.test", "target.test:82", "absolute-form"},
		{"GET http://target.test HTTP/1.0\r\nX: y", "target.test", "absolute-form in HTTP/1.0, no field"},
		{"GET https://[::1]?q HTTP/1.1\r\nHost: field.test", "[::1]", "absolute-form"},
		{"CONNECT target.test:443 HTTP/1.1\r\nHost: field.test", "target.test:443", "authority-form"},
		{"GET / HTTP/1.0\r\nX: y", "", "no Host in HTTP/1.0"},
	}
	for _, tt := range tests {
		if got := requestOf(t, tt.line+"\r\n\r\n").Host(); got != tt.want {
			t.Errorf("Host of %q = %q, want %q\nwhy: %s", tt.line, got, tt.want, tt.why)
		}
	}
}

func TestRequestQuery(t *testing.T) {
	tests := []struct {
		query string
		want  url.Values
		why   string
	}{
		{"", url.Values{}, ""},
		{"a=1&b=2&a=3", url.Values{"a": {"1", "3"}, "b": {"2"}}, ""},
		{"a", url.Values{"a": {""}}, ""},
		{"=b", url.Values{"": {"b"}}, ""},
		{"a=b=c", url.Values{"a": {"b=c"}}, ""},
		{"a+b=%26%3d", url.Values{"a b": {"&="}}, ""},
		{"a=%zz&b=2", url.Values{"b": {"2"}}, "a pair with a malformed escape is left out"},
		{"a;b=1&c=2", url.Values{"c": {"2"}}, "a pair with a semicolon is left out"},
		{"%", url.Values{}, ""},
		{"a=?/", url.Values{"a": {"?/"}}, ""},
	}
	for _, tt := range tests {
		req := resolveGet(t, "/?"+tt.query)
		if req.RawQuery() != tt.query {
			t.Errorf("RawQuery = %q, want %q", req.RawQuery(), tt.query)
		}
		if diff := cmp.Diff(tt.want, req.Query()); diff != "" {
			t.Errorf("Query of %q (-want +got):\n%s\nwhy: %s", tt.query, diff, tt.why)
		}
	}
	req := resolveGet(t, "/?a=1")
	req.Query().Set("a", "2")
	if got := req.Query().Get("a"); got != "1" {
		t.Errorf("Query after a caller changed its result: %q", got)
	}
}

// Strings obtained from a Request do not change when another request is parsed into it.
func TestRequestStringsStay(t *testing.T) {
	b := []byte("PUT /%61b?q HTTP/1.1\r\nHost: first.test\r\nX: value\r\n\r\n")
	var r rawhttp.Request
	if _, err := r.Parse(b); err != nil {
		t.Fatal(err)
	}
	strings := []string{r.Method(), r.Target(), r.Path(), r.RawQuery(), r.Host(), r.Version(), r.Header().Get("x")}
	for name, value := range r.Header().All() {
		strings = append(strings, name, value)
	}
	want := slices.Clone(strings)
	for i, s := range want {
		want[i] = string([]byte(s))
	}
	copy(b, "################################################################")
	if _, err := r.Parse([]byte("DELETE /other/path?and=a+query HTTP/1.0\r\nHost: second.test\r\nYY: another value\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, strings); diff != "" {
		t.Errorf("strings of the previous request (-want +got):\n%s", diff)
	}
	if got := r.Header().Get("YY"); got != "another value" || r.Target() != "/other/path?and=a+query" {
		t.Errorf("the second request: YY = %q, Target = %q", got, r.Target())
	}
}

func TestRequestHead(t *testing.T) {
	const head = "\r\nGET /%41 HTTP/1.1\r\nHost: a\r\n\r\n"
	req := requestOf(t, head+"rest")
	if diff := cmp.Diff(head, string(req.Head())); diff != "" {
		t.Errorf("Head (-want +got):\n%s", diff)
	}
	_ = append(req.Head(), "overwritten"...)
	if got := req.Path(); got != "/A" {
		t.Errorf("Path = %q after an append to Head, want /A", got)
	}
}

func TestHeader(t *testing.T) {
	h := requestOf(t, "GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-b:\r\nX-a: 2, 3\r\nX-B: 4\r\n\r\n").Header()
	if h.Len() != 5 {
		t.Errorf("Len = %d, want 5", h.Len())
	}
	for name, want := range map[string]string{
		"Host": "a", "hOST": "a", "X-A": "1", "x-a": "1", "X-B": "", "x-c": "", "": "", "X": "", "X-A:": "", "X-AA": "",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("Get(%q) = %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string][]string{"x-A": {"1", "2, 3"}, "x-B": {"", "4"}, "host": {"a"}, "x-c": nil} {
		if diff := cmp.Diff(want, slices.Collect(h.Values(name))); diff != "" {
			t.Errorf("Values(%q) (-want +got):\n%s", name, diff)
		}
	}
	var all [][2]string
	for name, value := range h.All() {
		all = append(all, [2]string{name, value})
	}
	want := [][2]string{{"Host", "a"}, {"X-A", "1"}, {"x-b", ""}, {"X-a", "2, 3"}, {"X-B", "4"}}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("All (-want +got):\n%s", diff)
	}
}

func TestHeaderFoldsASCIIOnly(t *testing.T) {
	h := requestOf(t, "GET / HTTP/1.1\r\nHost: a\r\nKeep: \u212a\r\n^x: 1\r\n~x: 2\r\n\r\n").Header()
	if got := h.Get("\u212aeep"); got != "" {
		t.Errorf("Get of a name with the Kelvin sign = %q, want none", got)
	}
	if h.HasToken("Keep", "k") {
		t.Error("HasToken with the Kelvin sign = true, want false")
	}
	if got := h.Get("~X"); got != "2" {
		t.Errorf(`Get("~X") = %q, want "2", since ^ and ~ are different characters`, got)
	}
}

func TestHeaderIterationStops(t *testing.T) {
	h := requestOf(t, "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nX: 2\r\nX: 3\r\n\r\n").Header()
	var got []string
	for name, value := range h.All() {
		got = append(got, name, value)
		if value == "1" {
			break
		}
	}
	for value := range h.Values("x") {
		got = append(got, value)
		if value == "2" {
			break
		}
	}
	if diff := cmp.Diff([]string{"Host", "a", "X", "1", "1", "2"}, got); diff != "" {
		t.Errorf("fields before break (-want +got):\n%s", diff)
	}
}

func TestHeaderHasToken(t *testing.T) {
	h := requestOf(t, "GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close ,x\r\nconnection:\r\nCONNECTION: Upgrade\r\n"+
		"X: a;q=1, \"b, c\", d\te\r\n\r\n").Header()
	tests := []struct {
		name, token string
		want        bool
	}{
		{"Connection", "close", true},
		{"connection", "CLOSE", true},
		{"Connection", "foo", true},
		{"Connection", "x", true},
		{"Connection", "upgrade", true},
		{"Connection", "fo", false},
		{"Connection", "foo, close", false},
		{"Connection", "keep-alive", false},
		{"X", "a", false},
		{"X", "b", false},
		{"X", "c\"", false},
		{"X", "d", false},
		{"X", "e", false},
		{"Y", "a", false},
		{"Conn", "close", false},
	}
	for _, tt := range tests {
		if got := h.HasToken(tt.name, tt.token); got != tt.want {
			t.Errorf("HasToken(%q, %q) = %t, want %t", tt.name, tt.token, got, tt.want)
		}
	}
}

func TestZeroHeader(t *testing.T) {
	var h rawhttp.Header
	if h.Len() != 0 || h.Get("Host") != "" || h.HasToken("Connection", "close") {
		t.Errorf("Len of the zero Header = %d, want 0", h.Len())
	}
	for name := range h.All() {
		t.Errorf("the zero Header has a field %q", name)
	}
	for value := range h.Values("Host") {
		t.Errorf("the zero Header has a Host %q", value)
	}
}

// Versions and common methods need no allocation. All other strings of a request share one.
func TestRequestStringAllocs(t *testing.T) {
	in := []byte("GET /%61?q HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n")
	var r rawhttp.Request
	for _, tt := range []struct {
		what string
		use  func()
		want float64
	}{
		{"method and version", func() {
			if r.Method() != "GET" || r.Version() != "HTTP/1.1" {
				t.Error("Method or Version is wrong")
			}
		}, 0},
		{"all strings", func() {
			if r.Target() == "" || r.Path() == "" || r.RawQuery() == "" || r.Host() == "" || r.Header().Get("x") == "" {
				t.Error("a string is empty")
			}
			for name, value := range r.Header().All() {
				if name == value {
					t.Error("name and value are equal")
				}
			}
		}, 1},
	} {
		got := testing.AllocsPerRun(100, func() {
			if _, err := r.Parse(in); err != nil {
				t.Fatal(err)
			}
			tt.use()
		})
		if got > tt.want {
			t.Errorf("%s: %v allocations, want at most %v", tt.what, got, tt.want)
		}
	}
}

func TestWithConn(t *testing.T) {
	req := requestOf(t, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n")
	req.Body = strings.NewReader("hi")
	info := rawhttp.ConnInfo{ID: 7, Client: netip.MustParseAddr("192.0.2.1"), TLS: true}
	with := req.WithConn(info)
	if got := with.Conn(); got != info {
		t.Errorf("Conn() = %+v, want %+v", got, info)
	}
	if with.Body != req.Body || with.Path() != "/a" {
		t.Errorf("Body or path %q differs from that of the request", with.Path())
	}
	if got := req.Conn(); got != (rawhttp.ConnInfo{}) {
		t.Errorf("Conn() of the original = %+v, want none", got)
	}
	if got := with.WithPath("/b").WithUser("ann").Clone().Conn(); got != info {
		t.Errorf("Conn() of a copy = %+v, want %+v", got, info)
	}
}

// Parsing into a copy of a request does not change the original.
func TestParseIntoCopy(t *testing.T) {
	for name, copied := range map[string]func(*rawhttp.Request) *rawhttp.Request{
		"WithConn": func(r *rawhttp.Request) *rawhttp.Request { return r.WithConn(rawhttp.ConnInfo{}) },
		"WithPath": func(r *rawhttp.Request) *rawhttp.Request { return r.WithPath("/b") },
		"WithUser": func(r *rawhttp.Request) *rawhttp.Request { return r.WithUser("ann") },
		"WithInform": func(r *rawhttp.Request) *rawhttp.Request {
			return r.WithInform(func(int, ...string) error { return nil })
		},
		"Clone": (*rawhttp.Request).Clone,
	} {
		req := resolveGet(t, "/first")
		if _, err := copied(req).Parse([]byte("PUT /other HTTP/1.1\r\nHost: b\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		if got := string(req.Head()); got != "GET /first HTTP/1.1\r\nHost: a\r\n\r\n" {
			t.Errorf("Head() after Parse into a %s = %q", name, got)
		}
	}
}

func TestEscapedPath(t *testing.T) {
	tests := []struct {
		target string
		want   string
		why    string
	}{
		{"/", "/", ""},
		{"/a/b?c=/d", "/a/b", "the query is not part of the path"},
		{"/a%2Fb", "/a%2Fb", "an encoded slash stays within its segment"},
		{"/a%2fb/", "/a%2fb/", "hexadecimal digits keep their case"},
		{"/caf%C3%A9/%25/%20", "/caf%C3%A9/%25/%20", ""},
		{"/%61%2Fb", "/%61%2Fb", "characters that need no encoding stay encoded too"},
		{"/a%252Fb", "/a%252Fb", "an encoded percent sign"},
		{"http://example.test/a%2Fb", "/a%2Fb", "absolute-form"},
		{"http://example.test", "/", "absolute-form without a path"},
		{"http://example.test?a", "/", ""},
		{"//a%2Fb", "/a%2Fb", "empty segments are removed"},
		{"/x/../a%2Fb", "/a%2Fb", "dot segments are removed"},
		{"/x/%2e%2E/a%2Fb/.", "/a%2Fb/", "encoded dot segments are removed too (RFC 3986, section 6.2.2.2)"},
		{"/a/b%2F..%2Fc", "/a/c", "dot segments between encoded slashes are removed, as in Path"},
		{"/a%2F%2Fb", "/a/b", "empty segments between encoded slashes are removed, as in Path"},
		{"/a|b", "/a|b", "characters that are not escaped stay so"},
	}
	for _, tt := range tests {
		req := resolveGet(t, tt.target)
		got := req.EscapedPath()
		if got != tt.want {
			t.Errorf("EscapedPath of %s = %q, want %q\nwhy: %s", tt.target, got, tt.want, tt.why)
		}
		if path, err := url.PathUnescape(got); path != req.Path() || err != nil {
			t.Errorf("EscapedPath of %s, unescaped: %q, %v, want Path, %q", tt.target, path, err, req.Path())
		}
	}
	for target, want := range map[string]string{"*": "*", "a:80": ""} {
		method := "CONNECT"
		if target == "*" {
			method = "OPTIONS"
		}
		req := requestOf(t, method+" "+target+" HTTP/1.1\r\nHost: a\r\n\r\n")
		if got := req.EscapedPath(); got != want {
			t.Errorf("EscapedPath of %s = %q, want %q", target, got, want)
		}
	}
}

func TestEscapedPathBelowMount(t *testing.T) {
	tests := []struct {
		prefix, target, want string
	}{
		{"/api/", "/api/a%2Fb", "/a%2Fb"},
		{"/api/", "/%61pi/a%2Fb", "/a%2Fb"},
		{"/api/", "/api%2Fa%2Fb", "/a%2Fb"},
		{"/api/", "/api/", "/"},
		{"/api/", "//api/./a%2Fb", "/a%2Fb"},
		{"/caf\u00e9/", "/caf%C3%A9/a%2Fb", "/a%2Fb"},
		{"/api/v 1/", "/api/v%201/a%2Fb", "/a%2Fb"},
		{"/healthz", "/healthz", "/"},
		{"/healthz", "/%68ealthz", "/"},
		{"/", "/a%2Fb", "/a%2Fb"},
	}
	for _, tt := range tests {
		show := resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.Text(200, req.EscapedPath()), nil
		})
		answer := rawhttp.Answer(rawhttp.Mount(tt.prefix, show), "GET "+tt.target+" HTTP/1.1\r\nHost: a\r\n\r\n")
		if _, got, _ := strings.Cut(answer, "\r\n\r\n"); got != tt.want {
			t.Errorf("EscapedPath of %s below Mount(%q) = %q, want %q", tt.target, tt.prefix, got, tt.want)
		}
	}
	nested := rawhttp.Mount("/a/", rawhttp.Mount("/b c/", resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, req.Prefix()+" "+req.EscapedPath()), nil
	})))
	answer := rawhttp.Answer(nested, "GET /a/b%20c/d%2Fe HTTP/1.1\r\nHost: a\r\n\r\n")
	if _, got, _ := strings.Cut(answer, "\r\n\r\n"); got != "/a/b c /d%2Fe" {
		t.Errorf("Prefix and EscapedPath below two Mounts: %q", got)
	}
}

func TestEscapedPathAfterWithPath(t *testing.T) {
	req := resolveGet(t, "/a%2Fb")
	for path, want := range map[string]string{
		"/x y/\u00e9?": "/x%20y/%C3%A9%3F",
		"/a/b":         "/a%2Fb", // the original path
		"/b":           "/b",
		"/100%":        "/100%25",
	} {
		if got := req.WithPath(path).EscapedPath(); got != want {
			t.Errorf("EscapedPath after WithPath(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestEscapedPathAllocs(t *testing.T) {
	for _, target := range []string{"/a/b", "/a%2Fb"} {
		req := resolveGet(t, target)
		req.Path()
		if n := testing.AllocsPerRun(100, func() { req.EscapedPath() }); n > 0 {
			t.Errorf("EscapedPath of %s: %v allocations, want 0", target, n)
		}
	}
}
