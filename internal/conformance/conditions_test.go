package conformance_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// The representation that conditions are evaluated for. Its time is relative to the start of a
// synctest bubble.
const (
	contentText    = "0123456789abcdefghij"
	contentDate    = "Date: Sat, 01 Jan 2000 00:00:00 GMT\r\n"
	contentTag     = `"v1"`
	contentChanged = "Fri, 31 Dec 1999 12:00:00 GMT"
)

// contentMod is contentChanged plus a fraction of a second, which an HTTP-date cannot express.
var contentMod = time.Date(1999, time.December, 31, 13, 0, 0, 987654321, time.FixedZone("", 3600))

// contentOf makes a Response of contentText.
func contentOf(etag string, mod time.Time) *rawhttp.Response {
	return rawhttp.Content(rawhttp.Representation{MediaType: "text/plain", Body: strings.NewReader(contentText), Size: int64(len(contentText)), ModTime: mod, ETag: etag})
}

// contentAsk returns the bytes of the answer to a request with the method and field lines.
func contentAsk(t testing.TB, resp *rawhttp.Response, method string, lines ...string) string {
	t.Helper()
	request := method + " / HTTP/1.1\r\nHost: a\r\n"
	for _, line := range lines {
		request += line + "\r\n"
	}
	var b bytes.Buffer
	if _, err := rawhttp.WriteResponse(context.Background(), &b, requestOf(t, request+"\r\n"), resp); err != nil {
		t.Errorf("WriteResponse to %q: %v", request, err)
	}
	return b.String()
}

// contentStatus returns the status code of an answer.
func contentStatus(t testing.TB, answer string) int {
	t.Helper()
	var status int
	if _, err := fmt.Sscanf(answer, "HTTP/1.1 %d ", &status); err != nil {
		t.Errorf("answer %q: %v", testkit.Shorten(answer), err)
	}
	return status
}

