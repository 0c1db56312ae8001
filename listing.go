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
	"unicode/utf8"

	"example.com/rawhttp/internal/jail"
)

// shownName is the name as it stands in a listing.
func shownName(e *jail.Entry) string {
	if e.IsFolder {
		return displayName(e.Name) + "/"
	}
	return displayName(e.Name)
}

// hrefOf is a reference to the entry from its folder. The dot in front keeps a colon
// from making a scheme of it.
func hrefOf(e *jail.Entry) string {
	if e.IsFolder {
		return "./" + escapePath(e.Name) + "/"
	}
	return "./" + escapePath(e.Name)
}

// A listing is a folder as a request asks to see it.
type listing struct {
	files  *FileResolver
	dir    fs.File
	folder string // name in the tree
	path   string // as the client knows it, with a slash at its end
	depth  int    // how many folders above it may be shown
	root   string // name of the topmost of them
	form   listForm
	sort   sortKey
	desc   bool

	entered   bool          // it is one of the long listings
	shared    bool          // the names are kept, for others too: what is found out goes into copies
	guarded   bool          // files of the folder may have permissions that keep us out
	entries   []*jail.Entry // pointers, so that sorting swaps words by code that is linked anyway
	truncated bool
	dropped   int // entries that were gone when they were to be written
}

type listForm uint8

const (
	formText listForm = iota
	formHTML
	formJSON
)

// listTypes are the media types of the forms.
var listTypes = [...]string{formText: textPlain, formHTML: textHTML, formJSON: "application/json"}

// list answers with a listing of the folder, which it takes over.
func (f *FileResolver) list(ctx context.Context, req *Request, folder string, o opened) (*Response, error) {
	l := f.newListing(req, folder)
	l.dir = o.file
	handedOn := false
	defer func() {
		if !handedOn {
			l.Close()
		}
	}()
	if req.isHead() { // the folder is not read (RFC 9110, section 9.3.2)
		resp := Bytes(200, listTypes[l.form], nil)
		resp.headOnly = true
		return l.fields(resp), nil
	}
	if err := l.read(ctx, req, o.info); err != nil {
		return nil, err
	}
	if len(l.entries) > maxBufferedEntries {
		resp := StreamFunc(200, listTypes[l.form], l.writeTo)
		resp.src = &source{closer: l}
		handedOn = true
		return l.fields(resp), nil
	}
	if err := l.statAll(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := l.writeTo(ctx, &b); err != nil {
		return nil, err
	}
	return l.fields(buffered(listTypes[l.form], b.Bytes())), nil
}

// maxBufferedEntries is how many entries are listed in memory first, so that the
// listing says its length and can be told from one that has changed.
const maxBufferedEntries = 200

// buffered makes the response of a listing in memory. The tag is weak, as the bytes
// are made anew each time.
func buffered(mediaType string, b []byte) *Response {
	h := fnv.New64a()
	h.Write(b)
	return Content(Representation{
		MediaType: mediaType,
		Body:      struct{ io.Reader }{bytes.NewReader(b)}, // no ranges of it
		Size:      int64(len(b)),
		ETag:      `W/"` + strconv.FormatUint(h.Sum64(), 36) + `"`,
	})
}

// newListing sees to what the request asks for. What it does not know it ignores.
func (f *FileResolver) newListing(req *Request, folder string) *listing {
	l := &listing{files: f, folder: folder, path: req.Prefix() + req.Path(), depth: strings.Count(req.Path(), "/") - 1}
	l.root = cmp.Or(req.Prefix()[strings.LastIndexByte(req.Prefix(), '/')+1:], f.rootName, "root")
	query := req.Query()
	for key, name := range sortNames {
		if query.Get("sort") == name {
			l.sort = sortKey(key)
		}
	}
	l.desc = query.Get("order") == "desc"
	l.form = f.form(req, query.Get("format"))
	return l
}

// form chooses the form of a listing: as the query asks, else as the Accept field
// prefers, else the one that WithListing names.
func (f *FileResolver) form(req *Request, asked string) listForm {
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
		mediaType, _ := cutParam(listTypes[form])
		if q := acceptMedia(h, mediaType); q > bestQ {
			best, bestQ = form, q
		}
	}
	return best
}

