package conformance_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
)

// A parsed is a Response in the form that tests compare.
type parsed struct {
	Status  int
	Fields  [][2]string
	Content string
}

func receivedOf(t testing.TB, resp *rawhttp.Response, method string) parsed {
	t.Helper()
	p := parsed{Status: resp.Status()}
	for name, value := range resp.Fields() {
		p.Fields = append(p.Fields, [2]string{name, value})
	}
	var content strings.Builder
	if resp.Err() == nil && method != "HEAD" { // an answer to HEAD has no content
		if _, err := resp.WriteContent(context.Background(), &content); err != nil {
			t.Errorf("WriteContent: %v", err)
		}
	}
	p.Content = content.String()
	return p
}

const okHead = "HTTP/1.1 200 OK\r\n"

func TestParseResponse(t *testing.T) {
	tests := []struct {
		name, method, in, rest string
		want                   parsed
		written                string // what the Response is written as: "" for in without rest
		why                    string
	}{{
		name: "length", in: okHead + "Content-Length: 2\r\nX-A: b\r\n\r\nhi", rest: okHead,
		want: parsed{200, [][2]string{{"X-A", "b"}}, "hi"},
	}, {
		name: "no content", in: okHead + "Content-Length: 0\r\n\r\n", rest: "HTTP",
		want: parsed{200, nil, ""},
	}, {
		name: "chunks", in: okHead + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", rest: okHead,
		want: parsed{200, nil, "hi"},
	}, {
		name: "several chunks", in: okHead + "Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1;a=b\r\ni\r\n0\r\n\r\n", rest: okHead,
		want:    parsed{200, nil, "hi"},
		written: okHead + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
		why:     "the boundaries of chunks have no meaning",
	}, {
		name: "trailer", in: okHead + "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n", rest: okHead,
		want: parsed{200, nil, "hi"},
	}, {
		name: "a trailer field of two lines", in: okHead + "Transfer-Encoding: chunked\r\nTrailer: X-A, X-B\r\n\r\n2\r\nhi\r\n0\r\nX-A: 1\r\nX-B: 2\r\nx-a: 3\r\n\r\n", rest: okHead,
		want: parsed{200, nil, "hi"},
	}, {
		name: "type, and fields in order", in: okHead + "Content-Type: a/b\r\nContent-Length: 2\r\nSet-Cookie: a\r\nX-A: b\r\nSet-Cookie: c\r\n\r\nhi",
		rest: "x", want: parsed{200, [][2]string{{"Content-Type", "a/b"}, {"Set-Cookie", "a"}, {"X-A", "b"}, {"Set-Cookie", "c"}}, "hi"},
	}, {
		name: "Date", in: okHead + "Content-Length: 0\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\n\r\n", rest: "x",
		want: parsed{200, [][2]string{{"Date", "Sat, 01 Jan 2000 00:00:00 GMT"}}, ""},
	}, {
		name: "another reason", in: "HTTP/1.1 404 Gone fishing\r\nContent-Length: 0\r\n\r\n", rest: "x",
		want: parsed{404, nil, ""}, written: "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
		why: "the reason phrase is ignored",
	}, {
		name: "no reason", in: "HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n", rest: "x",
		want: parsed{599, nil, ""},
	}, {
		name: "Connection: close", in: okHead + "Content-Length: 2\r\nConnection: close\r\n\r\nhi", rest: "x",
		want: parsed{200, nil, "hi"},
	}, {
		name: "HTTP/1.0", in: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", rest: "x",
		want: parsed{200, nil, "hi"}, written: okHead + "Content-Length: 2\r\nConnection: close\r\n\r\nhi",
		why: "the version is not kept, and an HTTP/1.0 connection closes",
	}, {
		name: "HEAD", method: "HEAD", in: okHead + "Content-Length: 5\r\n\r\n", rest: okHead,
		want: parsed{200, nil, ""},
	}, {
		name: "HEAD of chunks", method: "HEAD", in: okHead + "Transfer-Encoding: chunked\r\n\r\n", rest: okHead,
		want: parsed{200, nil, ""}, written: okHead + "\r\n",
	}, {
		name: "204", in: "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n", rest: okHead,
		want: parsed{204, [][2]string{{"X-A", "b"}}, ""},
	}, {
		name: "204 with a length of 0", in: "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", rest: okHead,
		want: parsed{204, nil, ""}, written: "HTTP/1.1 204 No Content\r\n\r\n",
	}, {
		name: "304 with a length", in: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"a\"\r\n\r\n", rest: okHead,
		want: parsed{304, [][2]string{{"ETag", `"a"`}}, ""}, written: "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
		why: "the length is that of the 200",
	}, {
		name: "205", in: "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", rest: okHead,
		want: parsed{205, nil, ""},
	}, {
		name: "CONNECT", method: "CONNECT", in: okHead + "\r\n", rest: "tunnel",
		want: parsed{200, nil, ""}, written: okHead + "Content-Length: 0\r\n\r\n",
	}, {
		name: "CONNECT that is refused", method: "CONNECT", in: "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", rest: "x",
		want: parsed{403, nil, "no"},
	}, {
		name: "100", in: "HTTP/1.1 100 Continue\r\n\r\n", rest: okHead,
		want: parsed{100, nil, ""}, written: "-", why: "the final response follows",
	}, {
		name: "103", in: "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", rest: okHead,
		want: parsed{103, [][2]string{{"Link", "</a>"}}, ""}, written: "-",
	}, {
		name: "101", in: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\nConnection: Upgrade\r\n\r\n", rest: "another protocol",
		want: parsed{101, [][2]string{{"Upgrade", "a"}}, ""}, written: "-",
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := []byte(tt.in + tt.rest)
			resp, rest, err := rawhttp.ParseResponse(in, tt.method)
			if err != nil || string(rest) != tt.rest || rest == nil {
				t.Fatalf("ParseResponse(%q) = rest %q, %v, want %q", in, rest, err, tt.rest)
			}
			clear(in) // the Response must not refer to its input
			if diff := cmp.Diff(tt.want, receivedOf(t, resp, tt.method)); diff != "" {
				t.Errorf("ParseResponse(%q) (-want +got):\n%s\nwhy: %s", tt.in, diff, tt.why)
			}
			for n := range tt.in {
				if _, _, err := rawhttp.ParseResponse([]byte(tt.in[:n]), tt.method); err != rawhttp.ErrIncomplete {
					t.Errorf("ParseResponse(%q) = %v, want ErrIncomplete", tt.in[:n], err)
				}
			}
			var wire strings.Builder
			method := "GET"
			if tt.method == "HEAD" {
				method = "HEAD"
			}
			for range 2 { // it may be written any number of times
				wire.Reset()
				wire.WriteString(rawhttp.Answer(resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) { return resp, nil }), method+" / HTTP/1.1\r\nHost: a\r\n\r\n"))
			}
			switch tt.written {
			case "":
				tt.written = tt.in
			case "-":
				if resp.Err() == nil {
					t.Error("a 1xx was written as a final response, want an error")
				}
				return
			}
			if diff := cmp.Diff(tt.written, wire.String()); diff != "" {
				t.Errorf("written again (-want +got):\n%s\nwhy: %s", diff, tt.why)
			}
		})
	}
}

