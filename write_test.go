package rawhttp

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"example.com/rawhttp/internal/ascii"
)

// benchmarkWrite measures writing the answer to a request.
func benchmarkWrite(b *testing.B, request string, resp *Response) {
	var date ascii.DateCache
	format := &wireFormat{date: date.Text, contentLength: true}
	req := requestOf(b, request)
	out := &countingWriter{w: io.Discard}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := writeResponse(context.Background(), out, format, req, resp); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(out.n / int64(b.N))
}

func BenchmarkWrite(b *testing.B) {
	const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	large := strings.Repeat("x", 10<<10)
	rep := Representation{Body: strings.NewReader(large), Size: int64(len(large)), ModTime: time.Unix(1<<30, 0), ETag: `"e"`}
	b.Run("14 bytes", func(b *testing.B) { benchmarkWrite(b, get, Text(200, "Hello, World!\n")) })
	b.Run("10 KiB", func(b *testing.B) { benchmarkWrite(b, get, Text(200, large)) })
	b.Run("10 KiB of a Representation", func(b *testing.B) { benchmarkWrite(b, get, Content(rep)) })
	b.Run("10 fields", func(b *testing.B) {
		resp := Text(200, "Hello, World!\n")
		for range 10 {
			resp.Add("X-Field", "a value of some length")
		}
		benchmarkWrite(b, get, resp)
	})
}

func BenchmarkRange(b *testing.B) {
	content := strings.Repeat("0123456789", 1<<10)
	resp := Content(Representation{Body: strings.NewReader(content), Size: int64(len(content)), ETag: `"e"`})
	for name, ranges := range map[string]string{"one": "bytes=100-199", "three": "bytes=0-9,100-199,-10", "not satisfiable": "bytes=99999-"} {
		b.Run(name, func(b *testing.B) {
			benchmarkWrite(b, "GET / HTTP/1.1\r\nHost: a\r\nRange: "+ranges+"\r\n\r\n", resp)
		})
	}
}
