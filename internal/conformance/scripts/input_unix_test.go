//go:build unix

package scripts_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// printCount is a script that prints the length and type of its content, as variables, and the
// number of bytes that it can read.
const printCount = "printf 'Content-Type: text/plain\\n\\n%s, %s bytes, %s' \"${CONTENT_LENGTH-none}\" $(wc -c) \"${CONTENT_TYPE-none}\"\n"

// plainText returns the answer of a script that prints the text with its media type.
func plainText(text string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nX-Content-Type-Options: nosniff\r\n\r\n%s", len(text), text)
}

// A script reads exactly the content and then EOF, and CONTENT_LENGTH is its length.
func TestScriptInput(t *testing.T) {
	t.Parallel()
	const post = "POST /x.sh HTTP/1.1\r\nHost: example.test\r\n"
	chunked := func(chunks ...int) string {
		var b strings.Builder
		b.WriteString(post + "Content-Type: a/b; c=d\r\nTransfer-Encoding: chunked\r\n\r\n")
		for _, n := range append(chunks, 0) {
			fmt.Fprintf(&b, "%x\r\n%s", n, strings.Repeat("z", n))
			if n > 0 {
				b.WriteString("\r\n")
			}
		}
		return b.String() + "Late: trailer\r\n\r\n"
	}
	tests := []struct{ name, request, want string }{
		{"a GET", getRequest("/x.sh"), "none, 0 bytes, none"},
		{"a POST without content", post + "\r\n", "none, 0 bytes, none"},
		{"a POST of no bytes", post + "Content-Length: 0\r\n\r\n", "0, 0 bytes, none"},
		{"a POST", post + "Content-Length: 5\r\nContent-Type: a/b\r\n\r\nhello", "5, 5 bytes, a/b"},
		{"a POST of a byte", post + "Content-Length: 1\r\n\r\n\x00", "1, 1 bytes, none"},
		{"a POST of as much as a pipe holds", postRequest("/x.sh", strings.Repeat("z", 64<<10)), "65536, 65536 bytes, none"},
		{"a POST of more than a pipe holds", postRequest("/x.sh", strings.Repeat("z", 300_000)), "300000, 300000 bytes, none"},
		{"a GET with content", "GET /x.sh HTTP/1.1\r\nHost: example.test\r\nContent-Length: 5\r\n\r\nhello", "5, 5 bytes, none"},
		{"a POST in HTTP/1.0", "POST /x.sh HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", "5, 5 bytes, none"},
		{"chunks", chunked(1, 2, 3), "6, 6 bytes, a/b; c=d"},
		{"no chunks", chunked(), "0, 0 bytes, a/b; c=d"},
		{"chunks of a byte less than is kept in memory", chunked(65535), "65535, 65535 bytes, a/b; c=d"},
		{"chunks of as much as is kept in memory", chunked(1, 65535), "65536, 65536 bytes, a/b; c=d"},
		{"chunks of a byte more than is kept in memory", chunked(65536, 1), "65537, 65537 bytes, a/b; c=d"},
		{"chunks of far more than is kept in memory", chunked(100_000, 1, 199_999), "300000, 300000 bytes, a/b; c=d"},
	}
	root := testkit.Scripts(t, map[string]string{"x.sh": printCount, "a.txt": "next"})
	addr := serveShell(t, root)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := plainText(tt.want)
			if strings.Contains(tt.request, "HTTP/1.0") {
				want = strings.Replace(want, "\r\n\r\n", "\r\nConnection: keep-alive\r\n\r\n", 1)
			}
			answer := talkHeld(t, addr, tt.request+getRequest("/a.txt"), strings.Repeat("Content-Length: ", 2))
			got, next, _ := strings.Cut(answer, tt.want+"HTTP/1.1 200 OK\r\n")
			if diff := cmp.Diff(want, got+tt.want); diff != "" {
				t.Errorf("answer to %.200q (-want +got):\n%s", tt.request, diff)
			}
			if !strings.HasSuffix(next, "\r\n\r\nnext") {
				t.Errorf("after the answer: %q, want the answer to the next request", next)
			}
		})
	}
}

