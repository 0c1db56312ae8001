package rawhttp

import (
	"errors"
	"io"
	"time"
)

// What a connection does between two requests.

// idle waits for the first byte of the next request. It reports false where there
// will be none.
func (c *conn) idle() bool {
	waits := len(c.in.bytes()) == 0
	if waits {
		if err := c.slim(); err != nil {
			c.err = err
			return false
		}
	}
	c.num++
	if !waits {
		c.enter(StateHead)
		return true
	}
	now := clock()
	if c.num > 1 { // a new connection is idle already, or was taken away
		c.limit = now.limit(c.srv.config.idleTimeout)
		c.life.Store(int64(now))
	}
	if c.isTLS && c.num == 1 {
		c.setWriteDeadline(c.limit) // the handshake writes, too
	}
	c.enter(StateIdle)
	if c.group.stopping.Load() {
		return false
	}
	park := parkSoon
	if c.num >= inTalk {
		park = parkLate
	}
	return c.begin(c.awaitInput(now.add(park)))
}

// begin begins a request, the first bytes of which have come if err is nil.
func (c *conn) begin(err error) bool {
	if err == errToPark {
		c.ready.drop()
		c.parked.Store(true)
		return false
	}
	if err != nil {
		c.endIdle(err)
		return false
	}
	if since := c.life.Load(); since < lifeIdle || !c.life.CompareAndSwap(since, lifeBusy) {
		return false
	}
	c.enter(StateHead)
	return true
}

// A connection that waits keeps what it works with for a while: longer if it has had
// so many requests that it is in a conversation.
const (
	parkSoon = 10 * time.Millisecond
	parkLate = time.Second
	inTalk   = 4
)

var errToPark = errors.New("rawhttp: nothing has come yet")

// unpark waits for the next request on a goroutine of its own: that which carried the
// last has a stack that has grown, and does not shrink.
func (c *conn) unpark() {
	err := c.awaitParked()
	defer c.close()
	c.work()
	c.parked.Store(false)
	if err == nil {
		c.ready.take(&c.in)
		c.took(c.in.bytes())
	}
	c.carry(c.begin(err))
}

// What a connection keeps while it is idle, besides itself: the last head, and its memory,
// if it is no longer than those of most clients.
const (
	maxIdleText   = 1 << 10 // bytes
	maxIdleFields = 32      // field lines
)

// slim writes what there is to write and gives up what it can do without while it is
// idle.
func (c *conn) slim() error {
	if err := c.out.flush(); err != nil {
		return err
	}
	c.out.release()
	if c.mayPark && c.num >= inTalk { // what is written from is larger, and better shared
		c.ready.keep(&c.in)
	}
	c.in.release()
	if cap(c.req.text) > maxIdleText || cap(c.req.fields) > maxIdleFields {
		c.req, *c.shown = Request{}, Request{Body: noContent{}}
	}
	return nil
}

// endIdle takes note of why there is no further request. That the client has
// gone, or kept silent, is in order.
func (c *conn) endIdle(err error) {
	if err != io.EOF && err != errTakenAway && !isTimeout(err) && c.life.Load() != lifeOver {
		c.err = err
	}
}

// awaitInput waits for the first bytes of a request. It gives errToPark if there are
// none until then.
func (c *conn) awaitInput(park instant) error {
	if c.ready == nil {
		return c.in.fill(c.srv.config.bufferLimit())
	}
	if c.mayPark && c.limit > park {
		_, err := c.readBefore(park, nil)
		if isTimeout(err) {
			return errToPark
		}
		c.took(c.in.bytes())
		return err
	}
	_, err := c.readBefore(c.limit, nil)
	c.took(c.in.bytes())
	return err
}

// awaitParked waits for the first bytes of a request on a connection that is parked.
func (c *conn) awaitParked() error {
	for {
		c.setReadDeadline(c.limit)
		if c.life.Load() == lifeOver {
			return errTakenAway
		}
		if err := c.ready.wait(); !isTimeout(err) || clock() >= c.limit {
			return err
		}
	}
}
