package rawhttp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"testing/fstest"
	"time"

	"example.com/rawhttp"
)

// A server that runs until the user interrupts the program. When the context ends, the server
// shuts down gracefully: requests in progress are answered, and Serve returns nil.
func ExampleServer_Serve() {
	srv, err := rawhttp.New(rawhttp.WithRoot("testdata/webroot"))
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	stop() // in place of the signal

	fmt.Println(srv.Serve(ctx, ln))
	// Output:
	// <nil>
}

// TLS comes from the listener, here one of crypto/tls. Request.Conn reports it to the resolver.
func ExampleServer_Serve_tls() {
	testServer := httptest.NewTLSServer(nil) // only for its certificate
	defer testServer.Close()

	resolver := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, fmt.Sprintf("TLS: %v", req.Conn().TLS)), nil
	})
	srv, err := rawhttp.New(rawhttp.WithResolver(resolver))
	if err != nil {
		log.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", testServer.TLS)
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	go srv.Serve(context.Background(), ln)

	resp, err := testServer.Client().Get("https://" + ln.Addr().String() + "/")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", content)
	// Output:
	// TLS: true
}

// ServeConn serves any net.Conn, here one end of a pipe.
func ExampleServer_ServeConn() {
	srv, err := rawhttp.New(
		rawhttp.WithFS(fstest.MapFS{"hello.txt": {Data: []byte("hello\n")}}),
		rawhttp.WithDate(false), // so that the answer is always the same
	)
	if err != nil {
		log.Fatal(err)
	}
	client, server := net.Pipe()
	go srv.ServeConn(context.Background(), server)

	fmt.Fprint(client, "GET /hello.txt HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n")
	answer, err := io.ReadAll(client)
	if err != nil {
		log.Fatal(err)
	}
	for line := range strings.Lines(string(answer)) {
		fmt.Printf("%q\n", line)
	}
	// Output:
	// "HTTP/1.1 200 OK\r\n"
	// "Content-Type: text/plain; charset=utf-8\r\n"
	// "Content-Length: 6\r\n"
	// "Accept-Ranges: bytes\r\n"
	// "X-Content-Type-Options: nosniff\r\n"
	// "Connection: close\r\n"
	// "\r\n"
	// "hello\n"
}

// Another part of the program shuts the server down, and waits until it has stopped.
func ExampleServer_Shutdown() {
	srv, err := rawhttp.New(rawhttp.WithRoot("testdata/webroot"))
	if err != nil {
		log.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- srv.Serve(context.Background(), ln) }()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println("Shutdown:", srv.Shutdown(ctx))
	fmt.Println("Serve:", <-served)
	// Output:
	// Shutdown: <nil>
	// Serve: rawhttp: the server is closed
}

// Transcript shows the conversation on the wire.
func ExampleTranscript() {
	srv, err := rawhttp.New(
		rawhttp.WithFS(fstest.MapFS{"hello.txt": {Data: []byte("hello\n")}}),
		rawhttp.WithTrace(rawhttp.Transcript(os.Stdout)),
		rawhttp.WithDate(false),
	)
	if err != nil {
		log.Fatal(err)
	}
	client, server := net.Pipe()
	go srv.ServeConn(context.Background(), server)
	fmt.Fprint(client, "GET /hello.txt HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n")
	if _, err := io.ReadAll(client); err != nil {
		log.Fatal(err)
	}
	// Output:
	// #1 C ==> connects from pipe
	// #1.1 C --> GET /hello.txt HTTP/1.1<CRLF>
	// #1.1 C --> Host: example.test<CRLF>
	// #1.1 C --> Connection: close<CRLF>
	// #1.1 C --> <CRLF>
	// #1.1 S <-- HTTP/1.1 200 OK<CRLF>
	// #1.1 S <-- Content-Type: text/plain; charset=utf-8<CRLF>
	// #1.1 S <-- Content-Length: 6<CRLF>
	// #1.1 S <-- Accept-Ranges: bytes<CRLF>
	// #1.1 S <-- X-Content-Type-Options: nosniff<CRLF>
	// #1.1 S <-- Connection: close<CRLF>
	// #1.1 S <-- <CRLF>
	// #1.1 S <-- hello<LF>
	// #1 S <== closes (after the answer)
}

// One line for each response. The time is left out here, so that the output is always the same.
func ExampleAccessLog() {
	notes := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if req.Path() != "/milk" {
			return nil, fs.ErrNotExist
		}
		return rawhttp.Text(200, "two litres"), nil
	})
	var lines bytes.Buffer
	srv, err := rawhttp.New(
		rawhttp.WithResolver(notes),
		rawhttp.WithTrace(rawhttp.AccessLog(&lines)),
	)
	if err != nil {
		log.Fatal(err)
	}
	client, server := net.Pipe()
	go fmt.Fprint(client, "GET /milk HTTP/1.1\r\nHost: example.test\r\nUser-Agent: example/1.0\r\n\r\n"+
		"GET /beer HTTP/1.1\r\nHost: example.test\r\nReferer: /milk\r\nConnection: close\r\n\r\n")
	go io.Copy(io.Discard, client)
	if err := srv.ServeConn(context.Background(), server); err != nil {
		log.Fatal(err)
	}
	for line := range strings.Lines(lines.String()) {
		_, afterTime, _ := strings.Cut(line, "] ")
		fmt.Print(afterTime)
	}
	// Output:
	// "GET /milk HTTP/1.1" 200 10 "-" "example/1.0"
	// "GET /beer HTTP/1.1" 404 14 "/milk" "-"
}

