package nethttp

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"weak"

	"example.com/rawhttp"
)

// stops has a channel for each http.Server that has served a request. It is closed when the
// server shuts down. The pointers are weak, so that a handler that serves many servers, one after
// another, keeps none of them in memory. Nothing in stops may refer to a resolver, which may refer
// to its server.
type stops struct {
	mu       sync.Mutex
	channels map[weak.Pointer[http.Server]]chan struct{}
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
	key := weak.Make(srv)
	s.mu.Lock()
	defer s.mu.Unlock()
	stopping, known := s.channels[key]
	if known {
		return stopping
	}
	if s.channels == nil {
		s.channels = make(map[weak.Pointer[http.Server]]chan struct{})
	}
	stopping = make(chan struct{})
	s.channels[key] = stopping
	runtime.AddCleanup(srv, s.forget, key)
	srv.RegisterOnShutdown(sync.OnceFunc(func() { close(stopping) })) // Shutdown may be called again
	return stopping
}

// forget removes the channel of a server that no longer exists.
func (s *stops) forget(key weak.Pointer[http.Server]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.channels, key)
}
