package wire

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type lenientAccept struct {
	name, in string
	target   string
	fields   [][2]string // names and values, in order
	rest     string
	why      string
}

var lenientHost = [2]string{"Host", "a"}

var lenientAccepts = []lenientAccept{{
	name: "CRLF everywhere", in: "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\nrest",
	target: "/", fields: [][2]string{lenientHost, {"X", "y"}}, rest: "rest",
}, {
	name: "bare LF everywhere", in: "GET / HTTP/1.1\nHost: a\nX: y\n\nrest",
	target: "/", fields: [][2]string{lenientHost, {"X", "y"}}, rest: "rest",
	why: "a recipient MAY recognize a single LF as a line terminator (RFC 9112, section 2.2)",
}, {
	name: "bare LF after the request line only", in: "GET / HTTP/1.0\nX: y\r\n\r\nrest",
	target: "/", fields: [][2]string{{"X", "y"}}, rest: "rest",
	why: "line ends may be mixed in a head without Host and framing fields",
}, {
	name: "bare LF after a field line only", in: "GET / HTTP/1.0\r\nW: w\nX:\nY: \nZ: z \r\n\r\nrest",
	target: "/", fields: [][2]string{{"W", "w"}, {"X", ""}, {"Y", ""}, {"Z", "z"}}, rest: "rest",
}, {
	name: "bare LF as the empty line only", in: "GET / HTTP/1.0\r\nX: y\r\n\n\nrest",
	target: "/", fields: [][2]string{{"X", "y"}}, rest: "\nrest",
	why: "the first empty line ends the section",
}, {
	name: "leading bare LF", in: "\nGET / HTTP/1.1\nHost: a\n\n",
	target: "/", fields: [][2]string{lenientHost},
	why: "one empty line is ignored",
}, {
	name: "leading CRLF", in: "\r\nGET / HTTP/1.1\nHost: a\n\n",
	target: "/", fields: [][2]string{lenientHost},
}, {
	name: "two requests with bare LF", in: "GET /a HTTP/1.1\nHost: a\n\nGET /b HTTP/1.1\nHost: a\n\n",
	target: "/a", fields: [][2]string{lenientHost}, rest: "GET /b HTTP/1.1\nHost: a\n\n",
}, {
	name: "content", in: "POST / HTTP/1.1\nHost: a\nContent-Length: 3\n\na\nb",
	target: "/", fields: [][2]string{lenientHost, {"Content-Length", "3"}}, rest: "a\nb",
}, {
	name: "fold", in: "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\nY: d\r\n\r\nrest",
	target: "/", fields: [][2]string{lenientHost, {"X", "b c"}, {"Y", "d"}}, rest: "rest",
	why: "joined by one SP (RFC 9112, section 5.2)",
}, {
	name: "fold with bare LF", in: "GET / HTTP/1.1\nHost: a\nX: b\n c\n\nrest",
	target: "/", fields: [][2]string{lenientHost, {"X", "b c"}}, rest: "rest",
}, {
	name: "fold by a tab, more blanks around", in: "GET / HTTP/1.1\r\nHost: a\r\nX: b \t \r\n\t \tc \t\r\n\r\n",
	target: "/", fields: [][2]string{lenientHost, {"X", "b c"}},
	why: "one SP, however many blanks",
}, {
	name: "two folds", in: "GET / HTTP/1.0\r\nX: b\r\n c\n\td  e\r\nY: f\r\n\r\n",
	target: "/", fields: [][2]string{{"X", "b c d  e"}, {"Y", "f"}},
	why: "blanks inside a line are kept",
}, {
	name: "two folded fields", in: "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\nY: d\r\n e\r\n\r\n",
	target: "/", fields: [][2]string{lenientHost, {"X", "b c"}, {"Y", "d e"}},
}, {
	name: "fold before Host", in: "GET / HTTP/1.1\r\nX: b\r\n c\r\nHost: a\r\n\r\n",
	target: "/", fields: [][2]string{{"X", "b c"}, lenientHost},
	why: "only a folded Host is refused",
}, {
	name: "fold of an empty value", in: "GET / HTTP/1.1\r\nHost: a\r\nX:\r\n b\r\nY: \r\n\r\n",
	target: "/", fields: [][2]string{lenientHost, {"X", "b"}, {"Y", ""}},
	why: "a value has no blanks around it",
}, {
	name: "fold of blanks only", in: "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n \t \r\nY:\r\n \r\n\r\n",
	target: "/", fields: [][2]string{lenientHost, {"X", "b"}, {"Y", ""}},
	why: "a line of blanks is a fold, not the empty line",
}, {
	name: "fold of blanks, then one of text", in: "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n \r\n c\r\n\r\n",
	target: "/", fields: [][2]string{lenientHost, {"X", "b c"}},
}, {
	name: "fold that looks like a field line", in: "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n Content-Length: 5\r\n\r\n",
	target: "/", fields: [][2]string{lenientHost, {"X", "b Content-Length: 5"}},
}, {
	name: "folded Connection and a path to decode", in: "GET /%41/../b%20c HTTP/1.1\nHost: a\nConnection: x,\n keep-alive\n\n",
	target: "/%41/../b%20c", fields: [][2]string{lenientHost, {"Connection", "x, keep-alive"}},
}, {
	name: "no final empty line", in: "GET / HTTP/1.1\r\nHost: a\r\n",
	target: "/", fields: [][2]string{lenientHost},
}, {
	name: "no final empty line, bare LF", in: "GET / HTTP/1.1\nHost: a\n",
	target: "/", fields: [][2]string{lenientHost},
}, {
	name: "half a final empty line", in: "GET / HTTP/1.1\r\nHost: a\r\n\r",
	target: "/", fields: [][2]string{lenientHost},
}, {
	name: "last line without its end", in: "GET / HTTP/1.1\r\nHost: a",
	target: "/", fields: [][2]string{lenientHost},
}, {
	name: "last line with half its end", in: "GET / HTTP/1.1\r\nHost: a\r",
	target: "/", fields: [][2]string{lenientHost},
}, {
	name: "last line ends after its colon", in: "GET / HTTP/1.1\r\nHost: a\r\nX:",
	target: "/", fields: [][2]string{lenientHost, {"X", ""}},
}, {
	name: "last line ends in blanks", in: "GET / HTTP/1.1\r\nHost: a\r\nX: \t",
	target: "/", fields: [][2]string{lenientHost, {"X", ""}},
}, {
	name: "last line is a fold", in: "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c",
	target: "/", fields: [][2]string{lenientHost, {"X", "b c"}},
}, {
	name: "last line is the blank of a fold", in: "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n ",
	target: "/", fields: [][2]string{lenientHost, {"X", "b"}},
}, {
	name: "only a request line, HTTP/1.0", in: "GET / HTTP/1.0\n",
	target: "/",
}, {
	name: "only a request line", in: "GET /a HTTP/1.1\r\n",
	target: "/a", why: "a Host line might have followed",
}, {
	name: "only a request line without its end", in: "GET /a HTTP/1.1",
	target: "/a",
}, {
	name: "only a request line with half its end", in: "GET /a HTTP/1.1\r",
	target: "/a",
}, {
	name: "no Host and no end of the last line", in: "GET / HTTP/1.1\r\nX: y",
	target: "/", fields: [][2]string{{"X", "y"}},
}}

