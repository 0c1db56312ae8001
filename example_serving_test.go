package rawhttp_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"embed"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"example.com/rawhttp"
)

// certificateFiles is a certificate in two PEM files. When they change, because the certificate
// was renewed, they are read again; if that fails, the old certificate is used.
type certificateFiles struct {
	certFile, keyFile string

	mu      sync.Mutex
	modTime time.Time
	cert    *tls.Certificate
}

// get returns the certificate for a connection. It is for tls.Config.GetCertificate.
func (c *certificateFiles) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	info, err := os.Stat(c.certFile)
	if err == nil && (c.cert == nil || !info.ModTime().Equal(c.modTime)) {
		var cert tls.Certificate
		if cert, err = tls.LoadX509KeyPair(c.certFile, c.keyFile); err == nil {
			c.cert, c.modTime = &cert, info.ModTime()
		}
	}
	if c.cert != nil {
		return c.cert, nil
	}
	return nil, err
}

// TLS with a certificate in files, such as those of certbot. A renewed certificate is used
// without a restart.
func Example_tlsFiles() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	files := &certificateFiles{certFile: filepath.Join(dir, "fullchain.pem"), keyFile: filepath.Join(dir, "privkey.pem")}
	writeCertificate(files, 1)
	if _, err := files.get(nil); err != nil {
		log.Fatal(err) // at the start rather than at the first connection
	}

	srv, err := rawhttp.New(rawhttp.WithRoot("testdata/webroot"))
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go srv.Serve(context.Background(), tls.NewListener(ln, &tls.Config{
		GetCertificate: files.get,
		NextProtos:     []string{"http/1.1"},
	}))

	for serial := range int64(3) {
		if serial == 2 {
			writeCertificate(files, serial) // renewed
		}
		trusted := x509.NewCertPool()
		chain, err := os.ReadFile(files.certFile)
		if err != nil {
			log.Fatal(err)
		}
		trusted.AppendCertsFromPEM(chain)
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}, DisableKeepAlives: true}}
		resp, err := client.Get("https://" + ln.Addr().String() + "/sample.txt")
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
		fmt.Println(resp.Status, "with certificate", resp.TLS.PeerCertificates[0].SerialNumber)
	}
	// Output:
	// 200 OK with certificate 1
	// 200 OK with certificate 1
	// 200 OK with certificate 2
}

// writeCertificate writes a self-signed certificate for 127.0.0.1.
func writeCertificate(files *certificateFiles, serial int64) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: "127.0.0.1"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IsCA:         true,

		BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		log.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range []struct {
		name  string
		block pem.Block
	}{
		{files.keyFile, pem.Block{Type: "PRIVATE KEY", Bytes: private}},
		{files.certFile, pem.Block{Type: "CERTIFICATE", Bytes: cert}},
	} {
		if err := os.WriteFile(f.name, pem.EncodeToMemory(&f.block), 0o600); err != nil {
			log.Fatal(err)
		}
	}
	// Both files may be written within one tick of the file system's clock.
	if err := os.Chtimes(files.certFile, time.Time{}, time.Unix(1_800_000_000+serial, 0)); err != nil {
		log.Fatal(err)
	}
}

