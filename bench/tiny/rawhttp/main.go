// Command rawhttp is the smallest program that serves a folder with rawhttp.
package main

import (
	"context"
	"log"
	"os"

	"example.com/rawhttp"
)

func main() {
	srv, err := rawhttp.New(rawhttp.WithRoot(os.Args[2]))
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(srv.ListenAndServe(context.Background(), os.Args[1]))
}
