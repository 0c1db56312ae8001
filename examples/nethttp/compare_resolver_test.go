package nethttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/rawhttp"
)

// resolverSite returns a resolver with one path for each feature of resolvers.
func resolverSite(t *testing.T, root string) rawhttp.Resolver {
	t.Helper()
	files, err := rawhttp.Dir(root, rawhttp.WithListing(rawhttp.ListHTML), rawhttp.WithCacheControl("no-cache"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	at := func(path string, f func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error)) rawhttp.Resolver {
		return rawhttp.Mount(path, rawhttp.ResolverFunc(f))
	}
	answer := func(path string, resp func() *rawhttp.Response) rawhttp.Resolver {
		return at(path, func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return resp(), nil })
	}
	failing := func(path string, err error) rawhttp.Resolver {
		return at(path, func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return nil, err })
	}
	return rawhttp.First(
		rawhttp.Mount("/files/", files),
		at("/request/", describe),
		at("/request", describe),
		at("/echo", func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.Stream(200, "application/octet-stream", req.Body), nil
		}),
		at("/body", describeBody),
		rawhttp.Mount("/limited", rawhttp.LimitBody(10, rawhttp.ResolverFunc(describeBody))),
		answer("/empty", func() *rawhttp.Response { return rawhttp.Empty(200) }),
		answer("/notype", func() *rawhttp.Response { return rawhttp.Bytes(200, "", []byte("<html>")) }),
		answer("/204", func() *rawhttp.Response { return rawhttp.Empty(204).Set("X-A", "1") }),
		answer("/205", func() *rawhttp.Response { return rawhttp.Empty(205) }),
		answer("/304", func() *rawhttp.Response { return rawhttp.Empty(304).Set("ETag", `"1"`) }),
		answer("/cookies", func() *rawhttp.Response {
			return rawhttp.Text(200, "x").Add("Set-Cookie", "a=1").Add("Set-Cookie", "b=2; Path=/")
		}),
		answer("/close", func() *rawhttp.Response { return rawhttp.Text(200, "the last response").CloseAfter() }),
		answer("/redirect", func() *rawhttp.Response { return rawhttp.Redirect(303, "to?q=1") }),
		answer("/content", func() *rawhttp.Response {
			return rawhttp.Content(rawhttp.Representation{
				MediaType: "text/plain", Body: strings.NewReader(long(100)), Size: 100, ModTime: changed, ETag: `"v1"`,
			})
		}),
		answer("/stream", func() *rawhttp.Response {
			return rawhttp.Stream(200, "text/plain", strings.NewReader(long(100_000)))
		}),
		answer("/length", func() *rawhttp.Response {
			return rawhttp.Stream(200, "text/plain", strings.NewReader(long(100_000))).SetLength(100_000)
		}),
		answer("/length/short", func() *rawhttp.Response {
			return rawhttp.Stream(200, "text/plain", strings.NewReader(long(100_000))).SetLength(200_000)
		}),
		answer("/length/none", func() *rawhttp.Response {
			return rawhttp.Stream(200, "text/plain", strings.NewReader("")).SetLength(1)
		}),
		answer("/streamfunc", func() *rawhttp.Response { return writing("a", "", "b") }),
		answer("/streamfunc/late", func() *rawhttp.Response {
			return rawhttp.StreamFunc(200, "text/plain", func(_ context.Context, w io.Writer) error {
				io.WriteString(w, "begun")
				return errors.New("failed after the head")
			})
		}),
		answer("/streamfunc/early", func() *rawhttp.Response {
			return rawhttp.StreamFunc(200, "text/plain", func(context.Context, io.Writer) error {
				return errors.New("failed before the head")
			})
		}),
		answer("/streamfunc/abort", func() *rawhttp.Response {
			return rawhttp.StreamFunc(200, "text/plain", func(context.Context, io.Writer) error { return rawhttp.ErrAbort })
		}),
		answer("/trailer", func() *rawhttp.Response {
			return writing("content").SetTrailer("X-Sum", func() string { return "abc" }).SetTrailer("X-None", func() string { return "" })
		}),
		answer("/mistake", func() *rawhttp.Response { return rawhttp.Text(99, "no status") }),
		failing("/error/404", fs.ErrNotExist),
		failing("/error/403", fs.ErrPermission),
		failing("/error/405", &rawhttp.StatusError{Status: 405, Allow: []string{"PUT", "PATCH"}}),
		failing("/error/503", context.DeadlineExceeded),
		failing("/error/500", errors.New("secret")),
		failing("/error/none", nil),
		failing("/abort", fmt.Errorf("wrapped: %w", rawhttp.ErrAbort)),
		rawhttp.Mount("/methods", rawhttp.Methods(map[string]rawhttp.Resolver{"GET": rawhttp.ResolverFunc(describe), "PUT": rawhttp.ResolverFunc(describeBody)})),
		rawhttp.Mount("/upgrade", rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.Upgrade("x", func(context.Context, net.Conn) error { return nil }), nil
		})),
	)
}

