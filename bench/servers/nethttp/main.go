// Command nethttp is the contender net/http.
//
//	nethttp [-tls FOLDER] HOST:PORT JOB SOURCE
//
// JOB is a kind of job. SOURCE is the folder to serve, or for a proxy the address of the
// origin.
package main

import (
	"flag"
	"log"
	"net/http"
	"net/http/cgi"
	"path/filepath"

	"example.com/rawhttp/bench/servers/contract"
)

func main() {
	log.SetFlags(0)
	certificate := flag.String("tls", "", "serve TLS with the certificate in this `folder`")
	flag.Parse()
	if flag.NArg() != 3 {
		log.Fatal("usage: nethttp [-tls FOLDER] HOST:PORT JOB SOURCE")
	}
	srv := &http.Server{Addr: flag.Arg(0), Handler: handler(flag.Arg(1), flag.Arg(2))}
	if *certificate == "" {
		log.Fatal(srv.ListenAndServe())
	}
	config, err := contract.TLS(*certificate)
	if err != nil {
		log.Fatal(err)
	}
	srv.TLSConfig = config
	log.Fatal(srv.ListenAndServeTLS("", ""))
}

func handler(job, source string) http.Handler {
	script := &cgi.Handler{Path: filepath.Join(source, "script.cgi"), Root: "/script.cgi"}
	switch job {
	case "hello", "connect", "idle":
		return http.HandlerFunc(hello)
	case "small", "large", "part", "unchanged", "listing":
		return http.FileServer(http.Dir(source))
	case "sidecar":
		return sidecars(http.FileServer(http.Dir(source)))
	case "listingJSON":
		return listingJSON(source)
	case "script":
		return script
	case "scriptLast":
		mux := http.NewServeMux()
		mux.HandleFunc("/{$}", hello)
		mux.Handle("/script.cgi", script)
		return mux
	case "upload":
		return http.HandlerFunc(upload)
	case "events":
		return http.HandlerFunc(events)
	case "proxy":
		return proxy(source)
	}
	log.Fatalf("%s: unknown job", job)
	return nil
}
