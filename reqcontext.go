package rawhttp

import (
	"context"
	"sync"
)

// A requestContext is the context of one request. Most are never waited for, so what
// that takes is made when somebody does: the rest is one allocation.
type requestContext struct {
	context.Context // of the connections that stop together: its values, and its end

	mu     sync.Mutex
	ended  bool
	inner  context.Context // nil until somebody waits
	cancel context.CancelFunc
}

// end ends the context.
func (c *requestContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.cancel != nil {
		c.cancel()
	}
}

// Done implements [context.Context].
func (c *requestContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner == nil {
		c.inner, c.cancel = context.WithCancel(c.Context)
		if c.ended {
			c.cancel()
		}
	}
	return c.inner.Done()
}

// Err implements [context.Context].
func (c *requestContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.Context.Err(); err != nil || !c.ended {
		return err
	}
	return context.Canceled
}

// Value implements [context.Context]. Package context asks for its own kind of
// context in this way, so that one derived from this needs no goroutine.
func (c *requestContext) Value(key any) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner != nil {
		return c.inner.Value(key)
	}
	return c.Context.Value(key)
}
