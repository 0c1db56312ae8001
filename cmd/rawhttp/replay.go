package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A talk is the turns of one connection in a transcript file.
type talk []turn

// A turn is what the client sends, and what the server then answers.
type turn struct {
	client, server []byte
	closes         bool // after that, the client closes its side
	silent         bool // the server does not answer
	end            bool // after that, the server ends the connection
}

// A replay is a transcript file.
type replay struct {
	talks []talk
	setup []string // directives that say how the server is configured
}

// parseReplay parses a transcript file. In it ">" begins a line of the client and "<" one of
// the server; each ends in CRLF on the wire unless it ends in a backslash, and may have the
// escapes of unescape. "< (closed)" and "< (cut)" mean that the server ends the connection, and
// "< (nothing)" that it does not answer. An empty line separates connections. Lines that begin
// with "#" are comments, and those that begin with "=" are directives.
func parseReplay(text []byte) (r replay, err error) {
	sends, begins := false, true
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			begins = true
			continue
		}
		if line[0] == '#' {
			continue
		}
		if begins {
			r.talks, begins = append(r.talks, nil), false
		}
		if err := r.add(&r.talks[len(r.talks)-1], line); err != nil {
			return r, fmt.Errorf("line %d: %w", i+1, err)
		}
		sends = sends || line[0] == '>'
	}
	r.talks = slices.DeleteFunc(r.talks, func(t talk) bool { return len(t) == 0 })
	if !sends {
		return r, errors.New("no line begins with >")
	}
	return r, nil
}

// add adds a line to a talk.
func (r *replay) add(t *talk, line string) error {
	text := strings.TrimPrefix(line[1:], " ")
	switch line[0] {
	case '=':
		return r.directive(t, text)
	case '>':
		b, err := unescapeLine(text, "\r\n")
		last := t.clientTurn()
		last.client = append(last.client, b...)
		return err
	case '<':
		return t.answer(text)
	}
	return errors.New("want # = > or < at its beginning")
}

// clientTurn returns the turn that the client's next line belongs to: a new turn after an answer.
func (t *talk) clientTurn() *turn {
	if n := len(*t); n == 0 || len((*t)[n-1].server) > 0 || (*t)[n-1].silent || (*t)[n-1].end {
		*t = append(*t, turn{})
	}
	return &(*t)[len(*t)-1]
}

// answer adds a line of the server.
func (t *talk) answer(text string) error {
	if len(*t) == 0 {
		*t = append(*t, turn{}) // the server speaks first
	}
	last := &(*t)[len(*t)-1]
	switch text {
	case "(closed)", "(cut)":
		last.end = true
		return nil
	case "(nothing)":
		last.silent = true
		return nil
	}
	b, err := unescapeLine(text, "\r\n")
	last.server = append(last.server, b...)
	return err
}

// maxRepeat is the most bytes that a directive may stand for, so that a short file cannot use up
// the memory.
const maxRepeat = 64 << 20

// directive follows a directive. Those for the server are collected in setup, and those for a
// test of the parser are ignored.
func (r *replay) directive(t *talk, text string) error {
	name, value, _ := strings.Cut(text, " ")
	switch {
	case text == "client closes":
		t.clientTurn().closes = true
	case name == "repeat":
		times, what, _ := strings.Cut(value, " ")
		n, err := strconv.Atoi(times)
		if err != nil || n < 0 || n > 1<<20 {
			return fmt.Errorf("= repeat: %q is not a number up to %d", times, 1<<20)
		}
		b, err := unescape(what)
		if len(b)*n > maxRepeat {
			return fmt.Errorf("= repeat: more than %d bytes", maxRepeat)
		}
		last := t.clientTurn()
		last.client = append(last.client, bytes.Repeat(b, n)...)
		return err
	case name == "resolver", name == "server", name == "hosts", text == "lenient", text == "error page", text == "no content length":
		if !slices.Contains(r.setup, text) {
			r.setup = append(r.setup, text)
		}
	// These are for the tests of this repository.
	case name == "refused", text == "incomplete", text == "in turns", text == "one write", text == "half-close":
	default:
		return fmt.Errorf("unknown directive %q", text)
	}
	return nil
}

// match compares what a server sent with what is wanted, line by line; the value of a Date field
// may differ. It returns the rest of want, from the first line that has not arrived; the number of
// bytes of got that have matched; and the first difference. When more arrives, only the rest of
// want and of got need be compared.
func match(want, got []byte) (rest []byte, n int, diff error) {
	for len(want) > 0 {
		w, whole := firstLine(want)
		g, ended := firstLine(got[n:])
		if !whole { // the line has no end in the transcript, so the next bytes may follow on it
			g = g[:min(len(g), len(w))]
			ended = len(g) == len(w)
		}
		if !ended && (len(g) <= len(w) && string(g) == string(w[:len(g)]) || isDate(w)) {
			return want, n, nil
		}
		if string(g) != string(w) && !(isDate(w) && isDate(g)) {
			return want, n, fmt.Errorf("want %q, got %q", w, g)
		}
		want, n = want[len(w):], n+len(g)
	}
	return nil, n, nil
}

// firstLine returns the first line of b, and whether it has an end.
func firstLine(b []byte) (line []byte, whole bool) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i+1], true
	}
	return b, false
}

// isDate reports whether line is a Date field, whose value differs each time.
func isDate(line []byte) bool {
	const name = "Date: "
	return len(line) > len(name) && strings.EqualFold(string(line[:len(name)]), name)
}
