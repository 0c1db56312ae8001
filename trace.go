package rawhttp

import (
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.com/rawhttp/internal/ascii"
)

// A Trace has hooks that are called for events on connections. A nil hook costs nothing.
//
// A hook runs on the goroutine of its connection, which waits for it; hooks of different
// connections run concurrently. If the program reads a Body on another goroutine, BytesRead
// runs there, possibly concurrently with other hooks. After an [Upgrade], BytesRead and
// BytesWritten run where the program reads and writes. Byte slices are valid until the hook
// returns, and must not be changed. A hook that panics ends its connection, unless it runs
// on a goroutine of the program.
type Trace struct {
	// ConnOpen is called when a connection has been accepted, ConnClose when it has been
	// closed. err is the failure that ended it, or nil.
	ConnOpen  func(conn uint64, c net.Conn)
	ConnClose func(conn uint64, err error)

	// ConnEnd is called once for each connection, when one side has ended it or is about to:
	// before the last bytes of the client are read, and before ConnClose. err is the failure
	// that ended it, or nil.
	ConnEnd func(conn uint64, why EndReason, err error)

	// ConnState is called when a connection enters a phase.
	ConnState func(conn uint64, s ConnState)

	// BytesRead and BytesWritten receive bytes exactly as on the wire. req is the number of
	// the request, from 1; bytes of several pipelined requests that arrive in one read
	// belong to the first. BytesWritten disables sendfile.
	BytesRead, BytesWritten func(conn, req uint64, b []byte)

	// Refused is called before the server answers a request that it refuses without asking
	// the resolver, or whose content it refuses.
	Refused func(Refusal)

	// Exchange is called once for each response, when it has been written or has failed.
	Exchange func(Exchange)
}

// An Exchange is a request and its response.
type Exchange struct {
	Conn        uint64        // number of the connection, from 1
	Num         uint64        // number of the request on it, from 1
	Client      string        // address of the client, as in ConnInfo.Client; "" if unknown
	Request     *Request      // nil if the head was refused; valid until the hook returns
	RequestLine string        // as received, even if the head was refused; "" if it could not be parsed
	Status      int           // of the response
	Bytes       int64         // of content, before chunking; after a 101, all bytes written
	Start       time.Time     // when the server began to read the head
	Duration    time.Duration // from Start to the end of the response
	Err         error         // why the response was cut; nil if it is complete
}

// A Refusal is a request that the server itself refuses, because it violates a rule of the
// protocol or a limit.
type Refusal struct {
	Conn, Num uint64 // of the connection and the request, as in Exchange
	Head      []byte // the part of the head received; nil if the content is refused. Valid until the hook returns
	Status    int    // of the response
	Err       error  // the reason; a violated rule wraps a *ParseError, whose Offset is in Head or in the content
}

// An EndReason is the reason why a connection ends.
type EndReason uint8

// EndByClient is caused by the client, all others by the server.
const (
	EndByClient EndReason = iota // the client closed or reset the connection
	EndIdle                      // no request arrived within WithIdleTimeout or WithReadHeaderTimeout
	EndAnswered                  // the response announced the close
	EndEvicted                   // too many connections
	EndStopped                   // the server is stopping
	EndFailed                    // a response could not be made or written completely
)

// String returns the reason as text, such as "idle".
func (r EndReason) String() string {
	names := [...]string{"by the client", "idle", "after the answer", "too many connections", "the server stops", "failed"}
	if int(r) < len(names) {
		return names[r]
	}
	return "EndReason(" + strconv.Itoa(int(r)) + ")"
}

// A ConnState is a phase of a connection.
type ConnState uint32

// The phases, in the order in which a connection passes through them.
const (
	StateIdle    ConnState = iota // waits for the first byte of a request
	StateHead                     // reads a head
	StateResolve                  // waits for the resolver
	StateWrite                    // writes the response; after a 101, the program uses the connection
	StateDrain                    // reads content that the resolver left unread
	StateLinger                   // has sent its last response, and reads until the client closes
	StateClosed                   // closed
)

// String returns the name of the phase, such as "idle".
func (s ConnState) String() string {
	names := [...]string{"idle", "head", "resolve", "write", "drain", "linger", "closed"}
	if s < ConnState(len(names)) {
		return names[s]
	}
	return "ConnState(" + strconv.FormatUint(uint64(s), 10) + ")"
}

// A tracer calls the hooks of all traces, in the order in which they were added. It does not
// change once the Server has been made. Its methods are called for each connection or each read
// and write, so they cost no more than a loop over an empty list if there are no traces.
type tracer struct {
	list      []Trace
	bytes     bool // some hook needs the bytes written, so sendfile is off, and each response is written at once
	exchanges bool // some hook needs the exchanges, so their times are taken
}

// add adds a trace.
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

func (t *tracer) connEnd(conn uint64, why EndReason, err error) {
	for _, tr := range t.list {
		if tr.ConnEnd != nil {
			tr.ConnEnd(conn, why, err)
		}
	}
}

func (t *tracer) refused(r Refusal) {
	for _, tr := range t.list {
		if tr.Refused != nil {
			tr.Refused(r)
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

// AccessLog returns a Trace that writes one line per response to w, in the Combined Log
// Format:
//
//	127.0.0.1 - - [22/Nov/2026:13:03:20 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl/8.5.0"
//
// A request whose head was refused is logged too, as "-" if its request line could not be
// parsed. Input from clients is escaped. The line is written after the response, so the
// client may have received the response before. Each line is one Write; Writes are never
// concurrent, and their errors are ignored.
func AccessLog(w io.Writer) Trace {
	var mu sync.Mutex // held during Write, too, so that lines are not mixed
	var line []byte   // reused
	return Trace{Exchange: func(x Exchange) {
		mu.Lock()
		defer mu.Unlock()
		line = appendAccess(line[:0], x)
		w.Write(line)
	}}
}

// appendAccess appends the line of an exchange. The two fields before the time, the identity and
// the user, are always "-": the server knows neither.
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

// appendQuoted appends s in quotes, escaping quotes and backslashes, or "-" if s is empty. A
// client could otherwise forge lines, or send escape sequences to a terminal.
func appendQuoted(b []byte, s string) []byte {
	if s == "" {
		s = "-"
	}
	s = ascii.Visible(strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `"`, `\"`))
	return append(append(append(b, '"'), s...), '"')
}
