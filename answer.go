package rawhttp

import (
	"context"
	"net"
	"strings"
	"time"
)

// Answer returns the bytes with which a [Server] of r, with default options but without the
// Date field, answers a request given as its bytes. It is for unit tests and examples, which
// need no connection then:
//
//	got := rawhttp.Answer(r, "GET /a HTTP/1.1\r\nHost: example.test\r\n\r\n")
//
// The request is what a client sends before it closes its side of a connection: a head with
// CRLF at the end of each line, and its content, framed as the head says. What the server
// refuses is answered as it answers it, an incomplete request with 400. Several requests, one
// after the other, are answered in turn, until an answer closes the connection; no bytes are
// answered by none. A response that would be cut ends where it is cut.
//
// The request has no connection: [Request.Conn] returns the zero ConnInfo. The context of
// Resolve ends with the exchange, not earlier. A panic of r is answered with 500, and written
// to standard error with its stack. Answer panics if r is nil. It may be called concurrently.
func Answer(r Resolver, request string) string {
	if r == nil {
		panic("rawhttp: Answer: the Resolver is nil")
	}
	unconnected := ResolverFunc(func(ctx context.Context, req *Request) (*Response, error) {
		return r.Resolve(ctx, req.WithConn(ConnInfo{}))
	})
	srv, err := New(WithResolver(unconnected), WithDate(false), WithHalfClose(true))
	if err != nil {
		panic(err) // these options have no mistakes
	}
	conn := &answerConn{in: strings.NewReader(request)}
	srv.ServeConn(context.Background(), conn) // what went wrong can be seen from the answer
	return conn.out.String()
}

// An answerConn is a connection to a client that has sent all that it will send, and takes
// all that it is sent.
type answerConn struct {
	in  *strings.Reader
	out strings.Builder
}

func (c *answerConn) Read(p []byte) (int, error)     { return c.in.Read(p) }
func (c *answerConn) Write(p []byte) (int, error)    { return c.out.Write(p) }
func (*answerConn) Close() error                     { return nil }
func (*answerConn) LocalAddr() net.Addr              { return answerAddr{} }
func (*answerConn) RemoteAddr() net.Addr             { return answerAddr{} }
func (*answerConn) SetDeadline(time.Time) error      { return nil }
func (*answerConn) SetReadDeadline(time.Time) error  { return nil }
func (*answerConn) SetWriteDeadline(time.Time) error { return nil }

type answerAddr struct{}

func (answerAddr) Network() string { return "memory" }
func (answerAddr) String() string  { return "memory" }
