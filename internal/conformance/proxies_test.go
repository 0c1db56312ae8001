package conformance_test

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// ConnInfo.Client is the last address in X-Forwarded-For that is not that of a trusted proxy,
// since the client may have forged the addresses before it.
func TestClientWithTrustedProxies(t *testing.T) {
	tests := []struct {
		name   string
		remote string
		lines  []string // values of X-Forwarded-For
		want   string
		why    string
	}{
		{"no proxy", "192.0.2.9:1", nil, "192.0.2.9", ""},
		{"a client that claims to be a proxy", "192.0.2.9:1", []string{"203.0.113.1"}, "192.0.2.9", "it is not trusted"},
		{"a proxy without the field", "10.0.0.1:1", nil, "10.0.0.1", ""},
		{"a proxy", "10.0.0.1:1", []string{"192.0.2.1"}, "192.0.2.1", ""},
		{"a chain of proxies", "10.0.0.1:1", []string{"192.0.2.1, 10.0.0.3, 10.0.0.2"}, "192.0.2.1", ""},
		{"spoofed hops", "10.0.0.1:1", []string{"203.0.113.1, 127.0.0.1, 192.0.2.1"}, "192.0.2.1", "the addresses before it may be forged"},
		{"spoofed hops that look like proxies", "10.0.0.1:1", []string{"10.9.9.9, 192.0.2.1, 10.0.0.2"}, "192.0.2.1", ""},
		{"several lines", "10.0.0.1:1", []string{"203.0.113.1", "192.0.2.1", "10.0.0.2"}, "192.0.2.1", "several field lines form one list"},
		{"a spoofed line before the proxy's", "10.0.0.1:1", []string{"203.0.113.1, 203.0.113.2", "192.0.2.1"}, "192.0.2.1", ""},
		{"a proxy that is not trusted", "10.0.0.1:1", []string{"203.0.113.1, 172.16.0.1"}, "172.16.0.1", "what an untrusted proxy reports may be forged"},
		{"only proxies", "10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3", "the first proxy made the request itself"},
		{"blanks", "10.0.0.1:1", []string{" \t203.0.113.1 ,\t192.0.2.1 \t"}, "192.0.2.1", ""},
		{"no blanks", "10.0.0.1:1", []string{"203.0.113.1,192.0.2.1"}, "192.0.2.1", ""},
		{"a port", "10.0.0.1:1", []string{"192.0.2.1:4711"}, "192.0.2.1", ""},
		{"IPv6", "10.0.0.1:1", []string{"2001:db8::1"}, "2001:db8::1", ""},
		{"IPv6 in brackets", "10.0.0.1:1", []string{"[2001:db8::1]"}, "2001:db8::1", ""},
		{"IPv6 with a port", "10.0.0.1:1", []string{"[2001:db8::1]:4711"}, "2001:db8::1", ""},
		{"IPv6 all the way", "[fd00::1]:1", []string{"2001:db8::9, 2001:db8::1, fd00::2"}, "2001:db8::1", ""},
		{"an IPv4 address as IPv6", "10.0.0.1:1", []string{"::ffff:192.0.2.1"}, "192.0.2.1", ""},
		{"a proxy's as IPv6", "[::ffff:10.0.0.1]:1", []string{"192.0.2.1, ::ffff:10.0.0.2"}, "192.0.2.1", "an IPv4-mapped address is the same address"},
		{"a link-local proxy", "[fe80::1%eth0]:1", []string{"2001:db8::1"}, "2001:db8::1", "prefixes have no zones"},
		{"an empty member at the end", "10.0.0.1:1", []string{"192.0.2.1,"}, "192.0.2.1", "empty members are ignored, RFC 9110, section 5.6.1.2"},
		{"empty members all over", "10.0.0.1:1", []string{",203.0.113.1, ,192.0.2.1,\t,10.0.0.2 ,", ""}, "192.0.2.1", ""},
		{"nothing", "10.0.0.1:1", []string{""}, "10.0.0.1", ""},
		{"a word", "10.0.0.1:1", []string{"192.0.2.1, unknown"}, "10.0.0.1", "a member that is not an address hides whether those before it are forged"},
		{"a hidden name", "10.0.0.1:1", []string{"_hidden"}, "10.0.0.1", ""},
		{"a name", "10.0.0.1:1", []string{"localhost"}, "10.0.0.1", ""},
		{"garbage before the client", "10.0.0.1:1", []string{"x, 192.0.2.1"}, "192.0.2.1", ""},
		{"garbage before a proxy", "10.0.0.1:1", []string{"192.0.2.1, x, 10.0.0.2"}, "10.0.0.2", ""},
		{"an opening bracket only", "10.0.0.1:1", []string{"[2001:db8::1"}, "10.0.0.1", ""},
		{"a closing bracket only", "10.0.0.1:1", []string{"2001:db8::1]"}, "10.0.0.1", ""},
		{"IPv4 in brackets", "10.0.0.1:1", []string{"[192.0.2.1]"}, "10.0.0.1", ""},
		{"quotes", "10.0.0.1:1", []string{`"192.0.2.1"`}, "10.0.0.1", ""},
		{"leading zeros", "10.0.0.1:1", []string{"192.0.02.1"}, "10.0.0.1", "some parsers read leading zeros as octal"},
		{"a number", "10.0.0.1:1", []string{"3232235777"}, "10.0.0.1", ""},
		{"a prefix", "10.0.0.1:1", []string{"192.0.2.0/24"}, "10.0.0.1", ""},
		{"a zone", "10.0.0.1:1", []string{`fe80::1%eth0`}, "10.0.0.1", "a zone has a meaning only on its own host"},
		{"a zone that forges", "10.0.0.1:1", []string{`fe80::1%" 200 "`}, "10.0.0.1", "a zone may be any text"},
		{"a malformed port", "10.0.0.1:1", []string{"192.0.2.1:x"}, "10.0.0.1", ""},
		{"no address", "@", []string{"192.0.2.1"}, "invalid IP", "a Unix domain socket's peer is not in a prefix"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got netip.Addr
			s := newServer(t, rawhttp.WithTrustedProxies(netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")),
				rawhttp.WithTrustedProxies(netip.MustParsePrefix("fe80::/10")),
				rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
					got = req.Conn().Client
					return rawhttp.Text(200, ""), nil
				})))
			client, server := duplexPipe()
			served := make(chan error, 1)
			var remote net.Addr = memoryAddr(tt.remote)
			if ap, err := netip.ParseAddrPort(tt.remote); err == nil {
				remote = net.TCPAddrFromAddrPort(ap)
			}
			go func() { served <- s.ServeConn(context.Background(), connFrom{server, remote}) }()
			head := "GET / HTTP/1.1\r\nHost: a\r\n"
			for i, line := range tt.lines {
				head += []string{"X-Forwarded-For", "x-forwarded-for", "X-FORWARDED-FOR"}[i%3] + ": " + line + "\r\n"
			}
			go client.Write([]byte(head + "\r\n"))
			client.Read(make([]byte, 1000))
			client.Close()
			<-served
			if got.String() != tt.want {
				t.Errorf("Client of %s with X-Forwarded-For %q = %v, want %v\nwhy: %s", tt.remote, tt.lines, got, tt.want, tt.why)
			}
		})
	}
}

