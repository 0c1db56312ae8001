package rawhttp

import (
	"errors"
	"hash/fnv"
	"io"
	"strconv"
	"strings"
	"time"

	"example.com/rawhttp/internal/ascii"
)

// isETag reports whether s is an entity tag:
//
//	entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE
//
// RFC 9110, section 8.8.3.
func isETag(s string) bool {
	tag, rest, ok := cutETag(s)
	return ok && rest == "" && tag == s
}

// cutETag cuts the entity tag from the beginning of s.
func cutETag(s string) (tag, rest string, ok bool) {
	start := 0
	if strings.HasPrefix(s, "W/") {
		start = 2
	}
	if len(s) == start || s[start] != '"' {
		return "", s, false
	}
	for i := start + 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return s[:i+1], s[i+1:], true
		case c < '!' || c == 0x7f:
			return "", s, false
		}
	}
	return "", s, false
}

// fileETag returns the entity tag of a file, made from its modification time and size, or
// "" without a time. The tag is weak as long as the file may change again without a change
// of either.
func fileETag(mod time.Time, size int64, now time.Time) string {
	if mod.IsZero() {
		return ""
	}
	b := make([]byte, 0, 32)
	if now.Sub(mod) < youngest {
		b = append(b, "W/"...)
	}
	b = append(b, '"')
	b = strconv.AppendInt(b, mod.UnixNano(), 36)
	b = append(b, '-')
	b = strconv.AppendInt(b, size, 36)
	return string(append(b, '"'))
}

// A comparison is the strong or weak comparison of RFC 9110, section 8.8.3.2.
type comparison func(a, b string) bool

func strongly(a, b string) bool { return a == b && !strings.HasPrefix(a, "W/") }
func weakly(a, b string) bool   { return strings.TrimPrefix(a, "W/") == strings.TrimPrefix(b, "W/") }