// The conditions of RFC 9110, section 13.1, each by itself.
func TestConditions(t *testing.T) {
	const strong, weak, none = contentTag, `W/"v1"`, ""
	tests := []struct {
		name  string
		etag  string
		lines []string
		want  int
		why   string
	}{
		{"If-Match, any", strong, []string{`If-Match: *`}, 200, ""},
		{"If-Match, any, without a tag", none, []string{`If-Match: *`}, 200, "the condition is only that a representation exists"},
		{"If-Match, the tag", strong, []string{`If-Match: "v1"`}, 200, ""},
		{"If-Match, another", strong, []string{`If-Match: "v2"`}, 412, ""},
		{"If-Match, without a tag", none, []string{`If-Match: "v1"`}, 412, ""},
		{"If-Match, the empty tag, without a tag", none, []string{`If-Match: ""`}, 412, "having no tag is not the same as having an empty one"},
		{"If-Match, list", strong, []string{`If-Match: "v2", "v1"`}, 200, ""},
		{"If-Match, list without blanks", strong, []string{`If-Match: "v2","v1","v3"`}, 200, ""},
		{"If-Match, list with empty members", strong, []string{"If-Match: ,, \"v2\" ,\t, \"v1\","}, 200, "RFC 9110, section 5.6.1.2"},
		{"If-Match, list of others", strong, []string{`If-Match: "v2", "v3"`}, 412, ""},
		{"If-Match, two lines", strong, []string{`If-Match: "v2"`, `if-match: "v1"`}, 200, "several field lines form one list, RFC 9110, section 5.3"},
		{"If-Match, comma in a tag", strong, []string{`If-Match: "v0,"v1","`}, 412, "a comma in a tag does not end it, and the text after the tag is not an entity tag"},
		{"If-Match, text after the tag", strong, []string{`If-Match: "v1"x`}, 412, "not an entity tag"},
		{"If-Match, blank and text after the tag", strong, []string{`If-Match: "v2", "v1" x`}, 412, "not an entity tag"},
		{"If-Match, no comma", strong, []string{`If-Match: "v2" "v1"`}, 412, "one member that is not an entity tag"},
		{"If-Match, no comma and no blank", strong, []string{`If-Match: "v1""v2"`}, 412, "one member that is not an entity tag"},
		{"If-Match, blanks after the tag", strong, []string{"If-Match: \"v1\" \t, x"}, 200, ""},
		{"If-Match, weak", strong, []string{`If-Match: W/"v1"`}, 412, "strong comparison, RFC 9110, section 8.8.3.2"},
		{"If-Match, strong, against a weak tag", weak, []string{`If-Match: "v1"`}, 412, "strong comparison"},
		{"If-Match, weak, against a weak tag", weak, []string{`If-Match: W/"v1"`}, 412, "strong comparison: both must be strong"},
		{"If-Match, any, against a weak tag", weak, []string{`If-Match: *`}, 200, ""},
		{"If-Match, other case", strong, []string{`If-Match: "V1"`}, 412, "a tag is opaque"},
		{"If-Match, no quotes", strong, []string{`If-Match: v1`}, 412, "not an entity tag"},
		{"If-Match, one quote", strong, []string{`If-Match: "v1`}, 412, "not an entity tag"},
		{"If-Match, blank in a tag", `"v"`, []string{`If-Match: "v 1", "v"`}, 412, "etagc excludes the blank, so the rest of the list cannot be parsed"},
		{"If-Match, nothing", strong, []string{`If-Match:`}, 412, "the list is empty"},
		{"If-Match, star among tags", strong, []string{`If-Match: "v2", *`}, 412, "the star is not a member of a list"},

		{"If-None-Match, any", strong, []string{`If-None-Match: *`}, 304, ""},
		{"If-None-Match, any, without a tag", none, []string{`If-None-Match: *`}, 304, "a representation exists"},
		{"If-None-Match, the tag", strong, []string{`If-None-Match: "v1"`}, 304, ""},
		{"If-None-Match, another", strong, []string{`If-None-Match: "v2"`}, 200, ""},
		{"If-None-Match, without a tag", none, []string{`If-None-Match: "v1", ""`}, 200, ""},
		{"If-None-Match, weak", strong, []string{`If-None-Match: W/"v1"`}, 304, "weak comparison, RFC 9110, section 8.8.3.2"},
		{"If-None-Match, strong, against a weak tag", weak, []string{`If-None-Match: "v1"`}, 304, "weak comparison"},
		{"If-None-Match, weak, against a weak tag", weak, []string{`If-None-Match: W/"v1"`}, 304, "weak comparison"},
		{"If-None-Match, weak, another", weak, []string{`If-None-Match: W/"v2"`}, 200, ""},
		{"If-None-Match, list", strong, []string{`If-None-Match: "v3", W/"v2", "v1"`}, 304, ""},
		{"If-None-Match, list without blanks", strong, []string{`If-None-Match: W/"v2",W/"v1","v3"`}, 304, ""},
		{"If-None-Match, list with empty members", strong, []string{`If-None-Match: , "v2",, ,"v1"`}, 304, "RFC 9110, section 5.6.1.2"},
		{"If-None-Match, list of others", strong, []string{`If-None-Match: "v", "v11", W/"1"`}, 200, ""},
		{"If-None-Match, two lines", strong, []string{`If-None-Match: "v2"`, `IF-NONE-MATCH: "v1"`}, 304, "several field lines form one list, RFC 9110, section 5.3"},
		{"If-None-Match, long list", strong, []string{`If-None-Match: ` + strings.Repeat(`"x", `, 1000) + `"v1"`}, 304, ""},
		{"If-None-Match, obs-text", `"é"`, []string{`If-None-Match: "é"`}, 304, "etagc includes obs-text"},
		{"If-None-Match, backslash", `"a\"`, []string{`If-None-Match: "a\"`}, 304, "a tag is not a quoted string, so the backslash escapes nothing, RFC 9110, section 8.8.3"},
		{"If-None-Match, comma in a tag", `"a,b"`, []string{`If-None-Match: "c,d", "a,b"`}, 304, ""},
		{"If-None-Match, empty tag", `""`, []string{`If-None-Match: ""`}, 304, ""},
		{"If-None-Match, lower-case w/", strong, []string{`If-None-Match: w/"v1"`}, 200, "the prefix W/ is case-sensitive"},
		{"If-None-Match, blank after W/", strong, []string{`If-None-Match: W/ "v1"`}, 200, "not an entity tag"},
		{"If-None-Match, no quotes", strong, []string{`If-None-Match: v1`}, 200, "not an entity tag"},
		{"If-None-Match, one quote", strong, []string{`If-None-Match: "v1`}, 200, "not an entity tag"},
		{"If-None-Match, after junk", strong, []string{`If-None-Match: v2, "v1"`}, 200, "a field that cannot be parsed is ignored"},
		{"If-None-Match, before junk", strong, []string{`If-None-Match: "v1", v2`}, 304, "the list contains the tag however the junk is read"},
		{"If-None-Match, text after the tag", strong, []string{`If-None-Match: "v1"x`}, 200, "not an entity tag"},
		{"If-None-Match, nothing", strong, []string{`If-None-Match:`}, 200, ""},
		{"If-None-Match, star among tags", strong, []string{`If-None-Match: "v2", *`}, 200, "the star is not a member of a list"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, method := range []string{"GET", "HEAD"} {
				got := contentStatus(t, contentAsk(t, contentOf(tt.etag, contentMod), method, tt.lines...))
				if got != tt.want {
					t.Errorf("%s of a representation with the ETag %s with %q: status %d, want %d\nwhy: %s", method, tt.etag, tt.lines, got, tt.want, tt.why)
				}
			}
		})
	}
}