// Without WithTrustedProxies the field is ignored.
func TestClientWithoutTrustedProxies(t *testing.T) {
	var got []string
	_, addr := listen(t, rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		got = append(got, req.Conn().Client.String())
		return rawhttp.Text(200, ""), nil
	})))
	talk(t, addr, getRequest("/", "X-Forwarded-For: 192.0.2.1"))
	if diff := cmp.Diff([]string{"127.0.0.1"}, got); diff != "" {
		t.Errorf("Client (-want +got):\n%s", diff)
	}
}

// Each request has its own Client, since one connection of a proxy carries requests of many
// clients.
func TestClientOfEachRequest(t *testing.T) {
	var got []string
	_, addr := listen(t, rawhttp.WithTrustedProxies(netip.MustParsePrefix("127.0.0.0/8")),
		rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			got = append(got, req.Conn().Client.String())
			return rawhttp.Text(200, ""), nil
		})))
	talk(t, addr, getRequest("/", "X-Forwarded-For: 192.0.2.1")+getRequest("/")+getRequest("/", "X-Forwarded-For: 192.0.2.2"))
	if diff := cmp.Diff([]string{"192.0.2.1", "127.0.0.1", "192.0.2.2"}, got); diff != "" {
		t.Errorf("Client (-want +got):\n%s", diff)
	}
}
