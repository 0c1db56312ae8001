package rawhttp_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log"
	"net"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing/fstest"
	"time"

	"example.com/rawhttp"
)

// A client that has the representation asks whether it has changed.
func ExampleContent_conditions() {
	const report = "a,b\n1,2\n"
	resp := rawhttp.Content(rawhttp.Representation{
		MediaType: "text/csv",
		Body:      strings.NewReader(report),
		Size:      int64(len(report)),
		ETag:      `"v1"`,
	})
	srv, err := rawhttp.New(
		rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			return resp, nil
		})),
		rawhttp.WithTrace(rawhttp.Transcript(os.Stdout)),
		rawhttp.WithDate(false),
	)
	if err != nil {
		log.Fatal(err)
	}
	for _, known := range []string{`"v1"`, `"v0"`} {
		talk(srv, "GET /report HTTP/1.1\r\nHost: example.test\r\nIf-None-Match: "+known+"\r\nConnection: close\r\n\r\n")
	}
	// Output:
	// #1.1 C --> GET /report HTTP/1.1<CRLF>
	// #1.1 C --> Host: example.test<CRLF>
	// #1.1 C --> If-None-Match: "v1"<CRLF>
	// #1.1 C --> Connection: close<CRLF>
	// #1.1 C --> <CRLF>
	// #1.1 S <-- HTTP/1.1 304 Not Modified<CRLF>
	// #1.1 S <-- ETag: "v1"<CRLF>
	// #1.1 S <-- Connection: close<CRLF>
	// #1.1 S <-- <CRLF>
	// #2.1 C --> GET /report HTTP/1.1<CRLF>
	// #2.1 C --> Host: example.test<CRLF>
	// #2.1 C --> If-None-Match: "v0"<CRLF>
	// #2.1 C --> Connection: close<CRLF>
	// #2.1 C --> <CRLF>
	// #2.1 S <-- HTTP/1.1 200 OK<CRLF>
	// #2.1 S <-- Content-Type: text/csv<CRLF>
	// #2.1 S <-- Content-Length: 8<CRLF>
	// #2.1 S <-- ETag: "v1"<CRLF>
	// #2.1 S <-- Accept-Ranges: bytes<CRLF>
	// #2.1 S <-- Connection: close<CRLF>
	// #2.1 S <-- <CRLF>
	// #2.1 S <-- a,b<LF>
	// #2.1 S <-- 1,2<LF>
}

// A client that has the beginning asks for the rest, if it is still the rest of the
// same.
func ExampleContent_ranges() {
	const report = "a,b\n1,2\n"
	resp := rawhttp.Content(rawhttp.Representation{
		MediaType: "text/csv",
		Body:      strings.NewReader(report),
		Size:      int64(len(report)),
		ETag:      `"v1"`,
	})
	resolver := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return resp, nil
	})
	for _, fields := range []string{
		"Range: bytes=4-\r\nIf-Range: \"v1\"\r\n",
		"Range: bytes=4-\r\nIf-Range: \"v0\"\r\n",
		"Range: bytes=-4\r\n",
		"Range: bytes=100-\r\n",
	} {
		status, content := ask(resolver, "GET /report HTTP/1.1\r\nHost: example.test\r\n"+fields+"\r\n")
		fmt.Printf("%q: %s %q\n", strings.TrimSpace(fields), status, content)
	}
	// Output:
	// "Range: bytes=4-\r\nIf-Range: \"v1\"": 206 Partial Content "1,2\n"
	// "Range: bytes=4-\r\nIf-Range: \"v0\"": 200 OK "a,b\n1,2\n"
	// "Range: bytes=-4": 206 Partial Content "1,2\n"
	// "Range: bytes=100-": 416 Range Not Satisfiable "416 Range Not Satisfiable\n"
}

// Files that were compressed in advance lie beside the file.
func ExampleWithPrecompressed() {
	built := time.Date(2026, time.May, 4, 12, 0, 0, 0, time.UTC)
	srv, err := rawhttp.New(
		rawhttp.WithFS(fstest.MapFS{
			"app.js":    {Data: []byte("route(location)"), ModTime: built},
			"app.js.br": {Data: []byte("(compressed)"), ModTime: built},
		}),
		rawhttp.WithPrecompressed("br", "gzip"),
		rawhttp.WithDate(false),
	)
	if err != nil {
		log.Fatal(err)
	}
	for _, accepted := range []string{"gzip, br", "identity"} {
		answer := talk(srv, "GET /app.js HTTP/1.1\r\nHost: example.test\r\nAccept-Encoding: "+accepted+"\r\nConnection: close\r\n\r\n")
		fmt.Print(strings.ReplaceAll(answer, "\r\n", "\n"), "\n\n")
	}
	// Output:
	// HTTP/1.1 200 OK
	// Content-Type: text/javascript; charset=utf-8
	// Content-Length: 12
	// ETag: "di9vj6z9lhc0-c-br"
	// Last-Modified: Mon, 04 May 2026 12:00:00 GMT
	// Accept-Ranges: bytes
	// Content-Encoding: br
	// Vary: Accept-Encoding
	// X-Content-Type-Options: nosniff
	// Connection: close
	//
	// (compressed)
	//
	// HTTP/1.1 200 OK
	// Content-Type: text/javascript; charset=utf-8
	// Content-Length: 15
	// ETag: "di9vj6z9lhc0-f"
	// Last-Modified: Mon, 04 May 2026 12:00:00 GMT
	// Accept-Ranges: bytes
	// Vary: Accept-Encoding
	// X-Content-Type-Options: nosniff
	// Connection: close
	//
	// route(location)
}

