package conformance_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"testing"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/ascii"
	"example.com/rawhttp/internal/testkit"
)

// FuzzResponse checks that net/http reads back the same response that was written.
func FuzzResponse(f *testing.F) {
	f.Add(200, "text/plain", "X-A", "b", []byte("hello"), true)
	f.Add(404, "", "Set-Cookie", "a=b; c", []byte(nil), false)
	f.Add(304, "a/b", "Vary", "", []byte("dropped"), true)
	f.Fuzz(func(t *testing.T, status int, mediaType, name, value string, content []byte, stream bool) {
		resp := rawhttp.Bytes(status, mediaType, content)
		if stream {
			resp = rawhttp.Stream(status, mediaType, bytes.NewReader(content))
		}
		resp.Add(name, value)
		var wire bytes.Buffer
		if _, err := resp.WriteTo(&wire); err != nil {
			if wire.Len() > 0 || resp.Err() == nil {
				t.Fatalf("WriteTo = %v after %q", err, wire.String())
			}
			return
		}
		got, err := http.ReadResponse(bufio.NewReader(&wire), nil)
		if err != nil {
			t.Fatalf("ReadResponse of status %d, field %q: %q: %v", status, name, value, err)
		}
		b, err := io.ReadAll(got.Body)
		if err != nil {
			t.Fatalf("reading the content: %v", err)
		}
		if !ascii.MayHaveContent(status) {
			content = nil
		}
		if got.StatusCode != status || !bytes.Equal(b, content) {
			t.Fatalf("got %d %q, want %d %q", got.StatusCode, b, status, content)
		}
		if v := got.Header.Values(name); !ascii.EqualFold(name, "Content-Type") && !ascii.EqualFold(name, "Trailer") && !slices.Contains(v, value) {
			t.Fatalf("field %q is %q, want %q", name, v, value)
		}
	})
}

// FuzzConn checks that whatever a client sends, the server sends only complete responses and
// the connection ends.
func FuzzConn(f *testing.F) {
	for _, s := range testkit.HeadSeeds {
		f.Add([]byte(s))
	}
	f.Add([]byte("GET /a HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.0\r\n\r\n"))
	f.Add([]byte("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n3\r\nabc\r\n0\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var methods []string
		s := newServer(t, rawhttp.WithResolver(rawhttp.First(rawhttp.Mount("/echo", streamEcho), answerText("hello\n"))), rawhttp.WithTrace(rawhttp.Trace{Exchange: func(x rawhttp.Exchange) {
			method := "GET"
			if x.Request != nil {
				method = x.Request.Method()
			} else if x.Bytes == 0 { // a refused HEAD
				method = "HEAD"
			}
			methods = append(methods, method)
		}}))
		conn := &scriptedConn{in: bytes.NewReader(in)}
		cut := s.ServeConn(context.Background(), conn) != nil
		r := bufio.NewReader(bytes.NewReader(conn.out.Bytes()))
		for {
			if _, err := r.Peek(1); err == io.EOF {
				break
			}
			resp, err := http.ReadResponse(r, &http.Request{Method: append(methods, "")[0]})
			if err != nil {
				t.Fatalf("answer to %q is not a response: %v\n%q", in, err, conn.out.String())
			}
			if resp.StatusCode/100 != 1 {
				methods = methods[1:]
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil && !cut {
				t.Fatalf("answer to %q has incomplete content: %v", in, err)
			}
		}
		if len(methods) > 0 {
			t.Fatalf("%q: responses to %q are missing in %q", in, methods, conn.out.String())
		}
	})
}

// streamEcho answers with the content of the request as it arrives.
var streamEcho = rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	return rawhttp.Stream(200, "application/octet-stream", req.Body), nil
})
