// Command 10-script runs the Python scripts of a folder and sends what they print.
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
	flag.Parse()
	srv, err := rawhttp.New(
		rawhttp.WithRoot("10-script/site"),
		rawhttp.WithScript(".py", "python3"),
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
