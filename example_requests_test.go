package rawhttp_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"log"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"example.com/rawhttp"
)

// An API that reads and writes JSON. Requests that are too large (413), of another type (415),
// malformed (400) or incomplete (422) each have their own status, and errors are JSON too.
func Example_json() {
	type note struct {
		ID   int    `json:"id"`
		Text string `json:"text"`
	}
	var (
		mu    sync.Mutex
		notes = []note{}
	)
	list := func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		content, err := json.Marshal(notes)
		if err != nil {
			return nil, err
		}
		return rawhttp.OK("application/json", content), nil
	}
	create := func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		mediaType, _, err := mime.ParseMediaType(req.Header().Get("Content-Type"))
		if err != nil || mediaType != "application/json" {
			return nil, &rawhttp.StatusError{Status: 415, Err: err}
		}
		content, err := io.ReadAll(req.Body) // at most what LimitBody permits
		if err != nil {
			return nil, err
		}
		var n note
		if err := json.Unmarshal(content, &n); err != nil {
			return nil, &rawhttp.StatusError{Status: 400, Err: err}
		}
		if n.Text == "" {
			return nil, &rawhttp.StatusError{Status: 422, Err: errors.New("the note has no text")}
		}
		mu.Lock()
		defer mu.Unlock()
		n.ID = len(notes) + 1
		notes = append(notes, n)
		content, err = json.Marshal(n)
		if err != nil {
			return nil, err
		}
		return rawhttp.Bytes(201, "application/json", content).Set("Location", "/notes/"+strconv.Itoa(n.ID)), nil
	}
	srv, err := rawhttp.New(
		rawhttp.WithResolver(rawhttp.Mount("/notes", rawhttp.LimitBody(64<<10, rawhttp.Methods(map[string]rawhttp.Resolver{
			"GET":  rawhttp.ResolverFunc(list),
			"POST": rawhttp.ResolverFunc(create),
		})))),
		rawhttp.WithErrorPage(func(ctx context.Context, req *rawhttp.Request, status int, err error) *rawhttp.Response {
			return rawhttp.Bytes(status, "application/json", fmt.Appendf(nil, `{"status":%d}`, status)) // err is for the log
		}),
	)
	if err != nil {
		log.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	go srv.Serve(context.Background(), ln)

	notesURL := "http://" + ln.Addr().String() + "/notes"
	for _, content := range []string{`{"text": "two litres of milk"}`, `{"text": `, `{"text": "` + strings.Repeat("x", 64<<10) + `"}`} {
		resp, err := http.Post(notesURL, "application/json", strings.NewReader(content))
		if err != nil {
			log.Fatal(err)
		}
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
		fmt.Printf("%s: %s\n", resp.Status, answer)
	}
	// Output:
	// 201 Created: {"id":1,"text":"two litres of milk"}
	// 400 Bad Request: {"status":400}
	// 413 Content Too Large: {"status":413}
}

