package wire

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// parsedHead has everything that a request reports about its head.
type parsedHead struct {
	Method, Target, Version string
	Path, Query, Host       string
	Fields                  [][2]string // names and values, in order
	Length                  int64
}

func parsedOf(r *request) parsedHead {
	p := parsedHead{
		Method: r.Method(), Target: r.Target(), Version: r.Version(),
		Path: r.Path(), Query: r.RawQuery(), Host: r.Host(), Length: r.ContentLength(),
	}
	for name, value := range r.all() {
		p.Fields = append(p.Fields, [2]string{name, value})
	}
	return p
}

// parsedWhole is parsedHead and the fields that only the server uses.
type parsedWhole struct {
	Told    parsedHead
	Persist bool
	Expect  Expectation
	Form    TargetForm
	Head    string
}

func wholeOf(r *request) parsedWhole {
	return parsedWhole{parsedOf(r), r.head.Persist, r.head.Expect, r.head.Form, string(r.Head())}
}

type parseAccept struct {
	name, in string
	want     parsedHead
	rest     string
	why      string
}

var parseAccepts = []parseAccept{{
	name: "shortest",
	in:   "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	want: parsedHead{Method: "GET", Target: "/", Version: "HTTP/1.1", Path: "/", Host: "a", Fields: [][2]string{{"Host", "a"}}},
}, {
	name: "shortest of HTTP/1.0",
	in:   "GET / HTTP/1.0\r\n\r\n",
	want: parsedHead{Method: "GET", Target: "/", Version: "HTTP/1.0", Path: "/"},
	why:  "Host is required from HTTP/1.1 on (RFC 9112, section 3.2)",
}, {
	name: "field lines in order, names as received",
	in:   "GET / HTTP/1.1\r\nx-B: 1\r\nHOST: a\r\nX-A: 2\r\nX-b: 3\r\n\r\n",
	want: parsedHead{
		Method: "GET", Target: "/", Version: "HTTP/1.1", Path: "/", Host: "a",
		Fields: [][2]string{{"x-B", "1"}, {"HOST", "a"}, {"X-A", "2"}, {"X-b", "3"}},
	},
	why: "order and case are preserved",
}, {
	name: "blanks around a field value",
	in:   "GET / HTTP/1.1\r\nHost:a\r\nX: \t v\tw \t \r\nEmpty:\r\nBlank: \t \r\n\r\n",
	want: parsedHead{
		Method: "GET", Target: "/", Version: "HTTP/1.1", Path: "/", Host: "a",
		Fields: [][2]string{{"Host", "a"}, {"X", "v\tw"}, {"Empty", ""}, {"Blank", ""}},
	},
	why: "OWS on both sides is not part of the value (RFC 9112, section 5.1)",
}, {
	name: "obs-text in a field value",
	in:   "GET / HTTP/1.1\r\nHost: a\r\nX: \x80q\xff\r\n\r\n",
	want: parsedHead{
		Method: "GET", Target: "/", Version: "HTTP/1.1", Path: "/", Host: "a",
		Fields: [][2]string{{"Host", "a"}, {"X", "\x80q\xff"}},
	},
	why: "opaque data (RFC 9110, section 5.5)",
}, {
	name: "every byte of a token in a field name",
	in:   "GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~09azAZ: v\r\n\r\n",
	want: parsedHead{
		Method: "GET", Target: "/", Version: "HTTP/1.1", Path: "/", Host: "a",
		Fields: [][2]string{{"Host", "a"}, {"!#$%&'*+-.^_`|~09azAZ", "v"}},
	},
	why: "RFC 9110, section 5.6.2",
}, {
	name: "field name with underscores",
	in:   "GET / HTTP/1.1\r\nHost: a\r\nX_Y: v\r\nHost_: b\r\n\r\n",
	want: parsedHead{
		Method: "GET", Target: "/", Version: "HTTP/1.1", Path: "/", Host: "a",
		Fields: [][2]string{{"Host", "a"}, {"X_Y", "v"}, {"Host_", "b"}},
	},
	why: "only names that could become those of framing fields are refused",
}, {
	name: "leading empty line",
	in:   "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	want: parsedHead{Method: "GET", Target: "/", Version: "HTTP/1.1", Path: "/", Host: "a", Fields: [][2]string{{"Host", "a"}}},
	why:  "a server SHOULD ignore at least one (RFC 9112, section 2.2); we ignore one",
}, {
	name: "unknown method, case kept",
	in:   "get / HTTP/1.1\r\nHost: a\r\n\r\n",
	want: parsedHead{Method: "get", Target: "/", Version: "HTTP/1.1", Path: "/", Host: "a", Fields: [][2]string{{"Host", "a"}}},
	why:  "methods are case-sensitive, and a resolver may support others (RFC 9110, section 9.1)",
}, {
	name: "a higher minor version",
	in:   "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
	want: parsedHead{Method: "GET", Target: "/", Version: "HTTP/1.2", Path: "/", Host: "a", Fields: [][2]string{{"Host", "a"}}},
	why:  "processed as the highest version supported (RFC 9110, section 2.5)",
}, {
	name: "minor version 9",
	in:   "GET / HTTP/1.9\r\nHost: a\r\n\r\n",
	want: parsedHead{Method: "GET", Target: "/", Version: "HTTP/1.9", Path: "/", Host: "a", Fields: [][2]string{{"Host", "a"}}},
}, {
	name: "printable ASCII outside the grammar of a target",
	in:   "GET /|{}^\"<>`?|{}^\"\\ HTTP/1.1\r\nHost: a\r\n\r\n",
	want: parsedHead{
		Method: "GET", Target: "/|{}^\"<>`?|{}^\"\\", Version: "HTTP/1.1", Path: "/|{}^\"<>`", Query: "|{}^\"\\", Host: "a",
		Fields: [][2]string{{"Host", "a"}},
	},
	why: "browsers send them; a backslash is refused only in the path",
}, {
	name: "content with a length",
	in:   "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: \t5 \r\n\r\nhello",
	want: parsedHead{
		Method: "POST", Target: "/p", Version: "HTTP/1.1", Path: "/p", Host: "a", Length: 5,
		Fields: [][2]string{{"Host", "a"}, {"Content-Length", "5"}},
	},
	rest: "hello",
	why:  "the content is left to the caller",
}, {
	name: "chunked content",
	in:   "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
	want: parsedHead{
		Method: "POST", Target: "/p", Version: "HTTP/1.1", Path: "/p", Host: "a", Length: -1,
		Fields: [][2]string{{"Host", "a"}, {"Transfer-Encoding", "Chunked"}},
	},
	rest: "0\r\n\r\n",
	why:  "names of transfer codings are case-insensitive (RFC 9112, section 7)",
}, {
	name: "pipelined",
	in:   "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
	want: parsedHead{Method: "GET", Target: "/a", Version: "HTTP/1.1", Path: "/a", Host: "a", Fields: [][2]string{{"Host", "a"}}},
	rest: "GET /b HTTP/1.1\r\nHost: a\r\n\r\n",
}, {
	name: "bytes after a head that are not a head",
	in:   "GET / HTTP/1.1\r\nHost: a\r\n\r\n\x00\xff",
	want: parsedHead{Method: "GET", Target: "/", Version: "HTTP/1.1", Path: "/", Host: "a", Fields: [][2]string{{"Host", "a"}}},
	rest: "\x00\xff",
	why:  "the rest is not examined",
}, {
	name: "absolute-form, other Host",
	in:   "GET HTTP://b.test:8080/c%20d?e HTTP/1.1\r\nHost: a\r\n\r\n",
	want: parsedHead{
		Method: "GET", Target: "HTTP://b.test:8080/c%20d?e", Version: "HTTP/1.1", Path: "/c d", Query: "e", Host: "b.test:8080",
		Fields: [][2]string{{"Host", "a"}},
	},
	why: "the target takes precedence (RFC 9112, section 3.2.2)",
}, {
	name: "authority-form",
	in:   "CONNECT b.test:443 HTTP/1.1\r\nHost: a\r\n\r\n",
	want: parsedHead{Method: "CONNECT", Target: "b.test:443", Version: "HTTP/1.1", Host: "b.test:443", Fields: [][2]string{{"Host", "a"}}},
	why:  "RFC 9112, section 3.2.3; the server answers 405",
}, {
	name: "asterisk-form",
	in:   "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
	want: parsedHead{Method: "OPTIONS", Target: "*", Version: "HTTP/1.1", Path: "*", Host: "a", Fields: [][2]string{{"Host", "a"}}},
	why:  "RFC 9112, section 3.2.4",
}}

