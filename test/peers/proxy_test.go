package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/rawhttp"
)

// A proxy is a reverse proxy. start runs it in front of the server at the
// address upstream, and returns its own address.
type proxy struct {
	name  string
	start func(t *testing.T, upstream string) (addr string)
}

var proxies = []proxy{{"nginx", startNginx}, {"haproxy", startHAProxy}}

// behindEach runs a test behind each proxy, in front of a server with the options.
func behindEach(t *testing.T, opts func(t *testing.T) []rawhttp.Option, test func(t *testing.T, srv *rawhttp.Server, addr string)) {
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			srv, upstream := serve(t, opts(t)...)
			test(t, srv, p.start(t, upstream))
		})
	}
}

// startProxy runs a proxy until the test ends. The proxy inherits a listening socket as
// descriptor 3, so the port is certainly free, and a client that connects before the
// proxy is ready waits instead of being refused.
func startProxy(t *testing.T, ln *net.TCPListener, command *exec.Cmd) (addr string) {
	t.Helper()
	socket, err := ln.File()
	if err != nil {
		t.Fatal(err)
	}
	command.ExtraFiles = append(command.ExtraFiles, socket)
	command.Stdout, command.Stderr = t.Output(), t.Output()
	err = command.Start()
	socket.Close()
	ln.Close() // a proxy that ends early refuses its clients
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Signal(syscall.SIGTERM) // not SIGKILL, since nginx has to end its worker
		command.Wait()
	})
	return ln.Addr().String()
}

// newClient returns a client that connects from the address.
func newClient(t *testing.T, from string) *http.Client {
	transport := &http.Transport{
		DialContext:           (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext,
		ExpectContinueTimeout: time.Minute,
		DisableCompression:    true,
		MaxIdleConnsPerHost:   16,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute} // limits a hang
}

// ask sends a request and returns the response with its content.
func ask(t *testing.T, client *http.Client, method, url string, content io.Reader, fields ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, url, content)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		req.Header.Add(fields[i], fields[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("%s %s: read the content: %v", method, url, err)
	}
	return resp, got
}

func siteOf(folder func(t *testing.T) string, opts ...rawhttp.Option) func(t *testing.T) []rawhttp.Option {
	return func(t *testing.T) []rawhttp.Option {
		return append(opts, rawhttp.WithResolver(site(t, folder(t))))
	}
}

func emptyFolder(t *testing.T) string { return t.TempDir() }

// A proxy sends many requests over few connections.
func TestProxyPersistentConnections(t *testing.T) {
	behindEach(t, siteOf(emptyFolder), func(t *testing.T, srv *rawhttp.Server, addr string) {
		const clients, requests = 4, 50
		client := newClient(t, "127.0.0.1")
		paths := []string{"/hello", "/stream", "/empty", "/missing", "/echo"}
		want := []string{"hello\n", "line 1\nline 2\nline 3\n", "", "404 Not Found\n", ""}
		var running sync.WaitGroup
		for range clients {
			running.Go(func() {
				for i := range requests {
					resp, err := client.Get("http://" + addr + paths[i%len(paths)])
					if err != nil {
						t.Error(err)
						return
					}
					got, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if err != nil || string(got) != want[i%len(paths)] {
						t.Errorf("GET %s: %q, %v, want %q", paths[i%len(paths)], got, err, want[i%len(paths)])
					}
				}
			})
		}
		running.Wait()
		stats := srv.Stats()
		if stats.Requests != clients*requests {
			t.Errorf("the server received %d requests, want %d", stats.Requests, clients*requests)
		}
		if stats.Conns > 2*clients {
			t.Errorf("%d requests arrived on %d connections, want at most %d", stats.Requests, stats.Conns, 2*clients)
		}
	})
}

// Content passes through a proxy that does not buffer it, in either framing, even
// if the client waits for a 100.
func TestProxyUpload(t *testing.T) {
	content := someBytes(5 << 20)
	behindEach(t, siteOf(emptyFolder), func(t *testing.T, srv *rawhttp.Server, addr string) {
		client := newClient(t, "127.0.0.1")
		tests := []struct {
			name     string
			content  io.Reader
			expect   bool
			declared string
		}{
			{"chunked", io.MultiReader(bytes.NewReader(content)), false, "-1"},
			{"Content-Length", bytes.NewReader(content), false, "5242880"},
			{"chunked, Expect", io.MultiReader(bytes.NewReader(content)), true, "-1"},
			{"Content-Length, Expect", bytes.NewReader(content), true, "5242880"},
		}
		for _, tt := range tests {
			proceeded := false
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { proceeded = true }})
			req, err := http.NewRequestWithContext(ctx, "POST", "http://"+addr+"/echo", tt.content)
			if err != nil {
				t.Fatal(err)
			}
			if tt.expect {
				req.Header.Set("Expect", "100-continue")
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != 200 {
				t.Errorf("%s: status %d, %v, want 200", tt.name, resp.StatusCode, err)
			}
			wantBytes(t, tt.name, got, content)
			if got := resp.Header.Get("Declared-Length"); got != tt.declared {
				t.Errorf("%s: the server received content with the declared length %s, want %s", tt.name, got, tt.declared)
			}
			if proceeded != tt.expect {
				t.Errorf("%s: received 100 (Continue): %t, want %t", tt.name, proceeded, tt.expect)
			}
		}
		if n := srv.Stats().Conns; n != 1 {
			t.Errorf("there were %d connections, want 1", n)
		}
	})
}

