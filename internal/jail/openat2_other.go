//go:build !linux || android || (!amd64 && !arm64)

package jail

import (
	"io/fs"
	"os"
	"runtime"
)

// OpenBeneath opens nothing where openat2 is not known, or kills the process as on Android,
// and os.Root serves.
func OpenBeneath(string) LinkReader { return nil }

// ReadsAll reports whether no permissions keep us out. On Linux it does not know: user 0
// may lack the capability.
func ReadsAll() bool {
	return os.Geteuid() == 0 && runtime.GOOS != "linux" && runtime.GOOS != "android"
}

func IdentityOf(fs.FileInfo) (id FileID, known bool) { return FileID{}, false }
