package rawhttp_test

import (
	"context"
	"fmt"
	"io/fs"
	"log"
	"path"
	"strings"
	"testing/fstest"

	"example.com/rawhttp"
)

// htmlFiles answers a path without an extension with the .html file of that name.
type htmlFiles struct{ files rawhttp.Resolver }

func (h htmlFiles) Resolve(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	if path.Ext(req.Path()) != "" || strings.HasSuffix(req.Path(), "/") {
		return nil, fs.ErrNotExist
	}
	return h.files.Resolve(ctx, req.WithPath(req.Path()+".html"))
}

// Clean URLs: /about is answered with about.html. A resolver in front of the files rewrites
// the path to the name of the file.
func Example_cleanURLs() {
	files, err := rawhttp.FS(fstest.MapFS{
		"about.html": {Data: []byte("about us")},
		"logo.svg":   {Data: []byte("<svg/>")},
	})
	if err != nil {
		log.Fatal(err)
	}
	site := rawhttp.First(htmlFiles{files}, files)

	for _, path := range []string{"/about", "/logo.svg", "/missing"} {
		answer := rawhttp.Answer(site, "GET "+path+" HTTP/1.1\r\nHost: example.test\r\n\r\n")
		_, content, _ := strings.Cut(answer, "\r\n\r\n")
		fmt.Printf("%s: %s\n", path, content)
	}
	// Output:
	// /about: about us
	// /logo.svg: <svg/>
	// /missing: 404 Not Found
}
