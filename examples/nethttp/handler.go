package nethttp

import (
	"context"
	"errors"
	"log"
	"net/http"

	"example.com/rawhttp"
)

// Handler returns an http.Handler that answers with the responses of r. The content of both
// sides is streamed: what r writes is flushed at once. The package documentation lists what
// is lost.
//
// r may read the content of a request while it writes the response. The content has no limit;
// [http.MaxBytesHandler] sets one. A response that fails after it has begun is cut, as by a
// panic with [http.ErrAbortHandler], so that the client notices.
func Handler(r rawhttp.Resolver) http.Handler {
	return &handler{resolver: r, stops: new(stops)}
}

// A handler answers with the responses of a resolver.
type handler struct {
	resolver rawhttp.Resolver
	stops    *stops
}

// ServeHTTP answers one request.
func (h *handler) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	req, body, mounted, err := newRequest(hr)
	if err != nil {
		refuse(w, err)
		return
	}
	ctx := h.stops.context(hr.Context())
	out := &contentWriter{w: w, body: body, closes: hr.Close || !hr.ProtoAtLeast(1, 1)}
	req = req.WithInform(func(status int, fields ...string) error { return out.inform(ctx, status, fields) })
	resp := resolve(ctx, mounted(h.resolver), req, body)
	if resp.Status() == http.StatusSwitchingProtocols && asksForUpgrade(req) {
		upgrade(ctx, w, hr, req, resp)
		return
	}
	_, err = rawhttp.WriteResponse(ctx, out, req, resp)
	switch {
	case err == nil && out.duplex:
		body.discard(hr.ContentLength)
	case err == nil:
	case errors.Is(err, rawhttp.ErrAbort):
		panic(http.ErrAbortHandler)
	case !out.begun:
		logError(ctx, err)
		refuse(w, bodyFault(body, err))
	default:
		logError(ctx, err)
		panic(http.ErrAbortHandler)
	}
}

// resolve returns the response of r. CONNECT, TRACE and "OPTIONS *", which a server of rawhttp
// answers itself, never reach r.
func resolve(ctx context.Context, r rawhttp.Resolver, req *rawhttp.Request, body *requestBody) *rawhttp.Response {
	switch {
	case req.Target() == "*":
		return rawhttp.Empty(204).Set("Allow", "GET, HEAD, OPTIONS")
	case req.Method() == "TRACE" || req.Method() == "CONNECT":
		return rawhttp.ErrorResponse(&rawhttp.StatusError{Status: 405, Allow: []string{"GET", "HEAD", "OPTIONS"}})
	}
	resp, err := r.Resolve(ctx, req)
	if errors.Is(err, rawhttp.ErrAbort) {
		panic(http.ErrAbortHandler)
	}
	if err == nil && resp == nil {
		err = errors.New("nethttp: the resolver returned neither a response nor an error")
	}
	if err != nil {
		if resp != nil {
			resp.Close()
		}
		err = bodyFault(body, err)
		if rawhttp.StatusOf(err) >= 500 {
			logError(ctx, err)
		}
		resp = rawhttp.ErrorResponse(err)
	}
	if resp.Status() == 405 && req.Method() == "OPTIONS" {
		allow := fieldOf(resp, "Allow")
		resp.Close()
		return rawhttp.Empty(204).Set("Allow", allow).Set("X-Content-Type-Options", "nosniff")
	}
	return resp
}

// bodyFault returns the error of the content of the request, which must be answered whatever
// the resolver returned. If there was none, it returns err.
func bodyFault(body *requestBody, err error) error {
	if body != nil {
		if fault := body.fault.Load(); fault != nil {
			return *fault
		}
	}
	return err
}

// refuse answers with the error, as far as a client may know it.
func refuse(w http.ResponseWriter, err error) {
	resp := rawhttp.ErrorResponse(err)
	for name, value := range resp.Fields() {
		w.Header().Set(name, value)
	}
	w.WriteHeader(resp.Status())
	resp.WriteContent(context.Background(), w)
}

func fieldOf(resp *rawhttp.Response, name string) string {
	for n, value := range resp.Fields() {
		if http.CanonicalHeaderKey(n) == name {
			return value
		}
	}
	return ""
}

// logError logs to the log of the request's server.
func logError(ctx context.Context, err error) {
	logf := log.Printf
	if srv, ok := ctx.Value(http.ServerContextKey).(*http.Server); ok && srv.ErrorLog != nil {
		logf = srv.ErrorLog.Printf
	}
	logf("nethttp: %v", err)
}
