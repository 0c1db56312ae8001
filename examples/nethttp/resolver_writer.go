package nethttp

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/rawhttp"
)

// maxUndecided is how much a handler may write before the response begins, as in net/http: a
// shorter response has a Content-Length.
const maxUndecided = 2048

// A responseWriter is what a handler writes to. Its fields belong to the goroutine of the
// handler until one of the channels is closed:
//
//	decided   the head; the goroutine of the connection makes a Response of it
//	attached  out; the handler writes to it
//	closed    nothing; the response was dropped, and writes fail
//	done      all; the handler has returned
type responseWriter struct {
	isHead bool
	req    *rawhttp.Request
	cancel context.CancelFunc

	header   http.Header // the handler's
	sent     http.Header // what it was when the head was decided; nil: not decided
	status   int
	declared int64  // the length that the handler has set, -1 if none
	written  int64  // bytes of content
	buf      []byte // of the content, not passed on yet

	passing   bool // out is set, and the handler may write to it
	overflown bool // content of a HEAD is longer than buf
	broken    bool // a write has failed
	hijacked  *hijackedConn

	decided, attached, closed, done chan struct{}

	out    io.Writer
	failed *panicError
}

func newResponseWriter(req *rawhttp.Request, cancel context.CancelFunc) *responseWriter {
	return &responseWriter{
		isHead:   req.Method() == "HEAD",
		req:      req,
		cancel:   cancel,
		header:   make(http.Header),
		declared: -1,
		decided:  make(chan struct{}),
		attached: make(chan struct{}),
		closed:   make(chan struct{}),
		done:     make(chan struct{}),
	}
}

// Header implements http.ResponseWriter.
func (w *responseWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter. It keeps the fields as they are.
func (w *responseWriter) WriteHeader(status int) {
	switch {
	case status < 100 || status > 999:
		panic("nethttp: invalid WriteHeader code " + strconv.Itoa(status))
	case w.sent != nil || w.hijacked != nil:
		return
	case status < 200 && status != http.StatusSwitchingProtocols:
		w.inform(status)
		return
	}
	w.status, w.sent = status, w.header.Clone()
	if n, err := strconv.ParseInt(w.sent.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		w.declared = n
	}
}

// bodyAllowed reports whether the status allows content.
func (w *responseWriter) bodyAllowed() bool {
	return w.status >= 200 && w.status != http.StatusNoContent && w.status != http.StatusNotModified
}

// hasContent reports whether content is sent.
func (w *responseWriter) hasContent() bool { return !w.isHead && w.bodyAllowed() }

// WriteString implements io.StringWriter.
func (w *responseWriter) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// Write implements http.ResponseWriter.
func (w *responseWriter) Write(p []byte) (n int, err error) {
	if w.hijacked != nil {
		return 0, http.ErrHijacked
	}
	w.WriteHeader(http.StatusOK)
	switch {
	case !w.bodyAllowed():
		return 0, http.ErrBodyNotAllowed
	case w.declared >= 0 && w.written+int64(len(p)) > w.declared:
		return 0, http.ErrContentLength
	}
	w.written += int64(len(p))
	for n < len(p) {
		if w.passing && len(w.buf) == 0 && len(p)-n >= maxUndecided {
			m, err := w.out.Write(p[n:])
			w.broken = w.broken || err != nil
			return n + m, err
		}
		if free := maxUndecided - len(w.buf); free > 0 {
			part := p[n:min(len(p), n+free)]
			w.buf = append(w.buf, part...)
			n += len(part)
			continue
		}
		if w.isHead {
			w.overflown = true
			return len(p), nil
		}
		if err := w.pass(); err != nil {
			return n, err
		}
	}
	return n, nil
}

// FlushError sends the content written so far, and the head if it has not been sent.
func (w *responseWriter) FlushError() error {
	if w.hijacked != nil {
		return http.ErrHijacked
	}
	w.WriteHeader(http.StatusOK)
	if !w.hasContent() {
		w.decide()
		return nil
	}
	return w.pass()
}

// Flush implements http.Flusher.
func (w *responseWriter) Flush() { w.FlushError() }

// finish passes on the remaining content when the handler returns. If none was passed on
// before, all of it becomes the content of one response.
func (w *responseWriter) finish() {
	select {
	case <-w.decided:
		if w.hasContent() && w.hijacked == nil {
			w.pass()
		}
	default:
	}
}

// decide makes the head final.
func (w *responseWriter) decide() {
	select {
	case <-w.decided:
	default:
		close(w.decided)
	}
}

// pass passes on the content written so far. It waits for the server to ask for the content.
func (w *responseWriter) pass() error {
	w.decide()
	select {
	case <-w.attached:
		w.passing = true
	case <-w.closed:
		w.broken = true
		return errDropped
	}
	if len(w.buf) == 0 {
		return nil
	}
	_, err := w.out.Write(w.buf)
	w.buf = w.buf[:0]
	w.broken = w.broken || err != nil
	return err
}

// inform sends a response of status 1xx with the fields set so far. A handler cannot learn that it
// fails. 100 is left to the server, which sends it when the content is first read.
func (w *responseWriter) inform(status int) {
	if status == http.StatusContinue {
		return
	}
	var fields []string
	for name, values := range sortedFields(w.header) {
		if isServers(name) || name == "Connection" || strings.HasPrefix(name, http.TrailerPrefix) {
			continue
		}
		for _, value := range values {
			fields = append(fields, name, cleanValue(value))
		}
	}
	w.req.Inform(status, fields...)
}

// setHead sets the fields of the response, and its length if the handler has set it.
func (w *responseWriter) setHead(resp *rawhttp.Response) *rawhttp.Response {
	if _, ok := w.sent["Content-Type"]; !ok && w.bodyAllowed() && w.sent.Get("Content-Encoding") == "" && len(w.buf) > 0 {
		resp.Set("Content-Type", http.DetectContentType(w.buf))
	}
	for name, values := range sortedFields(w.sent) {
		switch {
		case isServers(name), strings.HasPrefix(name, http.TrailerPrefix):
		case name == "Connection":
			if slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, "close") }) {
				resp.CloseAfter()
			}
		case name == "Content-Type" && len(values) > 0:
			resp.Set(name, cleanValue(values[0]))
		default:
			for _, value := range values {
				resp.Add(name, cleanValue(value))
			}
		}
	}
	if w.declared >= 0 && w.bodyAllowed() {
		resp.SetLength(w.declared)
	}
	return resp
}

