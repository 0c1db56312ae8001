// Command sqlite serves notes in an SQLite database as a JSON API:
//
//	GET    /notes?after=ID  list up to 100 notes
//	POST   /notes           create a note from {"text": "two litres of milk"}
//	GET    /notes/ID        read a note, with its ETag
//	PUT    /notes/ID        change a note, with If-Match only if it has that ETag
//	DELETE /notes/ID        remove a note, under the same condition
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"example.com/rawhttp"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on `host:port`")
	name := flag.String("db", "notes.db", "keep the notes in this `file`")
	flag.Parse()
	if err := run(*addr, *name); err != nil {
		log.Fatal(err)
	}
}

func run(addr, name string) error {
	notes, err := openNotes(name)
	if err != nil {
		return err
	}
	defer notes.db.Close()
	srv, err := newServer(notes)
	if err != nil {
		return err
	}
	defer srv.Close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	log.Printf("serving on http://%s/notes", ln.Addr())
	return srv.Serve(ctx, ln)
}

func newServer(notes *notes) (*rawhttp.Server, error) {
	return rawhttp.New(
		rawhttp.WithResolver(notes.resolver()),
		rawhttp.WithLogger(slog.Default()),
		rawhttp.WithErrorPage(func(ctx context.Context, req *rawhttp.Request, status int, err error) *rawhttp.Response {
			return rawhttp.Bytes(status, "application/json", fmt.Appendf(nil, "{\"status\":%d}\n", status))
		}),
	)
}
