//go:build unix

package scripts_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// scriptSecret is part of the source of scripts but not of their output.
const scriptSecret = "SOURCE"

const (
	scriptSource = "#!/bin/sh\n# " + scriptSecret + "\necho ran\n"
	scriptPacked = scriptSecret + " compressed"
)

// scriptTree makes a folder of scripts with all kinds of names.
func scriptTree(t testing.TB) (root string) {
	t.Helper()
	files := map[string]string{"page.html": "page", "sub/page.html": "page", "sub/sh": "no script", "sh": "no script", "dots/a.txt": "a"}
	for _, name := range []string{
		"s.sh", "sub/s.sh", "sub/index.sh", "B.SH", "c.Sh", "a b.sh", "d.x.sh", "tool.sh/s.sh", ".hidden.sh", "x.cgi", "sub/x.CGI", "plus+.sh", "per%cent.sh", "\xff.sh",
		// Some systems accept these as names of s.sh. They must name nothing or a script, and their
		// source is never sent.
		"t.sh.", "u.sh ", "v.sh. .", "w.\u017fh", "y.s\u00adh",
	} {
		files[name] = scriptSource
	}
	for _, name := range []string{"s.sh.gz", "s.sh.br", "s.sh.zst", "s.sh.GZ", "s.sh.gz.br", "s.sh.gz.gz", "sub/s.sh.gz", "sub/index.sh.br", "tool.sh/s.sh.zst", "x.cgi.gz", "s.sh.gz.", "s.sh.gz ", "y.sh.g\u200bz"} {
		files[name] = scriptPacked
	}
	root = testkit.Scripts(t, files)
	for name, target := range map[string]string{"link.sh": "s.sh", "sub/up.sh": "../s.sh", "sub/link.CGI": "../x.cgi", "dir-link": "sub", "out.sh": "/bin/true"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// scriptTargets are request targets for the folder of scriptTree: other spellings of names of
// scripts, and names of files and folders that are like them.
var scriptTargets = []string{
	"/s.sh", "/S.SH", "/s.SH", "/s.Sh", "/B.SH", "/B.sh", "/b.sh", "/c.Sh", "/sub/s.sh", "/sub/", "/sub/index.sh", "/x.cgi", "/sub/x.CGI", "/tool.sh/s.sh", "/tool.sh", "/tool.sh/",
	"/s.sh%00", "/s.sh%00.txt", "/s%00.sh", "/s.sh%0a", "/s.sh%0d%0a", "/s.sh%09", "/s.sh%20", "/s.sh%20%20", "/%20s.sh", "/a%20b.sh", "/a%20b.sh%20", "/a+b.sh",
	"/s.sh.", "/s.sh..", "/s.sh...", "/s.sh%2e", "/s.sh/", "/s.sh//", "/s.sh/.", "/s.sh/..", "/s.sh/./", "/s.sh%2f", "/s.sh%2F%2F", "/s.sh/x", "/s.sh/x.txt", "/s.sh/s.sh", "/s.sh/.x", "/s.sh/x.sh.gz",
	"//s.sh", "///s.sh", "/./s.sh", "/.//s.sh", "/sub/../s.sh", "/sub/..//s.sh", "/sub/%2e%2e/s.sh", "/sub%2f..%2fs.sh", "/%2fs.sh", "/%2e/s.sh", "/x/../s.sh", "/../s.sh", "/../../s.sh", "/dir-link/s.sh", "/dir-link/", "/dir-link",
	"/%73.sh", "/s%2esh", "/s%2Esh", "/s.%73h", "/s.s%68", "/s.s%48", "/%73%2e%73%68", "/s%252esh", "/%2573.sh", "/s.sh%25", "/s.sh%2500",
	"/s.sh;", "/s.sh;a=b", "/s.sh;.txt", "/s.sh:", "/s.sh::$DATA", "/s.sh:a", "/s.sh~", "/s.sh~1", "/S~1.SH", "/s.sh%7e", "/s.sh\\", "/s.sh%5c", "/sub%5cs.sh", "/sub\\s.sh", "/.\\s.sh", "/s.sh*", "/s.sh|cat", "/s.sh$", "/s.sh'", "/s.sh%22",
	"/s.sh?", "/s.sh?x", "/s.sh?-s", "/s.sh?-s+-x", "/s.sh?format=text", "/s.sh?format=json", "/s.sh?raw", "/s.sh?/x.txt", "/s.sh??", "/s.sh?%00", "/s.sh#", "/s.sh#x", "/s.sh%23", "/s.sh%3f", "/s.sh%3Fx.txt",
	"/s.sh.gz", "/s.sh.br", "/s.sh.zst", "/s.sh.GZ", "/s.sh.Gz", "/s.sh.gz.br", "/s.sh.gz.gz", "/sub/s.sh.gz", "/sub/index.sh.br", "/tool.sh/s.sh.zst", "/x.cgi.gz", "/s.sh.gz/", "/s.sh%2egz", "/s.sh.%67z", "/s.sh.gz%20", "/s.sh.gz.",
	"/link.sh", "/sub/up.sh", "/sub/link.CGI", "/out.sh", "/d.x.sh", "/.hidden.sh", "/t.sh.", "/u.sh%20", "/v.sh.%20.", "/w.%c5%bfh", "/s.%c5%bfh", "/y.s%c2%adh", "/y.sh.g%e2%80%8bz", "/plus+.sh", "/per%25cent.sh", "/%ff.sh", "/%c0%afs.sh", "/s%c0%aesh", "/s.sh%c0%80",
	"http://example.test/s.sh", "HTTP://other.test/s.sh", "https://example.test/s.sh?x", "http://example.test/%73.sh", "http://example.test//s.sh", "http://example.test/s.sh.gz", "s.sh", "./s.sh", "*",
	"/", "/?format=html", "/?format=json", "/?format=text", "/sub/?format=json", "/dots/", "/?sort=size",
	"/m/s.sh", "/m/sub/", "/m//s.sh", "/m/s.sh.gz", "/m/../m/s.sh", "/one", "/one/", "/one?s.sh",
}

// scriptRequestFields are field lines that change which representation is sent, or what is done.
var scriptRequestFields = []string{
	"", "Range: bytes=0-\r\n", "Range: bytes=0-20\r\n", "Range: bytes=-20\r\n", "Range: bytes=0-1,5-9\r\n", "Range: bytes=0-20\r\nIf-Range: \"a\"\r\n",
	"If-None-Match: *\r\n", "If-None-Match: \"a\"\r\n", "If-Match: \"a\"\r\n", "If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT\r\n", "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT\r\n",
	"Accept-Encoding: gzip\r\n", "Accept-Encoding: br, zstd, gzip\r\n", "Accept-Encoding: identity;q=0, gzip\r\n", "Accept: text/plain\r\n", "Accept: application/json\r\n", "Accept: text/html\r\n",
	"Content-Type: text/plain\r\n", "Translate: f\r\n", "X-Original-URL: /s.sh\r\n", "X-HTTP-Method-Override: TRACE\r\n", "Depth: 0\r\n", "Content-Location: /s.sh\r\n", "Upgrade: h2c\r\n",
}

// No spelling of a request reveals the source of a script.
func TestScriptSourceIsNeverSent(t *testing.T) {
	t.Parallel()
	root := scriptTree(t)
	scripts := []rawhttp.Option{rawhttp.WithScript(".sh", "sh"), rawhttp.WithScript(".cgi"), rawhttp.WithIndex("index.sh", "page.html")}
	servers := map[string][]rawhttp.Option{
		"as it is":          {rawhttp.WithRoot(root)},
		"with more options": {rawhttp.WithRoot(root), rawhttp.WithPrecompressed("br", "zstd", "gzip"), rawhttp.WithListing(rawhttp.ListHTML), rawhttp.WithScriptPathInfo(true), rawhttp.WithDotFiles(true), rawhttp.WithMediaType(".sh", "text/plain")},
		"plain, no listing": {rawhttp.WithRoot(root), rawhttp.WithScriptOutput(rawhttp.ScriptPlain), rawhttp.WithListing(rawhttp.ListNone), rawhttp.WithScriptPathInfo(true), rawhttp.WithCacheControl("max-age=60")},
	}
	check := func(t *testing.T, addr, request string) string {
		answer := talk(t, addr, request)
		if strings.Contains(answer, scriptSecret) || !strings.HasPrefix(answer, "HTTP/1.1 ") {
			t.Errorf("%q: answer %q, want a response without the source", request, answer)
		}
		return answer
	}
	for name, opts := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, addr := listen(t, append(opts, scripts...)...)
			all := *long || name == "with more options" // without -long the others get a part, since each script is a process
			for i, target := range scriptTargets {
				if !all && i%16 != 0 {
					continue
				}
				check(t, addr, getRequest(target))
				if !*long {
					continue
				}
				for _, method := range []string{"HEAD", "POST"} {
					check(t, addr, method+" "+target+" HTTP/1.0\r\n\r\n")
				}
			}
			for i, target := range []string{"/s.sh", "/sub/", "/x.cgi", "/s.sh/x", "/s.sh.gz", "/sub/up.sh"} {
				for j, f := range scriptRequestFields {
					if *long || all && j%6 == i {
						check(t, addr, "GET "+target+" HTTP/1.1\r\nHost: example.test\r\n"+f+"\r\n")
					}
				}
				for _, method := range []string{"OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "COPY", "get", "SEARCH"} {
					check(t, addr, method+" "+target+" HTTP/1.1\r\nHost: example.test\r\nDestination: /copy.txt\r\n\r\n")
				}
			}
			for i, target := range []string{"/s.sh", "/%73.sh", "//s.sh", "/sub/../s.sh", "/B.SH", "/c.Sh", "/link.sh", "/sub/up.sh", "/sub/", "/dir-link/", "/tool.sh/s.sh", "http://example.test/s.sh", "/s.sh;?"} {
				if !all && i%5 != 0 {
					continue
				}
				want := !strings.Contains(target, ";")
				if got := strings.HasSuffix(withLength(t, check(t, addr, getRequest(target))), "\r\n\r\nran\n"); got != want {
					t.Errorf("GET %s ran a script: %v, want %v", target, got, want)
				}
			}
		})
	}
	t.Run("mounted", func(t *testing.T) {
		t.Parallel()
		files := filesOfDir(t, root, rawhttp.WithScript(".sh", "sh"), rawhttp.WithScript(".cgi"), rawhttp.WithIndex("index.sh"), rawhttp.WithPrecompressed("gzip"), rawhttp.WithListing(rawhttp.ListHTML))
		rewrite := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			return files.Resolve(ctx, req.WithPath("/s.sh"))
		})
		_, addr := listen(t, rawhttp.WithResolver(rawhttp.First(rawhttp.Mount("/m/", files), rawhttp.Mount("/one", rewrite), files)))
		for i, target := range scriptTargets {
			if *long || i%16 == 8 || strings.HasPrefix(target, "/m/") || strings.HasPrefix(target, "/one") {
				check(t, addr, getRequest(target))
			}
		}
	})
}

