package jail

import (
	"errors"
	"io/fs"
	"time"
)

// An Entry is one name in a folder, with what is known about it. A listing may hold 100,000 of
// them, so the fields are small: a time.Time, or an interface in place of D, would be larger.
type Entry struct {
	Name     string
	D        *fs.DirEntry // source of the other fields, from package fs; nil if they are known or the tree must be asked
	IsFolder bool         // for a link, whether its target is a folder, once Stated
	IsLink   bool         // symbolic
	Stated   bool         // Size and the time are known
	Timed    bool         // the entry has a modification time
	Nsec     int32        // nanoseconds of the time
	Sec      int64        // seconds of the time since 1970
	Size     int64        // bytes
}

// newEntry returns an entry with the type in mode. It reports whether that type may be
// listed: a type that Open would open, or a link, which may lead to one.
func newEntry(name string, mode fs.FileMode) (e Entry, ok bool) {
	return Entry{Name: name, IsFolder: mode.IsDir(), IsLink: mode&fs.ModeSymlink != 0},
		mode.Type()&^(fs.ModeSymlink|fs.ModeIrregular|fs.ModeDir) == 0
}

// ask fills in the other fields from D, if there is one.
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

// Set records the type, size and modification time.
func (e *Entry) Set(isFolder bool, size int64, mod time.Time) {
	e.D, e.Stated, e.IsFolder, e.Size = nil, true, isFolder, size
	e.Timed, e.Sec, e.Nsec = !mod.IsZero(), mod.Unix(), int32(mod.Nanosecond())
}

// readDir reads some entries of a folder through package fs.
func readDir(dir fs.File) (entries []Entry, err error) {
	reader, ok := dir.(fs.ReadDirFile)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	batch, err := reader.ReadDir(1000) // not all at once, so that callers can stop
	entries = make([]Entry, 0, len(batch))
	for i, d := range batch {
		if e, ok := newEntry(d.Name(), d.Type()); ok {
			e.D = &batch[i]
			entries = append(entries, e)
		}
	}
	return entries, err
}

// mayOpen reports whether permissions allow opening an entry, by opening it. It ignores other
// errors.
func mayOpen(t Tree, folder string, e *Entry) bool {
	file, _, err := t.Open(Join(folder, e.Name))
	if err == nil {
		file.Close()
	}
	return !errors.Is(err, fs.ErrPermission)
}

// IsFile reports whether a file of that mode can be served: a regular file, or an irregular
// one, as in a store that knows no file types.
func IsFile(mode fs.FileMode) bool { return mode.Type()&^fs.ModeIrregular == 0 }

// knownTime returns mod, or the zero time if mod is what archive/zip returns for a missing
// time: the day before its epoch.
func knownTime(mod time.Time) time.Time {
	const noZipTime = 312768000 // 1979-11-30 00:00:00 UTC
	if mod.Unix() == noZipTime {
		return time.Time{}
	}
	return mod
}

// ModTime returns the modification time of a file, or the zero time if it has none.
func ModTime(info fs.FileInfo) time.Time { return knownTime(info.ModTime()) }

// Join returns the path of a name in a folder.
func Join(folder, name string) string {
	if folder == "." {
		return name
	}
	return folder + "/" + name
}
