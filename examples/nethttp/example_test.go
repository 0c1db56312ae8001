package nethttp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"example.com/rawhttp"
	"example.com/rawhttp/examples/nethttp"
)

// A ServeMux, whose patterns rawhttp does not have, behind rawhttp.
func ExampleResolver() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "item %s\n", r.PathValue("id"))
	})
	got := rawhttp.Answer(nethttp.Resolver(mux), "GET /items/7 HTTP/1.1\r\nHost: example.test\r\n\r\n")
	fmt.Print(strings.ReplaceAll(got, "\r", ""))
	// Output:
	// HTTP/1.1 200 OK
	// Content-Type: text/plain; charset=utf-8
	// Content-Length: 7
	//
	// item 7
}

// A program that uses net/http answers some of its paths with a resolver.
func ExampleHandler() {
	hello := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, "hello from "+req.Prefix()+" and "+req.Path()+"\n"), nil
	})
	mux := http.NewServeMux()
	mux.Handle("/raw/", http.StripPrefix("/raw", nethttp.Handler(hello)))
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/raw/a", nil))
	fmt.Print(w.Code, " ", w.Body)
	// Output:
	// 200 hello from /raw and /a
}
