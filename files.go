package rawhttp

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.com/rawhttp/internal/jail"
)

// A FileResolver serves the regular files and folders of a tree. [Dir] and [FS] return one.
// It may be used concurrently.
//
// It answers GET and HEAD; scripts also answer POST and the methods of [WithScriptMethods].
// Other known methods are answered with 405, unknown ones with 501, and OPTIONS with 204.
// For a folder, it serves the index file or a listing; the path of a folder without a final
// slash is redirected to the path with one. For hidden names, and for anything that is
// neither a regular file nor a folder, it returns [fs.ErrNotExist], as if they did not
// exist. Every response has the field X-Content-Type-Options: nosniff.
type FileResolver struct {
	tree            jail.Tree
	rootName        string // name of the root in listings, or ""
	config          fileConfig
	scripts         scriptRunner                       // nil if no scripts are run
	links           jail.LinkReader                    // the tree, if it may have scripts
	listTurns       chan struct{}                      // one element per long listing in progress
	waitingListings atomic.Int32                       // long listings waiting for a turn
	tagOf           func(*FileResolver, opened) string // returns the entity tag of a file without a time; may be nil
	tags            sync.Map                           // of embedded files: from name to entity tag
	cache           fileCache
}

// Dir returns a resolver for the folder root and everything below it. No name leads
// outside: a symbolic link is followed only if its target is relative and inside. Dir opens
// root; [FileResolver.Close] closes it. The error joins all mistakes found in the options.
//
// Dir follows the path of the root. When the path leads to another folder, because a build tool
// recreated the folder or a link was switched, the new folder is served within a second, and at
// once if the old one was removed or scripts are enabled. While the path leads to no folder,
// the open one is still served; scripts, which are run by their path, wait up to a second for
// the new one.
//
// On Linux on amd64 and arm64, if openat2 is permitted, files of up to 64 KiB and the names in
// folders of up to about 100,000 are cached in memory, up to 16 MiB in all; a file counts as
// twice its size. Each request asks the system whether the name still leads to the same file or
// folder, unchanged, so the first request after a change sees it. A change is noticed up to 2
// seconds late if the system records the time of the change before its bytes, as for a file
// mapped into memory, or records no time, as for folders in /proc. With [WithScript] or
// [WithPrecompressed] nothing is cached.
//
// On a system that ignores case in names, names that differ only by case lead to the same
// file.
func Dir(root string, opts ...FileOption) (*FileResolver, error) {
	f, err := openDir(root, opts)
	if err != nil {
		return nil, fmt.Errorf("rawhttp: Dir: %w", err)
	}
	return f, nil
}

func openDir(root string, opts []FileOption) (*FileResolver, error) {
	config, err := newFileConfig(opts)
	pause := rootPause
	if config.script.open != nil {
		pause = 0 // scripts are run by path, which must lead to the open folder
	}
	opened, openErr := jail.OpenRoot(root, pause) // despite err, to report all mistakes at once
	var scripts scriptRunner
	var scriptErr error
	if config.script.open != nil {
		scripts, scriptErr = config.script.open(config.script, root)
	}
	if err = errors.Join(err, openErr, scriptErr); err != nil {
		if openErr == nil {
			opened.Close()
		}
		return nil, err
	}
	f := &FileResolver{tree: opened, rootName: nameOfRoot(opened.Path()), config: config, scripts: scripts, links: opened, listTurns: make(chan struct{}, maxListings)}
	// A cached response is checked with one stat of its file, so it must depend on nothing else:
	// with scripts it depends on links, and with codings on sidecars.
	if scripts == nil && len(config.codings) == 0 && opened.Identifies() {
		f.cache.tree, f.cache.settles = opened, settledAge
	}
	return f, nil
}

// rootPause is how long to serve an open root before checking its path again.
const rootPause = time.Second

// nameOfRoot returns the last element of the absolute path of a folder, or "" for the root
// of a volume.
func nameOfRoot(path string) string {
	if filepath.Dir(path) == path {
		return ""
	}
	return filepath.Base(path)
}

