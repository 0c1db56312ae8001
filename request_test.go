package rawhttp

import (
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
		t.Error("CONNECT is not known")
	}
}

func TestRequestVersion(t *testing.T) {
	for _, version := range []string{"HTTP/1.0", "HTTP/1.1", "HTTP/1.2", "HTTP/1.9"} {
		if got := requestOf(t, "GET / "+version+"\r\nHost: a\r\n\r\n").Version(); got != version {
			t.Errorf("Version = %q, want %q", got, version)
		}
	}
}

// "A server MUST ignore the received Host header field (if any) and instead use the
// host information of the request-target" in absolute-form. RFC 9112, section 3.2.2.
func TestRequestHost(t *testing.T) {
	tests := []struct{ line, want, why string }{
		{"GET / HTTP/1.1\r\nHost: field.test:81", "field.test:81", "origin-form"},
		{"GET / HTTP/1.1\r\nHost:\t Field.TEST ", "Field.TEST", "as received, without blanks"},
		{"OPTIONS * HTTP/1.1\r\nHost: field.test", "field.test", "asterisk-form"},
		{"GET http://target.test:82/ HTTP/1.1\r\nHost: field.test", "target.test:82", "absolute-form"},
		{"GET http://target.test HTTP/1.0\r\nX: y", "target.test", "absolute-form in HTTP/1.0, no field"},
		{"GET https://[::1]?q HTTP/1.1\r\nHost: field.test", "[::1]", "absolute-form"},
		{"CONNECT target.test:443 HTTP/1.1\r\nHost: field.test", "target.test:443", "authority-form"},
		{"GET / HTTP/1.0\r\nX: y", "", "no Host in HTTP/1.0"},
	}
	for _, tt := range tests {
		if got := requestOf(t, tt.line+"\r\n\r\n").Host(); got != tt.want {
			t.Errorf("Host of %q = %q, want %q: %s", tt.line, got, tt.want, tt.why)
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
		{"a=%zz&b=2", url.Values{"b": {"2"}}, "a bad escape leaves out its pair only"},
		{"a;b=1&c=2", url.Values{"c": {"2"}}, "a semicolon separates nothing"},
		{"%", url.Values{}, ""},
		{"a=?/", url.Values{"a": {"?/"}}, ""},
	}
	for _, tt := range tests {
		req := requestOf(t, "GET /?"+tt.query+" HTTP/1.1\r\nHost: a\r\n\r\n")
		if req.RawQuery() != tt.query {
			t.Errorf("RawQuery = %q, want %q", req.RawQuery(), tt.query)
		}
		if diff := cmp.Diff(tt.want, req.Query()); diff != "" {
			t.Errorf("Query of %q (-want +got):\n%s\nwhy: %s", tt.query, diff, tt.why)
		}
	}
	req := requestOf(t, "GET /?a=1 HTTP/1.1\r\nHost: a\r\n\r\n")
	req.Query().Set("a", "2")
	if got := req.Query().Get("a"); got != "1" {
		t.Errorf("Query gives what a caller changed: %q", got)
	}
}

// "Strings taken from a Request are the caller's for ever."
func TestRequestStringsStay(t *testing.T) {
	b := []byte("PUT /%61b?q HTTP/1.1\r\nHost: first.test\r\nX: value\r\n\r\n")
	var r Request
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
		t.Errorf("strings of the request before (-want +got):\n%s", diff)
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

func TestRequestClone(t *testing.T) {
	const in = "PUT /%61b?q HTTP/1.1\r\nHost: first.test\r\nX: value\r\nContent-Length: 3\r\n\r\n"
	for _, name := range []string{"of a request that gave no string", "of one that did"} {
		var r Request
		if _, err := r.Parse([]byte(in)); err != nil {
			t.Fatal(err)
		}
		r.Body = strings.NewReader("abc")
		info := &ConnInfo{ID: 7}
		r.conn = info
		r.prefix = "/mounted"
		want := wholeOf(requestOf(t, in))
		if name == "of one that did" {
			_ = r.Header().Get("X") + r.Path()
		}
		c := r.Clone()
		if b, err := io.ReadAll(c.Body); len(b) != 0 || err != nil {
			t.Errorf("%s: Body of the clone gives %q, %v, want none", name, b, err)
		}
		if b, err := io.ReadAll(r.Body); string(b) != "abc" || err != nil {
			t.Errorf("%s: Clone took the Body: %q, %v are left", name, b, err)
		}
		if _, err := r.Parse([]byte("DELETE /other/path?and=a+query HTTP/1.0\r\nHH: second.test\r\nYY: another value\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		info.ID = 8 // the connection goes on
		if diff := cmp.Diff(want, wholeOf(c)); diff != "" {
			t.Errorf("%s: the clone after another Parse (-want +got):\n%s", name, diff)
		}
		if c.Conn().ID != 7 || c.Prefix() != "/mounted" {
			t.Errorf("%s: Conn().ID = %d, Prefix = %q, want 7, /mounted", name, c.Conn().ID, c.Prefix())
		}
		// And the other way round: what becomes of the clone is nothing to r.
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
		t.Errorf("WithUser gives a request with the path %q and the target %q, and the same Body: %v", w.Path(), w.Target(), w.Body == req.Body)
	}
	for name, tt := range map[string]struct {
		req  *Request
		want string
	}{
		"the request that it was called on": {req, ""}, "itself": {w, "ann"}, "WithUser of it": {w.WithUser("bob"), "bob"}, "WithUser of it, of nobody": {w.WithUser(""), ""},
		"WithPath of it": {w.WithPath("/b"), "ann"}, "its Clone": {w.Clone(), "ann"}, "it, below a Mount": {w.below("/a", "/"), "ann"},
	} {
		if tt.req.user != tt.want {
			t.Errorf("the user of %s is %q, want %q", name, tt.req.user, tt.want)
		}
	}
	if _, err := w.Parse([]byte("GET / HTTP/1.1\r\nHost: h\r\n\r\n")); err != nil || w.user != "" {
		t.Errorf("after Parse, %v, the user is %q, want none", err, w.user)
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
		t.Errorf("the request that WithPath was called on (-want +got):\n%s", diff)
	}
	if w.Body != req.Body {
		t.Error("WithPath does not share the Body")
	}
	if got := w.WithPath("/e").Path() + w.Path() + w.Clone().Path(); got != "/e/b c/../d/b c/../d" {
		t.Errorf("paths of WithPath of WithPath, of itself and of its Clone: %s", got)
	}
	if got := string(w.Head()); got != string(req.Head()) {
		t.Errorf("Head of WithPath = %q, want the head as received", got)
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
		t.Error("the Kelvin sign is taken for the token k")
	}
	if got := h.Get("~X"); got != "2" {
		t.Errorf(`Get("~X") = %q, want "2": ^ and ~ are no two cases of one letter`, got)
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
		t.Errorf("what came before break (-want +got):\n%s", diff)
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
	var h Header
	if h.Len() != 0 || h.Get("Host") != "" || h.HasToken("Connection", "close") {
		t.Errorf("the zero Header is not empty: %d lines", h.Len())
	}
	for name := range h.All() {
		t.Errorf("the zero Header has a field %q", name)
	}
	for value := range h.Values("Host") {
		t.Errorf("the zero Header has a Host %q", value)
	}
}

// "The zero Request is empty and only good for Request.Parse."
func TestZeroRequest(t *testing.T) {
	var r Request
	callEverything(t, &r)
	if r.isKnownMethod() || r.isGet() || r.isHead() || r.isOptions() {
		t.Error("the zero Request has a method")
	}
	if _, err := r.Parse([]byte("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")); err != nil || r.Path() != "/a" {
		t.Errorf("Parse = %v, Path = %q", err, r.Path())
	}
	if r.Body == nil {
		t.Error("Body is nil after Parse")
	}
}

// The common methods and the versions cost nothing, all other strings of one
// request share one allocation.
func TestRequestStringAllocs(t *testing.T) {
	in := []byte("GET /%61?q HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n")
	var r Request
	for _, tt := range []struct {
		what string
		use  func()
		want float64
	}{
		{"method and version", func() {
			if r.Method() != "GET" || r.Version() != "HTTP/1.1" {
				t.Error("method or version is another")
			}
		}, 0},
		{"all strings", func() {
			if r.Target() == "" || r.Path() == "" || r.RawQuery() == "" || r.Host() == "" || r.Header().Get("x") == "" {
				t.Error("a string is missing")
			}
			for name, value := range r.Header().All() {
				if name == value {
					t.Error("name and value are one")
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
