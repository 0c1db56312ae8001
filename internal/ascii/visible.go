package ascii

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible makes text safe for a terminal or a log: control characters, those that
// cannot be seen, those that change the direction of text, and line separators are shown
// as escapes.
func Visible(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1, r < ' ', r == 0x7f:
			// Bytes that are not UTF-8 are shown one by one.
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r > 0xffff && !IsPrintable(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		case !IsPrintable(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// IsPrintable reports whether r can be seen, or is a space: strconv.IsPrint does not exclude
// all characters that are shown as nothing.
func IsPrintable(r rune) bool { return strconv.IsPrint(r) && !IsIgnorable(r) }

// IsIgnorable reports whether r is a Default_Ignorable_Code_Point of Unicode.
func IsIgnorable(r rune) bool { return unicode.Is(ignorable, r) }

// ignorable is from DerivedCoreProperties.txt of Unicode 17. Package unicode has only a part of
// the property, as Other_Default_Ignorable_Code_Point.
var ignorable = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x00AD, 0x00AD, 1}, {0x034F, 0x034F, 1}, {0x061C, 0x061C, 1}, {0x115F, 0x1160, 1},
		{0x17B4, 0x17B5, 1}, {0x180B, 0x180F, 1}, {0x200B, 0x200F, 1}, {0x202A, 0x202E, 1},
		{0x2060, 0x206F, 1}, {0x3164, 0x3164, 1}, {0xFE00, 0xFE0F, 1}, {0xFEFF, 0xFEFF, 1},
		{0xFFA0, 0xFFA0, 1}, {0xFFF0, 0xFFF8, 1},
	},
	R32: []unicode.Range32{
		{0x1BCA0, 0x1BCA3, 1}, {0x1D173, 0x1D17A, 1}, {0xE0000, 0xE0FFF, 1},
	},
	LatinOffset: 1,
}
