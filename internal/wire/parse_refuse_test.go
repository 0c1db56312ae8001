package wire

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp/internal/ascii"
)

// certainAt is the number of bytes after which a refusal is certain; 0 means one more
// than Offset.
type certainAt int

const (
	lineEnd certainAt = -1 // the request line with its LF
	headEnd certainAt = -2 // the head with its empty line
)

func (c certainAt) of(in string, want Error) int {
	switch c {
	case 0:
		return want.Offset + 1
	case lineEnd:
		return strings.Index(in, " HTTP/") + len(" HTTP/1.1\r\n")
	case headEnd:
		return strings.Index(in, "\r\n\r\n") + len("\r\n\r\n")
	}
	return int(c)
}

type parseRefusal struct {
	name, in string
	want     Error
	certain  certainAt
	why      string
}

// checkRefusals parses each input: it must be refused with the error wanted, and as
// soon as the error is certain.
func checkRefusals(t *testing.T, tests []parseRefusal) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, rest, err := parseRequest([]byte(tt.in))
			if req != nil || rest != nil {
				t.Errorf("parseRequest(%q) = %v, %q with an error, want nil, nil", tt.in, req, rest)
			}
			if diff := cmp.Diff(&tt.want, parseErrorOf(err)); diff != "" {
				t.Errorf("parseRequest(%q) error (-want +got):\n%s\nwhy: %s", tt.in, diff, tt.why)
			}
			at := min(tt.certain.of(tt.in, tt.want), len(tt.in))
			if _, _, err := parseRequest([]byte(tt.in[:at])); parseErrorOf(err) == nil {
				t.Errorf("parseRequest(%q) = %v, want the error, since it is certain", tt.in[:at], err)
			}
			if _, _, err := parseRequest([]byte(tt.in[:at-1])); err != ErrIncomplete {
				t.Errorf("parseRequest(%q) = %v, want ErrIncomplete", tt.in[:at-1], err)
			}
		})
	}
}

