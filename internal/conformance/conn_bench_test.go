package conformance_test

import (
	"context"
	"strings"
	"testing"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

const benchmarkGet = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"

// benchmarkConn serves n batches of requests and returns the number of bytes of the answers.
func benchmarkConn(s *rawhttp.Server, batch string, n int) (written int) {
	c := &testkit.RepeatingConn{Requests: batch, Reads: n}
	s.ServeConn(context.Background(), c)
	return c.Written
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
