package nethttp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// A contentWriter receives a response as rawhttp writes it, and passes its parts to net/http,
// which frames the content again.
type contentWriter struct {
	w      http.ResponseWriter
	body   *requestBody // nil: none
	closes bool         // the connection closes after the response in any case
	begun  bool         // the head was passed on

	head    []byte // of it, as far as it has arrived
	duplex  bool   // content of the request may be read after it
	sized   bool   // its content has a length
	chunked bool
	phase   chunkPhase
	line    []byte // of the framing, as far as it has arrived
	left    int64  // remaining bytes of the current chunk
}

// A chunkPhase is the part of chunked content that comes next.
type chunkPhase uint8

const (
	chunkSize chunkPhase = iota // a line
	chunkData
	chunkEnd     // an empty line
	chunkTrailer // lines, up to an empty one
)

// errLateInform is the error of Request.Inform after the head of the response.
var errLateInform = errors.New("nethttp: Inform: the head of the response has been written")

// inform sends a response of status 1xx with these fields alone, although others may have been
// set for the final response.
func (c *contentWriter) inform(ctx context.Context, status int, fields []string) error {
	switch {
	case c.begun:
		return errLateInform
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	h := c.w.Header()
	final := maps.Clone(h)
	clear(h)
	for field := range slices.Chunk(fields, 2) {
		h.Add(field[0], field[1])
	}
	c.w.WriteHeader(status)
	clear(h)
	maps.Copy(h, final)
	return nil
}

// Write receives the next bytes of the response. It flushes content of unknown length, and a
// head without content.
func (c *contentWriter) Write(p []byte) (int, error) {
	b := p
	due := false
	if !c.begun {
		var err error
		if b, err = c.takeHead(p); err != nil || !c.begun {
			return len(p), err
		}
		due = true
	}
	if !c.chunked {
		if _, err := c.w.Write(b); err != nil && !errors.Is(err, http.ErrBodyNotAllowed) {
			return 0, err
		}
		if len(b) > 0 && c.sized {
			return len(p), nil
		}
		return len(p), c.flush()
	}
	for len(b) > 0 {
		var err error
		hadData := c.phase == chunkData
		if b, err = c.takeChunked(b); err != nil {
			return 0, err
		}
		due = due || hadData
	}
	if due {
		return len(p), c.flush()
	}
	return len(p), nil
}

// ReadFrom passes content of known length on, which net/http may send without copying it.
func (c *contentWriter) ReadFrom(r io.Reader) (int64, error) {
	if c.begun && !c.chunked {
		return io.Copy(c.w, r)
	}
	return io.Copy(struct{ io.Writer }{c}, r)
}

func (c *contentWriter) flush() error {
	err := http.NewResponseController(c.w).Flush()
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// takeHead passes on the head, once it is complete, and returns the bytes after it.
func (c *contentWriter) takeHead(p []byte) (rest []byte, err error) {
	c.head = append(c.head, p...)
	head, rest, whole := bytes.Cut(c.head, []byte("\r\n\r\n"))
	if !whole {
		return nil, nil
	}
	line, fields, _ := strings.Cut(string(head), "\r\n")
	status, err := strconv.Atoi(line[len("HTTP/1.1 "):][:3])
	if err != nil {
		return nil, err
	}
	if status == http.StatusSwitchingProtocols {
		return nil, errNoUpgrade
	}
	h := c.w.Header()
	h["Content-Type"] = nil // net/http would guess one
	for line := range strings.SplitSeq(fields, "\r\n") {
		name, value, _ := strings.Cut(line, ": ")
		switch http.CanonicalHeaderKey(name) {
		case "":
		case "Transfer-Encoding":
			c.chunked = true
		case "Connection":
			if value != "keep-alive" && !c.closes { // otherwise net/http adds it
				h.Add(name, value)
			}
		case "Content-Type":
			h["Content-Type"] = []string{value}
		default:
			c.sized = c.sized || name == "Content-Length"
			h.Add(name, value)
		}
	}
	c.begun, c.head = true, nil
	c.allowReads(len(rest))
	c.w.WriteHeader(status)
	return rest, nil
}

// allowReads lets the resolver read content after the head, which net/http would discard,
// unless the n bytes at hand are all of the response.
func (c *contentWriter) allowReads(n int) {
	whole := c.sized && c.w.Header().Get("Content-Length") == strconv.Itoa(n)
	if c.body == nil || c.body.ended.Load() || whole {
		return
	}
	c.duplex = http.NewResponseController(c.w).EnableFullDuplex() == nil
}

// takeChunked passes on the next part of chunked content, or as much of it as has arrived. The
// framing was made by rawhttp, so it is not checked.
func (c *contentWriter) takeChunked(b []byte) (rest []byte, err error) {
	if c.phase == chunkData {
		n := int(min(c.left, int64(len(b))))
		if _, err := c.w.Write(b[:n]); err != nil {
			return nil, err
		}
		if c.left -= int64(n); c.left == 0 {
			c.phase = chunkEnd
		}
		return b[n:], nil
	}
	line, rest, whole := bytes.Cut(b, []byte("\n"))
	c.line = append(c.line, line...)
	if !whole {
		return nil, nil
	}
	text := strings.TrimSuffix(string(c.line), "\r")
	c.line = c.line[:0]
	switch c.phase {
	case chunkSize:
		if c.left, err = strconv.ParseInt(text, 16, 64); err != nil {
			return nil, err
		}
		if c.phase = chunkData; c.left == 0 {
			c.phase = chunkTrailer
		}
	case chunkEnd:
		c.phase = chunkSize
	case chunkTrailer:
		if name, value, ok := strings.Cut(text, ": "); ok {
			c.w.Header().Add(name, value)
		}
	}
	return rest, nil
}
