package nethttp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"example.com/rawhttp"
)

// shout answers each line in upper case, until the line "bye". A server greets with "hello".
func shout(conn net.Conn, in *bufio.Reader) error {
	for {
		line, err := in.ReadString('\n')
		if err != nil || line == "bye\n" {
			return err
		}
		if _, err := io.WriteString(conn, strings.ToUpper(line)); err != nil {
			return err
		}
	}
}

// shouting is a handler that switches to the protocol shout. It sends the head of the 101
// itself if byItself is set, and otherwise calls WriteHeader.
func shouting(t *testing.T, byItself bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Upgrade", "shout")
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("X-A", "1")
		if !byItself {
			w.WriteHeader(http.StatusSwitchingProtocols)
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if errors.Is(err, http.ErrNotSupported) {
			http.Error(w, "no upgrade", http.StatusUpgradeRequired)
			return
		}
		if errors.Is(err, net.ErrClosed) {
			return // the server refused to switch
		}
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Time{}); err != nil {
			t.Error(err)
		}
		if byItself {
			fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: shout\r\nConnection: Upgrade\r\n")
			rw.Flush()                              // in two parts
			fmt.Fprint(rw, "X-A: 1\r\n\r\nhello\n") // with the bytes after it
			rw.Flush()
		} else {
			io.WriteString(conn, "hello\n")
		}
		if err := shout(conn, rw.Reader); err != nil {
			t.Error(err)
		}
	})
}

// byUpgrade is shouting as a resolver.
var byUpgrade = rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
	return rawhttp.Upgrade("shout", func(_ context.Context, conn net.Conn) error {
		io.WriteString(conn, "hello\n")
		return shout(conn, bufio.NewReader(conn))
	}).Set("X-A", "1"), nil
})

// TestUpgrade has the same conversation over each way of switching a connection.
func TestUpgrade(t *testing.T) {
	rawByUpgrade := serveRawhttp(t, byUpgrade)
	rawByHandler := serveRawhttp(t, Resolver(shouting(t, false)))
	servers := []struct {
		name, addr string
		proxied    bool // httputil.ReverseProxy treats a list in the field Upgrade as one protocol
		losesEarly bool // bytes before the 101 are lost, since httputil.ReverseProxy bypasses the buffer of net/http
	}{
		{"rawhttp, Upgrade", rawByUpgrade, false, false},
		{"net/http", serveNetHTTP(t, shouting(t, true)), false, false},
		{"Resolver, WriteHeader", rawByHandler, false, false},
		{"Resolver, head written by the handler", serveRawhttp(t, Resolver(shouting(t, true))), false, false},
		{"Handler", serveNetHTTP(t, Handler(byUpgrade)), false, false},
		{"Handler of Resolver", serveNetHTTP(t, Handler(Resolver(shouting(t, true)))), false, false},
		{"Resolver of Handler", serveRawhttp(t, Resolver(Handler(byUpgrade))), false, false},
		{"a reverse proxy in front", serveNetHTTP(t, proxyTo(t, rawByHandler)), true, true},
		{"a reverse proxy on rawhttp", serveRawhttp(t, Resolver(proxyTo(t, rawByUpgrade))), true, false},
	}
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			protocols := "other, shout"
			if s.proxied {
				protocols = "shout"
			}
			conn := dial(t, s.addr)
			in := bufio.NewReader(conn)
			io.WriteString(conn, get("/", "Connection: keep-alive, Upgrade", "Upgrade: "+protocols))
			if !s.losesEarly {
				io.WriteString(conn, "early\n")
			}
			a := readHead(t, in)
			if a.StatusCode != 101 || a.Header.Get("Upgrade") != "shout" || !strings.EqualFold(a.Header.Get("Connection"), "upgrade") || a.Header.Get("X-A") != "1" {
				t.Fatalf("the response is %v %v, want a 101 for shout", a.Status, a.Header)
			}
			expectLine(t, in, "hello\n")
			if s.losesEarly {
				io.WriteString(conn, "early\n")
			}
			expectLine(t, in, "EARLY\n")
			for i := range 3 {
				fmt.Fprintf(conn, "line %d\n", i)
				expectLine(t, in, fmt.Sprintf("LINE %d\n", i))
			}
			io.WriteString(conn, "bye\n")
			if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
				t.Errorf("after the last line: %q, %v, want only io.EOF", rest, err)
			}
		})
	}
}