// FS returns a resolver for fsys, such as an embed.FS, a *zip.Reader or a tree in memory.
// It serves fsys as [Dir] serves a folder, but fsys itself decides which names are valid
// and whether links may lead outside. Its files need not implement io.Seeker or
// io.ReaderAt; those that implement neither, such as those of a zip file, are served without
// ranges. The resolver calls Stat before it opens a file, so that a FIFO in an os.DirFS cannot
// block it.
//
// FS does not access fsys, so it does not notice that fsys has no root. Then every request is
// answered with 404. For example, [fs.Sub] returns such an fs.FS for a folder that does not exist.
func FS(fsys fs.FS, opts ...FileOption) (*FileResolver, error) {
	f, err := openFS(fsys, opts)
	if err != nil {
		return nil, fmt.Errorf("rawhttp: FS: %w", err)
	}
	return f, nil
}

func openFS(fsys fs.FS, opts []FileOption) (*FileResolver, error) {
	config, err := newFileConfig(opts)
	if fsys == nil {
		err = errors.Join(err, errors.New("the fs.FS is nil"))
	}
	if config.script.open != nil {
		err = errors.Join(err, errors.New("WithScript: scripts in an fs.FS cannot be run; use a folder of the system"))
	}
	if err != nil {
		return nil, err
	}
	return &FileResolver{tree: &jail.FSTree{Fsys: fsys}, tagOf: (*FileResolver).contentTag, config: config, listTurns: make(chan struct{}, maxListings)}, nil
}

// Close closes the tree and ends processes that scripts left running. Requests in progress
// finish; later ones are answered with 503.
func (f *FileResolver) Close() error {
	if f.scripts != nil {
		f.scripts.close()
	}
	return f.tree.Close()
}

// Resolve returns a response with the file or folder that the path names.
func (f *FileResolver) Resolve(ctx context.Context, req *Request) (*Response, error) {
	encodedSlash := req.endsInEncodedSlash()
	if resp := f.cache.get(req); resp != nil && !encodedSlash {
		return resp, nil
	}
	t, err := f.find(req)
	if err != nil {
		return nil, err
	}
	noSlash := t.info.IsDir() && !t.isFolder || t.isFolder && encodedSlash // as the client sees the path
	if t.isScript && !noSlash {
		return f.scripts.answer(ctx, f, req, t)
	}
	if err := allowMethod(req, fileMethods...); err != nil { // only now: a missing file is 404 for every method
		t.file.Close()
		return nil, err
	}
	switch {
	case noSlash:
		t.file.Close() // the relative links of a page would lead elsewhere
		return noSniff(toFolder(req)), nil
	case t.info.IsDir():
		return f.answerFolder(ctx, req, t)
	}
	return f.answerFile(req, t)
}

// A target is the open file or folder that a request path leads to.
type target struct {
	opened
	isScript bool
	pathInfo string // the part of the path after the script
	asked    string // the name in the tree that the path maps to; opened.name may be its index file
	isFolder bool   // the path ends in a slash, and so names a folder
}

// find opens the target of the request.
func (f *FileResolver) find(req *Request) (t target, err error) {
	if f.scripts != nil && f.config.script.pathInfo { // first, since the rules for names do not apply to the path after a script
		t.opened, t.pathInfo, err = f.scripts.openAbove(f, req.Path())
		if err != nil || t.file != nil {
			t.isScript = true
			return t, err
		}
	}
	if t.asked, t.isFolder, err = f.nameOf(req.Path()); err != nil {
		return t, err
	}
	t.opened, err = f.open(t.asked, t.isFolder)
	if err == nil && t.info.IsDir() && !t.isFolder && req.isAtFolder() {
		t.file.Close() // a wrapping resolver has replaced the client's path, which ends in a slash
		t.isFolder = true
		t.opened, err = f.open(t.asked, true)
	}
	if err != nil {
		return t, err
	}
	t.isScript = f.scripts != nil && !t.info.IsDir() && f.scripts.isScript(t.name)
	return t, nil
}

// answerFile returns a response with a file. It caches the response if the path alone
// determines it.
func (f *FileResolver) answerFile(req *Request, t target) (*Response, error) {
	resp, err := f.fileResponse(req, t.opened)
	if err == nil && f.pathDetermines(req.Path(), t.asked, t.name) {
		resp = f.cache.addFile(req, t.opened, resp)
	}
	return resp, err
}

// answerFolder returns a response with the listing of a folder.
func (f *FileResolver) answerFolder(ctx context.Context, req *Request, t target) (*Response, error) {
	resp, err := f.listFolder(ctx, req, t.asked, t.opened)
	if err != nil {
		return nil, jail.TreeError(err)
	}
	return noSniff(resp), nil
}

// allowLink rejects a name that would reveal the source of a script.
func (f *FileResolver) allowLink(name string) error {
	if f.scripts == nil {
		return nil
	}
	return f.scripts.allowLink(f, name)
}

