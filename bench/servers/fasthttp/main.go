// Command fasthttp is the contender fasthttp.
//
//	fasthttp [-cache] [-reduce] HOST:PORT hello|files|idle FOLDER
package main

import (
	"flag"
	"log"

	"github.com/valyala/fasthttp"
)

func main() {
	log.SetFlags(0)
	cache := flag.Bool("cache", false, "keep files open for 10 s, the default of fasthttp, instead of opening them for each request")
	reduce := flag.Bool("reduce", false, "ReduceMemoryUsage")
	flag.Parse()
	if flag.NArg() != 3 {
		log.Fatal("usage: fasthttp [-cache] [-reduce] HOST:PORT hello|files|idle FOLDER")
	}
	srv := &fasthttp.Server{
		Handler:           handler(flag.Arg(1), flag.Arg(2), *cache),
		ReduceMemoryUsage: *reduce,
	}
	log.Fatal(srv.ListenAndServe(flag.Arg(0)))
}

func handler(mode, folder string, cache bool) fasthttp.RequestHandler {
	switch mode {
	case "hello", "idle":
		return func(ctx *fasthttp.RequestCtx) {
			ctx.SetContentType("text/plain; charset=utf-8")
			ctx.SetBodyString("Hello, World!\n")
		}
	case "files":
		fs := &fasthttp.FS{Root: folder, GenerateIndexPages: true, AcceptByteRange: true, SkipCache: !cache}
		return fs.NewRequestHandler()
	}
	log.Fatalf("%s: want hello, files or idle", mode)
	return nil
}
