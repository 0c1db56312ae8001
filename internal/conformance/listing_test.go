package conformance_test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// listingEscape percent-encodes every byte of a name.
func listingEscape(name string) string {
	var b strings.Builder
	for i := range len(name) {
		fmt.Fprintf(&b, "%%%02X", name[i])
	}
	return b.String()
}

// listingOf returns the text listing of the root of an fs.FS, or a short form of the error.
func listingOf(t testing.TB, fsys fs.FS, opts ...rawhttp.FileOption) string {
	t.Helper()
	r, err := rawhttp.FS(fsys, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return resolveString(t, r, resolveGet(t, "/"))
}

// listingFiles returns a tree with the names. Those that end in a slash are folders.
func listingFiles(names ...string) fstest.MapFS {
	m := make(fstest.MapFS)
	for _, name := range names {
		if dir, ok := strings.CutSuffix(name, "/"); ok {
			m[dir] = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
			continue
		}
		m[name] = &fstest.MapFile{Mode: 0o644}
	}
	return m
}

func TestListing(t *testing.T) {
	tests := []struct {
		name  string
		names []string
		opts  []rawhttp.FileOption
		want  string
		why   string
	}{
		{"an empty folder", nil, nil, "", "without names there are no lines"},
		{"one file", []string{"a"}, nil, "a\n", ""},
		{"one folder", []string{"a/"}, nil, "a/\n", ""},
		{"folders first", []string{"a", "b/", "c", "d/", "A", "Z/"}, nil, "b/\nd/\nZ/\nA\na\nc\n", ""},
		{"in natural order", []string{"b", "a", "B", "10", "9", "é", "z", "~", "!", "a b", "a-b", "ab", "a.b"}, nil,
			"!\n9\n10\na\na b\na-b\na.b\nab\nB\nb\nz\n~\né\n", "numbers by value, letters without case, whatever the locale"},
		{"NFC and NFD twins", []string{"\u00e9", "e\u0301"}, nil, "e\u0301\n\u00e9\n", "they are two names"},
		{"a name that begins others, file and folders", []string{"a", "aa/", "a.d/"}, nil, "a.d/\naa/\na\n", "the slash is not part of the name"},
		{"dot files", []string{".a", "..b", ".c/", "d", "...", "e."}, nil, "d\ne.\n", "names with a leading dot are hidden"},
		{"dot files shown", []string{".a", "..b", ".c/", "d", "..."}, []rawhttp.FileOption{rawhttp.WithDotFiles(true)}, ".c/\n...\n..b\n.a\nd\n", ""},
		{"control bytes", []string{"a\nb", "c\r\nd", "\x1b[31mred", "\x01", "t\tab", "\x7f", "\u0085", "\u009b"}, nil,
			"\ufffd\n\ufffd[31mred\na\ufffdb\nc\ufffd\ufffdd\nt\ufffdab\n\ufffd\n\ufffd\n\ufffd\n", "a name cannot forge a line or control a terminal"},
		{"bidi overrides", []string{"a\u202eb", "\u202a", "\u202c", "\u2066x", "\u2069"}, nil, "a\ufffdb\n\ufffd\n\ufffd\n\ufffdx\n\ufffd\n", ""},
		{"markup", []string{"<script>", `"onfocus=`, "'", "&amp;"}, nil, "\"onfocus=\n&amp;\n'\n<script>\n", "text/plain is not HTML"},
		{"names with characters that have a meaning in references", []string{"a:b", "%2e%2e", "a?b", "a#b", `a\b`, "javascript:alert(1)", " ", "a ", "end."}, nil,
			" \n%2e%2e\na \na#b\na:b\na?b\na\\b\nend.\njavascript:alert(1)\n", "names are not escaped in text"},
		{"a name of 255 bytes", []string{strings.Repeat("n", 255)}, nil, strings.Repeat("n", 255) + "\n", ""},
		{"a name that is U+FFFD", []string{"\ufffd"}, nil, "\ufffd\n", ""},
		{"an index file of another name", []string{"index.htm", "a"}, nil, "a\nindex.htm\n", ""},
		{"as many as allowed", []string{"a", "b", "c/"}, []rawhttp.FileOption{rawhttp.WithMaxListing(3)}, "c/\na\nb\n", "nothing is left out"},
		{"no limit", []string{"a", "b", "c/"}, []rawhttp.FileOption{rawhttp.WithMaxListing(0)}, "c/\na\nb\n", "0 means no limit"},
		{"hidden names do not count", []string{".a", ".b", ".c", "d", "e"}, []rawhttp.FileOption{rawhttp.WithMaxListing(2)}, "d\ne\n", ""},
		{"ListNone", []string{"a"}, []rawhttp.FileOption{rawhttp.WithListing(rawhttp.ListNone)}, "declined", "404"},
		{"ListText", []string{"a"}, []rawhttp.FileOption{rawhttp.WithListing(rawhttp.ListNone), rawhttp.WithListing(rawhttp.ListText)}, "a\n", "the later option wins"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := listingOf(t, listingFiles(tt.names...), tt.opts...)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("listing of %q (-want +got):\n%s\nwhy: %s", tt.names, diff, tt.why)
			}
		})
	}
}

