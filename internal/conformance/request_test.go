package conformance_test

import (
	"net/netip"
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
