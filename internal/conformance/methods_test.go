package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
)

// named returns a Resolver that answers with the name and the method.
func named(name string) rawhttp.Resolver {
	return resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, name+" of "+req.Method()), nil
	})
}

func TestMethods(t *testing.T) {
	reads := map[string]rawhttp.Resolver{"GET": named("get")}
	writes := map[string]rawhttp.Resolver{"PUT": named("put"), "POST": named("post"), "GET": named("get"), "DELETE": named("delete")}
	own := map[string]rawhttp.Resolver{"OPTIONS": named("options"), "HEAD": named("head"), "PROPFIND": named("find"), "M-SEARCH": named("search")}
	tests := []struct {
		m      map[string]rawhttp.Resolver
		method string
		status int
		allow  string
		length string // Content-Length, which shows which resolver answered HEAD
	}{
		{reads, "GET", 200, "", "10"},
		{reads, "HEAD", 200, "", "11"},
		{reads, "POST", 405, "GET, HEAD, OPTIONS", "23"},
		{reads, "PATCH", 405, "GET, HEAD, OPTIONS", "23"},
		{reads, "OPTIONS", 204, "GET, HEAD, OPTIONS", ""},
		{reads, "PROPFIND", 501, "", "20"},
		{reads, "get", 501, "", "20"},
		{writes, "PUT", 200, "", "10"},
		{writes, "DELETE", 200, "", "16"},
		{writes, "PATCH", 405, "GET, HEAD, POST, PUT, DELETE, OPTIONS", "23"},
		{writes, "OPTIONS", 204, "GET, HEAD, POST, PUT, DELETE, OPTIONS", ""},
		{own, "OPTIONS", 200, "", "18"},
		{own, "HEAD", 200, "", "12"},
		{own, "PROPFIND", 200, "", "16"},
		{own, "GET", 405, "HEAD, OPTIONS, M-SEARCH, PROPFIND", "23"},
	}
	for _, tt := range tests {
		answer := rawhttp.Answer(rawhttp.Methods(tt.m), tt.method+" / HTTP/1.1\r\nHost: a\r\n\r\n")
		type result struct{ Status, Allow, Length string }
		want := result{fmt.Sprint(tt.status), tt.allow, tt.length}
		got := result{answer[len("HTTP/1.1 "):][:3], fieldOf(answer, "Allow"), fieldOf(answer, "Content-Length")}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s to Methods(%v) (-want +got):\n%s", tt.method, tt.m, diff)
		}
	}
}

// The result of a method's resolver is returned unchanged, and WithErrorPage and wrappers can
// see the error for any other method.
func TestMethodsErrors(t *testing.T) {
	broken := errors.New("broken")
	r := rawhttp.Methods(map[string]rawhttp.Resolver{"GET": resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) { return nil, broken })})
	for head, want := range map[string]int{"GET": 500, "PUT": 405, "FOO": 501} {
		_, err := r.Resolve(context.Background(), requestOf(t, head+" / HTTP/1.1\r\nHost: a\r\n\r\n"))
		if got := rawhttp.StatusOf(err); got != want {
			t.Errorf("%s: error %v with status %d, want %d", head, err, got, want)
		}
		if head == "GET" && err != broken {
			t.Errorf("GET: error %v, want %v", err, broken)
		}
	}
}

func TestMethodsIsACopy(t *testing.T) {
	m := map[string]rawhttp.Resolver{"GET": named("get")}
	r := rawhttp.Methods(m)
	m["PUT"] = named("put")
	if got := rawhttp.Answer(r, "PUT / HTTP/1.1\r\nHost: a\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 405 ") {
		t.Errorf("PUT added to the map after Methods: %q, want 405", got)
	}
	if len(m) != 2 {
		t.Errorf("after Methods the map has %d methods, want it unchanged", len(m))
	}
}

// fieldOf returns the value of the named field in the head of an answer, or "" if it is absent.
func fieldOf(answer, name string) string {
	head, _, _ := strings.Cut(answer, "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return value
		}
	}
	return ""
}