func TestParseRequestLenientAccepts(t *testing.T) {
	for _, tt := range lenientAccepts {
		t.Run(tt.name, func(t *testing.T) {
			req, rest, err := parseLenient([]byte(tt.in))
			if err != nil {
				t.Fatalf("parseLenient(%q) = %v\nwhy: %s", tt.in, err, tt.why)
			}
			got := parsedOf(req)
			if diff := cmp.Diff(tt.fields, got.Fields); diff != "" {
				t.Errorf("parseLenient(%q) fields (-want +got):\n%s\nwhy: %s", tt.in, diff, tt.why)
			}
			want := [...]string{tt.target, tt.rest, strings.TrimSuffix(tt.in, tt.rest)}
			if diff := cmp.Diff(want, [...]string{got.Target, string(rest), string(req.Head())}); diff != "" {
				t.Errorf("parseLenient(%q) Target, rest, Head (-want +got):\n%s", tt.in, diff)
			}
		})
	}
}

// For a head that the strict parser accepts, the lenient parser has the same result.
func TestParseRequestLenientAgreesWithStrict(t *testing.T) {
	for _, tt := range parseAccepts {
		req, rest, err := parseLenient([]byte(tt.in))
		if err != nil {
			t.Errorf("parseLenient(%q) = %v", tt.in, err)
			continue
		}
		strict, _, err := parseRequest([]byte(tt.in))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wholeOf(strict), wholeOf(req)); diff != "" || string(rest) != tt.rest {
			t.Errorf("parseLenient(%q) (-strict +lenient), rest %q:\n%s", tt.in, rest, diff)
		}
	}
}

