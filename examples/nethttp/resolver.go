package nethttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"

	"example.com/rawhttp"
)

// Resolver returns a resolver that answers with what h writes. The content of both sides is
// streamed. The package documentation lists what is lost.
//
// h runs on a goroutine of its own, next to that of the connection, and ends before the
// exchange does: the response is closed when h has returned. If it is closed earlier, because
// the client has disconnected or a wrapper drops it, the context of the request ends and
// writes fail; a handler that ignores both holds the connection, as it does in net/http.
//
// The path in Request.URL is that of [rawhttp.Request.EscapedPath], so it is clean and below
// the prefix of a [rawhttp.Mount]: h sees the path that resolvers in front have checked.
// RequestURI is what the client sent.
func Resolver(h http.Handler) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		ctx, cancel := context.WithCancel(withServer(ctx, req.Conn()))
		hr, err := newHTTPRequest(ctx, req)
		if err != nil {
			cancel()
			return nil, err
		}
		w := newResponseWriter(req, cancel)
		go w.run(h, hr)
		select {
		case <-w.decided:
		case <-w.done:
		}
		return w.response()
	})
}

// server stands for the http.Server that handlers expect in the context of a request.
// httputil.ReverseProxy takes it as a sign that a panic cuts the response.
var server = new(http.Server)

// withServer returns a context with the values that an http.Server sets.
func withServer(ctx context.Context, info rawhttp.ConnInfo) context.Context {
	ctx = context.WithValue(ctx, http.ServerContextKey, server)
	if info.LocalAddr != nil {
		ctx = context.WithValue(ctx, http.LocalAddrContextKey, info.LocalAddr)
	}
	return ctx
}

// run runs the handler, and removes the temporary files of its form, as an http.Server does.
func (w *responseWriter) run(h http.Handler, hr *http.Request) {
	defer close(w.done)
	defer w.cancel()
	defer func() {
		if hr.MultipartForm != nil {
			hr.MultipartForm.RemoveAll()
		}
	}()
	defer func() {
		if v := recover(); v != nil {
			w.failed = &panicError{v, debug.Stack()}
		}
	}()
	h.ServeHTTP(w, hr)
	w.finish()
}

// A panicError is a panic of a handler, with the stack of its goroutine.
type panicError struct {
	value any
	stack []byte
}

// Error returns the value and the stack.
func (e *panicError) Error() string { return fmt.Sprintf("%v\n\n%s", e.value, e.stack) }

// Unwrap returns the value if it is an error.
func (e *panicError) Unwrap() error {
	err, _ := e.value.(error)
	return err
}

// report panics as the handler did, so that the server logs the panic. It returns ErrAbort for
// http.ErrAbortHandler, and nil if there was no panic.
func (w *responseWriter) report() error {
	failed := w.failed
	w.failed = nil
	switch {
	case failed == nil:
		return nil
	case errors.Is(failed, http.ErrAbortHandler):
		return rawhttp.ErrAbort
	}
	panic(failed)
}

// response returns the response, once its head is decided or the handler has returned.
func (w *responseWriter) response() (*rawhttp.Response, error) {
	select {
	case <-w.decided:
		if w.hijacked != nil {
			return w.hijacked.response(w).OnClose(w.end), nil
		}
		return w.stream().OnClose(w.end), nil
	default:
	}
	if err := w.report(); err != nil {
		return nil, err
	}
	if w.hijacked != nil {
		return nil, errors.New("nethttp: the handler hijacked the connection and did not switch protocols")
	}
	w.WriteHeader(http.StatusOK)
	return w.whole(), nil
}

// stream returns the response of a handler that is still running.
func (w *responseWriter) stream() *rawhttp.Response {
	if !w.bodyAllowed() {
		return w.setHead(rawhttp.Empty(w.status))
	}
	resp := rawhttp.StreamFunc(w.status, "", func(_ context.Context, out io.Writer) error {
		if _, err := out.Write(nil); err != nil { // sends the head
			return err
		}
		w.out = out
		close(w.attached)
		<-w.done
		return w.report()
	})
	return w.setTrailers(w.setHead(resp))
}

// whole returns the response of a handler that has returned, whose content is in memory.
func (w *responseWriter) whole() *rawhttp.Response {
	content := w.buf
	switch {
	case !w.bodyAllowed():
		return w.setHead(rawhttp.Empty(w.status))
	case w.isHead && (w.overflown || w.written == 0):
		return w.setHead(rawhttp.StreamFunc(w.status, "", func(context.Context, io.Writer) error { return nil }))
	case len(w.trailerNames()) > 0 || w.declared >= 0 && w.declared != int64(len(content)):
		resp := rawhttp.StreamFunc(w.status, "", func(_ context.Context, out io.Writer) error {
			_, err := out.Write(content)
			return err
		})
		return w.setTrailers(w.setHead(resp))
	}
	w.declared = -1
	return w.setHead(rawhttp.Bytes(w.status, "", content))
}

// end ends the handler, and waits for it.
func (w *responseWriter) end() {
	w.cancel()
	close(w.closed)
	<-w.done
	if w.failed != nil && !w.broken && !errors.Is(w.failed, http.ErrAbortHandler) {
		panic(w.failed)
	}
}

var _ interface {
	http.Flusher
	http.Hijacker
	io.StringWriter
} = (*responseWriter)(nil)

var errDropped = fmt.Errorf("nethttp: the response was closed: %w", net.ErrClosed)
