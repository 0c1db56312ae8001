package conformance_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// A bracketer is a readable content coding: it puts the content in brackets.
type bracketer struct {
	w     io.Writer
	begun bool
}

func bracket(w io.Writer) io.WriteCloser { return &bracketer{w: w} }

func (b *bracketer) Write(p []byte) (int, error) {
	if !b.begun {
		b.begun = true
		io.WriteString(b.w, "[")
	}
	return b.w.Write(p)
}

func (b *bracketer) Close() error {
	_, err := io.WriteString(b.w, "]")
	return err
}

func TestEncode(t *testing.T) {
	const (
		accepts = "Accept-Encoding: x\r\n"
		plain   = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\nVary: Accept-Encoding\r\n\r\nhi"
		coded   = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nTransfer-Encoding: chunked\r\nContent-Encoding: x\r\nVary: Accept-Encoding\r\n\r\n"
		chunks  = "4\r\n[hi]\r\n0\r\n\r\n"
		valid   = "ETag: W/\"v1-x\"\r\nLast-Modified: Wed, 01 Jan 2020 00:00:00 GMT\r\n"
		content = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n" + valid + "Content-Encoding: x\r\nVary: Accept-Encoding\r\n\r\n"
		same    = "HTTP/1.1 304 Not Modified\r\n" + valid + "Vary: Accept-Encoding\r\n\r\n"
	)
	text := func() *rawhttp.Response { return rawhttp.Text(200, "hi") }
	rep := rawhttp.Representation{MediaType: "text/plain", Body: strings.NewReader("hi"), Size: 2, ETag: `"v1"`, ModTime: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}
	page := func() *rawhttp.Response { return rawhttp.Content(rep) }
	stream := func() *rawhttp.Response {
		return rawhttp.StreamFunc(200, "text/plain; charset=utf-8", func(_ context.Context, w io.Writer) error {
			_, err := io.WriteString(w, "hi")
			return err
		})
	}
	tests := []struct {
		name, method, fields string
		make                 func() *rawhttp.Response
		want                 string
		why                  string
	}{
		{"text", "GET", accepts, text, coded + chunks, ""},
		{"other case", "GET", "Accept-Encoding: X\r\n", text, coded + chunks, ""},
		{"any coding", "GET", "Accept-Encoding: *\r\n", text, coded + chunks, ""},
		{"POST", "POST", accepts, text, coded + chunks, ""},
		{"no Accept-Encoding", "GET", "", text, plain, "the client may not know the coding"},
		{"refused", "GET", "Accept-Encoding: x;q=0, y\r\n", text, plain, ""},
		{"preferred less than identity", "GET", "Accept-Encoding: x;q=0.4, identity;q=0.5\r\n", text, plain, "RFC 9110, section 12.5.3"},
		{"HEAD", "HEAD", accepts, text, coded, "HEAD has the head of GET"},
		{"stream", "GET", accepts, stream, coded + chunks, ""},
		{"stream of known length", "GET", accepts, func() *rawhttp.Response { return stream().SetLength(2) }, coded + chunks, "coding changes the length"},
		{"stream with a trailer", "GET", accepts, func() *rawhttp.Response {
			return stream().SetTrailer("X-Sum", func() string { return "1" })
		}, strings.Replace(coded, "chunked\r\n", "chunked\r\nTrailer: X-Sum\r\n", 1) + "4\r\n[hi]\r\n0\r\nX-Sum: 1\r\n\r\n", ""},
		{"content", "GET", accepts, page, content + chunks, "coding changes the bytes, so the ETag is weak and there are no ranges"},
		{"content, HEAD", "HEAD", accepts, page, content, ""},
		{"ETag of the coded content", "GET", accepts + "If-None-Match: W/\"v1-x\"\r\n", page, same, "a client revalidates the coded content that it has"},
		{"ETag of the coded content, HEAD", "HEAD", accepts + "If-None-Match: W/\"v1-x\"\r\n", page, same, ""},
		{"ETag of the coded content, coding not accepted", "GET", "If-None-Match: W/\"v1-x\"\r\n", page, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n" +
			strings.Replace(valid, "W/\"v1-x", "\"v1", 1) + "Accept-Ranges: bytes\r\nVary: Accept-Encoding\r\n\r\nhi", "the client has the coded content, whose tag differs"},
		{"ETag of the content without coding", "GET", accepts + "If-None-Match: \"v1\"\r\n", page, content + chunks, ""},
		{"Last-Modified of the content", "GET", accepts + "If-Modified-Since: Wed, 01 Jan 2020 00:00:00 GMT\r\n", page, same, ""},
		{"another ETag", "GET", accepts + "If-None-Match: \"v0\"\r\n", page, content + chunks, ""},
		{"If-Match with the ETag of the coded content", "GET", accepts + "If-Match: W/\"v1-x\"\r\n", page,
			"HTTP/1.1 412 Precondition Failed\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 24\r\nX-Content-Type-Options: nosniff\r\nVary: Accept-Encoding\r\n\r\n412 Precondition Failed\n",
			"RFC 9110, section 13.1.1: a weak entity tag never matches"},
		{"a range", "GET", accepts + "Range: bytes=0-0\r\n", page, content + chunks, "coded content has no ranges"},
		{"a range, coding not accepted", "GET", "Range: bytes=0-0\r\n", page, "HTTP/1.1 206 Partial Content\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n" +
			strings.Replace(valid, "W/\"v1-x", "\"v1", 1) + "Accept-Ranges: bytes\r\nContent-Range: bytes 0-0/2\r\nVary: Accept-Encoding\r\n\r\nh", ""},
		{"an ETag that was set", "GET", accepts, func() *rawhttp.Response { return text().Set("ETag", `"a"`) },
			strings.Replace(coded, "x\r\n", "x\r\nETag: W/\"a-x\"\r\n", 1) + chunks, ""},
		{"Accept-Ranges that was set", "GET", accepts, func() *rawhttp.Response { return text().Set("Accept-Ranges", "bytes") }, coded + chunks, ""},
		{"Vary that was set", "GET", accepts, func() *rawhttp.Response { return text().Set("Vary", "Origin, accept-encoding") },
			strings.Replace(coded, "Accept-Encoding", "Origin, accept-encoding", 1) + chunks, "once"},
		{"304", "GET", accepts + "If-None-Match: \"v1\"\r\n", func() *rawhttp.Response {
			return rawhttp.Empty(304).Set("ETag", `"v1"`)
		}, "HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\nVary: Accept-Encoding\r\n\r\n", "RFC 9110, section 15.4.5: as the 200 would have"},
		{"coded already", "GET", accepts, func() *rawhttp.Response { return text().Set("Content-Encoding", "y") },
			"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\nContent-Encoding: y\r\n\r\nhi", ""},
		{"206", "GET", accepts, func() *rawhttp.Response {
			return rawhttp.Bytes(206, "", []byte("h")).Set("Content-Range", "bytes 0-0/2")
		},
			"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\nContent-Range: bytes 0-0/2\r\n\r\nh", ""},
		{"404", "GET", accepts, rawhttp.NotFound, "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 14\r\n\r\n404 Not Found\n", ""},
		{"204", "GET", accepts, func() *rawhttp.Response { return rawhttp.Empty(204) }, "HTTP/1.1 204 No Content\r\n\r\n", ""},
		{"content that fails", "GET", accepts, func() *rawhttp.Response {
			return rawhttp.Stream(200, "a/b", iotest.ErrReader(errors.New("broken")))
		}, ownError("500 Internal Server Error", "Vary: Accept-Encoding"), "nothing has been sent"},
		{"content that is shorter than its size", "GET", accepts, func() *rawhttp.Response {
			return rawhttp.Content(rawhttp.Representation{Body: strings.NewReader("h"), Size: 2})
		}, ownError("500 Internal Server Error", "Vary: Accept-Encoding"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
				return tt.make().Encode(req, "x", bracket), nil
			})
			got := rawhttp.Answer(r, tt.method+" / HTTP/1.1\r\nHost: a\r\n"+tt.fields+"\r\n")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s\nwhy: %s", diff, tt.why)
			}
		})
	}
}

