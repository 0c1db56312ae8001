package conformance_test

import (
	"context"
	"io"
	"testing"
	"time"

	"example.com/rawhttp"
)

type contextKey struct{}

// The context of a request ends with its response and at Close, also if the resolver only
// calls Err and never waits for Done.
func TestRequestContextErrWithoutDone(t *testing.T) {
	entered, asked := make(chan struct{}), make(chan error, 1)
	var s *rawhttp.Server
	var kept context.Context
	s, addr := listen(t, rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if req.Path() == "/kept" {
			kept = ctx
			return rawhttp.Text(200, ""), nil
		}
		close(entered)
		for end := time.Now().Add(5 * time.Second); ctx.Err() == nil && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		asked <- ctx.Err()
		return rawhttp.Text(200, ""), nil
	})))
	talk(t, addr, getRequest("/kept"))
	if kept.Err() == nil || context.Cause(kept) == nil {
		t.Error("the context of a request has not ended after its response")
	}
	c := dial(t, addr)
	io.WriteString(c, getRequest("/"))
	<-entered
	s.Close()
	if err := <-asked; err == nil {
		t.Error("Close did not end the context of a resolver that only calls Err")
	}
}
