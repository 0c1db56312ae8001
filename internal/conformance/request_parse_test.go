package conformance_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// parsedHead has everything that a Request reports about its head.
type parsedHead struct {
	Method, Target, Version string
	Path, Query, Host       string
	Fields                  [][2]string // names and values, in order
	Length                  int64
}

func parsedOf(r *rawhttp.Request) parsedHead {
	p := parsedHead{
		Method: r.Method(), Target: r.Target(), Version: r.Version(),
		Path: r.Path(), Query: r.RawQuery(), Host: r.Host(), Length: r.ContentLength(),
	}
	for name, value := range r.Header().All() {
		p.Fields = append(p.Fields, [2]string{name, value})
	}
	return p
}

var parsedHeads = []struct {
	in   string
	want parsedHead
	rest string
}{{
	in:   "GET / HTTP/1.0\r\n\r\n",
	want: parsedHead{Method: "GET", Target: "/", Version: "HTTP/1.0", Path: "/"},
}, {
	in: "GET /a%20b/?c HTTP/1.1\r\nx-B: 1\r\nHOST: a\r\nX-A: 2\r\nX-b: 3\r\n\r\nGET /next",
	want: parsedHead{
		Method: "GET", Target: "/a%20b/?c", Version: "HTTP/1.1", Path: "/a b/", Query: "c", Host: "a",
		Fields: [][2]string{{"x-B", "1"}, {"HOST", "a"}, {"X-A", "2"}, {"X-b", "3"}},
	},
	rest: "GET /next",
}, {
	in: "POST http://b.test:80/p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
	want: parsedHead{
		Method: "POST", Target: "http://b.test:80/p", Version: "HTTP/1.1", Path: "/p", Host: "b.test:80", Length: -1,
		Fields: [][2]string{{"Host", "a"}, {"Transfer-Encoding", "Chunked"}},
	},
	rest: "0\r\n\r\n",
}, {
	in:   "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
	want: parsedHead{Method: "OPTIONS", Target: "*", Version: "HTTP/1.1", Path: "*", Host: "a", Fields: [][2]string{{"Host", "a"}}},
}}

func TestRequestParseReuse(t *testing.T) {
	var r rawhttp.Request
	for round := range 2 {
		for _, tt := range parsedHeads {
			rest, err := r.Parse([]byte(tt.in))
			if err != nil {
				t.Fatalf("round %d: Parse(%q) = %v", round, tt.in, err)
			}
			if diff := cmp.Diff(tt.want, parsedOf(&r)); diff != "" {
				t.Errorf("round %d: Parse(%q) (-want +got):\n%s", round, tt.in, diff)
			}
			if string(rest) != tt.rest {
				t.Errorf("round %d: Parse(%q) rest = %q, want %q", round, tt.in, rest, tt.rest)
			}
		}
	}
}

// After Parse has failed, the Request is empty: it has no parts of the refused request or of the
// previous one.
func TestRequestParseFails(t *testing.T) {
	inputs := []string{
		"", "GET / HTTP/1.1\r\nHost: a\r\n", "GET /x HTTP/1.1\r\nHost: a\r\nX: y", "G@T / HTTP/1.1\r\n", "GET /#a HTTP/1.1\r\n",
		"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
	}
	for _, in := range inputs {
		var r rawhttp.Request
		if _, err := r.Parse([]byte("POST /p?q HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		rest, err := r.Parse([]byte(in))
		if err == nil || rest != nil {
			t.Errorf("Parse(%q) = %q, %v, want an error and no rest", in, rest, err)
		}
		wantEmpty(t, in, &r)
	}
}

// wantEmpty checks every method of a Request after Parse has failed with in.
func wantEmpty(t *testing.T, in string, r *rawhttp.Request) {
	t.Helper()
	for name, got := range map[string]string{
		"Method": r.Method(), "Target": r.Target(), "Path": r.Path(), "RawQuery": r.RawQuery(), "Host": r.Host(),
		"Prefix": r.Prefix(), "Head": string(r.Head()), "Query": r.Query().Encode(),
		"Header.Get": r.Header().Get("Host"), "Trailer.Get": r.Trailer().Get("Host"),
		"Clone.Path": r.Clone().Path(), "WithPath.Target": r.WithPath("/p").Target(),
	} {
		if got != "" {
			t.Errorf("after Parse(%q): %s = %q, want none", in, name, got)
		}
	}
	if n := r.Header().Len() + r.Trailer().Len(); n != 0 {
		t.Errorf("%d field lines, want 0", n)
	}
	if n := r.ContentLength(); n != 0 {
		t.Errorf("ContentLength = %d, want 0", n)
	}
	if c := r.Conn(); c.ID != 0 || c.NetConn != nil {
		t.Errorf("Conn = %v, want none", c)
	}
	_ = r.Version()
}

func TestRequestParseAllocs(t *testing.T) {
	for _, tt := range parsedHeads {
		var r rawhttp.Request
		b := []byte(tt.in)
		allocs := testing.AllocsPerRun(100, func() {
			if _, err := r.Parse(b); err != nil {
				t.Fatalf("Parse(%q) = %v", tt.in, err)
			}
		})
		if allocs != 0 {
			t.Errorf("Parse(%q) into a reused Request: %v allocations, want 0", tt.in, allocs)
		}
	}
}

func BenchmarkHeaderGet(b *testing.B) {
	req, _, err := rawhttp.ParseRequest([]byte(testkit.BrowserHead))
	if err != nil {
		b.Fatal(err)
	}
	h := req.Header()
	for _, name := range []string{"host", "Priority", "If-None-Match"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.Get(name)
			}
		})
	}
}

// The zero Request is empty and can be parsed into.
func TestZeroRequest(t *testing.T) {
	var r rawhttp.Request
	wantEmpty(t, "nothing", &r)
	if _, err := r.Parse([]byte("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")); err != nil || r.Path() != "/a" {
		t.Errorf("Parse = %v, Path = %q", err, r.Path())
	}
	if r.Body == nil {
		t.Error("Body is nil after Parse")
	}
}
