package links

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
)

// local makes a resolver see a client on the same machine, since Answer sets no client.
func local(next rawhttp.Resolver) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return next.Resolve(ctx, req.WithConn(rawhttp.ConnInfo{Client: netip.MustParseAddr("127.0.0.1")}))
	})
}

// create creates a link and returns its path.
func create(t *testing.T, r rawhttp.Resolver, content string) (path string) {
	t.Helper()
	answer := rawhttp.Answer(r, fmt.Sprintf("POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: %d\r\n\r\n%s", len(content), content))
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
	if err != nil || resp.StatusCode != 201 {
		t.Fatalf("POST is answered with %q, want 201", answer)
	}
	return resp.Header.Get("Location")
}

// Exact bytes, compared with go-cmp. Splitting them into lines makes the difference readable.
func TestAnswers(t *testing.T) {
	r := local(new(Links))
	path := create(t, r, "the content")
	tests := []struct {
		name, request, want string
	}{{
		name:    "a link that does not exist",
		request: "GET /x HTTP/1.1\r\nHost: example.test\r\n\r\n",
		want: "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 14\r\n" +
			"X-Content-Type-Options: nosniff\r\n\r\n404 Not Found\n",
	}, {
		name:    "HEAD does not use a link up",
		request: "HEAD " + path + " HTTP/1.1\r\nHost: example.test\r\n\r\n",
		want: "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 23\r\n" +
			"Allow: GET, OPTIONS\r\n\r\n",
	}, {
		name:    "a link",
		request: "GET " + path + " HTTP/1.1\r\nHost: example.test\r\n\r\n",
		want: "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 11\r\n" +
			"Cache-Control: no-store\r\n\r\nthe content",
	}, {
		name:    "a link that was used",
		request: "GET " + path + " HTTP/1.1\r\nHost: example.test\r\n\r\n",
		want: "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 14\r\n" +
			"X-Content-Type-Options: nosniff\r\n\r\n404 Not Found\n",
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := rawhttp.Answer(r, tt.request)
			if diff := cmp.Diff(strings.SplitAfter(tt.want, "\n"), strings.SplitAfter(got, "\n")); diff != "" {
				t.Errorf("Answer(%q) (-want +got):\n%s", tt.request, diff)
			}
		})
	}
}

// Calling Resolve directly, with a Request that has the address of a client.
func TestOnlyLocalClientsCreate(t *testing.T) {
	req, _, err := rawhttp.ParseRequest([]byte("POST / HTTP/1.1\r\nHost: example.test\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	for client, want := range map[string]int{"127.0.0.1": 201, "::1": 201, "192.0.2.1": 403} {
		from := req.WithConn(rawhttp.ConnInfo{Client: netip.MustParseAddr(client)})
		resp, err := new(Links).Resolve(t.Context(), from)
		got := rawhttp.StatusOf(err)
		if err == nil {
			got = resp.Status()
		}
		if got != want {
			t.Errorf("a client at %s receives status %d, want %d", client, got, want)
		}
	}
}

// Ten minutes without waiting: in synctest, time passes only while all goroutines are blocked.
func TestLinksExpire(t *testing.T) {
	for after, want := range map[time.Duration]string{
		lifetime - 1: "HTTP/1.1 200 OK",
		lifetime:     "HTTP/1.1 404 Not Found",
	} {
		synctest.Test(t, func(t *testing.T) {
			r := local(new(Links))
			path := create(t, r, "the content")
			time.Sleep(after)
			got, _, _ := strings.Cut(rawhttp.Answer(r, "GET "+path+" HTTP/1.1\r\nHost: example.test\r\n\r\n"), "\r\n")
			if got != want {
				t.Errorf("after %v: %s, want %s", after, got, want)
			}
		})
	}
}

// Expired links make room for new ones.
func TestTooManyLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := local(new(Links))
		for range maxLinks {
			create(t, r, "")
		}
		const request = "POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: 0\r\n\r\n"
		if got := rawhttp.Answer(r, request); !strings.HasPrefix(got, "HTTP/1.1 503 ") {
			t.Errorf("a POST over the limit is answered with %q, want 503", got)
		}
		time.Sleep(lifetime)
		create(t, r, "")
	})
}

// A conversation with a server over a pipe, to test behavior that depends on the connection or
// on options, here on a time limit. Since the clock is fake, the test can be exact.
func TestSlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, err := rawhttp.New(rawhttp.WithResolver(local(new(Links))), rawhttp.WithStallTimeout(5*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		client, server := net.Pipe()
		served := make(chan error, 1)
		go func() { served <- srv.ServeConn(t.Context(), server) }()

		io.WriteString(client, "POST / HTTP/1.1\r\nHost: example.test\r\nContent-Length: 100\r\n\r\nnot all of it")
		start := time.Now()
		resp, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start); resp.StatusCode != 408 || got != 5*time.Second {
			t.Errorf("%s after %v, want 408 after 5s", resp.Status, got)
		}
		client.Close() // so that the server's goroutine ends before the test does
		<-served
	})
}
