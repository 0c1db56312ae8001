package jail

import (
	"io/fs"
	"sync/atomic"
)

// An FsTree is an fs.FS as a Tree.
type FsTree struct {
	Fsys   fs.FS
	closed atomic.Bool
}

func (t *FsTree) Names(name string) bool { return fs.ValidPath(name) }

func (t *FsTree) ReadDir(dir fs.File) ([]Entry, error) { return readDir(dir) }

func (t *FsTree) StatEntry(_ fs.File, e *Entry) error {
	if err := e.ask(); err != nil {
		return fsError(err)
	}
	return nil
}

func (t *FsTree) MayRead(_ fs.File, folder string, e *Entry) bool { return mayOpen(t, folder, e) }

func (t *FsTree) Open(name string) (fs.File, fs.FileInfo, error) {
	if _, err := t.Stat(name); err != nil {
		return nil, nil, err
	}
	file, err := t.Fsys.Open(name)
	if err != nil {
		return nil, nil, fsError(err)
	}
	return statOpened(name, file)
}

func (t *FsTree) Stat(name string) (fs.FileInfo, error) {
	if t.closed.Load() {
		return nil, TreeError(fs.ErrClosed)
	}
	info, err := fs.Stat(t.Fsys, name)
	if err != nil {
		return nil, fsError(err)
	}
	return info, servable(name, info)
}

func (t *FsTree) Close() error {
	t.closed.Store(true)
	return nil
}
