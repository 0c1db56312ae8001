package rawhttp

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// A requestContext is the context of one request. Its Done channel is created on first
// use, since most contexts are never waited for: so it is one small allocation, and the
// client is watched only while somebody waits.
type requestContext struct {
	conn   *conn                         // whose group has the context with the values, and an end of its own
	waited atomic.Pointer[waitedContext] // nil until somebody waits, or it ends
}

// A waitedContext is a context that somebody waits for.
type waitedContext struct {
	context.Context
	cancel context.CancelCauseFunc
}

func newWaitedContext(parent context.Context) *waitedContext {
	ctx, cancel := context.WithCancelCause(parent)
	return &waitedContext{ctx, cancel}
}

// endedContext stands for all that ended before anybody waited for them.
var endedContext = func() *waitedContext {
	w := newWaitedContext(context.Background())
	w.cancel(nil)
	return w
}()

// Causes of the end of a context, besides the end of the exchange and of the server.
var (
	errClientClosed = errors.New("rawhttp: the client closed its side of the connection")
	errClientReset  = errors.New("rawhttp: the client reset the connection")
)

// end ends the context, and reports whether somebody may be waiting for it. It may be
// called again.
func (c *requestContext) end(cause error) (waited bool) {
	if c.waited.CompareAndSwap(nil, endedContext) {
		return false
	}
	c.waited.Load().cancel(cause)
	return true
}

// isWaited reports whether somebody waits for the context, or has.
func (c *requestContext) isWaited() bool { return c.waited.Load() != nil }

// Deadline implements [context.Context].
func (c *requestContext) Deadline() (time.Time, bool) { return c.conn.group.ctx.Deadline() }

// Done implements [context.Context].
func (c *requestContext) Done() <-chan struct{} {
	w := c.waited.Load()
	if w == nil {
		w = newWaitedContext(c.conn.group.ctx)
		if c.waited.CompareAndSwap(nil, w) {
			c.conn.watchFor(c)
		} else {
			w.cancel(nil)
			w = c.waited.Load()
		}
	}
	return w.Done()
}

// Err implements [context.Context].
func (c *requestContext) Err() error {
	if err := c.conn.group.ctx.Err(); err != nil {
		return err
	}
	if w := c.waited.Load(); w != nil {
		return w.Err()
	}
	return nil
}

// Value implements [context.Context]. Package context asks for its own kind of
// context in this way, so that one derived from this needs no goroutine.
func (c *requestContext) Value(key any) any {
	if key == (stoppingKey{}) {
		return c.conn.group.stopped
	}
	if w := c.waited.Load(); w != nil && w != endedContext {
		return w.Value(key)
	}
	return c.conn.group.ctx.Value(key)
}

// stoppingKey is the key of what Stopping returns.
type stoppingKey struct{}

// Stopping returns a channel that is closed when the server begins to stop: [Server.Serve]'s
// context has ended, or [Server.Shutdown] or [Server.Close] was called, or the listener has
// failed. ctx is the context of a request, or one derived from it; that of another kind has
// no such channel, and Stopping returns nil, from which a receive waits for ever.
//
// A request in progress has until the end of its ctx, the time of [WithDrainTimeout], to
// finish. A stream that would go on for ever, such as server-sent events, ends when the
// channel is closed, or says goodbye first.
func Stopping(ctx context.Context) <-chan struct{} {
	stopped, _ := ctx.Value(stoppingKey{}).(chan struct{})
	return stopped
}

// newContext returns the context of a request. Several are made at once.
func (c *conn) newContext() *requestContext {
	if len(c.work.contexts) == 0 {
		c.work.contexts = make([]requestContext, min(c.num, maxContexts))
	}
	ctx := &c.work.contexts[0]
	c.work.contexts = c.work.contexts[1:]
	ctx.conn = c
	return ctx
}

// maxContexts is how many contexts are made at once, for a connection with many
// requests: one that is kept keeps the others.
const maxContexts = 16

// endContext ends the context of the request, if there is one that has not ended.
func (c *conn) endContext() {
	if c.work.ctx != nil && c.work.ctx.end(nil) {
		c.endWatch()
	}
	c.work.ctx = nil
	if c.watch.halfOpen.Load() {
		c.watch.halfOpen.Store(false)
	}
}

