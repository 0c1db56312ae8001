package conformance_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

func TestResponseMisuse(t *testing.T) {
	type test struct {
		name string
		make func() *rawhttp.Response
		why  string
	}
	tests := []test{
		{"media type of OK with CRLF", func() *rawhttp.Response { return rawhttp.OK("a/b\r\nX-Evil: 1", nil) }, "an attacker could add any field"},
		{"media type of Bytes with NUL", func() *rawhttp.Response { return rawhttp.Bytes(200, "a\x00b", nil) }, "NUL in a field value"},
		{"media type of Stream with LF", func() *rawhttp.Response { return rawhttp.Stream(200, "a\nb", respReader()) }, "some recipients treat LF as a line end"},
		{"media type of StreamFunc with CR", func() *rawhttp.Response { return rawhttp.StreamFunc(200, "a\rb", writeEach()) }, "a bare CR, RFC 9112, section 2.2"},
		{"media type of Content with CRLF", func() *rawhttp.Response { return rawhttp.Content(rawhttp.Representation{MediaType: "a\r\nb"}) }, "as with OK"},
		{"Content-Type set with CRLF", func() *rawhttp.Response { return rawhttp.Text(200, "").Set("Content-Type", "a\r\nb") }, "as with OK"},
		{"Content-Type added to one", func() *rawhttp.Response { return rawhttp.Text(200, "").Add("content-type", "a/b") }, "Content-Type is a singleton, RFC 9110, section 8.3"},
		{"Stream of nil", func() *rawhttp.Response { return rawhttp.Stream(200, "", nil) }, "without a Reader there is no content"},
		{"StreamFunc of nil", func() *rawhttp.Response { return rawhttp.StreamFunc(200, "", nil) }, "without a function there is no content"},
		{"size below -1", func() *rawhttp.Response {
			return rawhttp.Content(rawhttp.Representation{Body: strings.NewReader("a"), Size: -2})
		}, "-1 alone is unknown"},
		{"ETag without quotes", func() *rawhttp.Response { return rawhttp.Content(rawhttp.Representation{ETag: "v1"}) }, "RFC 9110, section 8.8.3"},
		{"ETag with one quote", func() *rawhttp.Response { return rawhttp.Content(rawhttp.Representation{ETag: `"`}) }, "RFC 9110, section 8.8.3"},
		{"ETag w/", func() *rawhttp.Response { return rawhttp.Content(rawhttp.Representation{ETag: `w/"a"`}) }, "the prefix W/ is case-sensitive, RFC 9110, section 8.8.3"},
		{"ETag with a space", func() *rawhttp.Response { return rawhttp.Content(rawhttp.Representation{ETag: `"a b"`}) }, "RFC 9110, section 8.8.3"},
		{"ETag with CRLF", func() *rawhttp.Response { return rawhttp.Content(rawhttp.Representation{ETag: "\"a\r\nb\""}) }, "an attacker could add any field"},
		{"method that is not a token", func() *rawhttp.Response { return rawhttp.MethodNotAllowed("GET", "P UT") }, "Allow is a list of tokens, RFC 9110, section 10.2.1"},
		{"empty method", func() *rawhttp.Response { return rawhttp.MethodNotAllowed("") }, "a token is not empty"},
		{"method with CRLF", func() *rawhttp.Response { return rawhttp.MethodNotAllowed("GET\r\nX: 1") }, "an attacker could add any field"},
	}
	for _, status := range []int{-1, 0, 1, 99, 100, 101, 199, 600, 999, 1000} {
		tests = append(tests, test{"status out of range", func() *rawhttp.Response { return rawhttp.Text(status, "") }, "a final status is 200 to 599"})
	}
	for _, status := range []int{200, 201, 300, 304, 305, 306, 400, 500, 99} {
		tests = append(tests, test{"status that does not redirect", func() *rawhttp.Response { return rawhttp.Redirect(status, "/") }, "RFC 9110, section 15.4"})
	}
	for _, location := range []string{"", "/a\r\nSet-Cookie: b=c", "/a\rb", "/a\nb", "/a\x00b", "/a b", "/ä", "/a\tb", "\x7f", " /", "#\r\n", "/a#\x00"} {
		tests = append(tests, test{"location " + location, func() *rawhttp.Response { return rawhttp.Redirect(302, location) }, "a URI reference is visible ASCII, RFC 3986, section 2"})
	}
	for _, name := range []string{"", " ", "a b", "a:", ":", "ä", "a\r\n", "\r\nX", "a\x00", "a,b", "(a)", "\x7f"} {
		tests = append(tests,
			test{"Set of name " + name, func() *rawhttp.Response { return rawhttp.Empty(200).Set(name, "v") }, "a field name is a token, RFC 9110, section 5.1"},
			test{"Add of name " + name, func() *rawhttp.Response { return rawhttp.Empty(200).Add(name, "v") }, "a field name is a token, RFC 9110, section 5.1"})
	}
	for _, value := range []string{"a\r\nb", "a\rb", "a\nb", "\r\n", "a\x00b", "\x00", "\x01", "\x1f", "a\x7f", " a", "a ", "\ta", "a\t", " "} {
		tests = append(tests,
			test{"Set of value " + value, func() *rawhttp.Response { return rawhttp.Empty(200).Set("X-A", value) }, "RFC 9110, section 5.5"},
			test{"Add of value " + value, func() *rawhttp.Response { return rawhttp.Empty(200).Add("X-A", value) }, "RFC 9110, section 5.5"})
	}
	for _, name := range []string{"Content-Length", "Transfer-Encoding", "Connection", "Date", "content-length", "TRANSFER-ENCODING", "cOnnection", "daTe"} {
		tests = append(tests,
			test{"Set of the server's " + name, func() *rawhttp.Response { return rawhttp.Text(200, "abc").Set(name, "1") }, "two of them, or a wrong one, break the framing"},
			test{"Add of the server's " + name, func() *rawhttp.Response { return rawhttp.Text(200, "abc").Add(name, "close") }, "two of them, or a wrong one, break the framing"})
	}

	// None of them may be sent: the server answers with its own 500 and closes.
	const want500 = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 26\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n500 Internal Server Error\n"
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.make()
			err := r.Err()
			if err == nil {
				t.Fatalf("Err() = nil, want an error\nwhy: %s", tt.why)
			}
			var b strings.Builder
			if n, got := r.WriteTo(&b); n != 0 || !errors.Is(got, err) || b.Len() > 0 {
				t.Errorf("WriteTo = %d, %v and wrote %q, want 0, %v and nothing", n, got, b.String(), err)
			}
			if persist, got := rawhttp.WriteResponse(t.Context(), &b, requestOf(t, get11), r); persist || !errors.Is(got, err) || b.Len() > 0 {
				t.Errorf("WriteResponse = %v, %v and wrote %q, want false, %v and nothing", persist, got, b.String(), err)
			}
			log := new(testkit.Log)
			_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithLogger(log), rawhttp.WithResolver(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
				return tt.make(), nil
			})))
			if diff := cmp.Diff(want500, talk(t, addr, get11+get11)); diff != "" {
				t.Errorf("answer of the server (-want +got):\n%s", diff)
			}
			if n := len(log.Lines("ERROR")); n != 1 {
				t.Errorf("%d errors logged, want 1", n)
			}
		})
	}
}

