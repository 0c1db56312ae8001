package rawhttp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
	"testing/iotest"

	"example.com/rawhttp/internal/testkit"
	"example.com/rawhttp/internal/wire"
	"github.com/google/go-cmp/cmp"
)

// A bodySource is a connection that returns at most n bytes per Read, all of them if n
// is 0, and then ends, with io.EOF if end is nil.
type bodySource struct {
	data  string
	n     int
	end   error
	reads int
}

func (s *bodySource) Read(p []byte) (int, error) {
	s.reads++
	if len(p) == 0 {
		return 0, nil
	}
	if s.data == "" {
		if s.end != nil {
			return 0, s.end
		}
		return 0, io.EOF
	}
	if s.n > 0 && len(p) > s.n {
		p = p[:s.n]
	}
	n := copy(p, s.data)
	s.data = s.data[n:]
	return n, nil
}

// bodySplits are the numbers of bytes that a connection returns per Read; 0 means all.
var bodySplits = []int{0, 1, 2, 3, 5, 7, 64, 255, 256, 257, 258, 4095, 4096, 4097}

const (
	bodyChunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	bodyFixed   = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
)

// bodyOf returns the content of a request with the given head. wire begins with that content.
func bodyOf(t testing.TB, head, wire string, split int, limit int64) (*content, *Request, *bodySource) {
	t.Helper()
	req := requestOf(t, head)
	src := &bodySource{data: wire, n: split}
	c := newContent(&inbuf{src: src}, req, limit)
	req.Body = c
	return c, req, src
}

// restOf returns the bytes of a connection after the content.
func restOf(c *content, src *bodySource) string { return string(c.in.bytes()) + src.data }

// readAllBy reads with buffers of size bytes.
func readAllBy(r io.Reader, size int) (string, error) {
	var all strings.Builder
	p := make([]byte, size)
	for {
		n, err := r.Read(p)
		all.Write(p[:n])
		if err != nil {
			return all.String(), err
		}
	}
}

func TestContent(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("0123456789abcdef", 2000)
	tests := []struct {
		name, head, wire, want string
		trailer                []string
		why                    string
	}{
		{"fixed length of 0", fmt.Sprintf(bodyFixed, 0), "", "", nil, ""},
		{"fixed length", fmt.Sprintf(bodyFixed, 5), "hello", "hello", nil, ""},
		{"fixed length, CRLF in the content", fmt.Sprintf(bodyFixed, 4), "\r\n\r\n", "\r\n\r\n", nil, "content may be any bytes"},
		{"large fixed length", fmt.Sprintf(bodyFixed, len(large)), large, large, nil, ""},
		{"one chunk", bodyChunked, "5\r\nhello\r\n0\r\n\r\n", "hello", nil, ""},
		{"the last chunk alone", bodyChunked, "0\r\n\r\n", "", nil, ""},
		{"the last chunk with many zeros", bodyChunked, "0000000000000000\r\n\r\n", "", nil, "last-chunk = 1*(\"0\"), up to our 16 digits"},
		{"chunks", bodyChunked, "1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n", "abcdef", nil, ""},
		{"upper and lower case digits", bodyChunked, "a\r\n0123456789\r\nA\r\n0123456789\r\n0F\r\n0123456789abcde\r\n0\r\n\r\n", "012345678901234567890123456789abcde", nil, "HEXDIG is case-insensitive, RFC 5234, appendix B.1 and section 2.3"},
		{"leading zeros", bodyChunked, "0000000000000005\r\nhello\r\n0\r\n\r\n", "hello", nil, "16 digits are allowed"},
		{"a chunk that contains a chunk", bodyChunked, "7\r\n0\r\n\r\nab\r\n0\r\n\r\n", "0\r\n\r\nab", nil, "data may be any bytes"},
		{"a large chunk", bodyChunked, fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(large), large), large, nil, ""},
		{"extension", bodyChunked, "5;a\r\nhello\r\n0;b=c\r\n\r\n", "hello", nil, "\"A recipient MUST ignore unrecognized chunk extensions\", RFC 9112, section 7.1.1"},
		{"extensions", bodyChunked, "5;a;b=c;d=\"e;f\";g\r\nhello\r\n0\r\n\r\n", "hello", nil, "a semicolon in a quoted string is not a separator"},
		{"blanks around the semicolon", bodyChunked, "5 ;a=b\r\nhello\r\n0\t;\t c\r\n\r\n", "hello", nil, "BWS, RFC 9112, section 7.1.1"},
		{"blanks around the equals sign", bodyChunked, "5;a = b\r\nhello\r\n0;a\t=\t\"b\"\r\n\r\n", "hello", nil, "BWS, RFC 9112, section 7.1.1"},
		{"quoted extension", bodyChunked, "5;a=\"b\\\"c\\\\ \t\xff\"\r\nhello\r\n0;a=\"\"\r\n\r\n", "hello", nil, "quoted-pair and obs-text, RFC 9110, section 5.6.4"},
		{"trailer", bodyChunked, "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", "hello", []string{"X-Sum: 1"}, ""},
		{"trailers", bodyChunked, "0\r\nB: 1\r\na:\t2 \r\nb:3\r\nC:\r\nD: \xe9\t.\r\n\r\n", "", []string{"B: 1", "a: 2", "b: 3", "C: ", "D: \xe9\t."}, "in order, names as received, values trimmed"},
	}
	const next = "GET /next HTTP/1.1\r\n"
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, split := range bodySplits {
				for _, size := range []int{1, 3, 4096, 10_000} {
					for _, after := range []string{"", next} {
						c, req, src := bodyOf(t, tt.head, tt.wire+after, split, 0)
						got, err := readAllBy(c, size)
						if err != io.EOF || got != tt.want {
							t.Fatalf("Read of %q, %d bytes at a time into %d, returns %q, %v, want %q, io.EOF\nwhy: %s",
								testkit.Shorten(tt.wire), split, size, testkit.Shorten(got), err, testkit.Shorten(tt.want), tt.why)
						}
						if rest := restOf(c, src); rest != after {
							t.Errorf("Read of %q, %d bytes at a time into %d, leaves %q, want the next request, %q", testkit.Shorten(tt.wire), split, size, rest, after)
						}
						var trailer []string
						for name, value := range req.Trailer().All() {
							trailer = append(trailer, name+": "+value)
						}
						if diff := cmp.Diff(tt.trailer, trailer); diff != "" {
							t.Errorf("Trailer of %q (-want +got):\n%s\nwhy: %s", tt.wire, diff, tt.why)
						}
						if c.fault() != nil {
							t.Errorf("fault() = %v after the end, want nil", c.fault())
						}
					}
				}
			}
		})
	}
}

