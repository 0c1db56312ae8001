package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// The printed address can be opened in a browser, and a warning says if the network can connect.
func TestAnnounce(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		addr  string
		users *users
		want  []string
	}{
		{"127.0.0.1:9000", nil, []string{"^rawhttp: serving site on http://127.0.0.1:9000/\n$"}},
		{"[::]:9000", nil, []string{"^rawhttp: serving site on http://localhost:9000/\n", "everyone on the network can read it"}},
		{"0.0.0.0:9000", nil, []string{"^rawhttp: serving site on http://localhost:9000/\n(rawhttp: and on http://[0-9.]+:9000/\n)*rawhttp: everyone"}},
		{"192.0.2.7:9000", nil, []string{"^rawhttp: serving site on http://192.0.2.7:9000/\n", "everyone on the network can read it"}},
		{"[2001:db8::1]:80", new(users), []string{"^rawhttp: serving site on http://\\[2001:db8::1\\]:80/\n", "who has a password"}},
	} {
		addr, err := net.ResolveTCPAddr("tcp", tt.addr)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		announce(&out, settings{root: "site", users: tt.users}, addr)
		for _, want := range tt.want {
			if !regexp.MustCompile(want).MatchString(out.String()) {
				t.Errorf("announce for %s prints %q, want %s", tt.addr, out.String(), want)
			}
		}
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.Addr().String()
	status, _, stderr := call(t, "", "-addr", addr, t.TempDir())
	match := regexp.MustCompile(`is in use; (127\.0\.0\.1:\d+) is free`).FindStringSubmatch(stderr)
	if status != 1 || match == nil || match[1] == addr {
		t.Errorf("-addr %s, which is in use: status %d, stderr %q, want 1 and another address that is free", addr, status, stderr)
	}
}

// A second signal ends the command even if it writes its log to a pipe that nobody reads.
func TestStopsAtOnceWithBlockedLog(t *testing.T) {
	t.Parallel()
	root := folder(t, "a.txt")
	if err := os.WriteFile(filepath.Join(root, "a.sh"), []byte("echo warning >&2"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, flag, path string // of the request that is logged
		skip             bool
	}{
		{"a request", "-log", "/a.txt", false},
		{"standard error of a script", "-script=.sh=sh", "/a.sh", !runsScripts()},
	}
	for _, tt := range tests {
		if tt.skip {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			graceful, stopGracefully := context.WithCancel(t.Context())
			atOnce, stopAtOnce := context.WithCancel(t.Context())
			blocked := make(chan struct{})
			isWritten := sync.OnceFunc(func() { close(blocked) })
			stderr, full := io.Pipe()
			defer stderr.Close()
			stdout, w := io.Pipe()
			status := make(chan int, 1)
			go func() {
				log := writerFunc(func(b []byte) (int, error) { isWritten(); return full.Write(b) })
				status <- run(stop{graceful, atOnce}, []string{"-port", "0", tt.flag, root}, nil, w, log)
			}()
			line, _ := bufio.NewReader(stdout).ReadString('\n')
			match := servingLine.FindStringSubmatch(line)
			if match == nil {
				t.Fatalf("run printed %q, want a line that matches %s", line, servingLine)
			}
			conn, err := net.Dial("tcp", match[1])
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", tt.path)
			<-blocked
			stopGracefully()
			stopAtOnce()
			wantStopped(t, status)
		})
	}
}

// wantStopped waits for the exit status of a command that was stopped at once.
func wantStopped(t *testing.T, status <-chan int) {
	t.Helper()
	select {
	case got := <-status:
		if got != 0 {
			t.Errorf("run = %d after it was stopped at once, want 0", got)
		}
	case <-time.After(30 * time.Second):
		t.Error("run has not returned 30 s after it was stopped at once")
	}
}

func TestLenientAnswersHandWrittenClients(t *testing.T) {
	t.Parallel()
	cmd := start(t, "-port", "0", "-lenient", "-list", "text", folder(t, "a.txt"))
	for _, head := range []string{"GET /a.txt HTTP/1.1\r\n", "GET /a.txt HTTP/1.1\n", "GET /a.txt HTTP/1.1\r\nHost: evil.test\r\n"} {
		conn, err := net.Dial("tcp", cmd.addr)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write([]byte(head))
		b := make([]byte, len("HTTP/1.1 200"))
		if _, err := io.ReadFull(conn, b); err != nil || string(b) != "HTTP/1.1 200" {
			t.Errorf("%q: %q, %v, want 200", head, b, err)
		}
		conn.Close()
	}
}