func TestResponseMisuseChangesNothing(t *testing.T) {
	r := rawhttp.Text(200, "a").Set("X-A", "1")
	before := respFields(r)
	r.Set("X-A", "2\r\n").Set("Date", "x").Add("X A", "3").Add("Content-Type", "a/b").Set("Content-Type", "\x00")
	if diff := cmp.Diff(before, respFields(r)); diff != "" {
		t.Errorf("fields after misuse (-want +got):\n%s", diff)
	}
}

// respFields returns the name and value of each field, in order.
func respFields(r *rawhttp.Response) (fields []string) {
	for name, value := range r.Fields() {
		fields = append(fields, name+": "+value)
	}
	return fields
}

func TestResponseErrJoinsErrors(t *testing.T) {
	r := rawhttp.Empty(1000)
	first := r.Err()
	r.Set("Date", "x")
	second := r.Err()
	if !errors.Is(second, first) {
		t.Errorf("Err() after a second error = %v, want one that wraps the first, %v", second, first)
	}
	if joined, ok := second.(interface{ Unwrap() []error }); !ok || len(joined.Unwrap()) != 2 {
		t.Errorf("Err() = %#v, want two joined errors", second)
	}
	r.Set("X-A", "fine")
	if r.Err() != second {
		t.Errorf("Err() after a valid Set = %v, want %v", r.Err(), second)
	}
}

