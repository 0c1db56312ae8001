package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/ascii"
)

// settings are the values from the command line.
type settings struct {
	root    string
	addr    string // HOST:PORT
	hosts   []string
	files   []rawhttp.FileOption
	options []rawhttp.Option
	fields  []field
	users   *users // nil if no password is needed
	spa     bool
	lenient bool
	log     bool
	trace   bool
	full    bool // the trace shows all content
	decoded bool // the trace shows compressed content decoded
	color   *colorWhen
	version bool

	warnings []string // about flags that work, but probably not as intended
}

// parseArgs parses the command line of the server. The error names the flag, and the right form
// where it can be guessed.
func parseArgs(args []string) (set settings, err error) {
	flags := newFlags("rawhttp")
	set.files = append(set.files, rawhttp.WithListing(rawhttp.ListHTML)) // the default; -list replaces it
	late := set.define(flags)
	folders, err := parseAnywhere(flags, args, false)
	if err != nil {
		return set, explain(err)
	}
	if err := set.complete(flags, late, folders); err != nil {
		return set, err
	}
	set.warn(flags, late)
	return set, nil
}

// lateFlags are the values of flags that are checked together, after all have been parsed.
type lateFlags struct {
	port        string
	trace, auth string // "false" if the flag is absent, "true" if it has no value
	dotFiles    bool
	bareScript  string // an extension without an interpreter
}

// define defines the flags. Parsing them sets the fields of set and of the result.
func (set *settings) define(flags *flag.FlagSet) *lateFlags {
	late := &lateFlags{trace: "false", auth: "false"}
	flags.StringVar(&set.addr, "addr", "", "")
	flags.StringVar(&late.port, "port", "", "")
	flags.BoolVar(&set.spa, "spa", false, "")
	flags.BoolVar(&set.lenient, "lenient", false, "")
	flags.BoolVar(&set.log, "log", false, "")
	flags.BoolVar(&set.version, "version", false, "")
	flags.BoolVar(&late.dotFiles, "dotfiles", false, "")
	set.color = colorFlag(flags)
	optional(flags, "trace", &late.trace)
	optional(flags, "auth", &late.auth)
	flags.Func("host", "", func(s string) error {
		set.hosts = append(set.hosts, s)
		return checkHost(s)
	})
	flags.Func("header", "", func(s string) error {
		f, err := parseField(s)
		set.fields = append(set.fields, f)
		return err
	})
	set.file(flags, "list", parseListing)
	set.file(flags, "index", parseIndex)
	set.file(flags, "script", func(s string) (rawhttp.FileOption, error) {
		if !strings.Contains(s, "=") {
			late.bareScript = s
		}
		return parseScript(s)
	})
	flags.Func("type", "", func(s string) error {
		types, err := parseType(s)
		if err != nil {
			return err
		}
		for _, o := range types {
			if err := set.addFiles(o); err != nil {
				return err
			}
		}
		return nil
	})
	set.file(flags, "cache", parseCache)
	set.file(flags, "precompressed", parseCodings)
	flags.Func("server", "", func(s string) error {
		return set.add(rawhttp.WithServerField(s))
	})
	return late
}

// complete sets what depends on several flags, or on the arguments that are no flags.
func (set *settings) complete(flags *flag.FlagSet, late *lateFlags, folders []string) (err error) {
	set.files = append(set.files, rawhttp.WithDotFiles(late.dotFiles))
	if set.lenient {
		set.options = append(set.options, rawhttp.WithLenientParsing())
	}
	if set.spa && !wasGiven(flags, "list") { // the application also answers for the paths of folders
		set.files = append(set.files, rawhttp.WithListing(rawhttp.ListNone))
	}
	if set.addr, err = chooseAddress(flags, set.addr, late.port); err != nil {
		return err
	}
	if err := set.parseTrace(late.trace); err != nil {
		return fmt.Errorf("flag -trace: %w", err)
	}
	if set.root, err = chooseRoot(folders, flags, late.bareScript); err != nil {
		return err
	}
	if set.users, err = parseAuth(late.auth); err != nil {
		return fmt.Errorf("flag -auth: %w", err)
	}
	return nil
}

