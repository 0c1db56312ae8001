package browser

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"example.com/rawhttp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// stop ends the browser, if one was started.
var stop = func() {}

func TestMain(m *testing.M) {
	code := m.Run()
	stop()
	os.Exit(code)
}

// program returns the path of a command, or fails the test.
func program(t *testing.T, command, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(command)
	if err != nil {
		t.Fatalf("%s is not installed (Debian: apt-get install %s)", command, debianPackage)
	}
	return path
}

// browser starts Chromium, once. It has a profile of its own, and loads nothing
// except the pages.
var browser = sync.OnceValues(func() (context.Context, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // root cannot use the sandbox
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("hide-scrollbars", true), // their width differs between systems
	)
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stopBrowser := chromedp.NewContext(allocator)
	stop = func() {
		stopBrowser()
		stopAllocator()
	}
	return ctx, chromedp.Do(ctx)
})

// A view is a color scheme and a width of the window.
type view struct {
	scheme string
	width  int64
}

var views = []view{{"light", 360}, {"dark", 360}, {"light", 1280}, {"dark", 1280}}

// A tab shows pages of one server.
type tab struct {
	*testing.T
	ctx      context.Context
	origin   string
	messages int // expected on the console
}

// open opens a tab for a server with the options.
func open(t *testing.T, v view, opts ...rawhttp.Option) *tab {
	t.Helper()
	program(t, "chromium", "chromium")
	return openAt(t, v, serve(t, opts...))
}

// openAt opens a tab. When the test ends, its console must have only expected messages: no
// error, no warning and no violation of the policy.
func openAt(t *testing.T, v view, origin string) *tab {
	t.Helper()
	program(t, "chromium", "chromium")
	parent, err := browser()
	if err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	ctx, closeTab := chromedp.NewContext(parent)
	t.Cleanup(closeTab)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // limits a hang
	t.Cleanup(cancel)
	b := &tab{T: t, ctx: ctx, origin: origin}
	console := chromedp.Console(ctx)
	t.Cleanup(func() {
		const end = "the end of the test"
		b.do(chromedp.Evaluate[chromedp.Void](`console.info("` + end + `")`))
		var messages []string
		for m, err := range console {
			if err != nil {
				t.Errorf("read the console: %v", err)
				return
			}
			if m.Text == end {
				break
			}
			messages = append(messages, fmt.Sprint(m, " ", m.URL))
		}
		if len(messages) != b.messages {
			t.Errorf("want %d messages on the console, got %q", b.messages, messages)
		}
	})

	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: v.scheme}},
	})
	call(b, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	b.do(chromedp.EmulateViewport(v.width, 800))
	return b
}

// serve serves on a port of 127.0.0.1 until the test ends, and returns the origin.
func serve(t *testing.T, opts ...rawhttp.Option) (origin string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	srv, err := rawhttp.New(append([]rawhttp.Option{rawhttp.WithLogger(logger)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(context.Background(), ln) }()
	t.Cleanup(func() {
		srv.Close() // the browser keeps connections open
		if err := <-done; err != nil && err != rawhttp.ErrServerClosed {
			t.Errorf("Serve = %v, want nil", err)
		}
	})
	return "http://" + ln.Addr().String()
}

// do runs actions in the tab.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.Fatal(err)
	}
}

// load runs actions that make the browser load another page, which must exist, and
// waits for it.
func (b *tab) load(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	resp, err := chromedp.RunResponse(b.ctx, steps...)
	if err != nil {
		b.Fatal(err)
	}
	if resp.Status != 200 && resp.Status != 304 {
		b.Fatalf("%s is answered with %d", resp.URL, resp.Status)
	}
}

// goTo shows a page of the server.
func (b *tab) goTo(target string) {
	b.Helper()
	b.load(chromedp.Navigate(b.origin + target))
}

// eval returns the value of an expression, or of the promise that it returns.
func eval[T any](b *tab, expression string) T {
	b.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("%.200s: %v", expression, err)
	}
	return v
}

// folder makes a folder of files, named site. Names with a slash at the end are folders, and sizes
// are in bytes. The first has the modification time below, and each other one a minute more than
// the previous one.
func folder(t *testing.T, files ...file) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "site")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	changed := time.Date(2026, 11, 2, 8, 15, 0, 0, time.UTC)
	for _, f := range files {
		path := filepath.Join(root, f.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch {
		case f.link != "":
			err = os.Symlink(f.link, path)
		case f.name[len(f.name)-1] == '/':
			err = os.MkdirAll(path, 0o755)
		default:
			err = os.WriteFile(path, make([]byte, f.size), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := len(files) - 1; i >= 0; i-- { // folders change with their entries
		if files[i].link == "" {
			at := changed.Add(time.Duration(i) * time.Minute)
			if err := os.Chtimes(filepath.Join(root, files[i].name), at, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

type file struct {
	name string
	size int
	link string // target, for a symbolic link
}
