package rawhttp

import (
	"net"
	"net/netip"
	"strings"

	"example.com/rawhttp/internal/ascii"
	"example.com/rawhttp/internal/wire"
)

// addrOf returns the IP address of a, or the invalid one if it has none.
func addrOf(a net.Addr) netip.Addr {
	switch a := a.(type) {
	case *net.TCPAddr:
		// An IPv4 client of an IPv6 listener has an IPv4 address.
		return a.AddrPort().Addr().Unmap()
	case nil:
		return netip.Addr{}
	}
	addr, _ := parseAddr(a.String())
	return addr
}

// parseAddr parses an IP address with or without a port; an IPv6 address may be in
// brackets. It rejects a zone, which means nothing outside its own host and may be any
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
		// Only an IPv6 address has brackets, and it has both.
		if bracketed && (!ok || addr.Is4()) {
			return netip.Addr{}, false
		}
	}
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}

// A proxySet is the set of addresses of trusted proxies.
type proxySet []netip.Prefix

// has reports whether a is the address of a trusted proxy. The invalid address is none.
func (p proxySet) has(a netip.Addr) bool {
	a = a.WithZone("") // prefixes have no zone
	for _, prefix := range p {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// client returns the address of the client: the last address in X-Forwarded-For that is not
// a proxy's. The nearest proxy appends to the end; what comes before the client's address
// may be forged.
func (p proxySet) client(remote netip.Addr, h Header) netip.Addr {
	client := remote
	var hops []string
	for v := range h.Values("X-Forwarded-For") {
		hops = append(hops, strings.Split(v, ",")...)
	}
	for i := len(hops) - 1; i >= 0 && p.has(client); i-- {
		hop := ascii.TrimBlanks(hops[i])
		// "A recipient MUST parse and ignore a reasonable number of empty list elements". RFC
		// 9110, section 5.6.1.2.
		if hop == "" {
			continue
		}
		addr, ok := parseAddr(hop)
		if !ok { // the nearest proxy that can be named is all that is known
			break
		}
		client = addr
	}
	return client
}

// A hostSet is the set of hosts served, in lower case. An empty one allows any host.
type hostSet []string

// allow reports whether the host, with or without a port, is served. The port is not compared: a
// proxy may listen on another one.
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
