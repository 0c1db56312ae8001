package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"example.com/rawhttp/bench/servers/contract"
)

// A stream is a response that has begun and does not end.
type stream struct {
	*client
	body io.Reader
}

// openStream sends the request and reads the head of the response.
func (t traffic) openStream(ctx context.Context) (s stream, err error) {
	c, err := t.dial()
	if err != nil {
		return s, err
	}
	resp, err := c.begin(ctx)
	if err != nil {
		c.close()
		return s, err
	}
	return stream{c, resp.Body}, nil
}

// begin sends a batch and reads the head of the first response.
func (c *client) begin(ctx context.Context) (*http.Response, error) {
	stop, err := c.send(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil, err
	}
	return resp, c.check(resp)
}

// streams are open streams whose events are counted.
type streams struct {
	all      []stream
	received atomic.Int64 // bytes of content
	ended    chan error
}

func openStreams(ctx context.Context, t traffic) (*streams, error) {
	s := &streams{ended: make(chan error, t.conns)}
	for range t.conns {
		one, err := t.openStream(ctx)
		if err != nil {
			s.close()
			return nil, err
		}
		s.all = append(s.all, one)
		go func() {
			_, err := io.CopyBuffer(s, one.body, one.buf)
			s.ended <- cmp.Or(err, io.EOF)
		}()
	}
	return s, nil
}

// Write implements io.Writer; it counts.
func (s *streams) Write(b []byte) (int, error) {
	s.received.Add(int64(len(b)))
	return len(b), nil
}

// receive counts the events that arrive within d. They count as requests.
func (s *streams) receive(ctx context.Context, d time.Duration) (load, error) {
	start, before := time.Now(), s.received.Load()
	select {
	case err := <-s.ended:
		return load{}, fmt.Errorf("a stream has ended: %w", err)
	case <-ctx.Done():
		return load{}, ctx.Err()
	case <-time.After(d):
	}
	n := s.received.Load() - before
	return load{requests: int(n) / len(contract.Event), bytes: n, elapsed: time.Since(start)}, nil
}

func (s *streams) close() {
	for _, one := range s.all {
		one.close()
	}
}
