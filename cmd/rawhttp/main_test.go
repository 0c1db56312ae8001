package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// isCommand is the environment variable that makes the test binary run the command.
const isCommand = "RAWHTTP_TEST_IS_COMMAND"

// TestMain runs the command instead of the tests if a test has started the binary as the command.
func TestMain(m *testing.M) {
	if os.Getenv(isCommand) != "" {
		main()
	}
	maxStopTime = 100 * time.Millisecond
	flag.Set("test.parallel", "32") // parallel tests wait for time, not for processors
	os.Exit(m.Run())
}

// lockedBuffer is a bytes.Buffer for writers on several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A command is a call of run that serves.
type command struct {
	line   string // its output when it was ready
	addr   string // address on which it listens
	stderr lockedBuffer
	stop   func() int // ends its context and returns its status
}

var servingLine = regexp.MustCompile(`^rawhttp: serving .* on http://(.*)/\n$`)

// start calls run with the arguments and waits until it has printed its address.
// The end of the test stops it; run must then return 0 and have printed nothing
// more.
func start(t *testing.T, args ...string) *command {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cmd := new(command)
	stdout, w := io.Pipe()
	status := make(chan int, 1)
	go func() {
		status <- run(stop{ctx, context.Background()}, args, nil, w, &cmd.stderr)
		w.Close()
	}()
	lines := bufio.NewReader(stdout)
	cmd.stop = sync.OnceValue(func() int {
		cancel()
		if more, _ := io.ReadAll(lines); len(more) > 0 {
			t.Errorf("run(%q) printed %q after its address", args, more)
		}
		return <-status
	})
	t.Cleanup(func() {
		if got := cmd.stop(); got != 0 {
			t.Errorf("run(%q) = %d at the end of its context, want 0; stderr:\n%s", args, got, cmd.stderr.String())
		}
	})
	line, _ := lines.ReadString('\n')
	match := servingLine.FindStringSubmatch(line)
	if match == nil {
		t.Fatalf("run(%q) printed %q, want a line that matches %s; stderr:\n%s", args, line, servingLine, cmd.stderr.String())
	}
	cmd.line, cmd.addr = line, match[1]
	return cmd
}

// fetch requests a raw path and returns the response and its content.
func (c *command) fetch(t *testing.T, path string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(content)
}

// logged returns what the command has written to standard error, without the line that says what it
// waits for while it stops. On a busy machine there is one even if no client is connected.
func (c *command) logged() string {
	return regexp.MustCompile(`(?m)^rawhttp: stopping: .*\n`).ReplaceAllString(c.stderr.String(), "")
}

