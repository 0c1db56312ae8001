package rawhttp

import (
	"io"
	"sync"
	"time"
)

const (
	maxKeptFile = 64 << 10 // bytes: up to there to write what is in memory costs less than sendfile
	maxKept     = 16 << 20 // bytes of all files together
)

// A fileID tells one state of a file from all others that its name may lead to.
type fileID struct {
	device, inode, size uint64
	changed, modified   int64 // Unix nanoseconds: of anything about the file, of its content
}

// isSettled reports whether a change from now on changes the fileID: times are no
// finer than the clock that the system takes them from.
func (id *fileID) isSettled(now time.Time) bool {
	return max(id.changed, id.modified) < now.Add(-youngest).UnixNano()
}

// keptFiles are responses of small files, with their content. Each is good as long as
// the name leads to the same file in the same state, which is asked for each time it
// is used.
type keptFiles struct {
	mu    sync.RWMutex
	files map[string]keptFile
	size  int // bytes of content
}

type keptFile struct {
	id   fileID
	resp *Response
	size int
}

// get gives the response of the file that the name leads to, nil if there is none, or
// an old one.
func (k *keptFiles) get(t tree, name string) *Response {
	k.mu.RLock()
	f, ok := k.files[name]
	k.mu.RUnlock()
	if !ok {
		return nil
	}
	if id, known := t.identify(name); known && id == f.id {
		return f.resp
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop(name)
	return nil
}

// put keeps a file. Where there is no room others go, whichever.
func (k *keptFiles) put(name string, f keptFile) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop(name)
	for other := range k.files {
		if k.size+f.size <= maxKept {
			break
		}
		k.drop(other)
	}
	if k.files == nil {
		k.files = make(map[string]keptFile)
	}
	k.files[name] = f
	k.size += f.size
}

func (k *keptFiles) drop(name string) {
	k.size -= k.files[name].size
	delete(k.files, name)
}

// keep gives a response of the file's content in memory, to be used again, in the
// place of one that serves once. It gives that back if the file cannot be kept.
func (f *FileResolver) keep(o opened, resp *Response) *Response {
	id, ok := identityOf(o.info)
	at, readable := o.file.(io.ReaderAt)
	if !ok || !readable || id.size > maxKeptFile || !id.isSettled(time.Now()) {
		return resp
	}
	content := make(memory, id.size)
	if _, err := io.ReadFull(io.NewSectionReader(at, 0, int64(id.size)), content); err != nil {
		return resp
	}
	info, err := o.file.Stat()
	if err != nil {
		return resp
	}
	if now, _ := identityOf(info); now != id { // it has changed meanwhile
		return resp
	}
	rep := *resp.rep
	rep.Body = content
	kept := Content(rep)
	kept.fields = resp.fields
	f.kept.put(o.name, keptFile{id, kept, len(content)})
	resp.Close()
	return kept
}

// memory is content in memory that any number of responses read.
type memory []byte

func (m memory) ReadAt(p []byte, off int64) (n int, err error) {
	if off < int64(len(m)) {
		n = copy(p, m[off:])
	}
	if n < len(p) {
		err = io.EOF
	}
	return n, err
}

// Read is what makes it a Body, which is read by ReadAt.
func (m memory) Read([]byte) (int, error) { return 0, io.EOF }
