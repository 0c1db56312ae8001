package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"example.com/rawhttp/internal/jail"
	"example.com/rawhttp/internal/transcript"
)

const sendUsage = `usage: rawhttp send [flags] HOST:PORT [text...]

Sends exactly these bytes and shows both sides of the conversation. Nothing is
repaired: malformed is the point. Each text is a line, to which CRLF is added
unless it ends in a backslash; \r \n \t \x00 \\ are escapes. An empty text is an
empty line. Without text, standard input is sent as it is. A single text that
names a transcript file, as those in testdata/wire, is replayed: its client
lines, with >, are sent, and its server lines, with <, compared.

  -split      send byte by byte
  -lf         end lines in LF alone
  -wait TIME  for an answer, or for more of it (default 2s)
  -color WHEN auto, always or never

  rawhttp send localhost:8080 'GET /sample.txt HTTP/1.1' 'Host: localhost' ''

The exit status is 0 if the server answered, 1 if it did not, or differently
from the transcript, 2 for wrong usage.
`

// A sender is what the flags of send say.
type sender struct {
	addr    string
	split   bool
	end     string // of a line
	wait    time.Duration
	printer *transcript.Printer
}

// send is the command of that name.
func send(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := newFlags("send")
	split := flags.Bool("split", false, "")
	lf := flags.Bool("lf", false, "")
	wait := 2 * time.Second
	flags.Func("wait", "", func(s string) (err error) {
		if wait, err = time.ParseDuration(s); err != nil || wait <= 0 {
			return errors.New("want a time, as in 2s")
		}
		return nil
	})
	color := colorFlag(flags)
	texts, err := parseAnywhere(flags, args, true)
	switch {
	case errors.Is(err, flag.ErrHelp):
		io.WriteString(stdout, sendUsage)
		return 0
	case err == nil && len(texts) == 0:
		err = errors.New("want HOST:PORT of a server, as in localhost:8080")
	}
	var addr string
	if err == nil {
		addr, err = dialAddress(texts[0])
	}
	if err != nil {
		return misused(stderr, "send", err)
	}
	s := &sender{addr: addr, split: *split, end: "\r\n", wait: wait}
	if *lf {
		s.end = "\n"
	}
	s.printer = transcript.New(transcript.Options{Lines: 20, Mail: true, Color: color.on(stdout)},
		func(line string) { io.WriteString(stdout, line) })
	talks, replay, err := s.talks(texts[1:], stdin)
	if err != nil {
		return misused(stderr, "send", err)
	}
	status := 0
	for i, t := range talks {
		if err := s.hold(uint64(i+1), t, replay); err != nil {
			fmt.Fprintf(stderr, "rawhttp send: %v\n", err)
			status = 1
		}
	}
	return status
}

// talks returns what is to be sent, one connection each, and whether it is from a transcript.
func (s *sender) talks(texts []string, stdin io.Reader) (talks []talk, replay bool, err error) {
	if len(texts) == 1 {
		if b, err := os.ReadFile(texts[0]); err == nil {
			talks, err := parseReplay(b)
			if err != nil {
				return nil, false, fmt.Errorf("%s is no transcript: %w", texts[0], err)
			}
			return talks, true, nil
		}
	}
	var said []byte
	if len(texts) == 0 {
		if said, err = io.ReadAll(stdin); err != nil {
			return nil, false, err
		}
		if len(said) == 0 {
			return nil, false, errors.New("there is nothing to send: neither text nor standard input")
		}
	}
	for _, text := range texts {
		b, err := unescapeLine(text, s.end)
		if err != nil {
			return nil, false, err
		}
		said = append(said, b...)
	}
	return []talk{{turns: []turn{{client: said}}}}, false, nil
}

// A dialog is one connection to the server.
type dialog struct {
	*sender
	nc     net.Conn
	shown  *transcript.Conversation
	heard  chan []byte // what the server says; closed at its end
	reset  bool        // that end is a reset
	replay bool        // what it says is compared
	got    []byte      // what it said and nobody has compared yet; without replay, the last piece
	closed bool
}

