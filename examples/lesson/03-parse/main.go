// Command 03-parse answers GET and HEAD, and no other method.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"

	"example.com/rawhttp"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on `host:port`")
	flag.Parse()
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s/\n", ln.Addr())
	for {
		conn, err := ln.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(conn)
	}
}

// serve reads until the head of a request is whole, and answers.
func serve(conn net.Conn) {
	defer conn.Close()
	var head []byte
	buf := make([]byte, 1024)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		head = append(head, buf[:n]...)
		req, _, err := rawhttp.ParseRequest(head)
		if err == nil {
			rawhttp.WriteResponse(context.Background(), conn, req, answer(req).CloseAfter())
			return
		}
		if !errors.Is(err, rawhttp.ErrIncomplete) {
			log.Print(err)
			return
		}
	}
}

func answer(req *rawhttp.Request) *rawhttp.Response {
	if req.Method() != "GET" && req.Method() != "HEAD" {
		return rawhttp.MethodNotAllowed("GET", "HEAD")
	}
	return rawhttp.Text(200, "You asked for "+req.Path()+"\n")
}
