package coding

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// encode returns the text as encoded by the writer that compress returns.
func encode(t *testing.T, text string, compress func(io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var b bytes.Buffer
	w := compress(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(header gzip.Header) func(io.Writer) io.WriteCloser {
	return func(w io.Writer) io.WriteCloser {
		z := gzip.NewWriter(w)
		z.Header = header
		return z
	}
}

func zlibbed(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }

func deflated(w io.Writer) io.WriteCloser {
	z, err := flate.NewWriter(w, flate.BestCompression)
	if err != nil {
		panic(err)
	}
	return z
}

func TestDecode(t *testing.T) {
	const text = "hello, hello, hello"
	plain := encode(t, text, gzipped(gzip.Header{}))
	full := encode(t, text, gzipped(gzip.Header{Name: "a.txt", Comment: "b", Extra: []byte("cde")}))
	withCRC := bytes.Clone(plain) // FHCRC is a flag that gzip.Writer cannot set (RFC 1952, section 2.3)
	withCRC[3] |= 2
	withCRC = append(withCRC[:10:10], append([]byte("\x12\x34"), withCRC[10:]...)...)
	tests := []struct {
		name, coding string
		b            []byte
		want         string
		why          string
	}{
		{"gzip", "gzip", plain, text, ""},
		{"upper case", "GZIP", plain, text, "content codings are case-insensitive (RFC 9110, section 8.4.1)"},
		{"x-gzip", "x-gzip", plain, text, "a recipient should treat it as gzip (RFC 9110, section 8.4.1.3)"},
		{"gzip with all header fields", "gzip", full, text, "each is optional (RFC 1952, section 2.3)"},
		{"gzip with a CRC of its header", "gzip", withCRC, text, ""},
		{"zlib", "deflate", encode(t, text, zlibbed), text, "deflate means the zlib format (RFC 9110, section 8.4.1.2)"},
		{"raw deflate", "deflate", encode(t, text, deflated), text, "some senders leave out the zlib header"},
		{"the first half", "gzip", encode(t, strings.Repeat("0123456789abcdef", 4), gzipped(gzip.Header{}))[:24], "0123456789abc", "content may be incomplete"},
		{"a decompression bomb", "gzip", encode(t, strings.Repeat("a", 10*maxDecoded), gzipped(gzip.Header{})), strings.Repeat("a", maxDecoded), "its size is limited"},
		{"not gzip", "gzip", []byte("hello, hello, hello"), "", ""},
		{"not gzip after the header", "gzip", append(bytes.Clone(plain[:10]), "\xffhello"...), "", "block type 3 is reserved (RFC 1951, section 3.2.3)"},
		{"not deflate", "deflate", []byte("\xffhello"), "", ""},
		{"only a header", "gzip", plain[:10], "", ""},
		{"an unterminated name in the header", "gzip", append(append([]byte{}, full[:4]...), "\x00\x00\x00\x00\x00\x00abc"...), "", ""},
		{"nothing", "gzip", nil, "", ""},
		{"br", "br", plain, "", "the standard library has no decoder"},
		{"identity", "identity", []byte(text), "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Decode(tt.coding, tt.b)
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("Decode(%q, %q) (-want +got):\n%s\nwhy: %s", tt.coding, tt.b, diff, tt.why)
			}
			if tt.want == "" && got != nil { // a transcript must say that it cannot be decoded
				t.Errorf("Decode(%q, %q) = %q, want nil", tt.coding, tt.b, got)
			}
		})
	}
}

// Content that is cut at any byte decodes to a prefix of the text, which grows with the content.
func TestDecodeEveryPrefix(t *testing.T) {
	const text = "hello, hello, hello"
	for _, tt := range []struct {
		coding string
		b      []byte
	}{
		{"gzip", encode(t, text, gzipped(gzip.Header{Name: "a.txt", Comment: "b", Extra: []byte("cde")}))},
		{"deflate", encode(t, text, zlibbed)},
		{"deflate", encode(t, text, deflated)},
	} {
		shorter, parts := "", 0
		for n := range len(tt.b) + 1 {
			got := string(Decode(tt.coding, tt.b[:n]))
			if !strings.HasPrefix(text, got) || !strings.HasPrefix(got, shorter) {
				t.Errorf("Decode(%q, %q) = %q, want a prefix of %q that begins with %q", tt.coding, tt.b[:n], got, text, shorter)
			}
			if got != "" && got != text {
				parts++
			}
			shorter = got
		}
		if shorter != text || parts == 0 {
			t.Errorf("Decode(%q, %q) = %q, and a part of the text for %d prefixes, want %q, and a part for some", tt.coding, tt.b, shorter, parts, text)
		}
	}
}
