package wire

import "example.com/rawhttp/internal/ascii"

// UntilClose is the ContentLength of a response whose content ends with the connection.
const UntilClose = -2

// ParseResponse is Parse for the head of a response. It returns the status code and the length
// of the head. Head.ContentLength is as declared, also where the response has no content; see
// [HasContent].
func (p *Parser) ParseResponse(b []byte) (status, n int, err error) {
	status, n, err = p.responseLines(b[:min(len(b), p.max.Head)])
	if err == ErrIncomplete && len(b) >= p.max.Head {
		err = p.tooLong(p.max.Head, "header section is too long")
	}
	if err == nil {
		p.h.Text = append(p.h.Text, b[:n]...)
		p.h.Size = n
		err = p.h.frameResponse(status)
	}
	if e, ok := err.(*Error); ok { // the rules shared with requests have 400
		e.Status = BadGateway
	}
	return status, n, err
}

// responseLines parses the lines of the head, and returns its length.
func (p *Parser) responseLines(b []byte) (status, n int, err error) {
	status, err = p.statusLine(b)
	if err != nil {
		return 0, 0, err
	}
	p.next(atFieldLine)
	n, err = p.fieldSection(b)
	return status, n, err
}

// statusLine parses the status line with its CRLF:
//
//	status-line = HTTP-version SP status-code SP [ reason-phrase ]
//
// RFC 9112, section 4. "A server MUST send the space that separates the status-code from the
// reason-phrase even when the reason-phrase is absent". Some do not, and a recipient may accept
// that; it is rejected here. The line is parsed from its beginning each time, since it is short.
func (p *Parser) statusLine(b []byte) (status int, err error) {
	const shape, section = "HTTP/0.0 000 ", "RFC 9112, section 4"
	for i := range len(shape) {
		if i == len(b) {
			return 0, ErrIncomplete
		}
		switch {
		case b[i] == shape[i] && shape[i] != '0', shape[i] == '0' && ascii.IsDigit(b[i]):
		case i <= len("HTTP/0.0"):
			return 0, Malformed(i, "HTTP version is malformed", "RFC 9112, section 2.3")
		case i < len("HTTP/0.0 000"):
			return 0, Malformed(i, "status code is not three digits", section)
		default:
			return 0, Malformed(i, "no space after the status code", section)
		}
	}
	if major := len("HTTP/"); b[major] != '1' {
		return 0, Malformed(major, "HTTP version is not supported", "RFC 9110, section 2.5")
	}
	p.h.Minor = b[len("HTTP/1.")] - '0'
	code := b[len("HTTP/1.1 "):]
	if code[0] < '1' || code[0] > '5' {
		return 0, Malformed(len("HTTP/1.1 "), "status code is not between 100 and 599", "RFC 9110, section 15")
	}
	p.pos = ascii.SkipFieldValue(b[:min(len(b), p.max.Line)], len(shape))
	switch {
	case p.pos == p.max.Line:
		return 0, Malformed(p.pos, "status line is too long", section)
	case p.pos == len(b):
		return 0, ErrIncomplete
	case b[p.pos] == '\n':
		return 0, bareLF(p.pos)
	case b[p.pos] != '\r':
		return 0, Malformed(p.pos, "reason phrase has a control byte", section)
	}
	p.pos++
	return int(code[0]-'0')*100 + int(code[1]-'0')*10 + int(code[2]-'0'), p.lineFeed(b)
}

// HasContent reports whether a response with the status, to a request with the method, has
// content (RFC 9112, section 6.3, rules 1 and 2).
func HasContent(method string, status int) bool {
	switch {
	case method == "HEAD", status < 200, status == 204, status == 304:
		return false
	}
	// After a 2xx response to CONNECT, the connection is a tunnel.
	return method != "CONNECT" || status >= 300
}

// frameResponse determines the length of the content and whether the connection persists.
func (h *Head) frameResponse(status int) error {
	if err := h.readFields(false); err != nil {
		return err
	}
	// The offset of the first framing field, or h.Size if there is none.
	declared := min(h.offset(0, "Content-Length"), h.offset(0, "Transfer-Encoding"))
	switch {
	case (status < 200 || status == 204) && h.ContentLength != 0:
		// "A server MUST NOT send a Transfer-Encoding header field in any response with a
		// status code of 1xx (Informational) or 204 (No Content)." RFC 9112, section 6.1. Nor
		// Content-Length (RFC 9110, section 8.6). A Content-Length of 0, which many send, is
		// accepted, since it does not change where the response ends.
		return Malformed(declared, "Content-Length or Transfer-Encoding with a status that has no content", "RFC 9112, section 6.3")
	case declared == h.Size: // rule 8 of RFC 9112, section 6.3
		h.ContentLength = UntilClose
	}
	return nil
}
