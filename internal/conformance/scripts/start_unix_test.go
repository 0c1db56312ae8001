//go:build unix

package scripts_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// If a script cannot be started, the client gets a status and the log has the reason.
func TestScriptCannotBeStarted(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		mode       os.FileMode
		want       int
		log        []string
		why        string
	}{
		{"interpreter is missing", "#!/nowhere/interpreter\necho\n", 0o755, 500, []string{"ERROR", `a.cgi" with interpreter "/nowhere/interpreter": no such file`}, "not 404, since the resource exists"},
		{"interpreter is missing, with blanks and arguments", "#! \t/nowhere/interpreter -x y\necho\n", 0o755, 500, []string{"ERROR", `a.cgi" with interpreter "/nowhere/interpreter": no such file`}, "the log must not say that the script is missing"},
		{"interpreter is missing, without a line feed", "#!/nowhere/interpreter", 0o755, 500, []string{"ERROR", `a.cgi" with interpreter "/nowhere/interpreter": no such file`}, "as above"},
		{"interpreter is missing, by a relative path", "#!nowhere\n", 0o755, 500, []string{"ERROR", `a.cgi" with interpreter "nowhere": no such file`}, "as above"},
		{"lines end in CRLF", "#!/bin/sh\r\necho\r\n", 0o755, 500, []string{"ERROR", `a.cgi" with interpreter "/bin/sh\r" (its #! line ends in CR): no such file`}, "editors on Windows save files this way"},
		{"interpreter of the interpreter is missing", "#!ROOT/run\necho\n", 0o755, 500, []string{"ERROR", `/run" with interpreter "/nowhere/deeper": `}, "some systems follow the chain and run nothing"},
		{"interpreter is below a file", "#!/bin/sh/x\necho\n", 0o755, 500, []string{"ERROR", `a.cgi" with interpreter "/bin/sh/x": not a directory`}, "the interpreter is missing in another way"},
		{"interpreter is not executable", "#!ROOT/hello.txt\necho\n", 0o755, 500, []string{"ERROR", `a.cgi" with interpreter "`, `/hello.txt": permission denied`}, "a misconfiguration, not a lack of permission for the client"},
		{"interpreter is a folder", "#!/\necho\n", 0o755, 500, []string{"ERROR", `a.cgi" with interpreter "/": permission denied`}, "a misconfiguration, not a lack of permission for the client"},
		{"no interpreter is named", "echo\n", 0o755, 500, []string{"ERROR", `a.cgi": exec format error`}, "no shell is tried"},
		{"empty", "", 0o755, 500, []string{"ERROR", `a.cgi": exec format error`}, "as above"},
		{"not executable", "#!/bin/sh\necho\n", 0o644, 403, []string{"DEBUG", `a.cgi" is not executable`}, "the answer is 403, never the source"},
		{"fine", "#!/bin/sh\necho\n", 0o755, 200, nil, "shows that the other rows fail for their own reasons"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serveScripts(t, map[string]string{"run": "#!/nowhere/deeper -x\n"}, rawhttp.WithScript(".cgi"), rawhttp.WithMaxScripts(1))
			testkit.WriteFile(t, filepath.Join(s.root, "a.cgi"), strings.ReplaceAll(tt.text, "ROOT", s.root), tt.mode)
			want := statusAnswer(tt.want)
			if tt.want == 200 {
				want = outputAnswer("\n")
			}
			for range 2 { // the second waits for its turn if the first has kept it
				want.check(t, "/a.cgi: "+tt.why, s.ask(t, "/a.cgi").answer(t))
			}
			if tt.log != nil {
				awaitLine(t, s.log, tt.log...)
			}
		})
	}
}

// The log names an interpreter that was removed after the server started.
func TestScriptInterpreterRemoved(t *testing.T) {
	tools := t.TempDir()
	testkit.WriteFile(t, filepath.Join(tools, "tool"), "#!/nowhere/interpreter\n", 0o755)
	s := serveScripts(t, map[string]string{"a.x": ""}, rawhttp.WithScript(".x", filepath.Join(tools, "tool")))
	statusAnswer(500).check(t, "/a.x, whose interpreter has none", s.ask(t, "/a.x").answer(t))
	awaitLine(t, s.log, "ERROR", `start "`+tools+`/tool" with interpreter "/nowhere/interpreter": no such file`)
	if err := os.Remove(filepath.Join(tools, "tool")); err != nil {
		t.Fatal(err)
	}
	statusAnswer(500).check(t, "/a.x, whose interpreter was removed", s.ask(t, "/a.x").answer(t))
	awaitLine(t, s.log, "ERROR", `start "`+tools+`/tool": no such file`)
}

