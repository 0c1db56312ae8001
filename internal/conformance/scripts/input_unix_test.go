//go:build unix

package scripts_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
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
		{"chunks of a byte less than is held in memory", chunked(65535), "65535, 65535 bytes, a/b; c=d"},
		{"chunks of as much as is held in memory", chunked(1, 65535), "65536, 65536 bytes, a/b; c=d"},
		{"chunks of a byte more than is held in memory", chunked(65536, 1), "65537, 65537 bytes, a/b; c=d"},
		{"chunks of far more than is held in memory", chunked(100_000, 1, 199_999), "300000, 300000 bytes, a/b; c=d"},
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
			behind := "GET /a.txt HTTP/1.1\r\nHost: example.test\r\n\r\n"
			answer := talkHeld(t, addr, tt.request+behind, strings.Repeat("Content-Length: ", 2))
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

// Content over the limit is answered with 413, and no script runs.
func TestScriptInputOverLimit(t *testing.T) {
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

// If a client closes its side before the end of its content, or stops sending, it gets an answer
// and the script is ended.
func TestScriptInputEndsEarly(t *testing.T) {
	t.Parallel()
	const head = "POST /x.sh HTTP/1.1\r\nHost: example.test\r\nContent-Length: 10\r\n\r\n"
	tests := []struct {
		name, request string
		closes        bool
		want          string
	}{
		{"half-closes in the content", head + "12345", true, "400 Bad Request"},
		{"half-closes before the content", head, true, "400 Bad Request"},
		{"stalls in the content", head + "12345", false, "408 Request Timeout"},
		{"stalls before the content", head, false, "408 Request Timeout"},
		{"stalls in chunks", "POST /x.sh HTTP/1.1\r\nHost: example.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123", false, "408 Request Timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := testkit.Scripts(t, map[string]string{"x.sh": "echo $$ >pid; exec cat"})
			c := dial(t, serveShell(t, root, rawhttp.WithStallTimeout(200*time.Millisecond)))
			io.WriteString(c, tt.request)
			if tt.closes {
				c.CloseWrite()
			}
			b, err := io.ReadAll(c)
			if answer := string(b); !strings.HasPrefix(answer, "HTTP/1.1 "+tt.want+"\r\n") || !strings.Contains(answer, "\r\nConnection: close\r\n") || err != nil {
				t.Errorf("answer to a client that %s: %q, %v, want %s and Connection: close", tt.name, answer, err, tt.want)
			}
			if _, err := os.Stat(filepath.Join(root, "pid")); err == nil {
				waitUntil(t, "the script has ended", func() bool { return !isRunning(t, filepath.Join(root, "pid")) })
			}
		})
	}
}

// If the script has already printed, the status can no longer change, so the response is cut.
func TestScriptInputEndsEarlyAfterOutput(t *testing.T) {
	t.Parallel()
	root := testkit.Scripts(t, map[string]string{"x.sh": "echo $$ >pid; echo; echo page; cat >/dev/null; exit"})
	c := dial(t, serveShell(t, root))
	io.WriteString(c, "POST /x.sh HTTP/1.1\r\nHost: example.test\r\nContent-Length: 10\r\n\r\n12345")
	readExpected(t, c, "the beginning of the answer", "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"+
		"Transfer-Encoding: chunked\r\nX-Content-Type-Options: nosniff\r\n\r\n6\r\n\npage\n\r\n")
	c.CloseWrite()
	if b, err := io.ReadAll(c); strings.Contains(string(b), "HTTP/1.1 ") || strings.HasSuffix(string(b), "0\r\n\r\n") {
		t.Errorf("the client that ended its content early received %q, %v, want a cut answer", b, err)
	}
	waitUntil(t, "the script has ended", func() bool { return !isRunning(t, filepath.Join(root, "pid")) })
}

