package main

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

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
	if diff := cmp.Diff(want, cmd.logged()); diff != "" {
		t.Errorf("stderr (-want +got):\n%s", diff)
	}
}
