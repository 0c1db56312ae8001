package rawhttp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"example.com/rawhttp/internal/jail"
	"example.com/rawhttp/internal/transcript"
)

// A TranscriptOption configures [Transcript].
type TranscriptOption interface{ apply(*transcript.Options) }

type transcriptOption func(*transcript.Options)

func (f transcriptOption) apply(o *transcript.Options) { f(o) }

// TranscriptContent sets how many lines of each content are shown; the default is 20. The
// remaining bytes are counted, as is all content that is not text. With 0, all content is
// only counted; with a negative number, all content is shown, with escapes for bytes that
// are not text.
func TranscriptContent(lines int) TranscriptOption {
	return transcriptOption(func(o *transcript.Options) { o.Lines = lines })
}

// TranscriptDecoder sets a function that decodes text with a content coding, such as gzip. The
// decoded text is shown below the count of bytes, with as many lines as [TranscriptContent]
// allows. These lines begin with a bar instead of an arrow, since they are not on the wire.
//
// decode is called with the coding, as in Content-Encoding, and the first bytes of the content,
// at most 64 KiB and valid until it returns. It returns as much of the decoded text as
// possible, within a limit of its own, or nil if it cannot decode any, which the transcript
// notes. It may be called concurrently. The package has no decoder of its own, since it would
// add 20 KB to every program. The default, nil, decodes nothing.
func TranscriptDecoder(decode func(coding string, b []byte) []byte) TranscriptOption {
	return transcriptOption(func(o *transcript.Options) { o.Decode = decode })
}

// TranscriptColor sets whether lines are colored with escape sequences (ECMA-48): cyan for
// the client, green for the server, red for what is refused. The default is false. The
// program must decide whether the writer is a terminal and its user wants colors.
func TranscriptColor(on bool) TranscriptOption {
	return transcriptOption(func(o *transcript.Options) { o.Color = on })
}

// Transcript returns a Trace that writes conversations to w in readable form: one line for
// each line on the wire, with the numbers of the connection and request, the side that sent
// it, and the line end.
//
//	#3 C ==> connects from 127.0.0.1:51234
//	#3.1 C --> GET /sample.txt HTTP/1.1<CRLF>
//	#3.1 C --> <CRLF>
//	#3.1 S <-- HTTP/1.1 200 OK<CRLF>
//	#3.1 S <-- <CRLF>
//	#3.1 S     (196802 bytes of image/png)
//	#3 C ==> closes
//
// Lines appear in the order in which they were sent. An incomplete line of one side is written,
// without a line end, before what the other side sends next, or when nothing has followed for a
// second. Below a line that the server refuses, a mark shows the byte, with the reason. If the
// mark could be in the wrong column, the part of the line around the byte is shown once more: a
// terminal wraps long lines, and characters that are not ASCII may be wide. An empty line
// separates exchanges, and a pause of more than a second is noted.
//
// Text content is shown up to 20 lines; the rest is counted, as is content of other media
// types or with a content coding. See [TranscriptContent] and [TranscriptDecoder].
//
// HTAB is shown as \t. Other control characters, invisible characters, and bytes that are not
// UTF-8 are shown as escapes such as \x00, so that nothing controls the terminal. A backslash
// on the wire that looks like the beginning of such an escape is shown as \x5c, so that each
// line shows exactly one sequence of bytes. Only bytes on the wire follow an arrow of two
// dashes. If the bytes themselves contain such an arrow, as in "S <-- ", its letter is escaped,
// since a terminal may wrap a long line before it. Lines longer than 1024 bytes are broken.
//
// A connection uses at most about 100 KB of memory. If [WithMaxHeaderBytes] permits longer heads
// than its default, the longest so far is kept in addition, up to about 1 MiB. Each line is one
// Write; Writes are never concurrent, and their errors are ignored. Connections wait for w.
func Transcript(w io.Writer, opts ...TranscriptOption) Trace {
	o := transcript.Options{Lines: 20, Judge: true}
	for _, opt := range opts {
		if opt != nil {
			opt.apply(&o)
		}
	}
	t := &transcripts{
		printer: transcript.New(o, func(line string) { io.WriteString(w, line) }),
		open:    make(map[uint64]*transcript.Conversation),
	}
	return Trace{
		ConnOpen: func(conn uint64, c net.Conn) { t.set(conn, t.printer.Open(conn, addrText(c.RemoteAddr()))) },
		ConnState: func(conn uint64, s ConnState) {
			if s == StateResolve {
				t.get(conn).Accepted()
			}
		},
		BytesRead:    func(conn, req uint64, b []byte) { t.get(conn).Bytes(transcript.Client, b) },
		BytesWritten: func(conn, req uint64, b []byte) { t.get(conn).Bytes(transcript.Server, b) },
		Refused:      func(r Refusal) { t.refused(r) },
		ConnEnd:      t.connEnd,
		ConnClose:    t.connClose,
	}
}

// transcripts are the current conversations. Hooks of different connections run concurrently.
type transcripts struct {
	printer *transcript.Printer
	mu      sync.Mutex                          // guards open
	open    map[uint64]*transcript.Conversation // by the number of the connection
}

// get returns the conversation of a connection. If its beginning was not seen, the
// conversation begins here.
func (t *transcripts) get(conn uint64) *transcript.Conversation {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.open[conn]
	if c == nil {
		c = t.printer.Open(conn, "")
		t.open[conn] = c
	}
	return c
}

// set begins the conversation of a connection.
func (t *transcripts) set(conn uint64, c *transcript.Conversation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open[conn] = c
}

// refused shows what the server refuses, with the rule and, if the offset is known, a mark.
func (t *transcripts) refused(r Refusal) {
	err := r.Err
	var se *StatusError
	if errors.As(err, &se) && se.Err != nil {
		err = se.Err // the status is added below
	}
	off, why := -1, strings.TrimPrefix(err.Error(), "rawhttp: ")
	var pe *ParseError
	if errors.As(err, &pe) {
		off, why = pe.Offset, fmt.Sprintf("%s (%s)", pe.Reason, pe.Section)
	}
	t.get(r.Conn).Refused(off, r.Head == nil, fmt.Sprintf("%s: %d", why, r.Status))
}

// connEnd shows which side ends a connection, and why.
func (t *transcripts) connEnd(conn uint64, why EndReason, err error) {
	c := t.get(conn)
	switch why {
	case EndByClient:
		how := "closes"
		if jail.IsAny(err, jail.ClientErrors) {
			how = "resets the connection"
		} else if err != nil {
			how = "closes (" + strings.TrimPrefix(err.Error(), "rawhttp: ") + ")"
		}
		c.Closes(transcript.Client, how)
	case EndIdle:
		c.Closes(transcript.Server, "closes (idle "+transcript.Seconds(c.Silence())+")")
	default:
		how := "closes (" + why.String() + ")"
		if err != nil {
			how = "cuts the connection: " + strings.TrimPrefix(err.Error(), "rawhttp: ")
		}
		c.Closes(transcript.Server, how)
	}
}

// connClose ends the conversation, after the last bytes of both sides.
func (t *transcripts) connClose(conn uint64, err error) {
	t.get(conn).End()
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, conn)
}

// addrText returns the address as text. A net.Conn of the program may have none.
func addrText(a net.Addr) string {
	if a == nil {
		return "an unknown address"
	}
	return a.String()
}
