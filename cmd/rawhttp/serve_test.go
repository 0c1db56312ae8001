package main

import (
	"context"
	"go/parser"
	"go/token"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

func TestUsageIsPackageComment(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "main.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(f.Doc.Text(), "\n\n")
	var got strings.Builder
	for line := range strings.Lines(code) {
		got.WriteString(strings.TrimPrefix(line, "\t"))
	}
	if diff := cmp.Diff(usage, got.String()); diff != "" {
		t.Errorf("the package comment is not the usage (-usage +comment):\n%s", diff)
	}
}

// The usage fits on a screen.
func TestUsageFits(t *testing.T) {
	for _, text := range []string{usage, sendUsage, spyUsage, checkUsage} {
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if len(lines) > 45 {
			t.Errorf("the usage has %d lines, want at most 45", len(lines))
		}
		for _, line := range lines {
			if len(line) > 80 {
				t.Errorf("the usage has a line of %d columns, want at most 80: %s", len(line), line)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	if status, stdout, _ := call(t, "", "-version"); status != 0 || !regexp.MustCompile(`^rawhttp \S+.* go1\.\S+ \w+/\w+\n$`).MatchString(stdout) {
		t.Errorf("-version: status %d, stdout %q, want 0 and the version", status, stdout)
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

// A server on a loopback address serves only the names of this machine; others serve all hosts,
// unless -host names some.
func TestServedHosts(t *testing.T) {
	local := []string{"localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]"}
	for _, tt := range []struct {
		args         []string
		served, not  []string
		servesOthers bool
	}{
		{nil, local, []string{"evil.test", "localhost.evil.test", "127.0.0.1.evil.test", "evillocalhost", "192.0.2.1"}, false},
		{[]string{"-addr", "localhost:0", "-host", "dev.test"}, append(local, "dev.test", "Dev.Test."), []string{"a.dev.test"}, false},
		{[]string{"-addr", "[::1]:0"}, local, nil, false},
		{[]string{"-addr", "192.0.2.1:0", "-host", "a.test"}, append(local, "192.0.2.1", "a.test"), []string{"192.0.2.2"}, false},
		{[]string{"-addr", ":0", "-host", "[2001:DB8::1]"}, append(local, "[2001:db8:0::1]"), []string{"[2001:db8::2]"}, false},
		{[]string{"-host", "*"}, nil, nil, true},
		{[]string{"-lenient"}, nil, nil, true},
		{[]string{"-addr", ":0"}, nil, nil, true},
	} {
		set, err := parseArgs(tt.args)
		if err != nil {
			t.Fatal(err)
		}
		isServed := set.servedHosts()
		if tt.servesOthers != (isServed == nil) {
			t.Errorf("%q serves all hosts: %v, want %v", tt.args, isServed == nil, tt.servesOthers)
		}
		for _, host := range tt.served {
			if !isServed(host) {
				t.Errorf("%q does not serve %s", tt.args, host)
			}
		}
		for _, host := range append(tt.not, "evil.test") {
			if isServed != nil && isServed(host) {
				t.Errorf("%q serves %s", tt.args, host)
			}
		}
	}
}

// A web page from another host cannot read the folder, and standard error names the flag that
// admits the host, once for each host. A request without a host does not come from a browser.
func TestOtherHostsAreRefused(t *testing.T) {
	t.Parallel()
	cmd := start(t, "-port", "0", "-header", "X-A: 1", folder(t, "a.txt"))
	for _, tt := range []struct{ head, want string }{
		{"GET /a.txt HTTP/1.1\r\nHost: localhost:1", "200"},
		{"GET /a.txt HTTP/1.1\r\nHost: 127.0.0.1", "200"},
		{"GET /a.txt HTTP/1.1\r\nHost: [::1]:8080", "200"},
		{"GET /a.txt HTTP/1.0", "200"},
		{"GET /a.txt HTTP/1.1\r\nHost: evil.test", "421"},
		{"GET /a.txt HTTP/1.1\r\nHost: evil.test:80", "421"},
		{"GET http://evil.test/a.txt HTTP/1.1\r\nHost: localhost", "421"},
		{"GET /a.txt HTTP/1.1\r\nHost: 127.0.0.1.evil.test", "421"},
	} {
		conn, err := net.Dial("tcp", cmd.addr)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, tt.head+"\r\nConnection: close\r\n\r\n")
		b, _ := io.ReadAll(conn)
		conn.Close()
		if got := string(b); !strings.HasPrefix(got, "HTTP/1.1 "+tt.want) || !strings.Contains(got, "\r\nX-A: 1\r\n") {
			t.Errorf("%q: %q, want %s with the field of -header", tt.head, got, tt.want)
		}
	}
	cmd.stop()
	const want = `rawhttp: refused a request for host "evil.test"; -host evil.test admits it, -host '*' admits all
rawhttp: refused a request for host "127.0.0.1.evil.test"; -host 127.0.0.1.evil.test admits it, -host '*' admits all
`
	if diff := cmp.Diff(want, cmd.stderr.String()); diff != "" {
		t.Errorf("stderr (-want +got):\n%s", diff)
	}
}

// -log shows why a request is refused, and at which byte.
func TestLogShowsRefusals(t *testing.T) {
	t.Parallel()
	cmd := start(t, "-port", "0", "-log", folder(t, "a.txt"))
	call(t, "", "send", cmd.addr, "GET  /\x1b[2J HTTP/1.1", "")
	cmd.stop()
	const want = "rawhttp: warning: request refused: more than one space between the parts of the request line (RFC 9112, section 3): 400\n    GET  /\\x1b[2J HTTP/1.1<CRLF>\n        ^\n"
	if got := cmd.stderr.String(); !strings.HasPrefix(got, want) {
		t.Errorf("stderr is %q, want it to begin with %q", got, want)
	}
}

// The printed address can be opened in a browser, and a warning says if the network can connect.
func TestAnnounce(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		addr  string
		users *users
		want  []string
	}{
		{"127.0.0.1:9000", nil, []string{"^rawhttp: serving site on http://127.0.0.1:9000/\n$"}},
		{"[::]:9000", nil, []string{"^rawhttp: serving site on http://localhost:9000/\n", "everyone on the network can read it"}},
		{"0.0.0.0:9000", nil, []string{"^rawhttp: serving site on http://localhost:9000/\n(rawhttp: and on http://[0-9.]+:9000/\n)*rawhttp: everyone"}},
		{"192.0.2.7:9000", nil, []string{"^rawhttp: serving site on http://192.0.2.7:9000/\n", "everyone on the network can read it"}},
		{"[2001:db8::1]:80", new(users), []string{"^rawhttp: serving site on http://\\[2001:db8::1\\]:80/\n", "who has a password"}},
	} {
		addr, err := net.ResolveTCPAddr("tcp", tt.addr)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		announce(&out, settings{root: "site", users: tt.users}, addr)
		for _, want := range tt.want {
			if !regexp.MustCompile(want).MatchString(out.String()) {
				t.Errorf("announce for %s prints %q, want %s", tt.addr, out.String(), want)
			}
		}
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.Addr().String()
	status, _, stderr := call(t, "", "-addr", addr, t.TempDir())
	match := regexp.MustCompile(`is in use; (127\.0\.0\.1:\d+) is free`).FindStringSubmatch(stderr)
	if status != 1 || match == nil || match[1] == addr {
		t.Errorf("-addr %s, which is in use: status %d, stderr %q, want 1 and another address that is free", addr, status, stderr)
	}
}

func TestLenientAnswersHandWrittenClients(t *testing.T) {
	t.Parallel()
	cmd := start(t, "-port", "0", "-lenient", "-list", "text", folder(t, "a.txt"))
	for _, head := range []string{"GET /a.txt HTTP/1.1\r\n", "GET /a.txt HTTP/1.1\n", "GET /a.txt HTTP/1.1\r\nHost: evil.test\r\n"} {
		conn, err := net.Dial("tcp", cmd.addr)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write([]byte(head))
		b := make([]byte, len("HTTP/1.1 200"))
		if _, err := conn.Read(b); err != nil || string(b) != "HTTP/1.1 200" {
			t.Errorf("%q: %q, %v, want 200", head, b, err)
		}
		conn.Close()
	}
}

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

func TestSinglePage(t *testing.T) {
	t.Parallel()
	root := folder(t, "index.html", "app.js", "sub/a.txt")
	files, err := rawhttp.Dir(root, rawhttp.WithListing(rawhttp.ListNone))
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	resolver := singlePage("/index.html", files)
	for _, tt := range []struct{ request, field, want string }{
		{"GET /", "", "index.html"},
		{"GET /users/7", "", "index.html"},
		{"GET /sub/", "", "index.html"},
		{"GET /a.html", "", "index.html"},
		{"GET /app.js", "", "app.js"},
		{"GET /missing.js", "", "404 Not Found\n"},
		{"GET /users/7", "Sec-Fetch-Dest: script\r\n", "404 Not Found\n"},
		{"GET /users/7", "Sec-Fetch-Dest: document\r\n", "index.html"},
		{"POST /users/7", "", "404 Not Found\n"},
	} {
		_, got, _ := strings.Cut(rawhttp.Answer(resolver, tt.request+" HTTP/1.1\r\nHost: a\r\n"+tt.field+"\r\n"), "\r\n\r\n")
		if got != tt.want && !(tt.request[:4] == "POST" && strings.HasPrefix(got, "40")) {
			t.Errorf("%s with %q: %q, want %q", tt.request, tt.field, got, tt.want)
		}
	}
}

func TestWithFields(t *testing.T) {
	t.Parallel()
	shared := rawhttp.Text(200, "hello").Set("Cache-Control", "no-cache")
	resolver := withFields([]field{{"Access-Control-Allow-Origin", "*"}, {"cache-control", "no-store"}, {"X-A", "1"}, {"x-a", "2"}},
		rawhttp.Methods(map[string]rawhttp.Resolver{"GET": rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return shared, nil })}))
	for _, tt := range []struct{ method, want string }{{"GET", "200"}, {"POST", "405"}, {"OPTIONS", "204"}} {
		got := rawhttp.Answer(resolver, tt.method+" / HTTP/1.1\r\nHost: a\r\n\r\n")
		for _, want := range []string{"HTTP/1.1 " + tt.want, "\r\nAccess-Control-Allow-Origin: *\r\n", "\r\ncache-control: no-store\r\n", "\r\nX-A: 1\r\n", "\r\nx-a: 2\r\n"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q has no %q", tt.method, got, want)
			}
		}
		if strings.Contains(got, "no-cache") {
			t.Errorf("%s: %q has the replaced field", tt.method, got)
		}
	}
	for name := range shared.Fields() {
		if name == "X-A" {
			t.Error("the Response of the resolver was changed, not a clone")
		}
	}
}

// A graceful shutdown that takes more than a moment prints what it waits for.
func TestReportStopping(t *testing.T) {
	for _, tt := range []struct{ name, request, want string }{
		{"nothing", "", ""},
		{"a request in progress", "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n", "rawhttp: stopping: waiting up to 10 s for 1 request in progress; ^C again stops now\n"},
		{"a client that has not closed its connection", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nb", "rawhttp: stopping: waiting up to 10 s for 1 connection to close; ^C again stops now\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var busy progress
				srv, err := rawhttp.New(rawhttp.WithTrace(busy.trace()), rawhttp.WithResolver(rawhttp.ResolverFunc(
					func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
						if req.Path() == "/slow" {
							time.Sleep(5 * time.Second)
						}
						return rawhttp.Empty(204).CloseAfter(), nil
					})))
				if err != nil {
					t.Fatal(err)
				}
				client, server := net.Pipe()
				var served sync.WaitGroup
				served.Go(func() { srv.ServeConn(t.Context(), server) })
				go io.Copy(io.Discard, client)
				if tt.request != "" {
					io.WriteString(client, tt.request)
				} else {
					client.Close()
				}
				synctest.Wait()
				var stderr strings.Builder
				reportStopping(&busy, srv, &stderr)
				if diff := cmp.Diff(tt.want, stderr.String()); diff != "" {
					t.Errorf("stderr (-want +got):\n%s", diff)
				}
				client.Close()
				served.Wait()
			})
		})
	}
}
