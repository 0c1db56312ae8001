package main

import (
	"context"
	"fmt"
	"hash/maphash"
	"io/fs"
	"sync"
	"time"
)

// A watcher notifies waiting goroutines when a folder changes.
type watcher struct {
	mu      sync.Mutex
	changed chan struct{} // closed at the next change
}

func newWatcher() *watcher { return &watcher{changed: make(chan struct{})} }

// next returns a channel that is closed at the next change.
func (w *watcher) next() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

func (w *watcher) notify() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.changed)
	w.changed = make(chan struct{})
}

// watch checks the folder at each interval, until ctx ends. It reports a change once two checks
// in a row agree, so that a build that writes many files reloads a page only once.
func (w *watcher) watch(ctx context.Context, fsys fs.FS, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	reported := fingerprint(fsys)
	before := reported
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := fingerprint(fsys)
		if now == before && now != reported {
			reported = now
			w.notify()
		}
		before = now
	}
}

var seed = maphash.MakeSeed()

// fingerprint returns a number that changes with the names, sizes and times in the folder.
// Hidden names, which are not served, and folders such as node_modules do not count.
func fingerprint(fsys fs.FS) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // it is being changed, and the next check will differ
		}
		if path != "." && (d.Name()[0] == '.' || d.Name() == "node_modules") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if info, err := d.Info(); err == nil {
			fmt.Fprintf(&h, "%q %v %d %d\n", path, info.Mode(), info.Size(), info.ModTime().UnixNano())
		}
		return nil
	})
	return h.Sum64()
}
