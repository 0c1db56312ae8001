package conformance_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp/internal/ascii"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// A writeRandom generates random responses and parts of them.
type writeRandom struct{ *rand.Rand }

func (r writeRandom) from(alphabet string, least, most int) string {
	b := make([]byte, least+r.IntN(most-least+1))
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

// bytes returns content, mostly short but sometimes longer than any buffer.
func (r writeRandom) bytes() []byte {
	n := r.IntN(20)
	switch r.IntN(10) {
	case 0:
		n = 0
	case 1:
		n = r.IntN(200_000)
	case 2, 3:
		n = copyBuffer - 2 + r.IntN(5)
	}
	pattern := r.from("ab\r\n0;\x00\xff", 7, 13)
	return []byte(strings.Repeat(pattern, n/len(pattern)+1)[:n])
}

// parts splits b at random positions, also into empty parts.
func (r writeRandom) parts(b []byte) (parts []string) {
	for len(b) > 0 {
		n := min(len(b), r.IntN(len(b)/3+3))
		parts = append(parts, string(b[:n]))
		b = b[n:]
	}
	return parts
}

func (r writeRandom) value() string {
	const visible = "!\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~\x80\xe9\xff"
	if r.IntN(10) == 0 {
		return ""
	}
	return r.from(visible, 1, 1) + r.from(visible+" \t", 0, 30) + r.from(visible, 1, 1)
}

// response returns a Response of a random kind with the content, and reports whether it supports
// ranges.
func (r writeRandom) response(content []byte) (resp *rawhttp.Response, rangeable bool) {
	statuses := []int{200, 201, 202, 203, 204, 205, 206, 299, 300, 304, 400, 404, 418, 451, 500, 503, 599}
	status := statuses[r.IntN(len(statuses))]
	mediaType := r.value()
	switch r.IntN(7) {
	case 0:
		return rawhttp.Bytes(status, mediaType, content), false
	case 1:
		return rawhttp.Text(status, string(content)), false
	case 2:
		return rawhttp.Stream(status, mediaType, respReader(r.parts(content)...)), false
	case 3:
		return rawhttp.StreamFunc(status, mediaType, writeEach(r.parts(content)...)), false
	case 4:
		return rawhttp.Content(rawhttp.Representation{MediaType: mediaType, Body: bytes.NewReader(content), Size: int64(len(content))}), true
	case 5:
		return rawhttp.Content(rawhttp.Representation{MediaType: mediaType, Body: bytes.NewReader(content), Size: -1}), false
	}
	return rawhttp.Content(rawhttp.Representation{MediaType: mediaType, Body: respReader(r.parts(content)...), Size: int64(len(content))}), false
}

// net/http parses the output of WriteResponse to the same status, fields (in order for each name)
// and content, with nothing after it.
func TestWriteResponseIsParsedByNetHTTP(t *testing.T) {
	t.Parallel()
	r := writeRandom{rand.New(rand.NewPCG(9110, 9112))}
	requests := []string{
		get11,
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
		"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.0\r\n\r\n",
		"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
		"HEAD / HTTP/1.0\r\n\r\n",
	}
	const tchars = "!#$%&'*+-.^_`|~09azAZ"
	rounds := 500
	if *long {
		rounds = 5000
	}
	for i := range rounds {
		content := r.bytes()
		resp, rangeable := r.response(content)
		for range r.IntN(6) {
			name, value := "X-"+r.from(tchars, 1, 8), r.value()
			if r.IntN(3) == 0 {
				resp.Set(name, value)
			}
			resp.Add(name, value)
		}
		if r.IntN(5) == 0 {
			resp.CloseAfter()
		}
		want := make(http.Header)
		for name, value := range resp.Fields() {
			name = textproto.CanonicalMIMEHeaderKey(name)
			want[name] = append(want[name], value)
		}
		status := resp.Status()
		if !ascii.MayHaveContent(status) {
			want.Del("Content-Type")
		}
		if rangeable {
			want.Set("Accept-Ranges", "bytes")
		}
		head := requests[r.IntN(len(requests))]
		req := requestOf(t, head)
		if req.Method() == "HEAD" || !ascii.MayHaveContent(status) {
			content = nil
		}

		var wire bytes.Buffer
		persist, err := rawhttp.WriteResponse(context.Background(), &wire, req, resp)
		if err != nil {
			t.Fatalf("response %d to %q: %v", i, head, err)
		}
		const following = "HTTP/1.1 200 OK\r\n"
		if persist {
			wire.WriteString(following)
		}
		br := bufio.NewReader(bytes.NewReader(wire.Bytes()))
		got, err := http.ReadResponse(br, &http.Request{Method: req.Method()})
		if err != nil {
			t.Fatalf("response %d to %q: http.ReadResponse(%q): %v", i, head, testkit.Shorten(wire.String()), err)
		}
		read, err := io.ReadAll(got.Body)
		if err != nil || !bytes.Equal(read, content) {
			t.Fatalf("response %d to %q: content %q, %v, want %q", i, head, testkit.Shorten(string(read)), err, testkit.Shorten(string(content)))
		}
		if got.StatusCode != status || got.Proto != "HTTP/1.1" {
			t.Errorf("response %d to %q: %s %d, want HTTP/1.1 %d", i, head, got.Proto, got.StatusCode, status)
		}
		if _, err := http.ParseTime(got.Header.Get("Date")); err != nil {
			t.Errorf("response %d: Date: %v", i, err)
		}
		for _, name := range []string{"Date", "Content-Length", "Transfer-Encoding", "Connection"} {
			got.Header.Del(name)
		}
		if diff := cmp.Diff(want, got.Header); diff != "" {
			t.Fatalf("response %d to %q: fields (-want +got):\n%s", i, head, diff)
		}
		if rest, _ := io.ReadAll(br); persist && string(rest) != following || !persist && len(rest) > 0 {
			t.Errorf("response %d to %q: %q after it, persist is %v", i, head, testkit.Shorten(string(rest)), persist)
		}
		if closes := strings.Contains(wire.String(), "\r\nConnection: close\r\n"); closes == persist {
			t.Errorf("response %d to %q: persist is %v, has Connection: close: %v", i, head, persist, closes)
		}
	}
}
