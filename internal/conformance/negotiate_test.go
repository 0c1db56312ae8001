package conformance_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
)

func TestAccepts(t *testing.T) {
	const none = "(no Accept)"
	tests := []struct {
		accept string
		types  string // separated by blanks
		want   string
		why    string
	}{
		{none, "text/html application/json", "text/html", "the first is the server's choice"},
		{none, "", "", "there is nothing to choose from"},
		{"", "text/html", "", "the client accepts nothing"},
		{"application/json", "text/html application/json", "application/json", ""},
		{"APPLICATION/JSON", "text/html application/json", "application/json", "types are case-insensitive"},
		{"image/png", "text/html application/json", "", "none is accepted"},
		{"*/*", "text/html application/json", "text/html", "of equal types the earlier argument wins"},
		{"text/html, application/json", "application/json text/html", "application/json", "the order in Accept has no meaning"},
		{"text/html;q=0.5, application/json;q=0.9", "text/html application/json", "application/json", ""},
		{"text/html;q=0.001", "text/html", "text/html", ""},
		{"text/html;q=0", "text/html", "", "a weight of 0 means not acceptable"},
		{"text/*, text/html;q=0", "text/html text/plain", "text/plain", "the more specific range decides"},
		{"*/*;q=0.1, text/*;q=0.5, text/plain", "application/json text/html text/plain", "text/plain", ""},
		{"*/*;q=0.1, text/*;q=0.5", "application/json text/html", "text/html", ""},
		{"*/*, application/json;q=0.1", "application/json text/html", "text/html", "specificity takes precedence over weight"},
		{"text/html;level=1", "text/html", "", "a range with a parameter is narrower than the type"},
		{"text/html;level=1", "text/html text/html;level=1", "text/html;level=1", ""},
		{"text/html;level=1;q=0.3, text/html;q=0.7", "text/html;level=1 text/html", "text/html", "as in RFC 9110, section 12.5.1"},
		{"text/html;q=0.3, text/html;level=1;q=0.7", "text/html text/html;level=1", "text/html;level=1", ""},
		{"text/html;level=2", "text/html;level=1", "", "the values of the parameter differ"},
		{`text/html;LEVEL="1"`, "text/html;level=1", "text/html;level=1", "names have no case, values may be quoted"},
		{"text/html; a=1; b=2; q=0.5, text/html;a=1", "text/html;b=2;a=1 text/plain", "text/html;b=2;a=1", "the order of parameters has no meaning"},
		{"text/html;charset=utf-8", "text/html", "text/html", "text without charset is UTF-8"},
		{"text/html;charset=utf-8", "text/html;charset=utf-8", "text/html;charset=utf-8", ""},
		{"text/html;charset=utf-8", "text/html;charset=iso-8859-1", "", ""},
		{"text/html", "text/html;charset=iso-8859-1", "text/html;charset=iso-8859-1", "a range without parameters matches any"},
		{"text/html;q=x", "text/html", "", "a malformed weight counts as 0"},
		{"text/html;q=1;x=y", "text/html", "text/html", "parameters after the weight are not part of the type"},
		{"text/*", "image/png text/csv", "text/csv", ""},
		{"text", "text/html", "", "not a media range"},
		{",, text/html ,", "text/html", "text/html", "empty members are ignored"},
		{"text/html\r\nAccept: application/json;q=0.9", "application/json text/html", "text/html", "several field lines form one list"},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json text/html", "text/html", "a browser"},
	}
	for _, tt := range tests {
		head := "GET / HTTP/1.1\r\nHost: a\r\n"
		if tt.accept != none {
			head += "Accept: " + tt.accept + "\r\n"
		}
		if got := rawhttp.Accepts(requestOf(t, head+"\r\n"), strings.Fields(tt.types)...); got != tt.want {
			t.Errorf("Accepts(%q, %s) = %q, want %q\nwhy: %s", tt.accept, tt.types, got, tt.want, tt.why)
		}
	}
	req := requestOf(t, "GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html;level=1;q=0.5, text/*\r\n\r\n")
	req.Header()
	if n := testing.AllocsPerRun(100, func() { rawhttp.Accepts(req, "application/json", "text/html;level=1") }); n > 0 {
		t.Errorf("Accepts makes %v allocations, want 0", n)
	}
}

