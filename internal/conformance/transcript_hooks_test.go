package conformance_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// Transcript writes one line for each line sent or received.
func TestTranscript(t *testing.T) {
	type part struct {
		conn, req uint64
		who       byte // 'C' for the client, 'S' for the server, '.' for the end of the connection
		b         string
	}
	a := func(n int) string { return strings.Repeat("a", n) }
	tests := []struct {
		name string
		in   []part
		want string
		why  string
	}{{
		name: "a conversation",
		in: []part{
			{3, 1, 'C', "GET /sample.txt HTTP/1.1\r\nHost: localhost:10000\r\n\r\n"},
			{3, 1, 'S', "HTTP/1.1 200 OK\r\n\r\nline\n"},
			{3, 1, '.', ""},
		},
		want: `#3.1 C --> GET /sample.txt HTTP/1.1<CRLF>
#3.1 C --> Host: localhost:10000<CRLF>
#3.1 C --> <CRLF>
#3.1 S <-- HTTP/1.1 200 OK<CRLF>
#3.1 S <-- <CRLF>
#3.1 S <-- line<LF>
`,
	}, {
		name: "lines in pieces",
		in: []part{
			{1, 1, 'C', "G"}, {1, 1, 'C', "ET / HTTP/1.1\r"}, {1, 1, 'C', "\nHost"}, {1, 1, 'C', ": a\r\n\r"}, {1, 1, 'C', "\n"},
			{1, 1, 'S', "HT"}, {1, 1, 'S', "TP/1.1"}, {1, 1, 'S', "\r\n"}, {1, 1, '.', ""},
		},
		want: `#1.1 C --> GET / HTTP/1.1<CRLF>
#1.1 C --> Host: a<CRLF>
#1.1 C --> <CRLF>
#1.1 S <-- HTTP/1.1<CRLF>
`,
	}, {
		name: "a last line without line end",
		in:   []part{{1, 1, 'S', "hello"}, {1, 1, '.', ""}},
		want: "#1.1 S <-- hello\n",
		why:  "the line is written when the connection closes",
	}, {
		name: "content without an end of line, and another request",
		in: []part{
			{1, 1, 'C', "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n{\"a\":1}"},
			{1, 1, 'S', "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"},
			{1, 2, 'C', "GET / HTTP/1.1\r\n"}, {1, 2, 'S', "world\r\n"}, {1, 2, '.', ""},
		},
		want: `#1.1 C --> POST /a HTTP/1.1<CRLF>
#1.1 C --> Host: a<CRLF>
#1.1 C --> Content-Length: 7<CRLF>
#1.1 C --> <CRLF>
#1.1 C --> {"a":1}
#1.1 S <-- HTTP/1.1 200 OK<CRLF>
#1.1 S <-- Content-Length: 5<CRLF>
#1.1 S <-- <CRLF>
#1.1 S <-- hello

#1.2 C --> GET / HTTP/1.1<CRLF>
#1.2 S <-- world<CRLF>
`,
		why: "lines are in the order in which they began",
	}, {
		name: "two connections",
		in: []part{
			{1, 1, 'C', "one "}, {2, 1, 'C', "two "}, {1, 1, 'C', "more\n"}, {2, 1, 'C', "lines\n"}, {2, 1, '.', ""}, {1, 1, '.', ""},
		},
		want: "#1.1 C --> one more<LF>\n#2.1 C --> two lines<LF>\n",
	}, {
		name: "a connection number that is used again",
		in:   []part{{1, 1, 'C', "old"}, {1, 1, '.', ""}, {1, 1, 'C', "new\n"}, {1, 1, '.', ""}},
		want: "#1.1 C --> old\n#1.1 C --> new<LF>\n",
	}, {
		name: "control bytes",
		in:   []part{{1, 1, 'C', "a\x00b\tc\x1b[31md\re\x7f\r\r\n"}, {1, 1, '.', ""}},
		want: `#1.1 C --> a\x00b\tc\x1b[31md\x0de\x7f\x0d<CRLF>` + "\n",
		why:  "a terminal must not act on them",
	}, {
		name: "bytes that are not UTF-8",
		in:   []part{{1, 1, 'S', "\xff\xef\xefx\xc3\xe2\x82\x80\n"}, {1, 1, '.', ""}},
		want: `#1.1 S <-- \xff\xef\xefx\xc3` + "\u2080<LF>\n",
	}, {
		name: "UTF-8",
		in:   []part{{1, 1, 'S', "é 漢 \ufffd\n"}, {1, 1, '.', ""}},
		want: "#1.1 S <-- é 漢 \ufffd<LF>\n",
	}, {
		name: "characters that a terminal acts on",
		in:   []part{{1, 1, 'S', "\u009b31m \u202e \u2066\n"}, {1, 1, '.', ""}},
		want: `#1.1 S <-- \xc2\x9b31m \xe2\x80\xae \xe2\x81\xa6<LF>` + "\n",
	}, {
		name: "text that looks like an escape",
		in:   []part{{1, 1, 'S', "\x00 \\x00 \\\\xAB \\x0g C:\\x \\n {\"\\u0000\"}\n"}},
		want: `#1.1 S <-- \x00 \x5cx00 \\x5cxAB \x0g C:\x \n {"\u0000"}<LF>` + "\n",
		why:  "a byte and its escape must not look alike; other backslashes stay readable",
	}, {
		name: "a line of 1024 bytes",
		in:   []part{{1, 1, 'S', a(1022) + "\r\n"}, {1, 1, '.', ""}},
		want: "#1.1 S <-- " + a(1022) + "<CRLF>\n",
	}, {
		name: "a longer line",
		in:   []part{{1, 1, 'S', a(2000) + "\r\n"}, {1, 1, '.', ""}},
		want: "#1.1 S <-- " + a(1024) + "\n#1.1 S <-- " + a(976) + "<CRLF>\n",
	}, {
		name: "a longer line in pieces",
		in:   []part{{1, 1, 'S', a(1000)}, {1, 1, 'S', a(1000)}, {1, 1, 'S', a(500) + "\n"}, {1, 1, '.', ""}},
		want: "#1.1 S <-- " + a(1024) + "\n#1.1 S <-- " + a(1024) + "\n#1.1 S <-- " + a(452) + "<LF>\n",
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var w writeLog
			tr := rawhttp.Transcript(&w)
			for _, s := range tt.in {
				b := []byte(s.b)
				switch s.who {
				case 'C':
					tr.BytesRead(s.conn, s.req, b)
				case 'S':
					tr.BytesWritten(s.conn, s.req, b)
				default:
					tr.ConnClose(s.conn, nil)
				}
				for i := range b { // valid until the hook returns
					b[i] = '?'
				}
			}
			if diff := cmp.Diff(tt.want, strings.Join(w.writes, "")); diff != "" {
				t.Errorf("Transcript of %v (-want +got):\n%s\nwhy: %s", tt.in, diff, tt.why)
			}
			for _, line := range w.writes {
				if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
					t.Errorf("Write got %q, want one line", line)
				}
			}
		})
	}
}

