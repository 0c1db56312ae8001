package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
)

// chooseRoot returns the folder to serve. If there are more arguments, or no such folder, the
// error suggests what was probably meant. bare is the extension in a -script without an
// interpreter.
func chooseRoot(folders []string, flags *flag.FlagSet, bare string) (root string, err error) {
	switch {
	case len(folders) == 0:
		return ".", nil
	case len(folders) == 1 && folders[0] == "":
		return "", errors.New(`the folder is ""; use "." for the current directory`)
	}
	if command := nearestCommand(folders[0]); command != "" && !exists(folders[0]) {
		return "", fmt.Errorf("there is no folder %q; did you mean rawhttp %s?", folders[0], command)
	}
	for _, name := range folders {
		if err := checkFolder(name, flags, bare); err != nil {
			return "", err
		}
	}
	switch {
	case len(folders) == 1:
		return folders[0], nil
	case exists(folders[0]):
		return "", fmt.Errorf("want one folder, not %d: %q", len(folders), folders)
	}
	return "", fmt.Errorf("there is no folder or command %q; the commands are send, spy and check", folders[0])
}

// checkFolder returns an error if the name of a folder is probably the value of a flag.
func checkFolder(name string, flags *flag.FlagSet, bare string) error {
	if info, err := os.Stat(name); err == nil {
		if wasGiven(flags, "auth") && info.Mode().IsRegular() {
			return fmt.Errorf("%q is not a folder; did you mean -auth=%s?", name, name)
		}
		return nil
	}
	_, _, isPassword := strings.Cut(name, ":")
	switch {
	case wasGiven(flags, "auth") && isPassword:
		return errors.New("a password cannot be given on the command line: set RAWHTTP_AUTH, or use -auth=FILE")
	case wasGiven(flags, "trace") && (name == "full" || name == "decoded"):
		return fmt.Errorf("did you mean -trace=%s?", name)
	case name == "version" || name == "help":
		return fmt.Errorf("did you mean -%s?", name)
	case bare != "" && isInterpreter(name):
		return fmt.Errorf("did you mean -script %s=%s?", bare, name)
	case isPort(name):
		return fmt.Errorf("there is no folder %q; did you mean -port %s?", name, name)
	case addressIn(name) != "":
		return fmt.Errorf("there is no folder %q; did you mean -addr %s?", name, addressIn(name))
	}
	return nil
}

// exists reports whether there is a file or folder with the name.
func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// nearestCommand returns the command that name is, allowing for one typing mistake, or "".
func nearestCommand(name string) string {
	for _, command := range []string{"send", "spy", "check"} {
		if isTypo(name, command) {
			return command
		}
	}
	return ""
}

// isTypo reports whether a is b, or becomes b when one letter is added, removed or replaced, or
// two neighbors are swapped.
func isTypo(a, b string) bool {
	for a != "" && b != "" && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for a != "" && b != "" && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	swapped := len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0]
	return swapped || len(a) <= 1 && len(b) <= 1
}

// addressIn returns the address that name is, or has if it is a URL, or "" if there is none.
func addressIn(name string) string {
	if _, rest, isURL := strings.Cut(name, "://"); isURL {
		name, _, _ = strings.Cut(rest, "/")
	}
	if _, port, err := net.SplitHostPort(name); err != nil || !isPort(port) {
		return ""
	}
	return name
}

// isInterpreter reports whether name is a program, as in "-script .py python3".
func isInterpreter(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil && !strings.Contains(name, "/")
}