// Content without a length lasts until the connection ends, so ParseResponse returns all of it
// and a nil rest.
func TestParseResponseUntilClose(t *testing.T) {
	for _, content := range []string{"", "hi", "hi there"} {
		resp, rest, err := rawhttp.ParseResponse([]byte(okHead+"\r\n"+content), "GET")
		if err != nil || rest != nil {
			t.Fatalf("rest %q, %v, want nil and no error", rest, err)
		}
		if got := receivedOf(t, resp, "GET").Content; got != content {
			t.Errorf("content %q, want %q", got, content)
		}
		var wire bytes.Buffer
		if _, err := resp.WriteTo(&wire); err != nil || !strings.Contains(wire.String(), "\r\nConnection: close\r\n") {
			t.Errorf("written again: %q, %v, want it with Connection: close", wire.String(), err)
		}
	}
}

// A parsed response to HEAD cannot answer another method: its head without content would leave
// the client waiting, or reading the next response as content.
func TestParseResponseToHEADAnswersOnlyHEAD(t *testing.T) {
	for _, length := range []string{"", "Content-Length: 0\r\n", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"} {
		resp, _, err := rawhttp.ParseResponse([]byte(okHead+length+"\r\n"), "HEAD")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(failed+failedText, writeParsed(resp, "GET")); diff != "" {
			t.Errorf("%q: answer to GET (-want +got):\n%s", length, diff)
		}
		var wire strings.Builder
		if _, err := resp.WriteTo(&wire); err != nil || wire.String() != writeParsed(resp, "HEAD") {
			t.Errorf("%q: WriteTo wrote %q, %v, want the answer to HEAD", length, wire.String(), err)
		}
	}
}

