package conformance_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// RFC 9110, section 7.4: a host that is not served is refused with 421.
func TestWithHosts(t *testing.T) {
	opts := []rawhttp.Option{rawhttp.WithResolver(answerText("hi")), rawhttp.WithHosts("example.test", "[::1]"), rawhttp.WithHosts("Other.Test")}
	refused := ownError("421 Misdirected Request", closeField)
	tests := []struct{ name, in, want string }{
		{"a listed host", "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n", okAnswer("hi")},
		{"in another case", "GET / HTTP/1.1\r\nHost: EXAMPLE.Test\r\n\r\n", okAnswer("hi")},
		{"listed by a later option, in another case", "GET / HTTP/1.1\r\nHost: other.test\r\n\r\n", okAnswer("hi")},
		{"with a port", "GET / HTTP/1.1\r\nHost: example.test:8080\r\n\r\n", okAnswer("hi")},
		{"with an empty port", "GET / HTTP/1.1\r\nHost: example.test:\r\n\r\n", okAnswer("hi")},
		{"IPv6 with a port", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", okAnswer("hi")},
		{"IPv6", "GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n", okAnswer("hi")},
		{"another host", "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n" + getRequest("/"), refused},
		{"a longer name", "GET / HTTP/1.1\r\nHost: example.test.evil.test\r\n\r\n", refused},
		{"a subdomain", "GET / HTTP/1.1\r\nHost: www.example.test\r\n\r\n", refused},
		{"a listed host in the target, another in Host", "GET http://example.test/ HTTP/1.1\r\nHost: evil.test\r\n\r\n", okAnswer("hi")},
		{"another host in the target, a listed one in Host", "GET http://evil.test/ HTTP/1.1\r\nHost: example.test\r\n\r\n", refused},
		{"no Host, in 1.0", "GET / HTTP/1.0\r\n\r\n", refused},
		{"HEAD", "HEAD / HTTP/1.1\r\nHost: evil.test\r\n\r\n", strings.TrimSuffix(refused, "421 Misdirected Request\n")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, talkInMemory(t, tt.in, opts...)); diff != "" {
				t.Errorf("answer to %q (-want +got):\n%s", tt.in, diff)
			}
		})
	}
}

// Options that change the bytes of every response.
func TestWireFormatOptions(t *testing.T) {
	server := rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, "hi").Set("Server", "mine"), nil
	})
	tests := []struct {
		name, in string
		opts     []rawhttp.Option
		want     string
	}{{
		name: "Date",
		in:   getRequest("/"),
		opts: []rawhttp.Option{rawhttp.WithResolver(answerText("hi")), rawhttp.WithDate(true)},
		want: "HTTP/1.1 200 OK\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n\r\nhi",
	}, {
		name: "Server",
		in:   getRequest("/") + "GET\r\n",
		opts: []rawhttp.Option{rawhttp.WithResolver(answerText("hi")), rawhttp.WithServerField("test/1 (a; b)")},
		want: "HTTP/1.1 200 OK\r\nServer: test/1 (a; b)\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n\r\nhi" +
			"HTTP/1.1 400 Bad Request\r\nServer: test/1 (a; b)\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 63\r\n" +
			"X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n400 Bad Request: method is not a token (RFC 9110, section 9.1)\n",
	}, {
		name: "Server set by the response",
		in:   getRequest("/"),
		opts: []rawhttp.Option{rawhttp.WithResolver(server), rawhttp.WithServerField("test/1")},
		want: textAnswer("200 OK", []string{"Server: mine"}, "hi"),
	}, {
		name: "no Content-Length",
		in:   getRequest("/") + getRequest("/"),
		opts: []rawhttp.Option{rawhttp.WithResolver(answerText("hi")), rawhttp.WithContentLength(false)},
		want: strings.Repeat("HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 2),
	}, {
		name: "no Content-Length, 1.0",
		in:   "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
		opts: []rawhttp.Option{rawhttp.WithResolver(answerText("hi")), rawhttp.WithContentLength(false)},
		want: "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\nhi",
	}, {
		name: "no Content-Length, 204",
		in:   getRequest("/"),
		opts: []rawhttp.Option{rawhttp.WithResolver(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return rawhttp.Empty(204), nil })), rawhttp.WithContentLength(false)},
		want: "HTTP/1.1 204 No Content\r\n\r\n",
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := servePipe(t, tt.opts...)
				c.send(tt.in)
				if diff := cmp.Diff(tt.want, c.received()); diff != "" {
					t.Errorf("answer to %q (-want +got):\n%s", tt.in, diff)
				}
			})
		})
	}
}

// The Date is the second in which the response is made.
func TestDateAdvances(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := servePipe(t, rawhttp.WithResolver(answerText("hi")), rawhttp.WithDate(true))
		for _, want := range []string{"00:00:00", "00:00:00", "00:00:01", "00:00:01"} {
			c.send(getRequest("/"))
			if got := c.received(); !strings.Contains(got, "\r\nDate: Sat, 01 Jan 2000 "+want+" GMT\r\n") {
				t.Errorf("at %v: %q, want the Date of %s", time.Now().UTC(), got, want)
			}
			time.Sleep(500 * time.Millisecond)
		}
	})
}
