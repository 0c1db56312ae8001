// Package transcript formats conversations on the wire for reading: bytes in, lines out. It
// tracks where messages of HTTP/1 and of mail protocols begin and end, to number them and
// shorten their content. It changes nothing: a malformed message is shown as it is.
package transcript

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"example.com/rawhttp/internal/ascii"
)

// Options set how conversations are shown.
type Options struct {
	Lines int  // most lines to show of each content; negative means all
	Color bool // use colors of a terminal
	Judge bool // the server is this package's own, so expect it to refuse what its parser rejects
	// Decode decodes the beginning of content with a coding, or returns nil. If Decode is
	// nil, such content is counted and not shown.
	Decode func(coding string, b []byte) []byte

	Mail bool // conversations may be SMTP, POP3, IMAP or another line-based protocol
}

// A Printer prints conversations, which may be concurrent.
type Printer struct {
	mu    sync.Mutex // guards the Printer and its conversations, and is held while print runs
	opts  Options
	print func(line string) // called with a line and its LF
	last  string            // line printed last, without color and LF, or ""
}

// New returns a Printer that calls print for each line, one call at a time.
func New(opts Options, print func(line string)) *Printer {
	return &Printer{opts: opts, print: print}
}

// A Side is one of the two parties of a conversation.
type Side int

const (
	Client Side = iota
	Server
)

// Other returns the other side.
func (s Side) Other() Side { return 1 - s }

var (
	arrows = [2]string{"C --> ", "S <-- "} // prefix of bytes on the wire, and of nothing else
	ends   = [2]string{"C ==> ", "S <== "} // prefix of events on the connection
	mute   = [2]string{"C     ", "S     "} // prefix of notes about the bytes of a side
	indent = "      "                      // prefix of other notes
)

// Colors on a terminal.
var (
	sideColors = [2]string{"36", "32"} // cyan, green
	noteColor  = "2"                   // dim
	faultColor = "31"                  // red
)

// label returns the beginning of a line about message num, or about the connection if num
// is 0.
func (c *Conversation) label(num int) string {
	if num == 0 {
		return fmt.Sprintf("#%d ", c.id)
	}
	return fmt.Sprintf("#%d.%d ", c.id, num)
}

// line prints a line about message num. Before it, it prints an empty line if another
// exchange begins, and a note if there was a pause.
func (c *Conversation) line(num int, color, text string) {
	p := c.p
	if num != 0 && num != c.num {
		if c.num != 0 {
			p.print("\n")
		}
		c.num = num
	}
	if c.paused > 0 {
		c.put(num, noteColor, indent+"("+Seconds(c.paused)+" later)")
		c.paused = 0
	}
	c.put(num, color, text)
}

// A pause of longPause is shown, as are the incomplete lines before it.
const longPause = time.Second

// tick records that something happens now.
func (c *Conversation) tick() {
	now := time.Now()
	if pause := now.Sub(c.last); pause > longPause && !c.last.IsZero() {
		c.showBegun() // the timer may be late
		c.paused = max(c.paused, pause)
	}
	c.last = now
	c.quiet.Reset(longPause)
}

func (c *Conversation) put(num int, color, text string) {
	p := c.p
	text = c.label(num) + text
	p.last = text
	if p.opts.Color {
		text = "\x1b[" + color + "m" + text + "\x1b[0m"
	}
	p.print(text + "\n")
}

