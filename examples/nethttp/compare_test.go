package nethttp

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A request of the table, and the difference between its answers, if there is one.
type request struct {
	name, bytes string
	differs     *difference
}

// A difference is a change that bridges make to the answer of net/http.
type difference struct {
	why     string
	through string // the bridges, separated by blanks; "" means all
	change  func(a *answer)
}

// Differences in the answers of handlers.
var (
	headFraming = &difference{
		why:     "rawhttp sends the framing of the content in the response to HEAD (RFC 9112, section 6.1)",
		through: "resolver front",
		change:  func(a *answer) { a.Framing = "chunked" },
	}
	noTrailerField = &difference{
		why:     "rawhttp announces trailer fields only if they can follow",
		through: "resolver both front",
		change: func(a *answer) {
			a.Fields = slices.DeleteFunc(a.Fields, func(f string) bool { return strings.HasPrefix(f, "Trailer:") })
		},
	}
	noLateTrailer = &difference{
		why:    "a field that is named only after the head cannot become a trailer field of a Response",
		change: func(a *answer) { a.Trailers = nil },
	}
	panicAnswered = &difference{
		why:     "rawhttp answers a panic with 500; net/http closes the connection",
		through: "resolver behind",
		change: func(a *answer) {
			*a = answer{Status: 500, Framing: "length", Content: "500 Internal Server Error\n", Fields: []string{
				"Content-Length: 26", "Content-Type: text/plain; charset=utf-8", "X-Content-Type-Options: nosniff",
			}}
		},
	}
	noInform10 = &difference{
		why:     "1xx responses must not be sent to HTTP/1.0 clients (RFC 9110, section 15.2)",
		through: "resolver both front",
		change:  func(a *answer) { a.Interim = nil },
	}
	optionsAnswered = &difference{
		why: "rawhttp answers OPTIONS with the methods that a 405 allows (RFC 9110, section 9.3.7)",
		change: func(a *answer) {
			*a = answer{Status: 204, Framing: "none", Fields: []string{a.Fields[0], "X-Content-Type-Options: nosniff"}}
		},
	}
	cleanPath = &difference{
		why: "the path of rawhttp is clean, so there is no redirect",
		change: func(a *answer) {
			*a = answer{Status: 200, Framing: "length", Content: "a text\n", Fields: []string{
				"Accept-Ranges: bytes", "Content-Length: 7", "Content-Type: text/plain; charset=utf-8", "Last-Modified: Mon, 02 Nov 2026 08:15:00 GMT",
			}}
		},
	}
)

func get(path string, fields ...string) string { return head("GET", path, fields...) }

func head(method, path string, fields ...string) string {
	s := method + " " + path + " HTTP/1.1\r\nHost: example.test\r\n"
	for _, f := range fields {
		s += f + "\r\n"
	}
	return s + "\r\n"
}

func withContent(method, path, content string, fields ...string) string {
	return head(method, path, append(fields, fmt.Sprint("Content-Length: ", len(content)))...) + content
}

