package list

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"example.com/rawhttp/internal/jail"
	"example.com/rawhttp/internal/testkit"
)

// Order sorts as a plain comparison does: names with a common prefix, names that are
// a prefix of others, and extreme numbers.
func TestOrderEqualsPlainSort(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	numbers := []int64{0, 1, -1, 2, 1 << 20, 1<<20 + 1, math.MaxInt64, math.MaxInt64 - 1, math.MinInt64, math.MinInt64 + 1}
	for round := range 500 {
		p := &Page{Sort: Key(round % 3), Desc: round%2 == 0}
		prefix := []string{"", "file-", "\xff\xff", "0", "IMG_2026", "v1.0"}[random.IntN(6)]
		alphabet := []string{"\x01az\x80\xff", "aAbB_", "0129", "01a/", "9999999.B"}[random.IntN(5)]
		seen := make(map[string]bool)
		for range random.IntN(40) {
			name := prefix
			for range random.IntN(12) {
				name += alphabet[random.IntN(len(alphabet)):][:1]
			}
			if seen[name] {
				continue
			}
			seen[name] = true
			e := &jail.Entry{Name: name, IsFolder: random.IntN(4) == 0, Sec: numbers[random.IntN(len(numbers))], Nsec: random.Int32N(2)}
			e.Size = max(0, numbers[random.IntN(len(numbers))])
			p.Entries = append(p.Entries, e)
		}
		want := slices.SortedFunc(slices.Values(p.Entries), p.compare)
		p.Order()
		names := func(entries []*jail.Entry) (names []string) {
			for _, e := range entries {
				names = append(names, fmt.Sprintf("%q %v %d %d", e.Name, e.IsFolder, e.Size, e.Sec))
			}
			return names
		}
		if diff := gocmp.Diff(names(want), names(p.Entries)); diff != "" {
			t.Fatalf("sorted by %s, descending %v (-want +got):\n%s", KeyNames[p.Sort], p.Desc, diff)
		}
	}
}

// Folders are first in both directions. Ties are broken by name, ascending in both directions.
func TestOrder(t *testing.T) {
	entries := map[string]jail.Entry{ // by name
		"a": {Size: 2, Sec: 5, Nsec: 2}, "b": {Size: 1, Sec: 5, Nsec: 1}, "c": {Size: 2, Sec: -5}, "d": {Size: 0, Sec: 5, Nsec: 2},
		"X": {IsFolder: true, Size: 9, Sec: 7}, "y": {IsFolder: true, Size: 3, Sec: 8}, "z": {IsFolder: true, Size: 4, Sec: 7},
	}
	tests := []struct {
		key  Key
		desc bool
		want string
		why  string
	}{
		{ByName, false, "X y z a b c d", ""},
		{ByName, true, "z y X d c b a", ""},
		{BySize, false, "X y z d b a c", "the sizes of folders do not count"},
		{BySize, true, "X y z a c b d", ""},
		{ByTime, false, "X z y c b a d", "times within one second differ, and some are before 1970"},
		{ByTime, true, "y X z a d b c", ""},
	}
	for _, tt := range tests {
		p := &Page{Sort: tt.key, Desc: tt.desc}
		for name, e := range entries {
			e.Name = name
			p.Entries = append(p.Entries, &e)
		}
		p.Order()
		var names []string
		for _, e := range p.Entries {
			names = append(names, e.Name)
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("by %s, descending %v: %s, want %s\nwhy: %s", KeyNames[tt.key], tt.desc, got, tt.want, tt.why)
		}
	}
}

