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
	scriptGrace     = 500 * time.Millisecond // from the exit of a script, and from SIGTERM, to the next step
	scriptHold      = 100 * time.Millisecond // from the first byte of content to the response
	maxScriptHeld   = 64 << 10               // bytes of content that are held for that time at most
	maxScriptStderr = 64 << 10               // bytes
	maxPipe         = 1 << 20                // bytes read from a pipe after the script's exit at most; a pipe can be made to hold that much
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
//	output not wanted any more ──────── Close ─────────────┤               exited, logged, turn given
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

	feed      *feeder // nil if the request has no content
	head      *scriptHead
	out       []byte // output not sent yet
	printed   int64  // bytes of output read
	afterExit int    // bytes of output read after the exit
	sent      int64  // bytes of content sent
}

// start starts the script, and takes over the input and the turn. It holds the lock
// meanwhile, so that close either finds the script or prevents its start.
func (s *scripts) start(ctx context.Context, argv, env []string, in scriptInput, req *Request) (*scriptRun, error) {
	file := argv[len(argv)-1]
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := context.Cause(ctx); err != nil {
		in.close()
		s.endTurn()
		return nil, err
	}
	p, err := startProcess(path.Dir(file), argv, env, in)
	if err != nil {
		s.endTurn()
		return nil, err
	}
	info, log := req.Conn(), req.logger()
	x := &scriptRun{
		runner: s, process: p, req: req, request: ctx,
		warn: func(msg string, args ...any) {
			log.Warn("rawhttp: script "+msg, append([]any{"script", file, "conn", info.ID, "request", info.Request}, args...)...)
		},
		exited: make(chan struct{}), logged: make(chan struct{}), ignored: make(chan struct{}), gone: make(chan struct{}),
	}
	x.ctx, x.cancel = context.WithCancelCause(context.Background())
	x.detach = context.AfterFunc(ctx, func() { x.cancel(context.Cause(ctx)) })
	context.AfterFunc(x.ctx, func() { p.out.SetReadDeadline(time.Unix(1, 0)) })
	x.late = time.AfterFunc(maxFirstByte, func() {
		if !x.begun.Load() {
			x.cancel(errScriptLate)
		}
	})
	if p.in != nil {
		x.late.Stop() // the time begins when the script has its content
		x.feed = &feeder{run: x, from: in.from, to: p.in, left: maxFirstByte, fed: make(chan struct{})}
	}
	s.runs[x] = struct{}{}
	go x.logErrors()
	go func() {
		x.fault = p.wait()
		close(x.exited)
	}()
	go x.tend()
	return x, nil
}

// tend waits until the script exits or must be ended, and cleans up after it.
func (x *scriptRun) tend() {
	if d := x.runner.timeout; d > 0 {
		defer time.AfterFunc(d, func() { x.cancel(errScriptTime) }).Stop()
	}
	select {
	case <-x.exited:
		x.awaitSilence()
	case <-x.ctx.Done():
	}
	forced := !isClosed(x.exited)
	x.cancel(errScriptOver)
	x.process.end(x.exited)
	<-x.exited
	x.process.err.SetReadDeadline(time.Now().Add(scriptGrace))
	<-x.logged
	x.process.err.Close()
	switch cause := context.Cause(x.ctx); {
	case !forced && x.fault != "":
		x.warn("failed", "err", x.fault)
	case forced && (cause == errScriptLate || cause == errScriptTime || cause == errScriptOutput):
		x.warn("was ended", "err", cause)
	}
	x.runner.mu.Lock()
	delete(x.runner.runs, x)
	x.runner.mu.Unlock()
	x.runner.endTurn()
	close(x.gone)
}

// awaitSilence waits, up to scriptGrace, until no process of a script that has exited holds
// its output open.
func (x *scriptRun) awaitSilence() {
	late := time.NewTimer(scriptGrace)
	defer late.Stop()
	for _, silent := range [...]chan struct{}{x.ignored, x.logged} {
		select {
		case <-silent:
		case <-late.C:
			return
		case <-x.ctx.Done():
			return
		}
	}
}

// logErrors reads standard error to its end, and logs the first maxScriptStderr bytes line
// by line.
func (x *scriptRun) logErrors() {
	defer close(x.logged)
	said, b := 0, make([]byte, 0, minBuffer)
	for {
		n, err := x.process.err.Read(b[len(b):cap(b)])
		said += n
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
			if said <= maxScriptStderr {
				x.warn("says", "stderr", ascii.Visible(string(b[:end])))
			}
			b = b[:copy(b, b[rest:])]
		}
		if err != nil {
			break
		}
	}
	if said > maxScriptStderr {
		x.warn("says more than is logged", "bytes", said)
	}
}

// endUnneeded ends the processes if their output has been read or is no longer needed. It
// reports whether they are ending.
func (x *scriptRun) endUnneeded() bool {
	if x.allRead.Load() || x.request.Err() != nil {
		x.cancel(errScriptUnread)
	}
	return x.ctx.Err() != nil
}

// Close releases the output, and ends the script unless all output was read. If the
// request's context has ended, nothing else waits for the processes; Close then waits for
// them, so that they do not outlive the server.
func (x *scriptRun) Close() error {
	x.detach()
	x.late.Stop()
	if !x.allRead.Load() {
		x.cancel(errScriptUnread)
	}
	close(x.ignored)
	if x.process.in != nil {
		x.process.in.Close()
	}
	err := x.process.out.Close()
	if x.request.Err() != nil {
		<-x.gone
	}
	return err
}