func TestParseResponseRefuses(t *testing.T) {
	const line, version, length, coding = "RFC 9112, section 4", "RFC 9112, section 2.3", "RFC 9110, section 8.6", "RFC 9112, section 6.1"
	tests := []struct {
		in      string
		offset  int
		reason  string
		section string
	}{
		{"HTP", 2, "HTTP version is malformed", version},
		{"\r\nHTTP/1.1 200 OK", 0, "HTTP version is malformed", version},
		{"http/1.1", 0, "HTTP version is malformed", version},
		{"HTTP/1.10 ", 8, "HTTP version is malformed", version},
		{"HTTP/2.0 200 ", 5, "HTTP version is not supported", "RFC 9110, section 2.5"},
		{"HTTP/1.1  200", 9, "status code is not three digits", line},
		{"HTTP/1.1 20 ", 11, "status code is not three digits", line},
		{"HTTP/1.1 2000", 12, "no space after the status code", line},
		{"HTTP/1.1 200\r\n", 12, "no space after the status code", line},
		{"HTTP/1.1 099 ", 9, "status code is not between 100 and 599", "RFC 9110, section 15"},
		{"HTTP/1.1 600 ", 9, "status code is not between 100 and 599", "RFC 9110, section 15"},
		{"HTTP/1.1 200 O\x00K", 14, "reason phrase has a control byte", line},
		{"HTTP/1.1 200 OK\n", 15, "line ends in LF without CR", "RFC 9112, section 2.2"},
		{"HTTP/1.1 200 OK\rX", 15, "CR is not followed by LF", "RFC 9112, section 2.2"},
		{"HTTP/1.1 200 " + strings.Repeat("x", 9000), 8192, "status line is too long", line},
		{okHead + "X : y\r\n", 18, "field name is not a token", "RFC 9112, section 5.1"},
		{okHead + "X: y\r\n z\r\n", 23, "field line begins with white space, which is obsolete line folding", "RFC 9112, section 5.2"},
		{okHead + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 36, "more than one Content-Length field line", "RFC 9112, section 6.3"},
		{okHead + "Content-Length: +1\r\n\r\n", 33, "Content-Length is not a number of up to 18 digits without leading zeros", length},
		{okHead + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 36, "both Content-Length and Transfer-Encoding", coding},
		{okHead + "Transfer-Encoding: gzip, chunked\r\n\r\n", 36, "transfer coding is not implemented", coding},
		{"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 17, "Transfer-Encoding in HTTP/1.0", coding},
		{okHead + "Transfer_Encoding: chunked\r\n\r\n", 17, "field name is that of a framing field with _ in place of -", "RFC 9112, section 11.2"},
		{okHead + "Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n", 36, "more than one Content-Type field line", "RFC 9110, section 5.3"},
		{"HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\n", 25, "Content-Length or Transfer-Encoding with a status that has no content", "RFC 9112, section 6.3"},
		{"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n", 26, "Content-Length or Transfer-Encoding with a status that has no content", "RFC 9112, section 6.3"},
		{"HTTP/1.1 205 Reset Content\r\nContent-Length: 1\r\n\r\nx", 49, "content with status 205, which has no content", "RFC 9110, section 15.3.6"},
		{okHead + "Transfer-Encoding: chunked\r\n\r\nx", 47, "chunk size is not a hexadecimal number", "RFC 9112, section 7.1"},
		{okHead + "Transfer-Encoding: chunked\r\n\r\n1\r\nxy", 51, "chunk data does not end in CRLF", "RFC 9112, section 7.1"},
		{okHead + "Transfer-Encoding: chunked\r\n\r\n0\r\nHost: a\r\n\r\n", 50, "field is not allowed in a trailer section", "RFC 9110, section 6.5.1"},
		{okHead + strings.Repeat("X: y\r\n", 101), 617, "header section has too many field lines", "RFC 6585, section 5"},
		{okHead + strings.Repeat("X: "+strings.Repeat("y", 8000)+"\r\n", 5), 32768, "header section is too long", "RFC 6585, section 5"},
	}
	for _, tt := range tests {
		want := &rawhttp.ParseError{Status: 502, Offset: tt.offset, Reason: tt.reason, Section: tt.section}
		resp, rest, err := rawhttp.ParseResponse([]byte(tt.in), "GET")
		var got *rawhttp.ParseError
		errors.As(err, &got)
		if diff := cmp.Diff(want, got); diff != "" || resp != nil || rest != nil {
			t.Errorf("ParseResponse(%.80q) = %v, %q, error (-want +got):\n%s", tt.in, resp, rest, diff)
		}
		if !strings.HasPrefix(err.Error(), "rawhttp: malformed response at byte ") {
			t.Errorf("ParseResponse: error %q, want one about a response", err)
		}
	}
	if _, _, err := rawhttp.ParseRequest([]byte("GET\r\n")); !strings.HasPrefix(err.Error(), "rawhttp: malformed request at byte ") {
		t.Errorf("ParseRequest: error %q, want one about a request", err)
	}
}

// FuzzParseResponse compares the result with net/http, and checks that an accepted response
// writes back to the same bytes.
func FuzzParseResponse(f *testing.F) {
	for _, s := range []string{
		okHead + "Content-Length: 2\r\n\r\nhi" + okHead,
		okHead + "Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\n",
		okHead + "Content-Type: a/b\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\n\r\nhi",
		"HTTP/1.0 404 Gone\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nContent-Type: a/b\r\nETag: \"a\"\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", "HTTP/1.1 205 Reset\r\n\r\n",
	} {
		f.Add([]byte(s), uint8(0))
		f.Add([]byte(s), uint8(1))
	}
	methods := []string{"GET", "HEAD", "CONNECT"}
	f.Fuzz(func(t *testing.T, in []byte, m uint8) {
		method := methods[int(m)%len(methods)]
		resp, rest, err := rawhttp.ParseResponse(in, method)
		if err != nil {
			var pe *rawhttp.ParseError
			if err != rawhttp.ErrIncomplete && (!errors.As(err, &pe) || pe.Status != 502 || pe.Offset < 0 || pe.Offset > len(in) || pe.Section == "") {
				t.Fatalf("ParseResponse(%q) = %v", in, err)
			}
			return
		}
		if !bytes.HasSuffix(in, rest) {
			t.Fatalf("ParseResponse(%q): rest %q is not a suffix", in, rest)
		}
		got := receivedOf(t, resp, method)
		compareResponse(t, in[:len(in)-len(rest)], method, got)
		if resp.Err() != nil || method == "CONNECT" {
			return
		}
		first := writeParsed(resp, method)
		again, rest, err := rawhttp.ParseResponse([]byte(first), method)
		if err != nil || len(rest) > 0 {
			t.Fatalf("%q, written as %q: rest %q, %v", in, first, rest, err)
		}
		if p := receivedOf(t, again, method); p.Status != got.Status || p.Content != got.Content {
			t.Fatalf("%q was written as %q, which parses differently (-first +second):\n%s", in, first, cmp.Diff(got, p))
		}
		if second := writeParsed(again, method); second != first {
			t.Fatalf("%q was written as %q, and that as %q", in, first, second)
		}
	})
}

func writeParsed(resp *rawhttp.Response, method string) string {
	return rawhttp.Answer(resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) { return resp, nil }), method+" / HTTP/1.1\r\nHost: a\r\n\r\n")
}

