package rawhttp

import (
	"io"
	"strconv"
	"time"

	"example.com/rawhttp/internal/ascii"
)

// represent applies the conditions and the ranges of the request to a representation: it
// selects 304, 412, 206 or 416 in place of the whole (RFC 9110, sections 13 and 14).
func (t *responder) represent() {
	t.selection = selection{status: t.resp.Status()}
	if t.resp.kind != bodyRepresentation {
		return
	}
	t.validate(time.Now())
	if !t.req.isGet() && !t.req.isHead() || !t.req.hasConditions() {
		return
	}
	t.shared = t.resp.isNegotiated()
	size := t.resp.rep.Size
	sel := choose(t.req, &t.validators, size, t.resp.rangeable())
	t.selection = sel
	if len(sel.ranges) > 1 {
		t.boundary = boundary(t.etag, size, sel.ranges)
	}
	if sel.status != 412 && sel.status != 416 {
		return
	}
	refusal := errorResponse(&StatusError{Status: sel.status})
	refusal.closeAfter = t.resp.closeAfter
	for _, f := range t.resp.fields {
		if !tellsOfContent(f.name) && !ascii.EqualFold(f.name, "X-Content-Type-Options") {
			refusal.Add(f.name, f.value)
		}
	}
	if sel.status == 416 {
		refusal.Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
	}
	t.resp = refusal
}

// tellsOfContent reports whether a field describes the content that it comes with, so
// that it does not hold for an answer with other content.
func tellsOfContent(name string) bool {
	return isContentField(name) || ascii.IsAnyOf(name, "ETag", "Last-Modified", "Cache-Control", "Expires", "Accept-Ranges")
}

// isContentField reports whether a field describes content by its name: all that
// begin so do, but for the policies, which are of the page as a whole.
func isContentField(name string) bool {
	return ascii.HasPrefixFold(name, "Content-") && !ascii.HasPrefixFold(name, "Content-Security-Policy")
}

// validate decides what ETag and Last-Modified are sent.
func (t *responder) validate(now time.Time) {
	etag, mod := t.resp.rep.ETag, t.resp.rep.ModTime
	if t.resp.has("ETag") {
		etag = t.resp.get("ETag")
	}
	isSet := t.resp.has("Last-Modified")
	if isSet {
		mod, _ = ascii.ParseDate(t.resp.get("Last-Modified"), now)
	}
	t.validators = validatorsOf(etag, mod, now, !isSet && t.format.date != nil)
}

// isNegotiated reports whether the representation was chosen among several by what the
// client prefers, as the Vary field tells (RFC 9110, section 12.5.5).
func (r *Response) isNegotiated() bool {
	for _, f := range r.fields {
		if !ascii.EqualFold(f.name, "Vary") {
			continue
		}
		for list, more := f.value, true; more; {
			var field string
			if field, list, more = ascii.NextMember(list); field == "*" || ascii.HasPrefixFold(field, "Accept") {
				return true
			}
		}
	}
	return false
}

// rangeable reports whether parts of the content can be had.
func (r *Response) rangeable() bool {
	if r.rep.Size < 0 {
		return false
	}
	switch r.rep.Body.(type) {
	case io.ReaderAt, io.Seeker:
		return true
	}
	return false
}

// size returns the bytes of content, -1 if that is not known.
func (t *responder) size() int64 {
	if more := t.resp.more; more != nil && more.length >= 0 {
		return more.length
	}
	switch t.resp.kind {
	case bodyBytes:
		return int64(len(t.resp.content))
	case bodyText:
		return int64(len(t.resp.text))
	case bodyRepresentation:
		return t.representationSize()
	}
	return -1
}

// representationSize returns the bytes of the representation, or of the ranges of it.
func (t *responder) representationSize() int64 {
	switch len(t.ranges) {
	case 0:
		return t.resp.rep.Size
	case 1:
		return t.ranges[0].length
	}
	size := int64(len(t.closing()))
	for i, r := range t.ranges {
		size += int64(len(t.partHead(i))) + r.length
	}
	return size
}

func (t *responder) mediaType() string {
	if len(t.ranges) > 1 {
		return "multipart/byteranges; boundary=" + t.boundary
	}
	return t.resp.mediaType
}

// partHead returns what stands before the content of part i (RFC 9110, section 14.6).
func (t *responder) partHead(i int) string {
	head := "--" + t.boundary + "\r\n" +
		"Content-Type: " + t.resp.mediaType + "\r\n" +
		"Content-Range: " + t.ranges[i].contentRange(t.resp.rep.Size) + "\r\n\r\n"
	if i > 0 {
		head = "\r\n" + head
	}
	return head
}

func (t *responder) closing() string { return "\r\n--" + t.boundary + "--\r\n" }

// appendRepresentation appends the fields that describe a representation.
func (t *responder) appendRepresentation(b []byte) []byte {
	if t.resp.kind != bodyRepresentation {
		return b
	}
	if t.etag != "" && !t.resp.has("ETag") {
		b = appendField(b, "ETag", t.etag)
	}
	if !t.mod.IsZero() && !t.resp.has("Last-Modified") {
		b = append(b, "Last-Modified: "...)
		b = t.mod.UTC().AppendFormat(b, ascii.IMFFixdate)
		b = append(b, "\r\n"...)
	}
	if t.status != 304 && t.resp.rangeable() && !t.resp.has("Accept-Ranges") {
		b = append(b, "Accept-Ranges: bytes\r\n"...)
	}
	if len(t.ranges) == 1 {
		b = appendField(b, "Content-Range", t.ranges[0].contentRange(t.resp.rep.Size))
	}
	return b
}

// putRepresentation puts the representation, or the ranges of it.
func (t *responder) putRepresentation() error {
	rep := t.resp.rep
	if rep.Body == nil {
		return nil
	}
	if m, ok := rep.Body.(*memory); ok && len(t.ranges) == 0 {
		return t.put(m.content)
	}
	if len(t.ranges) == 0 {
		if at, ok := rep.Body.(io.ReaderAt); ok && !t.resp.once {
			return t.copy(section(at, byteRange{0, rep.Size}), rep.Size)
		}
		return t.copy(rep.Body, rep.Size)
	}
	base, err := t.base()
	if err != nil {
		return err
	}
	several := len(t.ranges) > 1
	for i, r := range t.ranges {
		part, err := t.part(base, r)
		if err != nil {
			return err
		}
		if several {
			if err := t.put([]byte(t.partHead(i))); err != nil {
				return err
			}
		}
		if err := t.copy(part, r.length); err != nil {
			return err
		}
	}
	if several {
		return t.put([]byte(t.closing()))
	}
	return nil
}

// base returns where the content of a Body that serves once begins.
func (t *responder) base() (int64, error) {
	if seeker, ok := t.resp.rep.Body.(io.Seeker); ok && t.resp.once {
		return seeker.Seek(0, io.SeekCurrent)
	}
	return 0, nil
}

// part returns a range of the content. A file stays a file, which the connection may
// have a short way for.
func (t *responder) part(base int64, r byteRange) (io.Reader, error) {
	if seeker, ok := t.resp.rep.Body.(io.ReadSeeker); ok && t.resp.once {
		_, err := seeker.Seek(base+r.start, io.SeekStart)
		return seeker, err
	}
	return section(t.resp.rep.Body.(io.ReaderAt), r), nil
}

func section(at io.ReaderAt, r byteRange) io.Reader {
	if r.length < 0 {
		r.length = 1<<63 - 1
	}
	return io.NewSectionReader(at, r.start, r.length)
}