func TestPrecondition(t *testing.T) {
	const (
		before = "Fri, 31 Dec 1999 23:00:00 GMT"
		at     = "Sat, 01 Jan 2000 00:00:00 GMT" // the time of the change, and the start of the bubble
		after  = "Sat, 01 Jan 2000 01:00:00 GMT"
	)
	changed := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	strong := rawhttp.Representation{ETag: `"v1"`, ModTime: changed}
	weak := rawhttp.Representation{ETag: `W/"v1"`}
	dated := rawhttp.Representation{ModTime: changed}
	bare := rawhttp.Representation{MediaType: "text/plain"}
	missing := rawhttp.Representation{}
	tests := []struct {
		rep    rawhttp.Representation
		method string
		fields string
		want   int // 0 if Precondition returns nil
		why    string
	}{
		{strong, "PUT", "", 0, "no condition"},
		{strong, "PUT", `If-Match: "v1"`, 0, ""},
		{strong, "PUT", `If-Match: "v0", "v1"`, 0, ""},
		{strong, "PUT", `If-Match: "v0"`, 412, ""},
		{strong, "PUT", `If-Match: W/"v1"`, 412, "the comparison is strong"},
		{weak, "PUT", `If-Match: W/"v1"`, 412, "the comparison is strong"},
		{strong, "PUT", "If-Match: *", 0, ""},
		{bare, "PUT", "If-Match: *", 0, "it exists"},
		{bare, "PUT", `If-Match: "v1"`, 412, ""},
		{missing, "PUT", "If-Match: *", 412, "there is none"},
		{rawhttp.Representation{Size: 5}, "PUT", "If-Match: *", 0, "it exists, since it has content"},
		{missing, "PUT", `If-Match: "v1"`, 412, ""},
		{strong, "PUT", "If-None-Match: *", 412, "it exists"},
		{bare, "PUT", "If-None-Match: *", 412, "it exists"},
		{missing, "PUT", "If-None-Match: *", 0, "the representation does not exist yet"},
		{missing, "PUT", `If-None-Match: "v1"`, 0, ""},
		{strong, "PUT", `If-None-Match: "v1"`, 412, "no 304 to PUT"},
		{strong, "PUT", `If-None-Match: W/"v1"`, 412, "the comparison is weak"},
		{strong, "PUT", `If-None-Match: "v0"`, 0, ""},
		{strong, "DELETE", "If-Unmodified-Since: " + at, 0, ""},
		{strong, "DELETE", "If-Unmodified-Since: " + after, 0, ""},
		{strong, "DELETE", "If-Unmodified-Since: " + before, 412, ""},
		{bare, "DELETE", "If-Unmodified-Since: " + before, 0, "ignored without a date"},
		{missing, "DELETE", "If-Unmodified-Since: " + before, 0, "ignored without a date"},
		{strong, "DELETE", "If-Unmodified-Since: yesterday", 0, "ignored, since it is not a date"},
		{strong, "DELETE", "If-Match: \"v1\"\r\nIf-Unmodified-Since: " + before, 0, "If-Match takes precedence"},
		{strong, "PUT", "If-Modified-Since: " + after, 0, "for GET and HEAD only"},
		{strong, "GET", "If-Modified-Since: " + at, 304, ""},
		{strong, "HEAD", "If-Modified-Since: " + before, 0, ""},
		{strong, "GET", `If-None-Match: "v1"`, 304, ""},
		{strong, "HEAD", `If-None-Match: *`, 304, ""},
		{weak, "GET", `If-None-Match: "v1"`, 304, "the comparison is weak"},
		{missing, "GET", "If-None-Match: *", 0, ""},
		{strong, "GET", "If-None-Match: \"v0\"\r\nIf-Modified-Since: " + after, 0, "If-None-Match takes precedence"},
		{strong, "GET", "If-Match: \"v0\"\r\nIf-None-Match: \"v1\"", 412, "If-Match is first"},
		{dated, "GET", "If-Modified-Since: " + at, 304, ""},
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Minute) // so that the change is no longer recent
		for _, tt := range tests {
			head := tt.method + " / HTTP/1.1\r\nHost: a\r\n"
			if tt.fields != "" {
				head += tt.fields + "\r\n"
			}
			resp := tt.rep.Precondition(requestOf(t, head+"\r\n"))
			got := 0
			if resp != nil {
				got = resp.Status()
			}
			if got != tt.want {
				t.Errorf("Precondition of %s with %q for %+v = %d, want %d\nwhy: %s", tt.method, tt.fields, tt.rep, got, tt.want, tt.why)
			}
		}
	})
}

// Precondition reports a malformed ETag, as Content does. It would never match, so an If-Match
// could not protect against lost updates.
func TestPreconditionOfMalformedETag(t *testing.T) {
	for _, etag := range []string{"v1", `"v1`, `w/"v1"`, `"v 1"`, `"v1" `, "*"} {
		rep := rawhttp.Representation{MediaType: "text/plain", ETag: etag}
		content := rawhttp.Content(rep)
		for _, fields := range []string{"", "If-Match: *\r\n", "If-None-Match: \"v1\"\r\n"} {
			resp := rep.Precondition(requestOf(t, "PUT / HTTP/1.1\r\nHost: a\r\n"+fields+"\r\n"))
			if resp == nil || resp.Err() == nil || resp.Err().Error() != content.Err().Error() {
				t.Errorf("Precondition with the ETag %s of %q: %+v, want the error of Content, %v", etag, fields, resp, content.Err())
			}
		}
	}
}

// WithErrorPage makes the page for a failed precondition, so that an API can answer with JSON.
func TestPreconditionErrorPage(t *testing.T) {
	put := resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Representation{ETag: `"a"`}.Precondition(req), nil
	})
	got := talkInMemory(t, "PUT / HTTP/1.1\r\nHost: a\r\nIf-Match: \"b\"\r\n\r\n", rawhttp.WithResolver(put),
		rawhttp.WithErrorPage(func(_ context.Context, _ *rawhttp.Request, status int, _ error) *rawhttp.Response {
			return rawhttp.Bytes(status, "application/json", []byte("{}"))
		}))
	want := "HTTP/1.1 412 Precondition Failed\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

// Precondition has the same result as Content for a GET, byte for byte.
func TestPreconditionAgreesWithContent(t *testing.T) {
	rep := rawhttp.Representation{MediaType: "text/plain", Body: strings.NewReader("hi"), Size: 2, ETag: `"v1"`, ModTime: time.Date(2020, 1, 1, 0, 0, 0, 5, time.UTC)}
	early := resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
		if resp := rep.Precondition(req); resp != nil {
			return resp, nil
		}
		return rawhttp.Content(rep), nil
	})
	late := resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) { return rawhttp.Content(rep), nil })
	for _, fields := range []string{"", `If-None-Match: "v1"`, `If-Match: "v0"`, "If-Modified-Since: Wed, 01 Jan 2020 00:00:00 GMT"} {
		request := "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n" + fields + "\r\n\r\n"
		if fields == "" {
			request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
		}
		if got, want := rawhttp.Answer(early, request), rawhttp.Answer(late, request); got != want {
			t.Errorf("answer to %q: %q, want that of Content, %q", fields, got, want)
		}
	}
}
