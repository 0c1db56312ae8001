package nethttp

import (
	"bufio"
	"context"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
)

// A loss is a list item in the package documentation, with the test that proves it.
type loss struct {
	row  string
	test func(t *testing.T)
}

// handlerBehind serves a function as a handler behind rawhttp.
func handlerBehind(t *testing.T, h http.HandlerFunc) (addr string) {
	t.Helper()
	return serveRawhttp(t, Resolver(h))
}

// resolverBehind serves a function as a resolver behind net/http.
func resolverBehind(t *testing.T, r rawhttp.ResolverFunc) (addr string) {
	t.Helper()
	return serveNetHTTP(t, Handler(r))
}

// expect sends a request, and compares the part of the answer that f returns.
func expect[T any](t *testing.T, addr, request string, f func(answer) T, want T) {
	t.Helper()
	if diff := cmp.Diff(want, f(ask(t, addr, request))); diff != "" {
		t.Errorf("answer to %.40q (-want +got):\n%s", request, diff)
	}
}

func status(a answer) int        { return a.Status }
func content(a answer) string    { return a.Content }
func fields(a answer) []string   { return a.Fields }
func trailers(a answer) []string { return a.Trailers }

var handlerLosses = []loss{
	{"late trailer", func(t *testing.T) {
		addr := handlerBehind(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Announced")
			w.Header().Set(http.TrailerPrefix+"X-Early", "2")
			w.(http.Flusher).Flush()
			w.Header().Set("X-Announced", "1")
			w.Header().Set(http.TrailerPrefix+"X-Late", "3")
		})
		expect(t, addr, get("/"), trailers, []string{"X-Announced: 1", "X-Early: 2"})
	}},
	{"deadlines", func(t *testing.T) {
		addr := handlerBehind(t, func(w http.ResponseWriter, _ *http.Request) {
			rc, at := http.NewResponseController(w), time.Now().Add(time.Hour)
			fmt.Fprint(w, rc.SetReadDeadline(at), rc.SetWriteDeadline(at), rc.SetReadDeadline(time.Time{}), rc.SetWriteDeadline(time.Time{}))
		})
		expect(t, addr, get("/"), content, "feature not supported feature not supported <nil> <nil>")
	}},
	{"hijack", func(t *testing.T) {
		addr := handlerBehind(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _, err := http.NewResponseController(w).Hijack()
			fmt.Fprint(w, err)
		})
		expect(t, addr, get("/"), content, "nethttp: hijack a connection whose client does not ask for another protocol: feature not supported")
	}},
	{"sendfile", func(t *testing.T) {
		addr := handlerBehind(t, func(w http.ResponseWriter, _ *http.Request) {
			_, ok := w.(io.ReaderFrom)
			fmt.Fprint(w, ok)
		})
		expect(t, addr, get("/"), content, "false")
	}},
	{"server's fields", func(t *testing.T) {
		addr := handlerBehind(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", "Mon, 02 Nov 2026 08:15:00 GMT")
			w.Header().Set("Connection", "X-A")
			w.Header().Set("Content-Length", "10")
			w.WriteHeader(304)
		})
		conn := dial(t, addr)
		io.WriteString(conn, get("/"))
		resp := readHead(t, bufio.NewReader(conn))
		date := resp.Header.Get("Date")
		resp.Header.Del("Date")
		if len(resp.Header) > 0 || date == "Mon, 02 Nov 2026 08:15:00 GMT" {
			t.Errorf("the fields are %v and Date: %s, want no other fields and the date of the server", resp.Header, date)
		}
	}},
	{"statuses", func(t *testing.T) {
		expect(t, handlerBehind(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(600) }), get("/"), status, 500)
		addr := handlerBehind(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(205)
			io.WriteString(w, "content")
		})
		expect(t, addr, get("/"), func(a answer) answer { return a }, answer{Status: 205, Framing: "length", Fields: []string{"Content-Length: 0"}})
	}},
	{"invalid fields", func(t *testing.T) {
		expect(t, handlerBehind(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("A B", "1") }), get("/"), status, 500)
		expect(t, handlerBehind(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("A", "\x00") }), get("/"), status, 500)
		addr := handlerBehind(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("A", " 1\r\nB: 2 ") })
		expect(t, addr, get("/"), fields, []string{"A: 1  B: 2", "Content-Length: 0"})
	}},
	{"http.Server", func(t *testing.T) {
		addr := handlerBehind(t, func(w http.ResponseWriter, r *http.Request) {
			srv := r.Context().Value(http.ServerContextKey).(*http.Server)
			fmt.Fprint(w, srv.Addr, srv.Handler)
		})
		expect(t, addr, get("/"), content, "<nil>")
	}},
	{"clean path", func(t *testing.T) {
		addr := handlerBehind(t, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, r.URL.Path, " ", r.URL.RawPath, " ", r.RequestURI)
		})
		expect(t, addr, get("/a/../b//c%2Fd?q"), content, "/b/c/d /b/c%2Fd /a/../b//c%2Fd?q")
	}},
	{"HEAD", func(t *testing.T) {
		ended := make(chan error, 1)
		addr := handlerBehind(t, func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			<-r.Context().Done() // blocks forever if the context does not end
			ended <- r.Context().Err()
		})
		expect(t, addr, head("HEAD", "/"), status, 200)
		if err := <-ended; err != context.Canceled {
			t.Errorf("the context ended with %v, want context.Canceled", err)
		}
	}},
	{"panic", func(t *testing.T) {
		addr := handlerBehind(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/late" {
				w.(http.Flusher).Flush()
			}
			panic("a mistake")
		})
		expect(t, addr, get("/"), status, 500)
		expect(t, addr, get("/late"), func(a answer) string { return a.End }, "cut")
	}},
	{"own methods", func(t *testing.T) {
		addr := handlerBehind(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != "OPTIONS" || r.URL.Path != "/" {
				t.Errorf("the handler sees %s %s, want only OPTIONS /", r.Method, r.RequestURI)
			}
			w.Header().Set("Allow", "GET, PUT")
			w.WriteHeader(405)
		})
		expect(t, addr, head("TRACE", "/"), status, 405)
		expect(t, addr, head("CONNECT", "example.test:443"), status, 405)
		expect(t, addr, head("OPTIONS", "*"), status, 204)
		expect(t, addr, head("OPTIONS", "/"), fields, []string{"Allow: GET, PUT", "X-Content-Type-Options: nosniff"})
	}},
}

