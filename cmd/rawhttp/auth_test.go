package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

func TestAuthenticated(t *testing.T) {
	u, err := newUsers("\ufeff# who\nann:s3cret\nbob:a:b\r\n\n")
	if err != nil {
		t.Fatal(err)
	}
	resolver := authenticated(u, rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, "hello"), nil
	}))
	for _, tt := range []struct{ field, want string }{
		{"", "401"},
		{"Authorization: Basic YW5uOnMzY3JldA==\r\n", "200"},
		{"Authorization: basic  YW5uOnMzY3JldA==\r\n", "200"},
		{"Authorization: Basic Ym9iOmE6Yg==\r\n", "200"},
		{"Authorization: Basic YW5uOnMzY3Jl\r\n", "401"},
		{"Authorization: Basic YW5uOnMzY3JldA==YW5uOnMzY3JldA==\r\n", "401"},
		{"Authorization: Basic\r\n", "401"},
		{"Authorization: Basic \r\n", "401"},
		{"Authorization: Bearer YW5uOnMzY3JldA==\r\n", "401"},
	} {
		got := rawhttp.Answer(resolver, "GET / HTTP/1.1\r\nHost: a\r\n"+tt.field+"\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 "+tt.want) || tt.want == "401" && !strings.Contains(got, "\r\nWWW-Authenticate: Basic realm=") {
			t.Errorf("request with %q: %q, want %s", tt.field, got, tt.want)
		}
	}
	for _, bad := range []string{"", "ann", ":x", "ann:", "# a:b\n", "ann:b\nbob"} {
		if _, err := newUsers(bad); err == nil || strings.Contains(err.Error(), "bob") {
			t.Errorf("newUsers(%q): %v, want an error that does not repeat it", bad, err)
		}
	}
	t.Setenv("RAWHTTP_AUTH", "ann:s3cret")
	if set, err := parseArgs([]string{"-auth"}); err != nil || set.users.find("YW5uOnMzY3JldA==") != "ann" {
		t.Errorf("-auth with RAWHTTP_AUTH: %v, want ann", err)
	}
	file := filepath.Join(t.TempDir(), "users")
	os.WriteFile(file, []byte("bob:a:b\n"), 0o600)
	if set, err := parseArgs([]string{"-auth=" + file}); err != nil || set.users.find("Ym9iOmE6Yg==") != "bob" {
		t.Errorf("-auth=FILE: %v, want bob", err)
	}
}

// A script finds the user of -auth in REMOTE_USER.
func TestUserOfScript(t *testing.T) {
	t.Parallel()
	if !runsScripts() {
		t.Skip("no scripts on this system")
	}
	root, users := t.TempDir(), filepath.Join(t.TempDir(), "users")
	for name, content := range map[string]string{users: "ann:s3cret\n", filepath.Join(root, "who.sh"): `echo "$REMOTE_USER"`} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := start(t, "-port", "0", "-auth="+users, "-script", ".sh=sh", root)
	got := testkit.Talk(t, cmd.addr, "GET /who.sh HTTP/1.0\r\nHost: localhost\r\nAuthorization: Basic YW5uOnMzY3JldA==\r\n\r\n") // never chunked
	if _, content := testkit.SplitHead(got); content != "ann\n" {
		t.Errorf("the script of Ann is answered with %q, want ann", got)
	}
}

// A password file that others can read is accepted, with a warning.
func TestExposedPasswords(t *testing.T) {
	t.Parallel()
	root, elsewhere := t.TempDir(), t.TempDir()
	for _, tt := range []struct {
		file string
		mode os.FileMode
		args []string
		want string
	}{
		{filepath.Join(elsewhere, "users"), 0o600, nil, ""},
		{filepath.Join(elsewhere, "open"), 0o644, nil, "others on this machine"},
		{filepath.Join(root, "users"), 0o600, nil, "in the folder that is served"},
		{filepath.Join(root, ".users"), 0o600, nil, ""},
		{filepath.Join(root, ".users"), 0o600, []string{"-dotfiles"}, "in the folder that is served"},
	} {
		if runtime.GOOS == "windows" && tt.mode == 0o644 {
			continue // the system has no such permissions
		}
		if err := os.WriteFile(tt.file, []byte("ann:s3cret\n"), tt.mode); err != nil {
			t.Fatal(err)
		}
		wantWarning(t, tt.want, append(tt.args, "-auth="+tt.file, root)...)
	}
	cmd := start(t, "-port", "0", "-auth="+filepath.Join(root, "users"), root)
	cmd.stop()
	if got := cmd.stderr.String(); !strings.HasPrefix(got, "rawhttp: warning: ") || strings.Contains(got, "s3cret") {
		t.Errorf("stderr is %q, want a warning without the password", got)
	}
}
