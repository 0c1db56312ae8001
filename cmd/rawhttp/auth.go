package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"example.com/rawhttp"
)

// users are the users who may read, with their credentials as clients send them: user:password
// in base64.
type users struct {
	names       []string
	credentials []string
}

// newUsers parses lines of user:password. Empty lines and those that begin with "#" are
// ignored, and so is a byte order mark, which some editors write.
func newUsers(lines string) (*users, error) {
	u := new(users)
	for line := range strings.Lines(strings.TrimPrefix(lines, "\ufeff")) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		name, password, ok := strings.Cut(line, ":")
		if !ok || name == "" || password == "" { // do not show the line: it may be a password
			return nil, errors.New("a line is not user:password")
		}
		u.names = append(u.names, name)
		// Encoded once, here: what clients send is compared without being decoded.
		u.credentials = append(u.credentials, base64.StdEncoding.EncodeToString([]byte(line)))
	}
	if len(u.names) == 0 {
		return nil, errors.New("no line is user:password")
	}
	return u, nil
}

// find returns the name of the user with the given credentials, or "". The time it takes
// depends on their length, but not on how much of them is right.
func (u *users) find(given string) (name string) {
	for i, c := range u.credentials { // all of them: the time of an early return would reveal which user it is
		if equal(given, c) {
			name = u.names[i]
		}
	}
	return name
}

// equal reports whether two strings are equal, in a time that depends only on the length of
// given. (Package crypto/subtle would add four other packages to the command.)
func equal(given, secret string) bool {
	differ := len(given) ^ len(secret)
	for i := range len(given) { // secret, which is never empty, is repeated if it is shorter
		differ |= int(given[i] ^ secret[i%len(secret)])
	}
	return differ == 0
}

// authenticated passes on only the requests of users, who authenticate with the Basic scheme
// (RFC 7617). Clients send passwords in clear text: beyond this machine, put TLS in front.
func authenticated(u *users, next rawhttp.Resolver) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		scheme, credentials, _ := strings.Cut(req.Header().Get("Authorization"), " ")
		name := u.find(strings.TrimLeft(credentials, " ")) // "1*SP" separates them (RFC 9110, section 11.4)
		// A 401 must have WWW-Authenticate (RFC 9110, section 15.5.2); charset says that user
		// and password are UTF-8 (RFC 7617, section 2.1).
		if name == "" || !strings.EqualFold(scheme, "Basic") {
			return rawhttp.Text(401, "401 Unauthorized\n").Set("WWW-Authenticate", `Basic realm="rawhttp", charset="UTF-8"`), nil
		}
		return next.Resolve(ctx, req.WithUser(name))
	})
}

// parseAuth returns the users for the value of -auth, from the environment or a file.
func parseAuth(s string) (*users, error) {
	if s == "false" {
		return nil, nil
	}
	if s == "true" {
		lines, ok := os.LookupEnv("RAWHTTP_AUTH")
		if !ok {
			return nil, errors.New("set RAWHTTP_AUTH=user:password in the environment, or name a file with -auth=FILE")
		}
		u, err := newUsers(lines)
		if err != nil {
			return nil, fmt.Errorf("RAWHTTP_AUTH: %w", err)
		}
		return u, nil
	}
	b, err := os.ReadFile(s)
	if err != nil {
		if strings.Contains(s, ":") { // others could see it in the list of processes
			return nil, errors.New("a password cannot be given on the command line: set RAWHTTP_AUTH, or use -auth=FILE")
		}
		return nil, err
	}
	u, err := newUsers(string(b))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s, err)
	}
	return u, nil
}

// exposed returns why other people can read the file with the passwords: it is served, or its
// permissions allow others on this machine. It returns "" if neither is true.
func exposed(file, root string, dotFiles bool) string {
	file, err := filepath.EvalSymlinks(file) // a link to it from elsewhere does not hide it
	if err != nil {
		return ""
	}
	root, err = filepath.EvalSymlinks(root)
	if err != nil {
		return ""
	}
	if isServed(file, root, dotFiles) {
		return "it is in the folder that is served"
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm()&0o077 == 0 || runtime.GOOS == "windows" { // Windows has no such permissions
		return ""
	}
	return "others on this machine can read it (chmod 600 " + file + ")"
}

// isServed reports whether file is below root and not hidden.
func isServed(file, root string, dotFiles bool) bool {
	file, err := filepath.Abs(file)
	if err != nil {
		return false
	}
	root, err = filepath.Abs(root)
	if err != nil {
		return false
	}
	name, err := filepath.Rel(root, file)
	if err != nil || name == ".." || strings.HasPrefix(name, ".."+string(filepath.Separator)) {
		return false
	}
	return dotFiles || !strings.HasPrefix(name, ".") && !strings.Contains(name, string(filepath.Separator)+".")
}
