package rawhttp

import (
	"context"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.com/rawhttp/internal/jail"
	"example.com/rawhttp/internal/list"
)

const (
	maxKeptFile = 64 << 10 // bytes: up to there to write what is in memory costs less than sendfile
	maxKept     = 16 << 20 // bytes of all that is kept, with what keeping it takes
	keptBeside  = 1 << 10  // bytes that it takes beside a file's content and names, about

	maxKeptNames   = maxKept / 2 // bytes of the names in a folder, with what keeping them takes
	keptBesideName = 64          // bytes that it takes to keep one, beside its own, about

	// keptFor is how long something is kept before it is read again. Few systems need
	// that: some note the time of a change before they have its bytes, or not at all.
	keptFor = 2 * time.Second
)

// isSettled reports whether a change from now on changes the fileID: times are no
// finer than the clock that the system takes them from.
func isSettled(id *jail.FileID, now time.Time) bool {
	return max(id.Changed, id.Modified) < now.Add(-youngest).UnixNano()
}

// A fileCache keeps responses of small files, with their content, and the names in folders.
type fileCache struct {
	tree jail.Identifier // nil: nothing is kept

	mu   sync.RWMutex
	kept map[string]keptEntry // by the path of the request
	size int                  // bytes, as maxKept counts
}

// A keptEntry is a *keptFile or a *keptFolder.
type keptEntry interface{ bytes() int }

// A keptState is the state of a file or folder at which something was kept. That is good as
// long as the name leads to the same file or folder in the same state, which is asked for
// each time it is used, and until it is to be read again anyway.
type keptState struct {
	id    jail.FileID
	until instant
	size  int // bytes, without those of the path
}

func (s *keptState) bytes() int { return s.size }

// A keptFile is the response of a file.
type keptFile struct {
	keptState
	name string // in the tree
	resp message
}

// A keptFolder has the names in a folder, in order. Nobody changes them.
type keptFolder struct {
	keptState
	names []*jail.Entry
}

// get returns a response of the caller's own, nil if none is kept for the request, or an
// old one.
func (k *fileCache) get(req *Request) *Response {
	if k.tree == nil || !req.isGet() && !req.isHead() {
		return nil
	}
	f, ok := k.find(req).(*keptFile)
	if !ok {
		return nil
	}
	if id, known := k.tree.Identify(f.name); !known || id != f.id || clock() > f.until {
		return nil
	}
	return &Response{message: f.resp}
}

// find returns what is kept for the path of the request, nil if nothing is.
func (k *fileCache) find(req *Request) keptEntry {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if req.rewrite != "" {
		return k.kept[req.rewrite]
	}
	return k.kept[string(req.head.Path.Of(req.head.Text))]
}

// put keeps an entry. Where there is no room others go, whichever.
func (k *fileCache) put(path string, e keptEntry) {
	path = strings.Clone(path) // which is a part of the request's head
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop(path)
	for other := range k.kept {
		if k.size+cost(path, e) <= maxKept {
			break
		}
		k.drop(other)
	}
	if k.kept == nil {
		k.kept = make(map[string]keptEntry)
	}
	k.kept[path] = e
	k.size += cost(path, e)
}

// cost returns the bytes that an entry counts as.
func cost(path string, e keptEntry) int { return len(path) + e.bytes() + keptBeside }

func (k *fileCache) drop(path string) {
	if e := k.kept[path]; e != nil {
		k.size -= cost(path, e)
		delete(k.kept, path)
	}
}

// keep keeps what the request was answered with, if the path alone decides that and
// if it can. It returns the response, which may be another.
func (k *fileCache) keep(req *Request, o opened, resp *Response) *Response {
	if k.tree == nil || !req.isGet() || strings.HasPrefix(resp.rep.ETag, "W/") {
		return resp
	}
	id, ok := jail.IdentityOf(o.info)
	at, readable := o.file.(io.ReaderAt)
	if !ok || !readable || id.Size > maxKeptFile || int64(id.Size) != resp.rep.Size || !isSettled(&id, time.Now()) {
		return resp
	}
	content := make([]byte, id.Size)
	until := clock().add(keptFor)
	if _, err := io.ReadFull(io.NewSectionReader(at, 0, int64(id.Size)), content); err != nil {
		return resp
	}
	info, err := o.file.Stat()
	if err != nil {
		return resp
	}
	if now, _ := jail.IdentityOf(info); now != id { // it has changed meanwhile
		return resp
	}
	rep := *resp.rep
	rep.Body = &memory{content: content}
	kept := Content(rep)
	kept.fields = slices.Clip(resp.fields) // a copy that is added to leaves the others alone
	kept.imaged = true
	size := 2*len(content) + len(o.name) // with an image of it
	k.put(req.Path(), &keptFile{keptState{id, until, size}, strings.Clone(o.name), kept.message})
	resp.Close()
	return kept
}

