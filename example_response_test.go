package rawhttp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"testing/fstest"
	"time"

	"example.com/rawhttp"
)

func ExampleOK() {
	resp := rawhttp.OK("application/json", []byte(`{"answer": 42}`))
	for name, value := range resp.Fields() {
		fmt.Printf("%s: %s\n", name, value)
	}
	// Output:
	// Content-Type: application/json
}

func ExampleText() {
	resolver := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, "hello, "+req.Query().Get("name")), nil
	})
	answer := rawhttp.Answer(resolver, "GET /?name=world HTTP/1.1\r\nHost: example.test\r\n\r\n")
	fmt.Print(strings.ReplaceAll(answer, "\r\n", "\n"))
	// Output:
	// HTTP/1.1 200 OK
	// Content-Type: text/plain; charset=utf-8
	// Content-Length: 12
	//
	// hello, world
}

func ExampleRedirect() {
	resp := rawhttp.Redirect(308, "/new/place?from=old")
	for name, value := range resp.Fields() {
		fmt.Printf("%s: %s\n", name, value)
	}
	// Output:
	// Content-Type: text/plain; charset=utf-8
	// Location: /new/place?from=old
}

// A resource that can only be read. The server answers OPTIONS with the methods given to
// MethodNotAllowed, and HEAD with the head of the response to GET.
func ExampleMethodNotAllowed() {
	resolver := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		switch req.Method() {
		case "GET", "HEAD":
			return rawhttp.Text(200, "the time\n"), nil
		}
		return rawhttp.MethodNotAllowed("GET", "HEAD", "OPTIONS"), nil
	})
	for _, method := range []string{"HEAD", "DELETE", "OPTIONS"} {
		answer := rawhttp.Answer(resolver, method+" / HTTP/1.1\r\nHost: example.test\r\n\r\n")
		fmt.Print(method, ": ", strings.ReplaceAll(answer, "\r\n", "\n"))
	}
	// Output:
	// HEAD: HTTP/1.1 200 OK
	// Content-Type: text/plain; charset=utf-8
	// Content-Length: 9
	//
	// DELETE: HTTP/1.1 405 Method Not Allowed
	// Content-Type: text/plain; charset=utf-8
	// Content-Length: 23
	// Allow: GET, HEAD, OPTIONS
	//
	// 405 Method Not Allowed
	// OPTIONS: HTTP/1.1 204 No Content
	// Allow: GET, HEAD, OPTIONS
	// X-Content-Type-Options: nosniff
}

// The bytes of a Response can be printed and tested without a server.
func ExampleResponse_WriteTo() {
	resp := rawhttp.Text(200, "hello\n").Set("Cache-Control", "no-store")
	var wire strings.Builder
	if _, err := resp.WriteTo(&wire); err != nil {
		log.Fatal(err)
	}
	for line := range strings.Lines(wire.String()) {
		fmt.Printf("%q\n", line)
	}
	// Output:
	// "HTTP/1.1 200 OK\r\n"
	// "Content-Type: text/plain; charset=utf-8\r\n"
	// "Content-Length: 6\r\n"
	// "Cache-Control: no-store\r\n"
	// "\r\n"
	// "hello\n"
}

// A captured response is parsed, changed and written again.
func ExampleParseResponse() {
	wire := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"4\r\nhell\r\n2\r\no\n\r\n0\r\n\r\n")
	resp, rest, err := rawhttp.ParseResponse(wire, "GET")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Status(), len(rest))
	var again strings.Builder
	if _, err := resp.Set("Cache-Control", "no-store").WriteTo(&again); err != nil {
		log.Fatal(err)
	}
	for line := range strings.Lines(again.String()) {
		fmt.Printf("%q\n", line)
	}
	// Output:
	// 200 0
	// "HTTP/1.1 200 OK\r\n"
	// "Content-Type: text/plain\r\n"
	// "Transfer-Encoding: chunked\r\n"
	// "Cache-Control: no-store\r\n"
	// "\r\n"
	// "6\r\n"
	// "hello\n"
	// "\r\n"
	// "0\r\n"
	// "\r\n"
}

