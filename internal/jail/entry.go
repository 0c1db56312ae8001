package jail

import (
	"errors"
	"io/fs"
	"time"
)

// An Entry is one name of a folder, and what is known of it.
type Entry struct {
	Name     string
	D        *fs.DirEntry // of an fs.FS, which knows the rest; nil: it is known, or the tree is asked
	IsFolder bool
	IsLink   bool
	Stated   bool  // Size and time are known
	Timed    bool  // there is a time of change
	Nsec     int32 // of it, beyond sec
	Sec      int64 // of it, since 1970
	Size     int64 // bytes
}

// newEntry makes the entry of a name that is of the type. It reports whether that is
// one that may be listed.
func newEntry(name string, mode fs.FileMode) (e Entry, ok bool) {
	return Entry{Name: name, IsFolder: mode.IsDir(), IsLink: mode&fs.ModeSymlink != 0},
		mode.Type()&^(fs.ModeSymlink|fs.ModeIrregular|fs.ModeDir) == 0
}

// ask has the entry of an fs.FS say the rest.
func (e *Entry) ask() error {
	if e.D == nil {
		return nil
	}
	info, err := (*e.D).Info()
	if err == nil {
		e.Set(info.IsDir(), info.Size(), ModTime(info))
	}
	return err
}

// Set notes what is known now.
func (e *Entry) Set(isFolder bool, size int64, mod time.Time) {
	e.D, e.Stated, e.IsFolder, e.Size = nil, true, isFolder, size
	e.Timed, e.Sec, e.Nsec = !mod.IsZero(), mod.Unix(), int32(mod.Nanosecond())
}

// ReadDir reads some entries of a folder as package fs does it.
func readDir(dir fs.File) (entries []Entry, err error) {
	reader, ok := dir.(fs.ReadDirFile)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	batch, err := reader.ReadDir(1000)
	for i, d := range batch {
		if e, ok := newEntry(d.Name(), d.Type()); ok {
			e.D = &batch[i]
			entries = append(entries, e)
		}
	}
	return entries, err
}

// mayOpen opens an entry to know whether that can be done.
func mayOpen(t Tree, folder string, e *Entry) bool {
	file, _, err := t.Open(Join(folder, e.Name))
	if err == nil {
		file.Close()
	}
	return !errors.Is(err, fs.ErrPermission)
}

// IsFile reports whether a file of the mode can be served: a regular one, or one of
// a store that knows no more of it than that it is none of the others.
func IsFile(mode fs.FileMode) bool { return mode.Type()&^fs.ModeIrregular == 0 }

// knownTime returns the time, or zero where it is what archive/zip has for none: the day
// before its first.
func knownTime(mod time.Time) time.Time {
	const noZipTime = 312768000 // 1979-11-30 00:00:00 UTC
	if mod.Unix() == noZipTime {
		return time.Time{}
	}
	return mod
}

// ModTime returns the time of a file, zero if it has none.
func ModTime(info fs.FileInfo) time.Time { return knownTime(info.ModTime()) }

// Join returns the path of a name in a folder.
func Join(folder, name string) string {
	if folder == "." {
		return name
	}
	return folder + "/" + name
}