// fields sets the fields that go with every listing. It is to be asked for anew each
// time: the time of a folder does not tell of changes in its files.
func (l *listing) fields(r *Response) *Response {
	r.Set("Cache-Control", "no-cache").Set("Vary", "Accept")
	if l.form == formHTML {
		r.Set("Content-Security-Policy", listPolicy).Set("Referrer-Policy", "same-origin")
	}
	return r
}

// read gets the names of the folder that can be asked for and puts them in order. A
// name that is not listed is one that Resolve finds nothing at.
func (l *listing) read(ctx context.Context, req *Request, info fs.FileInfo) error {
	_, onDisk := l.dir.(*os.File)
	l.guarded = onDisk && !jail.ReadsAll()
	var err error
	if names := l.files.kept.names(req, info); names != nil {
		l.shared = true
		if err = l.enter(ctx, len(names)); err == nil {
			l.add(names)
		}
	} else {
		keep := l.files.kept.folder(req, info)
		l.shared = keep != nil
		err = l.readDisk(ctx, keep)
	}
	if err != nil {
		return err
	}
	l.order()
	return nil
}

// readDisk reads the names from the disk, and has them kept if keep is not nil.
func (l *listing) readDisk(ctx context.Context, keep *keptFolder) error {
	for read := 0; !l.truncated; {
		if err := ctx.Err(); err != nil {
			return &StatusError{Status: 503, Err: err}
		}
		batch, err := l.files.tree.ReadDir(l.dir)
		read += len(batch)
		if enterErr := l.enter(ctx, read); enterErr != nil {
			return enterErr
		}
		names := pointers(batch)
		keep.add(names)
		l.add(names)
		if err == io.EOF {
			keep.end()
			break
		}
		if err != nil {
			return jail.ReadError(&fs.PathError{Op: "list", Path: l.folder, Err: err})
		}
	}
	return nil
}

func pointers(entries []jail.Entry) []*jail.Entry {
	p := make([]*jail.Entry, len(entries))
	for i := range entries {
		p[i] = &entries[i]
	}
	return p
}

// add takes in those that are listed, up to the limit.
func (l *listing) add(names []*jail.Entry) {
	if len(l.entries)+len(names) > cap(l.entries) { // append would grow by less, and so more often
		l.entries = slices.Grow(l.entries, max(len(names), len(l.entries)))
	}
	for _, e := range names {
		if l.shared && (e.IsLink || l.sort != byName) { // more is found out of it
			own := *e
			e = &own
		}
		if !l.lists(e) {
			continue
		}
		if limit := l.files.config.maxListing; limit > 0 && len(l.entries) == limit {
			l.truncated = true
			return
		}
		l.entries = append(l.entries, e)
	}
}

// maxListings is how many long listings there are at once: each keeps its names in
// memory for as long as its client takes. More wait for listingWait; while any does,
// one whose client has taken longer than slowListing is cut.
const (
	maxListings = 16
	listingWait = 5 * time.Second
	slowListing = 30 * time.Second
)

var errSlowListing = errors.New("rawhttp: a listing took long to be read, and others waited")

// enter waits for its turn if the listing is a long one, or may be: it has n names to
// look at.
func (l *listing) enter(ctx context.Context, n int) error {
	if limit := l.files.config.maxListing; limit > 0 {
		n = min(n, limit)
	}
	if l.entered || n <= maxBufferedEntries {
		return nil
	}
	l.files.waiting.Add(1)
	defer l.files.waiting.Add(-1)
	timer := time.NewTimer(listingWait)
	defer timer.Stop()
	select {
	case l.files.listings <- struct{}{}:
		l.entered = true
		return nil
	case <-timer.C:
		return busyError("too many long listings at once")
	case <-ctx.Done():
		return &StatusError{Status: 503, Err: ctx.Err()}
	}
}

