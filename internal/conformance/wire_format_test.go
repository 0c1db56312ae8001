package conformance_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"example.com/rawhttp/internal/testkit"
)

// A wireFile is a file of testdata/wire.
type wireFile struct {
	name  string
	lines []string // the lines of the file, unchanged

	talks []*wireTalk
}

// A wireTalk is the conversation on one connection.
type wireTalk struct {
	line       int // number of its first line in the file
	directives []wireDirective
	turns      []*wireTurn
}

// A wireTurn is what the client sends and the server's answer to it.
type wireTurn struct {
	client []byte
	closes bool // whether the client then closes its direction
	server []byte
	end    string // "", "(closed)" or "(cut)"
	at, n  int    // the lines of the answer: index of the first, and their number
}

// A wireDirective is a line that begins with "=": a name and a value.
type wireDirective struct{ name, value string }

// wireDirectives has the names of the directives, and whether they take a value.
var wireDirectives = map[string]bool{
	"resolver": true, "server": true, "hosts": true,
	"lenient": false, "error page": false, "no content length": false,
	"in turns": false, "one write": false, "half-close": false,
	"refused at": true, "refused at byte": true, "incomplete": false,
	"repeat": true, "client closes": false,
}

// value returns the value of the named directive, and whether the talk has the directive.
func (k *wireTalk) value(name string) (value string, ok bool) {
	for _, d := range k.directives {
		if d.name == name {
			value, ok = d.value, true
		}
	}
	return value, ok
}

func (k *wireTalk) has(name string) bool {
	_, ok := k.value(name)
	return ok
}

// client returns everything that the client sends.
func (k *wireTalk) client() (b []byte) {
	for _, turn := range k.turns {
		b = append(b, turn.client...)
	}
	return b
}

// server returns everything that the server sends, and how the connection ends.
func (k *wireTalk) server() (b []byte, end string) {
	for _, turn := range k.turns {
		b = append(b, turn.server...)
		if turn.end != "" {
			end = turn.end
		}
	}
	return b, end
}

var wireStatusLine = regexp.MustCompile(`(?m)^HTTP/1\.1 (\d{3}) `)

// summary returns the status codes of the answers, and "x" if the server ended the
// connection, in the form of wireAnswers.
func (k *wireTalk) summary() string {
	var words []string
	for _, turn := range k.turns {
		for _, m := range wireStatusLine.FindAllSubmatch(turn.server, -1) {
			words = append(words, string(m[1]))
		}
		if turn.end != "" {
			words = append(words, "x")
		}
	}
	return strings.Join(words, " ")
}

// readWireFiles reads all transcripts.
func readWireFiles(t *testing.T) []*wireFile {
	t.Helper()
	names, err := filepath.Glob("testdata/wire/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	var files []*wireFile
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f := &wireFile{name: strings.TrimSuffix(filepath.Base(name), ".txt")}
		f.lines = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		if err := f.parse(); err != nil {
			t.Fatalf("%s:%v", name, err)
		}
		files = append(files, f)
	}
	return files
}

// parse parses the lines. An error begins with the number of its line.
func (f *wireFile) parse() error {
	var common []wireDirective
	var talk *wireTalk
	for i, line := range f.lines {
		if line == "" {
			if talk != nil && len(talk.turns) == 0 { // after the comment at the top
				common = talk.directives
			} else if talk != nil {
				f.talks = append(f.talks, talk)
			}
			talk = nil
			continue
		}
		if strings.HasSuffix(line, " ") || strings.HasSuffix(line, "\t") {
			return fmt.Errorf(`%d: blank at the end of the line: write it as \x20 or \t`, i+1)
		}
		if talk == nil {
			talk = &wireTalk{line: i + 1, directives: common[:len(common):len(common)]}
		}
		if err := talk.parseLine(i, line); err != nil {
			return fmt.Errorf("%d: %w", i+1, err)
		}
	}
	if talk == nil || len(talk.turns) == 0 {
		return fmt.Errorf("%d: the last talk has no turns", len(f.lines))
	}
	f.talks = append(f.talks, talk)
	if !strings.HasPrefix(f.lines[0], "# ") {
		return fmt.Errorf("1: no comment with the rule")
	}
	return nil
}

// parseLine parses line i of the file, which belongs to the talk.
func (k *wireTalk) parseLine(i int, line string) error {
	switch line[0] {
	case '#':
		return nil
	case '=':
		return k.parseDirective(i, strings.TrimPrefix(line[1:], " "))
	case '>':
		b, err := testkit.UnescapeLine(line[1:])
		turn := k.clientTurn(i)
		turn.client = append(turn.client, b...)
		return err
	case '<':
		if len(k.turns) == 0 {
			return fmt.Errorf("an answer before the first line of the client")
		}
		turn := k.turns[len(k.turns)-1]
		if turn.n++; turn.at+turn.n != i+1 {
			return fmt.Errorf("the lines of an answer are not consecutive")
		}
		switch line {
		case "< (closed)", "< (cut)":
			turn.end = line[2:]
			return nil
		case "< (nothing)":
			return nil
		}
		b, err := testkit.UnescapeLine(line[1:])
		turn.server = append(turn.server, b...)
		return err
	}
	return fmt.Errorf("%q is not a comment, a directive, or a line of client or server", line)
}

// clientTurn returns the turn that a line of the client belongs to: a new one after
// an answer.
func (k *wireTalk) clientTurn(i int) *wireTurn {
	if n := len(k.turns); n == 0 || k.turns[n-1].n > 0 {
		k.turns = append(k.turns, new(wireTurn))
	}
	turn := k.turns[len(k.turns)-1]
	turn.at = i + 1
	return turn
}

func (k *wireTalk) parseDirective(i int, text string) error {
	for name, hasValue := range wireDirectives {
		value, ok := strings.CutPrefix(text, name)
		if !ok || hasValue != strings.HasPrefix(value, " ") || !hasValue && value != "" {
			continue
		}
		if name == "refused at" && strings.HasPrefix(value, " byte ") {
			continue
		}
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "repeat":
			times, what, _ := strings.Cut(value, " ")
			n, err := strconv.Atoi(times)
			if err != nil {
				return err
			}
			b, err := testkit.UnescapeLine(" " + what + `\`)
			turn := k.clientTurn(i)
			turn.client = append(turn.client, bytes.Repeat(b, n)...)
			return err
		case "client closes":
			k.clientTurn(i).closes = true
			return nil
		}
		k.directives = append(k.directives, wireDirective{name, value})
		return nil
	}
	return fmt.Errorf("unknown directive %q", text)
}

// wireAnswer returns the lines of an answer and its end.
func wireAnswer(b []byte, end string) []string {
	lines := testkit.TranscriptLines("<", b)
	switch {
	case end != "":
		lines = append(lines, "< "+end)
	case len(lines) == 0:
		lines = append(lines, "< (nothing)")
	}
	return lines
}

// write rewrites the file with the answers in its turns.
func (f *wireFile) write() error {
	var lines []string
	from := 0
	for _, talk := range f.talks {
		for _, turn := range talk.turns {
			lines = append(lines, f.lines[from:turn.at]...)
			lines = append(lines, wireAnswer(turn.server, turn.end)...)
			from = turn.at + turn.n
		}
	}
	lines = append(lines, f.lines[from:]...)
	return os.WriteFile(filepath.Join("testdata/wire", f.name+".txt"), []byte(strings.Join(lines, "\n")+"\n"), 0o644)
}
