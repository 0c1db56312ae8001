package rawhttp

import "example.com/rawhttp/internal/ascii"

// A span is a part of the head, as offsets of its first byte and of the byte
// behind its last.
type span struct{ start, end int32 }

func (s span) len() int           { return int(s.end - s.start) }
func (s span) of(b []byte) []byte { return b[s.start:s.end] }

func newSpan(start, end int) span { return span{int32(start), int32(end)} }

type fieldLine struct {
	name, value span
	folded      bool // value spans several lines, until head.unfold joined them
}

// A head is a request head taken apart. What it tells of the request it tells
// by offsets, so that a head that is used again costs no allocation.
type head struct {
	text   []byte // the head as received; then what had to be written anew: folded values, the path
	size   int    // bytes of text that were received
	fields []fieldLine

	method, target span
	minor          byte // of the HTTP version; the major is 1
	early          bool // the head ended without its empty line, in lenient mode
	mixed          bool // some lines end in CRLF and some in LF, in lenient mode

	// By path.go, from the target.
	form      targetForm
	authority span // in absolute-form and authority-form
	rawPath   span
	query     span
	path      span // decoded and cleaned

	// By framing.go, from the fields.
	host          span
	contentLength int64 // -1: chunked
	persist       bool  // the client lets the connection persist
	expect        expectation
}

// requestLine returns the request line of a head that b begins with, without its CRLF, or
// "" if it was not parsed.
func (h *head) requestLine(b []byte) string {
	if h.target.end == 0 {
		return ""
	}
	return string(b[h.method.start : int(h.target.end)+len(" HTTP/1.1")])
}

// limits bound a head or a trailer section.
type limits struct {
	head    int // bytes, all lines together
	line    int // bytes of one line, without its CRLF
	fields  int // field lines
	lenient bool
}

const (
	maxMethodBytes = 64
	maxLineBytes   = 8 << 10

	maxTrailerBytes  = 8 << 10
	maxTrailerFields = 32
)

var defaultLimits = limits{head: 32 << 10, line: maxLineBytes, fields: 100}

// A headParser takes a head apart from the left. It can stop behind any byte and
// goes on there when there are more, so that no byte is looked at more than twice
// however the input is split, and the first byte that breaks a rule is refused
// as soon as it is there.
type headParser struct {
	h      *head
	max    limits
	phase  phase
	pos    int // next byte to look at
	line   int // where the line begins
	mark   int // where the target, version or value begins
	name   span
	folded bool
}

// begin makes p ready for the head that is to be put into h, which is empty.
func (p *headParser) begin(h *head, max limits) {
	*p = headParser{}
	p.h, p.max = h, max
}

type phase uint8

const (
	atStart phase = iota
	inMethod
	inTarget
	inVersion
	atFieldLine
	inName
	beforeValue
	inValue
	atValueLF
	atEndLF
)

// parse goes on with the head that b begins with; b has the bytes of the calls
// before it and more. It gives the length of the head, or [errIncomplete], or a
// *headError.
func (p *headParser) parse(b []byte) (n int, err error) {
	n, err = p.lines(b[:min(len(b), p.max.head)])
	if err == errIncomplete && len(b) >= p.max.head {
		return 0, p.tooLong(p.max.head, "header section is too long")
	}
	if err != nil {
		return 0, err
	}
	return n, p.finish(b[:n], n)
}

func (p *headParser) lines(b []byte) (n int, err error) {
	if p.phase < atFieldLine {
		if err := p.requestLine(b); err != nil {
			return 0, err
		}
	}
	return p.fieldSection(b)
}

// finish takes over the bytes, of which size were received, and applies the rules that
// need all of them, in the order in which they are said to answer: Host, framing, path.
func (p *headParser) finish(b []byte, size int) error {
	h := p.h
	h.text = append(h.text, b...)
	h.size = size
	if p.max.lenient {
		h.mixed = mixesLineEnds(b[h.method.start:size])
		h.unfold()
	}
	if err := h.frame(); err != nil {
		return err
	}
	return h.decodePath()
}