func TestProxyDownload(t *testing.T) {
	content := someBytes(8 << 20)
	folder := func(t *testing.T) string {
		dir := t.TempDir()
		writeFile(t, dir, "large.bin", content)
		return dir
	}
	behindEach(t, siteOf(folder), func(t *testing.T, srv *rawhttp.Server, addr string) {
		client := newClient(t, "127.0.0.1")
		for _, method := range []string{"HEAD", "GET", "HEAD", "GET"} {
			resp, got := ask(t, client, method, "http://"+addr+"/files/large.bin", nil)
			if resp.StatusCode != 200 || resp.ContentLength != int64(len(content)) || resp.Header.Get("Content-Type") != octets {
				t.Errorf("%s: status %d, fields %v, want 200 with the length and %s", method, resp.StatusCode, resp.Header, octets)
			}
			if method == "HEAD" {
				continue // HEAD has no content; otherwise the client would have failed
			}
			wantBytes(t, "the file", got, content)
		}
		if n := srv.Stats().Conns; n != 1 {
			t.Errorf("there were %d connections, want 1", n)
		}
	})
}

// The first piece of a stream passes through the proxy before the second is written.
func TestProxyStream(t *testing.T) {
	var goOn chan struct{}
	stream := func(*testing.T) []rawhttp.Option {
		goOn = make(chan struct{})
		return []rawhttp.Option{rawhttp.WithResolver(twoPieces(goOn))}
	}
	behindEach(t, stream, func(t *testing.T, _ *rawhttp.Server, addr string) {
		resp, err := newClient(t, "127.0.0.1").Get("http://" + addr + "/")
		if err != nil {
			close(goOn)
			t.Fatal(err)
		}
		defer resp.Body.Close()
		readTwoPieces(t, resp.Body, goOn)
	})
}

// A response that was cut does not become a complete one on its way.
func TestProxyCut(t *testing.T) {
	behindEach(t, siteOf(emptyFolder), func(t *testing.T, _ *rawhttp.Server, addr string) {
		client := newClient(t, "127.0.0.1")
		for _, path := range []string{"/cut", "/short"} {
			resp, err := client.Get("http://" + addr + path)
			if err != nil {
				t.Errorf("GET %s: %v", path, err)
				continue
			}
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("GET %s: status %d, then %v, want %v", path, resp.StatusCode, err, io.ErrUnexpectedEOF)
			}
		}
	})
}

