package conformance_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wireRows has the rules of the wire: an input, and the answer by default when another request
// follows it on the connection. At least one transcript names each row.
//
// The answer has the status codes of the responses in order, then x if the server closes the
// connection, so that nothing after it is parsed. If the talks of a transcript have different
// answers, they are listed in order with | between them.
//
// The answers are here as well as in the transcripts so that go test -update cannot change them.
//
// CL is Content-Length, TE is Transfer-Encoding; quoted text is the field value as
// sent.
var wireRows = []struct{ row, answer string }{
	// The length of the content.
	{`CL+TE`, "400 x"},
	{`CL twice same`, "400 x"},
	{`CL twice differ`, "400 x"},
	{`CL "1, 1"`, "400 x"},
	{`CL +1`, "400 x"},
	{`CL -1`, "400 x"},
	{`CL 0x1`, "400 x"},
	{`CL 01, CL 00 (leading zeros: some read octal)`, "400 x"},
	{`CL 5 with blanks around the number`, "200 200"},
	{`CL of more than 18 digits`, "400 x"},
	{`CL 1_0`, "400 x"},
	{`CL empty`, "400 x"},
	{`CL 2^64+1`, "400 x"},
	{`CL in GET + body`, "200 200"},
	{`TE xchunked`, "501 x"},
	{`TE chunked x2 lines`, "400 x"},
	{`TE "chunked, chunked"`, "400 x"},
	{`TE ",chunked"`, "400 x"},
	{`TE identity`, "501 x"},
	{`TE gzip, chunked`, "501 x"},
	{`TE "chunked, gzip", "chunked,", empty (chunked not last, list junk)`, "400 x"},
	{`TE \x0bchunked`, "400 x"},
	{`TE chunked\x00`, "400 x"},
	{`TE "chunked;a=b"`, "501 x"},
	{`TE in HTTP/1.0`, "400 x"},
	{`TE: obs-fold`, "400 x"},
	{`TE space colon`, "400 x"},
	{`Transfer_Encoding, Content_Length (a framing name once _ turns into -)`, "400 x"},
	{`other field names with _`, "200 200"},

	// Field lines.
	{`bare LF lines`, "400 x"},
	{`bare LF header end`, "400 x"},
	{`bare CR in value`, "400 x"},
	{`NUL in value`, "400 x"},
	{`0x01 in value`, "400 x"},
	{`obs-fold X`, "400 x"},
	{`leading SP first hdr`, "400 x"},
	{`no colon`, "400 x"},
	{`empty name`, "400 x"},
	{`name with space`, "400 x"},
	{`0x80 in name`, "400 x"},

	// Host.
	{`no Host 1.1, empty Host`, "400 x"},
	{`Host with userinfo, letters or two numbers as port, half a bracket, a bad %-triplet, control or 8-bit bytes`, "400 x"},
	{`two Hosts`, "400 x"},
	{`two Content-Type lines`, "400 x"},
	{`Host or authority in brackets that is no IPv6 address nor IPvFuture`, "400 x"},
	{`Host: [v1.fe:a] (IPvFuture, RFC 3986), and IPv6 addresses in brackets`, "200 200"},
	{`Host "a, b"`, "400 x"},
	{`Host "a/b"`, "400 x"},
	{`abs-form Host mismatch`, "200 200"},

	// The request line.
	{`HTTP/1.2`, "200 200"},
	{`HTTP/2.0`, "505 x"},
	{`HTTP/1.10`, "400 x"},
	{`http/1.1`, "400 x"},
	{`GET / CRLF without a version`, "400 x"},
	{`GET / HTTP/0.9, any other major of one digit`, "505 x"},
	{`2 spaces in line`, "400 x"},
	{`tab in line`, "400 x"},
	{`space, control or 8-bit byte in target, backslash in the path`, "400 x"},
	{`other printable ASCII in target (| { } ^ "), backslash in the query`, "200 200"},
	{`fragment in target`, "400 x"},
	{`target q (no slash)`, "400 x"},
	{`%00 in path`, "400 x"},
	{`%zz in path`, "400 x"},
	{`%00, %zz in the query`, "200 200"},
	{`0xff in path, raw (%ff is accepted: a byte of a name)`, "400 x | 200 200"},
	{`leading CRLF x2`, "200 200 | 400 x"},
	{`method g{t`, "400 x"},
	{`TRACE`, "405 200"},
	{`CONNECT`, "405 x"},
	{`OPTIONS *`, "204 200"},
	{`Expect: x`, "417 x"},

	// Chunks and trailers.
	{`chunk size +1`, "400 x"},
	{`chunk 0x1`, "400 x"},
	{`chunk 1_0`, "400 x"},
	{`chunk " 1"`, "400 x"},
	{`chunk "1 "`, "400 x"},
	{`chunk empty size`, "400 x"},
	{`chunk 17 hex digits`, "400 x"},
	{`chunk LF only`, "400 x"},
	{`chunk ext bare LF`, "400 x"},
	{`chunk ext bare CR`, "400 x"},
	{`chunk data no CRLF`, "400 x"},
	{`chunk ext ok`, "200 200"},
	{`trailer LF end`, "400 x"},
	{`trailer ok`, "200 200"},
	{`trailer with Content-Length, Transfer-Encoding, Host, or their _ twins`, "400 x"},
	{`trailer malformed`, "400 x"},
	{`chunk 1 ;a=b, 1; a="b" (blanks around the semicolon: RFC 9110, 5.6.3)`, "200 200"},
	{`chunk ext 1;, 1;=b, a control byte in it`, "400 x"},
	{`chunk size 0001 (up to 16 digits)`, "200 200"},

	// Valid requests.
	{`obs-text (0x80-0xff) in a field value`, "200 200"},
	{`TE "Chunked" (any case) with content`, "200 200"},
	{`any method with Expect: 100-continue and content`, "100 200 200 | 200 x | 200 x | 200 x | 200 x | 200 200 | 200 200 | 200 200"},
	{`HTTP/1.0 without Host`, "200 x | 200 x | 200 200 | 200 200 x"},
	{`Connection: close`, "200 x"},
	{`HEAD`, "200 200"},
	{`HEAD of a listing`, "200 200"},
	{`HEAD of an error`, "400 x | 404 404 | 301 301"},

	// Targets, and input that is not a request.
	{`GET * / POST *`, "400 x"},
	{`absolute-form GET http://host/path`, "200 200"},
	{`authority-form with a method other than CONNECT`, "400 x"},
	{`CONNECT with a target that is not host:port`, "400 x"},
	{`first bytes that cannot start a method (NULs)`, "400 x"},
	{`a TLS hello on a plain port`, "400 x"},
	{`HTTP/2 preface PRI * HTTP/2.0`, "505 x"},
	{`pipelined requests`, "200 200 200 404 200 200 x"},
	{`half-closed client (FIN after the request)`, "200 x | 200 200 x | 200 x"},
	{`content after a GET that names no length`, "200 200 200 | 200 400 x"},

	// Lenient parsing.
	{`lenient: a bare LF ends a line`, "200 200 | 200 200 | 200 200 | 200 x"},
	{`lenient: a folded line continues the field before it, joined by one SP`, "200 200"},
	{`lenient: a Host or framing field in a head whose lines end differently`, "400 x"},
	{`lenient: a folded Host, Content-Length or Transfer-Encoding`, "400 x"},
	{`lenient: a bare LF in a chunk line or trailer`, "400 x"},
	{`lenient: nothing else is relaxed`, "400 x"},

	// Limits.
	{`a method longer than 64 bytes`, "200 200 | 400 x | 400 x"},
	{`a target of 7,900 bytes and a field value of 7,000 bytes`, "200 200"},
	{`a request line over 8 KiB`, "200 200 | 414 x | 414 x"},
	{`a field line over 8 KiB`, "200 200 | 431 x | 431 x"},
	{`more than 100 field lines`, "200 200 | 431 x"},
	{`a head over 32 KiB`, "200 200 | 431 x"},
	{`declared content over the cap`, "413 x"},
	{`actual content over the cap`, "413 x | 413 x | 200"},
	{`a chunk line over 256 bytes`, "200 200 | 400 x"},
	{`framing that costs more than its content`, "200 200 | 400 x | 200 200"},
	{`a trailer section over 8 KiB or 32 fields`, "200 200 | 400 x | 200 200 | 400 x"},

	// Content, and ends of connections.
	{`an error while content is read`, "400 x | 200 x | 400 x | 200 x | 200 x"},
	{`content that ends early`, "400 x | 400 x | 200 x"},
	{`a head that ends early`, "400 x"},
	{`a connection without a request`, "x"},
	{`the FIN follows an error response at once, then the lingering read`, "400 x"},
	{`unread content is drained, unless more than 256 KiB are declared`, "200 200 | 200 x | 200 200 | 200 200"},
	{`Expect: 100-continue once the head of the response is out`, "200 x"},
	{`content read by the body of the response`, "100 200 200 | 200 200"},
	{`no 100 to a 1.0 client`, "200 200"},

	// Semantics.
	{`an Upgrade that we do not offer`, "200 200"},
	{`lists of tokens compare without case`, "200 x | 200 x | 200 x | 200 200 | 100 200 200"},
	{`WithErrorPage sees errors of content, never those of the head`, "400 x | 400 x | 413 x | 417 x | 404 500 405 204 200 | 500 x"},
	{`204 and 1xx carry neither content nor Content-Length`, "204 205 304 200"},
	{`OPTIONS on a resource`, "204 200 | 404 | 204 204"},
	{`methods on files`, "405 501 501 404 404 200"},
	{`ranges that are ignored`, "200 200 200 200 200 200 200"},
	{`Range on a method other than GET`, "200 405"},
	{`a range end of 2^64-1 is clamped`, "206 206 206 206"},
	{`bytes=-0`, "416 416 200"},
	{`a name of 300 bytes`, "404 404"},
	{`the order of the rules`, "400 x | 505 x | 400 x | 400 x | 400 x | 400 x | 400 x"},
	{`Transfer-Encoding in full`, "400 x"},
	{`the fields that we write`, "200 200 200 500 200 | 200 x | 200 200 x"},
	{`without Content-Length`, "200 200 204 200 x"},
	{`a host that is not served`, "200 421 x"},
	{`a response field with CR, LF, NUL or a bad name`, "500 x"},
	{`a panic`, "500 x"},
	{`a part of a request`, ""},
}

// TestWireRows checks that each row has a transcript, each transcript has a row, and that both
// have the same answers.
func TestWireRows(t *testing.T) {
	answers := make(map[string]string)
	unseen := make(map[string]bool)
	for _, r := range wireRows {
		if _, ok := answers[r.row]; ok {
			t.Errorf("row %q occurs twice", r.row)
		}
		answers[r.row] = r.answer
		unseen[r.row] = true
	}
	for _, f := range readWireFiles(t) {
		answer, ok := answers[f.row]
		if !ok {
			t.Errorf("%s: no row %q", f.name, f.row)
			continue
		}
		delete(unseen, f.row)
		var got []string
		for _, talk := range f.talks {
			got = append(got, talk.summary())
		}
		want := strings.Split(answer, " | ")
		if len(want) == 1 {
			want = slices.Repeat(want, len(got))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: answers of the talks (-want of row %q, +got):\n%s", f.name, f.row, diff)
		}
	}
	for row := range unseen {
		t.Errorf("row %q has no transcript", row)
	}
}
