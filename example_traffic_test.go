package rawhttp_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.com/rawhttp"
)

// requestMetrics counts responses by method and status, and has a histogram of their durations.
// Unknown methods share a label, so that clients cannot create labels.
type requestMetrics struct {
	mu       sync.Mutex
	requests map[string]uint64 // number of responses by labels
	slower   [4]uint64         // number of responses that took longer than each bound
	sum      time.Duration
	count    uint64
}

var bounds = [4]time.Duration{10 * time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second}

// exchange is the hook Trace.Exchange, which is called concurrently. The Request is nil if the
// head was refused.
func (m *requestMetrics) exchange(x rawhttp.Exchange) {
	method := "other"
	if x.Request != nil && slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, x.Request.Method()) {
		method = x.Request.Method()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests[fmt.Sprintf(`method=%q,status="%d"`, method, x.Status)]++
	for i, bound := range bounds {
		if x.Duration > bound {
			m.slower[i]++
		}
	}
	m.sum += x.Duration
	m.count++
}

// writeTo writes the counters in the text format of Prometheus.
func (m *requestMetrics) writeTo(w io.Writer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fmt.Fprintln(w, "# TYPE http_requests_total counter")
	for _, labels := range slices.Sorted(maps.Keys(m.requests)) {
		fmt.Fprintf(w, "http_requests_total{%s} %d\n", labels, m.requests[labels])
	}
	fmt.Fprintln(w, "# TYPE http_request_duration_seconds histogram")
	for i, bound := range bounds {
		fmt.Fprintf(w, "http_request_duration_seconds_bucket{le=\"%g\"} %d\n", bound.Seconds(), m.count-m.slower[i])
	}
	fmt.Fprintf(w, "http_request_duration_seconds_bucket{le=\"+Inf\"} %d\n", m.count)
	fmt.Fprintf(w, "http_request_duration_seconds_sum %g\n", m.sum.Seconds())
	fmt.Fprintf(w, "http_request_duration_seconds_count %d\n", m.count)
}

// Counters and a histogram of the requests. The hook is called after each response has been
// sent, including those to refused heads.
func Example_metrics() {
	metrics := &requestMetrics{requests: make(map[string]uint64)}
	notes := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if req.Path() != "/milk" {
			return nil, fs.ErrNotExist
		}
		return rawhttp.Text(200, "two litres"), nil
	})
	srv, err := rawhttp.New(
		rawhttp.WithResolver(notes),
		rawhttp.WithTrace(rawhttp.Trace{Exchange: metrics.exchange}),
	)
	if err != nil {
		log.Fatal(err)
	}
	client, server := net.Pipe()
	go fmt.Fprint(client, "GET /milk HTTP/1.1\r\nHost: example.test\r\n\r\n"+
		"GET /beer HTTP/1.1\r\nHost: example.test\r\n\r\n"+
		"BREW /tea HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n")
	go io.Copy(io.Discard, client)
	if err := srv.ServeConn(context.Background(), server); err != nil {
		log.Fatal(err)
	}

	var text strings.Builder
	metrics.writeTo(&text)
	for line := range strings.Lines(text.String()) {
		if strings.HasPrefix(line, "http_requests_total{") || strings.Contains(line, `"10"`) || strings.Contains(line, "_count") {
			fmt.Print(line)
		}
	}
	// Output:
	// http_requests_total{method="GET",status="200"} 1
	// http_requests_total{method="GET",status="404"} 1
	// http_requests_total{method="other",status="404"} 1
	// http_request_duration_seconds_bucket{le="10"} 3
	// http_request_duration_seconds_count 3
}

// A span is a timed operation within a trace (W3C Trace Context).
type span struct {
	traceID, id, parent string // in hexadecimal
	name                string
	start               time.Time
	duration            time.Duration
	status              int
	err                 error
}

type spanKey struct{} // of a context

