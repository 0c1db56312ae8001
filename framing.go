package rawhttp

import "example.com/rawhttp/internal/ascii"

// expectation is what the Expect field asks for (RFC 9110, section 10.1.1).
type expectation uint8

const (
	expectNothing expectation = iota
	expectContinue
	expectOther // to be refused with 417
)

// lines are the field lines of one name: how many, and the index of the first.
type lines struct{ n, first int }

func (l *lines) add(i int) {
	if l.n == 0 {
		l.first = i
	}
	l.n++
}

// frame applies the rules of Host, then those of the fields that say how long
// the content is, what it is, and whether the connection persists. Two recipients that read
// these differently are what request smuggling lives on, so nothing is guessed
// and nothing mended.
func (h *head) frame() error {
	var host, length, coding, twin, mediaType lines
	var closes, keeps bool
	for i := range h.fields {
		f := &h.fields[i]
		switch f.name.len() {
		case len("Host"):
			if ascii.EqualFold(f.name.of(h.text), "Host") {
				host.add(i)
			}
		case len("Expect"):
			if ascii.EqualFold(f.name.of(h.text), "Expect") {
				h.expects(f.value.of(h.text))
			}
		case len("Connection"):
			if ascii.EqualFold(f.name.of(h.text), "Connection") {
				closes, keeps = addConnection(f.value.of(h.text), closes, keeps)
			}
		case len("Content-Type"):
			if ascii.EqualFold(f.name.of(h.text), "Content-Type") {
				mediaType.add(i)
			}
		case len("Content-Length"):
			if ascii.EqualFold(f.name.of(h.text), "Content-Length") {
				length.add(i)
			} else if ascii.EqualFold(f.name.of(h.text), "Content_Length") {
				twin.add(i)
			}
		case len("Transfer-Encoding"):
			if ascii.EqualFold(f.name.of(h.text), "Transfer-Encoding") {
				coding.add(i)
			} else if ascii.EqualFold(f.name.of(h.text), "Transfer_Encoding") {
				twin.add(i)
			}
		}
	}
	h.persist = !closes && (h.minor > 0 || keeps) && !h.early
	if h.mixed {
		if err := h.checkLineEnds(host, length, coding); err != nil {
			return err
		}
	}
	if err := h.checkHost(host); err != nil {
		return err
	}
	if twin.n > 0 {
		off := int(h.fields[twin.first].name.start)
		return malformedHead(off, "field name is taken for a framing field where _ turns into -", "RFC 9112, section 11.2")
	}
	if err := h.frameContent(length, coding); err != nil {
		return err
	}
	if mediaType.n > 1 { // two recipients would read the content as two things
		off := h.offset(mediaType.first+1, "Content-Type")
		return malformedHead(off, "more than one Content-Type field line", "RFC 9110, section 5.3")
	}
	return nil
}

// isFramingTwin reports whether a recipient that writes _ as - (CGI and its kin)
// takes name for a field that frames the message.
func isFramingTwin(name []byte) bool {
	return ascii.EqualFold(name, "Content_Length") || ascii.EqualFold(name, "Transfer_Encoding")
}

// addConnection adds what a Connection field says to what those before it said.
func addConnection(value []byte, closes, keeps bool) (bool, bool) {
	if ascii.EqualFold(value, "keep-alive") {
		return closes, true
	}
	for more := true; more; {
		var m []byte
		m, value, more = ascii.NextMember(value)
		closes = closes || ascii.EqualFold(m, "close")
		keeps = keeps || ascii.EqualFold(m, "keep-alive")
	}
	return closes, keeps
}

// expects takes note of an Expect field. "A server that receives a 100-continue
// expectation in an HTTP/1.0 request MUST ignore that expectation." RFC 9110,
// section 10.1.1.
func (h *head) expects(value []byte) {
	for more := true; more; {
		var m []byte
		m, value, more = ascii.NextMember(value)
		switch {
		case len(m) == 0: // "A recipient MUST parse and ignore a reasonable number of empty list elements". Section 5.6.1.2.
		case !ascii.EqualFold(m, "100-continue"):
			h.expect = expectOther
		case h.expect == expectNothing && h.minor > 0:
			h.expect = expectContinue
		}
	}
}

// checkLineEnds refuses a head, parsed leniently, that says where it ends or whom it is
// for while its lines end differently: a recipient that takes only CRLF for the end of a
// line sees other fields.
func (h *head) checkLineEnds(names ...lines) error {
	first := len(h.fields)
	for _, l := range names {
		if l.n > 0 {
			first = min(first, l.first)
		}
	}
	if first == len(h.fields) {
		return nil
	}
	off := int(h.fields[first].name.start)
	return malformedHead(off, "Host or framing field in a head that mixes CRLF and LF", "RFC 9112, section 2.2")
}

