package peers

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"example.com/rawhttp"
)

// A spy is rawhttp spy in front of a server.
type spy struct {
	cmd  *exec.Cmd
	port string
	mu   sync.Mutex
	out  bytes.Buffer
	done chan struct{}
}

// startSpy runs rawhttp spy until the test ends or stop is called.
func startSpy(t *testing.T, command, server string) *spy {
	t.Helper()
	s := &spy{cmd: exec.Command(command, "spy", "-addr", "127.0.0.1:0", server), done: make(chan struct{})}
	s.cmd.Stderr = t.Output()
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.stop() })
	lines := bufio.NewReader(stdout)
	first, err := lines.ReadString('\n')
	match := regexp.MustCompile(`127\.0\.0\.1:(\d+) relays`).FindStringSubmatch(first)
	if err != nil || match == nil {
		t.Fatalf("%v: %q, %v", s.cmd, first, err)
	}
	s.port = match[1]
	go func() {
		defer close(s.done)
		for {
			line, err := lines.ReadString('\n')
			s.mu.Lock()
			s.out.WriteString(line)
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return s
}

// stop stops the spy and returns what it has printed.
func (s *spy) stop() string {
	s.cmd.Process.Signal(syscall.SIGTERM)
	<-s.done
	s.cmd.Wait()
	return s.out.String()
}

// Content arrives unchanged at curl through a spy, directly and behind nginx.
func TestSpyHTTP(t *testing.T) {
	command := buildCommand(t)
	content := someBytes(3 << 20)
	folder := t.TempDir()
	writeFile(t, folder, "a.bin", content)
	_, addr := serve(t, rawhttp.WithRoot(folder))
	for name, start := range map[string]func(t *testing.T, upstream string) (addr string){
		"curl":       func(t *testing.T, upstream string) string { return upstream },
		"with nginx": startNginx,
	} {
		t.Run(name, func(t *testing.T) {
			s := startSpy(t, command, addr)
			out := t.TempDir() + "/got"
			url := "http://" + start(t, "127.0.0.1:"+s.port) + "/a.bin"
			if b, err := exec.Command(peer(t, "curl", "curl"), "-q", "-sS", "--noproxy", "*", "-o", out, url).CombinedOutput(); err != nil {
				t.Fatalf("curl: %v\n%s", err, b)
			}
			got, err := os.ReadFile(out)
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("curl received %d bytes, %v, want those of the file", len(got), err)
			}
			wantInOrder(t, s.stop(), []string{
				`^#1\.1 C --> GET /a\.bin HTTP/1\.[01]<CRLF>$`, `^#1\.1 S <-- HTTP/1\.1 200 OK<CRLF>$`,
				fmt.Sprintf(`^#1\.1 S     \(%d bytes of application/octet-stream\)$`, len(content)),
			})
		})
	}
}

// Large amounts of data are relayed unchanged in both directions at once: 1 GB each with -long.
func TestSpyRelaysLargeData(t *testing.T) {
	size := int64(64 << 20)
	if *long {
		size = 1 << 30
	}
	stream := func(seed byte) io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{seed}), size) }
	say := func(c *net.TCPConn, seed byte) {
		io.Copy(c, stream(seed))
		c.CloseWrite()
	}
	hear := func(c *net.TCPConn, seed byte) error {
		n, err := io.Copy(&comparer{want: stream(seed)}, c)
		if err == nil && n != size {
			err = fmt.Errorf("%d bytes, want %d", n, size)
		}
		return err
	}
	ln := listen(t)
	defer ln.Close()
	heard := make(chan error, 1)
	go func() {
		c, err := ln.AcceptTCP()
		if err != nil {
			heard <- err
			return
		}
		defer c.Close()
		said := make(chan struct{})
		go func() {
			say(c, 1)
			close(said)
		}()
		err = hear(c, 2)
		<-said
		heard <- err
	}()
	s := startSpy(t, buildCommand(t), ln.Addr().String())
	nc, err := net.Dial("tcp", "127.0.0.1:"+s.port)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	go say(nc.(*net.TCPConn), 2)
	if err := hear(nc.(*net.TCPConn), 1); err != nil {
		t.Errorf("reading from the server: %v", err)
	}
	if err := <-heard; err != nil {
		t.Errorf("reading from the client: %v", err)
	}
	if shown := s.stop(); int64(len(shown)) > size/8 || !strings.Contains(shown, "closes") {
		t.Errorf("spy shows %d bytes of %d, want a shortened conversation with its end", len(shown), size)
	}
}

// A comparer is a Writer that returns an error for bytes other than the wanted ones.
type comparer struct {
	want io.Reader
	b    []byte
	off  int64
}

func (c *comparer) Write(p []byte) (int, error) {
	if len(c.b) < len(p) {
		c.b = make([]byte, len(p))
	}
	n, _ := io.ReadFull(c.want, c.b[:len(p)])
	if !bytes.Equal(c.b[:n], p) {
		return 0, fmt.Errorf("the bytes differ from those sent after offset %d", c.off)
	}
	c.off += int64(n)
	return len(p), nil
}

// wantInOrder checks that text has lines that match the expressions, in this order, among others.
func wantInOrder(t *testing.T, text string, want []string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if len(want) > 0 && regexp.MustCompile(want[0]).MatchString(strings.TrimSuffix(line, "\n")) {
			want = want[1:]
		}
	}
	if len(want) > 0 {
		t.Errorf("no line after the previous matches matches %s:\n%s", want[0], text)
	}
}
