// Command blob serves the objects of a bucket over HTTP/1.1. The bucket is in memory
// (mem://) or in a folder (file:///srv/objects); all files of the folder are served,
// including hidden files and the targets of links. For another object store, import its
// driver of gocloud.dev/blob.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"

	"example.com/rawhttp"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob"
	_ "gocloud.dev/blob/memblob"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on `host:port`")
	bucketURL := flag.String("bucket", "", "serve the bucket at this `URL`, such as file:///srv/objects")
	list := flag.Bool("list", false, "list keys as files in folders")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr, *bucketURL, *list); err != nil {
		log.Fatal(err)
	}
}

// run serves the bucket until ctx ends.
func run(ctx context.Context, addr, bucketURL string, list bool) error {
	bucket, err := blob.OpenBucket(ctx, bucketURL)
	if err != nil {
		return err
	}
	defer bucket.Close()
	resolver := objects(bucket)
	if list {
		if resolver, err = listed(bucket); err != nil {
			return err
		}
	}
	srv, err := rawhttp.New(rawhttp.WithResolver(resolver), rawhttp.WithTrace(rawhttp.AccessLog(os.Stderr)))
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	log.Printf("serving %s on http://%s/", bucketURL, ln.Addr())
	return srv.Serve(ctx, ln)
}
