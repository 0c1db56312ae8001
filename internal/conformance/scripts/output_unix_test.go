//go:build unix

package scripts_test

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// The fields that a script prints may have 32 KiB, including the empty line after them.
func TestScriptFieldsLimit(t *testing.T) {
	t.Parallel()
	const limit = 32 << 10
	// block returns a block of n bytes and the content: "Status: 200\nX: aaa...\n\npage".
	block := func(first string, n int) string {
		return first + "\nX: " + strings.Repeat("a", n-len(first)-len("\nX: \n\n")) + "\n\npage"
	}
	ok := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX: %s\r\nX-Content-Type-Options: nosniff\r\n\r\npage", strings.Repeat("a", limit-len("Status: 200\nX: \n\n")))
	bad := errorText("502 Bad Gateway")
	late := strings.TrimSuffix(block("A: b", limit+1), "page") + "Status: 404\n\n"
	tests := []struct {
		name, output string
		mode         rawhttp.ScriptOutput
		want         string
	}{
		{"32 KiB", block("Status: 200", limit), rawhttp.ScriptAuto, ok},
		{"32 KiB and CGI", block("Status: 200", limit), rawhttp.ScriptCGI, ok},
		{"a byte more", block("Status: 200", limit+1), rawhttp.ScriptAuto, bad},
		{"a byte more and CGI", block("Status: 200", limit+1), rawhttp.ScriptCGI, bad},
		{"far more", block("Status: 200", 3*limit), rawhttp.ScriptAuto, bad},
		{"CGI field, no end of the fields", "Status: 200\n" + strings.Repeat("a", 2*limit), rawhttp.ScriptAuto, bad},
		{"no CGI field", block("A: b", limit+1), rawhttp.ScriptAuto, pageAnswer(block("A: b", limit+1))},
		{"no CGI field, and CGI", block("A: b", limit+1), rawhttp.ScriptCGI, bad},
		{"CGI field after the limit", late, rawhttp.ScriptAuto, pageAnswer(late)},
		{"no line feed", strings.Repeat("a", limit+1), rawhttp.ScriptAuto, pageAnswer(strings.Repeat("a", limit+1))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := testkit.Scripts(t, map[string]string{"x.sh": "exec cat x.out", "x.out": tt.output})
			addr := serveShell(t, root, rawhttp.WithScriptOutput(tt.mode))
			if diff := cmp.Diff(tt.want, withLength(t, talk(t, addr, getRequest("/x.sh")))); diff != "" {
				t.Errorf("answer of a script that prints %.100q (-want +got):\n%s", tt.output, diff)
			}
		})
	}
}

// An answer has a Content-Length if the script ends before more output than can be held, or more
// time than it may be held, has passed.
func TestScriptFraming(t *testing.T) {
	t.Parallel()
	big := func(n int) string { return strings.Repeat("\x00", n) }
	zeros := func(n int) string { return fmt.Sprintf("head -c %d /dev/zero; ", n) }
	const waits = "read x <gate; "
	tests := []struct {
		name, script string
		gate         bool // whether the script waits until the client has read the head
		want10       string
		want         scriptAnswer
	}{
		{"ends soon", "echo; echo end", false, "5", scriptAnswer{200, "5", "\nend\n", false}},
		{"ends soon after a long wait", "sleep 0.3; echo; echo end", false, "5", scriptAnswer{200, "5", "\nend\n", false}},
		{"fields, a wait, and the content", "printf 'Content-Type: a/b\\n\\n'; sleep 0.3; echo end", false, "4", scriptAnswer{200, "4", "end\n", false}},
		{"less than can be held", zeros(scriptHeld - 1), false, "65535", scriptAnswer{200, "65535", big(scriptHeld - 1), false}},
		{"as much as can be held, then a wait", zeros(scriptHeld) + waits, true, "close", scriptAnswer{200, "chunked", big(scriptHeld), false}},
		{"some output, then a wait", "echo; printf x; " + waits + "printf y", true, "close", scriptAnswer{200, "chunked", "\nxy", false}},
		{"Content-Length by the script, then a wait", "printf 'Content-Type: a/b\\nContent-Length: 2\\n\\nx'; " + waits + "printf yz", true, "close", scriptAnswer{200, "chunked", "xy", false}},
	}
	for _, tt := range tests {
		for _, version := range []string{"1.1", "1.0"} {
			t.Run(tt.name+" HTTP/"+version, func(t *testing.T) {
				t.Parallel()
				s := serveScripts(t, map[string]string{"a.sh": tt.script})
				open := s.gate(t)
				want := tt.want
				if version == "1.0" {
					want.Framing = tt.want10
				}
				var got scriptAnswer
				for range 100 { // on a busy machine, any script may take longer than output is held
					c := s.dial(t)
					c.send(t, strings.Replace(getRequest("/a.sh"), "HTTP/1.1", "HTTP/"+version, 1))
					resp := c.head(t)
					if tt.gate {
						open()
					}
					if got = readScriptAnswer(resp); tt.gate || got.Framing == want.Framing {
						break
					}
				}
				want.check(t, "/a.sh", got)
			})
		}
	}
}

// Output is cut after 64 MiB.
func TestScriptOutputLimit(t *testing.T) {
	skipUnlessLong(t) // 192 MB
	t.Parallel()
	s := serveScripts(t, map[string]string{
		"most.sh": fmt.Sprintf("head -c %d /dev/zero", scriptOutputMost),
		"more.sh": fmt.Sprintf("head -c %d /dev/zero", scriptOutputMost+1),
		"ever.sh": "echo $$ >pid; cat /dev/zero",
	})
	read := func(target string) (n int64, err error) {
		resp := s.ask(t, target).head(t)
		return io.Copy(io.Discard, resp.Body)
	}
	if n, err := read("/most.sh"); n != scriptOutputMost || err != nil {
		t.Errorf("/most.sh returned %d bytes, %v, want %d and nil", n, err, scriptOutputMost)
	}
	for _, target := range []string{"/more.sh", "/ever.sh"} {
		if n, err := read(target); n < scriptOutputMost*9/10 || n > scriptOutputMost || err == nil {
			t.Errorf("%s returned %d bytes, %v, want about %d and an error", target, n, err, scriptOutputMost)
		}
		awaitLine(t, s.log, "ERROR rawhttp: response cut", "printed too much")
	}
	awaitGone(t, s.awaitPid(t, "pid"))
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
