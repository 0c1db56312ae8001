package wire

import (
	"bytes"
	"encoding/binary"

	"example.com/rawhttp/internal/ascii"
)

// A TargetForm is one of the four forms of a request target (RFC 9112, section 3.2).
type TargetForm uint8

const (
	OriginForm    TargetForm = iota // "/a?b"
	AbsoluteForm                    // "http://example.test/a?b"
	AuthorityForm                   // "example.test:443", only with CONNECT
	AsteriskForm                    // "*", only with OPTIONS
)

// splitTarget determines the form of the request target and splits it.
func (h *Head) splitTarget(b []byte) error {
	target := h.Target.Of(b)
	off := int(h.Target.Start)
	switch {
	case string(h.Method.Of(b)) == "CONNECT":
		// This comes first, since "host:443" looks like a scheme and its path.
		return h.splitAuthority(target, off)
	case target[0] == '/':
		h.splitPath(target, off)
		return nil
	case string(target) == "*":
		if string(h.Method.Of(b)) != "OPTIONS" {
			return Malformed(off, "request target * with a method other than OPTIONS", "RFC 9112, section 3.2.4")
		}
		h.Form = AsteriskForm
		return nil
	}
	return h.splitAbsolute(target, off)
}

// splitPath splits target, a path and query at offset off.
func (h *Head) splitPath(target []byte, off int) {
	end := off + len(target)
	h.RawPath, h.Query = NewSpan(off, end), NewSpan(end, end)
	if q := bytes.IndexByte(target, '?'); q >= 0 {
		h.RawPath, h.Query = NewSpan(off, off+q), NewSpan(off+q+1, end)
	}
}

// splitAuthority parses the target of CONNECT: host ":" port, both required. "A server MUST
// reject a CONNECT request that targets an empty or invalid port number, typically by responding
// with a 400 (Bad Request) status code." RFC 9110, section 9.3.6.
func (h *Head) splitAuthority(target []byte, off int) error {
	if bad := AuthorityError(target); bad >= 0 {
		return Malformed(off+bad, "request target of CONNECT is not of the form host:port", "RFC 9112, section 3.2.3")
	}
	// In an IPv6 address without a port, the last colon is one of the address.
	if colon := bytes.LastIndexByte(target, ':'); colon < 0 || colon == len(target)-1 || target[len(target)-1] == ']' {
		return Malformed(off+len(target), "request target of CONNECT has no port", "RFC 9112, section 3.2.3")
	}
	h.Form = AuthorityForm
	h.authority = NewSpan(off, off+len(target))
	return nil
}

// splitAbsolute parses the absolute-form, which a server MUST accept (RFC 9112, section
// 3.2.2): "http" or "https", "://", host, port, path and query. User information is
// rejected: "a recipient SHOULD parse for userinfo and treat its presence as an error". RFC
// 9110, section 4.2.4.
func (h *Head) splitAbsolute(target []byte, off int) error {
	skip := 0
	for _, scheme := range [...]string{"http://", "https://"} {
		if ascii.HasPrefixFold(target, scheme) {
			skip = len(scheme)
		}
	}
	if skip == 0 {
		return Malformed(off, "request target does not begin with /, http:// or https://", "RFC 9112, section 3.2")
	}
	rest, off := target[skip:], off+skip
	n := bytes.IndexAny(rest, "/?")
	if n < 0 {
		n = len(rest)
	}
	if bad := AuthorityError(rest[:n]); bad >= 0 {
		return Malformed(off+bad, "host in the request target is not of the form host or host:port", "RFC 9110, section 4.2")
	}
	h.Form = AbsoluteForm
	h.authority = NewSpan(off, off+n)
	h.splitPath(rest[n:], off+n)
	return nil
}

