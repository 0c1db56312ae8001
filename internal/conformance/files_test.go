package conformance_test

import (
	"archive/zip"
	"bytes"
	"embed"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// The tree that every source of files serves in TestFileResolver.
//
//go:embed all:testdata/tree
var filesEmbedded embed.FS

// filesStrange has files with names that an embed.FS, git or Windows does not allow.
var filesStrange = map[string]string{
	"what?.txt":       "question mark\n",
	"line\nbreak.txt": "line feed\n",
	`<b>"'.txt`:       "markup\n",
	"c:d/e.txt":       "colon\n",
	"q?/r.txt":        "question mark in a folder\n",
	"ü.txt":           "not ASCII\n",
	"%2e%2e":          "percent signs\n",
	"end .":           "blank and dot\n",
}

// filesBackslash and filesBytes are names that even fewer sources allow.
const filesBackslash, filesBytes = `back\slash.txt`, "\xff\xfe.txt"

// A filesSource makes resolvers of one kind.
type filesSource struct {
	name                      string
	strange, backslash, bytes bool // which kinds of names the source has
	make                      func(t testing.TB, opts ...rawhttp.FileOption) *rawhttp.FileResolver
}

func filesTree(t testing.TB) fs.FS {
	t.Helper()
	sub, err := fs.Sub(filesEmbedded, "testdata/tree")
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

// filesMap returns the tree and the strange files in memory.
func filesMap(t testing.TB) fstest.MapFS {
	t.Helper()
	tree, m := filesTree(t), make(fstest.MapFS)
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(tree, name)
		m[name] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range filesStrange {
		m[name] = &fstest.MapFile{Data: []byte(content)}
	}
	m[filesBackslash] = &fstest.MapFile{Data: []byte("backslash\n")}
	return m
}

const (
	filesStrangeOS = runtime.GOOS != "windows"
	filesBytesOS   = filesStrangeOS && runtime.GOOS != "darwin" && runtime.GOOS != "ios" // where names must be Unicode
)

var filesDirOnce sync.Once

// filesDir returns a folder with the tree and those strange files that the system allows. All
// tests share it, so none may write to it.
func filesDir(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(sharedDir, "tree")
	filesDirOnce.Do(func() { filesWriteTree(t, dir) })
	return dir
}

func filesWriteTree(t testing.TB, dir string) {
	t.Helper()
	m := filesMap(t)
	if filesBytesOS {
		m[filesBytes] = &fstest.MapFile{Data: []byte("not UTF-8\n")}
	}
	for name, f := range m {
		if _, err := fs.Stat(filesTree(t), name); err != nil && !filesStrangeOS {
			continue
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, respTime, respTime); err != nil { // the validators of a new file are weak at first
			t.Fatal(err)
		}
	}
}

func filesZip(t testing.TB) *zip.Reader {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, f := range filesMap(t) {
		if name == filesBackslash { // archive/zip treats a backslash as a slash
			continue
		}
		z, err := w.Create(name)
		if err == nil {
			_, err = z.Write(f.Data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A filesPlain is an fs.FS whose files cannot seek. It counts the open files.
type filesPlain struct {
	fsys fs.FS
	open atomic.Int64
}

func (p *filesPlain) Open(name string) (fs.File, error) {
	f, err := p.fsys.Open(name)
	if err != nil {
		return nil, err
	}
	p.open.Add(1)
	plain := &filesPlainFile{f: f, fsys: p}
	if d, ok := f.(fs.ReadDirFile); ok {
		return &filesPlainFolder{plain, d}, nil
	}
	return plain, nil
}

type filesPlainFile struct {
	f    fs.File
	fsys *filesPlain
}

func (f *filesPlainFile) Stat() (fs.FileInfo, error) { return f.f.Stat() }
func (f *filesPlainFile) Read(p []byte) (int, error) { return f.f.Read(p) }
func (f *filesPlainFile) Close() error {
	f.fsys.open.Add(-1)
	return f.f.Close()
}

type filesPlainFolder struct {
	*filesPlainFile
	d fs.ReadDirFile
}

func (f *filesPlainFolder) ReadDir(n int) ([]fs.DirEntry, error) { return f.d.ReadDir(n) }

// filesFS returns a function that makes a resolver of the fs.FS.
func filesFS(fsys func(t testing.TB) fs.FS) func(t testing.TB, opts ...rawhttp.FileOption) *rawhttp.FileResolver {
	return func(t testing.TB, opts ...rawhttp.FileOption) *rawhttp.FileResolver {
		t.Helper()
		f := filesOfFS(t, fsys(t), opts...)
		t.Cleanup(func() { f.Close() })
		return f
	}
}

// filesSources returns each kind of source, all with the same tree.
func filesSources(t *testing.T) []filesSource {
	dir, m, z := filesDir(t), filesMap(t), filesZip(t)
	plain := &filesPlain{fsys: m}
	t.Cleanup(func() {
		if n := plain.open.Load(); n != 0 {
			t.Errorf("%d files are open at the end, want 0", n)
		}
	})
	return []filesSource{
		{"Dir", filesStrangeOS, filesStrangeOS, filesBytesOS, func(t testing.TB, opts ...rawhttp.FileOption) *rawhttp.FileResolver {
			t.Helper()
			return filesOfDir(t, dir, opts...)
		}},
		{"os.DirFS", filesStrangeOS, filesStrangeOS, false, filesFS(func(testing.TB) fs.FS { return os.DirFS(dir) })},
		{"embed.FS", false, false, false, filesFS(filesTree)},
		{"MapFS", true, true, false, filesFS(func(testing.TB) fs.FS { return m })},
		{"zip.Reader", true, false, false, filesFS(func(testing.TB) fs.FS { return z })},
		{"files that cannot seek", true, true, false, filesFS(func(testing.TB) fs.FS { return plain })},
	}
}

// A filesAnswer is a parsed response.
type filesAnswer struct {
	Status  string // the status line, without version
	Fields  map[string]string
	Content string
}

// parseAnswer parses an answer. A field that occurs twice fails the test.
func parseAnswer(t testing.TB, answer string) filesAnswer {
	t.Helper()
	head, content := splitHead(answer)
	lines := strings.Split(strings.TrimSuffix(head, "\r\n\r\n"), "\r\n")
	status, ok := strings.CutPrefix(lines[0], "HTTP/1.1 ")
	if !ok {
		t.Fatalf("answer %q is not a response", testkit.Shorten(answer))
	}
	a := filesAnswer{status, make(map[string]string), content}
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ": ")
		if _, twice := a.Fields[name]; !ok || twice {
			t.Errorf("answer %q: field line %q", head, line)
		}
		a.Fields[name] = value
	}
	return a
}

func TestFileResolver(t *testing.T) {
	t.Parallel()
	sources := filesSources(t)
	for _, tt := range filesTests {
		for _, source := range sources {
			if tt.strange && !source.strange || tt.backslash && !source.backslash || tt.bytes && !source.bytes {
				continue
			}
			t.Run(tt.name+"/"+source.name, func(t *testing.T) {
				_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(source.make(t, tt.opts...)))
				request := tt.request + " HTTP/1.1\r\nHost: a\r\n\r\n"
				method, _, _ := strings.Cut(tt.request, " ")
				got := parseAnswer(t, talk(t, addr, request))

				want := filesAnswer{tt.status, make(map[string]string), tt.content}
				shown := filesAnswer{got.Status, make(map[string]string), got.Content}
				for _, f := range tt.fields {
					name, value, _ := strings.Cut(f, ": ")
					want.Fields[name] = value
					shown.Fields[name] = got.Fields[name]
				}
				if diff := cmp.Diff(want, shown); diff != "" {
					t.Fatalf("answer to %q (-want +got):\n%s\nwhy: %s", request, diff, tt.why)
				}
				if got.Fields["X-Content-Type-Options"] != "nosniff" {
					t.Errorf("answer to %q has the fields %q, want X-Content-Type-Options: nosniff", request, got.Fields)
				}
				if n := strconv.Itoa(len(got.Content)); method != "HEAD" && got.Status != "204 No Content" && got.Fields["Content-Length"] != n {
					t.Errorf("answer to %q has Content-Length %q, want %s", request, got.Fields["Content-Length"], n)
				}
			})
		}
	}
}

// The tree has exactly the names that the tests expect.
func TestFilesTree(t *testing.T) {
	var names []string
	fs.WalkDir(filesTree(t), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	want := []string{
		"#&+=@[].txt", "..a", ".hidden.txt", ".secret/key.txt", "100%.txt", "50%/y.txt", "a b.txt", "both/default.htm",
		"both/index.html/inner.txt", "deep/1/2/3/4/5/6/7/8/9/deep.txt", "docs/.draft.txt", "docs/a.txt", "docs/b.txt",
		"docs/sub/c.txt", "empty.txt", "hello.txt", "noext", "picture.PNG", "site/index.html", "site/other.html",
		"sp ace/x.txt", "x.unknown",
	}
	slices.Sort(names)
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("testdata/tree (-want +got):\n%s", diff)
	}
}

// The answer to HEAD has the fields of that to GET, except those that would require a
// listing.
func TestFileResolverHead(t *testing.T) {
	t.Parallel()
	for _, source := range filesSources(t) {
		t.Run(source.name, func(t *testing.T) {
			_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(source.make(t, rawhttp.WithCacheControl("max-age=60"))))
			for _, target := range []string{
				"/hello.txt", "/empty.txt", "/picture.PNG", "/site/", "/site/index.html", "/docs", "/docs/", "/", "/missing", "/hello.txt/", "/.hidden.txt",
			} {
				for _, version := range []string{" HTTP/1.1\r\nHost: a\r\n\r\n", " HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"} {
					get := parseAnswer(t, talk(t, addr, "GET "+target+version))
					head := parseAnswer(t, talk(t, addr, "HEAD "+target+version))
					if head.Content != "" {
						t.Errorf("HEAD %s: content %q, want none", target, head.Content)
					}
					if target == "/docs/" || target == "/" { // listings
						for _, a := range []filesAnswer{get, head} {
							delete(a.Fields, "Content-Length")
							delete(a.Fields, "Transfer-Encoding")
							delete(a.Fields, "Connection")
						}
						if !strings.HasPrefix(get.Fields["ETag"], `W/"`) {
							t.Errorf("GET %s: ETag %q, want a weak one, since each request makes the listing again", target, get.Fields["ETag"])
						}
						delete(get.Fields, "ETag")
					}
					get.Content = ""
					if diff := cmp.Diff(get, head); diff != "" {
						t.Errorf("answers to GET and HEAD %s%s (-GET +HEAD):\n%s", target, version, diff)
					}
				}
			}
		})
	}
}

// One resolver serves many requests at once, and their answers do not mix.
func TestFileResolverConcurrently(t *testing.T) {
	for _, source := range filesSources(t) {
		t.Run(source.name, func(t *testing.T) {
			t.Parallel()
			_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(source.make(t)))
			request := ""
			for _, target := range []string{"/hello.txt", "/docs/", "/missing", "/site/", "/docs", "/a%20b.txt", "/"} {
				request += "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n"
			}
			want := talk(t, addr, request)
			if n := strings.Count(want, "HTTP/1.1 "); n != 7 {
				t.Fatalf("got %d answers, want 7: %q", n, want)
			}
			var clients sync.WaitGroup
			for range 20 {
				clients.Go(func() {
					if diff := cmp.Diff(want, talk(t, addr, request)); diff != "" {
						t.Errorf("concurrent answers (-want +got):\n%s", diff)
					}
				})
			}
			clients.Wait()
		})
	}
}

// filesResolve resolves a GET request for target without a server. If Resolve fails, status is
// that of its error.
func filesResolve(t testing.TB, r rawhttp.Resolver, target string) (resp *rawhttp.Response, status int) {
	t.Helper()
	resp, err := r.Resolve(t.Context(), resolveGet(t, target))
	if err != nil {
		return nil, rawhttp.StatusOf(err)
	}
	return resp, resp.Status()
}

// filesContent writes a response, closes it, and returns its content.
func filesContent(t testing.TB, resp *rawhttp.Response) string {
	t.Helper()
	var b strings.Builder
	if _, err := resp.WriteTo(&b); err != nil {
		t.Errorf("WriteTo: %v", err)
	}
	if err := resp.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	_, content := splitHead(b.String())
	return content
}

func TestFileResolverClose(t *testing.T) {
	for _, source := range filesSources(t) {
		t.Run(source.name, func(t *testing.T) {
			r := source.make(t)
			begun, status := filesResolve(t, r, "/hello.txt")
			if status != 200 {
				t.Fatalf("status %d before Close, want 200", status)
			}
			if err := r.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			for _, target := range []string{"/hello.txt", "/docs/", "/docs", "/site/", "/missing", "/"} {
				if _, status := filesResolve(t, r, target); status != 503 {
					t.Errorf("GET %s after Close: status %d, want 503", target, status)
				}
			}
			if got := filesContent(t, begun); got != "Hello\n" {
				t.Errorf("content of a response begun before Close: %q, want it complete", got)
			}
			if _, err := rawhttp.First(r, answerText("next")).Resolve(t.Context(), resolveGet(t, "/hello.txt")); rawhttp.StatusOf(err) != 503 {
				t.Errorf("First after Close: %v, want 503, not the next resolver", err)
			}
			if err := r.Close(); err != nil {
				t.Errorf("a second Close: %v", err)
			}
		})
	}
}