// A tracer creates spans. The span of a request begins in a resolver, so that spans of parts of
// the work can be its children, and ends in Trace.Exchange, after the response was sent. The
// numbers of the connection and the request identify it in both places.
type tracer struct {
	export func(span) // called concurrently

	mu   sync.Mutex
	open map[[2]uint64]span
}

// spans wraps next with a span for each request, a child of the client's span if it sends one.
func (t *tracer) spans(next rawhttp.Resolver) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		s := span{id: randomHex(8), name: req.Method() + " " + req.Path()}
		var ok bool
		if s.traceID, s.parent, ok = parseTraceparent(req.Header().Get("Traceparent")); !ok {
			s.traceID = randomHex(16)
		}
		conn := req.Conn()
		t.mu.Lock()
		t.open[[2]uint64{conn.ID, conn.Request}] = s
		t.mu.Unlock()
		return next.Resolve(context.WithValue(ctx, spanKey{}, s), req)
	})
}

// exchange is the hook Trace.Exchange. It ends the span of the request.
func (t *tracer) exchange(x rawhttp.Exchange) {
	key := [2]uint64{x.Conn, x.Num}
	t.mu.Lock()
	s, ok := t.open[key]
	delete(t.open, key)
	t.mu.Unlock()
	if !ok {
		return // not resolved: the head was refused
	}
	s.start, s.duration, s.status, s.err = x.Start, x.Duration, x.Status, x.Err
	t.export(s)
}

// begin starts a span whose parent is the span of the request of ctx.
func (t *tracer) begin(ctx context.Context, name string) (end func(err error)) {
	parent, _ := ctx.Value(spanKey{}).(span)
	s := span{traceID: parent.traceID, id: randomHex(8), parent: parent.id, name: name, start: time.Now()}
	return func(err error) {
		s.duration, s.err = time.Since(s.start), err
		t.export(s)
	}
}

// parseTraceparent parses version 00 of the field: 00-(trace)-(span)-(flags).
func parseTraceparent(field string) (traceID, parent string, ok bool) {
	parts := strings.Split(field, "-")
	if len(parts) != 4 || parts[0] != "00" || len(parts[1]) != 32 || len(parts[2]) != 16 || len(parts[3]) != 2 {
		return "", "", false
	}
	for _, part := range parts {
		if strings.Trim(part, "0123456789abcdef") != "" {
			return "", "", false
		}
	}
	if strings.Trim(parts[1], "0") == "" || strings.Trim(parts[2], "0") == "" {
		return "", "", false
	}
	return parts[1], parts[2], true
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// Spans for distributed tracing: one for each request, to the last byte of the response, and a
// child for a part of the work.
func Example_spans() {
	var exported []span
	var mu sync.Mutex
	t := &tracer{open: make(map[[2]uint64]span), export: func(s span) {
		mu.Lock()
		defer mu.Unlock()
		exported = append(exported, s)
	}}
	tea := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		end := t.begin(ctx, "look into the pot")
		end(nil)
		return rawhttp.Text(200, "half full"), nil
	})
	srv, err := rawhttp.New(
		rawhttp.WithResolver(t.spans(tea)),
		rawhttp.WithTrace(rawhttp.Trace{Exchange: t.exchange}),
	)
	if err != nil {
		log.Fatal(err)
	}
	client, server := net.Pipe()
	go fmt.Fprint(client, "GET /tea HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n"+
		"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n")
	go io.Copy(io.Discard, client)
	if err := srv.ServeConn(context.Background(), server); err != nil {
		log.Fatal(err)
	}
	pot, request := exported[0], exported[1]
	fmt.Println(request.name, request.status, "in trace", request.traceID, "child of span", request.parent)
	fmt.Println(pot.name, "in the same trace:", pot.traceID == request.traceID, "child of that span:", pot.parent == request.id)
	// Output:
	// GET /tea 200 in trace 0af7651916cd43dd8448eb211c80319c child of span b7ad6b7169203331
	// look into the pot in the same trace: true child of that span: true
}

