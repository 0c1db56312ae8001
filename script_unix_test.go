//go:build unix

package rawhttp

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp/internal/jail"
	"example.com/rawhttp/internal/testkit"
)

// If another folder takes the name of the root, the old root is still served, links included.
// Its scripts can no longer be found by their names, and no script of the other folder runs.
func TestScriptRootReplaced(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	root := filepath.Join(parent, "root")
	testkit.WriteFile(t, filepath.Join(root, "x.sh"), "echo one", 0o644)
	testkit.WriteFile(t, filepath.Join(root, "y.sh"), "echo one", 0o644)
	testkit.WriteFile(t, filepath.Join(root, "plain.txt"), "plain", 0o644)
	if err := os.Symlink("x.sh", filepath.Join(root, "alias.txt")); err != nil {
		t.Fatal(err)
	}
	addrs := map[string]string{}
	for how, j := range testkit.Trees(t, root) {
		files := filesOfDir(t, root, WithScript(".sh", "sh"))
		files.tree.Close()
		files.tree, files.links = j, j
		_, addrs[how] = listen(t, WithResolver(files))
		t.Run(how+", missing script", func(t *testing.T) {
			t.Parallel()
			_, err := files.Resolve(t.Context(), resolveGet(t, "/y.sh"))
			if StatusOf(err) != 500 || errors.Is(err, fs.ErrNotExist) { // First would go on to a resolver that may send the source
				t.Errorf("Resolve of a script that its folder no longer has = %v, want 500, and not fs.ErrNotExist", err)
			}
		})
	}
	if err := os.Rename(root, filepath.Join(parent, "old")); err != nil {
		t.Fatal(err)
	}
	testkit.WriteFile(t, filepath.Join(root, "x.sh"), "echo other", 0o644)
	testkit.WriteFile(t, filepath.Join(root, "alias.txt"), "other", 0o644)
	for how, addr := range addrs {
		t.Run(how, func(t *testing.T) {
			t.Parallel() // since a script waits a second for its folder to come back
			if got := talk(t, addr, getRequest("/x.sh")); !strings.HasPrefix(got, "HTTP/1.1 500 ") || strings.Contains(got, "echo") {
				t.Errorf("a script of a folder that was replaced is answered with %q, want 500", got)
			}
			if got := talk(t, addr, getRequest("/alias.txt")); !strings.HasPrefix(got, "HTTP/1.1 404 ") || strings.Contains(got, "echo") {
				t.Errorf("a link to a script in a folder that was replaced is answered with %q, want 404", got)
			}
			if got := talk(t, addr, getRequest("/plain.txt")); !strings.HasSuffix(got, "\r\n\r\nplain") {
				t.Errorf("a file in a folder that was replaced is answered with %q, want plain", got)
			}
		})
	}
}

// A link never reveals the source of a script, whatever the name of the link. A link with a
// script's extension to a script runs it.
func TestLinksToScripts(t *testing.T) {
	root := testkit.Scripts(t, map[string]string{"s.sh": "echo; echo page", "sub/t.sh": "echo; echo page", "a.txt": "text", "sub/below/a.txt": "text", "s.sh.gz": "packed", "lib.sh/a.txt": "text",
		"v.s\u00adh": "echo; echo page", "v.sh.g\u00adz": "packed", // some file systems ignore U+00AD in names
	})
	for link, target := range map[string]string{
		"alias.txt": "s.sh", "alias2.txt": "alias.txt", "sub/up.txt": "../s.sh", "alias.SH": "s.sh",
		"page.html.gz": "s.sh", "down.txt": "sub/t.sh", "plain.txt": "a.txt", "out.txt": "../s.sh",
		"sub/below/x.txt": "../y.txt", "sub/y.txt": "z.txt", "sub/z.txt": "t.sh", "folder": "sub/below", "far.txt": "folder/x.txt",
		"packed.bin": "s.sh.gz", "a.txt.gz": "s.sh", "lib": "lib.sh", "ignored.txt": "v.s\u00adh", "ignored.bin": "v.sh.g\u00adz",
	} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	for how, j := range testkit.Trees(t, root) {
		files := filesOfDir(t, root, WithScript(".sh", "sh"))
		files.tree.Close()
		files.tree, files.links = j, j
		t.Run(how, func(t *testing.T) { checkScriptLinks(t, WithResolver(files)) })
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(root, "a.txt"), old, old); err != nil { // so that its sidecars are not older than the file
		t.Fatal(err)
	}
	_, addr := listen(t, WithRoot(root), WithDate(false), WithScript(".sh", "sh"), WithPrecompressed("gzip"))
	for codings, want := range map[string]string{"gzip": "text", "gzip, identity;q=0": "406 Not Acceptable\n"} {
		_, got := splitHead(talk(t, addr, "GET /a.txt HTTP/1.1\r\nHost: example.test\r\nAccept-Encoding: "+codings+"\r\n\r\n"))
		if got != want {
			t.Errorf("a file whose sidecar is a link to a script is answered with %q to Accept-Encoding: %s, want %q", got, codings, want)
		}
	}
}

