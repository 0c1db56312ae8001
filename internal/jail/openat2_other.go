//go:build !linux || android || (!amd64 && !arm64)

package jail

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
)

// NewOpenat2Tree returns [errors.ErrUnsupported], so that os.Root is used: openat2 is unknown here
// or, on Android, kills the process.
func NewOpenat2Tree(string) (LinkReader, error) { return nil, errors.ErrUnsupported }

// ReadsAll reports whether the process may read everything. It reports false on Linux,
// where user 0 may lack the capability.
func ReadsAll() bool {
	return os.Geteuid() == 0 && runtime.GOOS != "linux" && runtime.GOOS != "android"
}

// IdentityOf knows no FileID on this system, so nothing is cached.
func IdentityOf(fs.FileInfo) (id FileID, known bool) { return FileID{}, false }
