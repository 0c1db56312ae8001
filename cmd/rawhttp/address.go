package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
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
