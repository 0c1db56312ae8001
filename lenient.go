package rawhttp

import (
	"bytes"
	"errors"

	"example.com/rawhttp/internal/ascii"
)

// parseAll parses the head that b, which is all that there is, begins with. It returns the
// length of the head.
func (p *headParser) parseAll(b []byte) (n int, err error) {
	text := b[:min(len(b), p.max.head)]
	n, err = p.lines(text)
	switch {
	case err == nil:
		err = p.finish(text[:n], n)
	case err == errIncomplete && len(b) > len(text):
		err = p.tooLong(p.max.head, "header section is too long")
	case err == errIncomplete:
		n, err = p.endEarly(b)
	}
	return n, err
}

// mayEnd reports whether the head may end here although its empty line has not come:
// b, which is all that has come, is made of whole lines, and none of them says how long
// the content is.
func (p *headParser) mayEnd(b []byte) bool {
	return p.max.lenient && p.phase == atFieldLine && p.pos == len(b) && !p.h.namesFraming(b)
}

// endEarly ends a head of which b is all that there is, and returns its length. It
// returns [errIncomplete] if the request line is not whole, or if a field says how long
// the content is: then the lines that are missing may matter.
func (p *headParser) endEarly(b []byte) (n int, err error) {
	const end = "\n\n" // of the last line, and the empty one
	if p.phase < inVersion || p.phase == inVersion && len(b)-p.mark < len("HTTP/1.1") {
		return 0, errIncomplete
	}
	text := append(b[:len(b):len(b)], end...)
	n, err = p.lines(text)
	if err == nil && p.h.namesFraming(text) {
		return 0, errIncomplete
	}
	if err == nil {
		p.h.early = true
		err = p.finish(text[:n], len(b))
	}
	var pe *headError
	if errors.As(err, &pe) {
		pe.Offset = min(pe.Offset, len(b))
	}
	return len(b), err
}

// namesFraming reports whether a field line of b, which the head is made of, says how
// long the content is.
func (h *head) namesFraming(b []byte) bool {
	for _, f := range h.fields {
		if name := f.name.of(b); ascii.EqualFold(name, "Content-Length") || ascii.EqualFold(name, "Transfer-Encoding") {
			return true
		}
	}
	return false
}

// mixesLineEnds reports whether some lines of b end in CRLF and some in a bare LF.
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

// unfold rewrites folded values, each fold as one space.
func (h *head) unfold() {
	for i := range h.fields {
		f := &h.fields[i]
		if !f.folded {
			continue
		}
		start := len(h.text)
		for line := f.value; line.start < line.end; {
			end := line.start
			for end < line.end && h.text[end] != '\n' {
				end++
			}
			part := trimLine(h.text[line.start:end])
			if len(part) > 0 && len(h.text) > start {
				h.text = append(h.text, ' ')
			}
			h.text = append(h.text, part...)
			line.start = end + 1
		}
		f.value = newSpan(start, len(h.text))
	}
}

// trimLine takes the blanks off a line, and the CR that ended it.
func trimLine(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\r' {
		b = b[:n-1]
	}
	return ascii.TrimBlanks(b)
}
