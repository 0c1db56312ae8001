package conformance_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// answerDifferences answers with everything that may differ between two requests with the same
// head.
var answerDifferences = rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	body, err := io.ReadAll(req.Body)
	return rawhttp.Text(200, fmt.Sprintf("%d %s%s %q %v %q%s", req.Conn().Request, req.Prefix(), req.Path(), body, err, req.Trailer().Get("Sum"), req.Header().Get("Z"))), nil
})

// The same head is not parsed twice. Everything else belongs to each request alone, however
// the input is split.
func TestRepeatedHeads(t *testing.T) {
	t.Parallel()
	get, other := getRequest("/a/b"), getRequest("/a/c")
	steps := []struct{ in, want string }{
		{get, `1 /a/b "" <nil> ""`},
		{get, `2 /a/b "" <nil> ""`},
		{other, `3 /a/c "" <nil> ""`},
		{get, `4 /a/b "" <nil> ""`},
		{chunkedRequest("/a/p", "3\r\none\r\n0\r\nSum: 1\r\n\r\n"), `5 /a/p "one" <nil> "1"`},
		{chunkedRequest("/a/p", "3\r\ntwo\r\n0\r\n\r\n"), `6 /a/p "two" <nil> ""`},
		{chunkedRequest("/a/p", "0\r\nSum: 3\r\n\r\n"), `7 /a/p "" <nil> "3"`},
		{postRequest("/a/q", "abc"), `8 /a/q "abc" <nil> ""`},
		{postRequest("/a/q", "def"), `9 /a/q "def" <nil> ""`},
		{getRequest("/a/%62?"), `10 /a/b "" <nil> ""`},
		{getRequest("/a/%62?"), `11 /a/b "" <nil> ""`},
		{getRequest("/a/long", "X: "+strings.Repeat("x", 1200)), `12 /a/long "" <nil> ""`},
		{getRequest("/a/long", "X: "+strings.Repeat("x", 1200)), `13 /a/long "" <nil> ""`},
		{getRequest("/a/fields", strings.Split(strings.Repeat("X: y,", 40)+"Z: z", ",")...), `14 /a/fields "" <nil> ""z`},
		{getRequest("/a/fields", strings.Split(strings.Repeat("X: y,", 40)+"Z: z", ",")...), `15 /a/fields "" <nil> ""z`},
		{"\r\n" + get, `16 /a/b "" <nil> ""`},
		{get, `17 /a/b "" <nil> ""`},
		{"\r\n" + get, `18 /a/b "" <nil> ""`},
		{get, `19 /a/b "" <nil> ""`},
		{get, `20 /a/b "" <nil> ""`},
	}
	in, want := "", ""
	for _, s := range steps {
		in += s.in
		want += okAnswer(s.want)
	}
	resolver := rawhttp.WithResolver(rawhttp.Mount("/a/", answerDifferences))
	bubble(t, func(t *testing.T) {
		c := servePipe(t, resolver)
		for _, s := range steps {
			c.send(s.in)
			if diff := cmp.Diff(okAnswer(s.want), c.received()); diff != "" {
				t.Errorf("answer to %.80q alone (-want +got):\n%s", s.in, diff)
			}
		}
	})
	every := 3
	if *long {
		every = 1
	}
	for i := 0; i <= len(in); i += every {
		if strings.HasSuffix(in[:i], "xxxx") && strings.HasPrefix(in[i:], "xxxx") {
			continue // splits within a long value are all alike
		}
		bubble(t, func(t *testing.T) {
			c := servePipe(t, resolver)
			c.send(in[:i])
			c.send(in[i:])
			if diff := cmp.Diff(want, c.received()); diff != "" {
				t.Fatalf("split after %d bytes (-want +got):\n%s", i, diff)
			}
		})
	}
}

// The beginning of the previous head is not a complete head.
func TestRepeatedHeadTruncated(t *testing.T) {
	get := getRequest("/a")
	for i := 1; i < len(get); i++ {
		got := talkInMemory(t, get+get[:i], rawhttp.WithResolver(answerPath))
		if !strings.HasPrefix(got, okAnswer("/a")+"HTTP/1.1 400 ") || strings.Count(got, "HTTP/1.1") != 2 {
			t.Fatalf("answers to %q and its first %d bytes: %q, want 200 and 400", get, i, got)
		}
	}
}