// writing returns a response that writes the parts.
func writing(parts ...string) *rawhttp.Response {
	return rawhttp.StreamFunc(200, "text/plain", func(_ context.Context, w io.Writer) error {
		for _, part := range parts {
			if _, err := io.WriteString(w, part); err != nil {
				return err
			}
		}
		return nil
	})
}

// describe answers with a description of the request as a resolver sees it.
func describe(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	var fields []string
	for name, value := range req.Header().All() {
		fields = append(fields, strings.ToLower(name)+": "+value)
	}
	slices.Sort(fields) // net/http preserves neither the order nor the case
	conn := req.Conn()
	return rawhttp.Text(200, fmt.Sprintln(req.Method(), req.Target(), req.Version(), req.Host(), req.Prefix(), req.Path(), req.EscapedPath(),
		req.Query(), req.ContentLength(), fields, conn.Client, conn.RemoteAddr.Network(), conn.LocalAddr.Network(), conn.TLS)), nil
}

// describeBody answers with the content of the request and its trailer fields.
func describeBody(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	content, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintln(req.ContentLength(), len(content), string(content[:min(20, len(content))]))
	for name, value := range req.Trailer().All() {
		text += fmt.Sprintln(name, value)
	}
	return rawhttp.Text(200, text), nil
}

// Differences in the answers of resolvers.
var (
	noHeadFraming = &difference{
		why:     "net/http does not send Transfer-Encoding in the response to HEAD",
		through: "handler",
		change:  func(a *answer) { a.Framing = "close" },
	}
	listingFraming = &difference{
		why:     "only rawhttp itself omits the framing of a listing in the response to HEAD",
		through: "both",
		change:  func(a *answer) { a.Framing = "chunked" },
	}
	optionsByServer = &difference{
		why:     "an http.Server answers OPTIONS * itself",
		through: "handler",
		change:  func(a *answer) { *a = answer{Status: 200, Framing: "length", Fields: []string{"Content-Length: 0"}} },
	}
	cleanTarget = &difference{
		why:     "a handler has a clean path, so the target is no longer that of the client",
		through: "both",
		change: func(a *answer) {
			a.Fields[0] = "Content-Length: 170"
			a.Content = strings.Replace(a.Content, "/request/a%2Fb/../%41//c", "/request/a/A/c", 1)
		},
	}
)

