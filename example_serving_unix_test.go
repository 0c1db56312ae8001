//go:build unix

package rawhttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"example.com/rawhttp"
)

// listenUnix listens on a Unix socket with mode 0660. Its folder should be closed to others,
// since the mode is set after the socket exists. A socket that a crashed process left is
// replaced; one on which a process listens is an error.
func listenUnix(name string) (net.Listener, error) {
	if info, err := os.Lstat(name); err == nil && info.Mode().Type() == fs.ModeSocket {
		conn, err := net.Dial("unix", name)
		if err == nil {
			conn.Close()
		} else if errors.Is(err, syscall.ECONNREFUSED) {
			os.Remove(name)
		}
	}
	ln, err := net.Listen("unix", name)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(name, 0o660); err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}

// A server on a Unix socket, for other programs on this machine, such as a proxy. Closing the
// listener removes the socket.
func Example_unixSocket() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "http.sock")
	ln, err := listenUnix(name)
	if err != nil {
		log.Fatal(err)
	}
	srv, err := rawhttp.New(rawhttp.WithRoot("testdata/webroot"))
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	go srv.Serve(context.Background(), ln)

	// curl --unix-socket http.sock http://localhost/sample.txt
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", name)
		},
	}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://localhost/sample.txt")
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
	fmt.Println(resp.Status)
	// Output:
	// 200 OK
}

// A stale socket is replaced; a socket in use and a file are not.
func TestExampleListenUnix(t *testing.T) {
	dir, err := os.MkdirTemp("", "example") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "s")
	crashed, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: name})
	if err != nil {
		t.Fatal(err)
	}
	crashed.SetUnlinkOnClose(false)
	crashed.Close()
	ln, err := listenUnix(name)
	if err != nil {
		t.Fatalf("listenUnix after a crash: %v", err)
	}
	defer ln.Close()
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket is %v, %v, want mode 0660", info, err)
	}
	if _, err := listenUnix(name); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("listenUnix on a socket in use: %v, want EADDRINUSE", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenUnix(file); err == nil {
		t.Error("listenUnix on a file: no error")
	}
	if content, err := os.ReadFile(file); string(content) != "precious" || err != nil {
		t.Errorf("the file contains %q, %v, want it unchanged", content, err)
	}
}

// A server that shuts down gracefully on Ctrl-C, and on SIGTERM, which systemd, Docker and
// Kubernetes send. Requests in progress have the time of WithDrainTimeout to finish; a second
// signal ends the process at once.
func Example_gracefulStop() {
	begun := make(chan struct{})
	slow := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		close(begun)
		<-rawhttp.Stopping(ctx) // in place of work that goes on until the server stops
		return rawhttp.Text(200, "the work is done"), nil
	})
	srv, err := rawhttp.New(rawhttp.WithResolver(slow))
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the next signal has its default effect

	// A client sends a request. The signal arrives while it waits for the response.
	answered := make(chan string)
	go func() {
		resp, err := http.Get("http://" + ln.Addr().String() + "/")
		if err != nil {
			log.Fatal(err)
		}
		defer resp.Body.Close()
		content, err := io.ReadAll(resp.Body)
		if err != nil {
			log.Fatal(err)
		}
		http.DefaultClient.CloseIdleConnections() // otherwise Serve waits a second for another request
		answered <- string(content)
	}()
	go func() {
		<-begun
		syscall.Kill(os.Getpid(), syscall.SIGTERM)
	}()

	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, ln) }()
	fmt.Println("client:", <-answered)
	fmt.Println("Serve:", <-served)
	// Output:
	// client: the work is done
	// Serve: <nil>
}
