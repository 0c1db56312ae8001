package conformance_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
	"example.com/rawhttp/internal/testkit/testtls"
)

// The log has the status that the client gets, whatever the resolver does with an error in the
// content.
func TestLogOfContentErrors(t *testing.T) {
	mistakes := map[string]func(error) (*rawhttp.Response, error){
		"the error itself": func(err error) (*rawhttp.Response, error) { return nil, err },
		"another status": func(error) (*rawhttp.Response, error) {
			return nil, &rawhttp.StatusError{Status: 400, Err: errors.New("not JSON")}
		},
		"another, wrapped":  func(err error) (*rawhttp.Response, error) { return nil, &rawhttp.StatusError{Status: 400, Err: err} },
		"a server's status": func(error) (*rawhttp.Response, error) { return nil, errors.New("database") },
		"a panic":           func(err error) (*rawhttp.Response, error) { panic(err) },
		"no error":          func(error) (*rawhttp.Response, error) { return rawhttp.Text(200, "hi"), nil },
	}
	for name, mistake := range mistakes {
		t.Run(name, func(t *testing.T) {
			var log testkit.Log
			got := talkInMemory(t, chunkedRequest("/", "ff\r\n"), rawhttp.WithMaxBodyBytes(5), rawhttp.WithLogger(&log), rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
				_, err := io.ReadAll(req.Body)
				return mistake(err)
			})))
			if !strings.HasPrefix(got, "HTTP/1.1 413 ") {
				t.Errorf("answer %q, want 413", got)
			}
			if !log.Has("DEBUG", "request failed", "413", "content is too large") || log.Has("DEBUG", "status=400") || log.Has("ERROR", "request failed") {
				t.Errorf("log is %q, want 413 and the reason at level debug", &log)
			}
			if n := strings.Count(log.String(), "request failed"); n != 1 {
				t.Errorf("log is %q with %d failures, want 1", &log, n)
			}
			if n := strings.Count(strings.Join(log.Lines("DEBUG"), ""), "content is too large"); n != 1 && name != "a panic" {
				t.Errorf("log is %q with %d reasons, want 1", &log, n)
			}
			if log.Has("ERROR") != (name == "a panic") {
				t.Errorf("log is %q, want level error only for a panic", &log)
			}
		})
	}
}

// If a page for a mistake of the client in the content fails, the server is at fault, unless the
// page fails because of that mistake.
func TestLogOfFailedPages(t *testing.T) {
	tests := []struct {
		name  string
		err   func(fault error) error // of the page, for the error that it receives
		level string
	}{
		{"an error of its own", func(error) error { return errors.New("no template") }, "ERROR"},
		{"the error in the content", func(fault error) error { return fault }, "DEBUG"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log testkit.Log
			page := rawhttp.WithErrorPage(func(_ context.Context, _ *rawhttp.Request, status int, fault error) *rawhttp.Response {
				return rawhttp.StreamFunc(status, "text/plain", func(context.Context, io.Writer) error { return tt.err(fault) })
			})
			got := talkInMemory(t, chunkedRequest("/", "ff\r\n"), rawhttp.WithMaxBodyBytes(5), rawhttp.WithLogger(&log), page, rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
				_, err := io.ReadAll(req.Body)
				return nil, err
			})))
			if !strings.HasPrefix(got, "HTTP/1.1 500 ") {
				t.Errorf("answer %q, want 500, since the page fails", got)
			}
			if !log.Has(tt.level, "request failed", "status=500") || log.Has("ERROR") != (tt.level == "ERROR") {
				t.Errorf("log is %q, want the failure of the page at level %s", &log, tt.level)
			}
		})
	}
}

// Requests that are refused before a resolver are logged at debug level, with the reason.
func TestRefusedHeadIsLogged(t *testing.T) {
	for in, why := range map[string]string{
		"GET / HTTP/1.1\r\nHost : a\r\n\r\n": "field name is not a token",
		getRequest("/", "Expect: x"):         "the expectation is not 100-continue",
	} {
		var log testkit.Log
		talkInMemory(t, in, rawhttp.WithResolver(answerPath), rawhttp.WithLogger(&log))
		if !log.Has("DEBUG", "request failed", why) {
			t.Errorf("after %q the log is %q, want %q at level debug", in, &log, why)
		}
	}
}

// The log has the request line of a refused head, if it could be parsed.
func TestLogOfRefusedHeads(t *testing.T) {
	tests := []struct{ in, line string }{
		{"GET /a?b HTTP/1.1\r\nHost : x\r\n\r\n", "GET /a?b HTTP/1.1"},
		{"\r\nPOST /a HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", "POST /a HTTP/1.1"},
		{"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", "GET /%00 HTTP/1.1"},
		{"GET nowhere HTTP/1.1\r\nHost: x\r\n\r\n", "GET nowhere HTTP/1.1"},
		{"GET /a HTTP/1.1\r\nHost: x\r\n", "GET /a HTTP/1.1"},
		{"GET  /a HTTP/1.1\r\nHost: x\r\n\r\n", ""},
		{"GET /a HTTP/2.0\r\nHost: x\r\n\r\n", "GET /a HTTP/2.0"},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "PRI * HTTP/2.0"},
		{"GET /a HTTP/0.9\r\n\r\n", "GET /a HTTP/0.9"},
		{"GET /a HTTP/2.0", ""},
		{"GET /a HTTP/2.00\r\n\r\n", ""},
		{"GET /a\r\n\r\n", ""},
	}
	for _, tt := range tests {
		var log testkit.Log
		var got []string
		talkInMemory(t, getRequest("/before")+tt.in, rawhttp.WithResolver(answerPath), rawhttp.WithLogger(&log), rawhttp.WithTrace(rawhttp.Trace{Exchange: func(x rawhttp.Exchange) {
			got = append(got, x.RequestLine)
		}}))
		if diff := cmp.Diff([]string{"GET /before HTTP/1.1", tt.line}, got); diff != "" {
			t.Errorf("%q: RequestLine of both exchanges (-want +got):\n%s", tt.in, diff)
		}
		if tt.line != "" && !log.Has("DEBUG", "request failed", tt.line) {
			t.Errorf("%q: log is %q, want the request line", tt.in, &log)
		}
	}
}

