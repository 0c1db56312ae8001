package rawhttp_test

import (
	"context"
	"fmt"
	"io/fs"
	"log"
	"strings"

	"example.com/rawhttp"
)

// A page is a Resolver of one path. It leaves all others to the resolvers that follow it.
type page struct{ path, html string }

func (p page) Resolve(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	if req.Path() != p.path {
		return nil, fs.ErrNotExist
	}
	return rawhttp.HTML(200, p.html), nil
}

// Pages that the program makes, in front of a folder of files.
func ExampleFirst() {
	files, err := rawhttp.Dir("testdata/webroot")
	if err != nil {
		log.Fatal(err)
	}
	defer files.Close()
	site := rawhttp.First(page{"/hello", "<p>hello"}, page{"/bye", "<p>goodbye"}, files)

	for _, path := range []string{"/hello", "/sample.txt", "/missing"} {
		answer := rawhttp.Answer(site, "GET "+path+" HTTP/1.1\r\nHost: example.test\r\n\r\n")
		statusLine, _, _ := strings.Cut(answer, "\r\n")
		_, content, _ := strings.Cut(answer, "\r\n\r\n")
		firstLine, _, _ := strings.Cut(content, "\n")
		fmt.Printf("%s: %s: %s\n", path, statusLine, firstLine)
	}
	// Output:
	// /hello: HTTP/1.1 200 OK: <p>hello
	// /sample.txt: HTTP/1.1 200 OK: This is plain text. A browser shows it as it is:
	// /missing: HTTP/1.1 404 Not Found: 404 Not Found
}
