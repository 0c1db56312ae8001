package rawhttp

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// A size has three significant digits in the largest unit that leaves one of them in
// front of the point; below 1024 bytes it is exact.
func TestListingSize(t *testing.T) {
	const ki = 1024
	tests := []struct {
		n    int64
		want string
	}{
		{0, "0 B"}, {1, "1 B"}, {9, "9 B"}, {99, "99 B"}, {999, "999 B"}, {1000, "1000 B"}, {1023, "1023 B"},
		{1024, "1.00 KiB"}, {1025, "1.00 KiB"}, {1029, "1.00 KiB"}, {1030, "1.01 KiB"}, {1536, "1.50 KiB"}, {2047, "2.00 KiB"},
		{10*ki - 6, "9.99 KiB"}, {10*ki - 5, "10.0 KiB"}, {10 * ki, "10.0 KiB"}, {100*ki - 52, "99.9 KiB"}, {100*ki - 51, "100 KiB"},
		{100 * ki, "100 KiB"}, {145408, "142 KiB"}, {999*ki + 511, "999 KiB"},
		{999*ki + 512, "0.976 MiB"}, {1000 * ki, "0.977 MiB"}, {1023 * ki, "0.999 MiB"}, {1023*ki + 512, "1.00 MiB"}, {1<<20 - 1, "1.00 MiB"},
		{1 << 20, "1.00 MiB"}, {1<<30 - 1, "1.00 GiB"}, {1 << 30, "1.00 GiB"}, {98_000_000_000, "91.3 GiB"}, {1 << 40, "1.00 TiB"}, {1 << 50, "1.00 PiB"},
		{1000 << 50, "0.977 EiB"}, {1 << 60, "1.00 EiB"}, {math.MaxInt64, "8.00 EiB"},
	}
	for _, tt := range tests {
		if got := string(appendSize(nil, tt.n)); got != tt.want {
			t.Errorf("appendSize(%d) = %q, want %q", tt.n, got, tt.want)
		}
	}

	random := rand.New(rand.NewPCG(1, 2))
	for range 200_000 { // against numbers that do not round
		n := random.Int64()>>random.IntN(53) | 1024
		exact, unit := new(big.Rat).SetFrac64(n, 1024), 0
		half := new(big.Rat).SetFrac64(1999, 2) // from 999.5 on it takes the next unit
		for exact.Cmp(half) >= 0 {
			exact.Quo(exact, new(big.Rat).SetInt64(1024))
			unit++
		}
		digits := 3
		for exact.Cmp(new(big.Rat).SetFrac64(9995, int64(math.Pow10(4-3+digits)))) >= 0 {
			digits--
		}
		if got, want := string(appendSize(nil, n)), exact.FloatString(digits)+" "+"KMGTPE"[unit:unit+1]+"iB"; got != want {
			t.Fatalf("appendSize(%d) = %q, want %q", n, got, want)
		}
	}

	form := regexp.MustCompile(`^(\d\.\d\d|\d\d\.\d|\d\d\d|0\.9\d\d) ([KMGTPE])iB$`)
	for range 100_000 {
		n := random.Int64() >> random.IntN(54)
		got := string(appendSize(nil, n))
		if n < 1024 {
			if want := fmt.Sprintf("%d B", n); got != want {
				t.Errorf("appendSize(%d) = %q, want %q", n, got, want)
			}
			continue
		}
		m := form.FindStringSubmatch(got)
		if m == nil {
			t.Fatalf("appendSize(%d) = %q, want three significant digits", n, got)
		}
		size, _ := strconv.ParseFloat(m[1], 64)
		size *= math.Pow(1024, float64(1+strings.Index("KMGTPE", m[2])))
		if off := math.Abs(size-float64(n)) / float64(n); off > 0.005 {
			t.Fatalf("appendSize(%d) = %q, which is %.2f %% off", n, got, off*100)
		}
	}
}

// Times are those of the files, whatever they are.
func TestListingTimes(t *testing.T) {
	tests := []struct {
		mod        time.Time
		want, show string
		why        string
	}{
		{time.Time{}, "", "", "not known"},
		{time.Unix(0, 0), "1970-01-01T00:00:00Z", "1970-01-01 00:00", "of reproducible archives"},
		{time.Unix(1, 0), "1970-01-01T00:00:01Z", "1970-01-01 00:00", ""},
		{time.Unix(-1, 0), "1969-12-31T23:59:59Z", "1969-12-31 23:59", ""},
		{time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC), "1601-01-01T00:00:00Z", "1601-01-01 00:00", "the zero of Windows"},
		{time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), "1980-01-01T00:00:00Z", "1980-01-01 00:00", "the zero of zip"},
		{time.Date(2446, 5, 10, 22, 38, 55, 0, time.UTC), "2446-05-10T22:38:55Z", "2446-05-10 22:38", "the last of ext4"},
		{time.Date(2026, 11, 2, 1, 30, 0, 0, time.FixedZone("", 5*3600)), "2026-11-01T20:30:00Z", "2026-11-01 20:30", "in UTC, also the day"},
		{time.Date(2026, 12, 31, 23, 59, 59, 999_999_999, time.UTC), "2026-12-31T23:59:59Z", "2026-12-31 23:59", "cut, not rounded"},
	}
	for _, tt := range tests {
		r, err := FS(fstest.MapFS{"a": {ModTime: tt.mod}}, WithListing(ListHTML))
		if err != nil {
			t.Fatal(err)
		}
		row := listingGetPage(t, r, "/").Rows[0]
		e := listingReadJSON(t, listingAsk(t, r, "GET /?format=json").Content).Entries[0]
		if row.Time != tt.want || row.Shown != tt.show || e.Mtime != tt.want {
			t.Errorf("of a file of %v: time %q, shown as %q, in JSON %q, want %q and %q\nwhy: %s", tt.mod, row.Time, row.Shown, e.Mtime, tt.want, tt.show, tt.why)
		}
	}
}
