package rawhttp

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Positions up to the last that there can be: no sum and no product may overflow.
func TestRangesOfHugeRepresentations(t *testing.T) {
	const most = 1 << 62 // 4611686018427387904
	tests := []struct {
		field string
		want  []byteRange
		ok    bool
	}{
		{"bytes=0-0", []byteRange{{0, 1}}, true},
		{"bytes=0-", []byteRange{{0, most}}, true},
		{"bytes=-4611686018427387903", []byteRange{{1, most - 1}}, true},
		{"bytes=-4611686018427387904", []byteRange{{0, most}}, true},
		{"bytes=-4611686018427387905", []byteRange{{0, most}}, true},
		{"bytes=-9223372036854775807", []byteRange{{0, most}}, true},
		{"bytes=-9223372036854775808", []byteRange{{0, most}}, true},
		{"bytes=-18446744073709551617", []byteRange{{0, most}}, true},
		{"bytes=0-4611686018427387902", []byteRange{{0, most - 1}}, true},
		{"bytes=0-4611686018427387903", []byteRange{{0, most}}, true},
		{"bytes=0-4611686018427387904", []byteRange{{0, most}}, true},
		{"bytes=0-9223372036854775807", []byteRange{{0, most}}, true},
		{"bytes=0-99999999999999999999", []byteRange{{0, most}}, true},
		{"bytes=4611686018427387903-4611686018427387904", []byteRange{{most - 1, 1}}, true},
		{"bytes=4611686018427387897-", []byteRange{{most - 7, 7}}, true},
		{"bytes=4611686018427387904-", nil, true},
		{"bytes=4611686018427387909-", nil, true},
		{"bytes=9223372036854775808-", nil, true},
		{"bytes=9223372036854775809-", nil, true},
		{"bytes=18446744073709551617-", nil, true},
		{"bytes=0-2305843009213693951,2305843009213693952-", []byteRange{{0, most / 2}, {most / 2, most / 2}}, true},
		{"bytes=0-2305843009213693951,2305843009213693952-,0-0", nil, false},
		{"bytes=0-,0-", nil, false},
		{"bytes=0-,0-0", nil, false},
		{"bytes=0-,0-,0-,0-", nil, false},
		{"bytes=" + strings.Repeat("0-,", 15) + "0-", nil, false},
	}
	for _, tt := range tests {
		got, ok := parseRanges(tt.field, most)
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(byteRange{})); diff != "" && ok || ok != tt.ok {
			t.Errorf("parseRanges(%q, 2^62) = %v, %v, want %v, %v", tt.field, got, ok, tt.want, tt.ok)
		}
	}

	resp := Content(Representation{Body: contentReaderAt{contentHuge{}}, Size: most})
	for field, want := range map[string]string{
		"bytes=4611686018427387897-": "bytes 4611686018427387897-4611686018427387903/4611686018427387904 7890123",
		"bytes=-3":                   "bytes 4611686018427387901-4611686018427387903/4611686018427387904 123",
		"bytes=0-2":                  "bytes 0-2/4611686018427387904 012",
		"bytes=4611686018427387902-18446744073709551616": "bytes 4611686018427387902-4611686018427387903/4611686018427387904 23",
	} {
		got := filesTake(t, contentAsk(t, resp, "GET", "Range: "+field))
		if shown := got.Fields["Content-Range"] + " " + got.Content; shown != want {
			t.Errorf("Range: %s of 2^62 bytes: %q, want %q", field, shown, want)
		}
	}
	answer := contentAsk(t, resp, "HEAD")
	if got := filesTake(t, answer); got.Fields["Content-Length"] != "4611686018427387904" {
		t.Errorf("HEAD of 2^62 bytes is answered with %q", answer)
	}
	for size, want := range map[int64]bool{-2: false, -1: true, 0: true, most: true, most + 1: false, math.MaxInt64: false, math.MinInt64: false} {
		if err := Content(Representation{Body: contentReaderAt{contentHuge{}}, Size: size}).Err(); (err == nil) != want {
			t.Errorf("Err of a Content of the size %d is %v, want it to be accepted: %v", size, err, want)
		}
	}
}

// contentHuge is an io.ReaderAt of bytes without end: at each position its last digit.
type contentHuge struct{}

func (contentHuge) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("ReadAt before the beginning")
	}
	for i := range p {
		p[i] = '0' + byte((off%10+int64(i))%10)
	}
	return len(p), nil
}
