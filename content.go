package rawhttp

// isETag reports whether s is an entity tag:
//
//	entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE
//
// RFC 9110, section 8.8.3.
func isETag(s string) bool {
	if len(s) > 2 && s[:2] == "W/" {
		s = s[2:]
	}
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return false
	}
	for i := 1; i < len(s)-1; i++ {
		if c := s[i]; c < '!' || c == '"' || c == 0x7f {
			return false
		}
	}
	return true
}
