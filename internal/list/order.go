package list

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"

	"example.com/rawhttp/internal/ascii"
	"example.com/rawhttp/internal/jail"
)

// A Key is the attribute that a listing is sorted by.
type Key uint8

const (
	ByName Key = iota
	BySize
	ByTime
)

// KeyNames are the names of the keys in a query.
var KeyNames = [...]string{ByName: "name", BySize: "size", ByTime: "time"}

// Order sorts the entries: folders first, then by the key, ties by name. For speed, it
// first sorts words that hold the beginning of each sort key and the index of the
// entry, and then the runs of entries whose beginnings are equal.
func (p *Page) Order() {
	same, low := p.samePrefix(), bits.Len(uint(len(p.Entries)))
	words := make([]int, len(p.Entries)) // []int, since most programs link that instance of slices.Sort anyway
	// The shifts make the word positive, so that ints sort as the beginnings do, and replace the
	// low bits of the beginning by the index.
	for i, e := range p.Entries {
		words[i] = int(p.beginning(e, same)>>(65-bits.UintSize))>>low<<low | i
	}
	slices.Sort(words)
	sorted := make([]*jail.Entry, len(words)) // not in place, since the words refer to p.Entries by index
	begin := 0
	for i, word := range words {
		if word>>low != words[begin]>>low {
			slices.SortFunc(sorted[begin:i], p.compare)
			begin = i
		}
		sorted[i] = p.Entries[word&(1<<low-1)]
	}
	slices.SortFunc(sorted[begin:], p.compare)
	p.Entries = sorted
}

// InOrder returns the entries in the default order, by name.
func InOrder(entries []*jail.Entry) []*jail.Entry {
	p := Page{Entries: entries}
	p.Order()
	return p.Entries
}

// samePrefix returns the length of the common prefix of all names, without digits at
// its end, since a number must be compared as a whole. Names from one camera or one program
// often share more bytes than a word has.
func (p *Page) samePrefix() (n int) {
	if len(p.Entries) == 0 {
		return 0
	}
	first := p.Entries[0].Name
	n = len(first)
	for _, e := range p.Entries {
		for !strings.HasPrefix(e.Name, first[:n]) {
			n--
		}
	}
	for n > 0 && ascii.IsDigit(first[n-1]) {
		n--
	}
	return n
}

// beginning returns the beginning of an entry's sort key as a number; for a name, it
// begins after the first same bytes. If one entry sorts before another, its number is
// not greater.
func (p *Page) beginning(e *jail.Entry, same int) (key uint64) {
	switch {
	case p.Sort == ByName:
		key = nameBeginning(e.Name[same:])
	case p.Sort == ByTime:
		key = uint64(e.Sec) ^ 1<<63 // negative times first
	case !e.IsFolder:
		key = uint64(e.Size) << 1
	}
	if p.Desc {
		key = ^key
	}
	key >>= 1 // the highest bit puts folders first in both directions
	if !e.IsFolder {
		key |= 1 << 63
	}
	return key
}

// nameBeginning returns the beginning of a name, encoded so that it sorts like
// compareNames: 8 bits per byte, and for a number 8 bits for its length and 4 per
// digit. A longer number is larger, since it has no leading zeros; its length takes the place
// of a digit, so that numbers sort among other characters as digits do.
func nameBeginning(name string) (key uint64) {
	room := 64
	push := func(v byte, bits int) {
		key = key<<bits | uint64(v)
		room -= bits
	}
	for name != "" && room >= 8 {
		if !ascii.IsDigit(name[0]) {
			push(ascii.Lower(name[0]), 8)
			name = name[1:]
			continue
		}
		var number string
		number, name = cutNumber(name)
		push('0'+byte(min(len(number), 9)), 8)
		if len(number) >= 9 { // more digits would not sort numbers of different lengths
			break
		}
		for i := 0; i < len(number) && room >= 4; i++ {
			push(number[i]-'0', 4)
		}
	}
	return key << room
}

// compareNames compares names in natural order, the same in every locale: it ignores
// the case of ASCII letters and compares runs of digits as numbers. Ties are broken
// bytewise.
func compareNames(a, b string) int {
	restA, restB := a, b
	for restA != "" && restB != "" {
		if ascii.IsDigit(restA[0]) && ascii.IsDigit(restB[0]) {
			var numberA, numberB string
			numberA, restA = cutNumber(restA)
			numberB, restB = cutNumber(restB)
			if len(numberA) != len(numberB) {
				return cmp.Compare(len(numberA), len(numberB))
			}
			if numberA != numberB {
				return strings.Compare(numberA, numberB)
			}
			continue
		}
		if c := cmp.Compare(ascii.Lower(restA[0]), ascii.Lower(restB[0])); c != 0 {
			return c
		}
		restA, restB = restA[1:], restB[1:]
	}
	if len(restA) != len(restB) {
		return cmp.Compare(len(restA), len(restB))
	}
	return strings.Compare(a, b) // names that differ in case or leading zeros have an order, too
}

// cutNumber splits the leading digits off s, and drops leading zeros.
func cutNumber(s string) (number, rest string) {
	begin := 0
	for begin < len(s) && s[begin] == '0' {
		begin++
	}
	end := begin
	for end < len(s) && ascii.IsDigit(s[end]) {
		end++
	}
	return s[begin:end], s[end:]
}

// compare compares entries in the order of the listing. Ties are in the order of names in both
// directions.
func (p *Page) compare(a, b *jail.Entry) int {
	if a.IsFolder != b.IsFolder {
		if a.IsFolder {
			return -1
		}
		return 1
	}
	c := 0
	switch {
	case p.Sort == ByName:
		c = compareNames(a.Name, b.Name)
	case p.Sort == ByTime:
		c = cmp.Or(cmp.Compare(a.Sec, b.Sec), cmp.Compare(a.Nsec, b.Nsec))
	case !a.IsFolder: // the sizes of folders are not shown, so they do not count
		c = cmp.Compare(a.Size, b.Size)
	}
	if c == 0 {
		return compareNames(a.Name, b.Name)
	}
	if p.Desc {
		return -c
	}
	return c
}