// setTrailers adds the trailer fields that are announced when the head is decided.
func (w *responseWriter) setTrailers(resp *rawhttp.Response) *rawhttp.Response {
	for _, name := range w.trailerNames() {
		resp.SetTrailer(name, func() string {
			values := append(w.header[name], w.header[http.TrailerPrefix+name]...)
			return cleanValue(strings.Join(values, ", "))
		})
	}
	return resp
}

// trailerNames returns the names of the trailer fields, including those set with
// http.TrailerPrefix. It leaves out the names that are not allowed, as net/http does.
func (w *responseWriter) trailerNames() (names []string) {
	add := func(name string) {
		name = http.CanonicalHeaderKey(strings.TrimSpace(name))
		probe := rawhttp.Empty(200).SetTrailer(name, func() string { return "" })
		if probe.Err() == nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, list := range w.sent["Trailer"] {
		for name := range strings.SplitSeq(list, ",") {
			add(name)
		}
	}
	for name := range sortedFields(w.sent) {
		if name, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			add(name)
		}
	}
	return names
}

// SetReadDeadline accepts only the zero time, which is no limit: the server limits how long
// a client may make no progress, and a program cannot change that.
func (w *responseWriter) SetReadDeadline(t time.Time) error { return onlyZero(t) }

// SetWriteDeadline accepts only the zero time, as SetReadDeadline does.
func (w *responseWriter) SetWriteDeadline(t time.Time) error { return onlyZero(t) }

// EnableFullDuplex does nothing: content may always be read while the response is written.
func (w *responseWriter) EnableFullDuplex() error { return nil }

func onlyZero(t time.Time) error {
	if t.IsZero() {
		return nil
	}
	return http.ErrNotSupported
}
