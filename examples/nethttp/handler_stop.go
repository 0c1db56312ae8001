package nethttp

import (
	"context"
	"net/http"
	"sync"

	"example.com/rawhttp"
)

// stops has a channel for each http.Server that has served a request. It is closed when the
// server shuts down.
type stops struct {
	mu      sync.Mutex
	servers map[*http.Server]chan struct{}
}

// context returns the context of a request to a resolver, for which [rawhttp.Stopping] returns
// the channel of its server. A context that has one already, or no server, stays as it is.
func (s *stops) context(ctx context.Context) context.Context {
	srv, _ := ctx.Value(http.ServerContextKey).(*http.Server)
	if srv == nil || rawhttp.Stopping(ctx) != nil {
		return ctx
	}
	return rawhttp.ContextWithStopping(ctx, s.of(srv))
}

// of returns the channel of the server. The first time, it registers a function with the server
// that closes the channel.
func (s *stops) of(srv *http.Server) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.servers == nil {
		s.servers = make(map[*http.Server]chan struct{})
	}
	stopping, known := s.servers[srv]
	if !known {
		stopping = make(chan struct{})
		s.servers[srv] = stopping
		srv.RegisterOnShutdown(sync.OnceFunc(func() { close(stopping) })) // Shutdown may be called again
	}
	return stopping
}
