package rawhttp

import (
	"fmt"
	"iter"
	"slices"

	"example.com/rawhttp/internal/ascii"
	"example.com/rawhttp/internal/wire"
)

// A Header is the field lines of a header or trailer section, in order, with names as
// received. Lookup ignores the case of names. The zero Header is empty. A Header is valid
// as long as its [Request]; the strings it returns may be kept.
type Header struct {
	text   string
	fields []wire.FieldLine
}

func (h Header) name(i int) string  { f := h.fields[i].Name; return h.text[f.Start:f.End] }
func (h Header) value(i int) string { f := h.fields[i].Value; return h.text[f.Start:f.End] }

// Len returns the number of field lines.
func (h Header) Len() int { return len(h.fields) }

// Get returns the value of the first field line with the name, or "".
func (h Header) Get(name string) string {
	for v := range h.Values(name) {
		return v
	}
	return ""
}

// Values returns the values of the field lines with the name, in order.
func (h Header) Values(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range h.fields {
			if ascii.EqualFold(h.name(i), name) && !yield(h.value(i)) {
				return
			}
		}
	}
}

// All returns the names and values of all field lines, in order.
func (h Header) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i := range h.fields {
			if !yield(h.name(i), h.value(i)) {
				return
			}
		}
	}
}

// HasToken reports whether token is a member of a list in a field with the name, ignoring
// case, as in HasToken("Connection", "close").
func (h Header) HasToken(name, token string) bool {
	for v := range h.Values(name) {
		if ascii.HasMember(v, token) {
			return true
		}
	}
	return false
}

// has reports whether there is a field line with the name.
func (h Header) has(name string) bool {
	for range h.Values(name) {
		return true
	}
	return false
}

// lone returns the value of a field that must occur only once, since it is not a list.
func (h Header) lone(name string) (value string, ok bool) {
	n := 0
	for v := range h.Values(name) {
		value = v
		n++
	}
	return value, n == 1
}

// A field is a field line, with its name as it is sent.
type field struct{ name, value string }

// trailers are the trailer fields set by SetTrailer.
type trailers []trailer

type trailer struct {
	name  string
	value func() string
}

// appendNames appends the Trailer field to the head (RFC 9110, section 6.6.2).
func (all trailers) appendNames(b []byte) []byte {
	before := "Trailer: "
	for i, t := range all {
		if slices.ContainsFunc(all[:i], func(u trailer) bool { return ascii.EqualFold(u.name, t.name) }) {
			continue // a repeated line, as ParseResponse keeps them, is named once
		}
		b = append(append(b, before...), t.name...)
		before = ", "
	}
	return append(b, "\r\n"...)
}

// appendFields appends the field lines of the trailer section.
func (all trailers) appendFields(b []byte) ([]byte, error) {
	for _, t := range all {
		value := t.value()
		if !ascii.IsFieldValue(value) {
			return b, fmt.Errorf("value of trailer field %s: %q has control bytes, or blanks at its ends", t.name, value)
		}
		if value != "" {
			b = wire.AppendField(b, t.name, value)
		}
	}
	return b, nil
}

// mayBeTrailer reports whether a field may follow the content: "Many fields cannot be
// processed outside the header section because their evaluation is necessary prior to
// receiving the content, such as those that describe message framing, routing,
// authentication, request modifiers, response controls, or content format." RFC 9110,
// section 6.5.1. The program is responsible for other fields.
func mayBeTrailer(name string) bool {
	switch {
	case ascii.EqualFold(name, "Content-Digest"): // RFC 9530, section 2
		return true
	case ascii.HasPrefixFold(name, "Content-"), ascii.HasPrefixFold(name, "If-"), ascii.HasPrefixFold(name, "Proxy-"):
		return false
	}
	return !ascii.IsAnyOf(name, "Transfer-Encoding", "TE", "Trailer", "Connection", "Keep-Alive", "Upgrade", "Host",
		"Authorization", "WWW-Authenticate", "Cookie", "Set-Cookie", "Age", "Cache-Control", "Date", "Expires", "Expect",
		"Location", "Max-Forwards", "Pragma", "Range", "Accept-Ranges", "Retry-After", "Vary")
}