// matches reports whether the entity tag is in the lists of the field, or a list is "*".
// The rest of a list is ignored from the first invalid member on.
func matches(h Header, field, etag string, same comparison) bool {
	for list := range h.Values(field) {
		if list == "*" {
			return true
		}
		for list != "" {
			list = strings.TrimLeft(list, " \t,")
			tag, rest, ok := cutETag(list)
			rest = strings.TrimLeft(rest, " \t")
			if !ok || rest != "" && rest[0] != ',' {
				break
			}
			if etag != "" && same(tag, etag) {
				return true
			}
			list = rest
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

// date returns the date in a field, if it is valid.
func (h Header) date(name string) (t time.Time, ok bool) {
	value, ok := h.lone(name)
	if !ok {
		return t, false
	}
	return ascii.ParseDate(value, time.Now())
}

// validators are the validators of a representation (RFC 9110, section 8.8).
type validators struct {
	etag    string    // as sent; "" means none
	mod     time.Time // as sent, in whole seconds; zero means none
	settled bool      // mod is old enough that a later change will have another time
	shared  bool      // other representations of the resource may have the same mod
	missing bool      // there is no representation
}

// validatorsOf returns what is sent of an entity tag and a time of change. "An origin server
// with a clock MUST NOT generate a Last-Modified date that is later than the server's time of
// message origination (Date)." RFC 9110, section 8.8.2.1.
func validatorsOf(etag string, mod, now time.Time, hasClock bool) validators {
	v := validators{etag: etag, mod: mod, settled: now.Sub(mod) >= youngest}
	if hasClock && v.mod.After(now) {
		v.mod = now
	}
	v.mod = v.mod.Truncate(time.Second)
	if year := v.mod.UTC().Year(); year < 0 || year > 9999 { // no HTTP-date can say it
		v.mod = time.Time{}
	}
	return v
}

// youngest is how old a modification time must be to be certain that later changes have
// another time, since the resolution of file systems is up to two seconds.
const youngest = 2 * time.Second

// unchangedSince reports whether there was certainly no change after t. Until the time is
// settled, the content may change again without it.
func (v *validators) unchangedSince(t time.Time) bool {
	return !v.mod.After(t) && (v.settled || t.Sub(v.mod) >= youngest)
}

// conditionStatus evaluates the preconditions of a request in the order of RFC 9110, section
// 13.2.2: 200 to go on, 304 or 412.
func conditionStatus(req *Request, v *validators) int {
	h, reads := req.Header(), req.isGet() || req.isHead()
	switch {
	case h.has("If-Match"):
		if v.missing || !matches(h, "If-Match", v.etag, strongly) {
			return 412
		}
	case !v.mod.IsZero():
		if since, ok := h.date("If-Unmodified-Since"); ok && !v.unchangedSince(since) {
			return 412
		}
	}
	switch {
	case h.has("If-None-Match"):
		switch {
		case v.missing || !matches(h, "If-None-Match", v.etag, weakly):
		case reads:
			return 304
		default:
			return 412
		}
	case !v.mod.IsZero() && reads:
		if since, ok := h.date("If-Modified-Since"); ok && v.unchangedSince(since) {
			return 304
		}
	}
	return 200
}

// Precondition evaluates the preconditions of a request for rep, as the server does for a GET
// of [Content]: If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since, in the
// order of RFC 9110, section 13.2.2. It returns nil if the request is to be carried out, a 304
// for a GET or HEAD of what the client has already, and otherwise a 412 (Precondition Failed), for
// which the server asks [WithErrorPage], as with [ErrorResponse]. Precondition
// is for PUT, DELETE and other methods that must not undo what another client has changed, and
// for a GET whose content takes time to make.
//
// rep is the representation as it is before the request. Its ETag and ModTime are compared; its
// Body is neither read nor closed. The zero Representation stands for one that does not exist:
// no If-Match is true for it, and "If-None-Match: *" is, by which a client creates a resource
// but does not replace it. A representation that exists but has no validators must have a
// MediaType, to be told from that.
//
// A weak ETag never satisfies If-Match. A ModTime of the last two seconds does not satisfy
// If-Unmodified-Since at the same time, since another change might not show. Precondition and
// the change must be one step: the caller holds a lock, or the storage compares versions.
func (rep Representation) Precondition(req *Request) *Response {
	if req == nil {
		panic("rawhttp: Precondition: the Request is nil")
	}
	v := validatorsOf(rep.ETag, rep.ModTime, time.Now(), true)
	v.missing = rep.MediaType == "" && rep.Body == nil && rep.Size == 0 && rep.ModTime.IsZero() && rep.ETag == ""
	switch status := conditionStatus(req, &v); status {
	case 304:
		r := Empty(304)
		if v.etag != "" {
			r.Set("ETag", v.etag)
		}
		if !v.mod.IsZero() {
			r.Set("Last-Modified", v.mod.UTC().Format(ascii.IMFFixdate))
		}
		return r
	case 412:
		return ErrorResponse(&StatusError{Status: 412, Err: errors.New("a precondition is false")})
	}
	return nil
}

// rangeApplies evaluates If-Range (RFC 9110, section 13.1.5), and reports true if there is
// none. A date matches only if it is a strong validator: "a validator is weak if it is
// shared by two or more representations of a given resource at the same time" RFC 9110,
// section 8.8.1.
func rangeApplies(h Header, v *validators) bool {
	if !h.has("If-Range") {
		return true
	}
	value, alone := h.lone("If-Range")
	if !alone {
		return false
	}
	if strings.HasPrefix(value, `"`) || strings.HasPrefix(value, "W/") {
		return v.etag != "" && strongly(value, v.etag)
	}
	date, ok := h.date("If-Range")
	return ok && !v.mod.IsZero() && v.mod.Equal(date) && v.settled && !v.shared
}

// A byteRange is a range of length bytes from offset start.
type byteRange struct{ start, length int64 }

const (
	maxRanges     = 16
	maxRangeBytes = 1 << 10
)

// parseRanges parses a Range field for a representation of size bytes (RFC 9110, section
// 14.1.2). It reports false if the field must be ignored: another unit, invalid syntax,
// empty content, or more than this package serves (16 ranges, size bytes in total, 1 KiB of
// field). Ranges are cut off at the end of the content, and those beyond it are dropped; if
// none is left, the response is 416.
func parseRanges(field string, size int64) (ranges []byteRange, ok bool) {
	if size == 0 {
		return nil, false // "A server [...] MAY ignore a Range header field when the selected representation has no content" RFC 9110, section 14.2
	}
	unit, set, found := strings.Cut(field, "=")
	if !found || !ascii.EqualFold(unit, "bytes") || len(field) > maxRangeBytes {
		return nil, false
	}
	n, sum := 0, int64(0)
	for more := true; more; {
		var spec string
		if spec, set, more = ascii.NextMember(set); spec == "" {
			continue // "A recipient MUST parse and ignore a reasonable number of empty list elements" RFC 9110, section 5.6.1.2
		}
		if n++; n > maxRanges {
			return nil, false
		}
		r, ok := parseRange(spec, size)
		if !ok || r.length > size-sum {
			return nil, false
		}
		if r.length > 0 {
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
	case first == "": // the last b bytes
		return byteRange{size - b, b}, true
	case last == "":
		return byteRange{a, size - a}, true
	case less(last, first):
		return r, false // "invalid if the last-pos value is present and less than the first-pos" section 14.1.1
	case a == size:
		return r, true
	}
	return byteRange{a, min(b+1, size) - a}, true
}

// parseClamped parses a decimal number, limited to size; "" is 0.
func parseClamped(digits string, size int64) (n int64, ok bool) {
	for i := range len(digits) {
		if !ascii.IsDigit(digits[i]) {
			return 0, false
		}
		if n > size/10 {
			n = size
			continue
		}
		n = min(n*10+int64(digits[i]-'0'), size)
	}
	return n, true
}

// less reports whether the decimal number a is less than b.
func less(a, b string) bool {
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

// A selection is the part of a representation that a request gets.
type selection struct {
	status int         // 200, 206, 304, 412 or 416
	ranges []byteRange // with 206: one, or several as multipart/byteranges
}

// choose evaluates the conditions and ranges of a GET or HEAD for a representation of size
// bytes, in the order of RFC 9110, section 13.2.2. rangeable reports whether ranges can be
// served.
func choose(req *Request, v *validators, size int64, rangeable bool) selection {
	h := req.Header()
	if status := conditionStatus(req, v); status != 200 {
		return selection{status: status}
	}
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

// hasConditions reports whether the request may have conditions or ranges.
func (r *Request) hasConditions() bool {
	for i := range r.head.Fields {
		name := r.head.Fields[i].Name.Of(r.head.Text)
		if ascii.HasPrefixFold(name, "If-") || ascii.EqualFold(name, "Range") {
			return true
		}
	}
	return false
}

// boundary returns the boundary of multipart content (RFC 9110, section 14.6). It depends
// only on the representation and the ranges, so that responses are reproducible. A file is
// no more likely to contain it than a random boundary.
func boundary(etag string, size int64, ranges []byteRange) string {
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