// A server for port 80 that redirects to HTTPS. WithHosts lists the hosts, since a client can
// send any Host field. The responses of the server on port 443 should have the field
// Strict-Transport-Security, with which browsers use HTTPS from the start.
func Example_httpsRedirect() {
	redirect := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		host := req.Host()
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		location := "https://" + host + req.EscapedPath()
		if query := req.RawQuery(); query != "" {
			location += "?" + query
		}
		return rawhttp.Redirect(308, location), nil
	})
	srv, err := rawhttp.New(rawhttp.WithResolver(redirect), rawhttp.WithHosts("example.test", "www.example.test"))
	if err != nil {
		log.Fatal(err)
	}
	for _, request := range []string{
		"GET /caf%C3%A9?q=1 HTTP/1.1\r\nHost: www.example.test:80\r\nConnection: close\r\n\r\n",
		"GET //evil.test/ HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n",
	} {
		client, server := net.Pipe()
		go srv.ServeConn(context.Background(), server)
		fmt.Fprint(client, request)
		answer, err := io.ReadAll(client)
		if err != nil {
			log.Fatal(err)
		}
		for line := range strings.Lines(string(answer)) {
			if strings.HasPrefix(line, "HTTP/") || strings.HasPrefix(line, "Location:") {
				fmt.Println(strings.TrimSpace(line))
			}
		}
	}
	// Output:
	// HTTP/1.1 308 Permanent Redirect
	// Location: https://www.example.test/caf%C3%A9?q=1
	// HTTP/1.1 308 Permanent Redirect
	// Location: https://example.test/evil.test/
	// HTTP/1.1 421 Misdirected Request
}

// A command that waits for one request and then stops its server: an OAuth provider redirects
// the browser to it with a code. The state proves that the login was started by this program.
// Shutdown waits until the browser has received its page.
func Example_oauthCallback() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	state := rand.Text()
	results := make(chan url.Values, 1)
	callback := func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		result := req.Query()
		if subtle.ConstantTimeCompare([]byte(result.Get("state")), []byte(state)) != 1 {
			return nil, &rawhttp.StatusError{Status: 400, Err: errors.New("not the state of this login")}
		}
		select {
		case results <- result:
		default: // the page was loaded again
		}
		page := rawhttp.Text(200, "You can close this window.\n").Set("Cache-Control", "no-store")
		return page.CloseAfter(), nil // so that Shutdown need not wait for another request
	}
	srv, err := rawhttp.New(
		rawhttp.WithResolver(rawhttp.Mount("/callback", rawhttp.Methods(map[string]rawhttp.Resolver{
			"GET": rawhttp.ResolverFunc(callback),
		}))),
		rawhttp.WithHosts("127.0.0.1"),
	)
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	go srv.Serve(context.Background(), ln)

	// The program would open the page of the provider in the browser here.
	browser := make(chan string)
	go func() {
		resp, err := http.Get("http://" + ln.Addr().String() + "/callback?code=4711&state=" + state)
		if err != nil {
			log.Fatal(err)
		}
		defer resp.Body.Close()
		content, err := io.ReadAll(resp.Body)
		if err != nil {
			log.Fatal(err)
		}
		browser <- string(content)
	}()

	select {
	case result := <-results:
		fmt.Println("code:", result.Get("code")) // if there is none, the parameter error has the reason
	case <-ctx.Done():
		fmt.Println("nobody logged in")
	}
	if err := srv.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Print("browser: ", <-browser)
	// Output:
	// code: 4711
	// browser: You can close this window.
}

