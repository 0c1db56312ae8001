package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
)

// newFlags returns a set of flags that returns errors without printing them.
func newFlags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

// parseAnywhere parses flags before, between and after the other arguments, and returns the
// latter. No flags follow "--" or, if firstOnly is set, the second of the other arguments.
func parseAnywhere(flags *flag.FlagSet, args []string, firstOnly bool) (others []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		rest := flags.Args()
		// Package flag stops at the first argument that is no flag, and after "--", which it removes.
		if n := len(args) - len(rest); len(rest) == 0 || n > 0 && args[n-1] == "--" || firstOnly && len(others) > 0 {
			return append(others, rest...), nil
		}
		others = append(others, rest[0])
		args = rest[1:]
	}
}

// undefined returns the name of the flag that err, of package flag, says is not defined.
func undefined(err error) (name string, ok bool) {
	return strings.CutPrefix(err.Error(), "flag provided but not defined: -") // the error has no type of its own
}

// misused prints the mistake in the arguments of a command, and returns the exit status.
func misused(stderr io.Writer, command string, err error) int {
	if flag, ok := undefined(err); ok {
		err = fmt.Errorf("there is no flag -%s", flag)
	}
	name := strings.TrimSpace("rawhttp " + command)
	fmt.Fprintf(stderr, "%s: %s (%s -h shows the usage)\n", name, oneLine(err), name)
	return 2
}

// oneLine returns the text of err in one line, without the prefixes that name Go packages and
// functions.
func oneLine(err error) string {
	s := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "rawhttp: "), "New: ")
	return strings.ReplaceAll(s, "\n", "; ")
}

// dialAddress checks the address of a server, the first of the arguments: HOST:PORT, :PORT or
// PORT.
func dialAddress(args []string) (string, error) {
	s := args[0]
	host, port, err := splitAddress(s)
	if err != nil {
		if len(args) > 1 && isPort(args[1]) && !strings.Contains(s, ":") {
			return "", fmt.Errorf("address %q has no port; did you mean %s:%s?", s, s, args[1])
		}
		return "", err
	}
	if host == "" {
		host = "localhost"
	}
	if port == "0" {
		return "", fmt.Errorf("%q: cannot connect to port 0", s)
	}
	return net.JoinHostPort(host, port), nil
}

// splitAddress splits HOST:PORT, :PORT or PORT. IPv6 addresses must be in brackets.
func splitAddress(s string) (host, port string, err error) {
	switch {
	case s == "":
		return "", "", errors.New("the address is missing; want HOST:PORT, as in localhost:8080")
	case isPort(s):
		return "", s, nil
	case strings.Contains(s, "://"):
		_, rest, _ := strings.Cut(s, "://")
		rest, _, _ = strings.Cut(rest, "/")
		if _, p, ok := strings.Cut(rest, ":"); !ok || !isPort(p) {
			rest += ":80"
		}
		return "", "", fmt.Errorf("%q is a URL; did you mean %s?", s, rest)
	}
	if p := strings.TrimPrefix(strings.TrimSuffix(s, ":"), ":"); isPort(p) && strings.HasSuffix(s, ":") {
		return "", "", fmt.Errorf("address %q ends in a colon; did you mean :%s?", s, p)
	}
	host, port, err = net.SplitHostPort(s)
	if err == nil && port == "" {
		return "", "", fmt.Errorf("address %q has no port; did you mean %s8080?", s, s)
	}
	if err != nil {
		if ip := net.ParseIP(s); ip != nil && ip.To4() == nil {
			return "", "", fmt.Errorf("address %q has no port; did you mean [%s]:8080?", s, s)
		}
		if !strings.Contains(s, ":") || strings.HasSuffix(s, "]") {
			return "", "", fmt.Errorf("address %q has no port; did you mean %s:8080?", s, s)
		}
		return "", "", fmt.Errorf("address %q is not HOST:PORT, as in 127.0.0.1:8080 or [::1]:8080", s)
	}
	if !isPort(port) {
		return "", "", fmt.Errorf("address %q: the port is not a number from 0 to 65535", s)
	}
	return host, port, nil
}

// isPort reports whether s is a port number. It may be 0, and have leading zeros.
func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil && s[0] != '+'
}

// A colorWhen says when to use colors: on a terminal, always or never.
type colorWhen string

// colorFlag defines the flag -color.
func colorFlag(flags *flag.FlagSet) *colorWhen {
	when := colorWhen("auto")
	flags.Func("color", "", func(s string) error {
		switch s {
		case "auto", "always", "never":
			when = colorWhen(s)
			return nil
		}
		return errors.New("want auto, always or never")
	})
	return &when
}

// on reports whether to use colors in what is written to w: see no-color.org.
func (c *colorWhen) on(w io.Writer) bool {
	if *c != "auto" {
		return *c == "always"
	}
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && os.Getenv("TERM") != ""
}

// isTerminal reports whether a reader or writer is a terminal, or another character device.
func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
