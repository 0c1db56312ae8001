package rawhttp_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"maps"
	"math"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/rawhttp"
)

// CORS lets the pages of other sites use an API, here those of one origin. Before a request
// that a form could not send, a browser sends a preflight. Errors need the fields too, or the
// page cannot read their status.
func Example_cors() {
	cors := func(origins []string, next rawhttp.Resolver) rawhttp.Resolver {
		return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			origin := req.Header().Get("Origin")
			allowed := slices.Contains(origins, origin)
			if req.Method() == "OPTIONS" && req.Header().Get("Access-Control-Request-Method") != "" {
				resp := rawhttp.Empty(204).Set("Vary", "Origin")
				if allowed {
					resp.Set("Access-Control-Allow-Origin", origin)
					resp.Set("Access-Control-Allow-Methods", "GET, PUT, DELETE")
					resp.Set("Access-Control-Allow-Headers", "Content-Type")
					resp.Set("Access-Control-Max-Age", "7200")
				}
				return resp, nil
			}
			resp, err := next.Resolve(ctx, req)
			if err != nil {
				resp = rawhttp.ErrorResponse(err)
			}
			resp = resp.Clone()
			if allowed {
				resp.Set("Access-Control-Allow-Origin", origin)
			}
			return resp.Add("Vary", "Origin"), nil
		})
	}
	api := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if req.Path() != "/tea" {
			return nil, fs.ErrNotExist
		}
		return rawhttp.OK("application/json", []byte(`{"ready":true}`)), nil
	})
	site := cors([]string{"https://app.example"}, api)

	for _, request := range []string{
		"OPTIONS /tea HTTP/1.1\r\nHost: example.test\r\nOrigin: https://app.example\r\nAccess-Control-Request-Method: PUT\r\n\r\n",
		"GET /tea HTTP/1.1\r\nHost: example.test\r\nOrigin: https://app.example\r\n\r\n",
		"GET /cake HTTP/1.1\r\nHost: example.test\r\nOrigin: https://app.example\r\n\r\n",
		"GET /tea HTTP/1.1\r\nHost: example.test\r\nOrigin: https://evil.example\r\n\r\n",
	} {
		fmt.Println(strings.TrimSpace(strings.ReplaceAll(rawhttp.Answer(site, request), "\r\n", "\n")))
		fmt.Println()
	}
	// Output:
	// HTTP/1.1 204 No Content
	// Vary: Origin
	// Access-Control-Allow-Origin: https://app.example
	// Access-Control-Allow-Methods: GET, PUT, DELETE
	// Access-Control-Allow-Headers: Content-Type
	// Access-Control-Max-Age: 7200
	//
	// HTTP/1.1 200 OK
	// Content-Type: application/json
	// Content-Length: 14
	// Access-Control-Allow-Origin: https://app.example
	// Vary: Origin
	//
	// {"ready":true}
	//
	// HTTP/1.1 404 Not Found
	// Content-Type: text/plain; charset=utf-8
	// Content-Length: 14
	// X-Content-Type-Options: nosniff
	// Access-Control-Allow-Origin: https://app.example
	// Vary: Origin
	//
	// 404 Not Found
	//
	// HTTP/1.1 200 OK
	// Content-Type: application/json
	// Content-Length: 14
	// Vary: Origin
	//
	// {"ready":true}
}

