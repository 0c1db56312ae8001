// Command 08-fields sends Date and Content-Length, or leaves them out.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"

	"example.com/rawhttp"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on `host:port`")
	date := flag.Bool("date", true, "send Date")
	length := flag.Bool("length", true, "send Content-Length")
	flag.Parse()
	srv, err := rawhttp.New(
		rawhttp.WithResolver(rawhttp.ResolverFunc(resolve)),
		rawhttp.WithDate(*date),
		rawhttp.WithContentLength(*length),
	)
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

func resolve(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	return rawhttp.Text(200, "Hello.\n"), nil
}
