package testkit

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// UnescapeLine returns the bytes of a line of a golden transcript, without its first character.
func UnescapeLine(s string) ([]byte, error) {
	s, ok := strings.CutPrefix(s, " ")
	if !ok && s != "" {
		return nil, fmt.Errorf("no blank after the first character")
	}
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return nil, fmt.Errorf(`byte %#02x must be written as \x%02x`, s[i], s[i])
		}
		if s[i] != '\\' {
			b = append(b, s[i])
			continue
		}
		i++
		if i == len(s) {
			return b, nil
		}
		switch s[i] {
		case 'r':
			b = append(b, '\r')
		case 'n':
			b = append(b, '\n')
		case 't':
			b = append(b, '\t')
		case '\\':
			b = append(b, '\\')
		case 'x':
			n, err := strconv.ParseUint(s[i+1:min(i+3, len(s))], 16, 8)
			if err != nil {
				return nil, err
			}
			b = append(b, byte(n))
			i += 2
		default:
			return nil, fmt.Errorf(`unknown escape \%c`, s[i])
		}
	}
	return append(b, "\r\n"...), nil
}

// TranscriptLines returns the bytes as lines of a golden transcript, each beginning with who.
func TranscriptLines(who string, b []byte) (lines []string) {
	for piece := range bytes.SplitAfterSeq(b, []byte("\n")) {
		text, whole := bytes.CutSuffix(piece, []byte("\r\n"))
		if len(piece) == 0 {
			continue
		}
		var line strings.Builder
		line.WriteString(who)
		for i, c := range text {
			if i == 0 {
				line.WriteByte(' ')
			}
			switch last := i == len(text)-1; {
			case c == '\r':
				line.WriteString(`\r`)
			case c == '\n':
				line.WriteString(`\n`)
			case c == '\t':
				line.WriteString(`\t`)
			case c == '\\':
				line.WriteString(`\\`)
			case c < ' ' || c > '~' || c == ' ' && last && whole:
				fmt.Fprintf(&line, `\x%02x`, c)
			default:
				line.WriteByte(c)
			}
		}
		if !whole {
			line.WriteByte('\\')
		}
		lines = append(lines, line.String())
	}
	return lines
}
