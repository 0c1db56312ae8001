//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// errAborted is the error of a client that aborted its own connection.
var errAborted = errors.New("aborted")

// A conn is a client's connection, which may be set to abort itself at a certain byte.
type conn struct {
	*net.TCPConn
	r        *bufio.Reader
	toWrite  int // bytes until the connection is aborted, or -1
	toRead   int
	useReset bool // abort with RST instead of FIN
	aborted  bool
}

func dial(addr string) (*conn, error) {
	nc, err := net.DialTimeout("tcp", addr, hang)
	if err != nil {
		return nil, err
	}
	c := &conn{TCPConn: nc.(*net.TCPConn), toWrite: -1, toRead: -1}
	c.r = bufio.NewReader(c)
	return c, nil
}

// abortSoon makes the connection abort itself at a random byte of its input or output,
// more often near the beginning.
func (c *conn) abortSoon(random *rand.Rand) {
	at := random.IntN(1 << random.IntN(21))
	c.useReset = random.IntN(2) == 0
	if random.IntN(2) == 0 {
		c.toWrite = at
	} else {
		c.toRead = at
	}
}

func (c *conn) abort() error {
	if !c.aborted {
		c.aborted = true
		if c.useReset {
			c.SetLinger(0)
		}
		c.Close()
	}
	return errAborted
}

func (c *conn) Write(b []byte) (n int, err error) {
	if c.toWrite < 0 || len(b) < c.toWrite {
		if c.toWrite >= 0 {
			c.toWrite -= len(b)
		}
		return c.TCPConn.Write(b)
	}
	c.TCPConn.Write(b[:c.toWrite])
	return 0, c.abort()
}

func (c *conn) Read(b []byte) (n int, err error) {
	if c.toRead < 0 {
		return c.TCPConn.Read(b)
	}
	if c.toRead == 0 {
		return 0, c.abort()
	}
	n, err = c.TCPConn.Read(b[:min(len(b), c.toRead)])
	c.toRead -= n
	return n, err
}

// A response is a response that has been read to its end.
type response struct {
	*http.Response
	content []byte
}

// read reads the response to a request with the method. It skips informational
// responses.
func (c *conn) read(method string) (*response, error) {
	for {
		resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(resp.Body)
		switch {
		case err != nil:
			return nil, fmt.Errorf("content of %s: %w", resp.Status, err)
		case resp.StatusCode >= 200:
			return &response{resp, content}, nil
		}
	}
}

// ask sends a request without content and reads the response. fields are field lines
// without line ends.
func (c *conn) ask(method, target string, fields ...string) (*response, error) {
	c.SetDeadline(time.Now().Add(hang))
	if _, err := c.Write(head(method, target, fields...)); err != nil {
		return nil, err
	}
	return c.read(method)
}

// head returns the head of a request.
func head(method, target string, fields ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: localhost\r\n", method, target)
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// want returns an error unless the response has the status and, if content is not nil,
// exactly that content.
func (r *response) want(status int, content []byte) error {
	switch {
	case r.StatusCode != status:
		return fmt.Errorf("%s, want %d; content %.100q", r.Status, status, r.content)
	case content != nil && !bytes.Equal(r.content, content):
		return fmt.Errorf("%s with %d bytes of content, which are not the %d wanted", r.Status, len(r.content), len(content))
	}
	return nil
}