// The address of a client is taken only from trusted proxies. This client connects from 127.0.0.2,
// the proxy from 127.0.0.1.
func TestProxyClientAddress(t *testing.T) {
	tests := []struct {
		name    string
		trusted []netip.Prefix
		forged  string // X-Forwarded-For that the client sends
		want    string
	}{
		{"none trusted", nil, "", "127.0.0.1"},
		{"the proxy trusted", []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, "", "127.0.0.2"},
		{"another proxy trusted", []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, "", "127.0.0.1"},
		{"forged", []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, "203.0.113.9", "127.0.0.2"},
		{"client is a trusted proxy", []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, "198.51.100.1, 203.0.113.9", "203.0.113.9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			opts := func(*testing.T) []rawhttp.Option {
				return []rawhttp.Option{rawhttp.WithTrustedProxies(tt.trusted...), rawhttp.WithResolver(routes{"/": client})}
			}
			behindEach(t, opts, func(t *testing.T, _ *rawhttp.Server, addr string) {
				var fields []string
				if tt.forged != "" {
					fields = []string{"X-Forwarded-For", tt.forged}
				}
				_, got := ask(t, newClient(t, "127.0.0.2"), "GET", "http://"+addr+"/", nil, fields...)
				if string(got) != tt.want {
					t.Errorf("ConnInfo.Client = %s, want %s", got, tt.want)
				}
			})
		})
	}
}

func client(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	return rawhttp.Text(200, req.Conn().Client.String()), nil
}

// Error responses of the server arrive as it sent them, not as a 502 of the proxy.
func TestProxyErrors(t *testing.T) {
	folder := func(t *testing.T) string {
		dir := t.TempDir()
		writeFile(t, dir, "file.txt", []byte("a file\n"))
		return dir
	}
	tests := []struct {
		method, path string
		size         int // of the content, chunked if it is negative
		want         int
		content      string // what the content begins with
	}{
		{"GET", "/missing", 0, 404, "404 Not Found"},
		{"HEAD", "/missing", 0, 404, ""},
		{"GET", "/files/missing", 0, 404, "404 Not Found"},
		{"GET", "/fail", 0, 500, "500 Internal Server Error"},
		{"DELETE", "/files/file.txt", 0, 405, "405 Method Not Allowed"},
		{"PUT", "/files/file.txt", 100, 405, "405 Method Not Allowed"},
		{"BREW", "/files/file.txt", 0, 501, "501 Not Implemented"},
		{"POST", "/echo", 8 << 10, 413, "413 Content Too Large"},
		{"POST", "/echo", -8 << 10, 413, "413 Content Too Large"},
		{"GET", "/files/file.txt", 0, 200, "a file\n"},
	}
	behindEach(t, siteOf(folder, rawhttp.WithMaxBodyBytes(4<<10)), func(t *testing.T, _ *rawhttp.Server, addr string) {
		client := newClient(t, "127.0.0.1")
		for _, tt := range tests {
			var content io.Reader
			switch {
			case tt.size > 0:
				content = bytes.NewReader(someBytes(tt.size))
			case tt.size < 0:
				content = io.MultiReader(bytes.NewReader(someBytes(-tt.size)))
			}
			call := fmt.Sprintf("%s %s with content %d", tt.method, tt.path, tt.size)
			resp, got := ask(t, client, tt.method, "http://"+addr+tt.path, content)
			if resp.StatusCode != tt.want {
				t.Errorf("%s: status %d, want %d", call, resp.StatusCode, tt.want)
			}
			if !strings.HasPrefix(string(got), tt.content) {
				t.Errorf("%s: content %.100q, want one that begins with %q", call, got, tt.content)
			}
			if tt.want == 405 && resp.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
				t.Errorf("%s: Allow is %q, want %q", call, resp.Header.Get("Allow"), "GET, HEAD, OPTIONS")
			}
		}
	})
}
