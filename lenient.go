package rawhttp

import (
	"bytes"
	"errors"
)

// ParseRequestLenient is [ParseRequest] for input that people typed or old senders
// made. A bare LF ends a line (RFC 9112, section 2.2), and a folded line continues
// the field before it, joined by one space (section 5.2). Since b is all there is, the
// final empty line may be missing, and so may the end of the last line: "GET /a
// HTTP/1.1" alone is a request for /a. Such a head need not have a Host field.
//
// Nothing else is relaxed. What says where the message ends and whom it is for must
// not be read in two ways: a Host, Content-Length or Transfer-Encoding field is
// refused if it is folded, or if some lines of the head end in CRLF and some in LF.
//
// [ErrIncomplete] is returned while the request line is not whole, and for a head with
// Content-Length or Transfer-Encoding until its empty line is there.
func ParseRequestLenient(b []byte) (req *Request, rest []byte, err error) {
	req = new(Request)
	max := defaultLimits
	max.lenient = true
	var p headParser
	p.begin(&req.head, max)
	text := b[:min(len(b), max.head)]
	n, err := p.lines(text)
	switch {
	case err == nil:
		err = p.finish(text[:n], n)
	case err == ErrIncomplete && len(b) > len(text):
		err = p.tooLong(max.head, "header section is too long")
	case err == ErrIncomplete:
		n, err = p.endEarly(b)
	}
	if err != nil {
		return nil, nil, err
	}
	return req, b[n:], nil
}

// mayEnd reports whether the head may end here although its empty line has not come:
// b, which is all that has come, is made of whole lines, and none of them says how long
// the content is.
func (p *headParser) mayEnd(b []byte) bool {
	return p.max.lenient && p.phase == atFieldLine && p.pos == len(b) && !p.h.namesFraming(b)
}

// endEarly ends a head of which b is all that there is, and returns its length. It
// returns [ErrIncomplete] if the request line is not whole, or if a field says how long
// the content is: then the lines that are missing may matter.
func (p *headParser) endEarly(b []byte) (n int, err error) {
	const end = "\n\n" // of the last line, and the empty one
	if p.phase < inVersion || p.phase == inVersion && len(b)-p.mark < len("HTTP/1.1") {
		return 0, ErrIncomplete
	}
	text := append(b[:len(b):len(b)], end...)
	n, err = p.lines(text)
	if err == nil && p.h.namesFraming(text) {
		return 0, ErrIncomplete
	}
	if err == nil {
		p.h.early = true
		err = p.finish(text[:n], len(b))
	}
	var pe *ParseError
	if errors.As(err, &pe) {
		pe.Offset = min(pe.Offset, len(b))
	}
	return len(b), err
}

// namesFraming reports whether a field line of b, which the head is made of, says how
// long the content is.
func (h *head) namesFraming(b []byte) bool {
	for _, f := range h.fields {
		if name := f.name.of(b); equalFold(name, "Content-Length") || equalFold(name, "Transfer-Encoding") {
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
	return trimBlanks(b)
}
