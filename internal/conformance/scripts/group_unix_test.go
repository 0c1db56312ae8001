//go:build unix

package scripts_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// helperCommand returns a command line for scripts, which may follow exec. The command leaves the
// script's process group in the way that how names, writes its process ID to the file, and waits to
// be ended.
func helperCommand(t testing.TB, how, file string) string {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("env RAWHTTP_TEST_HELPER=\"%s %s\" '%s' -test.run='^TestScriptHelper$'", how, file, binary)
}

// TestScriptHelper is the command of helperCommand when a script runs it.
func TestScriptHelper(t *testing.T) {
	how, file, _ := strings.Cut(os.Getenv("RAWHTTP_TEST_HELPER"), " ")
	if how == "" {
		return
	}
	var err error
	switch how {
	case "session", "print": // leads a new session
		_, err = syscall.Setsid()
	case "zombie": // the same, but leaves a zombie in the old group: a child that has ended and is never waited for
		if err = exec.Command("/bin/sh", "-c", "exit").Start(); err == nil {
			_, err = syscall.Setsid()
		}
	case "join": // joins the group of its parent
		var group int
		if group, err = syscall.Getpgid(os.Getppid()); err == nil {
			err = syscall.Setpgid(0, group)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	testkit.WriteFile(t, file, strconv.Itoa(os.Getpid())+"\n", 0o644)
	for how == "print" { // until its output is closed, which ends the process
		os.Stdout.Write(make([]byte, copyBuffer))
	}
	select {
	case <-terminated:
		testkit.WriteFile(t, "signal", "TERM\n", 0o644)
	case <-time.After(2 * time.Minute): // in case the test fails to end it
	}
}

// waitForFile returns a shell command that waits until the file is not empty.
func waitForFile(name string) string {
	return "while [ ! -s " + name + " ]; do sleep 0.05; done"
}

// A script's turn ends even if a process of another session holds its standard error open.
func TestScriptStderrHeldByAnotherSession(t *testing.T) {
	t.Parallel()
	script := "echo; " + helperCommand(t, "session", "pid.$QUERY_STRING") + " >/dev/null & " + waitForFile("pid.$QUERY_STRING")
	s := serveScripts(t, map[string]string{"a.sh": script}, rawhttp.WithMaxScripts(1))
	for n := range 2 {
		got := s.ask(t, fmt.Sprintf("/a.sh?%d", n)).answer(t)
		if got.Status != 200 || got.Content != "\n" || got.Cut {
			t.Errorf("request %d: answer %v, want 200 and an empty line", n, got)
			continue
		}
		if isGone(s.awaitPid(t, fmt.Sprintf("pid.%d", n))) {
			t.Errorf("request %d: the process of another session has ended, so the test proves nothing", n)
		}
	}
	s.awaitTurn(t)
}

// A slowWriter takes a millisecond for each Write, so that a process can fill a pipe meanwhile, and
// fails after a number of bytes.
type slowWriter struct{ left int }

func (w *slowWriter) Write(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	if w.left -= len(p); w.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

// Once the processes of a script have ended, a process of another session that still prints cannot
// extend the response.
func TestScriptOutputHeldByAnotherSession(t *testing.T) {
	t.Parallel()
	s := &scriptSite{root: scriptFolder(t, map[string]string{
		"a.sh": "echo; sleep 1000 >&- 2>&- & echo $! >child; " + helperCommand(t, "print", "pid") + " 2>&- & " + waitForFile("pid"),
	})}
	resp := resolveScript(t, filesOfDir(t, s.root, rawhttp.WithScript(".sh", "sh")), getRequest("/a.sh"))
	defer resp.Close()
	awaitGone(t, s.awaitPid(t, "child")) // nothing has read the output meanwhile
	pid := s.awaitPid(t, "pid")
	// What was read before the end, and as much as a pipe can hold.
	if n, err := resp.WriteTo(&slowWriter{left: 2 << 20}); err != nil {
		t.Errorf("WriteTo = %d, %v, want the end after at most 2 MiB", n, err)
	}
	if isGone(pid) {
		t.Error("the process of another session has ended, so the test proves nothing")
	}
}

// A script's turn ends even if its group has zombies that another process must wait for. They
// can remain for as long as that process runs.
func TestScriptGroupOfForeignZombies(t *testing.T) {
	t.Parallel()
	script := "echo; " + helperCommand(t, "zombie", "pid") + " >/dev/null 2>&1 & " + waitForFile("pid")
	s := serveScripts(t, map[string]string{"a.sh": script}, rawhttp.WithMaxScripts(1))
	if got := s.ask(t, "/a.sh").answer(t); got.Status != 200 {
		t.Errorf("answer %v, want 200", got)
	}
	pid := s.awaitPid(t, "pid")
	s.awaitTurn(t)
	if isGone(pid) {
		t.Error("the parent of the zombie has ended, so the test proves nothing")
	}
}

// A script that has left its group is ended too: with SIGTERM if it was alone in the group, and
// with SIGKILL if the group still has processes, which are zombies until the script waits for
// them.
func TestScriptLeftItsGroup(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{
		"alone":                            "",
		"and a child has stayed":           "sleep 1000 & ",
		"and a child that ignores SIGTERM": "sh -c 'trap \"\" TERM; echo >ready; while :; do sleep 1; done' & " + waitForFile("ready") + "; ",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveScripts(t, map[string]string{"a.sh": before + "exec " + helperCommand(t, "join", "pid")}, rawhttp.WithMaxScripts(1))
			c := s.ask(t, "/a.sh")
			pid := s.awaitPid(t, "pid")
			if group, err := syscall.Getpgid(pid); group == pid || err != nil {
				t.Fatalf("the script is in the group %d, %v, want it to have left %d", group, err, pid)
			}
			start := time.Now()
			c.reset()
			awaitGone(t, pid)
			if took := time.Since(start); before != "" && took < scriptWaits {
				t.Errorf("killed after %v, want at least %v", took, scriptWaits)
			}
			if _, err := os.Stat(filepath.Join(s.root, "signal")); (err == nil) != (before == "") {
				t.Errorf("the script received SIGTERM: %v, want %v", err == nil, before == "")
			}
			s.awaitTurn(t)
		})
	}
}

// The whole process group is ended: with SIGTERM, and half a second later with SIGKILL.
func TestScriptGroupIsEnded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, script string
		pids         []string // files that hold the process IDs
		handlesTERM  bool     // whether the script handles SIGTERM and exits
	}{{
		name:   "by itself",
		script: "trap 'echo TERM >signal; exit 0' TERM; echo $$ >pid; while :; do sleep 100 & wait; done",
		pids:   []string{"pid"}, handlesTERM: true,
	}, {
		name:   "ignores SIGTERM",
		script: "trap '' TERM; echo $$ >pid; while :; do sleep 1; done",
		pids:   []string{"pid"},
	}, {
		name:   "its child ignores SIGTERM",
		script: "sh -c 'trap \"\" TERM; echo $$ >child; while :; do sleep 1; done' & echo $$ >pid; wait",
		pids:   []string{"pid", "child"},
	}, {
		name:   "its grandchild ignores SIGTERM, script and child have ended",
		script: "sh -c 'sh -c \"trap \\\"\\\" TERM; echo \\$\\$ >child; while :; do sleep 1; done\" & read x <gate'; echo $$ >pid",
		pids:   []string{"child"},
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serveScripts(t, map[string]string{"a.sh": tt.script}, rawhttp.WithMaxScripts(1))
			s.gate(t)
			c := s.ask(t, "/a.sh")
			var pids []int
			for _, name := range tt.pids {
				pids = append(pids, s.awaitPid(t, name))
			}
			start := time.Now()
			c.reset()
			awaitGone(t, pids...)
			if took := time.Since(start); !tt.handlesTERM && took < scriptWaits {
				t.Errorf("killed after %v, want at least %v", took, scriptWaits)
			}
			if _, err := os.Stat(filepath.Join(s.root, "signal")); (err == nil) != tt.handlesTERM {
				t.Errorf("the script received SIGTERM: %v, want %v", err == nil, tt.handlesTERM)
			}
			s.awaitTurn(t)
		})
	}
}

