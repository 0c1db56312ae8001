package rawhttp_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing/fstest"

	"example.com/rawhttp"
)

func ExampleResolverFunc() {
	hello := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, "hello from "+req.Path()), nil
	})
	fmt.Printf("%q\n", rawhttp.Answer(hello, "GET /here HTTP/1.1\r\nHost: example.test\r\n\r\n"))
	// Output:
	// "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 16\r\n\r\nhello from /here"
}

// A resolver that requires a password. It compares hashes, which have the same length, in
// constant time, so that the response time reveals nothing about the password. Without TLS,
// anyone who can read the connection can read the password.
func ExampleResolverFunc_basicAuth() {
	protect := func(user, password string, next rawhttp.Resolver) rawhttp.Resolver {
		want := sha256.Sum256([]byte(user + ":" + password))
		return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			scheme, credentials, _ := strings.Cut(req.Header().Get("Authorization"), " ")
			given, err := base64.StdEncoding.DecodeString(credentials)
			hash := sha256.Sum256(given)
			if err != nil || !strings.EqualFold(scheme, "Basic") || subtle.ConstantTimeCompare(hash[:], want[:]) != 1 {
				return rawhttp.Text(401, "who are you?").Set("WWW-Authenticate", `Basic realm="notes", charset="UTF-8"`), nil
			}
			return next.Resolve(ctx, req.WithUser(user))
		})
	}
	hello := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, "hello, Ann"), nil
	})
	resolver := protect("ann", "s3cret", hello)

	credentials := base64.StdEncoding.EncodeToString([]byte("ann:s3cret"))
	for _, fields := range []string{"", "Authorization: Basic " + credentials + "\r\n"} {
		answer := rawhttp.Answer(resolver, "GET / HTTP/1.1\r\nHost: example.test\r\n"+fields+"\r\n")
		fmt.Print(strings.ReplaceAll(answer, "\r\n", "\n"), "\n\n")
	}
	// Output:
	// HTTP/1.1 401 Unauthorized
	// Content-Type: text/plain; charset=utf-8
	// Content-Length: 12
	// WWW-Authenticate: Basic realm="notes", charset="UTF-8"
	//
	// who are you?
	//
	// HTTP/1.1 200 OK
	// Content-Type: text/plain; charset=utf-8
	// Content-Length: 10
	//
	// hello, Ann
}

// Only uploads may be large. Other content that is too large is refused before any of it is
// read.
func ExampleLimitBody() {
	size := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		n, err := io.Copy(io.Discard, req.Body)
		if err != nil {
			return nil, err
		}
		return rawhttp.Text(200, fmt.Sprintf("%d bytes\n", n)), nil
	})
	site := rawhttp.First(
		rawhttp.Mount("/upload", size), // up to WithMaxBodyBytes
		rawhttp.LimitBody(64<<10, size),
	)
	for _, path := range []string{"/upload", "/note"} {
		answer := rawhttp.Answer(site, "POST "+path+" HTTP/1.1\r\nHost: example.test\r\n"+
			"Content-Length: 100000\r\n\r\n"+strings.Repeat("x", 100_000))
		_, content, _ := strings.Cut(answer, "\r\n\r\n")
		fmt.Print(path, ": ", content)
	}
	// Output:
	// /upload: 100000 bytes
	// /note: 413 Content Too Large
}

// A resolver for each method of a resource. HEAD, OPTIONS and methods that are not allowed need
// no code.
func ExampleMethods() {
	answer := func(text string) rawhttp.Resolver {
		return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.Text(200, text), nil
		})
	}
	note := rawhttp.Methods(map[string]rawhttp.Resolver{
		"GET":    answer("two litres\n"),
		"DELETE": answer("deleted\n"),
	})
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT"} {
		answer := rawhttp.Answer(note, method+" /milk HTTP/1.1\r\nHost: example.test\r\n\r\n")
		fmt.Print(method, ": ", strings.ReplaceAll(answer, "\r\n", "\n"))
	}
	// Output:
	// GET: HTTP/1.1 200 OK
	// Content-Type: text/plain; charset=utf-8
	// Content-Length: 11
	//
	// two litres
	// HEAD: HTTP/1.1 200 OK
	// Content-Type: text/plain; charset=utf-8
	// Content-Length: 11
	//
	// OPTIONS: HTTP/1.1 204 No Content
	// Allow: GET, HEAD, DELETE, OPTIONS
	// X-Content-Type-Options: nosniff
	//
	// PUT: HTTP/1.1 405 Method Not Allowed
	// Content-Type: text/plain; charset=utf-8
	// Content-Length: 23
	// X-Content-Type-Options: nosniff
	// Allow: GET, HEAD, DELETE, OPTIONS
	//
	// 405 Method Not Allowed
}

