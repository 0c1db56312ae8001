package rawhttp

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp/internal/testkit"
)

// parseErrorIn is the *ParseError in err, nil if there is none.
func parseErrorIn(err error) *ParseError {
	var pe *ParseError
	errors.As(err, &pe)
	return pe
}

func TestChunkLineOf256Bytes(t *testing.T) {
	for _, line := range []string{
		"1;" + strings.Repeat("a", 254),
		"0000000000000001;" + strings.Repeat("a", 239),
		`1;a="` + strings.Repeat("b", 250) + `"`,
		"1" + strings.Repeat(" ", 253) + ";a",
	} {
		if len(line) != 256 {
			t.Fatalf("the chunk line has %d bytes, want 256", len(line))
		}
		for _, split := range bodySplits {
			c, _, _ := bodyOf(t, bodyChunked, line+"\r\na\r\n0\r\n\r\n", split, 0)
			if got, err := readAllBy(c, 10); got != "a" || err != io.EOF {
				t.Errorf("Read after a chunk line of 256 bytes, %d a time, returns %q, %v, want a, io.EOF", split, got, err)
			}
		}
	}
}

// chunksInExcess makes one-byte chunks whose framing exceeds the allowance by n bytes in all,
// and returns the offset after the chunk line that reaches n. A chunk exceeds it by the
// length of its line and, except in the first, of the CRLF after the previous data, less
// 16 bytes and 2 for its byte of data.
func chunksInExcess(n int) (wire string, data string, offset int) {
	var b strings.Builder
	for excess := 0; excess < n; {
		framing := len("1\r\n") - 16 - 2
		if data != "" {
			framing += len("\r\n")
		}
		ext := min(255, n-excess-framing)
		excess += framing + ext
		if ext > 0 {
			b.WriteString("1;" + strings.Repeat("x", ext-1) + "\r\n")
		}
		offset = b.Len()
		b.WriteString("a\r\n")
		data += "a"
	}
	return b.String(), data, offset
}

func TestFramingExcess(t *testing.T) {
	const most = 16 << 10
	for _, n := range []int{1000, most - 1, most} {
		wire, data, _ := chunksInExcess(n)
		for _, split := range bodySplits {
			c, _, _ := bodyOf(t, bodyChunked, wire+"0\r\n\r\n", split, 0)
			if got, err := readAllBy(c, 100); got != data || err != io.EOF {
				t.Errorf("Read of chunks with an excess of %d bytes, %d a time, returns %d bytes, %v, want %d, io.EOF", n, split, len(got), err, len(data))
			}
		}
	}
	wire, data, offset := chunksInExcess(most + 1)
	for _, split := range bodySplits {
		c, _, _ := bodyOf(t, bodyChunked, wire+"0\r\n\r\n", split, 0)
		got, err := readAllBy(c, 100)
		want := &ParseError{400, offset, "chunks are too small, or their extensions too long", "RFC 9112, section 7.1.1"}
		if diff := cmp.Diff(want, parseErrorIn(err)); diff != "" || got != data[1:] {
			t.Errorf("Read of chunks with an excess of %d bytes, %d a time, returns %d bytes, %v (-want +got):\n%s", most+1, split, len(got), err, diff)
		}
	}
}

// Data reduces the excess of framing, but never below 0.
func TestDataDoesNotPayForLaterFraming(t *testing.T) {
	large := fmt.Sprintf("%x\r\n%s\r\n", 100_000, strings.Repeat("x", 100_000))
	wire, data, _ := chunksInExcess(16<<10 + 1)
	c, _, _ := bodyOf(t, bodyChunked, large+wire+"0\r\n\r\n", 0, 0)
	got, err := readAllBy(c, 4096)
	// The CRLF after the large chunk is 2 bytes more, so the limit may be met one
	// chunk earlier.
	if pe := parseErrorIn(err); pe == nil || pe.Status != 400 || len(got) >= 100_000+len(data) {
		t.Errorf("Read returns %d bytes, %v, want 400: earlier data does not pay for framing", len(got), err)
	}

	// 16 bytes of framing a chunk, and two more for each byte of data, cost nothing,
	// however many chunks there are.
	const chunk = "1;234567890123456\r\na\r\n" // 17+2 bytes of line and 2 after the data, less 18: 3 too many
	const free = "1;234567890123\r\na\r\n"     // 14+2 bytes of line and 2 after the data, less 18: none
	for _, tt := range []struct {
		chunk string
		n     int
		want  int
	}{
		{free, 20_000, 200},
		{chunk, 16<<10/3 + 10, 400},
	} {
		c, _, _ := bodyOf(t, bodyChunked, strings.Repeat(tt.chunk, tt.n)+"0\r\n\r\n", 0, 0)
		_, err := readAllBy(c, 4096)
		if err == io.EOF {
			err = nil
		}
		if got := StatusOf(err); got != tt.want {
			t.Errorf("Read of %d chunks %q: status %d, %v, want %d", tt.n, tt.chunk, got, err, tt.want)
		}
	}
}