// Of two Encode calls only the first whose coding the client accepts applies.
func TestEncodeTwice(t *testing.T) {
	r := resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, "hi").Encode(req, "x", bracket).Encode(req, "y", bracket), nil
	})
	for accepts, want := range map[string]string{
		"x, y": "Transfer-Encoding: chunked\r\nContent-Encoding: x\r\nVary: Accept-Encoding\r\n\r\n4\r\n[hi]\r\n0\r\n\r\n",
		"y":    "Transfer-Encoding: chunked\r\nContent-Encoding: y\r\nVary: Accept-Encoding\r\n\r\n4\r\n[hi]\r\n0\r\n\r\n",
		"z":    "Content-Length: 2\r\nVary: Accept-Encoding\r\n\r\nhi",
	} {
		got := rawhttp.Answer(r, "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: "+accepts+"\r\n\r\n")
		if diff := cmp.Diff("HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"+want, got); diff != "" {
			t.Errorf("%s: answer (-want +got):\n%s", accepts, diff)
		}
	}
}

// For HEAD a coded listing has the fields of GET, though its content is not made.
func TestEncodeListing(t *testing.T) {
	files := filesOfFS(t, fstest.MapFS{"a.txt": {Data: []byte("hi")}}, rawhttp.WithListing(rawhttp.ListText))
	r := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		resp, err := files.Resolve(ctx, req)
		if err != nil {
			return nil, err
		}
		return resp.Encode(req, "x", bracket), nil
	})
	got := rawhttp.Answer(r, "HEAD / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: x\r\n\r\n")
	want := "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Encoding: x\r\nCache-Control: no-cache\r\n" +
		"Vary: Accept\r\nX-Content-Type-Options: nosniff\r\nVary: Accept-Encoding\r\n\r\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

