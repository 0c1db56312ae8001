package conformance_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// The server answers "OPTIONS *" and TRACE itself and refuses CONNECT. If a resolver answers
// OPTIONS with 405, the server sends 204 with the same Allow.
func TestOPTIONS(t *testing.T) {
	root := t.TempDir()
	noContent := func(allow string) string {
		return "HTTP/1.1 204 No Content\r\nAllow: " + allow + "\r\nX-Content-Type-Options: nosniff\r\n\r\n"
	}
	returns := func(resp *rawhttp.Response, err error) rawhttp.Option {
		return rawhttp.WithResolver(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return resp, err }))
	}
	never := rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		t.Errorf("Resolve was called for %s %s", req.Method(), req.Target())
		return nil, nil
	}))
	page := rawhttp.WithErrorPage(func(_ context.Context, _ *rawhttp.Request, status int, err error) *rawhttp.Response {
		return rawhttp.Text(status, "page")
	})
	tests := []struct {
		name, in string
		opts     []rawhttp.Option
		want     string
	}{{
		name: "asterisk",
		in:   "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
		opts: []rawhttp.Option{never},
		want: noContent("GET, HEAD, OPTIONS"),
	}, {
		name: "asterisk with content",
		in:   "OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
		opts: []rawhttp.Option{never},
		want: noContent("GET, HEAD, OPTIONS") + noContent("GET, HEAD, OPTIONS"),
	}, {
		name: "the resolver refuses with an error",
		in:   "OPTIONS /a HTTP/1.1\r\nHost: a\r\n\r\n",
		opts: []rawhttp.Option{returns(nil, &rawhttp.StatusError{Status: 405, Allow: []string{"GET", "PUT"}})},
		want: noContent("GET, PUT"),
	}, {
		name: "the resolver refuses with a wrapped error, and there is an error page",
		in:   "OPTIONS /a HTTP/1.1\r\nHost: a\r\n\r\n",
		opts: []rawhttp.Option{returns(nil, fmt.Errorf("no: %w", &rawhttp.StatusError{Status: 405, Allow: []string{"GET"}})), page},
		want: noContent("GET"),
	}, {
		name: "the resolver answers 405",
		in:   "OPTIONS /a HTTP/1.1\r\nHost: a\r\n\r\n",
		opts: []rawhttp.Option{returns(rawhttp.MethodNotAllowed("DELETE", "PUT"), nil)},
		want: noContent("DELETE, PUT"),
	}, {
		name: "the resolver answers OPTIONS",
		in:   "OPTIONS /a HTTP/1.1\r\nHost: a\r\n\r\n",
		opts: []rawhttp.Option{returns(rawhttp.Text(200, "mine"), nil)},
		want: okAnswer("mine"),
	}, {
		name: "the resolver declines",
		in:   "OPTIONS /a HTTP/1.1\r\nHost: a\r\n\r\n",
		opts: []rawhttp.Option{returns(nil, &rawhttp.StatusError{Status: 404})},
		want: ownError("404 Not Found"),
	}, {
		name: "a folder",
		in:   "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n",
		opts: []rawhttp.Option{rawhttp.WithRoot(root)},
		want: noContent("GET, HEAD, OPTIONS"),
	}, {
		name: "a missing file",
		in:   "OPTIONS /missing HTTP/1.1\r\nHost: a\r\n\r\n",
		opts: []rawhttp.Option{rawhttp.WithRoot(root)},
		want: ownError("404 Not Found"),
	}, {
		name: "TRACE",
		in:   "TRACE /a HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n",
		opts: []rawhttp.Option{never},
		want: ownError("405 Method Not Allowed", "Allow: GET, HEAD, OPTIONS"),
	}, {
		name: "CONNECT",
		in:   "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n" + getRequest("/"),
		opts: []rawhttp.Option{never},
		want: ownError("405 Method Not Allowed", "Allow: GET, HEAD, OPTIONS", closeField),
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, talkInMemory(t, tt.in, tt.opts...)); diff != "" {
				t.Errorf("answer to %q (-want +got):\n%s", tt.in, diff)
			}
		})
	}
}