func TestTrailerLimits(t *testing.T) {
	const tooLong, section = "trailer section is too long", "RFC 9112, section 7.1.2"
	// fields makes n field lines that, with the empty line, are size bytes.
	fields := func(n, size int) string {
		var b strings.Builder
		for i := range n {
			left := size - b.Len() - len("\r\n")
			length := left / (n - i)
			line := fmt.Sprintf("X-%d: ", i)
			b.WriteString(line + strings.Repeat("v", length-len(line)-len("\r\n")) + "\r\n")
		}
		return b.String() + "\r\n"
	}
	tests := []struct {
		name, section string
		want          *ParseError
	}{
		{"8192 bytes in 4 fields", fields(4, 8192), nil},
		{"8192 bytes in one field", fields(1, 8192), nil},
		{"8193 bytes in 4 fields", fields(4, 8193), &ParseError{400, 3 + 8192, tooLong, section}},
		{"8193 bytes in one field", fields(1, 8193), &ParseError{400, 3 + 8192, tooLong, section}},
		{"100000 bytes in one field", fields(1, 100_000), &ParseError{400, 3 + 8192, tooLong, section}},
		{"a field name of 9000 bytes", strings.Repeat("n", 9000), &ParseError{400, 3 + 8192, tooLong, section}},
		{"32 fields", fields(32, 1000), nil},
		{"33 fields", fields(33, 1000), &ParseError{400, 3 + strings.Index(fields(33, 1000), "X-32"), tooLong, section}},
		{"1000 fields", strings.Repeat("A:\r\n", 1000), &ParseError{400, 3 + 32*4, tooLong, section}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, split := range bodySplits {
				c, req, src := bodyOf(t, bodyChunked, "0\r\n"+tt.section+"rest", split, 0)
				_, err := readAllBy(c, 10)
				if diff := cmp.Diff(tt.want, parseErrorIn(err)); diff != "" {
					t.Fatalf("Read, %d bytes a time: %v (-want +got):\n%s", split, err, diff)
				}
				if want := strings.Count(tt.section, "\r\n") - 1; tt.want == nil && req.Trailer().Len() != want {
					t.Errorf("%d trailer fields, want %d", req.Trailer().Len(), want)
				}
				if rest := restOf(c, src); tt.want == nil && rest != "rest" {
					t.Errorf("bytes left after the content are %q, want rest", testkit.Shorten(rest))
				}
			}
		})
	}
}

func TestMaximumContent(t *testing.T) {
	const limit = 100
	x := strings.Repeat("x", limit)
	chunk := func(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }
	tests := []struct {
		name, in, want string
		over           int // offset of the error; 0 if there is none
	}{
		{"one chunk at the limit", chunk(x) + "0\r\n\r\n", x, 0},
		{"many chunks at the limit", strings.Repeat(chunk("x"), limit) + "0\r\n\r\n", x, 0},
		{"one chunk over the limit", chunk(x + "x"), "", 4},
		{"one chunk far over the limit", "7fffffffffffffff\r\n", "", 18},
		{"one chunk beyond 63 bits", "ffffffffffffffff\r\n", "", 18},
		{"a second chunk over the limit", chunk(x) + "1\r\n", x, len(chunk(x)) + 3},
		{"many chunks over the limit", strings.Repeat(chunk("x"), limit) + "1\r\nx", x, len(chunk("x"))*limit + 3},
		{"a sum that wraps around", chunk("x") + "7fffffffffffffff\r\n", "x", len(chunk("x")) + 18},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, split := range bodySplits {
				c, _, _ := bodyOf(t, bodyChunked, tt.in, split, limit)
				got, err := readAllBy(c, 64)
				if got != tt.want {
					t.Errorf("Read returns %q, want %q, without any of the chunk that is too large", testkit.Shorten(got), tt.want)
				}
				if tt.over == 0 && err != io.EOF {
					t.Errorf("Read of exactly %d bytes: %v, want io.EOF", limit, err)
				}
				if want := (&ParseError{413, tt.over, "content is too large", "RFC 9110, section 15.5.14"}); tt.over > 0 {
					if diff := cmp.Diff(want, parseErrorIn(err)); diff != "" || StatusOf(err) != 413 {
						t.Errorf("Read: %v, status %d (-want +got):\n%s", err, StatusOf(err), diff)
					}
				}
			}
		})
	}

	c, _, _ := bodyOf(t, bodyChunked, chunk(strings.Repeat("x", 1<<20))+"0\r\n\r\n", 0, 0)
	if got, err := readAllBy(c, 4096); len(got) != 1<<20 || err != io.EOF {
		t.Errorf("Read without a limit returns %d bytes, %v, want 1 MiB, io.EOF", len(got), err)
	}
}

