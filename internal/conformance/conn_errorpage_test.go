package conformance_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// WithErrorPage is called for errors of Resolve, panics, (nil, nil) and refused content; not
// for responses, and not for refused heads.
func TestWithErrorPage(t *testing.T) {
	type asked struct {
		Path   string
		Status int
		Err    string
	}
	text := func(resp *rawhttp.Response, err error) rawhttp.ResolverFunc {
		return func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return resp, err }
	}
	tests := []struct {
		name, in string
		f        rawhttp.ResolverFunc
		page     func(status int) *rawhttp.Response // nil: none
		asked    *asked
		want     string
	}{{
		name:  "an error",
		in:    getRequest("/a"),
		f:     text(nil, errors.New(secretPath)),
		page:  func(status int) *rawhttp.Response { return rawhttp.Text(status, "page") },
		asked: &asked{"/a", 500, secretPath},
		want:  textAnswer("500 Internal Server Error", nil, "page"),
	}, {
		name:  "a page with another status",
		in:    getRequest("/a"),
		f:     text(nil, fs.ErrNotExist),
		page:  func(status int) *rawhttp.Response { return rawhttp.Text(200, "index") },
		asked: &asked{"/a", 404, fs.ErrNotExist.Error()},
		want:  okAnswer("index"),
	}, {
		name:  "no page",
		in:    getRequest("/a"),
		f:     text(nil, fs.ErrNotExist),
		page:  func(int) *rawhttp.Response { return nil },
		asked: &asked{"/a", 404, fs.ErrNotExist.Error()},
		want:  ownError("404 Not Found"),
	}, {
		name:  "405, a page without Allow",
		in:    getRequest("/a"),
		f:     text(nil, &rawhttp.StatusError{Status: 405, Allow: []string{"PUT", "POST"}}),
		page:  func(status int) *rawhttp.Response { return rawhttp.Text(status, "page") },
		asked: &asked{"/a", 405, "rawhttp: 405 Method Not Allowed"},
		want:  textAnswer("405 Method Not Allowed", []string{"Allow: PUT, POST"}, "page"),
	}, {
		name:  "405, a page with Allow",
		in:    getRequest("/a"),
		f:     text(nil, &rawhttp.StatusError{Status: 405, Allow: []string{"PUT"}}),
		page:  func(status int) *rawhttp.Response { return rawhttp.MethodNotAllowed("DELETE") },
		asked: &asked{"/a", 405, "rawhttp: 405 Method Not Allowed"},
		want:  textAnswer("405 Method Not Allowed", []string{"Allow: DELETE"}, "405 Method Not Allowed\n"),
	}, {
		name:  "a broken page",
		in:    getRequest("/a"),
		f:     text(nil, fs.ErrNotExist),
		page:  func(status int) *rawhttp.Response { return rawhttp.Text(status, "page").Set("Content-Length", "3") },
		asked: &asked{"/a", 404, fs.ErrNotExist.Error()},
		want:  ownError("500 Internal Server Error", closeField),
	}, {
		name:  "neither response nor error",
		in:    getRequest("/a"),
		f:     text(nil, nil),
		page:  func(status int) *rawhttp.Response { return rawhttp.Text(status, "page") },
		asked: &asked{"/a", 500, "rawhttp: the resolver returned neither a response nor an error"},
		want:  textAnswer("500 Internal Server Error", nil, "page"),
	}, {
		name:  "an error for HEAD",
		in:    "HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n",
		f:     text(nil, fs.ErrNotExist),
		page:  func(status int) *rawhttp.Response { return rawhttp.Text(status, "page") },
		asked: &asked{"/a", 404, fs.ErrNotExist.Error()},
		want:  strings.TrimSuffix(textAnswer("404 Not Found", nil, "page"), "page"),
	}, {
		name: "a response that is an error",
		in:   getRequest("/a"),
		f:    text(rawhttp.NotFound(), nil),
		want: textAnswer("404 Not Found", nil, "404 Not Found\n"),
	}, {
		name: "a response that is broken",
		in:   getRequest("/a"),
		f:    text(rawhttp.Text(200, "hi").Set("a b", ""), nil),
		want: ownError("500 Internal Server Error", closeField),
	}, {
		name: "a stream that fails before its first byte",
		in:   getRequest("/a"),
		f: text(rawhttp.StreamFunc(200, "a/b", func(context.Context, io.Writer) error {
			return errors.New(secretPath)
		}), nil),
		page:  func(status int) *rawhttp.Response { return rawhttp.Text(status, "page") },
		asked: &asked{"/a", 500, "rawhttp: 500 Internal Server Error: " + secretPath},
		want:  textAnswer("500 Internal Server Error", nil, "page"),
	}, {
		name: "a stream that panics before its first byte",
		in:   getRequest("/a"),
		f: text(rawhttp.StreamFunc(200, "a/b", func(context.Context, io.Writer) error {
			panic(secretPath)
		}), nil),
		page:  func(status int) *rawhttp.Response { return rawhttp.Text(status, "page") },
		asked: &asked{"/a", 500, "rawhttp: 500 Internal Server Error: rawhttp: panic in response: " + secretPath},
		want:  textAnswer("500 Internal Server Error", []string{closeField}, "page"),
	}, {
		name: "a page that fails",
		in:   getRequest("/a"),
		f:    text(rawhttp.Text(200, "hi"), fs.ErrNotExist),
		page: func(status int) *rawhttp.Response {
			return rawhttp.Stream(status, "a/b", iotest.ErrReader(errors.New("on purpose")))
		},
		asked: &asked{"/a", 404, fs.ErrNotExist.Error()},
		want:  ownError("500 Internal Server Error", closeField),
	}, {
		name: "a page that is an Upgrade",
		in:   getRequest("/a"),
		f:    text(nil, fs.ErrNotExist),
		page: func(int) *rawhttp.Response {
			return rawhttp.Upgrade("chat", func(context.Context, net.Conn) error {
				t.Error("the connection was switched to another protocol")
				return nil
			})
		},
		asked: &asked{"/a", 404, fs.ErrNotExist.Error()},
		want:  ownError("500 Internal Server Error", closeField),
	}, {
		name: "TRACE",
		in:   "TRACE /a HTTP/1.1\r\nHost: a\r\n\r\n",
		want: ownError("405 Method Not Allowed", "Allow: GET, HEAD, OPTIONS"),
	}, {
		name: "a malformed head",
		in:   "GET\r\n\r\n",
		want: textAnswer("400 Bad Request", []string{"X-Content-Type-Options: nosniff", closeField}, "400 Bad Request: method is not a token (RFC 9110, section 9.1)\n"),
	}, {
		name: "a host that is not served",
		in:   "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n",
		want: ownError("421 Misdirected Request", closeField),
	}, {
		name: "an expectation that is not met",
		in:   getRequest("/", "Expect: x"),
		want: ownError("417 Expectation Failed", closeField),
	}, {
		name:  "too much content",
		in:    "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 20971520\r\n\r\n",
		page:  func(status int) *rawhttp.Response { return rawhttp.Text(status, "page") },
		asked: &asked{"/a", 413, "rawhttp: 413 Content Too Large: content of 20971520 bytes, the limit is 10485760"},
		want:  textAnswer("413 Content Too Large", []string{closeField}, "page"),
	}, {
		name:  "too much content, no page",
		in:    "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 20971520\r\n\r\n",
		asked: &asked{"/a", 413, "rawhttp: 413 Content Too Large: content of 20971520 bytes, the limit is 10485760"},
		want:  ownError("413 Content Too Large", closeField),
	}, {
		name:  "malformed content, and a resolver that returns its error",
		in:    "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
		f:     echo,
		page:  func(status int) *rawhttp.Response { return rawhttp.Text(status, "page") },
		asked: &asked{"/a", 400, "rawhttp: malformed request at byte 0: chunk size is not a hexadecimal number (RFC 9112, section 7.1)"},
		want:  textAnswer("400 Bad Request", []string{closeField}, "page"),
	}, {
		name: "malformed content, and a resolver that ignores it",
		in:   "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
		f: func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			io.Copy(io.Discard, req.Body)
			return rawhttp.Text(200, "fine"), nil
		},
		page:  func(status int) *rawhttp.Response { return rawhttp.Text(status, "page") },
		asked: &asked{"/a", 400, "rawhttp: malformed request at byte 0: chunk size is not a hexadecimal number (RFC 9112, section 7.1)"},
		want:  textAnswer("400 Bad Request", []string{closeField}, "page"),
	}, {
		name:  "a broken page for malformed content",
		in:    "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
		f:     echo,
		page:  func(status int) *rawhttp.Response { return rawhttp.Text(status, "page").Set("Content-Length", "3") },
		asked: &asked{"/a", 400, "rawhttp: malformed request at byte 0: chunk size is not a hexadecimal number (RFC 9112, section 7.1)"},
		want:  ownError("500 Internal Server Error", closeField),
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got *asked
			page := rawhttp.WithErrorPage(func(ctx context.Context, req *rawhttp.Request, status int, err error) *rawhttp.Response {
				if got != nil {
					t.Error("WithErrorPage was called twice")
				}
				got = &asked{req.Path(), status, err.Error()}
				if ctx.Err() != nil {
					t.Errorf("ctx.Err() = %v, want nil", ctx.Err())
				}
				if tt.page == nil {
					return nil
				}
				return tt.page(status)
			})
			f := func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) { return tt.f(ctx, req) }
			answer := talkInMemory(t, tt.in, rawhttp.WithResolver(rawhttp.ResolverFunc(f)), page, rawhttp.WithHosts("example.test", "a"))
			if diff := cmp.Diff(tt.want, answer); diff != "" {
				t.Errorf("answer to %q (-want +got):\n%s", tt.in, diff)
			}
			if diff := cmp.Diff(tt.asked, got); diff != "" {
				t.Errorf("arguments of WithErrorPage (-want +got):\n%s", diff)
			}
		})
	}
}

