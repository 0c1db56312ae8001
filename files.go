package rawhttp

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/rawhttp/internal/jail"
)

// A FileResolver serves the regular files and folders of a tree. [Dir] and [FS] return one.
// It may be used concurrently.
//
// It answers GET and HEAD; scripts also answer POST and the methods of [WithScriptMethods].
// Other known methods are answered with 405, unknown ones with 501, and OPTIONS with 204.
// A folder is answered with its index file or its listing; a path of a folder without a
// final slash is redirected. Hidden names, and anything that is neither a regular file nor a
// folder, are [fs.ErrNotExist], as if they did not exist. Every response has the field
// X-Content-Type-Options: nosniff.
type FileResolver struct {
	tree     jail.Tree
	rootName string // what a listing calls the root, "" if it has no name
	config   fileConfig
	scripts  scriptRunner    // nil: none are run
	links    jail.LinkReader // of the tree that has scripts
	listings chan struct{}   // holds one for each long listing
	waiting  atomic.Int32    // long listings without a turn
	tags     sync.Map        // of embedded files: name to entity tag
	cache    fileCache
}

// Dir serves the folder root and what is below it. Nothing outside can be named: a
// symbolic link is followed only if its target is relative and inside. It opens
// root, which [FileResolver.Close] closes. It reports every mistake in the options, joined.
//
// The root is followed: when its path names another folder, because a build tool made the
// folder again or a link was switched, that one is served within a second, and at once if
// the old one was removed or scripts are run. While the path names no folder, the one that is
// open is served; scripts are run by their path, and wait up to a second for the next.
//
// On Linux, on amd64 and arm64 and where openat2 may be used, files of up to 64 KiB,
// and the names in folders, of one up to about 100,000, are kept in memory: up to 16 MiB
// in all, where a file counts twice its size. They are answered from there as long as the
// system says that the name leads to the same file or folder in the same state: each
// request asks, so the first behind a change sees it. Where a system notes the time of a
// change before its bytes are there, as for a file that is mapped into memory, or notes
// none, as for folders of /proc, 2 seconds can pass. With [WithScript] or
// [WithPrecompressed] nothing is kept.
//
// Names that differ only by case are one file where the system thinks so.
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
		pause = 0 // scripts run by their path, which must lead to what is open
	}
	opened, openErr := openRootAt(root, pause)
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
	f := &FileResolver{tree: opened, rootName: nameOfRoot(opened.path), config: config, scripts: scripts, links: opened, listings: make(chan struct{}, maxListings)}
	if scripts == nil && len(config.codings) == 0 && opened.identifies() {
		f.cache.tree = opened
	}
	return f, nil
}

// nameOfRoot returns the last element of the absolute path of a folder, "" for a whole disk.
func nameOfRoot(path string) string {
	if filepath.Dir(path) == path {
		return ""
	}
	return filepath.Base(path)
}

// FS serves fsys, as Dir does a folder: an embed.FS, a *zip.Reader, a tree in
// memory. What cannot be named, and whether links lead out, is fsys's to see to. Its
// files need not be able to seek. FS asks for a file's mode before it opens it, so
// that a FIFO in an os.DirFS hangs nothing.
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
		err = errors.Join(err, errors.New("there is no file system"))
	}
	if config.script.open != nil {
		err = errors.Join(err, errors.New("WithScript: the system runs scripts of its own folders only, not of an fs.FS"))
	}
	if err != nil {
		return nil, err
	}
	return &FileResolver{tree: &jail.FsTree{Fsys: fsys}, config: config, listings: make(chan struct{}, maxListings)}, nil
}

// Close closes the tree, and ends what scripts have left behind. Requests in
// progress finish; later ones are answered with 503.
func (f *FileResolver) Close() error {
	if f.scripts != nil {
		f.scripts.close()
	}
	return f.tree.Close()
}

// Resolve answers with the file or folder that the path names.
func (f *FileResolver) Resolve(ctx context.Context, req *Request) (*Response, error) {
	if resp := f.cache.get(req); resp != nil {
		return resp, nil
	}
	t, err := f.find(req)
	if err != nil {
		return nil, err
	}
	if t.isScript {
		return f.run(ctx, req, t)
	}
	if err := allowMethod(req, fileMethods...); err != nil { // what is not there has no methods
		t.file.Close()
		return nil, err
	}
	switch {
	case !t.info.IsDir():
		return f.answerFile(req, t)
	case t.isFolder:
		return f.answerFolder(ctx, req, t)
	}
	t.file.Close()
	return noSniff(toFolder(req)), nil
}

