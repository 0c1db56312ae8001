//go:build exercise

package exercises

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

func TestExercise1(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n"
	for _, in := range []io.Reader{
		strings.NewReader(head + "a\r\n\r\n"),
		iotest.OneByteReader(strings.NewReader(head + "a\r\n\r\n")), // as a network may deliver it
	} {
		got, err := ReadHead(in)
		if got != head || err != nil {
			t.Errorf("ReadHead returns %q, %v, want %q", got, err, head)
		}
		if rest, _ := io.ReadAll(in); string(rest) != "a\r\n\r\n" {
			t.Errorf("ReadHead leaves %q, want the content: %q", rest, "a\r\n\r\n")
		}
	}
	if _, err := ReadHead(strings.NewReader("GET / HTTP/1.1\r\n")); err != io.ErrUnexpectedEOF {
		t.Errorf("ReadHead of half a head returns the error %v, want io.ErrUnexpectedEOF", err)
	}
}

func TestExercise2(t *testing.T) {
	tests := []struct{ mediaType, content, want string }{
		{"text/plain", "hi\n", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nhi\n"},
		{"text/plain", "", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n"},
		// The length is in bytes, and the ï has two.
		{"text/plain; charset=utf-8", "naïve", "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 6\r\n\r\nnaïve"},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, ResponseOK(tt.mediaType, tt.content)); diff != "" {
			t.Errorf("ResponseOK(%q, %q) (-want +got):\n%s", tt.mediaType, tt.content, diff)
		}
	}
}

func TestExercise3(t *testing.T) {
	tests := []struct {
		line string
		want []string // nil if ok is false
	}{
		{"GET / HTTP/1.1", []string{"GET", "/", "HTTP/1.1"}},
		{"DELETE /a?b=c HTTP/1.0", []string{"DELETE", "/a?b=c", "HTTP/1.0"}},
		{"GET / HTTP/2.0", nil},
		{"GET /", nil},
		{"GET  / HTTP/1.1", nil},
		{"GET / HTTP/1.1 ", nil},
		{" / HTTP/1.1", nil},
		{"GET /a b HTTP/1.1", nil},
		{"GET / http/1.1", nil},
		{"", nil},
	}
	for _, tt := range tests {
		method, target, version, ok := RequestLine(tt.line)
		var got []string
		if ok {
			got = []string{method, target, version}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("RequestLine(%q) (-want +got):\n%s", tt.line, diff)
		}
	}
}

func TestExercise4(t *testing.T) {
	tests := []struct {
		err  error
		want int
	}{
		{nil, 200},
		{fs.ErrNotExist, 404},
		{fmt.Errorf("read the page: %w", fs.ErrNotExist), 404},
		{&fs.PathError{Op: "open", Path: "a", Err: fs.ErrPermission}, 403},
		{errors.New("the disk is full"), 500},
	}
	for _, tt := range tests {
		if got := Status(tt.err); got != tt.want {
			t.Errorf("Status(%v) = %d, want %d", tt.err, got, tt.want)
		}
	}
}

func TestExercise5(t *testing.T) {
	tests := []struct {
		path, want string // "" means fs.ErrNotExist
	}{
		{"/", "."},
		{"/sample.txt", "sample.txt"},
		{"/images/a.png", "images/a.png"},
		{"/images/", "images"},
		{"//a//b/", "a/b"},
		{"/a..b/c...", "a..b/c..."},
		{"", ""},
		{"sample.txt", ""},
		{"/../secret", ""},
		{"/images/../../secret", ""},
		{"/.git/config", ""},
		{"/images/.hidden", ""},
	}
	for _, tt := range tests {
		got, err := Name(tt.path)
		switch {
		case tt.want == "" && !errors.Is(err, fs.ErrNotExist):
			t.Errorf("Name(%q) = %q, %v, want fs.ErrNotExist", tt.path, got, err)
		case tt.want != "" && (got != tt.want || err != nil):
			t.Errorf("Name(%q) = %q, %v, want %q", tt.path, got, err, tt.want)
		}
	}
}

func TestExercise6(t *testing.T) {
	tests := []struct{ name, want string }{
		{"a_web_page.html", "text/html; charset=utf-8"},
		{"sample.txt", "text/plain; charset=utf-8"},
		{"sample_1.png", "image/png"},
		{"JPEG_example.jpg", "image/jpeg"},
		{"holiday.jpeg", "image/jpeg"},
		{"IMG_0001.JPG", "image/jpeg"},
		{"notes.txt.png", "image/png"},
		{"archive.zip", "application/octet-stream"},
		{"README", "application/octet-stream"},
		{"html", "application/octet-stream"},
		{"", "application/octet-stream"},
	}
	for _, tt := range tests {
		if got := MediaType(tt.name); got != tt.want {
			t.Errorf("MediaType(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestExercise7(t *testing.T) {
	base, err := url.Parse("http://localhost/folder/")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sample.txt", "a b.txt", "a?b", "a#b", "50%", "a&lt;b", "<script>", `"quoted"`, "16:9.png", "naïve", "..."} {
		got := Item(name)
		href, rest, ok := strings.Cut(strings.TrimPrefix(got, `<li><a href="`), `">`)
		text, end, ok2 := strings.Cut(rest, "<")
		if !ok || !ok2 || !strings.HasPrefix(got, "<li>") || end != "/a></li>\n" {
			t.Errorf("Item(%q) = %q, want a list item with a link", name, got)
			continue
		}
		if shown := html.UnescapeString(text); shown != name {
			t.Errorf("Item(%q) = %q, which displays the name as %q", name, got, shown)
		}
		link, err := base.Parse(html.UnescapeString(href))
		if err != nil {
			t.Errorf("Item(%q) = %q, whose link is not a URL: %v", name, got, err)
			continue
		}
		if link.Host != "localhost" || link.Path != "/folder/"+name || link.RawQuery != "" || link.Fragment != "" {
			t.Errorf("Item(%q) = %q, whose link leads to %v", name, got, link)
		}
	}
}

func TestExercise8(t *testing.T) {
	tokyo := time.FixedZone("JST", 9*60*60)
	tests := []struct {
		t    time.Time
		want string
	}{
		{time.Date(1994, 11, 6, 8, 49, 37, 0, time.UTC), "Sun, 06 Nov 1994 08:49:37 GMT"},
		{time.Date(2026, 1, 1, 1, 2, 3, 0, tokyo), "Wed, 31 Dec 2025 16:02:03 GMT"},
	}
	for _, tt := range tests {
		if got := Date(tt.t); got != tt.want {
			t.Errorf("Date(%v) = %q, want %q", tt.t, got, tt.want)
		}
	}
}

func TestExercise9(t *testing.T) {
	guarded := Guard(rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		switch req.Path() {
		case "/":
			return rawhttp.Text(200, "Hello.\n"), nil
		case "/secret":
			return nil, fs.ErrPermission
		}
		panic("the password is 1234")
	}))
	tests := []struct{ path, want string }{
		{"/", "HTTP/1.1 200 OK\r\n"},
		{"/secret", "HTTP/1.1 403 Forbidden\r\n"},
		{"/bug", "HTTP/1.1 500 Internal Server Error\r\n"},
	}
	for _, tt := range tests {
		got := rawhttp.Answer(guarded, "GET "+tt.path+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if !strings.HasPrefix(got, tt.want) {
			t.Errorf("GET %s is answered with %q, want %q", tt.path, got, tt.want)
		}
		if tt.path == "/bug" && !strings.HasSuffix(got, "\r\n\r\nSomething went wrong.\n") {
			t.Errorf("GET %s is answered with %q, want the text of Guard", tt.path, got)
		}
	}
}

func TestExercise10(t *testing.T) {
	req, _, err := rawhttp.ParseRequest([]byte("GET /ask.py?a=6&b=%20 HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8.5.0\r\n" +
		"Proxy: http://evil.example/\r\nX_Real: no\r\nX-Real: yes\r\nproxy: again\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"REQUEST_METHOD=GET",
		"QUERY_STRING=a=6&b=%20",
		"HTTP_HOST=localhost",
		"HTTP_USER_AGENT=curl/8.5.0",
		"HTTP_X_REAL=yes",
	}
	if diff := cmp.Diff(want, Environment(req)); diff != "" {
		t.Errorf("Environment (-want +got):\n%s", diff)
	}
}
