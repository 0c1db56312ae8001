//go:build !race

package rawhttp

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"example.com/rawhttp/internal/testkit"
)

// allocations returns the allocations per request on a persistent connection that sends batches.
func allocations(s *Server, batch string) float64 {
	allocs := func(n int) float64 { return testing.AllocsPerRun(10, func() { benchmarkConn(s, batch, n) }) }
	const few, many = 100, 1100 // both include the cost of the connection
	return (allocs(many) - allocs(few)) / float64((many-few)*strings.Count(batch, "GET"))
}

// A small cached file needs one allocation more: the text of the head, if it differs from the
// previous one.
func TestCachedFileAllocations(t *testing.T) {
	for _, size := range []int{10 << 10, maxCachedFile - 100} { // the second takes two writes
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "f"), make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(filepath.Join(folder, "f"), old, old); err != nil {
			t.Fatal(err)
		}
		files := filesOfDir(t, folder)
		skipWithoutCache(t, files)
		files.cache.settles = 10 * time.Millisecond
		s := newServer(t, WithResolver(files))
		batch := strings.Replace(benchmarkGet, "/", "/f", 1)
		batch += strings.Replace(batch, "\r\n\r\n", "\r\nAccept: */*\r\n\r\n", 1)
		testkit.Await(t, "the file is cached", func() bool {
			benchmarkConn(s, batch, 1)
			return len(files.cache.entries) > 0
		})
		if got := allocations(s, batch); got > 2.01 {
			t.Errorf("file of %d bytes: %.2f allocations per request, want at most 2", size, got)
		}
	}
}

// A connection that closes returns its buffers, of 8 KB, to their pools. The rest is less than 4 KB.
func TestConnectionAllocations(t *testing.T) {
	s := newServer(t, WithResolver(ResolverFunc(func(context.Context, *Request) (*Response, error) {
		return Text(200, "hello\n"), nil
	})))
	request := strings.Replace(benchmarkGet, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)
	const conns = 1000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range conns {
		benchmarkConn(s, request, 1)
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / conns; got > 4<<10 {
		t.Errorf("%d bytes allocated per connection, want at most 4 KB", got)
	}
}
