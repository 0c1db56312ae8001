package rawhttp

import (
	"math/big"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Positions up to the largest possible: no sum or product may overflow.
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
}

// FuzzParseRanges compares parseRanges with a direct implementation of RFC 9110, section
// 14.1.2, with numbers of any length, within the limits that parseRanges sets.
func FuzzParseRanges(f *testing.F) {
	for _, field := range []string{
		"bytes=3-7", "bytes=12-", "bytes=-5", "bytes=-0", "bytes=20-", "BYTES=0-20", "bytes=5-4", "bytes=0-1, ,-2", "bytes=0- 1",
		"bytes=0-1,5-4", "bytes=20-,x", "bytes=0-1,bytes=5-6", "bytes=00-007", "bytes=", "items=0-1", "bytes 0-1/20",
	} {
		f.Add(field, int64(20))
	}
	f.Add("bytes="+strings.Repeat("0-0,", 16), int64(20))
	f.Add("bytes="+strings.Repeat("0-0,", 17), int64(20))
	f.Add("bytes=0-0"+strings.Repeat(" ", 1024-len("bytes=0-0")), int64(20))
	f.Add("bytes=0-0"+strings.Repeat(" ", 1025-len("bytes=0-0")), int64(20))
	f.Add("bytes=0-,0-", int64(maxSize))
	f.Add("bytes=-4611686018427387905", int64(maxSize))
	f.Add("bytes=0-4611686018427387904", int64(maxSize))
	f.Add("bytes=-5", int64(0))
	f.Fuzz(func(t *testing.T, field string, size int64) {
		if size >= 0 && size <= maxSize { // a Representation has no other size
			checkRanges(t, field, size)
		}
	})
}

// The same, with random fields that resemble valid ones.
func TestParseRangesAtRandom(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(14, 2))
	number := func(size int64) string {
		switch r.IntN(8) {
		case 0:
			return ""
		case 1:
			return strings.Repeat("0", r.IntN(3)) + strings.Repeat("9", r.IntN(25))
		case 2:
			n := new(big.Int).Lsh(big.NewInt(1), uint(r.IntN(70)))
			return n.Add(n, big.NewInt(int64(r.IntN(5)-2))).String()
		case 3:
			return string("0-, \tx"[r.IntN(6)])
		}
		return strconv.FormatInt(max(0, r.Int64N(size+2)+int64(r.IntN(3)-1)), 10)
	}
	for range 20_000 {
		size := int64(r.IntN(30))
		if r.IntN(4) == 0 {
			size = maxSize - int64(r.IntN(3))
		}
		field := "bytes="
		for range 1 + r.IntN(3) {
			field += number(size) + "-" + number(size) + ","
		}
		checkRanges(t, field, size)
		if t.Failed() {
			return
		}
	}
}

func checkRanges(t *testing.T, field string, size int64) {
	t.Helper()
	got, ok := parseRanges(field, size)
	want, wantOK := rangesByRFC(field, size)
	if ok != wantOK {
		t.Fatalf("parseRanges(%q, %d) = %v, %v, want %v, %v", field, size, got, ok, want, wantOK)
	}
	if !ok {
		return
	}
	if len(got) != len(want) {
		t.Fatalf("parseRanges(%q, %d) = %v, want %v", field, size, got, want)
	}
	sum := new(big.Int)
	for i, r := range got {
		if big.NewInt(r.start).Cmp(want[i].first) != 0 || big.NewInt(r.length).Cmp(want[i].length) != 0 {
			t.Errorf("parseRanges(%q, %d) = %v, want %v", field, size, got, want)
		}
		if r.start < 0 || r.length <= 0 || r.length > size-r.start {
			t.Errorf("parseRanges(%q, %d) = %v, want %v to be within the size", field, size, got, r)
		}
		sum.Add(sum, big.NewInt(r.length))
	}
	if sum.Cmp(big.NewInt(size)) > 0 || len(got) > 16 {
		t.Errorf("parseRanges(%q, %d) = %v, %d ranges of %v bytes in all, want at most 16 and no more bytes than the size", field, size, got, len(got), sum)
	}
}

type rangeByRFC struct{ first, length *big.Int }

var rangeSpec = regexp.MustCompile(`^([0-9]*)-([0-9]*)$`)

// rangesByRFC is parseRanges as the RFC defines it, without regard to time and memory.
func rangesByRFC(field string, size int64) (ranges []rangeByRFC, ok bool) {
	unit, set, found := strings.Cut(field, "=")
	if size == 0 || !found || len(field) > 1024 || len(unit) != len("bytes") || !strings.EqualFold(unit, "bytes") {
		return nil, false
	}
	length, sum, n := big.NewInt(size), new(big.Int), 0
	for spec := range strings.SplitSeq(set, ",") {
		spec = strings.Trim(spec, " \t")
		if spec == "" {
			continue
		}
		m := rangeSpec.FindStringSubmatch(spec)
		if n++; m == nil || m[1]+m[2] == "" || n > 16 {
			return nil, false
		}
		first, _ := new(big.Int).SetString("0"+m[1], 10)
		last, _ := new(big.Int).SetString("0"+m[2], 10)
		end := new(big.Int).Set(length) // after the last byte
		switch {
		case m[1] == "":
			if first.Sub(length, last).Sign() < 0 {
				first.SetInt64(0)
			}
		case m[2] != "":
			if last.Cmp(first) < 0 {
				return nil, false
			}
			if last.Add(last, big.NewInt(1)).Cmp(end) < 0 {
				end = last
			}
		}
		if first.Cmp(end) >= 0 {
			continue // not satisfiable
		}
		r := rangeByRFC{first, new(big.Int).Sub(end, first)}
		ranges = append(ranges, r)
		sum.Add(sum, r.length)
	}
	return ranges, n > 0 && sum.Cmp(length) <= 0
}
