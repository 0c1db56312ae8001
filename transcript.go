package rawhttp

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// Transcript returns a Trace that writes the conversations to w as a person reads
// them: a line for each line on the wire, with the numbers of connection and
// request, who speaks, and what ends the line.
//
//	#3.1 C --> GET /sample.txt HTTP/1.1<CRLF>
//	#3.1 S <-- HTTP/1.1 200 OK<CRLF>
//
// Other control bytes, and bytes that are not UTF-8, are shown as \x00. A line of
// more than 1024 bytes is broken. Each line is one Write; they are never
// concurrent, and their errors are ignored.
func Transcript(w io.Writer) Trace {
	t := &transcript{w: w, open: make(map[uint64]*[2]partialLine)}
	return Trace{
		BytesRead:    func(conn, req uint64, b []byte) { t.bytes(conn, req, 0, b) },
		BytesWritten: func(conn, req uint64, b []byte) { t.bytes(conn, req, 1, b) },
		ConnClose:    t.close,
	}
}

const maxTranscriptLine = 1024

type transcript struct {
	mu   sync.Mutex
	w    io.Writer
	open map[uint64]*[2]partialLine // of each connection, what client and server have begun to say
}

type partialLine struct {
	req uint64
	b   []byte
}

var speakers = [2]string{"C -->", "S <--"}

func (t *transcript) bytes(conn, req uint64, who int, b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := t.open[conn]
	if lines == nil {
		lines = new([2]partialLine)
		t.open[conn] = lines
	}
	for i := range lines { // what was said of requests before comes first
		if lines[i].req < req {
			t.flush(conn, i, &lines[i], len(lines[i].b))
			lines[i].req = req
		}
	}
	line := &lines[who]
	for len(b) > 0 {
		n := bytes.IndexByte(b, '\n') + 1
		if n == 0 {
			n = len(b)
		}
		n = min(n, maxTranscriptLine-len(line.b))
		line.b = append(line.b, b[:n]...)
		b = b[n:]
		switch {
		case line.b[len(line.b)-1] == '\n':
			t.flush(conn, who, line, len(line.b))
		case len(line.b) == maxTranscriptLine:
			t.flush(conn, who, line, breakAt(line.b))
		}
	}
}

// breakAt returns where to break a long line: not within a CRLF, nor a character.
func breakAt(b []byte) int {
	n := len(b)
	if b[n-1] == '\r' {
		return n - 1
	}
	for i := n - 1; i >= n-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return i
			}
			break
		}
	}
	return n
}

func (t *transcript) close(conn uint64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if lines := t.open[conn]; lines != nil {
		for who := range lines {
			t.flush(conn, who, &lines[who], len(lines[who].b))
		}
		delete(t.open, conn)
	}
}

// flush writes n bytes of the line that is begun.
func (t *transcript) flush(conn uint64, who int, line *partialLine, n int) {
	if n == 0 {
		return
	}
	text, end := string(line.b[:n]), ""
	switch {
	case strings.HasSuffix(text, "\r\n"):
		text, end = text[:len(text)-2], "<CRLF>"
	case strings.HasSuffix(text, "\n"):
		text, end = text[:len(text)-1], "<LF>"
	}
	fmt.Fprintf(t.w, "#%d.%d %s %s%s\n", conn, line.req, speakers[who], escapeControls(text), end)
	line.b = append(line.b[:0], line.b[n:]...)
}

// escapeControls makes text safe for a terminal or a log: control characters, those that
// cannot be seen, those that change the direction of text, and line separators are shown
// as escapes.
func escapeControls(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1, r < ' ', r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r > 0xffff && !strconv.IsPrint(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		case !strconv.IsPrint(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}