func TestSinglePage(t *testing.T) {
	t.Parallel()
	root := folder(t, "index.html", "app.js", "sub/a.txt")
	files, err := rawhttp.Dir(root, rawhttp.WithListing(rawhttp.ListNone))
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	resolver := singlePage("/index.html", rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if req.Path() == "/index.html" && req.Method() == "POST" {
			return rawhttp.Text(200, "posted"), nil // as a script could answer
		}
		return files.Resolve(ctx, req)
	}))
	for _, tt := range []struct{ request, field, want string }{
		{"GET /", "", "index.html"},
		{"GET /users/7", "", "index.html"},
		{"GET /sub/", "", "index.html"},
		{"GET /a.html", "", "index.html"},
		{"GET /app.js", "", "app.js"},
		{"GET /missing.js", "", "404 Not Found\n"},
		{"GET /users/7", "Sec-Fetch-Dest: script\r\n", "404 Not Found\n"},
		{"GET /users/7", "Sec-Fetch-Dest: document\r\n", "index.html"},
		{"GET /users/7", "Sec-Fetch-Dest: iframe\r\n", "index.html"},
		{"HEAD /users/7", "Sec-Fetch-Dest: document\r\n", ""},
		{"POST /users/7", "", "404 Not Found\n"},
	} {
		head, got, _ := strings.Cut(rawhttp.Answer(resolver, tt.request+" HTTP/1.1\r\nHost: a\r\n"+tt.field+"\r\n"), "\r\n\r\n")
		if got != tt.want || strings.HasPrefix(head, "HTTP/1.1 200 ") != !strings.HasPrefix(tt.want, "404 ") {
			t.Errorf("%s with %q: %q, %q, want %q", tt.request, tt.field, head, got, tt.want)
		}
	}
}

func TestWithFields(t *testing.T) {
	t.Parallel()
	shared := rawhttp.Text(200, "hello").Set("Cache-Control", "no-cache")
	resolver := withFields([]field{{"Access-Control-Allow-Origin", "*"}, {"cache-control", "no-store"}, {"X-A", "1"}, {"x-a", "2"}},
		rawhttp.Methods(map[string]rawhttp.Resolver{"GET": rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return shared, nil })}))
	for _, tt := range []struct{ method, want string }{{"GET", "200"}, {"POST", "405"}, {"OPTIONS", "204"}} {
		got := rawhttp.Answer(resolver, tt.method+" / HTTP/1.1\r\nHost: a\r\n\r\n")
		for _, want := range []string{"HTTP/1.1 " + tt.want, "\r\nAccess-Control-Allow-Origin: *\r\n", "\r\ncache-control: no-store\r\n", "\r\nX-A: 1\r\n", "\r\nx-a: 2\r\n"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q has no %q", tt.method, got, want)
			}
		}
		if strings.Contains(got, "no-cache") {
			t.Errorf("%s: %q has the replaced field", tt.method, got)
		}
	}
	for name := range shared.Fields() {
		if name == "X-A" {
			t.Error("the Response of the resolver was changed, not a clone")
		}
	}
}

// A graceful shutdown that takes more than a moment prints what it waits for.
func TestReportStopping(t *testing.T) {
	for _, tt := range []struct {
		name    string
		clients int
		request string
		want    string
	}{
		{"a client that has disconnected", 1, "", ""},
		{"a request in progress", 1, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n", "rawhttp: stopping: waiting up to 10 s for 1 request in progress; ^C again stops now\n"},
		{"requests in progress", 2, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n", "rawhttp: stopping: waiting up to 10 s for 2 requests in progress; ^C again stops now\n"},
		{"a client that has not closed its connection", 1, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nb", "rawhttp: stopping: waiting up to 10 s for 1 connection to close; ^C again stops now\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var busy progress
				srv, err := rawhttp.New(rawhttp.WithTrace(busy.trace()), rawhttp.WithResolver(rawhttp.ResolverFunc(
					func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
						if req.Path() == "/slow" {
							time.Sleep(5 * time.Second)
						}
						return rawhttp.Empty(204).CloseAfter(), nil
					})))
				if err != nil {
					t.Fatal(err)
				}
				var served sync.WaitGroup
				defer served.Wait()
				for range tt.clients {
					client, server := net.Pipe()
					defer client.Close()
					served.Go(func() { srv.ServeConn(t.Context(), server) })
					go io.Copy(io.Discard, client)
					io.WriteString(client, tt.request)
					if tt.request == "" {
						client.Close()
					}
				}
				synctest.Wait()
				var stderr strings.Builder
				reportStopping(&busy, srv, &stderr)
				if diff := cmp.Diff(tt.want, stderr.String()); diff != "" {
					t.Errorf("stderr (-want +got):\n%s", diff)
				}
			})
		})
	}
}
