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

// A Listing determines the response for a folder without an index file.
type Listing uint8

const (
	ListText Listing = iota // names as text/plain, one per line
	ListNone                // 404
	ListHTML                // an HTML page; text or JSON if the client asks for it
)

// String returns the name of l, such as "text".
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

// fileConfig holds all that FileOptions set.
type fileConfig struct {
	listing      Listing
	htmlForm     func(mediaType func(name string) string) list.Form // of WithListing, so that only programs that call it link the pages
	maxListing   int                                                // entries; 0 is no limit
	index        []string                                           // names of index files, in order of preference
	dotFiles     bool
	mediaTypes   map[string]string                                                 // by extension or name, in lower case; set by WithMediaType
	cacheControl func(urlPath string) string                                       // for the file at a request path; "" sends no field
	codings      []string                                                          // of sidecars
	chooseCoding func(f *FileResolver, req *Request, plain opened) (opened, error) // set by WithPrecompressed, so that only programs that call it link the code
	script       scriptConfig
}

// newFileConfig applies opts to the defaults. Its error joins all mistakes found in them.
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

// mediaType returns the media type of a file by its name, which may include folders.
func (c *fileConfig) mediaType(name string) string {
	name = name[strings.LastIndexByte(name, '/')+1:]
	if len(c.mediaTypes) > 0 {
		for _, key := range [...]string{name, extension(name)} { // a name is more specific
			if t, ok := c.mediaTypes[strings.ToLower(key)]; ok {
				return t
			}
		}
	}
	return mediaTypeByName(name)
}

// WithListing sets the response for a folder without an index file: names as text
// ([ListText], the default), an HTML page ([ListHTML]), or 404 ([ListNone]).
//
// A client may choose another form with the Accept field or with ?format=text, json or, for
// ListHTML, html; and another order with ?sort=name, size or time and ?order=asc or desc.
// Folders come first. JSON is one object:
//
//	{"path":"/pub/","entries":[
//	{"name":"old","type":"directory","mtime":"2026-11-02T08:15:00Z","href":"./old/"},
//	{"name":"a?b.png","type":"file","size":145408,"link":true,"mtime":"2026-11-02T08:15:00Z","href":"./a%3Fb.png"}],"truncated":false}
//
// The member href leads to the file whatever bytes its name contains, link is present only
// for symbolic links, and mtime only if the time is known. A folder of more than 200 names
// is streamed, without an ETag.
func WithListing(l Listing) FileOption {
	return fileOption(func(c *fileConfig) error {
		if l > ListHTML {
			return fmt.Errorf("WithListing(%v): unknown Listing", l)
		}
		c.listing = l
		c.htmlForm = list.HTML
		return nil
	})
}

// WithMaxListing limits a listing to n entries, and so the memory it uses. A listing of a
// larger folder is truncated and marked as incomplete; which entries it contains depends on the
// system.
//
// The default is 100000; 0 is no limit.
func WithMaxListing(n int) FileOption {
	return fileOption(func(c *fileConfig) error {
		if n < 0 {
			return fmt.Errorf("WithMaxListing(%d): negative limit", n)
		}
		c.maxListing = n
		return nil
	})
}

// WithIndex sets the names of index files. A folder is served as the first of them that it
// contains. The default is index.html; without names there are no index files.
func WithIndex(names ...string) FileOption {
	return fileOption(func(c *fileConfig) error {
		var errs []error
		for _, name := range names {
			if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\\\x00") {
				errs = append(errs, fmt.Errorf("WithIndex: %q is not a file name", name))
			}
		}
		c.index = slices.Clone(names)
		return errors.Join(errs...)
	})
}

// WithDotFiles sets whether names that begin with a dot are served and listed. The default
// is false: a path that contains such a name is not found. The folder .well-known at the
// top of the tree (RFC 8615) is always served, and so is an index file named by
// [WithIndex].
func WithDotFiles(on bool) FileOption {
	return fileOption(func(c *fileConfig) error {
		c.dotFiles = on
		return nil
	})
}

// WithMediaType sets the media type of files with the extension ext, such as ".txt"; of
// files without an extension, if ext is ""; or of files with the name ext, such as
// "README", which takes precedence over an extension. Case is ignored. The media type is
// sent verbatim. Later calls add. The default is a built-in table of some 200 extensions
// and some names, the same on every machine, and application/octet-stream for all other
// files.
func WithMediaType(ext, mediaType string) FileOption {
	return fileOption(func(c *fileConfig) error {
		if strings.HasPrefix(ext, ".") && (len(ext) < 2 || strings.ContainsRune(ext[1:], '.')) || strings.ContainsAny(ext, "/\x00") {
			return fmt.Errorf("WithMediaType(%q, %q): neither an extension with one leading dot nor a file name", ext, mediaType)
		}
		if mediaType == "" || !ascii.IsFieldValue(mediaType) {
			return fmt.Errorf("WithMediaType(%q, %q): not a media type", ext, mediaType)
		}
		c.mediaTypes[strings.ToLower(ext)] = mediaType
		return nil
	})
}

