package scripts_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// If the dynamic loader of a program is missing, as for a program built for another Linux system,
// the log says so, and not that the program is missing.
func TestScriptLoaderMissing(t *testing.T) {
	program, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(program, []byte("/ld-"))
	if at < 0 {
		t.Skip("/bin/true has no dynamic loader")
	}
	copy(program[at:], "/no-")
	s := serveScripts(t, nil, rawhttp.WithScript(".cgi"))
	testkit.WriteFile(t, filepath.Join(s.root, "a.cgi"), string(program), 0o755)
	statusAnswer(500).check(t, "/a.cgi", s.ask(t, "/a.cgi").answer(t))
	awaitLine(t, s.log, "ERROR", `a.cgi" (the file exists, its dynamic loader does not): no such file`)
}