// A folded Connection or Expect field is interpreted as one value.
func TestParseRequestLenientFramesFoldedFields(t *testing.T) {
	const in = "POST / HTTP/1.1\nHost: a\nExpect:\n 100-continue\nConnection: x,\n close\n\n"
	req, _, err := parseLenient([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if req.head.Expect != ExpectContinue || req.head.Persist {
		t.Errorf("parseLenient(%q): expectation %d, persist %t, want %d, false", in, req.head.Expect, req.head.Persist, ExpectContinue)
	}
}

func TestParseRequestLenientRefuses(t *testing.T) {
	const fold = "RFC 9112, section 5.2"
	const lenientMixed = "head with a Host or framing field mixes CRLF and LF"
	tests := []struct {
		name, in string
		want     Error
		why      string
	}{{
		name: "folded Host", in: "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
		want: Error{400, 16, "Host field is folded over more than one line", fold},
	}, {
		name: "folded Host, blank", in: "GET / HTTP/1.1\nHost: a\n \n\n",
		want: Error{400, 15, "Host field is folded over more than one line", fold},
		why:  "even if the value would be valid",
	}, {
		name: "folded Host with an absolute-form", in: "GET http://a/ HTTP/1.0\nHost:\n a\n\n",
		want: Error{400, 23, "Host field is folded over more than one line", fold},
	}, {
		name: "folded Content-Length", in: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n 5\r\n\r\n",
		want: Error{400, 26, "Content-Length field is folded over more than one line", fold},
	}, {
		name: "folded Transfer-Encoding", in: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
		want: Error{400, 26, "Transfer-Encoding field is folded over more than one line", fold},
	}, {
		name: "folded second Transfer-Encoding", in: "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: gzip\nTransfer-Encoding: chunked\n \n\n",
		want: Error{400, 48, "Transfer-Encoding field is folded over more than one line", fold},
	}, {
		name: "fold before the first field line", in: "GET / HTTP/1.1\n Host: a\n\n",
		want: Error{400, 15, "white space before the first field line", "RFC 9112, section 2.2"},
	}, {
		name: "bare CR in a field value", in: "GET / HTTP/1.1\nHost: a\nX: a\rb\n\n",
		want: Error{400, 27, "CR is not followed by LF", "RFC 9112, section 2.2"},
	}, {
		name: "bare CR in a fold", in: "GET / HTTP/1.1\nHost: a\nX: a\n \rb\n\n",
		want: Error{400, 29, "CR is not followed by LF", "RFC 9112, section 2.2"},
	}, {
		name: "control byte in a fold", in: "GET / HTTP/1.1\nHost: a\nX: a\n b\x00\n\n",
		want: Error{400, 30, "field value has a control byte", "RFC 9110, section 5.5"},
	}, {
		name: "space before colon", in: "GET / HTTP/1.1\nHost : a\n\n",
		want: Error{400, 19, "field name is not a token", "RFC 9112, section 5.1"},
	}, {
		name: "no colon", in: "GET / HTTP/1.1\nHost: a\nabc\n\n",
		want: Error{400, 26, "field line has no colon", "RFC 9112, section 5"},
	}, {
		name: "no colon before the end of the input", in: "GET / HTTP/1.1\nHost: a\nabc",
		want: Error{400, 26, "field line has no colon", "RFC 9112, section 5"},
		why:  "the end of the input also ends the line",
	}, {
		name: "two leading empty lines", in: "\n\nGET / HTTP/1.1\nHost: a\n\n",
		want: Error{400, 1, "method is not a token", "RFC 9110, section 9.1"},
		why:  "only one is ignored, as by the strict parser",
	}, {
		name: "two spaces in the request line", in: "GET  / HTTP/1.1\nHost: a\n\n",
		want: Error{400, 4, "more than one space between the parts of the request line", "RFC 9112, section 3"},
	}, {
		name: "no version", in: "GET /\nHost: a\n\n",
		want: Error{400, 5, "HTTP version is missing", "RFC 9112, section 3"},
	}, {
		name: "space after the version", in: "GET / HTTP/1.1 \nHost: a\n\n",
		want: Error{400, 14, "HTTP version is malformed", "RFC 9112, section 2.3"},
	}, {
		name: "bare CR after the version", in: "GET / HTTP/1.1\rHost: a\n\n",
		want: Error{400, 15, "HTTP version is malformed", "RFC 9112, section 2.3"},
	}, {
		name: "HTTP/2.0", in: "GET / HTTP/2.0\n",
		want: Error{505, 11, "HTTP version is not supported", "RFC 9110, section 15.6.6"},
	}, {
		name: "no Host", in: "GET / HTTP/1.1\n\n",
		want: Error{400, 16, "Host field is missing", "RFC 9112, section 3.2"},
		why:  "after the empty line no Host can follow",
	}, {
		name: "bare LF after the request line only", in: "GET / HTTP/1.1\nHost: a\r\n\r\n",
		want: Error{400, 15, lenientMixed, "RFC 9112, section 2.2"},
		why:  "a recipient that accepts only CRLF as a line end sees no Host",
	}, {
		name: "bare LF after the Host field only", in: "GET / HTTP/1.1\r\nX: y\r\nHost: a\n\r\n",
		want: Error{400, 22, lenientMixed, "RFC 9112, section 2.2"},
	}, {
		name: "bare LF as the empty line only", in: "GET / HTTP/1.1\r\nHost: a\r\n\n",
		want: Error{400, 16, lenientMixed, "RFC 9112, section 2.2"},
	}, {
		name: "bare LF before Transfer-Encoding", in: "POST / HTTP/1.0\r\nx:x\nTransfer-Encoding: chunked\r\n\r\n",
		want: Error{400, 21, lenientMixed, "RFC 9112, section 2.2"},
		why:  "a recipient that accepts a bare LF within a value sees no Transfer-Encoding",
	}, {
		name: "bare LF after Content-Length", in: "POST / HTTP/1.0\r\nContent-Length: 5\n\r\n",
		want: Error{400, 17, lenientMixed, "RFC 9112, section 2.2"},
	}, {
		name: "bare LF after Host, before Content-Length", in: "POST / HTTP/1.1\r\nX: y\r\nHost: a\nContent-Length: 5\r\n\r\n",
		want: Error{400, 23, lenientMixed, "RFC 9112, section 2.2"},
		why:  "the offset is of the first such field",
	}, {
		name: "bare LF in a fold", in: "GET / HTTP/1.1\r\nHost: a\r\nX: b\n c\r\n\r\n",
		want: Error{400, 16, lenientMixed, "RFC 9112, section 2.2"},
	}, {
		name: "mixed line ends without the empty line", in: "GET / HTTP/1.1\r\nHost: a\n",
		want: Error{400, 16, lenientMixed, "RFC 9112, section 2.2"},
	}, {
		name: "two Hosts", in: "GET / HTTP/1.1\nHost: a\nHost: a",
		want: Error{400, 23, "more than one Host field line", "RFC 9112, section 3.2"},
	}, {
		name: "both framing fields", in: "POST / HTTP/1.1\nHost: a\nContent-Length: 5\nTransfer-Encoding: chunked\n\n",
		want: Error{400, 42, "both Content-Length and Transfer-Encoding", "RFC 9112, section 6.1"},
	}, {
		name: "encoded NUL", in: "GET /%00 HTTP/1.1\nHost: a",
		want: Error{400, 5, "path has an encoded NUL", "RFC 3986, section 7.3"},
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, rest, err := parseLenient([]byte(tt.in))
			if req != nil || rest != nil {
				t.Errorf("parseLenient(%q) = %v, %q with an error", tt.in, req, rest)
			}
			if diff := cmp.Diff(&tt.want, parseErrorOf(err)); diff != "" {
				t.Errorf("parseLenient(%q) error (-want +got):\n%s\nwhy: %s", tt.in, diff, tt.why)
			}
		})
	}
}

// The lenient parser refuses everything that is not documented as lenient.
func TestParseRequestLenientRefusesAsStrict(t *testing.T) {
	relaxed := map[string]bool{
		"leading bare LF": true, "request line ends in LF": true, "field line ends in LF": true, "empty field value ends in LF": true,
		"empty line is a bare LF": true, "folded line": true, "blanks instead of the empty line": true, "folded by a tab": true,
		"Transfer-Encoding folded": true, // refused for another reason
	}
	seen := 0
	for _, tests := range [][]parseRefusal{parseRefusals, pathRefusals, framingRefusals} {
		for _, tt := range tests {
			if relaxed[tt.name] {
				seen++
				continue
			}
			_, _, err := parseLenient([]byte(tt.in))
			if diff := cmp.Diff(&tt.want, parseErrorOf(err)); diff != "" {
				t.Errorf("%s: parseLenient(%q) error (-want +got):\n%s", tt.name, tt.in, diff)
			}
		}
	}
	if seen != len(relaxed) {
		t.Errorf("%d of the %d relaxed rules have a strict test, want all", seen, len(relaxed))
	}
}

// ErrIncomplete is for an incomplete request line, and for a framing field without the
// empty line. Every other prefix of an input is a request of its own, or is refused.
func TestParseRequestLenientIncomplete(t *testing.T) {
	for _, tt := range []struct {
		in    string
		whole int // the least number of bytes that is not incomplete
	}{
		{"GET /a HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\nrest", len("GET /a HTTP/1.1")},
		{"\nGET /a HTTP/1.1\nHost: a\nX: b\n c\n\nrest", len("\nGET /a HTTP/1.1")},
		{"\r\nGET /a HTTP/1.0\r\nX: y\r\n\r\n", len("\r\nGET /a HTTP/1.0")},
	} {
		for n := range len(tt.in) + 1 {
			_, _, err := parseLenient([]byte(tt.in[:n]))
			if (err == ErrIncomplete) != (n < tt.whole) {
				t.Errorf("parseLenient(%q) = %v, want ErrIncomplete only for fewer than %d bytes", tt.in[:n], err, tt.whole)
			}
		}
	}
	const head = "POST /a HTTP/1.1\nHost: a\n"
	for _, framing := range []string{"Content-Length: 0\n", "content-length: 5\n", "Transfer-Encoding: chunked\n", "Content-Length: 5", "X: y\nContent-Length: x\nY: z\n"} {
		if _, _, err := parseLenient([]byte(head + framing)); err != ErrIncomplete {
			t.Errorf("parseLenient(%q) = %v, want ErrIncomplete: the empty line is required after a framing field", head+framing, err)
		}
	}
}

// The limits count only received bytes, so a missing empty line does not count.
func TestParseRequestLenientLimits(t *testing.T) {
	const start = "GET / HTTP/1.1\r\nHost: a\r\n"
	head := limitHead(32<<10+4, 8192) // 32 KiB without the end of the last line and the empty line
	tests := []struct {
		name, in string
		want     *Error
	}{
		{"field line of 8 KiB at the end of the input", strings.TrimSuffix(start+limitField(8192), "\r\n"), nil},
		{"field line of 8 KiB and a byte", start + limitField(8193), refuse431(25+8192, tooLongLine)},
		{"two lines of one fold, 8 KiB each", start + limitField(8192) + " " + limitField(8191), nil},
		{"fold of 8 KiB and a byte", start + "X: y\r\n " + limitField(8192), refuse431(31+8192, tooLongLine)},
		{"100 field lines and a fold", start + limitFields(99) + " z", nil},
		{"101 field lines", start + limitFields(100), refuse431(25+99*6, tooMany)},
		{"head with content longer than the limit for heads", start + "\r\n" + strings.Repeat("c", 100<<10), nil},
		{"head of 32 KiB and content", limitHead(32<<10, 8192) + "content", nil},
		{"32 KiB without an end", head[:32<<10], nil},
		{"32 KiB with the end of the last line", limitHead(32<<10+2, 8192)[:32<<10], nil},
		{"32 KiB and a byte, without an end", limitHead(32<<10+5, 8192)[:32<<10+1], refuse431(32<<10, tooLongHead)},
		{"32 KiB without an end, less a byte", limitHead(32<<10+3, 8192)[:32<<10-1], nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := parseLenient([]byte(tt.in))
			checkLimit(t, "ParseRequestLenient", tt.in, tt.want, err)
		})
	}
}