// WithCacheControl sends a Cache-Control field (RFC 9111, section 5.2) with files: those
// whose path matches one of the patterns, or all files if there are no patterns. The value
// is sent verbatim. Later calls add rules; the last rule that matches wins, and the value ""
// sends no field. The default is no field.
//
//	WithCacheControl("no-cache"),
//	WithCacheControl("public, max-age=31536000, immutable", "/assets/*", "/assets/*/*"),
//
// Patterns have the syntax of [path.Match], so "*" does not match a slash, and must begin
// with a slash. They are matched against the whole path as [Request.Path] returns it:
// decoded, without the prefix of a [Mount], and "/docs/" for the index file of a folder.
// Redirects, errors, listings and the responses of scripts do not have the field.
func WithCacheControl(value string, patterns ...string) FileOption {
	return fileOption(func(c *fileConfig) error {
		var errs []error
		if !ascii.IsFieldValue(value) {
			errs = append(errs, fmt.Errorf("WithCacheControl(%q): not a field value", value))
		}
		for _, pattern := range patterns {
			if _, err := path.Match(pattern, ""); err != nil || !strings.HasPrefix(pattern, "/") {
				errs = append(errs, fmt.Errorf("WithCacheControl: %q is not a path.Match pattern with a leading slash", pattern))
			}
		}
		// Each rule asks the one before it if it does not match.
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

// A ScriptOutput determines how the output of scripts is read.
type ScriptOutput uint8

const (
	ScriptAuto  ScriptOutput = iota // CGI if the output begins with fields, one of them Content-Type, Location or Status; otherwise plain
	ScriptCGI                       // fields, an empty line, content (RFC 3875, section 6); any other output is answered with 502
	ScriptPlain                     // all output is content, of type text/html; charset=utf-8
)

// String returns the name of o, such as "auto".
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

// scriptConfig holds all that options for scripts set.
type scriptConfig struct {
	commands []scriptCommand // a later one wins for the same extension
	output   ScriptOutput
	pathInfo bool
	methods  []string      // in addition to GET, HEAD and POST
	timeout  time.Duration // of a whole run; 0 is no limit
	max      int           // of scripts at once; 0 is no limit
	env      []string      // names of variables that are passed on

	// open makes the runner. Only WithScript sets it, so that programs without scripts do
	// not link the code that runs them.
	open func(scriptConfig, string) (scriptRunner, error)
}

// A scriptCommand runs the files with an extension: with the interpreter and its arguments
// or, if interpreter is empty, by executing the file.
type scriptCommand struct {
	ext         string
	interpreter []string
}

// WithScript runs files with the extension ext, such as ".py", ignoring case, and sends
// their output. Without this option their source is sent. The files are run by the
// interpreter, which may have arguments of its own, as in WithScript(".py", "python3",
// "-u"); without an interpreter, the file itself is executed. The interpreter is looked up
// once, in PATH; [New] returns an error if it is missing. Later calls add extensions; for
// the same extension the later call wins. Scripts run only in folders ([WithRoot], [Dir]),
// and only on systems with process groups, so not on Windows.
//
// A script answers GET, HEAD and POST, and the methods of [WithScriptMethods]. It runs in
// its own folder, without a shell, and no argument comes from the request. The request is
// in its environment (RFC 3875, section 4.1), the content on its standard input. It
// inherits no other descriptors: New marks all open descriptors of this process
// close-on-exec. Its output may begin with fields; see [ScriptOutput]. Of these, Status
// sets the status, and Location without Status makes it 302. Standard error goes to the
// log, up to 64 KiB.
//
// A script must print its first byte within 10 seconds of receiving all its content, and finish
// within [WithScriptTimeout]. It may print up to 64 MiB, of which 32 KiB may be fields. If the
// connection is reset, the script is ended early. The processes of a script form a process
// group, which is ended when the script exits, or half a second later if other processes of the
// group still hold its output. The group receives SIGTERM, and half a second later SIGKILL. A
// process that leaves the group, for example with setsid, is not ended.
//
// A script that fails before it prints anything is answered with 500, one that is too slow with
// 504, and one with invalid fields with 502. A request that gets no turn because too many
// scripts are running is answered with 503, and a POST that the browser marks as coming from
// another site is answered with 403; see [WithScriptMethods].
//
// The default is to run no scripts.
func WithScript(ext string, interpreter ...string) FileOption {
	return fileOption(func(c *fileConfig) error {
		fail := func(why string) error { return fmt.Errorf("WithScript(%q, %q): %s", ext, interpreter, why) }
		switch {
		case len(ext) < 2 || ext[0] != '.' || !ascii.IsVisible(ext) || strings.ContainsAny(ext[1:], "./"):
			return fail("not an extension with one leading dot")
		case len(interpreter) > 0 && interpreter[0] == "":
			return fail("the interpreter is empty")
		case isBatch(ext), len(interpreter) > 0 && isBatch(extension(interpreter[0])):
			return fail("batch files are not run, since parts of a request could become commands")
		case strings.Contains(strings.Join(interpreter, ""), "\x00"):
			return fail("the interpreter contains a NUL byte")
		}
		c.script.open = openScripts
		c.script.commands = append(c.script.commands, scriptCommand{ext, slices.Clone(interpreter)})
		return nil
	})
}

// isBatch reports whether Windows runs files with the extension in a shell, however they
// are started.
func isBatch(ext string) bool { return ascii.EqualFold(ext, ".bat") || ascii.EqualFold(ext, ".cmd") }

// WithScriptOutput sets how the output of scripts is read. The default is [ScriptAuto].
func WithScriptOutput(o ScriptOutput) FileOption {
	return fileOption(func(c *fileConfig) error {
		if o > ScriptPlain {
			return fmt.Errorf("WithScriptOutput(%v): unknown ScriptOutput", o)
		}
		c.script.output = o
		return nil
	})
}

// WithScriptPathInfo sets whether a path may continue after a script: /tool.py/a/b then
// runs tool.py with PATH_INFO=/a/b (RFC 3875, section 4.1.5). PATH_INFO is decoded and
// clean, but the rules for file names do not apply to it: it may be /.github/ci.yml. The
// script itself must not be hidden. The default is false.
func WithScriptPathInfo(on bool) FileOption {
	return fileOption(func(c *fileConfig) error {
		c.script.pathInfo = on
		return nil
	})
}

// WithScriptMethods adds methods that scripts answer in addition to GET, HEAD and POST:
// PUT, DELETE and PATCH for a REST service, for example. Methods are case-sensitive.
// CONNECT and TRACE are errors, since the server answers them itself. Later calls add
// methods.
//
// OPTIONS makes scripts answer CORS preflights and other OPTIONS requests, which the server
// otherwise answers with 204 and Allow. Without OPTIONS, a POST or any method added here is
// answered with 403 if the browser says, with Sec-Fetch-Site: cross-site, that a page of
// another site sent it. With OPTIONS, scripts receive these requests too and must decide by
// the Origin field which to allow: browsers send forms without a preflight.
func WithScriptMethods(methods ...string) FileOption {
	return fileOption(func(c *fileConfig) error {
		var errs []error
		for _, method := range methods {
			switch {
			case !ascii.IsToken(method):
				errs = append(errs, fmt.Errorf("WithScriptMethods: %q is not a method", method))
			case method == "CONNECT" || method == "TRACE":
				errs = append(errs, fmt.Errorf("WithScriptMethods: the server itself answers %s", method))
			}
		}
		c.script.methods = append(c.script.methods, methods...)
		return errors.Join(errs...)
	})
}

// WithScriptTimeout limits the run time of a script, including the time in which its client
// sends content. A script that has printed nothing by then is answered with 504; a response
// that has begun is cut. The limit of 10 seconds to the first byte applies as well. If a
// resolver has replaced the Body of the request, that Body is read before the script starts,
// and neither limit covers the time this takes.
//
// The default is 30 seconds; 0 leaves only the limit to the first byte.
func WithScriptTimeout(d time.Duration) FileOption {
	return fileOption(func(c *fileConfig) error {
		if d < 0 {
			return fmt.Errorf("WithScriptTimeout(%v): negative time limit", d)
		}
		c.script.timeout = d
		return nil
	})
}

// WithMaxScripts limits the number of scripts running at once, including those waiting for
// a slow client. When the limit is reached, up to 64 requests wait for a turn, each up to 5
// seconds; others are answered with 503.
//
// The default is twice the number of processors, but at least 4; 0 is no limit.
func WithMaxScripts(n int) FileOption {
	return fileOption(func(c *fileConfig) error {
		if n < 0 {
			return fmt.Errorf("WithMaxScripts(%d): negative limit", n)
		}
		c.script.max = n
		return nil
	})
}

// WithScriptEnv passes these environment variables of the process to scripts, with the
// values they have when the resolver is made. Without this option scripts have
// PATH=/usr/local/bin:/usr/bin:/bin and, if they are set, LANG, LC_ALL, TZ and TMPDIR. The
// variables that describe the request are always set, and cannot be named here. Later calls
// add names.
func WithScriptEnv(names ...string) FileOption {
	return fileOption(func(c *fileConfig) error {
		var errs []error
		for _, name := range names {
			switch {
			case name == "" || strings.ContainsAny(name, "=\x00"):
				errs = append(errs, fmt.Errorf("WithScriptEnv: %q is not a variable name", name))
			case isRequestVariable(name):
				errs = append(errs, fmt.Errorf("WithScriptEnv: %s describes the request and is always set", name))
			}
		}
		c.script.env = append(c.script.env, names...)
		return errors.Join(errs...)
	})
}
