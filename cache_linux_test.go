package rawhttp

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/rawhttp/internal/testkit"
)

// cacheSite serves a folder with the file f, whose modification time is old.
func cacheSite(t *testing.T, content string, opts ...FileOption) (files *FileResolver, folder string) {
	t.Helper()
	folder = t.TempDir()
	writeOldFile(t, filepath.Join(folder, "f"), content)
	files = filesOfDir(t, folder, opts...)
	skipWithoutCache(t, files)
	return files, folder
}

// writeOldFile writes a file with an old modification time. A file that changed a moment ago is
// not cached even so, so waitCached waits, though for less than settledAge.
func writeOldFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(name, old, old); err != nil {
		t.Fatal(err)
	}
}

// shortSettledAge is the minimum age of cached files in tests that are not about that age.
const shortSettledAge = 100 * time.Millisecond

// waitCached requests the path until it is cached.
func waitCached(t *testing.T, files *FileResolver, path string) (state *cachedState) {
	t.Helper()
	files.cache.settles = shortSettledAge
	testkit.Await(t, path+" is cached", func() bool {
		req := resolveGet(t, path)
		resolveString(t, files, req)
		switch e := files.cache.find(req).(type) {
		case *cachedFile:
			state = &e.cachedState
		case *cachedFolder:
			state = &e.cachedState
		}
		return state != nil
	})
	return state
}

// The first request after a change of a cached file sees the change.
func TestCachedFileIsNeverStale(t *testing.T) {
	t.Parallel()
	changes := []struct {
		name string
		do   func(folder, f string) error
		want string
	}{
		{"nothing", func(_, f string) error { return nil }, "before"},
		{"overwritten, same size", func(_, f string) error { return os.WriteFile(f, []byte("edited"), 0o644) }, "edited"},
		{"overwritten, same modification time", func(_, f string) error {
			info, err := os.Stat(f)
			if err == nil {
				err = os.WriteFile(f, []byte("edited"), 0o644)
			}
			if err == nil {
				err = os.Chtimes(f, info.ModTime(), info.ModTime())
			}
			return err
		}, "edited"},
		{"grown", func(_, f string) error { return os.WriteFile(f, []byte("before and edited"), 0o644) }, "before and edited"},
		{"emptied", func(_, f string) error { return os.Truncate(f, 0) }, ""},
		{"another file renamed over it", func(folder, f string) error {
			writeOldFile(t, filepath.Join(folder, "g"), "edited")
			return os.Rename(filepath.Join(folder, "g"), f)
		}, "edited"},
		{"removed", func(_, f string) error { return os.Remove(f) }, "declined"},
		{"replaced by a folder", func(_, f string) error { os.Remove(f); return os.Mkdir(f, 0o755) }, "301 ./f/"},
		{"replaced by a link to another file", func(folder, f string) error {
			writeOldFile(t, filepath.Join(folder, "g"), "edited")
			os.Remove(f)
			return os.Symlink("g", f)
		}, "edited"},
		{"replaced by a link that leads out", func(_, f string) error { os.Remove(f); return os.Symlink("/etc/passwd", f) }, "declined"},
	}
	type site struct {
		files  *FileResolver
		folder string
	}
	var sites []site
	for range changes { // all of them first, so that they are old enough at the same time
		files, folder := cacheSite(t, "before")
		sites = append(sites, site{files, folder})
	}
	for i, tt := range changes {
		t.Run(tt.name, func(t *testing.T) {
			files, folder := sites[i].files, sites[i].folder
			waitCached(t, files, "/f")
			if err := tt.do(folder, filepath.Join(folder, "f")); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if got := resolveString(t, files, resolveGet(t, "/f")); got != tt.want {
					t.Errorf("GET /f is answered with %q, want %q", got, tt.want)
				}
			}
		})
	}
}

// The first request after a change of a link to a cached file sees the change.
func TestCachedLinkIsNeverStale(t *testing.T) {
	t.Parallel()
	files, folder := cacheSite(t, "before")
	writeOldFile(t, filepath.Join(folder, "g"), "edited")
	link := filepath.Join(folder, "link")
	if err := os.Symlink("f", link); err != nil {
		t.Fatal(err)
	}
	waitCached(t, files, "/link")
	if err := cmp.Or(os.Remove(link), os.Symlink("g", link)); err != nil {
		t.Fatal(err)
	}
	if got := resolveString(t, files, resolveGet(t, "/link")); got != "edited" {
		t.Errorf("GET /link is answered with %q, want %q", got, "edited")
	}
}

// A closed resolver does not answer from the cache.
func TestClosedResolverHasNoCache(t *testing.T) {
	t.Parallel()
	files, _ := cacheSite(t, "before")
	waitCached(t, files, "/f")
	files.Close()
	if _, err := files.Resolve(t.Context(), resolveGet(t, "/f")); StatusOf(err) != 503 {
		t.Errorf("GET /f of a closed resolver: %v, want 503", err)
	}
}

