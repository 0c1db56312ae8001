package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strconv"
)

// listenAddress returns the address to listen on: s is HOST:PORT; or :PORT, for all networks;
// or PORT, for this machine only.
func listenAddress(s string) (string, error) {
	host, port, err := splitAddress(s)
	if err != nil {
		return "", err
	}
	if isPort(s) { // a bare port must not publish a folder by accident
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// listenError returns the error of listening on addr, with a suggestion if there is one.
func listenError(err error, addr string) error {
	var op *net.OpError
	if !errors.As(err, &op) {
		return err
	}
	if !isInUse(err) {
		cause := op.Err
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("listen on %s: %w; ports below 1024 may require root: try -port 8080", addr, errors.Unwrap(cause))
		}
		return fmt.Errorf("listen on %s: %w", addr, cause)
	}
	if free := freeAddress(addr); free != "" {
		return fmt.Errorf("%s is in use; %s is free: -addr %[2]s", addr, free)
	}
	return fmt.Errorf("%s is in use", addr)
}

// freeAddress returns addr with one of the next ports on which no program listens, or "". It only
// suggests: another program may take the port before it is used.
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