// The counters of Stats in the text format of Prometheus. In production, serve them on a
// listener that only the monitoring system can reach.
func Example_prometheus() {
	var srv *rawhttp.Server
	metrics := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		stats := srv.Stats()
		var text bytes.Buffer
		for _, m := range []struct {
			name, kind, help string
			value            uint64
		}{
			{"http_connections_open", "gauge", "Connections that are open.", stats.ConnsOpen},
			{"http_connections_idle", "gauge", "Connections that wait for a request.", stats.ConnsIdle},
			{"http_connections_total", "counter", "Connections accepted.", stats.Conns},
			{"http_connections_refused_total", "counter", "Connections over the limit.", stats.Refused},
			{"http_requests_total", "counter", "Requests.", stats.Requests},
			{"http_received_bytes_total", "counter", "Bytes from clients.", stats.BytesRead},
			{"http_sent_bytes_total", "counter", "Bytes to clients.", stats.BytesWritten},
		} {
			fmt.Fprintf(&text, "# HELP %s %s\n# TYPE %s %s\n%s %d\n", m.name, m.help, m.name, m.kind, m.name, m.value)
		}
		return rawhttp.OK("text/plain; version=0.0.4; charset=utf-8", text.Bytes()), nil
	})
	srv, err := rawhttp.New(rawhttp.WithResolver(rawhttp.Mount("/metrics", metrics)))
	if err != nil {
		log.Fatal(err)
	}
	client, server := net.Pipe()
	go srv.ServeConn(context.Background(), server)
	fmt.Fprint(client, "GET /metrics HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n")
	answer, err := io.ReadAll(client)
	if err != nil {
		log.Fatal(err)
	}
	_, content, _ := strings.Cut(string(answer), "\r\n\r\n")
	fmt.Print(content)
	// Output:
	// # HELP http_connections_open Connections that are open.
	// # TYPE http_connections_open gauge
	// http_connections_open 1
	// # HELP http_connections_idle Connections that wait for a request.
	// # TYPE http_connections_idle gauge
	// http_connections_idle 0
	// # HELP http_connections_total Connections accepted.
	// # TYPE http_connections_total counter
	// http_connections_total 1
	// # HELP http_connections_refused_total Connections over the limit.
	// # TYPE http_connections_refused_total counter
	// http_connections_refused_total 0
	// # HELP http_requests_total Requests.
	// # TYPE http_requests_total counter
	// http_requests_total 1
	// # HELP http_received_bytes_total Bytes from clients.
	// # TYPE http_received_bytes_total counter
	// http_received_bytes_total 64
	// # HELP http_sent_bytes_total Bytes to clients.
	// # TYPE http_sent_bytes_total counter
	// http_sent_bytes_total 0
}

//go:embed testdata/app
var appFiles embed.FS

// A single-page application embedded in the program, with its API. Files below /assets/ have a
// hash in their names and are cached forever; the page is revalidated each time. Every other
// path without an extension gets the page, and the application routes it.
func Example_singlePage() {
	tree, err := fs.Sub(appFiles, "testdata/app")
	if err != nil {
		log.Fatal(err)
	}
	files, err := rawhttp.FS(tree,
		rawhttp.WithListing(rawhttp.ListNone),
		rawhttp.WithCacheControl("no-cache"),
		rawhttp.WithCacheControl("public, max-age=31536000, immutable", "/assets/*"),
	)
	if err != nil {
		log.Fatal(err)
	}
	api := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if req.Path() != "/notes" {
			return rawhttp.NotFound(), nil // final: the files are not tried
		}
		return rawhttp.OK("application/json", []byte(`["milk"]`)), nil
	})
	page := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if path.Ext(req.Path()) != "" {
			return nil, fs.ErrNotExist // a missing picture is still a 404
		}
		return files.Resolve(ctx, req.WithPath("/"))
	})
	site := rawhttp.First(rawhttp.Mount("/api/", api), files, page)

	for _, path := range []string{"/", "/assets/app-5f2c1a.js", "/api/notes", "/api/missing", "/notes/7", "/missing.png"} {
		answer := rawhttp.Answer(site, "GET "+path+" HTTP/1.1\r\nHost: example.test\r\n\r\n")
		statusLine, rest, _ := strings.Cut(answer, "\r\n")
		_, cache, _ := strings.Cut(rest, "Cache-Control: ")
		cache, _, _ = strings.Cut(cache, "\r\n")
		_, content, _ := strings.Cut(answer, "\r\n\r\n")
		firstLine, _, _ := strings.Cut(content, "\n")
		fmt.Println(strings.TrimSpace(path + statusLine[8:] + " " + cache))
		fmt.Println("   ", firstLine)
	}
	// Output:
	// / 200 OK no-cache
	//     <!doctype html>
	// /assets/app-5f2c1a.js 200 OK public, max-age=31536000, immutable
	//     const answer = await fetch("/api/notes");
	// /api/notes 200 OK
	//     ["milk"]
	// /api/missing 404 Not Found
	//     404 Not Found
	// /notes/7 200 OK no-cache
	//     <!doctype html>
	// /missing.png 404 Not Found
	//     404 Not Found
}
