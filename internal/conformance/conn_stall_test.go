package conformance_test

import (
	"context"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"example.com/rawhttp"
)

// stallSize is more than a connection of the tests below buffers.
const stallSize = 400 << 10

// stallKinds has resolvers of content of stallSize each, sent in different ways.
var stallKinds = map[string]rawhttp.Resolver{
	"bytes": answerText(strings.Repeat("x", stallSize)),
	"content": rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Content(rawhttp.Representation{Body: strings.NewReader(strings.Repeat("x", stallSize)), Size: stallSize}), nil
	}),
	"stream": rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Stream(200, "", strings.NewReader(strings.Repeat("x", stallSize))), nil
	}),
	"function that writes little at once": rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.StreamFunc(200, "", func(_ context.Context, w io.Writer) error {
			for range stallSize / 64 {
				if _, err := io.WriteString(w, strings.Repeat("x", 64)); err != nil {
					return err
				}
			}
			return nil
		}), nil
	}),
	"echo": rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Stream(200, "", req.Body), nil
	}),
}

// stallAsk sends a request for the content of the given kind.
func stallAsk(client io.Writer, kind string) {
	if kind == "echo" {
		go io.WriteString(client, postRequest("/", strings.Repeat("x", stallSize), closeField))
		return
	}
	go io.WriteString(client, getRequest("/", closeField))
}

// stallConns are kinds of connections whose writes can be resumed.
var stallConns = map[string]func(net.Conn) net.Conn{
	"system's":      func(c net.Conn) net.Conn { return c },
	"wrapped":       func(c net.Conn) net.Conn { return plainConn{c} },
	"wrapped twice": func(c net.Conn) net.Conn { return &fragmentedConn{plainConn{c}, 1000} },
}

// A Write fills the system's buffer and blocks. The bytes in the buffer must not count as
// received: the connection is cut 30 s after the client last read, however the content is sent.
func TestStalledReaderWithBuffer(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("on this system a Write that exceeds its deadline does not report how much it wrote")
	}
	for kind, resolver := range stallKinds {
		for name, wrap := range stallConns {
			for _, took := range []int{0, 1, 5000, 150_000} {
				t.Run(kind+"/"+name, func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						client, server := kernelPair(100_000)
						c := serveUnread(t, client, wrap(server), rawhttp.WithResolver(resolver))
						stallAsk(client, kind)
						time.Sleep(5 * time.Second)
						io.ReadFull(client, make([]byte, took))
						start := time.Now()
						if took == 0 {
							start = start.Add(-5 * time.Second)
						}
						<-c.served
						if got := time.Since(start); got < 30*time.Second || got > 31500*time.Millisecond {
							t.Errorf("cut %v after the client read the last of %d bytes, want 30s to 31.5s", got, took)
						}
					})
				})
			}
		}
	}
}

// A client that reads a little now and then is not cut, and receives all of the content.
func TestSlowReaderWithBuffer(t *testing.T) {
	t.Parallel()
	for kind, resolver := range stallKinds {
		for name, wrap := range stallConns {
			t.Run(kind+"/"+name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					client, server := kernelPair(100_000)
					serveUnread(t, client, wrap(server), rawhttp.WithResolver(resolver))
					stallAsk(client, kind)
					var got strings.Builder
					for buf := make([]byte, 5000); ; {
						time.Sleep(29 * time.Second)
						n, err := client.Read(buf)
						got.Write(buf[:n])
						if err == io.EOF {
							break
						}
						if err != nil {
							t.Fatalf("after %d bytes: %v", got.Len(), err)
						}
					}
					_, content := splitHead(got.String()) // may be in chunks
					if n := strings.Count(content, "x"); n != stallSize {
						t.Errorf("the client received %d bytes of content, want %d", n, stallSize)
					}
				})
			})
		}
	}
}
