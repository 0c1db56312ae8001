//go:build unix

package rawhttp

import "syscall"

// defaultMaxConns leaves a descriptor for a file beside each connection's, and 64
// for the rest of the program.
func defaultMaxConns() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1000
	}
	files := min(uint64(limit.Cur), 1<<20) // it may be infinite
	half := (max(files, 64) - 64) / 2
	return int(min(max(half, 16), 10000))
}
