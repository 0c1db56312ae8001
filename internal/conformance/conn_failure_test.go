package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

const secretPath = "/var/lib/secret: not for clients"

// exceptNext returns a resolver that answers /next with its path, and other requests with f.
func exceptNext(f rawhttp.ResolverFunc) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if req.Path() == "/next" {
			return rawhttp.Text(200, "/next"), nil
		}
		return f(ctx, req)
	})
}

func alwaysAnswer(resp *rawhttp.Response, err error) rawhttp.Resolver {
	return exceptNext(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return resp, err })
}

// When a resolver fails, the client gets a fixed text that depends only on the status.
func TestResolverErrors(t *testing.T) {
	forbidden := fmt.Errorf("open %s: %w", secretPath, fs.ErrPermission)
	tests := []struct {
		name string
		resp *rawhttp.Response
		err  error
		want string
		log  string // the level at which the cause is logged, or "" if it is not logged
	}{
		{"ErrNotExist", nil, fs.ErrNotExist, ownError("404 Not Found"), "DEBUG"},
		{"ErrNotExist, wrapped", nil, &fs.PathError{Op: "open", Path: secretPath, Err: fs.ErrNotExist}, ownError("404 Not Found"), "DEBUG"},
		{"ErrPermission", nil, forbidden, ownError("403 Forbidden"), "DEBUG"},
		{"ErrInvalid", nil, fs.ErrInvalid, ownError("404 Not Found"), "DEBUG"},
		{"DeadlineExceeded", nil, context.DeadlineExceeded, ownError("503 Service Unavailable"), "ERROR"},
		{"another error", nil, errors.New(secretPath), ownError("500 Internal Server Error"), "ERROR"},
		{"StatusError", nil, &rawhttp.StatusError{Status: 402, Err: errors.New(secretPath)}, ownError("402 Payment Required"), "DEBUG"},
		{"StatusError that wraps", nil, &rawhttp.StatusError{Status: 410, Err: forbidden}, ownError("410 Gone"), "DEBUG"},
		{"405", nil, &rawhttp.StatusError{Status: 405, Allow: []string{"PUT", "PATCH"}}, ownError("405 Method Not Allowed", "Allow: PUT, PATCH"), "DEBUG"},
		{"StatusError with a status of success", nil, &rawhttp.StatusError{Status: 200, Err: errors.New(secretPath)}, ownError("500 Internal Server Error"), "ERROR"},
		{"StatusError with a status out of range", nil, &rawhttp.StatusError{Status: 1000}, ownError("500 Internal Server Error"), "ERROR"},
		{"StatusError with a status without reason phrase", nil, &rawhttp.StatusError{Status: 499}, textAnswer("499 ", []string{"X-Content-Type-Options: nosniff"}, "499\n"), "DEBUG"},
		{"neither response nor error", nil, nil, ownError("500 Internal Server Error"), "ERROR"},
		{"both response and error", rawhttp.Text(200, "hi"), errors.New(secretPath), ownError("500 Internal Server Error"), "ERROR"},
		{"an invalid response", rawhttp.Text(200, "hi").Set("X-A", secretPath+"\r\nX-B: c"), nil, ownError("500 Internal Server Error", closeField), "ERROR"},
		{"a response with a status out of range", rawhttp.Text(999, "hi"), nil, ownError("500 Internal Server Error", closeField), "ERROR"},
		{"the resolver's own 404", rawhttp.NotFound(), nil, textAnswer("404 Not Found", nil, "404 Not Found\n"), ""},
		{"the resolver's own 500", rawhttp.InternalServerError(), nil, textAnswer("500 Internal Server Error", nil, "500 Internal Server Error\n"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log testkit.Log
			got := talkInMemory(t, getRequest("/")+getRequest("/next"), rawhttp.WithResolver(alwaysAnswer(tt.resp, tt.err)), rawhttp.WithLogger(&log))
			want := tt.want
			if !strings.Contains(want, closeField) {
				want += okAnswer("/next")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("answers if Resolve returns %v, %v (-want +got):\n%s", tt.resp, tt.err, diff)
			}
			if tt.log == "" {
				if s := log.String(); s != "" {
					t.Errorf("log is %q, want nothing", s)
				}
				return
			}
			var cause []string
			if tt.err != nil {
				cause = append(cause, tt.err.Error())
			}
			if !log.Has(tt.log, cause...) {
				t.Errorf("log is %q, want %q at level %s", &log, cause, tt.log)
			}
		})
	}
}

