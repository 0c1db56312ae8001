package nethttp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
)

// TestHandlerEnds drops the response of a handler in each phase. synctest fails if a
// goroutine remains.
func TestHandlerEnds(t *testing.T) {
	untilDone := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	untilWriteFails := func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := io.WriteString(w, long(1000)); err != nil {
				return
			}
		}
	}
	flushed := func(h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			h(w, r)
		}
	}
	tests := []struct {
		name    string
		handler http.HandlerFunc
		drop    func(resp *rawhttp.Response) *rawhttp.Response // how a wrapper drops the response
	}{
		{"wrapper drops it, handler waits", flushed(untilDone), replace},
		{"wrapper drops it, handler writes", untilWriteFails, replace},
		{"wrapper drops it, handler panics", flushed(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		}), replace},
		{"wrapper reads part of it", untilWriteFails, func(resp *rawhttp.Response) *rawhttp.Response {
			if _, err := resp.WriteContent(context.Background(), &failingWriter{after: 5000}); err == nil {
				t.Error("WriteContent to a writer that fails = nil, want an error")
			}
			return replace(resp)
		}},
		{"hijacked, wrapper drops it", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Upgrade", "x")
			w.WriteHeader(http.StatusSwitchingProtocols)
			if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Hijack = %v, want %v", err, net.ErrClosed)
			}
		}, replace},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inner := Resolver(tt.handler)
				got := rawhttp.Answer(rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
					resp, err := inner.Resolve(ctx, req)
					if err != nil {
						return nil, err
					}
					return tt.drop(resp), nil
				}), get("/", "Connection: Upgrade", "Upgrade: x"))
				if !strings.HasSuffix(got, "instead") {
					t.Errorf("the answer is %q, want the text of the wrapper", got)
				}
			})
		})
	}
}

func replace(resp *rawhttp.Response) *rawhttp.Response {
	resp.Close()
	return rawhttp.Text(200, "instead")
}

// A failingWriter fails after a number of bytes.
type failingWriter struct{ after int }

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.after -= len(p); w.after < 0 {
		return 0, errors.New("the writer fails")
	}
	return len(p), nil
}

// TestHandlerInforms sends informational responses behind net/http: before the head, with their
// own fields alone, and not to HTTP/1.0.
func TestHandlerInforms(t *testing.T) {
	inner := Handler(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if err := req.Inform(103, "Link", "</a>", "Link", "</b>"); err != nil {
			t.Errorf("Inform in Resolve = %v", err)
		}
		return rawhttp.StreamFunc(200, "text/plain", func(_ context.Context, w io.Writer) error {
			if err := req.Inform(102); err != nil {
				t.Errorf("Inform before the first Write = %v", err)
			}
			io.WriteString(w, "content")
			if err := req.Inform(103); (err == nil) != (req.Version() == "HTTP/1.0") {
				t.Errorf("%s: Inform after the head = %v", req.Version(), err)
			}
			return nil
		}), nil
	}))
	addr := serveNetHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Outer", "1")
		inner.ServeHTTP(w, r)
	}))
	for request, want := range map[string][]string{
		get("/"):                 {"103 Early Hints Link: </a>, Link: </b>", "102 Processing "},
		"GET / HTTP/1.0\r\n\r\n": nil,
	} {
		a := ask(t, addr, request)
		if diff := cmp.Diff(want, a.Interim); diff != "" {
			t.Errorf("informational responses to %q (-want +got):\n%s", request, diff)
		}
		if a.Content != "content" || !slices.Contains(a.Fields, "X-Outer: 1") {
			t.Errorf("the final response to %q is %+v", request, a)
		}
	}
}