// A target is what the path of a request leads to, open.
type target struct {
	opened
	isScript bool
	pathInfo string // what follows a script in the path
	asked    string // the name in the tree that the path stands for; opened has that of an index file
	isFolder bool   // the path names a folder, by its final slash
}

// find opens what the path of the request leads to.
func (f *FileResolver) find(req *Request) (t target, err error) {
	if f.scripts != nil && f.config.script.pathInfo {
		t.opened, t.pathInfo, err = f.openAbove(req.Path())
		if err != nil || t.file != nil {
			t.isScript = true
			return t, err
		}
	}
	if t.asked, t.isFolder, err = f.name(req.Path()); err != nil {
		return t, err
	}
	t.opened, err = f.open(t.asked, t.isFolder)
	if err == nil && t.info.IsDir() && !t.isFolder && req.isAtFolder() {
		t.file.Close() // a wrapping resolver has put a folder's path in the place of another's
		t.isFolder = true
		t.opened, err = f.open(t.asked, true)
	}
	if err != nil {
		return t, err
	}
	t.isScript = f.scripts != nil && !t.info.IsDir() && f.scripts.isScript(t.name)
	return t, nil
}

// answerFile answers with a file, and keeps the response if the path alone decides it.
func (f *FileResolver) answerFile(req *Request, t target) (*Response, error) {
	resp, err := f.serve(req, t.opened)
	if err == nil && f.isSettledBy(req.Path(), t.asked, t.name) {
		resp = f.cache.keep(req, t.opened, resp)
	}
	return resp, err
}

// answerFolder answers with the listing of a folder.
func (f *FileResolver) answerFolder(ctx context.Context, req *Request, t target) (*Response, error) {
	resp, err := f.list(ctx, req, t.asked, t.opened)
	if err != nil {
		return nil, jail.TreeError(err)
	}
	return noSniff(resp), nil
}

// maxRootGap is how long the path of the root may name no folder without harm to scripts,
// which are run by their path: as long as a folder is put into the place of another.
const maxRootGap = time.Second

// run answers with what a script prints. Where the root is being replaced it waits for the
// next.
func (f *FileResolver) run(ctx context.Context, req *Request, t target) (*Response, error) {
	const pause = 10 * time.Millisecond
	resp, err := f.scripts.resolve(ctx, req, t.opened, t.pathInfo)
	for end := time.Now().Add(maxRootGap); errors.Is(err, errScriptMoved) && time.Now().Before(end); {
		time.Sleep(pause)
		again, openErr := f.open(t.name, false)
		if openErr != nil {
			return nil, openErr
		}
		resp, err = f.scripts.resolve(ctx, req, again, t.pathInfo)
	}
	return resp, err
}

// allowLink refuses a name that is no script's but a link to one: that would give the
// source away. It looks where links lead by their text; whether they may lead there was
// seen to by who opened the file.
func (f *FileResolver) allowLink(name string) error {
	const maxLinks = 40 // as Linux has it
	if f.scripts == nil || f.scripts.isScript(name) {
		return nil
	}
	for range maxLinks {
		target, err := f.links.Readlink(name)
		switch {
		case errors.Is(err, syscall.EINVAL): // no link
			return nil
		case err != nil:
			return jail.TreeError(err)
		case f.scripts.isScript(target), f.scripts.hides(target):
			return jail.NotExist(name, "leads to a script")
		case mayBeAlias(target) && !f.isSpelled(path.Join(path.Dir(name), target)):
			return jail.NotExist(name, "leads to a name that is spelled otherwise in its folder")
		}
		name = name[:strings.LastIndexByte(name, '/')+1] + target // as it is: a ".." behind a link leads elsewhere
	}
	return jail.NotExist(name, "is behind too many links")
}

// isSettledBy reports whether the path alone, which stands for name, says that the file
// is what it leads to: by its name, or as the index file that is looked for first.
func (f *FileResolver) isSettledBy(path, name, file string) bool {
	if file == name {
		return true
	}
	return strings.HasSuffix(path, "/") && len(f.config.index) > 0 && file == jail.Join(name, f.config.index[0])
}

