package rawhttp

import (
	"context"
	"net"
	"runtime"
	"testing"
)

type contextKey struct{}

// Values outlive the end, and one derived from the context needs no goroutine.
func TestRequestContextValues(t *testing.T) {
	s := newServer(t, WithResolver(say("")))
	g, err := s.newGroup(context.WithValue(context.Background(), contextKey{}, "v"), nil)
	if err != nil {
		t.Fatal(err)
	}
	client, server := net.Pipe()
	defer client.Close()
	c := newConn(s, g, server)
	defer c.endWatch()
	ctx := &requestContext{conn: c}
	before := runtime.NumGoroutine()
	for range 50 {
		_, cancel := context.WithCancel(ctx)
		defer cancel()
	}
	if n := runtime.NumGoroutine() - before; n > 5 {
		t.Errorf("50 contexts derived from a request's take %d goroutines", n)
	}
	ctx.end(nil)
	early := &requestContext{conn: c}
	early.end(nil)
	if ctx.Value(contextKey{}) != "v" || early.Value(contextKey{}) != "v" {
		t.Error("a context that has ended has lost its values")
	}
	for range 200 {
		ctx := &requestContext{conn: c}
		done := make(chan (<-chan struct{}), 4)
		for range 4 {
			go func() { done <- ctx.Done() }()
		}
		all := []<-chan struct{}{<-done, <-done, <-done, <-done}
		ctx.end(nil)
		for _, d := range all {
			select {
			case <-d:
			default:
				t.Fatal("one that waits is not told of the end")
			}
		}
	}
}