// A long line is not broken within a CRLF or within a character, since the result would look
// different from the bytes.
func TestTranscriptBreaksLongLines(t *testing.T) {
	for _, in := range []string{
		strings.Repeat("a", 1023) + "\r\n",
		strings.Repeat("a", 1024) + "\r\n",
		strings.Repeat("a", 2047) + "\r\n",
		strings.Repeat("é", 1500) + "\r\n",
		"a" + strings.Repeat("é", 1500) + "\r\n",
		strings.Repeat("漢", 1000) + "\r\n",
		"aa" + strings.Repeat("漢", 1000) + "\r\n",
	} {
		var w writeLog
		tr := rawhttp.Transcript(&w)
		tr.BytesRead(1, 1, []byte(in))
		tr.ConnClose(1, nil)
		var text strings.Builder
		for _, line := range w.writes {
			line = strings.TrimSuffix(strings.TrimPrefix(line, "#1.1 C --> "), "\n")
			if len(line) > 1024+len("<CRLF>") {
				t.Errorf("line has %d bytes", len(line))
			}
			text.WriteString(line)
		}
		if want := strings.TrimSuffix(in, "\r\n") + "<CRLF>"; text.String() != want {
			t.Errorf("Transcript of %.5q... (%d bytes) ends in %q and has %d bytes, want %d", in, len(in),
				text.String()[max(0, text.Len()-20):], text.Len(), len(want))
		}
	}
}

// The lines of a server's transcript have the numbers of connection and request.
func TestTranscriptOfServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var w writeLog
		c := servePipe(t, rawhttp.WithResolver(answerPath), rawhttp.WithTrace(rawhttp.Transcript(&w)))
		c.send(getRequest("/a"))
		c.send(getRequest("/b") + "GET\r\n\r\n")
		c.waitEnd(time.Now())
		<-c.served
		const want = `#1 C ==> connects from pipe
#1.1 C --> GET /a HTTP/1.1<CRLF>
#1.1 C --> Host: example.test<CRLF>
#1.1 C --> <CRLF>
#1.1 S <-- HTTP/1.1 200 OK<CRLF>
#1.1 S <-- Content-Type: text/plain; charset=utf-8<CRLF>
#1.1 S <-- Content-Length: 2<CRLF>
#1.1 S <-- <CRLF>
#1.1 S <-- /a

#1.2 C --> GET /b HTTP/1.1<CRLF>
#1.2 C --> Host: example.test<CRLF>
#1.2 C --> <CRLF>

#1.3 C --> GET<CRLF>

#1.2 S <-- HTTP/1.1 200 OK<CRLF>
#1.2 S <-- Content-Type: text/plain; charset=utf-8<CRLF>
#1.2 S <-- Content-Length: 2<CRLF>
#1.2 S <-- <CRLF>
#1.2 S <-- /b

#1.3       GET<CRLF>
#1.3          ^ method is not a token (RFC 9110, section 9.1): 400
#1.3 C --> <CRLF>
#1.3 S <-- HTTP/1.1 400 Bad Request<CRLF>
#1.3 S <-- Content-Type: text/plain; charset=utf-8<CRLF>
#1.3 S <-- Content-Length: 63<CRLF>
#1.3 S <-- X-Content-Type-Options: nosniff<CRLF>
#1.3 S <-- Connection: close<CRLF>
#1.3 S <-- <CRLF>
#1.3 S <-- 400 Bad Request: method is not a token (RFC 9110, section 9.1)<LF>
#1 S <== closes (after the answer)
`
		if diff := cmp.Diff(want, strings.Join(w.writes, "")); diff != "" {
			t.Errorf("Transcript (-want +got):\n%s", diff)
		}
	})
}
