package rawhttp

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A listingFake is an fs.FS with one folder, whose names it makes up as they are
// read.
type listingFake struct {
	t       testing.TB
	names   int
	mayRead bool
	readDir func(read int) error    // if set, is asked at each ReadDir, behind so many names
	info    func(name string) error // if set, is asked for each Info
	batch   atomic.Int64            // the most that was asked for at once
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
		d.fake.t.Error("the folder is read")
	}
	if n <= 0 {
		d.fake.t.Errorf("ReadDir(%d): all names at once, however many there are", n)
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

// 100,000 names come in order, in chunks that are not larger than a buffer, and
// cost not much more memory than the names.
func TestListingOfManyNames(t *testing.T) {
	const names = 100_000
	fake := &listingFake{t: t, names: names, mayRead: true}
	r, err := FS(fake)
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
	if persist, err := WriteResponse(t.Context(), w, resolveGet(t, "/"), resp); !persist || err != nil {
		t.Errorf("WriteResponse = %v, %v", persist, err)
	}
	runtime.ReadMemStats(&after)

	head, rest := splitHead(w.String())
	if !strings.Contains(head, "\r\nTransfer-Encoding: chunked\r\n") {
		t.Errorf("head %q, want it chunked", head)
	}
	c, _, _ := bodyOf(t, bodyChunked, rest, 0, 0)
	if got, err := bodyReadAll(c, 1<<16); err != io.EOF || got != want.String() {
		t.Errorf("content of %d bytes, %v, want the %d of all names in order", len(got), err, want.Len())
	}
	if n := fake.batch.Load(); n > 5000 {
		t.Errorf("%d names are asked for at once", n)
	}
	for i, p := range w.writes {
		if len(p) > 70_000 {
			t.Errorf("write %d has %d bytes, want a buffer full", i, len(p))
		}
	}
	// The names themselves, made by the folder, are 1.7 MB; with entries and the
	// slices that grow it is some 20 MB in all.
	if n := after.TotalAlloc - before.TotalAlloc; n > 60<<20 {
		t.Errorf("%d bytes were allocated, want less than 60 MiB", n)
	}
	if n := fake.open.Load(); n != 0 {
		t.Errorf("%d folders are open at the end, want none", n)
	}
}

// What is over the limit of a listing is not even kept.
func TestListingOfTooManyNames(t *testing.T) {
	fake := &listingFake{t: t, names: 300_000, mayRead: true}
	for _, tt := range []struct {
		opts []FileOption
		want int
	}{
		{nil, 100_000},
		{[]FileOption{WithMaxListing(10)}, 10},
		{[]FileOption{WithMaxListing(0)}, 300_000},
	} {
		r, err := FS(fake, tt.opts...)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := r.Resolve(t.Context(), resolveGet(t, "/"))
		if err != nil {
			t.Fatal(err)
		}
		head, content := splitHead(respBytes(t, resp))
		if strings.Contains(head, "\r\nTransfer-Encoding: chunked\r\n") {
			c, _, _ := bodyOf(t, bodyChunked, content, 0, 0)
			if content, err = bodyReadAll(c, 1<<16); err != io.EOF {
				t.Error(err)
			}
		}
		more := 0
		if tt.want < fake.names {
			more = 1
		}
		if got := strings.Count(content, ".txt\n"); got != tt.want || strings.Count(content, "\n/... and more\n") != more {
			t.Errorf("%d names are listed, want %d and a line that says whether there are more", got, tt.want)
		}
	}
}