// Calls to Set and Add can be chained. A field that cannot be sent is a mistake, which Err
// reports and the server answers with 500: no value can add a line to the head.
func ExampleResponse_Set() {
	good := rawhttp.Empty(204).Set("Vary", "Accept").Add("Vary", "Origin")
	fmt.Println(good.Err())
	bad := rawhttp.Empty(204).Set("X-Name", "a\r\nSet-Cookie: b").Set("Content-Length", "5")
	fmt.Println(bad.Err() != nil)
	// Output:
	// <nil>
	// true
}

// A resolver that adds a field to the responses of another. A response may be shared by several
// requests, so the resolver changes a clone.
func ExampleResponse_Clone() {
	shared := rawhttp.Text(200, "hello\n") // answers every request
	inner := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return shared, nil
	})
	outer := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		resp, err := inner.Resolve(ctx, req)
		if err != nil {
			return nil, err
		}
		return resp.Clone().Set("Referrer-Policy", "no-referrer"), nil
	})

	req, _, err := rawhttp.ParseRequest([]byte("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n"))
	if err != nil {
		log.Fatal(err)
	}
	resp, err := outer.Resolve(context.Background(), req)
	if err != nil {
		log.Fatal(err)
	}
	for name, value := range resp.Fields() {
		fmt.Printf("%s: %s\n", name, value)
	}
	// Output:
	// Content-Type: text/plain; charset=utf-8
	// Referrer-Policy: no-referrer
}

// Content that is not in memory, here the content of the request, which is sent back as it
// arrives.
func ExampleStream() {
	echo := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Stream(200, "application/octet-stream", req.Body), nil
	})
	answer := rawhttp.Answer(echo, "POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: 5\r\n\r\nhello")
	for line := range strings.Lines(answer) {
		fmt.Printf("%q\n", line)
	}
	// Output:
	// "HTTP/1.1 200 OK\r\n"
	// "Content-Type: application/octet-stream\r\n"
	// "Transfer-Encoding: chunked\r\n"
	// "\r\n"
	// "5\r\n"
	// "hello\r\n"
	// "0\r\n"
	// "\r\n"
}

// Server-sent events: each Write is sent at once, as one chunk. A real program would wait for
// events, and for ctx.Done, which is closed when the client has disconnected.
func ExampleStreamFunc() {
	events := rawhttp.StreamFunc(200, "text/event-stream", func(ctx context.Context, w io.Writer) error {
		for i := range 3 {
			if _, err := fmt.Fprintf(w, "id: %d\ndata: tick\n\n", i); err != nil {
				return err
			}
		}
		return nil
	})
	events.Set("Cache-Control", "no-store")

	var wire strings.Builder
	if _, err := events.WriteTo(&wire); err != nil {
		log.Fatal(err)
	}
	_, chunks, _ := strings.Cut(wire.String(), "\r\n\r\n")
	fmt.Printf("%q\n", chunks)
	// Output:
	// "12\r\nid: 0\ndata: tick\n\n\r\n12\r\nid: 1\ndata: tick\n\n\r\n12\r\nid: 2\ndata: tick\n\n\r\n0\r\n\r\n"
}

// A representation that is not a file. Since its Body is an io.ReaderAt, the Response may
// answer any number of requests.
func ExampleContent() {
	const report = "a,b\n1,2\n"
	resp := rawhttp.Content(rawhttp.Representation{
		MediaType: "text/csv; charset=utf-8",
		Body:      strings.NewReader(report),
		Size:      int64(len(report)),
		ModTime:   time.Date(2026, time.May, 4, 12, 0, 0, 0, time.UTC),
		ETag:      `"v1"`,
	})
	var wire strings.Builder
	if _, err := resp.WriteTo(&wire); err != nil {
		log.Fatal(err)
	}
	head, content, _ := strings.Cut(wire.String(), "\r\n\r\n")
	fmt.Println(strings.Contains(head, `ETag: "v1"`))
	fmt.Println(strings.Contains(head, "Last-Modified: Mon, 04 May 2026 12:00:00 GMT"))
	fmt.Print(content)
	// Output:
	// true
	// true
	// a,b
	// 1,2
}

