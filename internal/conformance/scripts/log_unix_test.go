//go:build unix

package scripts_test

import (
	"fmt"
	"strings"
	"testing"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
	"github.com/google/go-cmp/cmp"
)

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

// The log has the reason for a 500 or 502 of a script. The client does not receive it.
func TestScriptErrorsAreLogged(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, script string
		status       int
		log          string
	}{
		{"exit status", "exit 7", 500, "exit status 7"},
		{"signal", "kill -KILL $$", 500, "signal: killed"},
		{"invalid status", `printf 'Status: 1\n\n'`, 502, "Status: 1"},
		{"invalid field", `printf 'Status: 200\nA B: 1\n\n'`, 502, "A B: 1"},
		{"wrong length", `printf 'Status: 200\nContent-Length: 9\n\n12345678'`, 502, "Content-Length"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serveScripts(t, map[string]string{"x.sh": tt.script})
			var got scriptAnswer
			for range 50 { // a busy machine may end the script after its response has begun
				if got = s.ask(t, "/x.sh").answer(t); got.Status == tt.status {
					break
				}
			}
			statusAnswer(tt.status).check(t, tt.script, got)
			awaitLine(t, s.log, "ERROR rawhttp: request failed", fmt.Sprintf("status=%d", tt.status), tt.log)
		})
	}
}

// A Logger that panics on a goroutine of a script does not end the program.
func TestScriptLoggerPanics(t *testing.T) {
	s := serveScripts(t, map[string]string{"a.sh": "echo why >&2; echo; echo out"}, rawhttp.WithLogger(panickingLogger{}))
	c := s.dial(t)
	for range 2 {
		c.send(t, getRequest("/a.sh"))
		outputAnswer("\nout\n").check(t, "/a.sh", c.answer(t))
	}
	awaitNoScripts(t)
}

type panickingLogger struct{ testkit.QuietLogger }

func (panickingLogger) Warn(string, ...any) { panic("the Logger is broken") }
