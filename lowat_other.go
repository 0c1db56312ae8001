//go:build !linux && !darwin

package rawhttp

import "net"

// setNotSentLowat does nothing where the system has no TCP_NOTSENT_LOWAT.
func setNotSentLowat(net.Conn) {}
