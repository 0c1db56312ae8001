package wire

// A Span is a part of the head, from the offset Start up to but not including End. 32 bits are
// enough for the largest head, and halve the size of a FieldLine.
type Span struct{ Start, End int32 }

// NewSpan returns the Span from start up to but not including end.
func NewSpan(start, end int) Span { return Span{int32(start), int32(end)} }

// Of returns the part of b, which is the Text of the head or its beginning.
func (s Span) Of(b []byte) []byte { return b[s.Start:s.End] }

func (s Span) len() int { return int(s.End - s.Start) }

// A FieldLine is one line of a header or trailer section. Value has no blanks at its ends.
type FieldLine struct {
	Name, Value Span
	folded      bool // Value spans several lines; unfold joins them
}

// A Head is a parsed head of a request or response. It refers to its parts by offsets, so
// reusing a Head allocates nothing.
type Head struct {
	Text   []byte      // the head as received, followed by rewritten parts: folded values, the path
	Size   int         // bytes of Text that were received; 0 until all lines have been parsed
	Fields []FieldLine // in the order received

	Method, Target Span // of a request
	Minor          byte // of the HTTP version; the major is 1
	early          bool // lenient: the head ended without its empty line
	mixed          bool // lenient: some lines end in CRLF and others in LF

	// Set by path.go from the target.
	Form      TargetForm
	authority Span // set for absolute-form and authority-form
	RawPath   Span // as received; empty if the target has no path
	Query     Span // without the question mark
	Path      Span // decoded and cleaned; a part of what was received if that changes nothing

	// Set by framing.go from the fields.
	Host          Span  // with the port, from the target or else the Host field; may be empty
	ContentLength int64 // -1 means chunked
	Persist       bool  // the sender allows the connection to persist
	Expect        Expectation
}

// RequestLine returns the request line of the head at the beginning of b, without its CRLF,
// or "" if it was not parsed.
func (h *Head) RequestLine(b []byte) string {
	if h.Target.End == 0 {
		return ""
	}
	// Every version has the length of this one.
	return string(b[h.Method.Start : int(h.Target.End)+len(" HTTP/1.1")])
}

// Limits limit a head or a trailer section.
type Limits struct {
	Head    int  // bytes of all lines together
	Line    int  // bytes of one line without its CRLF
	Fields  int  // number of field lines
	Lenient bool // accept bare LF and folded lines; see lenient.go
}

const (
	// maxMethodBytes exceeds every registered method several times. A longer method is not HTTP, so
	// it is malformed: 400, where the RFC suggests 501 (RFC 9112, section 3).
	maxMethodBytes = 64

	// MaxLineBytes is the usual Limits.Line: "It is RECOMMENDED that all HTTP senders and
	// recipients support, at a minimum, request-line lengths of 8000 octets." RFC 9112, section 3.
	MaxLineBytes = 8 << 10
)

// DefaultLimits are the limits of a Server without options. Head has room for several long
// lines, such as a target and cookies.
var DefaultLimits = Limits{Head: 32 << 10, Line: MaxLineBytes, Fields: 100}
