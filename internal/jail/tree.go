// Package jail opens trees of files that no name leads out of: folders of the system, and any
// fs.FS. It is the only package that may import unsafe.
package jail

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"
)

// A Tree is where files are: a folder of the system, or an fs.FS.
type Tree interface {
	// Open opens a regular file or a folder by its path, as io/fs spells it. It
	// must not wait, whatever the name names. Errors are as treeError or fsError makes them.
	Open(name string) (fs.File, fs.FileInfo, error)
	// Names reports whether name can be one in the tree at all.
	Names(name string) bool
	// ReadDir reads some more entries of a folder that open gave. Behind the last it
	// returns io.EOF.
	ReadDir(dir fs.File) ([]Entry, error)
	// StatEntry finds out what readDir did not about an entry of dir that is no link.
	StatEntry(dir fs.File, e *Entry) error
	// MayRead reports whether permissions let us open an entry of dir, which is
	// folder in the tree.
	MayRead(dir fs.File, folder string, e *Entry) bool
	// Stat returns the FileInfo of what Open would open.
	Stat(name string) (fs.FileInfo, error)
	Close() error
}

// An Identifier is a tree that can identify the regular file that a name leads to, and the
// state that it is in, without opening it.
type Identifier interface {
	Identify(name string) (id FileID, known bool)
}

// A FileID identifies a file and the state that it is in.
type FileID struct {
	device, inode, Size uint64
	Changed, Modified   int64 // Unix nanoseconds: of anything about the file, of its content
}

// A LinkReader is a tree that may have links.
type LinkReader interface {
	Tree
	// Readlink returns the text of a link. Of what is no link it says syscall.EINVAL.
	Readlink(name string) (target string, err error)
}

// SystemNames is how a tree of the system spells its names.
type SystemNames struct{}

// Names is true for what a clean path can spell: the system takes bytes that are
// not UTF-8, which io/fs does not. What is not clean comes from a resolver that
// rewrites. On Windows it is false for devices, drives and streams.
func (SystemNames) Names(name string) bool {
	if runtime.GOOS == "windows" && (strings.Contains(name, `\`) || !filepath.IsLocal(name)) {
		return false
	}
	return fs.ValidPath(strings.ToValidUTF8(name, "?")) && strings.IndexByte(name, 0) < 0
}

// statOpened finishes open with what the opened file is: it may have changed its
// name's meaning since it was asked for.
func statOpened(name string, file fs.File) (fs.File, fs.FileInfo, error) {
	info, err := file.Stat()
	if err == nil {
		err = servable(name, info)
	}
	if err != nil {
		file.Close()
		return nil, nil, ReadError(err)
	}
	return file, info, nil
}

// servable refuses what is neither a regular file nor a folder.
func servable(name string, info fs.FileInfo) error {
	if IsFile(info.Mode()) || info.IsDir() {
		return nil
	}
	return NotExist(name, "is neither a regular file nor a folder")
}

// NotExist makes the error of a name that is not served, with the reason.
func NotExist(name, why string) error {
	return fmt.Errorf("rawhttp: %q %s: %w", name, why, fs.ErrNotExist)
}
