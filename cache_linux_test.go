package rawhttp

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// keepSite serves a folder with the file f, which is old enough to be cached.
func keepSite(t *testing.T, content string, opts ...FileOption) (files *FileResolver, folder string) {
	t.Helper()
	folder = t.TempDir()
	keepWrite(t, filepath.Join(folder, "f"), content)
	files = filesOfDir(t, folder, opts...)
	if files.cache.tree == nil {
		t.Skip("openat2 is missing, without which nothing is kept")
	}
	return files, folder
}

// keepWrite writes a file. A file that changed a moment ago is not cached, so keepSettle
// waits, but not for all of settledAge.
func keepWrite(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(name, old, old); err != nil {
		t.Fatal(err)
	}
}

// keepSettles is the minimum age of cached files in tests that are not about that age.
const keepSettles = 100 * time.Millisecond

// keepSettle requests the path until it is cached.
func keepSettle(t *testing.T, files *FileResolver, path string) *keptState {
	t.Helper()
	files.cache.settles = keepSettles
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		req := resolveGet(t, path)
		resolveString(t, files, req)
		switch e := files.cache.find(req).(type) {
		case *keptFile:
			return &e.keptState
		case *keptFolder:
			return &e.keptState
		}
	}
	t.Fatalf("%s is not kept", path)
	return nil
}

