package wire

import "example.com/rawhttp/internal/ascii"

// An Expectation is the value of the Expect field (RFC 9110, section 10.1.1).
type Expectation uint8

const (
	ExpectNothing Expectation = iota
	ExpectContinue
	ExpectOther // answered with 417
)

// occurrences counts the field lines of one name, and records the index of the first.
type occurrences struct{ n, first int }

func (o *occurrences) add(i int) {
	if o.n == 0 {
		o.first = i
	}
	o.n++
}

// readFields applies the rules for Host, unless h is of a response, and then those for the
// fields that determine the length and type of the content and whether the connection
// persists. Request smuggling exploits recipients that interpret these fields differently,
// so readFields never guesses and never repairs.
//
// The length of a name rules most fields out before names are compared. The rules are applied in
// the same function, since a call with so many arguments would slow parsing noticeably.
func (h *Head) readFields(isRequest bool) error {
	var host, length, coding, mediaType occurrences
	var twin occurrences // of a framing field's name with an underscore
	var closes, keeps bool
	for i := range h.Fields {
		f := &h.Fields[i]
		switch f.Name.len() {
		case len("Host"):
			if ascii.EqualFold(f.Name.Of(h.Text), "Host") {
				host.add(i)
			}
		case len("Expect"):
			if ascii.EqualFold(f.Name.Of(h.Text), "Expect") {
				h.addExpectation(f.Value.Of(h.Text))
			}
		case len("Connection"):
			if ascii.EqualFold(f.Name.Of(h.Text), "Connection") {
				closes, keeps = addConnection(f.Value.Of(h.Text), closes, keeps)
			}
		case len("Content-Type"):
			if ascii.EqualFold(f.Name.Of(h.Text), "Content-Type") {
				mediaType.add(i)
			}
		case len("Content-Length"):
			if ascii.EqualFold(f.Name.Of(h.Text), "Content-Length") {
				length.add(i)
			} else if ascii.EqualFold(f.Name.Of(h.Text), "Content_Length") {
				twin.add(i)
			}
		case len("Transfer-Encoding"):
			if ascii.EqualFold(f.Name.Of(h.Text), "Transfer-Encoding") {
				coding.add(i)
			} else if ascii.EqualFold(f.Name.Of(h.Text), "Transfer_Encoding") {
				twin.add(i)
			}
		}
	}
	// The order is that of RFC 9112, section 9.3: close, then HTTP/1.1, then keep-alive. After a
	// head without its empty line it is uncertain where the next request begins.
	h.Persist = !closes && (h.Minor > 0 || keeps) && !h.early
	if h.mixed {
		if err := h.checkLineEnds(host, length, coding); err != nil {
			return err
		}
	}
	if isRequest {
		if err := h.checkHost(host); err != nil {
			return err
		}
	}
	// "if an attacker were to send a field named "Transfer_Encoding", a naive interface might map
	// that to the same variable name as the "Transfer-Encoding" field, resulting in a potential
	// request smuggling vulnerability". RFC 9110, section 17.10.
	if twin.n > 0 {
		off := int(h.Fields[twin.first].Name.Start)
		return Malformed(off, "field name is that of a framing field with _ in place of -", "RFC 9112, section 11.2")
	}
	if err := h.frameContent(length, coding); err != nil {
		return err
	}
	if mediaType.n > 1 { // recipients could disagree about the type of the content
		off := h.offset(mediaType.first+1, "Content-Type")
		return Malformed(off, "more than one Content-Type field line", "RFC 9110, section 5.3")
	}
	return nil
}

// IsFramingTwin reports whether name becomes the name of a framing field when a recipient,
// such as CGI, replaces _ by -.
func IsFramingTwin(name []byte) bool {
	return ascii.EqualFold(name, "Content_Length") || ascii.EqualFold(name, "Transfer_Encoding")
}