// folder makes a folder with the files, whose content is their path.
func folder(t *testing.T, names ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range names {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestRunFlags(t *testing.T) {
	t.Parallel()
	root := folder(t, "index.html", "home.html", "sub/a.txt", "sub/.hidden")
	type answer struct {
		Status  int
		Content string
		Server  []string
	}
	tests := []struct {
		name string
		args []string
		path string
		want answer
	}{
		{"a file", nil, "/sub/a.txt", answer{200, "sub/a.txt", nil}},
		{"-list is html by default", nil, "/sub/?format=text", answer{200, "a.txt\n", nil}},
		{"-list text", []string{"-list", "text"}, "/sub/", answer{200, "a.txt\n", nil}},
		{"-list none", []string{"-list", "none"}, "/sub/", answer{404, "404 Not Found\n", nil}},
		{"-list html still serves index files", []string{"-list", "html"}, "/", answer{200, "index.html", nil}},
		{"-list html, ?format=text", []string{"-list", "html"}, "/sub/?format=text", answer{200, "a.txt\n", nil}},
		{"-list text, ?format=html", []string{"-list", "text"}, "/sub/?format=html", answer{200, "a.txt\n", nil}},
		{"the last -list wins", []string{"-list", "none", "-list", "text"}, "/sub/", answer{200, "a.txt\n", nil}},
		{"-list none still serves index files", []string{"-list", "none"}, "/", answer{200, "index.html", nil}},
		{"-index is index.html by default", nil, "/", answer{200, "index.html", nil}},
		{"-index with one name", []string{"-index", "home.html"}, "/", answer{200, "home.html", nil}},
		{"-index with several names, the first that exists", []string{"-index", "none.html,home.html,index.html"}, "/", answer{200, "home.html", nil}},
		{"-index with no name", []string{"-index", "", "-list", "text"}, "/", answer{200, "sub/\nhome.html\nindex.html\n", nil}},
		{"hidden without -dotfiles", nil, "/sub/.hidden", answer{404, "404 Not Found\n", nil}},
		{"-dotfiles serves", []string{"-dotfiles"}, "/sub/.hidden", answer{200, "sub/.hidden", nil}},
		{"-dotfiles lists", []string{"-dotfiles", "-list", "text"}, "/sub/", answer{200, ".hidden\na.txt\n", nil}},
		{"-dotfiles=false", []string{"-dotfiles=false"}, "/sub/.hidden", answer{404, "404 Not Found\n", nil}},
		{"-server", []string{"-server", "example/1.0"}, "/sub/a.txt", answer{200, "sub/a.txt", []string{"example/1.0"}}},
		{"-server with an empty value", []string{"-server", ""}, "/sub/a.txt", answer{200, "sub/a.txt", nil}},
		{"several flags", []string{"--server=x", "-list=none", "-dotfiles"}, "/sub/.hidden", answer{200, "sub/.hidden", []string{"x"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			args := slices.Concat([]string{"-addr", "127.0.0.1:0"}, tt.args, []string{root})
			cmd := start(t, args...)
			resp, content := cmd.fetch(t, tt.path)
			got := answer{resp.StatusCode, content, resp.Header["Server"]}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("run(%q): GET %s (-want +got):\n%s", args, tt.path, diff)
			}
			if got := cmd.stop(); got != 0 {
				t.Errorf("run(%q) = %d at the end of its context, want 0", args, got)
			}
			if got := cmd.logged(); got != "" {
				t.Errorf("run(%q) wrote %q to stderr, want nothing without -log", args, got)
			}
		})
	}
}

// A word without a dot is both an extension and the name of a file.
func TestMediaTypes(t *testing.T) {
	t.Parallel()
	root := folder(t, "Makefile", "x.md", "md", "b.makefile", "none", "a.txt")
	for _, tt := range []struct{ flag, path, want string }{
		{"makefile=a/b", "/Makefile", "a/b"},
		{"Makefile=a/b", "/Makefile", "a/b"},
		{"md=a/b", "/x.md", "a/b"},
		{".md=a/b", "/x.md", "a/b"},
		{".none=a/b", "/none", "application/octet-stream"},
		{"=a/b", "/none", "a/b"},
		{"=a/b", "/a.txt", "text/plain; charset=utf-8"},
	} {
		cmd := start(t, "-port", "0", "-type", tt.flag, root)
		resp, _ := cmd.fetch(t, tt.path)
		if got := resp.Header.Get("Content-Type"); got != tt.want {
			t.Errorf("-type %s: %s has the type %q, want %q", tt.flag, tt.path, got, tt.want)
		}
		cmd.stop()
	}
}

func TestRunListHTML(t *testing.T) {
	t.Parallel()
	cmd := start(t, "-addr", "127.0.0.1:0", "-list", "html", folder(t, "sub/a.txt"))
	resp, page := cmd.fetch(t, "/sub/")
	if got, want := resp.Header.Get("Content-Type"), "text/html; charset=utf-8"; resp.StatusCode != 200 || got != want {
		t.Errorf("GET /sub/ with -list html: status %d, Content-Type %q, want 200, %q", resp.StatusCode, got, want)
	}
	for _, want := range []string{"<title>Index of /sub/</title>", `<a href="a.txt">a.txt</a>`} {
		if !strings.Contains(page, want) {
			t.Errorf("GET /sub/ with -list html has no %s in it:\n%s", want, page)
		}
	}
}

func TestRunPrintsAddress(t *testing.T) {
	t.Parallel()
	root := folder(t, "a.txt")
	cmd := start(t, "-addr", "127.0.0.1:0", root)
	host, port, err := net.SplitHostPort(cmd.addr)
	if err != nil || host != "127.0.0.1" || port == "0" {
		t.Errorf("the address printed is %q, want 127.0.0.1 and the port it listens on", cmd.addr)
	}
	if want := "rawhttp: serving " + root + " on http://" + cmd.addr + "/\n"; cmd.line != want {
		t.Errorf("printed %q, want %q", cmd.line, want)
	}
}

func TestRunServesWorkingDirectoryByDefault(t *testing.T) {
	t.Chdir(folder(t, "here.txt"))
	cmd := start(t, "-addr", "127.0.0.1:0")
	if _, content := cmd.fetch(t, "/here.txt"); content != "here.txt" {
		t.Errorf("GET /here.txt without a root argument = %q, want the file of the working directory", content)
	}
	if want := "rawhttp: serving . on "; !strings.HasPrefix(cmd.line, want) {
		t.Errorf("printed %q, want it to begin with %q", cmd.line, want)
	}
}

// The default port may be in use on this machine; then the error names it.
func TestRunListensOnLoopbackByDefault(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr lockedBuffer
	run(stop{ctx, context.Background()}, []string{t.TempDir()}, nil, &stdout, &stderr)
	if got, want := stdout.String()+stderr.String(), "127.0.0.1:8080"; !strings.Contains(got, want) {
		t.Errorf("run without -addr wrote %q, want it to name %s", got, want)
	}
}

// An idle connection does not delay a graceful shutdown.
func TestRunStopsGracefully(t *testing.T) {
	t.Parallel()
	cmd := start(t, "-addr", "127.0.0.1:0", folder(t, "a.txt"))
	idle, err := net.Dial("tcp", cmd.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	fmt.Fprint(idle, "GET /a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
	r := bufio.NewReader(idle)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	if got := cmd.stop(); got != 0 {
		t.Errorf("run = %d at the end of its context, want 0", got)
	}
	if rest, err := io.ReadAll(r); len(rest) > 0 || err != nil {
		t.Errorf("the idle connection read %q, %v, want io.EOF only", rest, err)
	}
}

func TestRunCannotServe(t *testing.T) {
	t.Parallel()
	root := folder(t, "a.txt")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	tests := []struct {
		name  string
		args  []string
		names string
	}{
		{"missing root", []string{"-addr", "127.0.0.1:0", filepath.Join(root, "missing")}, "missing"},
		{"root is a file", []string{"-addr", "127.0.0.1:0", filepath.Join(root, "a.txt")}, "a.txt"},
		{"port in use", []string{"-addr", taken.Addr().String(), root}, taken.Addr().String()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantOneLine(t, tt.args, 1, tt.names) })
	}
}