// A signed cookie, which the client cannot change. This one counts visits. Browsers accept the
// prefix __Host- only from this host and over TLS.
func Example_cookies() {
	const name = "__Host-visits"
	key := make([]byte, 32) // new each time the program starts, so older cookies become invalid
	rand.Read(key)
	sign := func(value string) string {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(name + "=" + value))
		return value + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	// read returns the value of the cookie, "" if there is none or its signature is wrong.
	read := func(req *rawhttp.Request) string {
		for line := range req.Header().Values("Cookie") {
			for pair := range strings.SplitSeq(line, ";") {
				if n, signed, _ := strings.Cut(strings.TrimSpace(pair), "="); n == name {
					value, _, _ := strings.Cut(signed, ".")
					if hmac.Equal([]byte(signed), []byte(sign(value))) {
						return value
					}
				}
			}
		}
		return ""
	}
	counter := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		visits, _ := strconv.Atoi(read(req))
		visits++
		resp := rawhttp.Text(200, fmt.Sprintf("visit %d\n", visits))
		resp.Set("Cache-Control", "private, no-cache")
		return resp.Add("Set-Cookie", name+"="+sign(strconv.Itoa(visits))+
			"; Path=/; Max-Age=2592000; Secure; HttpOnly; SameSite=Lax"), nil
	})

	cookie := ""
	for range 3 {
		answer := rawhttp.Answer(counter, "GET / HTTP/1.1\r\nHost: example.test\r\nCookie: theme=dark; "+cookie+"\r\n\r\n")
		_, content, _ := strings.Cut(answer, "\r\n\r\n")
		fmt.Print(content)
		_, cookie, _ = strings.Cut(answer, "Set-Cookie: ")
		cookie, _, _ = strings.Cut(cookie, ";")
	}
	forged := strings.Replace(cookie, "=3.", "=999.", 1)
	answer := rawhttp.Answer(counter, "GET / HTTP/1.1\r\nHost: example.test\r\nCookie: "+forged+"\r\n\r\n")
	_, content, _ := strings.Cut(answer, "\r\n\r\n")
	fmt.Print(content)
	// Output:
	// visit 1
	// visit 2
	// visit 3
	// visit 1
}

// A folder on disk. No request reaches anything outside it or, by default, any name that
// begins with a dot.
func ExampleDir() {
	root, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(root)
	for _, name := range []string{"a.txt", "b.txt", ".password"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte("content of "+name), 0o600); err != nil {
			log.Fatal(err)
		}
	}
	files, err := rawhttp.Dir(root, rawhttp.WithCacheControl("no-cache"))
	if err != nil {
		log.Fatal(err)
	}
	defer files.Close()

	for _, path := range []string{"/a.txt", "/.password", "/../../etc/passwd", "/"} {
		answer := rawhttp.Answer(files, "GET "+path+" HTTP/1.1\r\nHost: example.test\r\n\r\n")
		_, content, _ := strings.Cut(answer, "\r\n\r\n")
		fmt.Printf("%s: %q\n", path, content)
	}
	// Output:
	// /a.txt: "content of a.txt"
	// /.password: "404 Not Found\n"
	// /../../etc/passwd: "404 Not Found\n"
	// /: "a.txt\nb.txt\n"
}

