package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/jail"
	"example.com/rawhttp/internal/transcript"
)

// A logger writes each warning and error as one line. Of the messages at the debug level, it
// writes those about mistakes that only the owner of the folder can correct: a missing permission,
// and a link that leads out.
type logger struct {
	w        io.Writer
	warnings firstOnes // the warnings that once has written
}

func (l *logger) Debug(msg string, args ...any) {
	for _, arg := range args {
		err, _ := arg.(error)
		var pe *fs.PathError
		isPath := errors.As(err, &pe)
		switch {
		case isPath && jail.IsEscape(err):
			l.once(fmt.Sprintf("%q is not served: a link leads out of the folder", pe.Path))
		case isPath && errors.Is(err, fs.ErrPermission): // Op is a system call, which says nothing to a user
			l.once(fmt.Sprintf("%q is not served: %v", pe.Path, pe.Err))
		case errors.Is(err, fs.ErrPermission):
			l.once(fmt.Sprintf("request failed err=%q", err.Error()))
		}
	}
}

// once writes a warning, unless it was written before. It writes only the first few: a client
// that asks for many names must not fill the terminal or a disk.
func (l *logger) once(warning string) {
	const most = 100
	n := l.warnings.add(warning, most)
	if n == 0 {
		return
	}
	if n == most {
		warning += "; more names will not be reported"
	}
	fmt.Fprintf(l.w, "rawhttp: warning: %s\n", warning)
}

// A firstOnes holds the first few different texts that clients have caused.
type firstOnes struct {
	mu    sync.Mutex
	texts map[string]bool
}

// add adds a text and returns its number, from 1. It returns 0 if the text was added before, or if
// there are already most texts.
func (f *firstOnes) add(text string, most int) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.texts[text] || len(f.texts) == most {
		return 0
	}
	if f.texts == nil {
		f.texts = make(map[string]bool)
	}
	f.texts[text] = true
	return len(f.texts)
}

func (*logger) Info(string, ...any)             {}
func (l *logger) Warn(msg string, args ...any)  { l.line("warning", msg, args) }
func (l *logger) Error(msg string, args ...any) { l.line("error", msg, args) }

// line writes one line: values are quoted, since clients determine some of them.
func (l *logger) line(level, msg string, args []any) {
	var b strings.Builder
	b.WriteString(strings.TrimPrefix(msg, "rawhttp: "))
	for i := 0; i+1 < len(args); i += 2 {
		fmt.Fprintf(&b, " %v=%q", args[i], fmt.Sprint(args[i+1]))
	}
	fmt.Fprintf(l.w, "rawhttp: %s: %s\n", level, b.String())
}

// secureClients returns a Trace that writes a message when a client speaks TLS for the first
// time, since browsers do not say what is wrong.
func secureClients(w io.Writer) rawhttp.Trace {
	var once sync.Once
	return rawhttp.Trace{Refused: func(r rawhttp.Refusal) {
		if bytes.HasPrefix(r.Head, []byte{22, 3}) { // a handshake record (RFC 8446, section 5.1)
			once.Do(func() {
				io.WriteString(w, "rawhttp: a client speaks TLS; the address begins with http://, not https://\n")
			})
		}
	}}
}

// refusals returns a Trace that writes why a request is refused, and the line of the refused
// byte with a mark below it.
func refusals(w io.Writer) rawhttp.Trace {
	return rawhttp.Trace{Refused: func(r rawhttp.Refusal) {
		text := fmt.Sprintf("rawhttp: warning: request refused: %s: %d\n", reason(r.Err), r.Status)
		var pe *rawhttp.ParseError
		if errors.As(r.Err, &pe) && r.Head != nil {
			line, mark := transcript.Mark(r.Head, pe.Offset)
			text += "    " + line + "\n    " + mark + "\n"
		}
		io.WriteString(w, text)
	}}
}

// reason returns why a request is refused, with the rule of the protocol if there is one.
func reason(err error) string {
	var pe *rawhttp.ParseError
	if errors.As(err, &pe) {
		return fmt.Sprintf("%s (%s)", pe.Reason, pe.Section)
	}
	var se *rawhttp.StatusError
	if errors.As(err, &se) && se.Err != nil {
		err = se.Err
	}
	return strings.TrimPrefix(err.Error(), "rawhttp: ")
}
