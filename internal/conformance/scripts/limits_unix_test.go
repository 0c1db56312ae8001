//go:build unix

package scripts_test

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// If a script exceeds its time limit, the answer is 504 if the response has not begun; otherwise
// the response is cut.
func TestScriptTimeout(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, script string
		want         scriptAnswer
		version      string
	}{
		{"prints nothing", "echo $$ >pid; exec sleep 1000", statusAnswer(504), "1.1"},
		{"prints incomplete fields", "echo $$ >pid; echo Content-Type: text/plain; exec sleep 1000", statusAnswer(504), "1.1"},
		{"prints fields and no content", "echo $$ >pid; echo Content-Type: text/plain; echo; exec sleep 1000", statusAnswer(504), "1.1"},
		{"closes its output without printing", "echo $$ >pid; exec >&-; exec sleep 1000", statusAnswer(504), "1.1"},
		{"content has begun", "echo $$ >pid; echo; echo begin; exec sleep 1000", scriptAnswer{200, "chunked", "\nbegin\n", true}, "1.1"},
		{"content has begun, to the close", "echo $$ >pid; echo; echo begin; exec sleep 1000", scriptAnswer{200, "close", "\nbegin\n", true}, "1.0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serveScripts(t, map[string]string{"a.sh": tt.script}, rawhttp.WithScriptTimeout(500*time.Millisecond))
			var c *scriptClient
			var got scriptAnswer
			for n := 1; ; n++ {
				c = s.dial(t)
				c.send(t, strings.Replace(getRequest("/a.sh"), "HTTP/1.1", "HTTP/"+tt.version, 1))
				got = c.answer(t)
				awaitLine(t, s.log, "WARN rawhttp: script was ended", fmt.Sprintf("script=%s/a.sh conn=%d request=1 err=", s.root, n), "ran too long")
				if !tt.want.Cut || got.Status != 504 || n == 20 { // 504 is possible on a slow machine
					break
				}
			}
			tt.want.check(t, "/a.sh: "+tt.name, got)
			awaitGone(t, s.awaitPid(t, "pid"))
			if tt.want.Cut {
				awaitLine(t, s.log, "ERROR rawhttp: response cut", "request=1")
				return
			}
			c.send(t, getRequest("/hello.txt"))
			wholeAnswer("hello\n").check(t, "/hello.txt on the same connection", c.answer(t))
		})
	}
}

