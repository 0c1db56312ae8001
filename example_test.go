package rawhttp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"example.com/rawhttp"
)

// A program that serves a folder. The last lines send its first request.
func ExampleNew() {
	srv, err := rawhttp.New(rawhttp.WithRoot("testdata/webroot"))
	if err != nil {
		log.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	go srv.Serve(context.Background(), ln)

	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /sample.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
	statusLine, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.TrimSpace(statusLine))
	// Output:
	// HTTP/1.1 200 OK
}

// New reports all mistakes in its options at once.
func ExampleNew_mistakes() {
	_, err := rawhttp.New(
		rawhttp.WithRoot("testdata/webroot"),
		rawhttp.WithServerField("two\r\nlines"),
		rawhttp.WithMaxHeaderBytes(16),
	)
	fmt.Println(err)
	// Output:
	// rawhttp: New: WithServerField("two\r\nlines"): not a field value
	// WithMaxHeaderBytes(16): not between 512 and 1048576 bytes
}

// Two requests in a row. The rest after the first is the second.
func ExampleParseRequest() {
	wire := []byte("GET /a HTTP/1.1\r\nHost: example.test\r\n\r\nGET /b HTTP/1.1\r\nHost: example.test\r\n\r\n")
	for len(wire) > 0 {
		req, rest, err := rawhttp.ParseRequest(wire)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(req.Method(), req.Target())
		wire = rest
	}
	// Output:
	// GET /a
	// GET /b
}

