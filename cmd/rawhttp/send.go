package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"example.com/rawhttp/internal/jail"
	"example.com/rawhttp/internal/transcript"
)

const sendUsage = `usage: rawhttp send [flags] HOST:PORT [text...]

Sends exactly the given bytes, and shows both sides of the conversation. Nothing
is repaired: malformed requests are the point. Each text is a line, which gets a
CRLF unless it ends in a backslash; \r \n \t \x00 \\ are escapes. An empty text
is an empty line. Without text, standard input is sent as it arrives: exactly
what a pipe or a file has, or the lines that you type on a terminal, each with a
CRLF. ^D ends the input.

If the only text is the name of a transcript file, such as those in
testdata/wire, the file is replayed: its lines that begin with > are sent, and
the answers are compared with those that begin with <.

  -split      send byte by byte
  -lf         end lines with LF only
  -wait TIME  how long to wait for an answer, or for more of it (default 2s)
  -color WHEN use colors: auto, always or never

  rawhttp send localhost:8080 'GET /sample.txt HTTP/1.1' 'Host: localhost' ''

The exit status is 0 if the server answered; 1 if it did not, or if an answer
differs from the transcript; 2 for wrong usage.
`

// A sender sends to one server, as its flags say, until ctx ends.
type sender struct {
	ctx     context.Context
	addr    string
	split   bool
	end     string // of a line
	wait    time.Duration
	printer *transcript.Printer
}

// send is the command send. When ctx ends, it shows the bytes received so far, and ends.
func send(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
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
		err = errors.New("want the server as HOST:PORT, as in localhost:8080")
	}
	var addr string
	if err == nil {
		addr, err = dialAddress(texts)
	}
	if err != nil {
		return misused(stderr, "send", err)
	}
	s := &sender{ctx: ctx, addr: addr, split: *split, end: "\r\n", wait: wait}
	if *lf {
		s.end = "\n"
	}
	s.printer = transcript.New(transcript.Options{Lines: 20, Mail: true, Color: color.on(stdout)},
		func(line string) { io.WriteString(stdout, line) })
	return s.send(texts[1:], stdin, stderr)
}

// send sends the texts, standard input, or a transcript file, and returns the exit status.
func (s *sender) send(texts []string, stdin io.Reader, stderr io.Writer) int {
	replay, err := s.openReplay(texts)
	if err == nil && replay != nil {
		return s.replay(replay, stderr)
	}
	in := stdin
	if isTerminal(stdin) {
		in = &terminalLines{terminal: stdin, end: s.end}
	}
	if len(texts) > 0 && err == nil {
		in, err = s.lines(texts)
	}
	if err != nil {
		return misused(stderr, "send", err)
	}
	err = s.ask(in)
	switch {
	case err == errNoInput:
		return misused(stderr, "send", err)
	case err != nil:
		fmt.Fprintf(stderr, "rawhttp send: %v\n", err)
		return 1
	}
	return 0
}

var errNoInput = errors.New("there is nothing to send: neither text nor standard input")

// openReplay returns the transcript file that the texts name, or nil. Only a regular file is
// one: others may have no end.
func (s *sender) openReplay(texts []string) (*replay, error) {
	if len(texts) != 1 {
		return nil, nil
	}
	info, err := os.Stat(texts[0])
	if err != nil || !info.Mode().IsRegular() {
		if strings.HasSuffix(texts[0], ".txt") && !strings.Contains(texts[0], " ") {
			return nil, fmt.Errorf("there is no transcript %s (to send this text, use standard input)", texts[0])
		}
		return nil, nil
	}
	b, err := os.ReadFile(texts[0])
	if err != nil {
		return nil, err
	}
	r, err := parseReplay(b)
	if err != nil {
		return nil, fmt.Errorf("%s is not a transcript: %w (to send the file itself, use standard input)", texts[0], err)
	}
	return &r, nil
}

// lines returns the bytes of the texts.
func (s *sender) lines(texts []string) (io.Reader, error) {
	var all []byte
	for _, text := range texts {
		b, err := unescapeLine(text, s.end)
		if err != nil {
			return nil, err
		}
		all = append(all, b...)
	}
	return bytes.NewReader(all), nil
}

// terminalLines reads lines typed on a terminal, and replaces each line end with the one to send.
// Telnet and nc -C do this too: a terminal has no key for CRLF.
type terminalLines struct {
	terminal io.Reader
	end      string // CRLF, or LF for -lf
	rest     []byte // read from the terminal but not yet returned
}

