//go:build unix

package scripts_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
	"example.com/rawhttp/internal/testkit/testtls"
)

// printEnv returns a script that prints its environment, each variable followed by a NUL, and an
// interpreter for a script with the same text. Where the system shows the environment as a file, cat
// prints it, and then the script. Elsewhere a shell does, without the variables that it sets itself.
func printEnv() (script string, interpreter []string) {
	const file = "/proc/self/environ"
	cat, err := exec.LookPath("cat")
	if _, missing := os.Stat(file); err != nil || missing != nil {
		return "#!/bin/sh\nunset PWD OLDPWD SHLVL _\nexec env -0\n", []string{"sh"}
	}
	return "#!" + cat + " " + file + "\n", []string{"cat", file}
}

// variablesOf returns the variables in an answer, sorted.
func variablesOf(t testing.TB, answer string) []string {
	t.Helper()
	head, content := splitHead(withLength(t, answer))
	end := strings.LastIndexByte(content, 0)
	if !strings.HasPrefix(head, "HTTP/1.1 200 OK\r\n") || end < 0 {
		t.Fatalf("answer %q, want variables", answer)
	}
	vars := strings.Split(content[:end], "\x00")
	slices.Sort(vars)
	return vars
}

// The environment of a script has exactly these variables.
func TestScriptEnvironment(t *testing.T) {
	for _, name := range []string{"LANG", "LC_ALL", "TZ"} {
		t.Setenv(name, "") // so that the variable is restored
		os.Unsetenv(name)
	}
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("TZ", "Europe/Madrid")
	t.Setenv("LANG", "")
	t.Setenv("SCRIPTIO_SECRET", "of the server")
	t.Setenv("SCRIPTIO_GIVEN", "a = b")
	t.Setenv("SCRIPTIO_EMPTY", "")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:9")
	t.Setenv("REMOTE_USER", "root")

	root := t.TempDir()
	script, interpreter := printEnv()
	for _, name := range []string{"env.cgi", "index.cgi", "sub/index.cgi", "sub/a b.cgi", "sub/\xff.cgi", "tool.cgi/b.cgi"} {
		testkit.WriteFile(t, filepath.Join(root, name), script, 0o755)
	}
	testkit.WriteFile(t, filepath.Join(root, "env.x"), script, 0o644)
	files := filesOfDir(t, root, rawhttp.WithScript(".cgi"), rawhttp.WithScript(".x", interpreter...), rawhttp.WithIndex("index.cgi"))
	withPath := filesOfDir(t, root, rawhttp.WithScript(".cgi"), rawhttp.WithScriptPathInfo(true))
	given := filesOfDir(t, root, rawhttp.WithScript(".cgi"), rawhttp.WithScriptEnv("SCRIPTIO_GIVEN", "SCRIPTIO_EMPTY"), rawhttp.WithScriptEnv("SCRIPTIO_MISSING", "LANG", "TZ"))
	path := filesOfDir(t, root, rawhttp.WithScript(".cgi"), rawhttp.WithScriptEnv("PATH"))

	// as returns a resolver that sets the user and then calls r.
	as := func(user string, r rawhttp.Resolver) rawhttp.Resolver {
		return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			return r.Resolve(ctx, req.WithUser(user))
		})
	}

	base := []string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=", "TZ=Europe/Madrid", "TMPDIR=" + os.Getenv("TMPDIR"),
		"GATEWAY_INTERFACE=CGI/1.1", "SERVER_PROTOCOL=HTTP/1.1", "SERVER_SOFTWARE=rawhttp", "SERVER_NAME=example.test", "SERVER_PORT=PORT",
		"REQUEST_METHOD=GET", "REQUEST_URI=/env.cgi", "QUERY_STRING=", "SCRIPT_NAME=/env.cgi", "SCRIPT_FILENAME=" + root + "/env.cgi",
		"REMOTE_ADDR=127.0.0.1", "REMOTE_HOST=127.0.0.1", "HTTP_HOST=example.test",
	}
	// but returns the base variables with changes. "NAME" without a value removes a variable.
	but := func(changes ...string) (vars []string) {
		vars = slices.Clone(base)
		for _, c := range changes {
			name, _, there := strings.Cut(c, "=")
			vars = slices.DeleteFunc(vars, func(v string) bool { return strings.HasPrefix(v, name+"=") })
			if there {
				vars = append(vars, c)
			}
		}
		return vars
	}
	tests := []struct {
		name, request string
		resolver      rawhttp.Resolver
		opts          []rawhttp.Option
		tls           bool
		want          []string
		why           string
	}{
		{name: "GET", request: getRequest("/env.cgi"), want: but()},
		{name: "a field name in another case", request: "GET /env.cgi HTTP/1.1\r\nhOsT: example.test\r\n\r\n", want: but()},
		{name: "by an interpreter", request: getRequest("/env.x"),
			want: but("REQUEST_URI=/env.x", "SCRIPT_NAME=/env.x", "SCRIPT_FILENAME="+root+"/env.x")},
		{name: "a query", request: getRequest("/env.cgi?a=%20b&c+d&&"),
			want: but("REQUEST_URI=/env.cgi?a=%20b&c+d&&", "QUERY_STRING=a=%20b&c+d&&"), why: "QUERY_STRING is not decoded, RFC 3875, section 4.1.7"},
		{name: "an empty query", request: getRequest("/env.cgi?"), want: but("REQUEST_URI=/env.cgi?")},
		{name: "words as a query", request: getRequest("/env.cgi?a+b"), want: but("REQUEST_URI=/env.cgi?a+b", "QUERY_STRING=a+b")},
		{name: "POST with a length", request: "POST /env.cgi HTTP/1.1\r\nHost: example.test\r\nContent-Type: a/b; c=\"d\"\r\nContent-Length: 5\r\n\r\nhello",
			want: but("REQUEST_METHOD=POST", "CONTENT_LENGTH=5", `CONTENT_TYPE=a/b; c="d"`)},
		{name: "POST in chunks", request: "POST /env.cgi HTTP/1.1\r\nHost: example.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Trailer: a\r\n\r\n",
			want: but("REQUEST_METHOD=POST", "CONTENT_LENGTH=5"), why: "scripts read decoded content, so Transfer-Encoding is left out; trailer fields are not variables"},
		{name: "POST of nothing", request: "POST /env.cgi HTTP/1.1\r\nHost: example.test\r\nContent-Length: 0\r\n\r\n", want: but("REQUEST_METHOD=POST", "CONTENT_LENGTH=0")},
		{name: "POST without content", request: "POST /env.cgi HTTP/1.1\r\nHost: example.test\r\nContent-Type:\r\n\r\n", want: but("REQUEST_METHOD=POST", "CONTENT_TYPE=")},
		{name: "HTTP/1.0 without Host", request: "GET /env.cgi HTTP/1.0\r\n\r\n", want: but("SERVER_PROTOCOL=HTTP/1.0", "SERVER_NAME=127.0.0.1", "HTTP_HOST")},
		{name: "Host with a port", request: "GET /env.cgi HTTP/1.1\r\nHost: Example.test:99\r\n\r\n", want: but("SERVER_NAME=Example.test", "HTTP_HOST=Example.test:99"),
			why: "SERVER_PORT is that of the listener, not of the Host field"},
		{name: "Host that is an IPv6 address", request: "GET /env.cgi HTTP/1.1\r\nHost: [::1]:99\r\n\r\n", want: but("SERVER_NAME=[::1]", "HTTP_HOST=[::1]:99"),
			why: "SERVER_NAME includes the brackets, RFC 3875, section 4.1.14"},
		{name: "absolute-form", request: "GET http://other.test:8/env.cgi?q HTTP/1.1\r\nHost: example.test\r\n\r\n",
			want: but("REQUEST_URI=http://other.test:8/env.cgi?q", "QUERY_STRING=q", "SERVER_NAME=other.test", "HTTP_HOST=other.test:8"), why: "the host of the target replaces the Host field, RFC 9112, section 3.2.2"},
		{name: "a higher minor version", request: "GET /env.cgi HTTP/1.2\r\nHost: example.test\r\n\r\n", want: but("SERVER_PROTOCOL=HTTP/1.2")},
		{name: "an unclean path", request: getRequest("/sub/..//%65nv.cgi"), want: but("REQUEST_URI=/sub/..//%65nv.cgi")},
		{name: "blanks in a name", request: getRequest("/sub/a%20b.cgi"),
			want: but("REQUEST_URI=/sub/a%20b.cgi", "SCRIPT_NAME=/sub/a b.cgi", "SCRIPT_FILENAME="+root+"/sub/a b.cgi"), why: "SCRIPT_NAME is decoded, RFC 3875, section 4.1.13"},
		{name: "a byte that is not UTF-8 in a name", request: getRequest("/sub/%ff.cgi"),
			want: but("REQUEST_URI=/sub/%ff.cgi", "SCRIPT_NAME=/sub/\xff.cgi", "SCRIPT_FILENAME="+root+"/sub/\xff.cgi")},
		{name: "index", request: getRequest("/"), want: but("REQUEST_URI=/", "SCRIPT_NAME=/index.cgi", "SCRIPT_FILENAME="+root+"/index.cgi")},
		{name: "index of a folder", request: getRequest("/sub/?q"),
			want: but("REQUEST_URI=/sub/?q", "QUERY_STRING=q", "SCRIPT_NAME=/sub/index.cgi", "SCRIPT_FILENAME="+root+"/sub/index.cgi")},
		{name: "index of a folder, with an encoded slash", request: getRequest("/sub%2F/?q"),
			want: but("REQUEST_URI=/sub%2F/?q", "QUERY_STRING=q", "SCRIPT_NAME=/sub/index.cgi", "SCRIPT_FILENAME="+root+"/sub/index.cgi")},
		{name: "below a Mount", request: getRequest("/a/b/env.cgi"), resolver: rawhttp.Mount("/a/", rawhttp.Mount("/b/", files)),
			want: but("REQUEST_URI=/a/b/env.cgi", "SCRIPT_NAME=/a/b/env.cgi")},
		{name: "index below a Mount", request: getRequest("/a/sub/"), resolver: rawhttp.First(rawhttp.Mount("/b/", files), rawhttp.Mount("/a/", files)),
			want: but("REQUEST_URI=/a/sub/", "SCRIPT_NAME=/a/sub/index.cgi", "SCRIPT_FILENAME="+root+"/sub/index.cgi")},
		{name: "path info", request: getRequest("/env.cgi/a%20b//c/../d%2Fe/?q"), resolver: withPath,
			want: but("REQUEST_URI=/env.cgi/a%20b//c/../d%2Fe/?q", "QUERY_STRING=q", "PATH_INFO=/a b/d/e/"), why: "PATH_INFO is decoded, RFC 3875, section 4.1.5"},
		{name: "path info of a slash", request: getRequest("/env.cgi/"), resolver: withPath, want: but("REQUEST_URI=/env.cgi/", "PATH_INFO=/")},
		{name: "no path info", request: getRequest("/env.cgi"), resolver: withPath, want: but()},
		{name: "path info after the first script", request: getRequest("/env.cgi/sub/index.cgi/a"), resolver: withPath,
			want: but("REQUEST_URI=/env.cgi/sub/index.cgi/a", "PATH_INFO=/sub/index.cgi/a")},
		{name: "path info in a folder that is named as a script", request: getRequest("/tool.cgi/b.cgi/a"), resolver: withPath,
			want: but("REQUEST_URI=/tool.cgi/b.cgi/a", "PATH_INFO=/a", "SCRIPT_NAME=/tool.cgi/b.cgi", "SCRIPT_FILENAME="+root+"/tool.cgi/b.cgi")},
		{name: "path info below a Mount", request: getRequest("/m/env.cgi/a"), resolver: rawhttp.Mount("/m/", withPath),
			want: but("REQUEST_URI=/m/env.cgi/a", "SCRIPT_NAME=/m/env.cgi", "PATH_INFO=/a")},
		{name: "WithServerField", request: getRequest("/env.cgi"), opts: []rawhttp.Option{rawhttp.WithServerField("example/1.0 (test)")}, want: but("SERVER_SOFTWARE=example/1.0 (test)")},
		{name: "WithTrustedProxies", request: "GET /env.cgi HTTP/1.1\r\nHost: example.test\r\nX-Forwarded-For: 192.0.2.1, 2001:db8::1\r\n\r\n",
			opts: []rawhttp.Option{rawhttp.WithTrustedProxies(netip.MustParsePrefix("127.0.0.0/8"))},
			want: but("REMOTE_ADDR=2001:db8::1", "REMOTE_HOST=2001:db8::1", "HTTP_X_FORWARDED_FOR=192.0.2.1, 2001:db8::1")},
		{name: "a proxy that is not trusted", request: "GET /env.cgi HTTP/1.1\r\nHost: example.test\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n",
			want: but("HTTP_X_FORWARDED_FOR=192.0.2.1")},
		{name: "WithScriptEnv", request: getRequest("/env.cgi"), resolver: given, want: but("SCRIPTIO_GIVEN=a = b", "SCRIPTIO_EMPTY="),
			why: "later options add variables; unset ones are left out; none is passed twice"},
		{name: "WithScriptEnv of PATH", request: getRequest("/env.cgi"), resolver: path, want: but("PATH=" + os.Getenv("PATH"))},
		{name: "TLS", request: getRequest("/env.cgi"), tls: true, want: but("HTTPS=on")},
		{name: "httpoxy", request: "GET /env.cgi HTTP/1.1\r\nHost: example.test\r\nProxy: http://a.example\r\npROXY: b\r\nProxy-Authorization: Basic x\r\n\r\n", want: but(),
			why: "many programs use HTTP_PROXY as their proxy"},
		{name: "credentials", request: "GET /env.cgi HTTP/1.1\r\nHost: example.test\r\nAuthorization: Basic YTpi\r\n\r\n", want: but(), why: "RFC 3875, section 4.1.18"},
		{name: "a user", request: getRequest("/env.cgi"), resolver: as("Ann Example", files), want: but("REMOTE_USER=Ann Example")},
		{name: "a user, whatever fields the request has", request: "GET /env.cgi HTTP/1.1\r\nHost: example.test\r\nAuthorization: Basic YTpi\r\nRemote-User: root\r\nRemote_User: root\r\n\r\n",
			resolver: as("ann", files), want: but("REMOTE_USER=ann", "HTTP_REMOTE_USER=root"), why: "AUTH_TYPE is not set, since the server does not know how the user was authenticated"},
		{name: "a user below a Mount", request: getRequest("/m/env.cgi"), resolver: as("ann", rawhttp.First(rawhttp.Mount("/a/", files), rawhttp.Mount("/m/", files))),
			want: but("REQUEST_URI=/m/env.cgi", "SCRIPT_NAME=/m/env.cgi", "REMOTE_USER=ann")},
		{name: "a user, and path info", request: getRequest("/env.cgi/a"), resolver: as("ann", withPath), want: but("REQUEST_URI=/env.cgi/a", "PATH_INFO=/a", "REMOTE_USER=ann")},
		{name: "the later user", request: getRequest("/env.cgi"), resolver: as("ann", as("bob", files)), want: but("REMOTE_USER=bob")},
		{name: "no user", request: getRequest("/env.cgi"), resolver: as("ann", as("", files)), want: but()},
		{name: "a user, for another resolver", request: getRequest("/env.cgi"), want: but(),
			resolver: rawhttp.First(as("ann", rawhttp.Mount("/elsewhere/", files)), files)},
		{name: "Connection", request: "GET /env.cgi HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n", want: but()},
		{name: "fields", request: "GET /env.cgi HTTP/1.1\r\nHost: example.test\r\nUser-Agent:  a  b \r\nX-1-y: \xe9\r\nAccept:\r\nRange: bytes=0-1\r\nIf-None-Match: *\r\n\r\n",
			want: but("HTTP_USER_AGENT=a  b", "HTTP_X_1_Y=\xe9", "HTTP_ACCEPT=", "HTTP_RANGE=bytes=0-1", "HTTP_IF_NONE_MATCH=*")},
		{name: "names that map to the same variable", request: "GET /env.cgi HTTP/1.1\r\nHost: example.test\r\nX_A: 1\r\nX-B_C: 2\r\n_: 3\r\nHTTP_X: 4\r\nX.A: 5\r\nX!A: 6\r\nX~: 7\r\nX-A: 8\r\n\r\n",
			want: but("HTTP_X_A=8"), why: "a client could send X_A to bypass a proxy that removes X-A"},
		{name: "fields twice", request: "GET /env.cgi HTTP/1.1\r\nHost: example.test\r\nX-A: 1\r\nX-B: b\r\nx-a: 2, 3\r\nX-A:\r\nX-a: 4\r\n\r\n",
			want: but("HTTP_X_A=1, 2, 3, , 4", "HTTP_X_B=b"), why: "RFC 9110, section 5.3"},
		{name: "cookies", request: "GET /env.cgi HTTP/1.1\r\nHost: example.test\r\nCookie: a=1\r\ncookie: b=2; c=3\r\n\r\n",
			want: but("HTTP_COOKIE=a=1; b=2; c=3"), why: "as between the cookies of one line, RFC 6265, section 4.2.1"},
		{name: "fields with the names of variables", request: "GET /env.cgi HTTP/1.1\r\nHost: example.test\r\nPath: 1\r\nRemote-User: me\r\nContent-Length: 0\r\n\r\n",
			want: but("CONTENT_LENGTH=0", "HTTP_PATH=1", "HTTP_REMOTE_USER=me")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resolver := tt.resolver
			if resolver == nil {
				resolver = files
			}
			opts := append([]rawhttp.Option{rawhttp.WithDate(false), rawhttp.WithResolver(resolver)}, tt.opts...)
			var addr, answer string
			if tt.tls {
				addr, answer = talkTLS(t, tt.request, opts...)
			} else {
				_, addr = listen(t, opts...)
				answer = talk(t, addr, tt.request)
			}
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				t.Fatal(err)
			}
			want := slices.Clone(tt.want)
			for i := range want {
				want[i] = strings.Replace(want[i], "SERVER_PORT=PORT", "SERVER_PORT="+port, 1)
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, variablesOf(t, answer)); diff != "" {
				t.Errorf("environment for %q (-want +got):\n%s\nwhy: %s", tt.request, diff, tt.why)
			}
		})
	}
}

