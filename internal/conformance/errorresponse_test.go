package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// withRequestID returns a resolver that adds a request ID to each response of r, including errors.
func withRequestID(r rawhttp.Resolver) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		resp, err := r.Resolve(ctx, req)
		if err != nil {
			resp = rawhttp.ErrorResponse(err)
		}
		return resp.Clone().Set("X-Id", "7"), nil
	})
}

func TestErrorResponse(t *testing.T) {
	const sniff, id = "X-Content-Type-Options: nosniff", "X-Id: 7"
	fails := func(err error) rawhttp.Resolver {
		return resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) { return nil, err })
	}
	page := func(_ context.Context, _ *rawhttp.Request, status int, err error) *rawhttp.Response {
		return rawhttp.Bytes(status, "application/json", fmt.Append(nil, status)).Set("X-Id", "none").Set("X-Page", "yes")
	}
	get, put := "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PUT / HTTP/1.1\r\nHost: a\r\n\r\n"
	readOnly := rawhttp.Methods(map[string]rawhttp.Resolver{"GET": named("get")})
	tests := []struct {
		name, in string
		r        rawhttp.Resolver
		page     func(context.Context, *rawhttp.Request, int, error) *rawhttp.Response
		want     string
	}{
		{"404", get, fails(fs.ErrNotExist), nil, textAnswer("404 Not Found", []string{sniff, id}, "404 Not Found\n")},
		{"500", get, fails(errors.New("secret")), nil, textAnswer("500 Internal Server Error", []string{sniff, id}, "500 Internal Server Error\n")},
		{"StatusError with a status of success", get, fails(&rawhttp.StatusError{Status: 200}), nil, textAnswer("500 Internal Server Error", []string{sniff, id}, "500 Internal Server Error\n")},
		{"405", put, readOnly, nil, textAnswer("405 Method Not Allowed", []string{sniff, "Allow: GET, HEAD, OPTIONS", id}, "405 Method Not Allowed\n")},
		{"OPTIONS in place of 405", "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n", fails(&rawhttp.StatusError{Status: 405, Allow: []string{"PUT"}}), nil,
			"HTTP/1.1 204 No Content\r\nAllow: PUT\r\n" + sniff + "\r\n" + id + "\r\n\r\n"},
		{"a page", get, fails(fs.ErrNotExist), page, "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 3\r\nX-Page: yes\r\n" + id + "\r\n\r\n404"},
		{"a page, and list fields that the page and the wrapper add to", get, resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.ErrorResponse(fs.ErrNotExist).Add("Vary", "Origin").Add("vary", "Accept").Add("Set-Cookie", "b=2").Add("X-Page", "no"), nil
		}), func(_ context.Context, _ *rawhttp.Request, status int, _ error) *rawhttp.Response {
			return rawhttp.Text(status, "").Set("Vary", "Accept").Set("Set-Cookie", "a=1").Set("X-Page", "yes")
		}, "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 0\r\n" +
			"Vary: Accept\r\nSet-Cookie: a=1\r\nVary: Origin\r\nvary: Accept\r\nSet-Cookie: b=2\r\nX-Page: no\r\nX-Id: 7\r\n\r\n"},
		{"a response that is not an error", get, readOnly, nil, textAnswer("200 OK", []string{id}, "get of GET")},
		{"content over a limit", chunkedPost(11), rawhttp.LimitBody(10, answerLength), nil,
			textAnswer("413 Content Too Large", []string{sniff, id, "Connection: close"}, "413 Content Too Large: content is too large (RFC 9110, section 15.5.14)\n")},
		{"declared content, and a page", sizedPost(11), rawhttp.LimitBody(10, answerLength), page,
			"HTTP/1.1 413 Content Too Large\r\nContent-Type: application/json\r\nContent-Length: 3\r\nX-Page: yes\r\n" + id + "\r\nConnection: close\r\n\r\n413"},
		{"an invalid field", get, resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.ErrorResponse(fs.ErrNotExist).Set("a b", ""), nil
		}), nil, ownError("500 Internal Server Error", "Connection: close")},
		{"a nil error", get, resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.ErrorResponse(nil), nil
		}), nil, ownError("500 Internal Server Error", "Connection: close")},
		{"other changes", get, resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.ErrorResponse(&rawhttp.StatusError{Status: 503}).Set("Retry-After", "30").Add("Vary", "a").Add("Vary", "b").Set("Content-Type", "text/x").CloseAfter(), nil
		}), nil, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/x\r\nContent-Length: 24\r\n" + sniff + "\r\nRetry-After: 30\r\nVary: a\r\nVary: b\r\nX-Id: 7\r\nConnection: close\r\n\r\n503 Service Unavailable\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := talkInMemory(t, tt.in, rawhttp.WithResolver(withRequestID(tt.r)), rawhttp.WithErrorPage(tt.page))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answer to %q (-want +got):\n%s", tt.in, diff)
			}
		})
	}
}