// An HTML form. The response to POST is a redirect (303), so that a reload does not send the
// form again. Forms sent from the pages of other sites are rejected.
func Example_form() {
	show := func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		name := html.EscapeString(req.Query().Get("name"))
		return rawhttp.HTML(200, "<!doctype html><title>Form</title><p>Hello, "+name+
			"<form method=post><input name=name required><button>Send</button></form>\n"), nil
	}
	send := func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if site := req.Header().Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
			return nil, fs.ErrPermission
		}
		mediaType, _, err := mime.ParseMediaType(req.Header().Get("Content-Type"))
		if err != nil || mediaType != "application/x-www-form-urlencoded" {
			return nil, &rawhttp.StatusError{Status: 415, Err: err}
		}
		content, err := io.ReadAll(req.Body) // limited by LimitBody below
		if err != nil {
			return nil, err
		}
		form, err := url.ParseQuery(string(content))
		if err != nil {
			return nil, &rawhttp.StatusError{Status: 400, Err: err}
		}
		if form.Get("name") == "" {
			return rawhttp.Text(422, "the form has no name\n"), nil
		}
		return rawhttp.Redirect(303, "?"+url.Values{"name": form["name"]}.Encode()), nil
	}
	page := rawhttp.LimitBody(64<<10, rawhttp.Methods(map[string]rawhttp.Resolver{
		"GET":  rawhttp.ResolverFunc(show),
		"POST": rawhttp.ResolverFunc(send),
	}))

	for _, request := range []string{
		"POST / HTTP/1.1\r\nHost: example.test\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 14\r\n\r\nname=Ann+%26+B",
		"GET /?name=Ann+%26+B HTTP/1.1\r\nHost: example.test\r\n\r\n",
	} {
		fmt.Println(strings.ReplaceAll(rawhttp.Answer(page, request), "\r\n", "\n"))
	}
	// Output:
	// HTTP/1.1 303 See Other
	// Content-Type: text/plain; charset=utf-8
	// Content-Length: 14
	// Location: ?name=Ann+%26+B
	//
	// 303 See Other
	//
	// HTTP/1.1 200 OK
	// Content-Type: text/html; charset=utf-8
	// Content-Length: 128
	//
	// <!doctype html><title>Form</title><p>Hello, Ann &amp; B<form method=post><input name=name required><button>Send</button></form>
}

