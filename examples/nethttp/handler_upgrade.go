package nethttp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"

	"example.com/rawhttp"
)

var errNoUpgrade = &rawhttp.StatusError{Status: http.StatusNotImplemented, Err: errors.New("nethttp: the connection cannot change to another protocol")}

// asksForUpgrade reports whether the request asks for another protocol.
func asksForUpgrade(req *rawhttp.Request) bool {
	return req.Header().HasToken("Connection", "upgrade") && req.Header().Get("Upgrade") != ""
}

// upgrade takes the connection over and serves it, with a server of its own whose only
// response is resp, and which stops when that of the request does.
func upgrade(ctx context.Context, w http.ResponseWriter, hr *http.Request, req *rawhttp.Request, resp *rawhttp.Response) {
	resp = resp.Clone().CloseAfter()
	srv, err := rawhttp.New(rawhttp.WithResolver(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
		return resp, nil
	})))
	if err != nil {
		resp.Close()
		refuse(w, err)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		resp.Close()
		refuse(w, errors.Join(errNoUpgrade, err))
		return
	}
	early, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
	head := appendHead(nil, withoutContent(hr), req.Target())
	in := io.MultiReader(bytes.NewReader(head), bytes.NewReader(early), conn)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-rawhttp.Stopping(ctx):
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := srv.ServeConn(ctx, &replayConn{Conn: conn, in: in}); err != nil {
		logError(ctx, err)
	}
}

// withoutContent returns a copy of the request without its content, which has been read.
func withoutContent(hr *http.Request) *http.Request {
	hr = hr.Clone(hr.Context())
	hr.ContentLength, hr.Trailer = 0, nil
	hr.Header.Del("Content-Length")
	hr.Header.Del("Expect")
	return hr
}

// A replayConn is a connection whose first bytes have been read before.
type replayConn struct {
	net.Conn
	in io.Reader
}

// Read reads these bytes again, and then from the connection.
func (c *replayConn) Read(p []byte) (int, error) { return c.in.Read(p) }

// CloseWrite closes the connection for writing where that is possible.
func (c *replayConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