// Long chunked content is kept in an unnamed file while the script reads it, short content in
// memory.
func TestScriptInputLeavesNoFile(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	root := testkit.Scripts(t, map[string]string{
		"x.sh": "ls -A \"$TMPDIR\" | wc -l\nwc -c",
		"y.sh": "echo unread",
		"z.sh": "kill -KILL $$",
	})
	addr := serveShell(t, root)
	for _, n := range []int{10, 65537, 300_000} {
		for script, want := range map[string]string{"x": fmt.Sprintf("0\n%d\n", n), "y": "unread\n", "z": "500 Internal Server Error\n"} {
			request := fmt.Sprintf("POST /%s.sh HTTP/1.1\r\nHost: example.test\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", script, n, strings.Repeat("z", n))
			if _, got := splitHead(withLength(t, talk(t, addr, request))); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
				t.Errorf("answer to %d chunked bytes for %s.sh: %q, want %q", n, script, got, want)
			}
		}
	}
	entries, err := os.ReadDir(folder)
	if len(entries) > 0 || err != nil {
		t.Errorf("folder for temporary files: %v, %v, want it empty", entries, err)
	}
}

// If the content cannot be stored, the answer is 500, whatever the error. The request is not
// passed to another resolver, which might send the script's source.
func TestScriptInputCannotBeStored(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "absent"))
	root := testkit.Scripts(t, map[string]string{"x.sh": leaveMark})
	source := filesOfDir(t, root)
	_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(rawhttp.First(filesOfDir(t, root, rawhttp.WithScript(".sh", "sh")), source)))
	for _, method := range []string{"GET", "POST"} {
		request := fmt.Sprintf("%s /x.sh HTTP/1.1\r\nHost: example.test\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", method, 300_000, strings.Repeat("z", 300_000))
		if got := talk(t, addr, request); !strings.HasPrefix(got, "HTTP/1.1 500 ") {
			t.Errorf("answer to %s with content that cannot be stored: %q, want 500", method, got)
		}
	}
	wantNoMark(t, root)
}

// leaveMark is a script that creates the file ran.
const leaveMark = ": >ran; exec cat\n"

// wantNoMark fails the test if leaveMark has run.
func wantNoMark(t testing.TB, root string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, "ran")); err == nil {
		t.Error("the script ran")
	}
}

// Content that is over the limit or invalid is answered with an error, and no script runs.
func TestScriptInputRefused(t *testing.T) {
	tests := []struct{ name, request, want string }{
		{"a length", postRequest("/x.sh", "12345678901"), "413 Content Too Large"},
		{"chunks", "POST /x.sh HTTP/1.1\r\nHost: example.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n6\r\n678901\r\n0\r\n\r\n", "413 Content Too Large"},
		{"a malformed chunk", "POST /x.sh HTTP/1.1\r\nHost: example.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\nz\r\n", "400 Bad Request"},
		{"chunks without an end", "POST /x.sh HTTP/1.1\r\nHost: example.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n", "400 Bad Request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := testkit.Scripts(t, map[string]string{"x.sh": leaveMark})
			addr := serveShell(t, root, rawhttp.WithMaxBodyBytes(10))
			answer := talk(t, addr, tt.request+getRequest("/x.sh"))
			if !strings.HasPrefix(answer, "HTTP/1.1 "+tt.want+"\r\n") || !strings.Contains(answer, "\r\nConnection: close\r\n") || strings.Count(answer, "HTTP/1.1 ") != 1 {
				t.Errorf("answer to %q: %q, want %s and Connection: close", tt.request, answer, tt.want)
			}
			wantNoMark(t, root)
		})
	}
	root := testkit.Scripts(t, map[string]string{"x.sh": "exec cat"})
	if got := talk(t, serveShell(t, root, rawhttp.WithMaxBodyBytes(10)), postRequest("/x.sh", "1234567890")); !strings.HasSuffix(got, "\r\n\r\n1234567890") {
		t.Errorf("answer to content of exactly the limit: %q", got)
	}
}

