package wire

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	refuse414 = func(off int) *Error {
		return &Error{414, off, "request line is too long", "RFC 9110, section 15.5.15"}
	}
	refuse431 = func(off int, reason string) *Error {
		return &Error{431, off, reason, "RFC 6585, section 5"}
	}
)

const (
	tooLongLine = "field line is too long"
	tooLongHead = "header section is too long"
	tooMany     = "header section has too many field lines"
)

// limitLine makes a request line of n bytes without its CRLF.
func limitLine(n int) string {
	return "GET /" + strings.Repeat("a", n-len("GET / HTTP/1.1")) + " HTTP/1.1\r\n"
}

// limitField makes a field line of n bytes without its CRLF.
func limitField(n int) string { return "X: " + strings.Repeat("v", n-len("X: ")) + "\r\n" }

// limitHead makes a head of n bytes with no line longer than most.
func limitHead(n, most int) string {
	var b strings.Builder
	b.WriteString("GET / HTTP/1.1\r\nHost: a\r\n")
	for {
		left := n - b.Len() - len("\r\n") // for field lines
		if left <= most+len("\r\n") {
			b.WriteString(limitField(left-len("\r\n")) + "\r\n")
			return b.String()
		}
		b.WriteString(limitField(min(most, left-len("\r\n")-len("X: \r\n")) - len("\r\n")))
	}
}

// limitFields makes n field lines.
func limitFields(n int) string { return strings.Repeat("X: y\r\n", n) }

