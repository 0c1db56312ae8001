package main

import (
	"bytes"
	"fmt"
	"strings"
)

// A talk is what is said on one connection, as a transcript file has it.
type talk struct {
	turns []turn
}

// A turn is what the client sends, and what the server then answers.
type turn struct {
	client, server []byte
	end            bool // the server ends the connection
}

// parseReplay reads a transcript file. In it ">" begins a line of the client and "<" one of
// the server; each ends in CRLF on the wire unless it ends in a backslash, and may have the
// escapes of unescape. "< (closed)" and "< (cut)" say that the server ends the connection. An
// empty line separates connections. Lines that begin with "#" are comments, and those that
// begin with "=" say how a test sets up its server; both are passed over.
func parseReplay(text []byte) (talks []talk, err error) {
	fresh := true
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			fresh = true
			continue
		}
		switch line[0] {
		case '#', '=':
			continue
		case '>', '<':
		default:
			return nil, fmt.Errorf("line %d begins with none of # = > <", i+1)
		}
		if fresh {
			talks, fresh = append(talks, talk{}), false
		}
		t := &talks[len(talks)-1]
		if err := t.add(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	for _, t := range talks {
		if len(t.turns) > 0 && len(t.turns[0].client) > 0 {
			return talks, nil
		}
	}
	return nil, fmt.Errorf("no line begins with >")
}

func (t *talk) add(line string) error {
	said := strings.TrimPrefix(line[1:], " ")
	if n := len(t.turns); n == 0 || line[0] == '>' && (len(t.turns[n-1].server) > 0 || t.turns[n-1].end) {
		t.turns = append(t.turns, turn{})
	}
	last := &t.turns[len(t.turns)-1]
	if line[0] == '<' && (said == "(closed)" || said == "(cut)") {
		last.end = true
		return nil
	}
	b, err := unescapeLine(said, "\r\n")
	if line[0] == '>' {
		last.client = append(last.client, b...)
	} else {
		last.server = append(last.server, b...)
	}
	return err
}

// match compares what a server said with what is wanted of it, line by line; the value of a
// Date field may differ. It returns how much of got is as wanted; that more must come; or the
// first difference.
func match(want, got []byte) (n int, more bool, diff error) {
	for len(want) > 0 {
		w, whole := firstLine(want)
		want = want[len(w):]
		g, ended := firstLine(got[n:])
		if !whole {
			g = g[:min(len(g), len(w))]
			ended = len(g) == len(w)
		}
		if !ended && (len(g) <= len(w) && string(g) == string(w[:len(g)]) || isDate(w)) {
			return n, true, nil
		}
		if string(g) != string(w) && !(isDate(w) && isDate(g)) {
			return n, false, fmt.Errorf("want %q, got %q", w, g)
		}
		n += len(g)
	}
	return n, false, nil
}

// firstLine returns the first line of b, and whether it has an end.
func firstLine(b []byte) (line []byte, whole bool) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i+1], true
	}
	return b, false
}

func isDate(line []byte) bool {
	const name = "Date: "
	return len(line) > len(name) && strings.EqualFold(string(line[:len(name)]), name)
}
