package wire

import "example.com/rawhttp/internal/ascii"

// maxChunkLine is how many bytes the line before the data of a chunk may have,
// without its CRLF.
const maxChunkLine = 256

// ParseChunkLine parses the line that b begins with, and its CRLF:
//
//	chunk-size [ chunk-ext ] CRLF
//	chunk-size = 1*HEXDIG
//	chunk-ext  = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
//
// RFC 9112, section 7.1. It returns the size and the length of the line, or
// errIncomplete, or a *headError. At most 16 digits: more would have to be
// counted to know that the size has not wrapped around.
func ParseChunkLine(b []byte) (size int64, n int, err error) {
	size, n, err = scanChunkLine(b[:min(len(b), maxChunkLine+1)])
	if err != ErrIncomplete || len(b) <= maxChunkLine {
		return size, n, err
	}
	if b[maxChunkLine] != '\r' { // only its end may follow
		return 0, 0, Malformed(maxChunkLine, "chunk line is too long", "RFC 9112, section 7.1.1")
	}
	return scanChunkLine(b[:min(len(b), maxChunkLine+len("\r\n"))])
}

func scanChunkLine(b []byte) (size int64, n int, err error) {
	const section = "RFC 9112, section 7.1"
	i := 0
	for ; i < len(b) && ascii.Unhex(b[i]) >= 0; i++ {
		if i == 16 {
			return 0, 0, Malformed(i, "chunk size has more than 16 digits", section)
		}
		if size >= 1<<59 {
			size = 1<<63 - 1 // larger than any content, and stays so
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
		if b[i] == '\n' {
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

// skipChunkExt returns the offset behind the chunk extension that begins at i, or
// len(b) if it may not be whole, or the complement of the offset of the byte that
// is wrong.
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

func skipBlanks(b []byte, i int) int {
	for i < len(b) && ascii.IsBlank(b[i]) {
		i++
	}
	return i
}

// skipToken returns the offset behind the token that begins at i, as skipChunkExt does.
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

// skipQuoted skips a quoted string (RFC 9110, section 5.6.4).
func skipQuoted(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c < ' ' && c != '\t' || c == 0x7f:
			return ^i
		case c == '\\':
			i++
			if i < len(b) && (b[i] < ' ' && b[i] != '\t' || b[i] == 0x7f) {
				return ^i
			}
		}
	}
	return len(b)
}