// respond makes the response: with all of the output if it ends soon, or else with its
// beginning and a stream of the rest.
func (x *scriptRun) respond() (*Response, error) {
	x.feed.start()
	ended, err := x.hold()
	if err = x.feed.stop(err); err != nil {
		x.cancel(err)
		x.Close()
		return nil, err
	}
	resp := x.headResponse()
	if !ended {
		resp.kind, resp.f = bodyFunc, x.stream
		resp.src = &source{closer: x}
		return resp, nil
	}
	x.Close()
	if x.req.isHead() && len(x.out) == 0 {
		resp.kind = bodyUnmade // a GET may have content
		return resp, nil
	}
	if n := x.head.length; n >= 0 && ascii.MayHaveContent(resp.Status()) {
		if n > int64(len(x.out)) {
			return nil, errShortScript
		}
		x.out = x.out[:n]
	}
	resp.content = x.out
	return resp, nil
}

const errShortScript = scriptFault("Content-Length exceeds the length of the content")

// headResponse makes the response without its content.
func (x *scriptRun) headResponse() *Response {
	x.out = x.out[x.head.size:]
	resp := newResponse(x.head.status, x.head.mediaType)
	resp.fields = x.head.fields
	if !resp.has("X-Content-Type-Options") {
		noSniff(resp)
	}
	return resp
}

// hold reads until the output ends, or until it is time to respond with the output so far.
func (x *scriptRun) hold() (ended bool, err error) {
	var limit time.Time // none until there is content
	for {
		err := x.read(limit)
		switch {
		case err == io.EOF:
			return x.endHold()
		case err == errNothingYet:
			return false, nil
		case err == nil:
			err = x.parse(false)
		}
		switch {
		case err != nil:
			return false, err
		case x.head == nil || len(x.out) == x.head.size:
		case len(x.out)-x.head.size >= maxScriptHeld:
			return false, nil
		case limit.IsZero():
			limit = time.Now().Add(scriptHold)
		}
	}
}

// endHold completes hold after the end of the output.
func (x *scriptRun) endHold() (ended bool, err error) {
	var enough <-chan time.Time
	if x.printed > 0 {
		enough = time.After(scriptHold)
	}
	if ended, err = x.settle(enough); err != nil {
		return false, err
	}
	return ended, x.parse(true)
}

// parse parses the head of the response, once enough output has been read.
func (x *scriptRun) parse(ended bool) error {
	if x.head != nil {
		return nil
	}
	head, err := parseScriptOutput(x.out, ended, x.runner.output)
	switch err {
	case nil:
		x.head = &head
	case ErrIncomplete:
		err = nil
	}
	return err
}

// settle waits, after the end of the output, for an event that may still decide the response:
// the exit of a script that has printed nothing, or the end of reading by a script that has
// closed its output. It gives up when enough is ready.
func (x *scriptRun) settle(enough <-chan time.Time) (settled bool, err error) {
	var fed chan struct{} // closed when the script reads no more; nil if that does not matter
	if x.printed > 0 {
		fed = x.feed.ended()
	}
	select {
	case <-x.ctx.Done():
	case <-x.exited:
	case <-fed:
	case <-enough:
		return false, nil
	}
	switch cause := context.Cause(x.ctx); {
	case cause != nil && cause != errScriptOver:
		return false, cause
	case x.printed == 0 && x.fault != "":
		return false, errors.New("rawhttp: the script failed: " + x.fault)
	}
	x.finish()
	return true, nil
}

// finish records that all output was read. The script may continue without it, until its
// resolver is closed.
func (x *scriptRun) finish() {
	x.allRead.Store(true)
	x.runner.mu.Lock()
	defer x.runner.mu.Unlock()
	if x.runner.closed {
		x.cancel(errScriptUnread)
	}
}

// errNothingYet reports that the limit of a read was reached.
var errNothingYet = errors.New("rawhttp: nothing printed yet")

// read reads output once and appends it to x.out. It returns the cause if the script must
// end, and errNothingYet at limit; a zero limit means none.
func (x *scriptRun) read(limit time.Time) error {
	x.out = slices.Grow(x.out, minBuffer)
	free := x.out[len(x.out):cap(x.out)]
	x.process.out.SetReadDeadline(limit)
	n, err := 0, context.Cause(x.ctx)
	if err == nil {
		n, err = x.process.out.Read(free)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errNothingYet
	}
	if cause := context.Cause(x.ctx); cause != nil && err != nil && err != io.EOF {
		err = cause
	}
	if err == errScriptOver { // what is in the pipe is still output of the script
		n, err = x.process.readNow(free[:min(len(free), maxPipe-x.afterExit)])
		x.afterExit += n
	}
	x.out = x.out[:len(x.out)+n]
	x.printed += int64(n)
	if n > 0 && !x.begun.Swap(true) {
		x.late.Stop()
	}
	if x.printed > maxScriptOutput {
		x.cancel(errScriptOutput)
		return errScriptOutput
	}
	return err
}

// stream writes the content: the output so far, and then the rest as it is printed.
func (x *scriptRun) stream(ctx context.Context, w io.Writer) (err error) {
	x.feed.start()
	defer func() { err = x.feed.stop(err) }()
	for {
		if err := x.send(w); err != nil {
			return err
		}
		err := x.read(time.Time{})
		if err == io.EOF {
			_, err = x.settle(nil)
			if err == nil && x.sent < x.head.length {
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
func (x *scriptRun) send(w io.Writer) error {
	content := x.out
	if n := x.head.length; n >= 0 {
		content = content[:min(int64(len(content)), n-x.sent)]
	}
	n, err := w.Write(content)
	x.sent += int64(n)
	x.out = x.out[:0]
	return err
}
