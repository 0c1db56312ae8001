package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestScripts(t *testing.T) {
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS("site")); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", filepath.Join(root, "counter.cgi"), "./counter")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, out)
	}
	url := serve(t, root)

	const form = `<form method="post"><label>Name <input name="name"></label> <button>Greet</button></form>` + "\n"
	const typed = "application/x-www-form-urlencoded"
	tests := []struct {
		method, target, mediaType, content string
		status                             int
		wantType, want                     string
	}{
		{"GET", "/form.py", "", "", 200, "text/html; charset=utf-8", form},
		{"POST", "/form.py", typed, "name=%3CAnn%3E", 200, "text/html; charset=utf-8", "<p>Hello, &lt;Ann&gt;.</p>\n" + form},
		{"GET", "/time.sh?tokyo", "", "", 200, "text/plain", "JST\n"},
		{"GET", "/time.sh?/etc/passwd", "", "", 200, "text/plain", "UTC\n"},
		{"POST", "/counter.cgi", "text/plain", "one\ntwo\n", 200, "text/plain", "8 bytes, 2 lines\n"},
		{"GET", "/counter.cgi", "", "", 405, "text/plain", "send something\n"},
		{"GET", "/hello.php?name=Ann", "", "", 200, "text/plain;charset=UTF-8", "Hello, Ann.\n"},
		{"GET", "/hello.php?-s", "", "", 200, "text/plain;charset=UTF-8", "Hello, world.\n"}, // not an option of php-cgi
	}
	for _, tt := range tests {
		if _, err := exec.LookPath("php-cgi"); err != nil && strings.HasPrefix(tt.target, "/hello.php") {
			t.Logf("%s: php-cgi is not installed", tt.target)
			continue
		}
		req, err := http.NewRequest(tt.method, url+tt.target, strings.NewReader(tt.content))
		if err != nil {
			t.Fatal(err)
		}
		if tt.mediaType != "" {
			req.Header.Set("Content-Type", tt.mediaType)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		got := string(b)
		if strings.HasPrefix(tt.target, "/time.sh") && len(got) > len("12:34 ") {
			got = got[len("12:34 "):]
		}
		if resp.StatusCode != tt.status || resp.Header.Get("Content-Type") != tt.wantType || err != nil {
			t.Errorf("%s %s: %s, %s, %v, want %d, %s", tt.method, tt.target, resp.Status, resp.Header.Get("Content-Type"), err, tt.status, tt.wantType)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", tt.method, tt.target, diff)
		}
	}
}

// serve serves root until the test ends, and returns its URL.
func serve(t *testing.T, root string) string {
	srv, err := newServer(root)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- srv.Serve(context.Background(), ln) }()
	t.Cleanup(func() {
		srv.Close()
		<-done
	})
	return "http://" + ln.Addr().String()
}
