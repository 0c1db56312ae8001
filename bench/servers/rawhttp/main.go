// Command rawhttp is the contender rawhttp.
//
//	rawhttp HOST:PORT hello|files|script|idle FOLDER
package main

import (
	"context"
	"log"
	"os"

	"example.com/rawhttp"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: rawhttp HOST:PORT hello|files|script|idle FOLDER")
	}
	srv, err := rawhttp.New(options(os.Args[2], os.Args[3])...)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(srv.ListenAndServe(context.Background(), os.Args[1]))
}

func options(mode, folder string) []rawhttp.Option {
	switch mode {
	case "hello", "idle":
		return []rawhttp.Option{rawhttp.WithResolver(hello()), rawhttp.WithMaxConns(0)}
	case "files":
		return []rawhttp.Option{rawhttp.WithRoot(folder), rawhttp.WithListing(rawhttp.ListHTML)}
	case "script":
		return []rawhttp.Option{rawhttp.WithRoot(folder), rawhttp.WithScript(".cgi")}
	}
	log.Fatalf("%s: want hello, files, script or idle", mode)
	return nil
}

// hello returns the same response for every request, allocated each time.
func hello() rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, "Hello, World!\n"), nil
	})
}