// TestClientDisconnects ends the connection while a handler, or a resolver, streams. Both
// must notice it by the context or by a failed write.
func TestClientDisconnects(t *testing.T) {
	ended := make(chan string)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "begun\n")
		w.(http.Flusher).Flush()
		if r.URL.Path == "/context" {
			<-r.Context().Done()
			ended <- "context"
			return
		}
		for {
			if _, err := io.WriteString(w, long(5000)); err != nil {
				ended <- "write"
				return
			}
		}
	})
	resolver := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		path := req.Path()
		return rawhttp.StreamFunc(200, "text/plain", func(ctx context.Context, w io.Writer) error {
			io.WriteString(w, "begun\n")
			if path == "/context" {
				<-ctx.Done()
				ended <- "context"
				return nil
			}
			for {
				if _, err := io.WriteString(w, long(5000)); err != nil {
					ended <- "write"
					return err
				}
			}
		}).OnClose(func() { ended <- "closed" }), nil
	})
	for _, s := range []struct {
		name, addr string
		closes     bool // OnClose reports "closed" afterwards
	}{
		{"handler", serveRawhttp(t, Resolver(handler)), false},
		{"resolver", serveNetHTTP(t, Handler(resolver)), true},
		{"both", serveRawhttp(t, Resolver(Handler(resolver))), true},
	} {
		for _, how := range []string{"context", "write"} {
			t.Run(s.name+"/"+how, func(t *testing.T) {
				conn := dial(t, s.addr)
				io.WriteString(conn, get("/"+how))
				in := bufio.NewReader(conn)
				readHead(t, in)
				conn.Close()
				if got := <-ended; got != how {
					t.Errorf("it ended with %q, want an end by the context or a write", got)
				}
				if s.closes {
					if got := <-ended; got != "closed" {
						t.Errorf("it ended with %q, want the function of OnClose to be called", got)
					}
				}
			})
		}
	}
}

// TestStreams sends content in parts, each after the other side has received the previous one, so
// nothing may wait in a buffer. The content of the request stays open all the time.
func TestStreams(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := rc.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		for in := bufio.NewReader(r.Body); ; rc.Flush() {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			io.WriteString(w, line)
		}
	})
	echo := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Stream(200, "text/plain", req.Body), nil
	})
	for _, s := range []struct{ name, addr string }{
		{"handler", serveRawhttp(t, Resolver(handler))},
		{"resolver", serveNetHTTP(t, Handler(echo))},
		{"both", serveNetHTTP(t, Handler(Resolver(handler)))},
	} {
		t.Run(s.name, func(t *testing.T) {
			conn := dial(t, s.addr)
			io.WriteString(conn, head("POST", "/", "Transfer-Encoding: chunked"))
			var content *bufio.Reader
			for i := range 3 {
				line := fmt.Sprintf("line %d\n", i)
				fmt.Fprintf(conn, "%x\r\n%s\r\n", len(line), line)
				if content == nil { // the head may arrive with the first line
					content = bufio.NewReader(readHead(t, bufio.NewReader(conn)).Body)
				}
				expectLine(t, content, line)
			}
			io.WriteString(conn, "0\r\n\r\n")
			if rest, err := io.ReadAll(content); len(rest) > 0 || err != nil {
				t.Errorf("after the last line: %q, %v, want only io.EOF", rest, err)
			}
		})
	}
}

// TestPersists leaves content unread and sends another request on the connection. After
// EnableFullDuplex, net/http needs help with that.
func TestPersists(t *testing.T) {
	ignoring := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Stream(200, "text/plain", strings.NewReader("streamed")), nil
	})
	for _, s := range []struct{ name, addr string }{
		{"resolver", serveNetHTTP(t, Handler(ignoring))},
		{"handler", serveRawhttp(t, Resolver(Handler(ignoring)))},
	} {
		t.Run(s.name, func(t *testing.T) {
			conn := dial(t, s.addr)
			in := bufio.NewReader(conn)
			for _, request := range []string{
				withContent("POST", "/", long(10_000)),
				head("POST", "/", "Transfer-Encoding: chunked") + "5\r\nhello\r\n0\r\n\r\n",
				get("/"),
			} {
				io.WriteString(conn, request)
				if a := readAnswer(in, request); a.Content != "streamed" || a.End != "" {
					t.Errorf("the answer is %+v", a)
				}
			}
		})
	}
}

type contextKey struct{}

// TestContextValues checks that values of wrappers are passed on in both directions, and that
// handlers notice the end of the server.
func TestContextValues(t *testing.T) {
	handler := Resolver(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Context().Value(contextKey{}), " ", rawhttp.Stopping(r.Context()) != nil)
	}))
	wrapped := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return handler.Resolve(context.WithValue(ctx, contextKey{}, "value"), req)
	})
	expect(t, serveRawhttp(t, wrapped), get("/"), content, "value true")

	resolver := Handler(rawhttp.ResolverFunc(func(ctx context.Context, _ *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.StreamFunc(200, "", func(ctx context.Context, w io.Writer) error {
			_, err := fmt.Fprint(w, ctx.Value(contextKey{}))
			return err
		}), nil
	}))
	middleware := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resolver.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, "value")))
	})
	expect(t, serveNetHTTP(t, middleware), get("/"), content, "value")
}