// Close closes the folder and lets another listing in.
func (l *listing) Close() error {
	l.dir.Close()
	if l.entered {
		<-l.files.listings
	}
	return nil
}

// lists reports whether an entry is listed. Of links it is their target that counts.
func (l *listing) lists(e *jail.Entry) bool {
	switch {
	case l.files.allowEntry(l.folder, e.Name) != nil, l.guarded && !l.files.tree.MayRead(l.dir, l.folder, e):
		return false
	case e.IsLink:
		return l.stat(e) == nil && (e.IsFolder || l.files.allowLink(jail.Join(l.folder, e.Name)) == nil)
	case l.sort == byName:
		if l.form == formText && e.D != nil { // which no entry has that is kept
			e.D = nil
		}
		return true
	}
	return l.stat(e) == nil
}

// stat finds out what the name alone does not tell.
func (l *listing) stat(e *jail.Entry) error {
	if e.Stated {
		return nil
	}
	if !e.IsLink {
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

// statAll finds out what the names alone do not tell, and drops those that are gone.
func (l *listing) statAll() error {
	if l.form == formText {
		return nil
	}
	there := l.entries[:0]
	for _, e := range l.entries {
		own := *e // it may be kept, for others too
		err := l.stat(&own)
		if err == nil {
			there = append(there, &own)
		} else if StatusOf(err) >= 500 {
			return err
		}
	}
	l.entries = there
	return nil
}

// listFlush is how much of a listing leaves at once, in bytes.
const listFlush = 16 << 10

// A listWriter appends a listing in one form.
type listWriter interface {
	begin(b []byte, l *listing) []byte
	entry(b []byte, e *jail.Entry) []byte
	end(b []byte, l *listing) []byte
}

// writeTo writes the listing in its form.
func (l *listing) writeTo(ctx context.Context, w io.Writer) error {
	var form listWriter
	switch l.form {
	case formHTML:
		form = l.files.config.page()
	case formJSON:
		form = &listJSON{}
	default:
		form = listText{}
	}
	begin := time.Now()
	scratch := scratchPool.Get().(*[scratchSize]byte)
	defer scratchPool.Put(scratch)
	b := form.begin(scratch[:0], l)
	var e jail.Entry // a copy: what is found out now need not be kept
	for i := range l.entries {
		e = *l.entries[i]
		if l.form != formText {
			if err := l.stat(&e); err != nil {
				if StatusOf(err) >= 500 {
					return err
				}
				l.dropped++
				continue
			}
		}
		b = form.entry(b, &e)
		if len(b) < listFlush {
			continue
		}
		if l.files.waiting.Load() > 0 && time.Since(begin) > slowListing {
			return errSlowListing
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		b = b[:0]
	}
	_, err := w.Write(form.end(b, l))
	return err
}

// listText is a listing as text: one name a line, folders with a slash.
type listText struct{}

func (listText) begin(b []byte, l *listing) []byte { return b }

func (listText) entry(b []byte, e *jail.Entry) []byte {
	return append(append(b, shownName(e)...), '\n')
}

func (listText) end(b []byte, l *listing) []byte {
	if l.truncated {
		b = append(b, "/... and more\n"...) // no name has a slash in front
	}
	return b
}

// displayName is a file name as it can be shown: what is not UTF-8, moves the
// cursor, forges a line or changes the direction of the text becomes U+FFFD.
func displayName(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || isBidiControl(r) || r == 0x2028 || r == 0x2029 {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(name, string(utf8.RuneError)))
}

// timeOf is when an entry was changed, in UTC.
func timeOf(e *jail.Entry) time.Time { return time.Unix(e.Sec, int64(e.Nsec)).UTC() }
