package conformance_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
)

// Lines of concurrent connections do not mix.
func TestTranscriptAndAccessLogConcurrently(t *testing.T) {
	t.Parallel()
	var transcript, access writeLog // not safe for concurrent use, like most Writers
	s, addr := listen(t, rawhttp.WithResolver(answerPath), rawhttp.WithTrace(rawhttp.Transcript(&transcript)), rawhttp.WithTrace(rawhttp.AccessLog(&access)))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { talk(t, addr, strings.Repeat(getRequest("/path"), 20)) })
	}
	all.Wait()
	s.Shutdown(context.Background())
	line := regexp.MustCompile(`^(#\d+\.\d+ (C -->|S <--|S    ) .*|#\d+ (C|S) ==?[>] .*|#\d+ S <== .*|)\n$`)
	for _, w := range transcript.writes {
		if !line.MatchString(w) {
			t.Errorf("Transcript wrote %q, want one line", w)
		}
	}
	if n := len(access.writes); n != 160 {
		t.Errorf("AccessLog has %d lines, want 160", n)
	}
}

// AccessLog writes the Combined Log Format, one line per response. A client cannot forge other
// lines or other parts of its line.
func TestAccessLog(t *testing.T) {
	at := time.Date(2026, 11, 22, 13, 3, 20, 999, time.FixedZone("", -5*3600-1800))
	parse := func(head string) *rawhttp.Request {
		t.Helper()
		req, _, err := rawhttp.ParseRequest([]byte(head))
		if err != nil {
			t.Fatalf("%q: %v", head, err)
		}
		return req
	}
	tests := []struct {
		name string
		x    rawhttp.Exchange
		want string
	}{{
		name: "all parts",
		x: rawhttp.Exchange{Client: "192.0.2.1", Status: 200, Bytes: 5, Start: at,
			Request: parse("GET /a?b=c HTTP/1.1\r\nHost: h\r\nReferer: http://a.test/\r\nUser-Agent: curl/8.5.0\r\n\r\n")},
		want: `192.0.2.1 - - [22/Nov/2026:13:03:20 -0530] "GET /a?b=c HTTP/1.1" 200 5 "http://a.test/" "curl/8.5.0"`,
	}, {
		name: "no optional parts",
		x:    rawhttp.Exchange{Status: 204, Start: at, Request: parse("OPTIONS * HTTP/1.0\r\n\r\n")},
		want: `- - - [22/Nov/2026:13:03:20 -0530] "OPTIONS * HTTP/1.0" 204 0 "-" "-"`,
	}, {
		name: "IPv6",
		x:    rawhttp.Exchange{Client: "2001:db8::1", Status: 200, Start: at, Request: parse(getRequest("/"))},
		want: `2001:db8::1 - - [22/Nov/2026:13:03:20 -0530] "GET / HTTP/1.1" 200 0 "-" "-"`,
	}, {
		name: "a head that was refused",
		x:    rawhttp.Exchange{Client: "192.0.2.1", Status: 400, Bytes: 63, Start: at},
		want: `192.0.2.1 - - [22/Nov/2026:13:03:20 -0530] "-" 400 63 "-" "-"`,
	}, {
		name: "a response that was cut",
		x:    rawhttp.Exchange{Client: "192.0.2.1", Status: 200, Bytes: 1 << 40, Start: at, Request: parse(getRequest("/")), Err: errors.New("cut")},
		want: `192.0.2.1 - - [22/Nov/2026:13:03:20 -0530] "GET / HTTP/1.1" 200 1099511627776 "-" "-"`,
	}, {
		name: "the target as received",
		x:    rawhttp.Exchange{Status: 200, Start: at, Request: parse("GET http://h/%22%0a?\"\\ HTTP/1.1\r\nHost: h\r\n\r\n")},
		want: `- - - [22/Nov/2026:13:03:20 -0530] "GET http://h/%22%0a?\"\\ HTTP/1.1" 200 0 "-" "-"`,
	}, {
		name: "quotes and backslashes",
		x: rawhttp.Exchange{Status: 200, Start: at,
			Request: parse("GET / HTTP/1.1\r\nHost: h\r\nReferer: \" 200 5 \"-\r\nUser-Agent: a\\\" \\x1b\r\n\r\n")},
		want: `- - - [22/Nov/2026:13:03:20 -0530] "GET / HTTP/1.1" 200 0 "\" 200 5 \"-" "a\\\" \\x1b"`,
	}, {
		name: "characters that a terminal acts on",
		x: rawhttp.Exchange{Status: 200, Start: at,
			Request: parse("GET / HTTP/1.1\r\nHost: h\r\nReferer: \t\x9b31m\u009b\u202e\xff\tx\r\nUser-Agent: é\r\n\r\n")},
		want: `- - - [22/Nov/2026:13:03:20 -0530] "GET / HTTP/1.1" 200 0 "\x9b31m\u009b\u202e\xff\x09x" "é"`,
	}, {
		name: "other line separators and invisible characters",
		x: rawhttp.Exchange{Status: 200, Start: at,
			Request: parse("GET / HTTP/1.1\r\nHost: h\r\nReferer: a\u2028b\u2029c\ufeffd\u200be\u00adf\U000e0001g\u061ch\u00a0i\r\nUser-Agent: 日本 😀\r\n\r\n")},
		want: `- - - [22/Nov/2026:13:03:20 -0530] "GET / HTTP/1.1" 200 0 "a\u2028b\u2029c\ufeffd\u200be\u00adf\U000e0001g\u061ch\u00a0i" "日本 😀"`,
	}, {
		name: "a head that was refused, whose request line could be parsed",
		x:    rawhttp.Exchange{Client: "192.0.2.1", RequestLine: "GET /a HTTP/1.1", Status: 400, Bytes: 63, Start: at},
		want: `192.0.2.1 - - [22/Nov/2026:13:03:20 -0530] "GET /a HTTP/1.1" 400 63 "-" "-"`,
	}, {
		name: "the zero Request",
		x:    rawhttp.Exchange{Status: 200, Start: at, Request: new(rawhttp.Request)},
		want: `- - - [22/Nov/2026:13:03:20 -0530] "-" 200 0 "-" "-"`,
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var w writeLog
			rawhttp.AccessLog(&w).Exchange(tt.x)
			if len(w.writes) != 1 || strings.Count(w.writes[0], "\n") != 1 {
				t.Fatalf("AccessLog wrote %q, want one line in one Write", w.writes)
			}
			if diff := cmp.Diff(tt.want+"\n", w.writes[0]); diff != "" {
				t.Errorf("AccessLog (-want +got):\n%s", diff)
			}
		})
	}
}

