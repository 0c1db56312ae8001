package main

import (
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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
	l.Debug("rawhttp: request failed", "err", fmt.Errorf("script %q is not executable: %w", "b", fs.ErrPermission))
	l.Info("rawhttp: news", "n", 2)
	l.Warn("rawhttp: accept failed", "err", io.ErrClosedPipe, "n", 3)
	l.Error("rawhttp: panic", "stack", "a\nb\x1b[2J")
	want := `rawhttp: warning: "a" is not served: permission denied
rawhttp: warning: request failed err="script \"b\" is not executable: permission denied"
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
	if diff := cmp.Diff(want, cmd.logged()); diff != "" {
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
	if diff := cmp.Diff(want, cmd.logged()); diff != "" {
		t.Errorf("stderr (-want +got):\n%s", diff)
	}
}

func TestRunLog(t *testing.T) {
	t.Parallel()
	cmd := start(t, "-addr", "127.0.0.1:0", "-log", folder(t, "a.txt"))
	cmd.fetch(t, "/a.txt")
	cmd.fetch(t, "/missing?q=1")
	cmd.stop() // the last line may be logged after the answer
	// Each fetch has a connection of its own, so the lines come in any order.
	got := slices.Sorted(strings.Lines(cmd.logged()))
	stamp := regexp.MustCompile(`\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]`)
	for i := range got {
		got[i] = stamp.ReplaceAllString(got[i], "[TIME]")
	}
	want := []string{
		`127.0.0.1 - - [TIME] "GET /a.txt HTTP/1.1" 200 5 "-" "-"` + "\n",
		`127.0.0.1 - - [TIME] "GET /missing?q=1 HTTP/1.1" 404 14 "-" "-"` + "\n",
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines on stderr with -log (-want +got):\n%s", diff)
	}
}

func TestRunTrace(t *testing.T) {
	t.Parallel()
	cmd := start(t, "-addr", "127.0.0.1:0", "-trace", folder(t, "a.txt"))
	cmd.fetch(t, "/a.txt")
	cmd.stop()
	for _, want := range []string{"#1.1 C --> GET /a.txt HTTP/1.1<CRLF>\n", "#1.1 S <-- HTTP/1.1 200 OK<CRLF>\n"} {
		if got := cmd.logged(); !strings.Contains(got, want) {
			t.Errorf("stderr with -trace has no line %q:\n%s", want, got)
		}
	}
}

// A line of the log does not separate the mark in a transcript from its line.
func TestRunTraceAndLog(t *testing.T) {
	t.Parallel()
	cmd := start(t, "-addr", "127.0.0.1:0", "-trace", "-log", folder(t, "a.txt"))
	conn, err := net.Dial("tcp", cmd.addr)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "GET /a.txt\r\n")
	io.ReadAll(conn)
	conn.Close()
	cmd.stop()
	want := "#1.1 C --> GET /a.txt<CRLF>\n#1.1                 ^ HTTP version is missing (RFC 9112, section 3): 400\n"
	if got := cmd.logged(); !strings.Contains(got, want) {
		t.Errorf("stderr with -trace and -log has no lines\n%s\nbut\n%s", want, got)
	}
}

// -log shows why a request is refused, and at which byte.
func TestLogShowsRefusals(t *testing.T) {
	t.Parallel()
	cmd := start(t, "-port", "0", "-log", folder(t, "a.txt"))
	call(t, "", "send", cmd.addr, "GET  /\x1b[2J HTTP/1.1", "")
	cmd.stop()
	const want = "rawhttp: warning: request refused: more than one space between the parts of the request line (RFC 9112, section 3): 400\n    GET  /\\x1b[2J HTTP/1.1<CRLF>\n        ^\n"
	if got := cmd.logged(); !strings.HasPrefix(got, want) {
		t.Errorf("stderr is %q, want it to begin with %q", got, want)
	}
}
