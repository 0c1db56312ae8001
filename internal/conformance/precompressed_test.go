package conformance_test

import (
	"embed"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// sidecarTree returns a tree of files with sidecars. The content of each describes the file; none
// is really compressed.
func sidecarTree() fstest.MapFS {
	tree := make(fstest.MapFS)
	for name, content := range map[string]string{
		"a.html": "the plain file", "a.html.gz": "gzip", "a.html.br": "brotli!", "a.html.zst": "zstandard",
		"plain.txt":            "no sidecar",
		"stale.txt":            "edited",
		"stale.txt.gz":         "before the edit",
		"newer.txt":            "made first",
		"newer.txt.gz":         "made later",
		"folder.txt":           "file",
		"folder.txt.gz/x":      "not a sidecar",
		"site/index.html":      "index",
		"site/index.html.gz":   "gzip index",
		"list/b.txt":           "b",
		"list/b.txt.gz":        "gzip b",
		"only.txt.gz":          "sidecar of nothing",
		"a.html.gz.gz":         "gzip of gzip",
		"half.txt":             "old and new",
		"half.txt.br":          "stale brotli",
		"half.txt.gz":          "good gzip",
		"lag.txt":              "copied last",
		"lag.txt.gz":           "copied first",
		"lag.txt.br":           "copied before that",
		"cut.txt":              "whole",
		"cut.txt.br":           "",
		"cut.txt.gz":           "gzip of whole",
		"void.txt":             "not empty",
		"void.txt.gz":          "",
		"unknown.bin":          "bytes",
		"unknown.bin.zst":      "zstandard bytes",
		"other.txt":            "other",
		"other.txt.deflate":    "deflate",
		"empty.txt":            "",
		"empty.txt.gz":         "gzip of nothing",
		".hidden.txt":          "hidden",
		".hidden.txt.gz":       "gzip hidden",
		"dir/.hidden/c.txt":    "c",
		"dir/.hidden/c.txt.gz": "gzip c",
	} {
		tree[name] = &fstest.MapFile{Data: []byte(content), ModTime: contentMod}
	}
	tree["stale.txt"].ModTime = contentMod.Add(sidecarMayLag + 1)
	tree["lag.txt"].ModTime = contentMod.Add(sidecarMayLag)
	tree["lag.txt.br"].ModTime = contentMod.Add(-1)
	tree["newer.txt.gz"].ModTime = contentMod.Add(time.Hour)
	tree["half.txt.br"].ModTime = contentMod.Add(-time.Hour)
	return tree
}

var sidecarAll = rawhttp.WithPrecompressed("br", "zstd", "gzip")

// sidecarFields returns the answer with only the fields that these tests compare.
func sidecarFields(a filesAnswer) filesAnswer {
	fields := make(map[string]string)
	for _, name := range []string{"Content-Type", "Content-Encoding", "Vary"} {
		if v, ok := a.Fields[name]; ok {
			fields[name] = v
		}
	}
	return filesAnswer{a.Status, fields, a.Content}
}

func TestPrecompressed(t *testing.T) {
	const html, text = "text/html; charset=utf-8", "text/plain; charset=utf-8"
	plain, brotli, zstd, gzip := "", "br", "zstd", "gzip"
	tests := []struct {
		name, target, accept string
		opts                 []rawhttp.FileOption
		coding, content      string
		mediaType            string
		why                  string
	}{
		{"no Accept-Encoding", "/a.html", "-", nil, plain, "the plain file", html, ""},
		{"empty Accept-Encoding", "/a.html", "", nil, plain, "the plain file", html, "an empty list accepts no coding"},
		{"gzip", "/a.html", "gzip", nil, gzip, "gzip", html, "the media type is that of the file"},
		{"br", "/a.html", "br", nil, brotli, "brotli!", html, ""},
		{"zstd", "/a.html", "zstd", nil, zstd, "zstandard", html, ""},
		{"in any case", "/a.html", "GZIP", nil, gzip, "gzip", html, ""},
		{"a browser", "/a.html", "gzip, deflate, br, zstd", nil, brotli, "brotli!", html, "the order of the option decides"},
		{"a tie of two", "/a.html", "gzip, zstd", nil, zstd, "zstandard", html, "the order of the option decides"},
		{"a tie, option in reverse order", "/a.html", "br, zstd, gzip", []rawhttp.FileOption{rawhttp.WithPrecompressed("gzip", "zstd", "br")}, gzip, "gzip", html, "the order of the option decides"},
		{"a tie with identity", "/a.html", "identity, gzip", nil, gzip, "gzip", html, "with equal weights the coding saves bytes"},
		{"by weight", "/a.html", "br;q=0.5, gzip;q=0.8, zstd;q=0.1", nil, gzip, "gzip", html, "weights take precedence over the order of the option"},
		{"low weight", "/a.html", "gzip;q=0.001", nil, gzip, "gzip", html, ""},
		{"identity preferred", "/a.html", "gzip;q=0.5, identity;q=0.6", nil, plain, "the plain file", html, ""},
		{"identity preferred to gzip but not to br", "/a.html", "gzip;q=0.5, identity;q=0.6, br;q=0.7", nil, brotli, "brotli!", html, ""},
		{"refused", "/a.html", "gzip;q=0", nil, plain, "the plain file", html, ""},
		{"all but br", "/a.html", "br;q=0, *", nil, zstd, "zstandard", html, ""},
		{"all", "/a.html", "*", nil, brotli, "brotli!", html, ""},
		{"all with a low weight", "/a.html", "gzip, *;q=0.1", nil, gzip, "gzip", html, ""},
		{"identity refused", "/a.html", "identity;q=0, gzip;q=0.1", nil, gzip, "gzip", html, ""},
		{"nothing but gzip", "/a.html", "gzip, *;q=0", nil, gzip, "gzip", html, ""},
		{"unsupported codings", "/a.html", "deflate, compress", nil, plain, "the plain file", html, ""},
		{"malformed weight", "/a.html", "gzip;q=yes", nil, plain, "the plain file", html, ""},
		{"not in the option", "/a.html", "br", []rawhttp.FileOption{rawhttp.WithPrecompressed("gzip")}, plain, "the plain file", html, ""},
		{"a later option wins", "/a.html", "br, gzip", []rawhttp.FileOption{sidecarAll, rawhttp.WithPrecompressed("gzip")}, gzip, "gzip", html, ""},
		{"a configured media type", "/a.html", "gzip", []rawhttp.FileOption{rawhttp.WithMediaType(".html", "a/html"), sidecarAll}, gzip, "gzip", "a/html", ""},
		{"a media type for sidecars", "/a.html", "gzip", []rawhttp.FileOption{rawhttp.WithMediaType(".gz", "a/gz"), sidecarAll}, gzip, "gzip", html, "the request is for /a.html, not for /a.html.gz"},

		{"no sidecar", "/plain.txt", "gzip", nil, plain, "no sidecar", text, ""},
		{"stale sidecar", "/stale.txt", "gzip", nil, plain, "edited", text, "older by 2 s and a nanosecond, so it was made from an earlier version"},
		{"sidecar 2 s older", "/lag.txt", "gzip", nil, gzip, "copied first", text, "files may be copied in parallel, in any order"},
		{"sidecars 2 s older and more", "/lag.txt", "br, gzip;q=0.1", nil, gzip, "copied first", text, "the br sidecar is a nanosecond older than allowed"},
		{"empty sidecar", "/void.txt", "gzip", nil, plain, "not empty", text, "a compressor was interrupted, since no compressed form is empty"},
		{"an empty sidecar and a good one", "/cut.txt", "br, gzip;q=0.1", nil, gzip, "gzip of whole", text, ""},
		{"newer sidecar", "/newer.txt", "gzip", nil, gzip, "made later", text, ""},
		{"a stale one and a good one", "/half.txt", "br, gzip", nil, gzip, "good gzip", text, ""},
		{"sidecar that is a folder", "/folder.txt", "gzip", nil, plain, "file", text, ""},
		{"unknown extension", "/unknown.bin", "zstd", nil, zstd, "zstandard bytes", "application/octet-stream", "name.zst"},
		{"a sidecar of an unsupported coding", "/other.txt", "deflate", nil, plain, "other", text, ""},
		{"empty file", "/empty.txt", "gzip", nil, gzip, "gzip of nothing", text, ""},
		{"index file", "/site/", "gzip", nil, gzip, "gzip index", html, ""},
		{"index file, plain", "/site/", "-", nil, plain, "index", html, ""},
		{"a sidecar by its own name", "/a.html.br", "br", nil, plain, "brotli!", "application/octet-stream", "by its own name it is an ordinary file"},
		{"a sidecar of a sidecar", "/a.html.gz", "gzip", []rawhttp.FileOption{sidecarAll, rawhttp.WithMediaType(".gz", "a/gz")}, gzip, "gzip of gzip", "a/gz", ""},
		{"hidden file, with WithDotFiles", "/.hidden.txt", "gzip", []rawhttp.FileOption{sidecarAll, rawhttp.WithDotFiles(true)}, gzip, "gzip hidden", text, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.opts == nil {
				tt.opts = []rawhttp.FileOption{sidecarAll}
			}
			r := filesOfFS(t, sidecarTree(), tt.opts...)
			lines := []string{"Accept-Encoding: " + tt.accept}
			if tt.accept == "-" {
				lines = nil
			}
			want := filesAnswer{"200 OK", map[string]string{"Content-Type": tt.mediaType, "Vary": "Accept-Encoding"}, tt.content}
			if tt.coding != "" {
				want.Fields["Content-Encoding"] = tt.coding
			}
			if tt.name == "a sidecar by its own name" {
				delete(want.Fields, "Content-Type") // the table of types may know the extension
			}
			got := sidecarFields(etagOfFile(t, r, tt.target, lines...))
			if _, ok := want.Fields["Content-Type"]; !ok {
				delete(got.Fields, "Content-Type")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("GET %s with %q (-want +got):\n%s\nwhy: %s", tt.target, lines, diff, tt.why)
			}
		})
	}
}

