package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
	"gocloud.dev/blob"
)

// oddKeys are keys with characters that are special in URLs, in paths or in HTML, or look so.
var oddKeys = []string{
	"a b", " a", "a+b", "a&b=c", "a;b", "a?b", "a#b", "a:b", "a%b", "%2e%2e", "100%", `a\b`, `"a"`, "'a'",
	"..a", "a..", "...", ".hidden", ".a/b", "a/.b", "~", "*", "<script>", "-rf", "index.html",
	"a\nb", "a\r\nb", "a\tb", "a\x01b", "a\x7fb", "a\x1b[2Jb",
	"é", "e\u0301", "日本語", "a\u202eb", "\ufeffa", "\U0001f600",
	"b/c/d", "b/c d/e?f", strings.Repeat("x", 200),
}

// escaped returns the path of a key, with each byte percent-encoded.
func escaped(key string) string {
	var b strings.Builder
	for i := range len(key) {
		if key[i] == '/' {
			b.WriteByte('/')
			continue
		}
		fmt.Fprintf(&b, "%%%02X", key[i])
	}
	return "/" + b.String()
}

// Every object is found by its key, whatever bytes the key contains.
func TestObjectsOddKeys(t *testing.T) {
	onEachStore(t, func(t *testing.T, bucket *blob.Bucket) {
		for _, key := range oddKeys {
			put(t, bucket, key, "content of "+key, nil)
		}
		s := serve(t, objects(bucket))
		for _, key := range oddKeys {
			resp := s.ask(t, "GET", escaped(key))
			if got, want := contentOf(t, resp), "content of "+key; resp.StatusCode != 200 || got != want {
				t.Errorf("GET of key %q = %d, %q, want 200, %q", key, resp.StatusCode, got, want)
			}
		}
	})
}

// A path that names no object is answered with 404, not with an error of the store.
func TestObjectsMissing(t *testing.T) {
	tests := []struct{ name, path, why string }{
		{"root", "/", "a key cannot be empty"},
		{"prefix", "/docs", "prefixes are not listed"},
		{"prefix with a slash", "/docs/", "prefixes are not listed"},
		{"below an object", "/a.txt/b", "fileblob has a file there, not a folder"},
		{"object with a slash", "/a.txt/", "it is a different key"},
		{"key that is not UTF-8", "/%ff", "no store has such keys"},
		{"key of 300 bytes", "/" + strings.Repeat("x", 300), "too long for a file name of fileblob"},
		{"out of the bucket", "/..%2f..%2f..%2f..%2f..%2f..%2fetc/passwd", "dot segments are removed before the path becomes a key"},
		{"out of the bucket with backslashes", "/..%5c..%5c..%5cwindows%5cwin.ini", "a backslash is an ordinary byte"},
	}
	onEachStore(t, func(t *testing.T, bucket *blob.Bucket) {
		put(t, bucket, "a.txt", "content", nil)
		put(t, bucket, "docs/b.txt", "content", nil)
		s := serve(t, objects(bucket))
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				resp := s.ask(t, "GET", tt.path)
				if got := contentOf(t, resp); resp.StatusCode != 404 || got != "404 Not Found\n" {
					t.Errorf("GET %s = %d, %q, want 404\nwhy: %s", tt.path, resp.StatusCode, got, tt.why)
				}
			})
		}
	})
}

// Every object can be reached by links from the listing of the root.
func TestBucketListing(t *testing.T) {
	onEachStore(t, func(t *testing.T, bucket *blob.Bucket) {
		want := make(map[string]string)
		for _, key := range oddKeys {
			want[key] = "content of " + key
			put(t, bucket, key, want[key], nil)
		}
		resolver, err := listed(bucket)
		if err != nil {
			t.Fatal(err)
		}
		s := serve(t, resolver)

		got := make(map[string]string)
		var walk func(folder *url.URL)
		walk = func(folder *url.URL) {
			resp := s.ask(t, "GET", folder.EscapedPath()+"?format=json")
			var list struct {
				Entries []struct {
					Type, Href string
					Size       int
				}
			}
			if err := json.Unmarshal([]byte(contentOf(t, resp)), &list); err != nil {
				t.Fatalf("listing of %s: %v", folder, err)
			}
			for _, e := range list.Entries {
				at, err := folder.Parse(e.Href)
				if err != nil {
					t.Fatalf("listing of %s: %v", folder, err)
				}
				if e.Type == "directory" {
					walk(at)
					continue
				}
				resp := s.ask(t, "GET", at.EscapedPath())
				key := strings.TrimPrefix(at.Path, "/")
				got[key] = contentOf(t, resp)
				if e.Size != len(got[key]) {
					t.Errorf("listing of %s: %q has %d bytes, want %d", folder, key, e.Size, len(got[key]))
				}
			}
		}
		walk(&url.URL{Path: "/"})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("objects reached by links (-want +got):\n%s", diff)
		}

		if etag, _ := validators(t, bucket, "b/c/d"); s.ask(t, "GET", "/b/c/d").Header.Get("ETag") != etag {
			t.Errorf("GET /b/c/d does not have the entity tag of the store, %s", etag)
		}
		if resp := s.ask(t, "GET", "/b"); resp.StatusCode != 301 || resp.Header.Get("Location") != "./b/" {
			t.Errorf("GET /b = %d to %q, want 301 to ./b/", resp.StatusCode, resp.Header.Get("Location"))
		}
		if resp := s.ask(t, "GET", "/none/"); resp.StatusCode != 404 {
			t.Errorf("GET /none/ = %d, want 404, since no key has that prefix", resp.StatusCode)
		}
	})
}

// A bucket can also be served as an fs.FS, with types by name, and entity tags by time and
// size.
func TestBucketAsFS(t *testing.T) {
	onEachStore(t, func(t *testing.T, inner *blob.Bucket) {
		put(t, inner, "docs/a.txt", "0123456789", &blob.WriterOptions{ContentType: "text/x-test"})
		reads, bucket := count(t, inner)
		files, err := rawhttp.FS(bucket)
		if err != nil {
			t.Fatal(err)
		}
		s := serve(t, files)
		resp := s.ask(t, "GET", "/docs/?format=json")
		if got := contentOf(t, resp); resp.StatusCode != 200 || !strings.Contains(got, `"size":10`) || reads.opened.Load() != 0 {
			t.Errorf("listing = %d, %q, and opened %d readers, want the size 10 without opening any", resp.StatusCode, got, reads.opened.Load())
		}
		tests := []struct {
			name, method, field, value string
			status                     int
			content                    string
		}{
			{"whole", "GET", "", "", 200, "0123456789"},
			{"HEAD", "HEAD", "", "", 200, ""},
			{"range", "GET", "Range", "bytes=2-4", 206, "234"},
			{"If-None-Match", "GET", "If-None-Match", "*", 304, ""},
			{"PUT", "PUT", "", "", 405, "405 Method Not Allowed\n"},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				resp := s.ask(t, tt.method, "/docs/a.txt", tt.field, tt.value)
				if got := contentOf(t, resp); resp.StatusCode != tt.status || got != tt.content {
					t.Errorf("%s with %s %q = %d, %q, want %d, %q", tt.method, tt.field, tt.value, resp.StatusCode, got, tt.status, tt.content)
				}
				if got, want := resp.Header.Get("Content-Type"), "text/plain; charset=utf-8"; tt.status == 200 && got != want {
					t.Errorf("%s: Content-Type %q, want %q by the name", tt.method, got, want)
				}
			})
		}
		s.stop()
		if open := reads.open.Load(); open != 0 {
			t.Errorf("%d readers are open, want 0", open)
		}
	})
}
