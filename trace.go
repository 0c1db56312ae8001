package rawhttp

import (
	"net"
	"strconv"
	"time"
)

// A Trace has hooks that are called when something happens on a connection. Hooks that are
// nil cost nothing.
//
// A hook runs on the goroutine of its connection, which waits for it; hooks of different
// connections run concurrently. If the program reads a Body on a goroutine of its own,
// BytesRead runs there, possibly at the same time as other hooks; after an [Upgrade],
// BytesRead and BytesWritten run where the program reads and writes. Byte slices are valid until
// the hook returns, and must not be changed. A hook that panics ends its connection; a panic
// of such a hook on the program's own goroutine is the program's.
type Trace struct {
	// ConnOpen is called when a connection is taken over, ConnClose when it has
	// been closed, with what went wrong or nil.
	ConnOpen  func(conn uint64, c net.Conn)
	ConnClose func(conn uint64, err error)

	// ConnEnd is called once for each connection that was opened, when one side has ended it
	// or is about to: before the last bytes of the client are read, and before ConnClose. err
	// is what went wrong, or nil.
	ConnEnd func(conn uint64, why EndReason, err error)

	// ConnState is called when a connection enters a phase.
	ConnState func(conn uint64, s ConnState)

	// BytesRead and BytesWritten get the bytes exactly as on the wire: those of
	// the request req, counted from 1; bytes of pipelined requests that came in
	// one read count as the first one's. BytesWritten turns sendfile off.
	BytesRead, BytesWritten func(conn, req uint64, b []byte)

	// Refused is called when the server refuses a request, or its content, without asking
	// the resolver, before it answers.
	Refused func(Refusal)

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
	Bytes       int64         // of content, before chunking; after a 101 all bytes written
	Start       time.Time     // when the head was begun to be read
	Duration    time.Duration // from there to the end of the response
	Err         error         // why the response was cut, nil if it is whole
}

// A Refusal is a request that the server itself refuses, for a rule of the protocol or a limit.
type Refusal struct {
	Conn, Num uint64 // of the connection and of the request, as in Exchange
	Head      []byte // what has come of the head, as on the wire; nil if content is refused. Valid until the hook returns
	Status    int    // of the answer
	Err       error  // why; that of a broken rule wraps a *ParseError, whose Offset is in Head, or in the content
}

// An EndReason is why a connection ends.
type EndReason uint8

// The reasons. Of EndByClient the client is the cause, of all others the server.
const (
	EndByClient EndReason = iota // the client has closed or reset the connection
	EndIdle                      // no request came for as long as WithIdleTimeout or WithReadHeaderTimeout
	EndAnswered                  // the response was the last, as it said
	EndEvicted                   // there are too many connections
	EndStopped                   // the server stops
	EndFailed                    // a response could not be made or written in full
)

// String returns the reason as text, as in "idle".
func (r EndReason) String() string {
	names := [...]string{"by the client", "idle", "after the answer", "too many connections", "the server stops", "failed"}
	if int(r) < len(names) {
		return names[r]
	}
	return "EndReason(" + strconv.Itoa(int(r)) + ")"
}

// A ConnState is the phase that a connection is in.
type ConnState uint32

// The phases, in the order in which a connection goes through them.
const (
	StateIdle    ConnState = iota // waits for the first byte of a request
	StateHead                     // reads a head
	StateResolve                  // waits for the resolver
	StateWrite                    // writes the response; after a 101 the program has the connection
	StateDrain                    // reads what the resolver left of the content
	StateLinger                   // has said its last, and reads until the client has closed
	StateClosed                   // is closed
)

// String returns the name of the phase, as in "idle".
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
