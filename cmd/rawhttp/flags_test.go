package main

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// wantOneLine fails the test unless run with the arguments returns the status, prints
// nothing, and writes one line to stderr that names what is wrong.
func wantOneLine(t *testing.T, args []string, status int, names string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // if it serves all the same, it stops
	var stdout, stderr lockedBuffer
	if got := run(stop{ctx, context.Background()}, args, nil, &stdout, &stderr); got != status {
		t.Errorf("run(%q) = %d, want %d", args, got, status)
	}
	if got := stdout.String(); got != "" {
		t.Errorf("run(%q) printed %q, want nothing", args, got)
	}
	got := stderr.String()
	if !strings.HasPrefix(got, "rawhttp: ") || strings.Index(got, "\n") != len(got)-1 || !strings.Contains(got, names) {
		t.Errorf("run(%q) wrote to stderr:\n%s\nwant one line that begins with %q and names %q", args, got, "rawhttp: ", names)
	}
	if regexp.MustCompile(`\bNew:|\bWith[A-Z]|\bResponse\.`).MatchString(got) {
		t.Errorf("run(%q) wrote to stderr:\n%s\nwhich names a Go function, unknown to users of the command", args, got)
	}
}

func TestRunRefusesCommandLine(t *testing.T) {
	root := t.TempDir()
	users := filepath.Join(folder(t, "users"), "users")
	tests := []struct {
		name  string
		args  []string
		names string // the mistake, as the line names it
	}{
		{"unknown flag", []string{"-frobnicate", root}, "-frobnicate"},
		{"unknown flag with a line feed in it", []string{"-a\nb", root}, "flag"},
		{"-list without a value", []string{"-list"}, "-list"},
		{"-list with an unknown form", []string{"-list", "xml", root}, "xml"},
		{"-list with an empty value", []string{"-list", "", root}, "-list"},
		{"-addr without a value", []string{"-addr"}, "-addr"},
		{"-addr with an empty value, which would mean any port of every interface", []string{"-addr", "", root}, "-addr"},
		{"-log with a value that is not a bool", []string{"-log=maybe", root}, "-log"},
		{"-dotfiles with a value that is not a bool", []string{"-dotfiles=2", root}, "-dotfiles"},
		{"-index with a path", []string{"-index", "a/b.html", root}, "-index"},
		{"-index with an empty name", []string{"-index", "a.html,", root}, "-index"},
		{"-server with a line feed", []string{"-server", "a\nb", root}, "-server"},
		{"an empty root", []string{""}, "folder"},
		{"two roots", []string{root, root}, "not 2"},
		{"an unknown flag after the root", []string{root, "-frob"}, "-frob"},
		{"a port of letters", []string{"-port", "http", root}, "-port"},
		{"a port that is too large", []string{"-port", "99999", root}, "65535"},
		{"an address as a port", []string{"-port", ":9000", root}, "-addr :9000"},
		{"an address without a port", []string{"-addr", "127.0.0.1", root}, "127.0.0.1:8080"},
		{"an IPv6 address without a port", []string{"-addr", "::1", root}, "[::1]:8080"},
		{"an address with two ports", []string{"-addr", "127.0.0.1:1:2", root}, "127.0.0.1:1:2"},
		{"an address whose port is too large", []string{"-addr", "127.0.0.1:99999", root}, "65535"},
		{"an address that ends in a colon", []string{"-addr", "9000:", root}, "did you mean :9000?"},
		{"an address between colons", []string{"-addr", ":9000:", root}, "did you mean :9000?"},
		{"an address whose port is missing", []string{"-addr", "localhost:", root}, "did you mean localhost:8080?"},
		{"an address that is a colon", []string{"-addr", ":", root}, "did you mean :8080?"},
		{"a port that ends in a colon", []string{"-port", "9000:", root}, "did you mean -port 9000?"},
		{"a URL as an address", []string{"-addr", "http://localhost:9000/", root}, "localhost:9000?"},
		{"an address and a port", []string{"-port", "0", root}, "-port"},
		{"a mistyped command", []string{"sned", "localhost:9000"}, "did you mean rawhttp send?"},
		{"a mistyped command alone", []string{"chec"}, "did you mean rawhttp check?"},
		{"a command after a flag", []string{"spy", "9000"}, "did you mean rawhttp spy?"},
		{"an unknown command", []string{"serve", root}, "the commands are send, spy and check"},
		{"a port as a folder", []string{"9000"}, "-port 9000"},
		{"an address as a folder", []string{"localhost:9000"}, "-addr localhost:9000?"},
		{"a URL as a folder", []string{"http://[::1]:9000/a"}, "-addr [::1]:9000?"},
		{"a flag of another server", []string{"-p", "9000"}, "-port"},
		{"a flag for TLS", []string{"-tls", root}, "plain HTTP"},
		{"a pattern of a media type", []string{"-type", "*.wasm=a/b", root}, ".wasm=a/b?"},
		{"-version without its dash", []string{"version"}, "-version"},
		{"an interpreter as a folder", []string{"-script", ".x", "sh"}, ".x=sh"},
		{"an extension without its dot", []string{"-script", "py=python3"}, ".py=python3"},
		{"a password on the command line", []string{"-auth=ann:secret", root}, "RAWHTTP_AUTH"},
		{"-auth without a password", []string{"-auth", root}, "RAWHTTP_AUTH"},
		{"a field without a colon", []string{"-header", "X=y", root}, "'X: y'"},
		{"a field that the server sets", []string{"-header", "Content-Length: 3", root}, "the server sets Content-Length"},
		{"two paths as index files", []string{"-index", "a/b,c/d", root}, `not a file name; "c/d" is not a file name`},
		{"an invalid field name", []string{"-header", "a b: c", root}, "a b"},
		{"a pattern without its slash", []string{"-cache", "*.js=no-store", root}, "'/*.js=no-store'"},
		{"a pattern without a value", []string{"-cache", "/a", root}, "/a=no-cache"},
		{"a directive with a blank", []string{"-cache", "max age=60", root}, `"max age=60" is not a directive`},
		{"directives separated by semicolons", []string{"-cache", "/a/*=public; max-age=60", root}, "commas"},
		{"a semicolon after an argument", []string{"-cache", "max-age=60; public", root}, `"max-age=60; public" is not a directive`},
		{"no comma after an argument", []string{"-cache", "max-age=60 public", root}, "commas"},
		{"a directive without its argument", []string{"-cache", "max-age=", root}, `"max-age=" is not a directive`},
		{"a quoted argument without its end", []string{"-cache", `private="set-cookie`, root}, "not a directive"},
		{"a directive with a colon", []string{"-cache", "/a/*=public, max-age: 60", root}, `"max-age: 60" is not a directive`},
		{"an invalid media type", []string{"-type", ".x=text", root}, "-type"},
		{"a media type with a space in it", []string{"-type", ".x=text/ plain", root}, "not a media type"},
		{"a media type whose semicolon is missing", []string{"-type", ".x=text/plain charset=utf-8", root}, "not a media type"},
		{"a media type for a path", []string{"-type", "a/b=text/plain", root}, "a/b"},
		{"an extension as a coding", []string{"-precompressed", "gz", root}, "gzip"},
		{"a host with a port", []string{"-host", "a.test:80", root}, "a.test?"},
		{"a pattern of hosts", []string{"-host", "*.a.test", root}, "'*' for all"},
		{"a URL as a host", []string{"-host", "http://a.test:80/b", root}, "a.test?"},
		{"a value of -trace as a folder", []string{"-trace", "full", root}, "-trace=full?"},
		{"a file of passwords as a folder", []string{"-auth", users, root}, "-auth=" + users + "?"},
		{"an IPv6 address as a host", []string{"-host", "::1", root}, "[::1]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.names == ".x=sh" && !runsScripts() {
				t.Skip("the flag itself is rejected")
			}
			// An invalid command line is rejected before a port is opened. In case it is not
			// rejected, the port is a free one.
			wantOneLine(t, append([]string{"-addr", "127.0.0.1:0"}, tt.args...), 2, tt.names)
		})
	}
}