// A file that the program opens. The Response closes it.
func ExampleFile() {
	reports := fstest.MapFS{"today.csv": {Data: []byte("a,b\n1,2\n")}}
	resolver := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if req.Path() != "/report" {
			return nil, os.ErrNotExist
		}
		f, err := reports.Open("today.csv")
		if err != nil {
			return nil, err
		}
		return rawhttp.File(f)
	})
	answer := rawhttp.Answer(resolver, "GET /report HTTP/1.1\r\nHost: example.test\r\n\r\n")
	fmt.Print(strings.ReplaceAll(answer, "\r\n", "\n"))
	// Output:
	// HTTP/1.1 200 OK
	// Content-Type: text/csv; charset=utf-8
	// Content-Length: 8
	// Accept-Ranges: bytes
	//
	// a,b
	// 1,2
}

// A connection loop without a Server, with only the parser and the writer. It has no time
// limits, so it is for tools and tests, not for the open Internet.
func ExampleWriteResponse() {
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		var wire []byte
		buf := make([]byte, 4096)
		for {
			req, rest, err := rawhttp.ParseRequest(wire)
			if errors.Is(err, rawhttp.ErrIncomplete) {
				n, err := server.Read(buf)
				if err != nil {
					return
				}
				wire = append(wire, buf[:n]...)
				continue
			}
			if err != nil || req.ContentLength() != 0 { // this loop reads no content
				return
			}
			wire = rest
			resp := rawhttp.Text(200, "you asked for "+req.Target()+"\n")
			persist, err := rawhttp.WriteResponse(context.Background(), server, req, resp)
			if err != nil || !persist {
				return
			}
		}
	}()

	fmt.Fprint(client, "GET /a HTTP/1.1\r\nHost: example.test\r\n\r\nGET /b HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n")
	for lines := bufio.NewScanner(client); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "HTTP/") || strings.HasPrefix(lines.Text(), "you") {
			fmt.Println(lines.Text())
		}
	}
	// Output:
	// HTTP/1.1 200 OK
	// you asked for /a
	// HTTP/1.1 200 OK
	// you asked for /b
}

// A script or stream is written after Resolve has returned. A context with a time limit must
// last as long, so it is canceled by OnClose; a deferred call would cancel it too early.
func ExampleResponse_OnClose() {
	limit := func(d time.Duration, next rawhttp.Resolver) rawhttp.Resolver {
		return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			ctx, cancel := context.WithTimeout(ctx, d)
			resp, err := next.Resolve(ctx, req)
			if err != nil {
				cancel()
				return nil, err
			}
			return resp.Clone().OnClose(cancel), nil
		})
	}
	report := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.StreamFunc(200, "text/plain", func(_ context.Context, w io.Writer) error {
			_, err := fmt.Fprintf(w, "the limit holds: %v", ctx.Err() == nil) // the ctx of Resolve
			return err
		}), nil
	})
	answer := rawhttp.Answer(limit(time.Minute, report), "GET / HTTP/1.0\r\n\r\n")
	_, content, _ := strings.Cut(answer, "\r\n\r\n")
	fmt.Println(content)
	// Output:
	// the limit holds: true
}

// A stream of known length is sent with Content-Length, so that the client notices if it is
// cut.
func ExampleResponse_SetLength() {
	resolver := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		backup := strings.NewReader("0123456789") // in place of an object store
		return rawhttp.Stream(200, "application/octet-stream", backup).SetLength(10), nil
	})
	answer := rawhttp.Answer(resolver, "GET /backup HTTP/1.1\r\nHost: example.test\r\n\r\n")
	for line := range strings.Lines(answer) {
		fmt.Printf("%q\n", line)
	}
	// Output:
	// "HTTP/1.1 200 OK\r\n"
	// "Content-Type: application/octet-stream\r\n"
	// "Content-Length: 10\r\n"
	// "\r\n"
	// "0123456789"
}

