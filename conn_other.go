//go:build !unix

package rawhttp

import "net"

// A ready is unused on this system: connections hold a buffer while they wait.
type ready struct{}

func newReady(net.Conn) *ready { return nil }

func (*ready) wait() error                      { panic("unreachable") }
func (*ready) take() (*[minBuffer]byte, []byte) { panic("unreachable") }
func (*ready) keep(*inbuf)                      { panic("unreachable") }
func (*ready) drop()                            { panic("unreachable") }

// The system cannot report the end of the client's side. When there is nothing more to
// read, a reset is noticed by the next write.
func (c *conn) awaitEnd() error   { return nil }
func (c *conn) awaitReset() error { return nil }

// setNotSentLowat does nothing, since the system has no TCP_NOTSENT_LOWAT.
func setNotSentLowat(net.Conn) {}

// defaultMaxConns returns the maximum, since the system does not limit open files.
func defaultMaxConns() int { return 10000 }