// The conditions with a date, of a representation that changed at contentChanged.
func TestDateConditions(t *testing.T) {
	tests := []struct {
		name   string
		values []string
		before bool // the date is before the change
		none   bool // the value is not a date
		why    string
	}{
		{name: "the date", values: []string{contentChanged}, why: "dates have whole seconds, so the fraction of the modification time is ignored"},
		{name: "the date, obsolete form", values: []string{"Friday, 31-Dec-99 12:00:00 GMT"}},
		{name: "the date, asctime form", values: []string{"Fri Dec 31 12:00:00 1999"}},
		{name: "a second later", values: []string{"Fri, 31 Dec 1999 12:00:01 GMT"}},
		{name: "a century later", values: []string{"Fri, 31 Dec 2100 12:00:00 GMT"}, why: "RFC 9110 does not treat future dates differently"},
		{name: "a second earlier", values: []string{"Fri, 31 Dec 1999 11:59:59 GMT"}, before: true},
		{name: "a second earlier, obsolete form", values: []string{"Friday, 31-Dec-99 11:59:59 GMT"}, before: true},
		{name: "a second earlier, asctime form", values: []string{"Fri Dec 31 11:59:59 1999"}, before: true},
		{name: "the epoch", values: []string{"Thu, 01 Jan 1970 00:00:00 GMT"}, before: true},
		{name: "before the epoch", values: []string{"Sun, 06 Nov 1904 08:49:37 GMT"}, before: true},
		{name: "nothing", values: []string{""}, none: true},
		{name: "zero", values: []string{"0"}, none: true},
		{name: "seconds since 1970", values: []string{"946641600"}, none: true},
		{name: "another zone", values: []string{"Fri, 31 Dec 1999 12:00:00 UTC"}, none: true, why: "the zone of an HTTP-date is GMT"},
		{name: "zone as a number", values: []string{"Fri, 31 Dec 1999 12:00:00 +0000"}, none: true},
		{name: "no zone", values: []string{"Fri, 31 Dec 1999 12:00:00"}, none: true},
		{name: "lower case", values: []string{"fri, 31 dec 1999 12:00:00 gmt"}, none: true, why: "HTTP-date is case-sensitive, RFC 9110, section 5.6.7"},
		{name: "a day that does not exist", values: []string{"Fri, 32 Dec 1999 12:00:00 GMT"}, none: true},
		{name: "ISO 8601", values: []string{"1999-12-31T12:00:00Z"}, none: true},
		{name: "in quotes", values: []string{`"Fri, 31 Dec 1999 12:00:00 GMT"`}, none: true},
		{name: "a length after it", values: []string{contentChanged + "; length=20"}, none: true, why: "old browsers sent this, but it is not an HTTP-date"},
		{name: "two in one line", values: []string{contentChanged + ", " + contentChanged}, none: true, why: "more than one member, RFC 9110, section 13.1.3"},
		{name: "two lines", values: []string{contentChanged, contentChanged}, none: true, why: "more than one member, RFC 9110, section 13.1.3"},
		{name: "junk in a line before it", values: []string{"x", contentChanged}, none: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				modified, unmodified := 304, 200
				if tt.before || tt.none {
					modified = 200
				}
				if tt.before {
					unmodified = 412
				}
				for _, c := range []struct {
					field string
					mod   time.Time
					want  int
				}{
					{"If-Modified-Since", contentMod, modified},
					{"If-Unmodified-Since", contentMod, unmodified},
					{"If-Modified-Since", time.Time{}, 200}, // there is no modification date to compare with
					{"If-Unmodified-Since", time.Time{}, 200},
				} {
					var lines []string
					for _, v := range tt.values {
						lines = append(lines, c.field+": "+v)
					}
					for _, method := range []string{"GET", "HEAD"} {
						got := contentStatus(t, contentAsk(t, contentOf(contentTag, c.mod), method, lines...))
						if got != c.want {
							t.Errorf("%s of content that changed at %v with %q: status %d, want %d\nwhy: %s", method, c.mod, lines, got, c.want, tt.why)
						}
					}
				}
			})
		})
	}
}

