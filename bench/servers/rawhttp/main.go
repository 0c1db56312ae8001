// Command rawhttp is the contender rawhttp.
//
//	rawhttp [-tls FOLDER] HOST:PORT JOB SOURCE
//
// JOB is a kind of job. SOURCE is the folder to serve, or for a proxy the address of the
// origin.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"log"
	"net"

	"example.com/rawhttp"
	"example.com/rawhttp/bench/servers/contract"
)

func main() {
	log.SetFlags(0)
	certificate := flag.String("tls", "", "serve TLS with the certificate in this `folder`")
	flag.Parse()
	if flag.NArg() != 3 {
		log.Fatal("usage: rawhttp [-tls FOLDER] HOST:PORT JOB SOURCE")
	}
	srv, err := rawhttp.New(options(flag.Arg(1), flag.Arg(2))...)
	if err != nil {
		log.Fatal(err)
	}
	ln, err := net.Listen("tcp", flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	if *certificate != "" {
		config, err := contract.TLS(*certificate)
		if err != nil {
			log.Fatal(err)
		}
		ln = tls.NewListener(ln, config)
	}
	log.Fatal(srv.Serve(context.Background(), ln))
}

func options(job, source string) []rawhttp.Option {
	switch job {
	case "hello", "connect", "idle":
		return []rawhttp.Option{rawhttp.WithResolver(hello()), rawhttp.WithMaxConns(0)}
	case "small", "large", "part", "unchanged", "listing", "listingJSON":
		return []rawhttp.Option{rawhttp.WithRoot(source), rawhttp.WithListing(rawhttp.ListHTML)}
	case "sidecar":
		return []rawhttp.Option{rawhttp.WithRoot(source), rawhttp.WithPrecompressed("gzip")}
	case "script":
		return []rawhttp.Option{rawhttp.WithRoot(source), rawhttp.WithScript(".cgi")}
	case "scriptLast":
		return []rawhttp.Option{rawhttp.WithResolver(scriptLast(source))}
	case "upload":
		return []rawhttp.Option{rawhttp.WithResolver(rawhttp.ResolverFunc(upload))}
	case "events":
		return []rawhttp.Option{rawhttp.WithResolver(rawhttp.ResolverFunc(events))}
	case "proxy":
		return []rawhttp.Option{rawhttp.WithResolver(proxy(source))}
	}
	log.Fatalf("%s: unknown job", job)
	return nil
}