// The time to the first byte of output has its own limit, even if WithScriptTimeout is 0.
func TestScriptFirstByte(t *testing.T) {
	skipUnlessLong(t)
	t.Parallel()
	s := serveScripts(t, map[string]string{
		"silent.sh": "echo $$ >silent; exec sleep 1000",
		"closed.sh": "echo $$ >closed; exec >&-; exec sleep 1000",
		"byte.sh":   "printf x; sleep 11; echo y",
		"fed.sh":    "echo $$ >fed; cat >/dev/null; exec sleep 1000",
		"upload.sh": "cat",
		"unread.sh": "echo $$ >unread; exec sleep 1000",
	}, rawhttp.WithScriptTimeout(0), rawhttp.WithMaxScripts(0))
	start := time.Now()
	fed, upload, unread := s.dial(t), s.dial(t), s.dial(t)
	unread.send(t, postBegun("/unread.sh", 200_000, strings.Repeat("x", 200_000)))
	fed.send(t, postBegun("/fed.sh", 7, "content"))
	upload.send(t, postBegun("/upload.sh", 7, "con"))
	silent, closed, first := s.ask(t, "/silent.sh"), s.ask(t, "/closed.sh"), s.ask(t, "/byte.sh")
	statusAnswer(504).check(t, "/silent.sh", silent.answer(t))
	if took := time.Since(start); took < 10*time.Second {
		t.Errorf("answered after %v, want %v", took, 10*time.Second)
	}
	statusAnswer(504).check(t, "/closed.sh, which closes its output", closed.answer(t))
	awaitLine(t, s.log, "WARN rawhttp: script was ended", "silent.sh", "printed nothing in time")
	awaitGone(t, s.awaitPid(t, "silent"), s.awaitPid(t, "closed"))
	outputAnswer("xy\n").check(t, "/byte.sh, which has its first byte in time", first.answer(t))
	statusAnswer(504).check(t, "/fed.sh, which has its content", fed.answer(t))
	statusAnswer(504).check(t, "/unread.sh, which leaves its content unread", unread.answer(t))
	awaitGone(t, s.awaitPid(t, "fed"), s.awaitPid(t, "unread"))
	upload.send(t, "tent") // after 11 s, which do not count
	outputAnswer("content").check(t, "/upload.sh, which waits for its content", upload.answer(t))
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

// Standard error is logged line by line, quoted, up to a limit.
func TestScriptStderr(t *testing.T) {
	const lines = scriptErrorMost / 64
	line := strings.Repeat("e", 63)
	repeat := func(n int) string {
		return fmt.Sprintf("i=0; while [ $i -lt %d ]; do echo %s; i=$((i+1)); done >&2; ", n, line)
	}
	tests := []struct {
		name, script string
		want         []string // lines in the log
		more         string   // number of bytes that the log reports as omitted, "" for none
	}{
		{"nothing", "echo", nil, ""},
		{"lines", "echo one >&2; echo >&2; echo two >&2; echo", []string{"one", "", "two"}, ""},
		{"no end of line", "printf end >&2; echo", []string{"end"}, ""},
		{"control bytes", `printf 'a\033[31m\r\007\000\tb"\\\377\n' >&2; echo`, []string{`a\x1b[31m\x0d\x07\x00\x09b"\\xff`}, ""},
		{"after the output", "echo; exec >&-; echo late >&2", []string{"late"}, ""},
		{"before a failure", "echo why >&2; exit 3", []string{"why"}, ""},
		{"as much as is logged", repeat(lines) + "echo", strings.Split(strings.TrimSuffix(strings.Repeat(line+"\n", lines), "\n"), "\n"), ""},
		{"more than is logged", repeat(lines+1000) + "echo", nil, fmt.Sprint(64 * (lines + 1000))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serveScripts(t, map[string]string{"a.sh": tt.script})
			c := s.dial(t)
			c.send(t, getRequest("/hello.txt"))
			c.answer(t)
			c.send(t, getRequest("/a.sh"))
			c.answer(t)
			awaitNoScripts(t) // until everything has been logged
			prefix := "WARN rawhttp: script wrote to stderr script=" + s.root + "/a.sh conn=1 request=2 stderr="
			var got []string
			logged := 0
			for _, l := range s.log.Lines("", prefix) {
				got = append(got, strings.TrimPrefix(l, prefix))
				logged += len(l) - len(prefix) + 1
			}
			more := s.log.Lines("", "WARN rawhttp: script wrote more to stderr than is logged script="+s.root+"/a.sh conn=1 request=2 bytes="+tt.more)
			if len(s.log.Lines("", "more to stderr")) != len(more) || (tt.more != "") != (len(more) == 1) {
				t.Errorf("lines about omitted bytes: %q, want bytes=%s", s.log.Lines("", "more to stderr"), tt.more)
			}
			if tt.more != "" {
				if logged > scriptErrorMost || logged < scriptErrorMost-4<<10 {
					t.Errorf("%d bytes were logged, want about %d", logged, scriptErrorMost)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("standard error in the log (-want +got):\n%s", diff)
			}
		})
	}
}

// scriptGoroutine is in the stack of each goroutine of a running script, even before the goroutine
// runs for the first time.
const scriptGoroutine = "created by example.com/rawhttp.(*scripts).start in"

// awaitNoScripts waits until no script of any server runs. It is for tests that are not
// parallel.
func awaitNoScripts(t testing.TB) {
	t.Helper()
	waitUntil(t, "all scripts have ended", func() bool { return !strings.Contains(goroutines(), scriptGoroutine) })
}

// awaitWaiting waits until n requests, of all servers, wait for their turns.
func (s *scriptSite) awaitWaiting(t testing.TB, n int) {
	t.Helper()
	waitUntil(t, fmt.Sprintf("%d requests wait for a turn", n), func() bool { return strings.Count(goroutines(), "rawhttp.(*scripts).takeTurn(") == n })
}

// running returns the number of scripts that have started.
func (s *scriptSite) running(t testing.TB) int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.root, "pid.*"))
	if err != nil {
		t.Error(err)
	}
	return len(names)
}

