package rawhttp

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp/internal/wire"
)

// requestOf parses a head, or fails the test.
func requestOf(t testing.TB, in string) *Request {
	t.Helper()
	req, _, err := ParseRequest([]byte(in))
	if err != nil {
		t.Fatalf("ParseRequest(%q) = %v", in, err)
	}
	return req
}

func TestRequestMethods(t *testing.T) {
	for _, tt := range []struct {
		method                string
		known, get, head, opt bool
	}{
		{method: "GET", known: true, get: true},
		{method: "HEAD", known: true, head: true},
		{method: "OPTIONS", known: true, opt: true},
		{method: "POST", known: true},
		{method: "PUT", known: true},
		{method: "DELETE", known: true},
		{method: "TRACE", known: true},
		{method: "PATCH", known: true},
		{method: "get"},
		{method: "GETS"},
		{method: "Head"},
		{method: "PROPFIND"},
		{method: "M-SEARCH"},
		{method: strings.Repeat("M", 64)},
	} {
		req := requestOf(t, tt.method+" / HTTP/1.1\r\nHost: a\r\n\r\n")
		if got := req.Method(); got != tt.method {
			t.Errorf("Method = %q, want %q", got, tt.method)
		}
		want := [...]bool{tt.known, tt.get, tt.head, tt.opt}
		if diff := cmp.Diff(want, [...]bool{req.isKnownMethod(), req.isGet(), req.isHead(), req.isOptions()}); diff != "" {
			t.Errorf("%s: known, GET, HEAD, OPTIONS (-want +got):\n%s", tt.method, diff)
		}
	}
	if req := requestOf(t, "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"); !req.isKnownMethod() {
		t.Error("isKnownMethod reports false for CONNECT")
	}
}

