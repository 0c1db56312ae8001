package conformance_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/rawhttp"
)

// startLongListing starts a long listing on a connection and reads only its status.
func startLongListing(t *testing.T, r rawhttp.Resolver) (client net.Conn, status int) {
	t.Helper()
	client = pipe(t, rawhttp.WithResolver(r))
	go io.WriteString(client, get11)
	return client, listingStatus(t, client)
}

func listingStatus(t *testing.T, client net.Conn) int {
	t.Helper()
	status := make([]byte, len("HTTP/1.1 200"))
	if _, err := io.ReadFull(client, status); err != nil {
		t.Errorf("reading the status: %v", err)
		return 0
	}
	var n int
	fmt.Sscanf(string(status), "HTTP/1.1 %d", &n)
	return n
}

// At most 16 long listings are written at once. The next one waits for another to end, and is
// answered with 503 after five seconds. Short listings and files do not wait.
func TestLongListingsAtOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		r, _ := listingOfFake(t, 10_000)
		var clients []net.Conn
		start := time.Now()
		for range 16 {
			client, status := startLongListing(t, r)
			if status != 200 {
				t.Errorf("status %d, want 200", status)
			}
			clients = append(clients, client)
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("16 listings started after %v, want 0", waited)
		}

		for range 2 {
			start = time.Now()
			client, status := startLongListing(t, r)
			lines := bufio.NewReader(client)
			line, err := lines.ReadString('\n')
			for err == nil && line != "\r\n" && line != "Retry-After: 1\r\n" {
				line, err = lines.ReadString('\n')
			}
			if err != nil || line == "\r\n" {
				t.Errorf("503 without Retry-After: %v", err)
			}
			if waited := time.Since(start); status != 503 || waited != 5*time.Second {
				t.Errorf("listing 17: status %d after %v, want 503 after 5s", status, waited)
			}
			client.Close()
		}

		start = time.Now()
		done := make(chan int)
		go func() {
			_, status := startLongListing(t, r)
			done <- status
		}()
		time.Sleep(3 * time.Second)
		clients[7].Close()
		if status, waited := <-done, time.Since(start); status != 200 || waited != 3*time.Second {
			t.Errorf("listing 17: status %d after %v, want 200 after 3s, when another ended", status, waited)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		resp, err := r.Resolve(ctx, resolveGet(t, "/"))
		if waited := time.Since(start); resp != nil || rawhttp.StatusOf(err) != 503 || waited != time.Second {
			t.Errorf("listing 17 whose context ends: Resolve = %v, %v after %v, want 503 after 1s", resp, err, waited)
		}

		start = time.Now()
		if got := listingAsk(t, r, "HEAD /"); got.Status != "200 OK" {
			t.Errorf("HEAD: %s", got.Status)
		}
		another, _ := listingOfFake(t, 10_000)
		if client, status := startLongListing(t, another); status != 200 {
			t.Errorf("long listing of another tree: status %d", status)
		} else {
			client.Close()
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("requests that need not wait took %v, want 0", waited)
		}
	})
}

// A long listing that has taken more than 30 seconds is cut if another waits for its place. If
// none waits, its time is not limited.
func TestSlowListingIsCutForAnother(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		r, _ := listingOfFake(t, 10_000)
		var clients []net.Conn
		for range 16 {
			client, _ := startLongListing(t, r)
			clients = append(clients, client)
		}
		taken := make([]byte, 20_000) // more than one Write
		for i := range 4 {
			time.Sleep(20 * time.Second)
			for _, client := range clients {
				if _, err := io.ReadFull(client, taken); err != nil {
					t.Fatalf("after %d s, while no other listing waits: %v", 20*(i+1), err)
				}
			}
		}
		done := make(chan int)
		go func() {
			client, status := startLongListing(t, r)
			client.Close()
			done <- status
		}()
		time.Sleep(time.Second)
		rest, err := io.ReadAll(clients[0])
		if len(rest) > 40_000 || strings.HasSuffix(string(rest), "\r\n0\r\n\r\n") {
			t.Errorf("while another listing waits, the slow client read %d more bytes, %v, want the listing cut", len(rest), err)
		}
		if status := <-done; status != 200 {
			t.Errorf("the waiting listing: status %d, want 200", status)
		}
	})
}

