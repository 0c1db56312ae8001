package wire

import "example.com/rawhttp/internal/ascii"

// A Parser parses a head from left to right. It can stop after any byte and continue when more
// arrive, so it examines no byte of a request's head more than twice, however the input is split.
// It rejects a byte that the grammar does not permit as soon as the byte arrives, and an invalid
// request target or unsupported version at the end of the request line. The other rules are applied
// at the end of the head; see finish.
type Parser struct {
	h      *Head  // receives the parts; its Text is set by finish
	max    Limits // see Limits
	phase  phase
	pos    int  // next byte to examine
	line   int  // beginning of the line
	mark   int  // beginning of the target, version or value
	name   Span // of the field line that is being parsed
	folded bool // the value that is being parsed spans several lines
}

// Begin prepares p to parse a head into h, which must be empty.
func (p *Parser) Begin(h *Head, max Limits) {
	*p = Parser{}
	p.h, p.max = h, max
}

// A phase is where in the head the Parser is. Phases are in the order of the head, so that
// a phase below atFieldLine is within the request line.
type phase uint8

const (
	atStart     phase = iota // before an empty line or the method
	inMethod                 // in the method
	inTarget                 // in the request target
	inVersion                // in the version or the line end after it
	atFieldLine              // at the beginning of a field line or the empty line
	inName                   // in a field name
	beforeValue              // in the blanks after the colon
	inValue                  // in a field value
	atValueLF                // at the LF after a field value
	atEndLF                  // at the LF of the empty line
)

// Parse continues parsing the head at the beginning of b, which must begin with the input
// of earlier calls. It returns the length of the head, or [ErrIncomplete], or an *[Error].
func (p *Parser) Parse(b []byte) (n int, err error) {
	n, err = p.lines(b[:min(len(b), p.max.Head)]) // so that a head over the limit is incomplete
	if err == ErrIncomplete && len(b) >= p.max.Head {
		return 0, p.tooLong(p.max.Head, "header section is too long")
	}
	if err != nil {
		return 0, err
	}
	return n, p.finish(b[:n], n)
}

// lines continues parsing the lines of the head, and returns its length.
func (p *Parser) lines(b []byte) (n int, err error) {
	if p.phase < atFieldLine {
		if err := p.requestLine(b); err != nil {
			return 0, err
		}
	}
	return p.fieldSection(b)
}

// finish copies the bytes, of which size were received, and applies the rules that need the
// whole head. Their order decides which error is reported: Host, framing, path.
func (p *Parser) finish(b []byte, size int) error {
	h := p.h
	h.Text = append(h.Text, b...) // a copy, since b is a buffer that is reused
	h.Size = size
	if p.max.Lenient {
		h.mixed = mixesLineEnds(b[h.Method.Start:size])
		h.unfold()
	}
	if err := h.readFields(true); err != nil {
		return err
	}
	return h.DecodePath()
}

// requestLine parses the request line including its CRLF:
//
//	request-line = method SP request-target SP HTTP-version
//
// Exactly one SP separates the parts. Accepting more is permitted (RFC 9112, section 3) but
// lets two recipients disagree about the target.
func (p *Parser) requestLine(b []byte) error {
	// Each phase falls through to the next. One that returns ErrIncomplete is resumed by the
	// next call.
	switch p.phase {
	case atStart:
		if p.plainRequestLine(b) {
			break
		}
		if err := p.leadingLine(b); err != nil {
			return err
		}
		fallthrough
	case inMethod:
		if err := p.methodPart(b); err != nil {
			return err
		}
		fallthrough
	case inTarget:
		if err := p.targetPart(b); err != nil {
			return err
		}
		fallthrough
	case inVersion:
		if err := p.versionPart(b); err != nil {
			return err
		}
	}
	p.next(atFieldLine)
	return p.h.splitTarget(b)
}

// next enters a phase at the next byte.
func (p *Parser) next(ph phase) {
	p.phase = ph
	p.mark = p.pos
}