// If no coding that the client accepts is available, the answer is 406. A missing file is
// still 404.
func TestPrecompressedNotAcceptable(t *testing.T) {
	r := filesOfFS(t, sidecarTree(), sidecarAll)
	tests := []struct {
		target, accept string
		want           int
		why            string
	}{
		{"/a.html", "identity;q=0", 406, "the client accepts no coding of a sidecar"},
		{"/a.html", "*;q=0", 406, ""},
		{"/a.html", "identity;q=0, deflate", 406, ""},
		{"/a.html", "identity;q=0, gzip", 200, ""},
		{"/a.html", "identity;q=0, *", 200, ""},
		{"/plain.txt", "identity;q=0, gzip", 406, "the file has no sidecar"},
		{"/plain.txt", "*;q=0", 406, ""},
		{"/plain.txt", "deflate", 200, "\"without any content coding unless the identity coding is indicated as unacceptable\", RFC 9110, section 12.5.3"},
		{"/stale.txt", "gzip, identity;q=0", 406, "the sidecar is too old"},
		{"/void.txt", "gzip, identity;q=0", 406, "the sidecar is empty"},
		{"/missing.txt", "identity;q=0", 404, ""},
		{"/only.txt", "gzip", 404, "without its file, a sidecar is not used"},
		{"/only.txt.gz", "gzip", 200, ""},
		{"/.hidden.txt", "gzip", 404, ""},
		{"/dir/.hidden/c.txt", "gzip", 404, ""},
		{"/list/", "identity;q=0", 200, "listings are never compressed"},
	}
	for _, tt := range tests {
		_, addr := listen(t, rawhttp.WithResolver(r))
		for _, method := range []string{"GET ", "HEAD "} {
			answer := talk(t, addr, method+tt.target+" HTTP/1.1\r\nHost: a\r\nAccept-Encoding: "+tt.accept+"\r\n\r\n")
			if got := contentStatus(t, answer); got != tt.want {
				t.Errorf("%s%s with Accept-Encoding: %s: status %d, want %d\nwhy: %s", method, tt.target, tt.accept, got, tt.want, tt.why)
			}
			if tt.want == 406 && !strings.Contains(answer, "\r\nVary: Accept-Encoding\r\n") {
				t.Errorf("%s%s with Accept-Encoding: %s: no Vary in %q, though the answer depends on that field", method, tt.target, tt.accept, answer)
			}
		}
	}
	// Without the option, sidecars and Accept-Encoding are ignored.
	got := sidecarFields(etagOfFile(t, filesOfFS(t, sidecarTree()), "/a.html", "Accept-Encoding: gzip, identity;q=0"))
	want := filesAnswer{"200 OK", map[string]string{"Content-Type": "text/html; charset=utf-8"}, "the plain file"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("without WithPrecompressed (-want +got):\n%s", diff)
	}
}

