//go:build !race

package rawhttp

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
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

// A small file that is kept costs an allocation more: the text of the head.
func TestKeptFileAllocations(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "f"), make([]byte, 10<<10), 0o644); err != nil {
		t.Fatal(err)
	}
	files := filesOfDir(t, folder)
	if files.kept.tree == nil {
		t.Skip("nothing is kept on this system")
	}
	s := newServer(t, WithResolver(files))
	batch := strings.Replace(benchmarkGet, "/", "/f", 1)
	for end := time.Now().Add(30 * time.Second); len(files.kept.files) == 0 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		benchmarkConn(s, batch, 1)
	}
	allocs := func(n int) float64 { return testing.AllocsPerRun(10, func() { benchmarkConn(s, batch, n) }) }
	const few, many = 100, 1100
	if got := (allocs(many) - allocs(few)) / (many - few); got > 2.01 {
		t.Errorf("%.2f allocations a request, want at most 2", got)
	}
}

// Hello over TCP: one allocation a request, as over the connection of the benchmarks.
func TestHelloAllocationsOverTCP(t *testing.T) {
	_, addr := listen(t, WithResolver(benchmarkHello()))
	c := dial(t, addr)
	get, buf := []byte(benchmarkGet), make([]byte, 1000)
	ask := func(n int) uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		before := m.Mallocs
		for range n {
			c.Write(get)
			if _, err := c.Read(buf); err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&m)
		return m.Mallocs - before
	}
	ask(100)
	if got := float64(ask(2000)) / 2000; got > 1.05 {
		t.Errorf("%.2f allocations a request, want at most 1", got)
	}
}