// A listing shows scripts like other files, but not their sidecars, which cannot be requested.
func TestScriptSourceListing(t *testing.T) {
	root := testkit.Scripts(t, map[string]string{"s.sh": scriptSource, "s.sh.gz": "", "s.sh.br": "", "s.sh.zst": "", "a.txt": "", "a.txt.gz": "", "s.sh.txt": "", "s.sh.gz.br": ""})
	_, got := splitHead(talk(t, serveShell(t, root), getRequest("/")))
	if diff := cmp.Diff("a.txt\na.txt.gz\ns.sh\ns.sh.txt\n", got); diff != "" {
		t.Errorf("listing (-want +got):\n%s", diff)
	}
}

// Files that are not scripts are served as usual.
func TestFilesThatAreNotScripts(t *testing.T) {
	names := []string{"a.txt", "sh", "sub/sh", "s.sh.txt", "s.shx", "s.s", "ssh", "s_sh", "sub.sh/a.txt", "sub.sh/sh", "a.txt.gz", "a.gz"}
	files := make(map[string]string)
	for _, name := range names {
		files[name] = name
	}
	root := testkit.Scripts(t, files)
	for _, opts := range [][]rawhttp.Option{nil, {rawhttp.WithScriptPathInfo(true)}} {
		addr := serveShell(t, root, opts...)
		for _, name := range names {
			if answer := talk(t, addr, getRequest("/"+name)); !strings.HasPrefix(answer, "HTTP/1.1 200 OK\r\n") || !strings.Contains(answer, "\r\nETag: ") || !strings.HasSuffix(answer, "\r\n\r\n"+name) {
				t.Errorf("GET /%s: %q, want the file", name, answer)
			}
		}
		if answer := talk(t, addr, getRequest("/sub.sh")); !strings.HasPrefix(answer, "HTTP/1.1 301 ") || !strings.Contains(answer, "\r\nLocation: ./sub.sh/\r\n") {
			t.Errorf("GET of a folder named like a script: %q, want a redirect", answer)
		}
		if answer := talk(t, addr, getRequest("/sub.sh/missing")); !strings.HasPrefix(answer, "HTTP/1.1 404 ") {
			t.Errorf("GET of a missing file in a folder named like a script: %q, want 404", answer)
		}
	}
	// Without the option a script is a file.
	_, addr := listen(t, rawhttp.WithRoot(testkit.Scripts(t, map[string]string{"s.sh": scriptSource})))
	if answer := talk(t, addr, getRequest("/s.sh")); !strings.HasSuffix(answer, "\r\n\r\n"+scriptSource) {
		t.Errorf("GET of a script without WithScript: %q, want its source", answer)
	}
}