// A file that changed a moment ago may change again within the same timestamp, so each
// request reads it.
func TestRecentlyChangedFileIsNotCached(t *testing.T) {
	t.Parallel()
	files, folder := cacheSite(t, "0")
	for i := range 100 {
		want := fmt.Sprint(i % 10)
		if err := os.WriteFile(filepath.Join(folder, "f"), []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := resolveString(t, files, resolveGet(t, "/f")); got != want {
			t.Fatalf("GET /f is answered with %q, want the current content, %q", got, want)
		}
	}
	files.cache.mu.RLock()
	defer files.cache.mu.RUnlock()
	if len(files.cache.entries) > 0 {
		t.Error("a file that changed a moment ago is cached")
	}
}

// The answer for a cached file is the same as for any other file.
func TestCachedFileHasSameAnswer(t *testing.T) {
	t.Parallel()
	files, _ := cacheSite(t, "0123456789", WithCacheControl("no-cache"), WithMediaType(".none", "a/b"))
	_, addr := listen(t, WithDate(false), WithResolver(files))
	requests := []string{
		"GET /f HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD /f HTTP/1.1\r\nHost: a\r\n\r\n", "GET /f HTTP/1.0\r\n\r\n",
		"GET /f HTTP/1.1\r\nHost: a\r\nRange: bytes=2-4\r\n\r\n", "GET /f HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1,8-\r\n\r\n",
		"GET /f HTTP/1.1\r\nHost: a\r\nRange: bytes=10-\r\n\r\n", "GET /f HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n\r\n",
		"POST /f HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS /f HTTP/1.1\r\nHost: a\r\n\r\n", "GET /f/ HTTP/1.1\r\nHost: a\r\n\r\n",
	}
	strong := strings.NewReplacer(`ETag: W/"`, `ETag: "`)
	ask := func() (answers []string) {
		for _, r := range requests {
			answers = append(answers, strong.Replace(talk(t, addr, r)))
		}
		return answers
	}
	before := ask() // the file is too young to be cached
	waitCached(t, files, "/f")
	for range 4 { // from its cached content, then from images of earlier answers
		for i, answer := range ask() {
			if answer != before[i] {
				t.Errorf("%q is answered with %q when the file is cached, %q before", requests[i], answer, before[i])
			}
		}
	}
}

// A file that is cached for two paths has the Cache-Control of each path. A path that another
// resolver has rewritten counts like one that the client sent.
func TestCachedFileHasCacheControlOfItsPath(t *testing.T) {
	t.Parallel()
	files, folder := cacheSite(t, "", WithCacheControl("no-cache"), WithCacheControl("immutable", "/index.html"))
	writeOldFile(t, filepath.Join(folder, "index.html"), "index")
	want := map[string]string{"/": "no-cache", "/index.html": "immutable"}
	check := func(when string) {
		t.Helper()
		for path, value := range want {
			rewritten := resolveGet(t, "/elsewhere").WithPath(path)
			for name, req := range map[string]*Request{"requested": resolveGet(t, path), "rewritten": rewritten, "mounted": resolveGet(t, "/static"+path)} {
				resp, err := Mount("/static/", files).Resolve(t.Context(), req)
				if name != "mounted" {
					resp, err = files.Resolve(t.Context(), req)
				}
				if err != nil || resp.get("Cache-Control") != value {
					t.Errorf("%s, %s %s: %v, Cache-Control %q, want %q", when, path, name, err, resp.get("Cache-Control"), value)
				}
				resp.Close()
			}
		}
	}
	check("not cached")
	for path := range want {
		waitCached(t, files, path)
	}
	check("cached")
}

// The memory of the cache is limited, and it may be used concurrently.
func TestFileCacheIsBounded(t *testing.T) {
	t.Parallel()
	var cache fileCache
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 2000 {
				cache.put(fmt.Sprintf("/%d-%d", g, i%700), &cachedFile{cachedState: cachedState{size: 50_000}})
				cache.find(resolveGet(t, fmt.Sprintf("/%d-%d", g, i%300)))
			}
		})
	}
	all.Wait()
	size := 0
	for path, e := range cache.entries {
		size += cost(path, e)
	}
	if size > maxCacheBytes || size != cache.size || size == 0 {
		t.Errorf("the cache holds %d bytes, counted as %d, want at most %d", size, cache.size, maxCacheBytes)
	}
	for i := range 100_000 {
		cache.put(fmt.Sprint("/", i), &cachedFile{})
	}
	if n := len(cache.entries); n > maxCacheBytes/entryOverhead {
		t.Errorf("%d empty files are cached, want at most %d", n, maxCacheBytes/entryOverhead)
	}
}