var resolverLosses = []loss{
	{"bytes of the head", func(t *testing.T) {
		addr := resolverBehind(t, func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.OK("", req.Head()), nil
		})
		expect(t, addr, get("/", "x-B: 2", "X-a: 1"), content, get("/", "X-A: 1", "X-B: 2"))
	}},
	{"connection", func(t *testing.T) {
		addr := resolverBehind(t, func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			c := req.Conn()
			return rawhttp.Text(200, fmt.Sprint(c.ID, c.Request, c.NetConn, c.Client)), nil
		})
		expect(t, addr, get("/", "X-Forwarded-For: 192.0.2.1"), content, "0 0 <nil> 127.0.0.1")
	}},
	{"Stopping", func(t *testing.T) {
		for how, closes := range map[string]bool{"Shutdown": true, "Close": false} {
			stopping := make(chan (<-chan struct{}), 1)
			srv := httptest.NewServer(Handler(rawhttp.ResolverFunc(func(ctx context.Context, _ *rawhttp.Request) (*rawhttp.Response, error) {
				stopping <- rawhttp.Stopping(ctx)
				return rawhttp.Empty(204), nil
			})))
			ask(t, srv.Listener.Addr().String(), get("/"))
			ch := <-stopping
			select {
			case <-ch:
				t.Error("the channel is closed before the server stops")
			default:
			}
			if closes {
				srv.Config.Shutdown(t.Context())
				<-ch
				srv.Config.Shutdown(t.Context())
			}
			srv.Close()
			select {
			case <-ch:
				if !closes {
					t.Errorf("%s closes the channel", how)
				}
			default:
			}
		}
	}},
	{"HTTP/2", func(t *testing.T) {
		srv := httptest.NewUnstartedServer(Handler(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.Text(200, fmt.Sprintln(req.Version(), req.Conn().TLS)), nil
		})))
		srv.EnableHTTP2 = true
		srv.StartTLS()
		t.Cleanup(srv.Close)
		resp, err := srv.Client().Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		if resp.ProtoMajor != 2 || string(got) != "HTTP/1.1 true\n" || err != nil {
			t.Errorf("the answer in %s is %q, %v, want HTTP/1.1 true in HTTP/2", resp.Proto, got, err)
		}
	}},
	{"target", func(t *testing.T) {
		h := Handler(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.Text(200, fmt.Sprint(req.Target(), " ", req.Prefix(), " ", req.EscapedPath())), nil
		}))
		mux := http.NewServeMux()
		mux.Handle("/strip/", http.StripPrefix("/strip", h))
		mux.HandleFunc("/rewrite/", func(w http.ResponseWriter, r *http.Request) {
			r.URL.Path, r.URL.RawPath = "/other", ""
			h.ServeHTTP(w, r)
		})
		addr := serveNetHTTP(t, mux)
		expect(t, addr, get("/strip/a%2Fb?q"), content, "/strip/a%2Fb?q /strip /a%2Fb")
		expect(t, addr, get("/rewrite/a?q"), content, "/other?q  /other")
	}},
	{"limits", func(t *testing.T) {
		h := Handler(rawhttp.ResolverFunc(describeBody))
		content11M := withContent("POST", "/", long(11<<20))
		expect(t, serveRawhttp(t, rawhttp.ResolverFunc(describeBody)), content11M, status, 413)
		expect(t, serveNetHTTP(t, h), content11M, status, 200)
		expect(t, serveNetHTTP(t, http.MaxBytesHandler(h, 10)), withContent("POST", "/", "01234567890"), status, 413)
		expect(t, serveNetHTTP(t, h), get("/", slices.Repeat([]string{"X-A: 1"}, 101)...), status, 431)
	}},
	{"panic", func(t *testing.T) {
		addr := resolverBehind(t, func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { panic("a mistake") })
		expect(t, addr, get("/"), func(a answer) string { return a.End }, "no response")
	}},
	{"abort", func(t *testing.T) {
		addr := resolverBehind(t, func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return nil, rawhttp.ErrAbort })
		conn := dial(t, addr)
		io.WriteString(conn, get("/"))
		if rest, err := io.ReadAll(conn); len(rest) > 0 || err != nil {
			t.Errorf("read %q, %v, want io.EOF", rest, err)
		}
	}},
	{"own methods", func(t *testing.T) {
		addr := resolverBehind(t, func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return rawhttp.Empty(200), nil })
		expect(t, addr, head("OPTIONS", "*"), status, 200)
		expect(t, addr, head("TRACE", "/"), status, 405)
	}},
}

// TestLosses proves each item of the two lists in the package documentation, and that the lists
// have no other items.
func TestLosses(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	_, handlers, _ := strings.Cut(file.Doc.Text(), "# What a handler loses")
	handlers, resolvers, _ := strings.Cut(handlers, "# What a resolver loses")
	for _, list := range []struct {
		name, doc string
		losses    []loss
	}{{"handler", handlers, handlerLosses}, {"resolver", resolvers, resolverLosses}} {
		var documented, proved []string
		for _, m := range regexp.MustCompile(`(?m)^  - ([^:]+):`).FindAllStringSubmatch(list.doc, -1) {
			documented = append(documented, m[1])
		}
		for _, l := range list.losses {
			proved = append(proved, l.row)
			t.Run(list.name+"/"+l.row, l.test)
		}
		if diff := cmp.Diff(documented, proved); diff != "" {
			t.Errorf("losses of a %s (-documented +proved):\n%s", list.name, diff)
		}
	}
}
