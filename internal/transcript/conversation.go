package transcript

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"example.com/rawhttp/internal/wire"
)

// A Conversation shows the traffic of one connection. Its methods may be called
// concurrently, and do not retain byte slices. The mutex of the Printer guards all fields: lines
// of several conversations must not mix.
type Conversation struct {
	p      *Printer
	id     uint64
	sides  [2]side
	num    int           // message of the last line printed
	last   time.Time     // when something last happened
	paused time.Duration // a pause to note before the next line
	quiet  *time.Timer   // calls showBegun after a second of silence

	protocol protocol
	first    [2][]byte // bytes of each side while the protocol is unknown
	methods  []byte    // kinds of the requests that have no response yet; see kindOther
	judge    judge

	http2    bool   // the client has begun to speak HTTP/2
	switches bool   // the last request asks for another protocol, and has no response yet
	early    []byte // what the client sent after that request
}

type protocol int

const (
	unknown protocol = iota
	http
	smtp
	pop3
	imap
	otherLines
)

// Open begins a conversation. If from is not empty, it prints that the client connects.
func (p *Printer) Open(id uint64, from string) *Conversation {
	c := &Conversation{p: p, id: id}
	for i := range c.sides {
		c.sides[i] = side{c: c, who: Side(i), num: 1}
	}
	if !p.opts.Mail {
		c.protocol = http
	}
	c.quiet = time.AfterFunc(longPause, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		c.showBegun()
	})
	if from != "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.last != "" {
			p.print("\n")
		}
		c.last = time.Now()
		c.put(0, noteColor, ends[Client]+"connects from "+Escape(from))
	}
	return c
}

// Bytes shows bytes sent by one side, after any incomplete line of the other.
func (c *Conversation) Bytes(who Side, b []byte) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if c.serverReached() {
		c.settle()
	}
	c.tick()
	c.sides[who.Other()].flush() // in the order in which the sides spoke
	if c.protocol == unknown {
		c.first[who] = append(c.first[who], b...)
		if c.recognize(who, false); c.protocol == unknown {
			return
		}
		b, c.first[who] = c.first[who], nil
	}
	c.take(who, b)
}

// take shows bytes of one side, whose protocol is known.
func (c *Conversation) take(who Side, b []byte) {
	if who == Client && c.p.opts.Judge {
		c.showJudged(b)
		return
	}
	c.sides[who].take(b)
}

// Accepted reports that the server did not refuse the current request.
func (c *Conversation) Accepted() {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if c.serverReached() {
		c.settle()
	}
}

// Closes prints that one side closed the connection, and how, as in "closes (idle 75 s)".
func (c *Conversation) Closes(who Side, how string) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.settle()
	c.finish()
	c.put(0, noteColor, ends[who]+Escape(how))
	c.last = time.Now()
}

// Silence returns the time since something last happened.
func (c *Conversation) Silence() time.Duration {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	return time.Since(c.last)
}

// End prints the incomplete lines of both sides. It must be called when the connection has ended.
func (c *Conversation) End() {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.quiet.Stop()
	c.settle()
	c.finish()
}

// showBegun prints the incomplete lines of both sides, such as a prompt, since nothing more has
// come for a second. The beginning of the client's line is not shown while the protocol is
// unknown, so that the protocol of a slow client can still be recognized.
func (c *Conversation) showBegun() {
	if b := c.first[Server]; len(b) > 0 {
		c.recognize(Server, true)
		c.first[Server] = nil
		c.sides[Server].take(b)
	}
	for i := range c.sides {
		c.sides[i].printBegun()
	}
}

// finish prints what is held back and the incomplete lines of both sides, which will not be
// completed.
func (c *Conversation) finish() {
	c.releaseEarly()
	for i := range c.first {
		if b := c.first[i]; len(b) > 0 {
			c.recognize(Side(i), true)
			c.first[i] = nil
			c.sides[i].take(b)
		}
	}
	for i := range c.sides {
		c.sides[i].finish()
	}
}