// A panic is answered with 500 if the response has not begun. Its stack is logged, the
// connection closes, and the server continues.
func TestPanics(t *testing.T) {
	boom := func() { panic(secretPath) }
	returns := func(resp *rawhttp.Response) rawhttp.ResolverFunc {
		return func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return resp, nil }
	}
	internal := ownError("500 Internal Server Error", closeField)
	const streamed = "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n"
	tests := []struct {
		name string
		f    rawhttp.ResolverFunc
		opts []rawhttp.Option
		want string
	}{{
		name: "in a resolver",
		f:    func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { boom(); return nil, nil },
		want: internal,
	}, {
		name: "in a resolver, with an error value",
		f: func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			panic(fmt.Errorf("%s: %w", secretPath, fs.ErrNotExist))
		},
		want: internal,
	}, {
		name: "in a resolver, from the runtime",
		f: func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			return nil, errors.New([]string{}[len(secretPath)])
		},
		want: internal,
	}, {
		name: "in a resolver, with an error page",
		f:    func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { boom(); return nil, nil },
		opts: []rawhttp.Option{rawhttp.WithErrorPage(func(_ context.Context, _ *rawhttp.Request, status int, err error) *rawhttp.Response {
			return rawhttp.Text(status, "page")
		})},
		want: textAnswer("500 Internal Server Error", []string{closeField}, "page"),
	}, {
		name: "in the error page",
		f:    func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return nil, fs.ErrNotExist },
		opts: []rawhttp.Option{rawhttp.WithErrorPage(func(context.Context, *rawhttp.Request, int, error) *rawhttp.Response { boom(); return nil })},
		want: internal,
	}, {
		name: "in the resolver and the error page",
		f:    func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { boom(); return nil, nil },
		opts: []rawhttp.Option{rawhttp.WithErrorPage(func(context.Context, *rawhttp.Request, int, error) *rawhttp.Response { boom(); return nil })},
		want: internal,
	}, {
		name: "in the Reader of a Stream",
		f:    returns(rawhttp.Stream(200, "a/b", readerFunc(func([]byte) (int, error) { boom(); return 0, nil }))),
		want: internal,
	}, {
		name: "in the Reader of a Stream, later",
		f:    returns(rawhttp.Stream(200, "a/b", io.MultiReader(strings.NewReader("early"), readerFunc(func([]byte) (int, error) { boom(); return 0, nil })))),
		want: streamed,
	}, {
		name: "in the Reader of a Content",
		f: func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.Content(rawhttp.Representation{Body: readerFunc(func([]byte) (int, error) { boom(); return 0, nil }), Size: 5}), nil
		},
		want: internal,
	}, {
		name: "in a StreamFunc",
		f:    returns(rawhttp.StreamFunc(200, "a/b", func(context.Context, io.Writer) error { boom(); return nil })),
		want: internal,
	}, {
		name: "in a StreamFunc, later",
		f: returns(rawhttp.StreamFunc(200, "a/b", func(_ context.Context, w io.Writer) error {
			io.WriteString(w, "early")
			boom()
			return nil
		})),
		want: streamed,
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			noNewGoroutines(t)
			var log testkit.Log
			opts := append([]rawhttp.Option{rawhttp.WithResolver(exceptNext(tt.f)), rawhttp.WithLogger(&log), rawhttp.WithDate(false)}, tt.opts...)
			_, addr := listen(t, opts...)
			if diff := cmp.Diff(tt.want, talk(t, addr, getRequest("/")+getRequest("/next"))); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if !log.Has("ERROR", "panic", "conn_failure_test.go") || log.Has("ERROR", "request failed") {
				t.Errorf("log is %q, want the panic with its stack at level error, once", &log)
			}
			if diff := cmp.Diff(okAnswer("/next"), talk(t, addr, getRequest("/next"))); diff != "" {
				t.Errorf("answer on another connection (-want +got):\n%s", diff)
			}
		})
	}
}

