package rawhttp

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// A Trace is told what happens on connections. Hooks that are nil cost nothing.
// Hooks are called on the goroutine of the connection, which waits for them;
// those of different connections are called concurrently. BytesRead may be called on
// another goroutine that reads a Body, at the same time as others. Byte slices are valid until the hook returns and must not be changed. A hook
// that panics ends its connection; one that panics on a goroutine of the program's own,
// which reads a Body, ends what a panic there ends.
type Trace struct {
	// ConnOpen is called when a connection is taken over, ConnClose when it has
	// been closed, with what went wrong or nil.
	ConnOpen  func(conn uint64, c net.Conn)
	ConnClose func(conn uint64, err error)

	// ConnState is called when a connection enters a phase.
	ConnState func(conn uint64, s ConnState)

	// BytesRead and BytesWritten get the bytes exactly as on the wire: those of
	// the request req, counted from 1; bytes of pipelined requests that came in
	// one read count as the first one's. BytesWritten turns sendfile off.
	BytesRead, BytesWritten func(conn, req uint64, b []byte)

	// Exchange is called once a response, when it has been written or has failed.
	Exchange func(Exchange)
}

// An Exchange is a request and what became of it.
type Exchange struct {
	Conn        uint64        // number of the connection, from 1
	Num         uint64        // number of the request on it, from 1
	Client      string        // address of the client, as ConnInfo.Client has it; "" if unknown
	Request     *Request      // nil if the head was refused; valid until the hook returns
	RequestLine string        // as received, also of a head that was refused; "" if it could not be parsed
	Status      int           // of the response
	Bytes       int64         // of content, before chunking
	Start       time.Time     // when the head was begun to be read
	Duration    time.Duration // from there to the end of the response
	Err         error         // why the response was cut, nil if it is whole
}

// A ConnState is the phase that a connection is in.
type ConnState uint32

// The phases, in the order in which a connection goes through them.
const (
	StateIdle    ConnState = iota // waits for the first byte of a request
	StateHead                     // reads a head
	StateResolve                  // waits for the resolver
	StateWrite                    // writes the response
	StateDrain                    // reads what the resolver left of the content
	StateLinger                   // has said its last, and reads until the client has closed
	StateClosed                   // is closed
)

// String gives the name of the phase, as in "idle".
func (s ConnState) String() string {
	names := [...]string{"idle", "head", "resolve", "write", "drain", "linger", "closed"}
	if s < ConnState(len(names)) {
		return names[s]
	}
	return "ConnState(" + strconv.FormatUint(uint64(s), 10) + ")"
}

// tracer calls the hooks of all traces.
type tracer struct {
	list      []Trace
	bytes     bool // some hook wants the bytes written
	exchanges bool // some hook wants the exchanges
}

func (t *tracer) add(tr Trace) {
	t.list = append(t.list, tr)
	t.bytes = t.bytes || tr.BytesWritten != nil
	t.exchanges = t.exchanges || tr.Exchange != nil
}

func (t *tracer) connOpen(conn uint64, nc net.Conn) {
	for _, tr := range t.list {
		if tr.ConnOpen != nil {
			tr.ConnOpen(conn, nc)
		}
	}
}

func (t *tracer) connClose(conn uint64, err error) {
	for _, tr := range t.list {
		if tr.ConnClose != nil {
			tr.ConnClose(conn, err)
		}
	}
}

func (t *tracer) connState(conn uint64, s ConnState) {
	for _, tr := range t.list {
		if tr.ConnState != nil {
			tr.ConnState(conn, s)
		}
	}
}

func (t *tracer) bytesRead(conn, req uint64, b []byte) {
	for _, tr := range t.list {
		if tr.BytesRead != nil {
			tr.BytesRead(conn, req, b)
		}
	}
}

func (t *tracer) bytesWritten(conn, req uint64, b []byte) {
	for _, tr := range t.list {
		if tr.BytesWritten != nil {
			tr.BytesWritten(conn, req, b)
		}
	}
}

// Transcript gives a Trace that writes the conversations to w as a person reads
// them: a line for each line on the wire, with the numbers of connection and
// request, who speaks, and what ends the line.
//
//	#3.1 C --> GET /sample.txt HTTP/1.1<CRLF>
//	#3.1 S <-- HTTP/1.1 200 OK<CRLF>
//
// Other control bytes, and bytes that are not UTF-8, are shown as \x00. A line of
// more than 1024 bytes is broken. Each line is one Write; they are never
// concurrent, and their errors are ignored.
func Transcript(w io.Writer) Trace {
	t := &transcript{w: w, open: make(map[uint64]*[2]partialLine)}
	return Trace{
		BytesRead:    func(conn, req uint64, b []byte) { t.bytes(conn, req, 0, b) },
		BytesWritten: func(conn, req uint64, b []byte) { t.bytes(conn, req, 1, b) },
		ConnClose:    t.close,
	}
}

