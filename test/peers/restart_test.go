package peers

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The clients of both tests, and what they send.
const loadClients = 20

var loadContent = someBytes(1000)

var (
	loadGet  = loadRequest{"GET", "", 200, loadContent}
	loadPost = loadRequest{"POST", "content", 405, []byte("405 Method Not Allowed\n")}
)

// A graceful shutdown loses no request of a client that keeps its connection busy, nor
// of one that connects during it: every request that was written is answered.
func TestStopUnderLoad(t *testing.T) {
	command, root := buildCommand(t), t.TempDir()
	writeFile(t, root, "a.txt", loadContent)
	stops := 10
	if *long {
		stops = 50
	}
	for i := range stops {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			server := startCommand(t, command, "127.0.0.1:0", "-server", "one", root)
			load := startLoad(server.addr, loadClients, loadGet, loadPost)
			load.await("one", 100*loadClients)
			server.stop(t)
			load.wantNoLoss(t, loadClients)
		})
	}
}

// A request that the system received before the server was told to stop is
// answered, even if the server has not read its first byte or accepted its connection.
func TestStopAnswersReceivedRequests(t *testing.T) {
	root := t.TempDir()
	writeFile(t, root, "a.txt", loadContent)
	server := startCommand(t, buildCommand(t), "127.0.0.1:0", root)
	idle := connect(t, server.addr, 20)
	exchangeAll(t, idle)
	<-time.After(1100 * time.Millisecond) // after a second, the server may close them
	recent := connect(t, server.addr, 20)
	exchangeAll(t, recent)

	server.pause(t)
	kinds := map[string][]net.Conn{"idle": idle, "recently used": recent, "new": connect(t, server.addr, 100)}
	for kind, conns := range kinds {
		for _, conn := range conns {
			if err := loadGet.send(conn); err != nil {
				t.Fatalf("%s connection: %v", kind, err)
			}
		}
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		server.stop(t)
	}()
	lost := make(map[string]int)
	for kind, conns := range kinds {
		for _, conn := range conns {
			if _, err := loadGet.answered(bufio.NewReader(conn)); err != nil {
				lost[kind]++
			}
			conn.Close()
		}
	}
	<-stopped
	if diff := cmp.Diff(map[string]int{}, lost); diff != "" {
		t.Errorf("requests lost, by kind of connection (-want +got):\n%s", diff)
	}
}

func connect(t *testing.T, addr string, n int) (conns []net.Conn) {
	t.Helper()
	for range n {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conns = append(conns, conn)
	}
	return conns
}

// exchangeAll sends a request over each connection and reads the answer.
func exchangeAll(t *testing.T, conns []net.Conn) {
	t.Helper()
	for _, conn := range conns {
		if err := loadGet.send(conn); err != nil {
			t.Fatal(err)
		}
		if _, err := loadGet.answered(bufio.NewReader(conn)); err != nil {
			t.Fatal(err)
		}
	}
}

// Clients of HAProxy do not notice that the servers behind it are stopped and
// started again, one after the other.
func TestRestartBehindHAProxy(t *testing.T) {
	command, root := buildCommand(t), t.TempDir()
	writeFile(t, root, "a.txt", loadContent)
	duration := 15 * time.Second
	if *long {
		duration = 2 * time.Minute
	}
	start := func(addr, name string) *process { return startCommand(t, command, addr, "-server", name, root) }
	next, other := start("127.0.0.1:0", "server 0"), start("127.0.0.1:0", "server 1")
	names := [2]string{"server 0", "server 1"} // of next and other
	load := startLoad(startBalancer(t, next.addr, other.addr), loadClients, loadGet, loadPost)
	defer load.wantNoLoss(t, 0)
	defer load.stop()

	ok := load.await(names[0], 100) && load.await(names[1], 100)
	n := 2
	for end := time.Now().Add(duration); ok && time.Now().Before(end); n++ {
		next.stop(t)
		if n%4 < 2 { // sometimes long enough for HAProxy to notice, sometimes not
			ok = load.await(names[1], 2000)
		}
		names = [2]string{names[1], fmt.Sprint("server ", n)}
		next, other = other, start(next.addr, names[1])
		ok = ok && load.await(names[1], 100) // HAProxy uses it again, so the other may stop
	}
	t.Logf("%d servers were stopped", n-2)
}

// startBalancer runs HAProxy with the configuration in ../../deploy, except for the addresses
// and the log, which has one line for each request.
func startBalancer(t *testing.T, one, two string) (addr string) {
	t.Helper()
	deployed, err := os.ReadFile("../../deploy/haproxy.cfg")
	if err != nil {
		t.Fatal(err)
	}
	config := string(deployed)
	for _, change := range [][2]string{
		{"bind :8080", "bind fd@3"},
		{"127.0.0.1:8081", one},
		{"127.0.0.1:8082", two},
		{"log stdout format raw local0", "log stdout format raw local0 notice"},
	} {
		if strings.Count(config, change[0]) != 1 {
			t.Fatalf("deploy/haproxy.cfg has %q %d times, want once", change[0], strings.Count(config, change[0]))
		}
		config = strings.Replace(config, change[0], change[1], 1)
	}
	file := writeFile(t, t.TempDir(), "haproxy.cfg", []byte(config))
	return startProxy(t, listen(t), exec.Command(peer(t, "haproxy", "haproxy"), "-db", "-f", file))
}
