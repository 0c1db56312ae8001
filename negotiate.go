package rawhttp

// quality parses a weight (RFC 9110, section 12.4.2) into thousandths, -1 if it is
// none:
//
//	qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
func quality(s string) int {
	if s == "" || s[0] != '0' && s[0] != '1' || len(s) > len("0.000") || len(s) > 1 && s[1] != '.' {
		return -1
	}
	q := int(s[0]-'0') * 1000
	for i, unit := 2, 100; i < len(s); i, unit = i+1, unit/10 {
		if !isDigit(s[i]) {
			return -1
		}
		q += int(s[i]-'0') * unit
	}
	if q > 1000 {
		return -1
	}
	return q
}

// nextWeighted takes the first member off a list of values with weights: the value
// in front of its parameters, and the weight in thousandths, 1000 if there is none.
// A member with a weight that is none counts as refused.
func nextWeighted(list string) (value string, q int, rest string, more bool) {
	member, rest, more := nextMember(list)
	value, params := cutParam(member)
	q = 1000
	for params != "" {
		var p string
		p, params = cutParam(params)
		if len(p) > 2 && (p[0] == 'q' || p[0] == 'Q') && p[1] == '=' {
			q = max(quality(p[2:]), 0)
		}
	}
	return value, q, rest, more
}

// cutParam cuts s at its first semicolon outside of quoted strings.
func cutParam(s string) (first, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == ';' && !quoted:
			return trimBlanks(s[:i]), trimBlanks(s[i+1:])
		}
	}
	return trimBlanks(s), ""
}

// acceptMedia gives the weight that the Accept field gives to the media type, in
// thousandths: by the most specific range that matches (RFC 9110, section 12.5.1),
// -1 if there is no Accept.
func acceptMedia(h Header, mediaType string) int {
	slash := 0
	for mediaType[slash] != '/' {
		slash++
	}
	q, best := -1, -1
	for list := range h.Values("Accept") {
		q = max(q, 0)
		for more := true; more; {
			var media string
			var weight int
			media, weight, list, more = nextWeighted(list)
			precision := -1
			switch {
			case equalFold(media, mediaType):
				precision = 2
			case len(media) == slash+2 && equalFold(media[:slash+1], mediaType[:slash+1]) && media[slash+1] == '*':
				precision = 1
			case media == "*/*":
				precision = 0
			}
			if precision > best {
				q, best = weight, precision
			}
		}
	}
	return q
}

// acceptCoding gives the weight that the Accept-Encoding field gives to the content
// coding, in thousandths (RFC 9110, section 12.5.3). Identity is acceptable unless
// it is refused, any other coding only if it is named, or all are by "*".
func acceptCoding(h Header, coding string) int {
	q, named := 0, false
	if coding == "identity" {
		q = 1 // acceptable, and less welcome than what is asked for
	}
	for list := range h.Values("Accept-Encoding") {
		for more := true; more; {
			var value string
			var weight int
			value, weight, list, more = nextWeighted(list)
			switch {
			case equalFold(value, coding):
				q, named = weight, true
			case value == "*" && !named && (coding != "identity" || weight == 0):
				q = weight
			}
		}
	}
	return q
}
