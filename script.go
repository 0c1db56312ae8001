package rawhttp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/rawhttp/internal/ascii"

	"example.com/rawhttp/internal/jail"
)

// A scriptRunner answers for the files of a tree that are scripts.
type scriptRunner interface {
	// isScript reports whether a name is a script's.
	isScript(name string) bool
	// hides reports whether a name is of a file that would give a script away.
	hides(name string) bool
	// resolve answers with what the script prints, which it may take over to the
	// end of the response. It closes the file.
	resolve(ctx context.Context, req *Request, script opened, pathInfo string) (*Response, error)
	// close ends what scripts have left behind. Those that answer requests go on.
	close()
}

const (
	maxWaitingScripts = 64
	maxScriptWait     = 5 * time.Second
	maxFirstByte      = 10 * time.Second
	maxScriptOutput   = 64 << 20 // bytes
)

// scripts runs the scripts of one folder.
type scripts struct {
	scriptConfig
	root    string        // absolute, without a slash at its end
	allowed []string      // methods, for the Allow field
	env     []string      // of each script
	turns   chan struct{} // holds one for each that runs; nil: any number may
	waiting atomic.Int32

	mu     sync.Mutex
	runs   map[*scriptRun]struct{} // those whose processes are not gone
	closed bool                    // none is left alone any more
}

// openScripts finds the interpreters. It reports every mistake, joined.
func openScripts(config scriptConfig, root string) (scriptRunner, error) {
	s := &scripts{scriptConfig: config, runs: make(map[*scriptRun]struct{})}
	if !hasProcessGroups {
		return nil, errors.New("WithScript: scripts need process groups, which " + runtime.GOOS + " does not have")
	}
	if s.max > 0 {
		s.turns = make(chan struct{}, s.max)
	}
	s.methods = append([]string{"GET", "HEAD", "POST"}, config.methods...)
	for _, method := range append(s.methods, "OPTIONS") {
		if !slices.Contains(s.allowed, method) {
			s.allowed = append(s.allowed, method)
		}
	}
	var errs []error
	for i, c := range s.commands {
		s.commands[i].ext = foldName(c.ext)
		if len(c.interpreter) > 0 {
			program, err := lookUp(c.interpreter[0])
			errs = append(errs, err)
			s.commands[i].interpreter = append([]string{program}, c.interpreter[1:]...)
		}
	}
	var err error
	s.root, err = absolute(root)
	if s.root == "/" {
		s.root = ""
	}
	s.env = scriptEnv(config.env)
	inheritNothing()
	return s, errors.Join(append(errs, err)...)
}