// In the tables below, "GET / HTTP/1.1\r\n" is 16 bytes, or 25 with "Host: a\r\n".
var parseRefusals = []parseRefusal{{
	name: "TLS hello",
	in:   "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
	want: Error{400, 0, refusedTLS, "RFC 9110, section 4.2.1"},
	why:  "at once, without waiting for a line that never comes",
}, {
	name: "NULs",
	in:   "\x00\x00\x00\x00",
	want: Error{400, 0, "method is not a token", "RFC 9110, section 9.1"},
}, {
	name: "two leading empty lines",
	in:   "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	want: Error{400, 2, "method is not a token", "RFC 9110, section 9.1"},
	why:  "only one is ignored",
}, {
	name: "leading bare LF",
	in:   "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	want: Error{400, 0, "method is not a token", "RFC 9110, section 9.1"},
	why:  "an empty line is CRLF",
}, {
	name:    "leading bare CR",
	in:      "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	want:    Error{400, 0, "method is not a token", "RFC 9110, section 9.1"},
	certain: 2,
	why:     "the CR may be the first half of an empty line",
}, {
	name: "leading space",
	in:   " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	want: Error{400, 0, "method is not a token", "RFC 9110, section 9.1"},
}, {
	name: "delimiter in the method",
	in:   "g{t / HTTP/1.1\r\nHost: a\r\n\r\n",
	want: Error{400, 1, "method is not a token", "RFC 9110, section 9.1"},
}, {
	name: "8-bit byte in the method",
	in:   "GET\x80 / HTTP/1.1\r\nHost: a\r\n\r\n",
	want: Error{400, 3, "method is not a token", "RFC 9110, section 9.1"},
}, {
	name: "only a method",
	in:   "GET\r\n\r\n",
	want: Error{400, 3, "method is not a token", "RFC 9110, section 9.1"},
	why:  "CR is neither a token character nor SP",
}, {
	name: "method of 65 bytes",
	in:   strings.Repeat("M", 65) + " / HTTP/1.1\r\nHost: a\r\n\r\n",
	want: Error{400, 64, "method is longer than 64 bytes", "RFC 9110, section 9.1"},
}, {
	name: "tab after the method",
	in:   "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
	want: Error{400, 3, "method is not a token", "RFC 9110, section 9.1"},
	why:  "exactly one SP (RFC 9112, section 3)",
}, {
	name: "two spaces after the method",
	in:   "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
	want: Error{400, 4, "more than one space between the parts of the request line", "RFC 9112, section 3"},
	why:  "exactly one SP (RFC 9112, section 3)",
}, {
	name: "two spaces after the target",
	in:   "GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
	want: Error{400, 6, "more than one space between the parts of the request line", "RFC 9112, section 3"},
}, {
	name: "tab after the target",
	in:   "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n",
	want: Error{400, 5, "request target has a byte that is not visible ASCII", "RFC 9112, section 3.2"},
}, {
	name: "space in the target",
	in:   "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
	want: Error{400, 7, "HTTP version is malformed", "RFC 9112, section 2.3"},
	why:  "no whitespace is allowed in a request target (RFC 9112, section 3.2)",
}, {
	name: "control byte in the target",
	in:   "GET /a\x01b HTTP/1.1\r\nHost: a\r\n\r\n",
	want: Error{400, 6, "request target has a byte that is not visible ASCII", "RFC 9112, section 3.2"},
}, {
	name: "DEL in the target",
	in:   "GET /a\x7f HTTP/1.1\r\nHost: a\r\n\r\n",
	want: Error{400, 6, "request target has a byte that is not visible ASCII", "RFC 9112, section 3.2"},
}, {
	name: "8-bit byte in the path",
	in:   "GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
	want: Error{400, 5, "request target has a byte that is not visible ASCII", "RFC 9112, section 3.2"},
}, {
	name: "8-bit byte in the query, far into it",
	in:   "GET /0123456789?0123456789\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n",
	want: Error{400, 26, "request target has a byte that is not visible ASCII", "RFC 9112, section 3.2"},
}, {
	name: "fragment in the target",
	in:   "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
	want: Error{400, 6, "request target has a fragment", "RFC 9112, section 3.2"},
	why:  "no form of a request target has one",
}, {
	name: "no version",
	in:   "GET /\r\nHost: a\r\n\r\n",
	want: Error{400, 5, "HTTP version is missing", "RFC 9112, section 3"},
	why:  "HTTP/0.9 is not served",
}, {
	name: "no version, bare LF",
	in:   "GET /\nHost: a\r\n\r\n",
	want: Error{400, 5, "HTTP version is missing", "RFC 9112, section 3"},
}, {
	name: "version in lower case",
	in:   "GET / http/1.1\r\nHost: a\r\n\r\n",
	want: Error{400, 6, "HTTP version is malformed", "RFC 9112, section 2.3"},
	why:  "HTTP-name is case-sensitive",
}, {
	name: "version of two digits after the dot",
	in:   "GET / HTTP/1.10\r\nHost: a\r\n\r\n",
	want: Error{400, 14, "HTTP version is malformed", "RFC 9112, section 2.3"},
	why:  "one DIGIT, a dot, one DIGIT",
}, {
	name: "version of two digits before the dot",
	in:   "GET / HTTP/11.1\r\nHost: a\r\n\r\n",
	want: Error{400, 12, "HTTP version is malformed", "RFC 9112, section 2.3"},
}, {
	name: "version without a minor",
	in:   "GET / HTTP/1\r\nHost: a\r\n\r\n",
	want: Error{400, 12, "HTTP version is malformed", "RFC 9112, section 2.3"},
}, {
	name: "letter as version",
	in:   "GET / HTTP/1.x\r\nHost: a\r\n\r\n",
	want: Error{400, 13, "HTTP version is malformed", "RFC 9112, section 2.3"},
}, {
	name: "space after the version",
	in:   "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
	want: Error{400, 14, "HTTP version is malformed", "RFC 9112, section 2.3"},
}, {
	name:    "HTTP/2.0",
	in:      "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
	want:    Error{505, 11, "HTTP version is not supported", "RFC 9110, section 15.6.6"},
	certain: lineEnd,
	why:     "the line must be complete, since a malformed one takes precedence",
}, {
	name:    "HTTP/0.9 with a version",
	in:      "GET / HTTP/0.9\r\nHost: a\r\n\r\n",
	want:    Error{505, 11, "HTTP version is not supported", "RFC 9110, section 15.6.6"},
	certain: lineEnd,
}, {
	name:    "HTTP/2 preface",
	in:      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	want:    Error{505, 11, "HTTP version is not supported", "RFC 9110, section 15.6.6"},
	certain: lineEnd,
	why:     "the version is checked before the form of the target",
}, {
	name: "request line ends in LF",
	in:   "GET / HTTP/1.1\nHost: a\n\n",
	want: Error{400, 14, "line ends in LF without CR", "RFC 9112, section 2.2"},
	why:  "a recipient MAY accept it as a line end; one that does not sees another message",
}, {
	name: "CR after the version is bare",
	in:   "GET / HTTP/1.1\rHost: a\r\n\r\n",
	want: Error{400, 15, "HTTP version is malformed", "RFC 9112, section 2.3"},
}, {
	name: "field line ends in LF",
	in:   "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
	want: Error{400, 23, "line ends in LF without CR", "RFC 9112, section 2.2"},
}, {
	name: "empty field value ends in LF",
	in:   "GET / HTTP/1.1\r\nHost:\n\r\n",
	want: Error{400, 21, "line ends in LF without CR", "RFC 9112, section 2.2"},
}, {
	name: "empty line is a bare LF",
	in:   "GET / HTTP/1.1\r\nHost: a\r\n\n",
	want: Error{400, 25, "line ends in LF without CR", "RFC 9112, section 2.2"},
	why:  "it would end the header section for some recipients and not for others",
}, {
	name:    "empty line is a bare CR",
	in:      "GET / HTTP/1.1\r\nHost: a\r\n\rX",
	want:    Error{400, 25, "CR is not followed by LF", "RFC 9112, section 2.2"},
	certain: 27,
}, {
	name:    "bare CR in a field value",
	in:      "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
	want:    Error{400, 29, "CR is not followed by LF", "RFC 9112, section 2.2"},
	certain: 31,
	why:     "some recipients read it as a line end",
}, {
	name:    "CR CR LF",
	in:      "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
	want:    Error{400, 23, "CR is not followed by LF", "RFC 9112, section 2.2"},
	certain: 25,
}, {
	name: "NUL in a field value",
	in:   "GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
	want: Error{400, 29, "field value has a control byte", "RFC 9110, section 5.5"},
	why:  "CR, LF and NUL are invalid and dangerous",
}, {
	name: "0x01 in a field value",
	in:   "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n",
	want: Error{400, 28, "field value has a control byte", "RFC 9110, section 5.5"},
}, {
	name: "DEL in a field value, far into it",
	in:   "GET / HTTP/1.1\r\nHost: a\r\nX: 0123456789\t0123456789\x7f\r\n\r\n",
	want: Error{400, 49, "field value has a control byte", "RFC 9110, section 5.5"},
}, {
	name: "space before the first field line",
	in:   "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
	want: Error{400, 16, "white space before the first field line", "RFC 9112, section 2.2"},
}, {
	name: "folded line",
	in:   "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
	want: Error{400, 31, "field line begins with white space, which is obsolete line folding", "RFC 9112, section 5.2"},
}, {
	name: "folded by a tab",
	in:   "GET / HTTP/1.1\r\nHost: a\r\n\tc\r\n\r\n",
	want: Error{400, 25, "field line begins with white space, which is obsolete line folding", "RFC 9112, section 5.2"},
}, {
	name: "blanks instead of the empty line",
	in:   "GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n",
	want: Error{400, 25, "field line begins with white space, which is obsolete line folding", "RFC 9112, section 5.2"},
}, {
	name: "space before colon",
	in:   "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
	want: Error{400, 20, "field name is not a token", "RFC 9112, section 5.1"},
	why:  "recipients that strip the space and those that do not see different fields",
}, {
	name: "tab before colon",
	in:   "GET / HTTP/1.1\r\nHost\t: a\r\n\r\n",
	want: Error{400, 20, "field name is not a token", "RFC 9112, section 5.1"},
}, {
	name: "no colon",
	in:   "GET / HTTP/1.1\r\nHost: a\r\nabc\r\n\r\n",
	want: Error{400, 28, "field line has no colon", "RFC 9112, section 5"},
}, {
	name: "no colon, bare LF",
	in:   "GET / HTTP/1.1\r\nHost: a\r\nabc\n\r\n",
	want: Error{400, 28, "field line has no colon", "RFC 9112, section 5"},
}, {
	name: "empty field name",
	in:   "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
	want: Error{400, 25, "field name is not a token", "RFC 9112, section 5.1"},
}, {
	name: "space in a field name",
	in:   "GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n",
	want: Error{400, 26, "field name is not a token", "RFC 9112, section 5.1"},
}, {
	name: "8-bit byte in a field name",
	in:   "GET / HTTP/1.1\r\nHost: a\r\nX\x80: b\r\n\r\n",
	want: Error{400, 26, "field name is not a token", "RFC 9112, section 5.1"},
}, {
	name: "delimiter in a field name",
	in:   "GET / HTTP/1.1\r\nHost: a\r\nX(Y): b\r\n\r\n",
	want: Error{400, 26, "field name is not a token", "RFC 9112, section 5.1"},
}}

