//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// hang limits waits that end immediately unless something is wrong.
const hang = 60 * time.Second

// A unit runs the command as systemd does: with a socket that stays open between runs, and a
// second one for the states that the command reports.
type unit struct {
	program string
	root    string
	socket  *os.File // nil if the command opens its own
	states  *net.UnixConn
}

func newUnit(t *testing.T, socket *os.File) *unit {
	t.Helper()
	dir := t.TempDir()
	u := &unit{program: filepath.Join(dir, "systemd"), root: filepath.Join(dir, "root"), socket: socket}
	if out, err := exec.Command("go", "build", "-o", u.program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if err := os.Mkdir(u.root, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(u.root, "a.txt"), []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	notify, err := os.MkdirTemp("", "notify") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(notify) })
	u.states, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: notify + "/socket"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.states.Close() })
	return u
}

// start starts the command and waits until it reports that it is ready. The shell
// puts its own process ID, which the command inherits, into LISTEN_PID.
func (u *unit) start(t *testing.T) (stop func()) {
	t.Helper()
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, u.program, "-addr", "127.0.0.1:0", "-root", u.root)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+u.states.LocalAddr().String())
	if u.socket != nil {
		cmd.Env = append(cmd.Env, "LISTEN_FDS=1", "LISTEN_FDNAMES=rawhttp.socket")
		cmd.ExtraFiles = []*os.File{u.socket}
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the command ended with %v, want status 0; it wrote:\n%s", err, &stderr)
		}
		u.want(t, "STOPPING=1")
	})
	t.Cleanup(stop)
	u.want(t, "READY=1")
	return stop
}

// want waits until the command reports a state, which must be the given one.
func (u *unit) want(t *testing.T, state string) {
	t.Helper()
	u.states.SetReadDeadline(time.Now().Add(hang))
	b := make([]byte, 100)
	n, err := u.states.Read(b)
	if got := string(b[:n]); got != state || err != nil {
		t.Errorf("the command reported %q, %v, want %q", got, err, state)
	}
}

// listenSocket returns a listening socket, and its address.
func listenSocket(t *testing.T) (socket *os.File, addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket, err = ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	ln.Close() // socket is a duplicate, which stays open
	return socket, ln.Addr().String()
}

// Clients keep asking while the command is restarted on the same socket. No connection
// is refused, no answer is cut, and every request is answered.
func TestRestart(t *testing.T) {
	socket, addr := listenSocket(t)
	u := newUnit(t, socket)
	stop := u.start(t)

	var answered atomic.Int64
	var clients sync.WaitGroup
	end := make(chan struct{})
	for i := range 8 {
		// Half of them send many requests on one connection.
		client := &http.Client{
			Transport: &http.Transport{DisableKeepAlives: i%2 == 0},
			Timeout:   hang,
		}
		clients.Go(func() {
			defer client.CloseIdleConnections()
			for n := 1; ; n++ {
				select {
				case <-end:
					return
				default:
				}
				if err := get(client, "http://"+addr+"/a.txt"); err != nil {
					t.Errorf("client %d, request %d: %v", i, n, err)
					return
				}
				answered.Add(1)
			}
		})
	}
	for range 5 {
		for seen := answered.Load(); answered.Load() < seen+100 && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
		stop()
		stop = u.start(t)
	}
	close(end)
	clients.Wait()
	t.Logf("%d requests were answered during 5 restarts", answered.Load())
}

// A request that is sent while no process runs is answered by the next one.
func TestSocketQueue(t *testing.T) {
	socket, addr := listenSocket(t)
	u := newUnit(t, socket)
	u.start(t)()

	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatalf("connecting while no process runs: %v, want the socket to be open", err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /a.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	u.start(t)
	conn.SetDeadline(time.Now().Add(hang))
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 OK\r\n") {
		t.Errorf("the request that waited was answered with %q, %v, want 200", answer, err)
	}
}

// Without systemd, the command opens its own socket.
func TestListenWithoutSystemd(t *testing.T) {
	newUnit(t, nil).start(t)
}

// get fetches a.txt without retrying: a connection that is refused or closed early, and an
// incomplete answer, are errors. (Go's client retries by itself if a reused
// connection was closed before a byte of the answer arrived.)
func get(client *http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 || string(content) != "content" || err != nil {
		return fmt.Errorf("%s, %q, %v, want 200 and the file", resp.Status, content, err)
	}
	return nil
}

// TestListenInherits runs itself again with a socket, to check what listen leaves for
// the child processes of the command: neither the socket nor the variables.
func TestListenInherits(t *testing.T) {
	if os.Getenv("LISTEN_PID") != "" {
		ln, err := listen("")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(ln.Addr())
		child := exec.Command("sh", "-c", `env | grep ^LISTEN_; (: <&3) 2>/dev/null && echo descriptor 3 is open; exit 0`)
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		if err := child.Run(); err != nil {
			t.Fatal(err)
		}
		return
	}
	socket, addr := listenSocket(t)
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" -test.run='^TestListenInherits$'`, os.Args[0])
	cmd.Env = append(os.Environ(), "LISTEN_FDS=1")
	cmd.ExtraFiles = []*os.File{socket}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v; it wrote:\n%s", err, out)
	}
	got := slices.DeleteFunc(strings.Split(string(out), "\n"), func(line string) bool { return line == "PASS" || line == "" })
	if want := []string{addr}; !slices.Equal(got, want) {
		t.Errorf("listen with a socket of %s printed %q, want %q", addr, got, want)
	}
}
