// Package ascii implements the lexical elements of HTTP: characters, tokens, lists, dates
// and the reason phrases of status codes (RFC 9110, sections 5.6 and 15). It imports no
// other package of the module.
package ascii

import (
	"encoding/binary"
	"math/bits"
	"strings"
)

// IsTchar reports for each byte whether a token may contain it:
//
//	tchar = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." /
//	        "^" / "_" / "`" / "|" / "~" / DIGIT / ALPHA
//
// RFC 9110, section 5.6.2.
var IsTchar = [256]bool{
	'!': true, '#': true, '$': true, '%': true, '&': true, '\'': true, '*': true, '+': true, '-': true, '.': true,
	'^': true, '_': true, '`': true, '|': true, '~': true,
	'0': true, '1': true, '2': true, '3': true, '4': true, '5': true, '6': true, '7': true, '8': true, '9': true,
	'a': true, 'b': true, 'c': true, 'd': true, 'e': true, 'f': true, 'g': true, 'h': true, 'i': true, 'j': true,
	'k': true, 'l': true, 'm': true, 'n': true, 'o': true, 'p': true, 'q': true, 'r': true, 's': true, 't': true,
	'u': true, 'v': true, 'w': true, 'x': true, 'y': true, 'z': true,
	'A': true, 'B': true, 'C': true, 'D': true, 'E': true, 'F': true, 'G': true, 'H': true, 'I': true, 'J': true,
	'K': true, 'L': true, 'M': true, 'N': true, 'O': true, 'P': true, 'Q': true, 'R': true, 'S': true, 'T': true,
	'U': true, 'V': true, 'W': true, 'X': true, 'Y': true, 'Z': true,
}

// IsRegName reports for each byte whether a registered name may contain it. A registered
// name may also contain percent-encoded bytes:
//
//	unreserved = ALPHA / DIGIT / "-" / "." / "_" / "~"
//	sub-delims = "!" / "$" / "&" / "'" / "(" / ")" / "*" / "+" / "," / ";" / "="
//
// RFC 3986, section 3.2.2.
var IsRegName = [256]bool{
	'-': true, '.': true, '_': true, '~': true,
	'!': true, '$': true, '&': true, '\'': true, '(': true, ')': true, '*': true, '+': true, ',': true, ';': true, '=': true,
	'0': true, '1': true, '2': true, '3': true, '4': true, '5': true, '6': true, '7': true, '8': true, '9': true,
	'a': true, 'b': true, 'c': true, 'd': true, 'e': true, 'f': true, 'g': true, 'h': true, 'i': true, 'j': true,
	'k': true, 'l': true, 'm': true, 'n': true, 'o': true, 'p': true, 'q': true, 'r': true, 's': true, 't': true,
	'u': true, 'v': true, 'w': true, 'x': true, 'y': true, 'z': true,
	'A': true, 'B': true, 'C': true, 'D': true, 'E': true, 'F': true, 'G': true, 'H': true, 'I': true, 'J': true,
	'K': true, 'L': true, 'M': true, 'N': true, 'O': true, 'P': true, 'Q': true, 'R': true, 'S': true, 'T': true,
	'U': true, 'V': true, 'W': true, 'X': true, 'Y': true, 'Z': true,
}

// IsToken reports whether s is a token. The empty string is not.
func IsToken[T string | []byte](s T) bool {
	for i := range len(s) {
		if !IsTchar[s[i]] {
			return false
		}
	}
	return len(s) > 0
}

// IsFieldValue reports whether s is a field value that can be sent: visible ASCII,
// obs-text, and blanks except at the ends (RFC 9110, section 5.5). A value with a CR or LF would
// let its author add fields, or a whole response (RFC 9112, section 11.1).
func IsFieldValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return s == "" || !IsBlank(s[0]) && !IsBlank(s[len(s)-1])
}

// IsVisible reports whether s is not empty and all of it is visible ASCII.
func IsVisible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return s != ""
}

// IsBlank reports whether c is SP or HTAB, the characters of OWS and BWS (RFC 9110, section
// 5.6.3).
func IsBlank(c byte) bool { return c == ' ' || c == '\t' }

// IsDigit reports whether c is a decimal digit.
func IsDigit(c byte) bool { return '0' <= c && c <= '9' }

// IsAlpha reports whether c is an ASCII letter.
func IsAlpha(c byte) bool {
	c |= 0x20 // the bit in which upper and lower case differ; no other byte becomes a letter
	return 'a' <= c && c <= 'z'
}

// HexDigit maps each hexadecimal digit to its value plus 1, and other bytes to 0, so that the
// table lists only the digits.
var HexDigit = [256]byte{
	'0': 1, '1': 2, '2': 3, '3': 4, '4': 5, '5': 6, '6': 7, '7': 8, '8': 9, '9': 10,
	'a': 11, 'b': 12, 'c': 13, 'd': 14, 'e': 15, 'f': 16,
	'A': 11, 'B': 12, 'C': 13, 'D': 14, 'E': 15, 'F': 16,
}

// Unhex returns the value of a hexadecimal digit, or -1.
func Unhex(c byte) int { return int(HexDigit[c]) - 1 }

