package main

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	"example.com/rawhttp"
)

// proxy forwards requests to the origin and streams back its responses, as the example of a
// reverse proxy in the documentation does; trailer fields are left out.
func proxy(origin string) rawhttp.Resolver {
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100}
	return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		in, err := transport.RoundTrip(forward(ctx, req, origin))
		if err != nil {
			return nil, &rawhttp.StatusError{Status: 502, Err: err}
		}
		resp := rawhttp.Stream(in.StatusCode, in.Header.Get("Content-Type"), in.Body) // closes in.Body
		for name, values := range in.Header {
			if name == "Content-Type" || !endToEnd(name, in.Header.Get("Connection")) {
				continue
			}
			for _, value := range values {
				resp.Add(name, value)
			}
		}
		if in.ContentLength >= 0 {
			resp.SetLength(in.ContentLength)
		}
		return resp, nil
	})
}

// forward returns the request to send to the origin.
func forward(ctx context.Context, req *rawhttp.Request, origin string) *http.Request {
	out := (&http.Request{
		Method: req.Method(),
		URL:    &url.URL{Scheme: "http", Host: origin, Path: req.Path(), RawPath: req.EscapedPath(), RawQuery: req.RawQuery()},
		Header: http.Header{"User-Agent": nil}, // none but the client's
	}).WithContext(ctx)
	for name, value := range req.Header().All() {
		if endToEnd(name, req.Header().Get("Connection")) {
			out.Header.Add(name, value)
		}
	}
	out.Header.Set("X-Forwarded-Host", req.Host())
	if client := req.Conn().Client; client.IsValid() {
		out.Header.Set("X-Forwarded-For", client.String())
	}
	if out.ContentLength = req.ContentLength(); out.ContentLength != 0 {
		out.Body = io.NopCloser(req.Body)
	}
	return out
}

// endToEnd reports whether a proxy forwards a field: not those for a single connection (RFC
// 9110, section 7.6.1), and not those that the proxy writes itself.
func endToEnd(name, connection string) bool {
	switch strings.ToLower(name) {
	case "connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade",
		"proxy-authenticate", "proxy-authorization",
		"host", "content-length", "trailer", "expect", "date",
		"forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto":
		return false
	}
	for option := range strings.SplitSeq(connection, ",") {
		if strings.EqualFold(strings.TrimSpace(option), name) {
			return false
		}
	}
	return true
}
