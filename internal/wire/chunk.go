package wire

import "example.com/rawhttp/internal/ascii"

// maxChunkLine is the most bytes in a chunk line without its CRLF. Extensions are rare and
// short, and "A recipient MUST ignore unrecognized chunk extensions" (RFC 9112, section 7.1.1),
// so a long line would only be work.
const maxChunkLine = 256

// ParseChunkLine parses the line before the data of a chunk, including its CRLF:
//
//	chunk-size [ chunk-ext ] CRLF
//	chunk-size = 1*HEXDIG
//	chunk-ext  = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
//
// RFC 9112, section 7.1. It returns the size of the data and the length of the line, or
// [ErrIncomplete], or an *[Error]. A size has at most 16 digits, so that it cannot overflow
// unnoticed.
func ParseChunkLine(b []byte) (size int64, n int, err error) {
	size, n, err = scanChunkLine(b[:min(len(b), maxChunkLine+1)])
	if err != ErrIncomplete || len(b) <= maxChunkLine {
		return size, n, err
	}
	if b[maxChunkLine] != '\r' { // only the line end may follow
		return 0, 0, Malformed(maxChunkLine, "chunk size and extensions are longer than 256 bytes", "RFC 9112, section 7.1.1")
	}
	return scanChunkLine(b[:min(len(b), maxChunkLine+len("\r\n"))])
}

// scanChunkLine is ParseChunkLine without the limit on the length of the line.
func scanChunkLine(b []byte) (size int64, n int, err error) {
	const section = "RFC 9112, section 7.1"
	i := 0
	for ; i < len(b) && ascii.Unhex(b[i]) >= 0; i++ {
		if i == 16 {
			return 0, 0, Malformed(i, "chunk size has more than 16 digits", section)
		}
		// "recipients MUST anticipate potentially large hexadecimal numerals and prevent parsing
		// errors due to integer conversion overflows or precision loss". RFC 9112, section 7.1.
		if size >= 1<<59 {
			size = 1<<63 - 1 // larger than any content; it stays that way
			continue
		}
		size = size<<4 | int64(ascii.Unhex(b[i]))
	}
	if i == 0 && len(b) > 0 {
		return 0, 0, Malformed(0, "chunk size is not a hexadecimal number", section)
	}
	for i < len(b) {
		if b[i] == '\r' {
			switch {
			case i+1 == len(b):
				return 0, 0, ErrIncomplete
			case b[i+1] != '\n':
				return 0, 0, Malformed(i, "CR is not followed by LF", "RFC 9112, section 2.2")
			}
			return size, i + 2, nil
		}
		if b[i] == '\n' { // also in lenient parsing: recipients disagree on LF in chunk lines
			return 0, 0, bareLF(i)
		}
		next := skipChunkExt(b, i)
		if next < 0 {
			return 0, 0, Malformed(^next, "chunk extension is malformed", "RFC 9112, section 7.1.1")
		}
		i = next
	}
	return 0, 0, ErrIncomplete
}

// skipChunkExt returns the offset after the chunk extension that begins at i. It returns
// len(b) if the extension may be incomplete, and ^off if the byte at off is invalid.
func skipChunkExt(b []byte, i int) int {
	i = skipBlanks(b, i)
	if i == len(b) {
		return i
	}
	if b[i] != ';' {
		return ^i
	}
	if i = skipToken(b, skipBlanks(b, i+1)); i < 0 || i == len(b) {
		return i
	}
	eq := skipBlanks(b, i)
	switch {
	case eq == len(b):
		return eq
	case b[eq] != '=':
		return i
	}
	value := skipBlanks(b, eq+1)
	if value < len(b) && b[value] == '"' {
		return skipQuoted(b, value)
	}
	return skipToken(b, value)
}

// skipBlanks returns the offset after the blanks (BWS) that begin at i.
func skipBlanks(b []byte, i int) int {
	for i < len(b) && ascii.IsBlank(b[i]) {
		i++
	}
	return i
}

// skipToken returns the offset after the token that begins at i, in the manner of
// skipChunkExt.
func skipToken(b []byte, i int) int {
	start := i
	for i < len(b) && ascii.IsTchar[b[i]] {
		i++
	}
	if i == start && i < len(b) {
		return ^i
	}
	return i
}

// skipQuoted returns the offset after the quoted string that begins at i (RFC 9110, section
// 5.6.4), in the manner of skipChunkExt.
func skipQuoted(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c < ' ' && c != '\t' || c == 0x7f:
			return ^i
		case c == '\\': // a quoted-pair: the next byte does not end the string
			i++
			if i < len(b) && (b[i] < ' ' && b[i] != '\t' || b[i] == 0x7f) {
				return ^i
			}
		}
	}
	return len(b)
}

// Limits on a trailer section. They are lower than those of a head, since trailer fields are
// few: digests, signatures, a final status.
const (
	MaxTrailerBytes  = 8 << 10 // with its empty line
	maxTrailerFields = 32
)

// BeginTrailer prepares p to parse a trailer section into h, which must be empty. Parsing is
// strict even if that of the head was lenient: the section is part of the framing.
func (p *Parser) BeginTrailer(h *Head) {
	*p = Parser{h: h, max: Limits{Head: MaxTrailerBytes, Line: MaxLineBytes, Fields: maxTrailerFields}, phase: atFieldLine}
}

// ParseTrailer is like Parse for a trailer section.
func (p *Parser) ParseTrailer(b []byte) (n int, err error) {
	n, err = p.lines(b[:min(len(b), MaxTrailerBytes)])
	e, refused := err.(*Error)
	// 431 is about the header section, which has been accepted, so the status is 400.
	if refused && e.Status == 431 || err == ErrIncomplete && len(b) >= MaxTrailerBytes {
		err = Malformed(p.pos, "trailer section is too long", "RFC 9112, section 7.1.2")
	}
	return n, err
}