// Wherever within the content the connection ends, Read reports it.
func TestContentEndsEarly(t *testing.T) {
	tests := []struct{ name, head, wire string }{
		{"fixed length", fmt.Sprintf(bodyFixed, 5), "hello"},
		{"chunked", bodyChunked, "5;a=\"b c\"\r\nhello\r\n3 ; d\r\nabc\r\n0\r\n\r\n"},
		{"chunked with trailers", bodyChunked, "1\r\na\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for end := range len(tt.wire) {
				for _, split := range []int{0, 1, 3} {
					c, req, _ := bodyOf(t, tt.head, tt.wire[:end], split, 0)
					_, err := readAllBy(c, 4)
					want := &ParseError{400, end, "content ends early", "RFC 9112, section 8"}
					if diff := cmp.Diff(want, parseErrorIn(err)); diff != "" || !errors.Is(err, io.ErrUnexpectedEOF) || StatusOf(err) != 400 {
						t.Errorf("Read of %q, %d bytes a time: %v, want io.ErrUnexpectedEOF with 400 (-want +got):\n%s", tt.wire[:end], split, err, diff)
					}
					if _, again := c.Read(make([]byte, 1)); again != err {
						t.Errorf("Read again: %v, want %v", again, err)
					}
					if req.Trailer().Len() > 0 {
						t.Errorf("Read of %q set trailer fields, want none", tt.wire[:end])
					}
				}
			}
		})
	}
}

// Errors of the connection are returned unchanged.
func TestContentConnectionError(t *testing.T) {
	reset := errors.New("reset")
	for _, tt := range []struct{ head, wire string }{
		{fmt.Sprintf(bodyFixed, 5), "he"}, {bodyChunked, ""}, {bodyChunked, "5"}, {bodyChunked, "5\r\nhe"},
		{bodyChunked, "2\r\nhe\r"}, {bodyChunked, "0\r\n"}, {bodyChunked, "0\r\nA: b\r\n"},
	} {
		c, _, src := bodyOf(t, tt.head, tt.wire, 1, 0)
		src.end = reset
		for range 2 {
			if _, err := readAllBy(c, 4); err != reset {
				t.Errorf("Read of %q: %v, want %v", tt.wire, err, reset)
			}
		}
		if c.fault() != reset {
			t.Errorf("fault() = %v, want %v", c.fault(), reset)
		}
	}
}

func TestTrailerIsSetAtEOF(t *testing.T) {
	c, req, _ := bodyOf(t, bodyChunked, "3\r\nabc\r\n0\r\nX-A: 1\r\n\r\n", 0, 0)
	p := make([]byte, 3)
	if n, err := c.Read(p); n != 3 || err != nil {
		t.Fatalf("Read = %d, %v, want 3, nil", n, err)
	}
	if n := req.Trailer().Len(); n != 0 {
		t.Errorf("%d trailer fields before io.EOF, want none", n)
	}
	for range 3 {
		if n, err := c.Read(p); n != 0 || err != io.EOF {
			t.Errorf("Read = %d, %v, want 0, io.EOF", n, err)
		}
		if got := req.Trailer().Get("x-a"); got != "1" {
			t.Errorf("Trailer().Get(x-a) = %q, want 1", got)
		}
		if got := req.Header().Get("X-A"); got != "" {
			t.Errorf("Header().Get of the trailer field = %q, want none", got)
		}
	}
}

