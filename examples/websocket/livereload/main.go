// Command livereload serves a folder during development: open pages reload themselves when a
// file changes. Each HTML page gets a script that waits on a WebSocket. The command checks the
// folder twice a second, which works on every file system.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"example.com/rawhttp"
	"example.com/rawhttp/examples/nethttp"
	"github.com/coder/websocket"
)

const (
	lookEvery = 500 * time.Millisecond
	pingEvery = 30 * time.Second
	patience  = 10 * time.Second // for a pong, and for writing a message
	maxPage   = 8 << 20          // bytes of a page that gets the script
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on `host:port`")
	root := flag.String("root", ".", "serve this `folder`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("serving on http://%s/", ln.Addr())
	if err := serve(ctx, ln, *root, lookEvery); err != nil {
		log.Fatal(err)
	}
}

// serve serves the folder until ctx ends and the connections are closed.
func serve(ctx context.Context, ln net.Listener, root string, every time.Duration) error {
	files, err := rawhttp.Dir(root, rawhttp.WithListing(rawhttp.ListHTML), rawhttp.WithCacheControl("no-cache"))
	if err != nil {
		ln.Close()
		return err
	}
	defer files.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	w := newWatcher()
	go w.watch(ctx, os.DirFS(root), every)
	srv, err := rawhttp.New(rawhttp.WithResolver(site(files, w)))
	if err != nil {
		ln.Close()
		return err
	}
	return srv.Serve(ctx, ln)
}

// Paths that are not files in the folder, where names that begin with a dot are hidden.
const (
	socketPath = "/.livereload"
	scriptPath = "/.livereload.js"
)

//go:embed client.js
var script string

// site serves the folder, and the WebSocket and the script with which its pages reload.
func site(files rawhttp.Resolver, w *watcher) rawhttp.Resolver {
	return rawhttp.First(
		rawhttp.Mount(socketPath, reloads(w)),
		rawhttp.Mount(scriptPath, rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.Bytes(200, "text/javascript; charset=utf-8", []byte(script)).Set("Cache-Control", "no-cache"), nil
		})),
		withScript(files),
	)
}

// withScript adds the script to the end of pages. A page with a Content-Security-Policy, such
// as a listing, is not changed, nor is one larger than maxPage.
func withScript(files rawhttp.Resolver) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		resp, err := files.Resolve(ctx, req)
		if err != nil || resp.Status() != 200 || !isPage(resp) {
			return resp, err
		}
		page := new(bytes.Buffer)
		_, err = resp.WriteContent(ctx, &limitedWriter{page, maxPage})
		resp.Close()
		if errors.Is(err, errTooLarge) {
			return files.Resolve(ctx, req)
		}
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(page, "<script src=%q></script>\n", scriptPath)
		return rawhttp.HTML(200, page.String()).Set("Cache-Control", "no-store"), nil
	})
}

// isPage reports whether the response is a page that may have scripts.
func isPage(resp *rawhttp.Response) bool {
	page := false
	for name, value := range resp.Fields() {
		switch http.CanonicalHeaderKey(name) {
		case "Content-Type":
			page = strings.HasPrefix(value, "text/html")
		case "Content-Security-Policy", "Content-Encoding":
			return false
		}
	}
	return page
}

var errTooLarge = errors.New("the page is too large")

// A limitedWriter returns errTooLarge when more than n bytes are written.
type limitedWriter struct {
	buf *bytes.Buffer
	n   int
}

func (w *limitedWriter) Write(p []byte) (int, error) {
	if w.buf.Len()+len(p) > w.n {
		return 0, errTooLarge
	}
	return w.buf.Write(p)
}

// reloads accepts WebSocket connections from pages of its own origin. It sends a message when
// something in the folder has changed, and accepts none.
func reloads(w *watcher) rawhttp.Resolver {
	return nethttp.Resolver(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		changed := w.next()
		conn, err := websocket.Accept(rw, r, nil)
		if err != nil {
			return // Accept has answered
		}
		defer conn.CloseNow()
		ctx := conn.CloseRead(r.Context()) // ends when the page is closed or sends a message
		ticker := time.NewTicker(pingEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-rawhttp.Stopping(r.Context()):
				conn.Close(websocket.StatusGoingAway, "the server is stopping")
				return
			case <-changed:
				changed = w.next()
				err = within(ctx, func(ctx context.Context) error {
					return conn.Write(ctx, websocket.MessageText, []byte("reload"))
				})
			case <-ticker.C:
				err = within(ctx, conn.Ping)
			}
			if err != nil {
				return
			}
		}
	}))
}

// within calls f with a context that ends after patience.
func within(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return f(ctx)
}