func checkScriptLinks(t *testing.T, files Option) {
	_, addr := listen(t, files)
	listed := talk(t, addr, getRequest("/")) + talk(t, addr, getRequest("/sub/"))
	for name, want := range map[string]string{
		"/alias.txt": "404 Not Found", "/alias2.txt": "404 Not Found", "/sub/up.txt": "404 Not Found", "/alias.SH": "\npage",
		"/page.html.gz": "404 Not Found", "/down.txt": "404 Not Found", "/plain.txt": "text", "/out.txt": "404 Not Found",
		"/folder/x.txt": "404 Not Found", "/folder/a.txt": "text", "/sub/y.txt": "404 Not Found", "/far.txt": "404 Not Found", "/packed.bin": "404 Not Found",
		"/ignored.txt": "404 Not Found", "/ignored.bin": "404 Not Found",
	} {
		answer := talk(t, addr, "GET "+name+" HTTP/1.0\r\n\r\n") // the answer of a script is never chunked
		_, content, _ := strings.Cut(answer, "\r\n\r\n")
		if strings.TrimSuffix(content, "\n") != want {
			t.Errorf("GET %s is answered with %q, want %q", name, content, want)
		}
		if got, want := strings.Contains(listed, filepath.Base(name)+"\n"), want != "404 Not Found"; got != want {
			t.Errorf("%s is listed: %v, want %v", name, got, want)
		}
	}
	if answer := talk(t, addr, getRequest("/lib/")); !strings.HasSuffix(answer, "\r\n\r\na.txt\n") || !strings.Contains(listed, "lib/\n") {
		t.Errorf("a link to a folder with the name of a script is answered with %q, and the listing is %q, want it served and listed as a folder", answer, listed)
	}
}

// Files that are refused, or only examined, are closed at once and not by a finalizer.
func TestLinksLeakNoDescriptors(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	root := testkit.Scripts(t, map[string]string{"s.sh": "echo", "a.txt": "a"})
	for link, target := range map[string]string{"alias.txt": "s.sh", "plain.txt": "a.txt"} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	for how, j := range testkit.Trees(t, root) {
		files := filesOfDir(t, root, WithScript(".sh", "sh"))
		files.tree.Close()
		files.tree, files.links = j, j
		before := testkit.Descriptors()
		for range 100 {
			if _, err := files.Resolve(t.Context(), resolveGet(t, "/alias.txt")); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("%s: a link to a script is answered with %v, want 404", how, err)
			}
			if _, err := j.Stat("plain.txt"); err != nil {
				t.Fatal(err)
			}
		}
		if after := testkit.Descriptors(); after >= before+10 {
			t.Errorf("%s: %d descriptors are open after 100 requests, want %d as before", how, after, before)
		}
	}
}

// A readlinkFails is a tree that cannot read the targets of links.
type readlinkFails struct {
	jail.LinkReader
	err error
}

func (r readlinkFails) Readlink(string) (string, error) { return "", r.err }

// A file is not served if the server cannot find out whether it is a link to a script. A
// shortage of resources is not reported as 404.
func TestLinksThatCannotBeRead(t *testing.T) {
	files := filesOfDir(t, testkit.Scripts(t, map[string]string{"a.txt": "a"}), WithScript(".sh", "sh"))
	links := files.links
	for failure, want := range map[error]int{syscall.EMFILE: 503, os.ErrClosed: 503, syscall.EIO: 500, syscall.EACCES: 403, syscall.ENOENT: 404, syscall.EINVAL: 200} {
		files.links = readlinkFails{links, failure}
		if got, err := statusOfResolve(t, files, "/a.txt"); got != want {
			t.Errorf("if Readlink fails with %v, a file is answered with %d (%v), want %d", failure, got, err, want)
		}
	}
}

// statusOfResolve returns the status of an error of Resolve, with the error, or 200.
func statusOfResolve(t *testing.T, files *FileResolver, path string) (int, error) {
	t.Helper()
	resp, err := files.Resolve(t.Context(), resolveGet(t, path))
	if err != nil {
		return StatusOf(err), err
	}
	return 200, resp.Close()
}

// An aTxtLink is a tree in which a.txt is a link to the target.
type aTxtLink struct {
	jail.LinkReader
	target string
}

func (l aTxtLink) Readlink(name string) (string, error) {
	if name == "a.txt" {
		return l.target, nil
	}
	return "", syscall.EINVAL
}

// A link is not followed to a name that some file systems accept for another file, unless the
// folder really has an entry with that name: S~1.SH may be a script with any name.
func TestLinksToAliases(t *testing.T) {
	files := filesOfDir(t, testkit.Scripts(t, map[string]string{"a.txt": "a", "b.txt": "b", "b~2.txt": "b"}), WithScript(".sh", "sh"))
	links := files.links
	for target, want := range map[string]int{"b.txt": 200, "b~2.txt": 200, "B~2.TXT": 404, "S~1.TXT": 404, "S~1.SH": 404, "b.txt.": 404} {
		files.links = aTxtLink{links, target}
		if got, err := statusOfResolve(t, files, "/a.txt"); got != want {
			t.Errorf("a link to %s is answered with %d (%v), want %d", target, got, err, want)
		}
	}
}