// The cause is logged once, although a Response was returned.
func TestErrorResponseIsLogged(t *testing.T) {
	var lines bytes.Buffer
	secret := errors.New("no such table")
	r := withRequestID(withRequestID(resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) { return nil, secret })))
	talkInMemory(t, get11, rawhttp.WithResolver(r), rawhttp.WithLogger(slog.New(slog.NewTextHandler(&lines, nil))))
	if got := strings.Count(lines.String(), secret.Error()); got != 1 {
		t.Errorf("the log has the error %d times, want once:\n%s", got, lines.String())
	}
}

// An ErrorResponse of ErrAbort aborts the connection.
func TestErrorResponseOfErrAbort(t *testing.T) {
	aborts := resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) { return nil, rawhttp.ErrAbort })
	if got := rawhttp.Answer(withRequestID(aborts), get11); got != "" {
		t.Errorf("answer to ErrorResponse(ErrAbort) = %q, want nothing", got)
	}
}

// OnClose of an ErrorResponse is called after the exchange, and after its error page is closed.
func TestErrorResponseOnClose(t *testing.T) {
	var order []string
	note := func(s string) func() { return func() { order = append(order, s) } }
	for _, tt := range []struct {
		err  error
		want []string
	}{
		{fs.ErrNotExist, []string{"page", "page closed", "closed"}},
		{rawhttp.ErrAbort, []string{"closed"}},
	} {
		order = nil
		r := resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.ErrorResponse(tt.err).OnClose(note("closed")), nil
		})
		talkInMemory(t, get11, rawhttp.WithResolver(r), rawhttp.WithErrorPage(func(_ context.Context, _ *rawhttp.Request, status int, _ error) *rawhttp.Response {
			return rawhttp.StreamFunc(status, "a/b", func(context.Context, io.Writer) error {
				note("page")()
				return nil
			}).OnClose(note("page closed"))
		}))
		if diff := cmp.Diff(tt.want, order); diff != "" {
			t.Errorf("%v: called (-want +got):\n%s", tt.err, diff)
		}
	}
}

// All lines of a field that is added to an ErrorResponse are added to the page.
func TestErrorResponseWithSeveralLines(t *testing.T) {
	r := resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.ErrorResponse(fs.ErrNotExist).Add("X-A", "1").Add("X-A", "2"), nil
	})
	page := rawhttp.WithErrorPage(func(_ context.Context, _ *rawhttp.Request, status int, _ error) *rawhttp.Response {
		return rawhttp.Text(status, "page").Set("X-A", "0")
	})
	want := textAnswer("404 Not Found", []string{"X-A: 1", "X-A: 2"}, "page")
	if diff := cmp.Diff(want, talkInMemory(t, get11, rawhttp.WithResolver(r), page)); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

// Without a Server, WriteTo writes an ErrorResponse like any other Response.
func TestErrorResponseWithoutServer(t *testing.T) {
	resp := rawhttp.ErrorResponse(&rawhttp.StatusError{Status: 405, Allow: []string{"GET", "PUT"}})
	var wire strings.Builder
	if _, err := resp.WriteTo(&wire); err != nil {
		t.Fatal(err)
	}
	want := textAnswer("405 Method Not Allowed", []string{"X-Content-Type-Options: nosniff", "Allow: GET, PUT"}, "405 Method Not Allowed\n")
	if diff := cmp.Diff(want, wire.String()); diff != "" {
		t.Errorf("WriteTo (-want +got):\n%s", diff)
	}
	if err := rawhttp.ErrorResponse(nil).Err(); err == nil {
		t.Error("ErrorResponse(nil).Err() = nil, want an error")
	}
}