// Each variant has its own length, tag and ranges.
func TestPrecompressedVariants(t *testing.T) {
	r := filesOfFS(t, sidecarTree(), sidecarAll, rawhttp.WithCacheControl("max-age=60"))
	tags := make(map[string]string)
	for coding, content := range map[string]string{"": "the plain file", "br": "brotli!", "zstd": "zstandard", "gzip": "gzip"} {
		accept := "Accept-Encoding: " + coding
		got := etagOfFile(t, r, "/a.html", accept)
		tag := got.Fields["ETag"]
		if other, ok := tags[tag]; ok || !isEntityTag(tag) || strings.HasPrefix(tag, "W/") {
			t.Errorf("ETag of coding %q: %q, want a strong one that differs from that of %q", coding, tag, other)
		}
		tags[tag] = coding
		if n := len(content); got.Fields["Content-Length"] != strconv.Itoa(n) || got.Fields["Last-Modified"] != contentChanged || got.Fields["Cache-Control"] != "max-age=60" {
			t.Errorf("fields of coding %q: %q, want Content-Length %d, and Last-Modified and Cache-Control of the plain file", coding, got.Fields, n)
		}

		part := etagOfFile(t, r, "/a.html", accept, "Range: bytes=1-2", "If-Range: "+tag)
		if part.Status != "206 Partial Content" || part.Content != content[1:3] || part.Fields["Content-Encoding"] != coding ||
			part.Fields["Content-Range"] != "bytes 1-2/"+strconv.Itoa(len(content)) || part.Fields["Vary"] != "Accept-Encoding" || part.Fields["ETag"] != tag {
			t.Errorf("bytes 1 and 2 of coding %q: %+v, want those of the variant", coding, part)
		}
		if got := etagOfFile(t, r, "/a.html", accept, "Range: bytes=100-").Fields["Content-Range"]; got != "bytes */"+strconv.Itoa(len(content)) {
			t.Errorf("Content-Range of a 416 for coding %q: %q, want the length of the variant", coding, got)
		}

		same := etagOfFile(t, r, "/a.html", accept, "If-None-Match: "+tag)
		want := filesAnswer{"304 Not Modified", map[string]string{"ETag": tag, "Vary": "Accept-Encoding", "Cache-Control": "max-age=60", "Last-Modified": contentChanged, "X-Content-Type-Options": "nosniff"}, ""}
		delete(same.Fields, "Date")
		if diff := cmp.Diff(want, same); diff != "" {
			t.Errorf("coding %q, If-None-Match with its own tag (-want +got):\n%s\nwhy: a 304 has only fields that caches need, RFC 9110, section 15.4.5", coding, diff)
		}
		for other := range maps.Keys(tags) {
			if other == tag {
				continue
			}
			if got := etagOfFile(t, r, "/a.html", accept, "If-None-Match: "+other); got.Status != "200 OK" {
				t.Errorf("coding %q, If-None-Match with the tag of another variant: %s, want 200", coding, got.Status)
			}
			if got := etagOfFile(t, r, "/a.html", accept, "Range: bytes=1-2", "If-Range: "+other); got.Status != "200 OK" || got.Content != content {
				t.Errorf("coding %q, range with If-Range and the tag of another variant: %+v, want the whole", coding, got)
			}
		}
	}
}

