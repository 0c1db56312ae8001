//go:build !race

package rawhttp

import (
	"strings"
	"testing"
)

// A request on a connection that persists costs one allocation, of its context, and
// those of the resolver. (Under the race detector pools forget on purpose.)
func TestHelloAllocations(t *testing.T) {
	s := newServer(t, WithResolver(benchmarkHello()))
	for name, batch := range map[string]string{"one by one": benchmarkGet, "pipelined": strings.Repeat(benchmarkGet, 16)} {
		requests := strings.Count(batch, "GET")
		allocs := func(n int) float64 { return testing.AllocsPerRun(10, func() { benchmarkConn(s, batch, n) }) }
		const few, many = 100, 1100 // what the connection itself costs is in both
		if got := (allocs(many) - allocs(few)) / float64((many-few)*requests); got > 1.01 {
			t.Errorf("%s: %.2f allocations a request, want at most 1", name, got)
		}
	}
}