// Requests are captured, parsed, rewritten for another host without their secrets, and sent
// again.
func Example_replay() {
	var capture bytes.Buffer // of one connection; a program with several needs one for each
	shop := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		content, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		return rawhttp.Text(200, fmt.Sprintf("%s on %s: %q, cookie %q\n", req.Path(), req.Host(), content, req.Header().Get("Cookie"))), nil
	})
	srv, err := rawhttp.New(
		rawhttp.WithResolver(shop),
		rawhttp.WithTrace(rawhttp.Trace{BytesRead: func(conn, req uint64, b []byte) { capture.Write(b) }}),
	)
	if err != nil {
		log.Fatal(err)
	}
	client, server := net.Pipe()
	go fmt.Fprint(client, "GET /tea HTTP/1.1\r\nHost: shop.test\r\nCookie: secret\r\n\r\n"+
		"POST /order HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n4\r\nmilk\r\n0\r\n\r\n")
	go io.Copy(io.Discard, client)
	if err := srv.ServeConn(context.Background(), server); err != nil {
		log.Fatal(err)
	}

	for wire := capture.Bytes(); len(wire) > 0; {
		req, rest, err := rawhttp.ParseRequest(wire)
		if err != nil {
			log.Fatal(err)
		}
		in := bytes.NewReader(rest)
		content, err := io.ReadAll(req.Content(nil, in))
		if err != nil {
			log.Fatal(err)
		}
		wire = rest[len(rest)-in.Len():] // the next request

		again := []byte(req.Method() + " " + req.Target() + " HTTP/1.1\r\nHost: staging.test\r\n")
		for name, value := range req.Header().All() {
			switch strings.ToLower(name) {
			case "host", "cookie", "authorization", "content-length", "transfer-encoding", "trailer", "expect":
			default:
				again = append(again, name+": "+value+"\r\n"...)
			}
		}
		again = append(again, "Content-Length: "+strconv.Itoa(len(content))+"\r\n\r\n"...)
		again = append(again, content...)
		resp, _, err := rawhttp.ParseResponse([]byte(rawhttp.Answer(shop, string(again))), req.Method())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(resp.Status(), " ")
		if _, err := resp.WriteContent(context.Background(), os.Stdout); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// 200 /tea on staging.test: "", cookie ""
	// 200 /order on staging.test: "milk", cookie ""
}

// endToEnd returns the fields of a message that a proxy forwards: without those for a single
// connection (RFC 9110, section 7.6.1), and those that the proxy writes itself.
func endToEnd(fields iter.Seq2[string, string], connection string) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for name, value := range fields {
			switch name := strings.ToLower(name); name {
			case "connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade",
				"proxy-authenticate", "proxy-authorization",
				"host", "content-length", "trailer", "expect", "date",
				"forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto":
				continue
			default:
				named := func(option string) bool { return strings.EqualFold(strings.TrimSpace(option), name) }
				if slices.ContainsFunc(strings.Split(connection, ","), named) {
					continue
				}
			}
			if !yield(name, value) {
				return
			}
		}
	}
}