// Any fs.FS can be served: an embed.FS, a tree in memory, or, as here, a zip file.
func ExampleFS() {
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	f, err := w.Create("docs/readme.txt")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(f, "read me")
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	archive, err := zip.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		log.Fatal(err)
	}

	files, err := rawhttp.FS(archive)
	if err != nil {
		log.Fatal(err)
	}
	for _, path := range []string{"/docs/readme.txt", "/docs/"} {
		answer := rawhttp.Answer(files, "GET "+path+" HTTP/1.1\r\nHost: example.test\r\n\r\n")
		_, content, _ := strings.Cut(answer, "\r\n\r\n")
		fmt.Printf("%s: %q\n", path, content)
	}
	// Output:
	// /docs/readme.txt: "read me"
	// /docs/: "readme.txt\n"
}

// Pages are revalidated each time; files with a hash in their names are cached for a year.
func ExampleWithCacheControl() {
	files, err := rawhttp.FS(
		fstest.MapFS{
			"index.html":           {Data: []byte("<!doctype html>")},
			"assets/app-5f2c1a.js": {Data: []byte("start()")},
		},
		rawhttp.WithCacheControl("no-cache"),
		rawhttp.WithCacheControl("public, max-age=31536000, immutable", "/assets/*"),
	)
	if err != nil {
		log.Fatal(err)
	}
	for _, path := range []string{"/", "/assets/app-5f2c1a.js"} {
		answer := rawhttp.Answer(files, "GET "+path+" HTTP/1.1\r\nHost: example.test\r\n\r\n")
		_, value, _ := strings.Cut(answer, "Cache-Control: ")
		value, _, _ = strings.Cut(value, "\r\n")
		fmt.Println(path, value)
	}
	// Output:
	// / no-cache
	// /assets/app-5f2c1a.js public, max-age=31536000, immutable
}

// Hidden names are not found unless they are enabled, except those below .well-known.
func ExampleWithDotFiles() {
	tree := fstest.MapFS{
		".env":                     {Data: []byte("PASSWORD=secret")},
		".well-known/security.txt": {Data: []byte("Contact: mailto:security@example.test")},
	}
	for _, on := range []bool{false, true} {
		files, err := rawhttp.FS(tree, rawhttp.WithDotFiles(on))
		if err != nil {
			log.Fatal(err)
		}
		for _, path := range []string{"/.env", "/.well-known/security.txt"} {
			answer := rawhttp.Answer(files, "GET "+path+" HTTP/1.1\r\nHost: example.test\r\n\r\n")
			statusLine, _, _ := strings.Cut(answer, "\r\n")
			fmt.Println(on, path, statusLine)
		}
	}
	// Output:
	// false /.env HTTP/1.1 404 Not Found
	// false /.well-known/security.txt HTTP/1.1 200 OK
	// true /.env HTTP/1.1 200 OK
	// true /.well-known/security.txt HTTP/1.1 200 OK
}

// A folder is served as the first index file that exists.
func ExampleWithIndex() {
	files, err := rawhttp.FS(
		fstest.MapFS{
			"index.html":      {Data: []byte("a page")},
			"docs/readme.txt": {Data: []byte("a text")},
		},
		rawhttp.WithIndex("index.html", "readme.txt"),
	)
	if err != nil {
		log.Fatal(err)
	}
	for _, path := range []string{"/", "/docs/"} {
		answer := rawhttp.Answer(files, "GET "+path+" HTTP/1.1\r\nHost: example.test\r\n\r\n")
		_, content, _ := strings.Cut(answer, "\r\n\r\n")
		fmt.Println(path, content)
	}
	// Output:
	// / a page
	// /docs/ a text
}