// Changes that a program may make to a Request do not affect the next one.
func TestRepeatedHeadAfterChangedRequest(t *testing.T) {
	get, other := getRequest("/get"), getRequest("/other")
	post := strings.TrimSuffix(postRequest("/p", "abc"), "abc")
	get = strings.TrimSuffix(get, "\r\n") + "X: " // as long as the other, so that its spans would fit
	get += strings.Repeat("x", len(post)-len(get)-len("\r\n\r\n")) + "\r\n\r\n"
	tests := []struct {
		name   string
		change func(*rawhttp.Request)
		second string
		want   string
	}{
		{"another Body", func(r *rawhttp.Request) { r.Body = strings.NewReader("its own") }, get, `2 /get "" <nil> ""`},
		{"another head", func(r *rawhttp.Request) { r.Parse([]byte(other)) }, other, `2 /other "" <nil> ""`},
		{"another head, in a copy", func(r *rawhttp.Request) { r.WithPath("/x").Parse([]byte(post)) }, post + "abc", `2 /p "abc" <nil> ""`},
		{"another head, in a copy of a copy", func(r *rawhttp.Request) { c := *r.WithPath("/x"); c.Parse([]byte(post)) }, post + "abc", `2 /p "abc" <nil> ""`},
		{"another path", func(r *rawhttp.Request) { *r = *r.WithPath("/x") }, get, `2 /get "" <nil> ""`},
		{"head overwritten", func(r *rawhttp.Request) { copy(r.Head(), post) }, post + "abc", `2 /p "abc" <nil> ""`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resolver := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
				if req.Conn().Request > 1 {
					return answerDifferences(ctx, req)
				}
				tt.change(req)
				return rawhttp.Text(200, "changed"), nil
			})
			got := talkInMemory(t, get+tt.second, rawhttp.WithResolver(resolver))
			if diff := cmp.Diff(okAnswer("changed")+okAnswer(tt.want), got); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
		})
	}
}

// A Request that was retained too long and is written over a later one does not affect the next
// request.
func TestRepeatedHeadAfterRetainedRequest(t *testing.T) {
	var kept rawhttp.Request
	resolver := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		path := req.Path()
		switch req.Conn().Request {
		case 1:
			kept = *req
		case 2:
			*req = kept
		}
		return rawhttp.Text(200, path), nil
	})
	got := talkInMemory(t, getRequest("/1")+getRequest("/2")+getRequest("/2"), rawhttp.WithResolver(resolver))
	if diff := cmp.Diff(okAnswer("/1")+okAnswer("/2")+okAnswer("/2"), got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

// A Request that a program puts in the place of the current one does not change, since no
// connection parses into it. The answers are those to the requests that the client sent.
func TestRequestReplacedByProgram(t *testing.T) {
	own, _, err := rawhttp.ParseRequest([]byte("GET /own HTTP/1.1\r\nHost: own.example\r\nZ: " + strings.Repeat("z", 100) + "\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	head := string(own.Head())
	put := func(req *rawhttp.Request) { *req = *own }
	page := func(_ context.Context, req *rawhttp.Request, status int, _ error) *rawhttp.Response {
		put(req)
		return rawhttp.Text(status, "page")
	}
	tests := []struct {
		name string
		opts []rawhttp.Option
		want string
	}{
		{"by a resolver", []rawhttp.Option{rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			put(req)
			return rawhttp.Text(200, "page"), nil
		}))}, okAnswer("page")},
		{"by an error page", []rawhttp.Option{rawhttp.WithResolver(rawhttp.First()), rawhttp.WithErrorPage(page)}, strings.Replace(okAnswer("page"), "200 OK", "404 Not Found", 1)},
		{"by a hook", []rawhttp.Option{rawhttp.WithResolver(answerText("page")), rawhttp.WithTrace(rawhttp.Trace{Exchange: func(x rawhttp.Exchange) { put(x.Request) }})}, okAnswer("page")},
	}
	get := getRequest("/1")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := talkInMemory(t, strings.Replace(get, "GET", "HEAD", 1)+get+get+getRequest("/2"), tt.opts...)
			if diff := cmp.Diff(strings.TrimSuffix(tt.want, "page")+strings.Repeat(tt.want, 3), got); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
			if got := string(own.Head()); got != head {
				t.Errorf("head of the Request is %q, want %q as before", got, head)
			}
		})
	}
}
