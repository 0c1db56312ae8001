// Package coding decodes the content codings gzip and deflate, to show content. It is a package
// of its own because compress/flate adds 20 KB to every program that imports it.
package coding

import (
	"bytes"
	"compress/flate"
	"errors"
	"strings"
)

// maxDecoded is the most that Decode returns, in bytes. Content can decode to a thousand times its
// size.
const maxDecoded = 64 << 10

// Decode decodes b, the beginning of content with a coding, as far as possible. It returns nil
// if b is not in that coding, or the coding is neither gzip nor deflate. It does not verify
// checksums, which are at the end.
func Decode(coding string, b []byte) []byte {
	switch strings.ToLower(coding) {
	case "gzip", "x-gzip": // "A recipient SHOULD consider "x-gzip" to be equivalent to "gzip"." RFC 9110, section 8.4.1.3
		b = afterGzipHeader(b)
	case "deflate":
		// "Some non-conformant implementations send the "deflate" compressed data without the
		// zlib wrapper." RFC 9110, section 8.4.1.2
		if len(b) > 2 && b[0]&0x0f == 8 && (int(b[0])<<8|int(b[1]))%31 == 0 { // zlib (RFC 1950)
			b = b[2:]
		}
	default:
		return nil
	}
	if len(b) == 0 {
		return nil
	}
	r := flate.NewReader(bytes.NewReader(b))
	decoded := make([]byte, maxDecoded)
	n := 0
	for n < len(decoded) {
		m, err := r.Read(decoded[n:])
		n += m
		if n == 0 && errors.As(err, new(flate.CorruptInputError)) {
			return nil
		}
		if err != nil { // the end of the content, or of b, which is only its beginning
			break
		}
	}
	return decoded[:n]
}

// afterGzipHeader returns what follows the header of a gzip member (RFC 1952, section 2.3), or
// nil if b does not begin with one.
func afterGzipHeader(b []byte) []byte {
	const (
		size                                  = 10          // bytes before the optional parts
		hasCRC, hasExtra, hasName, hasComment = 2, 4, 8, 16 // flags
	)
	if len(b) < size || b[0] != 0x1f || b[1] != 0x8b || b[2] != 8 {
		return nil
	}
	flags, b := b[3], b[size:]
	if flags&hasExtra != 0 {
		if len(b) < 2 {
			return nil
		}
		n := 2 + int(b[0]) + int(b[1])<<8
		b = b[min(n, len(b)):]
	}
	for _, text := range []byte{hasName, hasComment} { // each ends in a zero byte
		if flags&text != 0 {
			_, after, ended := bytes.Cut(b, []byte{0})
			if !ended {
				return nil
			}
			b = after
		}
	}
	if flags&hasCRC != 0 {
		b = b[min(2, len(b)):]
	}
	return b
}
