// Command 09-panic divides, and has a bug.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"strconv"

	"example.com/rawhttp"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on `host:port`")
	flag.Parse()
	srv, err := rawhttp.New(rawhttp.WithResolver(rawhttp.ResolverFunc(divide)))
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

// divide answers /?a=6&b=3 with 2.
func divide(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	a, errA := strconv.Atoi(req.Query().Get("a"))
	b, errB := strconv.Atoi(req.Query().Get("b"))
	if errA != nil || errB != nil {
		return rawhttp.Text(400, "a and b must be whole numbers.\n"), nil
	}
	return rawhttp.Text(200, strconv.Itoa(a/b)+"\n"), nil
}
