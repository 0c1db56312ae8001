package transcript

import (
	"bytes"
	"strconv"
	"strings"

	"example.com/rawhttp/internal/ascii"
)

// A message is the part of a head that determines the content.
type message struct {
	status   int   // of a response
	length   int64 // Content-Length in bytes; 0 if there is none
	sized    bool  // there was a Content-Length
	chunked  bool
	switches bool // the request asks for another protocol
}

// Kinds of requests: the length of a response depends on them.
const (
	kindOther   = 'G'
	kindHEAD    = 'H'
	kindCONNECT = 'C'
)

// maxMethods is how many requests may await a response; further ones are treated like GET. It
// limits the memory of a conversation with a server that does not respond.
const maxMethods = 1000

// startLine handles a request line or a status line.
func (s *side) startLine(line []byte) {
	s.message, s.content = message{}, content{}
	s.phase = inFields
	if s.who == Client {
		if string(line) == "PRI * HTTP/2.0" { // RFC 9113, section 3.4
			s.c.http2 = true
			s.beginBinary("HTTP/2")
			return
		}
		kind := byte(kindOther)
		switch method, _, _ := bytes.Cut(line, []byte(" ")); string(method) {
		case "HEAD":
			kind = kindHEAD
		case "CONNECT":
			kind = kindCONNECT
			s.message.switches = true
		}
		if len(s.c.methods) < maxMethods {
			s.c.methods = append(s.c.methods, kind)
		}
		return
	}
	status, ok := statusOf(line)
	if !ok {
		s.begin(opaque)
		return
	}
	s.message.status = status
}

// statusOf returns the status code in a status line.
func statusOf(line []byte) (status int, ok bool) {
	version, rest, _ := bytes.Cut(line, []byte(" "))
	code, _, _ := bytes.Cut(rest, []byte(" "))
	status, err := strconv.Atoi(string(code))
	return status, bytes.HasPrefix(version, []byte("HTTP/")) && err == nil
}

// field handles a field line. It is lenient, since a mistake affects only how the following bytes
// are shown.
func (s *side) field(line []byte) {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return
	}
	value = ascii.TrimBlanks(value)
	switch {
	case ascii.EqualFold(name, "Content-Length"):
		n, err := strconv.ParseInt(string(value), 10, 64)
		s.message.length, s.message.sized = max(n, 0), err == nil
	case ascii.EqualFold(name, "Transfer-Encoding"):
		s.message.chunked = strings.HasSuffix(strings.ToLower(string(value)), "chunked")
	case ascii.EqualFold(name, "Upgrade"):
		s.message.switches = true
	case ascii.EqualFold(name, "Content-Type"):
		media, _, _ := bytes.Cut(value, []byte(";"))
		s.content.media = strings.ToLower(string(short(ascii.TrimBlanks(media))))
	case ascii.EqualFold(name, "Content-Encoding"):
		if !ascii.EqualFold(value, "identity") {
			s.content.coding = string(short(value))
		}
	}
}

// short returns the part of a value that is shown.
func short(b []byte) []byte { return b[:min(len(b), 80)] }

// endHead determines what follows a header section, by the rules of RFC 9112, section 6.3, in
// their order of precedence.
func (s *side) endHead() {
	known := s.content // begin resets it, but its media type and codings are those of the head
	s.begin(inLength)
	s.content = known
	m := s.message
	if s.who == Server {
		kind := byte(kindOther)
		if len(s.c.methods) > 0 {
			kind = s.c.methods[0]
		}
		switch {
		case isSwitch(kind, m.status):
			s.c.tunnel()
			return
		case m.status/100 == 1: // not the response yet: the number, and the kind of request, stay the same
			s.begin(atStart)
			return
		}
		if len(s.c.methods) > 0 {
			s.c.methods = s.c.methods[1:]
		}
		// "Any response to a HEAD request and any response with a 1xx (Informational), 204 (No
		// Content), or 304 (Not Modified) status code is always terminated by the first empty
		// line after the header fields".
		if kind == kindHEAD || m.status == 204 || m.status == 304 {
			s.next()
			return
		}
		if !m.chunked && !m.sized {
			s.phase = untilClose
			return
		}
	}
	switch {
	case m.chunked: // "the Transfer-Encoding overrides the Content-Length"
		s.phase = inChunkLine
	case m.length > 0:
		s.left = m.length
	default: // Content-Length: 0, or a request without either field
		s.next()
	}
}

// isSwitch reports whether the status, in response to a kind of request, switches the connection
// to another protocol. "Any 2xx (Successful) response to a CONNECT request implies that the
// connection will become a tunnel immediately after the empty line that concludes the header
// fields." RFC 9112, section 6.3
func isSwitch(kind byte, status int) bool {
	return status == 101 || kind == kindCONNECT && status/100 == 2
}

// tunnel switches to showing bytes, after a switch of protocols.
func (c *Conversation) tunnel() {
	for i := range c.sides {
		s := &c.sides[i]
		s.flush()
		s.begin(opaque)
		s.num = c.sides[Server].num
	}
}

// holdEarly keeps b, and reports true, while it is uncertain whether the connection switches to
// another protocol: b may belong to that one or be the next request.
func (c *Conversation) holdEarly(who Side, b []byte) bool {
	const maxEarly = 64 << 10 // bytes; a client that sends more is shown without waiting
	if !c.switches || who == Server {
		return false
	}
	if len(c.early)+len(b) > maxEarly {
		c.releaseEarly()
		return false
	}
	c.early = append(c.early, b...)
	return true
}

// releaseEarly shows the held bytes as a request.
func (c *Conversation) releaseEarly() {
	early := c.early
	c.switches, c.early = false, nil
	c.take(Client, early)
}

// statusLine handles a status line. It shows the bytes that the client sent early, if the
// status determines their protocol.
func (c *Conversation) statusLine(line []byte) {
	status, ok := statusOf(line)
	// If several requests wait for their response, this is the response to an earlier one.
	if !c.switches || len(c.methods) != 1 || ok && status/100 == 1 && status != 101 {
		return
	}
	client := &c.sides[Client]
	if ok && isSwitch(c.methods[0], status) {
		client.num = c.sides[Server].num
		client.begin(opaque)
	}
	c.releaseEarly()
	client.flush()
}
