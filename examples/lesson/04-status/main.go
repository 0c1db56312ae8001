// Command 04-status answers with the status that fits.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"net"

	"example.com/rawhttp"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on `host:port`")
	flag.Parse()
	resolver := rawhttp.Methods(map[string]rawhttp.Resolver{"GET": rawhttp.ResolverFunc(resolve)})
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

// resolve returns a response, or an error that says why there is none.
func resolve(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	switch req.Path() {
	case "/":
		return rawhttp.Text(200, "Welcome.\n"), nil
	case "/old":
		return rawhttp.Redirect(301, "/"), nil
	case "/secret":
		return nil, fs.ErrPermission
	case "/sold":
		return nil, &rawhttp.StatusError{Status: 410}
	case "/broken":
		return nil, errors.New("the database at 10.0.0.7 is down")
	}
	return nil, fs.ErrNotExist
}