// Clean URLs: /about is answered with about.html. The resolver in front puts the
// name in the place of the path; the files behind it need not know.
func Example_cleanURLs() {
	files, err := rawhttp.FS(fstest.MapFS{
		"about.html": {Data: []byte("about us")},
		"logo.svg":   {Data: []byte("<svg/>")},
	})
	if err != nil {
		log.Fatal(err)
	}
	clean := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if path.Ext(req.Path()) != "" || strings.HasSuffix(req.Path(), "/") {
			return nil, fs.ErrNotExist
		}
		return files.Resolve(ctx, req.WithPath(req.Path()+".html"))
	})
	site := rawhttp.First(clean, files)

	fmt.Println(get(site, "/about"))
	fmt.Println(get(site, "/logo.svg"))
	fmt.Println(get(site, "/missing"))
	// Output:
	// 200 OK about us
	// 200 OK <svg/>
	// 404 Not Found 404 Not Found
}

// Virtual hosts: the host that the client asks for chooses what it is answered from.
func Example_virtualHosts() {
	hosts := map[string]rawhttp.Resolver{
		"ann.test": notes{"/": "Ann's notes"},
		"bob.test": notes{"/": "Bob's notes"},
	}
	resolver := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		name := req.Host()
		if host, _, err := net.SplitHostPort(name); err == nil {
			name = host
		}
		if r, ok := hosts[strings.ToLower(name)]; ok {
			return r.Resolve(ctx, req)
		}
		return nil, &rawhttp.StatusError{Status: 421}
	})

	for _, host := range []string{"ann.test", "Bob.test:8080", "eve.test"} {
		fmt.Println(ask(resolver, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n"))
	}
	// Output:
	// 200 OK Ann's notes
	// 200 OK Bob's notes
	// 421 Misdirected Request 421 Misdirected Request
}

// A zip file, served without unpacking it. Its files cannot seek, so they are sent
// whole; conditions work, as the zip has their times.
func Example_zipFile() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "site.zip")
	if err := os.WriteFile(name, zipOf("docs/index.html", "read me"), 0o600); err != nil {
		log.Fatal(err)
	}

	archive, err := zip.OpenReader(name)
	if err != nil {
		log.Fatal(err)
	}
	defer archive.Close()
	site, err := rawhttp.FS(archive)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(get(site, "/docs/"))
	status, _ := ask(site, "GET /docs/ HTTP/1.1\r\nHost: example.test\r\n"+
		"If-Modified-Since: Mon, 04 May 2026 12:00:00 GMT\r\n\r\n")
	fmt.Println(status)
	// Output:
	// 200 OK read me
	// 304 Not Modified
}

// zipOf makes a zip file of one file.
func zipOf(name, content string) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.CreateHeader(&zip.FileHeader{Name: name, Modified: time.Date(2026, time.May, 4, 12, 0, 0, 0, time.UTC)})
	if err == nil {
		_, err = f.Write([]byte(content))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		log.Fatal(err)
	}
	return b.Bytes()
}

// A listing of one's own is a resolver in front of the files, which are told not to
// list. Names are escaped twice over: for the link, and for the page.
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
	page := template.Must(template.New("").Parse("{{range .}}<a href=\"{{.Link}}\">{{.Name}}</a>\n{{end}}"))
	gallery := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		folder, ok := strings.CutSuffix(req.Path(), "/")
		if !ok || req.Method() != "GET" && req.Method() != "HEAD" {
			return nil, fs.ErrNotExist // the files' to answer
		}
		entries, err := fs.ReadDir(tree, path.Join(".", folder))
		if err != nil {
			return nil, fs.ErrNotExist
		}
		type picture struct{ Link, Name string }
		var pictures []picture
		for _, e := range entries {
			if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") { // what the files would serve
				pictures = append(pictures, picture{"./" + url.PathEscape(e.Name()), e.Name()})
			}
		}
		var b strings.Builder
		if err := page.Execute(&b, pictures); err != nil {
			return nil, err
		}
		return rawhttp.HTML(200, b.String()), nil
	})
	site := rawhttp.First(gallery, files)

	fmt.Println(get(site, "/pictures/"))
	fmt.Println(get(site, "/pictures/a%20cat%3F.jpg"))
	fmt.Println(get(files, "/pictures/"))
	// Output:
	// 200 OK <a href="./%3Cdog%3E.jpg">&lt;dog&gt;.jpg</a>
	// <a href="./a%20cat%3F.jpg">a cat?.jpg</a>
	//
	// 200 OK cat
	// 404 Not Found 404 Not Found
}
