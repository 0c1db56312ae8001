package conformance_test

import (
	"archive/zip"
	"os"
	"path/filepath"
	"testing"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// The folder .well-known (RFC 8615) may be created after the server has started.
func TestWellKnownCreatedLater(t *testing.T) {
	dir := t.TempDir()
	r := filesOfDir(t, dir)
	const target = "/.well-known/acme-challenge/token"
	if got := resolveString(t, r, resolveGet(t, target)); got != "declined" {
		t.Errorf("before .well-known exists: %q", got)
	}
	if err := os.MkdirAll(filepath.Join(dir, ".well-known/acme-challenge"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, target), []byte("token"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := resolveString(t, r, resolveGet(t, target)); got != "token" {
		t.Errorf("GET %s: %q, want the file", target, got)
	}
}

// A link to an alternative spelling of a script's name does not reveal its source.
func TestLinkToAliasOfScript(t *testing.T) {
	if !testkit.RunsScripts {
		t.Skip("this system runs no scripts")
	}
	dir := t.TempDir()
	for name, content := range map[string]string{"a.sh": "SOURCE", "a.s\u200Dh": "SOURCE", "A~1.SH": "SOURCE", "b~1.txt": "text"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := filesOfDir(t, dir, rawhttp.WithScript(".sh", "sh"))
	for target, want := range map[string]string{"a.sh": "declined", "a.s\u200Dh": "declined", "A~1.SH": "declined", "A~2.TXT": "declined", "b~1.txt": "text"} {
		link := filepath.Join(dir, "link.txt")
		os.Remove(link)
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		if got := resolveString(t, r, resolveGet(t, "/link.txt")); got != want {
			t.Errorf("GET of a link to %q: %q, want %q", target, got, want)
		}
	}
}

// A name like an alias is served even if its folder in an fs.FS cannot be listed.
func TestNamesLikeAliasesInUnlistableZip(t *testing.T) {
	r := filesOfFS(t, errorsZip(t, zip.Store, "b~1.txt", "dot.", "caf\xe9"))
	for target, want := range map[string]string{"/b~1.txt": "x", "/dot.": "x", "/c~1.txt": "declined", "/": "error 500"} {
		if got := resolveString(t, r, resolveGet(t, target)); got != want {
			t.Errorf("GET %s: %q, want %q", target, got, want)
		}
	}
}
