package rawhttp_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing/fstest"
	"time"

	"example.com/rawhttp"
)

// A client that already has the representation asks whether it has changed.
func ExampleContent_conditions() {
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
	for _, known := range []string{`"v1"`, `"v0"`} {
		answer := rawhttp.Answer(resolver, "GET /report HTTP/1.1\r\nHost: example.test\r\nIf-None-Match: "+known+"\r\n\r\n")
		fmt.Print(strings.ReplaceAll(answer, "\r\n", "\n"))
	}
	// Output:
	// HTTP/1.1 304 Not Modified
	// ETag: "v1"
	//
	// HTTP/1.1 200 OK
	// Content-Type: text/csv
	// Content-Length: 8
	// ETag: "v1"
	// Accept-Ranges: bytes
	//
	// a,b
	// 1,2
}

// A client that has the beginning asks for the rest, provided that the representation has not
// changed.
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
		answer := rawhttp.Answer(resolver, "GET /report HTTP/1.1\r\nHost: example.test\r\n"+fields+"\r\n")
		statusLine, _, _ := strings.Cut(answer, "\r\n")
		_, content, _ := strings.Cut(answer, "\r\n\r\n")
		fmt.Printf("%q: %s %q\n", strings.TrimSpace(fields), statusLine, content)
	}
	// Output:
	// "Range: bytes=4-\r\nIf-Range: \"v1\"": HTTP/1.1 206 Partial Content "1,2\n"
	// "Range: bytes=4-\r\nIf-Range: \"v0\"": HTTP/1.1 200 OK "a,b\n1,2\n"
	// "Range: bytes=-4": HTTP/1.1 206 Partial Content "1,2\n"
	// "Range: bytes=100-": HTTP/1.1 416 Range Not Satisfiable "416 Range Not Satisfiable\n"
}

// A note that a client replaces only if no other client has changed it.
func ExampleRepresentation_Precondition() {
	var mu sync.Mutex
	note, version := "two litres", 1
	resolver := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		content, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		mu.Lock() // so that the note cannot change after the check
		defer mu.Unlock()
		stored := rawhttp.Representation{
			MediaType: "text/plain",
			Body:      strings.NewReader(note),
			Size:      int64(len(note)),
			ETag:      fmt.Sprintf(`"v%d"`, version),
		}
		if req.Method() != "PUT" {
			return rawhttp.Content(stored), nil
		}
		if resp := stored.Precondition(req); resp != nil {
			return resp, nil
		}
		note = string(content)
		version++
		return rawhttp.Empty(204), nil
	})
	put := "PUT /milk HTTP/1.1\r\nHost: example.test\r\nIf-Match: \"v1\"\r\nContent-Length: 12\r\n\r\n"
	for _, request := range []string{
		"HEAD /milk HTTP/1.1\r\nHost: example.test\r\n\r\n",
		put + "three litres",
		put + "seven litres",
	} {
		answer := rawhttp.Answer(resolver, request)
		statusLine, _, _ := strings.Cut(answer, "\r\n")
		fmt.Println(statusLine)
	}
	fmt.Println(note)
	// Output:
	// HTTP/1.1 200 OK
	// HTTP/1.1 204 No Content
	// HTTP/1.1 412 Precondition Failed
	// three litres
}

// The same number as JSON for programs and as HTML for people.
func ExampleAccepts() {
	resolver := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		var resp *rawhttp.Response
		switch rawhttp.Accepts(req, "application/json", "text/html") {
		case "application/json":
			resp = rawhttp.OK("application/json", []byte(`{"litres": 2}`))
		case "text/html":
			resp = rawhttp.HTML(200, "<p>2 litres")
		default:
			resp = rawhttp.Text(406, "application/json or text/html")
		}
		return resp.Set("Vary", "Accept"), nil
	})
	for _, accept := range []string{"*/*", "text/html, */*;q=0.8", "image/png"} {
		answer := rawhttp.Answer(resolver, "GET /milk HTTP/1.1\r\nHost: example.test\r\nAccept: "+accept+"\r\n\r\n")
		_, content, _ := strings.Cut(answer, "\r\n\r\n")
		fmt.Printf("%s: %s\n", accept, content)
	}
	// Output:
	// */*: {"litres": 2}
	// text/html, */*;q=0.8: <p>2 litres
	// image/png: application/json or text/html
}

// The compressed form of a file is in the same folder as the file.
func ExampleWithPrecompressed() {
	built := time.Date(2026, time.May, 4, 12, 0, 0, 0, time.UTC)
	files, err := rawhttp.FS(
		fstest.MapFS{
			"app.js":    {Data: []byte("route(location)"), ModTime: built},
			"app.js.br": {Data: []byte("(compressed)"), ModTime: built},
		},
		rawhttp.WithPrecompressed("br", "gzip"),
	)
	if err != nil {
		log.Fatal(err)
	}
	for _, accepted := range []string{"gzip, br", "identity"} {
		answer := rawhttp.Answer(files, "GET /app.js HTTP/1.1\r\nHost: example.test\r\nAccept-Encoding: "+accepted+"\r\n\r\n")
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
	//
	// route(location)
}

// A zip file, served without unpacking it. Its files cannot seek, so they are sent whole;
// conditions work, since the zip file records their modification times.
func Example_zipFile() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "site.zip")
	if err := writeZip(name); err != nil {
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
	for _, fields := range []string{"", "If-Modified-Since: Mon, 04 May 2026 12:00:00 GMT\r\n"} {
		answer := rawhttp.Answer(site, "GET /docs/ HTTP/1.1\r\nHost: example.test\r\n"+fields+"\r\n")
		statusLine, _, _ := strings.Cut(answer, "\r\n")
		_, content, _ := strings.Cut(answer, "\r\n\r\n")
		fmt.Println(statusLine, content)
	}
	// Output:
	// HTTP/1.1 200 OK read me
	// HTTP/1.1 304 Not Modified
}

// writeZip writes a zip file that contains one file.
func writeZip(name string) error {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.CreateHeader(&zip.FileHeader{
		Name:     "docs/index.html",
		Modified: time.Date(2026, time.May, 4, 12, 0, 0, 0, time.UTC),
	})
	if err != nil {
		return err
	}
	if _, err := f.Write([]byte("read me")); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(name, b.Bytes(), 0o600)
}