// A wrapper that logs each request with an ID. Lines that the resolver logs have the ID too,
// and the client finds it in the field X-Request-Id.
func Example_requestID() {
	type loggerKey struct{}
	logRequests := func(logger *slog.Logger, next rawhttp.Resolver) rawhttp.Resolver {
		return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			id := rand.Text()
			logger := logger.With("id", id)
			resp, err := next.Resolve(context.WithValue(ctx, loggerKey{}, logger), req)
			if err != nil {
				resp = rawhttp.ErrorResponse(err)
			}
			resp = resp.Clone()
			logger.Info("request", "method", req.Method(), "path", req.Path(), "status", resp.Status(), "err", err)
			return resp.Set("X-Request-Id", id), nil
		})
	}
	tea := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		ctx.Value(loggerKey{}).(*slog.Logger).Info("looking into the pot")
		return nil, errors.New("the pot is empty")
	})

	var lines bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{} // so that the lines are always the same
			}
			return a
		},
	}))
	answer := rawhttp.Answer(logRequests(logger, tea), "GET /tea HTTP/1.1\r\nHost: example.test\r\n\r\n")
	_, id, _ := strings.Cut(answer, "X-Request-Id: ")
	id, _, _ = strings.Cut(id, "\r\n")
	fmt.Print(strings.ReplaceAll(strings.ReplaceAll(answer, "\r\n", "\n"), id, "ID"))
	fmt.Print(strings.ReplaceAll(lines.String(), id, "ID"))
	// Output:
	// HTTP/1.1 500 Internal Server Error
	// Content-Type: text/plain; charset=utf-8
	// Content-Length: 26
	// X-Content-Type-Options: nosniff
	// X-Request-Id: ID
	//
	// 500 Internal Server Error
	// level=INFO msg="looking into the pot" id=ID
	// level=INFO msg=request id=ID method=GET path=/tea status=500 err="the pot is empty"
}

// A wrapper that adds a field to every response, even after a panic. A panic passes through
// wrappers, so the innermost one turns it into an error, which the server logs with the stack.
func Example_recovery() {
	recovering := func(next rawhttp.Resolver) rawhttp.Resolver {
		return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (resp *rawhttp.Response, err error) {
			defer func() {
				if v := recover(); v != nil {
					resp, err = nil, fmt.Errorf("panic: %v\n%s", v, debug.Stack())
				}
			}()
			return next.Resolve(ctx, req)
		})
	}
	naming := func(next rawhttp.Resolver) rawhttp.Resolver {
		return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			resp, err := next.Resolve(ctx, req)
			if err != nil {
				resp = rawhttp.ErrorResponse(err)
			}
			return resp.Clone().Set("X-Served-By", "replica-3"), nil
		})
	}
	broken := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		panic("there is no note")
	})
	answer := rawhttp.Answer(naming(recovering(broken)), "GET /milk HTTP/1.1\r\nHost: example.test\r\n\r\n")
	fmt.Print(strings.ReplaceAll(answer, "\r\n", "\n"))
	// Output:
	// HTTP/1.1 500 Internal Server Error
	// Content-Type: text/plain; charset=utf-8
	// Content-Length: 26
	// X-Content-Type-Options: nosniff
	// X-Served-By: replica-3
	//
	// 500 Internal Server Error
}

// A page for server errors, including panics of a resolver. It shows a number that the
// operator finds in the log next to the cause. The server's own log has the stack.
func Example_recoveryPage() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "incident" {
				return slog.Attr{} // so that the lines are always the same
			}
			return a
		},
	}))
	broken := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		panic("there is no note")
	})
	srv, err := rawhttp.New(
		rawhttp.WithResolver(broken),
		rawhttp.WithLogger(slog.New(slog.DiscardHandler)), // has the stack; the default is standard error
		rawhttp.WithErrorPage(func(ctx context.Context, req *rawhttp.Request, status int, err error) *rawhttp.Response {
			if status < 500 {
				return nil // the default: plain text
			}
			incident := rand.Text()
			logger.Error("request failed", "incident", incident, "path", req.Path(), "err", err)
			if rawhttp.Accepts(req, "text/html", "application/json") == "application/json" {
				return rawhttp.Bytes(status, "application/json", fmt.Appendf(nil, `{"incident":%q}`, incident))
			}
			return rawhttp.HTML(status, "<!doctype html><title>Sorry</title><h1>Something went wrong</h1>"+
				"<p>If it happens again, tell us this number: "+incident+"\n")
		}),
	)
	if err != nil {
		log.Fatal(err)
	}
	client, server := net.Pipe()
	go srv.ServeConn(context.Background(), server)
	fmt.Fprint(client, "POST /milk HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n")
	answer, err := io.ReadAll(client)
	if err != nil {
		log.Fatal(err)
	}
	_, content, _ := strings.Cut(string(answer), "\r\n\r\n")
	page, _, _ := strings.Cut(content, ":")
	fmt.Println(page)
	// Output:
	// level=ERROR msg="request failed" path=/milk err="rawhttp: panic in resolver: there is no note"
	// <!doctype html><title>Sorry</title><h1>Something went wrong</h1><p>If it happens again, tell us this number
}