// checkHost: "A server MUST respond with a 400 (Bad Request) status code to any
// HTTP/1.1 request message that lacks a Host header field and to any request
// message that contains more than one Host header field line or a Host header
// field with an invalid field value." RFC 9112, section 3.2.
func (h *head) checkHost(host lines) error {
	const section = "RFC 9112, section 3.2"
	switch {
	case host.n > 1:
		return malformedHead(h.offset(host.first+1, "Host"), "more than one Host field line", section)
	case host.n == 0 && h.minor > 0 && !h.early:
		return malformedHead(h.size, "Host field is missing", section)
	case host.n == 1:
		f := &h.fields[host.first]
		if f.folded {
			return malformedHead(int(f.name.start), "Host field is folded", "RFC 9112, section 5.2")
		}
		if bad := authorityError(f.value.of(h.text)); bad >= 0 {
			return malformedHead(int(f.value.start)+bad, "Host is not a host with an optional port", section)
		}
		h.host = f.value
	}
	if h.form == absoluteForm || h.form == authorityForm {
		h.host = h.authority // the target wins (RFC 9112, section 3.2.2)
	}
	return nil
}

// offset gives where the first field line from index i on with the name begins.
func (h *head) offset(i int, name string) int {
	for ; i < len(h.fields); i++ {
		if ascii.EqualFold(h.fields[i].name.of(h.text), name) {
			return int(h.fields[i].name.start)
		}
	}
	return h.size
}

// frameContent decides how long the content is (RFC 9112, section 6.3).
func (h *head) frameContent(length, coding lines) error {
	if coding.n > 0 {
		return h.frameChunked(length, coding)
	}
	switch {
	case length.n == 0:
		return nil
	case length.n > 1:
		return malformedHead(h.offset(length.first+1, "Content-Length"), "more than one Content-Length field line", "RFC 9112, section 6.3")
	}
	f := h.fields[length.first]
	if f.folded {
		return malformedHead(int(f.name.start), "Content-Length field is folded", "RFC 9112, section 5.2")
	}
	n, bad := parseContentLength(f.value.of(h.text))
	if bad >= 0 {
		return malformedHead(int(f.value.start)+bad, "Content-Length is not a number of up to 18 digits without leading zeros", "RFC 9110, section 8.6")
	}
	h.contentLength = n
	return nil
}

// parseContentLength parses 1*DIGIT, or gives the offset of the byte that is
// wrong. The RFC permits leading zeros; we refuse them, since some read such a
// number as octal. 18 digits fit an int64.
func parseContentLength(s []byte) (n int64, bad int) {
	for i, c := range s {
		if !ascii.IsDigit(c) || i == 18 || i == 1 && s[0] == '0' {
			return 0, i
		}
		n = n*10 + int64(c-'0')
	}
	if len(s) == 0 {
		return 0, 0
	}
	return n, -1
}

// frameChunked accepts a lone "chunked" and nothing else. The RFC lets a server
// take the Transfer-Encoding where Content-Length is there too (RFC 9112, section
// 6.3), or where the version is 1.0 (section 6.1), if it closes afterwards; we
// refuse both, as whoever forwarded the message may have framed it otherwise.
func (h *head) frameChunked(length, coding lines) error {
	const section = "RFC 9112, section 6.1"
	off := int(h.fields[coding.first].name.start)
	switch {
	case length.n > 0:
		second := max(off, int(h.fields[length.first].name.start))
		return malformedHead(second, "both Content-Length and Transfer-Encoding", section)
	case h.minor == 0:
		return malformedHead(off, "Transfer-Encoding in HTTP/1.0", section)
	}
	list := codingList{afterChunked: -1, other: -1}
	for _, f := range h.fields[coding.first:] {
		if !ascii.EqualFold(f.name.of(h.text), "Transfer-Encoding") {
			continue
		}
		if f.folded {
			return malformedHead(int(f.name.start), "Transfer-Encoding field is folded", "RFC 9112, section 5.2")
		}
		if bad, reason := list.add(f.value.of(h.text), int(f.value.start)); reason != "" {
			return malformedHead(bad, reason, section)
		}
	}
	switch {
	case list.afterChunked >= 0:
		return malformedHead(list.afterChunked, "chunked is not the last transfer coding", section)
	case list.other >= 0:
		return &headError{501, list.other, "transfer coding is not implemented", section}
	}
	h.contentLength = -1
	return nil
}

// codingList is what a list of transfer codings says, over all its field lines.
type codingList struct {
	chunked      bool
	afterChunked int // offset of the first coding behind chunked, -1 if there is none
	other        int // offset of the first that is not a lone chunked, -1 if there is none
}

// add takes in the members of one field line, whose value is at offset off. It
// gives the offset of what is wrong and the reason, or "".
func (l *codingList) add(value []byte, off int) (bad int, reason string) {
	rest := value
	for more := true; more; {
		var m []byte
		m, rest, more = ascii.NextMember(rest)
		at := off + cap(value) - cap(m) // m is a part of value
		n := 0
		for n < len(m) && ascii.IsTchar[m[n]] {
			n++
		}
		params := ascii.TrimBlanks(m[n:])
		if n == 0 || len(params) > 0 && params[0] != ';' {
			return at + len(m) - len(params), "transfer coding is not a token"
		}
		isChunked := ascii.EqualFold(m[:n], "chunked")
		switch {
		case isChunked && l.chunked:
			return at, "chunked is applied twice"
		case l.chunked && l.afterChunked < 0:
			l.afterChunked = at
		}
		l.chunked = l.chunked || isChunked
		if l.other < 0 && (!isChunked || len(params) > 0) {
			l.other = at
		}
	}
	return 0, ""
}
