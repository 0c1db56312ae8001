package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// resolveGet returns a GET request for target.
func resolveGet(t testing.TB, target string) *rawhttp.Request {
	t.Helper()
	return requestOf(t, "GET "+target+" HTTP/1.1\r\nHost: a\r\n\r\n")
}

// resolveProbe returns a resolver that answers with its name, and the prefix and path of the
// request.
func resolveProbe(name string) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, fmt.Sprintf("%s %q %q", name, req.Prefix(), req.Path())), nil
	})
}

func resolveFails(err error) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return nil, err })
}

// resolveString describes the result of a resolver in a few words.
func resolveString(t testing.TB, r rawhttp.Resolver, req *rawhttp.Request) string {
	t.Helper()
	resp, err := r.Resolve(t.Context(), req)
	switch {
	case err != nil && resp != nil:
		t.Errorf("Resolve(%q) = %v, %v, want either a response or an error", req.Target(), resp, err)
	case errors.Is(err, fs.ErrNotExist):
		return "declined"
	case err != nil:
		return fmt.Sprint("error ", rawhttp.StatusOf(err))
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
	if req.Method() == "HEAD" {
		return ""
	}
	var content strings.Builder // without framing, since the chunks of a script's output depend on timing
	if _, err := resp.WriteContent(t.Context(), &content); err != nil {
		t.Errorf("WriteContent of the response to %q: %v", req.Target(), err)
	}
	return content.String()
}

func TestResolverFunc(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, 1)
	req := resolveGet(t, "/")
	want, wantErr := rawhttp.Text(200, ""), errors.New("some")
	f := rawhttp.ResolverFunc(func(gotCtx context.Context, gotReq *rawhttp.Request) (*rawhttp.Response, error) {
		if gotCtx != ctx || gotReq != req {
			t.Errorf("called with %v, %v, want %v, %v", gotCtx, gotReq, ctx, req)
		}
		return want, wantErr
	})
	if resp, err := f.Resolve(ctx, req); resp != want || err != wantErr {
		t.Errorf("Resolve = %v, %v, want %v, %v", resp, err, want, wantErr)
	}
}

func TestFirst(t *testing.T) {
	a, b := answerText("a"), answerText("b")
	missing := resolveFails(fs.ErrNotExist)
	status404 := resolveFails(&rawhttp.StatusError{Status: 404})
	tests := []struct {
		name string
		rs   []rawhttp.Resolver
		want string
		why  string
	}{
		{"none", nil, "declined", "without resolvers nothing is found"},
		{"one", []rawhttp.Resolver{a}, "a", ""},
		{"the first answers", []rawhttp.Resolver{a, b}, "a", ""},
		{"the second answers", []rawhttp.Resolver{missing, b}, "b", ""},
		{"the last answers", []rawhttp.Resolver{missing, missing, missing, b}, "b", ""},
		{"all are missing", []rawhttp.Resolver{missing, missing}, "declined", ""},
		{"a wrapped fs.ErrNotExist", []rawhttp.Resolver{resolveFails(fmt.Errorf("here: %w", fs.ErrNotExist)), b}, "b", ""},
		{"an fs.PathError", []rawhttp.Resolver{resolveFails(&fs.PathError{Op: "open", Path: "a", Err: fs.ErrNotExist}), b}, "b", "opening a file returns such an error"},
		{"a StatusError of 404", []rawhttp.Resolver{status404, b}, "b", "errors.Is of it and fs.ErrNotExist is true"},
		{"a wrapped StatusError of 404", []rawhttp.Resolver{resolveFails(fmt.Errorf("here: %w", &rawhttp.StatusError{Status: 404, Err: fs.ErrPermission})), b}, "b", "the status decides, whatever the cause"},
		{"a StatusError of 403", []rawhttp.Resolver{resolveFails(&rawhttp.StatusError{Status: 403}), b}, "error 403", "the resource exists"},
		{"a StatusError of 500 that wraps fs.ErrNotExist", []rawhttp.Resolver{resolveFails(&rawhttp.StatusError{Status: 500, Err: fs.ErrNotExist}), b}, "b", "an error that wraps fs.ErrNotExist declines the request, whatever its status"},
		{"fs.ErrPermission", []rawhttp.Resolver{resolveFails(fs.ErrPermission), b}, "error 403", "the resource exists"},
		{"fs.ErrInvalid", []rawhttp.Resolver{resolveFails(fs.ErrInvalid), b}, "error 404", "the status is 404, but the error is not fs.ErrNotExist"},
		{"another error", []rawhttp.Resolver{resolveFails(errors.New("broken")), b}, "error 500", "only fs.ErrNotExist declines a request"},
		{"a 404 response", []rawhttp.Resolver{rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return rawhttp.NotFound(), nil }), b}, "404", "a Response is final"},
		{"neither response nor error", []rawhttp.Resolver{resolveFails(nil), b}, "nil", "the server answers it with 500"},
		{"nested", []rawhttp.Resolver{rawhttp.First(missing, rawhttp.First(status404)), rawhttp.First(missing, b), a}, "b", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := resolveString(t, rawhttp.First(tt.rs...), resolveGet(t, "/")); got != tt.want {
				t.Errorf("First = %q, want %q\nwhy: %s", got, tt.want, tt.why)
			}
		})
	}
}