// talkTLS is like talk, over TLS.
func talkTLS(t *testing.T, request string, opts ...rawhttp.Option) (addr, answer string) {
	t.Helper()
	config := testtls.Config(t)
	s := newServer(t, opts...)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, tls.NewListener(ln, config)) }()
	defer func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	}()
	c, err := tls.Dial("tcp", ln.Addr().String(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, request)
	c.CloseWrite()
	b, err := io.ReadAll(c)
	if err != nil {
		t.Errorf("reading the answer to %q: %v", request, err)
	}
	return ln.Addr().String(), string(b)
}

// The arguments of a script are those of its interpreter and its path, and nothing of the request.
// Its working directory is its folder.
func TestScriptArguments(t *testing.T) {
	root, err := filepath.EvalSymlinks(testkit.Scripts(t, map[string]string{
		"sub/x.sh": "printf '%s|' \"$0\" \"$#\" \"$@\" \"$(pwd -P)\" \"$-\"",
		"y.cgi":    "#!/bin/sh\nprintf '%s|' \"$0\" \"$#\" \"$@\" \"$(pwd -P)\"",
	}))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		target string
		opt    rawhttp.Option
		want   string
	}{
		{"/sub/x.sh?a+b+-c", rawhttp.WithScript(".sh", "sh"), root + "/sub/x.sh|0|" + root + "/sub||"},
		{"/sub/x.sh?a+b+-c", rawhttp.WithScript(".sh", "sh", "-e", "-u"), root + "/sub/x.sh|0|" + root + "/sub|eu|"},
		{"/y.cgi?a+b+-c", rawhttp.WithScript(".cgi"), root + "/y.cgi|0|" + root + "|"},
	}
	for _, tt := range tests {
		_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithRoot(root), tt.opt)
		_, got := splitHead(withLength(t, talk(t, addr, getRequest(tt.target))))
		// The shell may report its options in any order, and more of them than the table has.
		got = strings.NewReplacer("|ue|", "|eu|", "|hB|", "||", "|h|", "||", "|ehuB|", "|eu|").Replace(got)
		if got != tt.want {
			t.Errorf("GET %s: arguments %q, want %q", tt.target, got, tt.want)
		}
	}
	// A relative root is relative to the working directory at the start.
	t.Chdir(filepath.Dir(root))
	_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithRoot(filepath.Base(root)), rawhttp.WithScript(".cgi"))
	t.Chdir("/")
	if _, got := splitHead(withLength(t, talk(t, addr, getRequest("/y.cgi")))); got != tests[2].want {
		t.Errorf("arguments with a relative root: %q, want %q", got, tests[2].want)
	}
}

// A user name that cannot be passed to a script is answered with 500; the script does not run
// without a user.
func TestScriptUserWithNUL(t *testing.T) {
	root := testkit.Scripts(t, map[string]string{"x.sh": "echo \"user $REMOTE_USER\""})
	files := filesOfDir(t, root, rawhttp.WithScript(".sh", "sh"))
	_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return files.Resolve(ctx, req.WithUser("ann\x00"))
	})))
	if got, want := talk(t, addr, getRequest("/x.sh")), errorText("500 Internal Server Error"); got != want {
		t.Errorf("answer %q, want %q", got, want)
	}
}
