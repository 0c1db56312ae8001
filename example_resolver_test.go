package rawhttp_test

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"example.com/rawhttp"
)

// Notes is a Resolver: it answers from a map in memory.
type Notes map[string]string

// Resolve returns the response to a request, or an error.
func (n Notes) Resolve(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	note, ok := n[req.Path()]
	if !ok {
		return nil, fs.ErrNotExist // another resolver may have it; otherwise the answer is 404
	}
	switch req.Method() {
	case "GET", "HEAD":
		return rawhttp.Text(200, note), nil
	}
	return rawhttp.MethodNotAllowed("GET", "HEAD", "OPTIONS"), nil
}

// A Resolver of your own type, which answers from memory.
func ExampleResolver() {
	notes := Notes{"/milk": "two litres", "/bread": "one loaf"}
	for _, path := range []string{"/milk", "/beer"} {
		answer := rawhttp.Answer(notes, "GET "+path+" HTTP/1.1\r\nHost: example.test\r\n\r\n")
		fmt.Print(strings.ReplaceAll(answer, "\r\n", "\n"), "\n\n")
	}
	// Output:
	// HTTP/1.1 200 OK
	// Content-Type: text/plain; charset=utf-8
	// Content-Length: 10
	//
	// two litres
	//
	// HTTP/1.1 404 Not Found
	// Content-Type: text/plain; charset=utf-8
	// Content-Length: 14
	// X-Content-Type-Options: nosniff
	//
	// 404 Not Found
}