// recognize determines the protocol from the first bytes of one side, if there are enough
// or if all is set, which means that no more will come. In HTTP the client speaks first; in
// mail protocols the greeting of the server identifies the protocol.
func (c *Conversation) recognize(who Side, all bool) {
	const enough = 256 // longer than a first line usually is
	said := c.first[who]
	text := said
	if who == Client {
		text = bytes.TrimLeft(said, "\r\n") // servers ignore an empty line there (RFC 9112, section 2.2)
	}
	line, _, whole := bytes.Cut(text, []byte("\n"))
	if other := who.Other(); len(c.first[other]) > 0 { // the other side spoke first
		c.protocol = otherLines
		if bytes.HasPrefix(said, []byte("HTTP/1.")) {
			c.protocol = http
		}
		c.sides[other].take(c.first[other])
		c.sides[other].flush()
		c.first[other] = nil
		return
	}
	if !whole && !all && len(said) < enough && !isTLS(said) {
		return
	}
	c.protocol = otherLines
	switch {
	case who == Client && bytes.Contains(line, []byte(" HTTP/")), bytes.HasPrefix(line, []byte("HTTP/1.")):
		c.protocol = http
	case who == Client:
	case bytes.HasPrefix(line, []byte("220")): // RFC 5321, section 4.3.1; FTP begins in the same way, and is shown as well
		c.protocol = smtp
	case bytes.HasPrefix(line, []byte("+OK")): // RFC 1939, section 4
		c.protocol = pop3
	case bytes.HasPrefix(line, []byte("* ")): // RFC 9051, section 7.1
		c.protocol = imap
	}
}

// A judge predicts which line of a head the server will refuse, so that the bytes after the
// line can be shown after the server's reason.
type judge struct {
	parser  wire.Parser
	parsed  wire.Head
	head    []byte // of the current request, as far as received
	begun   bool
	lenient bool   // the server accepts what the strict parser rejects
	held    []byte // bytes after the line expected to be refused
	waits   bool   // waiting for the server to refuse that line
	num     int    // number of the request being judged
}

// lenientLimits are limits that no server exceeds, since those of this one are not known here.
var lenientLimits = wire.Limits{Head: 1 << 20, Line: 1 << 20, Fields: 1 << 16, Lenient: true}

// check parses more of the head of a request, which continues with b. It returns how many
// bytes of b to show before the server responds.
func (j *judge) check(b []byte) int {
	if !j.begun {
		j.begun, j.head, j.parsed = true, j.head[:0], wire.Head{}
		limits := wire.DefaultLimits
		if j.lenient {
			limits = lenientLimits
		}
		j.parser.Begin(&j.parsed, limits)
	}
	before := len(j.head)
	j.head = append(j.head, b...)
	n, err := j.parser.Parse(j.head)
	if err == nil {
		j.begun = false
		j.head = j.head[:n]
		return n - before
	}
	refused, ok := err.(*wire.Error)
	if !ok { // incomplete, so the server waits, too
		return len(b)
	}
	// The line with the offset is shown whole; the server's reason will be below it.
	j.waits = true
	end := min(refused.Offset, len(j.head))
	if end != j.parsed.Size || end == 0 { // otherwise something is missing at the end of the head
		if i := bytes.IndexByte(j.head[end:], '\n'); i >= 0 {
			end += i + 1
		} else {
			end = len(j.head)
		}
	}
	end = max(end, before) // what was before b is shown already
	j.head = j.head[:end]
	return end - before
}

// showJudged shows bytes sent by the client to this server.
func (c *Conversation) showJudged(b []byte) {
	client := &c.sides[Client]
	for len(b) > 0 {
		if c.holdEarly(Client, b) {
			return
		}
		if c.judge.waits {
			c.judge.held = append(c.judge.held, b...)
			return
		}
		if client.phase != atStart && client.phase != inFields { // content: the judge knows heads only
			b = client.takeMessage(b)
			continue
		}
		c.judge.num = client.num
		n := c.judge.check(b)
		client.take(b[:n])
		b = b[n:]
	}
}

// serverReached reports whether the server has reached the current request, rather than an
// earlier one that arrived in the same piece. If too much is held back, it gives up and reports
// true.
func (c *Conversation) serverReached() bool {
	const maxHeld = 64 << 10 // bytes
	return c.sides[Server].num >= c.judge.num || len(c.judge.held) > maxHeld
}