// If a client half-closes the connection before the end of its content, or stops sending, it gets an
// error, and the script is ended. TestScriptEndsWithExchange has content that ends after output.
func TestScriptInputEndsEarly(t *testing.T) {
	t.Parallel()
	const (
		post      = "POST /x.sh HTTP/1.1\r\nHost: example.test\r\n"
		endsEarly = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 58\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n400 Bad Request: content ends early (RFC 9112, section 8)\n"
		timedOut  = "HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 20\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n408 Request Timeout\n"
	)
	tests := []struct {
		name, request string
		halfCloses    bool
		want          string
	}{
		{"half-closes within the content", post + "Content-Length: 10\r\n\r\n12345", true, endsEarly},
		{"half-closes before the content", post + "Content-Length: 10\r\n\r\n", true, endsEarly},
		{"half-closes within chunks", post + "Transfer-Encoding: chunked\r\n\r\n5\r\n123", true, endsEarly},
		{"stalls within the content", post + "Content-Length: 10\r\n\r\n12345", false, timedOut},
		{"stalls before the content", post + "Content-Length: 10\r\n\r\n", false, timedOut},
		{"stalls within chunks", post + "Transfer-Encoding: chunked\r\n\r\n5\r\n123", false, timedOut},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serveScripts(t, map[string]string{"x.sh": "cat; exec sleep 1000"}, rawhttp.WithStallTimeout(200*time.Millisecond), rawhttp.WithMaxScripts(1), rawhttp.WithScriptTimeout(0))
			c := s.dial(t)
			c.send(t, tt.request)
			if tt.halfCloses {
				c.CloseWrite()
			}
			got, err := io.ReadAll(c)
			if diff := cmp.Diff(tt.want, string(got)); diff != "" || err != nil {
				t.Errorf("answer to a client that %s (-want +got):\n%s\n%v", tt.name, diff, err)
			}
			s.awaitTurn(t) // the script has ended
		})
	}
}

// A script may close its output and go on reading. Its output is sent at once, and the connection
// persists after its content.
func TestScriptClosesOutput(t *testing.T) {
	t.Parallel()
	s := serveScripts(t, map[string]string{"x.sh": "echo; echo page; exec wc -c >count"})
	c := s.dial(t)
	c.send(t, postBegun("/x.sh", 10, "12345"))
	resp := c.head(t)
	page := make([]byte, len("\npage\n"))
	if _, err := io.ReadFull(resp.Body, page); string(page) != "\npage\n" || err != nil {
		t.Fatalf("before the end of the content the client read %q, %v, want the page", page, err)
	}
	c.send(t, "67890"+getRequest("/hello.txt"))
	if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
		t.Errorf("after the page: %q, %v, want io.EOF", rest, err)
	}
	wholeAnswer("hello\n").check(t, "/hello.txt on the same connection", c.answer(t))
	if got := strings.TrimSpace(s.await(t, "count")); got != "10" {
		t.Errorf("the script read %s bytes, want 10", got)
	}
}

