package main

import (
	"context"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"example.com/rawhttp"
	"github.com/coder/websocket"
)

// start serves the folder on a port of 127.0.0.1 until the test ends. It returns the address,
// and a function that stops the server.
func start(t *testing.T, root string) (addr string, stop func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- serve(ctx, ln, root, time.Millisecond) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve = %v, want nil", err)
		}
	})
	t.Cleanup(stop)
	return ln.Addr().String(), stop
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestReload changes files while two pages wait. Each page receives a message for each change.
func TestReload(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "index.html"), "<p>one")
	addr, stop := start(t, root)
	var pages []*websocket.Conn
	for range 2 {
		conn, _, err := websocket.Dial(t.Context(), "ws://"+addr+socketPath, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		pages = append(pages, conn)
	}
	for _, change := range []func() error{
		func() error { return os.WriteFile(filepath.Join(root, "index.html"), []byte("<p>two, longer"), 0o644) },
		func() error { return os.WriteFile(filepath.Join(root, "new.css"), nil, 0o644) },
		func() error { return os.Mkdir(filepath.Join(root, "folder"), 0o755) },
		func() error { return os.Remove(filepath.Join(root, "new.css")) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		for _, conn := range pages {
			if _, message, err := conn.Read(t.Context()); err != nil || string(message) != "reload" {
				t.Fatalf("a page received %q, %v, want reload", message, err)
			}
		}
	}
	go stop()
	for _, conn := range pages {
		if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("a page received %v when the server stopped, want status %v", err, websocket.StatusGoingAway)
		}
	}
}

// TestPages requests pages that have the script, and others that do not.
func TestPages(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "page.html"), "<p>page")
	write(t, filepath.Join(root, "large.html"), strings.Repeat("x", maxPage+1))
	write(t, filepath.Join(root, "a.txt"), "text")
	addr, _ := start(t, root)
	const tag = `<script src="/.livereload.js"></script>`
	for _, tt := range []struct {
		path     string
		contains string
		script   bool
		why      string
	}{
		{"/page.html", "<p>page", true, "pages reload"},
		{"/large.html", "xxx", false, "it would be held in memory"},
		{"/a.txt", "text", false, "it is not a page"},
		{"/", "page.html", false, "a listing has a policy that forbids scripts"},
		{"/none", "404", false, "an error is not a page"},
		{scriptPath, "WebSocket", false, "it is the script"},
	} {
		resp, err := http.Get("http://" + addr + tt.path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got := string(b); err != nil || !strings.Contains(got, tt.contains) || strings.Contains(got, tag) != tt.script {
			t.Errorf("GET %s = %.200q, %v; want %q in it, and the script: %v; why: %s", tt.path, got, err, tt.contains, tt.script, tt.why)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestForeignPage connects from a page of another origin, which must not be notified of changes.
func TestForeignPage(t *testing.T) {
	got := rawhttp.Answer(reloads(newWatcher()), "GET / HTTP/1.1\r\nHost: example.test\r\nOrigin: http://evil.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 403 ") {
		t.Errorf("the answer is %q, want 403", got)
	}
}

// A folder is an fs.FS that can be changed while it is read.
type folder struct{ atomic.Pointer[fstest.MapFS] }

// set replaces the files of the folder. The arguments alternate between name and content.
func (f *folder) set(files ...string) {
	m := fstest.MapFS{}
	for file := range slices.Chunk(files, 2) {
		m[file[0]] = &fstest.MapFile{Data: []byte(file[1])}
	}
	f.Store(&m)
}

func (f *folder) Open(name string) (fs.File, error) { return f.Load().Open(name) }

// TestWatch changes a folder in fake time. A change is reported once, after two checks in a row
// that agree.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fsys folder
		fsys.set("a", "", ".hidden", "")
		w := newWatcher()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go w.watch(ctx, &fsys, time.Second)
		begin := time.Now()
		synctest.Wait()
		for _, step := range []struct {
			files    []string // nil if unchanged
			reported bool
		}{
			{[]string{"a", "longer", ".hidden", ""}, false},
			{[]string{"a", "longer", "b", "", ".hidden", ""}, false}, // still changing
			{nil, true},
			{nil, false},
			{[]string{"a", "longer", "b", "", ".hidden", "longer"}, false},
			{nil, false},
		} {
			if step.files != nil {
				fsys.set(step.files...)
			}
			next := w.next()
			time.Sleep(time.Second) // fake
			synctest.Wait()
			reported := false
			select {
			case <-next:
				reported = true
			default:
			}
			if reported != step.reported {
				t.Errorf("after %v a change was reported: %v, want %v", time.Since(begin), reported, step.reported)
			}
		}
	})
}