// addConnection combines the options of a Connection field with those of earlier ones.
func addConnection(value []byte, closes, keeps bool) (bool, bool) {
	if ascii.EqualFold(value, "keep-alive") { // the usual value, compared without splitting it
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

// addExpectation records the expectation in an Expect field. "A server that receives a
// 100-continue expectation in an HTTP/1.0 request MUST ignore that expectation." RFC 9110,
// section 10.1.1.
func (h *Head) addExpectation(value []byte) {
	for more := true; more; {
		var m []byte
		m, value, more = ascii.NextMember(value)
		switch {
		case len(m) == 0:
			// "A recipient MUST parse and ignore a reasonable number of empty list elements".
			// Section 5.6.1.2.
		case !ascii.EqualFold(m, "100-continue"): // it stays, even if 100-continue follows
			h.Expect = ExpectOther
		case h.Expect == ExpectNothing && h.Minor > 0:
			h.Expect = ExpectContinue
		}
	}
}

// checkLineEnds rejects a head, parsed leniently, that has a Host or framing field and
// mixes line ends: a recipient that accepts only CRLF as a line end sees different fields.
func (h *Head) checkLineEnds(names ...occurrences) error {
	first := len(h.Fields)
	for _, l := range names {
		if l.n > 0 {
			first = min(first, l.first)
		}
	}
	if first == len(h.Fields) {
		return nil
	}
	off := int(h.Fields[first].Name.Start)
	return Malformed(off, "head with a Host or framing field mixes CRLF and LF", "RFC 9112, section 2.2")
}

// offset returns the offset of the first field line with the name, at index i or later.
func (h *Head) offset(i int, name string) int {
	for ; i < len(h.Fields); i++ {
		if ascii.EqualFold(h.Fields[i].Name.Of(h.Text), name) {
			return int(h.Fields[i].Name.Start)
		}
	}
	return h.Size
}

// frameContent determines the length of the content (RFC 9112, section 6.3). The RFC lets a
// recipient accept "42, 42", or two field lines of that value, as 42 (RFC 9110, section 8.6).
// Both are rejected here: the value "likely indicates that a duplicate was generated or combined
// by an upstream message processor", which may have framed the message differently.
func (h *Head) frameContent(length, coding occurrences) error {
	if coding.n > 0 {
		return h.frameChunked(length, coding)
	}
	switch {
	case length.n == 0:
		return nil
	case length.n > 1:
		return Malformed(h.offset(length.first+1, "Content-Length"), "more than one Content-Length field line", "RFC 9112, section 6.3")
	}
	f := h.Fields[length.first]
	if f.folded { // a recipient that does not join lines sees another value, or none
		return Malformed(int(f.Name.Start), "Content-Length field is folded over more than one line", "RFC 9112, section 5.2")
	}
	n, bad := parseContentLength(f.Value.Of(h.Text))
	if bad >= 0 {
		return Malformed(int(f.Value.Start)+bad, "Content-Length is not a number of up to 18 digits without leading zeros", "RFC 9110, section 8.6")
	}
	h.ContentLength = n
	return nil
}

// parseContentLength parses 1*DIGIT, or returns the offset of the first invalid byte. The
// RFC permits leading zeros; they are rejected here, since some recipients read such a
// number as octal. 18 digits fit an int64: "a recipient MUST anticipate potentially large decimal
// numerals and prevent parsing errors due to integer conversion overflows". RFC 9110, section
// 8.6.
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

// frameChunked accepts a single "chunked" and nothing else. The RFC permits a server to
// process Transfer-Encoding if Content-Length is also present (RFC 9112, section 6.3) or if
// the version is 1.0 (section 6.1), provided that it closes the connection afterwards. Both
// are rejected here, since an intermediary may have framed the message differently.
func (h *Head) frameChunked(length, coding occurrences) error {
	const section = "RFC 9112, section 6.1"
	off := int(h.Fields[coding.first].Name.Start)
	switch {
	case length.n > 0:
		// The head is invalid from the second of the two fields on, so its offset is reported.
		second := max(off, int(h.Fields[length.first].Name.Start))
		return Malformed(second, "both Content-Length and Transfer-Encoding", section)
	case h.Minor == 0:
		return Malformed(off, "Transfer-Encoding in HTTP/1.0", section)
	}
	list := codingList{afterChunked: -1, other: -1}
	for _, f := range h.Fields[coding.first:] {
		if !ascii.EqualFold(f.Name.Of(h.Text), "Transfer-Encoding") {
			continue
		}
		if f.folded {
			return Malformed(int(f.Name.Start), "Transfer-Encoding field is folded over more than one line", "RFC 9112, section 5.2")
		}
		if bad, reason := list.add(f.Value.Of(h.Text), int(f.Value.Start)); reason != "" {
			return Malformed(bad, reason, section)
		}
	}
	// "A server that receives a request message with a transfer coding it does not understand
	// SHOULD respond with 501". RFC 9112, section 6.1. A list without chunked is answered with 501,
	// too, although section 6.3 says 400: 501 names the cause, and the connection closes either way.
	switch {
	case list.afterChunked >= 0:
		return Malformed(list.afterChunked, "chunked is not the last transfer coding", section)
	case list.other >= 0:
		return &Error{501, list.other, "transfer coding is not implemented", section}
	}
	h.ContentLength = -1
	return nil
}

// A codingList is the combined list of transfer codings of all its field lines.
type codingList struct {
	chunked      bool
	afterChunked int // offset of the first coding after chunked, or -1
	other        int // offset of the first coding that is not a plain chunked, or -1
}

// add adds the members of one field line, whose value begins at offset off. It returns the
// offset of the first error and the reason, or "". RFC 9110, section 5.6.1.2, requires that
// empty members be ignored. They are rejected here, since other recipients disagree on ",chunked".
func (l *codingList) add(value []byte, off int) (bad int, reason string) {
	rest := value
	for more := true; more; {
		var m []byte
		m, rest, more = ascii.NextMember(rest)
		at := off + cap(value) - cap(m) // m is a part of value, and both have the same end of capacity
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
