package rawhttp

import (
	"context"
	"errors"
	"fmt"
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

// A scriptRunner runs the scripts of a tree. It is an interface so that only programs that
// call WithScript link the code that runs scripts.
type scriptRunner interface {
	// isScript reports whether the file of that name is a script.
	isScript(name string) bool
	// hides reports whether the file of that name would reveal the source of a script.
	hides(name string) bool
	// allowLink rejects a link that leads to a script but does not have the name of one.
	allowLink(f *FileResolver, name string) error
	// openAbove opens the script at the beginning of path, and returns the rest of the path.
	openAbove(f *FileResolver, path string) (o opened, rest string, err error)
	// answer runs the script and returns a response with its output, which may still be
	// streaming. It closes the file.
	answer(ctx context.Context, f *FileResolver, req *Request, t target) (*Response, error)
	// close ends processes that scripts left running. Scripts that are answering requests
	// continue.
	close()
}

const (
	// maxWaitingScripts is the most requests that wait for a turn. Each of them already
	// holds its content, in memory or in a file, if that is chunked.
	maxWaitingScripts = 64

	// maxScriptWait is the longest wait for a turn. A burst is over by then; if it is not,
	// a 503 with Retry-After is more useful to the client than silence.
	maxScriptWait = 5 * time.Second

	// maxFirstByte is the longest wait for output. "The server MAY implement a timeout
	// period within which data must be received from the script." RFC 3875, section 6.1
	maxFirstByte = 10 * time.Second

	// maxScriptOutput is the most bytes that a script may print, so that one that prints
	// without end does not do so until its time is over.
	maxScriptOutput = 64 << 20
)

// A scripts is the scriptRunner of one folder.
type scripts struct {
	scriptConfig
	root    string        // absolute, without a final slash, so "" for the root of the system
	allowed []string      // methods for the Allow field: those of scripts, and OPTIONS
	env     []string      // environment common to all scripts
	turns   chan struct{} // one element per running script; nil if there is no limit
	waiting atomic.Int32  // requests waiting for a turn

	mu     sync.Mutex
	runs   map[*scriptRun]struct{} // runs with processes that still exist
	closed bool                    // from now on, no script may outlive its response
}

// openScripts looks up the interpreters and returns the runner. Its error joins all
// mistakes found.
func openScripts(config scriptConfig, root string) (scriptRunner, error) {
	s := &scripts{scriptConfig: config, runs: make(map[*scriptRun]struct{})}
	if !hasProcessGroups {
		return nil, errors.New("WithScript: scripts need process groups, which " + runtime.GOOS + " does not have")
	}
	if s.max > 0 {
		s.turns = make(chan struct{}, s.max)
	}
	s.methods = append([]string{"GET", "HEAD", "POST"}, config.methods...)
	for _, method := range append(s.methods, "OPTIONS") { // the server answers OPTIONS if no script does
		if !slices.Contains(s.allowed, method) {
			s.allowed = append(s.allowed, method)
		}
	}
	var errs []error
	for i, c := range s.commands {
		s.commands[i].ext = jail.FoldName(c.ext) // names are folded, too, before they are compared
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

// scriptEnv returns the variables that do not depend on the request. Scripts inherit no
// others: the environment of a server often holds secrets.
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

// lookUp finds a program, searching PATH if its name has no slash. It skips relative
// entries of PATH, since the working directory may be the folder being served.
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
	return "", fmt.Errorf("WithScript: interpreter %q: not found or not executable", program)
}

// absolute returns the absolute, clean path of a file.
func absolute(name string) (string, error) {
	if strings.HasPrefix(name, "/") {
		return path.Clean(name), nil
	}
	folder, err := syscall.Getwd() // the actual folder; os.Getwd would trust PWD
	return path.Clean(folder + "/" + name), err
}

// command returns the command for files with the extension of name, or nil.
func (s *scripts) command(name string) *scriptCommand {
	name = strings.TrimRight(jail.FoldName(name), ". ") // as some file systems do
	// A slash means that the last element has no dot. Unlike in function extension, a name
	// that is only an extension counts: ".py" may be a script, so it is not shown.
	dot := strings.LastIndexAny(name, "./")
	if dot < 0 || name[dot] != '.' {
		return nil
	}
	for i := len(s.commands) - 1; i >= 0; i-- { // the last one added wins
		if strings.EqualFold(s.commands[i].ext, name[dot:]) { // EqualFold of package strings, since file systems fold more than ASCII
			return &s.commands[i]
		}
	}
	return nil
}

func (s *scripts) isScript(name string) bool { return s.command(name) != nil }

// hides reports true for sidecars of scripts, since a compressed source reveals the source.
func (s *scripts) hides(name string) bool {
	name = jail.FoldName(name)
	for { // a sidecar may itself be compressed: a.py.gz.br
		name = strings.TrimRight(name, ". ") // as in command
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

// close ends the processes of runs whose output has been read or is no longer needed, and waits
// until they are gone.
func (s *scripts) close() {
	s.mu.Lock()
	s.closed = true
	var left []*scriptRun
	for run := range s.runs {
		if run.endUnneeded() {
			left = append(left, run)
		}
	}
	s.mu.Unlock() // tend locks mu before it closes gone
	for _, run := range left {
		<-run.gone
	}
}

// answerOnce runs the script and returns the response, or an error that wraps errScriptMoved if
// the path of the script no longer leads to it. It closes the file of the script.
//
// The order of the steps matters. Whatever can be refused is refused before the content is
// read, which asks the client for it with 100 (Continue). Content that must be spooled is
// read before the request has a turn, so that slow clients hold no turns.
func (s *scripts) answerOnce(ctx context.Context, req *Request, script opened, pathInfo string) (*Response, error) {
	script.file.Close() // it was opened only to identify the script, which is run by its path
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
	req.prepareForScript()
	if err := s.takeTurn(ctx); err != nil {
		in.close()
		return nil, err
	}
	call := scriptCall{
		name:          req.Prefix() + "/" + script.name,
		file:          s.root + "/" + script.name,
		pathInfo:      pathInfo,
		contentLength: length,
		software:      req.serverSoftware(),
	}
	env := call.appendVariables(slices.Clip(s.env), req) // clipped, since requests share s.env
	var resp *Response
	run, err := s.start(ctx, argv, env, in, req)
	if err == nil {
		resp, err = run.respond()
	}
	if err != nil && length < 0 { // if the script was moved, answer can run it again, since no content has been read
		if _, moved := s.argv(script); errors.Is(moved, errScriptMoved) {
			err = moved
		}
	}
	return resp, err
}

// allow rejects requests that no script may receive. "The server MAY decide that some methods
// are not appropriate or permitted for a script, and may handle the methods itself or return
// an error to the client." RFC 3875, section 4.3.4
//
// "cross-site" is the browser's statement that a page of another site sent the request.
// Scripts that answer preflights decide about such requests themselves. Requests without the
// field pass: they come from old browsers, or from programs that no page controls.
func (s *scripts) allow(req *Request) error {
	method := req.Method()
	switch {
	case !slices.Contains(s.methods, method):
		return allowMethod(req, s.allowed...)
	case method == "GET", method == "HEAD", slices.Contains(s.methods, "OPTIONS"):
		return nil
	case req.Header().Get("Sec-Fetch-Site") == "cross-site":
		return &StatusError{Status: 403, Err: fmt.Errorf("%s request from another site", method)}
	}
	return nil
}

// argv returns the command line that runs the script. Scripts are run by path, so it checks
// that the path still leads to the file opened in the jail.
//
// Deliberately, the words of a query without "=" are not arguments (RFC 3875, section 4.4, says
// that they SHOULD be): an interpreter would take those that begin with "-" for options.
func (s *scripts) argv(script opened) ([]string, error) {
	file := s.root + "/" + script.name
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &StatusError{Status: 500, Err: fmt.Errorf("%w: %s", errScriptMoved, err.Error())} // must not match fs.ErrNotExist
	case err != nil: // not wrapped, so that it does not match fs.ErrPermission, 403
		return nil, &StatusError{Status: 500, Err: errors.New(err.Error())}
	case !os.SameFile(info, script.info):
		return nil, &StatusError{Status: 500, Err: fmt.Errorf("%w: %q is another file now", errScriptMoved, file)}
	}
	interpreter := s.command(script.name).interpreter
	if len(interpreter) == 0 && info.Mode()&0o111 == 0 { // an interpreter only has to read the file
		return nil, fmt.Errorf("script %q is not executable: %w", file, fs.ErrPermission)
	}
	return append(slices.Clip(interpreter), file), nil
}

// errScriptMoved reports that the path of a script no longer leads to it.
var errScriptMoved = errors.New("the script was moved")

// takeTurn waits until another script may run. After it returns nil, endTurn must be called.
func (s *scripts) takeTurn(ctx context.Context) error {
	if s.turns == nil {
		return nil
	}
	select {
	case s.turns <- struct{}{}: // usually there is one, and no timer is needed
		return nil
	default:
	}
	defer s.waiting.Add(-1)
	if s.waiting.Add(1) > maxWaitingScripts { // counted before comparing, so that concurrent requests cannot exceed it
		return busyError("too many requests are waiting for scripts")
	}
	late := time.NewTimer(maxScriptWait)
	defer late.Stop()
	select {
	case s.turns <- struct{}{}:
		return nil
	case <-late.C:
		return busyError("too many scripts are running")
	case <-ctx.Done():
		return &StatusError{Status: 503, Err: context.Cause(ctx)}
	}
}

// endTurn lets another script run.
func (s *scripts) endTurn() {
	if s.turns != nil {
		<-s.turns
	}
}

// The methods below call the methods of the connection with the same names. They may be called for
// a Request that a program has parsed itself, which has no connection.

// prepareForScript prepares the connection for a running script.
func (r *Request) prepareForScript() {
	if r.conn != nil {
		r.conn.prepareForScript()
	}
}

// interrupt interrupts reads of the content until resume is called.
func (r *Request) interrupt() {
	if r.conn != nil {
		r.conn.interrupt()
	}
}

// resume undoes interrupt. It must not be called during a read of the content.
func (r *Request) resume() {
	if r.conn != nil {
		r.conn.resume()
	}
}

// logger returns the logger of the server.
func (r *Request) logger() logger {
	if r.conn == nil {
		return logger{}
	}
	return r.conn.logger()
}

// serverSoftware returns the value of SERVER_SOFTWARE.
func (r *Request) serverSoftware() string {
	if r.conn == nil {
		return "rawhttp"
	}
	return r.conn.serverSoftware()
}

// openAbove opens the script at the beginning of path, and returns the rest of the path. It
// opens nothing if no script in path is followed by a slash. The rest is clean but is not a
// name in the tree, so the rules for hidden names, sidecars and sources do not apply to it.
//
// "For any particular request, the server will identify all or a leading part of this path with
// an individual script". RFC 3875, section 3.2
func (s *scripts) openAbove(f *FileResolver, path string) (o opened, rest string, err error) {
	if !f.tree.ValidName(strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")) {
		return opened{}, "", nil // the caller finds this out again, and returns the error
	}
	for i := range len(path) { // the first file found is the only one: nothing is below a file
		if path[i] != '/' || !s.isScript(path[:i]) {
			continue
		}
		name, _, err := f.nameOf(path[:i])
		if err == nil {
			o, err = f.open(name, false)
		}
		switch {
		case err == nil && !o.info.IsDir():
			return o, path[i:], nil
		case err == nil: // a folder with the extension of a script
			o.file.Close()
		case !errors.Is(err, fs.ErrNotExist):
			return opened{}, "", err
		}
	}
	return opened{}, "", nil
}

// allowLink rejects a link that leads to a script but does not have the name of one: it would
// reveal the source. It follows links by their text only; opening the file has shown that they
// stay inside the tree.
func (s *scripts) allowLink(f *FileResolver, name string) error {
	const maxLinks = 40   // the limit of Linux
	if s.isScript(name) { // it will be run, whatever it leads to
		return nil
	}
	for range maxLinks {
		target, err := f.links.Readlink(name)
		switch {
		case errors.Is(err, syscall.EINVAL): // not a link
			return nil
		case err != nil:
			return jail.TreeError(err)
		case s.isScript(target), s.hides(target):
			return jail.NotExist(name, "leads to a script")
		case jail.MayBeAlias(target) && !jail.IsSpelled(f.tree, path.Join(path.Dir(name), target)):
			return jail.NotExist(name, "leads to a name spelled differently in its folder")
		}
		name = name[:strings.LastIndexByte(name, '/')+1] + target // not cleaned: ".." after a link does not lead back
	}
	return jail.NotExist(name, "leads through too many links")
}

// maxRootGap is how long a script waits while the path of the root leads to no folder, as
// it does for a moment when one folder replaces another.
const maxRootGap = time.Second

// answer returns the response of a script. While the root is being replaced, it waits for the
// new one.
func (s *scripts) answer(ctx context.Context, f *FileResolver, req *Request, t target) (*Response, error) {
	const pause = 10 * time.Millisecond
	resp, err := s.answerOnce(ctx, req, t.opened, t.pathInfo)
	for end := time.Now().Add(maxRootGap); errors.Is(err, errScriptMoved) && time.Now().Before(end); {
		time.Sleep(pause) // without regard to ctx, which answerOnce checks before it starts the script
		again, openErr := f.open(t.name, false)
		if openErr != nil { // the new root does not have the script
			return nil, openErr
		}
		resp, err = s.answerOnce(ctx, req, again, t.pathInfo)
	}
	return resp, err
}
