package rawhttp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"sync/atomic"
	"time"

	"example.com/rawhttp/internal/ascii"
)

const (
	// scriptGrace is the time from SIGTERM to SIGKILL, and how long the processes that a script
	// has started may use its output after it has exited.
	scriptGrace = 500 * time.Millisecond

	// scriptHold is the time from the first byte of content to the response. Most scripts
	// exit within it. Their response has a Content-Length, and can still become a 502.
	scriptHold = 100 * time.Millisecond

	// maxScriptHeld is the most bytes of content held for that time.
	maxScriptHeld = 64 << 10

	// maxScriptStderr is the most bytes of standard error logged for each run, so that
	// requests cannot fill the log.
	maxScriptStderr = 64 << 10

	// maxPipe is the most bytes read from a pipe after the script's exit: as many as a pipe
	// can be made to hold without privileges on Linux.
	maxPipe = 1 << 20
)

// Causes of the end of a script.
var (
	errScriptLate   = &StatusError{Status: 504, Err: errors.New("the script printed nothing in time")}
	errScriptTime   = &StatusError{Status: 504, Err: errors.New("the script ran too long")}
	errScriptOutput = errors.New("rawhttp: the script printed too much")
	errScriptOver   = errors.New("rawhttp: the script has ended")
	errScriptUnread = errors.New("rawhttp: the output of the script is no longer wanted")
)

// A scriptRun is a running script. The goroutine of the exchange reads its output (respond,
// stream, Close), a feeder writes its content, logErrors reads its standard error, another
// goroutine waits for its exit, and tend ends what is left of it. All of it ends with ctx:
//
//	client disconnects, server stops ── request's context ─┐
//	nothing printed in maxFirstByte ─── late ──────────────┤           ┌─▶ read returns the cause
//	WithScriptTimeout ───────────────── tend ──────────────┼─▶ ctx ends┤
//	too much printed ────────────────── read ──────────────┤           └─▶ tend: SIGTERM to the group,
//	content fails, a hook panics ────── feeder ────────────┤               SIGKILL after scriptGrace,
//	output no longer wanted ─────────── Close ─────────────┤               exited, logged, turn given
//	the FileResolver closes ─────────── endUnneeded ───────┤               back, gone
//	script exited, group is silent ──── tend ──────────────┘
//
// A script that has closed its output may continue after its response, within the limits
// that tend enforces.
type scriptRun struct {
	runner  *scripts
	process *process
	req     *Request
	warn    func(msg string, args ...any)

	// ctx is not derived from the request's context, which ends before a script that closes
	// its output and continues.
	ctx     context.Context
	cancel  context.CancelCauseFunc
	detach  func() bool // detaches ctx from the request's context
	request context.Context
	allRead atomic.Bool // the output was read to its end
	begun   atomic.Bool // some output was read
	late    *time.Timer // ends the script unless begun is set

	exited  chan struct{} // closed when the script has exited and fault is set
	fault   string        // the failure, or ""
	logged  chan struct{} // closed when standard error was read to its end
	ignored chan struct{} // closed when output is no longer read
	gone    chan struct{} // closed when all processes are gone

	// The fields below belong to the goroutine of the exchange.

	feed      *feeder     // nil if no content is passed on: there is none, or it is a file
	head      *scriptHead // nil until enough output was read
	out       []byte      // output not sent yet
	printed   int64       // bytes of output read
	afterExit int         // bytes of output read after the exit
	sent      int64       // bytes of content sent
}