// names returns the names in the folder that info is of, which must not be changed; nil if
// they are not kept.
func (k *fileCache) names(req *Request, info fs.FileInfo) []*jail.Entry {
	f, ok := k.find(req).(*keptFolder)
	if !ok || clock() > f.until {
		return nil
	}
	if id, _ := jail.IdentityOf(info); id != f.id {
		return nil
	}
	return f.names
}

// A folderKeeper collects the names in a folder while they are read, to keep them. A nil one
// does not.
type folderKeeper struct {
	cache  *fileCache
	path   string
	folder keptFolder
}

// folder begins to keep the names in the folder that info is of, if that can be.
func (k *fileCache) folder(req *Request, info fs.FileInfo) *folderKeeper {
	id, ok := jail.IdentityOf(info)
	if k.tree == nil || !ok || !isSettled(&id, time.Now()) {
		return nil
	}
	state := keptState{id: id, until: clock().add(keptFor)}
	return &folderKeeper{cache: k, path: req.Path(), folder: keptFolder{keptState: state}}
}

// add takes in some more names, as long as they are not too many.
func (k *folderKeeper) add(names []*jail.Entry) {
	if k == nil || k.folder.size > maxKeptNames {
		return
	}
	for _, e := range names {
		k.folder.size += len(e.Name) + keptBesideName
	}
	k.folder.names = append(k.folder.names, names...)
	if k.folder.size > maxKeptNames {
		k.folder.names = nil
	}
}

// end keeps the names, if there are any. That the folder has changed meanwhile does no
// harm: then they are of a state that is not asked for again.
func (k *folderKeeper) end() {
	if k == nil || len(k.folder.names) == 0 {
		return
	}
	k.folder.names = list.InOrder(k.folder.names) // so that they are put in order faster
	k.cache.put(k.path, &k.folder)
}

// memory is content that any number of responses read, also at once.
type memory struct {
	content []byte
	last    atomic.Pointer[image] // of the response that it is the content of
}

// ReadAt implements io.ReaderAt.
func (m *memory) ReadAt(p []byte, off int64) (n int, err error) {
	if off < int64(len(m.content)) {
		n = copy(p, m.content[off:])
	}
	if n < len(p) {
		err = io.EOF
	}
	return n, err
}

// Read is what makes it a Body, which is read by ReadAt.
func (m *memory) Read([]byte) (int, error) { return 0, io.EOF }

// An image is an answer to a plain GET as it is on the wire, from status line to
// content, to be sent again without a look at it. It is good for the second of its
// Date.
type image struct {
	date   string
	format *wireFormat
	wire   []byte // nil after the first answer of a second: there may be no other
}

// isPlain reports whether the request is one that an image can answer.
func (t *responder) isPlain() bool {
	return t.withheld == nil && t.req.isGet() && t.req.head.Minor > 0 && t.req.head.Persist && t.persist && !t.resp.closeAfter &&
		!t.req.hasConditions() && t.format.contentLength
}

// writePlain answers a plain request from an image, or so that one is made.
func (t *responder) writePlain(ctx context.Context) error {
	date := ""
	if t.format.date != nil {
		date = t.format.date()
	}
	body := t.resp.rep.Body.(*memory)
	last := body.last.Load()
	again := last != nil && last.date == date && last.format == t.format
	if again && last.wire != nil {
		return t.putImage(last)
	}
	begin := len(t.out.buf)
	if err := t.writeAnew(ctx); err != nil {
		return err
	}
	if t.headOut { // it is too large for one write
		return nil
	}
	next := &image{date: date, format: t.format}
	if again {
		next.wire = slices.Clone(t.out.buf[begin:])
	}
	body.last.Store(next)
	return nil
}

// putImage puts an image, straight to the client if nothing else would leave with it.
func (t *responder) putImage(i *image) error {
	t.status, t.framing, t.sent = 200, byLength, t.resp.rep.Size
	if t.last && len(t.out.buf) == 0 {
		t.headOut = true
		_, err := t.out.w.Write(i.wire)
		return err
	}
	t.out.take()
	return t.out.put(i.wire)
}
