//go:build unix

package scripts_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"example.com/rawhttp"
)

// Pipelined requests around a script: the answers before it are sent at once, and those after
// it wait.
func TestScriptAmongPipelinedRequests(t *testing.T) {
	t.Parallel()
	s := serveScripts(t, map[string]string{
		"slow.sh":   "read x <gate; echo; echo slow",
		"stream.sh": "echo; echo one; read x <gate; echo two",
		"post.sh":   "echo; exec cat",
	})
	open := s.gate(t)
	c := s.dial(t)
	c.send(t, getRequest("/hello.txt")+getRequest("/hello.txt")+getRequest("/slow.sh")+postBegun("/post.sh", 4, "post")+getRequest("/stream.sh")+getRequest("/hello.txt"))
	for range 2 {
		wholeAnswer("hello\n").check(t, "/hello.txt while the script waits", c.answer(t))
	}
	open()
	outputAnswer("\nslow\n").check(t, "/slow.sh", c.answer(t))
	outputAnswer("\npost").check(t, "/post.sh", c.answer(t))
	resp := c.head(t)
	open()
	scriptAnswer{200, "chunked", "\none\ntwo\n", false}.check(t, "/stream.sh", readScriptAnswer(resp))
	wholeAnswer("hello\n").check(t, "/hello.txt", c.answer(t))
}

// A connection persists after scripts of all kinds.
func TestScriptsOnOneConnection(t *testing.T) {
	t.Parallel()
	s := serveScripts(t, map[string]string{"echoes.sh": "exec cat", "fails.sh": "exit 1", "streams.sh": "exec head -c 100000 /dev/zero"})
	c := s.dial(t)
	for range 2 {
		c.send(t, postRequest("/echoes.sh", "hello"))
		outputAnswer("hello").check(t, "POST /echoes.sh", c.answer(t))
		c.send(t, getRequest("/fails.sh"))
		statusAnswer(500).check(t, "GET /fails.sh", c.answer(t))
		c.send(t, getRequest("/streams.sh"))
		scriptAnswer{200, "chunked", strings.Repeat("\x00", 100_000), false}.check(t, "GET /streams.sh", c.answer(t))
		c.send(t, "HEAD /echoes.sh HTTP/1.1\r\nHost: example.test\r\n\r\n")
		readExpected(t, c.r, "HEAD /echoes.sh", strings.Replace(pageAnswer(""), "Content-Length: 0\r\n", "", 1))
	}
}

// While a script runs, a client that has closed its side still counts as connected. That ends with
// the script: for the next request it does not.
func TestClientClosesItsSideAfterScript(t *testing.T) {
	t.Parallel()
	root := scriptFolder(t, map[string]string{"a.sh": "echo; echo out"})
	files := filesOfDir(t, root, rawhttp.WithScript(".sh", "sh"))
	ended := make(chan error, 1)
	_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if req.Path() != "/waits" {
			return files.Resolve(ctx, req)
		}
		select {
		case <-ctx.Done():
			ended <- ctx.Err()
		case <-time.After(time.Minute):
			ended <- nil
		}
		return rawhttp.Empty(204), nil
	})))
	c := (&scriptSite{addr: addr}).dial(t)
	c.send(t, getRequest("/a.sh"))
	outputAnswer("\nout\n").check(t, "/a.sh", c.answer(t))
	c.send(t, getRequest("/waits"))
	c.CloseWrite()
	if err := <-ended; err == nil {
		t.Error("the context of a request after that of a script does not end when the client closes its side")
	}
}
