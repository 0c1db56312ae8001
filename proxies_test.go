package rawhttp

import (
	"net"
	"testing"
)

func TestAddrOf(t *testing.T) {
	tcp := func(ip string) *net.TCPAddr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 80} }
	tests := []struct {
		name string
		in   net.Addr
		want string
	}{
		{"nil", nil, "invalid IP"},
		{"TCP", tcp("192.0.2.1"), "192.0.2.1"},
		{"TCP, IPv6", tcp("2001:db8::1"), "2001:db8::1"},
		{"TCP, IPv4 as IPv6", tcp("::ffff:192.0.2.1"), "192.0.2.1"},
		{"TCP, link-local", &net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0"}, "fe80::1%eth0"},
		{"TCP without address", &net.TCPAddr{Port: 80}, "invalid IP"},
		{"UDP", &net.UDPAddr{IP: net.ParseIP("192.0.2.1"), Port: 80}, "192.0.2.1"},
		{"IP", &net.IPAddr{IP: net.ParseIP("2001:db8::1")}, "2001:db8::1"},
		{"Unix", &net.UnixAddr{Name: "/run/10.0.0.1"}, "invalid IP"},
		{"Unix, abstract", &net.UnixAddr{Name: "@"}, "invalid IP"},
		{"Unix, no name", &net.UnixAddr{}, "invalid IP"},
		{"a wrapper's", liveAddr("192.0.2.1:80"), "192.0.2.1"},
		{"a wrapper's, IPv6", liveAddr("[2001:db8::1]:80"), "2001:db8::1"},
		{"a wrapper's, without port", liveAddr("2001:db8::1"), "2001:db8::1"},
		{"a pipe's", liveAddr("pipe"), "invalid IP"},
		{"a name's", liveAddr("localhost:80"), "invalid IP"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := addrOf(tt.in).String(); got != tt.want {
				t.Errorf("addrOf(%v) = %s, want %s", tt.in, got, tt.want)
			}
		})
	}
}