// A watch notices that the client has gone, while somebody waits for the end of a
// request's context. It does so by reading ahead, which works on any connection and any
// system. There is one reader of a connection at a time: before anybody else reads, the
// watch stops, and what it has read comes first.
type watch struct {
	mu       sync.Mutex
	ctx      *requestContext // that somebody waits for; nil: nobody does
	reading  bool            // content is being read, which notices it too
	halfOpen atomic.Bool     // a client that has closed its side has not gone
	timer    *time.Timer     // starts the goroutine; nil: nobody has ever waited
	running  chan struct{}   // closed when the goroutine ends; nil: there is none
	stopped  atomic.Bool     // the goroutine is to end

	ahead inbuf // read and not used yet; of the goroutine while it runs, else of whoever reads
}

// watchDelay is how long a context is waited for before the watch starts: most ends of
// exchanges and reads of content come sooner, and save its goroutine.
const watchDelay = 10 * time.Millisecond

// watchFor has the client watched until the context has ended.
func (c *conn) watchFor(ctx *requestContext) {
	w := &c.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() != nil { // the exchange is over
		return
	}
	w.ctx = ctx
	if !w.reading {
		c.startWatch()
	}
}

// startWatch starts the watch soon. Like stopWatch, it is called with watch.mu held.
func (c *conn) startWatch() {
	if c.watch.timer == nil {
		c.watch.timer = time.AfterFunc(watchDelay, c.runWatch)
	} else {
		c.watch.timer.Reset(watchDelay)
	}
}

func (c *conn) stopWatch() {
	w := &c.watch
	if w.timer != nil {
		w.timer.Stop()
	}
	if w.running != nil {
		w.stopped.Store(true)
		c.wakeReader()
		<-w.running
		w.running = nil
		c.setReadDeadline(never)
	}
}

// endWatch ends the watch, as nobody waits any more.
func (c *conn) endWatch() {
	w := &c.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	c.stopWatch()
	w.ctx = nil
	w.takeAhead(nil) // which gives up an empty buffer
}

// beginRead and endRead are called before and after content is read.
func (c *conn) beginRead() {
	c.watch.mu.Lock()
	defer c.watch.mu.Unlock()
	c.stopWatch()
	c.watch.reading = true
}

func (c *conn) endRead() {
	w := &c.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reading = false
	if w.ctx != nil && w.ctx.Err() == nil {
		c.startWatch()
	}
}

// runWatch is the goroutine of the watch.
func (c *conn) runWatch() {
	w := &c.watch
	w.mu.Lock()
	if w.ctx == nil || w.reading || w.running != nil { // it was stopped, or started twice
		w.mu.Unlock()
		return
	}
	running, ctx := make(chan struct{}), w.ctx
	w.running = running
	w.stopped.Store(false)
	c.setReadDeadline(never)
	w.mu.Unlock()
	if c.ready != nil {
		c.ready.drop() // it waits without a buffer
	}

	defer close(running)
	err := c.untilStopped(c.readAhead)
	if err == io.EOF {
		if !w.halfOpen.Load() && !c.srv.config.halfClose {
			ctx.end(errClientClosed)
		}
		err = c.untilStopped(c.awaitReset) // which may still come
	}
	if err != nil {
		c.gone.Store(true)
		ctx.end(errClientReset)
	}
}

// untilStopped calls wait again where it has met a deadline that somebody else has set. It
// returns nil if the watch is to end.
func (c *conn) untilStopped(wait func() error) error {
	for {
		err := wait()
		if !isTimeout(err) {
			return err
		}
		c.nc.SetReadDeadline(time.Time{})
		if c.watch.stopped.Load() { // asked after that, so that its deadline is not lost
			return nil
		}
	}
}

// readAhead reads ahead until there is an error, io.EOF where the client has closed its side.
// Where there is no room for more it asks the system, if that can tell.
func (c *conn) readAhead() error {
	ahead, limit := &c.watch.ahead, c.srv.config.bufferLimit()
	for len(ahead.bytes()) < limit {
		if ahead.buf == nil && c.ready != nil {
			if err := c.ready.wait(); err != nil {
				return err
			}
			buf, b := c.ready.take()
			ahead.buf, ahead.w = buf[:], len(b)
			continue
		}
		if err := ahead.fill(limit); err != nil {
			return err
		}
	}
	return c.awaitEnd()
}

// takeAhead reads what the watch has read.
func (w *watch) takeAhead(p []byte) int {
	if w.ahead.buf == nil {
		return 0
	}
	n := copy(p, w.ahead.bytes())
	w.ahead.advance(n)
	if len(w.ahead.bytes()) == 0 {
		w.ahead.release()
	}
	return n
}