// requestLine parses the request line with its CRLF:
//
//	request-line = method SP request-target SP HTTP-version
//
// Exactly one SP separates the parts. Accepting more is allowed (RFC 9112,
// section 3) but lets two recipients disagree about the target.
func (p *headParser) requestLine(b []byte) error {
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

// next begins a phase at the byte that comes next.
func (p *headParser) next(ph phase) {
	p.phase = ph
	p.mark = p.pos
}

// leadingLine passes over one empty line. "A server that is expecting to receive
// and parse a request-line SHOULD ignore at least one empty line (CRLF) received
// prior to the request-line." RFC 9112, section 2.2. We ignore just one.
func (p *headParser) leadingLine(b []byte) error {
	switch {
	case len(b) == 0:
		return errIncomplete
	case b[0] == '\n' && p.max.lenient:
		p.pos = 1
	case b[0] == '\r' && len(b) == 1:
		return errIncomplete
	case b[0] == '\r' && b[1] == '\n':
		p.pos = 2
	}
	p.line = p.pos
	p.next(inMethod)
	return nil
}

// tlsHandshake is the first byte of a connection that begins with TLS: the type of a
// handshake record (RFC 8446, section 5.1).
const tlsHandshake = 0x16

func (p *headParser) methodPart(b []byte) error {
	i := p.pos
	for i < len(b) && ascii.IsTchar[b[i]] {
		i++
	}
	p.pos = i
	switch {
	case i-p.line > maxMethodBytes:
		return malformedHead(p.line+maxMethodBytes, "method is longer than 64 bytes", "RFC 9110, section 9.1")
	case i == len(b):
		return errIncomplete
	case i == p.line && b[i] == tlsHandshake:
		return malformedHead(i, "this looks like TLS, and this port speaks plain HTTP", "RFC 9110, section 4.2.1")
	case b[i] != ' ' || i == p.line:
		return malformedHead(i, "method is not a token", "RFC 9110, section 9.1")
	}
	p.h.method = newSpan(p.line, i)
	p.pos++
	p.next(inTarget)
	return nil
}

func (p *headParser) targetPart(b []byte) error {
	const version = len(" HTTP/1.1")
	end := p.line + p.max.line - version
	i := ascii.SkipTarget(b[:min(len(b), end+1)], p.pos)
	p.pos = i
	switch {
	case i > end:
		return p.tooLong(end, "request line is too long")
	case i == len(b):
		return errIncomplete
	case b[i] == '\r' || b[i] == '\n':
		return malformedHead(i, "HTTP version is missing", "RFC 9112, section 3")
	case b[i] == '#':
		return malformedHead(i, "request target has a fragment", "RFC 9112, section 3.2")
	case b[i] != ' ':
		return malformedHead(i, "request target has a byte that is not visible ASCII", "RFC 9112, section 3.2")
	case i == p.mark:
		return moreSpaces(i)
	}
	p.h.target = newSpan(p.mark, i)
	p.pos++
	p.next(inVersion)
	return nil
}

// versionPart parses the version and the end of the line. The digits are
// judged when the line is whole: its shape comes first.
func (p *headParser) versionPart(b []byte) error {
	const shape = "HTTP/0.0\r\n"
	for i := p.pos - p.mark; i < len(shape); i++ {
		p.pos = p.mark + i
		if p.pos == len(b) {
			return errIncomplete
		}
		c := b[p.pos]
		if c == shape[i] || shape[i] == '0' && ascii.IsDigit(c) {
			continue
		}
		if c == ' ' && i == 0 {
			return moreSpaces(p.pos)
		}
		if c != '\n' || i < len("HTTP/0.0") {
			return malformedHead(p.pos, "HTTP version is malformed", "RFC 9112, section 2.3")
		}
		if !p.max.lenient || i > len("HTTP/0.0") {
			return bareLF(p.pos)
		}
		break
	}
	p.pos++
	if b[p.mark+5] != '1' {
		return &headError{505, p.mark + 5, "HTTP version is not supported", "RFC 9110, section 15.6.6"}
	}
	p.h.minor = b[p.mark+7] - '0'
	return nil
}

// fieldSection parses field lines up to and with the empty line that ends them:
//
//	field-line = field-name ":" OWS field-value OWS
//
// It gives the offset behind the section.
func (p *headParser) fieldSection(b []byte) (n int, err error) {
	for {
		switch p.phase {
		case atFieldLine:
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

// lineStart decides what the next line is: a field line, the end, or a fold.
func (p *headParser) lineStart(b []byte) error {
	p.line = p.pos
	if p.pos == len(b) {
		return errIncomplete
	}
	switch c := b[p.pos]; {
	case c == '\r':
		p.pos++
		p.next(atEndLF)
		return nil
	case c == '\n' && !p.max.lenient:
		return bareLF(p.pos)
	case c == '\n':
		p.next(atEndLF)
		return nil
	case ascii.IsBlank(c):
		return p.fold()
	case len(p.h.fields) == p.max.fields:
		return p.tooLong(p.pos, "header section has too many field lines")
	}
	p.next(inName)
	return nil
}

// fold takes the line that begins with a blank as the continuation of the field
// before it. "A server that receives an obs-fold in a request message that is
// not within a "message/http" container MUST either reject the message [...] or
// replace each received obs-fold with one or more SP octets". RFC 9112, section
// 5.2. We reject unless asked to be lenient.
func (p *headParser) fold() error {
	last := len(p.h.fields) - 1
	if last < 0 {
		return malformedHead(p.pos, "white space before the first field line", "RFC 9112, section 2.2")
	}
	if !p.max.lenient {
		return malformedHead(p.pos, "field line is folded", "RFC 9112, section 5.2")
	}
	f := p.h.fields[last]
	p.h.fields = p.h.fields[:last]
	p.name, p.mark, p.folded = f.name, int(f.value.start), true
	p.phase = inValue
	return nil
}

// namePart parses a field name and its colon. "No whitespace is allowed between
// the field name and colon." RFC 9112, section 5.1.
func (p *headParser) namePart(b []byte) error {
	end := p.line + p.max.line
	i := p.pos
	for i < len(b) && i < end && ascii.IsTchar[b[i]] {
		i++
	}
	p.pos = i
	switch {
	case i == len(b):
		return errIncomplete
	case i > p.line && (b[i] == '\r' || b[i] == '\n'):
		return malformedHead(i, "field line has no colon", "RFC 9112, section 5")
	case i == end:
		return p.tooLong(i, "field line is too long")
	case i == p.line || b[i] != ':':
		return malformedHead(i, "field name is not a token", "RFC 9112, section 5.1")
	}
	p.name = newSpan(p.line, i)
	p.pos++
	p.next(beforeValue)
	return nil
}

func (p *headParser) blanks(b []byte) error {
	for p.pos < len(b) && ascii.IsBlank(b[p.pos]) && p.pos < p.line+p.max.line {
		p.pos++
	}
	if p.pos == len(b) {
		return errIncomplete
	}
	p.next(inValue)
	return nil
}

// valuePart parses a field value without the blanks around it and the CR, or
// the bare LF, behind it.
func (p *headParser) valuePart(b []byte) error {
	end := p.line + p.max.line
	i := ascii.SkipFieldValue(b[:min(len(b), end)], p.pos)
	p.pos = i
	if i == len(b) {
		return errIncomplete
	}
	switch c := b[i]; {
	case c == '\r':
		p.pos++
	case c == '\n' && !p.max.lenient:
		return bareLF(i)
	case c == '\n':
	case i == end:
		return p.tooLong(i, "field line is too long")
	default:
		return malformedHead(i, "field value has a control byte", "RFC 9110, section 5.5")
	}
	for i > p.mark && ascii.IsBlank(b[i-1]) {
		i--
	}
	p.h.fields = append(p.h.fields, fieldLine{p.name, newSpan(p.mark, i), p.folded})
	p.folded = false
	p.phase = atValueLF
	return nil
}

// lineFeed parses the LF of a line.
func (p *headParser) lineFeed(b []byte) error {
	if p.pos == len(b) {
		return errIncomplete
	}
	if b[p.pos] != '\n' {
		return malformedHead(p.pos-1, "CR is not followed by LF", "RFC 9112, section 2.2")
	}
	p.pos++
	return nil
}

func moreSpaces(off int) error {
	return malformedHead(off, "more than one space", "RFC 9112, section 3")
}

func bareLF(off int) error {
	return malformedHead(off, "line ends in LF without CR", "RFC 9112, section 2.2")
}

// beginTrailer makes p ready for a trailer section that is to be put into h, which is empty.
func (p *headParser) beginTrailer(h *head) {
	*p = headParser{h: h, max: limits{head: maxTrailerBytes, line: maxLineBytes, fields: maxTrailerFields}, phase: atFieldLine}
}

// parseTrailer is parse for a trailer section.
func (p *headParser) parseTrailer(b []byte) (n int, err error) {
	n, err = p.lines(b[:min(len(b), maxTrailerBytes)])
	e, refused := err.(*headError)
	if refused && e.Status == 431 || err == errIncomplete && len(b) >= maxTrailerBytes {
		err = malformedHead(p.pos, "trailer section is too long", "RFC 9112, section 7.1.2")
	}
	return n, err
}

// hasBegun reports whether something of a head has come.
func (p *headParser) hasBegun() bool { return p.phase > inMethod || p.pos > p.line }

// methodOf returns the method of the head that b begins with, nil if it is not whole.
func (p *headParser) methodOf(b []byte) []byte {
	if p.phase <= inMethod {
		return nil
	}
	return p.h.method.of(b)
}

// requestLineOf returns the request line of the head that b begins with, without its CRLF,
// "" if it was not accepted.
func (p *headParser) requestLineOf(b []byte) string {
	if p.phase < atFieldLine {
		return ""
	}
	return p.h.requestLine(b)
}

// tooLong refuses what breaks a limit: 414 in the request line, 431 behind it.
func (p *headParser) tooLong(off int, reason string) error {
	if p.phase < atFieldLine {
		return &headError{414, off, "request line is too long", "RFC 9110, section 15.5.15"}
	}
	return &headError{431, off, reason, "RFC 6585, section 5"}
}