// A client chooses the format and the order of a listing. With ListNone, there are no listings.
func ExampleWithListing() {
	tree := fstest.MapFS{
		"IMG_2.jpg":  {Data: []byte("large")},
		"IMG_10.jpg": {Data: []byte("tiny")},
	}
	for _, listing := range []rawhttp.Listing{rawhttp.ListText, rawhttp.ListNone} {
		files, err := rawhttp.FS(tree, rawhttp.WithListing(listing))
		if err != nil {
			log.Fatal(err)
		}
		for _, target := range []string{"/", "/?sort=size", "/?format=json"} {
			answer := rawhttp.Answer(files, "GET "+target+" HTTP/1.1\r\nHost: example.test\r\n\r\n")
			_, content, _ := strings.Cut(answer, "\r\n\r\n")
			fmt.Printf("%s %s\n%s\n", listing, target, strings.TrimSpace(content))
		}
	}
	// Output:
	// text /
	// IMG_2.jpg
	// IMG_10.jpg
	// text /?sort=size
	// IMG_10.jpg
	// IMG_2.jpg
	// text /?format=json
	// {"path":"/","entries":[{"name":"IMG_2.jpg","type":"file","size":5,"href":"./IMG_2.jpg"},
	// {"name":"IMG_10.jpg","type":"file","size":4,"href":"./IMG_10.jpg"}],"truncated":false}
	// none /
	// 404 Not Found
	// none /?sort=size
	// 404 Not Found
	// none /?format=json
	// 404 Not Found
}

func ExampleWithMediaType() {
	files, err := rawhttp.FS(
		fstest.MapFS{"model.step": {Data: []byte("ISO-10303-21;")}},
		rawhttp.WithMediaType(".step", "model/step"),
	)
	if err != nil {
		log.Fatal(err)
	}
	answer := rawhttp.Answer(files, "GET /model.step HTTP/1.1\r\nHost: example.test\r\n\r\n")
	fmt.Println(strings.Contains(answer, "\r\nContent-Type: model/step\r\n"))
	// Output:
	// true
}

// An error with a status. The client receives the status; only the log has the cause.
func ExampleStatusError() {
	resolver := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return nil, &rawhttp.StatusError{Status: 502, Err: errors.New("database db-7 does not answer")}
	})
	answer := rawhttp.Answer(resolver, "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n")
	fmt.Print(strings.ReplaceAll(answer, "\r\n", "\n"))
	// Output:
	// HTTP/1.1 502 Bad Gateway
	// Content-Type: text/plain; charset=utf-8
	// Content-Length: 16
	// X-Content-Type-Options: nosniff
	//
	// 502 Bad Gateway
}

// A resolver that numbers each response, even those to errors.
func ExampleErrorResponse() {
	number := func(next rawhttp.Resolver) rawhttp.Resolver {
		var last atomic.Uint64
		return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			resp, err := next.Resolve(ctx, req)
			if err != nil {
				resp = rawhttp.ErrorResponse(err)
			}
			return resp.Clone().Set("X-Request-Id", fmt.Sprint(last.Add(1))), nil
		})
	}
	files, err := rawhttp.FS(fstest.MapFS{"a.txt": {Data: []byte("a")}})
	if err != nil {
		log.Fatal(err)
	}
	site := number(files)
	for _, path := range []string{"/a.txt", "/missing"} {
		answer := rawhttp.Answer(site, "HEAD "+path+" HTTP/1.1\r\nHost: example.test\r\n\r\n")
		fmt.Print(strings.ReplaceAll(answer, "\r\n", "\n"))
	}
	// Output:
	// HTTP/1.1 200 OK
	// Content-Type: text/plain; charset=utf-8
	// Content-Length: 1
	// Accept-Ranges: bytes
	// X-Content-Type-Options: nosniff
	// X-Request-Id: 1
	//
	// HTTP/1.1 404 Not Found
	// Content-Type: text/plain; charset=utf-8
	// Content-Length: 14
	// X-Content-Type-Options: nosniff
	// X-Request-Id: 2
}

// The status for each kind of error that a resolver may return.
func ExampleStatusOf() {
	for _, err := range []error{
		nil,
		fmt.Errorf("note %q: %w", "milk", fs.ErrNotExist),
		fs.ErrPermission,
		context.DeadlineExceeded,
		&rawhttp.StatusError{Status: 409},
		errors.New("anything else"),
	} {
		fmt.Println(rawhttp.StatusOf(err), err)
	}
	// Output:
	// 200 <nil>
	// 404 note "milk": file does not exist
	// 403 permission denied
	// 503 context deadline exceeded
	// 409 rawhttp: 409 Conflict
	// 500 anything else
}