// RFC 9110, section 13.2.2: which conditions are evaluated, and in which order.
func TestPrecedenceOfConditions(t *testing.T) {
	const (
		match, noMatch     = `If-Match: "v1"`, `If-Match: "v2"`
		same, other        = `If-None-Match: "v1"`, `If-None-Match: "v2"`
		unmodified, edited = "If-Unmodified-Since: Fri, 31 Dec 1999 12:00:00 GMT", "If-Unmodified-Since: Fri, 31 Dec 1999 11:00:00 GMT"
		fresh, stale       = "If-Modified-Since: Fri, 31 Dec 1999 12:00:00 GMT", "If-Modified-Since: Fri, 31 Dec 1999 11:00:00 GMT"
		some, beyond       = "Range: bytes=0-1", "Range: bytes=20-"
	)
	tests := []struct {
		name  string
		lines []string
		want  int
	}{
		{"none", nil, 200},
		{"If-Match in place of If-Unmodified-Since", []string{match, edited}, 200},
		{"If-Match, not If-Unmodified-Since", []string{noMatch, unmodified}, 412},
		{"If-Match that is junk, not If-Unmodified-Since", []string{"If-Match: x", unmodified}, 412},
		{"If-None-Match after If-Match", []string{same, match}, 304},
		{"If-Match before If-None-Match", []string{same, noMatch}, 412},
		{"If-None-Match after If-Unmodified-Since", []string{same, unmodified}, 304},
		{"If-Unmodified-Since before If-None-Match", []string{same, edited}, 412},
		{"If-Modified-Since after If-Match", []string{fresh, match}, 304},
		{"If-Match before If-Modified-Since", []string{fresh, noMatch}, 412},
		{"If-Modified-Since after If-Unmodified-Since", []string{fresh, unmodified}, 304},
		{"If-Unmodified-Since before If-Modified-Since", []string{fresh, edited}, 412},
		{"If-None-Match in place of If-Modified-Since", []string{fresh, other}, 200},
		{"If-None-Match, not If-Modified-Since", []string{stale, same}, 304},
		{"If-None-Match that is junk, not If-Modified-Since", []string{fresh, "If-None-Match: x"}, 200},
		{"empty If-None-Match, not If-Modified-Since", []string{fresh, "If-None-Match:"}, 200},
		{"all that hold", []string{match, edited, other, fresh}, 200},
		{"Range after conditions that hold", []string{some, match, other}, 206},
		{"If-None-Match before Range", []string{some, same}, 304},
		{"If-Modified-Since before Range", []string{some, fresh}, 304},
		{"If-Match before Range", []string{some, noMatch}, 412},
		{"If-Unmodified-Since before Range", []string{some, edited}, 412},
		{"If-None-Match before a Range of nothing", []string{beyond, same}, 304},
		{"If-Match before a Range of nothing", []string{beyond, noMatch}, 412},
		{"a Range of nothing after conditions that hold", []string{beyond, match, other}, 416},
		{"If-Range after the others", []string{some, same, `If-Range: "v2"`}, 304},
		{"If-Range that does not hold, after If-Match", []string{beyond, match, `If-Range: "v2"`}, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := contentStatus(t, contentAsk(t, contentOf(contentTag, contentMod), "GET", tt.lines...))
			if got != tt.want {
				t.Errorf("GET with %q: status %d, want %d", tt.lines, got, tt.want)
			}
		})
	}
}

