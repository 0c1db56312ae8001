package rawhttp_test

import (
	"context"
	"fmt"
	"html/template"
	"io/fs"
	"log"
	"net/url"
	"path"
	"strings"
	"testing/fstest"

	"example.com/rawhttp"
)

// A gallery lists the folders of a tree as pages of links to their pictures.
type gallery struct{ tree fs.FS }

// A picture is one link. Its name is escaped twice: for the link, and by html/template for the
// page.
type picture struct{ Link, Name string }

var galleryPage = template.Must(template.New("").Parse(`{{range .}}<a href="{{.Link}}">{{.Name}}</a>
{{end}}`))

func (g gallery) Resolve(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	folder, ok := strings.CutSuffix(req.Path(), "/")
	if !ok || req.Method() != "GET" && req.Method() != "HEAD" {
		return nil, fs.ErrNotExist // the files answer
	}
	entries, err := fs.ReadDir(g.tree, path.Join(".", folder))
	if err != nil {
		return nil, fs.ErrNotExist
	}
	var pictures []picture
	for _, e := range entries {
		if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") { // only what the files would serve
			pictures = append(pictures, picture{"./" + url.PathEscape(e.Name()), e.Name()})
		}
	}
	var b strings.Builder
	if err := galleryPage.Execute(&b, pictures); err != nil {
		return nil, err
	}
	return rawhttp.HTML(200, b.String()), nil
}

// Your own listing: a resolver in front of the files, whose listings are turned off.
func Example_ownListing() {
	tree := fstest.MapFS{
		"pictures/a cat?.jpg": {Data: []byte("cat")},
		"pictures/<dog>.jpg":  {Data: []byte("dog")},
		"pictures/.settings":  {Data: []byte("secret")},
	}
	files, err := rawhttp.FS(tree, rawhttp.WithListing(rawhttp.ListNone))
	if err != nil {
		log.Fatal(err)
	}
	site := rawhttp.First(gallery{tree}, files)

	for _, path := range []string{"/pictures/", "/pictures/a%20cat%3F.jpg", "/pictures/.settings"} {
		answer := rawhttp.Answer(site, "GET "+path+" HTTP/1.1\r\nHost: example.test\r\n\r\n")
		_, content, _ := strings.Cut(answer, "\r\n\r\n")
		fmt.Printf("%s:\n%s\n", path, strings.TrimSpace(content))
	}
	// Output:
	// /pictures/:
	// <a href="./%3Cdog%3E.jpg">&lt;dog&gt;.jpg</a>
	// <a href="./a%20cat%3F.jpg">a cat?.jpg</a>
	// /pictures/a%20cat%3F.jpg:
	// cat
	// /pictures/.settings:
	// 404 Not Found
}
