package main

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// runsScripts reports whether the system has process groups, without which there are
// no scripts.
func runsScripts() bool {
	return !slices.Contains([]string{"windows", "plan9", "js", "wasip1"}, runtime.GOOS)
}

func TestRunScripts(t *testing.T) {
	t.Parallel()
	if !runsScripts() {
		wantOneLine(t, []string{"-addr", "127.0.0.1:0", "-script", ".sh=sh", t.TempDir()}, 2, "-script") // no process groups
		return
	}
	root := t.TempDir()
	for name, content := range map[string]string{
		"a.sh": "echo \"<p>a $-</p>\"", "b.x": "echo b", "c.cgi": "#!/bin/sh\necho c", "d.cgi": "#!/bin/sh\necho d",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(root, "c.cgi"), 0o755); err != nil {
		t.Fatal(err)
	}
	type answer struct {
		Status  int
		Content string
	}
	tests := []struct {
		name string
		args []string
		path string
		want answer
	}{
		{"no scripts by default", nil, "/b.x", answer{200, "echo b"}},
		{"an interpreter", []string{"-script", ".x=sh"}, "/b.x", answer{200, "b\n"}},
		{"other files are files", []string{"-script", ".sh=sh"}, "/b.x", answer{200, "echo b"}},
		{"an extension in any case", []string{"-script=.X=sh"}, "/b.x", answer{200, "b\n"}},
		{"an interpreter with arguments", []string{"-script", ".sh=sh -f  -u"}, "/a.sh", answer{200, "<p>a fu</p>\n"}},
		{"an interpreter by its path", []string{"-script", ".x=/bin/sh"}, "/b.x", answer{200, "b\n"}},
		{"the files themselves", []string{"-script", ".cgi"}, "/c.cgi", answer{200, "c\n"}},
		{"the files themselves, not executable", []string{"-script", ".cgi"}, "/d.cgi", answer{403, "403 Forbidden\n"}},
		{"several", []string{"-script", ".cgi", "-script", ".x=sh"}, "/b.x", answer{200, "b\n"}},
		{"the first of several", []string{"-script", ".cgi", "-script", ".x=sh"}, "/c.cgi", answer{200, "c\n"}},
		{"the last for an extension wins", []string{"-script", ".x=false", "-script", ".x=sh"}, "/b.x", answer{200, "b\n"}},
		{"a script as index", []string{"-script", ".x=sh", "-index", "b.x"}, "/", answer{200, "b\n"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args := slices.Concat([]string{"-addr", "127.0.0.1:0"}, tt.args, []string{root})
			cmd := start(t, args...)
			resp, content := cmd.fetch(t, tt.path)
			letters := regexp.MustCompile(`a [a-zA-Z]*f[a-zA-Z]*u[a-zA-Z]*<|a [a-zA-Z]*u[a-zA-Z]*f[a-zA-Z]*<`) // the shell prints its options in its own order, with others
			got := answer{resp.StatusCode, letters.ReplaceAllString(content, "a fu<")}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("run(%q): GET %s (-want +got):\n%s", args, tt.path, diff)
			}
		})
	}
}

// Standard error of a script goes to that of the command, line by line, without control
// characters.
func TestRunScriptErrors(t *testing.T) {
	t.Parallel()
	if !runsScripts() {
		return // no scripts on this system
	}
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a.sh"), []byte("printf 'one\\n\\033[2Jtwo\\n' >&2; exit 3"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := start(t, "-addr", "127.0.0.1:0", "-script", ".sh=sh", root)
	if resp, content := cmd.fetch(t, "/a.sh"); resp.StatusCode != 500 || content != "500 Internal Server Error\n" {
		t.Errorf("a script that fails is answered with %d, %q, want 500", resp.StatusCode, content)
	}
	cmd.stop()
	got := cmd.stderr.String()
	for _, want := range []string{`script wrote to stderr`, `stderr="one"`, `two`, `exit status 3`} {
		if !strings.Contains(got, want) {
			t.Errorf("stderr has no %s:\n%s", want, got)
		}
	}
	if strings.Contains(got, "\x1b") {
		t.Errorf("stderr contains an escape sequence: %q", got)
	}
}

func TestRunRefusesScripts(t *testing.T) {
	root := t.TempDir()
	for name, tt := range map[string]struct{ value, names string }{
		"nothing":                                 {"", "-script"},
		"no dot":                                  {"py=python3", "py"},
		"an interpreter alone":                    {"=python3", "-script"},
		"no interpreter after the =":              {".py=", "interpreter"},
		"blanks after the =":                      {".py=  ", "interpreter"},
		"two dots":                                {".tar.gz=sh", ".tar.gz"},
		"a path":                                  {"./a.py", "./a.py"},
		"a missing interpreter":                   {".py=no-such-interpreter -u", "no-such-interpreter"},
		"a path of a missing interpreter":         {".py=/no/such/interpreter", "/no/such/interpreter"},
		"a batch file":                            {".bat", ".bat"},
		"a batch file as an interpreter":          {".x=run.cmd", "run.cmd"},
		"an interpreter with a line feed in it":   {".py=a\nb", "-script"},
		"an interpreter whose name has a blank":   {`.py="my tool"`, `my`},
		"a valid one, and then a missing one":     {".sh=no-such-interpreter", "no-such-interpreter"},
		"an extension with a slash in the middle": {".a/b=sh", ".a/b"},
	} {
		t.Run(name, func(t *testing.T) {
			if !runsScripts() {
				tt.names = "-script" // they may be rejected for another reason
			}
			wantOneLine(t, []string{"-addr", "127.0.0.1:0", "-script", tt.value, root}, 2, tt.names)
		})
	}
	wantOneLine(t, []string{"-script"}, 2, "-script")
}
