package rawhttp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"example.com/rawhttp/internal/ascii"
)

// parseQuality parses a weight (RFC 9110, section 12.4.2) into thousandths. It returns -1 if s
// is not a weight:
//
//	qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
//
// It also permits more digits, and no digit before the point, as in the ".2" that Java
// sends. A weight above 0 is never rounded to 0, which means "not acceptable".
func parseQuality(s string) int {
	whole, fraction, _ := strings.Cut(s, ".")
	q := 0
	switch {
	case whole == "1":
		q = 1000
	case whole != "0" && (whole != "" || fraction == ""):
		return -1
	}
	unit := 1000 // value of the next digit, times 10; 0 after three digits
	for i := range len(fraction) {
		digit := int(fraction[i]) - '0'
		if digit < 0 || digit > 9 {
			return -1
		}
		// After three digits, 0.0001 counts as 0.001, and 1.0001 as too large.
		if unit /= 10; unit == 0 && digit > 0 && q%1000 == 0 {
			q++
		}
		q += digit * unit
	}
	if q > 1000 {
		return -1
	}
	return q
}

// A weighted is a member of a list of weighted values.
type weighted struct {
	value  string
	q      int    // weight in thousandths: 1000 if absent, 0 if invalid
	params string // its parameters, without the weight and what follows that
}

// nextWeighted cuts the first member off a list. The grammar allows neither blanks around
// the equals sign nor quotes around a weight. Both are permitted here, since a client that
// sends "gzip; q = 0" does not want gzip.
func nextWeighted(list string) (w weighted, rest string, more bool) {
	member, rest, more := ascii.NextMember(list)
	value, params := ascii.CutParam(member)
	w = weighted{value: value, q: 1000, params: params}
	for left := params; left != ""; {
		before := len(params) - len(left)
		var p string
		p, left = ascii.CutParam(left)
		if name, value := cutValue(p); ascii.EqualFold(name, "q") && strings.Contains(p, "=") {
			w.q, w.params = max(parseQuality(value), 0), params[:before]
			// "Previous specifications allowed additional extension parameters to appear after
			// the weight parameter." RFC 9110, section 12.5.1. They do not belong to the value.
			break
		}
	}
	return w, rest, more
}

// cutValue cuts a parameter into its name and its value, which may be quoted.
func cutValue(param string) (name, value string) {
	name, value, _ = strings.Cut(param, "=")
	return ascii.TrimBlanks(name), strings.Trim(value, " \t\"")
}

// acceptMedia returns the weight of the media type in the Accept field, in thousandths. The
// most specific range that matches decides (RFC 9110, section 12.5.1). Without an Accept
// field it returns -1.
func acceptMedia(h Header, mediaType string) int {
	mediaType, params := ascii.CutParam(mediaType)
	slash := strings.IndexByte(mediaType, '/')
	q, best := -1, -1 // best is the precision of the range that q is from
	for list := range h.Values("Accept") {
		q = max(q, 0) // there is a field, so a type that it does not name is not acceptable
		for more := true; more; {
			var w weighted
			w, list, more = nextWeighted(list)
			media, precision := w.value, -1
			matched := matchParams(w.params, params)
			switch {
			case matched < 0:
			case ascii.EqualFold(media, mediaType):
				precision = 2 + matched
			case len(media) == slash+2 && ascii.EqualFold(media[:slash+1], mediaType[:slash+1]) && media[slash+1] == '*':
				precision = 1
			case media == "*/*":
				precision = 0
			}
			if precision > best { // of two ranges that are alike, the first decides
				q, best = w.q, precision
			}
		}
	}
	return q
}

// matchParams returns how many parameters a media range has, if the media type has all of them,
// and -1 otherwise. A charset of utf-8 is not counted if the type has no charset, since UTF-8
// is then assumed.
func matchParams(wanted, params string) (n int) {
	for wanted != "" {
		var p string
		p, wanted = ascii.CutParam(wanted)
		if p == "" {
			continue
		}
		name, value := cutValue(p)
		got, ok := paramOf(params, name)
		switch {
		case ok && ascii.EqualFold(got, value):
			n++
		case ok || !ascii.EqualFold(name, "charset") || !ascii.EqualFold(value, "utf-8"):
			return -1
		}
	}
	return n
}