// Seconds formats d for reading.
func Seconds(d time.Duration) string {
	if d < 10*time.Second {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + " s"
	}
	if d < 10*time.Minute {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// visible formats bytes of the wire as text, including their line end. Different bytes have
// different texts.
func visible(b []byte) string { return format(b, Escape) }

// format formats bytes of the wire like visible, and applies escape to all but the line end.
func format(b []byte, escape func(string) string) string {
	text, end := string(b), ""
	switch {
	case strings.HasSuffix(text, "\r\n"):
		text, end = text[:len(text)-2], "<CRLF>"
	case strings.HasSuffix(text, "\n"):
		text, end = text[:len(text)-1], "<LF>"
	default: // escape text that looks like a line end mark
		for _, mark := range []string{"<CRLF>", "<LF>"} {
			if before, ok := strings.CutSuffix(text, mark); ok {
				return escape(before) + `\x3c` + mark[1:]
			}
		}
	}
	return escape(text) + end
}

// Escape returns s with HTAB shown as \t, and other bytes that are not part of a printable
// character as \xHH. So is the first byte of text that would otherwise look like one of these
// escapes, or like the arrow at the beginning of a line. Different texts are shown differently.
func Escape(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 || !ascii.IsPrintable(r) || isTaken(s) {
			escapeBytes(&b, s[:n])
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// escapeASCII is like Escape, but shows all bytes that are not ASCII as \xHH, so that each
// character that is shown has the width of one column.
func escapeASCII(s string) string {
	var b strings.Builder
	for ; len(s) > 0; s = s[1:] {
		if s[0] < ' ' || s[0] > '~' || isTaken(s) {
			escapeBytes(&b, s[:1])
		} else {
			b.WriteByte(s[0])
		}
	}
	return b.String()
}

func escapeBytes(b *strings.Builder, s string) {
	if s == "\t" {
		b.WriteString(`\t`)
		return
	}
	for i := range len(s) {
		fmt.Fprintf(b, `\x%02x`, s[i])
	}
}

// isTaken reports whether s begins like something that only the transcript itself prints: \t,
// \xHH, or an arrow. A terminal may break a long line before such an arrow.
func isTaken(s string) bool {
	switch s[0] {
	case '\\':
		return strings.HasPrefix(s, `\t`) || len(s) >= 4 && s[1] == 'x' && ascii.Unhex(s[2]) >= 0 && ascii.Unhex(s[3]) >= 0
	case 'C', 'c':
		return strings.HasPrefix(s[1:], arrows[Client][1:]) || strings.HasPrefix(s[1:], ends[Client][1:])
	case 'S', 's':
		return strings.HasPrefix(s[1:], arrows[Server][1:]) || strings.HasPrefix(s[1:], ends[Server][1:])
	}
	return false
}

// pointInto returns line as it is shown above a mark below its byte at off, and the column of
// the mark. The width of a character that is not ASCII depends on the terminal, so if there is
// one before the mark, all such characters are escaped. Of a line that does not fit into width
// columns, which a terminal would wrap, the part around the byte is shown, between dots. If off
// is the length of a line that is not empty, something is missing after it, and the mark is
// after its line end. Below an empty line the mark is at its beginning, even if something is
// missing after it.
func pointInto(line []byte, off, width int) (shown string, column int) {
	text := string(bytes.TrimRight(line, "\r\n"))
	if off == len(line) && off > len(text) && text != "" {
		shown, _ = pointInto(line, len(text), width)
		return shown, len(shown) // all of shown is ASCII, since it is before the mark
	}
	off = min(off, len(text))
	from, to := around(text, off, width)
	column = len(escapeASCII(text[from:to])) - len(escapeASCII(text[off:to])) // how a byte is shown depends on the next ones
	if from == 0 && to == len(text) && !strings.ContainsFunc(text[:off], func(r rune) bool { return r >= utf8.RuneSelf }) {
		return visible(line), column
	}
	const dots = "..."
	shown = format(line[from:], escapeASCII)
	if to < len(text) {
		shown = escapeASCII(text[from:to]) + dots
	}
	if from > 0 {
		shown, column = dots+shown, column+len(dots)
	}
	return shown, column
}

// around returns the bounds of the part of text around off that is shown in about width columns.
func around(text string, off, width int) (from, to int) {
	columns := func(c byte) int {
		if ' ' <= c && c <= '~' {
			return len("a")
		}
		return len(`\x00`)
	}
	from, to = off, off
	for growing := true; growing; {
		growing = false
		if from > 0 && columns(text[from-1]) <= width {
			from--
			width -= columns(text[from])
			growing = true
		}
		if to < len(text) && columns(text[to]) <= width {
			width -= columns(text[to])
			to++
			growing = true
		}
	}
	return from, to
}

// digits formats n with commas between groups of three digits.
func digits(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
