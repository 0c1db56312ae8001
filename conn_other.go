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

// watch does nothing: that a connection was reset shows when it is written to.
func (c *conn) watch() (stop func()) { return func() {} }

// setNotSentLowat does nothing where the system has no TCP_NOTSENT_LOWAT.
func setNotSentLowat(net.Conn) {}

// defaultMaxConns is the most where the system has no limit of open files.
func defaultMaxConns() int { return 10000 }