// The exact bytes of the answers to conditional requests.
func TestConditionalAnswers(t *testing.T) {
	const (
		validators = "ETag: \"v1\"\r\nLast-Modified: " + contentChanged + "\r\n"
		failed     = "HTTP/1.1 412 Precondition Failed\r\n" + contentDate +
			"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 24\r\nX-Content-Type-Options: nosniff\r\n\r\n"
		whole = "HTTP/1.1 200 OK\r\n" + contentDate + "Content-Type: text/plain\r\nContent-Length: 20\r\n" +
			validators + "Accept-Ranges: bytes\r\n"
		own = "Cache-Control: max-age=60\r\nVary: Accept\r\nX-Own: 1\r\n"
	)
	plain := func() *rawhttp.Response { return contentOf(contentTag, contentMod) }
	withOwn := func() *rawhttp.Response {
		return plain().Set("Cache-Control", "max-age=60").Set("Vary", "Accept").Set("X-Own", "1")
	}
	tests := []struct {
		name   string
		make   func() *rawhttp.Response
		method string
		lines  []string
		want   string
		why    string
	}{
		{"200", withOwn, "GET", nil, whole + own + "\r\n" + contentText, ""},
		{"200 to HEAD", withOwn, "HEAD", nil, whole + own + "\r\n", "RFC 9110, section 9.3.2"},
		{"304", withOwn, "GET", []string{`If-None-Match: "v1"`}, "HTTP/1.1 304 Not Modified\r\n" + contentDate + validators + own + "\r\n",
			"a 304 has no content, so no Content-Length and Content-Type (RFC 9110, sections 8.6 and 15.4.5)"},
		{"304 to HEAD", withOwn, "HEAD", []string{`If-None-Match: "v1"`}, "HTTP/1.1 304 Not Modified\r\n" + contentDate + validators + own + "\r\n", ""},
		{"304 by date", plain, "GET", []string{"If-Modified-Since: " + contentChanged}, "HTTP/1.1 304 Not Modified\r\n" + contentDate + validators + "\r\n", ""},
		{"304 without a date", func() *rawhttp.Response { return contentOf(contentTag, time.Time{}) }, "GET", []string{`If-None-Match: *`},
			"HTTP/1.1 304 Not Modified\r\n" + contentDate + "ETag: \"v1\"\r\n\r\n", ""},
		{"304 before the connection closes", plain, "GET", []string{`If-None-Match: *`, "Connection: close"},
			"HTTP/1.1 304 Not Modified\r\n" + contentDate + validators + "Connection: close\r\n\r\n", ""},
		{"412", plain, "GET", []string{`If-Match: "v2"`}, failed + "412 Precondition Failed\n",
			"a recipient would apply the validators to this content"},
		{"412 to HEAD", plain, "HEAD", []string{`If-Match: "v2"`}, failed, "RFC 9110, section 9.3.2"},
		{"POST", plain, "POST", []string{`If-None-Match: "v1"`}, whole + "\r\n" + contentText, "the server evaluates conditions for GET and HEAD only; for other methods the resolver does"},
		{"unknown method", plain, "BREW", []string{`If-Match: "v2"`}, whole + "\r\n" + contentText, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				got := contentAsk(t, tt.make(), tt.method, tt.lines...)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("answer to %s with %q (-want +got):\n%s\nwhy: %s", tt.method, tt.lines, diff, tt.why)
				}
			})
		})
	}
}

// A response that is not a Representation is sent unchanged, whatever conditions and ranges
// the request has.
func TestConditionsApplyOnlyToContent(t *testing.T) {
	lines := []string{`If-None-Match: "v1"`, "If-Modified-Since: " + contentChanged, "Range: bytes=0-0"}
	stream := func() *rawhttp.Response { return rawhttp.Stream(200, "text/plain", strings.NewReader(contentText)) }
	for name, resp := range map[string]*rawhttp.Response{
		"Text":       rawhttp.Text(200, contentText),
		"Bytes":      rawhttp.Bytes(200, "text/plain", []byte(contentText)),
		"Text 404":   rawhttp.Text(404, contentText),
		"Stream":     stream(),
		"StreamFunc": rawhttp.StreamFunc(200, "text/plain", writeEach(contentText)),
		"Empty":      rawhttp.Empty(204),
		"Redirect":   rawhttp.Redirect(302, "/a"),
	} {
		resp.Set("ETag", contentTag).Set("Last-Modified", contentChanged)
		answer := contentAsk(t, resp, "GET", lines...)
		head, _ := splitHead(answer)
		if got := contentStatus(t, answer); got != resp.Status() {
			t.Errorf("%s: status %d, want its own, %d", name, got, resp.Status())
		}
		if strings.Contains(head, "Accept-Ranges") || strings.Count(head, "ETag: ") != 1 {
			t.Errorf("%s: head %q, want its own fields and no Accept-Ranges", name, head)
		}
	}
	for _, condition := range []string{`If-Match: "v2"`, "If-Unmodified-Since: Fri, 31 Dec 1999 11:00:00 GMT"} {
		resp := stream().Set("ETag", contentTag).Set("Last-Modified", contentChanged)
		if got := contentStatus(t, contentAsk(t, resp, "GET", condition)); got != 200 {
			t.Errorf("Stream, GET with %q: status %d, want 200", condition, got)
		}
	}
}