var requests = []request{
	{"file", get("/files/a.txt"), nil},
	{"file with an escaped name", get("/files/a%20b.txt"), nil},
	{"file HEAD", head("HEAD", "/files/a.txt"), nil},
	{"large file", get("/files/big.bin"), nil},
	{"range", get("/files/big.bin", "Range: bytes=5-9"), nil},
	{"ranges", get("/files/a.txt", "Range: bytes=0-1,3-4", "If-Range: Mon, 02 Nov 2026 08:15:00 GMT"), nil},
	{"range not satisfiable", get("/files/a.txt", "Range: bytes=100-"), nil},
	{"not modified", get("/files/a.txt", "If-Modified-Since: Mon, 02 Nov 2026 08:15:00 GMT"), nil},
	{"precondition failed", get("/files/a.txt", "If-Unmodified-Since: Mon, 02 Nov 2020 08:15:00 GMT"), nil},
	{"folder", get("/files/sub/"), nil},
	{"folder without slash", get("/files/sub"), nil},
	{"index", get("/files/index.html"), nil},
	{"missing file", get("/files/none"), nil},
	{"request", get("/request/7/a/b?x=1&y=%20&x=2", "X-A: 1", "X-A: 2", "x-lower: v", "Cookie: a=1; b=2", "Authorization: Basic YTpi"), nil},
	{"request with an encoded slash", get("/request/a%2Fb/c%2Fd"), nil},
	{"request with odd escapes", get("/request/%41/b%c3%a9%7e"), nil},
	{"request HTTP/1.0", "GET /request/7/ HTTP/1.0\r\nHost: example.test\r\n\r\n", nil},
	{"request to a proxy", get("http://example.test/request/7/"), nil},
	{"request, close", get("/request/7/", "Connection: close"), nil},
	{"timeout handler", get("/timeout"), nil},
	{"method not allowed", head("DELETE", "/request/7/"), nil},
	{"unknown path", get("/unknown"), nil},
	{"echo", withContent("POST", "/echo", long(100_000)), nil},
	{"echo of chunks", head("POST", "/echo", "Transfer-Encoding: chunked") + "5\r\nhello\r\n3;x=y\r\nyou\r\n0\r\n\r\n", nil},
	{"body", withContent("POST", "/body", "content"), nil},
	{"body of chunks with trailers", head("POST", "/body", "Transfer-Encoding: chunked", "Trailer: X-Sum") + "5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n", nil},
	{"no body", head("POST", "/body", "Content-Length: 0"), nil},
	{"limited body", withContent("POST", "/limited", "12345"), nil},
	{"body over the limit", withContent("POST", "/limited", long(100)), nil},
	{"expect", head("POST", "/body", "Expect: 100-continue", "Content-Length: 2") + "ok", nil},
	{"form", withContent("POST", "/form?a=1", "b=2&c=3", "Content-Type: application/x-www-form-urlencoded"), nil},
	{"multipart form", withContent("POST", "/form", "--x\r\nContent-Disposition: form-data; name=f\r\n\r\nv\r\n--x--\r\n", "Content-Type: multipart/form-data; boundary=x"), nil},
	{"empty", get("/empty"), nil},
	{"empty HEAD", head("HEAD", "/empty"), headFraming},
	{"html", get("/html"), nil},
	{"html HEAD", head("HEAD", "/html"), nil},
	{"bytes", get("/bytes"), nil},
	{"no type", get("/notype"), nil},
	{"content coding", get("/coded"), nil},
	{"cookies", get("/cookies", "Cookie: c=3; d=4"), nil},
	{"status 201", get("/status/201"), nil},
	{"status 204", get("/status/204"), nil},
	{"status 304", get("/status/304"), nil},
	{"status 404", get("/status/404"), nil},
	{"status 599", get("/status/599"), nil},
	{"length", get("/length/7/7"), nil},
	{"length HEAD", head("HEAD", "/length/7/0"), nil},
	{"length large HEAD", head("HEAD", "/length/70000/0"), nil},
	{"length, too little", get("/length/9000/5000"), nil},
	{"length, too much", get("/length/7/9"), nil},
	{"length large", get("/length/70000/70000"), nil},
	{"content 2048", get("/content/2048"), nil},
	{"content 2049", get("/content/2049"), nil},
	{"content large", get("/content/70000"), nil},
	{"content large HEAD", head("HEAD", "/content/70000"), headFraming},
	{"content large 1.0", "GET /content/70000 HTTP/1.0\r\n\r\n", nil},
	{"flush", get("/flush"), nil},
	{"flush HEAD", head("HEAD", "/flush"), headFraming},
	{"trailer", get("/trailer"), nil},
	{"trailer 1.0", "GET /trailer HTTP/1.0\r\n\r\n", noTrailerField},
	{"trailer, short", get("/trailer/short"), nil},
	{"trailer, late", get("/trailer/late"), noLateTrailer},
	{"abort", get("/abort"), nil},
	{"abort, late", get("/abort/late"), nil},
	{"panic", get("/panic"), panicAnswered},
	{"early hints", get("/early"), nil},
	{"early hints 1.0", "GET /early HTTP/1.0\r\n\r\n", noInform10},
	{"deadline", get("/deadline"), nil},
	{"close", get("/close"), nil},
	{"date", get("/date"), nil},
	{"redirect", get("/redirect"), nil},
	{"OPTIONS", head("OPTIONS", "/request/7/"), optionsAnswered},
	{"path that is not clean", get("/files/../files//a.txt"), cleanPath},
	{"chi parameter", get("/chi/item/7"), nil},
	{"chi escaped parameter", get("/chi/item/a%2Fb"), nil},
	{"chi group", withContent("POST", "/chi/group/", "content"), nil},
	{"chi pattern", withContent("PUT", "/chi/group/abc", "content"), nil},
	{"chi pattern that does not match", withContent("PUT", "/chi/group/123", "content"), nil},
	{"chi method", head("DELETE", "/chi/item/7"), nil},
}

// TestCompare sends each request of the table to a handler behind net/http and behind each
// bridge, and compares the answers.
func TestCompare(t *testing.T) {
	h := site(writeFiles(t))
	plain := serveNetHTTP(t, h)
	resolver := serveRawhttp(t, Resolver(h))
	proxied := serveNetHTTP(t, proxyTo(t, plain))
	compare(t, requests, []bridge{
		{"resolver", plain, resolver},
		{"both", plain, serveNetHTTP(t, Handler(Resolver(h)))},
		{"front", proxied, serveRawhttp(t, Resolver(proxyTo(t, plain)))},
		{"behind", proxied, serveNetHTTP(t, proxyTo(t, resolver))},
	})
}

// A bridge has the addresses of a server without the bridge, and of one with it.
type bridge struct{ name, without, with string }

// unanswered are the requests to which some server sends no response.
var unanswered = []string{"abort", "panic", "length, too much", "streamfunc, abort"}

// compare sends each request to both sides of each bridge, and compares the answers.
func compare(t *testing.T, requests []request, bridges []bridge) {
	for _, r := range requests {
		t.Run(r.name, func(t *testing.T) {
			for _, b := range bridges {
				want, got := ask(t, b.without, r.bytes), ask(t, b.with, r.bytes)
				if want.Status == 0 && !slices.Contains(unanswered, r.name) {
					t.Errorf("%s: there is no answer to compare with", b.name)
				}
				why := "the answers should be equal"
				if d := r.differs; d != nil && (d.through == "" || slices.Contains(strings.Fields(d.through), b.name)) {
					why = d.why
					d.change(&want)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s\nwhy: %s", b.name, diff, why)
				}
			}
		})
	}
}
