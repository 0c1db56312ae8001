package conformance_test

import (
	"bufio"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/rawhttp"
)

// courseRoot is the folder that the course serves: a page, a text, the source of a script, and
// two pictures in a folder.
const courseRoot = "testdata/webroot"

// courseFiles has the files of courseRoot with their media types.
var courseFiles = []struct{ path, mediaType string }{
	{"/a_web_page.html", "text/html; charset=utf-8"},
	{"/sample.txt", "text/plain; charset=utf-8"},
	{"/make_time.py", "text/x-python; charset=utf-8"},
	{"/images/JPEG_example.jpg", "image/jpeg"},
	{"/images/sample_1.png", "image/png"},
}

// courseListings has the folders of courseRoot with their entries, one name per line.
var courseListings = []struct{ path, names string }{
	{"/", "images/\na_web_page.html\nmake_time.py\nsample.txt\n"},
	{"/images/", "JPEG_example.jpg\nsample_1.png\n"},
}

const (
	courseOK         = "HTTP/1.1 200 OK"
	courseNotFound   = "HTTP/1.1 404 Not Found"
	courseNotAllowed = "HTTP/1.1 405 Method Not Allowed"
)

// A courseAnswer is a response as read by a client that has only a socket.
type courseAnswer struct {
	statusLine string
	fields     map[string]string // in lower case
	order      []string
	content    string
}

// courseAsk sends the lines, each ended with CRLF, and an empty line, and reads the answer until
// the server closes.
func courseAsk(t testing.TB, addr string, lines ...string) courseAnswer {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	a := courseAnswer{fields: make(map[string]string)}
	a.statusLine = courseLine(t, r)
	for {
		line := courseLine(t, r)
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		name = strings.ToLower(name)
		if _, twice := a.fields[name]; !ok || twice || strings.TrimSpace(name) != name {
			t.Errorf("field line %q", line)
		}
		a.fields[name] = strings.TrimSpace(value)
		a.order = append(a.order, name)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Errorf("reading the content: %v", err)
	}
	a.content = string(content)
	return a
}

// courseLine reads a line, which must end in CRLF, and returns it without the CRLF.
func courseLine(t testing.TB, r *bufio.Reader) string {
	t.Helper()
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("reading a line: %v after %q", err, line)
	}
	text, ok := strings.CutSuffix(line, "\r\n")
	if !ok {
		t.Errorf("line %q does not end in CRLF", line)
	}
	return text
}

// courseGet sends an HTTP/1.1 request with Connection: close.
func courseGet(t testing.TB, addr, method, target string) courseAnswer {
	t.Helper()
	return courseAsk(t, addr, method+" "+target+" HTTP/1.1", "Host: localhost", "Connection: close")
}

// The tests below are what the course in Python, from which rawhttp grew, requires of a web server,
// one subtest for each requirement. (Requests as its own client sends them are in
// course_client_test.go.)

func TestCourseFiles(t *testing.T) {
	_, addr := listen(t, rawhttp.WithRoot(courseRoot))
	for _, file := range courseFiles {
		want, err := os.ReadFile(filepath.Join(courseRoot, filepath.FromSlash(file.path)))
		if err != nil {
			t.Fatal(err)
		}
		t.Run("status line of "+file.path, func(t *testing.T) {
			if got := courseGet(t, addr, "GET", file.path).statusLine; got != courseOK {
				t.Errorf("%q, want %q", got, courseOK)
			}
		})
		t.Run("Content-Type of "+file.path, func(t *testing.T) {
			if got := courseGet(t, addr, "GET", file.path).fields["content-type"]; got != file.mediaType {
				t.Errorf("%q, want %q", got, file.mediaType)
			}
		})
		t.Run("Content-Length of "+file.path, func(t *testing.T) {
			if got := courseGet(t, addr, "GET", file.path).fields["content-length"]; got != strconv.Itoa(len(want)) {
				t.Errorf("%q, want %d", got, len(want))
			}
		})
		t.Run("bytes of "+file.path, func(t *testing.T) {
			if got := courseGet(t, addr, "GET", file.path).content; got != string(want) {
				t.Errorf("the %d bytes differ from the %d of the file", len(got), len(want))
			}
		})
		t.Run("Date of "+file.path, func(t *testing.T) { courseDate(t, courseGet(t, addr, "GET", file.path)) })
		t.Run("HEAD of "+file.path, func(t *testing.T) { courseHead(t, addr, file.path) })
		t.Run("HTTP/1.0 of "+file.path, func(t *testing.T) {
			got := courseAsk(t, addr, "GET "+file.path+" HTTP/1.0")
			if got.statusLine != courseOK || got.content != string(want) {
				t.Errorf("%q and %d bytes, want %q and %d", got.statusLine, len(got.content), courseOK, len(want))
			}
		})
	}
}

