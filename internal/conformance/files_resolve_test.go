package conformance_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// If the file does not exist, First tries the next resolver.
func TestFirstOfFileResolver(t *testing.T) {
	for _, source := range filesSources(t) {
		t.Run(source.name, func(t *testing.T) {
			r := rawhttp.First(source.make(t), answerText("next"))
			tests := []struct{ request, want string }{
				{"GET /missing", "next"},
				{"GET /missing/", "next"},
				{"GET /.hidden.txt", "next"},
				{"GET /hello.txt/", "next"},
				{"GET /hello.txt/a", "next"},
				{"POST /missing", "next"},
				{"BREW /missing", "next"},
				{"GET /" + strings.Repeat("n", 300), "next"},
				{"GET /hello.txt", "Hello\n"},
				{"GET /docs", "301 ./docs/"},
				{"POST /hello.txt", "error 405"},
				{"OPTIONS /hello.txt", "error 405"},
				{"BREW /hello.txt", "error 501"},
			}
			for _, tt := range tests {
				req := requestOf(t, tt.request+" HTTP/1.1\r\nHost: a\r\n\r\n")
				if got := resolveString(t, r, req); got != tt.want {
					t.Errorf("%s: %q, want %q", testkit.Shorten(tt.request), got, tt.want)
				}
			}
		})
	}
}

// If a wrapper replaces the path of a folder by that of another one, without its slash, the links of
// the page are right as they are, so the client is not redirected.
func TestFolderInPlaceOfAnother(t *testing.T) {
	r := filesOfFS(t, fstest.MapFS{"docs/a": {}})
	for target, want := range map[string]string{"/alias/": "a\n", "/alias": "301 ./alias/"} {
		if got := resolveString(t, r, resolveGet(t, target).WithPath("/docs")); got != want {
			t.Errorf("GET %s with the path /docs: %q, want %q", target, got, want)
		}
	}
}

// Characters that some file systems ignore do not hide the dots of a name.
func TestDotsBetweenIgnoredCharacters(t *testing.T) {
	for _, name := range []string{".\u200b.", "\u200b..", "..\u200d", "\ufeff."} {
		r := filesOfFS(t, fstest.MapFS{name + "/a": {Data: []byte("a")}}, rawhttp.WithDotFiles(true))
		if got := resolveString(t, r, resolveGet(t, "/"+url.PathEscape(name)+"/a")); got != "declined" {
			t.Errorf("GET /%q/a: %q, want it declined", name, got)
		}
	}
}

// A wrapper may pass on any path that begins with a slash.
func TestFileResolverWithRewrittenPath(t *testing.T) {
	for _, source := range filesSources(t) {
		t.Run(source.name, func(t *testing.T) {
			r := source.make(t)
			for _, path := range []string{
				"/hello.txt\x00", "/../hello.txt", "/docs/../hello.txt", "/./hello.txt", "//hello.txt", "/docs//a.txt",
				"/docs/./a.txt", "/docs/..", "/..", "/.", "/docs//", "///",
			} {
				resp, err := r.Resolve(t.Context(), resolveGet(t, "/").WithPath(path))
				if resp != nil || rawhttp.StatusOf(err) != 404 {
					t.Errorf("Resolve with the path %q = %v, %v, want 404", path, resp, err)
				}
			}
			for path, want := range map[string]string{"/hello.txt": "Hello\n", "/docs/a.txt": "a\n"} {
				resp, err := r.Resolve(t.Context(), resolveGet(t, "/x").WithPath(path))
				if err != nil {
					t.Fatalf("Resolve with the path %q: %v", path, err)
				}
				if got := filesContent(t, resp); got != want {
					t.Errorf("Resolve with the path %q: content %q, want %q", path, got, want)
				}
			}
		})
	}
}

// If a wrapper maps a target that ends in a slash, or an empty one, to the path of a folder
// without a slash, the redirects must end.
func TestRedirectsOfRewrittenPathsEnd(t *testing.T) {
	for _, source := range filesSources(t) {
		files := source.make(t)
		r := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			if req.Path() == "/" {
				req = req.WithPath("/docs")
			}
			return files.Resolve(ctx, req)
		})
		for _, start := range []string{"http://a", "http://a/", "http://a//", "http://a?q", "http://a/./"} {
			u, err := url.Parse(start)
			if err != nil {
				t.Fatal(err)
			}
			target, seen := start, ""
			for range 5 {
				seen = resolveString(t, r, resolveGet(t, target))
				location, ok := strings.CutPrefix(seen, "301 ")
				if !ok {
					break
				}
				if u, err = u.Parse(location); err != nil || u.Host != "a" {
					t.Fatalf("%s: Location %q leads to %v, %v", source.name, location, u, err)
				}
				target = u.String()
			}
			if strings.HasPrefix(seen, "301 ") {
				t.Errorf("%s: after five redirects from %s the client is at %s and is redirected again", source.name, start, target)
			}
		}
	}
}

// A file resolver below a Mount serves the same as at the root.
func TestFileResolverBelowMount(t *testing.T) {
	for _, source := range filesSources(t) {
		_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(rawhttp.Mount("/files/", source.make(t))))
		for target, want := range map[string]string{
			"/files/hello.txt": "Hello\n", "/files/site/": "<!doctype html><title>Site</title>\n", "/files/docs/": "sub/\na.txt\nb.txt\n",
		} {
			if got := parseAnswer(t, talk(t, addr, "GET "+target+" HTTP/1.1\r\nHost: a\r\n\r\n")); got.Content != want {
				t.Errorf("%s: GET %s: content %q, want %q", source.name, target, got.Content, want)
			}
		}
		got := parseAnswer(t, talk(t, addr, "GET /files/docs?a HTTP/1.1\r\nHost: a\r\n\r\n"))
		if got.Status != "301 Moved Permanently" || got.Fields["Location"] != "./docs/?a" {
			t.Errorf("%s: GET /files/docs?a: %v, want 301 to ./docs/?a", source.name, got)
		}
	}
}
