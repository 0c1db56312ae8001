package transcript

import (
	"bytes"
	"unicode/utf8"

	"example.com/rawhttp/internal/wire"
)

// These limits bound the memory of a conversation and the lines that it prints, whatever the two
// sides send.
const (
	// maxPiece is the most bytes of the wire shown in one line.
	maxPiece = 1024

	// maxRun is the most lines of a protocol other than HTTP that are shown while the other
	// side is silent.
	maxRun = 200

	// maxLine is the most bytes of a line that are shown, in several pieces. It is the default
	// limit of a head, so no line that this server accepts by default is shortened.
	maxLine = 32 << 10

	// maxFieldLines is the most lines treated as a header section.
	maxFieldLines = 1000
)

// A side is the state of one direction of a conversation.
type side struct {
	c     *Conversation
	who   Side
	num   int // number of the current message, from 1; 0 if there are no messages
	phase phase

	piece []byte // incomplete line that is not shown yet
	from  int    // its offset in the head or content
	line  []byte // current line, as far as the parsers need it
	start int    // its offset
	shown int    // how many bytes of it are in pieces already
	off   int    // offset after the bytes being handled, in the head or content
	left  int64  // remaining bytes of the content or the current chunk

	lastText      []byte // last piece shown, below which a mark may have to be printed
	lastFrom      int    // its offset, in the content if lastInContent is set, else in the head
	lastInContent bool
	inContent     bool // offsets are those in the content
	faulty        bool // the content is malformed

	fields  int // field lines so far
	run     int // lines that were shown since the other side spoke
	message message
	content content
	within  bool // within a line of mail that does not begin with a dot
	mail    mail
}

type phase int

const (
	atStart phase = iota
	inFields
	inLength // content of a known length
	inChunkLine
	inChunkData
	afterChunkData // the CRLF after the data
	inTrailer
	untilClose
	opaque  // unknown bytes
	inLines // of a protocol other than HTTP
	inLiteral
	inDotted
)

func (s *side) inHead() bool { return s.phase == atStart || s.phase == inFields }

// begin enters a phase, at offset 0.
func (s *side) begin(p phase) {
	s.phase, s.off, s.fields, s.faulty = p, 0, 0, false
	s.line, s.shown = s.line[:0], 0
	s.inContent = !s.inHead()
	s.content = content{}
}

// beginBinary begins bytes that are not text. Their summary names the protocol.
func (s *side) beginBinary(protocol string) {
	s.begin(opaque)
	s.content.media = protocol
}

// answersIn returns the name of the protocol other than HTTP/1 in which an answer begins with
// first, or "".
func (s *side) answersIn(first byte) string {
	switch {
	case 0x14 <= first && first <= 0x17: // such as an alert, to a request that is not encrypted
		return "TLS"
	case s.c.http2 && first != 'H':
		return "HTTP/2"
	}
	return ""
}

// next begins the next message.
func (s *side) next() {
	s.flush()
	if s.who == Client {
		s.c.switches = s.message.switches
	}
	s.num++
	s.begin(atStart)
}

// take shows all of b.
func (s *side) take(b []byte) {
	if len(b) > 0 && s.c.protocol != http && s.phase == atStart {
		s.num = 0
		s.begin(inLines)
	}
	for len(b) > 0 && !s.c.holdEarly(s.who, b) {
		b = b[s.step(b):]
	}
}

// takeMessage shows the part of b that belongs to the current content, and returns the
// rest. If the content is malformed, it waits for the reaction of the server.
func (s *side) takeMessage(b []byte) []byte {
	for len(b) > 0 && !s.inHead() {
		b = b[s.step(b):]
		if s.faulty {
			s.faulty = false
			s.c.judge.waits = true
			s.c.judge.held = append(s.c.judge.held, b...)
			return nil
		}
	}
	return b
}

