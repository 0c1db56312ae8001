package conformance_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/rawhttp"
)

// abortRequests has the requests of TestClientStopsAnywhere: each framing, with and without
// Expect, with content that echoOrNot reads and content that it leaves unread.
var abortRequests = []string{
	"GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
	"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
	"POST /unread HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
	"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\n",
	"POST /unread HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
	"POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
	"GET /b HTTP/1.1\r\nHost: h\r\n\r\n",
}

// echoOrNot answers with the content of a request, or with "unread".
var echoOrNot = rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	if strings.HasPrefix(req.Path(), "/echo") {
		return echo.Resolve(ctx, req)
	}
	return rawhttp.Text(200, "unread"), nil
})

// abortEnds are the ways in which a client stops in the middle of its requests.
var abortEnds = map[string]func(*kernelConn){
	"half-closes":   func(c *kernelConn) { c.CloseWrite() },
	"closes":        func(c *kernelConn) { c.Close() },
	"resets":        func(c *kernelConn) { c.reset() },
	"falls silent":  func(*kernelConn) {},
	"waits, closes": func(c *kernelConn) { time.Sleep(3 * time.Second); c.Close() },
}

var abortServers = map[string]func(*kernelConn) net.Conn{
	"system's":      func(c *kernelConn) net.Conn { return c },
	"fragmented":    func(c *kernelConn) net.Conn { return fragmentedConn{c, 1} },
	"no CloseWrite": func(c *kernelConn) net.Conn { return plainConn{c} },
}

// Wherever a client stops, and however, the connection ends. A client that still reads gets an
// answer to each request that it sent whole, and at most a refusal of the incomplete one.
func TestClientStopsAnywhere(t *testing.T) {
	t.Parallel()
	talk := strings.Join(abortRequests, "")
	for end, stop := range abortEnds {
		for kind, wrap := range abortServers {
			t.Run(end+"/"+kind, func(t *testing.T) {
				every := 7
				switch {
				case *long:
					every = 1
				case kind == "system's":
					every = 2
				}
				for n := len(talk) % every; n <= len(talk); n += every { // also after everything
					bubble(t, func(t *testing.T) {
						client, server := kernelPair(1 << 16)
						s := newServer(t, rawhttp.WithResolver(echoOrNot))
						served := make(chan error, 1)
						go func() { served <- s.ServeConn(context.Background(), wrap(server)) }()
						io.WriteString(client, talk[:n])
						stop(client)
						if end == "half-closes" || end == "falls silent" {
							if err := abortAnswers(client, n); err != nil {
								t.Errorf("%d bytes: %v", n, err)
							}
						}
						<-served
						client.Close()
					})
				}
			})
		}
	}
}

// abortAnswers reads all answers to the first n bytes of abortRequests.
func abortAnswers(client net.Conn, n int) error {
	r := bufio.NewReader(client)
	whole, rest := abortRequests, 0
	for i, req := range abortRequests {
		if n < len(req) {
			whole, rest = abortRequests[:i], n
			break
		}
		n -= len(req)
	}
	for _, req := range whole {
		want := "unread"
		switch {
		case strings.Contains(req, "/echo") && strings.Contains(req, "hello"):
			want = "hello"
		case strings.Contains(req, "/echo") && strings.Contains(req, "abc"):
			want = "abc"
		case strings.Contains(req, "/echo"):
			want = "hi"
		}
		status, content, err := abortAnswer(r)
		if err != nil || status != 200 || content != want {
			return fmt.Errorf("answer to %q: %d %q, %v, want 200 %q", req, status, content, err, want)
		}
	}
	status, content, err := abortAnswer(r)
	if rest == 0 {
		if err != io.EOF {
			return fmt.Errorf("after the last request: %d %q, %v, want io.EOF", status, content, err)
		}
		return nil
	}
	// An incomplete request is refused, or answered if its content is not read.
	part := abortRequests[len(whole)][:rest]
	unread := strings.HasPrefix(part, "POST /unread") && strings.Contains(part, "\r\n\r\n")
	if err != nil || unread && status != 200 || !unread && status != 400 && status != 408 {
		return fmt.Errorf("answer to %q: %d, %v, want a refusal, or 200 if the content is not read", part, status, err)
	}
	if status, content, err = abortAnswer(r); err != io.EOF {
		return fmt.Errorf("after the last answer: %d %q, %v, want io.EOF", status, content, err)
	}
	return nil
}

// abortAnswer reads the next final response. It returns io.EOF if the connection ends before it.
func abortAnswer(r *bufio.Reader) (status int, content string, err error) {
	for {
		if _, err := r.Peek(1); err != nil {
			return 0, "", err
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return 0, "", errors.Join(errors.New("broken"), err)
		}
		if resp.StatusCode < 200 {
			continue
		}
		b, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b), err
	}
}
