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

// rootPause is how long to serve an open root before checking its path again.
const rootPause = time.Second

// A root is a tree that follows a path: when the path leads to another folder, because the
// first was rebuilt or a link was switched, the root opens that one. While the path leads
// to no folder, it keeps the open one.
type root struct {
	path  string // absolute, since the working directory may change
	pause time.Duration
	next  atomic.Int64 // instant of the next check of the path
	now   atomic.Pointer[openRoot]

	mu     sync.Mutex // held while now is replaced
	closed bool
}

// An openRoot is an open folder.
type openRoot struct {
	jail.LinkReader
	info fs.FileInfo
}

// openRootAt opens the folder at path.
func openRootAt(path string, pause time.Duration) (*root, error) {
	info, err := os.Stat(path) // reports an error for ""
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

// current returns the open folder, after checking the path if that is due.
func (r *root) current() *openRoot {
	now := clock()
	if next := r.next.Load(); now >= instant(next) && r.next.CompareAndSwap(next, int64(now.add(r.pause))) {
		r.follow()
	}
	return r.now.Load()
}

// follow opens the folder that the path leads to, if it is another one. If another
// goroutine is already checking, follow does nothing.
func (r *root) follow() {
	if r.mu.TryLock() {
		r.look()
		r.mu.Unlock()
	}
}

// look is follow with mu held.
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

// mustRetry reports whether err only means that the folder was closed in favor of the next
// one, or removed, so that the caller must ask the next one. For a removed folder, in which
// nothing is found any more, it checks the path at once.
func (r *root) mustRetry(asked *openRoot, err error) bool {
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
		if !r.mustRetry(t, err) {
			return file, info, withRetry(err)
		}
	}
}

func (r *root) Stat(name string) (fs.FileInfo, error) {
	for {
		t := r.current()
		info, err := t.Stat(name)
		if !r.mustRetry(t, err) {
			return info, withRetry(err)
		}
	}
}

func (r *root) Readlink(name string) (target string, err error) {
	for {
		t := r.current()
		target, err := t.Readlink(name)
		if !r.mustRetry(t, err) {
			return target, err
		}
	}
}

func (r *root) Identify(name string) (id jail.FileID, known bool) {
	return r.current().LinkReader.(jail.Identifier).Identify(name)
}

// identifies reports whether Identify may be called.
func (r *root) identifies() bool {
	_, ok := r.now.Load().LinkReader.(jail.Identifier)
	return ok
}

// The methods below act on a folder of the open tree. They do not check the path.

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

// withRetry adds a Retry-After field to the error of a name that cannot be looked up for
// the moment.
func withRetry(err error) error {
	if errors.Is(err, jail.ErrBusy) {
		return busyError(jail.ErrBusy.Err.Error())
	}
	return err
}
