package rawhttp_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing/fstest"

	"example.com/rawhttp"
)

// notes is a Resolver of its own: a value per path, in memory.
type notes map[string]string

func (n notes) Resolve(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	note, ok := n[req.Path()]
	if !ok {
		return nil, fs.ErrNotExist // not mine; at the end of the line this is 404
	}
	switch req.Method() {
	case "GET", "HEAD":
		return rawhttp.Text(200, note), nil
	}
	return rawhttp.MethodNotAllowed("GET", "HEAD", "OPTIONS"), nil
}

// A type that answers from something other than a disk.
func ExampleResolver() {
	resolver := notes{"/milk": "two litres", "/bread": "one loaf"}
	fmt.Println(get(resolver, "/milk"))
	fmt.Println(get(resolver, "/beer"))
	// Output:
	// 200 OK two litres
	// 404 Not Found 404 Not Found
}

func ExampleResolverFunc() {
	hello := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, "hello from "+req.Path()), nil
	})
	fmt.Println(get(hello, "/here"))
	// Output:
	// 200 OK hello from /here
}

// A resolver that lets others through only with a password.
func ExampleResolverFunc_basicAuth() {
	protect := func(user, password string, next rawhttp.Resolver) rawhttp.Resolver {
		want := []byte(base64.StdEncoding.EncodeToString([]byte(user + ":" + password)))
		return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			scheme, credentials, _ := strings.Cut(req.Header().Get("Authorization"), " ")
			if !strings.EqualFold(scheme, "Basic") || subtle.ConstantTimeCompare([]byte(credentials), want) != 1 {
				return rawhttp.Text(401, "who are you?").Set("WWW-Authenticate", `Basic realm="notes", charset="UTF-8"`), nil
			}
			return next.Resolve(ctx, req)
		})
	}
	resolver := protect("ann", "s3cret", notes{"/milk": "two litres"})

	fmt.Println(get(resolver, "/milk"))
	fmt.Println(ask(resolver, "GET /milk HTTP/1.1\r\nHost: example.test\r\n"+
		"Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte("ann:s3cret"))+"\r\n\r\n"))
	// Output:
	// 401 Unauthorized who are you?
	// 200 OK two litres
}

// Pages of one's own in front of a folder of files.
func ExampleFirst() {
	files, err := rawhttp.Dir("testdata/webroot")
	if err != nil {
		log.Fatal(err)
	}
	defer files.Close()
	resolver := rawhttp.First(notes{"/hello": "hello"}, files)

	fmt.Println(get(resolver, "/hello"))
	status, content := get(resolver, "/sample.txt")
	fmt.Println(status, len(content), "bytes")
	fmt.Println(get(resolver, "/missing"))
	// Output:
	// 200 OK hello
	// 200 OK 229 bytes
	// 404 Not Found 404 Not Found
}

// Resolvers below a path each. A prefix with a slash at its end stands for all
// that is below, one without for itself alone.
func ExampleMount() {
	where := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, fmt.Sprintf("prefix %q, path %q", req.Prefix(), req.Path())), nil
	})
	resolver := rawhttp.First(
		rawhttp.Mount("/healthz", where),
		rawhttp.Mount("/api/", rawhttp.Mount("/v1/", where)),
	)
	for _, path := range []string{"/healthz", "/api/v1/users/7", "/api/v2/users/7"} {
		status, content := get(resolver, path)
		fmt.Printf("%s: %s %s\n", path, status, strings.TrimSpace(content))
	}
	// Output:
	// /healthz: 200 OK prefix "/healthz", path "/"
	// /api/v1/users/7: 200 OK prefix "/api/v1", path "/users/7"
	// /api/v2/users/7: 404 Not Found 404 Not Found
}

// A folder of the system. Nothing outside of it can be named, nor, unless that is
// asked for, what begins with a dot.
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
		status, content := get(files, path)
		fmt.Printf("%s: %s\n%s\n", path, status, strings.TrimSpace(content))
	}
	// Output:
	// /a.txt: 200 OK
	// content of a.txt
	// /.password: 404 Not Found
	// 404 Not Found
	// /../../etc/passwd: 404 Not Found
	// 404 Not Found
	// /: 200 OK
	// a.txt
	// b.txt
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
	fmt.Println(get(files, "/docs/readme.txt"))
	fmt.Println(get(files, "/docs/"))
	// Output:
	// 200 OK read me
	// 200 OK readme.txt
}

func ExampleWithMediaType() {
	files, err := rawhttp.FS(
		fstest.MapFS{"model.step": {Data: []byte("ISO-10303-21;")}},
		rawhttp.WithMediaType(".step", "model/step"),
	)
	if err != nil {
		log.Fatal(err)
	}
	srv, err := rawhttp.New(rawhttp.WithResolver(files))
	if err != nil {
		log.Fatal(err)
	}
	answer := talk(srv, "GET /model.step HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n")
	fmt.Println(strings.Contains(answer, "\r\nContent-Type: model/step\r\n"))
	// Output:
	// true
}

// An error with the status to answer it with. The client reads the status, only
// the log the cause.
func ExampleStatusError() {
	resolver := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return nil, &rawhttp.StatusError{Status: 502, Err: errors.New("database db-7 does not answer")}
	})
	fmt.Println(get(resolver, "/"))
	// Output:
	// 502 Bad Gateway 502 Bad Gateway
}

// What each error of a resolver is answered with.
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