// Short listings do not wait while the maximum number of long ones is being written.
func TestShortListingsDoNotWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tree := listingFiles("short/a", "short/b")
		for i := range 300 {
			tree[fmt.Sprintf("long/%d", i)] = tree["short/a"]
		}
		r, err := rawhttp.FS(tree)
		if err != nil {
			t.Fatal(err)
		}
		for range listingsAtOnce {
			if _, err := r.Resolve(t.Context(), resolveGet(t, "/long/")); err != nil { // never closed
				t.Fatal(err)
			}
		}
		start := time.Now()
		for target, want := range map[string]string{"/short/": "a\nb\n", "/short/a": "", "/": "long/\nshort/\n"} {
			if got := resolveString(t, r, resolveGet(t, target)); got != want {
				t.Errorf("GET %s: %q, want %q", target, got, want)
			}
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("short listings took %v, want 0", waited)
		}
		if got := resolveString(t, r, resolveGet(t, "/long/")); got != "error 503" || time.Since(start) != 5*time.Second {
			t.Errorf("long listing: %q after %v, want 503 after 5s", got, time.Since(start))
		}
	})
}

// However a long listing ends, another may start.
func TestLongListingsReleaseTheirTurn(t *testing.T) {
	t.Parallel()
	const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	dropped := errors.New("dropped")
	tests := []struct {
		name string
		do   func(t *testing.T, r *rawhttp.FileResolver, fake *listingFake)
	}{
		{"read to its end", func(t *testing.T, r *rawhttp.FileResolver, _ *listingFake) {
			client := pipe(t, rawhttp.WithResolver(r))
			go io.WriteString(client, get)
			resp, err := http.ReadResponse(bufio.NewReader(client), nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Error(err)
			}
		}},
		{"HEAD", func(t *testing.T, r *rawhttp.FileResolver, _ *listingFake) { listingAsk(t, r, "HEAD /") }},
		{"a client that disconnects", func(t *testing.T, r *rawhttp.FileResolver, _ *listingFake) {
			client, _ := startLongListing(t, r)
			client.Close()
		}},
		{"a client that stalls", func(t *testing.T, r *rawhttp.FileResolver, _ *listingFake) {
			client, _ := startLongListing(t, r)
			time.Sleep(31 * time.Second)
			client.Close()
		}},
		{"a server that is closed", func(t *testing.T, r *rawhttp.FileResolver, _ *listingFake) {
			s := newServer(t, rawhttp.WithResolver(r))
			client, server := net.Pipe()
			done := make(chan error)
			go func() { done <- s.ServeConn(context.Background(), server) }()
			go io.WriteString(client, get)
			listingStatus(t, client)
			s.Close()
			<-done
		}},
		{"a context that has ended", func(t *testing.T, r *rawhttp.FileResolver, fake *listingFake) {
			ctx, cancel := context.WithCancel(t.Context())
			fake.readDir = func(read int) error {
				if read > 0 {
					cancel()
				}
				return nil
			}
			if _, err := r.Resolve(ctx, resolveGet(t, "/")); !errors.Is(err, context.Canceled) {
				t.Errorf("Resolve: %v", err)
			}
			cancel()
		}},
		{"a ReadDir that fails", func(t *testing.T, r *rawhttp.FileResolver, fake *listingFake) {
			fake.readDir = func(read int) error {
				if read > 0 {
					return io.ErrUnexpectedEOF
				}
				return nil
			}
			if _, err := r.Resolve(t.Context(), resolveGet(t, "/")); rawhttp.StatusOf(err) != 500 {
				t.Errorf("Resolve: %v", err)
			}
		}},
		{"a ReadDir that panics", func(t *testing.T, r *rawhttp.FileResolver, fake *listingFake) {
			fake.readDir = func(read int) error {
				if read > 0 {
					panic("on purpose")
				}
				return nil
			}
			if got := listingTalk(t, r, get); !strings.HasPrefix(got, "HTTP/1.1 500 ") {
				t.Errorf("answer %q, want 500", got)
			}
		}},
		{"an Info that panics while reading", func(t *testing.T, r *rawhttp.FileResolver, fake *listingFake) {
			fake.info = func(name string) error {
				if name == "file-0000100.txt" {
					panic("on purpose")
				}
				return nil
			}
			if got := listingTalk(t, r, strings.Replace(get, "/", "/?sort=size", 1)); !strings.HasPrefix(got, "HTTP/1.1 500 ") {
				t.Errorf("answer %q, want 500", got)
			}
		}},
		{"an Info that panics while writing", func(t *testing.T, r *rawhttp.FileResolver, fake *listingFake) {
			fake.info = func(name string) error {
				if name == "file-0001050.txt" {
					panic("on purpose")
				}
				return nil
			}
			if got := listingTalk(t, r, get); !strings.HasPrefix(got, "HTTP/1.1 200 ") || strings.HasSuffix(got, "\r\n0\r\n\r\n") {
				t.Errorf("answer of %d bytes, want one of 200 that is cut", len(got))
			}
		}},
		{"an Info that fails", func(t *testing.T, r *rawhttp.FileResolver, fake *listingFake) {
			fake.info = func(name string) error { return fs.ErrClosed }
			if got := listingTalk(t, r, get); !strings.HasPrefix(got, "HTTP/1.1 503 ") && !strings.HasPrefix(got, "HTTP/1.1 500 ") {
				t.Errorf("answer %q, want 5xx", got)
			}
		}},
		{"a wrapper that drops the Response", func(t *testing.T, r *rawhttp.FileResolver, _ *listingFake) {
			front := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
				resp, err := r.Resolve(ctx, req)
				if err == nil {
					err = errors.Join(dropped, resp.Close(), resp.Close())
				}
				return nil, err
			})
			if got := listingTalk(t, front, get); !strings.HasPrefix(got, "HTTP/1.1 500 ") {
				t.Errorf("answer %q, want 500", got)
			}
		}},
		{"a wrapper that makes the Response invalid", func(t *testing.T, r *rawhttp.FileResolver, _ *listingFake) {
			front := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
				resp, err := r.Resolve(ctx, req)
				return resp.Clone().Set("X A", "no token"), err
			})
			if got := listingTalk(t, front, get); !strings.HasPrefix(got, "HTTP/1.1 500 ") {
				t.Errorf("answer %q, want 500", got)
			}
		}},
		{"HTTP/1.0", func(t *testing.T, r *rawhttp.FileResolver, _ *listingFake) {
			listingTalk(t, r, "GET / HTTP/1.0\r\n\r\n")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r, fake := listingOfFake(t, 1100)
				for range listingsAtOnce + 1 {
					tt.do(t, r, fake)
				}
				fake.readDir, fake.info = nil, nil
				start := time.Now()
				if got := listingAsk(t, r, "GET /?format=text"); got.Status != "200 OK" || strings.Count(got.Content, "\n") != 1100 {
					t.Errorf("next listing: %s", got.Status)
				}
				if waited := time.Since(start); waited != 0 {
					t.Errorf("the next listing took %v, want 0", waited)
				}
			})
		})
	}
}

// listingTalk returns everything that the server sends in answer to a request on a new
// connection.
func listingTalk(t *testing.T, r rawhttp.Resolver, request string) string {
	t.Helper()
	client := pipe(t, rawhttp.WithResolver(r))
	go io.WriteString(client, strings.Replace(request, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1))
	answer, err := io.ReadAll(client)
	if err != nil {
		t.Errorf("reading the answer: %v", err)
	}
	return string(answer)
}
