package ascii

import "strings"

// IsEntityTag reports whether s is an entity tag:
//
//	entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE
//
// RFC 9110, section 8.8.3.
func IsEntityTag(s string) bool {
	tag, rest, ok := CutEntityTag(s)
	return ok && rest == "" && tag == s
}

// CutEntityTag cuts the entity tag from the beginning of s.
func CutEntityTag(s string) (tag, rest string, ok bool) {
	start := 0
	if strings.HasPrefix(s, "W/") {
		start = 2
	}
	if len(s) == start || s[start] != '"' {
		return "", s, false
	}
	for i := start + 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return s[:i+1], s[i+1:], true
		case c < '!' || c == 0x7f: // etagc has no blanks; obs-text is permitted
			return "", s, false
		}
	}
	return "", s, false
}
