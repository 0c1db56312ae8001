package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// answerAfterReading returns a resolver that reads n bytes of the content, or all of it if n
// is -1, and answers with the path, even after an error.
func answerAfterReading(n int64) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if n < 0 {
			io.Copy(io.Discard, req.Body)
		} else {
			io.CopyN(io.Discard, req.Body, n)
		}
		return rawhttp.Text(200, req.Path()), nil
	})
}

// inChunks encodes content in chunks of size bytes, with the last chunk.
func inChunks(content string, size int) string {
	var b strings.Builder
	for len(content) > 0 {
		n := min(size, len(content))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, content[:n])
		content = content[n:]
	}
	return b.String() + "0\r\n\r\n"
}

// The server drains up to 256 KiB of content that a resolver left unread, to reach the next
// request. If there is more, the connection closes, and the answer says so if that is known in
// advance.
func TestUnreadContentIsDrained(t *testing.T) {
	t.Parallel()
	const most = 256 << 10
	zeros := func(n int) string { return strings.Repeat("0", n) }
	post := func(n int) string { return postRequest("/a", zeros(n)) }
	posted := func(n, size int) string { return chunkedRequest("/a", inChunks(zeros(n), size)) }
	tests := []struct {
		name string
		in   string
		read int64
		want string
		why  string
	}{
		{"one byte", post(1), 0, okAnswer("/a") + okAnswer("/b"), "the content is drained"},
		{"256 KiB", post(most), 0, okAnswer("/a") + okAnswer("/b"), "the content is drained: the limit is inclusive"},
		{"256 KiB and a byte", post(most + 1), 0, lastAnswer("/a"), "the size is known from Content-Length"},
		{"256 KiB and a byte, one byte read", post(most + 1), 1, okAnswer("/a") + okAnswer("/b"), "the limit applies to the unread rest"},
		{"1 MiB, all read", post(1 << 20), -1, okAnswer("/a") + okAnswer("/b"), "nothing is left to drain"},
		{"chunked, 256 KiB", posted(most, 4<<10), 0, okAnswer("/a") + okAnswer("/b"), "the content is drained"},
		{"chunked, 2 MiB", posted(2<<20, 64<<10), 0, okAnswer("/a") + okAnswer("/b"), "the size was unknown when the response promised that the connection persists"},
		{"chunked, 1 MiB, all read", posted(1<<20, 100_000), -1, okAnswer("/a") + okAnswer("/b"), "nothing is left to drain"},
		{"chunked, partly read", posted(100_000, 50_000), 10, okAnswer("/a") + okAnswer("/b"), "draining continues in the middle of a chunk"},
		{"one large chunk, partly read", posted(1<<20, 1<<20), 10, lastAnswer("/a"), "the size is known from the chunk size"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := talkInMemory(t, tt.in+getRequest("/b"), rawhttp.WithResolver(answerAfterReading(tt.read)))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answers (-want +got):\n%s\nwhy: %s", diff, tt.why)
			}
		})
	}
}

// An answer is complete even if the unread content turns out to be malformed.
func TestAnswerBeforeMalformedContent(t *testing.T) {
	tests := []struct{ name, in string }{
		{"bad chunk size, in the same read", chunkedRequest("/a", "zz\r\n")},
		{"bad chunk size after a chunk", chunkedRequest("/a", "1\r\nx\r\nzz\r\n")},
		{"bad end of a chunk", chunkedRequest("/a", "1\r\nxy\r\n0\r\n\r\n")},
		{"content ends early", postRequest("/a", "0123456789")[:len(postRequest("/a", "0123456789"))-5]},
		{"chunked content ends early", chunkedRequest("/a", "5\r\nab")},
		{"bad trailer", chunkedRequest("/a", "0\r\nHost: b\r\n\r\n")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := talkInMemory(t, tt.in, rawhttp.WithResolver(answerPath))
			if diff := cmp.Diff(okAnswer("/a"), got); diff != "" {
				t.Errorf("answer to %q, whose content the resolver does not read (-want +got):\n%s", tt.in, diff)
			}
		})
	}
}

