// Command echo sends WebSocket messages back to their sender, and serves a page to try it. The
// connection comes from rawhttp.Upgrade, through the bridge to net/http, since
// github.com/coder/websocket needs an http.Hijacker.
//
// It has the checks that a server on the Internet needs: pages of other origins are refused,
// messages are limited in size, text must be UTF-8, a client that does not answer pings or does
// not read is disconnected, and when the server stops, clients receive the status 1001 (going
// away).
package main

import (
	"context"
	_ "embed"
	"flag"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"example.com/rawhttp"
	"example.com/rawhttp/examples/nethttp"
	"github.com/coder/websocket"
)

const (
	maxMessage = 1 << 20          // bytes
	pingEvery  = 30 * time.Second // shorter than the idle limit of most proxies
	patience   = 10 * time.Second // for a pong, and for writing a message
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on `host:port`")
	origins := flag.String("origins", "", "also accept pages of these `hosts`, separated by commas, such as *.example.org")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("serving on http://%s/", ln.Addr())
	if err := serve(ctx, ln, strings.FieldsFunc(*origins, func(r rune) bool { return r == ',' })); err != nil {
		log.Fatal(err)
	}
}

// serve serves until ctx ends and the connections are closed.
func serve(ctx context.Context, ln net.Listener, origins []string) error {
	srv, err := rawhttp.New(rawhttp.WithResolver(site(origins)))
	if err != nil {
		return err
	}
	return srv.Serve(ctx, ln)
}

//go:embed page.html
var page string

// site serves the page, and the echo that it uses.
func site(origins []string) rawhttp.Resolver {
	return rawhttp.First(
		rawhttp.Mount("/echo", echo(origins)),
		rawhttp.Mount("/", rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			if req.Path() != "/" {
				return nil, fs.ErrNotExist
			}
			return rawhttp.HTML(200, page), nil
		})),
	)
}

// echo returns a resolver that accepts WebSocket connections from pages of its own origin and
// of origins. Clients other than browsers send no origin, and are accepted.
func echo(origins []string) rawhttp.Resolver {
	return nethttp.Resolver(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{OriginPatterns: origins})
		if err != nil {
			return // Accept has answered
		}
		defer conn.CloseNow()
		conn.SetReadLimit(maxMessage)
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		go watch(ctx, conn)
		for {
			typ, message, err := conn.Read(ctx)
			if err != nil {
				return // the client has closed, or Read has sent it the reason for the close
			}
			if typ == websocket.MessageText && !utf8.Valid(message) {
				conn.Close(websocket.StatusInvalidFramePayloadData, "text is not UTF-8")
				return
			}
			if err := send(ctx, conn, typ, message); err != nil {
				return
			}
		}
	}))
}

// send sends a message, and fails if the client is too slow.
func send(ctx context.Context, conn *websocket.Conn, typ websocket.MessageType, message []byte) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return conn.Write(ctx, typ, message)
}

// watch closes the connection when the server stops or the client does not answer a ping. It
// returns when ctx ends.
func watch(ctx context.Context, conn *websocket.Conn) {
	ticker := time.NewTicker(pingEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-rawhttp.Stopping(ctx):
			conn.Close(websocket.StatusGoingAway, "the server is stopping")
			return
		case <-ticker.C:
			if err := sendPing(ctx, conn); err != nil {
				conn.CloseNow()
				return
			}
		}
	}
}

func sendPing(ctx context.Context, conn *websocket.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return conn.Ping(ctx)
}
