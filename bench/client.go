package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// A load is what a client measured of a server in one round.
type load struct {
	requests  int
	bytes     int64
	elapsed   time.Duration
	p50, p99  time.Duration
	firstByte time.Duration // median; 0 from wrk, which does not report it
}

// A client has one connection. It sends requests in batches, each as soon as the
// previous one has been answered.
type client struct {
	conn    net.Conn
	in      *bufio.Reader
	batch   []byte
	depth   int
	buf     []byte
	want    int64 // bytes of content per response; -1 if servers differ
	firsts  []time.Duration
	lasts   []time.Duration
	content int64
}

func dial(j job, port int) (*client, error) {
	conn, err := net.Dial("tcp", address(port))
	if err != nil {
		return nil, err
	}
	batch := ""
	for i := range j.depth {
		target := j.path
		if j.differ {
			target += "?" + strconv.Itoa(i+1)
		}
		batch += fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, address(port))
	}
	want := int64(j.size)
	if j.size == 0 {
		want = -1
	}
	return &client{
		conn:  conn,
		in:    bufio.NewReader(conn),
		batch: []byte(batch),
		depth: j.depth,
		buf:   make([]byte, bufferSize(j)),
		want:  want,
	}, nil
}

// bufferSize returns the size of the read buffer. It is small for jobs with many idle
// connections.
func bufferSize(j job) int {
	if j.kind == large || j.kind == listing {
		return 256 << 10
	}
	return 4 << 10
}

// close resets the connection, since many would otherwise remain in TIME_WAIT.
func (c *client) close() {
	c.conn.(*net.TCPConn).SetLinger(0)
	c.conn.Close()
}

func (c *client) exchange(ctx context.Context, content io.Writer) error {
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	defer stop()
	start := time.Now()
	if err := c.conn.SetDeadline(start.Add(time.Minute)); err != nil {
		return err
	}
	if _, err := c.conn.Write(c.batch); err != nil {
		return err
	}
	if _, err := c.in.Peek(1); err != nil {
		return err
	}
	c.firsts = append(c.firsts, time.Since(start))
	for range c.depth {
		if err := c.answer(content); err != nil {
			return err
		}
	}
	c.lasts = append(c.lasts, time.Since(start))
	return nil
}

func (c *client) answer(content io.Writer) error {
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	n, err := io.CopyBuffer(content, resp.Body, c.buf)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != 200:
		return fmt.Errorf("status %s, want 200", resp.Status)
	case c.want >= 0 && n != c.want:
		return fmt.Errorf("%d bytes of content, want %d", n, c.want)
	case resp.Close:
		return errors.New("the server announced the close of the connection")
	}
	c.content += n
	return nil
}

// A discard is io.Discard without its ReadFrom method, which reads only 8 KiB at a
// time.
type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// runClients puts load on a server for d. Each client ends after a complete response.
func runClients(ctx context.Context, j job, port int, d time.Duration) (load, error) {
	clients := make([]*client, j.conns)
	for i := range clients {
		c, err := dial(j, port)
		if err != nil {
			return load{}, err
		}
		defer c.close()
		clients[i] = c
	}
	start := time.Now()
	errs := make([]error, len(clients))
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() {
			for errs[i] == nil && time.Since(start) < d {
				errs[i] = c.exchange(ctx, discard{})
			}
		})
	}
	wg.Wait()
	result := load{elapsed: time.Since(start)}
	var firsts, lasts []time.Duration
	for _, c := range clients {
		firsts, lasts = append(firsts, c.firsts...), append(lasts, c.lasts...)
		result.bytes += c.content
	}
	result.requests = len(lasts) * j.depth
	result.firstByte = percentile(firsts, 50)
	result.p50, result.p99 = percentile(lasts, 50), percentile(lasts, 99)
	return result, errors.Join(errs...)
}

func percentile(d []time.Duration, p int) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[(len(d)-1)*p/100]
}
