package rawhttp

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The order is that of comparing each with each, whatever the shortcuts: with names
// that begin alike or are the beginning of others, and with extreme numbers.
func TestListingOrderHasNoShortcut(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	numbers := []int64{0, 1, -1, 2, 1 << 20, 1<<20 + 1, math.MaxInt64, math.MaxInt64 - 1, math.MinInt64, math.MinInt64 + 1}
	for round := range 500 {
		l := &listing{sort: sortKey(round % 3), desc: round%2 == 0}
		prefix := []string{"", "file-", "\xff\xff", "0"}[random.IntN(4)]
		seen := make(map[string]bool)
		for range random.IntN(40) {
			name := prefix
			for range random.IntN(12) {
				name += string([]byte{"\x01az\x80\xff"[random.IntN(5)]})
			}
			if seen[name] {
				continue
			}
			seen[name] = true
			e := &entry{name: name, isFolder: random.IntN(4) == 0, sec: numbers[random.IntN(len(numbers))], nsec: random.Int32N(2)}
			e.size = max(0, numbers[random.IntN(len(numbers))])
			l.entries = append(l.entries, e)
		}
		want := slices.SortedFunc(slices.Values(l.entries), l.compare)
		l.order()
		names := func(entries []*entry) (names []string) {
			for _, e := range entries {
				names = append(names, fmt.Sprintf("%q %v %d %d", e.name, e.isFolder, e.size, e.sec))
			}
			return names
		}
		if diff := cmp.Diff(names(want), names(l.entries)); diff != "" {
			t.Fatalf("sorted by %s, descending %v (-want +got):\n%s", sortNames[l.sort], l.desc, diff)
		}
	}
}
