package wire

import (
	"errors"
	"iter"
)

// A request is a head with accessors like those of rawhttp.Request.
type request struct{ head Head }

func (r *request) of(s Span) string     { return string(s.Of(r.head.Text)) }
func (r *request) Method() string       { return r.of(r.head.Method) }
func (r *request) Target() string       { return r.of(r.head.Target) }
func (r *request) Path() string         { return r.of(r.head.Path) }
func (r *request) RawQuery() string     { return r.of(r.head.Query) }
func (r *request) Host() string         { return r.of(r.head.Host) }
func (r *request) Version() string      { return "HTTP/1." + string('0'+r.head.Minor) }
func (r *request) ContentLength() int64 { return r.head.ContentLength }
func (r *request) Head() []byte         { return r.head.Text[:r.head.Size] }
func (r *request) all() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for _, f := range r.head.Fields {
			if !yield(r.of(f.Name), r.of(f.Value)) {
				return
			}
		}
	}
}

// parseRequest parses the head at the beginning of b and returns the rest.
func parseRequest(b []byte) (r *request, rest []byte, err error) {
	r = new(request)
	if rest, err = r.Parse(b); err != nil {
		return nil, nil, err
	}
	return r, rest, nil
}

// Parse is parseRequest into r.
func (r *request) Parse(b []byte) (rest []byte, err error) {
	p := parserOf(r, DefaultLimits)
	n, err := p.Parse(b)
	if err != nil {
		return nil, err
	}
	return b[n:], nil
}

// parseLenient parses b, which is the whole input, leniently.
func parseLenient(b []byte) (r *request, rest []byte, err error) {
	r = new(request)
	max := DefaultLimits
	max.Lenient = true
	p := parserOf(r, max)
	n, err := p.ParseAll(b)
	if err != nil {
		return nil, nil, err
	}
	return r, b[n:], nil
}

// parserOf returns a parser that parses a head into r. It empties r, except for its memory.
func parserOf(r *request, max Limits) (p Parser) {
	r.head = Head{Text: r.head.Text[:0], Fields: r.head.Fields[:0]}
	p.Begin(&r.head, max)
	return p
}

// parseErrorOf returns the Error in err, nil if there is none.
func parseErrorOf(err error) *Error {
	var e *Error
	errors.As(err, &e)
	return e
}