// The constants have the values that the documentation says.
func TestScriptLimitsAreAsDocumented(t *testing.T) {
	want := []any{64, 5 * time.Second, 10 * time.Second, 64 << 20, 64 << 10, 64 << 10, 100 * time.Millisecond, 500 * time.Millisecond}
	got := []any{maxWaitingScripts, maxScriptWait, maxFirstByte, maxScriptOutput, maxScriptHeld, maxScriptStderr, scriptHold, scriptGrace}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
}

// The limit on the time to the first byte counts only the script's own time. The times that it
// takes to read its content add up, however many pieces the content arrives in.
func TestScriptTimeToReadAddsUp(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	var late atomic.Bool
	x := &scriptRun{late: time.AfterFunc(time.Hour, func() { late.Store(true) })}
	f := &feeder{run: x, to: w, buf: make([]byte, maxPipe), left: 100 * time.Millisecond}
	for range 1000 { // each wait is shorter than the limit
		w.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		if f.write(); late.Load() {
			return
		}
	}
	t.Error("a script that reads nothing for 20 s does not exceed its limit")
}

// The standard error of a script is logged after its end, even if another process holds the pipe
// open, and however late the server reads it.
func TestScriptErrorsAfterTheEnd(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	want := slices.Repeat([]string{strings.Repeat("e", 99)}, 3*minBuffer/100)
	if _, err := io.WriteString(w, strings.Join(want, "\n")); err != nil {
		t.Fatal(err)
	}
	r.SetReadDeadline(time.Unix(1, 0)) // as tend does when the script is over
	var got []string
	x := &scriptRun{process: &process{err: r}, logged: make(chan struct{}), warn: func(_ string, args ...any) {
		got = append(got, args[1].(string))
	}}
	x.logErrors()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("logged (-want +got):\n%s", diff)
	}
}

// Descriptors that the server inherited are not open in scripts: a shell's "exec 7<secret", a
// socket of systemd, or one that another program forgot to close. The test runs itself as
// such a server.
func TestScriptInheritsNothing(t *testing.T) {
	t.Parallel()
	const secret, name = "inherited secret", "RAWHTTP_TEST_INHERITED"
	if os.Getenv(name) == "" {
		file := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(file, []byte(secret), 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), name+"=1")
		cmd.ExtraFiles = make([]*os.File, 120) // the first is descriptor 3
		for _, fd := range []int{3, 7, 9, 10, 63, 122} {
			cmd.ExtraFiles[fd-3] = f
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("the server with inherited descriptors: %v\n%s", err, out)
		}
		return
	}
	for _, fd := range []int{3, 7, 122} { // otherwise the test proves nothing
		if n, err := syscall.Pread(fd, make([]byte, 100), 0); n != len(secret) {
			t.Fatalf("descriptor %d of the server: %d bytes, %v, want the secret", fd, n, err)
		}
	}
	root := testkit.Scripts(t, map[string]string{
		"shell.sh": "echo; for n in 3 4 5 6 7 8 9; do (eval \"cat <&$n\") 2>&1; done; echo end",
		"self.cgi": "#!/bin/sh\necho; for n in 3 4 5 6 7 8 9; do (eval \"cat <&$n\") 2>&1; done; echo end",
		"ls.fds":   "",
	})
	check := func(what string) {
		opts := []Option{WithRoot(root), WithDate(false), WithScript(".sh", "sh"), WithScript(".cgi")}
		if runtime.GOOS == "linux" {
			opts = append(opts, WithScript(".fds", "ls", "/proc/self/fd"))
		}
		_, addr := listen(t, opts...)
		for _, target := range []string{"/shell.sh", "/self.cgi"} {
			_, got := splitHead(talk(t, addr, "GET "+target+" HTTP/1.0\r\n\r\n"))
			if strings.Contains(got, secret) || !strings.HasSuffix(got, "end\n") {
				t.Errorf("%s: %s printed %q, want no secret", what, target, got)
			}
		}
		if runtime.GOOS == "linux" {
			_, got := splitHead(talk(t, addr, "GET /ls.fds HTTP/1.0\r\n\r\n"))
			if _, got, _ = strings.Cut(got, "/proc/self/fd:\n"); got != "0\n1\n2\n3\n" { // 3 is ls's own
				t.Errorf("%s: descriptors of a script: %q, want 0, 1 and 2", what, got)
			}
		}
	}
	check("inherited")
	descriptorFolder[runtime.GOOS] = "/nowhere" // as on a system without /proc
	for range 3 {
		fd, err := syscall.Dup(3) // the copy is not marked close-on-exec
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(fd)
	}
	check("dup without close-on-exec")
}
