package rawhttp

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"testing"
)

// resolveGet makes a GET of the target.
func resolveGet(t testing.TB, target string) *Request {
	t.Helper()
	return writeRequest(t, "GET "+target+" HTTP/1.1\r\nHost: a\r\n\r\n")
}

// resolveString tells in short what a resolver answers.
func resolveString(t testing.TB, r Resolver, req *Request) string {
	t.Helper()
	resp, err := r.Resolve(t.Context(), req)
	switch {
	case err != nil && resp != nil:
		t.Errorf("Resolve(%q) = %v, %v, want one of them", req.Target(), resp, err)
	case errors.Is(err, fs.ErrNotExist):
		return "not mine"
	case err != nil:
		return fmt.Sprint("error ", StatusOf(err))
	case resp == nil:
		return "nil"
	}
	defer resp.Close()
	if err := resp.Err(); err != nil {
		t.Errorf("Resolve(%q): %v", req.Target(), err)
	}
	if location := maps.Collect(resp.Fields())["Location"]; location != "" {
		return fmt.Sprint(resp.Status(), " ", location)
	}
	if resp.Status() != 200 {
		return fmt.Sprint(resp.Status())
	}
	_, content := splitHead(respBytes(t, resp))
	return content
}