// A sidecar may have the time of its file, as after gzip -k. The date then does not identify the
// variant that a client has begun to download, so If-Range with it is false.
func TestPrecompressedResumeByDate(t *testing.T) {
	r := filesOfFS(t, sidecarTree(), sidecarAll)
	for _, accept := range []string{"identity", "gzip", "br"} {
		for _, target := range []string{"/a.html", "/site/", "/plain.txt"} {
			whole := etagOfFile(t, r, target, "Accept-Encoding: "+accept)
			got := etagOfFile(t, r, target, "Accept-Encoding: "+accept, "Range: bytes=2-", "If-Range: "+whole.Fields["Last-Modified"])
			if got.Status != "200 OK" || got.Content != whole.Content || whole.Fields["Last-Modified"] != contentChanged {
				t.Errorf("%s, Accept-Encoding: %s, If-Range with the date: %+v, want the whole, %+v", target, accept, got, whole)
			}
			got = etagOfFile(t, r, target, "Accept-Encoding: "+accept, "If-Modified-Since: "+whole.Fields["Last-Modified"])
			if got.Status != "304 Not Modified" {
				t.Errorf("%s, Accept-Encoding: %s, If-Modified-Since with the date: %s, want 304, for which a weak validator is enough", target, accept, got.Status)
			}
		}
	}
	got := etagOfFile(t, filesOfFS(t, sidecarTree()), "/a.html", "Range: bytes=4-", "If-Range: "+contentChanged)
	if got.Status != "206 Partial Content" || got.Content != "plain file" {
		t.Errorf("without WithPrecompressed, If-Range with the date: %+v, want 206, since there are no variants", got)
	}
}

