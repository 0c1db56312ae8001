//go:build unix

package conformance_test

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// unixSources returns resolvers of one folder by Dir and by FS.
func unixSources(t testing.TB, root string, opts ...rawhttp.FileOption) map[string]*rawhttp.FileResolver {
	t.Helper()
	fsys := filesOfFS(t, os.DirFS(root), opts...)
	return map[string]*rawhttp.FileResolver{"Dir": filesOfDir(t, root, opts...), "os.DirFS": fsys}
}

// unixAnswer describes the answer to a GET request for target.
func unixAnswer(t testing.TB, r rawhttp.Resolver, target string) string {
	t.Helper()
	return resolveString(t, r, resolveGet(t, target))
}

// FIFOs, sockets and devices are never found, since opening a FIFO may block and a device may do
// anything. The test hangs if the server opens one.
func TestSpecialFilesAreNotFound(t *testing.T) {
	root := testkit.Folder(t, map[string]string{
		"plain.txt": "plain", "folder/": "", "to-fifo": "->fifo", "to-socket": "->s", "folder/index.html.d": "",
	})
	for _, name := range []string{"fifo", "folder/index.html"} {
		if err := syscall.Mkfifo(filepath.Join(root, name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(root) // a socket's path must be short
	ln, err := net.Listen("unix", "s")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for name, r := range unixSources(t, root) {
		_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(r))
		for _, target := range []string{"/fifo", "/s", "/to-fifo", "/to-socket", "/folder/index.html", "/fifo/", "/s/"} {
			for _, method := range []string{"GET ", "HEAD ", "POST ", "OPTIONS "} {
				got := parseAnswer(t, talk(t, addr, method+target+" HTTP/1.1\r\nHost: a\r\n\r\n"))
				if got.Status != "404 Not Found" {
					t.Errorf("%s: %s%s: status %q, want 404", name, method, target, got.Status)
				}
			}
		}
		if got, want := unixAnswer(t, r, "/"), "folder/\nplain.txt\n"; got != want {
			t.Errorf("%s: listing %q, want %q", name, got, want)
		}
		if got, want := unixAnswer(t, r, "/folder/"), "index.html.d\n"; got != want {
			t.Errorf("%s: GET of a folder whose index file is a FIFO: %q, want the listing %q", name, got, want)
		}
	}
}

// A FIFO with a writer is not found either, and is not read, although opening it would not
// block.
func TestFIFOWithWriterIsNotFound(t *testing.T) {
	root := testkit.Folder(t, nil)
	path := filepath.Join(root, "fifo")
	if err := syscall.Mkfifo(path, 0o666); err != nil {
		t.Fatal(err)
	}
	both, err := os.OpenFile(path, os.O_RDWR, 0) // does not block
	if err != nil {
		t.Fatal(err)
	}
	defer both.Close()
	if _, err := both.WriteString("content"); err != nil {
		t.Fatal(err)
	}
	for name, r := range unixSources(t, root) {
		if got := unixAnswer(t, r, "/fifo"); got != "declined" {
			t.Errorf("%s: GET /fifo: %q, want 404", name, got)
		}
	}
	got := make([]byte, 7)
	if n, err := both.Read(got); string(got[:n]) != "content" || err != nil {
		t.Errorf("read %q, %v from the FIFO, want the bytes written", got[:n], err)
	}
}

func TestDevicesAreNotFound(t *testing.T) {
	for name, r := range unixSources(t, "/dev") {
		for _, target := range []string{"/null", "/zero", "/random", "/tty", "/null/"} {
			if got := unixAnswer(t, r, target); got != "declined" && got != "error 403" {
				t.Errorf("%s: GET %s in /dev: %q, want 404", name, target, testkit.Shorten(got))
			}
		}
		if got := unixAnswer(t, r, "/null"); got != "declined" {
			t.Errorf("%s: GET /null in /dev: %q, want 404", name, testkit.Shorten(got))
		}
		for line := range strings.Lines(unixAnswer(t, r, "/")) {
			if line == "null\n" || line == "zero\n" {
				t.Errorf("%s: the listing of /dev has the device %q", name, line)
			}
		}
	}
	root := testkit.Folder(t, map[string]string{"null": "->/dev/null", "up": "->../../../../../../../../../../dev/null"})
	for name, r := range unixSources(t, root) {
		for _, target := range []string{"/null", "/up"} {
			if got := unixAnswer(t, r, target); got != "declined" {
				t.Errorf("%s: GET of a link to /dev/null: %q, want 404", name, got)
			}
		}
		if got := unixAnswer(t, r, "/"); got != "" {
			t.Errorf("%s: listing %q, want it without links to a device", name, got)
		}
	}
}

func TestSymbolicLinks(t *testing.T) {
	root := testkit.Folder(t, map[string]string{
		"a.txt": "a", "sub/b.txt": "b", "sub/index.html": "index", "sub/deep/c.txt": "c",

		"to-a":          "->a.txt",
		"to-to-a":       "->to-a",
		"dot-to-a":      "->./a.txt",
		"long-to-a":     "->sub/../sub/deep/../../a.txt",
		"sub/to-a":      "->../a.txt",
		"sub/deep/to-a": "->../../a.txt",
		"to-sub":        "->sub",
		"to-sub-slash":  "->sub/",
		"to-deep":       "->to-sub/deep",
		"to-root":       "->.",
		"sub/to-root":   "->..",

		"abs-a":        "->ROOT/a.txt",
		"abs-sub":      "->ROOT/sub",
		"abs-secret":   "->ROOT/../secret.txt",
		"abs-out":      "->ROOT/../out",
		"abs-etc":      "->/etc",
		"abs-slash":    "->/",
		"out-secret":   "->../secret.txt",
		"out-out":      "->../out",
		"out-parent":   "->..",
		"out-back":     "->../root/a.txt",
		"out-deep":     "->sub/../../secret.txt",
		"to-out":       "->out-secret",
		"sub/out":      "->../../secret.txt",
		"sub/via-root": "->to-root/../secret.txt",

		"self":     "->self",
		"ping":     "->pong",
		"pong":     "->ping",
		"below":    "->below/a.txt",
		"dangling": "->missing",
		"to-file":  "->a.txt/",
	})
	r := filesOfDir(t, root)
	tests := []struct{ target, want string }{
		{"/to-a", "a"}, {"/to-to-a", "a"}, {"/dot-to-a", "a"}, {"/long-to-a", "a"}, {"/sub/to-a", "a"}, {"/sub/deep/to-a", "a"},
		{"/to-sub/b.txt", "b"}, {"/to-sub/deep/to-a", "a"}, {"/to-deep/c.txt", "c"}, {"/to-sub-slash/b.txt", "b"},
		{"/to-sub", "301 ./to-sub/"}, {"/to-sub/", "index"}, {"/to-deep", "301 ./to-deep/"}, {"/to-deep/", "c.txt\nto-a\n"},
		{"/to-root/a.txt", "a"}, {"/to-root/to-root/to-sub/to-root/a.txt", "a"}, {"/sub/to-root/a.txt", "a"},
		{"/to-a/", "declined"}, {"/to-a/b", "declined"},

		{"/abs-a", "declined"}, {"/abs-sub", "declined"}, {"/abs-sub/", "declined"}, {"/abs-sub/b.txt", "declined"},
		{"/abs-secret", "declined"}, {"/abs-out", "declined"}, {"/abs-out/", "declined"}, {"/abs-out/secret.txt", "declined"},
		{"/abs-etc", "declined"}, {"/abs-etc/", "declined"}, {"/abs-etc/passwd", "declined"}, {"/abs-slash/etc/passwd", "declined"},
		{"/out-secret", "declined"}, {"/out-out", "declined"}, {"/out-out/", "declined"}, {"/out-out/secret.txt", "declined"},
		{"/out-parent/", "declined"}, {"/out-parent/secret.txt", "declined"}, {"/out-parent/root/a.txt", "declined"}, {"/out-back", "declined"},
		{"/out-deep", "declined"}, {"/to-out", "declined"}, {"/sub/out", "declined"}, {"/to-sub/out", "declined"},
		{"/to-root/out-secret", "declined"}, {"/sub/via-root", "declined"},

		{"/self", "declined"}, {"/self/", "declined"}, {"/ping", "declined"}, {"/pong/a", "declined"}, {"/below", "declined"},
		{"/dangling", "declined"}, {"/dangling/", "declined"}, {"/to-file/", "declined"},
	}
	for _, tt := range tests {
		if got := unixAnswer(t, r, tt.target); got != tt.want {
			t.Errorf("GET %s: %q, want %q", tt.target, got, tt.want)
		}
		req := requestOf(t, "POST "+tt.target+" HTTP/1.1\r\nHost: a\r\n\r\n")
		if got := resolveString(t, r, req); (got == "declined") != (tt.want == "declined") {
			t.Errorf("POST %s: %q, want %q as for GET, since a missing resource has no methods", tt.target, got, tt.want)
		}
	}
	want := "sub/\nto-deep/\nto-root/\nto-sub/\nto-sub-slash/\na.txt\ndot-to-a\nlong-to-a\nto-a\nto-to-a\n"
	if diff := cmp.Diff(want, unixAnswer(t, r, "/")); diff != "" {
		t.Errorf("listing, want the links that stay in the root and no others (-want +got):\n%s", diff)
	}
}

// An index file may be a link, but not to a file outside the root.
func TestLinkAsIndexFile(t *testing.T) {
	const listing = "b.txt\n"
	for link, want := range map[string]string{
		"b.txt": "b", "../a.txt": "a", "../../secret.txt": listing, "../../root/a.txt": listing, "index.html": listing, "missing": listing,
	} {
		root := testkit.Folder(t, map[string]string{"a.txt": "a", "sub/b.txt": "b", "sub/index.html": "->" + link})
		if got := unixAnswer(t, filesOfDir(t, root), "/sub/"); got != want {
			t.Errorf("GET of a folder whose index file is a link to %s: %q, want %q", link, got, want)
		}
	}
}

// Through an fs.FS that follows links itself, loops of links are not found either.
func TestSymbolicLinksOfFS(t *testing.T) {
	root := testkit.Folder(t, map[string]string{"a.txt": "a", "to-a": "->a.txt", "self": "->self", "dangling": "->missing", "to-root": "->."})
	r := unixSources(t, root)["os.DirFS"]
	for target, want := range map[string]string{
		"/to-a": "a", "/self": "declined", "/dangling": "declined", "/to-root/a.txt": "a", "/": "to-root/\na.txt\nto-a\n",
	} {
		if got := unixAnswer(t, r, target); got != want {
			t.Errorf("GET %s: %q, want %q", target, got, want)
		}
	}
}

// A file without permission to read is answered with 403, not 404.
func TestUnreadableFiles(t *testing.T) {
	root := testkit.Folder(t, map[string]string{"a.bin": "", "dir/b": ""})
	for _, name := range []string{"a.bin", "dir"} {
		path := filepath.Join(root, name)
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(path, 0o755) })
	}
	resolvers := map[string]rawhttp.Resolver{
		"an fs.FS that refuses": filesOfFS(t, failingFS{fstest.MapFS{"a.bin": {}, "dir/b": {}}, "open", fs.ErrPermission}),
	}
	for name, r := range unixSources(t, root) {
		resolvers[name] = r
	}
	testkit.WithoutCapabilities(t, func() {
		for name, r := range resolvers {
			for _, target := range []string{"/a.bin", "/dir/"} {
				got := parseAnswer(t, rawhttp.Answer(rawhttp.First(r, answerText("next")), getRequest(target)))
				if got.Status != "403 Forbidden" || got.Content != "403 Forbidden\n" {
					t.Errorf("%s: GET %s: %v, want 403", name, target, got)
				}
			}
		}
	})
}