func TestParseRequestAccepts(t *testing.T) {
	for _, tt := range parseAccepts {
		t.Run(tt.name, func(t *testing.T) {
			req, rest, err := parseRequest([]byte(tt.in))
			if err != nil {
				t.Fatalf("parseRequest(%q) = %v\nwhy: %s", tt.in, err, tt.why)
			}
			if diff := cmp.Diff(tt.want, parsedOf(req)); diff != "" {
				t.Errorf("parseRequest(%q) (-want +got):\n%s\nwhy: %s", tt.in, diff, tt.why)
			}
			if diff := cmp.Diff(tt.rest, string(rest)); diff != "" {
				t.Errorf("parseRequest(%q) rest (-want +got):\n%s", tt.in, diff)
			}
			if diff := cmp.Diff(strings.TrimSuffix(tt.in, tt.rest), string(req.Head())); diff != "" {
				t.Errorf("parseRequest(%q) Head (-want +got):\n%s", tt.in, diff)
			}
		})
	}
}

// The parts of a head are offsets into its text.
func TestParseRequestOffsets(t *testing.T) {
	const in = "\r\nPUT /a%62?c HTTP/1.1\r\nHost: h\r\nX:  v w \r\nY:\r\n\r\n"
	req, _, err := parseRequest([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	type offsets struct{ Start, End int32 }
	of := func(s Span) offsets { return offsets(s) }
	got := map[string]offsets{"method": of(req.head.Method), "target": of(req.head.Target), "raw path": of(req.head.RawPath), "query": of(req.head.Query), "host": of(req.head.Host)}
	for _, f := range req.head.Fields {
		name := string(f.Name.Of(req.head.Text))
		got[name+" name"], got[name+" value"] = of(f.Name), of(f.Value)
	}
	want := map[string]offsets{
		"method": {2, 5}, "target": {6, 13}, "raw path": {6, 11}, "query": {12, 13}, "host": {30, 31},
		"Host name": {24, 28}, "Host value": {30, 31},
		"X name": {33, 34}, "X value": {37, 40},
		"Y name": {43, 44}, "Y value": {45, 45},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("offsets in %q (-want +got):\n%s", in, diff)
	}
}

func TestParseRequestRest(t *testing.T) {
	b := []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\nrest")
	_, rest, err := parseRequest(b)
	if err != nil {
		t.Fatal(err)
	}
	if string(rest) != "rest" || &rest[0] != &b[len(b)-4] {
		t.Errorf("rest = %q, want the last four bytes of the input, not a copy", rest)
	}
	if _, rest, err := parseRequest(b[:len(b)-4]); err != nil || len(rest) != 0 {
		t.Errorf("rest = %q, %v if nothing follows the head, want none", rest, err)
	}
}

// A request does not refer to the input, which the caller may change afterwards.
func TestParseRequestCopiesInput(t *testing.T) {
	inputs := slices.Clone(lenientAccepts)
	for _, tt := range parseAccepts {
		inputs = append(inputs, lenientAccept{name: tt.name, in: tt.in})
	}
	for _, tt := range inputs {
		for name, parse := range map[string]func([]byte) (*request, []byte, error){
			"ParseRequest": parseRequest, "ParseRequestLenient": parseLenient,
		} {
			b := []byte(tt.in)
			untouched, _, err := parse([]byte(tt.in))
			if err != nil {
				continue // the strict parser refuses lenient input
			}
			req, _, _ := parse(b)
			if diff := cmp.Diff(tt.in, string(b)); diff != "" {
				t.Errorf("%s changes its input (-want +got):\n%s", name, diff)
			}
			copy(b, bytes.Repeat([]byte("#"), len(b)))
			if diff := cmp.Diff(wholeOf(untouched), wholeOf(req)); diff != "" {
				t.Errorf("%s(%q), input overwritten afterwards (-want +got):\n%s", name, tt.in, diff)
			}
		}
	}
}

// The parser does not write beyond the length of the input.
func TestParseRequestLenientWritesNothingAfterInput(t *testing.T) {
	b := []byte("GET / HTTP/1.1\nHost: a and more")
	if _, _, err := parseLenient(b[:len("GET / HTTP/1.1\nHost: a")]); err != nil {
		t.Fatal(err)
	}
	if want := "GET / HTTP/1.1\nHost: a and more"; string(b) != want {
		t.Errorf("parseLenient left %q, want %q", b, want)
	}
}

// parseInputs returns the inputs of all tables, for tests of properties of all inputs.
func parseInputs() []string {
	var in []string
	for _, tt := range parseAccepts {
		in = append(in, tt.in)
	}
	for _, tt := range parseRefusals {
		in = append(in, tt.in)
	}
	for _, tt := range pathRefusals {
		in = append(in, tt.in)
	}
	for _, tt := range framingRefusals {
		in = append(in, tt.in)
	}
	for _, tt := range pathAccepts {
		in = append(in, "GET "+tt.target+" HTTP/1.1\r\nHost: a\r\n\r\n")
	}
	for _, tt := range lenientAccepts {
		in = append(in, tt.in)
	}
	return in
}

// checkPrefixes parses ever longer prefixes of in. They must be incomplete
// up to one of them; from then on the result must be that of the whole.
func checkPrefixes(t *testing.T, in string, whole parsedWhole, wholeErr error, parse func(prefix []byte) (*request, error)) {
	t.Helper()
	decided := false
	for n := range len(in) + 1 {
		b := []byte(in[:n])
		req, err := parse(b)
		if err == ErrIncomplete {
			if decided {
				t.Fatalf("%d bytes of %q are incomplete, but fewer bytes were not", n, in)
			}
			continue
		}
		decided = true
		if diff := cmp.Diff(parseErrorOf(wholeErr), parseErrorOf(err)); diff != "" {
			t.Fatalf("%d bytes of %q: error (-whole +prefix):\n%s", n, in, diff)
		}
		if err != nil {
			continue
		}
		if diff := cmp.Diff(whole, wholeOf(req)); diff != "" {
			t.Fatalf("%d bytes of %q (-whole +prefix):\n%s", n, in, diff)
		}
	}
	if !decided && wholeErr != ErrIncomplete {
		t.Errorf("all prefixes of %q are incomplete", in)
	}
}

// Every prefix of an input is incomplete or has the result of the whole, both with
// parseRequest, and with one parser that continues where it stopped.
func TestParseRequestPrefixes(t *testing.T) {
	for _, in := range parseInputs() {
		var whole parsedWhole
		req, _, wholeErr := parseRequest([]byte(in))
		if wholeErr == nil {
			whole = wholeOf(req)
		}
		checkPrefixes(t, in, whole, wholeErr, func(prefix []byte) (*request, error) {
			req, _, err := parseRequest(prefix)
			return req, err
		})

		var r request
		var done bool
		var doneErr error
		p := parserOf(&r, DefaultLimits)
		checkPrefixes(t, in, whole, wholeErr, func(prefix []byte) (*request, error) {
			if done {
				return &r, doneErr
			}
			n, err := p.Parse(prefix)
			done, doneErr = err != ErrIncomplete, err
			if err == nil && n != len(prefix) {
				t.Errorf("the head of %q has %d bytes, but the parser needed %d", in, n, len(prefix))
			}
			clear(prefix) // the next input may be elsewhere in memory
			return &r, err
		})
	}
}

// A parser that continues after any byte has the same result as one that parses the whole.
func TestHeadParserContinuesAnywhere(t *testing.T) {
	for _, in := range parseInputs() {
		var whole request
		p := parserOf(&whole, DefaultLimits)
		wantN, wantErr := p.Parse([]byte(in))
		for split := range len(in) {
			var r request
			p := parserOf(&r, DefaultLimits)
			n, err := p.Parse([]byte(in[:split]))
			if err == ErrIncomplete {
				n, err = p.Parse([]byte(in))
			}
			if n != wantN || !cmp.Equal(parseErrorOf(wantErr), parseErrorOf(err)) {
				t.Fatalf("%q split at %d: %d, %v, want %d, %v", in, split, n, err, wantN, wantErr)
			}
			if err != nil {
				continue
			}
			if diff := cmp.Diff(wholeOf(&whole), wholeOf(&r)); diff != "" {
				t.Fatalf("%q split at %d (-whole +split):\n%s", in, split, diff)
			}
		}
	}
}