// leadingLine skips an empty line: "a server that is expecting to receive and parse a
// request-line SHOULD ignore at least one empty line (CRLF) received prior to the
// request-line." RFC 9112, section 2.2. It skips only one, as old clients send after content.
// A CR without LF is left to methodPart, which rejects it.
func (p *Parser) leadingLine(b []byte) error {
	switch {
	case len(b) == 0:
		return ErrIncomplete
	case b[0] == '\n' && p.max.Lenient:
		p.pos = 1
	case b[0] == '\r' && len(b) == 1:
		return ErrIncomplete
	case b[0] == '\r' && b[1] == '\n':
		p.pos = 2
	}
	p.line = p.pos
	p.next(inMethod)
	return nil
}

// tlsHandshake is the first byte that a TLS client sends: the type of a handshake record
// (RFC 8446, section 5.1).
const tlsHandshake = 0x16

// methodPart parses the method and the space after it.
func (p *Parser) methodPart(b []byte) error {
	i := p.pos
	for i < len(b) && ascii.IsTchar[b[i]] {
		i++
	}
	p.pos = i
	switch { // the limit comes first, or endless input would stay incomplete
	case i-p.line > maxMethodBytes:
		return Malformed(p.line+maxMethodBytes, "method is longer than 64 bytes", "RFC 9110, section 9.1")
	case i == len(b):
		return ErrIncomplete
	case i == p.line && b[i] == tlsHandshake:
		return Malformed(i, "this looks like TLS, not plain HTTP", "RFC 9110, section 4.2.1")
	case b[i] != ' ' || i == p.line:
		return Malformed(i, "method is not a token", "RFC 9110, section 9.1")
	}
	p.h.Method = NewSpan(p.line, i)
	p.pos++
	p.next(inTarget)
	return nil
}

// targetPart parses the request target and the space after it. It checks the bytes alone;
// splitTarget determines the form. "No whitespace is allowed in the request-target. [...] A
// recipient SHOULD NOT attempt to autocorrect and then process the request without a redirect".
// RFC 9112, section 3.2.
func (p *Parser) targetPart(b []byte) error {
	const version = len(" HTTP/1.1")
	end := p.line + p.max.Line - version // the version must fit the line, too
	i := ascii.SkipTarget(b[:min(len(b), end+1)], p.pos)
	p.pos = i
	switch {
	case i > end: // "MUST respond with a 414 (URI Too Long)" RFC 9112, section 3
		return p.tooLong(end, "request line is too long")
	case i == len(b):
		return ErrIncomplete
	case b[i] == '\r' || b[i] == '\n':
		return Malformed(i, "HTTP version is missing", "RFC 9112, section 3")
	case b[i] == '#':
		return Malformed(i, "request target has a fragment", "RFC 9112, section 3.2")
	case b[i] != ' ':
		return Malformed(i, "request target has a byte that is not visible ASCII", "RFC 9112, section 3.2")
	case i == p.mark:
		return moreSpaces(i)
	}
	p.h.Target = NewSpan(p.mark, i)
	p.pos++
	p.next(inVersion)
	return nil
}

// versionPart parses the version and the line end. It checks the digits only after the
// whole line: an error in the form takes precedence. The name HTTP is case-sensitive (RFC 9112,
// section 2.3). Any minor version is accepted: a recipient "SHOULD process the message as if it
// were in the highest minor version within that major version to which the recipient is
// conformant." RFC 9110, section 6.2.
func (p *Parser) versionPart(b []byte) error {
	const shape = "HTTP/0.0\r\n"
	for i := p.pos - p.mark; i < len(shape); i++ {
		p.pos = p.mark + i
		if p.pos == len(b) {
			return ErrIncomplete
		}
		c := b[p.pos]
		if c == shape[i] || shape[i] == '0' && ascii.IsDigit(c) {
			continue
		}
		if c == ' ' && i == 0 {
			return moreSpaces(p.pos)
		}
		if c != '\n' || i < len("HTTP/0.0") {
			return Malformed(p.pos, "HTTP version is malformed", "RFC 9112, section 2.3")
		}
		if !p.max.Lenient {
			return bareLF(p.pos)
		}
		break
	}
	p.pos++ // after the LF
	if major := p.mark + len("HTTP/"); b[major] != '1' {
		p.next(atFieldLine) // so that RequestLineOf returns the line
		return &Error{505, major, "HTTP version is not supported", "RFC 9110, section 15.6.6"}
	}
	p.h.Minor = b[p.mark+7] - '0'
	return nil
}

