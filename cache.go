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
	maxKeptFile  = 64 << 10 // bytes; up to this size, a write from memory is cheaper than sendfile
	maxKept      = 16 << 20 // bytes in the whole cache, with overhead
	keptOverhead = 1 << 10  // approximate overhead of an entry, in bytes

	maxKeptNames     = maxKept / 2 // bytes of the names in one folder, with overhead
	keptNameOverhead = 64          // approximate overhead of a name, in bytes

	// keptFor is how long an entry is kept before it is read again. It limits how long a
	// change goes unnoticed on systems that record its time before its bytes, or not at
	// all.
	keptFor = 2 * time.Second
)

// A fileCache caches the responses of small files, with their content, and the names in
// folders. It identifies a file by its FileID, which changes with its content.
type fileCache struct {
	tree    jail.Identifier // nil if nothing is cached
	settles time.Duration   // settledAge; less in tests, which would wait for it

	mu   sync.RWMutex
	kept map[string]keptEntry // by request path
	size int                  // total of cost, at most maxKept
}

// isSettled reports whether any later change will change id. Right after a change this is
// not certain, since times are only as fine as the system's clock.
func (k *fileCache) isSettled(id *jail.FileID, now time.Time) bool {
	return max(id.Changed, id.Modified) < now.Add(-k.settles).UnixNano()
}

// A keptEntry is a *keptFile or a *keptFolder.
type keptEntry interface{ bytes() int }

// A keptState is the state of a file or folder when it was cached. The entry is valid until
// the given instant, as long as the name leads to the same file or folder, unchanged, which
// is checked on each use.
type keptState struct {
	id    jail.FileID
	until instant
	size  int // bytes, without the path
}

func (s *keptState) bytes() int { return s.size }

// A keptFile is a cached response.
type keptFile struct {
	keptState
	name string // in the tree
	resp message
}

// A keptFolder is the sorted list of the names in a folder. It must not be changed.
type keptFolder struct {
	keptState
	names []*jail.Entry
}

// get returns a copy of the cached response for the request, or nil if there is none or it
// is out of date.
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

// find returns the entry cached for the path of the request, or nil.
func (k *fileCache) find(req *Request) keptEntry {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if req.rewrite != "" {
		return k.kept[req.rewrite]
	}
	return k.kept[string(req.head.Path.Of(req.head.Text))]
}

// put adds an entry. To make room it drops others, in no particular order.
func (k *fileCache) put(path string, e keptEntry) {
	path = strings.Clone(path) // cloned, so that the head of the request is not retained
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
func cost(path string, e keptEntry) int { return len(path) + e.bytes() + keptOverhead }

func (k *fileCache) drop(path string) {
	if e := k.kept[path]; e != nil {
		k.size -= cost(path, e)
		delete(k.kept, path)
	}
}

// keep caches the response to the request, if possible. It may be called only if the path
// alone determines the response. It returns the response to send, which may be another one.
func (k *fileCache) keep(req *Request, o opened, resp *Response) *Response {
	if k.tree == nil || !req.isGet() || strings.HasPrefix(resp.rep.ETag, "W/") {
		return resp
	}
	id, ok := jail.IdentityOf(o.info)
	at, readable := o.file.(io.ReaderAt)
	if !ok || !readable || id.Size > maxKeptFile || int64(id.Size) != resp.rep.Size || !k.isSettled(&id, time.Now()) {
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
	if now, _ := jail.IdentityOf(info); now != id { // the file changed meanwhile
		return resp
	}
	rep := *resp.rep
	rep.Body = &memoryContent{content: content}
	kept := Content(rep)
	kept.fields = slices.Clip(resp.fields) // clipped, so that appending to a copy leaves the others alone
	kept.imaged = true
	size := 2*len(content) + len(o.name) // the content and its image
	k.put(req.Path(), &keptFile{keptState{id, until, size}, strings.Clone(o.name), kept.message})
	resp.Close()
	return kept
}

// names returns the cached names in the folder described by info, or nil. The caller must
// not change them.
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

// A folderKeeper collects the names in a folder as they are read, to cache them. Its
// methods do nothing if it is nil.
type folderKeeper struct {
	cache  *fileCache
	path   string
	folder keptFolder
}

// keepFolder returns a folderKeeper for the folder described by info, or nil if it cannot be
// cached.
func (k *fileCache) keepFolder(req *Request, info fs.FileInfo) *folderKeeper {
	id, ok := jail.IdentityOf(info)
	if k.tree == nil || !ok || !k.isSettled(&id, time.Now()) {
		return nil
	}
	state := keptState{id: id, until: clock().add(keptFor)}
	return &folderKeeper{cache: k, path: req.Path(), folder: keptFolder{keptState: state}}
}

// add adds names, unless they are too many to cache.
func (k *folderKeeper) add(names []*jail.Entry) {
	if k == nil || k.folder.size > maxKeptNames {
		return
	}
	for _, e := range names {
		k.folder.size += len(e.Name) + keptNameOverhead
	}
	k.folder.names = append(k.folder.names, names...)
	if k.folder.size > maxKeptNames {
		k.folder.names = nil
	}
}

// end caches the names, if there are any. If the folder changed meanwhile this does no
// harm: they belong to a state that will not be asked for again.
func (k *folderKeeper) end() {
	if k == nil || len(k.folder.names) == 0 {
		return
	}
	k.folder.names = list.InOrder(k.folder.names) // sorted, to make later sorting faster
	k.cache.put(k.path, &k.folder)
}

// A memoryContent is content in memory that any number of responses may read concurrently.
type memoryContent struct {
	content []byte
	last    atomic.Pointer[image] // of the last response with this content; nil if there was none
}

// ReadAt implements io.ReaderAt.
func (m *memoryContent) ReadAt(p []byte, off int64) (n int, err error) {
	if off < int64(len(m.content)) {
		n = copy(p, m.content[off:])
	}
	if n < len(p) {
		err = io.EOF
	}
	return n, err
}

// Read makes a memoryContent a Body, but nothing calls it: the content is read with ReadAt.
func (m *memoryContent) Read([]byte) (int, error) { return 0, io.EOF }

// An image is the complete response to a GET without conditions and ranges over HTTP/1.1,
// from status line to content, ready to be sent again. It is valid as long as the Date is the
// same, that is for one second. It must not be changed, since connections share it.
type image struct {
	date   string
	format *wireFormat
	wire   []byte // nil after the first response of a second, which may be the only one
}

// mayUseImage reports whether an image can answer the request.
func (t *responder) mayUseImage() bool {
	return t.withheld == nil && t.req.isGet() && t.req.head.Minor > 0 && t.req.head.Persist && t.persist && !t.resp.closeAfter &&
		!t.req.hasConditions() && t.format.contentLength
}

// writeFromImage writes the response from its image, or in steps if there is none. The second
// time within a second it makes one.
func (t *responder) writeFromImage(ctx context.Context) error {
	date := ""
	if t.format.date != nil {
		date = t.format.date()
	}
	body := t.resp.rep.Body.(*memoryContent)
	last := body.last.Load()
	again := last != nil && last.date == date && last.format == t.format
	if again && last.wire != nil {
		return t.putImage(last)
	}
	begin := len(t.out.buf)
	if err := t.writeInSteps(ctx); err != nil {
		return err
	}
	if t.headOut { // part of it is already written, as it is too large for one write
		return nil
	}
	next := &image{date: date, format: t.format}
	if again {
		next.wire = slices.Clone(t.out.buf[begin:])
	}
	body.last.Store(next)
	return nil
}

// putImage sends an image. It writes directly to the client if there is nothing else to
// send.
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