func TestFirstReturnsLastError(t *testing.T) {
	last := fmt.Errorf("last: %w", fs.ErrNotExist)
	_, err := rawhttp.First(resolveFails(fs.ErrNotExist), resolveFails(last)).Resolve(t.Context(), resolveGet(t, "/"))
	if err != last {
		t.Errorf("Resolve = %v, want %v", err, last)
	}
}

func TestFirstCallsResolversInOrder(t *testing.T) {
	var asked []int
	var rs []rawhttp.Resolver
	for i := range 4 {
		rs = append(rs, rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			asked = append(asked, i)
			if i == 2 {
				return rawhttp.Empty(204), nil
			}
			return nil, fs.ErrNotExist
		}))
	}
	rawhttp.First(rs...).Resolve(t.Context(), resolveGet(t, "/"))
	if diff := cmp.Diff([]int{0, 1, 2}, asked); diff != "" {
		t.Errorf("resolvers asked (-want +got):\n%s", diff)
	}
}

func TestMount(t *testing.T) {
	p := resolveProbe("r")
	deep := rawhttp.Mount("/a/", rawhttp.Mount("/b/", rawhttp.Mount("/c", p)))
	tests := []struct {
		name   string
		r      rawhttp.Resolver
		target string
		want   string
		why    string
	}{
		{"below", rawhttp.Mount("/static/", p), "/static/a/b.txt", `r "/static" "/a/b.txt"`, ""},
		{"the folder itself", rawhttp.Mount("/static/", p), "/static/", `r "/static" "/"`, ""},
		{"a folder below", rawhttp.Mount("/static/", p), "/static/a/", `r "/static" "/a/"`, "the slash at the end is kept"},
		{"without the slash", rawhttp.Mount("/static/", p), "/static", "301 ./static/", "relative references in a folder need the slash"},
		{"without the slash, with a query", rawhttp.Mount("/static/", p), "/static?a=b&c=/d?e", "301 ./static/?a=b&c=/d?e", "the query is copied unchanged"},
		{"without the slash, with an empty query", rawhttp.Mount("/static/", p), "/static?", "301 ./static/", ""},
		{"another name", rawhttp.Mount("/static/", p), "/other", "declined", ""},
		{"a longer name", rawhttp.Mount("/static/", p), "/statics/a", "declined", "a prefix ends at a slash"},
		{"a longer name without slash", rawhttp.Mount("/static/", p), "/staticfile", "declined", ""},
		{"a shorter name", rawhttp.Mount("/static/", p), "/stat/", "declined", ""},
		{"another case", rawhttp.Mount("/static/", p), "/Static/", "declined", "paths are case-sensitive, RFC 9110, section 4.2.3"},
		{"the root above it", rawhttp.Mount("/static/", p), "/", "declined", ""},
		{"in a segment below", rawhttp.Mount("/static/", p), "/a/static/b", "declined", ""},
		{"an encoded prefix", rawhttp.Mount("/static/", p), "/%73tatic/a", `r "/static" "/a"`, "paths are compared decoded"},
		{"an encoded slash", rawhttp.Mount("/static/", p), "/static%2Fa", `r "/static" "/a"`, "paths are compared decoded"},
		{"out of it by dot segments", rawhttp.Mount("/static/", p), "/static/../secret", "declined", "the path is /secret"},
		{"out of it by encoded dot segments", rawhttp.Mount("/static/", p), "/static/%2e%2e/secret", "declined", "the path is /secret"},
		{"into it by dot segments", rawhttp.Mount("/static/", p), "/x/../static/./a", `r "/static" "/a"`, "the path is /static/a"},
		{"runs of slashes", rawhttp.Mount("/static/", p), "//static//a", `r "/static" "/a"`, "runs of slashes count as one"},
		{"a prefix of two segments", rawhttp.Mount("/a/b/", p), "/a/b/c", `r "/a/b" "/c"`, ""},
		{"a prefix of two segments without slash", rawhttp.Mount("/a/b/", p), "/a/b", "301 ./b/", "relative to /a/"},
		{"a prefix to escape", rawhttp.Mount("/a b/ü?/", p), "/a%20b/%C3%BC%3F", "301 ./%C3%BC%3F/", "the reference is escaped"},
		{"a prefix like a scheme", rawhttp.Mount("/a:b/", p), "/a:b", "301 ./a%3Ab/", "the reference begins with a dot, so it cannot have a scheme"},
		{"a host for a prefix", rawhttp.Mount("/evil.test/", p), "//evil.test", "301 ./evil.test/", "a reference that begins with // would lead to another host"},
		{"a host with a backslash", rawhttp.Mount("/\\evil.test/", p), "/%5Cevil.test", "301 ./%5Cevil.test/", "browsers treat \\ as a slash"},
		{"an encoded slash before the name", rawhttp.Mount("/a/b/", p), "/a%2Fb", "301 ./a%2Fb/", "the client resolves the reference against its own form of the path"},

		{"the root", rawhttp.Mount("/", p), "/a/b", `r "" "/a/b"`, "nothing is removed from the path"},
		{"the root itself", rawhttp.Mount("/", p), "/", `r "" "/"`, ""},
		{"the empty prefix", rawhttp.Mount("", p), "/a", `r "" "/a"`, "the slash is added"},
		{"a prefix without its first slash", rawhttp.Mount("static/", p), "/static/a", `r "/static" "/a"`, "the slash is added"},
		{"an exact prefix without its first slash", rawhttp.Mount("healthz", p), "/healthz", `r "/healthz" "/"`, "the slash is added"},

		{"exact", rawhttp.Mount("/healthz", p), "/healthz", `r "/healthz" "/"`, "a prefix without a slash at the end matches only itself"},
		{"exact, with a query", rawhttp.Mount("/healthz", p), "/healthz?a", `r "/healthz" "/"`, ""},
		{"exact, with a slash", rawhttp.Mount("/healthz", p), "/healthz/", "declined", "a prefix without a slash at the end matches only itself"},
		{"exact, below", rawhttp.Mount("/healthz", p), "/healthz/a", "declined", "a prefix without a slash at the end matches only itself"},
		{"exact, longer", rawhttp.Mount("/healthz", p), "/healthzz", "declined", ""},
		{"exact, shorter", rawhttp.Mount("/healthz", p), "/health", "declined", ""},

		{"nested", deep, "/a/b/c", `r "/a/b/c" "/"`, "prefixes are joined"},
		{"nested, not below", deep, "/a/b/d", "declined", ""},
		{"nested, without the slash", deep, "/a/b", "301 ./b/", ""},
		{"nested, without the first slash", deep, "/a", "301 ./a/", ""},
		{"nested, another first", deep, "/b/b/c", "declined", ""},
		{"nested roots", rawhttp.Mount("/", rawhttp.Mount("/", rawhttp.Mount("/a/", p))), "/a/b", `r "/a" "/b"`, ""},
		{"the same prefix twice", rawhttp.Mount("/a/", rawhttp.Mount("/a/", p)), "/a/a/a/", `r "/a/a" "/a/"`, "each Mount removes its own prefix"},
		{"below an exact Mount", rawhttp.Mount("/a", rawhttp.Mount("/", p)), "/a", `r "/a" "/"`, ""},

		{"OPTIONS *", rawhttp.Mount("/", p), "", "declined", "* is not a path"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			head := "GET " + tt.target + " HTTP/1.1\r\nHost: a\r\n\r\n"
			if tt.target == "" {
				head = "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"
			}
			req := requestOf(t, head)
			path, prefix := req.Path(), req.Prefix()
			if got := resolveString(t, tt.r, req); got != tt.want {
				t.Errorf("%q: %s, want %s\nwhy: %s", head, got, tt.want, tt.why)
			}
			if req.Path() != path || req.Prefix() != prefix {
				t.Errorf("path of the original request after Resolve = %q, want %q", req.Path(), path)
			}
		})
	}
}

