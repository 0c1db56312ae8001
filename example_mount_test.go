package rawhttp_test

import (
	"context"
	"fmt"
	"strings"

	"example.com/rawhttp"
)

// where answers with the prefix of its Mount, and the path below that.
func where(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	return rawhttp.Text(200, fmt.Sprintf("prefix %q, path %q", req.Prefix(), req.Path())), nil
}

// Each resolver is mounted at its own path. A prefix that ends in a slash matches all paths
// below it; any other prefix matches that path alone.
func ExampleMount() {
	site := rawhttp.First(
		rawhttp.Mount("/healthz", rawhttp.ResolverFunc(where)),
		rawhttp.Mount("/api/", rawhttp.Mount("/v1/", rawhttp.ResolverFunc(where))),
	)
	for _, path := range []string{"/healthz", "/api/v1/users/7", "/api/v2/users/7"} {
		answer := rawhttp.Answer(site, "GET "+path+" HTTP/1.1\r\nHost: example.test\r\n\r\n")
		_, content, _ := strings.Cut(answer, "\r\n\r\n")
		fmt.Printf("%s: %s\n", path, strings.TrimSpace(content))
	}
	// Output:
	// /healthz: prefix "/healthz", path "/"
	// /api/v1/users/7: prefix "/api/v1", path "/users/7"
	// /api/v2/users/7: 404 Not Found
}
