package peers

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"testing"
	"time"

	"example.com/rawhttp"
)

// serveTLS serves on a TLS listener with a self-signed certificate. trust
// are the arguments that make curl trust it.
func serveTLS(t *testing.T, opts ...rawhttp.Option) (srv *rawhttp.Server, addr string, trust []string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "rawhttp test"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := writeFile(t, t.TempDir(), "cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	ln := listen(t)
	srv = serveOn(t, tls.NewListener(ln, config), opts...)
	return srv, ln.Addr().String(), []string{"--cacert", file}
}

// One TLS connection carries a large file, a HEAD, an upload that waits for its
// 100, and content of unknown length.
func TestCurlTLS(t *testing.T) {
	folder, content := t.TempDir(), someBytes(8<<20)
	writeFile(t, folder, "large.bin", content)
	upload := writeFile(t, t.TempDir(), "upload", content[:3<<20])
	srv, addr, trust := serveTLS(t, rawhttp.WithResolver(site(t, folder)))
	url := "https://" + addr

	args := append(trust, url+"/files/large.bin", "--next")
	args = append(args, append(trust, "--head", url+"/hello", "--next")...)
	args = append(args, append(trust, "--upload-file", upload, "--header", "Expect: 100-continue", "--expect100-timeout", "30", url+"/echo", "--next")...)
	args = append(args, append(trust, url+"/stream")...)
	const plain = "text/plain; charset=utf-8"
	out := wantTransfers(t, nil, args,
		transfer{Status: 200, Version: "1.1", MediaType: octets, Connects: 1, Downloaded: 8 << 20},
		transfer{Status: 200, Version: "1.1", MediaType: plain},
		transfer{Status: 200, Version: "1.1", MediaType: octets, Downloaded: 3 << 20},
		transfer{Status: 200, Version: "1.1", MediaType: "text/plain", Downloaded: 21})
	head := "HTTP/1.1 200 OK\r\nContent-Type: " + plain + "\r\nContent-Length: 6\r\n\r\n"
	want := bytes.Join([][]byte{content, []byte(head), content[:3<<20], []byte("line 1\nline 2\nline 3\n")}, nil)
	wantBytes(t, "output of curl", out, want)
	if got := srv.Stats().Conns; got != 1 {
		t.Errorf("curl made %d connections, want 1", got)
	}
}

// A resolver sees that the connection has TLS, and can get its state from NetConn.
func TestCurlTLSConnInfo(t *testing.T) {
	describe := func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		conn := req.Conn()
		tlsConn, ok := conn.NetConn.(*tls.Conn)
		if !ok {
			return nil, fmt.Errorf("NetConn is a %T", conn.NetConn)
		}
		return rawhttp.Text(200, fmt.Sprint("TLS: ", conn.TLS, ", handshake done: ", tlsConn.ConnectionState().HandshakeComplete)), nil
	}
	_, addr, trust := serveTLS(t, rawhttp.WithResolver(routes{"/": describe}))
	_, out := curl(t, nil, append(trust, "https://"+addr+"/")...)
	if got, want := string(out), "TLS: true, handshake done: true"; got != want {
		t.Errorf("the resolver reports %q, want %q", got, want)
	}
}

// Without the alert that closes a TLS connection properly, a client notices that a
// response was cut, as it can on TCP.
func TestCurlTLSCut(t *testing.T) {
	tests := []struct {
		name, version, path string
		want                int
	}{
		{"no last chunk", "--http1.1", "/cut", exitPartialFile},
		{"short of Content-Length", "--http1.1", "/short", exitPartialFile},
		{"to the close, HTTP/1.0", "--http1.0", "/cut", exitReceive},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, addr, trust := serveTLS(t, rawhttp.WithResolver(site(t, t.TempDir())))
			got, out := curl(t, nil, append(trust, tt.version, "https://"+addr+tt.path)...)
			if len(got) != 1 || got[0].Exit != tt.want {
				t.Errorf("curl %s %s: %+v, %.99q, want exit status %d", tt.version, tt.path, got, out, tt.want)
			}
		})
	}
}

// Plain HTTP on the TLS port, and a failed handshake, end only their own
// connection.
func TestCurlTLSRefused(t *testing.T) {
	_, addr, trust := serveTLS(t, rawhttp.WithResolver(site(t, t.TempDir())))
	if got, out := curl(t, nil, "http://"+addr+"/hello"); len(got) != 1 || got[0].Status == 200 {
		t.Errorf("curl without TLS: %+v, %q, want no response", got, out)
	}
	const exitNotTrusted = 60
	if got, out := curl(t, nil, "https://"+addr+"/hello"); len(got) != 1 || got[0].Exit != exitNotTrusted {
		t.Errorf("curl that does not trust the certificate: %+v, %q, want exit status %d", got, out, exitNotTrusted)
	}
	wantTransfers(t, nil, append(trust, "https://"+addr+"/hello"),
		transfer{Status: 200, Version: "1.1", MediaType: "text/plain; charset=utf-8", Connects: 1, Downloaded: 6})
}