// On some systems a file that is open for writing is busy and cannot be executed. The test is not
// parallel: processes that start meanwhile inherit the open file, and keep the script busy.
func TestScriptOpenForWriting(t *testing.T) {
	s := serveScripts(t, map[string]string{"a.cgi": "#!/bin/sh\necho\n"}, rawhttp.WithScript(".cgi"))
	name := filepath.Join(s.root, "a.cgi")
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := outputAnswer("\n")
	if err := exec.Command(name).Run(); errors.Is(err, syscall.ETXTBSY) {
		want = statusAnswer(503)
	}
	want.check(t, "/a.cgi while it is written", s.ask(t, "/a.cgi").answer(t))
	f.Close()
	outputAnswer("\n").check(t, "/a.cgi", s.ask(t, "/a.cgi").answer(t))
}

// If a script cannot run, the answer is an error without any of its source.
func TestScriptCannotRun(t *testing.T) {
	root := testkit.Scripts(t, map[string]string{
		"ok.cgi": scriptSource, "missing.cgi": "#!/missing/interpreter\n# " + scriptSecret, "folder.cgi/a.txt": "",
		"x.sh": scriptSource,
	})
	testkit.WriteFile(t, filepath.Join(root, "no-interpreter.cgi"), scriptSecret+"\n", 0o755)
	testkit.WriteFile(t, filepath.Join(root, "empty.cgi"), "", 0o755)
	testkit.WriteFile(t, filepath.Join(root, "plain.cgi"), scriptSource, 0o644)
	for _, name := range []string{"fifo.cgi", "fifo.sh"} {
		if err := syscall.Mkfifo(filepath.Join(root, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"out.cgi": "/bin/ls", "up.cgi": "../../../../../../../../bin/ls", "self.cgi": "self.cgi", "nowhere.cgi": "nowhere", "device.sh": "/dev/null"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct{ target, status, why string }{
		{"/ok.cgi", "200 OK", ""},
		{"/plain.cgi", "403 Forbidden", "not executable"},
		{"/missing.cgi", "500 Internal Server Error", "the interpreter is missing, but the script is not, so not 404"},
		{"/no-interpreter.cgi", "500 Internal Server Error", "neither a #! line nor a program; no shell is tried"},
		{"/empty.cgi", "500 Internal Server Error", "neither a #! line nor a program; no shell is tried"},
		{"/fifo.cgi", "404 Not Found", "not a regular file"},
		{"/fifo.sh", "404 Not Found", "not a regular file, though it has an interpreter"},
		{"/device.sh", "404 Not Found", "a link to a device outside the root"},
		{"/out.cgi", "404 Not Found", "a link out of the root"},
		{"/up.cgi", "404 Not Found", "a link out of the root"},
		{"/self.cgi", "404 Not Found", "a loop of links"},
		{"/nowhere.cgi", "404 Not Found", "a link to a missing file"},
		{"/absent.cgi", "404 Not Found", "a missing file"},
		{"/folder.cgi", "301 Moved Permanently", "a folder"},
		{"/folder.cgi/", "200 OK", "a folder, which is listed"},
		{"/x.sh/", "404 Not Found", "not a folder"},
		{"/x.sh/a", "404 Not Found", "without WithScriptPathInfo the whole path names a file"},
	}
	if os.Geteuid() != 0 { // root may read everything
		testkit.WriteFile(t, filepath.Join(root, "unreadable.cgi"), scriptSource, 0o111)
		testkit.WriteFile(t, filepath.Join(root, "unreadable.sh"), scriptSource, 0)
		testkit.WriteFile(t, filepath.Join(root, "others.cgi"), scriptSource, 0o601)
		tests = append(tests, []struct{ target, status, why string }{
			{"/unreadable.cgi", "403 Forbidden", "no permission to read"},
			{"/unreadable.sh", "403 Forbidden", "no permission to read"},
			{"/others.cgi", "403 Forbidden", "only other users have permission to execute"},
		}...)
	}
	addr := serveShell(t, root, rawhttp.WithScript(".cgi"))
	for _, tt := range tests {
		for _, method := range []string{"GET", "HEAD"} {
			answer := talk(t, addr, method+" "+tt.target+" HTTP/1.1\r\nHost: example.test\r\n\r\n")
			if !strings.HasPrefix(answer, "HTTP/1.1 "+tt.status+"\r\n") || strings.Contains(answer, scriptSecret) {
				t.Errorf("%s %s: %q, want %s\nwhy: %s", method, tt.target, answer, tt.status, tt.why)
			}
		}
	}
	next := filesOfDir(t, root, rawhttp.WithScript(".cgi"), rawhttp.WithScript(".sh", "sh"))
	_, addr = listen(t, rawhttp.WithResolver(rawhttp.First(next, answerText("the next"))))
	for target, want := range map[string]string{"/absent.cgi": "the next", "/fifo.cgi": "the next", "/plain.cgi": "403 Forbidden\n", "/missing.cgi": "500 Internal Server Error\n"} {
		if _, got := splitHead(talk(t, addr, getRequest(target))); got != want {
			t.Errorf("First: GET %s: %q, want %q", target, got, want)
		}
	}
}