func TestContentRefuses(t *testing.T) {
	const (
		size    = "chunk size is not a hexadecimal number"
		ext     = "chunk extension is malformed"
		data    = "chunk data does not end in CRLF"
		noLF    = "CR is not followed by LF"
		noCR    = "line ends in LF without CR"
		chunked = "RFC 9112, section 7.1"
		exts    = "RFC 9112, section 7.1.1"
	)
	long := strings.Repeat("x", 300)
	blanks := strings.Repeat(" ", 300)
	tests := []struct {
		name, in string
		offset   int
		reason   string
		section  string
	}{
		{"size with a plus sign", "+1\r\na\r\n", 0, size, chunked},
		{"size with a minus sign", "-1\r\na\r\n", 0, size, chunked},
		{"size with 0x", "0x1\r\na\r\n", 1, ext, exts},
		{"size with an underscore", "1_0\r\na\r\n", 1, ext, exts},
		{"blank before the size", " 1\r\na\r\n", 0, size, chunked},
		{"HTAB before the size", "\t1\r\na\r\n", 0, size, chunked},
		{"blank after the size", "1 \r\na\r\n", 2, ext, exts},
		{"empty size", "\r\na\r\n", 0, size, chunked},
		{"extension without a size", ";a\r\n", 0, size, chunked},
		{"17 digits", "00000000000000001\r\na\r\n", 16, "chunk size has more than 16 digits", chunked},
		{"more digits than a line has bytes", strings.Repeat("0", 300), 16, "chunk size has more than 16 digits", chunked},
		{"not a hexadecimal digit", "g\r\n", 0, size, chunked},
		{"size in 8-bit digits", "\xb1\r\na\r\n", 0, size, chunked},
		{"NUL after the size", "1\x00\r\na\r\n", 1, ext, exts},
		{"decimal point", "1.0\r\na\r\n", 1, ext, exts},
		{"line ends in LF", "1\na\r\n", 1, noCR, "RFC 9112, section 2.2"},
		{"line ends in CR", "1\ra\r\n", 1, noLF, "RFC 9112, section 2.2"},
		{"line ends in CR CR LF", "1\r\r\na\r\n", 1, noLF, "RFC 9112, section 2.2"},
		{"bare LF in an extension", "1;a\nb\r\na\r\n", 3, noCR, "RFC 9112, section 2.2"},
		{"bare CR in an extension", "1;a\rb\r\na\r\n", 3, noLF, "RFC 9112, section 2.2"},
		{"empty extension", "1;\r\na\r\n", 2, ext, exts},
		{"empty extension before another", "1;;a\r\na\r\n", 2, ext, exts},
		{"extension without a name", "1;=b\r\na\r\n", 2, ext, exts},
		{"extension without a value", "1;a=\r\na\r\n", 4, ext, exts},
		{"extension with two values", "1;a=b=c\r\na\r\n", 5, ext, exts},
		{"extension of two words", "1;a b\r\na\r\n", 4, ext, exts},
		{"blank at the end of an extension", "1;a \r\na\r\n", 4, ext, exts},
		{"control byte in an extension name", "1;a\x01\r\na\r\n", 3, ext, exts},
		{"control byte in an extension value", "1;a=\x7f\r\na\r\n", 4, ext, exts},
		{"8-bit byte in an extension", "1;\xe9\r\na\r\n", 2, ext, exts},
		{"control byte in a quoted string", "1;a=\"b\x01\"\r\na\r\n", 6, ext, exts},
		{"control byte in a quoted pair", "1;a=\"\\\x00\"\r\na\r\n", 6, ext, exts},
		{"quoted string that is not ended", "1;a=\"b\r\na\r\n", 6, ext, exts},
		{"word after a quoted string", "1;a=\"b\"c\r\na\r\n", 7, ext, exts},
		{"comma for a semicolon", "1,a\r\na\r\n", 1, ext, exts},
		{"chunk line of 257 bytes", "1;" + long[:255] + "\r\na\r\n", 256, "chunk size and extensions are longer than 256 bytes", exts},
		{"chunk line without end", "1;" + long, 256, "chunk size and extensions are longer than 256 bytes", exts},
		{"chunk line of blanks", "1" + blanks + "\r\na\r\n", 256, "chunk size and extensions are longer than 256 bytes", exts},
		{"quoted string longer than the line may be", "1;a=\"" + long + "\x01", 256, "chunk size and extensions are longer than 256 bytes", exts},
		{"control byte after 256 bytes", "1;a=\"" + long[:252] + "\x01", 256, "chunk size and extensions are longer than 256 bytes", exts},
		{"control byte as byte 257", "1;a=\"" + long[:251] + "\x01", 256, ext, exts},
		{"256 blanks", "1" + blanks[:256] + "\r\n", 256, "chunk size and extensions are longer than 256 bytes", exts},
		{"255 blanks", "1" + blanks[:255] + "\r\n", 256, ext, exts},
		{"256 bytes and a bare CR", "1;" + long[:254] + "\rx", 256, noLF, "RFC 9112, section 2.2"},
		{"data longer than its size", "1\r\nab\r\n0\r\n\r\n", 4, data, chunked},
		{"data shorter than its size", "3\r\nab\r\n0\r\n\r\n", 6, data, chunked},
		{"data ends in LF", "1\r\na\n0\r\n\r\n", 4, data, chunked},
		{"data ends in CR", "1\r\na\r0\r\n\r\n", 5, data, chunked},
		{"second size malformed", "1\r\na\r\nx\r\n", 6, size, chunked},
		{"second line ends in LF", "1\r\na\r\n0\n\n", 7, noCR, "RFC 9112, section 2.2"},
		{"trailer section ends in LF", "0\r\n\n", 3, noCR, "RFC 9112, section 2.2"},
		{"trailer line ends in LF", "0\r\nA: b\n\r\n", 7, noCR, "RFC 9112, section 2.2"},
		{"trailer section ends in CR", "0\r\n\rA: b\r\n", 3, noLF, "RFC 9112, section 2.2"},
		{"trailer without a colon", "0\r\nA\r\n\r\n", 4, "field line has no colon", "RFC 9112, section 5"},
		{"trailer with a space before the colon", "0\r\nA : b\r\n\r\n", 4, "field name is not a token", "RFC 9112, section 5.1"},
		{"trailer with a bare CR", "0\r\nA: b\rc\r\n\r\n", 7, noLF, "RFC 9112, section 2.2"},
		{"trailer with NUL", "0\r\nA: b\x00\r\n\r\n", 7, "field value has a control byte", "RFC 9110, section 5.5"},
		{"folded trailer line", "0\r\nA: b\r\n c\r\n\r\n", 9, "field line begins with white space, which is obsolete line folding", "RFC 9112, section 5.2"},
		{"trailer section begins with a blank", "0\r\n A: b\r\n\r\n", 3, "white space before the first field line", "RFC 9112, section 2.2"},
	}
	for _, name := range []string{"Content-Length", "Transfer-Encoding", "Host", "content-length", "HOST", "Content_Length", "Transfer_Encoding", "TRANSFER_encoding"} {
		tests = append(tests, struct {
			name, in string
			offset   int
			reason   string
			section  string
		}{"trailer " + name, "1\r\na\r\n0\r\nA: b\r\n" + name + ": 0\r\n\r\n", 15, "field is not allowed in a trailer section", "RFC 9110, section 6.5.1"})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := &ParseError{400, tt.offset, tt.reason, tt.section}
			for _, split := range bodySplits {
				for _, after := range []string{"", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"} {
					in := tt.in + after
					c, req, src := bodyOf(t, bodyChunked, in, split, 0)
					_, err := readAllBy(c, 4096)
					var got *ParseError
					errors.As(err, &got)
					if diff := cmp.Diff(want, got); diff != "" {
						t.Fatalf("Read of %q, %d bytes a time: %v (-want +got):\n%s", testkit.Shorten(in), split, err, diff)
					}
					if errors.Is(err, io.ErrUnexpectedEOF) || StatusOf(err) != 400 {
						t.Errorf("Read of %q: %v has status %d, want 400 and not io.ErrUnexpectedEOF", testkit.Shorten(in), err, StatusOf(err))
					}
					if req.Trailer().Len() > 0 {
						t.Errorf("Read of %q set %d trailer fields, want none", in, req.Trailer().Len())
					}

					reads := src.reads
					for range 3 {
						if n, again := c.Read(make([]byte, 10)); n != 0 || again != err {
							t.Errorf("Read after %v = %d, %v, want 0 and the same error", err, n, again)
						}
					}
					if src.reads != reads {
						t.Errorf("%d reads of the connection after an error, want none", src.reads-reads)
					}
					if c.fault() != err {
						t.Errorf("fault() = %v, want %v", c.fault(), err)
					}
				}
			}
		})
	}
}

