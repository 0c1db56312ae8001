package conformance_test

import (
	"io"
	"net/url"
	"testing"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
)

func TestRequestNames(t *testing.T) {
	head := "POST http://other.test:81/a/%62?c=%64&e HTTP/1.1\r\nHost: example.test\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n"
	req, rest, err := rawhttp.ParseRequest([]byte(head + "5\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	type names struct {
		Method, Target, Path, Prefix, RawQuery, Host, Version, Head, Rest string
		Query                                                             url.Values
		Header                                                            [][2]string
		ContentLength                                                     int64
		Trailer                                                           int
		Conn                                                              rawhttp.ConnInfo
	}
	list := func(h rawhttp.Header) (lines [][2]string) {
		for name, value := range h.All() {
			lines = append(lines, [2]string{name, value})
		}
		return lines
	}
	got := names{
		req.Method(), req.Target(), req.Path(), req.Prefix(), req.RawQuery(), req.Host(), req.Version(), string(req.Head()), string(rest),
		req.Query(), list(req.Header()), req.ContentLength(), req.Trailer().Len(), req.Conn(),
	}
	want := names{
		Method: "POST", Target: "http://other.test:81/a/%62?c=%64&e", Path: "/a/b", Prefix: "", RawQuery: "c=%64&e",
		Host: "other.test:81", Version: "HTTP/1.1", Head: head, Rest: "5\r\n",
		Query:         url.Values{"c": {"d"}, "e": {""}},
		Header:        [][2]string{{"Host", "example.test"}, {"Transfer-Encoding", "chunked"}, {"X-A", "1"}},
		ContentLength: -1,
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b rawhttp.ConnInfo) bool { return a == b })); diff != "" {
		t.Errorf("ParseRequest(%q) (-want +got):\n%s", head, diff)
	}
	if content, err := io.ReadAll(req.Body); len(content) > 0 || err != nil {
		t.Errorf("Body of ParseRequest = %q, %v, want no content", content, err)
	}
	if content, err := io.ReadAll(req.Clone().Body); len(content) > 0 || err != nil {
		t.Errorf("Body of Clone = %q, %v, want no content", content, err)
	}
	if got := req.WithPath("/y").WithPath(""); got.Path() != "/y" {
		t.Errorf("WithPath of an empty path changes the path from /y to %q, want no change", got.Path())
	}
	if got := req.WithPath("/z"); got.Path() != "/z" || got.Target() != req.Target() || req.Path() != "/a/b" {
		t.Errorf("WithPath: path %q, target %q, path of the original %q", got.Path(), got.Target(), req.Path())
	}
	if _, err := req.WithPath("/z").Parse([]byte("HEAD /other HTTP/1.0\r\n\r\n")); err != nil || string(req.Head()) != head {
		t.Errorf("after Parse (%v) of a Request from WithPath, the head of the original is %q, want %q as before", err, req.Head(), head)
	}
}
