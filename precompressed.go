package rawhttp

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// WithPrecompressed serves a file as its sidecar, compressed in advance, where the
// client accepts the coding: "br" is name.br, "zstd" name.zst, "gzip" name.gz. Of
// those that a client likes alike, the first named here is taken. A sidecar counts
// if it is a regular file that is not empty, and at most 2 seconds older than the file,
// as copies that run in parallel make it. It has its own length and ETag, and ranges are
// of it; the media type is the file's. All files then have Vary: Accept-Encoding, and
// If-Range with a date gets the whole file. Sidecars can also be requested by their own
// names.
//
// The default is none.
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
		return errors.Join(errs...)
	})
}

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

// chooseCoding returns the file, or the sidecar of it that the client likes best. What
// it does not return is closed.
func (f *FileResolver) chooseCoding(req *Request, plain opened) (opened, error) {
	h := req.Header()
	best, bestQ := plain, acceptCoding(h, "identity")
	for _, coding := range f.config.codings {
		q := acceptCoding(h, coding)
		if q == 0 || q < bestQ || q == bestQ && best.coding != "" {
			continue
		}
		sidecar, err := f.openName(plain.name + sidecarExtension(coding))
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
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
	if bestQ == 0 { // "identity;q=0", and there is nothing else
		best.file.Close()
		err := &StatusError{Status: 406, Err: fmt.Errorf("no coding of %q is acceptable", plain.name)}
		return opened{}, &fieldError{err, "Vary", "Accept-Encoding"}
	}
	return best, nil
}

// sidecarLag is how much older than its file a sidecar may be.
const sidecarLag = 2 * time.Second

// isSidecar reports whether a file that has the name of a sidecar of plain counts as one.
// No compressed form of anything is empty.
func isSidecar(sidecar, plain fs.FileInfo) bool {
	return !sidecar.IsDir() && sidecar.Size() > 0 && !sidecar.ModTime().Before(plain.ModTime().Add(-sidecarLag))
}

// codedTag marks the entity tag of a variant, so that it is never that of the file.
func codedTag(etag, coding string) string {
	if etag == "" || coding == "" {
		return etag
	}
	return strings.TrimSuffix(etag, `"`) + "-" + coding + `"`
}
