package rawhttp

import (
	"net"
	"sync"
)

// A liveCounted keeps what each Write was given.
type liveCounted struct {
	net.Conn
	mu     sync.Mutex
	writes []string
}

func (c *liveCounted) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.writes = append(c.writes, string(p))
	c.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *liveCounted) taken() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.writes
	c.writes = nil
	return w
}