// A resolver that calls runtime.Goexit, as t.FailNow does, ends only its own connection. Earlier
// answers are not lost.
func TestGoexit(t *testing.T) {
	t.Parallel()
	closed := new(atomic.Int32)
	exits := map[string]rawhttp.ResolverFunc{
		"resolver": func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { runtime.Goexit(); return nil, nil },
		"Stream": func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.Stream(200, "", &countingCloser{Reader: readerFunc(func([]byte) (int, error) { runtime.Goexit(); return 0, nil }), n: closed}), nil
		},
		"StreamFunc": func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.StreamFunc(200, "", func(context.Context, io.Writer) error { runtime.Goexit(); return nil }), nil
		},
	}
	for name, f := range exits {
		t.Run(name, func(t *testing.T) {
			noNewGoroutines(t)
			var log testkit.Log
			s, addr := listen(t, rawhttp.WithResolver(exceptNext(f)), rawhttp.WithDate(false), rawhttp.WithLogger(&log))
			if diff := cmp.Diff(okAnswer("/next"), talk(t, addr, getRequest("/next")+getRequest("/"))); diff != "" {
				t.Errorf("answers, the second of which calls Goexit (-want +got):\n%s", diff)
			}
			if !log.Has("ERROR", "response cut", "runtime.Goexit in a resolver or response") {
				t.Errorf("log is %q, want the Goexit at level error", &log)
			}
			if diff := cmp.Diff(okAnswer("/next"), talk(t, addr, getRequest("/next"))); diff != "" {
				t.Errorf("answer on another connection (-want +got):\n%s", diff)
			}
			if err := s.Shutdown(context.Background()); err != nil {
				t.Errorf("Shutdown = %v, want nil", err)
			}
		})
	}
	if n := closed.Load(); n != 1 {
		t.Errorf("the source of the Stream was closed %d times, want once", n)
	}
}

// In ServeConn, Goexit ends the caller's goroutine. The server must not wait for it forever.
func TestGoexitInServeConn(t *testing.T) {
	s := newServer(t, rawhttp.WithResolver(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { runtime.Goexit(); return nil, nil })))
	client, server := duplexPipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.ServeConn(context.Background(), server)
		t.Error("ServeConn returned, want its goroutine to end")
	}()
	go io.WriteString(client, getRequest("/"))
	if got, err := io.ReadAll(client); err != nil || len(got) > 0 {
		t.Errorf("client read %q, %v, want io.EOF", got, err)
	}
	<-done
	if err := s.Shutdown(context.Background()); err != nil {
		t.Errorf("Shutdown = %v, want nil", err)
	}
}

// countingCloser counts its Close calls in n.
type countingCloser struct {
	io.Reader
	n *atomic.Int32
}

func (c *countingCloser) Close() error {
	c.n.Add(1)
	return nil
}

