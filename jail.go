package rawhttp

import (
	"fmt"
	"io/fs"
	"os"
)

// openJail opens a folder of the system as a tree that no name leads out of: below
// it the kernel finds the way of each name, or where it cannot, package os does. It
// does not stop mount points.
func openJail(dir string) (linkReader, error) {
	if j := openBeneath(dir); j != nil {
		return j, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open root %q: %w", dir, err)
	}
	return &jail{root: root}, nil
}

// A linkReader is a tree that may have links.
type linkReader interface {
	tree
	// readlink gives the text of a link. Of what is no link it says syscall.EINVAL.
	readlink(name string) (target string, err error)
}

// A jail is a folder below an os.Root, which follows no link that leaves it, and has
// no races with names that change.
type jail struct {
	systemNames
	root *os.Root
}

// readDir notes what is known: below an os.Root each entry has been asked for.
func (j *jail) readDir(dir fs.File) ([]entry, error) {
	entries, err := readDir(dir)
	for i := range entries {
		if e := &entries[i]; !e.isLink {
			e.ask()
		}
	}
	return entries, err
}

func (j *jail) statEntry(_ fs.File, e *entry) error { return e.ask() }

func (j *jail) mayRead(_ fs.File, folder string, e *entry) bool { return mayOpen(j, folder, e) }

// open opens without waiting, whatever it is.
func (j *jail) open(name string) (fs.File, fs.FileInfo, error) {
	file, err := j.root.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, nil, treeError(err)
	}
	return statOpened(name, file)
}

func (j *jail) stat(name string) (fs.FileInfo, error) {
	info, err := j.root.Stat(name)
	if err != nil {
		return nil, treeError(err)
	}
	return info, servable(name, info)
}

func (j *jail) readlink(name string) (target string, err error) { return j.root.Readlink(name) }

func (j *jail) close() error { return j.root.Close() }