// A wrapper that measures how long responses take, to the last byte. A stream is written
// after Resolve returns, so the time is measured in OnClose.
func Example_timing() {
	measure := func(report func(path string, status int, took time.Duration), next rawhttp.Resolver) rawhttp.Resolver {
		return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
			start, path := time.Now(), req.Path()
			resp, err := next.Resolve(ctx, req)
			if err != nil {
				resp = rawhttp.ErrorResponse(err)
			}
			resp = resp.Clone()
			status := resp.Status()
			return resp.OnClose(func() { report(path, status, time.Since(start)) }), nil
		})
	}
	report := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.StreamFunc(200, "text/csv", func(ctx context.Context, w io.Writer) error {
			fmt.Println("the content is written")
			_, err := io.WriteString(w, "a,b\n")
			return err
		}), nil
	})
	measured := measure(func(path string, status int, took time.Duration) {
		fmt.Println(path, status, took >= 0)
	}, report)
	rawhttp.Answer(measured, "GET /report HTTP/1.1\r\nHost: example.test\r\n\r\n")
	// Output:
	// the content is written
	// /report 200 true
}

// compress compresses text for clients that accept gzip; files have WithPrecompressed. A stream of
// events must not wait for the compressor. Nor should a response be compressed that contains both
// a secret and input of an attacker: its length reveals the secret (BREACH).
func compress(next rawhttp.Resolver) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		resp, err := next.Resolve(ctx, req)
		if err != nil {
			return nil, err
		}
		for name, value := range resp.Fields() {
			mediaType, _, _ := strings.Cut(value, ";")
			text := strings.HasPrefix(mediaType, "text/") && mediaType != "text/event-stream" || mediaType == "application/json"
			if name == "Content-Type" && text {
				return resp.Encode(req, "gzip", func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }), nil
			}
		}
		return resp, nil
	})
}

// Compression on the fly. The second request sends the ETag of the first response, and gets
// 304 (Not Modified).
func Example_gzip() {
	rows := strings.Repeat("a row of the table\n", 1000)
	table := rawhttp.Content(rawhttp.Representation{MediaType: "text/plain", Body: strings.NewReader(rows), Size: int64(len(rows)), ETag: `"7"`})
	site := compress(rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return table, nil
	}))
	etag := `"none"`
	for _, coding := range []string{"br, gzip;q=0.5", "gzip", "gzip;q=0"} {
		answer := rawhttp.Answer(site, "GET / HTTP/1.1\r\nHost: example.test\r\nAccept-Encoding: "+coding+"\r\nIf-None-Match: "+etag+"\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
		if err != nil {
			log.Fatal(err)
		}
		etag = resp.Header.Get("ETag")
		var content io.Reader = resp.Body
		if resp.StatusCode == 200 && resp.Header.Get("Content-Encoding") == "gzip" {
			if content, err = gzip.NewReader(content); err != nil {
				log.Fatal(err)
			}
		}
		plain, err := io.ReadAll(content)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s, coding %q, %d bytes when decoded\n", resp.Status, resp.Header.Get("Content-Encoding"), len(plain))
	}
	// Output:
	// 200 OK, coding "gzip", 19000 bytes when decoded
	// 304 Not Modified, coding "", 0 bytes when decoded
	// 200 OK, coding "", 19000 bytes when decoded
}