// step shows a part at the beginning of b and returns its length. The length is 0 if only the
// phase has changed, to one in which the next step takes more.
func (s *side) step(b []byte) (n int) {
	switch s.phase {
	case inLength, inChunkData, inLiteral:
		n = int(min(int64(len(b)), s.left))
		s.off += n
		s.data(b[:n])
		s.left -= int64(n)
	case untilClose, opaque:
		n = len(b)
		s.off += n
		s.data(b)
	case inLines:
		if len(s.line) == 0 && isTLS(b) {
			s.beginBinary("TLS")
			return 0
		}
		if len(s.line) == 0 && s.c.protocol == otherLines && s.c.p.opts.Lines >= 0 && !beginsWithLine(b) { // binary
			s.begin(opaque)
			return 0
		}
		fallthrough
	default:
		if s.phase == atStart && s.who == Server && len(s.line) == 0 {
			if protocol := s.answersIn(b[0]); protocol != "" {
				s.beginBinary(protocol)
				return 0
			}
		}
		if n = bytes.IndexByte(b, '\n') + 1; n == 0 {
			n = len(b)
		}
		s.off += n
		s.lineBytes(b[:n])
	}
	if s.left == 0 {
		switch s.phase {
		case inLength:
			s.next()
		case inChunkData:
			s.phase = afterChunkData
		case inLiteral:
			if s.content.isShortened() {
				s.flushContent()
			}
			s.begin(inLines)
		}
	}
	return n
}

// lineBytes handles bytes of a line, which may include its LF.
func (s *side) lineBytes(b []byte) {
	ended := b[len(b)-1] == '\n'
	if s.phase == inDotted {
		s.dottedLine(b, ended)
		return
	}
	if len(s.line) == 0 {
		s.start = s.off - len(b)
	}
	s.line = append(s.line, b[:min(len(b), maxPiece-len(s.line))]...) // no parser needs more
	switch s.phase {
	case inChunkLine:
		s.chunkLine(ended || len(s.line) == maxPiece)
		return
	case afterChunkData:
		s.chunkEnd(b, ended)
		return
	}
	if s.who == Server && s.phase == atStart && ended {
		s.c.statusLine(s.line) // before it is shown, since bytes of the client may have to precede it
	}
	if s.floods(b) && s.c.p.opts.Lines >= 0 {
		s.content.more += int64(len(b))
	} else {
		if s.inHead() && s.content.more > 0 {
			s.flushContent()
		}
		s.run += s.show(b, s.off-len(b))
	}
	if ended {
		if s.phase == inFields && s.content.more > 0 {
			s.flushContent()
		}
		line := bytes.TrimRight(s.line, "\r\n")
		s.line = s.line[:0]
		s.endLine(line)
	}
}

// floods reports whether b, of the current line, is counted and not shown: the line is too long,
// or too many lines came before it (in HTTP only empty ones are limited).
func (s *side) floods(b []byte) bool {
	switch s.phase {
	case inLines:
		return s.run >= maxRun
	case atStart:
		if s.run >= maxRun && len(bytes.Trim(b, "\r\n")) == 0 {
			return true
		}
	}
	return s.off-len(b)-s.start > maxLine
}

// endLine handles a whole line, without its end.
func (s *side) endLine(line []byte) {
	switch s.phase {
	case atStart:
		if len(line) > 0 { // empty lines before a request line are ignored (RFC 9112, section 2.2)
			s.startLine(line)
		}
	case inFields:
		if len(line) == 0 {
			s.endHead()
			return
		}
		if s.fields++; s.fields > maxFieldLines {
			s.begin(opaque)
			return
		}
		s.field(line)
	case inTrailer:
		if len(line) == 0 {
			s.next()
			return
		}
		if s.fields++; s.fields > maxFieldLines {
			s.begin(opaque)
		}
	case inLines:
		s.mailLine(line)
	}
}

// chunkLine parses the line before the data of a chunk, as far as it has arrived. ended says that
// no more of it will be parsed.
func (s *side) chunkLine(ended bool) {
	size, _, err := wire.ParseChunkLine(s.line)
	if err == wire.ErrIncomplete && !ended {
		return
	}
	if err != nil { // flush may have shown the beginning of the line already
		s.flushContent()
		s.fault(s.line[s.shown:], s.start+s.shown)
		return
	}
	text, off := s.line[s.shown:], s.start+s.shown
	if size == 0 { // the last chunk: its line is always shown, below the note on the content
		s.flushContent()
		s.show(text, off)
		s.line, s.shown = s.line[:0], 0
		s.fields, s.phase = 0, inTrailer
		return
	}
	if s.content.showsFraming(s.c.p.opts.Lines) {
		s.show(text, off)
	}
	s.content.chunks++
	s.line, s.shown = s.line[:0], 0
	s.left, s.phase = size, inChunkData
}

