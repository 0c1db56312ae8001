// Package jail opens trees of files that no name leads out of: folders of the system, and
// any fs.FS. It is the only package that may import unsafe.
package jail

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"
)

// A Tree is a tree of files: a folder of the system or an fs.FS.
type Tree interface {
	// Open opens a regular file or a folder. The name is a path as in io/fs. Open must not
	// block, whatever type the file has. Its errors come from TreeError, fsError, ReadError or
	// NotExist, so StatusOf knows their status.
	Open(name string) (fs.File, fs.FileInfo, error)
	// ValidName reports whether name is a valid name in the tree.
	ValidName(name string) bool
	// ReadDir reads some more entries of a folder returned by Open. After the last it
	// returns io.EOF.
	ReadDir(dir fs.File) ([]Entry, error)
	// StatEntry fills in the fields of an entry of dir that ReadDir left unset. The entry
	// must not be a link.
	StatEntry(dir fs.File, e *Entry) error
	// MayRead reports whether permissions allow opening an entry of dir, whose name in the
	// tree is folder.
	MayRead(dir fs.File, folder string, e *Entry) bool
	// Stat returns the FileInfo of the file that Open would open.
	Stat(name string) (fs.FileInfo, error)
	// Close releases the tree. Files that were opened remain open.
	Close() error
}

// An Identifier is a Tree that can identify the regular file at a name, and its version,
// without opening it.
type Identifier interface {
	Identify(name string) (id FileID, known bool)
}

// A FileID identifies a file and its version: writing to the file changes Changed, which, unlike
// Modified, programs cannot set.
type FileID struct {
	device, inode, Size uint64
	Changed, Modified   int64 // Unix nanoseconds of the last change of anything about the file, and of its content
}

// A LinkReader is a Tree that may have links.
type LinkReader interface {
	Tree
	// Readlink returns the text of a link, or syscall.EINVAL if the name is not a link.
	Readlink(name string) (target string, err error)
}

// SystemNames implements Tree.ValidName for folders of the system.
type SystemNames struct{}

// ValidName reports whether name can come from a clean path. Unlike io/fs, it allows bytes that
// are not UTF-8, as the system does. A name that is not clean comes from a resolver that
// rewrote the path. On Windows, ValidName rejects devices, drives and streams.
func (SystemNames) ValidName(name string) bool {
	if runtime.GOOS == "windows" && (strings.Contains(name, `\`) || !filepath.IsLocal(name)) {
		return false
	}
	return fs.ValidPath(strings.ToValidUTF8(name, "?")) && strings.IndexByte(name, 0) < 0 // NUL would end the name early
}

// statOpened completes Open by checking the file that was opened, since the name may lead
// to another file than before.
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

// servable returns an error unless info describes a regular file or a folder.
func servable(name string, info fs.FileInfo) error {
	if IsFile(info.Mode()) || info.IsDir() {
		return nil
	}
	return NotExist(name, "is neither a regular file nor a folder")
}

// NotExist returns the error for a name that is not served, with the reason.
func NotExist(name, why string) error {
	return fmt.Errorf("rawhttp: %q %s: %w", name, why, fs.ErrNotExist)
}
