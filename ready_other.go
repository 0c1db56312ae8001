//go:build !unix

package rawhttp

import "net"

// ready is of no use here: connections hold a buffer while they wait.
type ready struct{}

func newReady(net.Conn) *ready { return nil }

func (*ready) wait() error     { panic("unreachable") }
func (*ready) take(*inbuf) int { panic("unreachable") }
func (*ready) keep(*inbuf)     { panic("unreachable") }
func (*ready) drop()           { panic("unreachable") }