// Bytes may arrive in pieces of any size. ErrIncomplete means that more bytes are needed.
func ExampleParseRequest_incomplete() {
	var wire []byte
	for _, piece := range []string{"GET /a HT", "TP/1.1\r\nHost: exam", "ple.test\r\n\r\n"} {
		wire = append(wire, piece...)
		req, _, err := rawhttp.ParseRequest(wire)
		if errors.Is(err, rawhttp.ErrIncomplete) {
			fmt.Println(len(wire), "bytes: incomplete")
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(len(wire), "bytes:", req.Method(), req.Path(), "on", req.Host())
	}
	// Output:
	// 9 bytes: incomplete
	// 27 bytes: incomplete
	// 39 bytes: GET /a on example.test
}

// The rest begins with the content, if there is any.
func ExampleParseRequest_content() {
	wire := []byte("POST /notes HTTP/1.1\r\nHost: example.test\r\nContent-Length: 5\r\n\r\nhello")
	req, rest, err := rawhttp.ParseRequest(wire)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s %s: %q\n", req.Method(), req.Path(), rest[:req.ContentLength()])
	// Output:
	// POST /notes: "hello"
}

// A ParseError has the status to answer with, the offset of the mistake, and the rule it breaks.
func ExampleParseError() {
	_, _, err := rawhttp.ParseRequest([]byte("GET / HTTP/1.1\r\nHost : example.test\r\n\r\n"))
	var pe *rawhttp.ParseError
	if errors.As(err, &pe) {
		fmt.Println("status:", pe.Status)
		fmt.Println("offset:", pe.Offset)
		fmt.Println("reason:", pe.Reason)
		fmt.Println("rule:", pe.Section)
	}
	// Output:
	// status: 400
	// offset: 20
	// reason: field name is not a token
	// rule: RFC 9112, section 5.1
}

// A request typed by hand, without CR and without the empty line at the end.
func ExampleParseRequestLenient() {
	typed := []byte("GET /a HTTP/1.1\nHost: example.test\nX-Note: folded\n  over two lines\n")
	if _, _, err := rawhttp.ParseRequest(typed); err != nil {
		fmt.Println(err)
	}
	req, _, err := rawhttp.ParseRequestLenient(typed)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(req.Path(), "from", req.Host()+":", req.Header().Get("X-Note"))
	// Output:
	// rawhttp: malformed request at byte 15: line ends in LF without CR (RFC 9112, section 2.2)
	// /a from example.test: folded over two lines
}

// A Request that is reused for many heads does not allocate for each.
func ExampleRequest_Parse() {
	heads := []string{
		"GET /a HTTP/1.1\r\nHost: example.test\r\n\r\n",
		"GET /b HTTP/1.1\r\nHost: example.test\r\n\r\n",
	}
	var req rawhttp.Request
	for _, head := range heads {
		if _, err := req.Parse([]byte(head)); err != nil {
			log.Fatal(err)
		}
		fmt.Println(req.Path())
	}
	// Output:
	// /a
	// /b
}

// Target returns the target as it was sent; Path returns its path, decoded and cleaned.
func ExampleRequest_Path() {
	req, _, err := rawhttp.ParseRequest([]byte("GET /a//b/../caf%C3%A9?x=1 HTTP/1.1\r\nHost: example.test\r\n\r\n"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("target:", req.Target())
	fmt.Println("path:", req.Path())
	fmt.Println("query:", req.RawQuery())
	// Output:
	// target: /a//b/../caf%C3%A9?x=1
	// path: /a/café
	// query: x=1
}

func ExampleRequest_Query() {
	req, _, err := rawhttp.ParseRequest([]byte("GET /search?q=raw+http&tag=a&tag=b HTTP/1.1\r\nHost: example.test\r\n\r\n"))
	if err != nil {
		log.Fatal(err)
	}
	query := req.Query()
	fmt.Println(query.Get("q"))
	fmt.Println(query["tag"])
	// Output:
	// raw http
	// [a b]
}

// A Request is valid until its response has been written. To keep it longer, for example for a
// log that is written later, keep a Clone.
func ExampleRequest_Clone() {
	var kept []*rawhttp.Request
	resolver := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		kept = append(kept, req.Clone())
		return rawhttp.Empty(204), nil
	})
	rawhttp.Answer(resolver, "GET /a HTTP/1.1\r\nHost: example.test\r\n\r\n")
	rawhttp.Answer(resolver, "GET /b HTTP/1.1\r\nHost: example.test\r\n\r\n")
	for _, req := range kept {
		fmt.Println(req.Method(), req.Path())
	}
	// Output:
	// GET /a
	// GET /b
}

// A resolver that rewrites paths for the next resolver.
func ExampleRequest_WithPath() {
	files, err := rawhttp.Dir("testdata/webroot")
	if err != nil {
		log.Fatal(err)
	}
	defer files.Close()
	rewrite := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if req.Path() == "/old.txt" {
			req = req.WithPath("/sample.txt")
		}
		return files.Resolve(ctx, req)
	})
	answer := rawhttp.Answer(rewrite, "GET /old.txt HTTP/1.1\r\nHost: example.test\r\n\r\n")
	_, content, _ := strings.Cut(answer, "\r\n\r\n")
	firstLine, _, _ := strings.Cut(content, "\n")
	fmt.Println(firstLine)
	// Output:
	// This is plain text. A browser shows it as it is:
}

// A router that splits the escaped path sees an identifier with a slash in it as one segment.
func ExampleRequest_EscapedPath() {
	req, _, err := rawhttp.ParseRequest([]byte("GET /files/a%2Fb/size HTTP/1.1\r\nHost: example.test\r\n\r\n"))
	if err != nil {
		log.Fatal(err)
	}
	for segment := range strings.SplitSeq(req.EscapedPath()[1:], "/") {
		name, err := url.PathUnescape(segment)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(name)
	}
	// Output:
	// files
	// a/b
	// size
}

