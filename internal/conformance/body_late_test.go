package conformance_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// A goroutine that outlives Resolve reads no content: it gets an error, even if the server
// has read the content to its end, and never the content of another request.
func TestBodyReadLate(t *testing.T) {
	tests := []struct {
		name, content string
		chunked       bool
		resp          *rawhttp.Response
	}{
		{name: "short", content: "hello", resp: rawhttp.Text(200, "")},
		{name: "long", content: strings.Repeat("x", 100_000), resp: rawhttp.Text(200, "")},
		{name: "short, chunked", content: "hello", chunked: true, resp: rawhttp.Text(200, "")},
		{name: "long, chunked", content: strings.Repeat("x", 100_000), chunked: true, resp: rawhttp.Text(200, "")},
		{name: "a response that could read it", content: "hello", resp: rawhttp.StreamFunc(200, "", func(context.Context, io.Writer) error { return nil })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var kept []*rawhttp.Request
			resolver := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
				kept = append(kept, req)
				return tt.resp, nil
			})
			in := postRequest("/", tt.content)
			if tt.chunked {
				in = chunkedRequest("/", inChunks(tt.content, 1000))
			}
			talkInMemory(t, in+in+getRequest("/")+in, rawhttp.WithResolver(resolver))
			if len(kept) != 4 {
				t.Fatalf("Resolve was called for %d requests, want 4", len(kept))
			}
			for i, req := range kept {
				if i == 2 {
					continue // this request has no content
				}
				n, err := req.Body.Read(make([]byte, 10))
				if n > 0 || err == nil || errors.Is(err, io.EOF) {
					t.Errorf("request %d: Body.Read after the response = %d, %v, want an error", i+1, n, err)
				}
			}
		})
	}
}

// Reading the Body of a request without content after the response, while its connection
// serves other requests, is not a data race. Only a run with -race can fail here.
func TestEmptyBodyReadLate(t *testing.T) {
	t.Parallel()
	long := "A: " + strings.Repeat("a", idleText)
	bubble(t, func(t *testing.T) {
		var late sync.WaitGroup
		done := make(chan struct{})
		c := servePipe(t, rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			if req.Path() == "/late" {
				late.Go(func() {
					for {
						if n, err := req.Body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
							t.Errorf("Body.Read = %d, %v, want 0, io.EOF", n, err)
						}
						select {
						case <-done:
							return
						case <-time.After(time.Microsecond):
						}
					}
				})
			}
			return rawhttp.Text(200, ""), nil
		})))
		for range 5 {
			for _, in := range []string{getRequest("/late"), getRequest("/next"), getRequest("/long", long), postRequest("/", "content"), getRequest("/late") + getRequest("/")} {
				c.send(in)
				time.Sleep(time.Millisecond)
			}
		}
		close(done)
		late.Wait()
	})
}

// A Body that a resolver replaces belongs to its request alone.
func TestReplacedBodyIsNotReused(t *testing.T) {
	var got []string
	talkInMemory(t, getRequest("/")+getRequest("/")+postRequest("/", "content")+getRequest("/"), rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		b, _ := io.ReadAll(req.Body)
		got = append(got, string(b))
		req.Body = strings.NewReader("another")
		return rawhttp.Text(200, ""), nil
	})))
	if diff := cmp.Diff([]string{"", "", "content", ""}, got); diff != "" {
		t.Errorf("content of the four requests (-want +got):\n%s", diff)
	}
}

// A Body that was read to its end still returns io.EOF after the response.
func TestBodyStaysAtEOF(t *testing.T) {
	var kept *rawhttp.Request
	talkInMemory(t, postRequest("/", "hello"), rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		kept = req
		io.Copy(io.Discard, req.Body)
		return rawhttp.Text(200, ""), nil
	})))
	if n, err := kept.Body.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("Body.Read = %d, %v, want 0, io.EOF", n, err)
	}
}
