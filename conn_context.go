package rawhttp

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// A requestContext is the context of one request. Its Done channel is created on first use,
// since most contexts are never waited for. So the context is one small allocation, and the
// client is watched only if the program waits.
type requestContext struct {
	conn   *conn                         // its group's context holds the values and the deadline
	waited atomic.Pointer[waitedContext] // nil until the program waits, or the context ends
}

// A waitedContext is the context that a Done channel in use belongs to.
type waitedContext struct {
	context.Context
	cancel context.CancelCauseFunc
}

// newWaitedContext returns a context whose cancel must be called, or parent would keep it.
func newWaitedContext(parent context.Context) *waitedContext {
	ctx, cancel := context.WithCancelCause(parent)
	return &waitedContext{ctx, cancel}
}

// endedContext stands for every context that ended before its Done channel was created.
var endedContext = func() *waitedContext {
	w := newWaitedContext(context.Background())
	w.cancel(nil)
	return w
}()

// Causes of cancellation, other than the end of the exchange or of the server.
var (
	errClientClosed = errors.New("rawhttp: the client closed its side of the connection")
	errClientReset  = errors.New("rawhttp: the client reset the connection")
)

// cancel ends the context, and reports whether the program may be waiting for it. It may be
// called more than once; the first cause stays.
func (c *requestContext) cancel(cause error) (waited bool) {
	if c.waited.CompareAndSwap(nil, endedContext) { // no one waits: no channel is needed
		return false
	}
	c.waited.Load().cancel(cause)
	return true
}

// isWaited reports whether the Done channel has been created, or the context has ended.
func (c *requestContext) isWaited() bool { return c.waited.Load() != nil }

// Deadline implements [context.Context].
func (c *requestContext) Deadline() (time.Time, bool) { return c.conn.group.ctx.Deadline() }

// Done implements [context.Context].
func (c *requestContext) Done() <-chan struct{} {
	w := c.waited.Load()
	if w == nil {
		w = newWaitedContext(c.conn.group.ctx)
		if c.waited.CompareAndSwap(nil, w) {
			c.conn.watch.until(c)
		} else { // another goroutine was first, or the exchange has ended
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

// Value implements [context.Context]. Through it package context finds its own type of
// context inside this one, so that derived contexts need no goroutine.
func (c *requestContext) Value(key any) any {
	if key == (stoppingKey{}) {
		return (<-chan struct{})(c.conn.group.stopped)
	}
	// endedContext has no values, since it stands for contexts of all connections.
	if w := c.waited.Load(); w != nil && w != endedContext {
		return w.Value(key)
	}
	return c.conn.group.ctx.Value(key)
}

// stoppingKey is the context key for Stopping.
type stoppingKey struct{}

// Stopping returns a channel that is closed when the server begins to stop: when the
// context of [Server.Serve] ends, [Server.Shutdown] or [Server.Close] is called, or the
// listener fails. ctx must be the context of a request or derived from one, or from a context
// of [ContextWithStopping]. For any other context Stopping returns nil, a channel that is never
// ready.
//
// A request in progress can finish until ctx ends: after the time of [WithDrainTimeout], when
// the context passed to [Server.Shutdown] ends, or at [Server.Close]. A stream that would
// otherwise never end, such as server-sent events, should end when the channel is closed,
// perhaps after a last message.
func Stopping(ctx context.Context) <-chan struct{} {
	stopped, _ := ctx.Value(stoppingKey{}).(<-chan struct{})
	return stopped
}

// ContextWithStopping returns a context derived from ctx for which [Stopping] returns the given
// channel. It is for adapters to other servers, and for tests of a stream that ends when the
// server stops. The caller closes the channel when the server begins to stop, and should send
// nothing on it, since several receivers may wait. If it is nil, the context never reports a stop.
func ContextWithStopping(ctx context.Context, stopping <-chan struct{}) context.Context {
	return context.WithValue(ctx, stoppingKey{}, stopping)
}

// newContext returns the context of a request. It allocates several at once. None is used
// again, since the program may keep it.
func (x *exchange) newContext() *requestContext {
	if len(x.contexts) == 0 { // a connection with one request so far gets one
		x.contexts = make([]requestContext, min(x.conn.num, maxContexts))
	}
	ctx := &x.contexts[0]
	x.contexts = x.contexts[1:]
	ctx.conn = x.conn
	return ctx
}

// maxContexts is the most contexts allocated at once, for a connection with many requests.
// A program that keeps one of them keeps all in memory.
const maxContexts = 16

// endContext ends the context of the request, if it has one.
func (x *exchange) endContext() {
	if x.ctx != nil && x.ctx.cancel(nil) {
		x.conn.watch.end()
	}
	x.ctx = nil
	x.conn.watch.halfOpen.Store(false)
}

// A watch notices that the client has disconnected while the program waits for the end of a
// request's context. It reads ahead, which works on any connection and system. A connection
// has one reader at a time: the watch stops before anything else reads, and what it has
// read is used first.
type watch struct {
	conn     *conn
	mu       sync.Mutex      // guards ctx, reading, timer and running
	ctx      *requestContext // that the program waits for, or nil
	reading  bool            // content or an upgraded connection is being read, which notices a disconnect too
	halfOpen atomic.Bool     // a client that closed its side still counts as connected
	timer    *time.Timer     // starts the goroutine; nil if no context was ever waited for
	running  chan struct{}   // closed when the goroutine ends; nil if none runs
	stopped  atomic.Bool     // the goroutine must end

	ahead inbuf // read but not used yet; belongs to the goroutine while it runs, otherwise to the reader
}

// watchDelay is how long the program must wait for a context before the watch starts. Most
// exchanges end, or read content, sooner and save the goroutine.
const watchDelay = 10 * time.Millisecond

// until watches the client until ctx ends.
func (w *watch) until(ctx *requestContext) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() != nil { // the exchange is over
		return
	}
	w.ctx = ctx
	if !w.reading {
		w.start()
	}
}

// start starts the goroutine after watchDelay. Like stop, it is called with w.mu held.
func (w *watch) start() {
	if w.timer == nil {
		w.timer = time.AfterFunc(watchDelay, w.run)
	} else {
		w.timer.Reset(watchDelay)
	}
}

// stop ends the goroutine, and waits for it. When it returns, the caller may read. It cannot
// wait forever: run needs w.mu only to begin.
func (w *watch) stop() {
	if w.timer != nil {
		w.timer.Stop() // if it has fired already, run sees reading or a nil ctx
	}
	if w.running != nil {
		w.stopped.Store(true) // before the deadline; see untilStopped
		w.conn.wakeReader()
		<-w.running
		w.running = nil
		w.conn.setReadDeadline(never) // the one that woke the watch would fail the next read
	}
}

// end ends the watch, since the context has ended. It may be called while another
// goroutine reads, so it leaves what the watch has read to that goroutine.
func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop()
	w.ctx = nil
}

// beginRead and endRead are called before and after each read of content, or of an upgraded
// connection.
func (w *watch) beginRead() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop()
	w.reading = true
}

