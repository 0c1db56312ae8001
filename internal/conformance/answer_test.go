package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

func TestAnswer(t *testing.T) {
	hello := answerText("hello\n")
	versioned := resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Content(rawhttp.Representation{MediaType: "text/csv", Body: strings.NewReader("a,b\n"), Size: 4, ETag: `"v1"`}), nil
	})
	const (
		text    = "Content-Type: text/plain; charset=utf-8\r\n"
		octets  = "Content-Type: application/octet-stream\r\n"
		noSniff = "X-Content-Type-Options: nosniff\r\n"
		closing = "Connection: close\r\n"
	)
	tests := []struct {
		name, in string
		r        rawhttp.Resolver
		want     string
		why      string
	}{{
		name: "GET",
		in:   get11,
		r:    hello,
		want: "HTTP/1.1 200 OK\r\n" + text + "Content-Length: 6\r\n\r\nhello\n",
		why:  "the response has no Date, and the connection may persist",
	}, {
		name: "HEAD",
		in:   "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
		r:    hello,
		want: "HTTP/1.1 200 OK\r\n" + text + "Content-Length: 6\r\n\r\n",
		why:  "the server leaves out the content, as it does for any resolver",
	}, {
		name: "HTTP/1.0",
		in:   "GET / HTTP/1.0\r\n\r\n",
		r:    hello,
		want: "HTTP/1.1 200 OK\r\n" + text + "Content-Length: 6\r\n" + closing + "\r\nhello\n",
		why:  "the server decides whether the connection persists",
	}, {
		name: "content of a known length",
		in:   "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
		r:    echo,
		want: "HTTP/1.1 200 OK\r\n" + octets + "Content-Length: 2\r\n\r\nhi",
	}, {
		name: "chunked content of a client that waits for 100",
		in:   "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
		r:    echo,
		want: "HTTP/1.1 200 OK\r\n" + octets + "Content-Length: 2\r\n\r\nhi",
		why:  "the content has already arrived, so no 100 is sent",
	}, {
		name: "a condition",
		in:   "GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"v1\"\r\n\r\n",
		r:    versioned,
		want: "HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n",
	}, {
		name: "a range",
		in:   "GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=2-\r\n\r\n",
		r:    versioned,
		want: "HTTP/1.1 206 Partial Content\r\nContent-Type: text/csv\r\nContent-Length: 2\r\nETag: \"v1\"\r\nAccept-Ranges: bytes\r\nContent-Range: bytes 2-3/4\r\n\r\nb\n",
	}, {
		name: "two requests",
		in:   "GET / HTTP/1.1\r\nHost: a\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
		r:    hello,
		want: "HTTP/1.1 200 OK\r\n" + text + "Content-Length: 6\r\n\r\nhello\n" + "HTTP/1.1 200 OK\r\n" + text + "Content-Length: 6\r\n\r\n",
		why:  "both are answered, as on one connection",
	}, {
		name: "an incomplete head",
		in:   "GET / HTTP/1.1\r\nHost: a\r\n",
		r:    hello,
		want: "HTTP/1.1 400 Bad Request\r\n" + text + "Content-Length: 55\r\n" + noSniff + closing + "\r\n400 Bad Request: head ends early (RFC 9112, section 8)\n",
	}, {
		name: "lines without CR",
		in:   "GET / HTTP/1.1\nHost: a\n\n",
		r:    hello,
		want: "HTTP/1.1 400 Bad Request\r\n" + text + "Content-Length: 68\r\n" + noSniff + closing + "\r\n400 Bad Request: line ends in LF without CR (RFC 9112, section 2.2)\n",
		why:  "the request is parsed strictly",
	}, {
		name: "incomplete content",
		in:   "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nhi",
		r:    echo,
		want: "HTTP/1.1 400 Bad Request\r\n" + text + "Content-Length: 58\r\n" + noSniff + closing + "\r\n400 Bad Request: content ends early (RFC 9112, section 8)\n",
	}, {
		name: "nothing",
		r:    hello,
		why:  "without a request there is no response",
	}, {
		name: "an error",
		in:   get11,
		r: resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) {
			return nil, errors.New("secret")
		}),
		want: "HTTP/1.1 500 Internal Server Error\r\n" + text + "Content-Length: 26\r\n" + noSniff + "\r\n500 Internal Server Error\n",
	}, {
		name: "a stream that fails",
		in:   get11,
		r: resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.StreamFunc(200, "", func(_ context.Context, w io.Writer) error {
				io.WriteString(w, "some")
				return errors.New("no more")
			}), nil
		}),
		want: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n",
		why:  "the last chunk is missing, so the client can tell that the content is incomplete",
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := rawhttp.Answer(tt.r, tt.in)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Answer(%q) (-want +got):\n%s\nwhy: %s", tt.in, diff, tt.why)
			}
		})
	}
}

// A request of Answer has no connection. Its context does not end before the answer, although
// the input has ended.
func TestAnswerWithoutConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			select {
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			case <-time.After(time.Hour):
			}
			return rawhttp.Text(200, fmt.Sprintf("%+v", req.Conn())), nil
		})
		got := rawhttp.Answer(r, get11)
		_, content, _ := strings.Cut(got, "\r\n\r\n")
		if want := fmt.Sprintf("%+v", rawhttp.ConnInfo{}); content != want {
			t.Errorf("ConnInfo %s, want %s", content, want)
		}
	})
}

func TestAnswerConcurrently(t *testing.T) {
	r := resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) { return rawhttp.Text(200, req.Path()), nil })
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			path := fmt.Sprintf("/%d", i)
			if got := rawhttp.Answer(r, "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n"); !strings.HasSuffix(got, "\r\n\r\n"+path) {
				t.Errorf("Answer for %s = %q", path, got)
			}
		})
	}
	wg.Wait()
}

// A resolver that ends its goroutine, as t.FailNow does, ends the test that calls Answer.
func TestAnswerGoexit(t *testing.T) {
	r := resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) {
		runtime.Goexit()
		return nil, nil
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		rawhttp.Answer(r, get11)
		t.Error("Answer returned although the resolver called Goexit")
	})
	wg.Wait()
}
