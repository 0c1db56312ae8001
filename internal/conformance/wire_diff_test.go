package conformance_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// A wireReading is the result of parsing a head.
type wireReading struct {
	Method, Target, Host string
	Fields               map[string][]string // by canonical name, in order
	Length               int64
	Rest                 string
}

// wireDiffers has the only heads that ParseRequest accepts and that net/http refuses or parses
// differently, with the rule for each. Otherwise ParseRequest may be stricter than net/http, but
// never laxer.
var wireDiffers = []struct {
	why   string
	match func(req *rawhttp.Request) bool
}{{
	why: `a leading CRLF: "a server that is expecting to receive and parse a request-line SHOULD ignore at least one
		empty line (CRLF) received prior to the request-line"; RFC 9112, section 2.2`,
	match: func(req *rawhttp.Request) bool { return bytes.HasPrefix(req.Head(), []byte("\r\n")) },
}, {
	why: `a percent-encoded ASCII byte in the authority of an absolute-form: reg-name = *( unreserved / pct-encoded /
		sub-delims ); RFC 3986, section 3.2.2`,
	match: func(req *rawhttp.Request) bool {
		return !strings.HasPrefix(req.Target(), "/") && strings.Contains(req.Host(), "%")
	},
}}

// wireValidHeads are valid heads in addition to those of the transcripts.
var wireValidHeads = []string{
	// Request lines.
	"GET / HTTP/1.0\r\n\r\n",
	get11,
	"HEAD /index.html HTTP/1.1\r\nHost: a\r\n\r\n",
	"PUT /a/b/c HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
	"DELETE /a HTTP/1.1\r\nHost: a\r\n\r\n",
	"PATCH /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
	"OPTIONS /a HTTP/1.1\r\nHost: a\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
	"OPTIONS * HTTP/1.0\r\n\r\n",
	"TRACE /a HTTP/1.1\r\nHost: a\r\n\r\n",
	"PROPFIND /a/ HTTP/1.1\r\nHost: a\r\nDepth: 1\r\n\r\n",
	"M-SEARCH /a HTTP/1.1\r\nHost: 239.255.255.250:1900\r\n\r\n",
	"!#$%&'*+-.^_`|~09AZaz / HTTP/1.1\r\nHost: a\r\n\r\n",
	"get / HTTP/1.1\r\nHost: a\r\n\r\n",
	"PRI / HTTP/1.1\r\nHost: a\r\n\r\n",
	"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n",
	"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
	"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n",
	"GET / HTTP/1.3\r\nHost: a\r\n\r\n",
	// Targets.
	"GET // HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET //b.test/c HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET ///b/../c HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /%2e%2E/%2F%41?%41 HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /%01%7f%80%FF HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /a:b@c;d=e,f&g=h HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /http://b.test/ HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /? HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /?a=b&a=c?d=/e//f HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /?;%3b&&=&+%2b HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET http://b.test HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET http://b.test:80/a HTTP/1.1\r\nHost: b.test:80\r\n\r\n",
	"GET http://b.test:/a HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET HTTPS://B.test/a?b HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET http://[2001:db8::1]:8080/ HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET http://127.0.0.1/ HTTP/1.0\r\n\r\n",
	"GET http://a%41.test/ HTTP/1.1\r\nHost: a\r\n\r\n",
	"OPTIONS http://b.test HTTP/1.1\r\nHost: a\r\n\r\n",
	"POST http://b.test/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
	// Host.
	"GET / HTTP/1.1\r\nHost: A.Test:8080\r\n\r\n",
	"GET / HTTP/1.1\r\nhOST:a.test\r\n\r\n",
	"GET / HTTP/1.1\r\nX: y\r\nHost: \t [::1]:80 \t\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a.test:\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a_b!$&'()*+,;=-~.test\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: %41%c3%a9.test\r\n\r\n",
	"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
	// Fields.
	"GET / HTTP/1.1\r\nHost: a\r\nX:\r\nX: \r\nx:\t\r\nX: a\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX: a\tb  c\r\nX:a\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX: \x80\xff\xc3\xa9\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~: a:b:c\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nAccept: a, b;q=0.5,\"c,\\\"d\"\r\naccept: e\r\nACCEPT: f\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=b; c=d\r\nCookie: e=f\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nContent_Type: b\r\n1: 2\r\n\r\n",
	// Framing.
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\ncontent-length:\t5\t\r\n\r\nhello",
	"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999999999\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\ntransfer-ENCODING: \t CHUNKED \t\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nExpect: 100-continue\r\n\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X, Y\r\nTrailer: Z\r\n\r\n0\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nTrailer: X\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\n\r\nhello",
}