func TestCourseListings(t *testing.T) {
	_, addr := listen(t, rawhttp.WithRoot(courseRoot))
	for _, folder := range courseListings {
		t.Run("status line of "+folder.path, func(t *testing.T) {
			if got := courseGet(t, addr, "GET", folder.path).statusLine; got != courseOK {
				t.Errorf("%q, want %q", got, courseOK)
			}
		})
		t.Run("listing of "+folder.path, func(t *testing.T) {
			got := courseGet(t, addr, "GET", folder.path)
			if got.content != folder.names || got.fields["content-type"] != "text/plain; charset=utf-8" {
				t.Errorf("%q as %q, want %q as plain text", got.content, got.fields["content-type"], folder.names)
			}
		})
		t.Run("Content-Length of "+folder.path, func(t *testing.T) {
			if got := courseGet(t, addr, "GET", folder.path).fields["content-length"]; got != strconv.Itoa(len(folder.names)) {
				t.Errorf("%q, want %d", got, len(folder.names))
			}
		})
		t.Run("Date of "+folder.path, func(t *testing.T) { courseDate(t, courseGet(t, addr, "GET", folder.path)) })
		t.Run("HEAD of "+folder.path, func(t *testing.T) {
			got := courseGet(t, addr, "HEAD", folder.path)
			if got.statusLine != courseOK || got.content != "" || got.fields["content-type"] != "text/plain; charset=utf-8" {
				t.Errorf("%q, %q and the content %q, want %q and no content", got.statusLine, got.fields, got.content, courseOK)
			}
		})
	}
	t.Run("a folder without its slash", func(t *testing.T) {
		got := courseGet(t, addr, "GET", "/images")
		if got.statusLine != "HTTP/1.1 301 Moved Permanently" || got.fields["location"] != "./images/" {
			t.Errorf("%q to %q, want 301 to ./images/", got.statusLine, got.fields["location"])
		}
	})
}

func TestCourseMissingFiles(t *testing.T) {
	_, addr := listen(t, rawhttp.WithRoot(courseRoot))
	for _, target := range []string{"/missing.html", "/images/missing.png", "/missing/", "/sample.txt/", "/SAMPLE.TXT.", "/images/sample_1.png/a"} {
		t.Run("404 of "+target, func(t *testing.T) {
			got := courseGet(t, addr, "GET", target)
			if got.statusLine != courseNotFound || got.content == "" || got.fields["content-length"] != strconv.Itoa(len(got.content)) {
				t.Errorf("%q with %q, want %q and content as long as Content-Length", got.statusLine, got.content, courseNotFound)
			}
			courseDate(t, got)
		})
		t.Run("HEAD of "+target, func(t *testing.T) { courseHead(t, addr, target) })
	}
}

func TestCourseMethods(t *testing.T) {
	_, addr := listen(t, rawhttp.WithRoot(courseRoot))
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		for _, target := range []string{"/sample.txt", "/", "/images/"} {
			t.Run(method+" "+target, func(t *testing.T) {
				got := courseAsk(t, addr, method+" "+target+" HTTP/1.1", "Host: localhost", "Connection: close", "Content-Length: 0")
				if got.statusLine != courseNotAllowed || got.fields["allow"] != "GET, HEAD, OPTIONS" {
					t.Errorf("%q with Allow %q, want %q with GET, HEAD, OPTIONS", got.statusLine, got.fields["allow"], courseNotAllowed)
				}
				courseDate(t, got)
			})
		}
	}

	t.Run("an unknown method", func(t *testing.T) {
		if got := courseGet(t, addr, "FETCH", "/sample.txt").statusLine; got != "HTTP/1.1 501 Not Implemented" {
			t.Errorf("%q, want 501", got)
		}
	})
}

