//go:build !plan9 && !js

package main

import (
	"errors"
	"os"
	"syscall"
)

// hangup is the signal that announces the end of the terminal.
var hangup os.Signal = syscall.SIGHUP

// isInUse reports whether listening failed because another program listens on the address.
func isInUse(err error) bool {
	const winsock = syscall.Errno(10048) // WSAEADDRINUSE, which syscall does not name
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, winsock)
}
