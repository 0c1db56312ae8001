package browser

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
)

// start builds a program of examples/websocket and runs it on a port of 127.0.0.1. stop sends
// it SIGTERM, and returns when it has ended, which it must without an error.
func start(t *testing.T, name string, args ...string) (origin string, stop func()) {
	t.Helper()
	command := filepath.Join(t.TempDir(), name)
	build := exec.Command("go", "build", "-o", command, "./"+name)
	build.Dir = filepath.Join("..", "..", "examples", "websocket")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	run := exec.Command(command, append([]string{"-addr", "127.0.0.1:0"}, args...)...)
	output, err := run.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(output)
	for origin == "" && lines.Scan() {
		if m := regexp.MustCompile(`serving on (http://[^/]+)/`).FindStringSubmatch(lines.Text()); m != nil {
			origin = m[1]
		}
	}
	ended := make(chan error, 1)
	go func() {
		for lines.Scan() {
			fmt.Fprintln(t.Output(), lines.Text())
		}
		ended <- run.Wait()
	}()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		run.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			t.Errorf("%s ended with %v, want no error", name, err)
		}
	}
	t.Cleanup(stop)
	return origin, stop
}

// until waits for an expression to be true. It is evaluated again when the document changes.
func until(b *tab, expression string) {
	b.Helper()
	eval[bool](b, `new Promise(resolve => {
		const check = () => (`+expression+`) && resolve(true);
		check();
		new MutationObserver(check).observe(document, {subtree: true, childList: true, characterData: true, attributes: true});
	})`)
}

// TestWebSocketEcho sends messages with the page of the echo program, and stops the server while
// the page is open.
func TestWebSocketEcho(t *testing.T) {
	program(t, "chromium", "chromium")
	origin, stop := start(t, "echo")
	b := openAt(t, views[0], origin)
	b.goTo("/")
	until(b, `state.textContent === "open"`)
	messages := []string{"hello", "Grüße, κόσμε \U0001f600", strings.Repeat("long ", 20_000)}
	for i, message := range messages {
		eval[bool](b, fmt.Sprintf(`(document.getElementById("text").value = %q, true)`, message))
		b.do(chromedp.Click(chromedp.CSS("button")))
		until(b, fmt.Sprintf("answers.children.length === %d", i+1))
	}
	got := eval[[]string](b, `[...answers.children].map(item => item.textContent)`)
	if diff := cmp.Diff(messages, got); diff != "" {
		t.Errorf("answers on the page (-want +got):\n%.1000s", diff)
	}
	stop()
	until(b, `state.textContent === "closed: 1001 the server is stopping"`)
}

// TestLiveReload changes files while a page is open.
func TestLiveReload(t *testing.T) {
	program(t, "chromium", "chromium")
	root := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o644); err != nil {
			t.Error(err)
		}
	}
	const page = `<!doctype html><link rel="icon" href="data:,"><link rel="stylesheet" href="style.css"><title>page</title><p>`
	write("index.html", page+"one")
	write("style.css", "p { width: 100px }")
	origin, stop := start(t, "livereload", "-root", root)
	b := openAt(t, views[0], origin)
	b.goTo("/")
	for _, step := range []struct{ file, content, expression, want string }{
		{"index.html", page + "two", `document.querySelector("p").textContent.trim()`, "two"},
		{"style.css", "p { width: 200px }", `getComputedStyle(document.querySelector("p")).width`, "200px"},
		{"index.html", page + "three, longer", `document.querySelector("p").textContent.trim()`, "three, longer"},
	} {
		until(b, `document.documentElement.dataset.livereload === "open"`)
		b.load(func(context.Context, *chromedp.Target) (chromedp.Void, error) { // the page reloads by itself
			write(step.file, step.content)
			return chromedp.Void{}, nil
		})
		if got := eval[string](b, step.expression); got != step.want {
			t.Errorf("after a change of %s the page shows %q, want %q", step.file, got, step.want)
		}
	}
	b.do(chromedp.Navigate("about:blank")) // otherwise it would report that the server is unavailable
	stop()
}