// Each limit is reached exactly, and exceeded by one byte or one line.
func TestParseLimits(t *testing.T) {
	const start, host = "GET / HTTP/1.1\r\n", "Host: a\r\n"
	tight := Limits{Head: 512, Line: MaxLineBytes, Fields: 100}
	few := Limits{Head: 32 << 10, Line: 64, Fields: 3}
	tests := []struct {
		name string
		in   string
		max  Limits // the default if zero
		want *Error
	}{
		{name: "method of 64", in: strings.Repeat("M", 64) + " / HTTP/1.1\r\n" + host + "\r\n"},
		{
			name: "method of 65, incomplete", in: strings.Repeat("M", 65),
			want: &Error{400, 64, "method is longer than 64 bytes", "RFC 9110, section 9.1"},
		}, {
			name: "method of 65 after an empty line", in: "\r\n" + strings.Repeat("M", 65),
			want: &Error{400, 66, "method is longer than 64 bytes", "RFC 9110, section 9.1"},
		}, {
			name: "method longer than all limits", in: strings.Repeat("M", 40<<10),
			want: &Error{400, 64, "method is longer than 64 bytes", "RFC 9110, section 9.1"},
		},

		{name: "target of 7900", in: "GET /" + strings.Repeat("a", 7899) + " HTTP/1.1\r\n" + host + "\r\n"},
		{name: "request line of 8 KiB", in: limitLine(8192) + host + "\r\n"},
		{name: "request line of 8 KiB after an empty line", in: "\r\n" + limitLine(8192) + host + "\r\n"},
		// The error is at the first byte of the target that leaves no room for " HTTP/1.1".
		{name: "request line of 8 KiB and a byte", in: limitLine(8193) + host + "\r\n", want: refuse414(8183)},
		{name: "target that fills the line", in: limitLine(8193)[:8184], want: refuse414(8183)},
		{name: "request line of 8 KiB and a byte after an empty line", in: "\r\n" + limitLine(8193) + host + "\r\n", want: refuse414(8185)},
		{name: "target longer than the head may be", in: "GET /" + strings.Repeat("a", 40<<10), want: refuse414(8183)},

		{name: "field value of 7000", in: start + host + limitField(7003) + "\r\n"},
		{name: "field line of 8 KiB", in: start + host + limitField(8192) + "\r\n"},
		{name: "field line of 8 KiB and a byte", in: start + host + limitField(8193) + "\r\n", want: refuse431(25+8192, tooLongLine)},
		{name: "first field line of 8 KiB and a byte", in: start + limitField(8193)[:8193], want: refuse431(16+8192, tooLongLine)},
		{name: "field line of 8 KiB, mostly blanks", in: start + host + "X:" + strings.Repeat(" ", 8190) + "\r\n\r\n"},
		{name: "field line of 8 KiB and a byte, mostly blanks", in: start + host + "X:" + strings.Repeat("\t", 8191) + "\r\n\r\n", want: refuse431(25+8192, tooLongLine)},
		{name: "field line of 8 KiB, all name", in: start + host + strings.Repeat("X", 8191) + ":\r\n\r\n"},
		{name: "field line of 8 KiB and a byte, all name", in: start + host + strings.Repeat("X", 8192) + ":\r\n\r\n", want: refuse431(25+8192, tooLongLine)},
		{
			name: "field line of 8 KiB without a colon", in: start + host + strings.Repeat("X", 8192) + "\r\n\r\n",
			want: &Error{400, 25 + 8192, "field line has no colon", "RFC 9112, section 5"},
		},

		{name: "head of 32 KiB", in: limitHead(32<<10, 8192)},
		{name: "head of 32 KiB, content after it", in: limitHead(32<<10, 8192) + strings.Repeat("c", 100<<10)},
		{name: "head of 32 KiB and a byte", in: limitHead(32<<10+1, 8192), want: refuse431(32<<10, tooLongHead)},
		{name: "32 KiB, incomplete", in: limitHead(32<<10+1, 8192)[:32<<10], want: refuse431(32<<10, tooLongHead)},

		{name: "100 field lines", in: start + host + limitFields(99) + "\r\n"},
		{name: "101 field lines", in: start + host + limitFields(100) + "\r\n", want: refuse431(25+99*6, tooMany)},
		{name: "100 field lines and a byte", in: start + host + limitFields(99) + "X", want: refuse431(25+99*6, tooMany)},

		{name: "head of 512, the least limit", in: limitHead(512, 512), max: tight},
		{name: "head of 513, the least limit", in: limitHead(513, 512), max: tight, want: refuse431(512, tooLongHead)},
		{name: "request line of 512 with its CRLF, the least limit", in: limitLine(510) + host + "\r\n", max: tight, want: refuse431(512, tooLongHead)},
		{name: "request line of 513 with its CRLF, the least limit", in: limitLine(511) + host + "\r\n", max: tight, want: refuse414(512)},
		{name: "target of 600, the least limit", in: limitLine(600) + host + "\r\n", max: tight, want: refuse414(512)},
		{name: "method and blanks only, the least limit", in: "GET /" + strings.Repeat("a", 507), max: tight, want: refuse414(512)},

		{name: "line of 64", in: start + host + limitField(64) + "\r\n", max: few},
		{name: "line of 65", in: start + host + limitField(65) + "\r\n", max: few, want: refuse431(25+64, tooLongLine)},
		{name: "request line of 64", in: limitLine(64) + host + "\r\n", max: few},
		{name: "request line of 65", in: limitLine(65) + host + "\r\n", max: few, want: refuse414(64 - 9)},
		{name: "3 field lines", in: start + host + limitFields(2) + "\r\n", max: few},
		{name: "4 field lines", in: start + host + limitFields(3) + "\r\n", max: few, want: refuse431(25+2*6, tooMany)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			max := tt.max
			if max == (Limits{}) {
				max = DefaultLimits
				_, _, err := parseRequest([]byte(tt.in))
				checkLimit(t, "ParseRequest", tt.in, tt.want, err)
			}
			var r request
			p := parserOf(&r, max)
			_, err := p.Parse([]byte(tt.in))
			checkLimit(t, "parse", tt.in, tt.want, err)

			// The same in pieces: each call has 97 bytes more.
			p = parserOf(&r, max)
			for n := 0; ; n += 97 {
				_, err = p.Parse([]byte(tt.in[:min(n, len(tt.in))]))
				if err != ErrIncomplete || n >= len(tt.in) {
					break
				}
			}
			checkLimit(t, "parse in pieces", tt.in, tt.want, err)
		})
	}
}

func checkLimit(t *testing.T, call, in string, want *Error, err error) {
	t.Helper()
	if diff := cmp.Diff(want, parseErrorOf(err)); diff != "" || err == ErrIncomplete {
		t.Errorf("%s(%d bytes, %.40q...) = %v, error (-want +got):\n%s", call, len(in), in, err, diff)
	}
}