// settle shows the bytes held back, after it has turned out that the server did not refuse the
// bytes before them.
func (c *Conversation) settle() {
	j := &c.judge
	if !j.waits {
		return
	}
	held := j.held
	j.waits, j.held = false, nil
	if client := &c.sides[Client]; client.inHead() && !j.lenient {
		j.lenient, j.begun = true, false
		j.check(bytes.Clone(j.head)) // cloned, since check uses the memory of head
		j.waits = false              // the bytes of head are shown already
	} else {
		client.phase = opaque // the server reads it differently, so what follows is unknown
	}
	c.showJudged(held)
}

// Refused prints why the server refused the current request, below the byte at offset off
// of its head or content. If off is negative, the reason has no place.
func (c *Conversation) Refused(off int, inContent bool, why string) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.tick()
	if !inContent && off > len(c.judge.head) {
		c.settle() // the server is lenient: it read on after the line
	}
	client := &c.sides[Client]
	why = Escape(why)
	client.flush()
	num := c.sides[Server].num
	client.num = num
	switch line, from := client.lastPiece(); {
	case off < 0 || inContent != client.lastInContent:
		c.line(num, faultColor, mute[Client]+"("+why+")")
	case from <= off && off <= from+len(line):
		c.caret(num, line, off-from, why)
	default:
		quoted, at := lineAt(c.judge.head, off)
		if inContent || quoted == nil {
			c.line(num, faultColor, mute[Client]+"("+why+")")
			break
		}
		c.caret(num, quoted, at, why)
	}
	held := append(c.judge.held, c.early...)
	c.judge.waits, c.judge.held, c.judge.begun = false, nil, false
	c.switches, c.early = false, nil
	client.begin(opaque)
	client.take(held)
}

// caret prints a mark below the byte at offset off of line, and line before it unless the line
// directly above already shows it in the same form.
func (c *Conversation) caret(num int, line []byte, off int, why string) {
	const width = 60 // leaves room for the label on a terminal with 80 columns
	shown, column := pointInto(line, off, width)
	isAbove := c.p.last == c.label(num)+arrows[Client]+shown
	if !isAbove || c.paused > 0 { // a note on the pause would be between them
		c.line(num, faultColor, indent+shown)
	}
	c.line(num, faultColor, fmt.Sprintf("%s%*s^ %s", indent, column, "", why))
}

// lineAt returns the line of b that contains the byte at off, and the offset within the
// line.
func lineAt(b []byte, off int) (line []byte, at int) {
	if off > len(b) {
		return nil, 0
	}
	start := bytes.LastIndexByte(b[:off], '\n') + 1
	line = b[start:]
	if end := bytes.IndexByte(line, '\n'); end >= 0 {
		line = line[:end+1]
	}
	return line, off - start
}

// Mark returns the line of head that has the byte at off, as it is shown, and a line with a
// mark below that byte. The offset may be the length of head. Of a line that is too long for a
// terminal, the part around the byte is returned.
func Mark(head []byte, off int) (line, mark string) {
	quoted, at := lineAt(head, min(off, len(head)))
	if len(quoted) == 0 && at == 0 { // something is missing at the end
		quoted, _ = lineAt(head, max(0, len(head)-1))
		at = len(quoted)
	}
	const width = 72
	line, column := pointInto(quoted, at, width)
	return line, strings.Repeat(" ", column) + "^"
}

// Missing returns what the client's last request lacks, such as "the empty line at the end of its
// head", or "" if it is complete or the protocol is not HTTP.
func (c *Conversation) Missing() string {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	client := &c.sides[Client]
	switch {
	case c.protocol != http:
		return ""
	case client.phase == inFields, client.phase == atStart && len(client.line) > 0:
		return "the empty line at the end of its head"
	case client.phase == inLength:
		return fmt.Sprintf("%d bytes of its content", client.left)
	case client.phase == inChunkLine, client.phase == inChunkData, client.phase == afterChunkData, client.phase == inTrailer:
		return "the end of its chunked content"
	}
	return ""
}

// IsIdle reports whether neither side is within a message, and each request has its response.
func (c *Conversation) IsIdle() bool {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	client, server := &c.sides[Client], &c.sides[Server]
	return c.protocol == http && client.phase == atStart && len(client.piece) == 0 && server.phase == atStart && server.num == client.num
}