// An encoded clone of a Response that may be shared leaves it usable; one of a Response that
// serves once is closed once.
func TestEncodeServes(t *testing.T) {
	large := strings.Repeat("a row of the table\n", 10_000)
	shared := rawhttp.Content(rawhttp.Representation{MediaType: "text/plain", Body: strings.NewReader(large), Size: int64(len(large))})
	encode := func(resp *rawhttp.Response) *rawhttp.Response {
		req := requestOf(t, "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
		return resp.Encode(req, "gzip", func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	}
	check := func(resp *rawhttp.Response) {
		var coded bytes.Buffer
		if _, err := resp.WriteContent(context.Background(), &coded); err != nil {
			t.Error(err)
			return
		}
		plain, err := gzip.NewReader(&coded)
		if err != nil {
			t.Error(err)
			return
		}
		if got, err := io.ReadAll(plain); err != nil || string(got) != large {
			t.Errorf("decoded %d bytes, %v, want the content", len(got), err)
		}
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { check(encode(shared)) })
	}
	all.Wait()
	for _, kind := range closeKinds {
		once, closed := kind.make(t, large)
		coded := encode(once)
		check(coded)
		if _, err := once.WriteContent(t.Context(), io.Discard); err == nil {
			t.Errorf("%s: the Response serves again after its encoded clone", kind.name)
		}
		if coded.Close(); closed.Load() != 1 {
			t.Errorf("%s: closed %d times, want once", kind.name, closed.Load())
		}
	}
}

// A closeRecorder is an encoder that holds resources until it is closed.
type closeRecorder struct {
	io.Writer
	closed *int
}

func (c closeRecorder) Close() error {
	*c.closed++
	_, err := io.WriteString(c.Writer, strings.Repeat("z", 100_000)+"THE END") // more than a buffer holds
	return err
}

// The encoder is closed once, even if the content fails or panics. The bytes that Close writes
// then are not sent.
func TestEncodeClosesEncoder(t *testing.T) {
	req := requestOf(t, "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: x\r\n\r\n")
	for name, f := range map[string]func(w io.Writer) error{
		"is whole": func(w io.Writer) error { return nil },
		"fails":    func(w io.Writer) error { return errors.New("no more") },
		"panics":   func(w io.Writer) error { panic("no more") },
	} {
		closed := 0
		resp := rawhttp.StreamFunc(200, "", func(ctx context.Context, w io.Writer) error {
			io.WriteString(w, strings.Repeat("a", 100_000))
			return f(w)
		}).Encode(req, "x", func(w io.Writer) io.WriteCloser { return closeRecorder{w, &closed} })
		got := rawhttp.Answer(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return resp, nil }),
			"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: x\r\n\r\n")
		if ended := strings.Contains(got, "z"); closed != 1 || ended != (name == "is whole") || ended != strings.Contains(got, "THE END") {
			t.Errorf("content that %s: encoder was closed %d times, its end was sent: %v", name, closed, ended)
		}
	}
}

func TestEncodeMisuse(t *testing.T) {
	req := requestOf(t, get11)
	for name, resp := range map[string]*rawhttp.Response{
		"no token":        rawhttp.Text(200, "").Encode(req, "a b", bracket),
		"nil function":    rawhttp.Text(200, "").Encode(req, "x", nil),
		"earlier mistake": rawhttp.Text(200, "").Set("Date", "").Encode(req, "x", bracket),
	} {
		if resp.Err() == nil {
			t.Errorf("%s: Err = nil, want an error", name)
		}
	}
	defer func() {
		if got := fmt.Sprint(recover()); got != "rawhttp: Encode: the Request is nil" {
			t.Errorf("Encode with a nil Request: panic %q", got)
		}
	}()
	rawhttp.Text(200, "").Encode(nil, "x", bracket)
}