// An error in the content is answered with 400, or with the status of the limit, whatever the
// resolver does with the error; after the head of the response the connection closes instead.
// The error page is requested once, with the error of the content.
func TestContentErrors(t *testing.T) {
	refused := func(reason string) string {
		return textAnswer("400 Bad Request", []string{"X-Content-Type-Options: nosniff", closeField}, "400 Bad Request: "+reason+"\n")
	}
	const chunked, early = "RFC 9112, section 7.1", "RFC 9112, section 8"
	tests := []struct{ name, in, want string }{
		{"bad chunk size", chunkedRequest("/a", "zz\r\n"), refused("chunk size is not a hexadecimal number (" + chunked + ")")},
		{"bad chunk after a good one", chunkedRequest("/a", "1\r\nx\r\n-1\r\n"), refused("chunk size is not a hexadecimal number (" + chunked + ")")},
		{"no CRLF after the data", chunkedRequest("/a", "1\r\nxy\r\n"), refused("chunk data does not end in CRLF (" + chunked + ")")},
		{"chunked, ends early", chunkedRequest("/a", "5\r\nab"), refused("content ends early (" + early + ")")},
		{"ends early", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab", refused("content ends early (" + early + ")")},
		{"never begins", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", refused("content ends early (" + early + ")")},
		{"Host in the trailer", chunkedRequest("/a", "0\r\nHost: a\r\n\r\n"), refused("field is not allowed in a trailer section (RFC 9110, section 6.5.1)")},
		{"more than the limit", chunkedRequest("/a", inChunks(strings.Repeat("x", 101), 50)), textAnswer("413 Content Too Large",
			[]string{"X-Content-Type-Options: nosniff", closeField}, "413 Content Too Large: content is too large (RFC 9110, section 15.5.14)\n")},
	}
	resolvers := []struct {
		name string
		rawhttp.Resolver
	}{
		{"the resolver ignores it", answerAfterReading(-1)},
		{"the resolver returns it", echo},
		{"the resolver has another error", rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			io.Copy(io.Discard, req.Body)
			return nil, &rawhttp.StatusError{Status: 404}
		})},
		{"the resolver panics", rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				panic(err)
			}
			return nil, nil
		})},
		{"the resolver returns nothing", rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			io.Copy(io.Discard, req.Body)
			return nil, nil
		})},
		{"a StreamFunc ignores it before it writes", rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.StreamFunc(200, "", func(context.Context, io.Writer) error {
				_, err := io.Copy(io.Discard, req.Body)
				return err
			}), nil
		})},
	}
	for _, r := range resolvers {
		for _, tt := range tests {
			t.Run(r.name+"/"+tt.name, func(t *testing.T) {
				var asked []int
				page := rawhttp.WithErrorPage(func(_ context.Context, req *rawhttp.Request, status int, err error) *rawhttp.Response {
					asked = append(asked, status, rawhttp.StatusOf(err))
					if _, again := req.Body.Read(make([]byte, 1)); again == nil || again == io.EOF {
						t.Errorf("Body.Read in the error page = %v, want the same error", again)
					}
					return nil
				})
				got := talkInMemory(t, tt.in, rawhttp.WithResolver(r), rawhttp.WithMaxBodyBytes(100), page)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("answer to %q (-want +got):\n%s", tt.in, diff)
				}
				status, _ := strconv.Atoi(tt.want[len("HTTP/1.1 "):][:3])
				if diff := cmp.Diff([]int{status, status}, asked); diff != "" {
					t.Errorf("status passed to WithErrorPage and StatusOf the error (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// After the head, the client sees an error only as a response without its last chunk.
func TestContentErrorAfterHead(t *testing.T) {
	echoStream := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Stream(200, "a/b", req.Body), nil
	})
	got := talkInMemory(t, chunkedRequest("/", "5\r\nhello\r\nzz\r\n"), rawhttp.WithResolver(echoStream))
	want := "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("echo of content with a bad chunk (-want +got):\n%s", diff)
	}
}

// A StreamFunc that ignores an error in the content may complete its response, but no other
// response can follow.
func TestContentErrorAfterResponse(t *testing.T) {
	resolver := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.StreamFunc(200, "a/b", func(_ context.Context, w io.Writer) error {
			io.WriteString(w, "early")
			io.Copy(io.Discard, req.Body)
			return nil
		}), nil
	})
	got := talkInMemory(t, chunkedRequest("/", "zz\r\n")+getRequest("/"), rawhttp.WithResolver(resolver))
	want := "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n"
	if got != want && got != want+"0\r\n\r\n" { // cut or complete
		t.Errorf("answer %q, want %q and no second answer", got, want)
	}
}

// Content over the limit is refused before it is read if its length is declared, and the
// resolver never gets more than the limit.
func TestContentOverLimit(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		c := servePipe(t, rawhttp.WithResolver(echo), rawhttp.WithMaxBodyBytes(5))
		c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n")
		if diff := cmp.Diff(ownError("413 Content Too Large", closeField), c.received()); diff != "" {
			t.Errorf("answer to declared content over the limit, before it is sent (-want +got):\n%s", diff)
		}
	})
	for _, in := range []string{postRequest("/", "12345"), chunkedRequest("/", inChunks("12345", 2))} {
		if got := talkInMemory(t, in, rawhttp.WithResolver(echo), rawhttp.WithMaxBodyBytes(5)); !strings.HasSuffix(got, "\r\n\r\n12345") {
			t.Errorf("answer to %q, whose content is at the limit: %q, want the content", in, got)
		}
	}
	bubble(t, func(t *testing.T) {
		c := servePipe(t, rawhttp.WithResolver(answerAfterReading(-1)), rawhttp.WithMaxBodyBytes(0))
		c.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", 11<<20)) // more than the default limit
		for range 11 {
			c.send(strings.Repeat("x", 1<<20))
		}
		if got := c.received(); got != okAnswer("/") {
			t.Errorf("answer to 11 MiB without a limit: %q, want 200", got)
		}
	})
}