// start starts the script, and takes over the input and the turn. It holds the lock
// meanwhile, so that close either finds the script or prevents its start.
func (s *scripts) start(ctx context.Context, argv, env []string, in scriptInput, req *Request) (*scriptRun, error) {
	file := argv[len(argv)-1]
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := context.Cause(ctx); err != nil { // it ended while the request waited for its turn or for s.mu
		in.close()
		s.endTurn()
		return nil, err
	}
	// "The current working directory for the script SHOULD be set to the directory containing
	// the script." RFC 3875, section 7.2
	p, err := startProcess(path.Dir(file), argv, env, in)
	if err != nil {
		s.endTurn()
		return nil, err
	}
	info, log := req.Conn(), req.logger() // taken now, since the script may outlive the request
	r := &scriptRun{
		runner: s, process: p, req: req, request: ctx,
		warn: func(msg string, args ...any) {
			log.Warn("rawhttp: script "+msg, append([]any{"script", file, "conn", info.ID, "request", info.Request}, args...)...)
		},
		exited: make(chan struct{}), logged: make(chan struct{}), ignored: make(chan struct{}), gone: make(chan struct{}),
	}
	r.ctx, r.cancel = context.WithCancelCause(context.Background())
	r.detach = context.AfterFunc(ctx, func() { r.cancel(context.Cause(ctx)) })
	context.AfterFunc(r.ctx, func() { p.out.SetReadDeadline(time.Unix(1, 0)) })
	r.late = time.AfterFunc(maxFirstByte, func() {
		if !r.begun.Load() { // Stop may have come too late
			r.cancel(errScriptLate)
		}
	})
	if p.in != nil {
		r.late.Stop() // the time begins when the script has its content
		r.feed = &feeder{run: r, from: in.from, to: p.in, left: maxFirstByte, fed: make(chan struct{})}
	}
	s.runs[r] = struct{}{}
	go r.logErrors()
	go func() {
		r.fault = p.wait()
		close(r.exited)
	}()
	go r.tend()
	return r, nil
}

// tend waits until the script exits or must be ended, and cleans up after it.
func (r *scriptRun) tend() {
	if d := r.runner.timeout; d > 0 {
		defer time.AfterFunc(d, func() { r.cancel(errScriptTime) }).Stop()
	}
	select {
	case <-r.exited:
		r.awaitSilence()
	case <-r.ctx.Done():
	}
	forced := !isClosed(r.exited) // checked before end, which makes it exit
	r.cancel(errScriptOver)       // without effect if there is a cause already
	r.process.end(r.exited)       // also after its exit: what it left in its group must not outlive it
	<-r.exited
	r.process.err.SetReadDeadline(time.Unix(1, 0)) // a process that has left the group may hold it open
	<-r.logged
	r.process.err.Close()
	switch cause := context.Cause(r.ctx); { // the fault of a script that was ended is only the signal that ended it
	case !forced && r.fault != "":
		r.warn("failed", "err", r.fault)
	case forced && (cause == errScriptLate || cause == errScriptTime || cause == errScriptOutput):
		r.warn("was ended", "err", cause)
	}
	r.runner.mu.Lock()
	delete(r.runner.runs, r)
	r.runner.mu.Unlock()
	r.runner.endTurn()
	close(r.gone) // last: what waits for it may stop the program
}

// awaitSilence waits, up to scriptGrace, until no process of a script that has exited holds
// its output open.
func (r *scriptRun) awaitSilence() {
	late := time.NewTimer(scriptGrace)
	defer late.Stop()
	for _, silent := range [...]chan struct{}{r.ignored, r.logged} {
		select {
		case <-silent:
		case <-late.C:
			return
		case <-r.ctx.Done():
			return
		}
	}
}

// logErrors reads standard error to its end, and logs the first maxScriptStderr bytes line
// by line. It reads on after that, since a script whose standard error is full stops.
func (r *scriptRun) logErrors() {
	defer close(r.logged)
	total, b := 0, make([]byte, 0, minBuffer) // longer lines are logged in pieces
	for left := maxPipe; ; {
		free := b[len(b):cap(b)]
		n, err := r.process.err.Read(free)
		if errors.Is(err, os.ErrDeadlineExceeded) { // the script is over, and what it wrote is in the pipe
			n, err = readNow(r.process.err, free[:min(len(free), left)])
			left -= n
		}
		total += n
		b = b[:len(b)+n]
		for len(b) > 0 {
			end := bytes.IndexByte(b, '\n')
			rest := end + 1
			if end < 0 && err == nil && len(b) < cap(b) {
				break
			}
			if end < 0 {
				end, rest = len(b), len(b)
			}
			if total <= maxScriptStderr { // escaped, since the text must not forge lines of the log or control a terminal
				r.warn("wrote to stderr", "stderr", ascii.Visible(string(b[:end])))
			}
			b = b[:copy(b, b[rest:])]
		}
		if err != nil {
			break
		}
	}
	if total > maxScriptStderr {
		r.warn("wrote more to stderr than is logged", "bytes", total)
	}
}