// hold carries a talk on a connection of its own. The transcript that it may be from is
// compared.
func (s *sender) hold(id uint64, t talk, replay bool) error {
	nc, err := net.DialTimeout("tcp", s.addr, max(s.wait, 5*time.Second))
	if err != nil {
		return dialError(err)
	}
	defer nc.Close()
	d := &dialog{sender: s, nc: nc, heard: make(chan []byte), replay: replay}
	d.shown = s.printer.Open(id, nc.LocalAddr().String())
	defer d.shown.End()
	over := make(chan struct{})
	defer close(over)
	go d.listen(over)
	if !replay {
		return d.ask(t.turns[0].client)
	}
	for i, turn := range t.turns {
		if err := d.take(turn); err != nil {
			return fmt.Errorf("connection %d, turn %d: %w", id, i+1, err)
		}
	}
	if len(d.got) > 0 {
		return fmt.Errorf("connection %d: %w", id, wantNoMore(d.got))
	}
	return nil
}

// ask sends b and waits until no more is answered.
func (d *dialog) ask(b []byte) error {
	err := d.exchange(b, func() bool { return false })
	switch {
	case len(d.got) > 0:
		return nil // even if it did not want to hear all
	case err != nil:
		return err
	case d.closed:
		return errors.New("the server closed the connection without an answer")
	}
	return fmt.Errorf("no answer within %v", d.wait)
}

// take sends what the client of a turn says, and compares what the server answers.
func (d *dialog) take(t turn) error {
	var n int
	var more bool
	var diff error
	err := d.exchange(t.client, func() bool {
		n, more, diff = match(t.server, d.got)
		return diff != nil || !more && (!t.end || len(d.got) > n)
	})
	switch {
	case diff != nil:
		return diff
	case more:
		return fmt.Errorf("want %q, got no more", t.server[n:])
	case t.end && len(d.got) > n:
		return wantNoMore(d.got[n:])
	case t.end && !d.closed:
		return errors.New("the server does not close")
	case err != nil && !d.closed:
		return err
	}
	d.got = d.got[n:]
	return nil
}

// wantNoMore returns the error for what the server says too much.
func wantNoMore(got []byte) error {
	return fmt.Errorf("want no more, got %q", got[:min(len(got), 100)])
}

// exchange sends b, and takes what the server says until it closes, is silent for as long as
// -wait says, or enough is true once b is sent.
func (d *dialog) exchange(b []byte, enough func() bool) error {
	sent := make(chan error, 1)
	go func() { sent <- d.say(b) }()
	var failed error
	for sending := true; ; {
		if isEnough := enough(); isEnough && !sending || d.closed && !sending {
			return nil
		}
		var silence <-chan time.Time
		if !sending {
			silence = time.After(d.patience())
		}
		select {
		case failed = <-sent:
			sending = false
		case b, ok := <-d.heard:
			if !ok {
				how := "closes"
				if d.reset {
					how = "resets the connection"
				}
				d.shown.Closes(transcript.Server, how)
				d.heard, d.closed = nil, true
				continue
			}
			d.shown.Bytes(transcript.Server, b)
			if !d.replay {
				d.got = d.got[:0]
			}
			d.got = append(d.got, b...)
		case <-silence:
			return failed
		}
	}
}

// patience returns how long the server may be silent from now on. When each request has its
// response, what more may come comes at once.
func (d *dialog) patience() time.Duration {
	const soon = 100 * time.Millisecond
	if len(d.got) > 0 && d.shown.Rests() {
		return min(soon, d.wait)
	}
	return d.wait
}

// say sends b, and shows it.
func (d *dialog) say(b []byte) error {
	piece := 32 << 10
	if d.split {
		piece = 1
	}
	for len(b) > 0 {
		n := min(piece, len(b))
		d.shown.Bytes(transcript.Client, b[:n])
		d.nc.SetWriteDeadline(time.Now().Add(d.wait))
		if _, err := d.nc.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
		if d.split {
			time.Sleep(time.Millisecond) // else the system joins them
		}
	}
	return nil
}

// listen passes on what the server says until it ends the connection, or the dialog is over.
func (d *dialog) listen(over <-chan struct{}) {
	heard := d.heard
	defer close(heard)
	for {
		b := make([]byte, 32<<10)
		n, err := d.nc.Read(b)
		if n > 0 {
			select {
			case heard <- b[:n]:
			case <-over:
				return
			}
		}
		if err != nil {
			d.reset = jail.IsAny(err, jail.ClientErrors)
			return
		}
	}
}

// dialError returns the error of a dial without what its caller knows.
func dialError(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Addr != nil {
		return fmt.Errorf("%v: %s", op.Addr, strings.TrimPrefix(op.Err.Error(), "connect: "))
	}
	return err
}
