package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/acme/autocert"
)

// A certificate in the cache is served without asking Let's Encrypt, and only for its name.
// Port 80 redirects to port 443. Both servers stop when the context ends.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	root, cache := filepath.Join(dir, "root"), filepath.Join(dir, "cache")
	for _, folder := range []string{root, cache} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "a.txt"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	cert := fillCache(t, autocert.DirCache(cache), "example.test")
	manager := &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      autocert.DirCache(cache),
		HostPolicy: autocert.HostWhitelist("example.test"),
	}
	secure, plain := listen(t), listen(t)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- serve(ctx, root, []string{"example.test"}, secure, plain, tlsConfig(manager))
	}()

	trusted := x509.NewCertPool()
	trusted.AddCert(cert)
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: trusted},
			ForceAttemptHTTP2: true, // the server must not accept it
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				ln := plain
				if addr == "example.test:443" {
					ln = secure
				}
				return net.Dial("tcp", ln.Addr().String())
			},
		},
	}
	resp, err := client.Get("http://example.test/a.txt?q=1")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	location := resp.Header.Get("Location")
	if resp.StatusCode != 308 || location != "https://example.test/a.txt?q=1" {
		t.Fatalf("port 80 answers %s to %q, want 308 to https://example.test/a.txt?q=1", resp.Status, location)
	}
	for path, status := range map[string]int{"/a.txt": 200, "/missing": 404} {
		resp, err := client.Get("https://example.test" + path)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != status || resp.Proto != "HTTP/1.1" {
			t.Errorf("%s: %s %s, %q, %v, want HTTP/1.1 and %d", path, resp.Proto, resp.Status, content, err, status)
		}
		if resp.Header.Get("Strict-Transport-Security") == "" {
			t.Errorf("%s: Strict-Transport-Security is missing", path)
		}
	}
	client.CloseIdleConnections()

	other, err := tls.Dial("tcp", secure.Addr().String(), &tls.Config{ServerName: "other.test", RootCAs: trusted})
	if err == nil {
		other.Close()
		t.Error("a handshake for other.test succeeds, want an error")
	}
	stop()
	if err := <-served; err != nil {
		t.Errorf("serve = %v after its context has ended, want nil", err)
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// fillCache puts a certificate for the host into the cache, in the form of a Manager: the key
// first.
func fillCache(t *testing.T, cache autocert.Cache, host string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{host},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(90 * 24 * time.Hour), // too early to renew

		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var entry bytes.Buffer
	pem.Encode(&entry, &pem.Block{Type: "EC PRIVATE KEY", Bytes: private})
	pem.Encode(&entry, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := cache.Put(t.Context(), host, entry.Bytes()); err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
