//go:build unix

package scripts_test

import (
	"context"
	"fmt"
	"io"
	"net"
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
	root := testkit.Scripts(t, map[string]string{"x.sh": leaveMark + "exec cat"})
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
			root := testkit.Scripts(t, map[string]string{"x.sh": leaveMark + "exec cat"})
			addr := serveShell(t, root, rawhttp.WithMaxBodyBytes(10))
			answer := talk(t, addr, tt.request+getRequest("/x.sh"))
			if !strings.HasPrefix(answer, "HTTP/1.1 "+tt.want+"\r\n") || !strings.Contains(answer, "\r\nConnection: close\r\n") || strings.Count(answer, "HTTP/1.1 ") != 1 {
				t.Errorf("answer to %q: %q, want %s and Connection: close", tt.request, answer, tt.want)
			}
			wantNoMark(t, root)
		})
	}
	root := testkit.Scripts(t, map[string]string{"x.sh": "exec cat"})
	if got := withLength(t, talk(t, serveShell(t, root, rawhttp.WithMaxBodyBytes(10)), postRequest("/x.sh", "1234567890"))); !strings.HasSuffix(got, "\r\n\r\n1234567890") {
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

// A hook that panics while a script reads its content ends the connection, not the program.
func TestHookPanicsWhileScriptReads(t *testing.T) {
	t.Parallel()
	s := &scriptSite{root: scriptFolder(t, map[string]string{"a.sh": "echo $$ >pid; cat"})}
	reads := 0
	_, s.addr = listen(t, rawhttp.WithRoot(s.root), rawhttp.WithScript(".sh", "sh"), rawhttp.WithTrace(rawhttp.Trace{BytesRead: func(uint64, uint64, []byte) {
		if reads++; reads == 2 {
			panic("hook")
		}
	}}))
	c := s.dial(t)
	c.send(t, postBegun("/a.sh", 6, "con"))
	pid := s.awaitPid(t, "pid")
	c.send(t, "ten")
	statusAnswer(500).check(t, "/a.sh, whose content cannot be read", c.answer(t))
	if b, err := io.ReadAll(c.r); len(b) > 0 || err != nil {
		t.Errorf("after the answer: %q, %v, want io.EOF", b, err)
	}
	awaitGone(t, pid)
}

// A hook that panics while content is read ends the connection even if the script has ended: it is
// unknown where the content ends.
func TestHookPanicsAfterScript(t *testing.T) {
	t.Parallel()
	trace := rawhttp.Trace{BytesRead: func(_, _ uint64, b []byte) {
		if strings.HasPrefix(string(b), "content") {
			panic("hook")
		}
	}}
	s := serveScripts(t, map[string]string{"a.sh": "echo; exec head -c 130000 /dev/zero"}, rawhttp.WithTrace(trace), rawhttp.WithMaxScripts(1))
	client, server := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- s.srv.ServeConn(context.Background(), server) }()
	io.WriteString(client, postBegun("/a.sh", 1000, ""))
	io.ReadFull(client, make([]byte, len("HTTP/1.1 200 OK"))) // the script has begun
	s.awaitTurn(t)                                            // and ended
	io.WriteString(client, "content")
	go io.WriteString(client, strings.Repeat("x", 993)+getRequest("/"))
	answer, _ := io.ReadAll(client)
	if strings.Contains(string(answer), "HTTP/1.1") || strings.HasSuffix(string(answer), "\r\n0\r\n\r\n") {
		t.Errorf("answer goes on with %d bytes that end in %.20q, want a cut answer", len(answer), answer[max(0, len(answer)-20):])
	}
	if err := <-served; err == nil {
		t.Error("ServeConn = nil, want an error about the panic")
	}
}