// Lower returns c in lower case if it is an ASCII letter.
func Lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// EqualFold reports whether s and t are equal, ignoring the case of ASCII letters only. In
// contrast, strings.EqualFold equates the Kelvin sign with k.
func EqualFold[S, T string | []byte](s S, t T) bool {
	if len(s) != len(t) {
		return false
	}
	for i := range len(s) {
		if Lower(s[i]) != Lower(t[i]) {
			return false
		}
	}
	return true
}

// The functions from here to SkipTarget examine eight bytes at a time. For a word x of bytes and
// n <= 128, (x - n·Ones) &^ x & highs has the high bit set in the first byte below n. Borrowing may
// also set it in later bytes, so only the first is significant.
const (
	Ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// below marks the first byte of x that is less than n.
func below(x uint64, n byte) uint64 { return (x - Ones*uint64(n)) &^ x & highs }

// Equal marks the first byte of x that equals c.
func Equal(x uint64, c byte) uint64 { return below(x^Ones*uint64(c), 1) }

// SkipFieldValue returns the offset of the first control byte other than HTAB at or after i
// in b, or len(b). Adding one sets the high bit of 0x7f, but 0xff carries into the next
// byte, so the word that stops the loop is examined again byte by byte. The condition 0 <=
// i lets the compiler drop the bounds checks.
func SkipFieldValue(b []byte, i int) int {
	for ; 0 <= i && i <= len(b)-8; i += 8 {
		x := binary.LittleEndian.Uint64(b[i : i+8])
		if m := ((x - Ones*' ') | (x + Ones)) &^ x & highs; m != 0 {
			i += bits.TrailingZeros64(m) / 8
			break
		}
	}
	// This decides whether the byte found is HTAB, and examines the last bytes.
	for i < len(b) && (b[i] >= ' ' && b[i] != 0x7f || b[i] == '\t') {
		i++
	}
	return i
}

// SkipTarget returns the offset of the first byte at or after i in b that is a number sign
// or not visible ASCII, or len(b). A number sign would begin a fragment, which a request target
// does not have (RFC 9112, section 3.2).
func SkipTarget(b []byte, i int) int {
	for ; 0 <= i && i <= len(b)-8; i += 8 {
		x := binary.LittleEndian.Uint64(b[i : i+8])
		// Marked are bytes below '!', 0x7f, bytes from 0x80 on, and '#'.
		if m := ((x - Ones*'!') | (x + Ones) | x | Equal(x, '#')) & highs; m != 0 {
			i += bits.TrailingZeros64(m) / 8
			break
		}
	}
	for i < len(b) && b[i] > ' ' && b[i] < 0x7f && b[i] != '#' {
		i++
	}
	return i
}

// NextMember returns the first member of a list in a field value, trimmed, and the rest of
// the list. Commas within quoted strings do not separate members (RFC 9110, sections 5.6.1
// and 5.6.4). The member may be empty; more reports whether a comma followed it.
func NextMember[T string | []byte](list T) (member, rest T, more bool) {
	return CutUnquoted(list, ',')
}

// CutUnquoted cuts s at the first separator outside quoted strings (RFC 9110, section
// 5.6.4). It trims blanks from the part before the separator.
func CutUnquoted[T string | []byte](s T, separator byte) (before, after T, found bool) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted: // a quoted-pair: the next byte is not a quote
			i++
		case c == separator && !quoted:
			return TrimBlanks(s[:i]), s[i+1:], true
		}
	}
	return TrimBlanks(s), s[len(s):], false
}

// TrimBlanks removes SP and HTAB from both ends.
func TrimBlanks[T string | []byte](s T) T {
	for len(s) > 0 && IsBlank(s[0]) {
		s = s[1:]
	}
	for len(s) > 0 && IsBlank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// HasMember reports whether token is a member of the list, ignoring case.
func HasMember[T string | []byte](list T, token string) bool {
	for more := true; more; {
		var m T
		if m, list, more = NextMember(list); EqualFold(m, token) {
			return true
		}
	}
	return false
}

// HasPrefixFold reports whether s begins with prefix, ignoring case.
func HasPrefixFold[T string | []byte](s T, prefix string) bool {
	return len(s) >= len(prefix) && EqualFold(s[:len(prefix)], prefix)
}

// IsAnyOf reports whether name equals one of others, ignoring case.
func IsAnyOf(name string, others ...string) bool {
	for _, other := range others {
		if EqualFold(name, other) {
			return true
		}
	}
	return false
}

// IsUnreserved reports whether all bytes of s are unreserved (RFC 3986, section 2.3). Such
// a string needs no escaping in a reference or in HTML, and can be displayed.
func IsUnreserved(s string) bool {
	for i := range len(s) {
		if c := s[i]; !IsAlpha(c) && !IsDigit(c) && c != '-' && c != '.' && c != '_' && c != '~' {
			return false
		}
	}
	return true
}

// EscapeSegment percent-encodes the bytes of a path segment that are not unreserved (RFC
// 3986, section 2.3).
func EscapeSegment(name string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if IsUnreserved(name[i : i+1]) {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', digits[c>>4], digits[c&15]})
	}
	return b.String()
}

// CutParam cuts s at the first semicolon outside quoted strings.
func CutParam(s string) (first, rest string) {
	first, rest, _ = CutUnquoted(s, ';')
	return first, TrimBlanks(rest)
}

// IsBidiControl reports whether r is a control character that changes the direction of
// text, with which a name can look like another.
func IsBidiControl(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}