func TestParseRequestRefuses(t *testing.T) { checkRefusals(t, parseRefusals) }

const refusedTLS = "this looks like TLS, not plain HTTP"

// A first byte that cannot begin a method is refused immediately.
func TestParseRequestFirstByte(t *testing.T) {
	for c := range 256 {
		for name, parse := range map[string]func([]byte) (*request, []byte, error){
			"ParseRequest": parseRequest, "ParseRequestLenient": parseLenient,
		} {
			starts := ascii.IsTchar[c] || c == '\r' || c == '\n' && name == "ParseRequestLenient" // a method, or an empty line before it
			_, _, err := parse([]byte{byte(c)})
			if starts {
				if err != ErrIncomplete {
					t.Errorf("%s(%q) = %v, want ErrIncomplete", name, byte(c), err)
				}
				continue
			}
			want := &Error{400, 0, "method is not a token", "RFC 9110, section 9.1"}
			if c == 0x16 {
				want = &Error{400, 0, refusedTLS, "RFC 9110, section 4.2.1"}
			}
			if diff := cmp.Diff(want, parseErrorOf(err)); diff != "" {
				t.Errorf("%s(%q) error (-want +got):\n%s", name, byte(c), diff)
			}
		}
	}
}

// Every well-formed version: major version 1 is accepted, others are answered with 505.
func TestParseRequestVersions(t *testing.T) {
	for major := '0'; major <= '9'; major++ {
		for minor := '0'; minor <= '9'; minor++ {
			version := "HTTP/" + string(major) + "." + string(minor)
			in := "GET / " + version + "\r\nHost: a\r\n\r\n"
			req, _, err := parseRequest([]byte(in))
			if major == '1' {
				if err != nil || req.Version() != version {
					t.Errorf("parseRequest(%q) = %v, %v, want a request", in, req, err)
				}
				continue
			}
			want := &Error{505, 11, "HTTP version is not supported", "RFC 9110, section 15.6.6"}
			if diff := cmp.Diff(want, parseErrorOf(err)); diff != "" {
				t.Errorf("parseRequest(%q) error (-want +got):\n%s", in, diff)
			}
		}
	}
}