// The redirect of a Mount leads to the mounted folder on the same host, whatever the target is.
func TestMountRedirectsToItself(t *testing.T) {
	for _, target := range []string{
		"/evil.test", "//evil.test", "///evil.test", "/%2Fevil.test", "/%2F%2Fevil.test", "/.//evil.test", "/x/..//evil.test",
		"/..//evil.test", "/%2e%2e/%2fevil.test", "/x/%2e%2e%2fevil.test", "http://a//evil.test", "http://a/evil.test", "/evil%2Etest",
	} {
		t.Run(target, func(t *testing.T) {
			req := resolveGet(t, target)
			got := resolveString(t, rawhttp.Mount("/evil.test/", resolveProbe("r")), req)
			location, ok := strings.CutPrefix(got, "301 ")
			if !ok {
				t.Fatalf("%q: %s, want a redirect", target, got)
			}
			// A client resolves the reference against the target that it requested.
			base := "http://a"
			if strings.HasPrefix(target, "http:") {
				base = ""
			}
			u, err := url.Parse(base + target)
			if err != nil {
				t.Fatal(err)
			}
			next, err := u.Parse(location)
			if err != nil || next.Host != "a" {
				t.Fatalf("Location %q leads from %v to %v, %v, want the host a", location, u, next, err)
			}
			if got := resolveString(t, rawhttp.Mount("/evil.test/", resolveProbe("r")), resolveGet(t, next.RequestURI())); got != `r "/evil.test" "/"` {
				t.Errorf("Location %q leads from %v to %v: %s, want the folder", location, u, next, got)
			}
		})
	}
}

