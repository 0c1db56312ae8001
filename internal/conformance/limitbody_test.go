package conformance_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
)

// answerLength reads the content of the request and answers with its length.
var answerLength = resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
	n, err := io.Copy(io.Discard, req.Body)
	if err != nil {
		return nil, err
	}
	return rawhttp.Text(200, fmt.Sprint(n, " bytes")), nil
})

func sizedPost(n int, fields ...string) string {
	return "POST / HTTP/1.1\r\nHost: a\r\n" + strings.Join(fields, "") + fmt.Sprintf("Content-Length: %d\r\n\r\n", n) + strings.Repeat("x", n)
}

func chunkedPost(n int, fields ...string) string {
	return "POST / HTTP/1.1\r\nHost: a\r\n" + strings.Join(fields, "") + "Transfer-Encoding: chunked\r\n\r\n" +
		strings.Repeat("1\r\nx\r\n", n) + "0\r\n\r\n"
}

func TestLimitBody(t *testing.T) {
	const (
		next     = "GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
		declared = "413 close 413 Content Too Large\n"
		passed   = "413 close 413 Content Too Large: content is too large (RFC 9110, section 15.5.14)\n"
	)
	ignores := resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
		io.Copy(io.Discard, req.Body)
		return rawhttp.Text(200, "fine"), nil
	})
	never := resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
		if req.ContentLength() != 0 {
			t.Error("Resolve was called for content over the limit")
		}
		return rawhttp.Text(200, "0 bytes"), nil
	})
	unread := resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) { return rawhttp.Text(200, "unread"), nil })
	streams := resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.StreamFunc(200, "", func(_ context.Context, w io.Writer) error {
			b, err := io.ReadAll(req.Body)
			if err == nil {
				_, err = w.Write(b)
			}
			return err
		}), nil
	})
	two := func(first string) []string { return []string{"200  " + first, "200 close 0 bytes"} }
	tests := []struct {
		name, in string
		r        rawhttp.Resolver
		want     []string
		why      string
	}{
		{"no content", get11, rawhttp.LimitBody(0, answerLength), two("0 bytes"), ""},
		{"as much as the limit", sizedPost(10), rawhttp.LimitBody(10, answerLength), two("10 bytes"), ""},
		{"one byte more", sizedPost(11), rawhttp.LimitBody(10, never), []string{declared}, "the request is refused before any content is read"},
		{"one byte more, with an expectation", sizedPost(11, "Expect: 100-continue\r\n"), rawhttp.LimitBody(10, never), []string{declared}, "no 100 is sent"},
		{"any with a limit of 0", sizedPost(1), rawhttp.LimitBody(0, never), []string{declared}, ""},
		{"chunks, as much as the limit", chunkedPost(10), rawhttp.LimitBody(10, answerLength), two("10 bytes"), ""},
		{"chunks, one byte more", chunkedPost(11), rawhttp.LimitBody(10, answerLength), []string{passed}, ""},
		{"chunks, one byte more, ignored", chunkedPost(11), rawhttp.LimitBody(10, ignores), []string{passed}, "as if the server's own limit is exceeded"},
		{"chunks, one byte more, in a StreamFunc", chunkedPost(11), rawhttp.LimitBody(10, streams), []string{passed}, "the limit still applies after Resolve"},
		{"chunks that are not read", chunkedPost(11), rawhttp.LimitBody(10, unread), []string{"200  unread", "200 close unread"}, "no more than the limit was read"},
		{"inner limit", sizedPost(11), rawhttp.LimitBody(20, rawhttp.LimitBody(10, never)), []string{declared}, ""},
		{"outer limit", sizedPost(11), rawhttp.LimitBody(10, rawhttp.LimitBody(20, never)), []string{declared}, ""},
		{"chunks, inner limit", chunkedPost(11), rawhttp.LimitBody(20, rawhttp.LimitBody(10, ignores)), []string{passed}, ""},
		{"chunks, outer limit", chunkedPost(11), rawhttp.LimitBody(10, rawhttp.LimitBody(20, ignores)), []string{passed}, ""},
		{"larger than the server's", sizedPost(101), rawhttp.LimitBody(1000, never), []string{declared}, "the server's limit applies"},
		{"chunks, larger than the server's", chunkedPost(101), rawhttp.LimitBody(1<<63-1, answerLength), []string{passed}, "the server's limit applies"},
		{"not selected", sizedPost(50), rawhttp.First(rawhttp.Mount("/small/", rawhttp.LimitBody(10, never)), answerLength), two("50 bytes"),
			"the limit applies only if its resolver is selected"},
		{"read before LimitBody", chunkedPost(50),
			rawhttp.First(rawhttp.LimitBody(10, rawhttp.First()), answerLength), two("50 bytes"), "the limit does not apply to other resolvers"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			answer := talkInMemory(t, tt.in+next, rawhttp.WithResolver(tt.r), rawhttp.WithMaxBodyBytes(100))
			var got []string
			for _, a := range strings.Split(answer, "HTTP/1.1 ")[1:] {
				_, content, _ := strings.Cut(a, "\r\n\r\n")
				got = append(got, a[:3]+" "+fieldOf(a, "Connection")+" "+content)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answers to %q (-want +got):\n%s\nwhy: %s", tt.in, diff, tt.why)
			}
		})
	}
}

