// Command autocert serves a folder over TLS. It obtains certificates from Let's Encrypt, renews
// them, and caches them in another folder. Port 80 redirects to port 443. The DNS names of the
// hosts must resolve to this machine:
//
//	autocert -hosts example.org,www.example.org -root public -cache /var/lib/autocert
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"log"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"example.com/rawhttp"
	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

func main() {
	hosts := flag.String("hosts", "", "serve these `names`, separated by commas")
	root := flag.String("root", ".", "serve this `folder`")
	cache := flag.String("cache", "certificates", "keep the certificates in this `folder`, outside of root")
	email := flag.String("email", "", "the `address` that Let's Encrypt writes to if something is wrong")
	flag.Parse()
	if *hosts == "" {
		log.Fatal("-hosts is missing")
	}
	manager := &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      autocert.DirCache(*cache),
		HostPolicy: autocert.HostWhitelist(strings.Split(*hosts, ",")...),
		Email:      *email,
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process
	secure, err := net.Listen("tcp", ":443")
	if err != nil {
		log.Fatal(err)
	}
	plain, err := net.Listen("tcp", ":80")
	if err != nil {
		log.Fatal(err)
	}
	if err := serve(ctx, *root, strings.Split(*hosts, ","), secure, plain, tlsConfig(manager)); err != nil {
		log.Fatal(err)
	}
}

// tlsConfig returns a configuration with the certificates of the manager. It does not offer
// HTTP/2, which rawhttp does not speak. ALPNProto is for the challenge with which Let's Encrypt
// verifies that the name belongs to this server; it needs only port 443.
func tlsConfig(manager *autocert.Manager) *tls.Config {
	return &tls.Config{
		GetCertificate: manager.GetCertificate,
		NextProtos:     []string{"http/1.1", acme.ALPNProto},
	}
}

// serve serves the folder on the listener secure, with TLS, and redirects on the listener
// plain. It returns when ctx has ended and the requests in progress are answered, or when one
// of the two servers has failed, which stops the other.
func serve(ctx context.Context, root string, hosts []string, secure, plain net.Listener, config *tls.Config) error {
	files, err := rawhttp.Dir(root)
	if err != nil {
		return err
	}
	defer files.Close()
	site, err := rawhttp.New(rawhttp.WithResolver(strictTransport(files)), rawhttp.WithHosts(hosts...))
	if err != nil {
		return err
	}
	redirect, err := rawhttp.New(rawhttp.WithResolver(rawhttp.ResolverFunc(toHTTPS)), rawhttp.WithHosts(hosts...))
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 2)
	go func() {
		defer stop()
		ended <- site.Serve(ctx, tls.NewListener(secure, config))
	}()
	go func() {
		defer stop()
		ended <- redirect.Serve(ctx, plain)
	}()
	return errors.Join(<-ended, <-ended)
}

// strictTransport adds Strict-Transport-Security (RFC 6797), with which browsers use TLS from
// the start, for half a year.
func strictTransport(next rawhttp.Resolver) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		resp, err := next.Resolve(ctx, req)
		if err != nil {
			resp = rawhttp.ErrorResponse(err)
		}
		return resp.Clone().Set("Strict-Transport-Security", "max-age=15768000"), nil
	})
}

// toHTTPS sends a client to the same place on port 443. The host is one of WithHosts.
func toHTTPS(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	host := req.Host()
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	location := "https://" + host + req.EscapedPath()
	if query := req.RawQuery(); query != "" {
		location += "?" + query
	}
	return rawhttp.Redirect(308, location), nil
}
