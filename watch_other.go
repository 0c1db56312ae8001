//go:build !unix

package rawhttp

// watch does nothing: that a connection was reset shows when it is written to.
func (c *conn) watch() (stop func()) { return func() {} }