func (w *watch) endRead() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reading = false
	// If the program still waits, the watch takes over from the read.
	if w.ctx != nil && w.ctx.Err() == nil {
		w.start()
	}
}

// run is the goroutine of the watch.
func (w *watch) run() {
	w.mu.Lock()
	if w.ctx == nil || w.reading || w.running != nil { // it was stopped, or started twice
		w.mu.Unlock()
		return
	}
	running, ctx := make(chan struct{}), w.ctx
	w.running = running
	w.stopped.Store(false)
	w.conn.setReadDeadline(never)
	w.mu.Unlock() // from here on, only stopped and the deadline reach this goroutine
	if w.conn.ready != nil {
		w.conn.ready.drop() // the watch waits without a buffer
	}

	defer close(running)
	err := w.untilStopped(w.readAhead)
	if err == io.EOF {
		// RFC 9112, section 9.6: a half-close does not "imply that the client is no longer
		// interested in a response". Nearly always it is not, so the context ends, unless
		// WithHalfClose or a script says otherwise. A response is still sent.
		if !w.halfOpen.Load() && !w.conn.srv.config.halfClose {
			ctx.cancel(errClientClosed)
		}
		err = w.untilStopped(w.conn.awaitReset) // a reset may still follow
	}
	if err != nil {
		w.conn.gone.Store(true)
		ctx.cancel(errClientReset)
	}
}

// untilStopped calls wait until it returns anything but a timeout, since other goroutines
// set deadlines. It returns nil if the watch must end.
func (w *watch) untilStopped(wait func() error) error {
	for {
		err := wait()
		if !isTimeout(err) {
			return err
		}
		w.conn.nc.SetReadDeadline(time.Time{})
		// Look only after resetting the deadline: stop sets stopped first, so that its
		// deadline is not lost.
		if w.stopped.Load() {
			return nil
		}
	}
}

// readAhead reads ahead until an error occurs: io.EOF if the client closed its side. When
// the buffer is full, it asks the system about the connection, where that is possible.
func (w *watch) readAhead() error {
	ahead, limit := &w.ahead, w.conn.srv.config.bufferLimit()
	defer w.takeAhead(nil)           // releases an empty buffer
	for len(ahead.bytes()) < limit { // a client must not make the server hold more
		if ahead.buf == nil && w.conn.ready != nil {
			if err := w.conn.ready.wait(); err != nil {
				return err
			}
			buf, b := w.conn.ready.take()
			ahead.buf, ahead.w = buf[:], len(b)
			continue
		}
		if err := ahead.fill(limit); err != nil {
			return err
		}
	}
	return w.conn.awaitEnd()
}

// takeAhead reads from what the watch has read. While the watch runs, only it may call this.
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
