package conformance_test

import (
	"context"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// RFC 9110, section 10.1.1: 100 (Continue) is sent when the content is first read, never to
// HTTP/1.0, never if content has already arrived, never after a final status.
func TestExpectContinue(t *testing.T) {
	const proceed = "HTTP/1.1 100 Continue\r\n\r\n"
	echoStream := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Stream(200, "a/b", req.Body), nil
	})
	streamed := "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n"
	streamedLast := strings.Replace(streamed, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)
	head := func(version string, fields ...string) string {
		return "POST /a HTTP/" + version + "\r\nHost: a\r\n" + strings.Join(append(fields, "Expect: 100-continue"), "\r\n") + "\r\n\r\n"
	}
	lateReader := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.StreamFunc(200, "a/b", func(ctx context.Context, w io.Writer) error {
			io.WriteString(w, "early")
			if n, err := req.Body.Read(make([]byte, 1)); err == nil || err == io.EOF {
				t.Errorf("Body.Read after the final head = %d, %v, want an error, since the client waits for a 100", n, err)
			}
			return nil
		}), nil
	})
	echoed := func(s string) string {
		return "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: " + strconv.Itoa(len(s)) + "\r\n\r\n" + s
	}
	type turn struct{ send, want string }
	tests := []struct {
		name     string
		resolver rawhttp.Resolver
		turns    []turn
		persists bool
		why      string
	}{{
		name:     "read",
		resolver: echo,
		turns:    []turn{{head("1.1", "Content-Length: 5"), proceed}, {"hello", echoed("hello")}},
		persists: true,
	}, {
		name:     "read, chunked",
		resolver: echo,
		turns:    []turn{{head("1.1", "Transfer-Encoding: chunked"), proceed}, {"5\r\nhello\r\n", ""}, {"0\r\n\r\n", echoed("hello")}},
		persists: true,
	}, {
		name:     "expectation in another case",
		resolver: echo,
		turns:    []turn{{strings.Replace(head("1.1", "Content-Length: 1"), "100-continue", "100-Continue", 1), proceed}, {"x", echoed("x")}},
		persists: true,
	}, {
		name:     "not read",
		resolver: answerPath,
		turns:    []turn{{head("1.1", "Content-Length: 5"), lastAnswer("/a")}},
		why:      "the next bytes might be the content or another request",
	}, {
		name:     "not read, chunked",
		resolver: answerPath,
		turns:    []turn{{head("1.1", "Transfer-Encoding: chunked"), lastAnswer("/a")}},
	}, {
		name:     "not read, and the content is sent anyway",
		resolver: answerPath,
		turns:    []turn{{head("1.1", "Content-Length: 5") + "h", okAnswer("/a")}, {"ello", ""}},
		persists: true,
		why:      "a client that has begun to send its content will send all of it",
	}, {
		name:     "not read, and chunked content is sent anyway",
		resolver: answerPath,
		turns:    []turn{{head("1.1", "Transfer-Encoding: chunked") + "1\r\nx\r\n0\r\n\r\n", okAnswer("/a")}},
		persists: true,
	}, {
		name: "not read by a Content",
		resolver: rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.Content(rawhttp.Representation{MediaType: "text/plain; charset=utf-8", Body: strings.NewReader("/a"), Size: 2}), nil
		}),
		turns: []turn{{head("1.1", "Content-Length: 5"), strings.Replace(lastAnswer("/a"), "Connection", "Accept-Ranges: bytes\r\nConnection", 1)}},
	}, {
		name: "not read by a Stream",
		resolver: rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.Stream(200, "a/b", strings.NewReader("x")), nil
		}),
		turns: []turn{{head("1.1", "Content-Length: 5"), streamedLast + "1\r\nx\r\n0\r\n\r\n"}},
	}, {
		name: "not read by an error",
		resolver: rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			return nil, &rawhttp.StatusError{Status: 403}
		}),
		turns: []turn{{head("1.1", "Content-Length: 5"), ownError("403 Forbidden", closeField)}},
	}, {
		name:     "no content",
		resolver: echo,
		turns:    []turn{{head("1.1", "Content-Length: 0"), echoed("")}},
		persists: true,
		why:      "there is nothing to wait for",
	}, {
		name:     "1.0",
		resolver: echo,
		turns:    []turn{{head("1.0", "Content-Length: 5", "Connection: keep-alive"), ""}, {"hello", strings.Replace(echoed("hello"), "\r\n\r\n", "\r\nConnection: keep-alive\r\n\r\n", 1)}},
		persists: true,
		why:      "a 1.0 client gets no 1xx, RFC 9110, section 15.2",
	}, {
		name:     "all content has arrived",
		resolver: echo,
		turns:    []turn{{head("1.1", "Content-Length: 5") + "hello", echoed("hello")}},
		persists: true,
	}, {
		name:     "some content has arrived",
		resolver: echo,
		turns:    []turn{{head("1.1", "Content-Length: 5") + "he", ""}, {"llo", echoed("hello")}},
		persists: true,
	}, {
		name:     "an echo by Stream",
		resolver: echoStream,
		turns:    []turn{{head("1.1", "Content-Length: 5"), proceed}, {"hello", streamed + "5\r\nhello\r\n0\r\n\r\n"}},
		persists: true,
		why:      "the head is sent with the first bytes of the content, so the 100 comes first",
	}, {
		name:     "read after the final head",
		resolver: lateReader,
		turns:    []turn{{head("1.1", "Content-Length: 5"), streamedLast + "5\r\nearly\r\n0\r\n\r\n"}},
		why:      "no 100 after a final status",
	}, {
		name:     "too much content",
		resolver: echo,
		turns:    []turn{{head("1.1", "Content-Length: 20971520"), ownError("413 Content Too Large", closeField)}},
		why:      "the length is known before any content is read",
	}, {
		name:     "another expectation",
		resolver: echo,
		turns:    []turn{{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 200-ok\r\n\r\n", ownError("417 Expectation Failed", closeField)}},
	}, {
		name:     "an empty answer",
		resolver: answerText(""),
		turns:    []turn{{head("1.1", "Content-Length: 5"), lastAnswer("")}},
		why:      "it is unknown whether the client sends its content or another request",
	}, {
		name:     "pipelined after another",
		resolver: echo,
		turns:    []turn{{postRequest("/", "first") + head("1.1", "Content-Length: 2"), echoed("first") + proceed}, {"hi", echoed("hi")}},
		persists: true,
		why:      "the answer to the first request precedes the 100",
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := serveDuplex(t, rawhttp.WithResolver(tt.resolver))
				for _, turn := range tt.turns {
					c.send(turn.send)
					if diff := cmp.Diff(turn.want, c.received()); diff != "" {
						t.Errorf("answer to %q (-want +got):\n%s\nwhy: %s", turn.send, diff, tt.why)
					}
				}
				if got := c.isOpen(); got != tt.persists {
					t.Errorf("connection is open: %v, want %v\nwhy: %s", got, tt.persists, tt.why)
				}
				if tt.persists {
					c.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
					if got := c.received(); !strings.HasPrefix(got, "HTTP/1.1 204 ") {
						t.Errorf("answer to another request: %q, want 204", got)
					}
				}
			})
		})
	}
}

// The 100 is sent when the resolver first reads, not before.
func TestContinueIsSentOnFirstRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		thinks := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			time.Sleep(time.Minute)
			return echo.Resolve(ctx, req)
		})
		c := servePipe(t, rawhttp.WithResolver(thinks))
		c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
		time.Sleep(time.Minute - 1)
		if got := c.received(); got != "" {
			t.Errorf("before the content is read the client received %q, want nothing", got)
		}
		time.Sleep(time.Nanosecond)
		if got := c.received(); got != "HTTP/1.1 100 Continue\r\n\r\n" {
			t.Errorf("when the content is read the client received %q, want a 100", got)
		}
	})
}