// isFileName reports whether the name is that of a visible file in a folder.
func isFileName(name string) bool {
	return !strings.HasPrefix(name, ".") && !strings.ContainsAny(name, `/\`) && filepath.IsLocal(name)
}

// writeTemporary writes the content of r to a new file in the folder, and returns its name.
// The name begins with a dot, so a resolver of the folder does not serve it. If there is an
// error, no file remains.
func writeTemporary(folder *os.Root, r io.Reader) (name string, size int64, err error) {
	name = "." + rand.Text()
	f, err := folder.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", 0, err
	}
	size, err = io.Copy(f, r)
	if err == nil {
		err = f.Sync() // or the file might be empty after a crash
	}
	if err := errors.Join(err, f.Close()); err != nil {
		folder.Remove(name)
		return "", 0, err
	}
	return name, size, nil
}

// saveFile writes the content of r to a new file in the folder. The file gets its name when it
// is complete, and does not replace another one.
func saveFile(folder *os.Root, name string, r io.Reader) (size int64, err error) {
	if !isFileName(name) {
		return 0, &rawhttp.StatusError{Status: 400, Err: fmt.Errorf("file name %q", name)}
	}
	temporary, size, err := writeTemporary(folder, r)
	if err != nil {
		return 0, err
	}
	defer folder.Remove(temporary)
	err = folder.Link(temporary, name)
	if errors.Is(err, fs.ErrExist) {
		err = &rawhttp.StatusError{Status: 409, Err: err}
	}
	return size, err
}

// A progressWriter reports how much of total has been written to it, at every quarter.
type progressWriter struct {
	total, written int64
	report         func(percent int64)
}

func (p *progressWriter) Write(b []byte) (int, error) {
	before := p.written
	p.written += int64(len(b))
	for quarter := int64(1); quarter <= 4 && p.total > 0; quarter++ {
		if mark := p.total * quarter / 4; before < mark && mark <= p.written {
			p.report(quarter * 25)
		}
	}
	return len(b), nil
}

// Uploads from a form with enctype="multipart/form-data" are written to a folder as they
// arrive, so large files need little memory. Content over 10 MiB requires WithMaxBodyBytes.
func Example_upload() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	folder, err := os.OpenRoot(dir) // no name leads out of it
	if err != nil {
		log.Fatal(err)
	}
	defer folder.Close()

	upload := func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		mediaType, params, err := mime.ParseMediaType(req.Header().Get("Content-Type"))
		if err != nil || mediaType != "multipart/form-data" {
			return nil, &rawhttp.StatusError{Status: 415, Err: err}
		}
		progress := &progressWriter{
			total:  req.ContentLength(), // -1 if the client does not know it
			report: func(percent int64) { fmt.Printf("%d%%\n", percent) },
		}
		parts := multipart.NewReader(io.TeeReader(req.Body, progress), params["boundary"])
		var saved strings.Builder
		for {
			part, err := parts.NextPart()
			if err == io.EOF {
				return rawhttp.Text(201, saved.String()), nil
			}
			if err != nil {
				return nil, &rawhttp.StatusError{Status: 400, Err: err}
			}
			if part.FileName() == "" {
				continue // a field of the form that is not a file
			}
			size, err := saveFile(folder, part.FileName(), part)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&saved, "saved %s, %d bytes\n", part.FileName(), size)
		}
	}
	resolver := rawhttp.Methods(map[string]rawhttp.Resolver{"POST": rawhttp.ResolverFunc(upload)})

	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	file, err := parts.CreateFormFile("file", "tea.txt")
	if err != nil {
		log.Fatal(err)
	}
	file.Write(bytes.Repeat([]byte("tea\n"), 100_000))
	parts.Close()
	request := "POST /files HTTP/1.1\r\nHost: example.test\r\nContent-Type: " + parts.FormDataContentType() +
		"\r\nContent-Length: " + strconv.Itoa(form.Len()) + "\r\n\r\n" + form.String()
	for range 2 {
		answer := rawhttp.Answer(resolver, request)
		statusLine, _, _ := strings.Cut(answer, "\r\n")
		_, content, _ := strings.Cut(answer, "\r\n\r\n")
		fmt.Printf("%s: %q\n", statusLine, content)
	}
	// Output:
	// 25%
	// 50%
	// 75%
	// 100%
	// HTTP/1.1 201 Created: "saved tea.txt, 400000 bytes\n"
	// 25%
	// 50%
	// 75%
	// 100%
	// HTTP/1.1 409 Conflict: "409 Conflict\n"
}

// Documents in a folder: GET reads, PUT writes and DELETE removes one. A client changes a
// document with If-Match, and creates one with "If-None-Match: *"; it gets 412 if another client
// was first. A reader sees the old document or the new one, never a part.
func Example_put() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	folder, err := os.OpenRoot(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer folder.Close()

	var changing sync.Mutex // the precondition and the change are one step
	// read returns the document that a request names, the zero Representation if there is none.
	read := func(req *rawhttp.Request) (name string, doc rawhttp.Representation, err error) {
		name = strings.TrimPrefix(req.Path(), "/")
		if !isFileName(name) {
			return "", doc, fs.ErrPermission
		}
		content, err := folder.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			return name, doc, nil
		}
		return name, rawhttp.Representation{
			MediaType: "text/markdown; charset=utf-8",
			Body:      bytes.NewReader(content),
			Size:      int64(len(content)),
			ETag:      fmt.Sprintf(`"%x"`, sha256.Sum256(content)),
		}, err
	}
	get := func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		_, doc, err := read(req)
		switch {
		case err != nil:
			return nil, err
		case doc.ETag == "":
			return nil, fs.ErrNotExist
		}
		return rawhttp.Content(doc), nil
	}
	put := func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if req.Header().Get("Content-Range") != "" { // a part is not a document
			return nil, &rawhttp.StatusError{Status: 400}
		}
		name, _, err := read(req)
		if err != nil {
			return nil, err
		}
		hash := sha256.New()
		temporary, _, err := writeTemporary(folder, io.TeeReader(req.Body, hash))
		if err != nil {
			return nil, err
		}
		defer folder.Remove(temporary) // unless it has been renamed
		changing.Lock()
		defer changing.Unlock()
		_, old, err := read(req)
		if err != nil {
			return nil, err
		}
		if resp := old.Precondition(req); resp != nil {
			return resp, nil
		}
		if err := folder.Rename(temporary, name); err != nil {
			return nil, err
		}
		status := 204
		if old.ETag == "" {
			status = 201
		}
		return rawhttp.Empty(status).Set("ETag", fmt.Sprintf(`"%x"`, hash.Sum(nil))), nil
	}
	remove := func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		changing.Lock()
		defer changing.Unlock()
		name, old, err := read(req)
		if err != nil {
			return nil, err
		}
		if resp := old.Precondition(req); resp != nil {
			return resp, nil
		}
		if err := folder.Remove(name); err != nil {
			return nil, err
		}
		return rawhttp.Empty(204), nil
	}
	documents := rawhttp.LimitBody(1<<20, rawhttp.Methods(map[string]rawhttp.Resolver{
		"GET":    rawhttp.ResolverFunc(get),
		"PUT":    rawhttp.ResolverFunc(put),
		"DELETE": rawhttp.ResolverFunc(remove),
	}))

	ask := func(method, fields, content string) (etag string) {
		answer := rawhttp.Answer(documents, method+" /tea.md HTTP/1.1\r\nHost: example.test\r\n"+fields+
			"Content-Length: "+strconv.Itoa(len(content))+"\r\n\r\n"+content)
		head, content, _ := strings.Cut(answer, "\r\n\r\n")
		statusLine, _, _ := strings.Cut(head, "\r\n")
		fmt.Println(method, statusLine)
		if method == "GET" {
			fmt.Println(strings.TrimSpace(content))
		}
		_, etag, _ = strings.Cut(head, "ETag: ")
		etag, _, _ = strings.Cut(etag, "\r\n")
		return etag
	}
	first := ask("PUT", "If-None-Match: *\r\n", "green")
	ask("PUT", "If-None-Match: *\r\n", "black")
	ask("PUT", "If-Match: "+first+"\r\n", "white")
	ask("PUT", "If-Match: "+first+"\r\n", "oolong")
	latest := ask("GET", "", "")
	ask("DELETE", "If-Match: "+latest+"\r\n", "")
	ask("GET", "", "")
	// Output:
	// PUT HTTP/1.1 201 Created
	// PUT HTTP/1.1 412 Precondition Failed
	// PUT HTTP/1.1 204 No Content
	// PUT HTTP/1.1 412 Precondition Failed
	// GET HTTP/1.1 200 OK
	// white
	// DELETE HTTP/1.1 204 No Content
	// GET HTTP/1.1 404 Not Found
	// 404 Not Found
}

// Unsafe names are rejected, and a failed upload leaves no file.
func TestExampleSaveFile(t *testing.T) {
	folder, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	if _, err := saveFile(folder, "taken", strings.NewReader("old")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	tests := []struct {
		name    string
		content io.Reader
		status  int
	}{
		{"", strings.NewReader("x"), 400},
		{".", strings.NewReader("x"), 400},
		{"..", strings.NewReader("x"), 400},
		{".hidden", strings.NewReader("x"), 400},
		{"a/b", strings.NewReader("x"), 400},
		{`a\b`, strings.NewReader("x"), 400},
		{"/etc/x", strings.NewReader("x"), 400},
		{"taken", strings.NewReader("x"), 409},
		{"half", io.MultiReader(strings.NewReader("x"), iotest.ErrReader(broken)), 500},
	}
	for _, tt := range tests {
		_, err := saveFile(folder, tt.name, tt.content)
		if got := rawhttp.StatusOf(err); got != tt.status {
			t.Errorf("saveFile(%q) = %v, status %d, want %d", tt.name, err, got, tt.status)
		}
	}
	entries, err := fs.ReadDir(folder.FS(), ".")
	if err != nil || len(entries) != 1 || entries[0].Name() != "taken" {
		t.Errorf("the folder contains %v, %v, want only the file taken", entries, err)
	}
	if content, err := folder.ReadFile("taken"); string(content) != "old" || err != nil {
		t.Errorf("the file taken contains %q, %v, want it unchanged", content, err)
	}
}