func (t *terminalLines) Read(b []byte) (int, error) {
	if len(t.rest) == 0 {
		line := make([]byte, 4<<10) // the longest line of most terminals
		n, err := t.terminal.Read(line)
		if n == 0 {
			return 0, err
		}
		line = bytes.ReplaceAll(line[:n], []byte("\r\n"), []byte("\n")) // terminals of Windows
		t.rest = bytes.ReplaceAll(line, []byte("\n"), []byte(t.end))
	}
	n := copy(b, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}

// replay replays a transcript file, and returns the exit status.
func (s *sender) replay(r *replay, stderr io.Writer) (status int) {
	if len(r.setup) > 0 {
		fmt.Fprintf(stderr, "rawhttp send: the transcript was made with special settings of the server (%s), so answers may differ\n", strings.Join(r.setup, "; "))
	}
	for i, t := range r.talks {
		if err := s.talk(uint64(i+1), t); err != nil {
			fmt.Fprintf(stderr, "rawhttp send: connection %d: %v\n", i+1, err)
			status = 1
		}
		if s.ctx.Err() != nil {
			break
		}
	}
	return status
}

// A dialog is one connection to the server. Three goroutines use it: exchange, which owns the
// fields; say, which sends; and listen, which receives.
type dialog struct {
	*sender
	nc       net.Conn
	shown    *transcript.Conversation
	heard    chan []byte   // the bytes that the server sends; closed at the end
	over     chan struct{} // closed by hangUp
	reset    atomic.Bool   // the end is a reset, as a read or a write has noticed
	compare  bool          // the bytes from the server are compared
	got      []byte        // bytes from the server that are still to be compared
	answered bool          // the server has sent something in this turn
	closed   bool          // the server has ended the connection
}

// dial opens a connection to the server.
func (s *sender) dial(id uint64) (*dialog, error) {
	dialer := net.Dialer{Timeout: max(s.wait, 5*time.Second)}
	nc, err := dialer.DialContext(s.ctx, "tcp", s.addr)
	if err != nil {
		return nil, dialError(err)
	}
	d := &dialog{sender: s, nc: nc, heard: make(chan []byte), over: make(chan struct{})}
	d.shown = s.printer.Open(id, nc.LocalAddr().String())
	go d.listen()
	return d, nil
}

// hangUp closes the connection, and shows the rest of the conversation.
func (d *dialog) hangUp() {
	close(d.over)
	d.shown.End()
	d.nc.Close()
}

// ask sends all of in, and waits until the server has nothing more to send. It does not
// know how many responses to expect, so the silence of the server decides.
func (s *sender) ask(in io.Reader) error {
	d, err := s.dial(1)
	if err != nil {
		return err
	}
	defer d.hangUp()
	err = d.exchange(in, false, func() bool { return false })
	switch {
	case err == errNoInput:
		return err
	case d.answered:
		return nil // even if the server did not read all
	case err != nil:
		return err
	case d.reset.Load():
		return errors.New("the server reset the connection without an answer")
	case d.closed:
		return errors.New("the server closed the connection without an answer")
	case s.ctx.Err() != nil:
		return errors.New("stopped before an answer arrived")
	}
	if missing := d.shown.Missing(); missing != "" {
		return fmt.Errorf("no answer within %v; the request lacks %s", d.wait, missing)
	}
	return fmt.Errorf("no answer within %v", d.wait)
}

// talk replays a talk on a connection of its own.
func (s *sender) talk(id uint64, t talk) error {
	d, err := s.dial(id)
	if err != nil {
		return err
	}
	defer d.hangUp()
	d.compare = true
	for i, turn := range t {
		if err := d.take(turn); err != nil {
			return fmt.Errorf("turn %d: %w", i+1, err)
		}
	}
	if len(d.got) > 0 {
		return wantNoMore(d.got)
	}
	return nil
}

// take sends the client's bytes of a turn, and compares the answer.
func (d *dialog) take(t turn) error {
	d.answered = len(d.got) > 0
	want := t.server
	var diff error
	err := d.exchange(bytes.NewReader(t.client), t.closes, func() bool {
		var n int
		want, n, diff = match(want, d.got)
		d.got = d.got[n:]
		return diff != nil || len(want) == 0 && (!t.end && !t.silent || len(d.got) > 0)
	})
	switch {
	case diff != nil:
		return diff
	case len(want) > 0:
		return fmt.Errorf("want %q, got no more", want)
	case (t.end || t.silent) && len(d.got) > 0:
		return wantNoMore(d.got)
	case t.end && !d.closed:
		return errors.New("the server did not close the connection")
	case err != nil && err != errNoInput && !d.closed:
		return err
	case d.ctx.Err() != nil:
		return errors.New("stopped before the end of the transcript")
	}
	return nil
}

// wantNoMore returns the error for bytes that the server should not have sent.
func wantNoMore(got []byte) error {
	return fmt.Errorf("want no more, got %q", got[:min(len(got), 100)])
}

// exchange sends all of in, and closes this side if closes is set. Meanwhile it receives from the
// server. It returns when ctx ends. Once all of in has been sent, it also returns when enough
// returns true, and when the server has closed the connection or been silent for the time of -wait.
// Unless answers are compared, it returns as soon as the server closes, since in may have no end.
func (d *dialog) exchange(in io.Reader, closes bool, enough func() bool) error {
	sent := make(chan error, 1) // has room, since exchange may return before say
	go func() { sent <- d.say(in, closes) }()
	var failed error
	for sending := true; ; {
		isEnough := enough()
		if !sending && (isEnough || d.closed) || d.closed && !d.compare {
			return nil
		}
		var silence <-chan time.Time
		if !sending {
			silence = time.After(d.patience())
		}
		select {
		case failed = <-sent:
			sending = false
			if failed == errNoInput && !d.compare {
				return failed
			}
		case b, ok := <-d.heard:
			if !ok {
				if sending {
					select {
					case failed = <-sent: // the write, and not the read, may have failed with the reset
						sending = false
					case <-time.After(soon):
					}
				}
				d.ended()
				continue
			}
			d.shown.Bytes(transcript.Server, b)
			d.answered = true
			if d.compare { // otherwise it is not kept, since it may have no end
				d.got = append(d.got, b...)
			}
		case <-silence:
			return failed
		case <-d.ctx.Done():
			return failed
		}
	}
}

// ended shows how the server has ended the connection.
func (d *dialog) ended() {
	how := "closes"
	if d.reset.Load() {
		how = "resets the connection"
	}
	d.shown.Closes(transcript.Server, how)
	d.heard, d.closed = nil, true
}

// soon is long enough to notice an event that has already happened.
const soon = 100 * time.Millisecond

// patience returns how long to wait while the server is silent: not long if each request has its
// response.
func (d *dialog) patience() time.Duration {
	if d.answered && d.shown.IsIdle() {
		return min(soon, d.wait)
	}
	return d.wait
}

// say shows and sends all of in, as it arrives, and then closes this side if closes is set.
func (d *dialog) say(in io.Reader, closes bool) error {
	b := make([]byte, 32<<10)
	if d.split { // one byte for each read is one byte for each write
		b = b[:1]
	}
	for first := true; ; first = false {
		n, err := in.Read(b)
		if n > 0 {
			if err := d.write(b[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF && closes:
			return d.nc.(*net.TCPConn).CloseWrite()
		case err == io.EOF && first && n == 0:
			return errNoInput
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		if d.split {
			time.Sleep(time.Millisecond) // otherwise the system joins the bytes
		}
	}
}

// write shows and sends b.
func (d *dialog) write(b []byte) error {
	if d.reset.Load() { // a read has noticed it first; nothing may be shown after it
		return net.ErrClosed
	}
	d.shown.Bytes(transcript.Client, b)
	d.nc.SetWriteDeadline(time.Now().Add(d.wait))
	_, err := d.nc.Write(b)
	if jail.IsAny(err, jail.ClientErrors) {
		d.reset.Store(true)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("the server does not read: a write did not finish within %v", d.wait)
	}
	return err
}

// listen passes on what the server sends until the connection ends or the dialog is over.
func (d *dialog) listen() {
	heard := d.heard
	defer close(heard)
	for {
		b := make([]byte, 32<<10)
		n, err := d.nc.Read(b)
		if n > 0 {
			select {
			case heard <- b[:n]:
			case <-d.over:
				return
			}
		}
		if err != nil {
			if jail.IsAny(err, jail.ClientErrors) {
				d.reset.Store(true)
			}
			return
		}
	}
}

// dialError returns the error of dialing, without redundant words.
func dialError(err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return fmt.Errorf("%s: %s", dns.Name, dns.Err)
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Addr != nil {
		return fmt.Errorf("%v: %s", op.Addr, strings.TrimPrefix(strings.TrimPrefix(op.Err.Error(), "connect: "), "connectex: "))
	}
	return err
}
