//go:build !unix

package rawhttp

import "net"

// A readyReader is unused on this system: connections hold a buffer while they wait.
type readyReader struct{}

func newReadyReader(net.Conn) *readyReader { return nil }

func (*readyReader) wait() error                      { panic("unreachable") }
func (*readyReader) take() (*[minBuffer]byte, []byte) { panic("unreachable") }
func (*readyReader) keep(*inbuf)                      { panic("unreachable") }
func (*readyReader) drop()                            { panic("unreachable") }

// The system cannot report the end of the client's side. When there is nothing more to
// read, a reset is noticed by the next write.
func (c *conn) awaitEnd() error   { return nil }
func (c *conn) awaitReset() error { return nil }

// setNotSentLowat does nothing, since the system has no TCP_NOTSENT_LOWAT.
func setNotSentLowat(net.Conn) {}

// defaultMaxConns returns the maximum, since the system does not limit open files.
func defaultMaxConns() int { return 10000 }
