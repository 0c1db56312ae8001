package rawhttp

import (
	"errors"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"example.com/rawhttp/internal/ascii"
)

// A Listing is what a folder without an index file is answered with.
type Listing uint8

const (
	ListText Listing = iota // names, one a line, as text/plain
	ListNone                // 404
	ListHTML                // a page, or text or JSON if the client asks for that
)

// String gives the name of l, as in "text".
func (l Listing) String() string {
	switch l {
	case ListText:
		return "text"
	case ListNone:
		return "none"
	case ListHTML:
		return "html"
	}
	return fmt.Sprintf("Listing(%d)", uint8(l))
}

// fileConfig is all that file options set.
type fileConfig struct {
	listing    Listing
	maxListing int
	index      []string
	dotFiles   bool
	mediaTypes map[string]string
	cacheRules []cacheRule
	codings    []string // of sidecars
	script     scriptConfig
}

// newFileConfig applies the options to the defaults and reports every mistake,
// joined.
func newFileConfig(opts []FileOption) (fileConfig, error) {
	c := fileConfig{
		maxListing: 100_000,
		index:      []string{"index.html"},
		mediaTypes: make(map[string]string),
		script:     scriptConfig{timeout: 30 * time.Second, max: max(4, 2*runtime.GOMAXPROCS(0))},
	}
	var errs []error
	for _, o := range opts {
		if o != nil {
			errs = append(errs, o.applyFile(&c))
		}
	}
	return c, errors.Join(errs...)
}

// mediaType returns the media type of a file by its name, without or with its folders.
func (c *fileConfig) mediaType(name string) string {
	name = name[strings.LastIndexByte(name, '/')+1:]
	if len(c.mediaTypes) > 0 {
		for _, key := range [...]string{name, extension(name)} {
			if t, ok := c.mediaTypes[strings.ToLower(key)]; ok {
				return t
			}
		}
	}
	return mediaTypeByName(name)
}

// WithListing says what a folder without an index file is answered with: names as
// text ([ListText], the default), a page ([ListHTML]), or 404 ([ListNone]).
//
// A client may ask for another form, by the Accept field or by ?format=text, json or,
// with ListHTML, html; and for another order, by ?sort=name, size or time and
// ?order=asc or desc. Folders come first. JSON is one object:
//
//	{"path":"/pub/","entries":[
//	{"name":"old","type":"directory","mtime":"2026-11-02T08:15:00Z","href":"./old/"},
//	{"name":"a?b.png","type":"file","size":145408,"link":true,"mtime":"2026-11-02T08:15:00Z","href":"./a%3Fb.png"}],"truncated":false}
//
// where href leads to the file whatever bytes its name has, link is there for symbolic
// links, and mtime only where there is a time. A folder of more than 200 names is
// streamed, without an ETag.
func WithListing(l Listing) FileOption {
	return fileOption(func(c *fileConfig) error {
		if l > ListHTML {
			return fmt.Errorf("WithListing(%v): there is no such listing", l)
		}
		c.listing = l
		return nil
	})
}

// WithMaxListing limits a listing to n entries, and so the memory that it takes. A
// longer folder is listed in part, which one the system decides, and the listing says
// so.
//
// The default is 100000; 0 is no limit.
func WithMaxListing(n int) FileOption {
	return fileOption(func(c *fileConfig) error {
		if n < 0 {
			return fmt.Errorf("WithMaxListing(%d): a limit is not negative", n)
		}
		c.maxListing = n
		return nil
	})
}

// WithIndex names the files that stand for their folder, the first that is there.
// The default is index.html; no names means that no file does.
func WithIndex(names ...string) FileOption {
	return fileOption(func(c *fileConfig) error {
		var errs []error
		for _, name := range names {
			if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\\\x00") {
				errs = append(errs, fmt.Errorf("WithIndex: %q is not the name of a file in a folder", name))
			}
		}
		c.index = slices.Clone(names)
		return errors.Join(errs...)
	})
}

// WithDotFiles sets whether names that begin with a dot are served and listed. The default
// is false: a path with such a name in it is not found. The folder .well-known at the top
// (RFC 8615) is always served, and so is an index file named by [WithIndex].
func WithDotFiles(on bool) FileOption {
	return fileOption(func(c *fileConfig) error {
		c.dotFiles = on
		return nil
	})
}

// WithMediaType sets the media type, verbatim, of files with the extension, as in ".txt";
// of files without an extension, if ext is ""; or of files with that whole name, as in
// "README", which goes before an extension. Letters match in any case. Later calls add.
// The default is a table of some 200 extensions and some names, the same on every
// machine, and application/octet-stream.
func WithMediaType(ext, mediaType string) FileOption {
	return fileOption(func(c *fileConfig) error {
		if strings.HasPrefix(ext, ".") && (len(ext) < 2 || strings.ContainsRune(ext[1:], '.')) || strings.ContainsAny(ext, "/\x00") {
			return fmt.Errorf("WithMediaType(%q, %q): neither an extension, which is a name after one dot, nor the name of a file", ext, mediaType)
		}
		if mediaType == "" || !ascii.IsFieldValue(mediaType) {
			return fmt.Errorf("WithMediaType(%q, %q): not a media type", ext, mediaType)
		}
		c.mediaTypes[strings.ToLower(ext)] = mediaType
		return nil
	})
}

// A cacheRule is one WithCacheControl.
type cacheRule struct {
	value    string
	patterns []string // none: it is for all paths
}

func (r *cacheRule) matches(urlPath string) bool {
	return len(r.patterns) == 0 || slices.ContainsFunc(r.patterns, func(pattern string) bool {
		ok, _ := path.Match(pattern, urlPath) // the option has refused malformed ones
		return ok
	})
}

// cacheControl returns the value of Cache-Control for files at the path of a request, ""
// for none.
func (c *fileConfig) cacheControl(urlPath string) string {
	for _, rule := range slices.Backward(c.cacheRules) {
		if rule.matches(urlPath) {
			return rule.value
		}
	}
	return ""
}

// WithCacheControl sends the Cache-Control field (RFC 9111, section 5.2) with files: those
// whose path matches one of the patterns, or all if there are none. Later calls add, and
// the last that matches wins; the value "" sends none. The default is none.
//
//	WithCacheControl("no-cache"),
//	WithCacheControl("public, max-age=31536000, immutable", "/assets/*", "/assets/*/*"),
//
// Patterns are those of [path.Match], so "*" matches no slash. They are matched with the
// whole path of the request as [Request.Path] returns it: decoded, below a [Mount] without
// the prefix, and "/docs/" for the index file of a folder. A pattern begins with a slash.
// Redirects, errors, listings and what scripts send do not have the field.
func WithCacheControl(value string, patterns ...string) FileOption {
	return fileOption(func(c *fileConfig) error {
		var errs []error
		if !ascii.IsFieldValue(value) {
			errs = append(errs, fmt.Errorf("WithCacheControl(%q): not a field value", value))
		}
		for _, pattern := range patterns {
			if _, err := path.Match(pattern, ""); err != nil || !strings.HasPrefix(pattern, "/") {
				errs = append(errs, fmt.Errorf("WithCacheControl: %q is not a pattern of path.Match that begins with a slash", pattern))
			}
		}
		c.cacheRules = append(c.cacheRules, cacheRule{value, slices.Clone(patterns)})
		return errors.Join(errs...)
	})
}
