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
	long := strings.Repeat("x", 100_000)
	plain := rawhttp.Text(200, "")
	tests := []struct {
		name, in string
		resp     *rawhttp.Response
		closes   bool // whether the connection closes after the response
	}{
		{"short", postRequest("/", "hello"), plain, false},
		{"long", postRequest("/", long), plain, false},
		{"short, chunked", chunkedRequest("/", inChunks("hello", 1000)), plain, false},
		{"long, chunked", chunkedRequest("/", inChunks(long, 1000)), plain, false},
		{"a response that could read it", postRequest("/", "hello"), rawhttp.StreamFunc(200, "", func(context.Context, io.Writer) error { return nil }), false},
		{"the connection closes", postRequest("/", "hello", closeField), plain, true},
		{"the connection closes, chunked", chunkedRequest("/", inChunks("hello", 1000), closeField), plain, true},
		{"too much to drain", postRequest("/", strings.Repeat("x", 300<<10)), plain, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var kept []*rawhttp.Request // those with content
			requests := 0
			resolver := resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
				requests++
				if req.Method() == "POST" {
					kept = append(kept, req)
				}
				return tt.resp, nil
			})
			talkInMemory(t, tt.in+tt.in+getRequest("/")+tt.in, rawhttp.WithResolver(resolver))
			want := 4
			if tt.closes {
				want = 1
			}
			if requests != want {
				t.Fatalf("Resolve was called for %d requests, want %d", requests, want)
			}
			for i, req := range kept {
				n, err := req.Body.Read(make([]byte, 10))
				if n > 0 || err == nil || errors.Is(err, io.EOF) {
					t.Errorf("request %d with content: Body.Read after the response = %d, %v, want an error", i+1, n, err)
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
						case <-time.After(50 * time.Microsecond):
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

// Reading that the end of the exchange interrupts begins again where it was, at each byte of
// the framing: the next request is found.
func TestInterruptedContentIsReadToItsEnd(t *testing.T) {
	const content = "5;a=b\r\nhello\r\n3\r\nabc\r\n0\r\nX-A: b\r\n\r\n"
	for cut := range len(content) {
		bubble(t, func(t *testing.T) {
			c := serveDuplex(t, rawhttp.WithResolver(resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
				go io.Copy(io.Discard, req.Body)
				time.Sleep(time.Second)
				return rawhttp.Text(200, req.Path()), nil
			})))
			c.send(chunkedRequest("/a", content[:cut]))
			time.Sleep(2 * time.Second)
			c.send(content[cut:] + getRequest("/b"))
			time.Sleep(2 * time.Second)
			if diff := cmp.Diff(okAnswer("/a")+okAnswer("/b"), c.received()); diff != "" {
				t.Errorf("interrupted after %q (-want +got):\n%s", content[:cut], diff)
			}
		})
	}
}