// A client that waits for 100 (Continue) receives it if a script runs, and only then (RFC 9110,
// section 10.1.1).
func TestScriptInputContinue(t *testing.T) {
	s := serveScripts(t, map[string]string{"x.sh": "exec cat"}, rawhttp.WithScript(".cgi"))
	testkit.WriteFile(t, filepath.Join(s.root, "not-executable.cgi"), "#!/bin/sh\n", 0o644)
	const expect = "Host: example.test\r\nExpect: 100-continue\r\n"
	for framing, content := range map[string]string{"Content-Length: 5\r\n\r\n": "hello", "Transfer-Encoding: chunked\r\n\r\n": "5\r\nhello\r\n0\r\n\r\n"} {
		c := s.dial(t)
		c.send(t, "POST /x.sh HTTP/1.1\r\n"+expect+framing)
		readExpected(t, c.r, "the answer to the head", "HTTP/1.1 100 Continue\r\n\r\n")
		c.send(t, content)
		outputAnswer("hello").check(t, "a POST with "+framing, c.answer(t))
	}
	for _, tt := range []struct{ head, want string }{
		{"POST /not-executable.cgi HTTP/1.1\r\n", "403 Forbidden"},
		{"POST /x.sh HTTP/1.1\r\nSec-Fetch-Site: cross-site\r\n", "403 Forbidden"},
		{"POST /missing.sh HTTP/1.1\r\n", "404 Not Found"},
		{"PUT /x.sh HTTP/1.1\r\n", "405 Method Not Allowed"},
		{"POST /hello.txt HTTP/1.1\r\n", "405 Method Not Allowed"},
	} {
		for _, framing := range []string{"Content-Length: 5\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"} {
			c := s.dial(t)
			c.send(t, tt.head+expect+framing)
			readExpected(t, c.r, "the answer to "+tt.head+framing, "HTTP/1.1 "+tt.want+"\r\n")
		}
	}
}

// The answer of a script that reads nothing is sent at once, even if the client has not sent most
// of its content. The rest of the content is discarded, and the connection persists.
func TestScriptReadsNothing(t *testing.T) {
	t.Parallel()
	s := serveScripts(t, map[string]string{
		"leaves.sh": "echo hello", "closes.sh": "exec <&-; echo hello",
		"slow.sh": "printf 'Status: 413\\nContent-Type: text/plain\\n\\nno\\n'; read x <gate",
	})
	const length = 200_000
	for what, sent := range map[string]int{"nothing": 0, "a part": 100, "more than a pipe holds": 150_000} {
		for _, target := range []string{"/leaves.sh", "/closes.sh"} {
			c := s.dial(t)
			c.send(t, postBegun(target, length, strings.Repeat("z", sent)))
			outputAnswer("hello\n").check(t, target+" after the client has sent "+what, c.answer(t))
			c.send(t, strings.Repeat("z", length-sent)+getRequest("/hello.txt"))
			wholeAnswer("hello\n").check(t, "/hello.txt on the same connection", c.answer(t))
		}
	}
	open := s.gate(t)
	c := s.dial(t)
	c.send(t, postBegun("/slow.sh", 10, "1"))
	readExpected(t, c.r, "the answer of a script that runs on", "HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n"+
		"X-Content-Type-Options: nosniff\r\n\r\n3\r\nno\n\r\n")
	open()
	readExpected(t, c.r, "the end of the answer", "0\r\n\r\n")
}

// A connection persists after scripts of all kinds.
func TestScriptsOnOneConnection(t *testing.T) {
	t.Parallel()
	s := serveScripts(t, map[string]string{"echoes.sh": "exec cat", "fails.sh": "exit 1", "streams.sh": "cat; head -c 100000 /dev/zero"})
	c := s.dial(t)
	for range 5 {
		c.send(t, postRequest("/echoes.sh", "hello"))
		outputAnswer("hello").check(t, "POST /echoes.sh", c.answer(t))
		c.send(t, getRequest("/fails.sh"))
		statusAnswer(500).check(t, "GET /fails.sh", c.answer(t))
		c.send(t, getRequest("/streams.sh"))
		scriptAnswer{200, "chunked", strings.Repeat("\x00", 100_000), false}.check(t, "GET /streams.sh", c.answer(t))
		c.send(t, "HEAD /echoes.sh HTTP/1.1\r\nHost: example.test\r\n\r\n")
		readExpected(t, c.r, "HEAD /echoes.sh", strings.Replace(pageAnswer(""), "Content-Length: 0\r\n", "", 1))
	}
}
