package rawhttp

import (
	"strings"

	"example.com/rawhttp/internal/ascii"
)

// quality parses a weight (RFC 9110, section 12.4.2) into thousandths, -1 if it is
// none:
//
//	qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
//
// We permit more digits, and none before the point, as in the ".2" that Java sends. A weight
// above 0 is never rounded to 0.
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

// A weighted is a member of a list of values with weights.
type weighted struct {
	value  string
	q      int  // the weight in thousandths: 1000 if none is said, 0 if what is said is none
	params bool // it has parameters that we know nothing of
}

// nextWeighted takes the first member off a list. Blanks around the equals sign and
// quotes around a weight are not in the grammar. We permit them, since a client that sends
// "gzip; q = 0" does not want gzip.
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
			return w, rest, more // what follows extends the member, not the value
		case p != "" && !(ascii.EqualFold(name, "charset") && ascii.EqualFold(value, "utf-8")):
			w.params = true
		}
	}
	return w, rest, more
}

// acceptMedia returns the weight that the Accept field gives to the media type, in
// thousandths: by the most specific range that matches (RFC 9110, section 12.5.1),
// -1 if there is no Accept.
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
			case w.params: // a type with parameters is narrower than ours
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

// acceptCoding returns the weight that the Accept-Encoding field gives to the content
// coding, in thousandths (RFC 9110, section 12.5.3). Identity is acceptable unless
// it is refused, any other coding only if it is named, or all are by "*".
func acceptCoding(h Header, coding string) int {
	q, named := 0, false
	if coding == "identity" {
		q = 1 // acceptable, and less welcome than what is asked for
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