// A script may close its output and go on reading. Its response does not wait for the script.
func TestScriptClosesOutput(t *testing.T) {
	t.Parallel()
	root := testkit.Scripts(t, map[string]string{"x.sh": "echo; echo page; exec wc -c >count", "a.txt": ""})
	c := dial(t, serveShell(t, root))
	io.WriteString(c, "POST /x.sh HTTP/1.1\r\nHost: example.test\r\nContent-Length: 10\r\n\r\n12345")
	readExpected(t, c, "the beginning of the answer", "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n")
	for line := ""; line != "page\n" && !t.Failed(); {
		line = ""
		for b := make([]byte, 1); !strings.HasSuffix(line, "\n"); line += string(b) {
			if _, err := io.ReadFull(c, b); err != nil {
				t.Fatalf("answer ends early: %v", err)
			}
		}
	}
	io.WriteString(c, "67890"+"GET /a.txt HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n")
	if rest, err := io.ReadAll(c); !strings.Contains(string(rest), "HTTP/1.1 200 OK\r\n") || err != nil {
		t.Errorf("after the answer: %q, %v, want the answer to the next request", rest, err)
	}
	waitUntil(t, "the script has read all of its content", func() bool {
		count, _ := os.ReadFile(filepath.Join(root, "count"))
		return strings.TrimSpace(string(count)) == "10"
	})
}

// A client that waits for 100 (Continue) receives it if a script runs, and only then (RFC 9110,
// section 10.1.1).
func TestScriptInputContinue(t *testing.T) {
	root := testkit.Scripts(t, map[string]string{"x.sh": "exec cat", "not-executable.cgi": "#!/bin/sh\n", "a.txt": ""})
	if err := os.Chmod(filepath.Join(root, "not-executable.cgi"), 0o644); err != nil {
		t.Fatal(err)
	}
	addr := serveShell(t, root, rawhttp.WithScript(".cgi"))
	const expect = "Host: example.test\r\nExpect: 100-continue\r\n"
	want := strings.Replace(pageAnswer("hello"), "HTTP", "HTTP/1.1 100 Continue\r\n\r\nHTTP", 1)
	for framing, content := range map[string]string{"Content-Length: 5\r\n\r\n": "hello", "Transfer-Encoding: chunked\r\n\r\n": "5\r\nhello\r\n0\r\n\r\n"} {
		c := dial(t, addr)
		io.WriteString(c, "POST /x.sh HTTP/1.1\r\n"+expect+framing)
		readExpected(t, c, "the answer to the head", "HTTP/1.1 100 Continue\r\n\r\n")
		io.WriteString(c, content)
		c.CloseWrite()
		rest, err := io.ReadAll(c)
		if diff := cmp.Diff(want, "HTTP/1.1 100 Continue\r\n\r\n"+string(rest)); diff != "" || err != nil {
			t.Errorf("answer to a POST with %q (-want +got):\n%s%v", framing, diff, err)
		}
	}
	for _, tt := range []struct{ head, want string }{
		{"POST /not-executable.cgi HTTP/1.1\r\n", "403 Forbidden"},
		{"POST /x.sh HTTP/1.1\r\nSec-Fetch-Site: cross-site\r\n", "403 Forbidden"},
		{"POST /missing.sh HTTP/1.1\r\n", "404 Not Found"},
		{"PUT /x.sh HTTP/1.1\r\n", "405 Method Not Allowed"},
		{"POST /a.txt HTTP/1.1\r\n", "405 Method Not Allowed"},
	} {
		for _, framing := range []string{"Content-Length: 5\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"} {
			c := dial(t, addr)
			io.WriteString(c, tt.head+expect+framing)
			readExpected(t, c, "the answer to "+tt.head+framing, "HTTP/1.1 "+tt.want+"\r\n")
		}
	}
}