// An error page that replaces a response is closed after use, and may fail as any response may.
func TestErrorPageReplacesResponse(t *testing.T) {
	malformed := "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"
	ignores := resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
		io.Copy(io.Discard, req.Body)
		return rawhttp.Text(200, "fine"), nil
	})
	for _, tt := range []struct {
		name, field, want string
	}{
		{"page", "X-Page", textAnswer("400 Bad Request", []string{"X-Page: 1", closeField}, "page")},
		{"broken page", "Date", ownError("500 Internal Server Error", closeField)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			closed := 0
			got := talkInMemory(t, malformed, rawhttp.WithResolver(ignores), rawhttp.WithErrorPage(func(_ context.Context, _ *rawhttp.Request, status int, _ error) *rawhttp.Response {
				return rawhttp.Text(status, "page").Set(tt.field, "1").OnClose(func() { closed++ })
			}))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if closed != 1 {
				t.Errorf("the page was closed %d times, want once", closed)
			}
		})
	}
}

// The page is asked for once, even if sending it finds that the content of the request is
// malformed. The client learns of its mistake without a page.
func TestErrorPageIsAskedOnce(t *testing.T) {
	asked := 0
	page := rawhttp.WithErrorPage(func(_ context.Context, req *rawhttp.Request, status int, _ error) *rawhttp.Response {
		asked++
		return rawhttp.StreamFunc(status, "a/b", func(context.Context, io.Writer) error {
			_, err := io.Copy(io.Discard, req.Body)
			return err
		})
	})
	notFound := resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) { return nil, fs.ErrNotExist })
	got := talkInMemory(t, "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", rawhttp.WithResolver(notFound), page)
	want := textAnswer("400 Bad Request", []string{"X-Content-Type-Options: nosniff", closeField}, "400 Bad Request: chunk size is not a hexadecimal number (RFC 9112, section 7.1)\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if asked != 1 {
		t.Errorf("the page was asked for %d times, want once", asked)
	}
}

