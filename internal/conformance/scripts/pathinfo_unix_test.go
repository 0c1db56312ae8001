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

// PATH_INFO is not a name of a file: the rules for names apply to the script's path, not to
// the rest.
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
		{"/e.cgi/repo/.github/ci.yml", ran("/e.cgi", "/repo/.github/ci.yml"), "a folder that does"},
		{"/e.cgi/.git/", ran("/e.cgi", "/.git/"), "with a slash at its end"},
		{"/e.cgi/repo/%2egit%2Fconfig", ran("/e.cgi", "/repo/.git/config"), "it is decoded"},
		{"/e.cgi/.well-known/x", ran("/e.cgi", "/.well-known/x"), "nor is that special here"},
		{"/e.cgi/x.py.gz", ran("/e.cgi", "/x.py.gz"), "a sidecar of a script, if it were a file"},
		{"/e.cgi/x.cgi.gz", ran("/e.cgi", "/x.cgi.gz"), "the same"},
		{"/e.cgi/x.cgi.zst/", ran("/e.cgi", "/x.cgi.zst/"), "the same"},
		{"/e.cgi/e.cgi", ran("/e.cgi", "/e.cgi"), "the first script is the one"},
		{"/e.cgi/.git/e.cgi/x", ran("/e.cgi", "/.git/e.cgi/x"), "also in front of a hidden name"},
		{"/e.cgi/%C2%AD.git/config", ran("/e.cgi", "/\u00ad.git/config"), "what some file systems ignore"},
		{"/e.cgi/GIT~1/a./b%20", ran("/e.cgi", "/GIT~1/a./b "), "what others do"},
		{"/e.cgi/a/../.b//c", ran("/e.cgi", "/.b/c"), "the path is clean before the script is looked for"},
		{"/e.cgi/%ff", ran("/e.cgi", "/\xff"), "any bytes"},
		{"/e.cgi/" + long, ran("/e.cgi", "/"+long), "longer than a name may be"},
		{"/e.cgi" + longer, ran("/e.cgi", longer), "longer than a path may be"},
		{"/sub/e.cgi/.x", ran("/sub/e.cgi", "/.x"), "in a folder"},
		{"/tool.cgi/e.cgi/.x", ran("/tool.cgi/e.cgi", "/.x"), "in a folder that is named as a script"},
		{"/packed.cgi.gz/e.cgi/.x", ran("/packed.cgi.gz/e.cgi", "/.x"), "in one that is named as the sidecar of a script"},
		{"/.well-known/e.cgi/.x", ran("/.well-known/e.cgi", "/.x"), "where the script itself is served"},
		{"/latest.cgi/.x", ran("/latest.cgi", "/.x"), "a link with a script's name"},
		{"/.git/e.cgi", missing, "the script is hidden"},
		{"/.git/e.cgi/x", missing, "the script is hidden"},
		{"/sub/.git/e.cgi/x", missing, "the script is hidden"},
		{"/tool.cgi/.git/e.cgi/x", missing, "the script is hidden"},
		{"/tool.cgi/.git/config", missing, "there is no script, so that is a name of the tree"},
		{"/.hidden.cgi/x", missing, "the script is hidden"},
		{"/e.cgi.gz", missing, "its source"},
		{"/e.cgi.gz/x", missing, "its source"},
		{"/e.cgi./x", missing, "another spelling of the script"},
		{"/e%C2%AD.cgi/x", missing, "another spelling of the script"},
		{"/latest/x", missing, "a link without a script's name"},
		{"/out.cgi/x", missing, "a link that leads out"},
		{"/absent.cgi/.x", missing, "no script"},
		{"/page.html/.x", missing, "no script"},
		{"/plain.cgi/.x", "403 Forbidden\n", "it cannot be executed"},
	}
	resolver := filesOfDir(t, root, rawhttp.WithScript(".cgi"), rawhttp.WithScript(".py", "sh"), rawhttp.WithScriptPathInfo(true), rawhttp.WithPrecompressed("gzip"))
	_, addr := listen(t, rawhttp.WithResolver(resolver), rawhttp.WithDate(false))
	for _, tt := range tests {
		if _, got := splitHead(talk(t, addr, "GET "+tt.target+" HTTP/1.0\r\n\r\n")); got != tt.want {
			t.Errorf("GET %s is answered with %q, want %q: %s", tt.target, got, tt.want, tt.why)
		}
	}
	// Without the option there is no PATH_INFO, so the whole path names a file.
	_, addr = listen(t, rawhttp.WithRoot(root), rawhttp.WithScript(".cgi"), rawhttp.WithDate(false))
	for _, tt := range tests[1:] {
		if _, got := splitHead(talk(t, addr, "GET "+tt.target+" HTTP/1.0\r\n\r\n")); got == tt.want && got != missing && got != "403 Forbidden\n" {
			t.Errorf("without WithScriptPathInfo GET %s is answered with %q", tt.target, got)
		}
	}
}

// A path that another resolver has set must be clean, or it is 404: a script may use
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
			t.Errorf("the path %q is answered with %q, want %q", path, got, want)
		}
	}
}
