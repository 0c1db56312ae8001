// Command 06-types serves the files of a folder, each with its media type.
package main

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"net"
	"os"
	"path"
	"strings"

	"example.com/rawhttp"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on `host:port`")
	flag.Parse()
	root, err := os.OpenRoot("../../testdata/webroot")
	if err != nil {
		log.Fatal(err)
	}
	resolver := rawhttp.Methods(map[string]rawhttp.Resolver{"GET": home{root.FS()}})
	srv, err := rawhttp.New(rawhttp.WithResolver(resolver))
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

// mediaTypes are the types of files by their extension.
var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".txt":  "text/plain; charset=utf-8",
	".jpg":  "image/jpeg",
	".png":  "image/png",
}

// home is the folder that is served.
type home struct{ files fs.FS }

// Resolve answers with the file that the path names.
func (h home) Resolve(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	name := strings.TrimPrefix(req.Path(), "/")
	content, err := fs.ReadFile(h.files, name)
	if err != nil {
		return nil, fs.ErrNotExist // what cannot be read does not exist
	}
	return rawhttp.OK(mediaTypes[path.Ext(name)], content), nil
}