// The first request after a change of a cached file sees the change.
func TestKeptFileIsNeverStale(t *testing.T) {
	t.Parallel()
	changes := []struct {
		name string
		do   func(folder, f string) error
		want string
	}{
		{"nothing", func(_, f string) error { return nil }, "before"},
		{"written over, of the same size", func(_, f string) error { return os.WriteFile(f, []byte("behind"), 0o644) }, "behind"},
		{"written over, its time put back", func(_, f string) error {
			info, err := os.Stat(f)
			if err == nil {
				err = os.WriteFile(f, []byte("behind"), 0o644)
			}
			if err == nil {
				err = os.Chtimes(f, info.ModTime(), info.ModTime())
			}
			return err
		}, "behind"},
		{"grown", func(_, f string) error { return os.WriteFile(f, []byte("before and behind"), 0o644) }, "before and behind"},
		{"emptied", func(_, f string) error { return os.Truncate(f, 0) }, ""},
		{"another renamed over it", func(folder, f string) error {
			keepWrite(t, filepath.Join(folder, "g"), "behind")
			return os.Rename(filepath.Join(folder, "g"), f)
		}, "behind"},
		{"removed", func(_, f string) error { return os.Remove(f) }, "not mine"},
		{"a folder in its place", func(_, f string) error { os.Remove(f); return os.Mkdir(f, 0o755) }, "301 ./f/"},
		{"a link to another in its place", func(folder, f string) error {
			keepWrite(t, filepath.Join(folder, "g"), "behind")
			os.Remove(f)
			return os.Symlink("g", f)
		}, "behind"},
		{"a link that leads out in its place", func(_, f string) error { os.Remove(f); return os.Symlink("/etc/passwd", f) }, "not mine"},
	}
	type site struct {
		files  *FileResolver
		folder string
	}
	var sites []site
	for range changes { // all of them first, so that they are old enough at the same time
		files, folder := keepSite(t, "before")
		sites = append(sites, site{files, folder})
	}
	for i, tt := range changes {
		t.Run(tt.name, func(t *testing.T) {
			files, folder := sites[i].files, sites[i].folder
			keepSettle(t, files, "/f")
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
	t.Run("a link elsewhere", func(t *testing.T) {
		t.Parallel()
		files, folder := keepSite(t, "before")
		keepWrite(t, filepath.Join(folder, "g"), "behind")
		link := filepath.Join(folder, "link")
		if err := os.Symlink("f", link); err != nil {
			t.Fatal(err)
		}
		keepSettle(t, files, "/link")
		os.Remove(link)
		if err := os.Symlink("g", link); err != nil {
			t.Fatal(err)
		}
		if got := resolveString(t, files, resolveGet(t, "/link")); got != "behind" {
			t.Errorf("GET /link is answered with %q, want %q", got, "behind")
		}
	})
	t.Run("closed", func(t *testing.T) {
		t.Parallel()
		files, _ := keepSite(t, "before")
		keepSettle(t, files, "/f")
		files.Close()
		if _, err := files.Resolve(t.Context(), resolveGet(t, "/f")); StatusOf(err) != 503 {
			t.Errorf("GET /f of a resolver that is closed: %v, want 503", err)
		}
	})
}

// A file that changed a moment ago may change again within the same timestamp, so each
// request reads it.
func TestYoungFileIsNotKept(t *testing.T) {
	t.Parallel()
	files, folder := keepSite(t, "0")
	for i := range 100 {
		want := fmt.Sprint(i % 10)
		if err := os.WriteFile(filepath.Join(folder, "f"), []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := resolveString(t, files, resolveGet(t, "/f")); got != want {
			t.Fatalf("GET /f is answered with %q, want %q, which was written before", got, want)
		}
	}
	files.cache.mu.RLock()
	defer files.cache.mu.RUnlock()
	if len(files.cache.kept) > 0 {
		t.Error("a file of a moment ago is kept")
	}
}

// The answer for a cached file is the same as for any other file.
func TestKeptFileIsAnsweredAlike(t *testing.T) {
	t.Parallel()
	files, _ := keepSite(t, "0123456789", WithCacheControl("no-cache"), WithMediaType(".none", "a/b"))
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
	keepSettle(t, files, "/f")
	for range 4 { // from its cached content, then from images of earlier answers
		for i, answer := range ask() {
			if answer != before[i] {
				t.Errorf("%q is answered with %q when the file is kept, %q before", requests[i], answer, before[i])
			}
		}
	}
}

// A file that is cached for two paths has the Cache-Control of each path. A path that another
// resolver has rewritten counts like one that the client sent.
func TestKeptFileHasTheCacheControlOfItsPath(t *testing.T) {
	t.Parallel()
	files, folder := keepSite(t, "", WithCacheControl("no-cache"), WithCacheControl("immutable", "/index.html"))
	keepWrite(t, filepath.Join(folder, "index.html"), "index")
	want := map[string]string{"/": "no-cache", "/index.html": "immutable"}
	check := func(when string) {
		t.Helper()
		for path, value := range want {
			rewritten := resolveGet(t, "/elsewhere").WithPath(path)
			for name, req := range map[string]*Request{"asked for": resolveGet(t, path), "rewritten": rewritten, "mounted": resolveGet(t, "/static"+path)} {
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
	check("not kept")
	for path := range want {
		keepSettle(t, files, path)
	}
	check("kept")
}

// The memory of the cache is limited, and it may be used concurrently.
func TestKeptFilesAreBounded(t *testing.T) {
	t.Parallel()
	var kept fileCache
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 2000 {
				kept.put(fmt.Sprintf("/%d-%d", g, i%700), &keptFile{keptState: keptState{size: 50_000}})
				kept.find(resolveGet(t, fmt.Sprintf("/%d-%d", g, i%300)))
			}
		})
	}
	all.Wait()
	size := 0
	for path, e := range kept.kept {
		size += cost(path, e)
	}
	if size > maxKept || size != kept.size || size == 0 {
		t.Errorf("files of %d bytes are kept, counted as %d, want up to %d", size, kept.size, maxKept)
	}
	for i := range 100_000 {
		kept.put(fmt.Sprint("/", i), &keptFile{})
	}
	if n := len(kept.kept); n > maxKept/keptOverhead {
		t.Errorf("%d empty files are kept, want up to %d", n, maxKept/keptOverhead)
	}
}

// The cache retains only the path of a request, since its fields may be large and secret.
func TestKeptFileHoldsNoHead(t *testing.T) {
	files, folder := keepSite(t, "content")
	keepSettle(t, files, "/f")
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
	time.Sleep(2 * keepSettles) // a hard link changes the file's ctime
	before := heap()
	for i := range n {
		req := requestOf(t, fmt.Sprintf("GET /f%d HTTP/1.1\r\nHost: a\r\n%s\r\n", i, strings.Repeat("X: "+strings.Repeat("x", 6000)+"\r\n", 5)))
		resolveString(t, files, req)
		if files.cache.find(req) == nil {
			t.Fatalf("/f%d is not kept", i)
		}
	}
	if grown := heap() - before; grown > n*2*keptOverhead {
		t.Errorf("%d empty files take %d bytes each, want up to %d", n, grown/n, 2*keptOverhead)
	}
}

// An index file is cached for the path of its folder and for its own.
func TestKeptIndex(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, name := range []string{"index.html", "d/index.html", "second/index.htm"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		keepWrite(t, filepath.Join(folder, name), name)
	}
	files := filesOfDir(t, folder, WithIndex("index.html", "index.htm"))
	if files.cache.tree == nil {
		t.Skip("openat2 is missing, without which nothing is kept")
	}
	for _, path := range []string{"/", "/d/", "/index.html"} {
		keepSettle(t, files, path)
	}
	for path, want := range map[string]string{"/": "index.html", "/d/": "d/index.html", "/d": "301 ./d/", "/second/": "second/index.htm"} {
		if got := resolveString(t, files, resolveGet(t, path)); got != want {
			t.Errorf("GET %s is answered with %q, want %q", path, got, want)
		}
	}
	if files.cache.find(resolveGet(t, "/second/")) != nil {
		t.Error("an index file is kept before which another could be put")
	}
	if err := os.Rename(filepath.Join(folder, "d"), filepath.Join(folder, "e")); err != nil {
		t.Fatal(err)
	}
	if got := resolveString(t, files, resolveGet(t, "/d/")); got != "not mine" {
		t.Errorf("GET /d/, which was renamed, is answered with %q, want %q", got, "not mine")
	}
}

// A cached file is read again after a while, for systems that do not report changes.
func TestKeptFileIsReadAgain(t *testing.T) {
	t.Parallel()
	files, _ := keepSite(t, "on the disk")
	keepSettle(t, files, "/f")
	f := files.cache.find(resolveGet(t, "/f")).(*keptFile)
	copy(f.resp.rep.Body.(*memoryContent).content, "of a change")
	if got := resolveString(t, files, resolveGet(t, "/f")); got != "of a change" && clock() < f.until {
		t.Errorf("GET /f is answered with %q, not from memory", got)
	}
	f.until = clock() - 1
	for range 2 {
		if got := resolveString(t, files, resolveGet(t, "/f")); got != "on the disk" {
			t.Errorf("GET /f is answered with %q, want %q", got, "on the disk")
		}
	}
}

// A wrapper that forgets to Clone changes only its own response, not the cached one.
func TestKeptResponseIsTheCallersOwn(t *testing.T) {
	t.Parallel()
	files, _ := keepSite(t, "content")
	keepSettle(t, files, "/f")
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
			t.Errorf("an answer of a file is %+v after a change of another", again)
		}
	}
}

// A weak entity tag is not cached, so it becomes a strong one. A file can become old enough
// between two readings of the clock.
func TestKeptFileHasStrongTag(t *testing.T) {
	t.Parallel()
	files, _ := keepSite(t, "content")
	keepSettle(t, files, "/f") // which waits until it is old enough
	for tag, want := range map[string]bool{`W/"a"`: false, `"a"`: true} {
		files.cache.drop("/f")
		file, info, err := files.tree.Open("f")
		if err != nil {
			t.Fatal(err)
		}
		req := resolveGet(t, "/f")
		resp := Content(Representation{Body: file, Size: info.Size(), ETag: tag})
		files.cache.keep(req, opened{name: "f", file: file, info: info}, resp).Close()
		if kept := files.cache.find(req) != nil; kept != want {
			t.Errorf("a file with the tag %s is kept: %v, want %v", tag, kept, want)
		}
	}
}

// Files of an fs.FS are not cached.
func TestFileSystemIsNotKept(t *testing.T) {
	t.Parallel()
	files, err := FS(os.DirFS(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	if files.cache.tree != nil {
		t.Error("files of an fs.FS are kept")
	}
	for name, opt := range map[string]FileOption{"scripts": WithScript(".sh", "sh"), "sidecars": WithPrecompressed("gzip")} {
		if files := filesOfDir(t, t.TempDir(), opt); files.cache.tree != nil {
			t.Errorf("with %s, for which a path is not all that counts, files are kept", name)
		}
	}
}

// A file that changed a moment ago is not cached, even if its modification time is older:
// programs can set that time.
func TestFileWithItsTimePutBackIsNotKept(t *testing.T) {
	files, folder := keepSite(t, "0") // just written, with its modification time set back
	for i := range 50 {
		want := fmt.Sprint(i % 10)
		keepWrite(t, filepath.Join(folder, "f"), want)
		req := resolveGet(t, "/f")
		if got := resolveString(t, files, req); got != want {
			t.Fatalf("GET /f is answered with %q, want %q", got, want)
		}
		if files.cache.find(req) != nil {
			t.Fatal("a file that changed a moment ago is kept, as its time of modification is old")
		}
	}
}

// A file that changes while it is read is not cached.
func TestFileThatChangesAsItIsReadIsNotKept(t *testing.T) {
	t.Parallel()
	files, folder := keepSite(t, "before")
	keepSettle(t, files, "/f")
	files.cache.drop("/f")
	file, info, err := files.tree.Open("f")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "f"), []byte("behind"), 0o644); err != nil { // after info was read
		t.Fatal(err)
	}
	req := resolveGet(t, "/f")
	resp := Content(Representation{Body: file, Size: info.Size(), ETag: `"a"`})
	files.cache.keep(req, opened{name: "f", file: file, info: info}, resp).Close()
	if files.cache.find(req) != nil {
		t.Error("a file that changed between stat and read is kept")
	}
}

// Large files are not cached.
func TestLargeFileIsNotKept(t *testing.T) {
	t.Parallel()
	files, folder := keepSite(t, "small")
	keepWrite(t, filepath.Join(folder, "most"), strings.Repeat("x", maxKeptFile))
	keepWrite(t, filepath.Join(folder, "large"), strings.Repeat("x", maxKeptFile+1))
	keepSettle(t, files, "/most")
	keepSettle(t, files, "/f")
	req := resolveGet(t, "/large")
	resolveString(t, files, req)
	if files.cache.find(req) != nil {
		t.Errorf("a file of %d bytes is kept", maxKeptFile+1)
	}
}

// If a wrapper rewrites the path, the response is for the new path, cached or not.
func TestKeptFileOfARewrittenPath(t *testing.T) {
	t.Parallel()
	files, folder := keepSite(t, "f")
	keepWrite(t, filepath.Join(folder, "g"), "g")
	keepSettle(t, files, "/g")
	keepSettle(t, files, "/f")
	if got := resolveString(t, files, resolveGet(t, "/f").WithPath("/g")); got != "g" {
		t.Errorf("/f rewritten to /g is answered with %q, want g", got)
	}
}

// The size of a cached file counts its content and an image of it.
func TestKeptFileIsCounted(t *testing.T) {
	t.Parallel()
	const size = 50_000
	files, _ := keepSite(t, strings.Repeat("x", size))
	f := keepSettle(t, files, "/f")
	if f.size < 2*size || files.cache.size < f.size {
		t.Errorf("a file of %d bytes counts as %d, all as %d", size, f.size, files.cache.size)
	}
}
