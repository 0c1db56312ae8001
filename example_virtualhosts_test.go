package rawhttp_test

import (
	"context"
	"fmt"
	"net"
	"strings"

	"example.com/rawhttp"
)

// virtualHosts has a Resolver for each host, by its name in lower case.
type virtualHosts map[string]rawhttp.Resolver

func (v virtualHosts) Resolve(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	name := req.Host()
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	if r, ok := v[strings.ToLower(name)]; ok {
		return r.Resolve(ctx, req)
	}
	return nil, &rawhttp.StatusError{Status: 421}
}

// Virtual hosts: the host in the request selects the resolver that answers.
func Example_virtualHosts() {
	say := func(text string) rawhttp.Resolver {
		return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.Text(200, text), nil
		})
	}
	hosts := virtualHosts{"ann.test": say("Ann's notes"), "bob.test": say("Bob's notes")}

	for _, host := range []string{"ann.test", "Bob.test:8080", "eve.test"} {
		answer := rawhttp.Answer(hosts, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
		_, content, _ := strings.Cut(answer, "\r\n\r\n")
		fmt.Printf("%s: %s\n", host, content)
	}
	// Output:
	// ann.test: Ann's notes
	// Bob.test:8080: Bob's notes
	// eve.test: 421 Misdirected Request
}