// DecodePath sets Path: it decodes percent-encoded bytes once, then removes dot segments
// (RFC 3986, section 5.2.4) and collapses runs of slashes. Since decoding comes first, an
// encoded slash or dot is as harmless as a plain one.
func (h *Head) DecodePath() error {
	switch h.Form {
	case AuthorityForm:
		return nil
	case AsteriskForm:
		h.Path = h.Target
		return nil
	}
	raw := h.RawPath.Of(h.Text)
	if IsCleanPath(raw) { // as nearly always: nothing is copied
		h.Path = h.RawPath
		return nil
	}
	start, text := len(h.Text), h.Text
	if len(raw) == 0 {
		text = append(text, '/') // an absolute-form may have an empty path
	}
	clean, before := true, byte(0)
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' || c == '\\' { // Windows and some recipients take a backslash for a slash
			n := unescape(raw[i:])
			if n <= 0 { // not an escape, or NUL, which ends a name for some systems
				return escapeError(c, n, int(h.RawPath.Start)+i)
			}
			c = byte(n)
			i += len("%00") - 1
		}
		if before == '/' && (c == '/' || c == '.') {
			clean = false
		}
		text = append(text, c)
		before = c
	}
	if !clean {
		text = text[:start+len(CleanPath(text[start:]))]
	}
	h.Path = NewSpan(start, len(text))
	h.Text = text // only now: after an error, Text is as it was
	return nil
}

// unescape returns the byte whose percent-encoding s begins with, or -1.
func unescape(s []byte) int {
	if len(s) < len("%00") || s[0] != '%' {
		return -1
	}
	hi, lo := ascii.HexDigit[s[1]], ascii.HexDigit[s[2]]
	if hi == 0 || lo == 0 {
		return -1
	}
	return int(hi-1)<<4 | int(lo-1)
}

// escapeError returns the error for the byte c at offset off of a path; n is the result of
// unescape.
func escapeError(c byte, n, off int) error {
	switch {
	case c == '\\':
		return Malformed(off, "path has a backslash", "RFC 3986, section 3.3")
	case n < 0:
		return Malformed(off, "path has a percent sign without two hexadecimal digits", "RFC 3986, section 2.1")
	}
	return Malformed(off, "path has an encoded NUL", "RFC 3986, section 7.3")
}

// EscapedRest returns the part of raw that encodes path[n:]. It reports false unless raw is
// path with some bytes percent-encoded.
func EscapedRest(raw, path string, n int) (rest string, ok bool) {
	at, i := 0, 0 // offsets in raw
	for j := range len(path) {
		if j == n {
			at = i
		}
		switch {
		case i == len(raw):
			return "", false
		case raw[i] == path[j] && raw[i] != '%': // a percent sign always begins an escape
			i++
		case i+2 < len(raw) && raw[i] == '%' && ascii.Unhex(raw[i+1])<<4|ascii.Unhex(raw[i+2]) == int(path[j]):
			i += len("%00")
		default:
			return "", false
		}
	}
	return raw[at:], i == len(raw)
}

// IsCleanPath reports whether DecodePath would leave a raw path as it is, by a quick check:
// no percent sign, no backslash, and no slash followed by a slash or a dot. These two
// differ only in the last bit. ascii.Equal may also mark a byte that follows a match and
// differs from it only in that bit; a path with such a byte is not clean either.
func IsCleanPath(raw []byte) bool {
	if len(raw) == 0 || raw[0] == '%' || raw[0] == '\\' {
		return false
	}
	i := 1
	for ; i <= len(raw)-8; i += 8 {
		before := binary.LittleEndian.Uint64(raw[i-1 : i+7])
		x := binary.LittleEndian.Uint64(raw[i : i+8])
		if ascii.Equal(before, '/')&ascii.Equal(x|ascii.Ones, '/')|ascii.Equal(x, '%')|ascii.Equal(x, '\\') != 0 {
			return false
		}
	}
	for ; i < len(raw); i++ {
		c := raw[i]
		if c == '%' || c == '\\' || raw[i-1] == '/' && (c == '/' || c == '.') {
			return false
		}
	}
	return true
}

// CleanPath cleans the absolute path b in place and returns the result. It drops empty
// segments before ".." is applied, so ".." never removes one. A path that ends in a slash
// or in a dot segment names a folder, and the result ends in a slash.
func CleanPath(b []byte) []byte {
	out := b[:1] // the slash; out never overtakes i, so cleaning in place is safe
	for i := 1; i < len(b); {
		end := i
		for end < len(b) && b[end] != '/' {
			end++
		}
		switch seg := b[i:end]; string(seg) {
		case "", ".":
		case "..":
			// Remove the last segment, but not the leading slash: nothing is above the root.
			out = out[:len(out)-1]
			for len(out) > 0 && out[len(out)-1] != '/' {
				out = out[:len(out)-1]
			}
			if len(out) == 0 {
				out = b[:1]
			}
		default:
			out = append(out, seg...)
			if end < len(b) {
				out = append(out, '/')
			}
		}
		i = end + 1
	}
	return out
}