// A trailer field has a value that is known only after all of the content has been written.
func ExampleResponse_SetTrailer() {
	resolver := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		rows := 0
		return rawhttp.StreamFunc(200, "text/csv", func(ctx context.Context, w io.Writer) error {
			for _, row := range []string{"a,b\n", "1,2\n"} {
				if _, err := io.WriteString(w, row); err != nil {
					return err
				}
				rows++
			}
			return nil
		}).SetTrailer("X-Rows", func() string { return fmt.Sprint(rows) }), nil
	})
	answer := rawhttp.Answer(resolver, "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n")
	for line := range strings.Lines(answer) {
		fmt.Printf("%q\n", line)
	}
	// Output:
	// "HTTP/1.1 200 OK\r\n"
	// "Content-Type: text/csv\r\n"
	// "Transfer-Encoding: chunked\r\n"
	// "Trailer: X-Rows\r\n"
	// "\r\n"
	// "4\r\n"
	// "a,b\n"
	// "\r\n"
	// "4\r\n"
	// "1,2\n"
	// "\r\n"
	// "0\r\n"
	// "X-Rows: 2\r\n"
	// "\r\n"
}

// The content of a Response without its head, for a test of a resolver.
func ExampleResponse_WriteContent() {
	resp := rawhttp.StreamFunc(200, "text/plain", func(ctx context.Context, w io.Writer) error {
		_, err := io.WriteString(w, "hello\n")
		return err
	})
	defer resp.Close()
	n, err := resp.WriteContent(context.Background(), os.Stdout)
	fmt.Println(n, err)
	// Output:
	// hello
	// 6 <nil>
}

// Your own protocol: after the 101, the server sends each line back in upper case.
func ExampleUpgrade() {
	shout := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Upgrade("shout", func(ctx context.Context, conn net.Conn) error {
			lines := bufio.NewScanner(conn)
			for lines.Scan() {
				if _, err := fmt.Fprintln(conn, strings.ToUpper(lines.Text())); err != nil {
					return err
				}
			}
			return lines.Err()
		}), nil
	})
	answer := rawhttp.Answer(shout, "GET / HTTP/1.1\r\nHost: example.test\r\n"+
		"Connection: Upgrade\r\nUpgrade: shout\r\n\r\nhello\n")
	fmt.Print(strings.ReplaceAll(answer, "\r\n", "\n"))
	// Output:
	// HTTP/1.1 101 Switching Protocols
	// Connection: Upgrade
	// Upgrade: shout
	//
	// HELLO
}

// Early hints: the client fetches the style sheet while the server is still making the page.
func ExampleRequest_Inform() {
	page := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if err := req.Inform(103, "Link", "</style.css>; rel=preload; as=style"); err != nil {
			return nil, err
		}
		return rawhttp.HTML(200, "<!doctype html>"), nil
	})
	answer := rawhttp.Answer(page, "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n")
	fmt.Println(strings.ReplaceAll(answer, "\r\n", "\n"))
	// Output:
	// HTTP/1.1 103 Early Hints
	// Link: </style.css>; rel=preload; as=style
	//
	// HTTP/1.1 200 OK
	// Content-Type: text/html; charset=utf-8
	// Content-Length: 15
	//
	// <!doctype html>
}

// A request for a path that only attackers use gets no response at all.
func ExampleErrAbort() {
	guard := func(next rawhttp.Resolver) rawhttp.Resolver {
		return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			if strings.HasSuffix(req.Path(), ".php") {
				return nil, rawhttp.ErrAbort
			}
			return next.Resolve(ctx, req)
		})
	}
	hello := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, "hello"), nil
	})
	fmt.Printf("%q\n", rawhttp.Answer(guard(hello), "GET /wp-login.php HTTP/1.1\r\nHost: example.test\r\n\r\n"))
	// Output:
	// ""
}
