//go:build !linux || android || (!amd64 && !arm64)

package rawhttp

import (
	"io/fs"
	"os"
	"runtime"
)

// openBeneath opens nothing where openat2 is not known, or kills the process as on Android,
// and os.Root serves.
func openBeneath(string) linkReader { return nil }

// readsAll reports whether no permissions keep us out. On Linux it does not know: user 0
// may lack the capability.
func readsAll() bool {
	return os.Geteuid() == 0 && runtime.GOOS != "linux" && runtime.GOOS != "android"
}

func identityOf(fs.FileInfo) (id fileID, known bool) { return fileID{}, false }