// On a connection, as with WithLenientParsing, more bytes may arrive, so the empty line is
// required.
func TestLenientParserOnAConnection(t *testing.T) {
	max := DefaultLimits
	max.Lenient = true
	for _, tt := range lenientAccepts {
		whole := strings.TrimSuffix(tt.in, tt.rest)
		ended := strings.HasSuffix(whole, "\n\n") || strings.HasSuffix(whole, "\n\r\n")
		var r request
		p := parserOf(&r, max)
		for n := range len(whole) {
			if _, err := p.Parse([]byte(whole[:n])); err != ErrIncomplete {
				t.Errorf("%s: %q = %v, want ErrIncomplete", tt.name, whole[:n], err)
			}
		}
		n, err := p.Parse([]byte(tt.in))
		if !ended {
			if err != ErrIncomplete {
				t.Errorf("%s: %q = %v, want ErrIncomplete without the empty line", tt.name, tt.in, err)
			}
			continue
		}
		if err != nil || n != len(whole) {
			t.Errorf("%s: %q = %d, %v, want %d", tt.name, tt.in, n, err, len(whole))
			continue
		}
		if diff := cmp.Diff(tt.fields, parsedOf(&r).Fields); diff != "" {
			t.Errorf("%s: %q a byte at a time: fields (-want +got):\n%s", tt.name, tt.in, diff)
		}
	}
}
