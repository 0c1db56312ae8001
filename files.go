package rawhttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"syscall"
)

// A FileResolver serves the regular files and folders of a tree. [Dir] and [FS]
// make one. It may be used concurrently.
//
// Methods are GET and HEAD; others are answered with 405 and 501, OPTIONS with
// 204. A folder is asked for with a slash at the end of its path, and without is
// redirected to there; it is answered with its index file or its listing. What is
// neither file nor folder, what a name with a dot in front hides, and what is not
// there, is [fs.ErrNotExist]. Every response has X-Content-Type-Options: nosniff.
type FileResolver struct {
	tree   tree
	config fileConfig
}

// A tree is where files are: a folder of the system, or an fs.FS.
type tree interface {
	// open opens a regular file or a folder by its path, as io/fs spells it. It
	// must not wait, whatever the name names. Errors are as treeError makes them.
	open(name string) (fs.File, fs.FileInfo, error)
	// names reports whether name can be one in the tree at all.
	names(name string) bool
	// stat tells what open would open.
	stat(name string) (fs.FileInfo, error)
	close() error
}

// Dir serves the folder root and what is below it. Nothing outside can be named: a
// symbolic link is followed only if its target is relative and inside. It opens
// root, which [FileResolver.Close] closes, so a folder that takes its name later
// is not served. It reports every mistake in the options, joined.
//
// Names that differ only by case are one file where the system thinks so.
func Dir(root string, opts ...FileOption) (*FileResolver, error) {
	config, err := newFileConfig(opts)
	jail, openErr := openJail(root)
	if openErr != nil {
		return nil, errors.Join(err, openErr)
	}
	if err != nil {
		jail.close()
		return nil, err
	}
	return &FileResolver{jail, config}, nil
}

// FS serves fsys, as Dir does a folder: an embed.FS, a *zip.Reader, a tree in
// memory. What cannot be named, and whether links lead out, is fsys's to see to. Its
// files need not be able to seek. FS asks for a file's mode before it opens it, so
// that a FIFO in an os.DirFS hangs nothing.
func FS(fsys fs.FS, opts ...FileOption) (*FileResolver, error) {
	config, err := newFileConfig(opts)
	if fsys == nil {
		err = errors.Join(err, errors.New("FS(nil): no file system"))
	}
	if err != nil {
		return nil, err
	}
	return &FileResolver{&fsTree{fsys: fsys}, config}, nil
}

// Close gives up the tree. Requests in progress finish; later ones are answered
// with 503.
func (f *FileResolver) Close() error { return f.tree.close() }

// Resolve answers with the file or folder that the path names.
func (f *FileResolver) Resolve(ctx context.Context, req *Request) (*Response, error) {
	name, slash, err := f.name(req.Path())
	if err != nil {
		return nil, err
	}
	file, info, err := f.open(name, slash)
	if err != nil {
		return nil, err
	}
	if err := allowMethod(req); err != nil { // what is not there has no methods: that came first
		file.Close()
		return nil, err
	}
	if !info.IsDir() {
		return f.file(file, info), nil
	}
	defer file.Close()
	if !slash {
		return noSniff(toFolder(req)), nil
	}
	resp, err := f.list(req, name, file)
	if err != nil {
		return nil, treeError(err)
	}
	return noSniff(resp), nil
}

// open opens what a name stands for, which with a slash behind it must be a
// folder: its index file, or itself if it is listed.
func (f *FileResolver) open(name string, slash bool) (fs.File, fs.FileInfo, error) {
	file, info, err := f.tree.open(name)
	if err != nil || !slash {
		return file, info, err
	}
	if !info.IsDir() {
		file.Close()
		return nil, nil, notExist(name, "is no folder")
	}
	index, indexInfo, err := f.openIndex(name)
	if index == nil && err == nil && f.config.listing != ListNone {
		return file, info, nil
	}
	file.Close()
	if index == nil && err == nil {
		err = notExist(name, "is not listed")
	}
	return index, indexInfo, err
}