// pathDetermines reports whether path, which maps to name, always leads to file: file is name
// itself, or the first index file of the folder. Another index file does not count, since one that
// precedes it may be created.
func (f *FileResolver) pathDetermines(path, name, file string) bool {
	if file == name {
		return true
	}
	return strings.HasSuffix(path, "/") && len(f.config.index) > 0 && file == jail.Join(name, f.config.index[0])
}

// An opened is an open file or folder of the tree.
type opened struct {
	name   string
	file   fs.File
	info   fs.FileInfo
	coding string // content coding of the file, or ""
}

// open opens the file or folder of that name. With a slash, the name must be a folder, and
// open returns its index file, or the folder itself if it may be listed.
func (f *FileResolver) open(name string, slash bool) (opened, error) {
	o, err := f.openName(name)
	if err != nil || !slash {
		return o, err
	}
	if !o.info.IsDir() {
		o.file.Close()
		return opened{}, jail.NotExist(name, "is not a folder")
	}
	index, err := f.openIndex(name)
	if index.file == nil && err == nil && f.config.listing != ListNone {
		return o, nil
	}
	o.file.Close()
	if index.file == nil && err == nil {
		err = jail.NotExist(name, "is not listed")
	}
	return index, err
}

// openIndex opens the first index file that exists in the folder. Without one it returns no
// file and no error. The owner has chosen the names, so they may be hidden ones.
func (f *FileResolver) openIndex(folder string) (opened, error) {
	for _, index := range f.config.index {
		o, err := f.openName(jail.Join(folder, index))
		switch {
		case errors.Is(err, fs.ErrNotExist): // or it is a link to a script
		case err != nil: // not skipped: a listing, or another page, would stand in for this one
			return opened{}, err
		case o.info.IsDir():
			o.file.Close()
		default:
			return o, nil
		}
	}
	return opened{}, nil
}

// openName opens a name in the tree, except an alias of another name, or a link that would
// reveal the source of a script.
func (f *FileResolver) openName(name string) (opened, error) {
	file, info, err := f.tree.Open(name)
	if err != nil {
		return opened{}, err
	}
	if jail.MayBeAlias(name) && !jail.IsSpelled(f.tree, name) { // checked only if the name exists, since it reads folders
		err = jail.NotExist(name, "is spelled differently in its folder")
	} else if !info.IsDir() {
		err = f.allowLink(name)
	}
	if err != nil {
		file.Close()
		return opened{}, err
	}
	return opened{name: name, file: file, info: info}, nil
}

// nameOf converts a decoded, clean path to a name in the tree, and reports whether the path
// names a folder.
func (f *FileResolver) nameOf(path string) (name string, isFolder bool, err error) {
	if !strings.HasPrefix(path, "/") { // such as "*", or what a resolver has set
		return "", false, jail.NotExist(path, "is not a path")
	}
	name, isFolder = strings.CutSuffix(path[1:], "/")
	if name == "" {
		return ".", true, nil
	}
	if !f.tree.ValidName(name) {
		return "", false, jail.NotExist(name, "is not a name of the tree")
	}
	return name, isFolder, f.allowName(name)
}

// allowMethod returns an error unless the method is GET or HEAD. methods are those for the Allow
// field that a 405 must have (RFC 9110, section 15.5.6).
func allowMethod(req *Request, methods ...string) error {
	if req.isGet() || req.isHead() {
		return nil
	}
	return refuseMethod(req, methods)
}

// allowName rejects names that are never served, whether or not they exist.
func (f *FileResolver) allowName(name string) error {
	asked := name
	name = jail.FoldName(name)
	switch {
	case name != asked && jail.HasDots(name): // asked is clean, but ignored characters may separate its dots
		return jail.NotExist(name, "may lead to another folder")
	case !f.config.dotFiles && jail.HasHidden(name):
		return jail.NotExist(name, "is hidden")
	case f.scripts != nil && f.scripts.hides(name):
		return jail.NotExist(name, "is the source of a script")
	}
	return nil
}

// allowEntry rejects entries of a folder that are not listed.
func (f *FileResolver) allowEntry(folder, name string) error {
	if folder != "." && name == jail.WellKnown {
		name = folder + "/" + name // hidden anywhere but at the top
	}
	if !f.tree.ValidName(name) {
		return jail.NotExist(name, "is not a name of the tree")
	}
	return f.allowName(name)
}

