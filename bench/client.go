package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
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

// A client has one connection at a time. It sends requests in batches, each as soon as the
// previous one has been answered.
type client struct {
	traffic
	tcp     *net.TCPConn
	conn    net.Conn // tcp, or TLS on it; nil if a new connection is to be opened
	in      *bufio.Reader
	buf     []byte
	firsts  []time.Duration
	lasts   []time.Duration
	content int64
}

func (t traffic) dial() (*client, error) {
	c := &client{traffic: t, in: bufio.NewReader(nil), buf: make([]byte, bufferSize(t.job))}
	return c, c.open()
}

// bufferSize returns the size of the read buffer. It is small for jobs with many idle
// connections.
func bufferSize(j job) int {
	switch j.kind {
	case large, listing, listingJSON:
		return 256 << 10
	}
	return 4 << 10
}

// clientTLS trusts any certificate, since that of the servers is this program's own.
var clientTLS = &tls.Config{InsecureSkipVerify: true}

func (c *client) open() error {
	conn, err := net.Dial("tcp", c.address)
	if err != nil {
		return err
	}
	c.tcp, c.conn = conn.(*net.TCPConn), conn
	if c.tls {
		c.conn = tls.Client(conn, clientTLS)
	}
	c.in.Reset(c.conn)
	return nil
}

// close resets the connection, since many would otherwise remain in TIME_WAIT.
func (c *client) close() {
	if c.conn == nil {
		return
	}
	c.tcp.SetLinger(0)
	c.tcp.Close()
	c.conn = nil
}

func (c *client) exchange(ctx context.Context, content io.Writer) error {
	start := time.Now()
	stop, err := c.send(ctx)
	if err != nil {
		return err
	}
	defer stop()
	if err := c.conn.SetReadDeadline(start.Add(time.Minute)); err != nil {
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
	if c.reconnect {
		c.close()
	}
	return nil
}

// send sends a batch, on a new connection if there is none. Until stop is called, the end of
// ctx closes the connection.
func (c *client) send(ctx context.Context) (stop func() bool, err error) {
	if c.conn == nil {
		if err := c.open(); err != nil {
			return nil, err
		}
	}
	tcp := c.tcp // not what c.tcp is later
	stop = context.AfterFunc(ctx, func() { tcp.Close() })
	if err := c.conn.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
		stop()
		return nil, err
	}
	if _, err := c.conn.Write(c.batch); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

func (c *client) answer(content io.Writer) error {
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	if err := c.check(resp); err != nil {
		return err
	}
	n, err := io.CopyBuffer(content, resp.Body, c.buf)
	if err != nil {
		return err
	}
	if c.want >= 0 && n != c.want {
		return fmt.Errorf("%d bytes of content, want %d", n, c.want)
	}
	c.content += n
	return nil
}

// check checks the head of a response.
func (c *client) check(resp *http.Response) error {
	if want := cmp.Or(c.status, 200); resp.StatusCode != want {
		return fmt.Errorf("status %s, want %d", resp.Status, want)
	}
	if resp.Close != c.reconnect {
		return fmt.Errorf("the response announces the close of the connection: %t, want %t", resp.Close, c.reconnect)
	}
	return nil
}

// A discard is io.Discard without its ReadFrom method, which reads only 8 KiB at a
// time.
type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// runClients puts load on a server for d. Each client ends after a complete response.
func runClients(ctx context.Context, t traffic, d time.Duration) (load, error) {
	clients := make([]*client, t.conns)
	for i := range clients {
		c, err := t.dial()
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
	result.requests = len(lasts) * t.depth
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
