package rawhttp

import (
	"net"
	"net/netip"
	"strings"

	"example.com/rawhttp/internal/ascii"

	"example.com/rawhttp/internal/wire"
)

// addrOf returns the IP address of a, the invalid one if it has none.
func addrOf(a net.Addr) netip.Addr {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap()
	case nil:
		return netip.Addr{}
	}
	addr, _ := parseAddr(a.String())
	return addr
}

// parseAddr parses an IP address with or without port, an IPv6 address also in
// brackets. A zone is refused: it says nothing beyond its own host, and may be any
// text.
func parseAddr(s string) (addr netip.Addr, ok bool) {
	ap, err := netip.ParseAddrPort(s)
	addr = ap.Addr()
	if err != nil {
		inner, bracketed := strings.CutPrefix(s, "[")
		if bracketed {
			inner, ok = strings.CutSuffix(inner, "]")
		}
		addr, err = netip.ParseAddr(inner)
		if bracketed && (!ok || addr.Is4()) {
			return netip.Addr{}, false
		}
	}
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}

// proxySet are the addresses of proxies whose word is taken.
type proxySet []netip.Prefix

func (p proxySet) has(a netip.Addr) bool {
	a = a.WithZone("") // prefixes have none
	for _, prefix := range p {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// client returns who asks: from the end of X-Forwarded-For, where the nearest proxy
// wrote, the first address that is no proxy's. What stands before that, anybody
// may have written.
func (p proxySet) client(remote netip.Addr, h Header) netip.Addr {
	client := remote
	var hops []string
	for v := range h.Values("X-Forwarded-For") {
		hops = append(hops, strings.Split(v, ",")...)
	}
	for i := len(hops) - 1; i >= 0 && p.has(client); i-- {
		hop := ascii.TrimBlanks(hops[i])
		if hop == "" { // "A recipient MUST parse and ignore a reasonable number of empty list elements". RFC 9110, section 5.6.1.2.
			continue
		}
		addr, ok := parseAddr(hop)
		if !ok {
			break
		}
		client = addr
	}
	return client
}

// hostSet are the hosts that are served, in lower case; none is all.
type hostSet []string

func (s hostSet) allow(host []byte) bool {
	if len(s) == 0 {
		return true
	}
	host = wire.HostWithoutPort(host)
	for _, name := range s {
		if ascii.EqualFold(host, name) {
			return true
		}
	}
	return false
}

// local returns the host and the port that the client connected to; the port is the default
// of the scheme if the connection has no address.
func (i *ConnInfo) local() (host, port string) {
	port = "80"
	if i.TLS {
		port = "443"
	}
	if i.LocalAddr == nil {
		return "localhost", port
	}
	addr := i.LocalAddr.String()
	if host = wire.HostWithoutPort(addr); len(host) < len(addr) {
		port = addr[len(host)+1:]
	}
	return host, port
}

// client returns the address of the client as text.
func (i *ConnInfo) client() string {
	switch {
	case i.Client.IsValid():
		return i.Client.String()
	case i.RemoteAddr != nil:
		return i.RemoteAddr.String()
	}
	return "unknown"
}