// TestWireAgreesWithNetHTTP checks that net/http accepts what we accept, with the same
// result.
func TestWireAgreesWithNetHTTP(t *testing.T) {
	var heads []string
	for _, f := range readWireFiles(t) {
		for _, talk := range f.talks {
			heads = append(heads, wireHeads(talk.client())...)
		}
	}
	if len(heads) < 100 {
		t.Errorf("the transcripts have only %d accepted heads", len(heads))
	}
	for _, head := range wireValidHeads {
		if _, _, err := rawhttp.ParseRequest([]byte(head)); err != nil {
			t.Errorf("ParseRequest(%q) = %v, want success", head, err)
		}
		heads = append(heads, head)
	}
	seen := make(map[int]bool) // exceptions that were needed
	for _, head := range heads {
		req, rest, err := rawhttp.ParseRequest([]byte(head))
		if err != nil {
			continue
		}
		diff, err := wireDiff(head, req, rest)
		if err != nil {
			diff = err.Error()
		}
		except := slices.IndexFunc(wireDiffers, func(d struct {
			why   string
			match func(*rawhttp.Request) bool
		}) bool {
			return d.match(req)
		})
		if diff != "" && except < 0 {
			t.Errorf("ParseRequest(%q) differs from net/http (-net/http +ParseRequest):\n%s", wireQuote(head), diff)
		}
		if diff != "" && except >= 0 {
			seen[except] = true
		}
	}
	for i, d := range wireDiffers {
		if !seen[i] {
			t.Errorf("net/http no longer differs in: %s", d.why)
		}
	}
}

// wireHeads returns the rest of the input from each head on. It finds heads after requests without
// content only.
func wireHeads(in []byte) (heads []string) {
	for len(in) > 0 {
		heads = append(heads, string(in))
		req, rest, err := rawhttp.ParseRequest(in)
		if err != nil || req.ContentLength() != 0 {
			break
		}
		in = rest
	}
	return heads
}

// FuzzHeadAgreesWithNetHTTP checks that net/http accepts the heads that ParseRequest accepts, with
// the same result.
func FuzzHeadAgreesWithNetHTTP(f *testing.F) {
	for _, s := range testkit.HeadSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		req, rest, err := rawhttp.ParseRequest(in)
		if err != nil {
			return
		}
		head := strings.TrimPrefix(string(in), "\r\n") // see wireDiffers
		if diff, err := wireDiff(head, req, rest); err != nil && !mayRefuse(req) || diff != "" {
			t.Errorf("ParseRequest(%q) differs from net/http: %v (-net/http +ParseRequest):\n%s", in, err, diff)
		}
	})
}

// mayRefuse reports whether net/http may refuse a head that we accept. net/url requires
// percent-encoding in hosts to be of non-ASCII UTF-8, and ports to be numbers, while we accept
// an empty port as the RFC does (RFC 3986, sections 3.2.2 and 3.2.3); and it rejects a colon in
// the first segment.
func mayRefuse(req *rawhttp.Request) bool {
	target := req.Target()
	return target != "*" && !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "//")
}

// wireDiff compares the result of ParseRequest for a head with that of net/http, which may be an
// error.
func wireDiff(head string, req *rawhttp.Request, rest []byte) (diff string, err error) {
	br := bufio.NewReaderSize(strings.NewReader(head), len(head)+16)
	theirs, err := http.ReadRequest(br)
	if err != nil {
		return "", err
	}
	theirRest, err := io.ReadAll(br)
	if err != nil {
		return "", err
	}
	want := wireReading{
		Method: theirs.Method, Target: theirs.RequestURI, Host: theirs.Host,
		Fields: theirs.Header, Length: theirs.ContentLength, Rest: string(theirRest),
	}
	got := wireReading{
		Method: req.Method(), Target: req.Target(), Host: req.Host(),
		Fields: make(map[string][]string), Length: req.ContentLength(), Rest: string(rest),
	}
	delete(want.Fields, "Trailer")
	for name, value := range req.Header().All() {
		name = http.CanonicalHeaderKey(name)
		switch name {
		case "Host", "Transfer-Encoding", "Trailer": // net/http removes these, Trailer from chunked requests
			continue
		}
		got.Fields[name] = append(got.Fields[name], value)
	}
	if n := want.Fields["Content-Length"]; len(n) == 1 { // net/http accepts only one spelling
		if length, err := strconv.ParseInt(n[0], 10, 64); err != nil || length != want.Length {
			return "net/http: Content-Length " + n[0], nil
		}
	}
	return cmp.Diff(want, got), nil
}