// chunkEnd handles the CRLF after the data of a chunk. It is shown after text, where it
// looks like the end of the line.
func (s *side) chunkEnd(b []byte, ended bool) {
	if !bytes.HasPrefix([]byte("\r\n"), s.line) { // also a bare LF, which no chunk has (RFC 9112, section 7.1)
		s.fault(b, s.off-len(b))
		return
	}
	if len(s.piece) > 0 || s.content.showsFraming(s.c.p.opts.Lines) {
		s.content.lines += s.show(b, s.off-len(b))
	}
	if ended {
		s.line, s.phase = s.line[:0], inChunkLine
	}
}

// fault shows b, a part of a malformed line, and treats the bytes after it as unknown.
func (s *side) fault(b []byte, off int) {
	s.show(b, off)
	s.line, s.shown = s.line[:0], 0
	s.faulty, s.phase, s.content = true, opaque, content{}
}

// show prints the pieces that b completes, and keeps the rest. It returns the number of
// pieces.
func (s *side) show(b []byte, off int) (printed int) {
	for len(b) > 0 {
		if len(s.piece) == 0 {
			s.from = off
		}
		n := bytes.IndexByte(b, '\n') + 1
		if n == 0 {
			n = len(b)
		}
		n = min(n, maxPiece-len(s.piece))
		s.piece = append(s.piece, b[:n]...)
		b, off = b[n:], off+n
		switch {
		case s.piece[len(s.piece)-1] == '\n':
			s.printPiece(len(s.piece))
			printed++
		case len(s.piece) == maxPiece:
			s.printPiece(breakAt(s.piece))
			printed++
		}
	}
	return printed
}

// printPiece prints n bytes of the incomplete piece.
func (s *side) printPiece(n int) {
	s.lastText = append(s.lastText[:0], s.piece[:n]...)
	s.lastFrom, s.lastInContent = s.from, s.inContent
	s.c.line(s.num, sideColors[s.who], arrows[s.who]+visible(s.piece[:n]))
	s.piece = append(s.piece[:0], s.piece[n:]...)
	s.from += n
}

// lastPiece returns the last piece shown, and its offset.
func (s *side) lastPiece() (text []byte, from int) { return s.lastText, s.lastFrom }

// flush prints incomplete lines, and a note on content that is not shown.
func (s *side) flush() {
	s.flushContent()
	if n := len(s.line); s.phase == inChunkLine && n > s.shown {
		s.show(s.line[s.shown:], s.start+s.shown)
		s.shown = n
		s.flushContent()
	}
}

// finish prints incomplete lines, which will not be completed.
func (s *side) finish() {
	if s.phase == inDotted {
		s.data(s.line)
		s.line = s.line[:0]
	}
	s.flush()
}

// flushContent prints the incomplete piece, and a note on content that is not shown.
func (s *side) flushContent() {
	s.run = 0
	s.printBegun()
	if note := s.content.summary(); note != "" {
		s.c.line(s.num, sideColors[s.who], mute[s.who]+note)
		s.showDecoded()
	}
}

// printBegun prints the incomplete piece, if there is one.
func (s *side) printBegun() {
	if n := len(s.piece); n > 0 {
		s.printPiece(n)
	}
}

// breakAt returns where to break a long line: not within a CRLF or a character, which would be
// escaped if they were cut.
func breakAt(b []byte) int {
	n := len(b)
	if b[n-1] == '\r' {
		return n - 1
	}
	for i := n - 1; i >= n-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return i
			}
			break
		}
	}
	return n
}

// isTLS reports whether b begins like a TLS record (RFC 8446, section 5.1).
func isTLS(b []byte) bool {
	return len(b) > 1 && 0x14 <= b[0] && b[0] <= 0x17 && b[1] == 3
}
