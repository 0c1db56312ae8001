package rawhttp

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// A jail is a folder of the system that no name leads out of.
type jail struct {
	root *os.Root
}

// openJail opens the folder. os.Root follows no link that leaves it, and has no
// races with names that change. It does not stop mount points.
func openJail(dir string) (*jail, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open root: %w", err)
	}
	return &jail{root}, nil
}

// names is true for what a clean path can spell: the system takes bytes that are
// not UTF-8, which io/fs does not. What is not clean comes from a resolver that
// rewrites.
func (j *jail) names(name string) bool {
	return fs.ValidPath(strings.ToValidUTF8(name, "?")) && strings.IndexByte(name, 0) < 0
}

// knowsInfo is true: to read a folder below an os.Root asks for each entry.
func (j *jail) knowsInfo() bool { return true }

// open opens without waiting: O_NONBLOCK is for a FIFO, which nobody may be about
// to write to, and changes nothing for a regular file.
func (j *jail) open(name string) (fs.File, fs.FileInfo, error) {
	file, err := j.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
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

func (j *jail) close() error { return j.root.Close() }
