package wire

import "example.com/rawhttp/internal/ascii"

// Most heads come whole and are as usual. What is so is taken here in one pass; the
// rest is left to the phases of parse.go, which alone say what is wrong.

// plainRequestLine takes the request line if it is whole and as usual, and else
// leaves it to the phases.
func (p *Parser) plainRequestLine(b []byte) bool {
	const version = " HTTP/1.1\r\n"
	sp := 0
	for sp < len(b) && sp < maxMethodBytes && ascii.IsTchar[b[sp]] {
		sp++
	}
	if sp == 0 || sp == len(b) || b[sp] != ' ' {
		return false
	}
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

// plainLines takes the field lines that are whole and as usual, and the end of the
// section if it follows them: then it is done. What it stops at it leaves to the
// phases, from the beginning of the line. So no byte is looked at more than twice,
// and what is wrong is said in one place.
func (p *Parser) plainLines(b []byte) (done bool) {
	fields, line := p.h.Fields, p.pos
	for len(fields) < p.max.Fields {
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
