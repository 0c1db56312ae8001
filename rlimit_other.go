//go:build !unix

package rawhttp

// defaultMaxConns is the most where the system has no limit of open files.
func defaultMaxConns() int { return 10000 }
