package wire

import (
	"bytes"

	"example.com/rawhttp/internal/ascii"
)

// checkHost checks the field lines of Host, and sets h.Host: "A server MUST respond with
// a 400 (Bad Request) status code to any HTTP/1.1 request message that lacks a Host
// header field and to any request message that contains more than one Host header field
// line or a Host header field with an invalid field value." RFC 9112, section 3.2.
func (h *Head) checkHost(host occurrences) error {
	const section = "RFC 9112, section 3.2"
	switch {
	case host.n > 1:
		return Malformed(h.offset(host.first+1, "Host"), "more than one Host field line", section)
	case host.n == 0 && h.Minor > 0 && !h.early: // a head that ended early may be missing it
		return Malformed(h.Size, "Host field is missing", section)
	case host.n == 1:
		f := &h.Fields[host.first]
		if f.folded {
			return Malformed(int(f.Name.Start), "Host field is folded over more than one line", "RFC 9112, section 5.2")
		}
		if bad := AuthorityError(f.Value.Of(h.Text)); bad >= 0 {
			return Malformed(int(f.Value.Start)+bad, "Host is not of the form host or host:port", section)
		}
		h.Host = f.Value
	}
	// "the origin server MUST ignore the received Host header field (if any) and instead use the
	// host information of the request-target." RFC 9112, section 3.2.2. An invalid one is
	// rejected all the same, since other recipients may use it.
	if h.Form == AbsoluteForm || h.Form == AuthorityForm {
		h.Host = h.authority
	}
	return nil
}

// AuthorityError returns the offset of the first invalid byte of a host with an optional
// port, or -1:
//
//	uri-host [ ":" port ]
//
// RFC 9110, section 7.2, with the parts of RFC 3986, section 3.2.2. The host must not be
// empty: "A recipient that processes such a URI reference MUST reject it as invalid." RFC 9110,
// section 4.2.1. The port must fit 16 bits; it may be empty.
func AuthorityError(s []byte) int {
	n, ok := 0, false
	if len(s) > 0 && s[0] == '[' {
		n, ok = ipLiteral(s)
	} else {
		n, ok = regName(s)
	}
	if !ok {
		return n
	}
	if n == len(s) {
		return -1
	}
	port := 0 // n is the offset of the colon
	for i := n + 1; i < len(s); i++ {
		if !ascii.IsDigit(s[i]) {
			return i
		}
		if port = port*10 + int(s[i]-'0'); port > 65535 {
			return i
		}
	}
	return -1
}

// regName returns the length of the registered name or IPv4 address at the beginning of s,
// which ends at a colon or with s, or the offset of the first invalid byte.
func regName(s []byte) (n int, ok bool) {
	for {
		for n < len(s) && ascii.IsRegName[s[n]] {
			n++
		}
		switch {
		case n == len(s) || s[n] == ':':
			return n, n > 0
		case s[n] != '%' || unescape(s[n:]) < 0:
			return n, false
		}
		n += len("%00")
	}
}

// ipLiteral returns the length of the address in brackets at the beginning of s, or the
// offset of the first invalid byte:
//
//	IP-literal = "[" ( IPv6address / IPvFuture ) "]"
//
// RFC 3986, section 3.2.2. A colon or the end of s must follow. The address is parsed in
// full, since recipients could otherwise disagree whether it is an address or a name.
func ipLiteral(s []byte) (n int, ok bool) {
	end := bytes.IndexByte(s, ']')
	if end < 0 {
		return len(s), false
	}
	addr := s[1:end]
	bad := ipv6Error(addr)
	if len(addr) > 0 && addr[0]|0x20 == 'v' {
		bad = ipFutureError(addr)
	}
	if bad >= 0 {
		return 1 + bad, false
	}
	n = end + 1
	return n, n == len(s) || s[n] == ':'
}

// ipv6Error returns the offset of the first invalid byte of an IPv6 address, or -1 if s is
// one: eight groups of one to four hexadecimal digits, separated by colons. One double
// colon replaces one or more groups of zeros, and the last two groups may be an IPv4
// address.
func ipv6Error(s []byte) int {
	// The next byte, the number of groups before it, and the most groups allowed: 8, or 7 once a
	// double colon stands for at least one.
	i, n, most := 0, 0, 8
	if len(s) > 0 && s[0] == ':' { // a leading colon must be a double one
		if len(s) == 1 || s[1] != ':' {
			return 1
		}
		i, most = 2, 7
	}
	for i < len(s) {
		start := i
		for i < len(s) && i < start+4 && ascii.Unhex(s[i]) >= 0 {
			i++
		}
		switch {
		case i == start, n == most: // no digit, or one group too many
			return start
		case i < len(s) && s[i] == '.' && isDigits(s[start:i]) && n+2 <= most:
			// The rest is an IPv4 address, which takes the place of two groups.
			if bad := ipv4Error(s[start:]); bad >= 0 {
				return start + bad
			}
			i, n = len(s), n+2
			continue
		}
		n++
		switch {
		case i == len(s):
		case s[i] != ':', n == most:
			return i
		case i+1 == len(s): // a final colon must be a double one
			return len(s)
		case s[i+1] != ':':
			i++
		case most < 8: // a second double colon: what each of them stands for would be uncertain
			return i + 1
		default:
			i, most = i+2, 7
		}
	}
	if n == 8 || most == 7 {
		return -1
	}
	return len(s) // groups are missing
}

// isDigits reports whether s has only decimal digits.
func isDigits(s []byte) bool {
	for _, c := range s {
		if !ascii.IsDigit(c) {
			return false
		}
	}
	return true
}

// ipv4Error is like ipv6Error for an IPv4 address: four numbers up to 255, without leading
// zeros, which some recipients read as octal.
func ipv4Error(s []byte) int {
	i := 0
	for octet := range 4 {
		if octet > 0 {
			if i == len(s) || s[i] != '.' {
				return i
			}
			i++
		}
		start, value := i, 0
		for i < len(s) && ascii.IsDigit(s[i]) {
			value = value*10 + int(s[i]-'0')
			if value > 255 || i > start && s[start] == '0' {
				return i
			}
			i++
		}
		if i == start {
			return i
		}
	}
	if i < len(s) {
		return i
	}
	return -1
}

// ipFutureError is like ipv6Error for an address of a future version:
//
//	IPvFuture = "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )
func ipFutureError(s []byte) int {
	i := 1
	for i < len(s) && ascii.Unhex(s[i]) >= 0 {
		i++
	}
	if i == 1 || i == len(s) || s[i] != '.' {
		return i
	}
	i++
	start := i
	for i < len(s) && (ascii.IsRegName[s[i]] || s[i] == ':') {
		i++
	}
	if i > start && i == len(s) {
		return -1
	}
	return i
}

// HostWithoutPort returns a valid host without its port. It searches from the end, since an
// IPv6 address has colons, too. That address ends in a bracket, which is no digit.
func HostWithoutPort[T string | []byte](host T) T {
	for i := len(host) - 1; i >= 0; i-- {
		switch c := host[i]; {
		case c == ':':
			return host[:i]
		case !ascii.IsDigit(c):
			return host
		}
	}
	return host
}
