package rawhttp

import "errors"

// ParseRequestLenient is [ParseRequest] for input that people typed or old
// senders made: a bare LF ends a line (RFC 9112, section 2.2), a folded line
// continues the field before it, joined by one space (section 5.2), and the
// final empty line may be missing. Nothing else is relaxed, and a folded Host,
// Content-Length or Transfer-Encoding is refused all the same. Since b is all
// there is, ErrIncomplete is returned only while the request line is not ended.
func ParseRequestLenient(b []byte) (req *Request, rest []byte, err error) {
	req = new(Request)
	max := defaultLimits
	max.lenient = true
	var p headParser
	p.begin(&req.head, max)
	text := b[:min(len(b), max.head)]
	n, err := p.lines(text)
	if err == ErrIncomplete && p.phase >= atFieldLine && len(b) == len(text) {
		text = append(text[:len(b):len(b)], end...)
		n, err = p.lines(text)
	}
	switch {
	case err == nil:
		err = p.finish(text[:n])
	case err == ErrIncomplete && len(b) > len(text):
		err = p.tooLong(max.head, "header section is too long")
	}
	var pe *ParseError
	if errors.As(err, &pe) {
		pe.Offset = min(pe.Offset, len(b))
	}
	if err != nil {
		return nil, nil, err
	}
	req.size = min(n, len(b))
	return req, b[req.size:], nil
}

// end ends the last line of a header section, and the section.
const end = "\n\n"

// unfold writes folded values anew, each fold as one space.
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
	return trimBlanks(b)
}