// A page that ends the goroutine is closed, and so is the Response that it replaces.
func TestGoexitInErrorPage(t *testing.T) {
	var closed atomic.Int32
	count := func() { closed.Add(1) }
	fails := resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Stream(200, "a/b", iotest.ErrReader(errors.New("on purpose"))).OnClose(count), nil
	})
	_, addr := listen(t, rawhttp.WithResolver(fails), rawhttp.WithErrorPage(func(context.Context, *rawhttp.Request, int, error) *rawhttp.Response {
		return rawhttp.StreamFunc(500, "a/b", func(context.Context, io.Writer) error { runtime.Goexit(); return nil }).OnClose(count)
	}))
	if got := talk(t, addr, getRequest("/")); got != "" {
		t.Errorf("answer %q, want none", got)
	}
	if closed.Load() != 2 {
		t.Errorf("%d of the Response and its page were closed, want both", closed.Load())
	}
}

// A Response that was served twice by mistake is not closed while its first request is being
// answered, even if the page for the second one ends the goroutine.
func TestGoexitInErrorPageOfServedTwice(t *testing.T) {
	var closed atomic.Bool
	begun, release := make(chan struct{}), make(chan struct{})
	shared := rawhttp.StreamFunc(200, "a/b", func(context.Context, io.Writer) error {
		close(begun)
		<-release
		if closed.Load() {
			t.Error("the Response was closed while it was being written")
		}
		return nil
	}).OnClose(func() { closed.Store(true) })
	serve := resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) { return shared, nil })
	_, addr := listen(t, rawhttp.WithResolver(serve), rawhttp.WithErrorPage(func(context.Context, *rawhttp.Request, int, error) *rawhttp.Response {
		runtime.Goexit()
		return nil
	}))
	first := dial(t, addr)
	io.WriteString(first, getRequest("/", "Connection: close"))
	<-begun
	talk(t, addr, getRequest("/"))
	close(release)
	io.ReadAll(first)
	if !closed.Load() {
		t.Error("the Response was not closed after it had been written")
	}
}