// compareResponse checks that net/http accepts the response too and parses it the same way.
func compareResponse(t *testing.T, in []byte, method string, got parsed) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(in)), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("http.ReadResponse(%q): %v", in, err)
	}
	defer resp.Body.Close()
	var content []byte
	if method != "CONNECT" || got.Status/100 != 2 { // net/http reads a tunnel as content
		content, err = io.ReadAll(resp.Body)
	}
	if err != nil || resp.StatusCode != got.Status || string(content) != got.Content {
		t.Fatalf("http.ReadResponse(%q) = %d %q, %v, want %d %q", in, resp.StatusCode, content, err, got.Status, got.Content)
	}
	for _, f := range got.Fields {
		name := http.CanonicalHeaderKey(f[0])
		if values, ok := resp.Header[name]; !ok || !strings.Contains("\n"+strings.Join(values, "\n")+"\n", "\n"+f[1]+"\n") {
			t.Fatalf("http.ReadResponse(%q) has %q = %q, want %q among them", in, name, values, f[1])
		}
	}
}

// A server that passes on a response of another server sends its Date, and no second one (RFC
// 9110, section 6.6.1).
func TestParsedDateIsSentOnce(t *testing.T) {
	const in = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
	resp, _, err := rawhttp.ParseResponse([]byte(in), "GET")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	if _, err := rawhttp.WriteResponse(t.Context(), &got, requestOf(t, get11), resp); got.String() != in || err != nil {
		t.Errorf("WriteResponse wrote %q, %v, want %q", &got, err, in)
	}
}
