package rawhttp

import (
	"errors"
	"strings"
	"time"

	"example.com/rawhttp/internal/ascii"
)

// A comparison is the strong or weak comparison of RFC 9110, section 8.8.3.2.
type comparison func(a, b string) bool

// strongEqual and weakEqual compare entity tags, whose prefix W/ is case-sensitive (RFC 9110,
// section 8.8.3).
func strongEqual(a, b string) bool { return a == b && !strings.HasPrefix(a, "W/") }
func weakEqual(a, b string) bool   { return strings.TrimPrefix(a, "W/") == strings.TrimPrefix(b, "W/") }

// matchesETag reports whether the entity tag is in the lists of the field, or a list is "*".
// The rest of a list is ignored from the first invalid member on. An entity tag may contain a
// comma, so the list is not split at commas.
func matchesETag(h Header, field, etag string, same comparison) bool {
	for list := range h.Values(field) {
		if list == "*" {
			return true
		}
		for list != "" {
			list = strings.TrimLeft(list, " \t,")
			tag, rest, ok := ascii.CutEntityTag(list)
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

// validatorsOf returns the validators to send for an entity tag and a modification time. "An
// origin server with a clock [...] MUST NOT generate a Last-Modified date that is later than the
// server's time of message origination [...]. If the last modification time is derived from
// implementation-specific metadata that evaluates to some time in the future [...], then the
// origin server MUST replace that value with the message origination date." RFC 9110, section
// 8.8.2.1.
func validatorsOf(etag string, mod, now time.Time, hasClock bool) validators {
	v := validators{etag: etag, mod: mod, settled: now.Sub(mod) >= settledAge}
	if hasClock && v.mod.After(now) {
		v.mod = now
	}
	// An HTTP-date has no fractions of a second, and four digits for the year. Comparisons use
	// what was sent.
	v.mod = v.mod.Truncate(time.Second)
	if year := v.mod.UTC().Year(); year < 0 || year > 9999 {
		v.mod = time.Time{}
	}
	return v
}

// settledAge is how old a modification time must be to be certain that later changes have
// another time, since the resolution of file systems is up to two seconds.
const settledAge = 2 * time.Second

// unchangedSince reports whether there was certainly no change after t. Until the time is
// settled, the content may change again while the time stays the same: a date "might be a weak
// validator if it is possible for the representation to be modified twice during a single
// second". RFC 9110, section 8.8.1.
func (v *validators) unchangedSince(t time.Time) bool {
	return !v.mod.After(t) && (v.settled || t.Sub(v.mod) >= settledAge)
}

// conditionStatus evaluates the preconditions of a request in the order of RFC 9110, section
// 13.2.2: 200 to go on, 304 or 412.
func conditionStatus(req *Request, v *validators) int {
	h, reads := req.Header(), req.isGet() || req.isHead()
	// A date is not looked at if there is an entity tag: "the condition in If-Match is considered
	// to be a more accurate replacement". RFC 9110, section 13.1.4. The same goes for
	// If-None-Match (section 13.1.3).
	switch {
	case h.has("If-Match"):
		if v.missing || !matchesETag(h, "If-Match", v.etag, strongEqual) {
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
		case v.missing || !matchesETag(h, "If-None-Match", v.etag, weakEqual):
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
// order of RFC 9110, section 13.2.2. It returns nil if the request should be carried out. It
// returns a 304 for a GET or HEAD of content that the client already has, and otherwise a 412
// (Precondition Failed), for which the server calls [WithErrorPage], as for [ErrorResponse].
//
// Use it for PUT, DELETE and other methods, so that they do not undo a change by another
// client, and for a GET whose content takes time to make.
//
// rep is the representation before the request. Precondition compares its ETag and ModTime; it
// neither reads nor closes Body. The zero Representation stands for one that does not exist:
// then If-Match is always false, and "If-None-Match: *", with which a client asks to create a
// resource but not to replace one, is true. A representation that exists but has no validators
// must have a MediaType, to distinguish it from the zero one.
//
// A weak ETag never satisfies If-Match. A ModTime of the last two seconds does not satisfy an
// If-Unmodified-Since of the same time, since another change might not show. Nothing must
// change rep between Precondition and the change: hold a lock, or let the storage compare
// versions.
//
// If the ETag is malformed, Precondition returns a Response whose Err reports that, as
// [Content] does, whatever the request. The server answers it with 500.
func (rep Representation) Precondition(req *Request) *Response {
	if req == nil {
		panic("rawhttp: Precondition: the Request is nil")
	}
	if r := Empty(500); r.checkETag(rep.ETag).err != nil { // nil would mean: go on
		return r
	}
	v := validatorsOf(rep.ETag, rep.ModTime, time.Now(), true)
	v.missing = rep.MediaType == "" && rep.Body == nil && rep.Size == 0 && rep.ModTime.IsZero() && rep.ETag == ""
	switch status := conditionStatus(req, &v); status {
	case 304: // with the validators, so that caches can tell which stored response it is for
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
// section 8.8.1. A wrong match would make the client join parts of different content, so what
// cannot be understood does not match.
func rangeApplies(h Header, v *validators) bool {
	if !h.has("If-Range") {
		return true
	}
	value, alone := h.lone("If-Range")
	if !alone {
		return false
	}
	if strings.HasPrefix(value, `"`) || strings.HasPrefix(value, "W/") {
		return v.etag != "" && strongEqual(value, v.etag)
	}
	date, ok := h.date("If-Range")
	return ok && !v.mod.IsZero() && v.mod.Equal(date) && v.settled && !v.shared
}

// hasConditions reports whether the request may have conditions or ranges. Most requests have
// none, and are answered without evaluating each field.
func (r *Request) hasConditions() bool {
	for i := range r.head.Fields {
		name := r.head.Fields[i].Name.Of(r.head.Text)
		mayBeIf := ascii.Lower(name[0]) == 'i' // rules most fields out, without a call
		if mayBeIf && ascii.HasPrefixFold(name, "If-") || ascii.EqualFold(name, "Range") {
			return true
		}
	}
	return false
}

// setValidators sets the validators. Fields that are Set replace those of the Representation also
// where conditions are evaluated: a client can send back only what it has received.
func (t *responder) setValidators(now time.Time) {
	etag, mod := t.resp.rep.ETag, t.resp.rep.ModTime
	if t.resp.has("ETag") {
		etag = t.resp.get("ETag")
	}
	isSet := t.resp.has("Last-Modified")
	if isSet { // sent as it is, so not moved to the present either
		mod, _ = ascii.ParseDate(t.resp.get("Last-Modified"), now)
	}
	t.validators = validatorsOf(etag, mod, now, !isSet && t.format.date != nil)
}