// endUnneeded ends the processes if their output has been read or is no longer needed. It
// reports whether they are ending. Other scripts end with their responses.
func (r *scriptRun) endUnneeded() bool {
	if r.allRead.Load() || r.request.Err() != nil {
		r.cancel(errScriptUnread)
	}
	return r.ctx.Err() != nil
}

// Close releases the output, and ends the script unless all output was read. If the
// request's context has ended, nothing else waits for the processes; Close then waits for
// them, so that they do not outlive the server.
func (r *scriptRun) Close() error {
	r.detach() // the request's context ends after its response, but the script may continue
	r.late.Stop()
	if !r.allRead.Load() {
		r.cancel(errScriptUnread)
	}
	close(r.ignored)
	if r.process.in != nil {
		r.process.in.Close()
	}
	err := r.process.out.Close()
	if r.request.Err() != nil {
		<-r.gone
	}
	return err
}

// respond makes the response: with all of the output if it ends soon, or else with its
// beginning and a stream of the rest.
func (r *scriptRun) respond() (*Response, error) {
	r.feed.start()
	ended, err := r.hold()
	if err = r.feed.stop(err); err != nil { // stopped in any case: Resolve is about to return
		r.cancel(err)
		r.Close()
		return nil, err
	}
	resp := r.headResponse()
	if !ended {
		resp.kind, resp.f = bodyFunc, r.stream
		resp.src = &source{closer: r}
		return resp, nil
	}
	r.Close()
	if r.req.isHead() && len(r.out) == 0 {
		resp.kind = bodyOmitted // a GET may have content
		return resp, nil
	}
	// A response that is not as long as its Content-Length would make the client take the next
	// response for a part of it, or a part of it for the next response.
	if n := r.head.length; n >= 0 && ascii.MayHaveContent(resp.Status()) {
		if n > int64(len(r.out)) {
			return nil, errShortScript
		}
		r.out = r.out[:n]
	}
	resp.content = r.out
	return resp, nil
}

const errShortScript = scriptFault("Content-Length exceeds the length of the content")

// headResponse makes the response without its content.
func (r *scriptRun) headResponse() *Response {
	r.out = r.out[r.head.size:]
	resp := newResponse(r.head.status, r.head.mediaType)
	resp.fields = r.head.fields
	if !resp.has("X-Content-Type-Options") {
		noSniff(resp)
	}
	return resp
}

// hold reads until the output ends, or until it is time to respond with the output so far. A
// head alone is held for as long as the script may run: what follows decides whether the
// response has a Content-Length.
func (r *scriptRun) hold() (ended bool, err error) {
	var limit time.Time // none until there is content
	for {
		err := r.read(limit)
		switch {
		case err == io.EOF:
			return r.endHold()
		case err == errNothingYet:
			return false, nil
		case err == nil:
			err = r.parse(false)
		}
		switch {
		case err != nil:
			return false, err
		case r.head == nil || len(r.out) == r.head.size:
		case len(r.out)-r.head.size >= maxScriptHeld:
			return false, nil
		case limit.IsZero():
			limit = time.Now().Add(scriptHold)
		}
	}
}

// endHold completes hold after the end of the output. A script that has printed nothing is
// waited for: its exit status decides whether the response is an error.
func (r *scriptRun) endHold() (ended bool, err error) {
	var enough <-chan time.Time // never, unless something was printed
	if r.printed > 0 {
		enough = time.After(scriptHold)
	}
	if ended, err = r.settle(enough); err != nil {
		return false, err
	}
	return ended, r.parse(true)
}

