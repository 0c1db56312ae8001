//go:build !race

package conformance_test

import (
	"context"
	"runtime"
	"strings"
	"testing"

	"example.com/rawhttp"
)

// allocations returns the number of allocations per request on a persistent connection on which
// batches of requests arrive.
func allocations(t *testing.T, s *rawhttp.Server, batch string) float64 {
	t.Helper()
	requests := strings.Count(batch, "GET")
	allocs := func(n int) float64 {
		return testing.AllocsPerRun(5, func() {
			if written, least := benchmarkConn(s, batch, n), n*requests*len("HTTP/1.1 200 OK\r\n"); written < least {
				t.Errorf("%d bytes were written, want at least %d: an answer to each request", written, least)
			}
		})
	}
	const few, many = 100, 600 // the difference excludes the cost of the connection itself
	return (allocs(many) - allocs(few)) / float64((many-few)*requests)
}

// A request on a persistent connection costs at most one allocation in addition to those of the
// resolver, whether or not its head equals the previous one. (With the race detector,
// pools drop values on purpose.)
func TestHelloAllocations(t *testing.T) {
	s := newServer(t, rawhttp.WithResolver(benchmarkHello()))
	another := strings.Replace(benchmarkGet, "/", "/another", 1)
	for name, batch := range map[string]string{
		"one by one":           benchmarkGet,
		"pipelined":            strings.Repeat(benchmarkGet, 16),
		"pipelined, different": strings.Repeat(benchmarkGet+another, 8),
	} {
		if got := allocations(t, s, batch); got > 1.01 {
			t.Errorf("%s: %.2f allocations per request, want at most 1", name, got)
		}
	}
}

// Making a Text costs one allocation, up to 64 KiB: the string is not copied.
func TestTextAllocations(t *testing.T) {
	long := strings.Repeat("x", 40<<10)
	s := newServer(t, rawhttp.WithResolver(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, long), nil
	})))
	if got := allocations(t, s, benchmarkGet); got > 1.1 {
		t.Errorf("%.2f allocations per request, want 1 for the Response and 1/16 for the context", got)
	}
}

// A Text that answers many requests is never copied, however long it is and however it is
// sent.
func TestSharedTextAllocations(t *testing.T) {
	tests := []struct {
		name  string
		size  int
		batch string
		opt   rawhttp.Option
	}{
		{"too long to be joined with a head", 1 << 20, benchmarkGet, nil},
		{"too long to be joined with other answers", 40 << 10, strings.Repeat(benchmarkGet, 4), nil},
		{"chunked", 60 << 10, benchmarkGet, rawhttp.WithContentLength(false)},
	}
	for _, tt := range tests {
		resp := rawhttp.Text(200, strings.Repeat("x", tt.size))
		s := newServer(t, tt.opt, rawhttp.WithResolver(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return resp, nil })))
		if got := allocations(t, s, tt.batch); got > 0.1 {
			t.Errorf("%s: %.2f allocations per request, want 1/16 for the context", tt.name, got)
		}
	}
}

// The text of a head that a resolver asks for is allocated once while the head stays the same.
func TestRepeatedHeadAllocations(t *testing.T) {
	resp := rawhttp.Text(200, "Hello, World!\n")
	s := newServer(t, rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if req.Path() != "/" || req.Header().Get("Host") == "" {
			t.Error("the resolver got another head than the one sent")
		}
		return resp, nil
	})))
	if got := allocations(t, s, benchmarkGet); got > 0.1 {
		t.Errorf("%.2f allocations per request, want 1/16 for the context", got)
	}
}

// Over TCP a request costs one allocation too, as over the in-memory connection of the
// benchmarks.
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
		t.Errorf("%.2f allocations per request, want at most 1", got)
	}
}
