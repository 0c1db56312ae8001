//go:build unix

package rawhttp

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/rawhttp/internal/jail"
)

// A root whose name is given to another folder is served as it was, links too, but its
// scripts are not found by their names any more: none of the other is run.
func TestScriptRootReplaced(t *testing.T) {
	parent := t.TempDir()
	root := filepath.Join(parent, "root")
	scriptioWrite(t, filepath.Join(root, "x.sh"), "echo one", 0o644)
	scriptioWrite(t, filepath.Join(root, "plain.txt"), "plain", 0o644)
	if err := os.Symlink("x.sh", filepath.Join(root, "alias.txt")); err != nil {
		t.Fatal(err)
	}
	addrs := map[string]string{}
	for how, j := range jails(t, root) {
		files := filesOfDir(t, root, WithScript(".sh", "sh"))
		files.tree.Close()
		files.tree, files.links = j, j
		_, addrs[how] = listen(t, WithResolver(files))
	}
	if err := os.Rename(root, filepath.Join(parent, "old")); err != nil {
		t.Fatal(err)
	}
	scriptioWrite(t, filepath.Join(root, "x.sh"), "echo other", 0o644)
	scriptioWrite(t, filepath.Join(root, "alias.txt"), "other", 0o644)
	for how, addr := range addrs {
		if got := talk(t, addr, scriptioGet("/x.sh")); !strings.HasPrefix(got, "HTTP/1.1 500 ") || strings.Contains(got, "echo") {
			t.Errorf("%s: a script of a folder that was replaced is answered with %q, want 500", how, got)
		}
		if got := talk(t, addr, scriptioGet("/alias.txt")); !strings.HasPrefix(got, "HTTP/1.1 404 ") || strings.Contains(got, "echo") {
			t.Errorf("%s: a link to a script in a folder that was replaced is answered with %q, want 404", how, got)
		}
		if got := talk(t, addr, scriptioGet("/plain.txt")); !strings.HasSuffix(got, "\r\n\r\nplain") {
			t.Errorf("%s: a file in a folder that was replaced is answered with %q", how, got)
		}
	}
}

// A link gives no script away, whatever it is called itself; one to a script that has
// its extension is run.
func TestLinksToScripts(t *testing.T) {
	root := scriptioFolder(t, map[string]string{"s.sh": "echo; echo page", "sub/t.sh": "echo; echo page", "a.txt": "text", "sub/below/a.txt": "text", "s.sh.gz": "packed", "lib.sh/a.txt": "text"})
	for link, target := range map[string]string{
		"alias.txt": "s.sh", "alias2.txt": "alias.txt", "sub/up.txt": "../s.sh", "alias.SH": "s.sh",
		"page.html.gz": "s.sh", "down.txt": "sub/t.sh", "plain.txt": "a.txt", "out.txt": "../s.sh",
		"other.txt": "s.sh", "sub/below/x.txt": "../y.txt", "sub/y.txt": "z.txt", "sub/z.txt": "t.sh", "folder": "sub/below", "far.txt": "folder/x.txt",
		"packed.bin": "s.sh.gz", "a.txt.gz": "s.sh", "lib": "lib.sh",
	} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	for how, j := range jails(t, root) {
		files := filesOfDir(t, root, WithScript(".sh", "sh"))
		files.tree.Close()
		files.tree, files.links = j, j
		t.Run(how, func(t *testing.T) { scriptioLinks(t, WithResolver(files)) })
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(root, "a.txt"), old, old); err != nil { // so that what is beside it is no older
		t.Fatal(err)
	}
	addr := scriptioServe(t, root, WithPrecompressed("gzip"))
	for codings, want := range map[string]string{"gzip": "text", "gzip, identity;q=0": "406 Not Acceptable\n"} {
		_, got := splitHead(talk(t, addr, "GET /a.txt HTTP/1.1\r\nHost: example.test\r\nAccept-Encoding: "+codings+"\r\n\r\n"))
		if got != want {
			t.Errorf("a file beside which a link leads to a script is answered with %q where %s is accepted, want %q", got, codings, want)
		}
	}
}

func scriptioLinks(t *testing.T, files Option) {
	_, addr := listen(t, files)
	listed := talk(t, addr, scriptioGet("/")) + talk(t, addr, scriptioGet("/sub/"))
	for name, want := range map[string]string{
		"/alias.txt": "404 Not Found", "/alias2.txt": "404 Not Found", "/sub/up.txt": "404 Not Found", "/alias.SH": "\npage",
		"/page.html.gz": "404 Not Found", "/down.txt": "404 Not Found", "/plain.txt": "text", "/out.txt": "404 Not Found",
		"/folder/x.txt": "404 Not Found", "/folder/a.txt": "text", "/sub/y.txt": "404 Not Found", "/far.txt": "404 Not Found", "/packed.bin": "404 Not Found",
	} {
		answer := talk(t, addr, scriptioGet(name))
		_, content, _ := strings.Cut(answer, "\r\n\r\n")
		if strings.TrimSuffix(content, "\n") != want {
			t.Errorf("GET %s is answered with %q, want %q", name, content, want)
		}
		if got, want := strings.Contains(listed, filepath.Base(name)+"\n"), want != "404 Not Found"; got != want {
			t.Errorf("%s is listed: %v, want %v", name, got, want)
		}
	}
	if answer := talk(t, addr, scriptioGet("/lib/")); !strings.HasSuffix(answer, "\r\n\r\na.txt\n") || !strings.Contains(listed, "lib/\n") {
		t.Errorf("a link to a folder that is named as a script is answered with %q, and listed in %q", answer, listed)
	}
}

// What is refused, or only looked at, is closed at once, by us and not by the collector.
func TestLinksLeaveNothingOpen(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	root := scriptioFolder(t, map[string]string{"s.sh": "echo", "a.txt": "a"})
	for link, target := range map[string]string{"alias.txt": "s.sh", "plain.txt": "a.txt"} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	for how, j := range jails(t, root) {
		files := filesOfDir(t, root, WithScript(".sh", "sh"))
		files.tree.Close()
		files.tree, files.links = j, j
		before := liveDescriptors()
		for range 100 {
			if _, err := files.Resolve(t.Context(), resolveGet(t, "/alias.txt")); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("%s: a link to a script is answered with %v", how, err)
			}
			if _, err := j.Stat("plain.txt"); err != nil {
				t.Fatal(err)
			}
		}
		if after := liveDescriptors(); after >= before+100 {
			t.Errorf("%s: %d descriptors are open behind 100 requests, %d before", how, after, before)
		}
	}
}

// A readlinkFails is a tree that cannot tell where links lead.
type readlinkFails struct {
	jail.LinkReader
	err error
}

func (r readlinkFails) Readlink(string) (string, error) { return "", r.err }

// Where it cannot be told whether a file is a link to a script it is not served, and what
// the system is short of is no 404.
func TestLinksThatCannotBeRead(t *testing.T) {
	files := filesOfDir(t, scriptioFolder(t, map[string]string{"a.txt": "a"}), WithScript(".sh", "sh"))
	for err, want := range map[error]int{syscall.EMFILE: 503, os.ErrClosed: 503, syscall.EIO: 500, syscall.EACCES: 403, syscall.ENOENT: 404, syscall.EINVAL: 200} {
		files.links = readlinkFails{files.links, err}
		resp, got := files.Resolve(t.Context(), resolveGet(t, "/a.txt"))
		if got == nil {
			resp.Close()
		}
		if status := StatusOf(got); got != nil && status != want || (got == nil) != (want == 200) {
			t.Errorf("with %v a file is answered with %v, want %d", err, got, want)
		}
	}
}
