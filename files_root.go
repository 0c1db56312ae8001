package rawhttp

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"example.com/rawhttp/internal/jail"
)

// rootPause is how long a root is taken for the folder that its path names, without a look.
const rootPause = time.Second

// A root is the folder of the system that a path names, as a tree. When the path comes to
// name another folder, since the first was rebuilt or a link was switched, the root opens
// that one. While the path names none, it keeps the one that it has.
type root struct {
	path  string // absolute, so that the working directory may change
	pause time.Duration
	next  atomic.Int64 // instant of the next look at the path
	now   atomic.Pointer[openRoot]

	mu     sync.Mutex // held while now is changed
	closed bool
}

// An openRoot is a folder that is open.
type openRoot struct {
	jail.LinkReader
	info fs.FileInfo
}

// openRootAt opens the folder that the path names.
func openRootAt(path string, pause time.Duration) (*root, error) {
	info, err := os.Stat(path) // of "" it says that there is none
	abs, absErr := filepath.Abs(path)
	if err = errors.Join(err, absErr); err != nil {
		return nil, fmt.Errorf("open root %q: %w", path, err)
	}
	r := &root{path: abs, pause: pause}
	r.next.Store(int64(clock().add(pause)))
	opened, err := jail.OpenJail(abs)
	if err != nil {
		return nil, err
	}
	r.now.Store(&openRoot{opened, info})
	return r, nil
}

// current returns the folder that is open, after a look at the path if one is due.
func (r *root) current() *openRoot {
	now := clock()
	if next := r.next.Load(); now >= instant(next) && r.next.CompareAndSwap(next, int64(now.add(r.pause))) {
		r.follow()
	}
	return r.now.Load()
}

// follow opens the folder that the path names, if that is another. Another look that is
// under way serves as well.
func (r *root) follow() {
	if r.mu.TryLock() {
		r.look()
		r.mu.Unlock()
	}
}

// look is follow, with mu held.
func (r *root) look() {
	old := r.now.Load()
	info, err := os.Stat(r.path)
	if err != nil || r.closed || os.SameFile(info, old.info) {
		return
	}
	opened, err := jail.OpenJail(r.path)
	if err != nil {
		return
	}
	r.now.Store(&openRoot{opened, info})
	old.Close()
}

// wasLeft reports whether err only says that the folder was closed for the next one, or
// removed, so that the question is to be asked of the next. Where the folder was removed it
// looks for that at once: nothing is found in it any more.
func (r *root) wasLeft(asked *openRoot, err error) bool {
	switch {
	case errors.Is(err, fs.ErrClosed):
	case errors.Is(err, fs.ErrNotExist) && asked.isRemoved():
		r.mu.Lock()
		if r.now.Load() == asked {
			r.look()
		}
		r.mu.Unlock()
	default:
		return false
	}
	return r.now.Load() != asked
}

func (o *openRoot) isRemoved() bool {
	info, err := o.Stat(".")
	return err == nil && jail.IsRemoved(info)
}

func (r *root) Open(name string) (fs.File, fs.FileInfo, error) {
	for {
		t := r.current()
		file, info, err := t.Open(name)
		if !r.wasLeft(t, err) {
			return file, info, withRetry(err)
		}
	}
}

func (r *root) Stat(name string) (fs.FileInfo, error) {
	for {
		t := r.current()
		info, err := t.Stat(name)
		if !r.wasLeft(t, err) {
			return info, withRetry(err)
		}
	}
}

func (r *root) Readlink(name string) (target string, err error) {
	for {
		t := r.current()
		target, err := t.Readlink(name)
		if !r.wasLeft(t, err) {
			return target, err
		}
	}
}

func (r *root) Identify(name string) (id jail.FileID, known bool) {
	return r.current().LinkReader.(jail.Identifier).Identify(name)
}

// identifies reports whether identify may be called.
func (r *root) identifies() bool {
	_, ok := r.now.Load().LinkReader.(jail.Identifier)
	return ok
}

// What follows is asked of a folder in the tree that is open, whatever the root is by now.

func (r *root) Names(name string) bool                     { return r.now.Load().Names(name) }
func (r *root) ReadDir(dir fs.File) ([]jail.Entry, error)  { return r.now.Load().ReadDir(dir) }
func (r *root) StatEntry(dir fs.File, e *jail.Entry) error { return r.now.Load().StatEntry(dir, e) }
func (r *root) MayRead(dir fs.File, f string, e *jail.Entry) bool {
	return r.now.Load().MayRead(dir, f, e)
}

func (r *root) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return r.now.Load().Close()
}

// withRetry says of a name that cannot be looked up for now when to ask again.
func withRetry(err error) error {
	if errors.Is(err, jail.ErrBusy) {
		return busyError(jail.ErrBusy.Err.Error())
	}
	return err
}
