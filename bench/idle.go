package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// idleConns returns the number of connections to open. The client and the server each need
// a descriptor per connection.
func (l *lab) idleConns(j job) int {
	if l.check {
		return 100
	}
	var limit unix.Rlimit // Go has raised the limit of this process to the maximum
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil && limit.Cur < uint64(j.conns)+100 {
		fewer := int(limit.Cur) - 100
		l.note("%s: %d connections, not %d: the limit of open files is %d", j.name, fewer, j.conns, limit.Cur)
		return fewer
	}
	return j.conns
}

// runIdle measures the memory of connections that are idle after a response. Each round
// uses a new server, since none releases all of its memory.
func (l *lab) runIdle(ctx context.Context, j job) (all []series, err error) {
	for _, c := range l.contenders(j) {
		all = append(all, series{contender: c})
	}
	for range l.rounds {
		for i := range all {
			s, err := l.idleRound(ctx, all[i].contender, j)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", j.name, all[i].contender.name, err)
			}
			all[i].samples = append(all[i].samples, s)
		}
	}
	return all, nil
}

func (l *lab) idleRound(ctx context.Context, c contender, j job) (s sample, err error) {
	p, err := l.start(ctx, c, j)
	if err != nil {
		return s, err
	}
	defer p.stop()
	before, _ := memory(p.pid) // after one response, so that one-time allocations do not count
	t := newTraffic(j, p.port)
	clients := make([]*client, 0, j.conns)
	defer func() {
		for _, c := range clients {
			c.close()
		}
	}()
	for range j.conns {
		c, err := t.dial()
		if err != nil {
			return s, err
		}
		clients = append(clients, c)
		if err := c.exchange(ctx, discard{}); err != nil {
			return s, err
		}
	}
	settle := time.Second
	if l.check {
		settle = 0
	}
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return s, ctx.Err()
	}
	after, _ := memory(p.pid)
	if after == 0 {
		return s, errors.New("cannot read the memory of the server")
	}
	s.growth = after - before
	return s, nil
}
