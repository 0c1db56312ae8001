package testkit

import "strings"

// MisleadingNames are names of files that are easily displayed or linked wrongly.
var MisleadingNames = []string{
	"plain.txt", "<script>alert(1)<", `"onfocus=`, "'", "&amp;", "a:b", "javascript:alert(1)", "%2e%2e", "%2F", "%00", "a?b", "a#b", "a\nb", "\r\n", "\x1b[2J",
	"\x01", "\x7f", "\u202etxt.exe", "\u2066", "\u0085", "\u2028", "trailing dot.", "trailing blank ", " leading blank", " ", "~1", "PROGRA~1",
	"\u00e9", "e\u0301", "C:", "CON", "NUL.txt", "a*b", "a|b", "a;b", "a=b&c=d", "+", "*", "@", "back\\slash", "..\\up", "\\", strings.Repeat("n", 255), "-rf",
	"index.htm", "\xff", "\xff\xfe", "\xc3\x28", "\xed\xa0\x80", "utf8\xe2\x82",
}
