package rawhttp

import (
	"strings"

	"example.com/rawhttp/internal/ascii"
)

// quality parses a weight (RFC 9110, section 12.4.2) into thousandths. It returns -1 if s
// is not a weight:
//
//	qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
//
// It also permits more digits, and no digit before the point, as in the ".2" that Java
// sends. A weight above 0 is never rounded to 0.
func quality(s string) int {
	whole, fraction, _ := strings.Cut(s, ".")
	q := 0
	switch {
	case whole == "1":
		q = 1000
	case whole != "0" && (whole != "" || fraction == ""):
		return -1
	}
	unit := 1000
	for i := range len(fraction) {
		digit := int(fraction[i]) - '0'
		if digit < 0 || digit > 9 {
			return -1
		}
		if unit /= 10; unit == 0 && digit > 0 && q%1000 == 0 {
			q++
		}
		q += digit * unit
	}
	if q > 1000 {
		return -1
	}
	return q
}

// A weighted is a member of a list of weighted values.
type weighted struct {
	value  string
	q      int  // weight in thousandths: 1000 if absent, 0 if invalid
	params bool // it has parameters other than charset=utf-8
}

// nextWeighted cuts the first member off a list. The grammar allows neither blanks around
// the equals sign nor quotes around a weight. Both are permitted here, since a client that
// sends "gzip; q = 0" does not want gzip.
func nextWeighted(list string) (w weighted, rest string, more bool) {
	member, rest, more := ascii.NextMember(list)
	value, params := ascii.CutParam(member)
	w = weighted{value: value, q: 1000}
	for params != "" {
		var p string
		p, params = ascii.CutParam(params)
		name, value, ok := strings.Cut(p, "=")
		name, value = ascii.TrimBlanks(name), strings.Trim(value, " \t\"")
		switch {
		case ok && ascii.EqualFold(name, "q"):
			w.q = max(quality(value), 0)
			return w, rest, more // later parameters are extensions, not part of the value
		case p != "" && !(ascii.EqualFold(name, "charset") && ascii.EqualFold(value, "utf-8")):
			w.params = true
		}
	}
	return w, rest, more
}

// acceptMedia returns the weight of the media type in the Accept field, in thousandths. The
// most specific range that matches decides (RFC 9110, section 12.5.1). Without an Accept
// field it returns -1.
func acceptMedia(h Header, mediaType string) int {
	slash := strings.IndexByte(mediaType, '/')
	q, best := -1, -1
	for list := range h.Values("Accept") {
		q = max(q, 0)
		for more := true; more; {
			var w weighted
			w, list, more = nextWeighted(list)
			media, precision := w.value, -1
			switch {
			case w.params: // a range with parameters is narrower than mediaType
			case ascii.EqualFold(media, mediaType):
				precision = 2
			case len(media) == slash+2 && ascii.EqualFold(media[:slash+1], mediaType[:slash+1]) && media[slash+1] == '*':
				precision = 1
			case media == "*/*":
				precision = 0
			}
			if precision > best {
				q, best = w.q, precision
			}
		}
	}
	return q
}

// acceptCoding returns the weight of the content coding in the Accept-Encoding field, in
// thousandths (RFC 9110, section 12.5.3). Identity is acceptable unless refused; other
// codings only if named, or covered by "*".
func acceptCoding(h Header, coding string) int {
	q, named := 0, false
	if coding == "identity" {
		q = 1 // acceptable, but preferred less than a named coding
	}
	for list := range h.Values("Accept-Encoding") {
		for more := true; more; {
			var w weighted
			w, list, more = nextWeighted(list)
			switch {
			case ascii.EqualFold(w.value, coding):
				q, named = w.q, true
			case w.value == "*" && !named && (coding != "identity" || w.q == 0):
				q = w.q
			}
		}
	}
	return q
}
