// Package transcript shows conversations on the wire as a person reads them: bytes in, lines
// out. It knows where the messages of HTTP/1 and of mail protocols begin and end, so that it
// can number them and shorten their content. It only looks: a message that breaks a rule is
// shown as it is.
package transcript

import (
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"example.com/rawhttp/internal/ascii"
)

// Options say how conversations are shown.
type Options struct {
	Lines int  // of each content, the most that are shown; negative: all
	Color bool // for a terminal
	Judge bool // the server is ours: what the parser refuses is expected to be refused
	Mail  bool // a conversation may be SMTP, POP3, IMAP or another protocol of lines
}

// A Printer prints conversations that may be going on at the same time.
type Printer struct {
	mu    sync.Mutex
	opts  Options
	print func(line string) // gets a line with its LF
	begun bool
}

// New returns a Printer that calls print for each line, one call at a time.
func New(opts Options, print func(line string)) *Printer {
	return &Printer{opts: opts, print: print}
}

// A Side is one of the two that converse.
type Side int

const (
	Client Side = iota
	Server
)

func (s Side) other() Side { return 1 - s }

var (
	arrows = [2]string{"C --> ", "S <-- "} // before what is on the wire, and nothing else
	ends   = [2]string{"C ==> ", "S <== "} // before what a side does to the connection
	mute   = [2]string{"C     ", "S     "} // before what is said about the bytes of a side
	nobody = "      "
)

// What a terminal shows in color.
var (
	sideColors = [2]string{"36", "32"} // cyan, green
	noteColor  = "2"                   // dim
	faultColor = "31"                  // red
)

// label returns how a line about the message num begins; 0 is the connection.
func (c *Conversation) label(num int) string {
	if num == 0 {
		return fmt.Sprintf("#%d ", c.id)
	}
	return fmt.Sprintf("#%d.%d ", c.id, num)
}

// line prints a line about the message num, after what must come before it: an empty line
// before another exchange, and a note if there was silence.
func (c *Conversation) line(num int, color, text string) {
	p := c.p
	if num != 0 && num != c.num {
		if c.num != 0 {
			p.print("\n")
		}
		c.num = num
	}
	now := time.Now()
	if silence := now.Sub(c.last); silence > time.Second && !c.last.IsZero() {
		c.put(num, noteColor, nobody+"("+Seconds(silence)+" later)")
	}
	c.last = now
	c.put(num, color, text)
}

func (c *Conversation) put(num int, color, text string) {
	p := c.p
	p.begun = true
	text = c.label(num) + text
	if p.opts.Color {
		text = "\x1b[" + color + "m" + text + "\x1b[0m"
	}
	p.print(text + "\n")
}

// Seconds returns d as a person says it.
func Seconds(d time.Duration) string {
	if d < 10*time.Second {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + " s"
	}
	if d < 10*time.Minute {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// visible returns bytes of the wire as text, and how the line that they are ends.
func visible(b []byte) string {
	text, end := string(b), ""
	switch {
	case strings.HasSuffix(text, "\r\n"):
		text, end = text[:len(text)-2], "<CRLF>"
	case strings.HasSuffix(text, "\n"):
		text, end = text[:len(text)-1], "<LF>"
	default: // what looks like an end is none
		for _, mark := range []string{"<CRLF>", "<LF>"} {
			if before, ok := strings.CutSuffix(text, mark); ok {
				return ascii.Visible(before) + `\x3c` + mark[1:]
			}
		}
	}
	return ascii.Visible(text) + end
}

// columns returns how many columns of a terminal bytes of the wire take.
func columns(b []byte) int { return utf8.RuneCountInString(ascii.Visible(string(b))) }

// digits returns n with a comma between groups of three.
func digits(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