// The answer of a script that reads nothing is sent at once, even if the client has not sent most
// of its content.
func TestScriptReadsNothing(t *testing.T) {
	t.Parallel()
	root := testkit.Scripts(t, map[string]string{
		"x.sh": "echo hello", "y.sh": "exec <&-; echo hello", "a.txt": "next",
		"z.sh": "printf 'Status: 413\\nContent-Type: text/plain\\n\\nno\\n'; " + waitForGate,
	})
	addr := serveShell(t, root)
	const length = 200_000
	for _, framing := range []string{"nothing", "a part", "more than a pipe holds"} {
		for _, name := range []string{"x", "y"} {
			c := dial(t, addr)
			fmt.Fprintf(c, "POST /%s.sh HTTP/1.1\r\nHost: example.test\r\nContent-Length: %d\r\n\r\n", name, length)
			sent := map[string]int{"nothing": 0, "a part": 100, "more than a pipe holds": 150_000}[framing]
			io.WriteString(c, strings.Repeat("z", sent))
			readExpected(t, c, "the answer to "+framing, "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n")
			r := make([]byte, 1000)
			for !strings.Contains(string(r), "hello\n") {
				n, err := c.Read(r)
				if r = r[:n]; err != nil {
					t.Fatalf("answer to a client that sends %s of its content ends early: %v", framing, err)
				}
			}
			// The rest of the content is discarded, and the connection persists.
			io.WriteString(c, strings.Repeat("z", length-sent)+"GET /a.txt HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n")
			if rest, err := io.ReadAll(c); !strings.HasSuffix(string(rest), "\r\n\r\nnext") || err != nil {
				t.Errorf("after the answer to a client that sends %s of its content first: %q, %v", framing, rest, err)
			}
		}
	}
	c := dial(t, addr)
	io.WriteString(c, "POST /z.sh HTTP/1.1\r\nHost: example.test\r\nContent-Length: 10\r\n\r\n1")
	readExpected(t, c, "the answer of a script that goes on", "HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n"+
		"X-Content-Type-Options: nosniff\r\n\r\n3\r\nno\n\r\n")
	testkit.WriteFile(t, filepath.Join(root, "gate"), "", 0o644)
	readExpected(t, c, "the end of it", "0\r\n\r\n")
}

// A connection persists after scripts of all kinds.
func TestScriptsOnOneConnection(t *testing.T) {
	root := testkit.Scripts(t, map[string]string{
		"x.sh": "exec cat", "y.sh": "cat; head -c 100000 /dev/zero", "z.sh": "exit 1", "a.txt": "file",
	})
	c := dial(t, serveShell(t, root))
	for range 5 {
		io.WriteString(c, postRequest("/x.sh", "hello"))
		readExpected(t, c, "POST /x.sh", pageAnswer("hello"))
		io.WriteString(c, getRequest("/z.sh"))
		readExpected(t, c, "GET /z.sh", errorText("500 Internal Server Error"))
		io.WriteString(c, getRequest("/y.sh"))
		readExpected(t, c, "GET /y.sh", "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nTransfer-Encoding: chunked\r\nX-Content-Type-Options: nosniff\r\n\r\n")
		for total := 0; ; {
			n, err := strconv.ParseInt(readLine(t, c), 16, 32)
			if err == nil {
				_, err = io.CopyN(io.Discard, c, n+2)
			}
			if err != nil {
				t.Fatalf("a chunk: %v", err)
			}
			if total += int(n); n == 0 {
				if total != 100_000 {
					t.Errorf("GET /y.sh returned %d bytes, want 100000", total)
				}
				break
			}
		}
		io.WriteString(c, "HEAD /x.sh HTTP/1.1\r\nHost: example.test\r\n\r\n")
		readExpected(t, c, "HEAD /x.sh", strings.Replace(pageAnswer(""), "Content-Length: 0\r\n", "", 1))
	}
}

// readLine reads a line and nothing after it.
func readLine(t testing.TB, c net.Conn) string {
	t.Helper()
	line := make([]byte, 0, 100)
	for len(line) < 2 || string(line[len(line)-2:]) != "\r\n" {
		n, err := c.Read(line[len(line) : len(line)+1])
		if err != nil {
			t.Fatalf("reading a line: %v after %q", err, line)
		}
		line = line[:len(line)+n]
	}
	return string(line[:len(line)-2])
}