// Two requests with content on one connection, here a string. Reading the content of the first
// leaves the reader at the beginning of the second.
func ExampleRequest_Content() {
	in := bufio.NewReader(strings.NewReader("POST /a HTTP/1.1\r\nHost: example.test\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"6\r\nchunks\r\n0\r\nChecksum: 5d41\r\n\r\n" +
		"POST /b HTTP/1.1\r\nHost: example.test\r\nContent-Length: 5\r\n\r\nbytes"))
	var head []byte
	for {
		b, err := in.ReadByte()
		if err == io.EOF {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		head = append(head, b)
		req, _, err := rawhttp.ParseRequest(head)
		if errors.Is(err, rawhttp.ErrIncomplete) {
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		head = head[:0]
		content, err := io.ReadAll(req.Content(nil, in))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %q, checksum %q\n", req.Path(), content, req.Trailer().Get("Checksum"))
	}
	// Output:
	// /a: "chunks", checksum "5d41"
	// /b: "bytes", checksum ""
}

// A unit test of a resolver that uses information about the connection needs no connection.
func ExampleRequest_WithConn() {
	who := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if !req.Conn().Client.IsLoopback() {
			return nil, fs.ErrPermission
		}
		return rawhttp.Text(200, "hello, neighbour\n"), nil
	})
	req, _, err := rawhttp.ParseRequest([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	if err != nil {
		log.Fatal(err)
	}
	for _, client := range []string{"127.0.0.1", "192.0.2.7"} {
		from := req.WithConn(rawhttp.ConnInfo{Client: netip.MustParseAddr(client)})
		_, err := who.Resolve(context.Background(), from)
		fmt.Println(client, rawhttp.StatusOf(err))
	}
	// Output:
	// 127.0.0.1 200
	// 192.0.2.7 403
}

// A unit test of a resolver compares the exact bytes of a response.
func ExampleAnswer() {
	hello := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, "hello from "+req.Path()+"\n"), nil
	})
	answer := rawhttp.Answer(hello, "GET /here HTTP/1.1\r\nHost: example.test\r\n\r\n")
	for line := range strings.Lines(answer) {
		fmt.Printf("%q\n", line)
	}
	// Output:
	// "HTTP/1.1 200 OK\r\n"
	// "Content-Type: text/plain; charset=utf-8\r\n"
	// "Content-Length: 17\r\n"
	// "\r\n"
	// "hello from /here\n"
}

// Head returns the bytes of the head as the client sent them.
func ExampleRequest_Head() {
	wire := []byte("GET / HTTP/1.1\r\nhOsT:   example.test\r\n\r\nand what follows")
	req, _, err := rawhttp.ParseRequest(wire)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q\n", req.Head())
	// Output:
	// "GET / HTTP/1.1\r\nhOsT:   example.test\r\n\r\n"
}

// Field lines keep their order and the case of their names. Lookups ignore case.
func ExampleHeader() {
	req, _, err := rawhttp.ParseRequest([]byte("GET / HTTP/1.1\r\n" +
		"host: example.test\r\n" +
		"ACCEPT: text/plain\r\n" +
		"Accept: text/html\r\n" +
		"Connection: Close, Upgrade\r\n\r\n"))
	if err != nil {
		log.Fatal(err)
	}
	header := req.Header()
	fmt.Println(header.Len(), "field lines")
	for name, value := range header.All() {
		fmt.Printf("%s = %s\n", name, value)
	}
	fmt.Println("first Accept:", header.Get("accept"))
	for value := range header.Values("accept") {
		fmt.Println("each Accept:", value)
	}
	fmt.Println("to be closed:", header.HasToken("connection", "close"))
	// Output:
	// 4 field lines
	// host = example.test
	// ACCEPT = text/plain
	// Accept = text/html
	// Connection = Close, Upgrade
	// first Accept: text/plain
	// each Accept: text/plain
	// each Accept: text/html
	// to be closed: true
}

// Trailer fields follow chunked content, so they are available after it has been read.
func ExampleRequest_Trailer() {
	resolver := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		content, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		return rawhttp.Text(200, fmt.Sprintf("%s, checksum %s", content, req.Trailer().Get("Checksum"))), nil
	})
	answer := rawhttp.Answer(resolver, "POST / HTTP/1.1\r\nHost: example.test\r\nTransfer-Encoding: chunked\r\n\r\n"+
		"5\r\nhello\r\n0\r\nChecksum: 5d41\r\n\r\n")
	_, content, _ := strings.Cut(answer, "\r\n\r\n")
	fmt.Println(content)
	// Output:
	// hello, checksum 5d41
}