// paramOf returns the value of the parameter of the name.
func paramOf(params, name string) (value string, ok bool) {
	for params != "" {
		var p string
		p, params = ascii.CutParam(params)
		if n, value := cutValue(p); p != "" && ascii.EqualFold(n, name) {
			return value, true
		}
	}
	return "", false
}

// Accepts returns the media type that the client prefers, according to its Accept field (RFC
// 9110, section 12.5.1). Of types that it prefers equally, Accepts returns the first, so list
// them in the server's order of preference. It returns "" if the client accepts none of them,
// and the first if there is no Accept field. The weight of a type is that of the most specific
// range that matches it: type and parameters, type, "text/*", or "*/*".
//
// A response that depends on the result should have the field Vary: Accept. If the result is
// "", the program may answer with 406 (Not Acceptable), or send its first type anyway.
//
// Accepts panics if a media type is not of the form type/subtype, with parameters or without,
// or if req is nil.
func Accepts(req *Request, mediaTypes ...string) string {
	if req == nil {
		panic("rawhttp: Accepts: the Request is nil")
	}
	for _, t := range mediaTypes {
		name, _ := ascii.CutParam(t)
		if kind, subtype, ok := strings.Cut(name, "/"); !ok || !ascii.IsToken(kind) || !ascii.IsToken(subtype) {
			panic(fmt.Sprintf("rawhttp: Accepts: %q is not a media type", t))
		}
	}
	best, bestQ := "", 0
	for _, t := range mediaTypes {
		q := acceptMedia(req.Header(), t)
		if q < 0 { // no Accept field: any type is acceptable
			return mediaTypes[0]
		}
		if q > bestQ {
			best, bestQ = t, q
		}
	}
	return best
}

// acceptCoding returns the weight of the content coding in the Accept-Encoding field, in
// thousandths (RFC 9110, section 12.5.3). Identity is acceptable unless its weight is 0; if it is
// not named, that of "*" counts. Another coding is acceptable only if it is named, or covered by
// "*". The RFC says that any coding is acceptable if there is no such field, but clients that do
// not send the field often cannot decode any.
func acceptCoding(h Header, coding string) int {
	q, named := 0, false
	if coding == "identity" {
		q = 1 // acceptable, but preferred less than a named coding
	}
	for list := range h.Values("Accept-Encoding") {
		for more := true; more; {
			var w weighted
			w, list, more = nextWeighted(list)
			switch {
			case ascii.EqualFold(w.value, coding):
				q, named = w.q, true
			case w.value == "*" && !named && (coding != "identity" || w.q == 0):
				q = w.q
			}
		}
	}
	return q
}

// Encode returns the Response in a content coding, such as "gzip", if the Accept-Encoding field
// of the request prefers it to no coding (RFC 9110, section 12.5.3). It is for wrappers that
// compress the responses of another resolver:
//
//	return resp.Encode(req, "gzip", func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }), nil
//
// The result is a clone with Vary: Accept-Encoding and, if it is encoded, Content-Encoding. Only
// a 200 is encoded; a 304 gets the Vary field alone. Responses with another status, with a
// Content-Encoding already, or with a digest of their content are returned unchanged. For HEAD,
// no content is made.
//
// The encoded content of [Content] and [File] still answers conditions. If the ETag of the
// content is "7", that of the result is W/"7-gzip": it is weak, since another version of the
// compressor may write other bytes. A weak entity tag never satisfies If-Match (RFC 9110,
// section 13.1.1): a client that intends to change the content with If-Match must fetch it without
// a coding. The result has no ranges and no Content-Length, since its length is known only at the
// end. Trailer fields are kept.
//
// encode is called when the content is written, once for each request. The writer that it
// returns is always closed, even if the content fails. What it writes is sent in pieces of 32
// KiB, so do not encode streams of events. Nor should a response be compressed that has both a
// secret and input from an attacker: its length would reveal the secret.
//
// r itself is not changed. If it serves once, it and the result serve once together. It is a
// mistake if encode is nil or coding is not a token. Encode panics if req is nil.
func (r *Response) Encode(req *Request, coding string, encode func(w io.Writer) io.WriteCloser) *Response {
	if req == nil {
		panic("rawhttp: Encode: the Request is nil")
	}
	if !r.mayEncode() {
		return r
	}
	coded := r.Clone()
	if !coded.varies(func(field string) bool { return field == "*" || ascii.EqualFold(field, "Accept-Encoding") }) {
		coded.Add("Vary", "Accept-Encoding")
	}
	switch q := acceptCoding(req.Header(), coding); {
	case !ascii.IsToken(coding):
		coded.fail(fmt.Errorf("content coding %q is not a token", coding))
	case encode == nil:
		coded.fail(errors.New("Encode with a nil function"))
	case r.status == 200 && q > 0 && q >= acceptCoding(req.Header(), "identity"):
		coded.encode(r.Clone(), coding, encode)
	}
	return coded
}

