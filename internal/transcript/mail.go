package transcript

import (
	"bytes"
	"strconv"
	"strings"
)

// A mail is the state of a mail protocol that determines what follows.
type mail struct {
	data     bool // SMTP: the client has sent DATA
	retrieve bool // POP3: the client has sent RETR or TOP
}

// mailLine handles a line of a mail protocol. It detects a message that follows: after 354
// in SMTP, after the response to RETR and TOP in POP3, and after a line that ends in a
// length in IMAP.
func (s *side) mailLine(line []byte) {
	word, _, _ := bytes.Cut(line, []byte(" "))
	client, server := &s.c.sides[Client], &s.c.sides[Server]
	switch s.c.protocol {
	case smtp: // DATA is the last command before its response, even with pipelining (RFC 2920, section 3.1)
		if s.who == Client {
			client.mail.data = strings.EqualFold(string(word), "DATA")
		} else if client.mail.data && string(word) == "354" {
			client.mail.data = false
			client.begin(inDotted)
		}
	case pop3:
		if s.who == Client {
			s.mail.retrieve = strings.EqualFold(string(word), "RETR") || strings.EqualFold(string(word), "TOP")
		} else if client.mail.retrieve {
			client.mail.retrieve = false
			if string(word) == "+OK" {
				server.begin(inDotted)
			}
		}
	case imap:
		if n := literal(line); n > 0 {
			s.begin(inLiteral)
			s.left = n
		}
	}
}

// literal returns the length of the literal announced by "{310}" or "{310+}" at the end of
// the line (RFC 9051, section 4.3), or 0.
func literal(line []byte) int64 {
	open := bytes.LastIndexByte(line, '{')
	if open < 0 || line[len(line)-1] != '}' {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(string(line[open+1:len(line)-1]), "+"), 10, 62)
	if err != nil {
		return 0
	}
	return int64(n)
}

// dottedLine handles bytes of a message that ends in a line with a single dot. Until it is clear
// whether a line is that one, s.line holds its bytes, at most two.
func (s *side) dottedLine(b []byte, ended bool) {
	const end = ".\r\n"
	if !s.within && len(s.line)+len(b) <= len(end) {
		s.line = append(s.line, b...)
		if line := string(s.line); line == end || line == ".\n" {
			s.flush()
			s.show(s.line, 0)
			s.begin(inLines)
			return
		} else if strings.HasPrefix(end, line) { // it may still become the last line
			return
		}
		b = nil
	}
	s.data(s.line)
	s.data(b)
	s.line, s.within = s.line[:0], !ended
}
