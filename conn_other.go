//go:build !unix

package rawhttp

import "net"

// ready is of no use here: connections hold a buffer while they wait.
type ready struct{}

func newReady(net.Conn) *ready { return nil }

func (*ready) wait() error                      { panic("unreachable") }
func (*ready) take() (*[minBuffer]byte, []byte) { panic("unreachable") }
func (*ready) keep(*inbuf)                      { panic("unreachable") }
func (*ready) drop()                            { panic("unreachable") }

// The system is not asked: where there is nothing more to read, a reset shows when the
// connection is written to.
func (c *conn) awaitEnd() error   { return nil }
func (c *conn) awaitReset() error { return nil }

// setNotSentLowat does nothing where the system has no TCP_NOTSENT_LOWAT.
func setNotSentLowat(net.Conn) {}

// defaultMaxConns is the most where the system has no limit of open files.
func defaultMaxConns() int { return 10000 }