// A brokenConn is a scriptedConn whose first Write fails.
type brokenConn struct {
	scriptedConn
	failed bool
}

func (c *brokenConn) Write(p []byte) (int, error) {
	if !c.failed {
		c.failed = true
		return 0, errors.New("broken")
	}
	return c.scriptedConn.Write(p)
}

// After a Write has failed, nothing more is sent, since the client would take it for something
// else. No page is made for that, and the failure is not logged as the server's.
func TestNoErrorPageOnBrokenConnection(t *testing.T) {
	fails := rawhttp.StreamFunc(200, "", func(context.Context, io.Writer) error { return errors.New("on purpose") })
	for name, in := range map[string]string{
		"100 (Continue)":    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
		"an earlier answer": get11 + getRequest("/fails"),
		"before a stream":   get11 + getRequest("/stream"),
	} {
		t.Run(name, func(t *testing.T) {
			var log testkit.Log
			s := newServer(t, rawhttp.WithLogger(&log), rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
				switch req.Path() {
				case "/fails":
					return fails, nil
				case "/stream":
					return streamFuncOf("a"), nil
				}
				return echo.Resolve(ctx, req)
			})), rawhttp.WithErrorPage(func(_ context.Context, _ *rawhttp.Request, _ int, err error) *rawhttp.Response {
				t.Errorf("a page is made for %v", err)
				return nil
			}))
			c := &brokenConn{scriptedConn: scriptedConn{in: strings.NewReader(in)}}
			s.ServeConn(t.Context(), c)
			if c.out.Len() > 0 {
				t.Errorf("after a Write failed, the server sent %q, want nothing", &c.out)
			}
			if log.Has("ERROR") {
				t.Errorf("log is %q, want nothing at level error", &log)
			}
		})
	}
}

// One Response may be the page for any number of errors.
func TestErrorPageIsNotChanged(t *testing.T) {
	page := rawhttp.Text(405, "page")
	resolver := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return nil, &rawhttp.StatusError{Status: 405, Allow: []string{req.Path()[1:]}}
	})
	opts := []rawhttp.Option{rawhttp.WithResolver(resolver), rawhttp.WithErrorPage(func(context.Context, *rawhttp.Request, int, error) *rawhttp.Response { return page })}
	want := textAnswer("405 Method Not Allowed", []string{"Allow: A"}, "page") + textAnswer("405 Method Not Allowed", []string{"Allow: B"}, "page")
	if diff := cmp.Diff(want, talkInMemory(t, getRequest("/A")+getRequest("/B"), opts...)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}
