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
	"example.com/rawhttp/internal/list"
)

// A Listing is what a folder without an index file is answered with.
type Listing uint8

const (
	ListText Listing = iota // names, one a line, as text/plain
	ListNone                // 404
	ListHTML                // a page, or text or JSON if the client asks for that
)

// String returns the name of l, as in "text".
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
	listing      Listing
	page         func(mediaType func(name string) string) list.Form // of WithListing, so that other programs do not have it
	maxListing   int
	index        []string
	dotFiles     bool
	mediaTypes   map[string]string
	cacheControl func(urlPath string) string // of files at the path of a request, "" for none
	codings      []string                    // of sidecars
	script       scriptConfig
}

// newFileConfig applies the options to the defaults and reports every mistake,
// joined.
func newFileConfig(opts []FileOption) (fileConfig, error) {
	c := fileConfig{
		maxListing:   100_000,
		index:        []string{"index.html"},
		mediaTypes:   make(map[string]string),
		cacheControl: func(string) string { return "" },
		script:       scriptConfig{timeout: 30 * time.Second, max: max(4, 2*runtime.GOMAXPROCS(0))},
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
		c.page = list.HTML
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
		before, patterns := c.cacheControl, slices.Clone(patterns)
		c.cacheControl = func(urlPath string) string {
			if len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { ok, _ := path.Match(p, urlPath); return ok }) {
				return value
			}
			return before(urlPath)
		}
		return errors.Join(errs...)
	})
}

// A ScriptOutput says how the output of scripts is read.
type ScriptOutput uint8

const (
	ScriptAuto  ScriptOutput = iota // CGI if it begins with a block of fields, one of them Content-Type, Location or Status; else plain
	ScriptCGI                       // fields, an empty line, content (RFC 3875, section 6); anything else is answered with 502
	ScriptPlain                     // all of it is content, of type text/html; charset=utf-8
)

// String returns the name of o, as in "auto".
func (o ScriptOutput) String() string {
	switch o {
	case ScriptAuto:
		return "auto"
	case ScriptCGI:
		return "cgi"
	case ScriptPlain:
		return "plain"
	}
	return fmt.Sprintf("ScriptOutput(%d)", uint8(o))
}

// scriptConfig is what the options for scripts set.
type scriptConfig struct {
	commands []scriptCommand
	output   ScriptOutput
	pathInfo bool
	methods  []string // in addition to GET, HEAD and POST
	timeout  time.Duration
	max      int
	env      []string

	// open makes the runner. That only WithScript sets it keeps a program that runs
	// no scripts from being built with all that it takes.
	open func(scriptConfig, string) (scriptRunner, error)
}

// A scriptCommand runs the files with an extension: by an interpreter with its
// arguments, or themselves if that is empty.
type scriptCommand struct {
	ext         string
	interpreter []string
}

// WithScript runs files with the extension, as in ".py" and in any case, and sends
// what they print, where else their source would be sent: by the interpreter, given
// with its own arguments, as in WithScript(".py", "python3", "-u"), or the file
// itself if none is named, which must then be executable. The interpreter is looked
// for once, along PATH, and [New] reports it missing. Later calls add; for the same
// extension the later wins. Only folders ([WithRoot], [Dir]) have scripts, and only
// systems with process groups, which Windows is not among.
//
// A script answers GET, HEAD and POST, and the methods of [WithScriptMethods]. It runs in
// its own folder, without a shell and without arguments from the request; it has the
// request in its environment (RFC 3875, section 4.1) and its content on standard input.
// It inherits no other descriptors: New marks all that are open in this process
// close-on-exec. What it prints begins with fields or not, see [ScriptOutput]; of the
// fields, Status says the status, and Location without it makes a 302. What it says on
// standard error goes to the log, up to 64 KiB.
//
// A script has 10 seconds to its first byte, from when it has all of its content, and
// [WithScriptTimeout] in all; it may print 64 MiB, 32 KiB of that as fields. It ends earlier with the connection, if
// that is reset. Its processes are a group, which is ended when the script has, or
// half a second later if others of it hold its output: by SIGTERM, and SIGKILL another
// half second later. A process that leaves the group, as setsid does, is not ended.
//
// A script that fails before it prints is answered with 500, one that is late with
// 504, one whose fields are at fault with 502, and one that has no turn, because too
// many run, with 503; a POST that a browser says comes from another site, with 403, see
// [WithScriptMethods].
//
// The default is that no script runs.
func WithScript(ext string, interpreter ...string) FileOption {
	return fileOption(func(c *fileConfig) error {
		fail := func(why string) error { return fmt.Errorf("WithScript(%q, %q): %s", ext, interpreter, why) }
		switch {
		case len(ext) < 2 || ext[0] != '.' || !ascii.IsVisible(ext) || strings.ContainsAny(ext[1:], "./"):
			return fail("an extension is a name behind one dot")
		case len(interpreter) > 0 && interpreter[0] == "":
			return fail("the interpreter has no name")
		case isBatch(ext), len(interpreter) > 0 && isBatch(extension(interpreter[0])):
			return fail("batch files are never run: words of a request could be commands there")
		case strings.Contains(strings.Join(interpreter, ""), "\x00"):
			return fail("a NUL byte")
		}
		c.script.open = openScripts
		c.script.commands = append(c.script.commands, scriptCommand{ext, slices.Clone(interpreter)})
		return nil
	})
}

