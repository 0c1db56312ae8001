package conformance_test

import (
	"context"
	"testing"
	"time"

	"example.com/rawhttp"
)

type contextKey struct{}

// The context of a request ends with its response and at Close, also if the resolver only
// calls Err and never waits for Done.
func TestRequestContextErrWithoutDone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ended := make(chan bool, 1)
		var kept context.Context
		c := serveDuplex(t, rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			if req.Path() == "/kept" {
				kept = ctx
				return rawhttp.Text(200, ""), nil
			}
			for range 10 {
				if ctx.Err() != nil {
					break
				}
				time.Sleep(time.Second)
			}
			ended <- ctx.Err() != nil
			return rawhttp.Text(200, ""), nil
		})))
		c.send(getRequest("/kept"))
		if kept.Err() == nil || context.Cause(kept) == nil {
			t.Error("the context of a request has not ended after its response")
		}
		c.send(getRequest("/"))
		if len(ended) > 0 {
			t.Error("the context ended before Close")
		}
		c.srv.Close()
		if !<-ended {
			t.Error("Close did not end the context of a resolver that only calls Err")
		}
	})
}
