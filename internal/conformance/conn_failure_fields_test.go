package conformance_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// A response sent in place of one that fails keeps the fields that wrappers have added, such as
// a request ID, but not those that describe its content.
func TestFailedContentKeepsFields(t *testing.T) {
	broken := errors.New("broken")
	fails := func(f func(req *rawhttp.Request) error) func(*rawhttp.Request) *rawhttp.Response {
		return func(req *rawhttp.Request) *rawhttp.Response {
			return rawhttp.StreamFunc(200, "text/csv", func(context.Context, io.Writer) error { return f(req) }).
				Set("ETag", `"1"`).Set("Cache-Control", "max-age=9").Set("Content-Disposition", "attachment").
				Set("X-Id", "7").Add("Set-Cookie", "a=1").Add("Set-Cookie", "b=2").Set("Vary", "Origin")
		}
	}
	const kept = "X-Id: 7\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nVary: Origin\r\n"
	plain := func(status, content string, fields ...string) string {
		fields = append([]string{"X-Content-Type-Options: nosniff", strings.TrimSuffix(kept, "\r\n")}, fields...)
		return textAnswer(status, fields, content)
	}
	once := rawhttp.Stream(200, "a/b", strings.NewReader("")).Set("X-Id", "another client's")
	once.WriteTo(io.Discard)
	another := rawhttp.Stream(200, "a/b", strings.NewReader("")).Set("X-Id", "another client's")
	another.WriteTo(io.Discard)
	parsed, _, err := rawhttp.ParseResponse([]byte("HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-Id: 7\r\nContent-Length: 5\r\n\r\n"), "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, in string
		make     func(*rawhttp.Request) *rawhttp.Response
		page     *rawhttp.Response
		want     string
		why      string
	}{
		{"an error", get11, fails(func(*rawhttp.Request) error { return broken }), nil,
			plain("500 Internal Server Error", "500 Internal Server Error\n"), ""},
		{"a panic", get11, fails(func(*rawhttp.Request) error { panic("on purpose") }), nil,
			plain("500 Internal Server Error", "500 Internal Server Error\n", "Connection: close"), ""},
		{"a page", get11, fails(func(*rawhttp.Request) error { return broken }), rawhttp.HTML(500, "sorry").Set("X-Id", "8").Set("Vary", "Accept"),
			"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 5\r\nX-Id: 8\r\nVary: Accept\r\n" +
				strings.TrimPrefix(kept, "X-Id: 7\r\n") + "\r\nsorry", "the page's own fields take precedence, except that Vary has the values of both"},
		{"content of the request", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", fails(func(req *rawhttp.Request) error {
			_, err := io.ReadAll(req.Body)
			return err
		}), nil, plain("400 Bad Request", "400 Bad Request: chunk size is not a hexadecimal number (RFC 9112, section 7.1)\n", "Connection: close"), ""},
		{"content of the request, ignored", chunkedPost(11), func(req *rawhttp.Request) *rawhttp.Response {
			io.Copy(io.Discard, req.Body)
			return rawhttp.Text(200, "").Set("X-Id", "7")
		}, nil, textAnswer("413 Content Too Large", []string{"X-Content-Type-Options: nosniff", "X-Id: 7", "Connection: close"},
			"413 Content Too Large: content is too large (RFC 9110, section 15.5.14)\n"), ""},
		{"a mistake", get11, func(*rawhttp.Request) *rawhttp.Response {
			return rawhttp.Text(200, "").Set("X-Id", "7").Set("Date", "")
		}, nil,
			ownError("500 Internal Server Error", "Connection: close"), "the fields may be those of another client"},
		{"a Date", get11, func(*rawhttp.Request) *rawhttp.Response { return parsed }, nil,
			ownError("500 Internal Server Error", "X-Id: 7"), "the response to HEAD has no content, and its Date is not that of the 500"},
		{"served before", get11, func(*rawhttp.Request) *rawhttp.Response { return once }, nil,
			ownError("500 Internal Server Error"), "the fields may be those of another client"},
		{"a clone of one served before", get11, func(*rawhttp.Request) *rawhttp.Response { return another.Clone().OnClose(func() {}) }, nil,
			ownError("500 Internal Server Error"), "the fields may be those of another client"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			opts := []rawhttp.Option{rawhttp.WithMaxBodyBytes(10), rawhttp.WithResolver(resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) { return tt.make(req), nil }))}
			opts = append(opts, rawhttp.WithErrorPage(func(context.Context, *rawhttp.Request, int, error) *rawhttp.Response { return tt.page }))
			for range 2 { // the page does not change
				if diff := cmp.Diff(tt.want, talkInMemory(t, tt.in, opts...)); diff != "" {
					t.Errorf("answer (-want +got):\n%s\nwhy: %s", diff, tt.why)
				}
			}
		})
	}
}
