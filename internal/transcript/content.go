package transcript

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxCoded is how many bytes of content with a coding are kept to be decoded. Only some lines of
// the result are shown, unless all of the content is asked for.
const maxCoded = 64 << 10

// A content is the state of the content being shown.
type content struct {
	media  string // media type without parameters, or ""
	coding string // content codings, or ""
	kind   contentKind
	lines  int    // lines shown
	frames int    // lines of chunk framing shown
	more   int64  // bytes of text not shown
	count  int64  // bytes that are not text
	chunks int    // number of chunks that count is from
	coded  []byte // the beginning of content to be decoded
}

type contentKind int

const (
	undecided contentKind = iota
	isText
	isBinary
)

// data shows bytes of content, which end at s.off.
func (s *side) data(b []byte) {
	if len(b) == 0 {
		return
	}
	ct, limit := &s.content, s.c.p.opts.Lines
	if ct.kind == undecided {
		ct.decide(b, limit, s.c.p.opts.Decode != nil)
	}
	if ct.kind == isBinary {
		ct.count += int64(len(b))
		if ct.coding != "" && s.c.p.opts.Decode != nil && isTextType(ct.media) {
			ct.coded = append(ct.coded, b[:min(len(b), maxCoded-len(ct.coded))]...)
		}
		return
	}
	for off := s.off - len(b); len(b) > 0; {
		if limit >= 0 && ct.lines >= limit {
			ct.more += int64(len(b))
			return
		}
		n := bytes.IndexByte(b, '\n') + 1
		if n == 0 || n > maxPiece {
			n = min(len(b), maxPiece)
		}
		ct.lines += s.show(b[:n], off)
		b, off = b[n:], off+n
	}
}

// showDecoded prints content with a coding as decoded. No arrow precedes it, since it is not on
// the wire in this form.
func (s *side) showDecoded() {
	if len(s.content.coded) == 0 {
		return
	}
	text := s.c.p.opts.Decode(s.content.coding, s.content.coded)
	s.content.coded = nil
	if text == nil {
		s.c.line(s.num, sideColors[s.who], mute[s.who]+"(cannot be decoded)")
		return
	}
	limit := s.c.p.opts.Lines
	for shown := 0; len(text) > 0; shown++ {
		if shown == limit {
			s.c.line(s.num, sideColors[s.who], mute[s.who]+"(… more)")
			return
		}
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line = text[:i+1]
		}
		if len(line) > maxPiece {
			line = line[:breakAt(line[:maxPiece])]
		}
		text = text[len(line):]
		s.c.line(s.num, sideColors[s.who], mute[s.who]+"| "+visible(line))
	}
}

// decide decides whether content that begins with b is shown as text. Without a limit, all content
// is, even if it is not text, unless it is to be decoded.
func (c *content) decide(b []byte, limit int, decodes bool) {
	switch {
	case limit < 0 && !(decodes && c.coding != ""):
		c.kind = isText
	case limit == 0 || c.coding != "":
		c.kind = isBinary
	case c.media == "" && looksLikeText(b), c.media != "" && isTextType(c.media):
		c.kind = isText
	default:
		c.kind = isBinary
	}
}

// showsFraming reports whether to show another line of framing within the content. If the content
// itself is only counted, or its lines are no longer shown, neither is its framing.
func (c *content) showsFraming(limit int) bool {
	switch {
	case c.kind == isBinary, limit >= 0 && (c.frames >= limit || c.lines >= limit):
		return false
	case c.kind == undecided && (limit == 0 || c.coding != "" || c.media != "" && !isTextType(c.media)): // the first chunk line
		return false
	}
	c.frames++
	return true
}

// isShortened reports whether there is anything to summarize.
func (c *content) isShortened() bool { return c.more > 0 || c.count > 0 }

// summary returns a note on the content not shown since the last summary, or "".
func (c *content) summary() string {
	more, count, chunks := c.more, c.count, c.chunks
	c.more, c.count, c.chunks = 0, 0, 0
	switch {
	case more > 0:
		return "(… " + digits(more) + " bytes more)"
	case count == 0:
		return ""
	}
	var note string
	if c.coding != "" {
		note = Escape(c.coding) + ", " + digits(count) + " bytes"
	} else {
		note = fmt.Sprintf("%d bytes", count)
	}
	if c.media != "" {
		note += " of " + Escape(c.media)
	}
	if chunks > 0 {
		note += fmt.Sprintf(" in %d chunks", chunks)
	}
	return "(" + note + ")"
}

// isTextType reports whether content of the media type is readable text.
func isTextType(media string) bool {
	kind, sub, _ := strings.Cut(media, "/")
	switch {
	case kind == "text", kind == "message", kind == "multipart":
		return true
	case strings.HasSuffix(sub, "+json"), strings.HasSuffix(sub, "+xml"), strings.HasSuffix(sub, "+yaml"):
		return true
	case kind != "application":
		return false
	}
	switch sub {
	case "json", "xml", "javascript", "ecmascript", "yaml", "toml", "sql", "x-www-form-urlencoded", "x-ndjson", "x-sh", "http":
		return true
	}
	return false
}

// looksLikeText reports whether b, the beginning of content of an unknown type, is text:
// UTF-8 without control characters other than HTAB, CR and LF.
func looksLikeText(b []byte) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 && utf8.FullRune(b) { // not just a character that is cut by the end of b
			return false
		}
		if r < ' ' && r != '\t' && r != '\r' && r != '\n' || r == 0x7f {
			return false
		}
		b = b[n:]
	}
	return true
}

// beginsWithLine reports whether b, of an unknown protocol, begins with a line: text, or
// anything that ends in CRLF.
func beginsWithLine(b []byte) bool {
	b = b[:min(len(b), maxPiece)]
	line, _, whole := bytes.Cut(b, []byte("\n"))
	return whole && bytes.HasSuffix(line, []byte("\r")) || looksLikeText(b)
}
