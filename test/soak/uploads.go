//go:build linux

package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// someContent returns random content.
func someContent(random *rand.Rand) []byte {
	content := make([]byte, random.IntN(1<<random.IntN(20)))
	for i := range content {
		content[i] = byte(random.Uint32())
	}
	return content
}

func digest(content []byte) []byte {
	return fmt.Appendf(nil, "%d %x", len(content), sha256.Sum256(content))
}

func (m *mix) upload(c *conn, random *rand.Rand) error {
	content := someContent(random)
	fields := []string{fmt.Sprint("Content-Length: ", len(content))}
	if random.IntN(4) == 0 && len(content) > 0 {
		fields = append(fields, "Expect: 100-continue")
	}
	resp, err := c.send("/upload", content, fields...)
	if err != nil {
		return err
	}
	return resp.want(200, digest(content))
}

// send sends a POST and reads the response. With Expect, it does not wait for 100
// (Continue), which is permitted.
func (c *conn) send(target string, content []byte, fields ...string) (*response, error) {
	c.SetDeadline(time.Now().Add(hang))
	if _, err := c.Write(head("POST", target, fields...)); err != nil {
		return nil, err
	}
	if _, err := c.Write(content); err != nil {
		return nil, err
	}
	return c.read("POST")
}

// chunked returns the content in chunks of random sizes, some with extensions, and with a
// trailer section.
func chunked(content []byte, random *rand.Rand) []byte {
	var b bytes.Buffer
	for len(content) > 0 {
		n := min(len(content), 1+random.IntN(1<<random.IntN(16)))
		extension := ""
		if random.IntN(8) == 0 {
			extension = `;name="value"`
		}
		fmt.Fprintf(&b, "%x%s\r\n%s\r\n", n, extension, content[:n])
		content = content[n:]
	}
	b.WriteString("0\r\nX-Trailer: value\r\n\r\n")
	return b.Bytes()
}

func (m *mix) uploadChunked(c *conn, random *rand.Rand) error {
	// Much content in small chunks would exceed the server's limit on framing.
	content := someContent(random)
	content = content[:min(len(content), 10000)]
	resp, err := c.send("/upload", chunked(content, random), "Transfer-Encoding: chunked")
	if err != nil {
		return err
	}
	return resp.want(200, digest(content))
}

// ignored sends content that the resolver does not read. The response must arrive.
func (m *mix) ignored(c *conn, random *rand.Rand) error {
	content := someContent(random)
	resp, err := c.send("/ignore", content, fmt.Sprint("Content-Length: ", len(content)))
	if err != nil {
		return err
	}
	if err := resp.want(403, []byte("no\n")); err != nil {
		return err
	}
	if resp.Close {
		return errLast
	}
	return nil
}

// echo writes and reads concurrently, so that no buffer in between is too small.
func (m *mix) echo(c *conn, random *rand.Rand) error {
	content := someContent(random)
	c.SetDeadline(time.Now().Add(hang))
	sent := make(chan error, 1)
	reads := &conn{TCPConn: c.TCPConn, r: c.r, toWrite: c.toWrite, toRead: -1, useReset: c.useReset}
	c.toWrite = -1
	go func() {
		_, err := reads.Write(append(head("POST", "/echo", fmt.Sprint("Content-Length: ", len(content))), content...))
		sent <- err
	}()
	resp, err := c.read("POST")
	sendErr := <-sent
	c.aborted = c.aborted || reads.aborted
	if err := errors.Join(err, sendErr); err != nil {
		return err
	}
	return resp.want(200, content)
}

// pipeline sends several requests at once, and reads the responses in order.
func (m *mix) pipeline(c *conn, random *rand.Rand) error {
	var requests []byte
	var wanted [][]byte
	size := 0
	for range 2 + random.IntN(20) {
		target, content := m.pick(random)
		if size+len(content) > 100000 {
			continue // the server would block on writing while the client writes
		}
		size += len(content)
		requests, wanted = append(requests, head("GET", target)...), append(wanted, content)
	}
	c.SetDeadline(time.Now().Add(hang))
	if _, err := c.Write(requests); err != nil {
		return err
	}
	for i, content := range wanted {
		resp, err := c.read("GET")
		if err != nil {
			return fmt.Errorf("response %d of %d: %w", i+1, len(wanted), err)
		}
		if err := resp.want(200, content); err != nil {
			return fmt.Errorf("response %d of %d: %w", i+1, len(wanted), err)
		}
	}
	return nil
}