// If a script is replaced while it is served, the old or the new one runs, or neither. A link to a
// file outside the root never runs.
func TestScriptReplacedWhileServed(t *testing.T) {
	t.Parallel()
	root := testkit.Scripts(t, map[string]string{"x.sh": "#" + scriptSecret + "\necho one", "two": "#" + scriptSecret + "\necho two"})
	one, two, next := filepath.Join(root, "one"), filepath.Join(root, "two"), filepath.Join(root, "next")
	if err := os.Link(filepath.Join(root, "x.sh"), one); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "outside.sh")
	testkit.WriteFile(t, outside, "echo outside", 0o644)
	addr := serveShell(t, root, rawhttp.WithMaxScripts(0))
	seen := make(map[string]int)
	rounds := 10
	if *long {
		rounds = 100
	}
	for range rounds {
		var replacing sync.WaitGroup
		replacing.Go(func() {
			for i := range 100 {
				if err := os.Link([]string{two, one}[i%2], next); err != nil {
					t.Error(err)
				}
				if err := os.Rename(next, filepath.Join(root, "x.sh")); err != nil {
					t.Error(err)
				}
			}
		})
		_, got := splitHead(talk(t, addr, "GET /x.sh HTTP/1.0\r\n\r\n")) // in HTTP/1.0 answers are never chunked
		seen[got]++
		replacing.Wait()
	}
	for got := range seen {
		switch got {
		case "one\n", "two\n", "500 Internal Server Error\n", "404 Not Found\n":
		default:
			t.Errorf("answer while the script is replaced: %q", got)
		}
	}
	if seen["one\n"]+seen["two\n"] == 0 {
		t.Errorf("the replaced script never ran: %v", seen)
	}
	if err := errors.Join(os.Remove(filepath.Join(root, "x.sh")), os.Symlink(outside, filepath.Join(root, "x.sh"))); err != nil {
		t.Fatal(err)
	}
	if got := talk(t, addr, getRequest("/x.sh")); !strings.HasPrefix(got, "HTTP/1.1 404 ") {
		t.Errorf("GET of a link to a script outside the root: %q, want 404", got)
	}
}