// Scripts run concurrently up to WithMaxScripts. A number of requests wait for their turn, and
// others are refused at once. A client that disconnects gives up its place.
func TestScriptTurns(t *testing.T) {
	const most = 3
	script := map[string]string{"a.sh": "echo >pid.$$; read x <gate; echo; echo done"}
	page := rawhttp.WithErrorPage(func(_ context.Context, _ *rawhttp.Request, status int, _ error) *rawhttp.Response {
		return rawhttp.Text(status, "mine\n")
	})
	s := serveScripts(t, script, rawhttp.WithMaxScripts(most), page)
	open := s.gate(t)
	var clients []*scriptClient
	for range most {
		clients = append(clients, s.ask(t, "/a.sh"))
	}
	waitUntil(t, "some run", func() bool { return s.running(t) == most })
	// Make sure that awaitNoScripts can see scripts.
	waitUntil(t, "each script has its three goroutines", func() bool { return strings.Count(goroutines(), scriptGoroutine) >= 3*most })
	for range scriptsWaiting {
		clients = append(clients, s.ask(t, "/a.sh"))
	}
	s.awaitWaiting(t, scriptsWaiting)
	beyond := func() {
		t.Helper()
		resp := s.ask(t, "/a.sh").head(t)
		b, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || string(b) != "mine\n" {
			t.Errorf("one request more: status %d, Retry-After %q, content %q, want 503, a number and the page",
				resp.StatusCode, resp.Header.Get("Retry-After"), b)
		}
	}
	beyond()
	s.awaitWaiting(t, scriptsWaiting)
	// One of the waiting clients disconnects.
	last := len(clients) - 1
	clients[last].reset()
	s.awaitWaiting(t, scriptsWaiting-1)
	clients[last] = s.ask(t, "/a.sh")
	s.awaitWaiting(t, scriptsWaiting)
	beyond()
	if n := s.running(t); n != most {
		t.Errorf("%d scripts ran, want %d", n, most)
	}
	// The running scripts end one after another, and waiting requests get their turns.
	open()
	waitUntil(t, "one more runs", func() bool { return s.running(t) == most+1 })
	s.awaitWaiting(t, scriptsWaiting-1)
	for range len(clients) - 1 {
		open()
	}
	answered := 0
	for _, c := range clients {
		switch got := c.answer(t); got.Status {
		case 200:
			outputAnswer("\ndone\n").check(t, "/a.sh", got)
			answered++
		case 503: // on a slow machine the time limit for a turn passes
		default:
			t.Errorf("answer %v, want 200 or 503", got)
		}
	}
	if answered < most+1 {
		t.Errorf("%d requests were answered with 200, want %d or nearly", answered, len(clients))
	}
	s.awaitWaiting(t, 0)
	s.awaitTurn(t)
}

// A request waits for its turn up to a time limit, which can be off.
func TestScriptTurnTimeout(t *testing.T) {
	skipUnlessLong(t)
	t.Parallel()
	script := map[string]string{"a.sh": "echo >pid.$$; read x <gate; echo"}
	s := serveScripts(t, script, rawhttp.WithMaxScripts(1))
	open := s.gate(t)
	running := s.ask(t, "/a.sh")
	waitUntil(t, "one runs", func() bool { return s.running(t) == 1 })
	start := time.Now()
	resp := s.ask(t, "/a.sh").head(t)
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q, want 503 and a number", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	if took := time.Since(start); took < 5*time.Second {
		t.Errorf("answered after %v, want %v", took, 5*time.Second)
	}
	open()
	outputAnswer("\n").check(t, "the one that runs", running.answer(t))
	s.awaitTurn(t)
}

// WithMaxScripts(0) sets no limit: more scripts run concurrently than by default.
func TestScriptsWithoutLimit(t *testing.T) {
	const n = 100
	s := serveScripts(t, map[string]string{"a.sh": "echo >pid.$$; read x <gate; echo"}, rawhttp.WithMaxScripts(0))
	open := s.gate(t)
	var clients []*scriptClient
	for range n {
		clients = append(clients, s.ask(t, "/a.sh"))
	}
	waitUntil(t, "all run", func() bool { return s.running(t) == n })
	for range n {
		open()
	}
	for _, c := range clients {
		outputAnswer("\n").check(t, "/a.sh", c.answer(t))
	}
}

// A failure of a script is logged, and answered with an error if the response has not begun.
func TestScriptFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, script string
		want         scriptAnswer
		log          string // "" for none
	}{
		{"status", "exit 3", statusAnswer(500), "err=exit status 3"},
		{"status, output already closed", "exec >&-; sleep 0.05; exit 3", statusAnswer(500), "err=exit status 3"},
		{"status after output", "echo; exit 3", outputAnswer("\n"), "err=exit status 3"},
		{"signal", "kill -9 $$", statusAnswer(500), "err=signal: killed"},
		{"signal after output", "echo; kill -9 $$", outputAnswer("\n"), "err=signal: killed"},
		{"status after the head", "echo; read x <gate; exit 3", scriptAnswer{200, "chunked", "\n", false}, "err=exit status 3"},
		{"success without output", "exit 0", wholeAnswer(""), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serveScripts(t, map[string]string{"a.sh": tt.script})
			open := s.gate(t)
			c := s.ask(t, "/a.sh")
			resp := c.head(t)
			open()
			tt.want.check(t, "/a.sh: "+tt.script, readScriptAnswer(resp))
			if tt.log != "" {
				awaitLine(t, s.log, "WARN rawhttp: script failed", "script="+s.root+"/a.sh conn=1 request=1", tt.log)
			}
			c.send(t, getRequest("/hello.txt"))
			wholeAnswer("hello\n").check(t, "/hello.txt on the same connection", c.answer(t))
			if lines := s.log.Lines("WARN"); tt.log == "" && lines != nil {
				t.Errorf("log is %q, want nothing", lines)
			}
		})
	}
}