// The trailer section is available after the content has been read, separate from the header
// section.
func TestTrailerOnConnection(t *testing.T) {
	resolver := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		before := req.Trailer().Len()
		b, err := io.ReadAll(req.Body)
		return rawhttp.Text(200, fmt.Sprintf("%d %q %v %q %q", before, b, err, req.Trailer().Get("x-sum"), req.Header().Get("X-Sum"))), nil
	})
	got := talkInMemory(t, chunkedRequest("/", "3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n"), rawhttp.WithResolver(resolver))
	if diff := cmp.Diff(okAnswer(`0 "abc" <nil> "7" ""`), got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

// The request's context has the values of Serve's and ends when the response
// has been written, before the rest of the content is waited for.
func TestRequestContextEndsWithTheResponse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		type key struct{}
		var kept context.Context
		resolver := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			kept = ctx
			if ctx.Err() != nil {
				t.Errorf("in the resolver ctx.Err() = %v, want nil", ctx.Err())
			}
			return rawhttp.Text(200, fmt.Sprint(ctx.Value(key{}))), nil
		})
		s := newServer(t, rawhttp.WithResolver(resolver), rawhttp.WithDate(false))
		client, server := duplexPipe()
		c := newMemoryClient(client)
		served := make(chan error, 1)
		go func() { served <- s.ServeConn(context.WithValue(t.Context(), key{}, "carried"), server) }()
		c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
		if diff := cmp.Diff(okAnswer("carried"), c.received()); diff != "" {
			t.Errorf("answer (-want +got):\n%s", diff)
		}
		if err := kept.Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("while the content is drained ctx.Err() = %v, want context.Canceled", err)
		}
		client.Close()
		synctest.Wait()
		if err := <-served; err != nil {
			t.Errorf("ServeConn = %v, want nil", err)
		}
	})
}

// A StreamFunc may write while another goroutine, which it waits for, reads the content. So an
// echo of any size needs no buffer.
func TestStreamFuncReadsWhileItWrites(t *testing.T) {
	t.Parallel()
	resolver := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.StreamFunc(200, "a/b", func(_ context.Context, w io.Writer) error {
			r, pw := io.Pipe()
			go func() {
				_, err := io.Copy(pw, req.Body)
				pw.CloseWithError(err)
			}()
			_, err := io.Copy(w, r)
			return err
		}), nil
	})
	for _, in := range []string{
		postRequest("/", strings.Repeat("x", 1<<20)),
		chunkedRequest("/", inChunks(strings.Repeat("x", 1<<20), 10_000)),
		postRequest("/", strings.Repeat("x", 1<<20), "Expect: 100-continue"),
	} {
		_, addr := listen(t, rawhttp.WithResolver(resolver), rawhttp.WithDate(false))
		got := talk(t, addr, in+getRequest("/"))
		if n := strings.Count(got, "x"); n != 1<<20 {
			t.Errorf("the echo of 1 MiB has %d of its bytes", n)
		}
		if strings.Count(got, "HTTP/1.1 200 OK\r\n") != 2 || !strings.HasSuffix(got, "\r\n0\r\n\r\n") {
			t.Errorf("answers have %d bytes, want two complete answers", len(got))
		}
	}
}

// The first bytes of large content are sent with the head, even if it is slow to read.
func TestSlowContentOfKnownSize(t *testing.T) {
	bubble(t, func(t *testing.T) {
		from, to := io.Pipe()
		const size = 2 * outputBuffer
		c := servePipe(t, rawhttp.WithResolver(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.Content(rawhttp.Representation{MediaType: "text/plain; charset=utf-8", Body: from, Size: size}), nil
		})))
		c.send(getRequest("/"))
		if got := c.received(); got != "" {
			t.Errorf("client received %q before there was content, want nothing", got)
		}
		io.WriteString(to, "abc")
		if got := c.received(); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(got, "\r\n\r\nabc") {
			t.Errorf("client received %q, want the head and the first bytes of the content", got)
		}
		io.WriteString(to, strings.Repeat("x", size-3))
		if got := c.received(); got != strings.Repeat("x", size-3) {
			t.Errorf("client received %d more bytes, want %d", len(got), size-3)
		}
	})
}

// A Clone has the trailer fields that existed when it was made.
func TestCloneHasItsOwnTrailer(t *testing.T) {
	var early, late *rawhttp.Request
	talkInMemory(t, chunkedRequest("/", "3\r\nabc\r\n0\r\nX-A: 1\r\n\r\n"), rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		early = req.Clone()
		io.Copy(io.Discard, req.Body)
		late = req.Clone()
		return rawhttp.Text(200, ""), nil
	})))
	if n, got := early.Trailer().Len(), late.Trailer().Get("X-A"); n != 0 || got != "1" {
		t.Errorf("Clone made before reading has %d trailer fields, Clone made after it has X-A %q, want 0 and %q", n, got, "1")
	}
}