// isBatch reports whether files with the extension are run by a shell of Windows,
// whatever runs them.
func isBatch(ext string) bool { return ascii.EqualFold(ext, ".bat") || ascii.EqualFold(ext, ".cmd") }

// WithScriptOutput fixes how the output of scripts is read. The default is
// [ScriptAuto].
func WithScriptOutput(o ScriptOutput) FileOption {
	return fileOption(func(c *fileConfig) error {
		if o > ScriptPlain {
			return fmt.Errorf("WithScriptOutput(%v): there is no such output", o)
		}
		c.script.output = o
		return nil
	})
}

// WithScriptPathInfo sets whether a path may go on after a script's: then
// /tool.py/a/b runs tool.py with PATH_INFO=/a/b (RFC 3875, section 4.1.5). PATH_INFO
// is decoded and clean, and not held to the rules for names of files: it may be
// /.github/ci.yml. The script itself must not be hidden. The default is false.
func WithScriptPathInfo(on bool) FileOption {
	return fileOption(func(c *fileConfig) error {
		c.script.pathInfo = on
		return nil
	})
}

// WithScriptMethods adds methods to those that scripts answer, which are GET, HEAD and
// POST: PUT, DELETE and PATCH for a REST service, for example. Methods are case-sensitive.
// CONNECT and TRACE are errors, since the server answers them. Later calls add.
//
// OPTIONS makes scripts answer CORS preflights and other OPTIONS requests, where the
// server's own answer is 204 with Allow. Without OPTIONS, a POST and any method added here
// is answered with 403 if the browser says, with Sec-Fetch-Site: cross-site, that a page of
// another site sends it. With OPTIONS, scripts get these requests too, and must judge by
// the Origin field what they allow: browsers send a form without a preflight.
func WithScriptMethods(methods ...string) FileOption {
	return fileOption(func(c *fileConfig) error {
		var errs []error
		for _, method := range methods {
			switch {
			case !ascii.IsToken(method):
				errs = append(errs, fmt.Errorf("WithScriptMethods: %q is not a method", method))
			case method == "CONNECT" || method == "TRACE":
				errs = append(errs, fmt.Errorf("WithScriptMethods: %s is answered by the server", method))
			}
		}
		c.script.methods = append(c.script.methods, methods...)
		return errors.Join(errs...)
	})
}

// WithScriptTimeout limits the time that a script may run, that in which its client
// sends content included. One that has printed nothing by then is answered with 504;
// where its response has begun, that is cut. The 10 seconds to the first byte stay
// what they are.
//
// The default is 30 seconds; 0 is no limit but that to the first byte.
func WithScriptTimeout(d time.Duration) FileOption {
	return fileOption(func(c *fileConfig) error {
		if d < 0 {
			return fmt.Errorf("WithScriptTimeout(%v): a time limit is not negative", d)
		}
		c.script.timeout = d
		return nil
	})
}

// WithMaxScripts limits the number of scripts that run at once, those included that
// wait for a slow client. Of the requests beyond, 64 wait up to 5 seconds for a turn;
// others are answered with 503.
//
// The default is twice the number of processors, at least 4; 0 is no limit.
func WithMaxScripts(n int) FileOption {
	return fileOption(func(c *fileConfig) error {
		if n < 0 {
			return fmt.Errorf("WithMaxScripts(%d): a limit is not negative", n)
		}
		c.script.max = n
		return nil
	})
}

// WithScriptEnv passes to scripts the variables of this process with these names, as
// they are when the resolver is made. Without it they have PATH=/usr/local/bin:/usr/bin:/bin
// and, where this process does, LANG, LC_ALL, TZ and TMPDIR, beside those that tell
// of the request, which cannot be named here. Later calls add.
func WithScriptEnv(names ...string) FileOption {
	return fileOption(func(c *fileConfig) error {
		var errs []error
		for _, name := range names {
			switch {
			case name == "" || strings.ContainsAny(name, "=\x00"):
				errs = append(errs, fmt.Errorf("WithScriptEnv: %q is not the name of a variable", name))
			case isRequestVariable(name):
				errs = append(errs, fmt.Errorf("WithScriptEnv: %s tells scripts of the request", name))
			}
		}
		c.script.env = append(c.script.env, names...)
		return errors.Join(errs...)
	})
}
