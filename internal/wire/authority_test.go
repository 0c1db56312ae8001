package wire

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

// ipv6Error accepts the addresses that net/netip parses, except zones.
func TestIPv6ErrorAgreesWithNetip(t *testing.T) {
	parts := []string{":", ":", "::", "0", "1", "12", "fe80", "ABCD", "12345", ".", "1.2.3.4", "255", "256", "01", "g"}
	accepted := 0
	r := rand.New(rand.NewPCG(1, 2))
	for range 300_000 {
		var b strings.Builder
		for range 1 + r.IntN(16) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		s := b.String()
		addr, err := netip.ParseAddr(s)
		want := err == nil && addr.Is6()
		if got := ipv6Error([]byte(s)) < 0; got != want {
			t.Fatalf("ipv6Error(%q) accepts: %t, but netip.ParseAddr: %v, %v", s, got, addr, err)
		}
		if want {
			accepted++
		}
	}
	if accepted < 1000 {
		t.Errorf("only %d of the inputs are addresses, want more", accepted)
	}
}

// Every number of groups on either side of every kind of separator, with every ending, is
// accepted exactly if net/netip accepts it.
func TestIPv6ErrorCountsGroups(t *testing.T) {
	groups := func(n int) string { return strings.TrimSuffix(strings.Repeat("1:", n), ":") }
	accepted, refused := 0, 0
	for before := range 11 {
		for after := range 11 {
			for _, middle := range []string{"", ":", "::", ":::"} {
				for _, end := range []string{"", ":", "::", ":1.2.3.4", "1.2.3.4", "::1.2.3.4", ":1.2.3.4:", ":1.2.3"} {
					s := groups(before) + middle + groups(after) + end
					addr, err := netip.ParseAddr(s)
					want := err == nil && addr.Is6()
					if got := ipv6Error([]byte(s)) < 0; got != want {
						t.Errorf("ipv6Error(%q) accepts: %t, but netip.ParseAddr: %v, %v", s, got, addr, err)
					}
					if want {
						accepted++
					} else {
						refused++
					}
				}
			}
		}
	}
	if accepted < 100 || refused < 1000 {
		t.Errorf("%d of the inputs are addresses and %d are not, want many of both", accepted, refused)
	}
}

// The offset is that of the first byte with which no address can continue: the bytes before it
// are a prefix of some address.
func TestIPv6ErrorOffset(t *testing.T) {
	endings := []string{"", "0", "::", ":0", ":0:0", ":0:0:0", ":0:0:0:0", ":0:0:0:0:0", ":0:0:0:0:0:0", ":0:0:0:0:0:0:0",
		"0:0", ":", "0.0.0.0", ".0.0.0", "0.0.0", ".0.0", "0.0", ".0"}
	canBeMadeOne := func(s string) bool {
		for _, end := range endings {
			for _, zeros := range []string{"", "0", ":"} {
				if _, err := netip.ParseAddr(s + zeros + end); err == nil {
					return true
				}
			}
		}
		return false
	}
	for _, s := range []string{"0::0::0", "1::2:", "12345::", "::1.2.3.400", "1:2:3:4:5:6:7:8:9", "::1.2.3.4:5", "a.b::", ":::", "1:2:3:4:5:6:7:8::",
		"1:2:3:4:5:6:7::8", "1:2:3:4:5:6::7:8", "1:2:3:4:5:6::1.2.3.4"} {
		n := ipv6Error([]byte(s))
		if n < 0 || !canBeMadeOne(s[:n]) || n < len(s) && canBeMadeOne(s[:n+1]) {
			t.Errorf("ipv6Error(%q) = %d, want the offset of the first byte with which no address can continue", s, n)
		}
	}
}

func TestHostWithoutPort(t *testing.T) {
	for in, want := range map[string]string{
		"example.test":          "example.test",
		"example.test:80":       "example.test",
		"example.test:":         "example.test",
		"192.0.2.1":             "192.0.2.1",
		"192.0.2.1:80":          "192.0.2.1",
		"[2001:db8::1]":         "[2001:db8::1]",
		"[2001:db8::1]:80":      "[2001:db8::1]",
		"80":                    "80",
		"":                      "",
		strings.Repeat("1", 30): strings.Repeat("1", 30),
	} {
		if got := HostWithoutPort(in); got != want {
			t.Errorf("HostWithoutPort(%q) = %q, want %q", in, got, want)
		}
	}
}