// fieldSection parses field lines, up to and including the empty line that ends them:
//
//	field-line = field-name ":" OWS field-value OWS
//
// It returns the offset after the section.
func (p *Parser) fieldSection(b []byte) (n int, err error) {
	for {
		switch p.phase {
		case atFieldLine:
			// plainLines is tried at each line, so that an unusual one does not slow the rest.
			if p.plainLines(b) {
				return p.pos, nil
			}
			err = p.lineStart(b)
		case inName:
			err = p.namePart(b)
		case beforeValue:
			err = p.blanks(b)
		case inValue:
			err = p.valuePart(b)
		case atValueLF:
			if err = p.lineFeed(b); err == nil {
				p.next(atFieldLine)
			}
		case atEndLF:
			err = p.lineFeed(b)
			return p.pos, err
		}
		if err != nil {
			return 0, err
		}
	}
}

// lineStart determines what the next line is: a field line, the end, or a fold.
func (p *Parser) lineStart(b []byte) error {
	p.line = p.pos
	if p.pos == len(b) {
		return ErrIncomplete
	}
	switch c := b[p.pos]; {
	case c == '\r':
		p.pos++
		p.next(atEndLF)
		return nil
	case c == '\n' && !p.max.Lenient:
		return bareLF(p.pos)
	case c == '\n':
		p.next(atEndLF)
		return nil
	case ascii.IsBlank(c):
		return p.fold()
	case len(p.h.Fields) == p.max.Fields:
		// This line is one too many: after the last one permitted, only the empty line may follow.
		return p.tooLong(p.pos, "header section has too many field lines")
	}
	p.next(inName)
	return nil
}

// fold treats a line that begins with a blank as a continuation of the previous field line.
// "A server that receives an obs-fold in a request message that is not within a
// "message/http" container MUST either reject the message [...] or replace each received
// obs-fold with one or more SP octets". RFC 9112, section 5.2. Only the lenient parser
// accepts it.
func (p *Parser) fold() error {
	last := len(p.h.Fields) - 1
	// "MUST either reject the message as invalid or consume each whitespace-preceded line" RFC
	// 9112, section 2.2.
	if last < 0 {
		return Malformed(p.pos, "white space before the first field line", "RFC 9112, section 2.2")
	}
	if !p.max.Lenient {
		return Malformed(p.pos, "field line begins with white space, which is obsolete line folding", "RFC 9112, section 5.2")
	}
	f := p.h.Fields[last] // taken back: its value ends with this line, and valuePart appends it again
	p.h.Fields = p.h.Fields[:last]
	p.name, p.mark, p.folded = f.Name, int(f.Value.Start), true
	p.phase = inValue
	return nil
}

// namePart parses a field name and its colon. "No whitespace is allowed between the field
// name and colon. [...] A server MUST reject, with a response status code of 400 (Bad Request),
// any received request message that contains whitespace between a header field name and colon."
// RFC 9112, section 5.1.
func (p *Parser) namePart(b []byte) error {
	end := p.line + p.max.Line
	i := p.pos
	for i < len(b) && i < end && ascii.IsTchar[b[i]] {
		i++
	}
	p.pos = i
	switch {
	case i == len(b):
		return ErrIncomplete
	case i > p.line && (b[i] == '\r' || b[i] == '\n'):
		return Malformed(i, "field line has no colon", "RFC 9112, section 5")
	case i == end:
		return p.tooLong(i, "field line is too long")
	case i == p.line || b[i] != ':':
		return Malformed(i, "field name is not a token", "RFC 9112, section 5.1")
	}
	p.name = NewSpan(p.line, i)
	p.pos++
	p.next(beforeValue)
	return nil
}

