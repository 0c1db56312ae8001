package conformance_test

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/rawhttp"
)

// courseClientAsk sends the lines as the client of the course does, and returns the answer.
// The lines are joined by CRLF. The last is "", so the head lacks the empty line that should end it.
func courseClientAsk(t *testing.T, lines ...string) string {
	t.Helper()
	_, addr := listen(t, rawhttp.WithRoot(courseRoot), rawhttp.WithLenientParsing())
	c := dial(t, addr)
	if _, err := io.WriteString(c, strings.Join(lines, "\r\n")); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("%q: %v", lines, err)
	}
	return string(answer)
}

// The functional tests of the course, with the client of the course.
func TestCourseClient(t *testing.T) {
	t.Parallel()
	get := func(t *testing.T, target string) string {
		t.Helper()
		return courseClientAsk(t, "GET "+target+" HTTP/1.1", "Host: example.com", "")
	}
	content := func(answer string) string {
		_, content, _ := strings.Cut(answer, "\r\n\r\n")
		return content
	}
	t.Run("GET is answered with 200", func(t *testing.T) {
		t.Parallel()
		if got := get(t, "/"); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") {
			t.Errorf("answer %q, want 200 OK", got)
		}
	})
	t.Run("POST is answered with 405", func(t *testing.T) {
		t.Parallel()
		if got := courseClientAsk(t, "POST / HTTP/1.1", "Host: example.com", ""); !strings.HasPrefix(got, "HTTP/1.1 405 Method Not Allowed\r\n") {
			t.Errorf("answer %q, want 405 Method Not Allowed", got)
		}
	})
	t.Run("a folder lists its entries", func(t *testing.T) {
		t.Parallel()
		entries, err := os.ReadDir(courseRoot)
		if err != nil {
			t.Fatal(err)
		}
		listing := content(get(t, "/"))
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), ".") && !strings.Contains(listing, e.Name()) {
				t.Errorf("listing %q, want %s in it", listing, e.Name())
			}
		}
	})
	t.Run("a file is sent with its bytes", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"sample.txt", "a_web_page.html", "make_time.py", "images/sample_1.png", "images/JPEG_example.jpg"} {
			want, err := os.ReadFile(filepath.Join(courseRoot, name))
			if err != nil {
				t.Fatal(err)
			}
			if got := get(t, "/"+name); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || content(got) != string(want) {
				t.Errorf("GET /%s: answer %.100q, want 200 OK and the file", name, got)
			}
		}
	})
	t.Run("a file is sent with its media type", func(t *testing.T) {
		t.Parallel()
		for name, want := range map[string]string{"/sample.txt": "text/plain", "/images/sample_1.png": "image/png"} {
			if got := get(t, name); !strings.Contains(got, "\r\nContent-Type: "+want) {
				t.Errorf("GET %s: answer %.200q, want the Content-Type %s", name, got, want)
			}
		}
	})
	t.Run("a missing file is answered with 404", func(t *testing.T) {
		t.Parallel()
		if got := get(t, "/missing.html"); !strings.HasPrefix(got, "HTTP/1.1 404 Not Found\r\n") {
			t.Errorf("answer %q, want 404 Not Found", got)
		}
	})
}

// The unit tests of the course, with a call of the package in place of each function. There are
// 17 checks, as in the course.
func TestCourseFunctions(t *testing.T) {
	checks := 0
	check := func(name string, holds bool) {
		t.Helper()
		checks++
		if !holds {
			t.Errorf("check failed: %s", name)
		}
	}
	wire := func(r *rawhttp.Response) string {
		var b strings.Builder
		if _, err := r.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	contains := strings.Contains

	// response_ok(body, mimetype)
	ok := wire(rawhttp.Bytes(200, "image/png", []byte("foo")))
	check("200 is the code", contains(ok, "HTTP/1.1 200 OK\r\n"))
	check("the header section ends in an empty line", contains(ok, "\r\n\r\n"))
	check("there is a Content-Type", contains(ok, "\r\nContent-Type: "))
	check("Content-Type is the media type passed", contains(ok, "\r\nContent-Type: image/png\r\n"))
	check("the content is the body passed", strings.HasSuffix(ok, "\r\n\r\nfoo"))

	// response_method_not_allowed, response_not_found
	notAllowed := wire(rawhttp.MethodNotAllowed("GET"))
	check("405 is the code", strings.HasPrefix(notAllowed, "HTTP/1.1 405 Method Not Allowed\r\n"))
	check("405 ends its header section", contains(notAllowed, "\r\n\r\n"))
	notFound := wire(rawhttp.NotFound())
	check("404 is the code", strings.HasPrefix(notFound, "HTTP/1.1 404 Not Found\r\n"))
	check("404 ends its header section", contains(notFound, "\r\n\r\n"))

	// parse_request(request): the request line alone, without the end of its line
	req, _, err := rawhttp.ParseRequestLenient([]byte("GET / HTTP/1.1"))
	check("GET is parsed", err == nil && req.Method() == "GET")
	badMethod := slices.ContainsFunc([]string{"POST", "PUT", "DELETE", "HEAD"}, func(method string) bool {
		req, _, err := rawhttp.ParseRequestLenient([]byte(method + " / HTTP/1.1"))
		return err != nil || req.Method() != method
	})
	check("other methods are parsed", !badMethod)
	badPath := slices.ContainsFunc([]string{"/", "/a_web_page.html", "/images", "/images/sample_1.png"}, func(path string) bool {
		req, rest, err := rawhttp.ParseRequestLenient([]byte("GET " + path + " HTTP/1.1"))
		return err != nil || req.Path() != path || len(rest) > 0
	})
	check("the path is parsed", !badPath)
	_, _, err = rawhttp.ParseRequestLenient([]byte("GET / HTTP/1.1\r\nContent-Length: 5\r\n"))
	check("a head with a length and no empty line is incomplete", err == rawhttp.ErrIncomplete)

	// resolve_uri(uri)
	files, err := rawhttp.Dir(courseRoot)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	resolve := func(path string) string {
		return rawhttp.Answer(files, "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n")
	}
	check("a folder is answered with its listing", contains(resolve("/"), "\r\nContent-Type: text/plain") && contains(resolve("/"), "sample.txt\n"))
	check("a text file has a text type", contains(resolve("/sample.txt"), "\r\nContent-Type: text/plain"))
	check("a picture has an image type", contains(resolve("/images/sample_1.png"), "\r\nContent-Type: image/png\r\n"))
	check("a missing file is answered with 404", strings.HasPrefix(resolve("/missing.html"), "HTTP/1.1 404 "))
	if checks != 17 {
		t.Errorf("%d checks, want 17 as in the course", checks)
	}
}
