//go:build unix

package conformance_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/rawhttp"
)

// A program that retains values that it no longer owns must not disturb other requests.

// misuseRounds runs clients that send content to /misuse in two pieces and are answered before
// the second piece, and at the same time clients that send requests for /own in two pieces.
func misuseRounds(t *testing.T, addr string) {
	t.Helper()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 20 {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				c.SetDeadline(time.Now().Add(30 * time.Second))
				io.WriteString(c, "POST /misuse HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"+strings.Repeat("x", 50))
				time.Sleep(time.Duration(i) * time.Millisecond)
				io.WriteString(c, strings.Repeat("x", 50))
				c.Read(make([]byte, 1000))
				c.Close()
			}
		})
		all.Go(func() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(60 * time.Second))
			answer := make([]byte, 1000)
			for j := range 40 {
				name := fmt.Sprintf("own-%d-%d", i, j)
				io.WriteString(c, "GET /"+name+" HTTP/1.1\r\nHo")
				time.Sleep(time.Duration(j%13) * time.Millisecond)
				io.WriteString(c, "st: a\r\n\r\n")
				n, err := c.Read(answer)
				if got := string(answer[:n]); err != nil || !strings.HasSuffix(got, "\r\n\r\n/"+name) {
					t.Errorf("GET /%s: answer %q, %v", name, got, err)
					return
				}
			}
		})
	}
	all.Wait()
}

// A goroutine that goes on reading content after the answer gets an error and no bytes.
func TestContentReadAfterAnswer(t *testing.T) {
	t.Parallel()
	var readers sync.WaitGroup
	read := func(body io.Reader) {
		b := make([]byte, 10)
		for err := error(nil); err == nil; {
			var n int
			n, err = body.Read(b)
			if got := string(b[:n]); got != strings.Repeat("x", n) {
				t.Errorf("the content of a request contains %q", got)
			}
		}
	}
	tests := map[string]rawhttp.ResolverFunc{
		"of a resolver": func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			readers.Go(func() { read(req.Body) })
			return rawhttp.Text(200, "early"), nil
		},
		"of a StreamFunc": func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.StreamFunc(200, "a/b", func(_ context.Context, w io.Writer) error {
				readers.Go(func() { read(req.Body) })
				_, err := io.WriteString(w, "early")
				return err
			}), nil
		},
	}
	for name, misuse := range tests {
		t.Run(name, func(t *testing.T) {
			_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
				if req.Method() == "GET" {
					return rawhttp.Text(200, req.Path()), nil
				}
				body := req.Body // the program retains the Body, not the Request
				return misuse(ctx, &rawhttp.Request{Body: body})
			})))
			misuseRounds(t, addr)
			readers.Wait()
		})
	}
}

// Neither the answer nor the end of the exchange waits for a goroutine that is reading content.
func TestAnswerDoesNotWaitForBodyRead(t *testing.T) {
	read := make(chan error, 1)
	_, addr := listen(t, rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		body, first := req.Body, make([]byte, 50)
		if _, err := io.ReadFull(body, first); err != nil {
			return nil, err
		}
		begun := make(chan struct{})
		go func() {
			close(begun)
			_, err := body.Read(make([]byte, 50))
			read <- err
		}()
		<-begun
		return rawhttp.Text(200, "early"), nil
	})))
	c := dial(t, addr)
	c.SetDeadline(time.Now().Add(20 * time.Second)) // less than the stall timeout
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"+strings.Repeat("x", 50))
	answer := make([]byte, 1000)
	n, err := c.Read(answer)
	if got := string(answer[:n]); err != nil || !strings.HasSuffix(got, "\r\n\r\nearly") {
		t.Errorf("answer %q, %v, want one before the content is complete", got, err)
	}
	if err := <-read; err == nil || err == io.EOF {
		t.Errorf("Body.Read = %v, want an error other than io.EOF", err)
	}
}

// A hook that panics ends its connection, and no byte is written twice. The server goes on.
func TestBytesWrittenPanics(t *testing.T) {
	s, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(answerText("hi")), rawhttp.WithTrace(rawhttp.Trace{
		BytesWritten: func(conn, req uint64, b []byte) { panic("hook") },
	}))
	for range 3 {
		c := dial(t, addr)
		io.WriteString(c, getRequest("/"))
		if got, _ := io.ReadAll(c); string(got) != okAnswer("hi") { // it ends although the client has not closed
			t.Errorf("answer %q, want %q", got, okAnswer("hi"))
		}
	}
	if got := s.Stats().Requests; got != 3 {
		t.Errorf("Stats().Requests = %d, want 3", got)
	}
}