// A child that a script leaves is ended half a second after the script, and the response ends then,
// even if the child would hold the output open.
func TestScriptLeavesChild(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, script string
		want         string // content without the lines "more"
	}{
		{"holds the output", "echo; echo end; sleep 1000 & echo $! >child", "\nend\n"},
		{"holds standard error", "echo; echo end; sleep 1000 >&- & echo $! >child", "\nend\n"},
		{"holds neither", "echo; echo end; sleep 1000 >&- 2>&- & echo $! >child", "\nend\n"},
		{"prints soon", "(sleep 0.1; echo late) & sleep 1000 & echo $! >child; echo; echo end", "\nend\nlate\n"},
		{"prints forever", "while :; do echo more; sleep 0.1; done & echo $! >child; echo; echo end", "\nend\n"},
		{"ignores SIGTERM", "sh -c 'trap \"\" TERM; echo $$ >child; while :; do sleep 1; done' & echo; echo end", "\nend\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serveScripts(t, map[string]string{"a.sh": tt.script}, rawhttp.WithScriptTimeout(0))
			var got scriptAnswer
			for range 10 { // on a busy machine, a child may not run for half a second
				got = s.ask(t, "/a.sh").answer(t)
				if got.Content = strings.ReplaceAll(got.Content, "more\n", ""); got.Content == tt.want {
					break
				}
			}
			outputAnswer(tt.want).check(t, "/a.sh, whose child "+tt.name, got)
			awaitGone(t, s.awaitPid(t, "child"))
		})
	}
}
