package wire

import (
	"fmt"
	"strings"
	"testing"

	"example.com/rawhttp/internal/testkit"
)

// parseBenchHeads are heads as clients send them.
var parseBenchHeads = map[string]string{
	"50 byte head":          "GET /index.html HTTP/1.1\r\nHost: localhost:8080\r\n\r\n",
	"434 byte browser head": testkit.BrowserHead,
	"chunked POST":          "POST /upload HTTP/1.1\r\nHost: localhost:8080\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}

// The heads have the lengths in their names.
func TestParseBenchHeads(t *testing.T) {
	for name, in := range parseBenchHeads {
		var n int
		if _, err := fmt.Sscanf(name, "%d byte", &n); err == nil && n != len(in) {
			t.Errorf("the %s has %d bytes, want the number in its name", name, len(in))
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for _, name := range []string{"50 byte head", "434 byte browser head"} {
		b.Run(name, func(b *testing.B) {
			in := []byte(parseBenchHeads[name])
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			var r request
			for b.Loop() {
				if _, err := r.Parse(in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkParseByteByByte passes the parser one byte more at a time. The cost per byte
// must not grow with the head.
func BenchmarkParseByteByByte(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 10} {
		b.Run(fmt.Sprintf("%d KiB", size>>10), func(b *testing.B) {
			const start, line = "GET /index.html HTTP/1.1\r\nHost: localhost:8080\r\n", "X-Field: %s\r\n"
			lines := (size - len(start)) / 300
			last := size - len(start) - lines*300 + 300 - len("X-Field: \r\n\r\n")
			in := []byte(start +
				strings.Repeat(fmt.Sprintf(line, strings.Repeat("v", 300-len("X-Field: \r\n"))), lines-1) +
				fmt.Sprintf(line, strings.Repeat("v", last)) + "\r\n")
			b.ReportAllocs()
			var r request
			for b.Loop() {
				p := parserOf(&r, DefaultLimits)
				for n := range len(in) {
					if _, err := p.Parse(in[:n]); err != ErrIncomplete {
						b.Fatalf("%d of %d bytes: %v", n, len(in), err)
					}
				}
				if n, err := p.Parse(in); err != nil || n != size {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(in)), "ns/byte")
		})
	}
}

func BenchmarkPath(b *testing.B) {
	for _, tt := range []struct{ name, target string }{
		{"clean", "/docs/a/page/of/its/own.html"},
		{"percent-encoded", "/docs/a%20page%20of%20its%20own.html"},
		{"dot segments", "/docs/./a/../b//c/../../own.html"},
	} {
		b.Run(tt.name, func(b *testing.B) {
			var h Head
			text := []byte(tt.target)
			b.ReportAllocs()
			for b.Loop() {
				h.Text = append(h.Text[:0], text...)
				h.RawPath = NewSpan(0, len(text))
				if err := h.DecodePath(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAuthority(b *testing.B) {
	for _, host := range []string{"localhost:8080", "127.0.0.1:8080", "www.example.com"} {
		b.Run(host, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				AuthorityError([]byte(host))
			}
		})
	}
}
