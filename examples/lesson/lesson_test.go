package lesson

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the files and outputs that docs/lesson.md shows")

const lessonFile = "../../docs/lesson.md"

// In the lesson, servers listen on serverPort and spies on spyPort, and the reader creates files in
// tmpDir. The test has ports and a folder of its own.
const (
	serverPort = ":8080"
	spyPort    = ":8081"
	tmpDir     = "/tmp/lesson"
)

// hang limits how long a command may take, so that a mistake cannot block the test forever.
const hang = 60 * time.Second

// TestLesson checks that the lesson is accurate. The first line of each fenced block says what it
// shows:
//
//	```go 03-parse/main.go    a file: its content
//	```console                commands after $, each followed by what it prints
//	```text spy               what the spy started last has printed
//	```text recorded          what a spy printed on another machine; see recorded_test.go
//
// The commands run in order. A server or spy runs until another one is started.
func TestLesson(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("the commands of the lesson need a Unix shell")
	}
	text, err := os.ReadFile(lessonFile)
	if err != nil {
		t.Fatal(err)
	}
	r := newReader(t)
	blocks := split(string(text))
	for i, b := range blocks {
		kind, name, _ := strings.Cut(b.info, " ")
		shown := b.body
		switch {
		case b.info == "":
			continue
		case kind == "console":
			shown = r.console(t, b.body)
		case b.info == "text spy":
			shown = r.spied(t, b.body)
		case b.info == "text recorded":
			shown = replay(t, r.bin, b.body)
		case name != "":
			shown = readFile(t, name)
		}
		if *update {
			blocks[i].body = shown
		} else if diff := cmp.Diff(b.body, shown); diff != "" {
			t.Errorf("line %d of the lesson, %s (-shown +is):\n%s", b.line, b.info, diff)
		}
	}
	if *update {
		if err := os.WriteFile(lessonFile, []byte(join(blocks)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Each step is a short program, which the lesson shows.
func TestSteps(t *testing.T) {
	text := readFile(t, lessonFile)
	steps, err := filepath.Glob("[0-9][0-9]-*/main.go")
	if err != nil || len(steps) < 10 {
		t.Fatalf("steps %q, %v: want ten", steps, err)
	}
	for _, name := range steps {
		if n := strings.Count(readFile(t, name), "\n"); n < 20 || n > 60 {
			t.Errorf("%s has %d lines, want 20 to 60", name, n)
		}
		if !strings.Contains(text, "\n```go "+filepath.ToSlash(name)+"\n") {
			t.Errorf("the lesson does not show %s", name)
		}
		if run := "$ go run ./" + filepath.Dir(name); !strings.Contains(text, "\n"+run) {
			t.Errorf("the lesson does not say %q", run)
		}
	}
}

// A block is a fenced block of the lesson or, if info is empty, the text between two blocks.
type block struct {
	info, body string
	line       int
}

const fence = "```"

func split(text string) (blocks []block) {
	b := block{line: 1}
	fenced := false
	for i, line := range strings.SplitAfter(text, "\n") {
		if !strings.HasPrefix(line, fence) {
			b.body += line
			continue
		}
		blocks = append(blocks, b)
		fenced = !fenced
		b = block{line: i + 2}
		if fenced {
			b.info = strings.TrimSpace(strings.TrimPrefix(line, fence))
		}
	}
	return append(blocks, b)
}

func join(blocks []block) string {
	var text strings.Builder
	for _, b := range blocks {
		if b.info == "" {
			text.WriteString(b.body)
			continue
		}
		text.WriteString(fence + b.info + "\n" + b.body + fence + "\n")
	}
	return text.String()
}

// A reader follows the lesson, and runs its commands.
type reader struct {
	bin         string // where the programs are, with the command rawhttp among them
	tmp         string
	server, spy *program
	missing     map[string]bool // programs that are not installed
}

func newReader(t *testing.T) *reader {
	r := &reader{bin: t.TempDir(), tmp: filepath.Join(t.TempDir(), "lesson"), missing: make(map[string]bool)}
	build := exec.Command("go", "build", "-o", r.bin, "./...", "example.com/rawhttp/cmd/rawhttp")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, out)
	}
	// Without a terminal, curl would show its progress.
	if err := os.WriteFile(filepath.Join(r.bin, ".curlrc"), []byte("silent\nshow-error\nnoproxy = *\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"curl", "python3"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Logf("%s is not installed: commands that need it do not run", name)
			r.missing[name] = true
		}
	}
	return r
}

// console runs the commands of a block and returns the block as it should be.
func (r *reader) console(t *testing.T, body string) string {
	var is strings.Builder
	for _, part := range strings.SplitAfter("\n"+body, "\n$ ")[1:] {
		part = strings.TrimSuffix(part, "$ ")
		command, shown, _ := strings.Cut(part, "\n")
		for strings.HasSuffix(command, "\\") {
			var more string
			more, shown, _ = strings.Cut(shown, "\n")
			command += "\n" + more
		}
		is.WriteString("$ " + command + "\n" + r.run(t, command, shown))
	}
	return is.String()
}

// run runs a command and returns its output, or shown if the command cannot run here.
func (r *reader) run(t *testing.T, command, shown string) string {
	words := strings.Fields(command)
	switch {
	case r.missing[words[0]], r.missing["python3"] && strings.Contains(command, "ask.py"):
		return shown
	case strings.HasPrefix(command, "go run ./"):
		r.server.stop()
		r.server = start(t, filepath.Join(r.bin, strings.TrimPrefix(words[2], "./")), r.args(words[3:]))
		return r.toLesson(r.server.firstLine)
	case words[0] == "rawhttp" && words[1] == "spy":
		r.spy.stop()
		r.spy = start(t, filepath.Join(r.bin, "rawhttp"), append([]string{"spy", "-addr", "127.0.0.1:0"}, r.args(words[2:])...))
		return r.toLesson(r.spy.firstLine)
	case words[0] == "rawhttp" && words[1] != "send" && words[1] != "check":
		r.server.stop()
		r.server = start(t, filepath.Join(r.bin, "rawhttp"), r.args(words[1:]))
		return r.toLesson(r.server.firstLine)
	}
	// Two seconds, as in the lesson, may be too short on a busy machine.
	// The wait ends early if the server closes.
	wait := "5s"
	if strings.Contains(shown, "closes\n") {
		wait = "50s"
	}
	command = strings.Replace(command, "rawhttp send ", "rawhttp send -wait "+wait+" ", 1)
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", r.toTest(command))
	cmd.Env = append(os.Environ(), "PATH="+r.bin+string(os.PathListSeparator)+os.Getenv("PATH"), "CURL_HOME="+r.bin, "NO_COLOR=1")
	out, err := cmd.CombinedOutput() // the lesson may show a failure
	if ctx.Err() != nil {
		t.Errorf("%q does not end: %v", command, err)
	}
	return r.toLesson(string(out))
}

// spied stops the spy and returns what it has printed after its address.
func (r *reader) spied(t *testing.T, shown string) string {
	if r.missing["curl"] {
		return shown
	}
	if r.spy == nil {
		t.Error("no spy was started")
		return shown
	}
	defer r.spy.stop()
	return r.toLesson(r.spy.printed(t, allClosed))
}

// allClosed reports whether both sides of each connection in a transcript are closed.
func allClosed(transcript string) bool {
	var opened, ended int
	for line := range strings.Lines(transcript) {
		_, event, _ := strings.Cut(line, " ")
		switch {
		case strings.HasPrefix(event, "C ==> connects"):
			opened++
		case strings.HasPrefix(event, "C ==> "), strings.HasPrefix(event, "S <== "):
			ended++
		}
	}
	return opened > 0 && ended == 2*opened
}

// args returns the arguments of a program that serves, with an address for the test.
func (r *reader) args(words []string) []string {
	args := []string{"-addr", "127.0.0.1:0"}
	for _, word := range words {
		args = append(args, r.toTest(word))
	}
	return args
}

// toTest replaces the ports and the folder of the lesson by those of the test.
func (r *reader) toTest(s string) string {
	s = strings.ReplaceAll(s, tmpDir, r.tmp)
	if r.server != nil {
		s = strings.ReplaceAll(s, serverPort, r.server.port)
	}
	if r.spy != nil {
		s = strings.ReplaceAll(s, spyPort, r.spy.port)
	}
	return s
}

// Text that differs between runs is replaced by fixed text, as the lesson says.
var masks = []struct {
	pattern *regexp.Regexp
	shown   string
}{
	{regexp.MustCompile(`Date: \w+, \d+ \w+ \d+ [\d:]+ GMT`), "Date: Sun, 06 Nov 1994 08:49:37 GMT"},
	{regexp.MustCompile(`Last-Modified: \w+, \d+ \w+ \d+ [\d:]+ GMT`), "Last-Modified: Sat, 05 Nov 1994 12:00:00 GMT"},
	{regexp.MustCompile(`ETag: (W/)?"[^"]*"`), `ETag: "1994-e5"`},
	{regexp.MustCompile(`curl/\d[\w.]*`), "curl/8.5.0"},
	{regexp.MustCompile(`from 127\.0\.0\.1:\d+`), "from 127.0.0.1:51234"},
	{regexp.MustCompile(`(?m)^.* \([\d.]+ m?s later\)\n`), ""},
	{regexp.MustCompile(`within \d+s`), "within 2s"}, // the wait of send
}

// toLesson replaces the ports and the folder of the test by those of the lesson, and masks
// text that differs between runs.
func (r *reader) toLesson(s string) string {
	s = strings.ReplaceAll(s, r.tmp, tmpDir)
	s = strings.ReplaceAll(s, "\r\n", "\n") // of curl -i; a terminal does not show it
	if r.server != nil {
		s = strings.ReplaceAll(s, r.server.port, serverPort)
	}
	if r.spy != nil {
		s = strings.ReplaceAll(s, r.spy.port, spyPort)
	}
	return mask(s)
}

func mask(s string) string {
	for _, m := range masks {
		s = m.pattern.ReplaceAllString(s, m.shown)
	}
	return s
}

// readFile returns the text of a file.
func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