func TestContentReadZeroBytes(t *testing.T) {
	c, _, src := bodyOf(t, bodyChunked, "1\r\na\r\n0\r\n\r\n", 0, 0)
	if n, err := c.Read(nil); n != 0 || err != nil || src.reads > 0 {
		t.Errorf("Read(nil) = %d, %v after %d reads of the connection, want 0, nil, 0", n, err, src.reads)
	}
}

func TestContentAfterClose(t *testing.T) {
	c, _, _ := bodyOf(t, bodyChunked, "1\r\na\r\n0\r\n\r\n", 0, 0)
	c.endReading()
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || err == io.EOF {
		t.Errorf("Read after close = %d, %v, want an error other than io.EOF", n, err)
	}
}

// Read must not leave the next pipelined request in the caller's buffer, however large it is.
func TestContentDoesNotReadNextRequest(t *testing.T) {
	const next = "GET / HTTP/1.1\r\n"
	large := strings.Repeat("x", 2*minBuffer)
	tests := []struct{ name, head, wire, want string }{
		{"declared length", fmt.Sprintf(bodyFixed, 3), "abc", "abc"},
		{"small chunk", bodyChunked, "3\r\nabc\r\n0\r\n\r\n", "abc"},
		{"chunk of several reads", bodyChunked, fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(large), large), large},
	}
	for _, tt := range tests {
		for _, split := range bodySplits {
			c, _, src := bodyOf(t, tt.head, tt.wire+next, split, 0)
			p := make([]byte, 1<<16)
			n, err := io.ReadFull(c, p)
			if string(p[:n]) != tt.want || err != io.ErrUnexpectedEOF || strings.Trim(string(p[n:]), "\x00") != "" {
				t.Errorf("%s: ReadFull reads %d bytes, returns %v, and leaves %.40q after the content, want %d, io.ErrUnexpectedEOF and nothing",
					tt.name, n, err, strings.Trim(string(p[n:]), "\x00"), len(tt.want))
			}
			if rest := restOf(c, src); rest != next {
				t.Errorf("%s: bytes left after the content are %q, want the next request", tt.name, rest)
			}
		}
	}
}

// The framing after a chunk is read together with its data, so a chunk takes one read, not two.
func TestChunkTakesOneRead(t *testing.T) {
	const chunks, size = 20, 32 << 10
	chunk := fmt.Sprintf("%x\r\n%s\r\n", size, strings.Repeat("x", size))
	c, _, src := bodyOf(t, bodyChunked, strings.Repeat(chunk, chunks)+"0\r\n\r\n", 0, 0)
	if got, err := readAllBy(c, size); len(got) != chunks*size || err != io.EOF {
		t.Fatalf("read %d bytes, %v, want %d, io.EOF", len(got), err, chunks*size)
	}
	if most := chunks + 3; src.reads > most {
		t.Errorf("%d chunks took %d reads of the connection, want at most %d", chunks, src.reads, most)
	}
}

// A resolver that runs on after the answer, such as one that was given up after a time limit,
// cannot refuse the content any more: the connection may be reading the rest of it.
func TestContentRefusedAfterEnd(t *testing.T) {
	c, _, _ := bodyOf(t, fmt.Sprintf(bodyFixed, 5), "hello", 0, 0)
	c.endReading()
	if err := c.refuse(io.ErrNoProgress); err != io.ErrNoProgress {
		t.Errorf("refuse = %v, want its argument", err)
	}
	if n, err := c.drain(make([]byte, 10)); n != 5 || err != nil {
		t.Errorf("drain = %d, %v, want the content", n, err)
	}
}

// Content that has ended with an error cannot be refused for another reason: the first fault
// determines the answer.
func TestContentRefusedAfterFault(t *testing.T) {
	c, _, _ := bodyOf(t, bodyChunked, "x\r\n", 0, 0)
	_, fault := c.Read(make([]byte, 1))
	if err := c.refuse(io.ErrNoProgress); err != fault || parseErrorIn(err) == nil {
		t.Errorf("refuse = %v, want the fault in the content, %v", err, fault)
	}
}
