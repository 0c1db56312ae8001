package transcript

import (
	"bytes"
	"strconv"
	"strings"

	"example.com/rawhttp/internal/ascii"
)

// A message is the part of a head that determines the content.
type message struct {
	status  int // of a response
	length  int64
	sized   bool // there was a Content-Length
	chunked bool
}

// Kinds of requests, to be known when the response arrives.
const (
	aMethod  = 'G'
	isHead   = 'H'
	isTunnel = 'C'
)

// maxMethods is how many requests may await a response; further ones are treated like GET.
const maxMethods = 1000

// startLine handles a request line or a status line.
func (s *side) startLine(line []byte) {
	s.message, s.content = message{}, content{}
	s.phase = inFields
	if s.who == Client {
		kind := byte(aMethod)
		switch method, _, _ := bytes.Cut(line, []byte(" ")); string(method) {
		case "HEAD":
			kind = isHead
		case "CONNECT":
			kind = isTunnel
		}
		if len(s.c.methods) < maxMethods {
			s.c.methods = append(s.c.methods, kind)
		}
		return
	}
	version, rest, _ := bytes.Cut(line, []byte(" "))
	code, _, _ := bytes.Cut(rest, []byte(" "))
	status, err := strconv.Atoi(string(code))
	if !bytes.HasPrefix(version, []byte("HTTP/")) || err != nil {
		s.begin(opaque)
		return
	}
	s.message.status = status
}

// field handles a field line.
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

// endHead determines what follows a header section (RFC 9112, section 6.3).
func (s *side) endHead() {
	known := s.content
	s.begin(inLength)
	s.content = known
	m := s.message
	if s.who == Server {
		kind := byte(aMethod)
		if len(s.c.methods) > 0 {
			kind = s.c.methods[0]
		}
		switch {
		case m.status == 101 || kind == isTunnel && m.status/100 == 2:
			s.c.tunnel()
			return
		case m.status/100 == 1:
			s.begin(atStart)
			return
		}
		if len(s.c.methods) > 0 {
			s.c.methods = s.c.methods[1:]
		}
		if kind == isHead || m.status == 204 || m.status == 304 {
			s.next()
			return
		}
		if !m.chunked && !m.sized {
			s.phase = untilClose
			return
		}
	}
	switch {
	case m.chunked:
		s.phase = inChunkLine
	case m.length > 0:
		s.left = m.length
	default:
		s.next()
	}
}

// tunnel switches to showing bytes, after a switch of protocols.
func (c *Conversation) tunnel() {
	for i := range c.sides {
		s := &c.sides[i]
		s.pause()
		s.begin(opaque)
		s.num = c.sides[Server].num
	}
}
