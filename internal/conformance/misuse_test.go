package conformance_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"example.com/rawhttp"
)

// Invalid arguments cause a panic that names the function.
func TestMisusePanics(t *testing.T) {
	r := named("any")
	methods := func(m map[string]rawhttp.Resolver) func() { return func() { rawhttp.Methods(m) } }
	tests := []struct {
		name string
		f    func()
		want string
	}{
		{"Answer of nil", func() { rawhttp.Answer(nil, "") }, "Answer: the Resolver is nil"},
		{"a path without its slash", func() { requestOf(t, get11).WithPath("b") }, `WithPath: the path "b" does not begin with a slash`},
		{"First of nil", func() { rawhttp.First(r, nil) }, "First: Resolver 2 of 2 is nil"},
		{"Mount of nil", func() { rawhttp.Mount("/a/", nil) }, `Mount("/a/"): the Resolver is nil`},
		{"Accepts of nil", func() { rawhttp.Accepts(nil, "a/b") }, "Accepts: the Request is nil"},
		{"Precondition of nil", func() { rawhttp.Representation{}.Precondition(nil) }, "Precondition: the Request is nil"},
		{"not a media type", func() { rawhttp.Accepts(requestOf(t, get11), "text/html", "json") }, `Accepts: "json" is not a media type`},
		{"a negative limit", func() { rawhttp.LimitBody(-1, r) }, "LimitBody: -1 bytes: a limit is not negative"},
		{"LimitBody of nil", func() { rawhttp.LimitBody(1, nil) }, "LimitBody: the Resolver is nil"},
		{"no methods", methods(nil), "Methods: there are no methods"},
		{"a nil method", methods(map[string]rawhttp.Resolver{"GET": r, "PUT": nil}), "Methods: the Resolver of PUT is nil"},
		{"a method in lower case", methods(map[string]rawhttp.Resolver{"get": r}), `Methods: "get" is not the name of a method in upper case`},
		{"not a method name", methods(map[string]rawhttp.Resolver{"GET /a": r}), `Methods: "GET /a" is not the name of a method in upper case`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.HasPrefix(got, "rawhttp: "+tt.want) {
					t.Errorf("panic %q, want %q", got, "rawhttp: "+tt.want)
				}
			}()
			tt.f()
		})
	}
}

// Functions that return an error report invalid arguments in it.
func TestMisuseErrors(t *testing.T) {
	ctx := context.Background()
	srv := newServer(t, rawhttp.WithResolver(named("any")))
	req := requestOf(t, get11)
	write := func(req *rawhttp.Request, resp *rawhttp.Response) error {
		_, err := rawhttp.WriteResponse(ctx, io.Discard, req, resp)
		return err
	}
	newError := func(opts ...rawhttp.Option) error {
		_, err := rawhttp.New(opts...)
		return err
	}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"Serve of nil", srv.Serve(ctx, nil), "rawhttp: Serve: the Listener is nil"},
		{"ServeConn of nil", srv.ServeConn(ctx, nil), "rawhttp: ServeConn: the Conn is nil"},
		{"WriteResponse to nil", write(nil, rawhttp.NotFound()), "rawhttp: WriteResponse: the Request is nil"},
		{"WriteResponse of nil", write(req, nil), "rawhttp: WriteResponse: the Response is nil"},
		{"nothing to serve", newError(), "rawhttp: New: one of WithRoot, WithFS and WithResolver must be given, not 0"},
		{"only options for files", newError(rawhttp.WithIndex("a.html")), "rawhttp: New: one of WithRoot, WithFS and WithResolver must be given; options for files need WithRoot or WithFS"},
		{"options for files with a nil fs.FS", newError(rawhttp.WithFS(nil), rawhttp.WithIndex("a.html")), "rawhttp: New: one of WithRoot, WithFS and WithResolver must be given; options for files need WithRoot or WithFS"},
		{"options for files with a resolver", newError(rawhttp.WithResolver(named("any")), rawhttp.WithIndex("a.html")),
			"rawhttp: New: options for files need WithRoot or WithFS; with WithResolver they belong to its Dir or FS"},
	}
	for _, tt := range tests {
		if got := fmt.Sprint(tt.err); got != tt.want {
			t.Errorf("%s: error %q, want %q", tt.name, got, tt.want)
		}
	}
	closed := false
	write(nil, rawhttp.Stream(200, "", closingReader{strings.NewReader(""), func() { closed = true }}))
	if !closed {
		t.Error("WriteResponse with a nil Request did not close the Response")
	}
}