const maxTranscriptLine = 1024

type transcript struct {
	mu   sync.Mutex
	w    io.Writer
	open map[uint64]*[2]partialLine // of each connection, what client and server have begun to say
}

type partialLine struct {
	req uint64
	b   []byte
}

var speakers = [2]string{"C -->", "S <--"}

func (t *transcript) bytes(conn, req uint64, who int, b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := t.open[conn]
	if lines == nil {
		lines = new([2]partialLine)
		t.open[conn] = lines
	}
	for i := range lines { // what was said of requests before comes first
		if lines[i].req < req {
			t.flush(conn, i, &lines[i], len(lines[i].b))
			lines[i].req = req
		}
	}
	line := &lines[who]
	for len(b) > 0 {
		n := bytes.IndexByte(b, '\n') + 1
		if n == 0 {
			n = len(b)
		}
		n = min(n, maxTranscriptLine-len(line.b))
		line.b = append(line.b, b[:n]...)
		b = b[n:]
		switch {
		case line.b[len(line.b)-1] == '\n':
			t.flush(conn, who, line, len(line.b))
		case len(line.b) == maxTranscriptLine:
			t.flush(conn, who, line, breakAt(line.b))
		}
	}
}

// breakAt gives where to break a long line: not within a CRLF, nor a character.
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

func (t *transcript) close(conn uint64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if lines := t.open[conn]; lines != nil {
		for who := range lines {
			t.flush(conn, who, &lines[who], len(lines[who].b))
		}
		delete(t.open, conn)
	}
}

// flush writes n bytes of the line that is begun.
func (t *transcript) flush(conn uint64, who int, line *partialLine, n int) {
	if n == 0 {
		return
	}
	text, end := string(line.b[:n]), ""
	switch {
	case strings.HasSuffix(text, "\r\n"):
		text, end = text[:len(text)-2], "<CRLF>"
	case strings.HasSuffix(text, "\n"):
		text, end = text[:len(text)-1], "<LF>"
	}
	fmt.Fprintf(t.w, "#%d.%d %s %s%s\n", conn, line.req, speakers[who], escapeControls(text), end)
	line.b = append(line.b[:0], line.b[n:]...)
}

// escapeControls makes text safe for a terminal or a log: control characters, those that
// cannot be seen, those that change the direction of text, and line separators are shown
// as escapes.
func escapeControls(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1, r < ' ', r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r > 0xffff && !strconv.IsPrint(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		case !strconv.IsPrint(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// isBidiControl reports whether r changes the direction of the text after it.
func isBidiControl(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// AccessLog gives a Trace that writes one line a response to w, in the Combined
// Log Format:
//
//	127.0.0.1 - - [22/Nov/2026:13:03:20 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl/8.5.0"
//
// A request whose head was refused is shown too, as "-" if not even its request line could
// be parsed. What a client sent is escaped. The line comes when the response has been written, so the client may
// have it before. Each line is one Write; they are never concurrent, and their
// errors are ignored.
func AccessLog(w io.Writer) Trace {
	var mu sync.Mutex
	var line []byte
	return Trace{Exchange: func(x Exchange) {
		mu.Lock()
		defer mu.Unlock()
		line = appendAccess(line[:0], x)
		w.Write(line)
	}}
}

func appendAccess(b []byte, x Exchange) []byte {
	client, request, referer, agent := x.Client, x.RequestLine, "", ""
	if r := x.Request; r != nil {
		request = r.head.RequestLine(r.head.Text)
		referer, agent = r.Header().Get("Referer"), r.Header().Get("User-Agent")
	}
	if client == "" {
		client = "-"
	}
	b = append(b, client...)
	b = append(b, " - - ["...)
	b = x.Start.AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	b = append(b, "] "...)
	b = appendQuoted(b, request)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(x.Status), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, x.Bytes, 10)
	b = append(b, ' ')
	b = appendQuoted(b, referer)
	b = append(b, ' ')
	b = appendQuoted(b, agent)
	return append(b, '\n')
}

// appendQuoted appends s in quotes, with quotes and backslashes in it escaped, or
// "-" if it is empty.
func appendQuoted(b []byte, s string) []byte {
	if s == "" {
		s = "-"
	}
	s = escapeControls(strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `"`, `\"`))
	return append(append(append(b, '"'), s...), '"')
}
