package rawhttp

import (
	"hash/fnv"
	"io"
	"strconv"
	"strings"
	"time"

	"example.com/rawhttp/internal/ascii"
	"example.com/rawhttp/internal/wire"
)

// represent applies the conditions and ranges of the request to a representation: the
// response becomes 304, 412, 206 or 416, or stays as it is (RFC 9110, sections 13 and 14).
func (t *responder) represent() {
	t.selection = selection{status: t.resp.Status()}
	if !t.resp.isRepresentation() {
		return
	}
	t.setValidators(time.Now()) // for the fields ETag and Last-Modified, with any method
	if !t.req.isGet() && !t.req.isHead() || !t.req.hasConditions() {
		return // with another method, the resolver has acted on the request already
	}
	// A file and its sidecars may have been changed in the same second.
	t.shared = t.resp.isNegotiated()
	size := t.resp.rep.Size
	sel := selectPart(t.req, &t.validators, size, t.resp.rangeable())
	t.selection = sel
	if len(sel.ranges) > 1 {
		t.boundary = newBoundary(t.etag, size, sel.ranges)
	}
	if sel.status != 412 && sel.status != 416 {
		return
	}
	// t.resp may be shared by requests, so the response is another one. Closing t.resp stays with
	// the caller.
	refusal := errorResponse(&StatusError{Status: sel.status})
	refusal.closeAfter = t.resp.closeAfter
	refusal.keepFields(t.resp)
	// The client learns from it which ranges can be satisfied (RFC 9110, section 15.5.17).
	if sel.status == 416 {
		refusal.Set("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
	}
	t.resp = refusal
}

// rangeable reports whether ranges of the content can be served.
func (r *Response) rangeable() bool {
	if r.rep.Size < 0 { // positions from the end, and the complete length, are unknown
		return false
	}
	switch r.rep.Body.(type) {
	case io.ReaderAt, io.Seeker:
		return true
	}
	return false
}

// representationSize returns the length of the representation, or of its selected ranges.
func (t *responder) representationSize() int64 {
	switch len(t.ranges) {
	case 0:
		return t.resp.rep.Size
	case 1:
		return t.ranges[0].length
	}
	size := int64(len(t.lastDelimiter())) // the delimiters count, too: all of it is the content
	for i, r := range t.ranges {
		size += int64(len(t.partHead(i))) + r.length
	}
	return size
}

// partHead returns the delimiter and fields before part i (RFC 9110, section 14.6).
func (t *responder) partHead(i int) string {
	head := "--" + t.boundary + "\r\n" +
		"Content-Type: " + t.resp.mediaType + "\r\n" +
		"Content-Range: " + t.ranges[i].contentRange(t.resp.rep.Size) + "\r\n\r\n"
	if i > 0 {
		head = "\r\n" + head
	}
	return head
}

// lastDelimiter returns the delimiter after the last part.
func (t *responder) lastDelimiter() string { return "\r\n--" + t.boundary + "--\r\n" }

// appendRepresentation appends the fields that describe a representation. "To avoid confusion
// with single-part responses, a server MUST NOT generate a Content-Range header field in the
// HTTP header section of a multiple part response". RFC 9110, section 15.3.7.2.
func (t *responder) appendRepresentation(b []byte) []byte {
	if !t.resp.isRepresentation() {
		return b
	}
	if t.etag != "" && !t.resp.has("ETag") {
		b = wire.AppendField(b, "ETag", t.etag)
	}
	// A field that was Set is sent with the others, as it is.
	if !t.mod.IsZero() && !t.resp.has("Last-Modified") {
		b = append(b, "Last-Modified: "...)
		b = t.mod.UTC().AppendFormat(b, ascii.IMFFixdate)
		b = append(b, "\r\n"...)
	}
	if t.status != 304 && t.resp.rangeable() && !t.resp.has("Accept-Ranges") {
		b = append(b, "Accept-Ranges: bytes\r\n"...)
	}
	if len(t.ranges) == 1 {
		b = wire.AppendField(b, "Content-Range", t.ranges[0].contentRange(t.resp.rep.Size))
	}
	return b
}

// putRepresentation puts the representation, or its selected ranges.
func (t *responder) putRepresentation() error {
	rep := t.resp.rep
	if rep.Body == nil {
		return nil
	}
	if m, ok := rep.Body.(*memoryContent); ok && len(t.ranges) == 0 { // without a copy
		return t.put(m.content)
	}
	if len(t.ranges) == 0 {
		// The position of a Body that serves any number of times must not change: other
		// responses may be reading it.
		if at, ok := rep.Body.(io.ReaderAt); ok && !t.resp.once {
			return t.copy(newSection(at, byteRange{0, rep.Size}), rep.Size)
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
		return t.put([]byte(t.lastDelimiter()))
	}
	return nil
}

// base returns the position in Body where its content begins, if it serves once. A program may
// have read a part of it, such as a header of its own, before it made the Representation.
func (t *responder) base() (int64, error) {
	if seeker, ok := t.resp.rep.Body.(io.Seeker); ok && t.resp.once && !t.resp.atStart {
		return seeker.Seek(0, io.SeekCurrent)
	}
	return 0, nil
}

// part returns a range of the content. A large range of a file remains a file, so that the
// connection can use sendfile; a small one is read at its offset, without a seek.
func (t *responder) part(base int64, r byteRange) (io.Reader, error) {
	readAt := !t.resp.once || t.resp.atStart && r.length <= scratchSize
	if seeker, ok := t.resp.rep.Body.(io.ReadSeeker); ok && !readAt {
		_, err := seeker.Seek(base+r.start, io.SeekStart)
		return seeker, err
	}
	return newSection(t.resp.rep.Body.(io.ReaderAt), r), nil
}

// newSection returns a reader of the range, or of everything from its start if its length is
// negative.
func newSection(at io.ReaderAt, r byteRange) io.Reader {
	if r.length < 0 {
		r.length = 1<<63 - 1
	}
	return io.NewSectionReader(at, r.start, r.length)
}

// A selection is the part of a representation that a request gets.
type selection struct {
	status int         // 200, 206, 304, 412 or 416
	ranges []byteRange // with 206: one, or several as multipart/byteranges
}

// selectPart evaluates the conditions and ranges of a GET or HEAD for a representation of size
// bytes, in the order of RFC 9110, section 13.2.2. rangeable reports whether ranges can be
// served.
func selectPart(req *Request, v *validators, size int64, rangeable bool) selection {
	h := req.Header()
	if status := conditionStatus(req, v); status != 200 {
		return selection{status: status}
	}
	// "GET is the only method for which range handling is defined." RFC 9110, section 14.2. Nor
	// is Range a list whose lines could be joined.
	field, alone := h.lone("Range")
	if !alone || !rangeable || !req.isGet() || !rangeApplies(h, v) {
		return selection{status: 200}
	}
	ranges, ok := parseRanges(field, size)
	switch {
	case !ok:
		return selection{status: 200}
	case len(ranges) == 0:
		return selection{status: 416}
	}
	return selection{206, ranges}
}

// A byteRange is a range of length bytes from offset start.
type byteRange struct{ start, length int64 }

// Limits on a Range field. "Servers ought to ignore, coalesce, or reject egregious range
// requests, such as requests for more than two overlapping ranges or for many small ranges in a
// single set". RFC 9110, section 17.15. A reader of documents needs a few ranges at most.
const (
	maxRanges     = 16
	maxRangeBytes = 1 << 10 // of the field, since empty list members are not counted as ranges
)

// parseRanges parses a Range field for a representation of size bytes (RFC 9110, section
// 14.1.2). It reports false if the field must be ignored: another unit, invalid syntax,
// empty content, or more than this package serves (16 ranges, size bytes in total, 1 KiB of
// field). Ranges are cut off at the end of the content, and those beyond it are dropped; if
// none is left, the response is 416.
func parseRanges(field string, size int64) (ranges []byteRange, ok bool) {
	if size == 0 {
		// "A server [...] MAY ignore a Range header field when the selected representation has
		// no content" RFC 9110, section 14.2.
		return nil, false
	}
	unit, set, found := strings.Cut(field, "=")
	if !found || !ascii.EqualFold(unit, "bytes") || len(field) > maxRangeBytes {
		return nil, false
	}
	n, sum := 0, int64(0)
	for more := true; more; {
		var spec string
		if spec, set, more = ascii.NextMember(set); spec == "" {
			// "A recipient MUST parse and ignore a reasonable number of empty list elements" RFC
			// 9110, section 5.6.1.2.
			continue
		}
		if n++; n > maxRanges {
			return nil, false
		}
		r, ok := parseRange(spec, size)
		if !ok || r.length > size-sum { // the ranges overlap, and would cost more than the whole
			return nil, false
		}
		if r.length > 0 { // otherwise it cannot be satisfied; others may
			ranges = append(ranges, r)
			sum += r.length
		}
	}
	return ranges, n > 0
}

// parseRange parses one range. Its length is 0 if it cannot be satisfied.
func parseRange(spec string, size int64) (r byteRange, ok bool) {
	first, last, found := strings.Cut(spec, "-")
	if !found || first == "" && last == "" {
		return r, false
	}
	a, okA := parseClamped(first, size)
	b, okB := parseClamped(last, size)
	switch {
	case !okA || !okB:
		return r, false
	case first == "": // the last b bytes; "-0" cannot be satisfied
		return byteRange{size - b, b}, true
	case last == "": // if a is size, the length is 0: it cannot be satisfied
		return byteRange{a, size - a}, true
	case decimalLess(last, first):
		// "invalid if the last-pos value is present and less than the first-pos" section 14.1.1.
		return r, false
	}
	return byteRange{a, min(b+1, size) - a}, true // beyond the end, a is size, and the length is 0
}

// parseClamped parses a decimal number, limited to size; "" is 0. "Since there is no predefined
// limit to the length of content, recipients MUST anticipate potentially large decimal numerals
// and prevent parsing errors due to integer conversion overflows." RFC 9110, section 14.1.2.
func parseClamped(digits string, size int64) (n int64, ok bool) {
	for i := range len(digits) {
		if !ascii.IsDigit(digits[i]) {
			return 0, false
		}
		if n > size/10 { // n*10 exceeds size and may overflow; later digits must still be digits
			n = size
			continue
		}
		n = min(n*10+int64(digits[i]-'0'), size)
	}
	return n, true
}

// decimalLess reports whether the decimal number a is less than b. Both may have any number of
// digits: once clamped, an invalid range beyond the end would look valid.
func decimalLess(a, b string) bool {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}

// contentRange returns the value of a Content-Range field (RFC 9110, section 14.4).
func (r byteRange) contentRange(size int64) string {
	return "bytes " + strconv.FormatInt(r.start, 10) + "-" + strconv.FormatInt(r.start+r.length-1, 10) + "/" + strconv.FormatInt(size, 10)
}

// newBoundary returns the boundary of multipart content (RFC 9110, section 14.6). It depends
// only on the representation and the ranges, so that responses are reproducible. A file is no
// more likely to contain it by chance than a random boundary. The author of a file, who may know
// its time and size, can make the file contain it, but then only ranges of that file are misread.
// The boundary needs no quotes in Content-Type, which "some existing implementations handle [...]
// incorrectly" (the same section).
func newBoundary(etag string, size int64, ranges []byteRange) string {
	h := fnv.New128a()
	io.WriteString(h, etag)
	for _, r := range ranges {
		io.WriteString(h, r.contentRange(size))
	}
	const digits = "0123456789abcdef"
	b := []byte("rawhttp-")
	for _, c := range h.Sum(nil) {
		b = append(b, digits[c>>4], digits[c&15])
	}
	return string(b)
}