func TestMountPassesRequestOn(t *testing.T) {
	req := requestOf(t, "POST /a/b%20c?q=1 HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n\r\n")
	req.Body = strings.NewReader("content")
	wantErr := errors.New("from below")
	resp, err := rawhttp.Mount("/a/", rawhttp.ResolverFunc(func(_ context.Context, below *rawhttp.Request) (*rawhttp.Response, error) {
		type view struct{ Method, Target, Path, Prefix, Whole, RawQuery, Host, Field string }
		want := view{"POST", "/a/b%20c?q=1", "/b c", "/a", "/a/b c", "q=1", "h", "1"}
		got := view{below.Method(), below.Target(), below.Path(), below.Prefix(), below.Prefix() + below.Path(), below.RawQuery(), below.Host(), below.Header().Get("X-A")}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("request below the Mount (-want +got):\n%s", diff)
		}
		if below.Body != req.Body {
			t.Error("the request below the Mount has another Body")
		}
		return nil, wantErr
	})).Resolve(t.Context(), req)
	if resp != nil || err != wantErr {
		t.Errorf("Resolve = %v, %v, want the result of the mounted resolver, %v", resp, err, wantErr)
	}
}

// A resolver may rewrite the path before a Mount.
func TestMountWithRewrittenPath(t *testing.T) {
	m := rawhttp.Mount("/v2/", resolveProbe("r"))
	if got, want := resolveString(t, m, resolveGet(t, "/old").WithPath("/v2/new")), `r "/v2" "/new"`; got != want {
		t.Errorf("Resolve with a rewritten path = %s, want %s", got, want)
	}
	if got := resolveString(t, m, resolveGet(t, "/v2/a").WithPath("/v1/a")); got != "declined" {
		t.Errorf("Resolve with a path rewritten to one outside the Mount = %s, want declined", got)
	}
}

// First and Mount can be combined into a tree of resolvers.
func TestFirstOfMounts(t *testing.T) {
	r := rawhttp.First(
		rawhttp.Mount("/healthz", answerText("ok")),
		rawhttp.Mount("/api/", rawhttp.First(rawhttp.Mount("/v1/", resolveProbe("v1")), rawhttp.Mount("/v2/", resolveProbe("v2")))),
		rawhttp.Mount("/", resolveProbe("root")),
	)
	tests := []struct{ target, want string }{
		{"/healthz", "ok"},
		{"/healthz/", `root "" "/healthz/"`},
		{"/api/v1/x", `v1 "/api/v1" "/x"`},
		{"/api/v2/", `v2 "/api/v2" "/"`},
		{"/api/v2", "301 ./v2/"},
		{"/api/v3/x", `root "" "/api/v3/x"`},
		{"/api", "301 ./api/"},
		{"/", `root "" "/"`},
	}
	for _, tt := range tests {
		if got := resolveString(t, r, resolveGet(t, tt.target)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.target, got, tt.want)
		}
	}
}