// openAbove opens the script at the beginning of path, and returns what follows it. It opens
// nothing if path has no script in front of a slash. What follows is not a name of the tree,
// so the rules for hidden names, sidecars and sources do not apply to it; but it is clean.
func (f *FileResolver) openAbove(path string) (o opened, rest string, err error) {
	if !f.tree.Names(strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")) {
		return opened{}, "", nil
	}
	for i := range len(path) {
		if path[i] != '/' || !f.scripts.isScript(path[:i]) {
			continue
		}
		name, _, err := f.name(path[:i])
		if err == nil {
			o, err = f.open(name, false)
		}
		switch {
		case err == nil && !o.info.IsDir():
			return o, path[i:], nil
		case err == nil:
			o.file.Close()
		case !errors.Is(err, fs.ErrNotExist):
			return opened{}, "", err
		}
	}
	return opened{}, "", nil
}

// An opened is a file or folder of the tree that was opened.
type opened struct {
	name   string
	file   fs.File
	info   fs.FileInfo
	coding string // content coding of the file, "" for none
}

// open opens what a name stands for, which with a slash behind it must be a
// folder: its index file, or itself if it is listed.
func (f *FileResolver) open(name string, slash bool) (opened, error) {
	o, err := f.openName(name)
	if err != nil || !slash {
		return o, err
	}
	if !o.info.IsDir() {
		o.file.Close()
		return opened{}, jail.NotExist(name, "is no folder")
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

// openIndex opens the first index file that the folder has. It returns no file and no
// error if it has none.
func (f *FileResolver) openIndex(folder string) (opened, error) {
	for _, index := range f.config.index {
		o, err := f.openName(jail.Join(folder, index))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return opened{}, err
		case o.info.IsDir():
			o.file.Close()
		default:
			return o, nil
		}
	}
	return opened{}, nil
}

// openName opens a name of the tree, but no alias, and no link that gives a script away.
func (f *FileResolver) openName(name string) (opened, error) {
	file, info, err := f.tree.Open(name)
	if err != nil {
		return opened{}, err
	}
	if mayBeAlias(name) && !f.isSpelled(name) {
		err = jail.NotExist(name, "is spelled otherwise in its folder")
	} else if !info.IsDir() {
		err = f.allowLink(name)
	}
	if err != nil {
		file.Close()
		return opened{}, err
	}
	return opened{name: name, file: file, info: info}, nil
}

// name turns a decoded, clean path into a name of the tree, and reports whether it
// names a folder.
func (f *FileResolver) name(path string) (name string, isFolder bool, err error) {
	if !strings.HasPrefix(path, "/") {
		return "", false, jail.NotExist(path, "is no path")
	}
	name, isFolder = strings.CutSuffix(path[1:], "/")
	if name == "" {
		return ".", true, nil
	}
	if !f.tree.Names(name) {
		return "", false, jail.NotExist(name, "is not a name of the tree")
	}
	return name, isFolder, f.allowName(name)
}

// allowMethod returns an error unless the method is GET or HEAD: 405 with the methods for
// the Allow field, or 501 for a method that is not known.
func allowMethod(req *Request, methods ...string) error {
	if req.isGet() || req.isHead() {
		return nil
	}
	err := &StatusError{Status: 501, Err: fmt.Errorf("method %q on a file, folder or script", req.Method())}
	if req.isKnownMethod() {
		err.Status, err.Allow = 405, methods
	}
	return err
}

// serve answers with an open regular file, which it takes over.
func (f *FileResolver) serve(req *Request, o opened) (*Response, error) {
	mediaType := f.config.mediaType(o.name)
	if len(f.config.codings) > 0 {
		var err error
		if o, err = f.chooseCoding(req, o); err != nil {
			return nil, err
		}
	}
	rep := fileRepresentation(o.file, o.info, mediaType)
	if rep.ModTime.IsZero() {
		rep.ETag = f.contentTag(o)
	}
	rep.ETag = codedTag(rep.ETag, o.coding)
	resp := Content(rep)
	if o.coding != "" {
		resp.Set("Content-Encoding", o.coding)
	}
	if len(f.config.codings) > 0 {
		resp.Set("Vary", "Accept-Encoding")
	}
	if value := f.config.cacheControl(req.Path()); value != "" {
		resp.Set("Cache-Control", value)
	}
	return noSniff(resp), nil
}

// contentTag makes an entity tag of the content of an embedded file, which has no
// time and cannot change: once for each name. Other files without a time have none.
func (f *FileResolver) contentTag(o opened) string {
	t := reflect.TypeOf(o.file)
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
	f.tags.Store(strings.Clone(o.name), tag) // of which the request's head is no part
	return tag
}