// The answer to HEAD has the fields of that to GET, with the same choice of coding.
func TestPrecompressedHead(t *testing.T) {
	_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(filesOfFS(t, sidecarTree(), sidecarAll)))
	for _, accept := range []string{"", "gzip", "br, gzip", "*", "identity;q=0", "gzip;q=0"} {
		for _, target := range []string{"/a.html", "/plain.txt", "/site/", "/stale.txt"} {
			request := " " + target + " HTTP/1.1\r\nHost: a\r\nAccept-Encoding: " + accept + "\r\n\r\n"
			get, head := talk(t, addr, "GET"+request), talk(t, addr, "HEAD"+request)
			if want, _ := splitHead(get); head != want {
				t.Errorf("answer to HEAD%q: %q, want the head of that to GET, %q", request, head, want)
			}
		}
	}
}

// A file and its sidecar, with the same content.
//
//go:embed testdata/sidecars
var sidecarEmbedded embed.FS

// A sidecar without a time has its own tag, even if its content equals the file's, or no tag
// if the file has none.
func TestPrecompressedTagsOfContent(t *testing.T) {
	embedded := filesOfFS(t, sidecarEmbedded, sidecarAll)
	plain := etagOfFile(t, embedded, "/testdata/sidecars/a.txt").Fields
	coded := etagOfFile(t, embedded, "/testdata/sidecars/a.txt", "Accept-Encoding: gzip").Fields
	if coded["Content-Encoding"] != "gzip" || !isEntityTag(plain["ETag"]) || !isEntityTag(coded["ETag"]) || plain["ETag"] == coded["ETag"] {
		t.Errorf("tag of an embedded file %s, fields of its sidecar %q, want a coding and another tag", plain["ETag"], coded)
	}
	memory := filesOfFS(t, fstest.MapFS{"a.txt": {Data: []byte("plain")}, "a.txt.gz": {Data: []byte("gzip")}}, sidecarAll)
	if got := etagOfFile(t, memory, "/a.txt", "Accept-Encoding: gzip"); got.Content != "gzip" || got.Fields["ETag"] != "" {
		t.Errorf("source without times: %+v, want the sidecar, since it is not older, and no tag", got)
	}
}

