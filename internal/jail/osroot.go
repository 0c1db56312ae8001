package jail

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// OpenJail opens a folder of the system as a tree that no name leads out of. The kernel
// resolves each name beneath the folder or, where it cannot, package os does. OpenJail does
// not stop names from crossing mount points.
func OpenJail(dir string) (LinkReader, error) {
	j, err := NewOpenat2Tree(dir)
	if errors.Is(err, errors.ErrUnsupported) {
		j, err = openOSRoot(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open root %q: %w", dir, err)
	}
	return j, nil
}

func openOSRoot(dir string) (LinkReader, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &OSRootTree{Root: root}, nil
}

// An OSRootTree is a folder as a Tree, confined by os.Root, which follows no link out of the
// folder and is free of races with changing names.
type OSRootTree struct {
	SystemNames
	Root *os.Root
}

// ReadDir fills in the entries at once, since an os.Root has asked for each of them anyway.
func (j *OSRootTree) ReadDir(dir fs.File) ([]Entry, error) {
	entries, err := readDir(dir)
	for i := range entries {
		if e := &entries[i]; !e.IsLink { // the target of a link must be found through Stat
			e.ask() // after an error, StatEntry asks again and returns it
		}
	}
	return entries, err
}

func (j *OSRootTree) StatEntry(_ fs.File, e *Entry) error { return e.ask() }

func (j *OSRootTree) MayRead(_ fs.File, folder string, e *Entry) bool { return mayOpen(j, folder, e) }

// Open opens a file of any type without blocking.
func (j *OSRootTree) Open(name string) (fs.File, fs.FileInfo, error) {
	file, err := j.Root.OpenFile(name, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, nil, TreeError(err)
	}
	return statOpened(name, file)
}

func (j *OSRootTree) Stat(name string) (fs.FileInfo, error) {
	info, err := j.Root.Stat(name)
	if err != nil {
		return nil, TreeError(err)
	}
	return info, servable(name, info)
}

func (j *OSRootTree) Readlink(name string) (target string, err error) { return j.Root.Readlink(name) }

func (j *OSRootTree) Close() error { return j.Root.Close() }
