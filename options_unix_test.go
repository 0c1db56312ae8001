//go:build unix

package rawhttp

import (
	"syscall"
	"testing"
)

// The default of WithMaxConns leaves descriptors for files and for the rest of the
// program.
func TestDefaultMaxConns(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	want := 10_000
	if files := uint64(limit.Cur); files < 64+2*16 {
		want = 16
	} else if files < 64+2*10_000 {
		want = int(files-64) / 2
	}
	if got := newServer(t, WithResolver(livePath)).config.maxConns; got != want {
		t.Errorf("the default of WithMaxConns is %d with a limit of %d open files, want %d", got, limit.Cur, want)
	}
}
