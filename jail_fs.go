package rawhttp

import (
	"io/fs"
	"sync/atomic"
)

// fsTree is an fs.FS as a tree.
type fsTree struct {
	fsys   fs.FS
	closed atomic.Bool
}

func (t *fsTree) names(name string) bool { return fs.ValidPath(name) }

func (t *fsTree) readDir(dir fs.File) ([]entry, error) { return readDir(dir) }

func (t *fsTree) statEntry(_ fs.File, e *entry) error {
	if err := e.ask(); err != nil {
		return fsError(err)
	}
	return nil
}

func (t *fsTree) mayRead(_ fs.File, folder string, e *entry) bool { return mayOpen(t, folder, e) }

func (t *fsTree) open(name string) (fs.File, fs.FileInfo, error) {
	if _, err := t.stat(name); err != nil {
		return nil, nil, err
	}
	file, err := t.fsys.Open(name)
	if err != nil {
		return nil, nil, fsError(err)
	}
	return statOpened(name, file)
}

func (t *fsTree) stat(name string) (fs.FileInfo, error) {
	if t.closed.Load() {
		return nil, treeError(fs.ErrClosed)
	}
	info, err := fs.Stat(t.fsys, name)
	if err != nil {
		return nil, fsError(err)
	}
	return info, servable(name, info)
}

func (t *fsTree) close() error {
	t.closed.Store(true)
	return nil
}
