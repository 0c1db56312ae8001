package conformance_test

import (
	"context"
	"strings"
	"testing"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
)

// Answers with 412 and 416 have the fields of the Response that do not describe its content.
func TestFieldsOfFailedPreconditions(t *testing.T) {
	for _, line := range []string{`If-Match: "v2"`, "Range: bytes=20-"} {
		resp := contentOf(contentTag, contentMod).Set("Strict-Transport-Security", "max-age=60").Set("Access-Control-Allow-Origin", "*").
			Set("Vary", "Origin").Set("Set-Cookie", "a=1").Set("X-Content-Type-Options", "nosniff").
			Set("Content-Language", "en").Set("Content-Encoding", "gzip").Set("Content-Disposition", "attachment").
			Set("Cache-Control", "max-age=60").Set("ETag", `"own"`).Set("Last-Modified", contentChanged)
		if line == "Range: bytes=20-" {
			resp.Set("Accept-Ranges", "bytes")
		}
		a := parseAnswer(t, contentAsk(t, resp, "GET", line)) // fails the test if a field occurs twice
		for _, name := range []string{"Strict-Transport-Security", "Access-Control-Allow-Origin", "Vary", "Set-Cookie"} {
			if _, ok := a.Fields[name]; !ok {
				t.Errorf("answer %s to %s has no %s, which is set on the Response", a.Status, line, name)
			}
		}
		for _, name := range []string{"Content-Language", "Content-Encoding", "Content-Disposition", "Cache-Control", "ETag", "Last-Modified"} {
			if v, ok := a.Fields[name]; ok {
				t.Errorf("answer %s to %s has %s: %s, which describes content that is not sent", a.Status, line, name, v)
			}
		}

		cookies := contentOf(contentTag, contentMod).Add("Set-Cookie", "a=1").Add("Set-Cookie", "b=2")
		if answer := contentAsk(t, cookies, "GET", line); !strings.Contains(answer, "\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n") {
			t.Errorf("answer to %s: %q, want both field lines", line, answer)
		}
	}
}

// "The server generating a 304 response MUST generate any of the following header
// fields that would have been sent in a 200 (OK) response to the same request:
// Content-Location, Date, ETag, and Vary". RFC 9110, section 15.4.5.
func TestNotModifiedKeepsContentLocation(t *testing.T) {
	resp := rawhttp.Content(rawhttp.Representation{Body: strings.NewReader("a"), Size: 1, ETag: `"1"`}).
		Set("Content-Location", "/a.en").Set("Content-Language", "en").Set("Vary", "Accept-Language")
	_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return resp, nil })))
	got := talk(t, addr, "GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"1\"\r\n\r\n")
	want := "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nContent-Location: /a.en\r\nVary: Accept-Language\r\n\r\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}