// openIndex opens the first index file that the folder has. It gives nil and no
// error if it has none.
func (f *FileResolver) openIndex(folder string) (fs.File, fs.FileInfo, error) {
	for _, name := range f.config.index {
		file, info, err := f.tree.open(join(folder, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, nil, err
		case info.IsDir():
			file.Close()
		default:
			return file, info, nil
		}
	}
	return nil, nil, nil
}

// name turns a decoded, clean path into a name of the tree, and tells whether it
// names a folder.
func (f *FileResolver) name(path string) (name string, isFolder bool, err error) {
	if !strings.HasPrefix(path, "/") {
		return "", false, notExist(path, "is no path")
	}
	name, isFolder = strings.CutSuffix(path[1:], "/")
	if name == "" {
		return ".", true, nil
	}
	if !f.tree.names(name) {
		return "", false, notExist(name, "is not a name of the tree")
	}
	if !f.config.dotFiles && hasHidden(name) {
		return "", false, notExist(name, "is hidden")
	}
	if runtime.GOOS == "windows" && isStrangeOnWindows(name) {
		return "", false, notExist(name, "may be another name of a file")
	}
	return name, isFolder, nil
}

// hasHidden reports whether an element of the path begins with a dot.
func hasHidden(name string) bool { return name[0] == '.' || strings.Contains(name, "/.") }

// isStrangeOnWindows reports whether an element of the path may reach a file by
// another name than its own: a stream, a drive, a short name, or one whose end the
// system strips.
func isStrangeOnWindows(name string) bool {
	for elem := range strings.SplitSeq(name, "/") {
		if strings.ContainsAny(elem, `\:`) || strings.TrimRight(elem, ". ") != elem {
			return true
		}
		if i := strings.IndexByte(elem, '~'); i >= 0 && i+1 < len(elem) && isDigit(elem[i+1]) {
			return true
		}
	}
	return false
}

// notExist makes the error of a name that is not served, with the reason.
func notExist(name, why string) error {
	return fmt.Errorf("rawhttp: %q %s: %w", name, why, fs.ErrNotExist)
}

// allowMethod refuses methods that a file or folder does not have.
func allowMethod(req *Request) error {
	switch {
	case req.isGet(), req.isHead():
		return nil
	case req.isKnownMethod():
		return &StatusError{Status: 405, Allow: fileMethods, Err: fmt.Errorf("method %s on a file or folder", req.Method())}
	}
	return &StatusError{Status: 501, Err: fmt.Errorf("method %q is not known", req.Method())}
}

// file answers with an open regular file, which it takes over.
func (f *FileResolver) file(file fs.File, info fs.FileInfo) *Response {
	resp := fileResponse(file, info, f.config.mediaType(info.Name()))
	if f.config.cacheControl != "" {
		resp.Set("Cache-Control", f.config.cacheControl)
	}
	return noSniff(resp)
}

// noSniff keeps a client from taking content for what it is not said to be.
func noSniff(r *Response) *Response { return r.Set("X-Content-Type-Options", "nosniff") }

// join gives the path of a name in a folder.
func join(folder, name string) string {
	if folder == "." {
		return name
	}
	return folder + "/" + name
}

// fsTree is an fs.FS as a tree.
type fsTree struct {
	fsys   fs.FS
	closed closedFlag
}

func (t *fsTree) names(name string) bool { return fs.ValidPath(name) }

func (t *fsTree) open(name string) (fs.File, fs.FileInfo, error) {
	if _, err := t.stat(name); err != nil {
		return nil, nil, err
	}
	file, err := t.fsys.Open(name)
	if err != nil {
		return nil, nil, treeError(err)
	}
	return statOpened(name, file)
}

func (t *fsTree) stat(name string) (fs.FileInfo, error) {
	if t.closed.Load() {
		return nil, treeError(fs.ErrClosed)
	}
	info, err := fs.Stat(t.fsys, name)
	if err != nil {
		return nil, treeError(err)
	}
	return info, servable(name, info)
}

func (t *fsTree) close() error {
	t.closed.Store(true)
	return nil
}

// statOpened finishes open with what the opened file is: it may have changed its
// name's meaning since it was asked for.
func statOpened(name string, file fs.File) (fs.File, fs.FileInfo, error) {
	info, err := file.Stat()
	if err == nil {
		err = servable(name, info)
	}
	if err != nil {
		file.Close()
		return nil, nil, treeError(err)
	}
	return file, info, nil
}

// servable refuses what is neither a regular file nor a folder.
func servable(name string, info fs.FileInfo) error {
	if info.Mode().IsRegular() || info.IsDir() {
		return nil
	}
	return notExist(name, "is neither a regular file nor a folder")
}

// treeError gives what opening or reading a name has to be answered with. What
// says nothing else is fs.ErrNotExist: no such name, an escape from the root, too
// many links, a name too long. The error of an escape is not exported by package
// os, so the list is of what is not 404.
func treeError(err error) error {
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	switch {
	case is(syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, fs.ErrClosed):
		return &StatusError{Status: 503, Err: err}
	case is(syscall.EIO, syscall.ESTALE, syscall.EBADF, syscall.ETIMEDOUT):
		return &StatusError{Status: 500, Err: err}
	case is(fs.ErrPermission, fs.ErrNotExist):
		return err
	case is(io.ErrUnexpectedEOF, os.ErrDeadlineExceeded):
		return &StatusError{Status: 500, Err: err}
	}
	return &StatusError{Status: 404, Err: err}
}
