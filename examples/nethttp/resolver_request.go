package nethttp

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"example.com/rawhttp"
)

// newHTTPRequest converts a request of rawhttp to one of net/http.
func newHTTPRequest(ctx context.Context, req *rawhttp.Request) (*http.Request, error) {
	u, err := url.ParseRequestURI(req.Target())
	if err != nil {
		return nil, &rawhttp.StatusError{Status: http.StatusBadRequest, Err: fmt.Errorf("nethttp: %w", err)}
	}
	setPath(u, req.EscapedPath())
	hr := &http.Request{
		Method:        req.Method(),
		URL:           u,
		Proto:         req.Version(),
		ProtoMajor:    1,
		Header:        make(http.Header, req.Header().Len()),
		Body:          http.NoBody,
		ContentLength: req.ContentLength(),
		Host:          req.Host(),
		RequestURI:    req.Target(),
	}
	if _, minor, ok := http.ParseHTTPVersion(hr.Proto); ok {
		hr.ProtoMinor = minor
	}
	for name, value := range req.Header().All() {
		hr.Header.Add(name, value)
	}
	hr.Header.Del("Host")
	h := req.Header()
	hr.Close = h.HasToken("Connection", "close") || !hr.ProtoAtLeast(1, 1) && !h.HasToken("Connection", "keep-alive")
	if hr.ContentLength < 0 {
		hr.TransferEncoding = []string{"chunked"}
		hr.Header.Del("Transfer-Encoding")
		hr.Trailer = announced(hr.Header["Trailer"])
	}
	hr.Header.Del("Trailer")
	info := req.Conn()
	if info.RemoteAddr != nil {
		hr.RemoteAddr = info.RemoteAddr.String()
	}
	hr.TLS = tlsState(info)
	hr = hr.WithContext(ctx)
	if hr.ContentLength != 0 {
		hr.Body = &handlerBody{req: req, hr: hr}
	}
	return hr, nil
}

// setPath sets a path that is percent-encoded.
func setPath(u *url.URL, escaped string) {
	path, err := url.PathUnescape(escaped)
	if err != nil {
		path = escaped
	}
	u.Path, u.RawPath = path, ""
	if u.EscapedPath() != escaped {
		u.RawPath = escaped
	}
}

// announced returns the fields that the Trailer field names, without values.
func announced(lists []string) http.Header {
	var h http.Header
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); name != "" {
				if h == nil {
					h = make(http.Header)
				}
				h[name] = nil
			}
		}
	}
	return h
}

// tlsState returns the state of a TLS connection, nil for any other. If the connection does
// not reveal its state, only HandshakeComplete is set.
func tlsState(info rawhttp.ConnInfo) *tls.ConnectionState {
	if conn, ok := info.NetConn.(interface{ ConnectionState() tls.ConnectionState }); ok {
		state := conn.ConnectionState()
		return &state
	}
	if info.TLS {
		return &tls.ConnectionState{HandshakeComplete: true}
	}
	return nil
}

// A handlerBody is the content of a request, as a handler reads it.
type handlerBody struct {
	req    *rawhttp.Request
	hr     *http.Request
	ended  bool
	closed bool
}

// Read reads the content. At its end it sets the trailer fields.
func (b *handlerBody) Read(p []byte) (int, error) {
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.req.Body.Read(p)
	if err == io.EOF && !b.ended {
		b.ended = true
		for name, value := range b.req.Trailer().All() {
			if b.hr.Trailer == nil {
				b.hr.Trailer = make(http.Header)
			}
			b.hr.Trailer.Add(name, value)
		}
	}
	return n, err
}

// Close makes later reads fail. The server deals with the rest of the content.
func (b *handlerBody) Close() error {
	b.closed = true
	return nil
}

// sortedFields returns the fields in the order of their names.
func sortedFields(h http.Header) iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		for _, name := range slices.Sorted(maps.Keys(h)) {
			if !yield(name, h[name]) {
				return
			}
		}
	}
}

// isServers reports whether the field is one that rawhttp sends itself.
func isServers(name string) bool {
	switch name {
	case "Content-Length", "Transfer-Encoding", "Trailer", "Date":
		return true
	}
	return false
}

// cleanValue returns a field value without the bytes that net/http would not send.
func cleanValue(value string) string {
	return strings.TrimSpace(lineEnds.Replace(value))
}

var lineEnds = strings.NewReplacer("\r", " ", "\n", " ")