// HEAD gets the fields of GET and no content, whatever the response is made of.
func TestHEAD(t *testing.T) {
	stream := func(ctx context.Context, w io.Writer) error {
		_, err := io.WriteString(w, "hello")
		return err
	}
	tests := []struct {
		name string
		resp func() (*rawhttp.Response, error)
	}{
		{"Text", func() (*rawhttp.Response, error) { return rawhttp.Text(200, "hello"), nil }},
		{"HTML", func() (*rawhttp.Response, error) { return rawhttp.HTML(404, "hello"), nil }},
		{"Bytes without media type", func() (*rawhttp.Response, error) { return rawhttp.Bytes(200, "", []byte("hello")), nil }},
		{"Empty", func() (*rawhttp.Response, error) { return rawhttp.Empty(200), nil }},
		{"204", func() (*rawhttp.Response, error) { return rawhttp.Empty(204), nil }},
		{"205", func() (*rawhttp.Response, error) { return rawhttp.Empty(205), nil }},
		{"Redirect", func() (*rawhttp.Response, error) { return rawhttp.Redirect(302, "/a"), nil }},
		{"NotFound", func() (*rawhttp.Response, error) { return rawhttp.NotFound(), nil }},
		{"MethodNotAllowed", func() (*rawhttp.Response, error) { return rawhttp.MethodNotAllowed("PUT"), nil }},
		{"Stream", func() (*rawhttp.Response, error) { return rawhttp.Stream(200, "a/b", strings.NewReader("hello")), nil }},
		{"StreamFunc", func() (*rawhttp.Response, error) { return rawhttp.StreamFunc(200, "a/b", stream), nil }},
		{"Content", func() (*rawhttp.Response, error) {
			return rawhttp.Content(rawhttp.Representation{Body: strings.NewReader("hello"), Size: 5}), nil
		}},
		{"Content of unknown size", func() (*rawhttp.Response, error) {
			return rawhttp.Content(rawhttp.Representation{Body: strings.NewReader("hello"), Size: -1}), nil
		}},
		{"error", func() (*rawhttp.Response, error) { return nil, &rawhttp.StatusError{Status: 403} }},
		{"broken response", func() (*rawhttp.Response, error) { return rawhttp.Text(200, "hello").Set("a b", ""), nil }},
		{"CloseAfter", func() (*rawhttp.Response, error) { return rawhttp.Text(200, "hello").CloseAfter(), nil }},
	}
	for _, tt := range tests {
		for _, version := range []string{"1.0", "1.1"} {
			t.Run(tt.name+" "+version, func(t *testing.T) {
				resolver := rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return tt.resp() })
				rest := " / HTTP/" + version + "\r\nHost: a\r\n\r\n"
				want, _ := splitHead(talkInMemory(t, "GET"+rest, rawhttp.WithResolver(resolver)))
				got := talkInMemory(t, "HEAD"+rest, rawhttp.WithResolver(resolver))
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("answer to HEAD, want the head of the answer to GET (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// If the method is known to be HEAD, an error response has no content either, since the client
// would parse it as another answer.
func TestHEADRefused(t *testing.T) {
	tests := []struct {
		name, in string
		content  bool
	}{
		{"malformed field line", "HEAD / HTTP/1.1\r\nHost : a\r\n\r\n", false},
		{"malformed target", "HEAD /%zz HTTP/1.1\r\nHost: a\r\n\r\n", false},
		{"after an empty line", "\r\nHEAD / HTTP/3.0\r\nHost: a\r\n\r\n", false},
		{"head ends early", "HEAD / HTTP/1.1\r\nHos", false},
		{"a host that is not served", "HEAD / HTTP/1.1\r\nHost: evil.test\r\n\r\n", false},
		{"an expectation that is not met", "HEAD / HTTP/1.1\r\nHost: example.test\r\nExpect: x\r\n\r\n", false},
		{"another method", "HEADS /%zz HTTP/1.1\r\nHost: a\r\n\r\n", true},
		{"no method", "HEAD\r\n\r\n", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			head, content := splitHead(talkInMemory(t, tt.in, rawhttp.WithResolver(answerPath), rawhttp.WithHosts("example.test")))
			if !strings.HasPrefix(head, "HTTP/1.1 4") && !strings.HasPrefix(head, "HTTP/1.1 5") {
				t.Errorf("answer to %q: %q, want an error", tt.in, head)
			}
			if strings.Contains(head, "\r\nContent-Length: 0\r\n") || (content != "") != tt.content {
				t.Errorf("answer to %q: head %q, content %q, want content: %v", tt.in, head, content, tt.content)
			}
		})
	}
}

// For an answer to HEAD no content is read and no StreamFunc called.
func TestHEADReadsNothing(t *testing.T) {
	touched := func(what string) { t.Errorf("HEAD: %s", what) }
	for _, resp := range []*rawhttp.Response{
		rawhttp.StreamFunc(200, "", func(context.Context, io.Writer) error { touched("StreamFunc is called"); return nil }),
		rawhttp.Stream(200, "", readerFunc(func([]byte) (int, error) { touched("the Reader of Stream is read"); return 0, io.EOF })),
	} {
		got := talkInMemory(t, head11, rawhttp.WithResolver(alwaysAnswer(resp, nil)))
		if want := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"; got != want {
			t.Errorf("answer to HEAD %q, want %q", got, want)
		}
	}
}
