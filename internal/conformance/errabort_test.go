package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// ErrAbort ends a connection without an answer and without a line in the log, wherever it is
// returned.
func TestErrAbort(t *testing.T) {
	wrapped := fmt.Errorf("attack: %w", rawhttp.ErrAbort)
	stream := func(s string, err error) rawhttp.Resolver {
		return resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.StreamFunc(200, "a/b", func(_ context.Context, w io.Writer) error {
				if s != "" {
					io.WriteString(w, s)
				}
				return err
			}), nil
		})
	}
	fails := func(err error) rawhttp.Resolver {
		return resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) { return nil, err })
	}
	const head = "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n"
	tests := []struct {
		name, in string
		r        rawhttp.Resolver
		want     string
		status   int
		why      string
	}{
		{"Resolve", get11, fails(rawhttp.ErrAbort), "", 0, ""},
		{"wrapped", get11, fails(wrapped), "", 0, ""},
		{"HEAD", head11, fails(wrapped), "", 0, ""},
		{"through wrappers", get11, rawhttp.First(fails(errors.Join(wrapped, io.EOF)), answerText("x")), "", 0, "First tries the next resolver only after fs.ErrNotExist"},
		{"with content", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", fails(wrapped), "", 0, ""},
		{"with bad content", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
			io.ReadAll(req.Body)
			return nil, wrapped
		}), "", 0, "the error in the content is not answered either"},
		{"StreamFunc, nothing written", get11, stream("", wrapped), "", 0, ""},
		{"StreamFunc, some written", get11, stream("abc", wrapped), head + "3\r\nabc\r\n", 200, ""},
		{"Stream", get11, resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.Stream(200, "a/b", abortReader{}), nil
		}), "", 0, ""},
		{"Upgrade", askEcho, upgrades(func(context.Context, net.Conn) error { return wrapped }), switched, 101, ""},
		{"no request after it", get11 + get11, fails(wrapped), "", 0, ""},
	}
	page := func(context.Context, *rawhttp.Request, int, error) *rawhttp.Response {
		return rawhttp.Text(200, "page")
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log testkit.Log
			var exchanges []rawhttp.Exchange
			var closed error
			trace := rawhttp.Trace{
				Exchange:  func(x rawhttp.Exchange) { exchanges = append(exchanges, x) },
				ConnClose: func(_ uint64, err error) { closed = err },
			}
			s, err := rawhttp.New(rawhttp.WithResolver(tt.r), rawhttp.WithDate(false), rawhttp.WithLogger(&log), rawhttp.WithTrace(trace), rawhttp.WithErrorPage(page))
			if err != nil {
				t.Fatal(err)
			}
			client, server := net.Pipe()
			go io.WriteString(client, tt.in)
			go s.ServeConn(t.Context(), server)
			got, _ := io.ReadAll(client)
			s.Shutdown(t.Context())
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("answer (-want +got):\n%s\nwhy: %s", diff, tt.why)
			}
			if log.String() != "" {
				t.Errorf("log is %s, want nothing", &log)
			}
			if len(exchanges) != 1 || !errors.Is(exchanges[0].Err, rawhttp.ErrAbort) || exchanges[0].Status != tt.status || !errors.Is(closed, rawhttp.ErrAbort) {
				t.Errorf("exchanges %+v, ConnClose %v, want one exchange with status %d, and ErrAbort", exchanges, closed, tt.status)
			}
		})
	}
}

type abortReader struct{}

func (abortReader) Read([]byte) (int, error) { return 0, rawhttp.ErrAbort }

// An error page may abort the connection, whatever error it is for.
func TestErrAbortFromErrorPage(t *testing.T) {
	tests := []struct {
		name, in string
		r        rawhttp.Resolver
	}{
		{"an error", get11, resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) { return nil, fs.ErrNotExist })},
		{"a panic", get11, resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) { panic("on purpose") })},
		{"an ErrorResponse", head11, resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.ErrorResponse(fs.ErrPermission).Set("X-A", "1"), nil
		})},
		{"a stream", get11, resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.Stream(200, "a/b", iotest.ErrReader(io.ErrUnexpectedEOF)), nil
		})},
		{"content that is too large", sizedPost(11), rawhttp.LimitBody(10, answerLength)},
		{"content that is malformed", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", answerLength},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			closed := 0
			var exchanges []rawhttp.Exchange
			got := talkInMemory(t, tt.in, rawhttp.WithResolver(tt.r),
				rawhttp.WithErrorPage(func(_ context.Context, _ *rawhttp.Request, _ int, err error) *rawhttp.Response {
					return rawhttp.ErrorResponse(fmt.Errorf("%w: %w", rawhttp.ErrAbort, err)).OnClose(func() { closed++ })
				}), rawhttp.WithTrace(rawhttp.Trace{Exchange: func(x rawhttp.Exchange) { exchanges = append(exchanges, x) }}))
			if got != "" || closed != 1 {
				t.Errorf("answer %q and %d calls of OnClose, want no answer and 1 call", got, closed)
			}
			if len(exchanges) != 1 || !errors.Is(exchanges[0].Err, rawhttp.ErrAbort) || exchanges[0].Status != 0 {
				t.Errorf("exchanges %+v, want one with ErrAbort and no status", exchanges)
			}
		})
	}
}

// WriteResponse returns ErrAbort, and the program that owns the connection aborts it.
func TestWriteResponseErrAbort(t *testing.T) {
	var out strings.Builder
	persist, err := rawhttp.WriteResponse(t.Context(), &out, requestOf(t, get11), rawhttp.ErrorResponse(rawhttp.ErrAbort))
	if persist || err != rawhttp.ErrAbort || out.String() != "" {
		t.Errorf("WriteResponse = %v, %v and wrote %q, want false, ErrAbort and nothing", persist, err, &out)
	}
}

// Over TCP, ErrAbort resets the connection; answers to earlier requests are sent before it.
func TestErrAbortResets(t *testing.T) {
	_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
		if req.Path() == "/abort" {
			return nil, rawhttp.ErrAbort
		}
		return rawhttp.Empty(204), nil
	})))
	c := dial(t, addr)
	io.WriteString(c, get11)
	wantRead(t, c, "HTTP/1.1 204 No Content\r\n\r\n")
	io.WriteString(c, strings.Replace(get11, "/", "/abort", 1))
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || err == io.EOF {
		t.Errorf("Read = %d, %v, want a reset", n, err)
	}
}
