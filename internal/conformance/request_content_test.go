package conformance_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

const (
	chunkedHead = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	sizedHead   = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
)

func TestRequestContent(t *testing.T) {
	type result struct {
		Content, Trailer string
		Err              *rawhttp.ParseError
		Early            bool
	}
	early := func(off int) *rawhttp.ParseError {
		return &rawhttp.ParseError{Status: 400, Offset: off, Reason: "content ends early", Section: "RFC 9112, section 8"}
	}
	tests := []struct {
		name, head, wire string
		want             result
		why              string
	}{{
		name: "no content", head: get11, wire: "GET /next",
		why: "the bytes that follow are the next request",
	}, {
		name: "length", head: sizedHead, wire: "hello",
		want: result{Content: "hello"},
	}, {
		name: "length, and another request", head: sizedHead, wire: "helloGET /next",
		want: result{Content: "hello"},
	}, {
		name: "length, incomplete", head: sizedHead, wire: "hel",
		want: result{Content: "hel", Err: early(3), Early: true},
	}, {
		name: "chunks", head: chunkedHead, wire: "2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\nGET /next",
		want: result{Content: "hello"},
	}, {
		name: "trailer", head: chunkedHead, wire: "5\r\nhello\r\n0\r\nSum: 7\r\n\r\nGET /next",
		want: result{Content: "hello", Trailer: "7"},
	}, {
		name: "a bad chunk", head: chunkedHead, wire: "5\r\nhello\r\nx\r\n",
		want: result{Content: "hello", Err: &rawhttp.ParseError{Status: 400, Offset: 10, Reason: "chunk size is not a hexadecimal number", Section: "RFC 9112, section 7.1"}},
	}, {
		name: "chunks, incomplete", head: chunkedHead, wire: "5\r\nhello\r\n0\r\n",
		want: result{Content: "hello", Err: early(13), Early: true},
	}, {
		name: "framing in the trailer", head: chunkedHead, wire: "0\r\nContent-Length: 1\r\n\r\n",
		want: result{Err: &rawhttp.ParseError{Status: 400, Offset: 3, Reason: "field is not allowed in a trailer section", Section: "RFC 9110, section 6.5.1"}},
	}}
	for _, tt := range tests {
		for split := range len(tt.wire) + 1 {
			req := requestOf(t, tt.head)
			rest := []byte(tt.wire[:split])
			content := req.Content(rest, iotest.OneByteReader(strings.NewReader(tt.wire[split:])))
			b, err := io.ReadAll(content)
			got := result{Content: string(b), Trailer: req.Trailer().Get("Sum"), Early: errors.Is(err, io.ErrUnexpectedEOF)}
			if err != nil && !errors.As(err, &got.Err) {
				t.Errorf("%s: error %v, want a ParseError", tt.name, err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s: Content of %q and %q (-want +got):\n%s\nwhy: %s", tt.name, rest, tt.wire[split:], diff, tt.why)
			}
			if _, again := content.Read(make([]byte, 1)); err != nil && again != err {
				t.Errorf("%s: second Read = %v, want %v again", tt.name, again, err)
			}
			if string(rest) != tt.wire[:split] {
				t.Errorf("%s: rest was changed to %q", tt.name, rest)
			}
		}
	}
}

// Bytes after the content remain unread, however the content is read.
func TestRequestContentIsExact(t *testing.T) {
	const next = "GET /next HTTP/1.1\r\n"
	for head, wire := range map[string]string{
		sizedHead:   "hello",
		chunkedHead: "2\r\nhe\r\n3\r\nllo\r\n0\r\nSum: 7\r\n\r\n",
	} {
		for name, read := range map[string]func(io.Reader) ([]byte, error){
			"io.ReadAll":     io.ReadAll,
			"bufio":          func(r io.Reader) ([]byte, error) { return io.ReadAll(bufio.NewReaderSize(r, 64<<10)) },
			"byte by byte":   func(r io.Reader) ([]byte, error) { return io.ReadAll(iotest.OneByteReader(r)) },
			"a small buffer": func(r io.Reader) ([]byte, error) { return io.ReadAll(bufio.NewReaderSize(r, 5)) },
		} {
			more := strings.NewReader(wire + next)
			b, err := read(requestOf(t, head).Content(nil, more))
			if string(b) != "hello" || err != nil {
				t.Errorf("%s: content of %q = %q, %v", name, wire, b, err)
			}
			if left, _ := io.ReadAll(more); string(left) != next {
				t.Errorf("%s: bytes left after the content of %q: %q, want %q", name, wire, left, next)
			}
		}
	}
}

func TestRequestContentErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	b, err := io.ReadAll(requestOf(t, sizedHead).Content([]byte("he"), iotest.ErrReader(broken)))
	if string(b) != "he" || err != broken {
		t.Errorf("content of a reader that fails = %q, %v, want its error", b, err)
	}
	b, err = io.ReadAll(requestOf(t, sizedHead).Content([]byte("he"), nil))
	if string(b) != "he" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("content with a nil Reader = %q, %v, want %v", b, err, io.ErrUnexpectedEOF)
	}
	const large = 11 << 20 // more than the limit of a server
	sized := requestOf(t, fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", large)).Content(nil, rand.NewChaCha8([32]byte{}))
	var chunks []io.Reader
	for range large >> 20 {
		chunks = append(chunks, strings.NewReader("100000\r\n"), io.LimitReader(rand.NewChaCha8([32]byte{}), 1<<20), strings.NewReader("\r\n"))
	}
	chunks = append(chunks, strings.NewReader("0\r\n\r\n"))
	chunked := requestOf(t, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").Content(nil, io.MultiReader(chunks...))
	for framing, content := range map[string]io.Reader{"Content-Length": sized, "chunks": chunked} {
		if n, err := io.Copy(io.Discard, content); n != large || err != nil {
			t.Errorf("11 MiB of content with %s: %d bytes, %v", framing, n, err)
		}
	}
}

// Content of a request made by a Server returns its Body, and sets its trailer.
func TestRequestContentOfServer(t *testing.T) {
	r := resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
		b, err := io.ReadAll(req.WithPath("/x").Content([]byte("other"), nil))
		if err != nil {
			return nil, err
		}
		return rawhttp.Bytes(200, "", b), nil
	})
	if got := rawhttp.Answer(r, chunkedHead+"5\r\nhello\r\n0\r\n\r\n"); !strings.HasSuffix(got, "\r\n\r\nhello") {
		t.Errorf("answer %q, want the content of the request", got)
	}
	req := requestOf(t, chunkedHead)
	req.Body = req.Content([]byte("0\r\nSum: 7\r\n\r\n"), nil)
	seen := req.WithPath("/x").WithUser("ann").WithConn(rawhttp.ConnInfo{})
	if _, err := io.ReadAll(seen.Body); err != nil {
		t.Fatal(err)
	}
	if got := seen.Trailer().Get("Sum"); got != "7" {
		t.Errorf("Trailer of a copy = %q, want 7", got)
	}
}