var resolverRequests = []request{
	{"file", get("/files/a.txt"), nil},
	{"file HEAD", head("HEAD", "/files/a.txt"), nil},
	{"file of an escaped name", get("/files/a%20b.txt"), nil},
	{"large file", get("/files/big.bin"), nil},
	{"large file HEAD", head("HEAD", "/files/big.bin"), nil},
	{"range", get("/files/big.bin", "Range: bytes=5-9"), nil},
	{"ranges", get("/files/big.bin", "Range: bytes=0-1,300-400"), nil},
	{"range not satisfiable", get("/files/a.txt", "Range: bytes=100-"), nil},
	{"not modified", get("/files/a.txt", "If-Modified-Since: "+changed.Add(time.Hour).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")), nil},
	{"folder", get("/files/sub/"), nil},
	{"folder HEAD", head("HEAD", "/files/sub/"), listingFraming},
	{"folder as JSON", get("/files/sub/?format=json"), nil},
	{"folder without slash", get("/files/sub"), nil},
	{"missing file", get("/files/none"), nil},
	{"file, other method", head("DELETE", "/files/a.txt"), nil},
	{"file, unknown method", head("BREW", "/files/a.txt"), nil},
	{"file OPTIONS", head("OPTIONS", "/files/a.txt"), nil},
	{"server OPTIONS", head("OPTIONS", "*"), optionsByServer},
	{"TRACE", head("TRACE", "/request"), nil},
	{"request", get("/request/a%2Fb/../%41//c?x=1&y", "X-A: 1", "X-A: 2", "x-lower: v", "Cookie: a=1"), cleanTarget},
	{"request HTTP/1.0", "GET /request HTTP/1.0\r\nHost: h\r\n\r\n", nil},
	{"request HTTP/1.0, persistent", "GET /request HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n", nil},
	{"request, close", get("/request", "Connection: close"), nil},
	{"request to a proxy", get("http://other.test/request"), nil},
	{"echo", withContent("POST", "/echo", long(100_000)), nil},
	{"echo of chunks", head("POST", "/echo", "Transfer-Encoding: chunked") + "5\r\nhello\r\n0\r\n\r\n", nil},
	{"echo, expect", head("POST", "/echo", "Expect: 100-continue", "Content-Length: 2") + "ok", nil},
	{"body", withContent("POST", "/body", "content"), nil},
	{"no body", head("POST", "/body", "Content-Length: 0"), nil},
	{"body of chunks with trailers", head("POST", "/body", "Transfer-Encoding: chunked", "Trailer: X-Sum") + "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", nil},
	{"limited body", withContent("POST", "/limited", "12345"), nil},
	{"body over the limit", withContent("POST", "/limited", "12345678901"), nil},
	{"empty", get("/empty"), nil},
	{"no type", get("/notype"), nil},
	{"204", get("/204"), nil},
	{"205", get("/205"), nil},
	{"304", get("/304"), nil},
	{"cookies", get("/cookies"), nil},
	{"close", get("/close"), nil},
	{"redirect", get("/redirect"), nil},
	{"content", get("/content"), nil},
	{"content HEAD", head("HEAD", "/content"), nil},
	{"content range", get("/content", "Range: bytes=-5", `If-Range: "v1"`), nil},
	{"content not modified", get("/content", `If-None-Match: "v1"`), nil},
	{"content precondition", get("/content", `If-Match: "v2"`), nil},
	{"stream", get("/stream"), nil},
	{"stream HEAD", head("HEAD", "/stream"), noHeadFraming},
	{"stream 1.0", "GET /stream HTTP/1.0\r\n\r\n", nil},
	{"length", get("/length"), nil},
	{"length HEAD", head("HEAD", "/length"), nil},
	{"length, too little", get("/length/short"), nil},
	{"length, nothing", get("/length/none"), nil},
	{"streamfunc", get("/streamfunc"), nil},
	{"streamfunc, late error", get("/streamfunc/late"), nil},
	{"streamfunc, early error", get("/streamfunc/early"), nil},
	{"streamfunc, abort", get("/streamfunc/abort"), nil},
	{"trailer", get("/trailer"), nil},
	{"trailer 1.0", "GET /trailer HTTP/1.0\r\n\r\n", nil},
	{"mistake", get("/mistake"), nil},
	{"404", get("/error/404"), nil},
	{"403", get("/error/403"), nil},
	{"405", get("/error/405"), nil},
	{"405 OPTIONS", head("OPTIONS", "/error/405"), nil},
	{"503", get("/error/503"), nil},
	{"500", get("/error/500"), nil},
	{"neither response nor error", get("/error/none"), nil},
	{"abort", get("/abort"), nil},
	{"methods GET", get("/methods"), nil},
	{"methods PUT", withContent("PUT", "/methods", "x"), nil},
	{"methods POST", withContent("POST", "/methods", "x"), nil},
	{"upgrade not requested", get("/upgrade"), nil},
}

// TestCompareResolver sends each request of the table to a resolver behind rawhttp and
// behind each bridge, and compares the answers.
func TestCompareResolver(t *testing.T) {
	r := resolverSite(t, writeFiles(t))
	plain := serveRawhttp(t, r)
	handler := serveNetHTTP(t, Handler(r))
	proxied := serveNetHTTP(t, proxyTo(t, plain))
	compare(t, resolverRequests, []bridge{
		{"handler", plain, handler},
		{"both", plain, serveRawhttp(t, Resolver(Handler(r)))},
		{"behind", proxied, serveNetHTTP(t, proxyTo(t, handler))},
	})
}