// parse parses the head of the response, once enough output has been read.
func (r *scriptRun) parse(ended bool) error {
	if r.head != nil {
		return nil
	}
	head, err := parseScriptOutput(r.out, ended, r.runner.output)
	switch err {
	case nil:
		r.head = &head
	case ErrIncomplete:
		err = nil
	}
	return err
}

// settle waits, after the end of the output, for an event that may still decide the response:
// the exit of a script that has printed nothing, or the end of reading by a script that has
// closed its output. It gives up when enough is ready.
func (r *scriptRun) settle(enough <-chan time.Time) (settled bool, err error) {
	var fed chan struct{} // closed when the script reads no more; nil if that does not matter
	if r.printed > 0 {
		fed = r.feed.ended()
	}
	select {
	case <-r.ctx.Done():
	case <-r.exited:
	case <-fed:
	case <-enough:
		return false, nil
	}
	switch cause := context.Cause(r.ctx); {
	case cause != nil && cause != errScriptOver: // errScriptOver is how every script ends
		return false, cause
	case r.printed == 0 && r.fault != "": // 500, since there is no output that could be wrong (502)
		return false, errors.New("rawhttp: the script failed: " + r.fault)
	}
	r.finish()
	return true, nil
}

// finish records that all output was read. The script may continue without it, until its
// resolver is closed. If that was closed before allRead was set, the script was spared, so
// finish ends it.
func (r *scriptRun) finish() {
	r.allRead.Store(true)
	r.runner.mu.Lock()
	defer r.runner.mu.Unlock()
	if r.runner.closed {
		r.cancel(errScriptUnread)
	}
}

// errNothingYet reports that the limit of a read was reached.
var errNothingYet = errors.New("rawhttp: nothing printed yet")

// read reads output once and appends it to r.out. It returns the cause if the script must
// end, and errNothingYet at limit; a zero limit means none.
func (r *scriptRun) read(limit time.Time) error {
	r.out = slices.Grow(r.out, minBuffer)
	free := r.out[len(r.out):cap(r.out)]
	// The deadline is set before ctx is checked: if ctx ends later, its own deadline, in the
	// past, replaces this one and ends the read.
	r.process.out.SetReadDeadline(limit)
	n, err := 0, context.Cause(r.ctx)
	if err == nil {
		n, err = r.process.out.Read(free)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errNothingYet
	}
	if cause := context.Cause(r.ctx); cause != nil && err != nil && err != io.EOF { // at io.EOF the output is complete
		err = cause
	}
	// After the exit, what is in the pipe is still output of the script. When maxPipe bytes are
	// read, the slice is empty, which readNow reports as io.EOF; another process that still
	// prints cannot extend the response.
	if err == errScriptOver {
		n, err = readNow(r.process.out, free[:min(len(free), maxPipe-r.afterExit)])
		r.afterExit += n
	}
	r.out = r.out[:len(r.out)+n]
	r.printed += int64(n)
	if n > 0 && !r.begun.Swap(true) {
		r.late.Stop()
	}
	if r.printed > maxScriptOutput {
		r.cancel(errScriptOutput)
		return errScriptOutput
	}
	return err
}

// stream writes the content: the output so far, and then the rest as it is printed. It reads on
// after Content-Length: "The server MUST read all the data provided by the script, until the
// script signals the end of the message-body by way of an end-of-file condition." RFC 3875,
// section 6.4
func (r *scriptRun) stream(ctx context.Context, w io.Writer) (err error) {
	r.feed.start()
	defer func() { err = r.feed.stop(err) }()
	for {
		if err := r.send(w); err != nil {
			return err
		}
		err := r.read(time.Time{})
		if err == io.EOF {
			_, err = r.settle(nil)
			if err == nil && r.sent < r.head.length {
				err = errShortScript
			}
			return err
		}
		if err != nil {
			return err
		}
	}
}

// send writes the output read so far, but no more than the Content-Length of the script.
func (r *scriptRun) send(w io.Writer) error {
	content := r.out
	if n := r.head.length; n >= 0 {
		content = content[:min(int64(len(content)), n-r.sent)]
	}
	n, err := w.Write(content)
	r.sent += int64(n)
	r.out = r.out[:0]
	return err
}