// Every byte in every part of a head belongs to the part, ends it as the grammar says,
// or is refused at its offset.
func TestParseRequestEveryByte(t *testing.T) {
	parts := []struct {
		part, before, after string
		ok                  func(c byte) bool
	}{
		{"method", "GE", "T / HTTP/1.1\r\nHost: a\r\n\r\n", func(c byte) bool { return ascii.IsTchar[c] }},
		{"path", "GET /a", "b HTTP/1.1\r\nHost: a\r\n\r\n", func(c byte) bool { return c > ' ' && c < 0x7f && strings.IndexByte(`#%\`, c) < 0 }},
		{"query", "GET /?a", "b HTTP/1.1\r\nHost: a\r\n\r\n", func(c byte) bool { return c > ' ' && c < 0x7f && c != '#' }},
		{"version", "GET / HTTP/1.", "\r\nHost: a\r\n\r\n", ascii.IsDigit},
		{"end of the request line", "GET / HTTP/1.1", "\nHost: a\r\n\r\n", func(c byte) bool { return c == '\r' }},
		{"field name", "GET / HTTP/1.1\r\nHost: a\r\nX", "Y: z\r\n\r\n", func(c byte) bool { return ascii.IsTchar[c] || c == ':' }},
		{"field value", "GET / HTTP/1.1\r\nHost: a\r\nX: a", "b\r\n\r\n", func(c byte) bool { return c >= ' ' && c != 0x7f || c == '\t' }},
		{"first byte of a field value", "GET / HTTP/1.1\r\nHost: a\r\nX:", "b\r\n\r\n", func(c byte) bool { return c >= ' ' && c != 0x7f || c == '\t' }},
		{"first byte of a field line", "GET / HTTP/1.1\r\nHost: a\r\n", "X: y\r\n\r\n", func(c byte) bool { return ascii.IsTchar[c] }},
		{"host", "GET / HTTP/1.1\r\nHost: a", "1\r\n\r\n", func(c byte) bool {
			return ascii.IsAlpha(c) || ascii.IsDigit(c) || c == ':' || strings.IndexByte("-._~!$&'()*+,;=", c) >= 0
		}},
		{"Content-Length", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1", "1\r\n\r\n", ascii.IsDigit},
		{"Transfer-Encoding", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked", "\r\n\r\n", ascii.IsBlank},
	}
	for _, tt := range parts {
		for i := range 256 {
			c := byte(i)
			in := tt.before + string([]byte{c}) + tt.after
			_, _, err := parseRequest([]byte(in))
			if (err == nil) != tt.ok(c) {
				t.Errorf("%s: parseRequest(%q) = %v, want it accepted: %t", tt.part, in, err, tt.ok(c))
				continue
			}
			pe := parseErrorOf(err)
			ends := c == ' ' // the byte ends the part, and a later byte is refused
			if err != nil && (pe == nil || pe.Offset > len(tt.before)+1 && !ends || pe.Status != 400 && pe.Status != 501) {
				t.Errorf("%s: parseRequest(%q) = %v, want an error at or before byte %d", tt.part, in, err, len(tt.before))
			}
		}
	}
}

// Breaking each rule alone has its own error. If several are broken, the first in this
// order determines the error, wherever it is broken.
func TestParseRequestPrecedence(t *testing.T) {
	rules := []struct {
		rule   string
		status int
		reason string
	}{
		{"characters and shape of the request line", 400, "HTTP version is malformed"},
		{"version", 505, "HTTP version is not supported"},
		{"target form", 400, "request target does not begin with /, http:// or https://"},
		{"field lines", 400, "field name is not a token"},
		{"Host", 400, "Host field is missing"},
		{"framing", 400, "Content-Length is not a number of up to 18 digits without leading zeros"},
		{"path", 400, "path has an encoded NUL"},
	}
	for broken := 1; broken < 1<<len(rules); broken++ {
		is := func(i int) bool { return broken>>i&1 == 1 }
		pick := func(i int, bad, good string) string {
			if is(i) {
				return bad
			}
			return good
		}
		in := "POST " + pick(2, "", "/") + "a" + pick(6, "%00", "") +
			" HTTP/" + pick(1, "2.0", "1.1") + pick(0, " ", "") + "\r\n" +
			pick(5, "Content-Length: x\r\n", "") +
			pick(4, "", "Host: a\r\n") +
			pick(3, "X : y\r\n", "") + "\r\n"
		first := 0
		for !is(first) {
			first++
		}
		_, _, err := parseRequest([]byte(in))
		got := parseErrorOf(err)
		if got == nil || got.Status != rules[first].status || got.Reason != rules[first].reason {
			t.Errorf("parseRequest(%q) = %v, want %d %s: the first broken rule is about the %s", in, err, rules[first].status, rules[first].reason, rules[first].rule)
		}
	}
}

// Errors of one group are reported in the order of the bytes or, where the whole head is
// needed, in the order given here.
func TestParseRequestPrecedenceWithin(t *testing.T) {
	tests := []struct{ name, in, reason string }{
		{"two Hosts before a bad Host", "GET / HTTP/1.1\r\nHost: /\r\nHost: a\r\n\r\n", "more than one Host field line"},
		{"Host before the twin of a framing field", "GET / HTTP/1.1\r\nContent_Length: 1\r\n\r\n", "Host field is missing"},
		{"twin before the framing fields", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\nTransfer_Encoding: y\r\n\r\n", "field name is that of a framing field with _ in place of -"},
		{"both framing fields before their values", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\nTransfer-Encoding: gzip\r\n\r\n", "both Content-Length and Transfer-Encoding"},
		{"the first byte of the path", "GET /%zz%00 HTTP/1.1\r\nHost: a\r\n\r\n", "path has a percent sign without two hexadecimal digits"},
		{"the first field line", "GET / HTTP/1.1\r\nX : y\r\n\x00\r\n\r\n", "field name is not a token"},
		{"method before target", "G@T  #\x00\r\n", "method is not a token"},
		{"target before version", "GET /#a http/9\r\n", "request target has a fragment"},
	}
	for _, tt := range tests {
		_, _, err := parseRequest([]byte(tt.in))
		got := parseErrorOf(err)
		if got == nil || got.Reason != tt.reason {
			t.Errorf("%s: parseRequest(%q) = %v, want %q", tt.name, tt.in, err, tt.reason)
		}
	}
}

func TestParseErrorNeverRepeatsInput(t *testing.T) {
	const secret = "S3CRET"
	for _, in := range []string{
		"GET " + secret + " HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / " + secret + "\r\n",
		"GET / HTTP/1.1\r\n" + secret + " : a\r\n",
		"GET / HTTP/1.1\r\nHost: " + secret + "/\r\n\r\n",
		"GET /" + secret + "%00 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " + secret + "\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: " + secret + "\r\n\r\n",
	} {
		_, _, err := parseRequest([]byte(in))
		var pe *Error
		if !errors.As(err, &pe) || strings.Contains(err.Error()+pe.Reason+pe.Section, secret) {
			t.Errorf("parseRequest(%q) = %v, want an *Error that does not repeat the input", in, err)
		}
	}
}
