// Command fasthttp is the contender fasthttp.
//
//	fasthttp [-cache] [-reduce] [-stream] [-tls FOLDER] HOST:PORT JOB SOURCE
//
// JOB is a kind of job. SOURCE is the folder to serve, or for a proxy the address of the
// origin.
package main

import (
	"bufio"
	"flag"
	"io"
	"log"
	"time"

	"github.com/valyala/fasthttp"

	"example.com/rawhttp/bench/servers/contract"
)

func main() {
	log.SetFlags(0)
	cache := flag.Bool("cache", false, "keep files open for 10 s, the default of fasthttp, instead of opening them for each request")
	reduce := flag.Bool("reduce", false, "ReduceMemoryUsage")
	stream := flag.Bool("stream", false, "StreamRequestBody")
	certificate := flag.String("tls", "", "serve TLS with the certificate in this `folder`")
	flag.Parse()
	if flag.NArg() != 3 {
		log.Fatal("usage: fasthttp [-cache] [-reduce] [-stream] [-tls FOLDER] HOST:PORT JOB SOURCE")
	}
	srv := &fasthttp.Server{
		Handler:           handler(flag.Arg(1), flag.Arg(2), *cache),
		ReduceMemoryUsage: *reduce,
		StreamRequestBody: *stream,
	}
	if *certificate == "" {
		log.Fatal(srv.ListenAndServe(flag.Arg(0)))
	}
	config, err := contract.TLS(*certificate)
	if err != nil {
		log.Fatal(err)
	}
	srv.TLSConfig = config
	log.Fatal(srv.ListenAndServeTLS(flag.Arg(0), "", ""))
}

func handler(job, source string, cache bool) fasthttp.RequestHandler {
	files := &fasthttp.FS{Root: source, GenerateIndexPages: true, AcceptByteRange: true, SkipCache: !cache}
	switch job {
	case "hello", "connect", "idle":
		return hello
	case "small", "large", "part", "unchanged", "listing":
		return files.NewRequestHandler()
	case "sidecar":
		files.Compress = true
		files.CompressedFileSuffix = ".gz" // those of the site, rather than its own
		return files.NewRequestHandler()
	case "upload":
		return upload
	case "events":
		return events
	case "proxy":
		return proxy(source)
	}
	log.Fatalf("%s: unknown job", job)
	return nil
}

func hello(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType("text/plain; charset=utf-8")
	ctx.SetBodyString("Hello, World!\n")
}

func upload(ctx *fasthttp.RequestCtx) {
	n := int64(0)
	if ctx.Request.IsBodyStream() {
		var err error
		if n, err = io.Copy(contract.Sink{}, ctx.RequestBodyStream()); err != nil {
			ctx.Error("400 Bad Request\n", 400)
			return
		}
	} else {
		n = int64(len(ctx.PostBody()))
	}
	ctx.SetContentType("text/plain; charset=utf-8")
	ctx.SetBodyString(contract.Received(n))
}

func events(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType("text/event-stream")
	ctx.Response.Header.Set("Cache-Control", "no-store")
	ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
		tick := time.NewTicker(contract.EventInterval)
		defer tick.Stop()
		for {
			w.WriteString(contract.Event)
			if err := w.Flush(); err != nil {
				return
			}
			<-tick.C
		}
	})
}

func proxy(origin string) fasthttp.RequestHandler {
	client := &fasthttp.HostClient{Addr: origin}
	return func(ctx *fasthttp.RequestCtx) {
		ctx.Request.Header.Del("Connection")
		if err := client.Do(&ctx.Request, &ctx.Response); err != nil {
			ctx.Error("502 Bad Gateway\n", 502)
			return
		}
		ctx.Response.Header.Del("Connection")
	}
}
