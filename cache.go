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
	maxCachedFile = 64 << 10 // bytes; up to this size, a write from memory is cheaper than sendfile
	maxCacheBytes = 16 << 20 // bytes in the whole cache, with overhead
	entryOverhead = 1 << 10  // approximate overhead of an entry, in bytes

	maxCachedNameBytes = maxCacheBytes / 2 // bytes of the names in one folder, with overhead
	nameOverhead       = 64                // approximate overhead of a name, in bytes

	// maxCachedAge is how long an entry is cached before it is read again. It limits how long a
	// change goes unnoticed on systems that record its time before its bytes, or not at
	// all.
	maxCachedAge = 2 * time.Second
)

// A fileCache caches the responses of small files, with their content, and the names in
// folders. It identifies a file by its FileID, which changes with its content.
type fileCache struct {
	tree    jail.Identifier // nil if nothing is cached
	settles time.Duration   // least age of what is cached: settledAge, or less in tests, so that they need not wait

	mu      sync.RWMutex
	entries map[string]cacheEntry // by request path
	size    int                   // total of cost, at most maxCacheBytes
}

// isSettled reports whether any later change will change id. Right after a change this is
// not certain, since times are only as fine as the system's clock. A modification time in the
// future, which a program has set, does not count as settled: its entity tag is weak.
func (c *fileCache) isSettled(id *jail.FileID, now time.Time) bool {
	return max(id.Changed, id.Modified) < now.Add(-c.settles).UnixNano()
}

// A cacheEntry is a *cachedFile or a *cachedFolder.
type cacheEntry interface{ bytes() int }

// A cachedState is the state of a file or folder when it was cached. The entry is valid until
// the given instant, as long as the name leads to the same file or folder, unchanged, which
// is checked on each use.
type cachedState struct {
	id    jail.FileID
	until instant
	size  int // bytes, without the path
}

func (s *cachedState) bytes() int { return s.size }

// A cachedFile is a cached response.
type cachedFile struct {
	cachedState
	name string // in the tree
	resp message
}

// A cachedFolder is the sorted list of the names in a folder. It must not be changed.
type cachedFolder struct {
	cachedState
	names []*jail.Entry
}

// get returns a copy of the cached response for the request, or nil if there is none or it
// is out of date.
func (c *fileCache) get(req *Request) *Response {
	if c.tree == nil || !req.isGet() && !req.isHead() {
		return nil
	}
	f, ok := c.find(req).(*cachedFile)
	if !ok {
		return nil
	}
	// Identify asks the system, which may be slow, so c.mu must not be held.
	if id, known := c.tree.Identify(f.name); !known || id != f.id || clock() > f.until {
		return nil
	}
	return &Response{message: f.resp}
}

// find returns the entry cached for the path of the request, or nil. It looks up bytes of the
// head as they are, since Path would allocate a string.
func (c *fileCache) find(req *Request) cacheEntry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if req.rewrite != "" {
		return c.entries[req.rewrite]
	}
	return c.entries[string(req.head.Path.Of(req.head.Text))]
}

// put adds an entry. To make room it drops others, in no particular order: an order of use would
// have to be written by every request. An entry is always smaller than the whole cache.
func (c *fileCache) put(path string, e cacheEntry) {
	path = strings.Clone(path) // cloned, so that the head of the request is not retained
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(path)
	for other := range c.entries {
		if c.size+cost(path, e) <= maxCacheBytes {
			break
		}
		c.drop(other)
	}
	if c.entries == nil {
		c.entries = make(map[string]cacheEntry)
	}
	c.entries[path] = e
	c.size += cost(path, e)
}

// cost returns the bytes that an entry counts as.
func cost(path string, e cacheEntry) int { return len(path) + e.bytes() + entryOverhead }

// drop removes an entry, if there is one. c.mu must be held for writing.
func (c *fileCache) drop(path string) {
	if e := c.entries[path]; e != nil {
		c.size -= cost(path, e)
		delete(c.entries, path)
	}
}

// addFile caches the response to the request, if possible. It may be called only if the path
// alone determines the response. It returns the response to send, which may be another one.
func (c *fileCache) addFile(req *Request, o opened, resp *Response) *Response {
	if c.tree == nil || !req.isGet() || strings.HasPrefix(resp.rep.ETag, "W/") {
		return resp
	}
	id, ok := jail.IdentityOf(o.info)
	at, readable := o.file.(io.ReaderAt)
	if !ok || !readable || id.Size > maxCachedFile || !c.isSettled(&id, time.Now()) {
		return resp
	}
	content := make([]byte, id.Size)
	until := clock().add(maxCachedAge) // counted from before the read, which may return bytes from before a change
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
	cached := Content(rep)
	cached.fields = slices.Clip(resp.fields) // clipped, so that appending to a copy leaves the others alone
	cached.hasWireImages = true
	size := 2*len(content) + len(o.name) // the content and its wire image
	c.put(req.Path(), &cachedFile{cachedState{id, until, size}, strings.Clone(o.name), cached.message})
	resp.Close()
	return cached
}

