package rawhttp

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp/internal/jail"
	"example.com/rawhttp/internal/list"
)

// cacheFolder serves a folder with the files a and b, which lists it as text.
func cacheFolder(t *testing.T) (files *FileResolver, folder string) {
	t.Helper()
	files, folder = cacheSite(t, "f", WithListing(ListText))
	writeOldFile(t, filepath.Join(folder, "a"), "a")
	writeOldFile(t, filepath.Join(folder, "b"), "bb")
	return files, folder
}

// The sizes of files are not cached with their names: a change of a file does not change its folder.
func TestCachedNamesHaveCurrentSizes(t *testing.T) {
	t.Parallel()
	files, folder := cacheFolder(t)
	waitCached(t, files, "/")
	for _, content := range []string{"a", "longer", ""} {
		writeOldFile(t, filepath.Join(folder, "a"), content)
		got := resolveString(t, files, resolveGet(t, "/?format=json"))
		if want := fmt.Sprintf(`"size":%d,`, len(content)); !strings.Contains(strings.ReplaceAll(got, " ", ""), want) {
			t.Errorf("listing %s, want %s of the file a", got, want)
		}
	}
}

// The first listing after a change of a cached folder shows the change.
func TestCachedNamesAreNeverStale(t *testing.T) {
	t.Parallel()
	changes := []struct {
		name string
		do   func(name func(string) string) error
		want string
	}{
		{"nothing", func(name func(string) string) error { return nil }, "a\nb\nf\n"},
		{"file added", func(name func(string) string) error { return os.WriteFile(name("c"), nil, 0o644) }, "a\nb\nc\nf\n"},
		{"file removed", func(name func(string) string) error { return os.Remove(name("a")) }, "b\nf\n"},
		{"all files removed", func(name func(string) string) error {
			os.Remove(name("a"))
			os.Remove(name("b"))
			return os.Remove(name("f"))
		}, ""},
		{"file renamed", func(name func(string) string) error { return os.Rename(name("a"), name("z")) }, "b\nf\nz\n"},
		{"file renamed over another", func(name func(string) string) error { return os.Rename(name("a"), name("b")) }, "b\nf\n"},
		{"file replaced by a folder", func(name func(string) string) error {
			os.Remove(name("a"))
			return os.Mkdir(name("a"), 0o755)
		}, "a/\nb\nf\n"},
		{"file replaced by a broken link", func(name func(string) string) error {
			os.Remove(name("a"))
			return os.Symlink("nowhere", name("a"))
		}, "b\nf\n"},
		{"link to a folder added", func(name func(string) string) error { return os.Symlink(".", name("link")) }, "link/\na\nb\nf\n"},
		{"folder replaced by another", func(name func(string) string) error {
			if err := os.Rename(name("."), name(".")+".old"); err != nil {
				return err
			}
			return os.Mkdir(name("."), 0o755)
		}, "a\nb\nf\n"}, // as Dir says, the old folder may be served for another second
	}
	type site struct {
		files  *FileResolver
		folder string
	}
	var sites []site
	for range changes { // all of them first, so that they are old enough at the same time
		files, folder := cacheFolder(t)
		sites = append(sites, site{files, folder})
	}
	for i, tt := range changes {
		t.Run(tt.name, func(t *testing.T) {
			files, folder := sites[i].files, sites[i].folder
			waitCached(t, files, "/")
			if err := tt.do(func(name string) string { return filepath.Join(folder, name) }); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if got := resolveString(t, files, resolveGet(t, "/")); got != tt.want {
					t.Errorf("the folder is listed as %q, want %q", got, tt.want)
				}
			}
		})
	}
}