// TestUpgradeStops shuts an http.Server down, which itself forgets connections that were taken
// over.
func TestUpgradeStops(t *testing.T) {
	srv := httptest.NewServer(Handler(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Upgrade("shout", func(ctx context.Context, conn net.Conn) error {
			<-rawhttp.Stopping(ctx)
			_, err := io.WriteString(conn, "goodbye\n")
			return err
		}), nil
	})))
	t.Cleanup(srv.Close)
	conn := dial(t, srv.Listener.Addr().String())
	in := bufio.NewReader(conn)
	io.WriteString(conn, get("/", "Connection: Upgrade", "Upgrade: shout"))
	if a := readHead(t, in); a.StatusCode != 101 {
		t.Fatalf("the response is %v", a.Status)
	}
	srv.Config.Shutdown(t.Context())
	expectLine(t, in, "goodbye\n")
}

func readHead(t *testing.T, in *bufio.Reader) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func expectLine(t *testing.T, in *bufio.Reader, want string) {
	t.Helper()
	if line, err := in.ReadString('\n'); err != nil || line != want {
		t.Fatalf("read %q, %v, want %q", line, err, want)
	}
}

// TestUpgradeRefused sends requests that cannot switch protocols.
func TestUpgradeRefused(t *testing.T) {
	plainResponse := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		if !errors.Is(err, errNotSwitched) {
			t.Errorf("Write of a 200 to a hijacked connection = %v, want %v", err, errNotSwitched)
		}
	})
	late := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		if _, _, err := http.NewResponseController(w).Hijack(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("Hijack after WriteHeader(403) = %v, want %v", err, http.ErrNotSupported)
		}
	})
	plain := get("/")
	asking := get("/", "Connection: Upgrade", "Upgrade: shout")
	other := get("/", "Connection: Upgrade", "Upgrade: other")
	tests := []struct {
		name, addr, request string
		status              int
		why                 string
	}{
		{"handler, not requested", serveRawhttp(t, Resolver(shouting(t, true))), plain, 426, "Hijack returns an error, which the handler reports"},
		{"handler, another protocol", serveRawhttp(t, Resolver(shouting(t, false))), other, 426, "Upgrade compares the protocols"},
		{"handler, no 101", serveRawhttp(t, Resolver(plainResponse)), asking, 500, "only a 101 can be written to a hijacked connection"},
		{"handler, late", serveRawhttp(t, Resolver(late)), asking, 403, "the response has begun"},
		{"resolver, not requested", serveNetHTTP(t, Handler(byUpgrade)), plain, 426, "the same answer as that of rawhttp"},
		{"resolver, another protocol", serveNetHTTP(t, Handler(byUpgrade)), other, 426, "the same answer as that of rawhttp"},
		{"resolver, HTTP/1.0", serveNetHTTP(t, Handler(byUpgrade)), strings.Replace(asking, "HTTP/1.1", "HTTP/1.0", 1), 426, "HTTP/1.0 has no upgrades"},
		{"resolver, no Hijacker", serveNetHTTP(t, hideHijacker(Handler(byUpgrade))), asking, 501, "the wrapper hides the connection from the bridge"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if a := ask(t, tt.addr, tt.request); a.Status != tt.status {
				t.Errorf("the answer is %+v, want status %d; why: %s", a, tt.status, tt.why)
			}
		})
	}
}

// hideHijacker is a middleware whose ResponseWriter has no optional methods.
func hideHijacker(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(struct{ http.ResponseWriter }{w}, r)
	})
}