// blanks skips the blanks before a field value.
func (p *Parser) blanks(b []byte) error {
	for p.pos < len(b) && ascii.IsBlank(b[p.pos]) && p.pos < p.line+p.max.Line {
		p.pos++
	}
	if p.pos == len(b) {
		return ErrIncomplete
	}
	p.next(inValue)
	return nil
}

// valuePart parses a field value and the CR, or the bare LF, after it. It trims blanks from
// the value. "Field values containing CR, LF, or NUL characters are invalid and dangerous [...];
// a recipient of CR, LF, or NUL within a field value MUST either reject the message or replace
// each of those characters with SP". RFC 9110, section 5.5. The RFC permits keeping other
// control bytes; they are rejected, too, since no sender has a use for them.
func (p *Parser) valuePart(b []byte) error {
	end := p.line + p.max.Line
	i := ascii.SkipFieldValue(b[:min(len(b), end)], p.pos)
	p.pos = i
	if i == len(b) {
		return ErrIncomplete
	}
	switch c := b[i]; {
	case c == '\r':
		p.pos++
	case c == '\n' && !p.max.Lenient:
		return bareLF(i)
	case c == '\n':
	case i == end:
		return p.tooLong(i, "field line is too long")
	default:
		return Malformed(i, "field value has a control byte", "RFC 9110, section 5.5")
	}
	for i > p.mark && ascii.IsBlank(b[i-1]) {
		i--
	}
	p.h.Fields = append(p.h.Fields, FieldLine{p.name, NewSpan(p.mark, i), p.folded})
	p.folded = false
	p.phase = atValueLF
	return nil
}

// lineFeed parses the LF of a line end. A "recipient of such a bare CR MUST consider that
// element to be invalid or replace each bare CR with SP". RFC 9112, section 2.2. The lenient
// parser rejects it, too.
func (p *Parser) lineFeed(b []byte) error {
	if p.pos == len(b) {
		return ErrIncomplete
	}
	if b[p.pos] != '\n' {
		return Malformed(p.pos-1, "CR is not followed by LF", "RFC 9112, section 2.2")
	}
	p.pos++
	return nil
}

// moreSpaces returns the error for a second space between the parts of a request line.
func moreSpaces(off int) error {
	return Malformed(off, "more than one space between the parts of the request line", "RFC 9112, section 3")
}

// bareLF returns the error for an LF without a CR. "a recipient MAY recognize a single LF as a
// line terminator". RFC 9112, section 2.2. The strict parser does not: a recipient that does not
// would see other lines.
func bareLF(off int) error {
	return Malformed(off, "line ends in LF without CR", "RFC 9112, section 2.2")
}

// HasBegun reports whether any byte of a head has been parsed. An empty line before it does not
// count.
func (p *Parser) HasBegun() bool { return p.phase > inMethod || p.pos > p.line }

// MethodOf returns the method of the head at the beginning of b, or nil if it is
// incomplete.
func (p *Parser) MethodOf(b []byte) []byte {
	if p.phase <= inMethod {
		return nil
	}
	return p.h.Method.Of(b)
}

// RequestLineOf returns the request line of the head at the beginning of b, without its
// CRLF, or "" if it is incomplete or malformed.
func (p *Parser) RequestLineOf(b []byte) string {
	if p.phase < atFieldLine {
		return ""
	}
	return p.h.RequestLine(b)
}

// tooLong returns the error for exceeding a limit: 414 within the request line, 431 after
// it.
func (p *Parser) tooLong(off int, reason string) error {
	if p.phase < atFieldLine {
		return &Error{414, off, "request line is too long", "RFC 9110, section 15.5.15"}
	}
	return &Error{431, off, reason, "RFC 6585, section 5"}
}
