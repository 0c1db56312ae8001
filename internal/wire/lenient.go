package wire

import (
	"bytes"
	"errors"

	"example.com/rawhttp/internal/ascii"
)

// ParseAll parses the head at the beginning of b, which is all of the input. It returns the
// length of the head.
func (p *Parser) ParseAll(b []byte) (n int, err error) {
	text := b[:min(len(b), p.max.Head)]
	n, err = p.lines(text)
	switch {
	case err == nil:
		err = p.finish(text[:n], n)
	case err == ErrIncomplete && len(b) > len(text): // the head is longer than the limit
		err = p.tooLong(p.max.Head, "header section is too long")
	case err == ErrIncomplete:
		n, err = p.EndEarly(b)
	}
	return n, err
}

// MayEnd reports whether the head may end here without its empty line: b, the input so far,
// consists of complete lines without a framing field. With one, the bytes after the head are
// content, and it must be certain where they begin.
func (p *Parser) MayEnd(b []byte) bool {
	return p.max.Lenient && p.phase == atFieldLine && p.pos == len(b) && !p.h.namesFraming(b)
}

// EndEarly ends a head whose input ends with b, and returns its length. It returns
// [ErrIncomplete] if the request line is incomplete or there is a framing field, since then
// the missing lines may matter.
func (p *Parser) EndEarly(b []byte) (n int, err error) {
	const end = "\n\n" // of the last line and of the empty line
	if p.phase < inVersion || p.phase == inVersion && len(b)-p.mark < len("HTTP/1.1") {
		return 0, ErrIncomplete
	}
	text := append(b[:len(b):len(b)], end...) // a copy: the buffer of b must not change
	n, err = p.lines(text)
	if err == nil && p.h.namesFraming(text) {
		return 0, ErrIncomplete
	}
	if err == nil {
		p.h.early = true // so Host may be missing, and the connection does not persist
		err = p.finish(text[:n], len(b))
	}
	var pe *Error
	if errors.As(err, &pe) { // the offset may be in the lines added here
		pe.Offset = min(pe.Offset, len(b))
	}
	return len(b), err
}

// namesFraming reports whether the head, which consists of b, has a framing field.
func (h *Head) namesFraming(b []byte) bool {
	for _, f := range h.Fields {
		if name := f.Name.Of(b); ascii.EqualFold(name, "Content-Length") || ascii.EqualFold(name, "Transfer-Encoding") {
			return true
		}
	}
	return false
}

// mixesLineEnds reports whether some lines of b end in CRLF and others in a bare LF.
func mixesLineEnds(b []byte) bool {
	crlf, lf := false, false
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			return crlf && lf
		}
		if i > 0 && b[i-1] == '\r' {
			crlf = true
		} else {
			lf = true
		}
		b = b[i+1:]
	}
}

// unfold rewrites folded values, replacing each fold by one space. Several would be permitted
// (RFC 9112, section 5.2); one makes the value independent of how it was folded.
func (h *Head) unfold() {
	for i := range h.Fields {
		f := &h.Fields[i]
		if !f.folded {
			continue
		}
		start := len(h.Text)
		for line := f.Value; line.Start < line.End; {
			end := line.Start
			for end < line.End && h.Text[end] != '\n' {
				end++
			}
			part := trimLine(h.Text[line.Start:end])
			if len(part) > 0 && len(h.Text) > start { // a value has no blanks at its ends
				h.Text = append(h.Text, ' ')
			}
			h.Text = append(h.Text, part...)
			line.Start = end + 1
		}
		f.Value = NewSpan(start, len(h.Text))
	}
}

// trimLine trims blanks from a line, after removing the CR of its line end.
func trimLine(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\r' {
		b = b[:n-1]
	}
	return ascii.TrimBlanks(b)
}
