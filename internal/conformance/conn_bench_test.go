package conformance_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

const benchmarkGet = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"

// benchmarkConn serves n batches of requests.
func benchmarkConn(s *rawhttp.Server, batch string, n int) {
	s.ServeConn(context.Background(), &testkit.RepeatingConn{Requests: batch, Reads: n})
}

func benchmarkHello() rawhttp.Resolver {
	resp := rawhttp.Text(200, "Hello, World!\n")
	return rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return resp, nil })
}

func BenchmarkHello(b *testing.B) {
	s := newServer(b, rawhttp.WithResolver(benchmarkHello()))
	b.ReportAllocs()
	benchmarkConn(s, benchmarkGet, b.N)
}

func BenchmarkPipelined(b *testing.B) {
	s := newServer(b, rawhttp.WithResolver(benchmarkHello()))
	b.ReportAllocs()
	benchmarkConn(s, strings.Repeat(benchmarkGet, 16), b.N/16+1)
}

func BenchmarkText(b *testing.B) {
	s := newServer(b, rawhttp.WithResolver(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, "Hello, World!\n"), nil
	})))
	b.ReportAllocs()
	benchmarkConn(s, strings.Repeat(benchmarkGet, 16), b.N/16+1)
}

type countedDeadlines struct {
	*testkit.RepeatingConn
	read, write int
}

func (c *countedDeadlines) SetReadDeadline(time.Time) error  { c.read++; return nil }
func (c *countedDeadlines) SetWriteDeadline(time.Time) error { c.write++; return nil }

// A deadline that is earlier than needed stays until it fires, so most requests set none.
func TestDeadlinesAreSetRarely(t *testing.T) {
	s := newServer(t, rawhttp.WithResolver(benchmarkHello()))
	c := &countedDeadlines{RepeatingConn: &testkit.RepeatingConn{Requests: benchmarkGet, Reads: 1000}}
	s.ServeConn(context.Background(), c)
	if c.read > 3 || c.write > 3 {
		t.Errorf("1000 requests set %d read deadlines and %d write deadlines, want 1 or 2 each", c.read, c.write)
	}
}
