//go:build !race

package conformance_test

import (
	"context"
	"runtime"
	"strings"
	"testing"

	"example.com/rawhttp"
)

// allocations returns what a request costs on a connection that persists, of batches of them.
func allocations(s *rawhttp.Server, batch string) float64 {
	allocs := func(n int) float64 { return testing.AllocsPerRun(10, func() { benchmarkConn(s, batch, n) }) }
	const few, many = 100, 1100 // the cost of the connection is in both
	return (allocs(many) - allocs(few)) / float64((many-few)*strings.Count(batch, "GET"))
}

// A request on a connection that persists costs one allocation, of its context, and
// those of the resolver, whether its head is another or the last one again. (Under the
// race detector pools forget on purpose.)
func TestHelloAllocations(t *testing.T) {
	s := newServer(t, rawhttp.WithResolver(benchmarkHello()))
	another := strings.Replace(benchmarkGet, "/", "/another", 1)
	for name, batch := range map[string]string{
		"one by one":           benchmarkGet,
		"pipelined":            strings.Repeat(benchmarkGet, 16),
		"pipelined, different": strings.Repeat(benchmarkGet+another, 8),
	} {
		if got := allocations(s, batch); got > 1.01 {
			t.Errorf("%s: %.2f allocations a request, want at most 1", name, got)
		}
	}
}

// A Text made again is one allocation, up to 64 KiB: the string is not copied.
func TestTextAllocations(t *testing.T) {
	long := strings.Repeat("x", 40<<10)
	s := newServer(t, rawhttp.WithResolver(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, long), nil
	})))
	if got := allocations(s, benchmarkGet); got > 1.1 {
		t.Errorf("%.2f allocations a request, want that of the Response and 1/16 for its context", got)
	}
}

// A Text that answers many requests is copied for none of them, however long it is and
// however it leaves.
func TestSharedTextAllocations(t *testing.T) {
	tests := []struct {
		name  string
		size  int
		batch string
		opt   rawhttp.Option
	}{
		{"longer than all that is joined", 1 << 20, benchmarkGet, nil},
		{"longer than has room after others", 40 << 10, strings.Repeat(benchmarkGet, 4), nil},
		{"chunked", 60 << 10, benchmarkGet, rawhttp.WithContentLength(false)},
	}
	for _, tt := range tests {
		resp := rawhttp.Text(200, strings.Repeat("x", tt.size))
		s := newServer(t, tt.opt, rawhttp.WithResolver(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return resp, nil })))
		if got := allocations(s, tt.batch); got > 0.1 {
			t.Errorf("%s: %.2f allocations a request, want 1/16 for its context", tt.name, got)
		}
	}
}

// A resolver that asks for text of the head pays for it once, while the head is the same.
func TestRepeatedHeadAllocations(t *testing.T) {
	resp := rawhttp.Text(200, "Hello, World!\n")
	s := newServer(t, rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if req.Path() != "/" || req.Header().Get("Host") == "" {
			t.Error("the head is another")
		}
		return resp, nil
	})))
	if got := allocations(s, benchmarkGet); got > 0.1 {
		t.Errorf("%.2f allocations a request, want 1/16 for its context", got)
	}
}

// Hello over TCP: one allocation a request, as over the connection of the benchmarks.
func TestHelloAllocationsOverTCP(t *testing.T) {
	_, addr := listen(t, rawhttp.WithResolver(benchmarkHello()))
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