// The cache retains only the path of a request, since its fields may be large and secret.
func TestCachedFileRetainsNoHead(t *testing.T) {
	files, folder := cacheSite(t, "content")
	waitCached(t, files, "/f")
	const n = 200
	for i := range n {
		if err := os.Link(filepath.Join(folder, "f"), filepath.Join(folder, fmt.Sprint("f", i))); err != nil {
			t.Fatal(err)
		}
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	waitCached(t, files, "/f0") // a link changes the file's ctime, so all of them become old enough at once
	before := heap()
	for i := range n {
		req := requestOf(t, fmt.Sprintf("GET /f%d HTTP/1.1\r\nHost: a\r\n%s\r\n", i, strings.Repeat("X: "+strings.Repeat("x", 6000)+"\r\n", 5)))
		resolveString(t, files, req)
		if files.cache.find(req) == nil {
			t.Fatalf("/f%d is not cached", i)
		}
	}
	if grown := heap() - before; grown > n*2*entryOverhead {
		t.Errorf("%d small files take %d bytes each, want at most %d", n, grown/n, 2*entryOverhead)
	}
}

// An index file is cached for the path of its folder and for its own.
func TestCachedIndex(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, name := range []string{"index.html", "d/index.html", "second/index.htm"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		writeOldFile(t, filepath.Join(folder, name), name)
	}
	files := filesOfDir(t, folder, WithIndex("index.html", "index.htm"))
	skipWithoutCache(t, files)
	for _, path := range []string{"/", "/d/", "/index.html"} {
		waitCached(t, files, path)
	}
	for path, want := range map[string]string{"/": "index.html", "/d/": "d/index.html", "/d": "301 ./d/", "/d%2F": "301 ./d%2F/", "/second/": "second/index.htm"} {
		if got := resolveString(t, files, resolveGet(t, path)); got != want {
			t.Errorf("GET %s is answered with %q, want %q", path, got, want)
		}
	}
	if files.cache.find(resolveGet(t, "/second/")) != nil {
		t.Error("an index file is cached although one that takes precedence may appear")
	}
	if err := os.Rename(filepath.Join(folder, "d"), filepath.Join(folder, "e")); err != nil {
		t.Fatal(err)
	}
	if got := resolveString(t, files, resolveGet(t, "/d/")); got != "declined" {
		t.Errorf("GET /d/, which was renamed, is answered with %q, want %q", got, "declined")
	}
}

// A cached file is read again after a while, for systems that do not report changes.
func TestCachedFileIsReadAgain(t *testing.T) {
	t.Parallel()
	files, _ := cacheSite(t, "on the disk")
	waitCached(t, files, "/f")
	f := files.cache.find(resolveGet(t, "/f")).(*cachedFile)
	copy(f.resp.rep.Body.(*memoryContent).content, "of a change")
	if got := resolveString(t, files, resolveGet(t, "/f")); got != "of a change" && clock() < f.until {
		t.Errorf("GET /f is answered with %q, want the content in memory", got)
	}
	f.until = clock() - 1
	for range 2 {
		if got := resolveString(t, files, resolveGet(t, "/f")); got != "on the disk" {
			t.Errorf("GET /f is answered with %q, want %q", got, "on the disk")
		}
	}
}

// A wrapper that forgets to Clone changes only its own response, not the cached one.
func TestCachedResponseIsCopied(t *testing.T) {
	t.Parallel()
	files, _ := cacheSite(t, "content")
	waitCached(t, files, "/f")
	for i := range 3 {
		resp, err := files.Resolve(t.Context(), resolveGet(t, "/f"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Add("Set-Cookie", fmt.Sprint("a=", i)).Set("X-Content-Type-Options", fmt.Sprint(i)).CloseAfter()
		resp.Close()
		again, err := files.Resolve(t.Context(), resolveGet(t, "/f"))
		if err != nil {
			t.Fatal(err)
		}
		if again.has("Set-Cookie") || again.get("X-Content-Type-Options") != "nosniff" || again.closeAfter {
			t.Errorf("after a change of one response, the next one is %+v, want it unchanged", again)
		}
	}
}

// A weak entity tag is not cached, so it becomes a strong one. A file can become old enough
// between two readings of the clock.
func TestCachedFileHasStrongETag(t *testing.T) {
	t.Parallel()
	files, _ := cacheSite(t, "content")
	waitCached(t, files, "/f") // waits until the file is old enough
	for tag, want := range map[string]bool{`W/"a"`: false, `"a"`: true} {
		files.cache.drop("/f")
		file, info, err := files.tree.Open("f")
		if err != nil {
			t.Fatal(err)
		}
		req := resolveGet(t, "/f")
		resp := Content(Representation{Body: file, Size: info.Size(), ETag: tag})
		files.cache.addFile(req, opened{name: "f", file: file, info: info}, resp).Close()
		if cached := files.cache.find(req) != nil; cached != want {
			t.Errorf("a file with the entity tag %s is cached: %v, want %v", tag, cached, want)
		}
	}
}

// Files of an fs.FS are not cached, nor those of a folder if the response depends on more than
// the path.
func TestFSIsNotCached(t *testing.T) {
	t.Parallel()
	files, err := FS(os.DirFS(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	if files.cache.tree != nil {
		t.Error("files of an fs.FS are cached")
	}
	for name, opt := range map[string]FileOption{"scripts": WithScript(".sh", "sh"), "sidecars": WithPrecompressed("gzip")} {
		if files := filesOfDir(t, t.TempDir(), opt); files.cache.tree != nil {
			t.Errorf("with %s, files are cached, although the response depends on more than the path", name)
		}
	}
}

// A file that changed a moment ago is not cached, even if its modification time is older:
// programs can set that time.
func TestFileWithOldModTimeIsNotCached(t *testing.T) {
	files, folder := cacheSite(t, "0") // just written, with its modification time set back
	for i := range 50 {
		want := fmt.Sprint(i % 10)
		writeOldFile(t, filepath.Join(folder, "f"), want)
		req := resolveGet(t, "/f")
		if got := resolveString(t, files, req); got != want {
			t.Fatalf("GET /f is answered with %q, want %q", got, want)
		}
		if files.cache.find(req) != nil {
			t.Fatal("a file that changed a moment ago is cached because its modification time is old")
		}
	}
}

// A file that has been cached is closed.
func TestCachedFileIsClosed(t *testing.T) {
	t.Parallel()
	files, _ := cacheSite(t, "content")
	waitCached(t, files, "/f")
	file, info, err := files.tree.Open("f")
	if err != nil {
		t.Fatal(err)
	}
	resp := Content(Representation{Body: file, Size: info.Size(), ETag: `"a"`})
	if files.cache.addFile(resolveGet(t, "/f"), opened{name: "f", file: file, info: info}, resp) == resp {
		t.Fatal("the file is not cached")
	}
	if err := file.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Close of a file that was cached = %v, want %v", err, fs.ErrClosed)
	}
}

// A file that changes while it is read is not cached.
func TestFileChangedWhileReadIsNotCached(t *testing.T) {
	t.Parallel()
	files, folder := cacheSite(t, "before")
	waitCached(t, files, "/f")
	files.cache.drop("/f")
	file, info, err := files.tree.Open("f")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "f"), []byte("edited"), 0o644); err != nil { // after info was read
		t.Fatal(err)
	}
	req := resolveGet(t, "/f")
	resp := Content(Representation{Body: file, Size: info.Size(), ETag: `"a"`})
	files.cache.addFile(req, opened{name: "f", file: file, info: info}, resp).Close()
	if files.cache.find(req) != nil {
		t.Error("a file that changed between stat and read is cached")
	}
}

// Large files are not cached.
func TestLargeFileIsNotCached(t *testing.T) {
	t.Parallel()
	files, folder := cacheSite(t, "small")
	writeOldFile(t, filepath.Join(folder, "large"), strings.Repeat("x", maxCachedFile+1))
	writeOldFile(t, filepath.Join(folder, "most"), strings.Repeat("x", maxCachedFile))
	waitCached(t, files, "/most") // then the large file is old enough, too
	req := resolveGet(t, "/large")
	resolveString(t, files, req)
	if files.cache.find(req) != nil {
		t.Errorf("a file of %d bytes is cached", maxCachedFile+1)
	}
}

// If a wrapper rewrites the path, the response is for the new path, cached or not.
func TestCachedFileOfRewrittenPath(t *testing.T) {
	t.Parallel()
	files, folder := cacheSite(t, "f")
	writeOldFile(t, filepath.Join(folder, "g"), "g")
	waitCached(t, files, "/g")
	waitCached(t, files, "/f")
	if got := resolveString(t, files, resolveGet(t, "/f").WithPath("/g")); got != "g" {
		t.Errorf("/f rewritten to /g is answered with %q, want g", got)
	}
}

// The size of a cached file counts its content and an image of it.
func TestCachedFileSize(t *testing.T) {
	t.Parallel()
	const size = 50_000
	files, _ := cacheSite(t, strings.Repeat("x", size))
	f := waitCached(t, files, "/f")
	if f.size < 2*size || files.cache.size < f.size {
		t.Errorf("a file of %d bytes counts as %d, the whole cache as %d, want at least twice the size, and no less for the cache", size, f.size, files.cache.size)
	}
}
