package list

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"example.com/rawhttp/internal/jail"
	"example.com/rawhttp/internal/testkit"
)

// A name that is not UTF-8 is shown with U+FFFD; its href has the original bytes.
func TestNamesThatAreNotUTF8(t *testing.T) {
	tests := []struct{ name, text, href, json string }{
		{"\xff", "\ufffd", "%FF", "\ufffd"},
		{"a\xffb", "a\ufffdb", "a%FFb", "a\ufffdb"},
		{"\xc3(", "\ufffd(", "%C3%28", "\ufffd("},
		{"\xef\xbf", "\ufffd", "%EF%BF", "\ufffd\ufffd"},
		{"\xed\xa0\x80", "\ufffd", "%ED%A0%80", "\ufffd\ufffd\ufffd"},
	}
	for _, tt := range tests {
		e := jail.Entry{Name: tt.name}
		if shown(&e) != tt.text || Href(&e) != "./"+tt.href || string(appendJSON(nil, tt.name)) != `"`+tt.json+`"` {
			t.Errorf("%q is shown as %q, with the href %q, in JSON %s, want %q, %q, %q", tt.name, shown(&e), Href(&e), appendJSON(nil, tt.name), tt.text, tt.href, tt.json)
		}
	}
}

// appendJSON writes what encoding/json writes, and that package can read it.
func TestAppendJSON(t *testing.T) {
	var all strings.Builder
	for c := range 256 {
		all.WriteByte(byte(c))
	}
	for r := range rune(0x3000) {
		all.WriteRune(r)
	}
	for _, s := range append([]string{"", all.String(), "\U0010ffff", "\xf4\x90\x80\x80", "\xe2\x82"}, testkit.MisleadingNames...) {
		var got, want string
		written, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(written, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(appendJSON(nil, s), &got); err != nil {
			t.Errorf("appendJSON(%q) is not JSON: %v", s, err)
		} else if got != want {
			t.Errorf("appendJSON(%q) is decoded as %q, want %q", s, got, want)
		}
	}
}

// A size has three significant digits, in the largest unit with at least one digit before
// the point; below 1024 bytes it is exact.
func TestAppendSize(t *testing.T) {
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
		want := strings.ReplaceAll(tt.want, " ", nbsp)
		if got := string(appendSize(nil, tt.n)); got != want {
			t.Errorf("appendSize(%d) = %q, want %q", tt.n, got, want)
		}
	}
	for n := range int64(ki) {
		if got, want := string(appendSize(nil, n)), fmt.Sprintf("%d"+nbsp+"B", n); got != want {
			t.Errorf("appendSize(%d) = %q, want %q", n, got, want)
		}
	}
}

// Sizes of 1024 bytes or more are rounded as exact arithmetic rounds them.
func TestAppendSizeRounds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		n := random.Int64()>>random.IntN(53) | 1024
		exact, unit := new(big.Rat).SetFrac64(n, 1024), 0
		half := new(big.Rat).SetFrac64(1999, 2) // from 999.5 the next unit is used
		for exact.Cmp(half) >= 0 {
			exact.Quo(exact, new(big.Rat).SetInt64(1024))
			unit++
		}
		digits := 3
		for exact.Cmp(new(big.Rat).SetFrac64(9995, int64(math.Pow10(4-3+digits)))) >= 0 {
			digits--
		}
		if got, want := string(appendSize(nil, n)), exact.FloatString(digits)+nbsp+"KMGTPE"[unit:unit+1]+"iB"; got != want {
			t.Fatalf("appendSize(%d) = %q, want %q", n, got, want)
		}
	}
}

// Text can be read in both color schemes, even in a row under the pointer: the
// contrast is at least 4.5:1 (WCAG 2.2, 1.4.3).
func TestStyleContrast(t *testing.T) {
	schemes := regexp.MustCompile(`--fg:[^}]*`).FindAllString(style, -1)
	if len(schemes) != 2 {
		t.Fatalf("%d color schemes, want 2", len(schemes))
	}
	for _, scheme := range schemes {
		colors := make(map[string]float64) // their luminance
		for _, m := range regexp.MustCompile(`--(\w+):#(\w+)`).FindAllStringSubmatch(scheme, -1) {
			digits := m[2]
			if len(digits) == 3 {
				digits = string([]byte{digits[0], digits[0], digits[1], digits[1], digits[2], digits[2]})
			}
			for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
				n, err := strconv.ParseUint(digits[2*i:2*i+2], 16, 8)
				if err != nil {
					t.Fatal(err)
				}
				c := float64(n) / 255
				if c <= 0.04045 {
					c /= 12.92
				} else {
					c = math.Pow((c+0.055)/1.055, 2.4)
				}
				colors[m[1]] += weight * c
			}
		}
		for _, name := range []string{"fg", "dim", "link", "seen", "bg", "row"} {
			if _, ok := colors[name]; !ok {
				t.Fatalf("no color %s in %s", name, scheme)
			}
		}
		for _, text := range []string{"fg", "dim", "link", "seen"} {
			for _, ground := range []string{"bg", "row"} {
				a, b := colors[text]+0.05, colors[ground]+0.05
				if ratio := max(a/b, b/a); ratio < 4.5 {
					t.Errorf("%s on %s has a contrast of %.2f:1 in %s, want at least 4.5:1", text, ground, ratio, scheme)
				}
			}
		}
	}
}
