package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp/internal/testkit"
)

// headParts are the results that two parsers must agree on.
type headParts struct {
	Method, Target, Path, Query, Host, Version string
	Fields                                     []string
	Length                                     int64
	Persist                                    bool
}

func partsOf(r *request) headParts {
	p := headParts{
		Method: r.Method(), Target: r.Target(), Path: r.Path(), Query: r.RawQuery(), Host: r.Host(), Version: r.Version(),
		Length: r.ContentLength(), Persist: r.head.Persist,
	}
	for name, value := range r.all() {
		p.Fields = append(p.Fields, name+": "+value)
	}
	return p
}

// writeHead writes a head with the parts p.
func (p headParts) writeHead() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s %s\r\n", p.Method, p.Target, p.Version)
	for _, f := range p.Fields {
		b.WriteString(f + "\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// FuzzParseRequest checks that the parser does not panic, that an accepted head can be
// written and parsed again with the same result, that the rest is the end of the input, and
// that the result does not depend on how the input is split.
func FuzzParseRequest(f *testing.F) {
	for _, s := range testkit.HeadSeeds {
		f.Add([]byte(s), uint16(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, split uint16) {
		req, rest, err := parseRequest(in)
		checkSplit(t, in, int(split), req, rest, err)
		if err != nil {
			checkRefusal(t, in, err)
			return
		}
		if !bytes.HasSuffix(in, rest) {
			t.Fatalf("parseRequest(%q): rest %q, want a suffix of the input", in, rest)
		}
		parts := partsOf(req)
		again, _, err := parseRequest(parts.writeHead())
		if err != nil {
			t.Fatalf("parseRequest(%q), written from %q: %v", parts.writeHead(), in, err)
		}
		if diff := cmp.Diff(parts, partsOf(again)); diff != "" {
			t.Fatalf("%q parsed, written and parsed again (-first +second):\n%s", in, diff)
		}
	})
}

func checkRefusal(t *testing.T, in []byte, err error) {
	t.Helper()
	var pe *Error
	if errors.As(err, &pe) {
		if pe.Offset < 0 || pe.Offset > len(in) || pe.Status < 400 || pe.Section == "" {
			t.Fatalf("parseRequest(%q) = %+v, want an offset in the input, a status and a section", in, pe)
		}
		return
	}
	if err != ErrIncomplete {
		t.Fatalf("parseRequest(%q) = %v, want ErrIncomplete or an *Error", in, err)
	}
}

// checkSplit parses the first split bytes and then all of in, as a connection does.
func checkSplit(t *testing.T, in []byte, split int, want *request, rest []byte, wantErr error) {
	t.Helper()
	var r request
	p := parserOf(&r, DefaultLimits)
	split = min(split, len(in))
	n, err := p.Parse(in[:split])
	if err == ErrIncomplete {
		n, err = p.Parse(in)
	}
	if diff := cmp.Diff(fmt.Sprint(wantErr), fmt.Sprint(err)); diff != "" {
		t.Fatalf("%q split at %d: error (-whole +split):\n%s", in, split, diff)
	}
	if err != nil {
		return
	}
	if n != len(in)-len(rest) {
		t.Fatalf("%q split at %d: the head has %d bytes, want %d", in, split, n, len(in)-len(rest))
	}
	if diff := cmp.Diff(partsOf(want), partsOf(&r)); diff != "" {
		t.Fatalf("%q split at %d (-whole +split):\n%s", in, split, diff)
	}
}

// FuzzChunkSize checks that an accepted size is the value of its digits.
func FuzzChunkSize(f *testing.F) {
	for _, s := range []string{"0", "a", "FFFFFFFFFFFFFFFF", "0000000000000010", "7fffffffffffffff", "800000000000000g"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, digits string) {
		size, _, err := ParseChunkLine([]byte(digits + "\r\n"))
		if err != nil {
			return
		}
		digits, _, _ = strings.Cut(digits, "\r\n")
		digits, _, _ = strings.Cut(digits, ";")
		want, ok := new(big.Int).SetString(strings.TrimRight(digits, " \t"), 16)
		if !ok {
			t.Fatalf("ParseChunkLine accepts the size %q as %d", digits, size)
		}
		if want.IsInt64() && want.Int64() < 1<<59 && want.Int64() != size || !want.IsInt64() && size != math.MaxInt64 {
			t.Fatalf("size %q is %v, but ParseChunkLine returns %d", digits, want, size)
		}
	})
}

// FuzzPath checks that the decoded path never leads above the root, whatever the raw path.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"/", "/a/../b", "/%2e%2e/%2f", "//a//", "/a/./", "/..a/...", "/%00", "/a\\b", "/%41"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		req, _, err := parseRequest([]byte("GET /" + raw + " HTTP/1.1\r\nHost: a\r\n\r\n"))
		if err != nil {
			return
		}
		path := req.Path()
		if !strings.HasPrefix(path, "/") || strings.IndexByte(path, 0) >= 0 {
			t.Fatalf("path of %q is %q, want an absolute path without NUL", raw, path)
		}
		for elem := range strings.SplitSeq(strings.TrimSuffix(path[1:], "/"), "/") {
			if elem == "." || elem == ".." || elem == "" && path != "/" {
				t.Fatalf("path of %q is %q, want none with the segment %q", raw, path, elem)
			}
		}
	})
}
