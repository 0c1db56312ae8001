package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/transcript"
)

// A logger writes warnings and errors, a line each.
type logger struct{ w io.Writer }

func (logger) Debug(string, ...any)            {}
func (logger) Info(string, ...any)             {}
func (l logger) Warn(msg string, args ...any)  { l.line("warning", msg, args) }
func (l logger) Error(msg string, args ...any) { l.line("error", msg, args) }

func (l logger) line(level, msg string, args []any) {
	var b strings.Builder
	b.WriteString(strings.TrimPrefix(msg, "rawhttp: "))
	for i := 0; i+1 < len(args); i += 2 {
		fmt.Fprintf(&b, " %v=%q", args[i], fmt.Sprint(args[i+1]))
	}
	fmt.Fprintf(l.w, "rawhttp: %s: %s\n", level, b.String())
}

// refusals returns a Trace that writes why a request is refused, and its line with a mark
// below the byte.
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

// reason returns why a request is refused, with the rule if there is one.
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

// hostRefusals returns a Trace that writes which flag admits a host that is refused, once for
// each of the first few.
func hostRefusals(w io.Writer) rawhttp.Trace {
	const most = 8
	var mu sync.Mutex
	told := make(map[string]bool)
	return rawhttp.Trace{Refused: func(r rawhttp.Refusal) {
		if r.Status != 421 {
			return
		}
		req, _, err := rawhttp.ParseRequest(r.Head)
		if err != nil {
			return
		}
		host := hostname(req.Host())
		mu.Lock()
		defer mu.Unlock()
		if told[host] || len(told) == most {
			return
		}
		told[host] = true
		if host == "" {
			io.WriteString(w, "rawhttp: a request without a host, as HTTP/1.0 allows, was refused; -host '*' admits any\n")
			return
		}
		fmt.Fprintf(w, "rawhttp: a request for the host %q was refused; -host %s admits it, -host '*' any\n", host, shellWord(host))
	}}
}

// shellWord returns s if a shell takes it as it is, else a place to put it.
func shellWord(s string) string {
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '_') {
			return "NAME"
		}
	}
	if s == "" || s[0] == '-' {
		return "NAME"
	}
	return s
}