// WithErrorPage makes the page for content over the limit, whether the length was declared or
// not.
func TestLimitBodyErrorPage(t *testing.T) {
	json := rawhttp.WithErrorPage(func(_ context.Context, _ *rawhttp.Request, status int, err error) *rawhttp.Response {
		if rawhttp.StatusOf(err) != status {
			t.Errorf("WithErrorPage was called with status %d and %v", status, err)
		}
		return rawhttp.Bytes(status, "application/json", fmt.Appendf(nil, `{"status":%d}`, status))
	})
	const want = "HTTP/1.1 413 Content Too Large\r\nContent-Type: application/json\r\nContent-Length: 14\r\nConnection: close\r\n\r\n{\"status\":413}"
	for _, in := range []string{sizedPost(11), chunkedPost(11)} {
		for _, r := range []rawhttp.Resolver{answerLength, resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
			io.Copy(io.Discard, req.Body)
			return rawhttp.Text(200, "fine"), nil
		})} {
			got := talkInMemory(t, in, rawhttp.WithResolver(rawhttp.LimitBody(10, r)), json)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("answer to %q (-want +got):\n%s", in, diff)
			}
		}
	}
}

// LimitBody also limits a Body that a wrapper has replaced, such as a decompressing one.
func TestLimitBodyOfWrappers(t *testing.T) {
	var packed strings.Builder
	w := gzip.NewWriter(&packed)
	io.WriteString(w, strings.Repeat("x", 1000))
	w.Close()
	unpack := func(next rawhttp.Resolver) rawhttp.Resolver {
		return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			z, err := gzip.NewReader(req.Body)
			if err != nil {
				return nil, err
			}
			req = req.WithUser("")
			req.Body = z
			return next.Resolve(ctx, req)
		})
	}
	request := fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", packed.Len(), packed.String())
	for limit, want := range map[int64]string{10: "413", 999: "413", 1000: "200"} {
		if got := rawhttp.Answer(unpack(rawhttp.LimitBody(limit, answerLength)), request); got[len("HTTP/1.1 "):][:3] != want {
			t.Errorf("LimitBody(%d), %d bytes that decompress to 1000: %q, want %s", limit, packed.Len(), got, want)
		}
	}
}

// LimitBody works for a request without a Server, by limiting its Body.
func TestLimitBodyWithoutServer(t *testing.T) {
	limited := rawhttp.LimitBody(10, answerLength)
	for head, want := range map[string]int{
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n":         413,
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n": 413,
		get11: 200,
	} {
		req := requestOf(t, head)
		req.Body = req.Content([]byte("b\r\nxxxxxxxxxxx\r\n0\r\n\r\n"), nil)
		_, err := limited.Resolve(context.Background(), req)
		if got := rawhttp.StatusOf(err); got != want {
			t.Errorf("Resolve with %q = %v with status %d, want %d", head, err, got, want)
		}
	}
	req := requestOf(t, get11)
	req.Body = strings.NewReader(strings.Repeat("x", 11))
	_, err := limited.Resolve(context.Background(), req)
	var pe *rawhttp.ParseError
	if !errors.As(err, &pe) || pe.Status != 413 || pe.Offset != 10 {
		t.Errorf("Resolve with a Body that is too long = %v, want a ParseError with 413 at byte 10", err)
	}
}

func TestLimitBodyAllocs(t *testing.T) {
	empty := rawhttp.Empty(204)
	limited := rawhttp.LimitBody(10, resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) { return empty, nil }))
	req := requestOf(t, get11)
	if n := testing.AllocsPerRun(100, func() { limited.Resolve(context.Background(), req) }); n > 0 {
		t.Errorf("LimitBody makes %v allocations for a request without content, want 0", n)
	}
}
