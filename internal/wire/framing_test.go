package wire

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	framingNumber = "Content-Length is not a number of up to 18 digits without leading zeros"
	framingTwin   = "field name is that of a framing field with _ in place of -"
	framingToken  = "transfer coding is not a token"
)

// framingHead makes a head with the field lines, which begin at byte 26.
func framingHead(fields string) string { return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" }

func TestContentLength(t *testing.T) {
	tests := []struct {
		name, fields string
		want         int64
		why          string
	}{
		{"none", "", 0, "there is no content, whatever follows (RFC 9112, section 6.3, item 7)"},
		{"zero", "Content-Length: 0\r\n", 0, ""},
		{"one digit", "Content-Length: 5\r\n", 5, ""},
		{"zeros after the first digit", "Content-Length: 100\r\n", 100, ""},
		{"surrounded by blanks", "Content-Length:\t 42 \t\r\n", 42, "OWS"},
		{"name in any case", "cONTENT-lENGTH: 42\r\n", 42, "RFC 9110, section 5.1"},
		{"18 digits", "Content-Length: 999999999999999999\r\n", 999999999999999999, "the largest number accepted"},
		{"chunked", "Transfer-Encoding: chunked\r\n", -1, ""},
		{"chunked in any case", "transfer-encoding: cHUNKED\r\n", -1, "RFC 9112, section 7"},
		{"chunked with blanks", "Transfer-Encoding: \tchunked \r\n", -1, ""},
		{"other names of the same lengths", "Content-Lengtj: x\r\nTransfer-Encodinh: x\r\nConnectioo: close\r\n", 0, ""},
	}
	for _, tt := range tests {
		for _, method := range []string{"GET", "POST", "DELETE", "X"} {
			in := method + " / HTTP/1.1\r\nHost: a\r\n" + tt.fields + "\r\n"
			req, _, err := parseRequest([]byte(in))
			if err != nil {
				t.Errorf("%s: parseRequest(%q) = %v\nwhy: %s", tt.name, in, err, tt.why)
				continue
			}
			if got := req.ContentLength(); got != tt.want {
				t.Errorf("%s: parseRequest(%q): ContentLength = %d, want %d\nwhy: %s", tt.name, in, got, tt.want, tt.why)
			}
		}
	}
}

// framingRefusal makes a refusal that is certain when the head is complete: these
// rules look at all field lines.
func framingRefusal(name, in string, status, off int, reason, section, why string) parseRefusal {
	return parseRefusal{name: name, in: in, want: Error{status, off, reason, section}, certain: headEnd, why: why}
}

var framingRefusals = slices.Concat(contentLengthRefusals(), transferEncodingRefusals(), hostRefusals(), contentTypeRefusals())

func contentLengthRefusals() []parseRefusal {
	var tests []parseRefusal
	const value = 26 + len("Content-Length: ")
	for _, tt := range []struct {
		value string
		off   int
		why   string
	}{
		{"+1", 0, "1*DIGIT (RFC 9110, section 8.6)"},
		{"-1", 0, ""},
		{"0x1", 1, "a leading zero, and x is not a digit"},
		{"1x", 1, ""},
		{"1_0", 1, ""},
		{"1 0", 1, ""},
		{"1.0", 1, ""},
		{"1e3", 1, ""},
		{"1, 1", 1, "the RFC permits rejecting a list, even of the same number"},
		{"1,1", 1, ""},
		{"01", 1, "some recipients read it as octal"},
		{"00", 1, "some recipients read it as octal"},
		{"007", 1, ""},
		{"18446744073709551617", 18, "2^64 + 1"},
		{"1000000000000000000", 18, "19 digits"},
		{"9223372036854775808", 18, "2^63"},
		{"\"1\"", 0, ""},
		{"\xb2", 0, "a digit in some character sets"},
		{"5;a", 1, ""},
	} {
		in := framingHead("Content-Length: " + tt.value + "\r\n")
		tests = append(tests, framingRefusal("Content-Length "+tt.value, in, 400, value+tt.off, framingNumber, "RFC 9110, section 8.6", tt.why))
	}
	return append(tests,
		framingRefusal("Content-Length empty", framingHead("Content-Length:\r\n"), 400, value-1, framingNumber, "RFC 9110, section 8.6", ""),
		framingRefusal("Content-Length blank", framingHead("Content-Length: \t\r\n"), 400, value+1, framingNumber, "RFC 9110, section 8.6", ""),
		framingRefusal("Content-Length twice, the same", framingHead("Content-Length: 1\r\nX: y\r\ncontent-length: 1\r\n"), 400, 26+19+6,
			"more than one Content-Length field line", "RFC 9112, section 6.3", "the RFC permits using the number; we refuse, since a recipient that merges the lines may not use it"),
		framingRefusal("Content-Length twice, different", framingHead("Content-Length: 1\r\nContent-Length: 2\r\n"), 400, 26+19,
			"more than one Content-Length field line", "RFC 9112, section 6.3", "an unrecoverable error"),
		framingRefusal("Content-Length in HTTP/1.0", "POST / HTTP/1.0\r\nContent-Length: x\r\n\r\n", 400, 17+16, framingNumber, "RFC 9110, section 8.6", ""),
		framingRefusal("Content_Length", framingHead("X: y\r\nContent_Length: 1\r\n"), 400, 26+6, framingTwin, "RFC 9112, section 11.2", "CGI programs and the like see a Content-Length"),
		framingRefusal("content_length with Content-Length", framingHead("Content-Length: 1\r\ncontent_LENGTH: 1\r\n"), 400, 26+19, framingTwin, "RFC 9112, section 11.2", ""),
		framingRefusal("Transfer_Encoding", framingHead("Transfer_Encoding: chunked\r\n"), 400, 26, framingTwin, "RFC 9112, section 11.2", ""),
		framingRefusal("Transfer_Encoding in HTTP/1.0", "POST / HTTP/1.0\r\ntransfer_encoding: x\r\n\r\n", 400, 17, framingTwin, "RFC 9112, section 11.2", ""),
	)
}

func transferEncodingRefusals() []parseRefusal {
	const section, line = "RFC 9112, section 6.1", 26
	var tests []parseRefusal
	for _, tt := range []struct {
		value  string
		status int
		off    int // offset within the value of the member or byte that breaks the rule
		reason string
		why    string
	}{
		{"", 400, 0, framingToken, "an empty member"},
		{",chunked", 400, 0, framingToken, "an empty member"},
		{"chunked,", 400, 8, framingToken, "an empty member"},
		{"chunked, , x", 400, 9, framingToken, "an empty member"},
		{"chu@nked", 400, 3, framingToken, ""},
		{"@", 400, 0, framingToken, ""},
		{"\"chunked\"", 400, 0, framingToken, "a quoted string is not a token"},
		{"chunked chunked", 400, 8, framingToken, "the comma is missing"},
		{"\xffchunked", 400, 0, framingToken, "obs-text"},
		{";a=b", 400, 0, framingToken, "only a parameter"},
		{"chunked, chunked", 400, 9, "chunked is applied twice", "a sender MUST NOT"},
		{"chunked,CHUNKED", 400, 8, "chunked is applied twice", ""},
		{"gzip, chunked, chunked", 400, 15, "chunked is applied twice", "this error takes precedence over 501"},
		{"chunked, gzip", 400, 9, "chunked is not the last transfer coding", "the length cannot be known (RFC 9112, section 6.3)"},
		{"chunked, gzip, br", 400, 9, "chunked is not the last transfer coding", "the offset is of the first coding after chunked"},
		{"chunked, gzip, chunked", 400, 15, "chunked is applied twice", "this error takes precedence over a coding after chunked"},
		{"chunked;a=b, gzip", 400, 13, "chunked is not the last transfer coding", ""},

		{"xchunked", 501, 0, "transfer coding is not implemented", "a server SHOULD respond with 501"},
		{"chunkedx", 501, 0, "transfer coding is not implemented", ""},
		{"identity", 501, 0, "transfer coding is not implemented", "identity is no longer a transfer coding"},
		{"gzip", 501, 0, "transfer coding is not implemented", ""},
		{"gzip, chunked", 501, 0, "transfer coding is not implemented", ""},
		{"gzip;a=\"x, chunked\"", 501, 0, "transfer coding is not implemented", "a comma in a quoted string is not a separator"},
		{"gzip, br, chunked", 501, 0, "transfer coding is not implemented", "the offset is of the first such coding"},
		{"identity, chunked", 501, 0, "transfer coding is not implemented", ""},
		{"chunked;a=b", 501, 0, "transfer coding is not implemented", "an unknown parameter"},
		{"chunked ; a=b", 501, 0, "transfer coding is not implemented", ""},
	} {
		fields, off := "Transfer-Encoding: "+tt.value+"\r\n", line+len("Transfer-Encoding: ")+tt.off
		tests = append(tests, framingRefusal("Transfer-Encoding "+tt.value, framingHead(fields), tt.status, off, tt.reason, section, tt.why))
	}
	const chunked = "Transfer-Encoding: chunked\r\n" // 28 bytes, the value begins at 19
	return append(tests,
		framingRefusal("chunked on two lines", framingHead(chunked+chunked), 400, line+28+19, "chunked is applied twice", section, "several field lines form one list (RFC 9110, section 5.3)"),
		framingRefusal("chunked, then gzip on another line", framingHead(chunked+"X: y\r\nTransfer-Encoding: gzip\r\n"), 400, line+28+6+19, "chunked is not the last transfer coding", section, ""),
		framingRefusal("gzip, then chunked on another line", framingHead("Transfer-Encoding: gzip\r\n"+chunked), 501, line+19, "transfer coding is not implemented", section, ""),
		framingRefusal("chunked, then an empty Transfer-Encoding", framingHead(chunked+"Transfer-Encoding:\r\n"), 400, line+28+18, framingToken, section, ""),
		framingRefusal("Content-Length, then Transfer-Encoding", framingHead("Content-Length: 5\r\n"+chunked), 400, line+19, "both Content-Length and Transfer-Encoding", section,
			"the RFC permits using the Transfer-Encoding; we refuse content that is framed twice"),
		framingRefusal("Transfer-Encoding, then Content-Length", framingHead(chunked+"Content-Length: 5\r\n"), 400, line+28, "both Content-Length and Transfer-Encoding", section,
			"the second field line breaks the rule"),
		framingRefusal("Transfer-Encoding and two of Content-Length", framingHead(chunked+"Content-Length: 5\r\nContent-Length: 5\r\n"), 400, line+28, "both Content-Length and Transfer-Encoding", section, ""),
		framingRefusal("Transfer-Encoding in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\n"+chunked+"\r\n", 400, line, "Transfer-Encoding in HTTP/1.0", section, "its framing MUST be treated as faulty"),
		framingRefusal("unknown coding in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 400, line, "Transfer-Encoding in HTTP/1.0", section, ""),
		parseRefusal{
			name: "Transfer-Encoding \\x0bchunked", in: framingHead("Transfer-Encoding: \x0bchunked\r\n"),
			want: Error{400, line + 19, "field value has a control byte", "RFC 9110, section 5.5"},
		},
		parseRefusal{
			name: "Transfer-Encoding chunked\\x00", in: framingHead("Transfer-Encoding: chunked\x00\r\n"),
			want: Error{400, line + 26, "field value has a control byte", "RFC 9110, section 5.5"},
		},
		parseRefusal{
			name: "Transfer-Encoding folded", in: framingHead("Transfer-Encoding:\r\n chunked\r\n"),
			want: Error{400, line + 20, "field line begins with white space, which is obsolete line folding", "RFC 9112, section 5.2"},
		},
		parseRefusal{
			name: "Transfer-Encoding, space, colon", in: framingHead("Transfer-Encoding : chunked\r\n"),
			want: Error{400, line + 17, "field name is not a token", "RFC 9112, section 5.1"},
		},
	)
}

func hostRefusals() []parseRefusal {
	const section = "RFC 9112, section 3.2"
	const many, syntax = "more than one Host field line", "Host is not of the form host or host:port"
	return []parseRefusal{
		framingRefusal("no Host", "GET / HTTP/1.1\r\n\r\n", 400, 18, "Host field is missing", section, "a server MUST respond with 400"),
		framingRefusal("no Host in HTTP/1.2", "GET / HTTP/1.2\r\nX: y\r\n\r\n", 400, 24, "Host field is missing", section, ""),
		framingRefusal("no Host with an absolute-form", "GET http://a/ HTTP/1.1\r\n\r\n", 400, 26, "Host field is missing", section, "a client MUST send it (RFC 9112, section 3.2.2)"),
		framingRefusal("empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, 21, syntax, section, "an http URI must have a host"),
		framingRefusal("empty Host in HTTP/1.0", "GET / HTTP/1.0\r\nHost: \r\n\r\n", 400, 22, syntax, section, ""),
		framingRefusal("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhost: a\r\n\r\n", 400, 31, many, section, "even if the values are equal"),
		framingRefusal("two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400, 25, many, section, ""),
		framingRefusal("three Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nHost: c\r\n\r\n", 400, 25, many, section, "the offset is of the second"),
		framingRefusal("two Hosts with an absolute-form", "GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, 33, many, section, "the field is checked although the target takes precedence"),
		framingRefusal("bad Host with an absolute-form", "GET http://a/ HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, 31, syntax, section, "the field is checked although the target takes precedence"),
		framingRefusal("bad Host of OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a b\r\n\r\n", 400, 27, syntax, section, ""),
		framingRefusal("bad Host of CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: @\r\n\r\n", 400, 28, syntax, section, ""),
	}
}

func contentTypeRefusals() []parseRefusal {
	const many, section = "more than one Content-Type field line", "RFC 9110, section 5.3"
	const text = "Content-Type: text/plain\r\n" // 26 bytes
	return []parseRefusal{
		framingRefusal("two Content-Types", framingHead(text+"content-TYPE: text/html\r\n"), 400, 26+26, many, section, "one recipient uses the first, another the last"),
		framingRefusal("two Content-Types, the same", framingHead(text+"X: y\r\n"+text), 400, 26+26+6, many, section, "a field that is not a list has one line"),
		framingRefusal("two Content-Types in HTTP/1.0", "POST / HTTP/1.0\r\n"+text+text+"\r\n", 400, 17+26, many, section, ""),
		framingRefusal("two Content-Types and bad framing", framingHead(text+text+"Content-Length: x\r\n"), 400, 26+26+26+16, framingNumber, "RFC 9110, section 8.6", "framing errors take precedence"),
	}
}

func TestFramingRefuses(t *testing.T) { checkRefusals(t, framingRefusals) }

// TestPersist: "If the "close" connection option is present [...]; else, if the
// received protocol is HTTP/1.1 (or later), the connection will persist [...];
// else, if the received protocol is HTTP/1.0, the "keep-alive" connection option is
// present [...], the connection will persist". RFC 9112, section 9.3.
func TestPersist(t *testing.T) {
	tests := []struct {
		name, fields string
		on11, on10   bool
	}{
		{"nothing said", "", true, false},
		{"close", "Connection: close\r\n", false, false},
		{"close in any case", "connection: CLOSE\r\n", false, false},
		{"keep-alive", "Connection: keep-alive\r\n", true, true},
		{"keep-alive in any case", "CONNECTION: Keep-Alive\r\n", true, true},
		{"both", "Connection: keep-alive, close\r\n", false, false},
		{"both, in reverse order", "Connection: close, keep-alive\r\n", false, false},
		{"both, on two lines", "Connection: keep-alive\r\nX: y\r\nConnection: close\r\n", false, false},
		{"both on two lines, close first", "Connection: close\r\nConnection: keep-alive\r\n", false, false},
		{"last of a list", "Connection: foo, close\r\n", false, false},
		{"middle of a list, no blanks", "Connection: foo,close,bar\r\n", false, false},
		{"keep-alive in a list", "Connection: Upgrade , keep-alive\r\n", true, true},
		{"keep-alive first in a list", "Connection: keep-alive, Upgrade\r\n", true, true},
		{"keep-alive, then another option on a second line", "Connection: keep-alive\r\nConnection: foo\r\n", true, true},
		{"empty members", "Connection: ,, close ,\r\n", false, false},
		{"empty value", "Connection:\r\n", true, false},
		{"another option", "Connection: foo\r\n", true, false},
		{"begins like close", "Connection: closed\r\n", true, false},
		{"ends like close", "Connection: xclose\r\n", true, false},
		{"close with a parameter", "Connection: close;q=1\r\n", true, false},
		{"two words", "Connection: foo close\r\n", true, false},
		{"another field", "Keep-Alive: timeout=5\r\nProxy-Connection: close\r\n", true, false},
	}
	for _, tt := range tests {
		for version, want := range map[string]bool{"HTTP/1.1": tt.on11, "HTTP/1.2": tt.on11, "HTTP/1.0": tt.on10} {
			in := "GET / " + version + "\r\nHost: a\r\n" + tt.fields + "\r\n"
			req, _, err := parseRequest([]byte(in))
			if err != nil {
				t.Errorf("%s: parseRequest(%q) = %v", tt.name, in, err)
				continue
			}
			if req.head.Persist != want {
				t.Errorf("%s: parseRequest(%q): persist = %t, want %t", tt.name, in, req.head.Persist, want)
			}
		}
	}
}

func TestExpect(t *testing.T) {
	tests := []struct {
		name, fields string
		on11, on10   Expectation
		why          string
	}{
		{"nothing", "", ExpectNothing, ExpectNothing, ""},
		{"100-continue", "Expect: 100-continue\r\n", ExpectContinue, ExpectNothing, "MUST be ignored in HTTP/1.0 (RFC 9110, section 10.1.1)"},
		{"in any case", "eXPECT: 100-CONTINUE\r\n", ExpectContinue, ExpectNothing, "case-insensitive"},
		{"twice", "Expect: 100-continue, 100-Continue\r\n", ExpectContinue, ExpectNothing, ""},
		{"twice, two lines", "Expect: 100-continue\r\nExpect: 100-continue\r\n", ExpectContinue, ExpectNothing, ""},
		{"another", "Expect: x\r\n", ExpectOther, ExpectOther, "a server MAY respond with 417"},
		{"another before", "Expect: x, 100-continue\r\n", ExpectOther, ExpectOther, ""},
		{"another after it", "Expect: 100-continue, x\r\n", ExpectOther, ExpectOther, ""},
		{"another on the second line", "Expect: 100-continue\r\nExpect: x=y\r\n", ExpectOther, ExpectOther, ""},
		{"with a parameter", "Expect: 100-continue;a=b\r\n", ExpectOther, ExpectOther, ""},
		{"begins like it", "Expect: 100-continues\r\n", ExpectOther, ExpectOther, ""},
		{"empty member after it", "Expect: 100-continue,\r\n", ExpectContinue, ExpectNothing, "a recipient MUST ignore empty list elements (RFC 9110, section 5.6.1.2)"},
		{"empty member before", "Expect: , 100-continue\r\n", ExpectContinue, ExpectNothing, "a recipient MUST ignore empty list elements (RFC 9110, section 5.6.1.2)"},
		{"empty", "Expect:\r\n", ExpectNothing, ExpectNothing, "Expect = #expectation: a list without members expects nothing"},
		{"another field", "Expecu: x\r\n", ExpectNothing, ExpectNothing, ""},
	}
	for _, tt := range tests {
		for version, want := range map[string]Expectation{"HTTP/1.1": tt.on11, "HTTP/1.2": tt.on11, "HTTP/1.0": tt.on10} {
			in := "POST / " + version + "\r\nHost: a\r\n" + tt.fields + "Content-Length: 1\r\n\r\n"
			req, _, err := parseRequest([]byte(in))
			if err != nil {
				t.Errorf("%s: parseRequest(%q) = %v", tt.name, in, err)
				continue
			}
			if req.head.Expect != want {
				t.Errorf("%s: parseRequest(%q): expectation %d, want %d\nwhy: %s", tt.name, in, req.head.Expect, want, tt.why)
			}
		}
	}
}

// A field name with an underscore is a different name; only names that could
// become those of framing fields are refused.
func TestFramingTwins(t *testing.T) {
	tests := map[string]bool{ // refused?
		"Content_Length": true, "CONTENT_LENGTH": true, "content_length": true,
		"Transfer_Encoding": true, "TRANSFER_ENCODING": true, "transfer_Encoding": true,
		"Content_Type": false, "X_Content_Length": false, "Content_Lengths": false, "ContentLength": false, "_Content-Length": false,
		"Transfer_Encodinh": false, "Content_Lengtj": false, "Host_": false, "X_": false, "_": false,
	}
	for name, refused := range tests {
		in := framingHead(name + ": 1\r\n")
		_, _, err := parseRequest([]byte(in))
		var want *Error
		if refused {
			want = &Error{400, 26, framingTwin, "RFC 9112, section 11.2"}
		}
		if diff := cmp.Diff(want, parseErrorOf(err)); diff != "" {
			t.Errorf("parseRequest(%q) error (-want +got):\n%s", in, diff)
		}
	}
}