// A panickingLogger panics whatever is logged.
type panickingLogger struct{}

func (panickingLogger) Debug(string, ...any) { panic("the Logger is broken") }
func (panickingLogger) Info(string, ...any)  { panic("the Logger is broken") }
func (panickingLogger) Warn(string, ...any)  { panic("the Logger is broken") }
func (panickingLogger) Error(string, ...any) { panic("the Logger is broken") }

// Without a Logger, or with one that panics, a panic is printed to standard error.
func TestPanicsWithoutLogger(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stderr
	os.Stderr = w
	defer func() { os.Stderr = before }()
	panics := rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { panic("something is wrong") })
	for _, logger := range []rawhttp.Logger{nil, testkit.QuietLogger{}, panickingLogger{}} {
		s, err := rawhttp.New(rawhttp.WithResolver(panics), rawhttp.WithLogger(logger))
		if err != nil {
			t.Fatal(err)
		}
		client, server := duplexPipe()
		served := make(chan error, 1)
		go func() { served <- s.ServeConn(t.Context(), server) }()
		go func() {
			io.WriteString(client, getRequest("/")+"GET\r\n\r\n")
			client.CloseWrite()
		}()
		if answer, _ := io.ReadAll(client); !strings.HasPrefix(string(answer), "HTTP/1.1 500 ") {
			t.Errorf("Logger %T: answer %q, want 500", logger, answer)
		}
		client.Close()
		<-served
	}
	w.Close()
	got, _ := io.ReadAll(r)
	if !strings.Contains(string(got), "rawhttp: panic in resolver (conn 1, request 1): something is wrong\n") || !strings.Contains(string(got), "conn_log_test.go") {
		t.Errorf("standard error is %q, want the panic and its stack", got)
	}
	for text, want := range map[string]int{
		"something is wrong":   3, // without a Logger, and twice with the broken one: the panic, and the request that failed
		"the Logger is broken": 2,
	} {
		if n := strings.Count(string(got), text); n != want {
			t.Errorf("standard error has %q %d times, want %d: %q", text, n, want, got)
		}
	}
}

// Failed TLS handshakes are logged too.
func TestLogOfTLS(t *testing.T) {
	config := testtls.Config(t)
	tests := []struct {
		name  string
		do    func(client net.Conn)
		level string
		parts []string
		quiet bool
	}{
		{name: "plain HTTP", do: func(c net.Conn) { io.WriteString(c, getRequest("/")); io.Copy(io.Discard, c) },
			level: "DEBUG", parts: []string{"plain HTTP on a TLS port"}},
		{name: "neither TLS nor HTTP", do: func(c net.Conn) { io.WriteString(c, "\x00\x01\x02\x03\x04\x05"); io.Copy(io.Discard, c) },
			level: "DEBUG", parts: []string{"TLS handshake failed"}},
		{name: "a client that does not trust the certificate", do: func(c net.Conn) { tls.Client(c, &tls.Config{ServerName: "example.test"}).Handshake(); c.Close() },
			level: "DEBUG", parts: []string{"TLS handshake failed", "certificate"}},
		{name: "a client that sends nothing", do: func(c net.Conn) { c.Close() }, quiet: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var log testkit.Log
				client, server := duplexPipe()
				c := serveUnread(t, client, tls.Server(server, config), rawhttp.WithResolver(answerPath), rawhttp.WithLogger(&log))
				go tt.do(client)
				<-c.served
				synctest.Wait()
				if tt.quiet && log.String() != "" || !tt.quiet && !log.Has(tt.level, tt.parts...) {
					t.Errorf("log is %q, want %q at level %s", &log, tt.parts, tt.level)
				}
			})
		})
	}
}

// A listener that offers h2 is misconfigured, which is logged once.
func TestLogOfHTTP2(t *testing.T) {
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	config := testtls.Config(t)
	bubble(t, func(t *testing.T) {
		var log testkit.Log
		s, ln, served := serveListener(t, rawhttp.WithResolver(answerPath), rawhttp.WithLogger(&log))
		plain := ln.dial(t)
		plain.send(preface)
		if log.Has("WARN") {
			t.Errorf("log is %q, want no warning without TLS", &log)
		}
		for range 3 {
			client, server := duplexPipe()
			ln.conns <- tls.Server(server, config)
			c := tls.Client(client, config)
			go func() {
				io.WriteString(c, preface)
				io.Copy(io.Discard, c)
			}()
			synctest.Wait()
			client.Close()
		}
		if n := strings.Count(log.String(), "HTTP/2 over TLS"); n != 1 || !log.Has("WARN", "HTTP/2 over TLS", "NextProtos") {
			t.Errorf("log is %q, want one warning", &log)
		}
		s.Close()
		<-served
	})
}
