package peers

import (
	"bytes"
	"context"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
)

// git runs git, without the configuration of the machine, and returns its output.
func git(t *testing.T, folder string, args ...string) string {
	t.Helper()
	out, err := gitCommand(t, folder, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func gitCommand(t *testing.T, folder string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), peer(t, "git", "git"), args...)
	cmd.Dir = folder
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "no_proxy=*",
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.test", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.test",
	}
	return cmd
}

// gitSite is a folder with git http-backend as a script, and the bare repository site.git of
// the repository site, which has one commit.
func gitSite(t *testing.T) (folder, repositories string) {
	t.Helper()
	backend := filepath.Join(git(t, ".", "--exec-path"), "git-http-backend")
	if _, err := os.Stat(backend); err != nil {
		t.Fatalf("git is installed without git-http-backend: %v", err)
	}
	folder, repositories = t.TempDir(), t.TempDir()
	site := filepath.Join(repositories, "site")
	git(t, repositories, "init", "-q", "-b", "main", "site")
	writeFile(t, site, ".gitignore", []byte("*.tmp\n"))
	writeFile(t, site, "src/main.c", []byte("int main(void) { return 0; }\n"))
	git(t, site, "add", ".")
	git(t, site, "commit", "-q", "-m", "the first")
	git(t, repositories, "clone", "-q", "--bare", "site", "site.git")
	script := "#!/bin/sh\nexport GIT_PROJECT_ROOT='" + repositories + "' GIT_HTTP_EXPORT_ALL=1\nexec '" + backend + "'\n"
	if err := os.Chmod(writeFile(t, folder, "git.cgi", []byte(script)), 0o755); err != nil {
		t.Fatal(err)
	}
	return folder, repositories
}

// gitUsers permits everyone to read, and only Ann to write.
func gitUsers(files rawhttp.Resolver) rawhttp.Resolver {
	ann := "Basic " + base64.StdEncoding.EncodeToString([]byte("ann:secret"))
	return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if req.Header().Get("Authorization") == ann {
			return files.Resolve(ctx, req.WithUser("ann"))
		}
		if strings.HasSuffix(req.Path(), "/git-receive-pack") || req.Query().Get("service") == "git-receive-pack" {
			return rawhttp.Text(401, "who are you?\n").Set("WWW-Authenticate", `Basic realm="git"`), nil
		}
		return files.Resolve(ctx, req)
	})
}

// Git clones from git http-backend behind the server, and pushes to it as the user that a
// resolver in front has authenticated.
func TestGitHTTPBackend(t *testing.T) {
	folder, repositories := gitSite(t)
	files, err := rawhttp.Dir(folder, rawhttp.WithScript(".cgi"), rawhttp.WithScriptPathInfo(true))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	_, addr := serve(t, rawhttp.WithResolver(gitUsers(files)), rawhttp.WithMaxBodyBytes(64<<20))
	base := "http://" + addr + "/git.cgi/"

	work := t.TempDir()
	git(t, work, "clone", "-q", base+"site.git", "clone")
	clone := filepath.Join(work, "clone")
	git(t, work, "clone", "-q", base+"site/.git", "hidden") // PATH_INFO with a hidden name
	git(t, work, "clone", "-q", "--depth", "1", base+"site.git", "shallow")
	want := git(t, filepath.Join(repositories, "site"), "rev-parse", "HEAD")
	for _, name := range []string{"clone", "hidden", "shallow"} {
		if got := git(t, filepath.Join(work, name), "rev-parse", "HEAD"); got != want {
			t.Errorf("the clone %q is at %s, want %s", name, got, want)
		}
	}

	// Git sends more than 1 MiB in chunks.
	large := someBytes(3 << 20)
	writeFile(t, clone, "large.bin", large)
	git(t, clone, "add", ".")
	git(t, clone, "commit", "-q", "-m", "the second")
	if out, err := gitCommand(t, clone, "push", "-q", base+"site.git", "main").CombinedOutput(); err == nil {
		t.Errorf("a push without a user succeeds: %s", out)
	}
	git(t, clone, "push", "-q", "http://ann:secret@"+addr+"/git.cgi/site.git", "main")
	want = git(t, clone, "rev-parse", "HEAD")
	if got := git(t, filepath.Join(repositories, "site.git"), "rev-parse", "main"); got != want {
		t.Errorf("after the push main is at %s, want %s", got, want)
	}
	git(t, filepath.Join(work, "shallow"), "pull", "-q")
	got, err := os.ReadFile(filepath.Join(work, "shallow", "large.bin"))
	if err != nil {
		t.Fatal(err)
	}
	wantBytes(t, "the file that was pushed and pulled", got, large)
}

