package rawhttp

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"unicode/utf8"
)

// An entry is one name of a folder.
type entry struct {
	name     string
	isFolder bool
}

// maxBufferedListing is how many bytes of listing are made before they are sent,
// so that most listings say their length.
const maxBufferedListing = 64 << 10

// list answers with the names of a folder.
func (f *FileResolver) list(req *Request, name string, dir fs.File) (*Response, error) {
	if req.isHead() { // the folder is not read (RFC 9110, section 9.3.2)
		resp := Bytes(200, textPlain, nil)
		resp.headOnly = true
		return listingResponse(resp), nil
	}
	entries, truncated, err := f.entries(name, dir)
	if err != nil {
		return nil, err
	}
	var text listText
	size := 0
	for _, e := range entries {
		size += len(e.name) + len("/\n")
	}
	if size <= maxBufferedListing {
		var b strings.Builder
		text.write(&b, entries, truncated)
		return listingResponse(Text(200, b.String())), nil
	}
	return listingResponse(StreamFunc(200, textPlain, func(_ context.Context, w io.Writer) error {
		bw := bufio.NewWriterSize(w, 16<<10)
		text.write(bw, entries, truncated)
		return bw.Flush()
	})), nil
}

// listingResponse has a listing asked for anew each time: the time of a folder
// does not tell of changes in its files.
func listingResponse(r *Response) *Response { return r.Set("Cache-Control", "no-cache") }

// entries reads the names of a folder that can be asked for: folders first, then
// in the order of their bytes. A name that is not listed is one that Resolve finds
// nothing at.
func (f *FileResolver) entries(folder string, dir fs.File) (list []entry, truncated bool, err error) {
	reader, ok := dir.(fs.ReadDirFile)
	if !ok {
		return nil, false, &fs.PathError{Op: "list", Path: folder, Err: errors.ErrUnsupported}
	}
	for {
		batch, err := reader.ReadDir(1000)
		for _, d := range batch {
			e, ok := f.entry(folder, d)
			if !ok {
				continue
			}
			if max := f.config.maxListing; max > 0 && len(list) == max {
				truncated = true
				break
			}
			list = append(list, e)
		}
		if err == io.EOF || truncated {
			break
		}
		if err != nil {
			return nil, false, err
		}
	}
	slices.SortFunc(list, func(a, b entry) int {
		if a.isFolder != b.isFolder {
			if a.isFolder {
				return -1
			}
			return 1
		}
		return strings.Compare(a.name, b.name)
	})
	return list, truncated, nil
}

// entry tells whether a name is listed. Of links it is their target that counts.
func (f *FileResolver) entry(folder string, d fs.DirEntry) (e entry, ok bool) {
	name := d.Name()
	if _, _, err := f.name("/" + name); err != nil {
		return e, false
	}
	mode := d.Type()
	if mode.IsRegular() || mode.IsDir() {
		return entry{name, mode.IsDir()}, true
	}
	if mode&fs.ModeSymlink == 0 && mode&fs.ModeIrregular == 0 {
		return e, false
	}
	info, err := f.tree.stat(join(folder, name))
	if err != nil {
		return e, false
	}
	return entry{name, info.IsDir()}, true
}

// listText is a listing as text: one name a line, folders with a slash.
type listText struct{}

func (listText) write(w io.StringWriter, entries []entry, truncated bool) {
	for _, e := range entries {
		w.WriteString(displayName(e.name))
		if e.isFolder {
			w.WriteString("/")
		}
		w.WriteString("\n")
	}
	if truncated {
		w.WriteString("... and more\n")
	}
}

// displayName is a file name as it can be shown: what is not UTF-8, moves the
// cursor, forges a line or changes the direction of the text becomes U+FFFD.
func displayName(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || isBidiControl(r) {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(name, string(utf8.RuneError)))
}
