package conformance_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// RFC 9112, section 9.3.2: a server "MUST send the corresponding responses in the
// same order that the requests were received".
func TestPipelinedRequests(t *testing.T) {
	many, manyAnswers := "", ""
	for i := range 60 {
		many += getRequest(fmt.Sprintf("/%d", i))
		manyAnswers += okAnswer(fmt.Sprintf("/%d", i))
	}
	tests := []struct{ name, in, want, why string }{{
		name: "two",
		in:   getRequest("/a") + getRequest("/b"),
		want: okAnswer("/a") + okAnswer("/b"),
		why:  "both arrive in one Read",
	}, {
		name: "sixty",
		in:   many,
		want: manyAnswers,
		why:  "all heads fit the first read buffer of 4 KiB",
	}, {
		name: "unread content of fixed length between them",
		in:   postRequest("/a", "GET /x HTTP/1.1\r\n\r\n") + getRequest("/b"),
		want: okAnswer("/a") + okAnswer("/b"),
		why:  "the content is skipped, never parsed as a request",
	}, {
		name: "unread chunked content between them",
		in:   chunkedRequest("/a", "3\r\nabc\r\n0\r\nX: y\r\n\r\n") + getRequest("/b"),
		want: okAnswer("/a") + okAnswer("/b"),
		why:  "the trailer section belongs to the first request",
	}, {
		name: "one empty line before each",
		in:   "\r\n" + getRequest("/a") + "\r\n" + getRequest("/b"),
		want: okAnswer("/a") + okAnswer("/b"),
		why:  "RFC 9112, section 2.2",
	}, {
		name: "HEAD between them",
		in:   getRequest("/a") + "HEAD /h HTTP/1.1\r\nHost: example.test\r\n\r\n" + getRequest("/b"),
		want: okAnswer("/a") + strings.TrimSuffix(okAnswer("/h"), "/h") + okAnswer("/b"),
		why:  "no content follows the head of an answer to HEAD",
	}, {
		name: "an error between them",
		in:   getRequest("/a") + "TRACE / HTTP/1.1\r\nHost: example.test\r\n\r\n" + getRequest("/b"),
		want: okAnswer("/a") + ownError("405 Method Not Allowed", "Allow: GET, HEAD, OPTIONS") + okAnswer("/b"),
		why:  "a 405 does not end the connection",
	}, {
		name: "the last is refused",
		in:   getRequest("/a") + "GET\r\n\r\n",
		want: okAnswer("/a") + textAnswer("400 Bad Request", []string{"X-Content-Type-Options: nosniff", closeField},
			"400 Bad Request: method is not a token (RFC 9110, section 9.1)\n"),
		why: "the requests before it are answered, in the same Write",
	}, {
		name: "one that asks for the close",
		in:   getRequest("/a") + getRequest("/b", "Connection: close") + getRequest("/c"),
		want: okAnswer("/a") + lastAnswer("/b"),
		why:  "RFC 9112, section 9.6: no request after it is processed",
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				client, server := net.Pipe()
				counted := &testkit.RecordingConn{Conn: server}
				c := serveConn(t, client, counted, rawhttp.WithResolver(answerPath))
				c.send(tt.in)
				if diff := cmp.Diff(tt.want, c.received()); diff != "" {
					t.Errorf("answers to %q (-want +got):\n%s\nwhy: %s", tt.in, diff, tt.why)
				}
				if n := len(counted.Writes()); n != 1 {
					t.Errorf("the answers to %q were sent in %d Writes, want 1", tt.in, n)
				}
			})
		})
	}
}

// A client may need an answer to make its next request, so an answer does not wait for the rest
// of another head.
func TestAnswerIsSentBeforeNextHeadIsComplete(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := servePipe(t, rawhttp.WithResolver(answerPath))
		c.send(getRequest("/a") + "GET /b HT")
		if diff := cmp.Diff(okAnswer("/a"), c.received()); diff != "" {
			t.Errorf("answer while the second head is incomplete (-want +got):\n%s", diff)
		}
		c.send("TP/1.1\r\nHost: example.test\r\n\r\n")
		if diff := cmp.Diff(okAnswer("/b"), c.received()); diff != "" {
			t.Errorf("answer when the second head is complete (-want +got):\n%s", diff)
		}
	})
}

// An answer does not wait for the next request either, if that may take long: the client may need
// the answer before it sends its content, and a program that waits for the end of a request's
// context may rely on the answer having been sent.
func TestAnswerIsSentBeforeSlowRequest(t *testing.T) {
	r := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		switch req.Path() {
		case "/done":
			ctx.Done()
		case "/slow":
			time.Sleep(time.Minute)
		case "/stream":
			return rawhttp.StreamFunc(200, "", func(context.Context, io.Writer) error { time.Sleep(time.Minute); return nil }), nil
		case "/echo":
			return echo.Resolve(ctx, req)
		}
		return rawhttp.Text(200, req.Path()), nil
	})
	tests := []struct{ name, first, next, want, why string }{
		{"a resolver", "/a", getRequest("/slow"), "", "answers to requests that have arrived are joined"},
		{"the context is waited for", "/done", getRequest("/slow"), okAnswer("/done"), ""},
		{"a StreamFunc", "/a", getRequest("/stream"), okAnswer("/a"), ""},
		{"content", "/a", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", okAnswer("/a"), ""},
		{"some content", "/a", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell", okAnswer("/a"), ""},
		{"chunked content", "/a", "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", okAnswer("/a"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := servePipe(t, rawhttp.WithResolver(r))
				c.send(getRequest(tt.first) + tt.next)
				if diff := cmp.Diff(tt.want, c.received()); diff != "" {
					t.Errorf("received while the second request lasts (-want +got):\n%s\nwhy: %s", diff, tt.why)
				}
			})
		})
	}
}