// Every name that is listed can be fetched, whatever the permissions are.
func TestListedNamesCanBeRead(t *testing.T) {
	root := testkit.Folder(t, map[string]string{"a.txt": "a", "b.txt": "b", "c/d.txt": "d", "e/f.txt": "f"})
	for _, name := range []string{"b.txt", "e"} {
		path := filepath.Join(root, name)
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(path, 0o755) })
	}
	sources := unixSources(t, root)
	testkit.WithoutCapabilities(t, func() {
		for name, r := range sources {
			lines := listingLines(unixAnswer(t, r, "/"))
			if len(lines) < 2 {
				t.Errorf("%s: listing %q, want at least the readable names", name, lines)
			}
			for _, line := range lines {
				if got := unixAnswer(t, r, "/"+line); strings.HasPrefix(got, "error") || got == "declined" {
					t.Errorf("%s: GET of the listed name %q: %q", name, line, got)
				}
			}
		}
	})
}

func TestPathTraversal(t *testing.T) {
	t.Parallel()
	root := testkit.Folder(t, map[string]string{"a.txt": "a", "sub/b.txt": "b"})
	up := strings.Repeat("../", 20)
	targets := []string{
		"/../secret.txt", "/../../secret.txt", "/./../secret.txt", "/.././secret.txt", "/sub/../../secret.txt", "/sub/../../out/secret.txt",
		"/a.txt/../../secret.txt", "/missing/../../secret.txt", "//../secret.txt", "/..//secret.txt", "/sub//..//..//secret.txt", "/sub/.././../secret.txt",
		"/%2e%2e/secret.txt", "/%2E%2E/secret.txt", "/.%2e/secret.txt", "/%2e./secret.txt", "/%2e%2e%2fsecret.txt", "/%2e%2e%2Fsecret.txt",
		"/..%2fsecret.txt", "/..%2Fsecret.txt", "/sub%2f..%2f..%2fsecret.txt", "/%2f..%2fsecret.txt", "/%2F%2e%2e%2Fsecret.txt", "/sub/..%2f../secret.txt",
		"/%252e%252e/secret.txt", "/%252e%252e%252fsecret.txt", "/..%252fsecret.txt", "/%25%32%65%25%32%65/secret.txt", "/%%32%65%%32%65/secret.txt",
		"/..\\secret.txt", "/..%5csecret.txt", "/..%5Csecret.txt", "/%2e%2e%5csecret.txt", "/sub\\..\\..\\secret.txt", "/sub%5c..%5c..%5csecret.txt", "/..%5c..%5csecret.txt",
		"/%c0%ae%c0%ae/secret.txt", "/%c0%ae%c0%ae%c0%afsecret.txt", "/..%c0%afsecret.txt", "/..%c1%9csecret.txt", "/%e0%80%ae%e0%80%ae/secret.txt", "/%uff0e%uff0e/secret.txt", "/%ef%bc%8e%ef%bc%8e/secret.txt", "/..%ef%bc%8fsecret.txt", "/..%e2%88%95secret.txt", "/%u002e%u002e/secret.txt",
		"/.../secret.txt", "/..../secret.txt", "/....//secret.txt", "/.. /secret.txt", "/..%20/secret.txt", "/%20../secret.txt", "/..;/secret.txt", "/..%3b/secret.txt", "/..%00/secret.txt", "/..%00secret.txt", "/..%0d%0a/secret.txt", "/..%09/secret.txt", "/..?/secret.txt", "/..#/secret.txt",
		"/..", "/../", "/../out/", "/../root-secret/secret.txt", "/-secret/secret.txt", "-secret/secret.txt", "../secret.txt", "..", "./../secret.txt", "~/secret.txt", "/~root/secret.txt", "secret.txt", "file:///etc/passwd", "http://a/../secret.txt", "http://a/%2e%2e/secret.txt", "http://a", "http://../secret.txt",
		root + "/../secret.txt", "/" + root + "/../secret.txt", filepath.Dir(root) + "/secret.txt", "/" + filepath.Dir(root) + "/secret.txt",
		"/" + up + "etc/passwd", "/" + strings.ReplaceAll(up, "/", "%2f") + "etc/passwd", "/" + strings.ReplaceAll(up, ".", "%2e") + "etc/passwd", "/etc/passwd", "//etc/passwd", "/proc/self/root/etc/passwd", "/proc/self/cwd/a.txt", "/dev/fd/0",
		"/a.txt::$DATA", "/A:/secret.txt", "/c:%5csecret.txt",
	}

	for name, r := range unixSources(t, root) {
		_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(r))
		for _, target := range targets {
			for _, method := range []string{"GET", "HEAD"} {
				answer := talk(t, addr, method+" "+target+" HTTP/1.1\r\nHost: a\r\n\r\n")
				if strings.Contains(answer, testkit.Secret) || strings.Contains(answer, "root:") {
					t.Fatalf("%s: %s %s reveals a file outside the root: %q", name, method, target, answer)
				}
				// Without their dot segments, some targets name the root.
				isRoot := target == "/.." || target == "/../" || target == "http://a" || target == "/..?/secret.txt"
				switch status := parseAnswer(t, answer).Status; {
				case status == "200 OK" && isRoot && (method == "HEAD" || strings.HasSuffix(answer, "\r\n\r\nsub/\na.txt\n")):
				case !isRoot && (status == "404 Not Found" || status == "400 Bad Request"):
				default:
					t.Errorf("%s: %s %s: %q, want 404 or 400", name, method, target, answer)
				}
			}
		}
		if got := unixAnswer(t, r, "/sub/../a.txt"); got != "a" {
			t.Errorf("%s: GET /sub/../a.txt: %q, want a, since dot segments within the root are allowed", name, got)
		}
	}
}
