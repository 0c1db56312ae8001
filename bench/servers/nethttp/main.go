// Command nethttp is the contender net/http.
//
//	nethttp HOST:PORT hello|files|script|idle FOLDER
package main

import (
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"os"
	"path/filepath"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: nethttp HOST:PORT hello|files|script|idle FOLDER")
	}
	log.Fatal(http.ListenAndServe(os.Args[1], handler(os.Args[2], os.Args[3])))
}

func handler(mode, folder string) http.Handler {
	switch mode {
	case "hello", "idle":
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			io.WriteString(w, "Hello, World!\n")
		})
	case "files":
		return http.FileServer(http.Dir(folder))
	case "script":
		return &cgi.Handler{Path: filepath.Join(folder, "script.cgi"), Root: "/script.cgi"}
	}
	log.Fatalf("%s: want hello, files, script or idle", mode)
	return nil
}
