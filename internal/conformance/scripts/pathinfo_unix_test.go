//go:build unix

package scripts_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// PATH_INFO is not the name of a file: the rules for names apply only to the path of the script.
func TestScriptPathInfo(t *testing.T) {
	t.Parallel()
	const script = "#!/bin/sh\n# " + scriptSecret + "\necho \"ran $SCRIPT_NAME with $PATH_INFO\"\n"
	files := map[string]string{"e.cgi.gz": scriptPacked, "page.html": "page", ".well-known/e.cgi": script, "tool.cgi/.git/config": scriptSecret}
	for _, name := range []string{
		"e.cgi", ".hidden.cgi", ".git/e.cgi", "sub/.git/e.cgi", "sub/e.cgi", "tool.cgi/e.cgi", "tool.cgi/.git/e.cgi", "packed.cgi.gz/e.cgi",
	} {
		files[name] = script
	}
	root := testkit.Scripts(t, files)
	testkit.WriteFile(t, filepath.Join(root, "plain.cgi"), script, 0o644)
	for name, target := range map[string]string{"latest": "e.cgi", "latest.cgi": "e.cgi", "out.cgi": "/bin/true"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	const missing = "404 Not Found\n"
	ran := func(script, pathInfo string) string { return "ran " + script + " with " + pathInfo + "\n" }
	long := strings.Repeat("a", 300)
	longer := strings.Repeat("/"+long, 20)
	tests := []struct{ target, want, why string }{
		{"/e.cgi", ran("/e.cgi", ""), ""},
		{"/e.cgi/", ran("/e.cgi", "/"), ""},
		{"/e.cgi/repo/tree/main.c", ran("/e.cgi", "/repo/tree/main.c"), ""},
		{"/e.cgi/repo/.gitignore", ran("/e.cgi", "/repo/.gitignore"), "a file that begins with a dot"},
		{"/e.cgi/repo/.github/ci.yml", ran("/e.cgi", "/repo/.github/ci.yml"), "a folder that begins with a dot"},
		{"/e.cgi/.git/", ran("/e.cgi", "/.git/"), "with a slash at its end"},
		{"/e.cgi/repo/%2egit%2Fconfig", ran("/e.cgi", "/repo/.git/config"), "PATH_INFO is decoded"},
		{"/e.cgi/.well-known/x", ran("/e.cgi", "/.well-known/x"), ".well-known is not special either"},
		{"/e.cgi/x.py.gz", ran("/e.cgi", "/x.py.gz"), "named like a sidecar of a script"},
		{"/e.cgi/x.cgi.gz", ran("/e.cgi", "/x.cgi.gz"), "named like a sidecar of a script"},
		{"/e.cgi/x.cgi.zst/", ran("/e.cgi", "/x.cgi.zst/"), "named like a sidecar of a script"},
		{"/e.cgi/e.cgi", ran("/e.cgi", "/e.cgi"), "the first script in the path runs"},
		{"/e.cgi/.git/e.cgi/x", ran("/e.cgi", "/.git/e.cgi/x"), "the first script runs, even before a hidden name"},
		{"/e.cgi/%C2%AD.git/config", ran("/e.cgi", "/\u00ad.git/config"), "some file systems ignore U+00AD"},
		{"/e.cgi/GIT~1/a./b%20", ran("/e.cgi", "/GIT~1/a./b "), "some file systems have such aliases"},
		{"/e.cgi/a/../.b//c", ran("/e.cgi", "/.b/c"), "the path is cleaned before the script is looked up"},
		{"/e.cgi/%ff", ran("/e.cgi", "/\xff"), "any bytes are allowed"},
		{"/e.cgi/" + long, ran("/e.cgi", "/"+long), "longer than a name may be"},
		{"/e.cgi" + longer, ran("/e.cgi", longer), "longer than a path may be"},
		{"/sub/e.cgi/.x", ran("/sub/e.cgi", "/.x"), "in a folder"},
		{"/tool.cgi/e.cgi/.x", ran("/tool.cgi/e.cgi", "/.x"), "in a folder named like a script"},
		{"/packed.cgi.gz/e.cgi/.x", ran("/packed.cgi.gz/e.cgi", "/.x"), "in a folder named like the sidecar of a script"},
		{"/.well-known/e.cgi/.x", ran("/.well-known/e.cgi", "/.x"), "scripts in .well-known run"},
		{"/latest.cgi/.x", ran("/latest.cgi", "/.x"), "a link with a script's name"},
		{"/.git/e.cgi", missing, "the script is hidden"},
		{"/.git/e.cgi/x", missing, "the script is hidden"},
		{"/sub/.git/e.cgi/x", missing, "the script is hidden"},
		{"/tool.cgi/.git/e.cgi/x", missing, "the script is hidden"},
		{"/tool.cgi/.git/config", missing, "there is no script, so the whole path names a file"},
		{"/.hidden.cgi/x", missing, "the script is hidden"},
		{"/e.cgi.gz", missing, "it contains the source of a script"},
		{"/e.cgi.gz/x", missing, "it contains the source of a script"},
		{"/e.cgi./x", missing, "another spelling of the script"},
		{"/e%C2%AD.cgi/x", missing, "another spelling of the script"},
		{"/latest/x", missing, "a link without a script's name"},
		{"/out.cgi/x", missing, "a link that leads out of the root"},
		{"/absent.cgi/.x", missing, "not a script"},
		{"/page.html/.x", missing, "not a script"},
		{"/plain.cgi/.x", "403 Forbidden\n", "the script is not executable"},
	}
	if os.Geteuid() != 0 { // root may read everything
		testkit.WriteFile(t, filepath.Join(root, "unreadable.cgi"), script, 0)
		tests = append(tests, struct{ target, want, why string }{"/unreadable.cgi/x", "403 Forbidden\n", "no permission to read the script"})
	}
	resolver := filesOfDir(t, root, rawhttp.WithScript(".cgi"), rawhttp.WithScript(".py", "sh"), rawhttp.WithScriptPathInfo(true), rawhttp.WithPrecompressed("gzip"))
	_, addr := listen(t, rawhttp.WithResolver(resolver), rawhttp.WithDate(false))
	for _, tt := range tests {
		if _, got := splitHead(talk(t, addr, "GET "+tt.target+" HTTP/1.0\r\n\r\n")); got != tt.want {
			t.Errorf("GET %s: %q, want %q\nwhy: %s", tt.target, got, tt.want, tt.why)
		}
	}
	// Without the option there is no PATH_INFO, so the whole path names a file, which does not exist.
	_, addr = listen(t, rawhttp.WithRoot(root), rawhttp.WithScript(".cgi"), rawhttp.WithDate(false))
	for _, tt := range tests[1:] {
		if _, got := splitHead(talk(t, addr, "GET "+tt.target+" HTTP/1.0\r\n\r\n")); got != missing {
			t.Errorf("GET %s without WithScriptPathInfo: %q, want %q", tt.target, got, missing)
		}
	}
}

// A path set by another resolver that is not clean is answered with 404, since a script may use
// PATH_INFO as the path of a file.
func TestScriptPathInfoIsClean(t *testing.T) {
	root := testkit.Scripts(t, map[string]string{"e.cgi": "#!/bin/sh\necho \"ran with $PATH_INFO\"\n"})
	files := filesOfDir(t, root, rawhttp.WithScript(".cgi"), rawhttp.WithScriptPathInfo(true))
	_, addr := listen(t, rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		path, _, _ := strings.Cut(req.RawQuery(), "&")
		return files.Resolve(ctx, req.WithPath(strings.ReplaceAll(path, "NUL", "\x00")))
	})))
	for path, want := range map[string]string{
		"/e.cgi/.a/b/": "ran with /.a/b/\n", "/e.cgi/..a": "ran with /..a\n",
		"/e.cgi/../a": "404 Not Found\n", "/e.cgi/..": "404 Not Found\n", "/e.cgi/./a": "404 Not Found\n", "/e.cgi//a": "404 Not Found\n", "/e.cgi//": "404 Not Found\n",
		"/e.cgi/aNUL": "404 Not Found\n", "//e.cgi/a": "404 Not Found\n", "/./e.cgi/a": "404 Not Found\n",
	} {
		if _, got := splitHead(talk(t, addr, "GET /?"+path+" HTTP/1.0\r\n\r\n")); got != want {
			t.Errorf("path %q: %q, want %q", path, got, want)
		}
	}
}