// warn adds warnings about flags that work, but probably not as intended.
func (set *settings) warn(flags *flag.FlagSet, late *lateFlags) {
	if late.auth != "true" && late.auth != "false" {
		if who := exposed(late.auth, set.root, late.dotFiles); who != "" {
			set.warnings = append(set.warnings, late.auth+" has passwords, and "+who)
		}
	}
	if set.spa {
		if _, err := os.Stat(filepath.Join(set.root, "index.html")); errors.Is(err, fs.ErrNotExist) {
			set.warnings = append(set.warnings, set.root+" has no index.html for -spa to send")
		}
	}
	for _, h := range set.hosts {
		if ip := net.ParseIP(strings.Trim(h, "[]")); ip != nil && ip.IsUnspecified() && !wasGiven(flags, "addr") {
			set.warnings = append(set.warnings, "-host "+h+" only admits that name; -addr :8080 listens on every address")
		}
	}
}

// add adds an option of the server, or returns the error that New has for it. New is tried for
// each option alone, so that package flag can name the flag in the error.
func (set *settings) add(o rawhttp.Option) error {
	tried, err := rawhttp.New(rawhttp.WithRoot("/"), o)
	if err != nil {
		return errors.New(withoutCalls(err))
	}
	set.options = append(set.options, o)
	return tried.Close()
}

// addFiles adds an option for files, or returns the error that Dir has for it.
func (set *settings) addFiles(o rawhttp.FileOption) error {
	tried, err := rawhttp.Dir("/", o)
	if err != nil {
		return errors.New(withoutCalls(err))
	}
	set.files = append(set.files, o)
	return tried.Close()
}

// file defines a flag that sets an option for files.
func (set *settings) file(flags *flag.FlagSet, name string, parse func(string) (rawhttp.FileOption, error)) {
	flags.Func(name, "", func(value string) error {
		o, err := parse(value)
		if err != nil {
			return err
		}
		return set.addFiles(o)
	})
}

// optional defines a flag whose value may be omitted, which means "true". The value is checked
// later, since package flag would show a wrong value in its error, and it may be a password.
func optional(flags *flag.FlagSet, name string, value *string) {
	flags.BoolFunc(name, "", func(s string) error {
		*value = s
		return nil
	})
}

// withoutCalls returns the mistakes that err reports, in one line and without the names of Go
// functions, which users of the command do not know. The flag is named already.
func withoutCalls(err error) string {
	mistakes := strings.Split(strings.TrimPrefix(err.Error(), "rawhttp: "), "\n")
	for i, s := range mistakes {
		for _, prefix := range []string{"New", "Dir", "With", "response"} {
			if before, after, ok := strings.Cut(s, ": "); ok && strings.HasPrefix(before, prefix) {
				s = after
			}
		}
		mistakes[i], _, _ = strings.Cut(s, "; see Response.")
	}
	return strings.Join(mistakes, "; ")
}

// parseTrace parses the value of -trace, which determines the content shown.
func (set *settings) parseTrace(s string) error {
	set.trace = s != "false"
	if s == "true" || s == "false" {
		return nil
	}
	for word := range strings.SplitSeq(s, ",") {
		switch word {
		case "full":
			set.full = true
		case "decoded":
			set.decoded = true
		default:
			return errors.New("want -trace, -trace=full or -trace=decoded")
		}
	}
	return nil
}

func parseListing(s string) (rawhttp.FileOption, error) {
	switch s {
	case "text":
		return rawhttp.WithListing(rawhttp.ListText), nil
	case "html":
		return rawhttp.WithListing(rawhttp.ListHTML), nil
	case "none":
		return rawhttp.WithListing(rawhttp.ListNone), nil
	}
	return nil, errors.New("want html, text or none")
}

