package jail

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// A Root is a tree that follows a path: when the path leads to another folder, because the
// first was rebuilt or a link was switched, the Root opens that one. While the path leads
// to no folder, it keeps the open one.
type Root struct {
	// Pause is how long to serve an open folder before checking the path again. It must not
	// be changed while the Root is in use.
	Pause time.Duration

	path    string       // absolute, since the working directory may change
	checked atomic.Int64 // when the path was last checked, in nanoseconds since started
	now     atomic.Pointer[openRoot]

	mu     sync.Mutex // held while now is replaced
	closed bool       // follow opens no other folder
}

// started is the origin of the times in Root.checked.
var started = time.Now()

// An openRoot is an open folder.
type openRoot struct {
	LinkReader
	info fs.FileInfo // of the path when the folder was opened
}

// OpenRoot opens the folder at path.
func OpenRoot(path string, pause time.Duration) (*Root, error) {
	info, err := os.Stat(path) // reports an error for "", which filepath.Abs takes for "."
	abs, absErr := filepath.Abs(path)
	if err = errors.Join(err, absErr); err != nil {
		return nil, fmt.Errorf("open root %q: %w", path, err)
	}
	opened, err := OpenJail(abs)
	if err != nil {
		return nil, err
	}
	r := &Root{Pause: pause, path: abs}
	r.checked.Store(int64(time.Since(started)))
	r.now.Store(&openRoot{opened, info})
	return r, nil
}

// Path returns the absolute path of the root.
func (r *Root) Path() string { return r.path }

// current returns the open folder, after checking the path if that is due. One request does so;
// others that arrive meanwhile use the folder that is open, instead of waiting for the disk.
func (r *Root) current() *openRoot {
	now, checked := int64(time.Since(started)), r.checked.Load()
	if now-checked >= int64(r.Pause) && r.checked.CompareAndSwap(checked, now) {
		r.follow()
	}
	return r.now.Load()
}

// follow opens the folder that the path leads to, if it is another one. If another
// goroutine is already checking, follow does nothing.
func (r *Root) follow() {
	if r.mu.TryLock() {
		r.followLocked()
		r.mu.Unlock()
	}
}

// followLocked is follow with mu held.
func (r *Root) followLocked() {
	old := r.now.Load()
	info, err := os.Stat(r.path)
	if err != nil || r.closed || os.SameFile(info, old.info) {
		return
	}
	opened, err := OpenJail(r.path)
	if err != nil { // for example, a lack of descriptors; the next check tries again
		return
	}
	// If the folder was replaced since Stat, info describes another folder than opened, and the
	// next check opens the folder again.
	r.now.Store(&openRoot{opened, info})
	old.Close() // after Store, so that a request that fails because of this finds the next folder
}

// mustRetry reports whether err only means that the folder was closed in favor of the next
// one, or removed, so that the caller must ask the next one. For a removed folder, in which
// nothing can be found, it checks the path at once.
func (r *Root) mustRetry(asked *openRoot, err error) bool {
	switch {
	case errors.Is(err, fs.ErrClosed):
	case errors.Is(err, fs.ErrNotExist) && asked.isRemoved():
		r.mu.Lock()
		if r.now.Load() == asked {
			r.followLocked()
		}
		r.mu.Unlock()
	default:
		return false
	}
	return r.now.Load() != asked
}

// isRemoved reports whether the folder was removed, even though it is still open.
func (o *openRoot) isRemoved() bool {
	info, err := o.Stat(".")
	return err == nil && IsRemoved(info)
}

// Open, Stat and Readlink ask the next folder only if there is one, so their loops end.

func (r *Root) Open(name string) (fs.File, fs.FileInfo, error) {
	for {
		t := r.current()
		file, info, err := t.Open(name)
		if !r.mustRetry(t, err) {
			return file, info, err
		}
	}
}

func (r *Root) Stat(name string) (fs.FileInfo, error) {
	for {
		t := r.current()
		info, err := t.Stat(name)
		if !r.mustRetry(t, err) {
			return info, err
		}
	}
}

func (r *Root) Readlink(name string) (target string, err error) {
	for {
		t := r.current()
		target, err := t.Readlink(name)
		if !r.mustRetry(t, err) {
			return target, err
		}
	}
}

// Identify returns the identity of the file at a name, if the open folder can identify files.
// The next folder may not be able to, even if this one is.
func (r *Root) Identify(name string) (id FileID, known bool) {
	identifier, ok := r.current().LinkReader.(Identifier)
	if !ok {
		return FileID{}, false
	}
	return identifier.Identify(name)
}

// Identifies reports whether the open folder can identify files, so that caching is worthwhile.
func (r *Root) Identifies() bool {
	_, ok := r.now.Load().LinkReader.(Identifier)
	return ok
}

// The methods below act on an open folder of the tree, which may be in a root that was replaced
// since. They do not check the path, and the root that they ask does not matter.

func (r *Root) ValidName(name string) bool            { return r.now.Load().ValidName(name) }
func (r *Root) ReadDir(dir fs.File) ([]Entry, error)  { return r.now.Load().ReadDir(dir) }
func (r *Root) StatEntry(dir fs.File, e *Entry) error { return r.now.Load().StatEntry(dir, e) }
func (r *Root) MayRead(dir fs.File, f string, e *Entry) bool {
	return r.now.Load().MayRead(dir, f, e)
}

func (r *Root) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return r.now.Load().Close()
}
