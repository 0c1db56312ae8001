package wire

import "example.com/rawhttp/internal/ascii"

// Most heads arrive complete and are in the usual form. The functions below parse such
// lines in one pass, and leave anything else to the phases of parse.go, the only place
// that reports errors.

// plainRequestLine parses the request line if it is complete and in the usual form, and
// reports whether it did.
func (p *Parser) plainRequestLine(b []byte) bool {
	const version = " HTTP/1.1\r\n"
	sp := 0
	for sp < len(b) && sp < maxMethodBytes && ascii.IsTchar[b[sp]] {
		sp++
	}
	if sp == 0 || sp == len(b) || b[sp] != ' ' {
		return false
	}
	// The target is not limited here: the check of n below applies the limit of the line.
	target := sp + 1
	end := ascii.SkipTarget(b, target)
	n := end + len(version)
	if end == target || n > min(len(b), p.max.Line+len("\r\n")) || string(b[end:n]) != version {
		return false
	}
	p.h.Method, p.h.Target, p.h.Minor = NewSpan(0, sp), NewSpan(target, end), 1
	p.pos = n
	return true
}

// plainLines parses field lines as long as they are complete and in the usual form, and
// the end of the section. It reports whether it reached the end. Otherwise the phases
// continue at the beginning of the line where it stopped, so no byte is examined more
// than twice.
func (p *Parser) plainLines(b []byte) (done bool) {
	fields, line := p.h.Fields, p.pos
	for len(fields) < p.max.Fields { // lineStart reports one line too many
		colon := line
		for colon < len(b) && ascii.IsTchar[b[colon]] {
			colon++
		}
		if colon == line || colon == len(b) || b[colon] != ':' {
			break
		}
		value := colon + 1
		for value < len(b) && ascii.IsBlank(b[value]) {
			value++
		}
		// The value ends at any control byte. If that is not the line end, the phases report it.
		cr := ascii.SkipFieldValue(b, value)
		if cr+1 >= len(b) || b[cr] != '\r' || b[cr+1] != '\n' || cr-line > p.max.Line {
			break
		}
		end := cr
		for end > value && ascii.IsBlank(b[end-1]) {
			end--
		}
		fields = append(fields, FieldLine{Name: NewSpan(line, colon), Value: NewSpan(value, end)})
		line = cr + len("\r\n")
	}
	p.h.Fields, p.pos = fields, line
	if line+1 >= len(b) || b[line] != '\r' || b[line+1] != '\n' {
		return false
	}
	p.pos += len("\r\n")
	return true
}