// The content and fields of a listing, whatever the query says.
func TestListingResponse(t *testing.T) {
	r, err := rawhttp.FS(listingFiles("b.txt", "a/", "c"))
	if err != nil {
		t.Fatal(err)
	}
	_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(r))
	for _, target := range []string{"/", "/?sort=none"} {
		got := parseAnswer(t, talk(t, addr, "GET "+target+" HTTP/1.1\r\nHost: a\r\n\r\n"))
		if got.Status != "200 OK" || got.Content != "a/\nb.txt\nc\n" {
			t.Errorf("GET %s: %v", target, got)
		}
		for name, want := range map[string]string{
			"Content-Type": "text/plain; charset=utf-8", "Content-Length": "11", "Cache-Control": "no-cache",
			"X-Content-Type-Options": "nosniff", "Last-Modified": "", "Transfer-Encoding": "",
		} {
			if got.Fields[name] != want {
				t.Errorf("GET %s: field %s = %q, want %q", target, name, got.Fields[name], want)
			}
		}
	}
}

// The listing of a folder with more names than WithMaxListing allows has a part of the names and
// a line that says so.
func TestListingIsCut(t *testing.T) {
	names := []string{"a", "b", "c", "d/", "e/"}
	for n := 1; n < len(names); n++ {
		got := listingOf(t, listingFiles(names...), rawhttp.WithMaxListing(n))
		lines := strings.SplitAfter(strings.TrimSuffix(got, "/... and more\n"), "\n")
		lines = lines[:len(lines)-1]
		if len(lines) != n || !strings.HasSuffix(got, "\n/... and more\n") {
			t.Errorf("listing of %d names with WithMaxListing(%d): %q, want %d names and a line that says that there are more", len(names), n, got, n)
		}
		for i, line := range lines {
			if !slices.Contains(names, strings.TrimSuffix(line, "\n")) || slices.Contains(lines[:i], line) {
				t.Errorf("listing with WithMaxListing(%d) has the line %q, which is not a name", n, line)
			}
		}
	}
}

// A listingFake is an fs.FS with one folder, whose names it generates as they are read.
type listingFake struct {
	t       testing.TB
	names   int
	mayRead bool
	readDir func(read int) error    // called at each ReadDir with the number of names read so far; may be nil
	info    func(name string) error // called at each Info; may be nil
	batch   atomic.Int64            // largest number of names requested at once
	open    atomic.Int64
}

func (f *listingFake) name(i int) string { return fmt.Sprintf("file-%07d.txt", f.names-i) }

