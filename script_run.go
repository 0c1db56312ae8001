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
	scriptGrace     = 500 * time.Millisecond // from the end of a script, and from SIGTERM, to what is next
	scriptHold      = 100 * time.Millisecond // from the first byte of content to the response
	maxScriptHeld   = 64 << 10               // bytes of content that are held so long
	maxScriptStderr = 64 << 10               // bytes
	maxPipe         = 1 << 20                // bytes that a pipe holds, where somebody makes it hold more
)

// Why a script is ended.
var (
	errScriptLate   = &StatusError{Status: 504, Err: errors.New("the script has not printed in time")}
	errScriptTime   = &StatusError{Status: 504, Err: errors.New("the script has run too long")}
	errScriptOutput = errors.New("rawhttp: the script has printed too much")
	errScriptOver   = errors.New("rawhttp: the script has ended")
	errScriptUnread = errors.New("rawhttp: the output of the script is not wanted")
)

// A scriptRun is a script that runs. The goroutine of the exchange reads its output (respond,
// stream, Close), a feeder writes its content, logErrors reads its standard error, one waits
// for its exit, and tend ends whatever is left of it. All of it ends with ctx:
//
//	client disconnects, server stops ── request's context ─┐
//	nothing printed in maxFirstByte ─── late ──────────────┤           ┌─▶ read returns the cause
//	WithScriptTimeout ───────────────── tend ──────────────┼─▶ ctx ends┤
//	too much printed ────────────────── read ──────────────┤           └─▶ tend: SIGTERM to the group,
//	content fails, a hook panics ────── feeder ────────────┤               SIGKILL after scriptGrace,
//	output not wanted any more ──────── Close, leave ──────┤               exited, logged, turn given
//	the script exited and is silent ─── tend ──────────────┘               back, gone
//
// A script that has closed its output may run on after its response, until tend's limits.
type scriptRun struct {
	runner  *scripts
	process *process
	req     *Request
	warn    func(msg string, args ...any)

	// ctx is not the request's, which ends before a script that closes its output and goes on.
	ctx     context.Context
	cancel  context.CancelCauseFunc
	part    func() bool // parts ctx from the request's
	request context.Context
	whole   atomic.Bool // the output was read to its end
	begun   atomic.Bool // some output was read
	late    *time.Timer // ends the script unless it has begun

	exited  chan struct{} // closed when the script itself has ended, with fault set
	fault   string        // "": it ended well
	logged  chan struct{} // closed when standard error was read to its end
	ignored chan struct{} // closed when nobody reads output any more
	gone    chan struct{} // closed when all processes are

	feed    *feeder // nil: it has no content
	head    *scriptHead
	out     []byte // output that was not sent yet
	printed int64  // bytes of output
	left    int    // bytes of that which were read when it had ended
	sent    int64  // bytes of content
}

// start starts the script, for which it takes over the input and the turn. It holds
// the lock meanwhile, so that whoever has ended the request finds the script, or none
// is started.
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
	x.part = context.AfterFunc(ctx, func() { x.cancel(context.Cause(ctx)) })
	context.AfterFunc(x.ctx, func() { p.out.SetReadDeadline(time.Unix(1, 0)) })
	x.late = time.AfterFunc(maxFirstByte, func() {
		if !x.begun.Load() {
			x.cancel(errScriptLate)
		}
	})
	if p.in != nil {
		x.late.Stop() // until it has its content
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

// tend waits until the script has ended, or is to end, and sees to it that nothing
// of it is left.
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

// awaitSilence waits until no process of a script that has ended holds its output,
// but not long.
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

// logErrors takes what the script says on standard error, and logs the beginning of
// that, line by line.
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
				x.warn("says", "stderr", escapeControls(string(b[:end])))
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

// leave ends the processes if the script has nothing more to say to its client. It
// reports whether they end.
func (x *scriptRun) leave() bool {
	if x.whole.Load() || x.request.Err() != nil {
		x.cancel(errScriptUnread)
	}
	return x.ctx.Err() != nil
}

// Close lets go of the output of the script, which is ended if there is more of it. Where
// the request was ended, nobody waits for the connection; so that it takes no longer
// than the server, Close then waits for the processes.
func (x *scriptRun) Close() error {
	x.part()
	x.late.Stop()
	if !x.whole.Load() {
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

// respond makes the response: of all of the output if that ends soon, else of its
// beginning and what is to come.
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

const errShortScript = scriptFault("Content-Length promises more than there is")

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

// hold reads until the output has ended, or until it is time to answer with what is
// there.
func (x *scriptRun) hold() (ended bool, err error) {
	var limit time.Time // none, until there is content
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

// endHold goes on behind the end of the output.
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

// parse parses the head of the response, once enough of it is there.
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

// settle waits, where the output has ended, for what else matters: how a script
// ended that has printed nothing, and that one may read on which closed its output.
func (x *scriptRun) settle(enough <-chan time.Time) (settled bool, err error) {
	var fed chan struct{} // closed when it reads no more; nil: that does not matter
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

// finish takes note that all of the output was read. The script may go on without,
// until its resolver is closed.
func (x *scriptRun) finish() {
	x.whole.Store(true)
	x.runner.mu.Lock()
	defer x.runner.mu.Unlock()
	if x.runner.closed {
		x.cancel(errScriptUnread)
	}
}

// errNothingYet says that a limit of time has come.
var errNothingYet = errors.New("rawhttp: nothing printed yet")

// read reads output once, behind what is there. It returns the cause if the script is
// to end, and errNothingYet at the limit, which is none if zero.
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
	if err == errScriptOver { // what is in the pipe is still of the script
		n, err = x.process.readNow(free[:min(len(free), maxPipe-x.left)])
		x.left += n
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

// stream writes the content: what is there, and what the script still prints.
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

// send writes the output that is there, no more than the script has promised.
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
