package rawhttp

import (
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// WithPrecompressed serves the precompressed sidecar of a file to clients that accept its
// content coding: "br" is name.br, "zstd" name.zst, "gzip" name.gz. If the client prefers
// several codings equally, the one listed first here is used. A sidecar must be a regular
// file, not empty, and at most 2 seconds older than the file, to allow for parallel
// copying. It has its own length and ETag, and ranges apply to it; the media type is that
// of the file. With this option all files have Vary: Accept-Encoding, and a request with a
// date in If-Range gets the whole file. Sidecars can also be requested by their own names.
//
// The default is no codings.
func WithPrecompressed(codings ...string) FileOption {
	return fileOption(func(c *fileConfig) error {
		var errs []error
		c.codings = nil
		for _, coding := range codings {
			if sidecarExtension(coding) == "" {
				errs = append(errs, fmt.Errorf("WithPrecompressed: coding %q is not br, zstd or gzip", coding))
			}
			c.codings = append(c.codings, coding)
		}
		c.chooseCoding = (*FileResolver).chooseCoding
		return errors.Join(errs...)
	})
}

// sidecarExtension returns the extension of sidecars with the content coding, or "" if there are
// none. The extensions are those that the programs brotli, zstd and gzip write.
func sidecarExtension(coding string) string {
	switch coding {
	case "br":
		return ".br"
	case "zstd":
		return ".zst"
	case "gzip":
		return ".gz"
	}
	return ""
}

// chooseCoding returns the file or one of its sidecars, whichever the client prefers
// (RFC 9110, section 12.5.3). It closes the others.
func (f *FileResolver) chooseCoding(req *Request, plain opened) (opened, error) {
	h := req.Header()
	best, bestQ := plain, acceptCoding(h, "identity")
	for _, coding := range f.config.codings {
		q := acceptCoding(h, coding)
		// At equal preference a sidecar wins over the file, since it is smaller, and the coding
		// that is listed first wins over the others.
		if q == 0 || q < bestQ || q == bestQ && best.coding != "" {
			continue
		}
		sidecar, err := f.openName(plain.name + sidecarExtension(coding))
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission): // the file itself can be sent
			continue
		case err != nil:
			best.file.Close()
			return opened{}, err
		case !isSidecar(sidecar.info, plain.info):
			sidecar.file.Close()
			continue
		}
		best.file.Close()
		best, bestQ = sidecar, q
		best.coding = coding
	}
	if bestQ == 0 { // "identity;q=0" without an acceptable sidecar
		best.file.Close()
		// This response depends on Accept-Encoding as much as the file does, so it has Vary, too.
		err := &StatusError{Status: 406, Err: fmt.Errorf("no content coding of %q is acceptable", plain.name)}
		return opened{}, &fieldError{err, "Vary", "Accept-Encoding"}
	}
	return best, nil
}

// sidecarLag is how much older than its file a sidecar may be, since files that are copied in
// parallel have the times of their copies. An edit of the file soon after the sidecar was made
// goes unnoticed until the next edit.
const sidecarLag = 2 * time.Second

// isSidecar reports whether sidecar is a usable sidecar of plain. An empty one is not: no
// compressed form is empty.
func isSidecar(sidecar, plain fs.FileInfo) bool {
	return !sidecar.IsDir() && sidecar.Size() > 0 && !sidecar.ModTime().Before(plain.ModTime().Add(-sidecarLag))
}