// reverseProxy forwards requests to the origin, and streams back its responses with their
// lengths and trailer fields. It does not forward trailer fields of requests.
func reverseProxy(origin *url.URL, transport http.RoundTripper) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		out := (&http.Request{
			Method: req.Method(),
			URL:    &url.URL{Scheme: origin.Scheme, Host: origin.Host, Path: req.Path(), RawPath: req.EscapedPath(), RawQuery: req.RawQuery()},
			Header: http.Header{"User-Agent": nil}, // none but the client's
		}).WithContext(ctx)
		connection := strings.Join(slices.Collect(req.Header().Values("Connection")), ",")
		for name, value := range endToEnd(req.Header().All(), connection) {
			out.Header.Add(name, value)
		}
		out.Header.Set("X-Forwarded-Host", req.Host())
		if client := req.Conn().Client; client.IsValid() {
			out.Header.Set("X-Forwarded-For", client.String())
		}
		if out.ContentLength = req.ContentLength(); out.ContentLength != 0 {
			out.Body = io.NopCloser(req.Body)
		}
		in, err := transport.RoundTrip(out)
		if err != nil {
			return nil, &rawhttp.StatusError{Status: 502, Err: err}
		}

		resp := rawhttp.Stream(in.StatusCode, in.Header.Get("Content-Type"), in.Body) // closes in.Body
		fields := func(yield func(name, value string) bool) {
			for name, values := range in.Header {
				for _, value := range values {
					if name != "Content-Type" && !yield(name, value) {
						return
					}
				}
			}
		}
		for name, value := range endToEnd(fields, strings.Join(in.Header.Values("Connection"), ",")) {
			resp.Add(name, value)
		}
		if in.ContentLength >= 0 {
			resp.SetLength(in.ContentLength)
		}
		for name := range in.Trailer {
			resp.SetTrailer(name, func() string { return in.Trailer.Get(name) })
		}
		if err := resp.Err(); err != nil { // the origin sent a field that cannot be forwarded
			resp.Close()
			return nil, &rawhttp.StatusError{Status: 502, Err: err}
		}
		return resp, nil
	})
}

// A reverse proxy. It uses an http.Transport rather than an http.Client, which would follow
// redirects.
func Example_reverseProxy() {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "POST" {
			http.ServeContent(w, r, "tea.txt", time.Time{}, strings.NewReader("a pot of tea\n"))
			return
		}
		w.Header().Set("Trailer", "Cups")
		w.WriteHeader(201)
		n, err := io.Copy(w, r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Cups", strconv.FormatInt(n, 10))
	}))
	originURL, err := url.Parse(origin.URL)
	if err != nil {
		log.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100, ResponseHeaderTimeout: time.Minute}
	proxy := reverseProxy(originURL, transport)

	for _, request := range []string{
		"GET /tea HTTP/1.1\r\nHost: example.test\r\nRange: bytes=-4\r\n\r\n",
		"HEAD /tea HTTP/1.1\r\nHost: example.test\r\n\r\n",
		"POST /tea HTTP/1.1\r\nHost: example.test\r\nContent-Length: 5\r\n\r\nmilk\n",
		"GET /tea HTTP/1.1\r\nHost: example.test\r\n\r\n",
	} {
		if strings.HasPrefix(request, "GET") && !strings.Contains(request, "Range") {
			transport.CloseIdleConnections()
			origin.Close() // the origin is down
		}
		answer := strings.Split(strings.ReplaceAll(rawhttp.Answer(proxy, request), "\r\n", "\n"), "\n")
		slices.Sort(answer[1:slices.Index(answer, "")]) // an http.Header has no order
		fmt.Println(strings.TrimSpace(strings.Join(answer, "\n")) + "\n")
	}
	// Output:
	// HTTP/1.1 206 Partial Content
	// Accept-Ranges: bytes
	// Content-Length: 4
	// Content-Range: bytes 9-12/13
	// Content-Type: text/plain; charset=utf-8
	//
	// tea
	//
	// HTTP/1.1 200 OK
	// Accept-Ranges: bytes
	// Content-Length: 13
	// Content-Type: text/plain; charset=utf-8
	//
	// HTTP/1.1 201 Created
	// Content-Type: text/plain; charset=utf-8
	// Trailer: Cups
	// Transfer-Encoding: chunked
	//
	// 5
	// milk
	//
	// 0
	// Cups: 5
	//
	// HTTP/1.1 502 Bad Gateway
	// Content-Length: 16
	// Content-Type: text/plain; charset=utf-8
	// X-Content-Type-Options: nosniff
	//
	// 502 Bad Gateway
}
