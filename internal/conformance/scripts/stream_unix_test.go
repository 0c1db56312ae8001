//go:build unix

package scripts_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp/internal/testkit"
)

// waitForGate is a shell command that waits until the file gate exists.
const waitForGate = "until [ -e gate ]; do sleep 0.02; done\n"

// readExpected reads len(want) bytes and compares them with want.
func readExpected(t testing.TB, c net.Conn, what, want string) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(30 * time.Second))
	got := make([]byte, len(want))
	n, err := io.ReadFull(c, got)
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
			script:  "printf 'Content-Type: text/plain\\n\\none\\n'; " + waitForGate + "echo two",
			request: getRequest("/x.sh"),
			first:   ok + textType + "Transfer-Encoding: chunked\r\n" + sniff + "\r\n4\r\none\n\r\n", then: "4\r\ntwo\n\r\n0\r\n\r\n", persists: true,
		},
		{
			name:    "plain",
			script:  "echo; echo '<p>one</p>'; " + waitForGate + "echo '<p>two</p>'",
			request: getRequest("/x.sh"),
			first:   ok + "Content-Type: text/html; charset=utf-8\r\nTransfer-Encoding: chunked\r\n" + sniff + "\r\nc\r\n\n<p>one</p>\n\r\n", then: "b\r\n<p>two</p>\n\r\n0\r\n\r\n", persists: true,
		},
		{
			name:    "until the close, in HTTP/1.0",
			script:  "printf 'Content-Type: text/plain\\n\\none\\n'; " + waitForGate + "echo two",
			request: "GET /x.sh HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
			first:   ok + textType + sniff + "Connection: close\r\n\r\none\n", then: "two\n",
		},
		{
			name:    "no more than its Content-Length, which is not sent",
			script:  "printf 'Content-Length: 6\\nContent-Type: text/plain\\n\\none\\n'; " + waitForGate + "echo two",
			request: getRequest("/x.sh"),
			first:   ok + textType + "Transfer-Encoding: chunked\r\n" + sniff + "\r\n4\r\none\n\r\n", then: "2\r\ntw\r\n0\r\n\r\n", persists: true,
		},
		{
			name:    "after a request with content",
			script:  "printf 'Content-Type: text/plain\\n\\n%s\\n' \"$(dd bs=1 count=3 2>/dev/null)\"; " + waitForGate + "cat",
			request: postRequest("/x.sh", "onetwo\n"),
			first:   ok + textType + "Transfer-Encoding: chunked\r\n" + sniff + "\r\n4\r\none\n\r\n", then: "4\r\ntwo\n\r\n0\r\n\r\n", persists: true,
		},
		{
			name:    "script fails, too late for an error status",
			script:  "printf 'Content-Type: text/plain\\n\\none\\n'; " + waitForGate + "exit 1",
			request: getRequest("/x.sh"),
			first:   ok + textType + "Transfer-Encoding: chunked\r\n" + sniff + "\r\n4\r\none\n\r\n", then: "0\r\n\r\n", persists: true,
		},
		{
			name:    "shorter than its Content-Length, so it is cut",
			script:  "printf 'Content-Length: 9\\nContent-Type: text/plain\\n\\none\\n'; " + waitForGate + "echo two",
			request: getRequest("/x.sh"),
			first:   ok + textType + "Transfer-Encoding: chunked\r\n" + sniff + "\r\n4\r\none\n\r\n", then: "4\r\ntwo\n\r\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := testkit.Scripts(t, map[string]string{"x.sh": tt.script, "a.txt": "next"})
			c := dial(t, serveShell(t, root))
			io.WriteString(c, tt.request)
			readExpected(t, c, "the answer before the gate", tt.first)
			testkit.WriteFile(t, filepath.Join(root, "gate"), "", 0o644)
			readExpected(t, c, "the answer after the gate", tt.then)
			if tt.persists {
				io.WriteString(c, "GET /a.txt HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n")
			}
			rest, _ := io.ReadAll(c)
			if got := strings.HasPrefix(string(rest), "HTTP/1.1 200 OK\r\n") && strings.HasSuffix(string(rest), "\r\n\r\nnext"); got != tt.persists || !got && len(rest) > 0 {
				t.Errorf("after the answer: %q, want the answer to the next request: %v", rest, tt.persists)
			}
		})
	}
}

// The answer to HEAD does not wait for content, and the script is ended.
func TestScriptHEADDoesNotWaitForContent(t *testing.T) {
	t.Parallel()
	root := testkit.Scripts(t, map[string]string{"x.sh": "printf 'Content-Type: text/plain\\n\\none\\n'; echo $$ >pid; " + waitForGate + ": >late"})
	addr := serveShell(t, root)
	got := talk(t, addr, "HEAD /x.sh HTTP/1.1\r\nHost: example.test\r\n\r\nHEAD /missing HTTP/1.1\r\nHost: example.test\r\n\r\n")
	want := "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nX-Content-Type-Options: nosniff\r\n\r\n" +
		"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 14\r\nX-Content-Type-Options: nosniff\r\n\r\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer to HEAD of a script that is still running (-want +got):\n%s", diff)
	}
	waitUntil(t, "the script has ended", func() bool { return !isRunning(t, filepath.Join(root, "pid")) })
	if _, err := os.Stat(filepath.Join(root, "late")); err == nil {
		t.Errorf("the script ran on after the gate, which was never opened")
	}
}

// Content of about 64 KiB, the most that is held, arrives complete. It has a Content-Length unless
// it is longer.
func TestScriptOutputAroundHeldSize(t *testing.T) {
	t.Parallel()
	const held = 64 << 10
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

// isRunning reports whether the process whose ID is in the file runs.
func isRunning(t testing.TB, pidFile string) bool {
	t.Helper()
	f, err := os.Open(pidFile)
	if err != nil {
		return true // it has not started yet
	}
	defer f.Close()
	line, _ := bufio.NewReader(f).ReadString('\n')
	var pid int
	if _, err := fmt.Sscan(line, &pid); err != nil {
		info, err := f.Stat()
		return err != nil || time.Since(info.ModTime()) < 2*time.Second // if the file is older, the script was ended before it could write
	}
	return syscall.Kill(pid, 0) == nil
}
