// Command fasthttp is the smallest program that serves a folder with fasthttp.
package main

import (
	"log"
	"os"

	"github.com/valyala/fasthttp"
)

func main() {
	log.Fatal(fasthttp.ListenAndServe(os.Args[1], fasthttp.FSHandler(os.Args[2], 0)))
}