// Sidecars on disk that are created, changed and removed between requests.
func TestPrecompressedOnDisk(t *testing.T) {
	dir, path := filesWrite(t, "a.txt", "the plain file")
	r := filesOfDir(t, dir, sidecarAll)
	at := func(name string, mod time.Time) {
		if err := os.Chtimes(name, mod, mod); err != nil {
			t.Fatal(err)
		}
	}
	at(path, contentMod)
	check := func(step, want string) {
		t.Helper()
		if got := etagOfFile(t, r, "/a.txt", "Accept-Encoding: gzip").Content; got != want {
			t.Errorf("%s: content %q, want %q", step, got, want)
		}
	}
	check("no sidecar", "the plain file")
	if err := os.WriteFile(path+".gz", []byte("gzip"), 0o644); err != nil {
		t.Fatal(err)
	}
	check("a sidecar", "gzip")
	at(path+".gz", contentMod)
	check("as old as the file", "gzip")
	at(path, contentMod.Add(time.Second))
	check("copied in parallel, the file last", "gzip")
	at(path, contentMod.Add(time.Minute))
	check("the file was edited", "the plain file")
	at(path+".gz", contentMod.Add(time.Minute+time.Second))
	check("the sidecar was made again", "gzip")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, status := filesResolve(t, r, "/a.txt"); status != 404 {
		t.Errorf("sidecar without its file: status %d, want 404", status)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if resp, status := filesResolve(t, r, "/a.txt"); status != 301 {
		t.Errorf("sidecar of a folder: status %d (%v), want the redirect of the folder", status, resp)
	}
	if err := os.WriteFile(filepath.Join(path, "index.html"), []byte("index"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := etagOfFile(t, r, "/a.txt/", "Accept-Encoding: gzip"); got.Content != "index" || got.Fields["Content-Encoding"] != "" {
		t.Errorf("GET of a folder with a sidecar: %+v, want its index file", got)
	}
}

// A sidecarBroken is an fs.FS in which opening some names fails. It counts the open files.
type sidecarBroken struct {
	*filesPlain
	errs map[string]error
}

func (b sidecarBroken) Open(name string) (fs.File, error) {
	if err := b.errs[name]; err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return b.filesPlain.Open(name)
}

// No file stays open, whichever variant is sent, and a sidecar without permission to read is
// ignored.
func TestPrecompressedErrors(t *testing.T) {
	tests := []struct {
		name    string
		errs    map[string]error
		accept  string
		status  int
		content string
	}{
		{"no error", nil, "br, zstd, gzip", 200, "brotli!"},
		{"no error, by weight", nil, "br;q=0.1, zstd;q=0.2, gzip;q=0.3", 200, "gzip"},
		{"no error, plain", nil, "identity", 200, "the plain file"},
		{"no error, not acceptable", nil, "*;q=0", 406, ""},
		{"unreadable sidecar, plain file", map[string]error{"a.html.br": fs.ErrPermission}, "br", 200, "the plain file"},
		{"unreadable sidecar, another coding", map[string]error{"a.html.br": fs.ErrPermission}, "br, gzip", 200, "gzip"},
		{"unreadable sidecar, not acceptable", map[string]error{"a.html.br": fs.ErrPermission}, "br, identity;q=0", 406, ""},
		{"missing sidecars", map[string]error{"a.html.br": fs.ErrNotExist, "a.html.zst": fs.ErrNotExist, "a.html.gz": fs.ErrNotExist}, "br, zstd, gzip", 200, "the plain file"},
		{"unreadable file", map[string]error{"a.html": fs.ErrPermission}, "gzip", 403, ""},
		{"closed", map[string]error{"a.html.gz": fs.ErrClosed}, "gzip", 503, ""},
	}
	for _, tt := range tests {
		plain := &filesPlain{fsys: sidecarTree()}
		r := filesOfFS(t, sidecarBroken{plain, tt.errs}, sidecarAll)
		req := requestOf(t, "GET /a.html HTTP/1.1\r\nHost: a\r\nAccept-Encoding: "+tt.accept+"\r\n\r\n")
		resp, err := r.Resolve(t.Context(), req)
		if got := rawhttp.StatusOf(err); got != tt.status {
			t.Errorf("%s: Resolve: %v, status %d, want %d", tt.name, err, got, tt.status)
		}
		if err == nil {
			if got := filesContent(t, resp); got != tt.content {
				t.Errorf("%s: content %q, want %q", tt.name, got, tt.content)
			}
		}
		if n := plain.open.Load(); n != 0 {
			t.Errorf("%s: %d files are open at the end, want 0", tt.name, n)
		}
	}

	for _, target := range []string{"/stale.txt", "/half.txt", "/void.txt", "/cut.txt", "/folder.txt", "/plain.txt", "/site/", "/list/", "/only.txt"} {
		for _, accept := range []string{"br, gzip", "br, gzip, identity;q=0", "gzip;q=0"} {
			plain := &filesPlain{fsys: sidecarTree()}
			req := requestOf(t, "GET "+target+" HTTP/1.1\r\nHost: a\r\nAccept-Encoding: "+accept+"\r\n\r\n")
			if resp, err := filesOfFS(t, plain, sidecarAll).Resolve(t.Context(), req); err == nil {
				resp.Close()
			}
			if n := plain.open.Load(); n != 0 {
				t.Errorf("%s with Accept-Encoding: %s: %d files are open at the end, want 0", target, accept, n)
			}
		}
	}
}

func TestWithPrecompressed(t *testing.T) {
	tests := []struct {
		codings []string
		wrong   int
	}{
		{nil, 0},
		{[]string{"br", "zstd", "gzip"}, 0},
		{[]string{"gzip"}, 0},
		{[]string{"deflate"}, 1},
		{[]string{"GZIP"}, 1},
		{[]string{""}, 1},
		{[]string{"identity"}, 1},
		{[]string{"br", "gz", "gzip", ".gz"}, 2},
	}
	for _, tt := range tests {
		_, err := rawhttp.FS(fstest.MapFS{}, rawhttp.WithPrecompressed(tt.codings...))
		got := 0
		if err != nil {
			got = filesLeaves(err)
		}
		if got != tt.wrong {
			t.Errorf("FS with WithPrecompressed(%q): %d errors, want %d: %v", tt.codings, got, tt.wrong, err)
		}
	}
	codings := []string{"gzip"}
	r := filesOfFS(t, sidecarTree(), rawhttp.WithPrecompressed(codings...))
	codings[0] = "br"
	if got := etagOfFile(t, r, "/a.html", "Accept-Encoding: br, gzip").Content; got != "gzip" {
		t.Errorf("content %q after the caller changed its slice, want that of the gzip sidecar", got)
	}
	if got := etagOfFile(t, filesOfFS(t, sidecarTree(), sidecarAll, rawhttp.WithPrecompressed()), "/a.html", "Accept-Encoding: gzip"); got.Content != "the plain file" || got.Fields["Vary"] != "" {
		t.Errorf("WithPrecompressed() after other codings: %+v, want no coding", got)
	}
}