func TestCourseTraversal(t *testing.T) {
	_, addr := listen(t, rawhttp.WithRoot(courseRoot))
	// The files exist outside the folder, one and two levels above it.
	for _, name := range []string{"wire/head.txt", "../go.mod"} {
		if _, err := os.Stat(filepath.Join(filepath.Dir(courseRoot), name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, target := range []string{
		"/../wire/head.txt", "/../../go.mod", "/images/../../../go.mod", "/%2e%2e/%2e%2e/go.mod",
		"/..%2f..%2fgo.mod", "/..%5c..%5cgo.mod", "/../../../../../../../../../../etc/passwd", "/%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd",
	} {
		t.Run("traversal "+target, func(t *testing.T) {
			got := courseGet(t, addr, "GET", target)
			if got.statusLine != courseNotFound || got.content != "404 Not Found\n" {
				t.Errorf("%q with %.80q, want %q and no file", got.statusLine, got.content, courseNotFound)
			}
		})
	}
	t.Run("dot segments within the folder", func(t *testing.T) {
		if got := courseGet(t, addr, "GET", "/images/../sample.txt").statusLine; got != courseOK {
			t.Errorf("%q, want %q", got, courseOK)
		}
	})
}

func TestCourseProtocol(t *testing.T) {
	_, addr := listen(t, rawhttp.WithRoot(courseRoot))
	t.Run("a malformed request", func(t *testing.T) {
		got := courseAsk(t, addr, "HELLO")
		if got.statusLine != "HTTP/1.1 400 Bad Request" || got.fields["connection"] != "close" {
			t.Errorf("%q with Connection %q, want 400 with close", got.statusLine, got.fields["connection"])
		}
		courseDate(t, got)
	})
	t.Run("a request without Host", func(t *testing.T) {
		if got := courseAsk(t, addr, "GET / HTTP/1.1").statusLine; got != "HTTP/1.1 400 Bad Request" {
			t.Errorf("%q, want 400", got)
		}
	})
	t.Run("another HTTP version", func(t *testing.T) {
		if got := courseAsk(t, addr, "GET / HTTP/2.0", "Host: localhost").statusLine; got != "HTTP/1.1 505 HTTP Version Not Supported" {
			t.Errorf("%q, want 505", got)
		}
	})
	t.Run("fields in order", func(t *testing.T) {
		got := courseGet(t, addr, "GET", "/sample.txt").order
		if len(got) < 4 || got[0] != "date" || got[1] != "content-type" || got[2] != "content-length" || got[len(got)-1] != "connection" {
			t.Errorf("%q, want Date, Content-Type and Content-Length first, Connection last", got)
		}
	})
	t.Run("two requests on one connection", func(t *testing.T) {
		get := "GET /sample.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"
		if got := strings.Count(talk(t, addr, get+get), courseOK+"\r\n"); got != 2 {
			t.Errorf("%d answers, want 2", got)
		}
	})
}

// courseDate checks that the Date is an IMF-fixdate (RFC 9110, section 5.6.7) and the current
// time.
func courseDate(t testing.TB, a courseAnswer) {
	t.Helper()
	const form = "Mon, 02 Jan 2006 15:04:05 GMT"
	date, err := time.Parse(form, a.fields["date"])
	if err != nil || date.Format(form) != a.fields["date"] {
		t.Errorf("Date is %q, want the form %q", a.fields["date"], form)
	}
	if age := time.Since(date); age < -time.Second || age > time.Hour {
		t.Errorf("Date is %q, %v ago, want the current time", a.fields["date"], age)
	}
}

// courseHead checks that the answer to HEAD has the status line and fields of that to GET, and
// no content.
func courseHead(t testing.TB, addr, target string) {
	t.Helper()
	get, head := courseGet(t, addr, "GET", target), courseGet(t, addr, "HEAD", target)
	if head.content != "" {
		t.Errorf("HEAD has the content %.80q", head.content)
	}
	if head.statusLine != get.statusLine || strings.Join(head.order, ",") != strings.Join(get.order, ",") {
		t.Errorf("answer to HEAD %q and %q, to GET %q and %q, want the same", head.statusLine, head.order, get.statusLine, get.order)
	}
	for name, value := range get.fields {
		if name == "etag" { // the tag is weak while the file is new, which may end between the two requests
			value = strings.TrimPrefix(value, "W/")
			head.fields[name] = strings.TrimPrefix(head.fields[name], "W/")
		}
		if name != "date" && head.fields[name] != value {
			t.Errorf("%s is %q for HEAD, %q for GET", name, head.fields[name], value)
		}
	}
}
