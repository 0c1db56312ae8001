package jail

import (
	"io/fs"
	"sync/atomic"
)

// An FSTree is an fs.FS as a Tree.
type FSTree struct {
	Fsys   fs.FS
	closed atomic.Bool
}

func (t *FSTree) ValidName(name string) bool { return fs.ValidPath(name) }

func (t *FSTree) ReadDir(dir fs.File) ([]Entry, error) { return readDir(dir) }

func (t *FSTree) StatEntry(_ fs.File, e *Entry) error {
	if err := e.ask(); err != nil {
		return fsError(err)
	}
	return nil
}

func (t *FSTree) MayRead(_ fs.File, folder string, e *Entry) bool { return mayOpen(t, folder, e) }

// Open calls Stat first, since opening a FIFO would block. An fs.FS has no way to avoid that if
// the name changes in between.
func (t *FSTree) Open(name string) (fs.File, fs.FileInfo, error) {
	if _, err := t.Stat(name); err != nil {
		return nil, nil, err
	}
	file, err := t.Fsys.Open(name)
	if err != nil {
		return nil, nil, fsError(err)
	}
	return statOpened(name, file)
}

func (t *FSTree) Stat(name string) (fs.FileInfo, error) {
	if t.closed.Load() {
		return nil, TreeError(fs.ErrClosed)
	}
	info, err := fs.Stat(t.Fsys, name)
	if err != nil {
		return nil, fsError(err)
	}
	return info, servable(name, info)
}

// Close makes Open and Stat fail. An fs.FS itself cannot be closed.
func (t *FSTree) Close() error {
	t.closed.Store(true)
	return nil
}