func TestCacheControl(t *testing.T) {
	for _, value := range []string{
		"", "no-store", "public, max-age=31536000, immutable", `private="set-cookie, x-a"`,
		`no-cache, community="UCI, the campus; a=\"b\""`, "no-store,", "no-store ,\tno-cache",
	} {
		if err := checkCacheControl(value); err != nil {
			t.Errorf("checkCacheControl(%q) = %v, want no error", value, err)
		}
	}
}

// Flags may be anywhere; a folder with the name of a command has "./" before it.
func TestFlagsAnywhere(t *testing.T) {
	for _, args := range [][]string{
		{"-log", "site", "-port", "9"}, {"site", "-log", "-port=9"}, {"-port", "9", "--log", "site"}, {"-log", "-port", "9", "--", "site"},
	} {
		set, err := parseArgs(args)
		if err != nil || set.root != "site" || !set.log || set.addr != "127.0.0.1:9" {
			t.Errorf("parseArgs(%q): %q, log %v, %q, %v, want site, true, 127.0.0.1:9", args, set.root, set.log, set.addr, err)
		}
	}
	if set, err := parseArgs([]string{"--", "-log"}); err != nil || set.root != "-log" || set.log {
		t.Errorf(`parseArgs("--", "-log"): %q, %v, want the folder -log`, set.root, err)
	}
	if set, err := parseArgs([]string{"./send"}); err != nil || set.root != "./send" {
		t.Errorf(`parseArgs("./send"): %q, %v, want the folder ./send`, set.root, err)
	}
}