// A Trace of your own, here with a hook that counts responses by status.
func ExampleWithTrace() {
	notes := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if req.Path() != "/milk" {
			return nil, fs.ErrNotExist
		}
		return rawhttp.Text(200, "two litres"), nil
	})
	count := make(map[int]int) // one connection uses it; with more, it would need a mutex
	srv, err := rawhttp.New(
		rawhttp.WithResolver(notes),
		rawhttp.WithTrace(rawhttp.Trace{
			Exchange: func(x rawhttp.Exchange) { count[x.Status]++ },
		}),
	)
	if err != nil {
		log.Fatal(err)
	}
	client, server := net.Pipe()
	go fmt.Fprint(client, "GET /milk HTTP/1.1\r\nHost: example.test\r\n\r\n"+
		"GET /beer HTTP/1.1\r\nHost: example.test\r\n\r\n"+
		"GET /milk HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n")
	go io.Copy(io.Discard, client)
	if err := srv.ServeConn(context.Background(), server); err != nil {
		log.Fatal(err)
	}
	fmt.Println(count)
	// Output:
	// map[200:2 404:1]
}

// A single-page application routes paths in the browser: the response to a path that is not a
// file is the page of the application, with status 200. A missing script or picture is still a
// 404.
func ExampleWithErrorPage() {
	const page = "<!doctype html><script src=/app.js></script>"
	app := rawhttp.HTML(200, page)
	srv, err := rawhttp.New(
		rawhttp.WithFS(fstest.MapFS{
			"index.html":   {Data: []byte(page)},
			"app.js":       {Data: []byte("route(location)")},
			"users/me.png": {Data: []byte("picture")},
		}),
		rawhttp.WithListing(rawhttp.ListNone), // the application routes the paths of folders, too
		rawhttp.WithErrorPage(func(ctx context.Context, req *rawhttp.Request, status int, err error) *rawhttp.Response {
			if status == 404 && !strings.Contains(req.Path(), ".") {
				return app
			}
			return nil // the default: plain text
		}),
	)
	if err != nil {
		log.Fatal(err)
	}
	for _, path := range []string{"/", "/app.js", "/users/", "/users/7", "/missing.png"} {
		client, server := net.Pipe()
		go srv.ServeConn(context.Background(), server)
		fmt.Fprint(client, "GET "+path+" HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n")
		answer, err := io.ReadAll(client)
		if err != nil {
			log.Fatal(err)
		}
		_, content, _ := strings.Cut(string(answer), "\r\n\r\n")
		fmt.Printf("%s: %s\n", path, strings.TrimSpace(content))
	}
	// Output:
	// /: <!doctype html><script src=/app.js></script>
	// /app.js: route(location)
	// /users/: <!doctype html><script src=/app.js></script>
	// /users/7: <!doctype html><script src=/app.js></script>
	// /missing.png: 404 Not Found
}

// A server behind its own proxy takes the address of the client from the proxy.
func ExampleWithTrustedProxies() {
	who := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, req.Conn().Client.String()), nil
	})
	srv, err := rawhttp.New(
		rawhttp.WithResolver(who),
		rawhttp.WithTrustedProxies(netip.MustParsePrefix("127.0.0.0/8")),
	)
	if err != nil {
		log.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	go srv.Serve(context.Background(), ln)

	proxy, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer proxy.Close()
	fmt.Fprint(proxy, "GET / HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n"+
		"X-Forwarded-For: 198.51.100.9, 203.0.113.7\r\n\r\n") // the proxy has added the last one
	answer, err := io.ReadAll(proxy)
	if err != nil {
		log.Fatal(err)
	}
	_, content, _ := strings.Cut(string(answer), "\r\n\r\n")
	fmt.Println(content)
	// Output:
	// 203.0.113.7
}

// A server on a loopback address that lists its hosts cannot be reached by a web page whose own
// DNS name resolves to that address (DNS rebinding).
func ExampleWithHosts() {
	srv, err := rawhttp.New(
		rawhttp.WithFS(fstest.MapFS{"index.html": {Data: []byte("hello")}}),
		rawhttp.WithHosts("localhost", "127.0.0.1", "[::1]"),
	)
	if err != nil {
		log.Fatal(err)
	}
	for _, host := range []string{"localhost:8080", "evil.test:8080"} {
		client, server := net.Pipe()
		go srv.ServeConn(context.Background(), server)
		fmt.Fprint(client, "GET / HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
		answer, err := io.ReadAll(client)
		if err != nil {
			log.Fatal(err)
		}
		statusLine, _, _ := strings.Cut(string(answer), "\r\n")
		fmt.Println(host, statusLine)
	}
	// Output:
	// localhost:8080 HTTP/1.1 200 OK
	// evil.test:8080 HTTP/1.1 421 Misdirected Request
}

// Clients never learn why a request failed; the log has the cause. A *slog.Logger is a Logger.
func ExampleWithLogger() {
	handler := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{} // so that the line is always the same
			}
			return a
		},
	})
	broken := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return nil, fmt.Errorf("no such table: notes")
	})
	srv, err := rawhttp.New(
		rawhttp.WithResolver(broken),
		rawhttp.WithLogger(slog.New(handler)),
	)
	if err != nil {
		log.Fatal(err)
	}
	client, server := net.Pipe()
	go srv.ServeConn(context.Background(), server)
	fmt.Fprint(client, "GET / HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n")
	answer, err := io.ReadAll(client)
	if err != nil {
		log.Fatal(err)
	}
	_, content, _ := strings.Cut(string(answer), "\r\n\r\n")
	fmt.Print(content)
	// Output:
	// level=ERROR msg="rawhttp: request failed" conn=1 request=1 status=500 err="no such table: notes"
	// 500 Internal Server Error
}
