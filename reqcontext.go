package rawhttp

import (
	"context"
	"sync/atomic"
	"time"
)

// A requestContext is the context of one request. Most are never waited for, so what
// that takes is made when somebody does: the rest is one small allocation.
type requestContext struct {
	group  *group                        // whose context has the values, and an end of its own
	waited atomic.Pointer[waitedContext] // nil until somebody waits, or it ends
}

// A waitedContext is a context that somebody waits for.
type waitedContext struct {
	context.Context
	cancel context.CancelFunc
}

func newWaitedContext(parent context.Context) *waitedContext {
	ctx, cancel := context.WithCancel(parent)
	return &waitedContext{ctx, cancel}
}

// endedContext stands for all that ended before anybody waited for them.
var endedContext = func() *waitedContext {
	w := newWaitedContext(context.Background())
	w.cancel()
	return w
}()

// end ends the context. It may be called again.
func (c *requestContext) end() {
	if !c.waited.CompareAndSwap(nil, endedContext) {
		c.waited.Load().cancel()
	}
}

// Deadline implements [context.Context].
func (c *requestContext) Deadline() (time.Time, bool) { return c.group.ctx.Deadline() }

// Done implements [context.Context].
func (c *requestContext) Done() <-chan struct{} {
	w := c.waited.Load()
	if w == nil {
		w = newWaitedContext(c.group.ctx)
		if !c.waited.CompareAndSwap(nil, w) {
			w.cancel()
			w = c.waited.Load()
		}
	}
	return w.Done()
}

// Err implements [context.Context].
func (c *requestContext) Err() error {
	if err := c.group.ctx.Err(); err != nil {
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
	if w := c.waited.Load(); w != nil && w != endedContext {
		return w.Value(key)
	}
	return c.group.ctx.Value(key)
}

// newContext gives the context of a request. They are made some at once.
func (c *conn) newContext() *requestContext {
	if len(c.contexts) == 0 {
		c.contexts = make([]requestContext, min(c.num, maxContexts))
	}
	ctx := &c.contexts[0]
	c.contexts = c.contexts[1:]
	ctx.group = c.group
	return ctx
}

// maxContexts is how many contexts are made at once, for a connection with many
// requests: one that is kept keeps the others.
const maxContexts = 16