// The sidecar of a script is never sent, neither in its place nor by its own name.
func TestScriptSidecars(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	io.WriteString(w, scriptSource)
	w.Close()
	root := testkit.Scripts(t, map[string]string{"x.sh": scriptSource, "x.sh.gz": packed.String(), "a.txt": "a", "a.txt.gz": "compressed"})
	for _, name := range []string{"x.sh.gz", "a.txt.gz"} { // so that the sidecar is not older than its file
		if err := os.Chtimes(filepath.Join(root, name), time.Time{}, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	addr := serveShell(t, root, rawhttp.WithPrecompressed("gzip"))
	ask := func(target string) string {
		return talk(t, addr, fmt.Sprintf("GET %s HTTP/1.1\r\nHost: example.test\r\nAccept-Encoding: gzip\r\n\r\n", target))
	}
	if got := ask("/x.sh"); !strings.HasSuffix(withLength(t, got), "\r\n\r\nran\n") || strings.Contains(got, "Content-Encoding") {
		t.Errorf("GET /x.sh: %q, want its output", got)
	}
	if got := ask("/x.sh.gz"); !strings.HasPrefix(got, "HTTP/1.1 404 ") {
		t.Errorf("GET /x.sh.gz: %q, want 404", got)
	}
	if got := ask("/a.txt"); !strings.HasSuffix(got, "\r\n\r\ncompressed") {
		t.Errorf("GET /a.txt: %q, want its sidecar", got)
	}
}

// A link to a script is not used as an index file; the next name is tried.
func TestIndexLinkToScript(t *testing.T) {
	root := testkit.Scripts(t, map[string]string{"s.sh": scriptSource, "d/home.html": "home", "e/a.txt": "a"})
	for _, folder := range []string{"d", "e"} {
		if err := os.Symlink("../s.sh", filepath.Join(root, folder, "index.html")); err != nil {
			t.Fatal(err)
		}
	}
	addr := serveShell(t, root, rawhttp.WithIndex("index.html", "home.html"))
	for path, want := range map[string]string{"/d/": "home", "/e/": "a.txt\n", "/d/index.html": "404 Not Found\n"} {
		if _, got := splitHead(talk(t, addr, "GET "+path+" HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n")); got != want {
			t.Errorf("GET %s: %q, want %q", path, got, want)
		}
	}
}
