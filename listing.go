package rawhttp

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/rawhttp/internal/ascii"
	"example.com/rawhttp/internal/jail"
	"example.com/rawhttp/internal/list"
)

// A listing is a folder in the form that a request asked for.
type listing struct {
	files  *FileResolver
	dir    fs.File // closed by Close
	folder string  // name in the tree
	form   listForm
	page   list.Page

	hasTurn bool // it holds a turn as a long listing
	shared  bool // the entries are cached, so they must be copied before they are changed
	guarded bool // the process may lack permission to read files of the folder
}

type listForm uint8

const (
	formText listForm = iota
	formHTML
	formJSON
)

// listTypes maps each form to its media type.
var listTypes = [...]string{formText: textPlain, formHTML: textHTML, formJSON: "application/json"}

// listFolder returns a response with a listing of the folder, which it takes over.
func (f *FileResolver) listFolder(ctx context.Context, req *Request, folder string, o opened) (*Response, error) {
	l := f.newListing(req, folder)
	l.dir = o.file
	handedOn := false // to a response, which closes l
	defer func() {
		if !handedOn {
			l.Close()
		}
	}()
	// The folder is not read for HEAD: "a server MAY omit header fields for which a value is
	// determined only while generating the content." RFC 9110, section 9.3.2
	if req.isHead() {
		resp := Bytes(200, listTypes[l.form], nil)
		resp.kind = bodyOmitted
		return l.setFields(resp), nil
	}
	if err := l.read(ctx, req, o.info); err != nil {
		return nil, err
	}
	if len(l.page.Entries) > maxBufferedEntries {
		resp := StreamFunc(200, listTypes[l.form], l.writeTo)
		resp.src = &source{closer: l}
		handedOn = true
		return l.setFields(resp), nil
	}
	if err := l.statAll(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := l.writeTo(ctx, &b); err != nil {
		return nil, err
	}
	return l.setFields(buffered(listTypes[l.form], b.Bytes())), nil
}

// maxBufferedEntries is the most entries for which a listing is built in memory before
// it is sent, so that it has a Content-Length and an ETag. Longer listings are streamed: stat
// for each entry takes time, and the client should see the first rows soon.
const maxBufferedEntries = 200

// buffered returns the response for a listing in memory. Its entity tag is weak, since
// the bytes are generated for each request.
func buffered(mediaType string, b []byte) *Response {
	h := fnv.New64a()
	h.Write(b)
	return Content(Representation{
		MediaType: mediaType,
		Body:      struct{ io.Reader }{bytes.NewReader(b)}, // not a ReaderAt, so that there are no ranges
		Size:      int64(len(b)),
		ETag:      `W/"` + strconv.FormatUint(h.Sum64(), 36) + `"`,
	})
}

// newListing returns a listing set up by the query and fields of the request. It
// ignores unknown query parameters and values, since links from elsewhere often add some.
func (f *FileResolver) newListing(req *Request, folder string) *listing {
	l := &listing{files: f, folder: folder, page: list.Page{
		Path:  req.Prefix() + req.Path(),
		Depth: strings.Count(req.Path(), "/") - 1,
		Root:  cmp.Or(req.Prefix()[strings.LastIndexByte(req.Prefix(), '/')+1:], f.rootName, "root"),
	}}
	query := req.Query()
	for key, name := range list.KeyNames {
		if query.Get("sort") == name {
			l.page.Sort = list.Key(key)
		}
	}
	l.page.Desc = query.Get("order") == "desc"
	l.form = f.chooseForm(req, query.Get("format"))
	return l
}

// chooseForm chooses the form of a listing: the one in the query, or else the one preferred
// by the Accept field, or else the default set by WithListing. If no form is acceptable, it
// uses the default as well: a server can respond with 406, or "disregard the header field by
// treating the response as if it is not subject to content negotiation" (RFC 9110, section
// 12.4.1).
func (f *FileResolver) chooseForm(req *Request, asked string) listForm {
	first := formText
	offered := []listForm{formText, formJSON}
	if f.config.listing == ListHTML {
		first = formHTML
		offered = []listForm{formHTML, formText, formJSON}
	}
	names := [...]string{formText: "text", formHTML: "html", formJSON: "json"}
	h := req.Header()
	best, bestQ := first, 0
	for _, form := range offered {
		if names[form] == asked {
			return form
		}
		mediaType, _ := ascii.CutParam(listTypes[form])
		if q := acceptMedia(h, mediaType); q > bestQ { // of equal ones the first, which is the default
			best, bestQ = form, q
		}
	}
	return best
}

// setFields sets the fields common to all listings. Caches must revalidate a listing each
// time, and it has no Last-Modified, since the modification time of a folder does not change
// with its files.
func (l *listing) setFields(r *Response) *Response {
	r.Set("Cache-Control", "no-cache").Set("Vary", "Accept")
	if l.form == formHTML {
		r.Set("Content-Security-Policy", list.Policy).Set("Referrer-Policy", "same-origin")
	}
	return r
}

// read reads the names in the folder and sorts those that are listed. A name is listed
// exactly if Resolve would serve it.
func (l *listing) read(ctx context.Context, req *Request, info fs.FileInfo) error {
	_, onDisk := l.dir.(*os.File) // an embed.FS or zip.Reader has no permissions to check
	l.guarded = onDisk && !jail.ReadsAll()
	var err error
	if names := l.files.cache.names(req, info); names != nil {
		l.shared = true
		if err = l.takeTurn(ctx, len(names)); err == nil {
			l.add(names)
		}
	} else {
		cacher := l.files.cache.newFolderCacher(req, info)
		l.shared = cacher != nil
		err = l.readDisk(ctx, cacher)
	}
	if err != nil {
		return err
	}
	l.page.Order()
	return nil
}

// readDisk reads the names from the disk. If cacher is not nil, it also caches them.
func (l *listing) readDisk(ctx context.Context, cacher *folderCacher) error {
	for read := 0; !l.page.Truncated; { // once truncated, the rest is neither read nor cached
		if err := ctx.Err(); err != nil { // a folder may have millions of names
			return &StatusError{Status: 503, Err: err}
		}
		batch, err := l.files.tree.ReadDir(l.dir)
		read += len(batch)
		// The turn comes before the names are stored, or requests that wait would hold them.
		if turnErr := l.takeTurn(ctx, read); turnErr != nil {
			return turnErr
		}
		names := pointers(batch)
		cacher.add(names)
		l.add(names)
		if err == io.EOF {
			cacher.end()
			break
		}
		if err != nil {
			return jail.ReadError(&fs.PathError{Op: "list", Path: l.folder, Err: err})
		}
	}
	return nil
}

// pointers returns pointers to the entries, which stay in one block of memory.
func pointers(entries []jail.Entry) []*jail.Entry {
	p := make([]*jail.Entry, len(entries))
	for i := range entries {
		p[i] = &entries[i]
	}
	return p
}

// add adds the names that are listed, up to the limit.
func (l *listing) add(names []*jail.Entry) {
	if len(l.page.Entries)+len(names) > cap(l.page.Entries) { // append would grow by less, and so more often
		l.page.Entries = slices.Grow(l.page.Entries, max(len(names), len(l.page.Entries)))
	}
	for _, e := range names {
		if l.shared && (e.IsLink || l.page.Sort != list.ByName) { // stat would change the shared entry
			own := *e
			e = &own
		}
		if !l.mayList(e) {
			continue
		}
		if limit := l.files.config.maxListing; limit > 0 && len(l.page.Entries) == limit {
			l.page.Truncated = true
			return
		}
		l.page.Entries = append(l.page.Entries, e)
	}
}

// maxListings is the most long listings in progress. Each holds its names in memory, about
// 10 MB at the default WithMaxListing, for as long as the client takes to read it. Further
// ones wait up to listingWait; while any waits, a listing that has taken longer than
// slowListing is cut, so that slow clients cannot keep others out.
const (
	maxListings = 16
	listingWait = 5 * time.Second
	slowListing = 30 * time.Second
)

var errSlowListing = errors.New("rawhttp: listing cut: the client read slowly while others waited")

// takeTurn waits for a turn if the listing is, or may become, a long one. n is the number
// of names known so far.
func (l *listing) takeTurn(ctx context.Context, n int) error {
	if limit := l.files.config.maxListing; limit > 0 {
		n = min(n, limit)
	}
	if l.hasTurn || n <= maxBufferedEntries {
		return nil
	}
	select {
	case l.files.listTurns <- struct{}{}: // usually there is one, and no slow listing must be cut for it
		l.hasTurn = true
		return nil
	default:
	}
	l.files.waitingListings.Add(1) // makes writeTo cut slow listings
	defer l.files.waitingListings.Add(-1)
	timer := time.NewTimer(listingWait)
	defer timer.Stop()
	select {
	case l.files.listTurns <- struct{}{}:
		l.hasTurn = true
		return nil
	case <-timer.C:
		return busyError("too many long listings at once")
	case <-ctx.Done():
		return &StatusError{Status: 503, Err: ctx.Err()}
	}
}

// Close closes the folder and passes the turn to another listing.
func (l *listing) Close() error {
	l.dir.Close()
	if l.hasTurn {
		<-l.files.listTurns
	}
	return nil
}

// mayList reports whether an entry is listed. For a link, its target decides. In a listing sorted
// by name, stat is called for other entries only when they are written, so that the client sees
// the first rows of a long listing sooner.
func (l *listing) mayList(e *jail.Entry) bool {
	switch {
	case l.files.allowEntry(l.folder, e.Name) != nil, l.guarded && !l.files.tree.MayRead(l.dir, l.folder, e):
		return false
	case e.IsLink:
		return l.stat(e) == nil && (e.IsFolder || l.files.allowLink(jail.Join(l.folder, e.Name)) == nil)
	case l.page.Sort == list.ByName:
		if l.form == formText && e.D != nil { // to save memory; cached entries, which must not change, have none
			e.D = nil
		}
		return true
	}
	return l.stat(e) == nil
}

// stat adds what a listing needs beyond the name.
func (l *listing) stat(e *jail.Entry) error {
	if e.Stated {
		return nil
	}
	if !e.IsLink { // then it is in the open folder, and StatEntry need not look up the path
		if err := l.files.tree.StatEntry(l.dir, e); err != nil {
			return jail.TreeError(err)
		}
		return nil
	}
	info, err := l.files.tree.Stat(jail.Join(l.folder, e.Name))
	if err != nil {
		return jail.TreeError(err)
	}
	e.Set(info.IsDir(), info.Size(), jail.ModTime(info))
	return nil
}

// statAll calls stat for all entries, and drops those that no longer exist.
func (l *listing) statAll() error {
	if l.form == formText {
		return nil
	}
	there := l.page.Entries[:0]
	for _, e := range l.page.Entries {
		own := *e // a copy, since the entry may be shared by the cache
		err := l.stat(&own)
		if err == nil {
			there = append(there, &own)
		} else if StatusOf(err) >= 500 { // a fault of the disk must not look like a removed file
			return err
		}
	}
	l.page.Entries = there
	return nil
}

// listFlush is how many bytes of a listing are collected for one write. The first write should
// come early, and after it larger pieces save little.
const listFlush = 16 << 10

// writeTo writes the listing in its form.
func (l *listing) writeTo(ctx context.Context, w io.Writer) error {
	var form list.Form
	switch l.form {
	case formHTML:
		form = l.files.config.htmlForm(l.files.config.mediaType)
	case formJSON:
		form = &list.JSON{}
	default:
		form = list.Text{}
	}
	begin := time.Now()
	scratch := scratchPool.Get().(*[scratchSize]byte)
	defer scratchPool.Put(scratch)
	b := form.Begin(scratch[:0], &l.page)
	var e jail.Entry // a copy: the results of stat are not kept, to save memory
	for i := range l.page.Entries {
		e = *l.page.Entries[i]
		if l.form != formText {
			if err := l.stat(&e); err != nil {
				if StatusOf(err) >= 500 {
					return err
				}
				l.page.Dropped++
				continue
			}
		}
		b = form.Entry(b, &e)
		if len(b) < listFlush {
			continue
		}
		if l.files.waitingListings.Load() > 0 && time.Since(begin) > slowListing {
			return errSlowListing
		}
		if err := ctx.Err(); err != nil { // stop asking the disk for what nobody will read
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		b = b[:0]
	}
	_, err := w.Write(form.End(b, &l.page))
	return err
}
