//go:build unix

package scripts_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// A script is started by its path, which does not exist while the root is being replaced. It
// runs once the new root is in place.
func TestScriptWhileRootIsAbsent(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "v1")
	testkit.WriteFile(t, filepath.Join(dir, "a.sh"), "echo; echo old", 0o644)
	files := filesOfDir(t, dir, rawhttp.WithScript(".sh", "sh"))
	check := func(got, want string) {
		t.Helper()
		if !strings.HasPrefix(got, "HTTP/1.1 200 ") || !strings.Contains(got, want) {
			t.Errorf("answer %q, want 200 with %s", got, want)
		}
	}
	check(rawhttp.Answer(files, getRequest("/a.sh")), "old\n")

	testkit.WriteFile(t, filepath.Join(dir+".new", "a.sh"), "echo; echo new", 0o644)
	rename(t, dir, dir+".old")
	answer := make(chan string)
	go func() { answer <- rawhttp.Answer(files, getRequest("/a.sh")) }()
	waits := regexp.MustCompile(`time\.Sleep\(.*\n.*\nexample\.com/rawhttp\.\(\*scripts\)\.answer\(`)
	waitUntil(t, "the request waits for the new root", func() bool { return waits.MatchString(goroutines()) })
	rename(t, dir+".new", dir)
	check(<-answer, "new\n")

	rename(t, dir, dir+".gone")
	if got := rawhttp.Answer(files, getRequest("/a.sh")); !strings.HasPrefix(got, "HTTP/1.1 500 ") {
		t.Errorf("answer without a new root: %q, want 500", got)
	}
}

// While the root is replaced again and again, each script that is looked up and started runs.
func TestScriptsWhileRootIsReplaced(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "v1")
	for _, name := range []string{dir, dir + ".2"} {
		testkit.WriteFile(t, filepath.Join(name, "a.sh"), "echo; echo out", 0o644)
	}
	files := filesOfDir(t, dir, rawhttp.WithScript(".sh", "sh"))
	n := 20
	if *long {
		n = 200
	}
	for i := range n {
		replaced := make(chan struct{})
		go func() {
			defer close(replaced)
			time.Sleep(time.Duration(i%20) * 500 * time.Microsecond) // at different points of a run
			rename(t, dir, dir+".old")
			time.Sleep(time.Millisecond)
			rename(t, dir+".2", dir)
			rename(t, dir+".old", dir+".2")
		}()
		if got := rawhttp.Answer(files, getRequest("/a.sh")); !strings.HasPrefix(got, "HTTP/1.1 200 ") || !strings.Contains(got, "out\n") {
			t.Errorf("answer %q, want 200 with the output", got)
		}
		<-replaced // a root restored while a script starts would look unchanged
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Error(err)
	}
}