// TestStopping ends a stream of server-sent events when the server stops.
func TestStopping(t *testing.T) {
	begun := make(chan bool)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		close(begun)
		<-rawhttp.Stopping(r.Context())
		io.WriteString(w, "goodbye")
	})
	srv, err := rawhttp.New(rawhttp.WithResolver(Resolver(handler)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ln := listen(t)
	served := make(chan error)
	go func() { served <- srv.Serve(ctx, ln) }()
	conn := dial(t, ln.Addr().String())
	io.WriteString(conn, get("/"))
	<-begun
	stop()
	if a := readAnswer(bufio.NewReader(conn), get("/")); a.Content != "goodbye" || a.End != "" {
		t.Errorf("the answer is %+v", a)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
}

// TestHandlerKeepsNoServer serves for many servers, one after another, whose resolver refers to the
// server, and checks that none of them is kept in memory.
func TestHandlerKeepsNoServer(t *testing.T) {
	var current *httptest.Server
	h := Handler(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, current.URL), nil
	})).(*handler)
	const servers = 10
	for range servers {
		current = httptest.NewServer(h)
		expect(t, current.Listener.Addr().String(), get("/"), content, current.URL)
		current.Close()
	}
	kept := func() int {
		h.stops.mu.Lock()
		defer h.stops.mu.Unlock()
		return len(h.stops.channels)
	}
	for end := time.Now().Add(10 * time.Second); kept() > 1 && time.Now().Before(end); {
		runtime.GC() // cleanups run on another goroutine after it
	}
	if n := kept(); n > 1 { // the last is still current
		t.Errorf("%d of %d servers are kept, want only the last", n, servers)
	}
}

// TestTLS sends requests over TLS in both directions.
func TestTLS(t *testing.T) {
	certified := httptest.NewUnstartedServer(Handler(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, fmt.Sprint(req.Conn().TLS)), nil
	})))
	certified.StartTLS()
	t.Cleanup(certified.Close)

	srv, err := rawhttp.New(rawhttp.WithResolver(Resolver(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.TLS.ServerName, r.TLS.Version == tls.VersionTLS13)
	}))))
	if err != nil {
		t.Fatal(err)
	}
	ln := tls.NewListener(listen(t), &tls.Config{Certificates: certified.TLS.Certificates})
	served := make(chan error)
	go func() { served <- srv.Serve(context.Background(), ln) }()
	t.Cleanup(func() {
		srv.Close()
		<-served
	})

	for addr, want := range map[string]string{certified.Listener.Addr().String(): "true", ln.Addr().String(): "example.comtrue"} {
		config := certified.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		config.ServerName = "example.com"
		conn := tls.Client(dial(t, addr), config)
		io.WriteString(conn, get("/"))
		if a := readAnswer(bufio.NewReader(conn), get("/")); a.Content != want {
			t.Errorf("the answer is %+v, want %q", a, want)
		}
	}
}

// TestPanicIsLogged finds the function that panicked in the log.
func TestPanicIsLogged(t *testing.T) {
	for _, path := range []string{"/early", "/late", "/head"} {
		var text strings.Builder
		srv, err := rawhttp.New(rawhttp.WithLogger(slog.New(slog.NewTextHandler(&text, nil))), rawhttp.WithResolver(
			Resolver(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/early" {
					w.(http.Flusher).Flush()
				}
				panicHere()
			}))))
		if err != nil {
			t.Fatal(err)
		}
		client, server := net.Pipe()
		served := make(chan error)
		go func() { served <- srv.ServeConn(context.Background(), server) }()
		method := "GET"
		if path == "/head" {
			method = "HEAD"
		}
		go io.WriteString(client, head(method, path))
		readAnswer(bufio.NewReader(client), method)
		client.Close()
		<-served
		if !strings.Contains(text.String(), "panicHere") {
			t.Errorf("%s: the log does not name the function that panicked: %s", path, text.String())
		}
	}
}

func panicHere() { panic("a mistake") }

// TestErrorsAreLogged finds the cause of a failed response in the log of the http.Server.
func TestErrorsAreLogged(t *testing.T) {
	var text strings.Builder
	h := Handler(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
		return nil, errors.New("the cause")
	}))
	r := httptest.NewRequest("GET", "/", nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), http.ServerContextKey, &http.Server{ErrorLog: log.New(&text, "", 0)})))
	if w.Code != 500 || !strings.Contains(text.String(), "the cause") || strings.Contains(w.Body.String(), "the cause") {
		t.Errorf("the answer is %d %q, the log %q, want 500 and the cause only in the log", w.Code, w.Body, text.String())
	}
}
