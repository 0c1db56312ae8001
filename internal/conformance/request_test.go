package conformance_test

import (
	"cmp"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"example.com/rawhttp"
)

// parse returns the request of a head without its last line.
func parse(t testing.TB, head string) *rawhttp.Request {
	t.Helper()
	req, _, err := rawhttp.ParseRequest([]byte(head + "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestWithConn(t *testing.T) {
	req := parse(t, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n")
	req.Body = strings.NewReader("hi")
	info := rawhttp.ConnInfo{ID: 7, Client: netip.MustParseAddr("192.0.2.1"), TLS: true}
	with := req.WithConn(info)
	if got := with.Conn(); got != info {
		t.Errorf("Conn() = %+v, want %+v", got, info)
	}
	if with.Body != req.Body || with.Path() != "/a" {
		t.Errorf("Body and path %q are not those of the request", with.Path())
	}
	if got := req.Conn(); got != (rawhttp.ConnInfo{}) {
		t.Errorf("Conn() of the original = %+v, want none", got)
	}
	if got := with.WithPath("/b").WithUser("ann").Clone().Conn(); got != info {
		t.Errorf("Conn() of a copy = %+v, want %+v", got, info)
	}
}

// Parse into a copy leaves the request that it is a copy of as it is.
func TestParseIntoCopy(t *testing.T) {
	for name, copied := range map[string]func(*rawhttp.Request) *rawhttp.Request{
		"WithConn": func(r *rawhttp.Request) *rawhttp.Request { return r.WithConn(rawhttp.ConnInfo{}) },
		"WithPath": func(r *rawhttp.Request) *rawhttp.Request { return r.WithPath("/b") },
		"WithUser": func(r *rawhttp.Request) *rawhttp.Request { return r.WithUser("ann") },
		"Clone":    (*rawhttp.Request).Clone,
	} {
		req := parse(t, "GET /first HTTP/1.1\r\nHost: a\r\n")
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
		{"/a/b?c=/d", "/a/b", "the query is no part of it"},
		{"/a%2Fb", "/a%2Fb", "one segment"},
		{"/a%2fb/", "/a%2fb/", "digits as the client has them"},
		{"/caf%C3%A9/%25/%20", "/caf%C3%A9/%25/%20", ""},
		{"/%61%2Fb", "/%61%2Fb", "what need not be encoded too"},
		{"/a%252Fb", "/a%252Fb", "an encoded percent sign"},
		{"http://example.test/a%2Fb", "/a%2Fb", "absolute-form"},
		{"http://example.test", "/", "absolute-form without a path"},
		{"http://example.test?a", "/", ""},
		{"//a%2Fb", "/a%2Fb", "empty segments are none"},
		{"/x/../a%2Fb", "/a%2Fb", "dot segments are removed"},
		{"/x/%2e%2E/a%2Fb/.", "/a%2Fb/", "encoded too (RFC 3986, section 6.2.2.2)"},
		{"/a/b%2F..%2Fc", "/a/c", "an encoded slash that Path has no more"},
		{"/a%2F%2Fb", "/a/b", "two of them"},
		{"/a|b", "/a|b", "what is not escaped stays so"},
	}
	for _, tt := range tests {
		req := parse(t, "GET "+tt.target+" HTTP/1.1\r\nHost: a\r\n")
		got := req.EscapedPath()
		if got != tt.want {
			t.Errorf("EscapedPath of %s = %q, want %q: %s", tt.target, got, tt.want, tt.why)
		}
		if path, err := url.PathUnescape(got); path != req.Path() || err != nil {
			t.Errorf("EscapedPath of %s is %q without its escapes, %v, want Path, %q", tt.target, path, err, req.Path())
		}
	}
	for target, want := range map[string]string{"*": "*", "a:80": ""} {
		method := map[string]string{"*": "OPTIONS"}[target]
		req := parse(t, cmp.Or(method, "CONNECT")+" "+target+" HTTP/1.1\r\nHost: a\r\n")
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
		show := resolve(func(req *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.Text(200, req.EscapedPath()), nil
		})
		answer := rawhttp.Answer(rawhttp.Mount(tt.prefix, show), "GET "+tt.target+" HTTP/1.1\r\nHost: a\r\n\r\n")
		if _, got, _ := strings.Cut(answer, "\r\n\r\n"); got != tt.want {
			t.Errorf("EscapedPath of %s below Mount(%q) = %q, want %q", tt.target, tt.prefix, got, tt.want)
		}
	}
	nested := rawhttp.Mount("/a/", rawhttp.Mount("/b c/", resolve(func(req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, req.Prefix()+" "+req.EscapedPath()), nil
	})))
	answer := rawhttp.Answer(nested, "GET /a/b%20c/d%2Fe HTTP/1.1\r\nHost: a\r\n\r\n")
	if _, got, _ := strings.Cut(answer, "\r\n\r\n"); got != "/a/b c /d%2Fe" {
		t.Errorf("Prefix and EscapedPath below two Mounts: %q", got)
	}
}

func TestEscapedPathAfterWithPath(t *testing.T) {
	req := parse(t, "GET /a%2Fb HTTP/1.1\r\nHost: a\r\n")
	for path, want := range map[string]string{
		"/x y/\u00e9?": "/x%20y/%C3%A9%3F",
		"/a/b":         "/a%2Fb", // the path that it was
		"/b":           "/b",
		"/100%":        "/100%25",
	} {
		if got := req.WithPath(path).EscapedPath(); got != want {
			t.Errorf("EscapedPath after WithPath(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestEscapedPathAllocates(t *testing.T) {
	for _, target := range []string{"/a/b", "/a%2Fb"} {
		req := parse(t, "GET "+target+" HTTP/1.1\r\nHost: a\r\n")
		req.Path()
		if n := testing.AllocsPerRun(100, func() { req.EscapedPath() }); n > 0 {
			t.Errorf("EscapedPath of %s: %v allocations, want none", target, n)
		}
	}
}