// The hook Exchange is called when the response has been written, even if another request has
// arrived.
func TestExchangeFollowsWrite(t *testing.T) {
	bubble(t, func(t *testing.T) {
		client, server := net.Pipe()
		conn := &testkit.RecordingConn{Conn: server}
		var got []string
		trace := rawhttp.Trace{Exchange: func(rawhttp.Exchange) { got = append(got, strings.Join(conn.Writes(), "")) }}
		c := serveConn(t, client, conn, rawhttp.WithResolver(answerPath), rawhttp.WithTrace(trace), rawhttp.WithTrace(rawhttp.Trace{}))
		c.send(getRequest("/a") + getRequest("/b"))
		synctest.Wait()
		if diff := cmp.Diff([]string{okAnswer("/a"), okAnswer("/b")}, got); diff != "" {
			t.Errorf("written before each call (-want +got):\n%s", diff)
		}
	})
}

// Requests that arrive byte by byte are answered like those that arrive at once. Answers
// larger than the output buffer are complete and in order.
func TestPipelinedLargeAnswers(t *testing.T) {
	large := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, strings.Repeat(req.Path(), 30_000)), nil
	})
	var in, want string
	for _, path := range []string{"/a", "/b", "/c", "/d"} {
		in += getRequest(path)
		want += okAnswer(strings.Repeat(path, 30_000))
	}
	if diff := cmp.Diff(want, talkInMemory(t, in, rawhttp.WithResolver(large))); diff != "" {
		t.Errorf("four answers of 60 kB (-want +got):\n%s", diff)
	}
	bubble(t, func(t *testing.T) {
		c := servePipe(t, rawhttp.WithResolver(large))
		for i := range in {
			c.send(in[i : i+1])
		}
		if got := c.received(); got != want {
			t.Errorf("byte by byte: %d bytes of answers, want %d", len(got), len(want))
		}
	})
}

// RFC 9112, section 9.3.
func TestPersistence(t *testing.T) {
	const next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
	tests := []struct {
		name, in   string
		fields     []string
		closeAfter bool
		persists   bool
	}{
		{name: "1.1", in: get11, persists: true},
		{name: "1.1 close", in: "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"},
		{name: "1.1 close in any case", in: "GET / HTTP/1.1\r\nHost: a\r\nconnection: CLOSE\r\n\r\n"},
		{name: "1.1 close in a list", in: "GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, close\r\n\r\n"},
		{name: "1.1 close in a second line", in: "GET / HTTP/1.1\r\nHost: a\r\nConnection: foo\r\nConnection: close\r\n\r\n"},
		{name: "1.1 not quite close", in: "GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", persists: true},
		{name: "1.1 keep-alive", in: "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", persists: true},
		{name: "1.2", in: "GET / HTTP/1.2\r\nHost: a\r\n\r\n", persists: true},
		{name: "1.0", in: "GET / HTTP/1.0\r\n\r\n"},
		{name: "1.0 keep-alive", in: "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", fields: []string{"Connection: keep-alive"}, persists: true},
		{name: "1.0 keep-alive and close", in: "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"},
		{name: "CloseAfter", in: get11, closeAfter: true},
		{name: "upgrade that is not offered", in: "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", persists: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resolver := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
				resp := rawhttp.Text(200, req.Path())
				if tt.closeAfter {
					resp.CloseAfter()
				}
				return resp, nil
			})
			want := lastAnswer("/")
			if tt.persists {
				want = textAnswer("200 OK", tt.fields, "/") + okAnswer("/next")
			}
			if diff := cmp.Diff(want, talkInMemory(t, tt.in+next, rawhttp.WithResolver(resolver))); diff != "" {
				t.Errorf("answers to %q and another (-want +got):\n%s", tt.in, diff)
			}
		})
	}
}

// A stream to an HTTP/1.0 client ends with the connection, even if the client asked for a
// persistent one.
func TestStreamToHTTP10EndsWithConnection(t *testing.T) {
	resolver := rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Stream(200, "text/plain", strings.NewReader("hello")), nil
	})
	want := "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nhello"
	got := talkInMemory(t, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"+getRequest("/"), rawhttp.WithResolver(resolver))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stream to HTTP/1.0 (-want +got):\n%s", diff)
	}
}

// One Response may answer many requests at once.
func TestOneResponseForManyConnections(t *testing.T) {
	shared := rawhttp.Text(200, "shared").Set("X-A", "b")
	content := rawhttp.Content(rawhttp.Representation{MediaType: "a/b", Body: bytes.NewReader([]byte("shared")), Size: 6})
	resolver := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if req.Path() == "/content" {
			return content, nil
		}
		return shared, nil
	})
	_, addr := listen(t, rawhttp.WithResolver(resolver), rawhttp.WithDate(false))
	want := strings.Repeat(textAnswer("200 OK", []string{"X-A: b"}, "shared")+
		"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 6\r\n\r\nshared", 20)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got := talk(t, addr, strings.Repeat(getRequest("/")+getRequest("/content"), 20))
			got = strings.ReplaceAll(got, "\r\nAccept-Ranges: bytes", "") // ranges are tested elsewhere
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
		})
	}
	wg.Wait()
}
