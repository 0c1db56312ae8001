package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// listenAddress returns the address to listen on that s means: HOST:PORT; :PORT, on all
// networks; or PORT, on this machine alone.
func listenAddress(s string) (string, error) {
	host, port, err := splitAddress(s)
	if err != nil {
		return "", err
	}
	if isPort(s) {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// listenError returns the error of a listen on addr with what helps.
func listenError(err error, addr string) error {
	var op *net.OpError
	if !errors.As(err, &op) {
		return err
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		cause := op.Err
		if errors.Is(err, syscall.EACCES) {
			return fmt.Errorf("listen on %s: %w; ports below 1024 may be for root alone: try -port 8080", addr, errors.Unwrap(cause))
		}
		return fmt.Errorf("listen on %s: %w", addr, cause)
	}
	if free := freeAddress(addr); free != "" {
		return fmt.Errorf("%s is in use; %s is free: -addr %[2]s", addr, free)
	}
	return fmt.Errorf("%s is in use", addr)
}

// freeAddress returns an address with one of the next ports on which nobody listens, "" if
// there is none.
func freeAddress(addr string) string {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return ""
	}
	port, err := strconv.Atoi(service)
	if err != nil {
		return ""
	}
	for next := port + 1; next <= min(port+20, 65535); next++ {
		free := net.JoinHostPort(host, strconv.Itoa(next))
		if ln, err := net.Listen("tcp", free); err == nil {
			ln.Close()
			return free
		}
	}
	return ""
}

// servedHosts returns the hosts to which the server answers, nil if that is any. One that
// listens on this machine alone is for its names alone: a web page whose name resolves to this
// machine (DNS rebinding) could read the folder otherwise.
func (set *settings) servedHosts() []string {
	host, _, err := net.SplitHostPort(set.addr)
	if err != nil || set.lenient {
		return nil
	}
	names := []string{"localhost", "127.0.0.1", "[::1]"}
	for _, name := range set.hosts {
		if name == "*" {
			return nil
		}
		names = append(names, name)
	}
	tcp, err := net.ResolveTCPAddr("tcp", set.addr)
	switch {
	case err != nil: // and so will be the listener's
		return nil
	case tcp.IP.IsLoopback():
		return unique(names, literal(tcp.IP), literalOr(host))
	case len(set.hosts) == 0:
		return nil
	case tcp.IP == nil || tcp.IP.IsUnspecified():
		for _, ip := range networkAddresses() {
			names = append(names, literal(ip))
		}
		return unique(names)
	}
	return unique(names, literal(tcp.IP), literalOr(host))
}

func unique(names []string, more ...string) []string {
	names = append(names, more...)
	slices.Sort(names)
	return slices.Compact(names)
}

// literal returns an address as it is in a Host field.
func literal(ip net.IP) string {
	if ip.To4() == nil {
		return "[" + ip.String() + "]"
	}
	return ip.String()
}

// literalOr returns host as it is in a Host field.
func literalOr(host string) string {
	if ip := net.ParseIP(host); ip != nil {
		return literal(ip)
	}
	return host
}

// hostname returns the host of a Host field without its port.
func hostname(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		return host[:i]
	}
	return host
}

// networkAddresses returns the addresses by which others may reach this machine.
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