func (f *listingFake) Open(name string) (fs.File, error) {
	if name != "." {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	f.open.Add(1)
	return &listingFolder{fake: f}, nil
}

type listingFolder struct {
	fake *listingFake
	next int
}

func (d *listingFolder) Stat() (fs.FileInfo, error) { return listingInfo{".", fs.ModeDir}, nil }
func (d *listingFolder) Read([]byte) (int, error)   { return 0, fs.ErrInvalid }
func (d *listingFolder) Close() error               { d.fake.open.Add(-1); return nil }

func (d *listingFolder) ReadDir(n int) (entries []fs.DirEntry, err error) {
	if !d.fake.mayRead {
		d.fake.t.Error("ReadDir was called")
	}
	if n <= 0 {
		d.fake.t.Errorf("ReadDir(%d) reads all names at once, however many there are", n)
		n = d.fake.names
	}
	d.fake.batch.Store(max(d.fake.batch.Load(), int64(n)))
	if d.fake.readDir != nil {
		if err := d.fake.readDir(d.next); err != nil {
			return nil, err
		}
	}
	for ; len(entries) < n && d.next < d.fake.names; d.next++ {
		entries = append(entries, listingEntry{d.fake, d.fake.name(d.next)})
	}
	if len(entries) == 0 {
		return nil, io.EOF
	}
	return entries, nil
}

// A listingEntry is a regular file of one byte.
type listingEntry struct {
	fake *listingFake
	name string
}

func (e listingEntry) Name() string      { return e.name }
func (e listingEntry) IsDir() bool       { return false }
func (e listingEntry) Type() fs.FileMode { return 0 }

func (e listingEntry) Info() (fs.FileInfo, error) {
	if e.fake.info != nil {
		if err := e.fake.info(e.name); err != nil {
			return nil, err
		}
	}
	return listingInfo{e.name, 0}, nil
}

type listingInfo struct {
	name string
	mode fs.FileMode
}

func (i listingInfo) Name() string       { return i.name }
func (i listingInfo) Size() int64        { return 1 }
func (i listingInfo) Mode() fs.FileMode  { return i.mode | 0o644 }
func (i listingInfo) ModTime() time.Time { return time.Time{} }
func (i listingInfo) IsDir() bool        { return i.mode.IsDir() }
func (i listingInfo) Sys() any           { return nil }

func TestListingHeadDoesNotReadTheFolder(t *testing.T) {
	fake := &listingFake{t: t, names: 10}
	r, err := rawhttp.FS(fake)
	if err != nil {
		t.Fatal(err)
	}
	_, addr := listen(t, rawhttp.WithResolver(r))
	for _, version := range []string{" HTTP/1.1\r\nHost: a\r\n\r\n", " HTTP/1.0\r\n\r\n"} {
		got := parseAnswer(t, talk(t, addr, "HEAD /"+version))
		if got.Status != "200 OK" || got.Content != "" || got.Fields["Content-Type"] != "text/plain; charset=utf-8" || got.Fields["Cache-Control"] != "no-cache" {
			t.Errorf("HEAD /%s: %v, want the fields of the listing", version, got)
		}
		if length := got.Fields["Content-Length"]; length != "" {
			t.Errorf("HEAD /%s: Content-Length %s, want none, since the folder was not read", version, length)
		}
	}
	if n := fake.open.Load(); n != 0 {
		t.Errorf("%d folders are open at the end, want 0", n)
	}
}

// If an fs.FS cannot list a folder, or fails while it is read, the answer is an error, never a
// listing that looks complete.
func TestListingFails(t *testing.T) {
	for name, fsys := range map[string]fs.FS{
		"no ReadDir":    listingPlain{},
		"ReadDir fails": failingFS{listingFiles("a"), "readdir", fs.ErrInvalid},
		"ReadDir, second": &listingFake{t: t, names: 1500, mayRead: true, readDir: func(read int) error {
			if read > 0 {
				return io.ErrUnexpectedEOF
			}
			return nil
		}},
	} {
		r, err := rawhttp.FS(fsys)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := r.Resolve(t.Context(), resolveGet(t, "/"))
		if resp != nil || err == nil {
			t.Errorf("%s: Resolve = %v, %v, want an error", name, resp, err)
		}
	}
}

// A listingPlain is an fs.FS whose folder does not implement fs.ReadDirFile.
type listingPlain struct{}

func (listingPlain) Open(name string) (fs.File, error) {
	if name != "." {
		return nil, fs.ErrNotExist
	}
	return listingPlainFolder{}, nil
}

type listingPlainFolder struct{}

func (listingPlainFolder) Stat() (fs.FileInfo, error) { return listingInfo{".", fs.ModeDir}, nil }
func (listingPlainFolder) Read([]byte) (int, error)   { return 0, fs.ErrInvalid }
func (listingPlainFolder) Close() error               { return nil }

// A listing of 100,000 names is in order and is written in pieces no larger than a buffer, with
// little more memory than the names need.
func TestListingOfManyNames(t *testing.T) {
	const names = 100_000
	fake := &listingFake{t: t, names: names, mayRead: true}
	r, err := rawhttp.FS(fake)
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	for i := range names {
		fmt.Fprintf(&want, "file-%07d.txt\n", i+1)
	}

	w := new(writeLog)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	resp, err := r.Resolve(t.Context(), resolveGet(t, "/"))
	if err != nil {
		t.Fatal(err)
	}
	if persist, err := rawhttp.WriteResponse(t.Context(), w, resolveGet(t, "/"), resp); !persist || err != nil {
		t.Errorf("WriteResponse = %v, %v", persist, err)
	}
	runtime.ReadMemStats(&after)

	head, rest := splitHead(w.String())
	if !strings.Contains(head, "\r\nTransfer-Encoding: chunked\r\n") {
		t.Errorf("head %q, want a chunked response", head)
	}
	if got := unchunk(t, rest); got != want.String() {
		t.Errorf("content has %d bytes, want the %d of all names in order", len(got), want.Len())
	}
	if n := fake.batch.Load(); n > 5000 {
		t.Errorf("ReadDir was called with %d", n)
	}
	for i, p := range w.writes {
		if len(p) > 70_000 {
			t.Errorf("Write %d has %d bytes, want a full buffer", i, len(p))
		}
	}
	// The names themselves, which the fake folder allocates, have 1.7 MB. With entries and growing
	// slices about 20 MB are allocated in all.
	if n := after.TotalAlloc - before.TotalAlloc; n > 60<<20 {
		t.Errorf("%d bytes were allocated, want less than 60 MiB", n)
	}
	if n := fake.open.Load(); n != 0 {
		t.Errorf("%d folders are open at the end, want 0", n)
	}
}

// Memory for a listing does not grow with the entries beyond WithMaxListing.
func TestListingOfMoreNamesThanListed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		opts        []rawhttp.FileOption
		names, want int
	}{
		{nil, 100_010, 100_000},
		{[]rawhttp.FileOption{rawhttp.WithMaxListing(10)}, 1000, 10},
		{[]rawhttp.FileOption{rawhttp.WithMaxListing(0)}, 100_010, 100_010},
	} {
		r, err := rawhttp.FS(&listingFake{t: t, names: tt.names, mayRead: true}, tt.opts...)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := r.Resolve(t.Context(), resolveGet(t, "/"))
		if err != nil {
			t.Fatal(err)
		}
		head, content := splitHead(respBytes(t, resp))
		if strings.Contains(head, "\r\nTransfer-Encoding: chunked\r\n") {
			content = unchunk(t, content)
		}
		more := 0
		if tt.want < tt.names {
			more = 1
		}
		if got := strings.Count(content, ".txt\n"); got != tt.want || strings.Count(content, "\n/... and more\n") != more {
			t.Errorf("%d lines, want %d, including one that says that there are more", got, tt.want)
		}
	}
}
