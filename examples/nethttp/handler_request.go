package nethttp

import (
	"bufio"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"example.com/rawhttp"
)

// newRequest converts a request of net/http to one of rawhttp. body is its content, nil if it
// has none. mounted puts a resolver below the prefix that a handler in front, such as
// http.StripPrefix, has removed from the path.
func newRequest(hr *http.Request) (req *rawhttp.Request, body *requestBody, mounted func(rawhttp.Resolver) rawhttp.Resolver, err error) {
	target, mounted := targetOf(hr)
	req, _, err = rawhttp.ParseRequest(appendHead(nil, hr, target))
	if err == rawhttp.ErrIncomplete {
		err = &rawhttp.StatusError{Status: http.StatusBadRequest, Err: err}
	}
	if err != nil {
		return nil, nil, nil, err
	}
	if hr.Body != nil && hr.Body != http.NoBody && hr.ContentLength != 0 {
		body = &requestBody{r: hr.Body}
		req.Body = body
	}
	if body != nil && hr.ContentLength < 0 {
		chunks := bufio.NewReader(&chunkReader{body: body, hr: hr}) // so that rawhttp sees the trailer fields
		req.Body = req.Content(nil, chunks)
	}
	return req.WithConn(connInfo(hr)), body, mounted, nil
}

// targetOf returns the request target: that of the client, unless a handler in front has
// changed the path other than by removing a prefix.
func targetOf(hr *http.Request) (target string, mounted func(rawhttp.Resolver) rawhttp.Resolver) {
	asIs := func(r rawhttp.Resolver) rawhttp.Resolver { return r }
	if hr.RequestURI == "" { // made by a program
		return hr.URL.RequestURI(), asIs
	}
	if hr.RequestURI == "*" || hr.Method == http.MethodConnect {
		return hr.RequestURI, asIs
	}
	received, err := url.ParseRequestURI(hr.RequestURI)
	if err != nil || received.RawQuery != hr.URL.RawQuery {
		return hr.URL.RequestURI(), asIs
	}
	if received.Path == hr.URL.Path {
		return hr.RequestURI, asIs
	}
	prefix, ok := strings.CutSuffix(received.Path, hr.URL.Path)
	if !ok || !strings.HasPrefix(hr.URL.Path, "/") || strings.HasSuffix(prefix, "/") {
		return hr.URL.RequestURI(), asIs
	}
	return hr.RequestURI, func(r rawhttp.Resolver) rawhttp.Resolver { return rawhttp.Mount(prefix+"/", r) }
}

// appendHead appends the head of the request in the form of HTTP/1, with its fields sorted by
// name.
func appendHead(b []byte, hr *http.Request, target string) []byte {
	b = append(b, hr.Method...)
	b = append(append(b, ' '), target...)
	if hr.ProtoAtLeast(1, 1) {
		b = append(b, " HTTP/1.1\r\n"...)
	} else {
		b = append(b, " HTTP/1.0\r\n"...)
	}
	if hr.Host != "" {
		b = appendField(b, "Host", hr.Host)
	}
	for _, name := range slices.Sorted(maps.Keys(hr.Header)) {
		switch name {
		case "Host", "Content-Length", "Transfer-Encoding", "Trailer":
			continue
		}
		for _, value := range hr.Header[name] {
			b = appendField(b, name, value)
		}
	}
	switch {
	case hr.ContentLength > 0:
		b = appendField(b, "Content-Length", strconv.FormatInt(hr.ContentLength, 10))
	case hr.ContentLength < 0:
		b = appendField(b, "Transfer-Encoding", "chunked")
	case hr.Header.Get("Content-Length") == "0":
		b = appendField(b, "Content-Length", "0")
	}
	if len(hr.Trailer) > 0 {
		b = appendField(b, "Trailer", strings.Join(slices.Sorted(maps.Keys(hr.Trailer)), ", "))
	}
	return append(b, "\r\n"...)
}

func appendField(b []byte, name, value string) []byte {
	b = append(append(b, name...), ": "...)
	return append(append(b, value...), "\r\n"...)
}

// connInfo describes the connection as far as net/http does.
func connInfo(hr *http.Request) rawhttp.ConnInfo {
	info := rawhttp.ConnInfo{RemoteAddr: remoteAddr(hr.RemoteAddr), TLS: hr.TLS != nil}
	info.LocalAddr, _ = hr.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if client, err := netip.ParseAddrPort(hr.RemoteAddr); err == nil {
		info.Client = client.Addr().Unmap()
	}
	return info
}

func remoteAddr(s string) net.Addr {
	if addr, err := netip.ParseAddrPort(s); err == nil {
		return net.TCPAddrFromAddrPort(addr)
	}
	return &net.UnixAddr{Name: s, Net: "unix"}
}

// A chunkReader encodes the content of a request as chunks again: each Read of the body is
// one chunk. The trailer section follows, which net/http knows at the end of the body.
type chunkReader struct {
	body *requestBody
	hr   *http.Request
	data [4096]byte
	out  []byte // encoded and not read yet
	mem  []byte // of out
	err  error  // after out
}

// Read reads the encoded content.
func (c *chunkReader) Read(p []byte) (int, error) {
	if len(c.out) == 0 && c.err == nil {
		c.encode()
	}
	if len(c.out) == 0 {
		return 0, c.err
	}
	n := copy(p, c.out)
	c.out = c.out[n:]
	return n, nil
}

func (c *chunkReader) encode() {
	n, err := c.body.Read(c.data[:])
	b := c.mem[:0]
	if n > 0 {
		b = append(strconv.AppendInt(b, int64(n), 16), "\r\n"...)
		b = append(append(b, c.data[:n]...), "\r\n"...)
	}
	if err == io.EOF {
		b = append(b, "0\r\n"...)
		for _, name := range slices.Sorted(maps.Keys(c.hr.Trailer)) {
			for _, value := range c.hr.Trailer[name] {
				b = appendField(b, name, value)
			}
		}
		b = append(b, "\r\n"...)
	}
	c.out, c.mem, c.err = b, b, err
}
