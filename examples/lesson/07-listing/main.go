// Command 07-listing lists folders, as text or as a page.
package main

import (
	"context"
	"flag"
	"fmt"
	"html"
	"io/fs"
	"log"
	"net"
	"net/url"
	"os"
	"path"
	"strings"

	"example.com/rawhttp"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on `host:port`")
	flag.Parse()
	files, err := rawhttp.Dir("../../testdata/webroot", rawhttp.WithListing(rawhttp.ListNone))
	if err != nil {
		log.Fatal(err)
	}
	lists := rawhttp.Methods(map[string]rawhttp.Resolver{"GET": rawhttp.ResolverFunc(list)})
	srv, err := rawhttp.New(rawhttp.WithResolver(rawhttp.First(files, lists)))
	if err != nil {
		log.Fatal(err)
	}
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s/\n", ln.Addr())
	log.Fatal(srv.Serve(context.Background(), ln))
}

// list answers with the names in a folder. It is called if Dir finds no file.
func list(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	entries, err := fs.ReadDir(os.DirFS("../../testdata/webroot"), path.Clean("."+req.Path()))
	if err != nil {
		return nil, fs.ErrNotExist
	}
	var text, items strings.Builder
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() {
			name += "/"
		}
		text.WriteString(name + "\n")
		href := (&url.URL{Path: "./" + name}).String()
		items.WriteString(`<li><a href="` + html.EscapeString(href) + `">` + html.EscapeString(name) + "</a></li>\n")
	}
	if strings.Contains(req.Header().Get("Accept"), "text/html") {
		return rawhttp.HTML(200, "<!DOCTYPE html>\n<title>A folder</title>\n<ul>\n"+items.String()+"</ul>\n").Set("Vary", "Accept"), nil
	}
	return rawhttp.Text(200, text.String()).Set("Vary", "Accept"), nil
}