func TestRequestClone(t *testing.T) {
	const in = "PUT /%61b?q HTTP/1.1\r\nHost: first.test\r\nX: value\r\nContent-Length: 3\r\n\r\n"
	for _, name := range []string{"before any accessor", "after accessors"} {
		var r Request
		if _, err := r.Parse([]byte(in)); err != nil {
			t.Fatal(err)
		}
		r.Body = strings.NewReader("abc")
		info := &ConnInfo{ID: 7}
		r.connInfo = info
		r.prefix = "/mounted"
		want := wholeOf(requestOf(t, in))
		if name == "after accessors" {
			_ = r.Header().Get("X") + r.Path()
		}
		c := r.Clone()
		if b, err := io.ReadAll(c.Body); len(b) != 0 || err != nil {
			t.Errorf("%s: Body of the clone = %q, %v, want no content", name, b, err)
		}
		if b, err := io.ReadAll(r.Body); string(b) != "abc" || err != nil {
			t.Errorf("%s: Body after Clone = %q, %v, want abc", name, b, err)
		}
		if _, err := r.Parse([]byte("DELETE /other/path?and=a+query HTTP/1.0\r\nHH: second.test\r\nYY: another value\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		info.ID = 8 // the connection persists
		if diff := cmp.Diff(want, wholeOf(c)); diff != "" {
			t.Errorf("%s: the clone after another Parse (-want +got):\n%s", name, diff)
		}
		if c.Conn().ID != 7 || c.Prefix() != "/mounted" {
			t.Errorf("%s: Conn().ID = %d, Prefix = %q, want 7, /mounted", name, c.Conn().ID, c.Prefix())
		}
		// The reverse too: changes to the clone do not affect r.
		before := wholeOf(&r)
		if _, err := c.Parse([]byte(in)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, wholeOf(&r)); diff != "" {
			t.Errorf("%s: r after the clone was parsed into (-want +got):\n%s", name, diff)
		}
	}
}

func TestRequestWithUser(t *testing.T) {
	req := requestOf(t, "PUT /a?q HTTP/1.1\r\nHost: h\r\n\r\n")
	req.Body = strings.NewReader("content")
	w := req.WithUser("ann")
	if w.Body != req.Body || w.Path() != "/a" || w.Target() != "/a?q" {
		t.Errorf("WithUser returns a request with path %q, target %q, and the same Body: %v; want /a, /a?q, true", w.Path(), w.Target(), w.Body == req.Body)
	}
	for name, tt := range map[string]struct {
		req  *Request
		want string
	}{
		"the original": {req, ""}, "the result": {w, "ann"}, "the result with another user": {w.WithUser("bob"), "bob"}, "the result with no user": {w.WithUser(""), ""},
		"the result with another path": {w.WithPath("/b"), "ann"}, "its Clone": {w.Clone(), "ann"}, "the result below a Mount": {w.below("/a", "/"), "ann"},
	} {
		if tt.req.user != tt.want {
			t.Errorf("the user in %s is %q, want %q", name, tt.req.user, tt.want)
		}
	}
	before := wholeOf(req)
	if _, err := w.Parse([]byte("GET / HTTP/1.1\r\nHost: h\r\n\r\n")); err != nil || w.user != "" {
		t.Errorf("Parse = %v; the user after it is %q, want none", err, w.user)
	}
	if diff := cmp.Diff(before, wholeOf(req)); diff != "" {
		t.Errorf("the original after Parse of the result (-want +got):\n%s", diff)
	}
}

func TestRequestWithPath(t *testing.T) {
	req := requestOf(t, "PUT /a?q HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n")
	req.Body = strings.NewReader("content")
	req.prefix = "/p"
	w := req.WithPath("/b c/../d")
	type view struct{ Path, Target, Query, Host, Method, Prefix, X string }
	of := func(r *Request) view {
		return view{r.Path(), r.Target(), r.RawQuery(), r.Host(), r.Method(), r.Prefix(), r.Header().Get("x")}
	}
	if diff := cmp.Diff(view{"/b c/../d", "/a?q", "q", "h", "PUT", "/p", "y"}, of(w)); diff != "" {
		t.Errorf("WithPath (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(view{"/a", "/a?q", "q", "h", "PUT", "/p", "y"}, of(req)); diff != "" {
		t.Errorf("the original request after WithPath (-want +got):\n%s", diff)
	}
	if w.Body != req.Body {
		t.Error("WithPath returns a request with another Body, want the same")
	}
	if got := w.WithPath("/e").Path() + w.Path() + w.Clone().Path(); got != "/e/b c/../d/b c/../d" {
		t.Errorf("paths of a second WithPath, of the first, and of its Clone: %s, want /e/b c/../d/b c/../d", got)
	}
	if got := string(w.Head()); got != string(req.Head()) {
		t.Errorf("Head of WithPath = %q, want the head as received", got)
	}
}

func TestZeroRequestHasNoMethod(t *testing.T) {
	var r Request
	if r.isKnownMethod() || r.isGet() || r.isHead() || r.isOptions() {
		t.Error("the zero Request has a method")
	}
}

// parsedHead has everything that a Request reports about its head.
type parsedHead struct {
	Method, Target, Version string
	Path, Query, Host       string
	Fields                  [][2]string // names and values, in order
	Length                  int64
}

func parsedOf(r *Request) parsedHead {
	p := parsedHead{
		Method: r.Method(), Target: r.Target(), Version: r.Version(),
		Path: r.Path(), Query: r.RawQuery(), Host: r.Host(), Length: r.ContentLength(),
	}
	for name, value := range r.Header().All() {
		p.Fields = append(p.Fields, [2]string{name, value})
	}
	return p
}

// parsedWhole is parsedHead and the fields that only the server uses.
type parsedWhole struct {
	Told    parsedHead
	Persist bool
	Expect  wire.Expectation
	Form    wire.TargetForm
	Head    string
}

func wholeOf(r *Request) parsedWhole {
	return parsedWhole{parsedOf(r), r.head.Persist, r.head.Expect, r.head.Form, string(r.Head())}
}

// Nothing remains of the previous request, even if the heads have the same length.
func TestRequestParseResets(t *testing.T) {
	const first, second = "PUT /a?b HTTP/1.1\r\nHost: ccccc\r\nX: y\r\n\r\n", "GET /d%65 HTTP/1.1\r\nHost: f\r\nZ: w\r\n\r\n"
	var r Request
	if _, err := r.Parse([]byte(first)); err != nil {
		t.Fatal(err)
	}
	wholeOf(&r) // creates the strings
	r.Body, r.prefix, r.rewrite, r.trailer, r.connInfo = strings.NewReader("content"), "/p", "/q", new(r.Header()), &ConnInfo{ID: 7}
	if _, err := r.Parse([]byte(second)); err != nil {
		t.Fatal(err)
	}
	want := requestOf(t, second)
	if diff := cmp.Diff(wholeOf(want), wholeOf(&r)); diff != "" {
		t.Errorf("Parse(%q) after Parse(%q) (-want +got):\n%s", second, first, diff)
	}
	if n, err := r.Body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("Body.Read = %d, %v, want 0, EOF", n, err)
	}
	if r.Prefix() != "" || r.Trailer().Len() != 0 || r.Conn().ID != 0 {
		t.Errorf("Prefix = %q, Trailer of %d lines, Conn().ID = %d, want none", r.Prefix(), r.Trailer().Len(), r.Conn().ID)
	}
	if len(want.head.Text) != len(first) {
		t.Errorf("the heads have %d and %d bytes; this test needs heads of the same length", len(want.head.Text), len(first))
	}
}