// FuzzChunked compares the chunked reader with one that follows the grammar, based on that of
// net/http, and its sizes with math/big, and checks that the way in which the input is split
// makes no difference.
func FuzzChunked(f *testing.F) {
	for _, s := range []string{
		"5\r\nhello\r\n0\r\n\r\n", "1 ;a=b\r\nx\r\n0\r\nT: v\r\n\r\n", "0;a=\"b;\\\"c\"\r\n\r\n",
		"ffffffffffffffff\r\n", "1\nx\n0\n\n", "1;\r\nx\r\n", "+1\r\nx\r\n", "0001\r\nx\r\n0\r\n\r\n",
		"3\r\nabcX\r\n", "0\r\nHost: a\r\n\r\n", "0\r\n\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		whole, trailer, wholeErr := readChunked(bytes.NewReader(in))
		slow, slowTrailer, slowErr := readChunked(iotest.OneByteReader(bytes.NewReader(in)))
		if !bytes.Equal(whole, slow) || fmt.Sprint(wholeErr) != fmt.Sprint(slowErr) || trailer.Len() != slowTrailer.Len() {
			t.Fatalf("Read of %q = %q, %v; a byte at a time: %q, %v", in, whole, wholeErr, slow, slowErr)
		}
		if wholeErr != nil {
			return
		}
		if bytes.ContainsAny(in, " \t") {
			return // blanks around the semicolon are BWS (RFC 9112, section 7.1.1); net/http rejects some
		}
		theirs, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(in)))
		if err != nil || !bytes.Equal(whole, theirs) {
			t.Fatalf("Read accepts %q as %q; net/http: %q, %v", in, whole, theirs, err)
		}
	})
}

func readChunked(r io.Reader) ([]byte, Header, error) {
	req := &Request{requestData: requestData{head: wire.Head{ContentLength: -1}}}
	c := newContent(&inbuf{src: r}, req, 1<<20)
	b, err := io.ReadAll(c)
	return b, req.Trailer(), err
}