// mayEncode reports whether the content may be encoded, or the response is a 304 in its place.
func (r *Response) mayEncode() bool {
	if r.Err() != nil || r.status != 200 && r.status != 304 {
		return false
	}
	return !slices.ContainsFunc(r.fields, func(f field) bool {
		return ascii.IsAnyOf(f.name, "Content-Encoding", "Content-Range", "Content-Digest", "Repr-Digest")
	})
}

// encode applies the content coding to r, a clone of plain.
func (r *Response) encode(plain *Response, coding string, encode func(w io.Writer) io.WriteCloser) {
	fields := []field{{"Content-Encoding", coding}}
	for _, f := range r.fields {
		switch {
		case ascii.EqualFold(f.name, "Accept-Ranges"):
			// Ranges would be of the encoded bytes, which differ each time.
			continue
		case ascii.EqualFold(f.name, "ETag"):
			f.value = weakETag(f.value, coding)
		}
		fields = append(fields, f)
	}
	r.fields, r.hasWireImages = fields, false
	if r.extras != nil { // the declared length is that of the plain content
		r.extend().length = -1
	}
	if r.kind == bodyOmitted { // for HEAD the fields are enough
		return
	}
	r.body = body{kind: bodyFunc, f: func(ctx context.Context, w io.Writer) error {
		pieces := bufio.NewWriterSize(w, 32<<10)
		encoder := encode(pieces)
		whole := false
		defer func() {
			if !whole { // close it all the same, but do not send the end that it writes
				pieces.Reset(io.Discard)
				encoder.Close()
			}
		}()
		if _, err := plain.writeContent(ctx, encoder); err != nil {
			return err
		}
		whole = true
		if err := encoder.Close(); err != nil {
			return err
		}
		return pieces.Flush()
	}}
	if plain.isRepresentation() {
		r.rep = &Representation{ETag: weakETag(plain.rep.ETag, coding), ModTime: plain.rep.ModTime, Size: -1}
	}
}

// weakETag returns a weak entity tag for the given coding, or "" if there is no tag. It must
// differ from that of the plain content: "if the origin server sends the same validator for a
// representation with a gzip content coding applied as it does for a representation with no
// content coding, then that validator is weak." RFC 9110, section 8.8.1.
func weakETag(etag, coding string) string {
	if etag == "" || strings.HasPrefix(etag, "W/") {
		return codedTag(etag, coding)
	}
	return "W/" + codedTag(etag, coding)
}

// codedTag returns an entity tag for the given coding, which differs from that of the file.
func codedTag(etag, coding string) string {
	if etag == "" || coding == "" {
		return etag
	}
	return strings.TrimSuffix(etag, `"`) + "-" + coding + `"`
}

// isNegotiated reports whether the representation was selected by content negotiation,
// according to the Vary field (RFC 9110, section 12.5.5).
func (r *Response) isNegotiated() bool {
	return r.varies(func(field string) bool { return field == "*" || ascii.HasPrefixFold(field, "Accept") })
}

// varies reports whether by is true for a member of the Vary field.
func (r *Response) varies(by func(field string) bool) bool {
	for _, f := range r.fields {
		if !ascii.EqualFold(f.name, "Vary") {
			continue
		}
		for list, more := f.value, true; more; {
			var field string
			if field, list, more = ascii.NextMember(list); by(field) {
				return true
			}
		}
	}
	return false
}
