package rawhttp

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
)

// A sortKey is what a listing is sorted by.
type sortKey uint8

const (
	byName sortKey = iota
	bySize
	byTime
)

var sortNames = [...]string{byName: "name", bySize: "size", byTime: "time"}

// order sorts: folders first, then by the key, and what is alike in that by the
// bytes of the name. Numbers that hold the beginning of what counts, and where the
// entry is, are sorted first, as that is quick; then those that are alike in it.
func (l *listing) order() {
	same, low := l.samePrefix(), bits.Len(uint(len(l.entries)))
	words := make([]int, len(l.entries)) // which package slices sorts in every program
	for i, e := range l.entries {
		words[i] = int(l.beginning(e, same)>>(65-bits.UintSize))>>low<<low | i
	}
	slices.Sort(words)
	sorted := make([]*entry, len(words))
	begin := 0
	for i, word := range words {
		if word>>low != words[begin]>>low {
			slices.SortFunc(sorted[begin:i], l.compare)
			begin = i
		}
		sorted[i] = l.entries[word&(1<<low-1)]
	}
	slices.SortFunc(sorted[begin:], l.compare)
	l.entries = sorted
}

// inOrder gives the names in the order that they have where no other is asked for.
func inOrder(names []*entry) []*entry {
	l := listing{entries: names}
	l.order()
	return l.entries
}

// samePrefix gives the length of what all names begin with.
func (l *listing) samePrefix() (n int) {
	for i, e := range l.entries {
		if i == 0 {
			n = len(e.name)
		}
		for first := l.entries[0].name; !strings.HasPrefix(e.name, first[:n]); {
			n--
		}
	}
	return n
}

// beginning makes a number of what comes first in the order, of a name the bytes
// behind those that are the same. It is never greater for what comes before.
func (l *listing) beginning(e *entry, same int) (key uint64) {
	switch {
	case l.sort == byName:
		var b [8]byte
		copy(b[:], e.name[same:])
		key = binary.BigEndian.Uint64(b[:])
	case l.sort == byTime:
		key = uint64(e.sec) ^ 1<<63 // negative ones first
	case !e.isFolder:
		key = uint64(e.size) << 1
	}
	if l.desc {
		key = ^key
	}
	key >>= 1
	if !e.isFolder {
		key |= 1 << 63
	}
	return key
}

func (l *listing) compare(a, b *entry) int {
	if a.isFolder != b.isFolder {
		if a.isFolder {
			return -1
		}
		return 1
	}
	c := 0
	switch {
	case l.sort == byName:
		c = strings.Compare(a.name, b.name)
	case l.sort == byTime:
		c = cmp.Or(cmp.Compare(a.sec, b.sec), cmp.Compare(a.nsec, b.nsec))
	case !a.isFolder:
		c = cmp.Compare(a.size, b.size)
	}
	if c == 0 {
		return strings.Compare(a.name, b.name)
	}
	if l.desc {
		return -c
	}
	return c
}