// A listing from the cache is the same, in each form and order, as one from the disk.
func TestCachedListingIsTheSame(t *testing.T) {
	t.Parallel()
	files, folder := cacheFolder(t)
	for _, name := range []string{"below/", "1 2", "é", "\xff", "link", "out"} {
		var err error
		switch path := filepath.Join(folder, name); {
		case strings.HasSuffix(name, "/"):
			err = os.Mkdir(path, 0o755)
		case name == "link":
			err = os.Symlink("b", path)
		case name == "out":
			err = os.Symlink("/etc", path)
		default:
			writeOldFile(t, path, name)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	queries := []string{""}
	for _, form := range []string{"text", "html", "json"} {
		for _, key := range list.KeyNames {
			queries = append(queries, "?format="+form+"&sort="+key, "?order=desc&format="+form+"&sort="+key)
		}
	}
	waitCached(t, files, "/").until = never
	var running sync.WaitGroup
	for _, query := range queries {
		running.Go(func() {
			fresh := filesOfDir(t, folder, WithListing(ListText))
			want := resolveString(t, fresh, resolveGet(t, "/"+query))
			for range 3 {
				if diff := cmp.Diff(want, resolveString(t, files, resolveGet(t, "/"+query))); diff != "" {
					t.Errorf("%s from memory (-disk +memory):\n%s", query, diff)
				}
			}
		})
	}
	running.Wait()
}

// Only the names of a folder are cached.
func TestCachedNamesHaveNoSizes(t *testing.T) {
	t.Parallel()
	files, folder := cacheFolder(t)
	waitCached(t, files, "/").until = never
	for _, step := range []struct{ grows, want string }{
		{"", "a\nf\nb\n"}, {"f", "a\nb\nf\n"}, {"a", "b\na\nf\n"}, {"b", "a\nf\nb\n"},
	} {
		if step.grows != "" {
			f, err := os.OpenFile(filepath.Join(folder, step.grows), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteString("grows"); err != nil {
				t.Fatal(err)
			}
		}
		if got := resolveString(t, files, resolveGet(t, "/?sort=size")); got != step.want {
			t.Errorf("the listing by size is %q, want %q after %q has grown", got, step.want, step.grows)
		}
	}
}

// Links in a cached folder are followed again for each listing.
func TestCachedLinksAreFollowedAgain(t *testing.T) {
	t.Parallel()
	files, folder := cacheFolder(t)
	elsewhere := filepath.Join(folder, "elsewhere")
	if err := os.Mkdir(elsewhere, 0o755); err != nil {
		t.Fatal(err)
	}
	writeOldFile(t, filepath.Join(elsewhere, "target"), "")
	if err := os.Symlink("elsewhere/target", filepath.Join(folder, "link")); err != nil {
		t.Fatal(err)
	}
	waitCached(t, files, "/").until = never
	for _, step := range []struct {
		do   func(target string) error
		want string
	}{
		{func(string) error { return nil }, "elsewhere/\na\nb\nf\nlink\n"},
		{os.Remove, "elsewhere/\na\nb\nf\n"},
		{func(target string) error { return os.Mkdir(target, 0o755) }, "elsewhere/\nlink/\na\nb\nf\n"},
	} {
		if err := step.do(filepath.Join(elsewhere, "target")); err != nil {
			t.Fatal(err)
		}
		if got := resolveString(t, files, resolveGet(t, "/")); got != step.want {
			t.Errorf("the folder is listed as %q, want %q", got, step.want)
		}
	}
}

// A readCounter counts how often folders are read and how often entries are examined.
type readCounter struct {
	jail.Tree
	n     int
	stats int // calls of StatEntry
}

func (c *readCounter) StatEntry(dir fs.File, e *jail.Entry) error {
	c.stats++
	return c.Tree.StatEntry(dir, e)
}

func (c *readCounter) ReadDir(dir fs.File) ([]jail.Entry, error) {
	c.n++
	return c.Tree.ReadDir(dir)
}

// Cached names are not read again until the folder changes or maxCachedAge has passed.
func TestCachedNamesAreNotReadAgain(t *testing.T) {
	t.Parallel()
	files, folder := cacheFolder(t)
	cached := waitCached(t, files, "/")
	cached.until = never
	counter := &readCounter{Tree: files.tree}
	files.tree = counter
	list := func() { resolveString(t, files, resolveGet(t, "/")) }
	for range 3 {
		list()
	}
	if counter.n != 0 {
		t.Errorf("the folder was read %d times while its names were cached, want 0", counter.n)
	}
	cached.until = clock() - 1
	list()
	if counter.n == 0 {
		t.Error("the folder was not read again after its names had been cached for maxCachedAge")
	}
	counter.n = 0
	writeOldFile(t, filepath.Join(folder, "c"), "")
	list()
	if counter.n == 0 {
		t.Error("the folder was not read again after it had changed")
	}
}

// A folder that changed a moment ago may change again within the same timestamp.
func TestRecentlyChangedFolderIsNotCached(t *testing.T) {
	t.Parallel()
	files, folder := cacheFolder(t)
	want := "a\nb\nf\n"
	for i := range 100 {
		name := fmt.Sprintf("g%03d", i)
		writeOldFile(t, filepath.Join(folder, name), "")
		want += name + "\n"
		if got := resolveString(t, files, resolveGet(t, "/")); got != want {
			t.Fatalf("the folder is listed as %q, want %q", got, want)
		}
	}
	if f := files.cache.find(resolveGet(t, "/")); f != nil {
		t.Error("names of a folder that changed a moment ago are cached")
	}
}

// The memory of names is counted while they are read. If it is too much, they are not cached.
func TestCachedNamesAreBounded(t *testing.T) {
	t.Parallel()
	if size := reflect.TypeFor[jail.Entry]().Size() + reflect.TypeFor[*jail.Entry]().Size(); size > nameOverhead {
		t.Errorf("a cached name takes %d bytes in addition to its own, which count as %d", size, nameOverhead)
	}
	for _, length := range []int{8, 250} {
		var k fileCache
		few, many := resolveGet(t, "/few/"), resolveGet(t, "/many/")
		most := maxCachedNameBytes / (length + nameOverhead)
		for req, n := range map[*Request]int{few: most, many: most + 1} {
			f := &folderCacher{cache: &k, path: req.Path()}
			for i := range n {
				f.add([]*jail.Entry{{Name: fmt.Sprintf("%0*d", length, i)}})
			}
			f.end()
		}
		if k.find(few) == nil || k.find(many) != nil {
			t.Errorf("%d names of %d bytes are cached: %v, want true; one more: %v, want false", most, length, k.find(few) != nil, k.find(many) != nil)
		}
		if want := most*(length+nameOverhead) + entryOverhead + len("/few/"); k.size != want || want > maxCacheBytes {
			t.Errorf("%d names of %d bytes count as %d, want %d and at most %d", most, length, k.size, want, maxCacheBytes)
		}
	}
}

// A long listing waits for its turn before its names are processed, cached or not.
func TestLongListingWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	writeOldFile(t, filepath.Join(folder, "0"), "")
	for i := range maxBufferedEntries {
		if err := os.Link(filepath.Join(folder, "0"), filepath.Join(folder, fmt.Sprint(i+1))); err != nil {
			t.Fatal(err)
		}
	}
	files := filesOfDir(t, folder)
	skipWithoutCache(t, files)
	waitCached(t, files, "/").until = never
	counter := &readCounter{Tree: files.tree}
	files.tree = counter
	for range maxListings {
		files.listTurns <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, target := range []string{"/", "/?sort=size"} {
		if _, err := files.Resolve(ctx, resolveGet(t, target)); StatusOf(err) != 503 {
			t.Errorf("%s without a turn: %v, want 503", target, err)
		}
	}
	if counter.n+counter.stats != 0 {
		t.Errorf("without a turn the folder was read %d times and %d names examined, want none", counter.n, counter.stats)
	}
	<-files.listTurns
	if got := resolveString(t, files, resolveGet(t, "/?sort=size")); !strings.Contains(got, "\n99\n") || counter.stats != maxBufferedEntries+1 {
		t.Errorf("with a turn %d names are examined, and the listing is %q, want all names", counter.stats, got)
	}
}

// A long listing that gets a turn at once does not count as waiting: a slow listing would be cut
// for it.
func TestLongListingWithTurnDoesNotWait(t *testing.T) {
	t.Parallel()
	files, err := FS(os.DirFS(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	var ended, waited atomic.Bool
	var watch sync.WaitGroup
	defer ended.Store(true)
	watch.Go(func() {
		for !ended.Load() && !waited.Load() {
			waited.Store(files.waitingListings.Load() > 0)
		}
	})
	for range 100_000 {
		l := &listing{files: files}
		if err := l.takeTurn(t.Context(), maxBufferedEntries+1); err != nil || !l.hasTurn {
			t.Fatalf("takeTurn = %v, turn %v, want a turn, since all are free", err, l.hasTurn)
		}
		<-files.listTurns
	}
	ended.Store(true)
	watch.Wait()
	if waited.Load() {
		t.Error("a listing with a turn counted as waiting")
	}
}