// A rateLimiter allows each client burst requests at once, and one more after each interval.
// A client is an IPv4 address or a /64 network of IPv6, as clients can choose their address
// within one. At most 10000 clients are remembered; all others share the zero Prefix.
type rateLimiter struct {
	interval time.Duration
	burst    int

	mu    sync.Mutex
	free  map[netip.Prefix]time.Time // when a client has its whole burst again
	swept time.Time
}

// wait counts a request of the client, and returns how long the client has to wait, if at all.
func (l *rateLimiter) wait(client netip.Addr) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.free == nil || now.Sub(l.swept) > l.interval*time.Duration(l.burst) {
		maps.DeleteFunc(l.free, func(_ netip.Prefix, free time.Time) bool { return free.Before(now) })
		l.swept = now
	}
	bits := 32
	if client = client.Unmap(); client.Is6() {
		bits = 64
	}
	key, _ := client.Prefix(bits)
	if _, known := l.free[key]; !known && len(l.free) >= 10_000 {
		key = netip.Prefix{}
	}
	free := l.free[key]
	if free.Before(now) {
		free = now
	}
	free = free.Add(l.interval)
	if over := free.Sub(now) - l.interval*time.Duration(l.burst); over > 0 {
		return over
	}
	if l.free == nil {
		l.free = make(map[netip.Prefix]time.Time)
	}
	l.free[key] = free
	return 0
}

func (l *rateLimiter) limit(next rawhttp.Resolver) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if wait := l.wait(req.Conn().Client); wait > 0 {
			seconds := int(math.Ceil(wait.Seconds()))
			return rawhttp.Text(429, "too many requests\n").Set("Retry-After", strconv.Itoa(seconds)), nil
		}
		return next.Resolve(ctx, req)
	})
}

// Two requests at once for each client, and two per hour. For a server behind a proxy,
// WithTrustedProxies determines the address of the client.
func Example_rateLimit() {
	limiter := &rateLimiter{interval: 30 * time.Minute, burst: 2}
	hello := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, "hello"), nil
	})
	limited := limiter.limit(hello)

	req, _, err := rawhttp.ParseRequest([]byte("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n"))
	if err != nil {
		log.Fatal(err)
	}
	for _, client := range []string{"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8::3"} {
		from := req.WithConn(rawhttp.ConnInfo{Client: netip.MustParseAddr(client)})
		resp, err := limited.Resolve(context.Background(), from)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(client, resp.Status())
	}
	// Output:
	// 192.0.2.1 200
	// 192.0.2.1 200
	// 192.0.2.1 429
	// 192.0.2.2 200
	// 2001:db8::1 200
	// 2001:db8::2 200
	// 2001:db8::3 429
}

// A client regains its burst as time passes, and the number of clients remembered is limited.
func TestExampleRateLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &rateLimiter{interval: time.Minute, burst: 3}
		client := netip.MustParseAddr("192.0.2.1")
		for _, step := range []struct {
			after time.Duration
			want  time.Duration
		}{
			{0, 0}, {0, 0}, {0, 0}, {0, time.Minute},
			{30 * time.Second, 30 * time.Second},
			{30 * time.Second, 0}, {0, time.Minute},
			{time.Hour, 0}, {0, 0}, {0, 0}, {0, time.Minute},
		} {
			time.Sleep(step.after)
			if got := l.wait(client); got != step.want {
				t.Errorf("%v later: wait = %v, want %v", step.after, got, step.want)
			}
		}
		for i := range 20_000 {
			l.wait(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
		}
		if got := len(l.free); got > 10_001 {
			t.Errorf("%d clients are remembered, want at most 10001", got)
		}
		if l.wait(netip.MustParseAddr("203.0.113.7")) == 0 {
			t.Error("a client beyond the limit has a burst of its own")
		}
		time.Sleep(time.Hour)
		if got := l.wait(netip.MustParseAddr("203.0.113.7")); got != 0 || len(l.free) != 1 {
			t.Errorf("an hour later: wait = %v with %d clients, want 0 with 1", got, len(l.free))
		}
	})
}
