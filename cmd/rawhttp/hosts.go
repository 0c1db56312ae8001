package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"

	"example.com/rawhttp"
)

// onlyHosts passes requests on if isServed reports true for their host, which has no port, and
// answers others with 421 (Misdirected Request) after calling refused. It protects a server
// on a loopback address from DNS rebinding: a web page can make its own name resolve to this
// machine, and its scripts could then read what is served. A request without a host does not
// come from a browser, and is passed on.
func onlyHosts(isServed func(host string) bool, refused func(host string), next rawhttp.Resolver) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		host := hostname(req.Host())
		if host == "" || isServed(host) {
			return next.Resolve(ctx, req)
		}
		refused(host)
		// 421 is for a request that is "directed at a server that is unable or unwilling to
		// produce an authoritative response" (RFC 9110, section 15.5.20).
		return nil, &rawhttp.StatusError{Status: 421, Err: fmt.Errorf("the host %q is not served", host)}
	})
}

// servedHosts returns a function that reports whether a host is served, or nil if all are: if
// other machines can connect and no names are given, or with -host '*' or -lenient.
func (set *settings) servedHosts() (isServed func(host string) bool) {
	if set.lenient || slices.Contains(set.hosts, "*") {
		return nil
	}
	addr, err := net.ResolveTCPAddr("tcp", set.addr)
	if err != nil || !addr.IP.IsLoopback() && len(set.hosts) == 0 {
		return nil // after an error, listening fails too
	}
	name, _, _ := net.SplitHostPort(set.addr)
	names := append([]string{name, addr.IP.String()}, set.hosts...)
	if addr.IP == nil || addr.IP.IsUnspecified() {
		for _, ip := range networkAddresses() {
			names = append(names, ip.String())
		}
	}
	for i := range names {
		names[i] = canonicalHost(names[i])
	}
	return func(host string) bool {
		return isLoopback(host) || slices.Contains(names, canonicalHost(host))
	}
}

// isLoopback reports whether host can only mean this machine: localhost and the names below it
// (RFC 6761, section 6.3), and loopback addresses.
func isLoopback(host string) bool {
	host = canonicalHost(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// canonicalHost returns the canonical spelling of the host: lower case, without a final dot, and
// without the brackets of an IPv6 address.
func canonicalHost(host string) string {
	if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return addr.Unmap().String()
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// hostname returns the host of a Host field without its port.
func hostname(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		return host[:i]
	}
	return host
}

// networkAddresses returns the addresses by which other machines may reach this one.
func networkAddresses() (ips []net.IP) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			ips = append(ips, n.IP)
		}
	}
	return ips
}

// hostRefusals returns a function that writes to w which flag admits a refused host. It writes
// about each of the first few hosts once.
func hostRefusals(w io.Writer) func(host string) {
	const most = 8 // a client must not fill the terminal with names
	var hosts firstOnes
	return func(host string) {
		if hosts.add(host, most) == 0 {
			return
		}
		fmt.Fprintf(w, "rawhttp: refused a request for host %q; -host %s admits it, -host '*' admits all\n", host, shellWord(host))
	}
}

// shellWord returns s if a shell needs no quotes for it, and otherwise a placeholder. A client
// has chosen s, and somebody may copy it from the terminal into a shell.
func shellWord(s string) string {
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '_') {
			return "NAME"
		}
	}
	if s == "" || s[0] == '-' {
		return "NAME"
	}
	return s
}