// scriptEnv returns the variables that scripts have for any request.
func scriptEnv(names []string) []string {
	var env []string
	if !slices.Contains(names, "PATH") {
		env = append(env, "PATH=/usr/local/bin:/usr/bin:/bin")
	}
	names = append([]string{"LANG", "LC_ALL", "TZ", "TMPDIR"}, names...)
	for i, name := range names {
		if value, ok := os.LookupEnv(name); ok && !slices.Contains(names[:i], name) {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// lookUp finds a program, along PATH if its name has no slash. What PATH says of the
// working directory does not count, which may be the folder that is served.
func lookUp(program string) (string, error) {
	files := []string{program}
	if !strings.Contains(program, "/") {
		files = files[:0]
		for folder := range strings.SplitSeq(os.Getenv("PATH"), ":") {
			if strings.HasPrefix(folder, "/") {
				files = append(files, folder+"/"+program)
			}
		}
	}
	for _, file := range files {
		file, err := absolute(file)
		if err != nil {
			return "", err
		}
		if info, err := os.Stat(file); err == nil && jail.IsFile(info.Mode()) && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("WithScript: interpreter %q: no such program", program)
}

func absolute(name string) (string, error) {
	if strings.HasPrefix(name, "/") {
		return path.Clean(name), nil
	}
	folder, err := syscall.Getwd() // the folder itself, where os.Getwd believes PWD
	return path.Clean(folder + "/" + name), err
}

// command returns what runs files with the extension of name, nil if nothing does.
func (s *scripts) command(name string) *scriptCommand {
	name = strings.TrimRight(foldName(name), ". ") // which some file systems do
	dot := strings.LastIndexAny(name, "./")
	if dot < 0 || name[dot] != '.' {
		return nil
	}
	for i := len(s.commands) - 1; i >= 0; i-- { // the later counts
		if strings.EqualFold(s.commands[i].ext, name[dot:]) { // and not of ASCII alone
			return &s.commands[i]
		}
	}
	return nil
}

func (s *scripts) isScript(name string) bool { return s.command(name) != nil }

// hides is true for sidecars: a source that is compressed is a source.
func (s *scripts) hides(name string) bool {
	name = foldName(name)
	for {
		name = strings.TrimRight(name, ". ") // as of scripts
		switch ext := extension(name); {
		case ascii.IsAnyOf(ext, ".br", ".zst", ".gz"):
			name = name[:len(name)-len(ext)]
		default:
			return false
		}
		if s.isScript(name) {
			return true
		}
	}
}

func (s *scripts) close() {
	s.mu.Lock()
	s.closed = true
	var left []*scriptRun
	for x := range s.runs {
		if x.leave() {
			left = append(left, x)
		}
	}
	s.mu.Unlock()
	for _, x := range left {
		<-x.gone
	}
}

func (s *scripts) resolve(ctx context.Context, req *Request, script opened, pathInfo string) (*Response, error) {
	script.file.Close()
	if err := s.allow(req); err != nil {
		return nil, err
	}
	argv, err := s.argv(script)
	if err != nil {
		return nil, err
	}
	in, length, err := spool(req)
	if err != nil {
		return nil, err
	}
	req.attend()
	if err := s.takeTurn(ctx); err != nil {
		in.close()
		return nil, err
	}
	call := scriptCall{
		name:          req.Prefix() + "/" + script.name,
		file:          s.root + "/" + script.name,
		pathInfo:      pathInfo,
		contentLength: length,
		software:      req.software(),
	}
	env := call.appendVariables(slices.Clip(s.env), req)
	var resp *Response
	x, err := s.start(ctx, argv, env, in, req)
	if err == nil {
		resp, err = x.respond()
	}
	if err != nil && length < 0 { // it may not have been found, and can be run again
		if _, moved := s.argv(script); errors.Is(moved, errScriptMoved) {
			err = moved
		}
	}
	return resp, err
}

// allow refuses requests that no script is to see. "Cross-site" is a browser's word that a
// page of another site sends the request; scripts that answer preflights judge that
// themselves.
func (s *scripts) allow(req *Request) error {
	method := req.Method()
	switch {
	case !slices.Contains(s.methods, method):
		return allowMethod(req, s.allowed...)
	case method == "GET", method == "HEAD", slices.Contains(s.methods, "OPTIONS"):
		return nil
	case req.Header().Get("Sec-Fetch-Site") == "cross-site":
		return &StatusError{Status: 403, Err: fmt.Errorf("a %s from another site", method)}
	}
	return nil
}

// argv returns the words of the command that runs the script. A script is run by its
// path, so that must still lead to the file that was opened in the jail.
func (s *scripts) argv(script opened) ([]string, error) {
	file := s.root + "/" + script.name
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &StatusError{Status: 500, Err: fmt.Errorf("%w: %s", errScriptMoved, err.Error())} // which is no fs.ErrNotExist
	case err != nil:
		return nil, &StatusError{Status: 500, Err: errors.New(err.Error())}
	case !os.SameFile(info, script.info):
		return nil, &StatusError{Status: 500, Err: fmt.Errorf("%w: another file has the place of %q", errScriptMoved, file)}
	}
	interpreter := s.command(script.name).interpreter
	if len(interpreter) == 0 && info.Mode()&0o111 == 0 {
		return nil, fmt.Errorf("script %q is not executable: %w", file, fs.ErrPermission)
	}
	return append(slices.Clip(interpreter), file), nil
}

// errScriptMoved says that the path of a script leads to it no more.
var errScriptMoved = errors.New("the script was moved")

// takeTurn waits until one more script may run.
func (s *scripts) takeTurn(ctx context.Context) error {
	if s.turns == nil {
		return nil
	}
	select {
	case s.turns <- struct{}{}:
		return nil
	default:
	}
	defer s.waiting.Add(-1)
	if s.waiting.Add(1) > maxWaitingScripts {
		return busyError("too many requests wait for scripts")
	}
	late := time.NewTimer(maxScriptWait)
	defer late.Stop()
	select {
	case s.turns <- struct{}{}:
		return nil
	case <-late.C:
		return busyError("no script may run for now")
	case <-ctx.Done():
		return &StatusError{Status: 503, Err: context.Cause(ctx)}
	}
}

func (s *scripts) endTurn() {
	if s.turns != nil {
		<-s.turns
	}
}

// scriptInput is the content of a request, for a script to read: from the client as
// it comes, or from a file.
type scriptInput struct {
	from io.Reader // nil: none
	file *os.File  // nil: none
}

func (in scriptInput) close() {
	if in.file != nil {
		in.file.Close()
	}
}

// spool returns the content of the request and its length, -1 if none was sent. That
// of a chunked one is not known before all of it was read, into memory, or if it is
// long into a file without a name; nor that of a reader that has been put in the place
// of the server's, which cannot be interrupted either.
func spool(req *Request) (in scriptInput, length int64, err error) {
	_, ours := req.Body.(*content)
	switch n := req.ContentLength(); {
	case n == 0 && req.Header().Get("Content-Length") == "":
		return in, -1, nil
	case n == 0:
		return in, 0, nil
	case n > 0 && ours:
		return scriptInput{from: req.Body}, n, nil
	}
	memory := make([]byte, scratchSize)
	n, err := io.ReadFull(req.Body, memory)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return scriptInput{from: bytes.NewReader(memory[:n])}, int64(n), nil
	}
	if err != nil {
		return in, 0, err
	}
	in.file, err = namelessFile()
	if err == nil {
		_, err = in.file.Write(memory)
	}
	if err == nil {
		length, err = io.CopyBuffer(struct{ io.Writer }{in.file}, req.Body, memory)
	}
	if err == nil {
		_, err = in.file.Seek(0, io.SeekStart)
	}
	if err != nil {
		in.close()
	}
	return in, int64(n) + length, err
}

// namelessFile makes a file that is gone once it is closed.
func namelessFile() (*os.File, error) {
	file, err := os.CreateTemp("", "rawhttp-")
	if err == nil {
		err = os.Remove(file.Name())
	}
	switch {
	case jail.IsShortage(err):
		err = &StatusError{Status: 503, Err: err}
	case err != nil: // it is no fs.ErrNotExist of what was asked for
		err = &StatusError{Status: 500, Err: errors.New(err.Error())}
	}
	return file, err
}

// attend makes the connection ready for a script.
func (r *Request) attend() {
	if r.on != nil {
		r.on.attend()
	}
}

// interrupt ends reads of the content, until resume.
func (r *Request) interrupt() {
	if r.on != nil {
		r.on.interrupt()
	}
}

func (r *Request) resume() {
	if r.on != nil {
		r.on.resume()
	}
}

// logger returns the log of the server.
func (r *Request) logger() Logger {
	if r.on == nil {
		return discardLogger{}
	}
	return r.on.logger()
}

// software returns the name of the server.
func (r *Request) software() string {
	if r.on == nil {
		return "rawhttp"
	}
	return r.on.software()
}