func TestAddresses(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "127.0.0.1:8080"},
		{[]string{"-port", "9000"}, "127.0.0.1:9000"},
		{[]string{"-port", "00"}, "127.0.0.1:0"},
		{[]string{"-addr", "9000"}, "127.0.0.1:9000"},
		{[]string{"-addr", ":9000"}, ":9000"},
		{[]string{"-addr", "[::1]:9000"}, "[::1]:9000"},
		{[]string{"-addr", "localhost:9000"}, "localhost:9000"},
	} {
		if set, err := parseArgs(tt.args); err != nil || set.addr != tt.want {
			t.Errorf("parseArgs(%q): %q, %v, want %q", tt.args, set.addr, err, tt.want)
		}
	}
}

// wantWarning checks that the arguments have one warning with the text, or none if want is "".
func wantWarning(t *testing.T, want string, args ...string) {
	t.Helper()
	set, err := parseArgs(args)
	if all := strings.Join(set.warnings, "\n"); err != nil || (all == "") != (want == "") || !strings.Contains(all, want) || strings.Contains(all, "\n") {
		t.Errorf("%q: warnings %q, %v, want one with %q", args, set.warnings, err, want)
	}
}

// Flags that have no effect for this folder or address are accepted with a warning.
func TestFlagsWithoutEffect(t *testing.T) {
	t.Parallel()
	app, other := folder(t, "index.html"), folder(t, "a.txt")
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"", []string{"-spa", app}},
		{"no index.html", []string{"-spa", other}},
		{"-addr :8080", []string{"-host", "0.0.0.0", other}},
		{"-addr :8080", []string{"-host", "[::]", other}},
		{"", []string{"-host", "0.0.0.0", "-addr", ":9000", other}},
		{"", []string{"-host", "192.0.2.1", other}},
		{"", []string{"-type", "Makefile=text/plain", other}},
	} {
		wantWarning(t, tt.want, tt.args...)
	}
}