// The access log of a server has the address of the client behind a proxy, and a refused request with
// its request line. A client can forge neither.
func TestAccessLogOfServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var w writeLog
		resolver := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			if req.Path() == "/missing" {
				return nil, fs.ErrNotExist
			}
			return rawhttp.Stream(200, "", strings.NewReader("hello")), nil
		})
		client, server := duplexPipe()
		c := serveConn(t, client, connFrom{server, memoryAddr("10.0.0.9:80")}, rawhttp.WithResolver(resolver), rawhttp.WithTrace(rawhttp.AccessLog(&w)),
			rawhttp.WithTrustedProxies(netip.MustParsePrefix("10.0.0.0/8")))
		forged := `fe80::1%x" 200 0 "-" "-"`
		c.send(getRequest("/a", "User-Agent: b", "X-Forwarded-For: 192.0.2.7, 10.0.0.1"))
		c.send("HEAD /missing HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: " + forged + "\r\n\r\n")
		c.send("\r\n" + getRequest("/a", "User-Agent: b\n10.0.0.9 - - forged"))
		now := time.Now().Format("02/Jan/2006:15:04:05 -0700")
		want := []string{
			`192.0.2.7 - - [` + now + `] "GET /a HTTP/1.1" 200 5 "-" "b"` + "\n",
			`10.0.0.9 - - [` + now + `] "HEAD /missing HTTP/1.1" 404 0 "-" "-"` + "\n",
			`10.0.0.9 - - [` + now + `] "GET /a HTTP/1.1" 400 68 "-" "-"` + "\n",
		}
		if diff := cmp.Diff(want, w.writes); diff != "" {
			t.Errorf("AccessLog (-want +got):\n%s", diff)
		}
	})
}

// A connFrom is a connection with another remote address.
type connFrom struct {
	net.Conn
	remote net.Addr
}

func (c connFrom) RemoteAddr() net.Addr { return c.remote }