// A Response that serves once is closed exactly once, however the exchange ends.
func TestExchangeClosesResponseOnce(t *testing.T) {
	get := getRequest("/")
	fails := readerFunc(func([]byte) (int, error) { return 0, errors.New(secretPath) })
	page := func(r io.Reader) rawhttp.Option {
		return rawhttp.WithErrorPage(func(_ context.Context, _ *rawhttp.Request, status int, _ error) *rawhttp.Response {
			return rawhttp.Stream(status, "", r)
		})
	}
	tests := []struct {
		name string
		in   string
		make func(r io.ReadCloser) (*rawhttp.Response, error)
		data io.Reader
		page bool // the Response is the error page, and make returns an error
	}{
		{name: "Stream", in: get, make: func(r io.ReadCloser) (*rawhttp.Response, error) { return rawhttp.Stream(200, "", r), nil }},
		{name: "Content", in: get, make: func(r io.ReadCloser) (*rawhttp.Response, error) {
			return rawhttp.Content(rawhttp.Representation{Body: r, Size: 5}), nil
		}},
		{name: "Content of size 0", in: get, make: func(r io.ReadCloser) (*rawhttp.Response, error) {
			return rawhttp.Content(rawhttp.Representation{Body: r}), nil
		}},
		{name: "Content that is shorter than its size", in: get, make: func(r io.ReadCloser) (*rawhttp.Response, error) {
			return rawhttp.Content(rawhttp.Representation{Body: r, Size: 6}), nil
		}},
		{name: "HEAD", in: "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", make: func(r io.ReadCloser) (*rawhttp.Response, error) { return rawhttp.Stream(200, "", r), nil }},
		{name: "HTTP/1.0", in: "GET / HTTP/1.0\r\n\r\n", make: func(r io.ReadCloser) (*rawhttp.Response, error) { return rawhttp.Stream(200, "", r), nil }},
		{name: "a status without content", in: get, make: func(r io.ReadCloser) (*rawhttp.Response, error) { return rawhttp.Stream(304, "", r), nil }},
		{name: "a clone", in: get, make: func(r io.ReadCloser) (*rawhttp.Response, error) {
			return rawhttp.Stream(200, "", r).Clone().Set("X-A", "b"), nil
		}},
		{name: "response and error", in: get, make: func(r io.ReadCloser) (*rawhttp.Response, error) {
			return rawhttp.Stream(200, "", r), errors.New(secretPath)
		}},
		{name: "closed by the resolver already", in: get, make: func(r io.ReadCloser) (*rawhttp.Response, error) {
			resp := rawhttp.Stream(200, "", r)
			resp.Close()
			return resp, nil
		}},
		{name: "an invalid response", in: get, make: func(r io.ReadCloser) (*rawhttp.Response, error) {
			return rawhttp.Stream(200, "", r).Set("a b", ""), nil
		}},
		{name: "405 to OPTIONS", in: "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n", make: func(r io.ReadCloser) (*rawhttp.Response, error) { return rawhttp.Stream(405, "", r), nil }},
		{name: "the first Read fails", in: get, data: fails, make: func(r io.ReadCloser) (*rawhttp.Response, error) { return rawhttp.Stream(200, "", r), nil }},
		{name: "the second Read fails", in: get, data: io.MultiReader(strings.NewReader("x"), fails), make: func(r io.ReadCloser) (*rawhttp.Response, error) { return rawhttp.Stream(200, "", r), nil }},
		{name: "Read panics", in: get, data: readerFunc(func([]byte) (int, error) { panic(secretPath) }), make: func(r io.ReadCloser) (*rawhttp.Response, error) { return rawhttp.Stream(200, "", r), nil }},
		{name: "the content of the request is malformed", in: chunkedRequest("/", "zz\r\n"), make: func(r io.ReadCloser) (*rawhttp.Response, error) { return rawhttp.Stream(200, "", r), nil }},
		{name: "an error page", in: get, page: true},
		{name: "an error page for 405, to which Allow is added", in: get, page: true, make: func(io.ReadCloser) (*rawhttp.Response, error) { return nil, &rawhttp.StatusError{Status: 405} }},
		{name: "the connection closes", in: getRequest("/", "Connection: close"), make: func(r io.ReadCloser) (*rawhttp.Response, error) { return rawhttp.Stream(200, "", r), nil }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := new(atomic.Int32)
			var data io.Reader = strings.NewReader("hello")
			if tt.data != nil {
				data = tt.data
			}
			source := &countingCloser{data, n}
			f := func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
				if req.ContentLength() != 0 {
					io.Copy(io.Discard, req.Body)
				}
				if tt.make == nil {
					return nil, errors.New(secretPath)
				}
				return tt.make(source)
			}
			opts := []rawhttp.Option{rawhttp.WithResolver(exceptNext(f))}
			if tt.page {
				opts = append(opts, page(source))
			}
			if got := talkInMemory(t, tt.in, opts...); strings.Contains(got, "secret") {
				t.Errorf("the answer contains the text of an error: %q", got)
			}
			if n := n.Load(); n != 1 {
				t.Errorf("the source was closed %d times, want once", n)
			}
		})
	}
}

// The client may disconnect before the response or in the middle of it.
func TestExchangeClosesResponseWithoutClient(t *testing.T) {
	for _, size := range []int{1, 1 << 20} {
		for _, read := range []int64{0, 20, 70_000} {
			if int(read) > size+20 {
				continue
			}
			t.Run(fmt.Sprintf("%d bytes, of which %d are read", size, read), func(t *testing.T) {
				n := new(atomic.Int32)
				resolver := rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
					return rawhttp.Stream(200, "", &countingCloser{strings.NewReader(strings.Repeat("x", size)), n}), nil
				})
				s := newServer(t, rawhttp.WithResolver(resolver))
				client, server := duplexPipe()
				served := make(chan error, 1)
				go func() { served <- s.ServeConn(context.Background(), server) }()
				io.WriteString(client, getRequest("/"))
				io.CopyN(io.Discard, client, read)
				client.Close()
				<-served
				if n := n.Load(); n != 1 {
					t.Errorf("the source was closed %d times, want once", n)
				}
			})
		}
	}
}

