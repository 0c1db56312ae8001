package jail

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"unicode/utf8"

	"example.com/rawhttp/internal/ascii"
)

// File systems find a file by names other than its own: HFS+ and case-folding ext4 ignore
// some characters and expand others; FAT, CIFS and NTFS have short names and strip trailing
// dots and spaces. So whether a name is hidden or a script's is decided after folding it as
// any of these systems might, and a name that may be an alias is accepted only if its
// folder has an entry with exactly that spelling.

// WellKnown is the folder of RFC 8615. At the top of the tree it is not hidden: "Well-known URIs
// are rooted in the top of the path's hierarchy" (section 3). Elsewhere it is a name like any other.
const WellKnown = ".well-known"

// HasHidden reports whether an element of the path begins with a dot.
func HasHidden(name string) bool {
	if rest, ok := strings.CutPrefix(name, WellKnown); ok && (rest == "" || rest[0] == '/') {
		name = rest
	}
	return strings.HasPrefix(name, ".") || strings.Contains(name, "/.")
}

// HasDots reports whether an element of the path is "." or "..".
func HasDots(name string) bool {
	name = "/" + name + "/"
	return strings.Contains(name, "/./") || strings.Contains(name, "/../")
}

// FoldName returns the name as some file systems read it: without the characters they
// ignore, and with the characters they equate to ASCII letters replaced by those. It does
// not change the case of letters.
func FoldName(name string) string {
	if isASCII(name) {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRuneInString(name[i:])
		switch {
		case r == utf8.RuneError && n == 1: // not UTF-8: kept, as file systems do
			b.WriteByte(name[i])
		case ascii.IsIgnorable(r):
		case expanded[r] != "":
			b.WriteString(expanded[r])
		default:
			b.WriteRune(r)
		}
		i += n
	}
	return b.String()
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// expanded maps characters to the ASCII letters they fold to, except letters that differ
// only by case: the rows of Unicode's CaseFolding.txt with an ASCII result.
var expanded = map[rune]string{
	'ß': "ss", 'ẞ': "ss", 'ſ': "s", '\u212A': "k",
	'ﬀ': "ff", 'ﬁ': "fi", 'ﬂ': "fl", 'ﬃ': "ffi", 'ﬄ': "ffl", 'ﬅ': "st", 'ﬆ': "st",
}

// MayBeAlias reports whether an element of the path may be another name of a file: it has a
// "~" followed by a digit or (for Samba) a letter, or ends in a dot or a space. "." is the
// tree itself.
func MayBeAlias(name string) bool {
	for i := range len(name) {
		switch name[i] {
		case '~':
			if i+1 < len(name) && (ascii.IsDigit(name[i+1]) || ascii.IsAlpha(name[i+1])) {
				return true
			}
		case '.', ' ':
			if (i+1 == len(name) || name[i+1] == '/') && name != "." {
				return true
			}
		}
	}
	return false
}

// IsSpelled reports whether each element of the path that may be an alias is an entry of
// its folder, byte for byte. It reads the folders of these elements, which takes time, so
// MayBeAlias should be asked first.
func IsSpelled(t Tree, name string) bool {
	folder, rest := ".", name
	for more := true; more; {
		var elem string
		elem, rest, more = strings.Cut(rest, "/")
		if MayBeAlias(elem) && !hasEntry(t, folder, elem) {
			return false
		}
		folder = Join(folder, elem)
	}
	return true
}

// hasEntry reports whether the folder has an entry of that name. If a folder of an fs.FS
// cannot be read, other than for lack of permission, hasEntry trusts that fs.FS and reports
// true.
func hasEntry(t Tree, folder, name string) bool {
	_, isFS := t.(*FSTree)
	dir, _, err := t.Open(folder)
	if err != nil {
		return isFS && !errors.Is(err, fs.ErrPermission)
	}
	defer dir.Close()
	for err == nil {
		var entries []Entry
		entries, err = t.ReadDir(dir)
		if slices.ContainsFunc(entries, func(e Entry) bool { return e.Name == name }) {
			return true
		}
	}
	return isFS && err != io.EOF && !errors.Is(err, fs.ErrPermission)
}