func TestResponseAccepts(t *testing.T) {
	tests := []struct {
		name string
		resp *rawhttp.Response
	}{
		{"every tchar in a name", rawhttp.Empty(200).Set("!#$%&'*+-.^_`|~09azAZ", "v")},
		{"an empty value", rawhttp.Empty(200).Add("X-A", "")},
		{"HTAB and obs-text in a value", rawhttp.Empty(200).Set("X-A", "a\t\xe9\xff b")},
		{"the first Content-Type by Add", rawhttp.Empty(200).Add("Content-Type", "a/b")},
		{"names similar to those of the server's fields", rawhttp.Empty(200).Set("Content-Lengths", "1").Set("X-Date", "1").Set("Connections", "1")},
		{"an empty entity tag", rawhttp.Content(rawhttp.Representation{ETag: `""`})},
		{"a weak entity tag", rawhttp.Content(rawhttp.Representation{ETag: `W/"!#é"`})},
		{"a relative location", rawhttp.Redirect(301, "./a/?b#c")},
		{"a location of another scheme", rawhttp.Redirect(307, "mailto:a@example.test")},
		{"the lowest status", rawhttp.Empty(200)},
		{"the highest status", rawhttp.Empty(599)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.resp.Err(); err != nil {
				t.Errorf("Err() = %v, want nil", err)
			}
		})
	}
}

func TestFileRefuses(t *testing.T) {
	tests := []struct {
		name string
		file *closeFile
		want error
	}{
		{"a folder", &closeFile{File: respFolder(t)}, fs.ErrInvalid},
		{"a file whose Stat fails", &closeFile{File: respFile(t, "a", "", respTime), statErr: fs.ErrPermission}, fs.ErrPermission},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := rawhttp.File(tt.file)
			if r != nil || !errors.Is(err, tt.want) {
				t.Errorf("File = %v, %v, want nil and an error that wraps %v", r, err, tt.want)
			}
			if n := tt.file.closed.Load(); n != 1 {
				t.Errorf("the file was closed %d times, want once, since File owns it", n)
			}
		})
	}
}

func respFolder(t *testing.T) fs.File {
	t.Helper()
	f, err := fstest.MapFS{"dir/a": {}}.Open("dir")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A zero Response is invalid: the answer is 500.
func TestZeroResponse(t *testing.T) {
	if err := new(rawhttp.Response).Err(); err == nil {
		t.Error("Err() of the zero Response = nil, want an error")
	}
	if n, err := new(rawhttp.Response).WriteTo(io.Discard); n != 0 || err == nil {
		t.Errorf("WriteTo of the zero Response = %d, %v, want an error", n, err)
	}
	zero := rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return &rawhttp.Response{}, nil })
	_, addr := listen(t, rawhttp.WithResolver(zero), rawhttp.WithDate(false))
	got := talk(t, addr, getRequest("/")+getRequest("/"))
	if !strings.HasPrefix(got, "HTTP/1.1 500 Internal Server Error\r\n") || !strings.Contains(got, closeField) || strings.Count(got, "HTTP/1.1") != 1 {
		t.Errorf("answer with the zero Response: %q, want 500 and Connection: close", got)
	}
}