// When a Response that serves once is used again, that request is answered with 500, and the
// log says why.
func TestSingleUseResponseUsedTwice(t *testing.T) {
	var log testkit.Log
	n := new(atomic.Int32)
	resp := rawhttp.Stream(200, "a/b", &countingCloser{strings.NewReader("hello"), n})
	resolver := rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return resp, nil })
	got := talkInMemory(t, getRequest("/")+getRequest("/"), rawhttp.WithResolver(resolver), rawhttp.WithLogger(&log))
	want := "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" +
		ownError("500 Internal Server Error")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if !log.Has("ERROR", "a Response that serves once was served or closed before") || len(log.Lines("ERROR")) != 1 {
		t.Errorf("log is %q, want the second use at level error, once", &log)
	}
	if n := n.Load(); n != 1 {
		t.Errorf("the source was closed %d times, want once", n)
	}
}

// A second use of a Response that serves once does not close the source of the first.
func TestSingleUseResponseUsedTwiceAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := new(atomic.Int32)
		release := make(chan struct{})
		reads := 0
		source := &countingCloser{n: n, Reader: readerFunc(func(p []byte) (int, error) {
			switch reads++; reads {
			case 1:
				return copy(p, "first"), nil
			case 2:
				<-release
				return copy(p, "second"), nil
			}
			return 0, io.EOF
		})}
		resp := rawhttp.Stream(200, "a/b", source)
		s, ln, served := serveListener(t, rawhttp.WithResolver(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return resp, nil })))
		a, b := ln.dial(t), ln.dial(t)
		a.send(getRequest("/"))
		b.send(getRequest("/"))
		if diff := cmp.Diff(ownError("500 Internal Server Error"), b.received()); diff != "" {
			t.Errorf("answer to the second (-want +got):\n%s", diff)
		}
		if n := n.Load(); n != 0 {
			t.Errorf("the source was closed %d times while it was being read, want 0", n)
		}
		close(release)
		want := "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n"
		if diff := cmp.Diff(want, a.received()); diff != "" {
			t.Errorf("answer to the first (-want +got):\n%s", diff)
		}
		if n := n.Load(); n != 1 {
			t.Errorf("the source was closed %d times, want once", n)
		}
		s.Close()
		<-served
	})
}

// A reset by the client is not logged as a failure of the server, whether it happens within the
// content, while a resolver waits for the end of its context, or before a StreamFunc writes.
func TestResetIsNotServerError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		want     int // Exchange.Status
	}{
		{"content", postRequest("/content", "content")[:len(postRequest("/content", "content"))-3], 400},
		{"resolver", getRequest("/resolver"), 500},
		{"StreamFunc", getRequest("/stream"), 200},
	}
	for _, tt := range tests {
		for _, stall := range []time.Duration{30 * time.Second, 0} {
			t.Run(fmt.Sprintf("%s/stall timeout %v", tt.name, stall), func(t *testing.T) {
				var log testkit.Log
				statuses := make(chan int, 1)
				begun := make(chan struct{}, 1)
				waits := func(ctx context.Context) error {
					<-ctx.Done()
					return ctx.Err()
				}
				_, addr := listen(t, rawhttp.WithStallTimeout(stall), rawhttp.WithLogger(&log),
					rawhttp.WithTrace(rawhttp.Trace{Exchange: func(e rawhttp.Exchange) { statuses <- e.Status }}),
					rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
						begun <- struct{}{}
						switch req.Path() {
						case "/content":
							_, err := io.ReadAll(req.Body)
							return nil, err
						case "/resolver":
							return nil, waits(ctx)
						}
						return rawhttp.StreamFunc(200, "", func(ctx context.Context, _ io.Writer) error { return waits(ctx) }), nil
					})))
				c := dial(t, addr)
				io.WriteString(c, tt.in)
				<-begun
				reset(c)
				if got := <-statuses; got != tt.want {
					t.Errorf("Exchange.Status after %q and a reset = %d, want %d", tt.in, got, tt.want)
				}
				if log.Has("ERROR") || log.Has("WARN") {
					t.Errorf("log is %q, want nothing at level error or warn", &log)
				}
			})
		}
	}
}
