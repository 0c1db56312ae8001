//go:build !linux || (!amd64 && !arm64)

package rawhttp

import "io/fs"

// openBeneath opens nothing where openat2 is not known, and os.Root serves.
func openBeneath(string) linkReader { return nil }

func identityOf(fs.FileInfo) (id fileID, known bool) { return fileID{}, false }
