package main

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLoggerWritesOneLine(t *testing.T) {
	var b strings.Builder
	l := &logger{w: &b}
	l.Debug("rawhttp: detail", "n", 1)
	l.Debug("rawhttp: request failed", "err", fs.ErrNotExist)
	l.Debug("rawhttp: request failed", "err", &fs.PathError{Op: "open", Path: "a", Err: fs.ErrPermission})
	l.Info("rawhttp: news", "n", 2)
	l.Warn("rawhttp: accept failed", "err", io.ErrClosedPipe, "n", 3)
	l.Error("rawhttp: panic", "stack", "a\nb\x1b[2J")
	want := `rawhttp: warning: request failed err="open a: permission denied"
rawhttp: warning: accept failed err="io: read/write on closed pipe" n="3"
rawhttp: error: panic stack="a\nb\x1b[2J"
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("logger (-want +got):\n%s", diff)
	}
}

// A client cannot fill the terminal with warnings about names.
func TestWarningsAreFew(t *testing.T) {
	var b strings.Builder
	l := &logger{w: &b}
	for i := range 1000 {
		l.Debug("rawhttp: request failed", "conn", i, "err", &fs.PathError{Op: "open", Path: strconv.Itoa(i / 2), Err: fs.ErrPermission})
	}
	lines := strings.Split(b.String(), "\n")
	if len(lines) != 101 || !strings.HasSuffix(lines[99], "more names will not be reported") {
		t.Errorf("%d lines about 500 names, the last %q, want 100 and one that says so", len(lines)-1, lines[max(0, len(lines)-2)])
	}
}

// A link that leads out of the folder is not found, and only standard error says why, once for each
// name.
func TestLinkOutOfFolder(t *testing.T) {
	t.Parallel()
	root, outside := folder(t, "a.txt"), folder(t, "secret.txt")
	for name, target := range map[string]string{
		"out.txt":  filepath.Join(outside, "secret.txt"),
		"out":      outside,
		"up":       "../../..",
		"dead.txt": "none",
	} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Skip(err)
		}
	}
	cmd := start(t, "-port", "0", root)
	for _, path := range []string{"/out.txt", "/out/secret.txt", "/up/", "/dead.txt", "/none", "/out.txt"} {
		if resp, _ := cmd.fetch(t, path); resp.StatusCode != 404 {
			t.Errorf("%s is answered with %d, want 404", path, resp.StatusCode)
		}
	}
	cmd.stop()
	want := ""
	for _, name := range []string{"out.txt", "out/secret.txt", "up"} {
		want += "rawhttp: warning: " + strconv.Quote(name) + " is not served: a link leads out of the folder\n"
	}
	if diff := cmp.Diff(want, cmd.stderr.String()); diff != "" {
		t.Errorf("stderr (-want +got):\n%s", diff)
	}
}

// A client that speaks TLS is reported even without -log, since browsers do not show what is wrong.
func TestTLSClientIsReported(t *testing.T) {
	t.Parallel()
	hello := []string{`\x16\x03\x01\x02\x00\x01\x00\x01\xfc`, ""}
	cmd := start(t, "-port", "0", folder(t, "a.txt"))
	for range 2 {
		call(t, "", append([]string{"send", cmd.addr}, hello...)...)
	}
	cmd.stop()
	const want = "rawhttp: a client speaks TLS; the address begins with http://, not https://\n"
	if diff := cmp.Diff(want, cmd.stderr.String()); diff != "" {
		t.Errorf("stderr (-want +got):\n%s", diff)
	}
}
