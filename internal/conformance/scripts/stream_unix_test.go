//go:build unix

package scripts_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// readExpected reads len(want) bytes and compares them with want.
func readExpected(t testing.TB, r io.Reader, what, want string) {
	t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(r, got)
	if diff := cmp.Diff(want, string(got[:n])); diff != "" {
		t.Fatalf("%s (-want +got):\n%s\n%v", what, diff, err)
	}
}

// The output of a script is sent before the script ends: it is held for at most 100 ms.
func TestScriptOutputStreams(t *testing.T) {
	t.Parallel()
	const (
		textType = "Content-Type: text/plain\r\n"
		sniff    = "X-Content-Type-Options: nosniff\r\n"
		ok       = "HTTP/1.1 200 OK\r\n"
	)
	tests := []struct {
		name, script, request string
		first, then           string // the answer before and after the gate opens
		persists              bool
	}{
		{
			name:    "in chunks",
			script:  "printf 'Content-Type: text/plain\\n\\none\\n'; read x <gate; echo two",
			request: getRequest("/x.sh"),
			first:   ok + textType + "Transfer-Encoding: chunked\r\n" + sniff + "\r\n4\r\none\n\r\n", then: "4\r\ntwo\n\r\n0\r\n\r\n", persists: true,
		},
		{
			name:    "plain",
			script:  "printf '\\n<p>one</p>\\n'; read x <gate; echo '<p>two</p>'",
			request: getRequest("/x.sh"),
			first:   ok + "Content-Type: text/html; charset=utf-8\r\nTransfer-Encoding: chunked\r\n" + sniff + "\r\nc\r\n\n<p>one</p>\n\r\n", then: "b\r\n<p>two</p>\n\r\n0\r\n\r\n", persists: true,
		},
		{
			name:    "until the close, in HTTP/1.0",
			script:  "printf 'Content-Type: text/plain\\n\\none\\n'; read x <gate; echo two",
			request: "GET /x.sh HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
			first:   ok + textType + sniff + "Connection: close\r\n\r\none\n", then: "two\n",
		},
		{
			name:    "no more than its Content-Length, which is not sent",
			script:  "printf 'Content-Length: 6\\nContent-Type: text/plain\\n\\none\\n'; read x <gate; echo two",
			request: getRequest("/x.sh"),
			first:   ok + textType + "Transfer-Encoding: chunked\r\n" + sniff + "\r\n4\r\none\n\r\n", then: "2\r\ntw\r\n0\r\n\r\n", persists: true,
		},
		{
			name:    "after a request with content",
			script:  "printf 'Content-Type: text/plain\\n\\n%s\\n' \"$(dd bs=1 count=3 2>/dev/null)\"; read x <gate; cat",
			request: postRequest("/x.sh", "onetwo\n"),
			first:   ok + textType + "Transfer-Encoding: chunked\r\n" + sniff + "\r\n4\r\none\n\r\n", then: "4\r\ntwo\n\r\n0\r\n\r\n", persists: true,
		},
		{
			name:    "script fails, too late for an error status",
			script:  "printf 'Content-Type: text/plain\\n\\none\\n'; read x <gate; exit 1",
			request: getRequest("/x.sh"),
			first:   ok + textType + "Transfer-Encoding: chunked\r\n" + sniff + "\r\n4\r\none\n\r\n", then: "0\r\n\r\n", persists: true,
		},
		{
			name:    "shorter than its Content-Length, so it is cut",
			script:  "printf 'Content-Length: 9\\nContent-Type: text/plain\\n\\none\\n'; read x <gate; echo two",
			request: getRequest("/x.sh"),
			first:   ok + textType + "Transfer-Encoding: chunked\r\n" + sniff + "\r\n4\r\none\n\r\n", then: "4\r\ntwo\n\r\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serveScripts(t, map[string]string{"x.sh": tt.script})
			open := s.gate(t)
			c := s.dial(t)
			c.send(t, tt.request)
			readExpected(t, c.r, "the answer before the gate opens", tt.first)
			open()
			readExpected(t, c.r, "the answer after the gate has opened", tt.then)
			if tt.persists {
				c.send(t, getRequest("/hello.txt"))
				wholeAnswer("hello\n").check(t, "/hello.txt on the same connection", c.answer(t))
				return
			}
			if rest, _ := io.ReadAll(c.r); len(rest) > 0 { // the connection may also be reset
				t.Errorf("after the answer: %q, want nothing", rest)
			}
		})
	}
}

// The answer to HEAD does not wait for content, and the script is ended.
func TestScriptHEADDoesNotWaitForContent(t *testing.T) {
	t.Parallel()
	s := serveScripts(t, map[string]string{"x.sh": "printf 'Content-Type: text/plain\\n\\none\\n'; read x <gate; : >late"}, rawhttp.WithMaxScripts(1), rawhttp.WithScriptTimeout(0))
	got := talk(t, s.addr, "HEAD /x.sh HTTP/1.1\r\nHost: example.test\r\n\r\nHEAD /missing HTTP/1.1\r\nHost: example.test\r\n\r\n")
	want := "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nX-Content-Type-Options: nosniff\r\n\r\n" +
		"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 14\r\nX-Content-Type-Options: nosniff\r\n\r\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer to HEAD of a script that is still running (-want +got):\n%s", diff)
	}
	s.awaitTurn(t) // the script has ended
	if _, err := os.Stat(filepath.Join(s.root, "late")); err == nil {
		t.Error("the script ran on after the gate, which was never opened")
	}
}

// Content of about 64 KiB, the most that is held, arrives complete. It has a Content-Length unless
// it is longer.
func TestScriptOutputAroundHeldSize(t *testing.T) {
	t.Parallel()
	const held = scriptHeld
	var b []byte
	for i := 0; len(b) < 3*held; i++ {
		b = append(strconv.AppendInt(b, int64(i), 10), '\n')
	}
	count := string(b)
	for _, n := range []int{held - 1, held, held + 1, held + 4096, 3 * held} {
		for _, fields := range []string{"", "Content-Type: text/plain\n" + "X: " + strings.Repeat("x", 8000) + "\n\n"} {
			t.Run(fmt.Sprint(n, " bytes after ", len(fields)), func(t *testing.T) {
				t.Parallel()
				want := count[:n]
				root := testkit.Scripts(t, map[string]string{"x.sh": "exec cat x.out", "x.out": fields + want})
				addr := serveShell(t, root)
				var answer string
				if n < held {
					answer = talkHeld(t, addr, getRequest("/x.sh"), "Content-Length: ")
				} else {
					answer = talk(t, addr, getRequest("/x.sh"))
				}
				head, _ := splitHead(answer)
				if isChunked := strings.Contains(head, "Transfer-Encoding: chunked"); n != held && isChunked != (n > held) {
					t.Errorf("answer is chunked: %v, want %v", isChunked, n > held)
				}
				if _, got := splitHead(withLength(t, answer)); got != want {
					t.Errorf("received %d bytes, want %d: first %q, last %q", len(got), n, testkit.Shorten(got), got[max(0, len(got)-20):])
				}
			})
		}
	}
}
