package conformance_test

import (
	"fmt"
	"strings"
	"testing"

	"example.com/rawhttp"
)

// A mistake of the program is met where it is made, with its name.
func TestMisusePanics(t *testing.T) {
	r := named("any")
	methods := func(m map[string]rawhttp.Resolver) func() { return func() { rawhttp.Methods(m) } }
	tests := []struct {
		name string
		f    func()
		want string
	}{
		{"Answer of nil", func() { rawhttp.Answer(nil, "") }, "Answer: the Resolver is nil"},
		{"no media type", func() { rawhttp.Accepts(parse(t, "GET / HTTP/1.1\r\nHost: a\r\n"), "text/html", "json") }, `Accepts: "json" is not a media type`},
		{"a negative limit", func() { rawhttp.LimitBody(-1, r) }, "LimitBody: -1 bytes: a limit is not negative"},
		{"LimitBody of nil", func() { rawhttp.LimitBody(1, nil) }, "LimitBody: the Resolver is nil"},
		{"no methods", methods(nil), "Methods: there are no methods"},
		{"a nil method", methods(map[string]rawhttp.Resolver{"GET": r, "PUT": nil}), "Methods: the Resolver of PUT is nil"},
		{"a method in lower case", methods(map[string]rawhttp.Resolver{"get": r}), `Methods: "get" is not the name of a method in upper case`},
		{"no name of a method", methods(map[string]rawhttp.Resolver{"GET /a": r}), `Methods: "GET /a" is not the name of a method in upper case`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.HasPrefix(got, "rawhttp: "+tt.want) {
					t.Errorf("panic with %q, want %q", got, "rawhttp: "+tt.want)
				}
			}()
			tt.f()
		})
	}
}