// fileResponse returns a response with an open regular file, which it takes over.
func (f *FileResolver) fileResponse(req *Request, o opened) (*Response, error) {
	mediaType := f.config.mediaType(o.name)
	if len(f.config.codings) > 0 {
		var err error
		if o, err = f.config.chooseCoding(f, req, o); err != nil {
			return nil, err
		}
	}
	rep := fileRepresentation(o.file, o.info, mediaType)
	if rep.ModTime.IsZero() && f.tagOf != nil {
		rep.ETag = f.tagOf(f, o)
	}
	rep.ETag = codedTag(rep.ETag, o.coding)
	resp := Content(rep)
	_, resp.atStart = o.file.(*os.File)
	if o.coding != "" {
		resp.Set("Content-Encoding", o.coding)
	}
	if len(f.config.codings) > 0 { // on every file: a sidecar may appear later (RFC 9110, section 12.5.5)
		resp.Set("Vary", "Accept-Encoding")
	}
	if value := f.config.cacheControl(req.Path()); value != "" {
		resp.Set("Cache-Control", value)
	}
	return noSniff(resp), nil
}

// contentTag returns an entity tag computed from the content of an embedded file, which has
// no modification time and cannot change. It computes the tag once per name. For any other
// file it returns "".
func (f *FileResolver) contentTag(o opened) string {
	t := reflect.TypeOf(o.file) // package embed does not export the type
	if t.Kind() != reflect.Pointer || t.Elem().PkgPath() != "embed" {
		return ""
	}
	if tag, ok := f.tags.Load(o.name); ok {
		return tag.(string)
	}
	at, ok := o.file.(io.ReaderAt)
	if !ok {
		return ""
	}
	h := fnv.New128a()
	if _, err := io.Copy(h, io.NewSectionReader(at, 0, o.info.Size())); err != nil {
		return ""
	}
	tag := fmt.Sprintf("\"%x\"", h.Sum(nil))
	f.tags.Store(strings.Clone(o.name), tag) // cloned, so that the head of the request is not retained
	return tag
}

// File returns a response with an open file, which it takes over: the file is closed with
// the Response, or at once if there is an error. Size, time and validators are those of the
// file; the media type follows from its name, by the table that [Dir] uses. f need not
// implement io.Seeker, but if it implements neither that nor io.ReaderAt, there are no ranges.
// For anything but a regular file the error wraps [fs.ErrInvalid].
func File(f fs.File) (*Response, error) {
	info, err := f.Stat()
	if err == nil && !jail.IsFile(info.Mode()) {
		err = &fs.PathError{Op: "serve", Path: info.Name(), Err: fs.ErrInvalid}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return Content(fileRepresentation(f, info, mediaTypeByName(info.Name()))), nil
}

// fileRepresentation returns the Representation of an open regular file. mediaType may be
// "".
func fileRepresentation(f fs.File, info fs.FileInfo, mediaType string) Representation {
	mod := jail.ModTime(info)
	if !isRealTime(mod) {
		mod = time.Time{}
	}
	return Representation{
		MediaType: mediaType,
		Body:      f,
		Size:      info.Size(),
		ModTime:   mod,
		ETag:      fileETag(mod, info.Size(), time.Now()),
	}
}

// isRealTime reports whether t can distinguish versions of a file. Reproducible builds set
// the same time on all files.
func isRealTime(t time.Time) bool {
	switch t.Unix() {
	case 0, 1, // the first seconds of Unix time
		firstZipTime, firstZipTime + 1, // the latter is set by Cloud Native Buildpacks
		npmTime:
		return false
	}
	return true
}

const (
	firstZipTime = 315532800 // 1980-01-01 00:00:00 UTC
	npmTime      = 499162500 // 1985-10-26 08:15:00 UTC, set on every file of an npm package
)

// fileETag returns the entity tag of a file, made from its modification time and size, or
// "" without a time. The tag is weak as long as the file may change again without a change
// of either: "This weakness might be due to limitations in how the value is calculated (e.g.,
// clock resolution)". RFC 9110, section 8.8.1.
func fileETag(mod time.Time, size int64, now time.Time) string {
	if mod.IsZero() {
		return ""
	}
	b := make([]byte, 0, 32)
	if now.Sub(mod) < settledAge {
		b = append(b, "W/"...)
	}
	b = append(b, '"')
	b = strconv.AppendInt(b, mod.UnixNano(), 36)
	b = append(b, '-')
	b = strconv.AppendInt(b, size, 36)
	return string(append(b, '"'))
}