// Names are in natural order.
func TestNaturalOrder(t *testing.T) {
	zeros, nines := strings.Repeat("0", 240), strings.Repeat("9", 240)
	tests := []struct {
		want []string // in order
		why  string
	}{
		{[]string{"IMG_2", "IMG_10", "IMG_100"}, "digits are compared as numbers"},
		{[]string{"IMG_2.png", "img_3", "IMG_10.png"}, "case is ignored, whatever follows"},
		{[]string{"a2b3", "a2b10", "a10b1"}, "every number in a name is compared"},
		{[]string{"empty", "Neuer Ordner", "photos", "Zebra"}, "case is ignored"},
		{[]string{"A", "a", "B", "b"}, "ties are broken bytewise"},
		{[]string{"File", "file", "file a", "file-a", "file.a", "file1", "fileA", "fileb"}, ""},
		{[]string{"a_b", "aa", "AB"}, "letters are compared in lower case, so '_' precedes them"},
		{[]string{"-rf", "007", "07", "7", "8", "010", "10"}, "leading zeros only break ties"},
		{[]string{"0", "00", "000", "1"}, "zero is a number too"},
		{[]string{"a00a", "a0b"}, "0 equals 00, so the letters decide"},
		{[]string{"a00", "a0a", "a0b"}, "0 equals 00, so the longer name comes last"},
		{[]string{"v1.2", "v1.2.0", "v1.10", "v1.10.0"}, ""},
		{[]string{"1", "1 a", "1a", "2"}, ""},
		{[]string{zeros + "1", "2", zeros + "3", "4" + nines, nines + "1", "10" + zeros}, "numbers of any length do not overflow"},
		{[]string{"18446744073709551615", "18446744073709551616", "18446744073709551617"}, "numbers may exceed 2^64"},
		{[]string{"a/", "a1", "a:"}, "a number sorts among other bytes as its digits do"},
		{[]string{"E\u0301", "e\u0301", "z", "~", "\u00c9", "\u00e9", "\u0661", "\uff11"}, "beyond ASCII, bytes are compared, without a locale"},
		{[]string{"", "a"}, ""},
	}
	for i, tt := range tests {
		for a, nameA := range tt.want {
			for b, nameB := range tt.want {
				if got, want := compareNames(nameA, nameB), cmp.Compare(a, b); got != want {
					t.Errorf("test %d: compareNames(%q, %q) = %d, want %d\nwhy: %s", i, nameA, nameB, got, want, tt.why)
				}
			}
		}
	}
}

// orderTokens matches the parts of a name that are compared as a whole.
var orderTokens = regexp.MustCompile(`(?s)[0-9]+|.`)

// compareSlowly compares names directly by the documented rule.
func compareSlowly(a, b string) int {
	tokens := func(name string) []string {
		var latin strings.Builder // one rune per byte
		for i := range len(name) {
			latin.WriteRune(rune(name[i]))
		}
		return orderTokens.FindAllString(latin.String(), -1)
	}
	compare := func(a, b string) int {
		numberA, okA := new(big.Int).SetString(a, 10)
		numberB, okB := new(big.Int).SetString(b, 10)
		if okA && okB {
			return numberA.Cmp(numberB)
		}
		fold := func(s string) string {
			if s[0] <= 'Z' {
				return strings.ToLower(s)
			}
			return s
		}
		return cmp.Compare(fold(a), fold(b))
	}
	return cmp.Or(slices.CompareFunc(tokens(a), tokens(b), compare), cmp.Compare(a, b))
}

// FuzzCompareNames checks that compareNames follows the rule and is a total order.
func FuzzCompareNames(f *testing.F) {
	for _, name := range append([]string{"IMG_2", "img_10", "a007", "a7", "a07b", "a7B", "1.10", "999999999999999999999"}, testkit.MisleadingNames...) {
		f.Add(name, "IMG_2", name+"0")
		f.Add(name, strings.ToUpper(name), "00"+name)
	}
	f.Fuzz(func(t *testing.T, a, b, c string) {
		if len(a)+len(b)+len(c) > 1000 { // compareSlowly would take long
			return
		}
		names := []string{a, b, c}
		for _, x := range names {
			for _, y := range names {
				if got, want := compareNames(x, y), compareSlowly(x, y); got != want {
					t.Errorf("compareNames(%q, %q) = %d, want %d", x, y, got, want)
				}
				if compareNames(x, y) < 0 && nameBeginning(x) > nameBeginning(y) {
					t.Errorf("%q sorts before %q, but nameBeginning returns %x, more than %x", x, y, nameBeginning(x), nameBeginning(y))
				}
				for _, z := range names {
					if compareNames(x, y) <= 0 && compareNames(y, z) <= 0 && compareNames(x, z) > 0 {
						t.Errorf("%q <= %q <= %q, but the first sorts after the last", x, y, z)
					}
				}
			}
		}
	})
}

func TestCompareNamesAllocs(t *testing.T) {
	a, b := strings.Repeat("Photo 0012 ", 20)+"a", strings.Repeat("pHOTO 12 ", 20)+"b"
	if n := testing.AllocsPerRun(100, func() { compareNames(a, b) }); n != 0 {
		t.Errorf("compareNames allocates %v times, want 0", n)
	}
}

// 100,000 names of the kinds that cameras, programs and people create.
func BenchmarkOrder(b *testing.B) {
	for name, form := range map[string]string{"numbers": "file-%07d.txt", "photos": "IMG_2026%04d_101503.jpg", "words": "%x Some Words.txt"} {
		for _, key := range []Key{ByName, BySize} { // ties are broken by name
			b.Run(name+" by "+KeyNames[key], func(b *testing.B) {
				entries := make([]*jail.Entry, 100_000)
				for i := range entries {
					entries[i] = &jail.Entry{Name: fmt.Sprintf(form, (i*7919)%len(entries))}
				}
				for b.Loop() {
					p := &Page{Sort: key, Entries: entries}
					p.Order()
				}
			})
		}
	}
}
