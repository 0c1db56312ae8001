package transcript

import (
	"bytes"
	"strconv"
	"strings"
)

// mail is what was said that decides what follows, in the protocols of mail.
type mail struct {
	data     bool // SMTP: the client has announced a message
	retrieve bool // POP3: it has asked for one
}

// mailLine takes a line of a protocol that is made of lines, and sees whether a message
// follows that is no line of it: after 354 (SMTP), after the answer to RETR and TOP (POP3),
// or one whose length the line ends with (IMAP).
func (s *side) mailLine(line []byte) {
	word, _, _ := bytes.Cut(line, []byte(" "))
	client, server := &s.c.sides[Client], &s.c.sides[Server]
	switch s.c.protocol {
	case smtp:
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

// literal returns the length of the string that follows the line: "{310}" or "{310+}" at its
// end (RFC 9051, section 4.3), else 0.
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

// dottedLine takes bytes of a message that a line with a lone dot ends.
func (s *side) dottedLine(b []byte, ended bool) {
	const end = ".\r\n"
	if !s.within && len(s.line)+len(b) <= len(end) {
		s.line = append(s.line, b...)
		if line := string(s.line); line == end || line == ".\n" {
			s.pause()
			s.show(s.line, 0)
			s.begin(inLines)
			return
		} else if strings.HasPrefix(end, line) {
			return
		}
		b = nil
	}
	s.data(s.line)
	s.data(b)
	s.line, s.within = s.line[:0], !ended
}