// If no resolver sets a user, git http-backend refuses pushes, whatever the
// request contains.
func TestGitHTTPBackendWithoutUser(t *testing.T) {
	folder, _ := gitSite(t)
	_, addr := serve(t, rawhttp.WithRoot(folder), rawhttp.WithScript(".cgi"), rawhttp.WithScriptPathInfo(true))
	url := "http://" + addr + "/git.cgi/site.git/info/refs?service="
	for service, want := range map[string]int{"git-upload-pack": 200, "git-receive-pack": 403} {
		transfers, _ := curl(t, nil, "--user", "ann:secret", "--header", "Remote-User: ann", url+service)
		if len(transfers) != 1 || transfers[0].Status != want {
			t.Errorf("%s: %+v, want status %d", service, transfers, want)
		}
	}
}

// PHP scripts see the same request as with other servers.
func TestPHP(t *testing.T) {
	php := peer(t, "php-cgi", "php-cgi")
	folder := t.TempDir()
	writeFile(t, folder, "sub/a.php", []byte(`<?php
header('Content-Type: text/plain');
if ($_SERVER['REQUEST_METHOD'] == 'DELETE') { http_response_code(410); }
echo implode('|', [
	$_SERVER['REQUEST_METHOD'], $_SERVER['SCRIPT_NAME'], $_SERVER['PATH_INFO'] ?? 'none', $_SERVER['REMOTE_USER'] ?? 'nobody',
	$_GET['q'] ?? '', $_POST['p'] ?? '', strlen(file_get_contents('php://input')), basename(getcwd()),
]);
`))
	files, err := rawhttp.Dir(folder, rawhttp.WithScript(".php", "env", "REDIRECT_STATUS=200", php),
		rawhttp.WithScriptPathInfo(true), rawhttp.WithScriptMethods("PUT", "DELETE"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	ann := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return files.Resolve(ctx, req.WithUser("ann"))
	})
	_, addr := serve(t, rawhttp.WithResolver(rawhttp.First(rawhttp.Mount("/ann/", ann), files)))
	for _, tt := range []struct {
		name   string
		args   []string // of curl; the last is the target
		status int
		want   string
	}{
		{"GET", []string{"/sub/a.php?q=a%20b"}, 200, "GET|/sub/a.php|none|nobody|a b||0|sub"},
		{"a user", []string{"/ann/sub/a.php"}, 200, "GET|/ann/sub/a.php|none|ann|||0|sub"},
		{"path info", []string{"/sub/a.php/.git/x.php.gz?q=1"}, 200, "GET|/sub/a.php|/.git/x.php.gz|nobody|1||0|sub"},
		{"a form", []string{"--data", "p=hello", "/sub/a.php"}, 200, "POST|/sub/a.php|none|nobody||hello|7|sub"},
		{"a form in chunks", []string{"--header", "Transfer-Encoding: chunked", "--data", "p=hello", "/sub/a.php"}, 200, "POST|/sub/a.php|none|nobody||hello|7|sub"},
		{"PUT", []string{"--request", "PUT", "--data-binary", "12345", "/sub/a.php"}, 200, "PUT|/sub/a.php|none|nobody|||5|sub"},
		{"DELETE", []string{"--request", "DELETE", "/sub/a.php"}, 410, "DELETE|/sub/a.php|none|nobody|||0|sub"},
		{"PATCH", []string{"--request", "PATCH", "/sub/a.php"}, 405, "405 Method Not Allowed\n"},
	} {
		last := len(tt.args) - 1
		transfers, got := curl(t, bytes.NewReader(nil), append(tt.args[:last:last], "http://"+addr+tt.args[last])...)
		if len(transfers) != 1 || transfers[0].Status != tt.status {
			t.Errorf("%s: %+v, want status %d", tt.name, transfers, tt.status)
		}
		if diff := cmp.Diff(tt.want, string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