func parseIndex(s string) (rawhttp.FileOption, error) {
	if s == "" {
		return rawhttp.WithIndex(), nil
	}
	names := strings.Split(s, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return rawhttp.WithIndex(names...), nil
}

func parseScript(s string) (rawhttp.FileOption, error) {
	ext, command, named := strings.Cut(s, "=")
	words := strings.Fields(command)
	switch {
	case named && len(words) == 0:
		return nil, errors.New("no interpreter after the =")
	case ext != "" && !strings.Contains(ext, "."):
		return nil, fmt.Errorf("did you mean .%s?", s)
	}
	return rawhttp.WithScript(ext, words...), nil
}

// parseType parses the value of -type. A word without a dot, as in "md" and "makefile", is both
// an extension and the name of a file.
func parseType(s string) ([]rawhttp.FileOption, error) {
	ext, media, named := strings.Cut(s, "=")
	switch {
	case !named || !strings.Contains(media, "/"):
		return nil, errors.New("want NAME=TYPE, as in .md=text/plain or TODO=text/plain")
	case strings.HasPrefix(ext, "*."):
		return nil, fmt.Errorf("did you mean %s?", s[1:])
	case !isMediaType(media):
		return nil, fmt.Errorf("%q is not a media type; want one such as text/plain or 'text/plain; charset=utf-8'", media)
	}
	types := []rawhttp.FileOption{rawhttp.WithMediaType(ext, media)}
	if ext != "" && !strings.Contains(ext, ".") {
		types = append(types, rawhttp.WithMediaType("."+ext, media))
	}
	return types, nil
}

// isMediaType reports whether s is a type and a subtype (RFC 9110, section 8.3.1), whatever its
// parameters are.
func isMediaType(s string) bool {
	s, _, _ = strings.Cut(s, ";")
	main, sub, _ := strings.Cut(strings.TrimRight(s, " "), "/")
	return ascii.IsToken(main) && ascii.IsToken(sub)
}

func parseCache(s string) (rawhttp.FileOption, error) {
	if s == "" {
		return nil, errors.New("want PATTERN=VALUE, as in '/assets/*=max-age=86400'")
	}
	pattern, value, named := strings.Cut(s, "=")
	switch {
	case strings.HasPrefix(s, "/") && named:
		return rawhttp.WithCacheControl(value, pattern), checkCacheControl(value)
	case strings.HasPrefix(s, "/"):
		return nil, fmt.Errorf("no value after the pattern; did you mean '%s=no-cache'?", s)
	case strings.ContainsAny(pattern, "*?./"):
		return nil, fmt.Errorf("a pattern begins with a slash; did you mean '/%s'?", s)
	}
	return rawhttp.WithCacheControl(s), checkCacheControl(s) // for all files
}

// checkCacheControl returns an error for a value with a part that caches would ignore or misread,
// such as "max age=60". A directive is a token, alone or with an argument, which is a token or a
// quoted string (RFC 9111, section 5.2).
func checkCacheControl(value string) error {
	for more := true; more; {
		var directive string
		directive, value, more = ascii.NextMember(value)
		name, arg, hasArg := strings.Cut(directive, "=")
		isQuoted := len(arg) > 1 && arg[0] == '"' && arg[len(arg)-1] == '"'
		if directive != "" && !ascii.IsToken(name) || hasArg && !ascii.IsToken(arg) && !isQuoted {
			return fmt.Errorf("%q is not a directive; want directives such as max-age=60 or no-store, separated by commas", directive)
		}
	}
	return nil
}

func parseCodings(s string) (rawhttp.FileOption, error) {
	codings := strings.Split(s, ",")
	for i := range codings {
		codings[i] = strings.TrimSpace(codings[i])
		switch codings[i] {
		case "br", "zstd", "gzip":
		case "gz", "brotli", "zst":
			good := map[string]string{"gz": "gzip", "brotli": "br", "zst": "zstd"}[codings[i]]
			return nil, fmt.Errorf("did you mean %s?", good)
		default:
			return nil, errors.New("want br, zstd or gzip, or several of them separated by commas")
		}
	}
	return rawhttp.WithPrecompressed(codings...), nil
}

// checkHost returns an error unless WithHosts accepts the host, or it is "*".
func checkHost(s string) error {
	switch {
	case s == "*":
		return nil
	case strings.Contains(s, "*"):
		return errors.New("a host is a whole name, or '*' for all hosts")
	}
	_, err := rawhttp.New(rawhttp.WithHosts(s), rawhttp.WithRoot("/"))
	if err == nil {
		return nil
	}
	if _, rest, ok := strings.Cut(s, "://"); ok {
		rest, _, _ = strings.Cut(rest, "/")
		return fmt.Errorf("a URL is not a host; did you mean %s?", hostname(rest))
	}
	if host, _, err := net.SplitHostPort(s); err == nil && host != "" {
		return fmt.Errorf("the host must not have a port; did you mean %s?", host)
	}
	if ip := net.ParseIP(s); ip != nil {
		return fmt.Errorf("did you mean [%s]?", s)
	}
	return errors.New("want a host, as in example.test, or '*'")
}

// chooseAddress returns the address to listen on, from -addr and -port.
func chooseAddress(flags *flag.FlagSet, addr, port string) (string, error) {
	hasAddr, hasPort := wasGiven(flags, "addr"), wasGiven(flags, "port")
	switch {
	case hasPort && isPort(strings.TrimSuffix(port, ":")) && !isPort(port):
		return "", fmt.Errorf("flag -port: want a number; did you mean -port %s?", strings.TrimSuffix(port, ":"))
	case hasPort && strings.Contains(port, ":"):
		return "", fmt.Errorf("flag -port: want a number; did you mean -addr %s?", port)
	case hasPort && !isPort(port):
		return "", fmt.Errorf("flag -port: %q is not a number from 0 to 65535", port)
	case hasAddr && hasPort:
		return "", errors.New("-addr includes the port, so -port cannot be used with it")
	case hasAddr:
		a, err := listenAddress(addr)
		if err != nil {
			return "", fmt.Errorf("flag -addr: %w", err)
		}
		return a, nil
	case hasPort:
		return net.JoinHostPort("127.0.0.1", strings.TrimLeft(port[:len(port)-1], "0")+port[len(port)-1:]), nil
	}
	return "127.0.0.1:8080", nil
}

// wasGiven reports whether a flag is on the command line, even with its default as the value.
func wasGiven(flags *flag.FlagSet, name string) (given bool) {
	flags.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	return given
}

// elsewhere maps flags of other servers to those of this one.
var elsewhere = map[string]string{
	"p": "-port", "P": "-port", "l": "-addr", "listen": "-addr", "b": "-addr", "bind": "-addr", "address": "-addr",
	"v": "-version", "V": "-version", "c": "-cache", "s": "-spa", "single": "-spa", "i": "-index", "hidden": "-dotfiles", "H": "-dotfiles",
	"cors": "-header 'Access-Control-Allow-Origin: *'", "C": "-header 'Access-Control-Allow-Origin: *'",
	"d": "only the folder", "dir": "only the folder", "directory": "only the folder", "root": "only the folder",
	"a": "-auth", "u": "-auth", "user": "-auth", "username": "-auth", "password": "-auth", "verbose": "-log", "access-log": "-log", "cgi": "-script",
	"browse": "-list html", "no-listing": "-list none", "disable-indexing": "-list none", "c-1": "-cache no-store", "gzip": "-precompressed gzip", "brotli": "-precompressed br",
}

// explain adds a suggestion to an error of package flag.
func explain(err error) error {
	name, ok := undefined(err)
	switch {
	case !ok:
		return err
	case elsewhere[name] != "":
		return fmt.Errorf("there is no flag -%s; did you mean %s?", name, elsewhere[name])
	case slices.Contains([]string{"tls", "ssl", "https", "S", "cert", "tls-cert", "key", "tls-key", "K"}, name):
		return fmt.Errorf("there is no flag -%s: the command speaks plain HTTP only; for TLS, put a proxy in front of it", name)
	case len(name) > 1 && isPort(name[1:]) && name[0] == 'p':
		return fmt.Errorf("there is no flag -%s; did you mean -port %s?", name, name[1:])
	}
	if _, err := strconv.Atoi(name); err == nil {
		return fmt.Errorf("there is no flag -%s; did you mean -port %[1]s?", name)
	}
	return err
}