// names returns the cached names in the folder described by info, or nil. The caller must
// not change them. It has opened the folder for this request, so info is current, and there is
// no need to ask the system again.
func (c *fileCache) names(req *Request, info fs.FileInfo) []*jail.Entry {
	f, ok := c.find(req).(*cachedFolder)
	if !ok || clock() > f.until {
		return nil
	}
	if id, _ := jail.IdentityOf(info); id != f.id {
		return nil
	}
	return f.names
}

// A folderCacher collects the names in a folder as they are read, to cache them. Its
// methods do nothing if it is nil.
type folderCacher struct {
	cache  *fileCache
	path   string
	folder cachedFolder
}

// newFolderCacher returns a folderCacher for the folder described by info, or nil if it cannot be
// cached.
func (c *fileCache) newFolderCacher(req *Request, info fs.FileInfo) *folderCacher {
	id, ok := jail.IdentityOf(info)
	if c.tree == nil || !ok || !c.isSettled(&id, time.Now()) {
		return nil
	}
	state := cachedState{id: id, until: clock().add(maxCachedAge)}
	return &folderCacher{cache: c, path: req.Path(), folder: cachedFolder{cachedState: state}}
}

// add adds names, unless they are too many to cache.
func (f *folderCacher) add(names []*jail.Entry) {
	if f == nil || f.folder.size > maxCachedNameBytes {
		return
	}
	for _, e := range names {
		f.folder.size += len(e.Name) + nameOverhead
	}
	f.folder.names = append(f.folder.names, names...)
	if f.folder.size > maxCachedNameBytes { // the size stays above the limit, so add does nothing from now on
		f.folder.names = nil
	}
}

// end caches the names, if there are any. If the folder changed meanwhile this does no
// harm: they belong to a state that will not be asked for again.
func (f *folderCacher) end() {
	if f == nil || len(f.folder.names) == 0 {
		return
	}
	f.folder.names = list.InOrder(f.folder.names) // sorted, to make later sorting faster
	f.cache.put(f.path, &f.folder)
}

// A memoryContent is content in memory that any number of responses may read concurrently.
type memoryContent struct {
	content []byte
	last    atomic.Pointer[wireImage] // of the last response with this content; nil if there was none
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

// A wireImage is the complete response to a GET without conditions and ranges over HTTP/1.1,
// from status line to content, ready to be sent again. It is valid as long as the Date is the
// same, that is for one second. It must not be changed, since connections share it.
type wireImage struct {
	date   string
	format *wireFormat
	bytes  []byte // nil after the first response of a second, which may be the only one
}

// mayUseWireImage reports whether a wire image can answer the request. An image has a
// Content-Length and no Connection field, so the connection must be one that persists without it.
func (t *responder) mayUseWireImage() bool {
	return t.withheld == nil && t.req.isGet() && t.req.head.Minor > 0 && t.req.head.Persist && t.persist && !t.resp.closeAfter &&
		!t.req.hasConditions() && t.format.contentLength
}

// writeFromWireImage writes the response from its image, or in steps if there is none. The second
// time within a second it makes one. Connections that do so at the same time make equal images,
// of which the last remains.
func (t *responder) writeFromWireImage(ctx context.Context) error {
	date := ""
	if t.format.date != nil {
		date = t.format.date()
	}
	body := t.resp.rep.Body.(*memoryContent)
	last := body.last.Load()
	again := last != nil && last.date == date && last.format == t.format
	if again && last.bytes != nil {
		return t.putWireImage(last)
	}
	begin := len(t.out.buf)
	if err := t.writeInSteps(ctx); err != nil {
		return err
	}
	if t.headOut { // part of it is already written, as it is too large for one write
		return nil
	}
	// Otherwise all of it is in the buffer, after any responses that precede it.
	next := &wireImage{date: date, format: t.format}
	if again {
		next.bytes = slices.Clone(t.out.buf[begin:])
	}
	body.last.Store(next)
	return nil
}

// putWireImage sends a wire image. It writes directly to the client if there is nothing else to
// send.
func (t *responder) putWireImage(i *wireImage) error {
	t.status, t.framing, t.sent = 200, byLength, t.resp.rep.Size // for hooks and the access log
	if t.alone && len(t.out.buf) == 0 {
		t.headOut = true
		_, err := t.out.w.Write(i.bytes)
		return err
	}
	t.out.acquire()
	_, err := t.out.put(i.bytes)
	return err
}
