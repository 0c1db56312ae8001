package main

import (
	"fmt"
	"strconv"
	"strings"
)

// unescape returns text with its escapes replaced: \r, \n, \t, \xHH and \\.
func unescape(text string) ([]byte, error) {
	var b []byte
	for {
		plain, rest, found := strings.Cut(text, `\`)
		b = append(b, plain...)
		if !found {
			return b, nil
		}
		if rest == "" {
			return nil, fmt.Errorf(`%q ends in an incomplete escape: write \\ for a backslash`, text)
		}
		switch c := rest[0]; c {
		case 'r':
			b = append(b, '\r')
		case 'n':
			b = append(b, '\n')
		case 't':
			b = append(b, '\t')
		case '\\':
			b = append(b, '\\')
		case 'x':
			n, err := strconv.ParseUint(rest[1:min(3, len(rest))], 16, 8)
			if err != nil || len(rest) < 3 {
				return nil, fmt.Errorf(`\%s: want \x and two hexadecimal digits`, rest[:min(3, len(rest))])
			}
			b = append(b, byte(n))
			rest = rest[2:]
		default:
			return nil, fmt.Errorf(`\%c is not an escape; there are \r \n \t \x00 \\`, c)
		}
		text = rest[1:]
	}
}

// unescapeLine returns the bytes of a line and its end. If text ends in a backslash, the line
// has no end.
func unescapeLine(text, end string) ([]byte, error) {
	slashes := len(text) - len(strings.TrimRight(text, `\`))
	if slashes%2 == 1 {
		text, end = text[:len(text)-1], ""
	}
	b, err := unescape(text)
	return append(b, end...), err
}
