package conformance_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// serveUnreadUntilClosed serves a client that reads only when the test does. closed waits for
// the server to close and returns how long after start it did.
func serveUnreadUntilClosed(t *testing.T, opts ...rawhttp.Option) (c *memoryClient, closed func(start time.Time) time.Duration) {
	client, server := net.Pipe()
	c = serveUnread(t, client, server, opts...)
	return c, func(start time.Time) time.Duration {
		select {
		case <-c.served:
			return time.Since(start)
		case <-time.After(beyondAllLimits):
			return beyondAllLimits
		}
	}
}

// The limit on writing a response: 30 s in which the client accepts no byte.
func TestWriteStall(t *testing.T) {
	large := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, strings.Repeat("x", 1<<20)), nil
	})
	stream := rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Stream(200, "", strings.NewReader(strings.Repeat("x", 1<<20))), nil
	})
	content := rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Content(rawhttp.Representation{Body: strings.NewReader(strings.Repeat("x", 1<<20)), Size: 1 << 20}), nil
	})
	tests := []struct {
		name     string
		resolver rawhttp.Resolver
		opts     []rawhttp.Option
		before   time.Duration // time from the answer to a first request to this one
		want     time.Duration // time from this request to the close
	}{
		{"small", answerPath, nil, 0, 30 * time.Second},
		{"large", large, nil, 0, 30 * time.Second},
		{"stream", stream, nil, 0, 30 * time.Second},
		{"content", content, nil, 0, 30 * time.Second},
		{"after another, 29 s later", large, nil, 29 * time.Second, 30 * time.Second},
		{"after another, 31 s later", large, nil, 31 * time.Second, 30 * time.Second},
		{"set", large, []rawhttp.Option{rawhttp.WithStallTimeout(7 * time.Second)}, 0, 7 * time.Second},
		{"off", large, []rawhttp.Option{rawhttp.WithStallTimeout(0)}, 0, beyondAllLimits},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				resolver := rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
					if req.Path() == "/first" {
						return rawhttp.Text(200, "/first"), nil
					}
					return tt.resolver.Resolve(ctx, req)
				})
				c, closed := serveUnreadUntilClosed(t, append(tt.opts, rawhttp.WithResolver(resolver))...)
				if tt.before > 0 {
					c.send(getRequest("/first"))
					io.ReadFull(c, make([]byte, len(okAnswer("/first"))))
					time.Sleep(tt.before)
				}
				c.send(getRequest("/"))
				if got := closed(time.Now()); got != tt.want {
					t.Errorf("closed after the client had accepted nothing for %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// The limit starts again with each byte that the client accepts. The connection is closed at
// most a fortieth of the limit late.
func TestWriteStallAfterTheLastByte(t *testing.T) {
	for _, size := range []int{10, 100, 70_000, 200_000} {
		bubble(t, func(t *testing.T) {
			c, closed := serveUnreadUntilClosed(t, rawhttp.WithResolver(answerText(strings.Repeat("x", 1<<20))))
			c.send(getRequest("/"))
			time.Sleep(5 * time.Second)
			io.ReadFull(c, make([]byte, size))
			if got := closed(time.Now()); got < 30*time.Second || got > 30750*time.Millisecond {
				t.Errorf("closed %v after the client read the last of %d bytes, want 30s to 30.75s", got, size)
			}
		})
	}
}

// A client that reads a little now and then is never cut.
func TestSlowReaderIsNotCut(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789", 10_000)
	resolvers := map[string]rawhttp.Resolver{
		"large": answerText(text),
		"stream": rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.Stream(200, "", strings.NewReader(text)), nil
		}),
		"content": rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.Content(rawhttp.Representation{Body: strings.NewReader(text), Size: int64(len(text))}), nil
		}),
	}
	for name, resolver := range resolvers {
		for _, every := range []time.Duration{time.Second, 20 * time.Second, 30*time.Second - 1} {
			t.Run(name+" "+every.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					want := talkInMemory(t, getRequest("/"), rawhttp.WithResolver(resolver))
					c, _ := serveUnreadUntilClosed(t, rawhttp.WithResolver(resolver))
					go io.WriteString(c, getRequest("/"))
					got := make([]byte, 0, len(want))
					for len(got) < len(want) {
						time.Sleep(every)
						n, err := c.Read(got[len(got):min(len(got)+777, len(want))])
						got = got[:len(got)+n]
						if err != nil {
							t.Fatalf("after %d of %d bytes: %v", len(got), len(want), err)
						}
					}
					if string(got) != want {
						t.Error("the answer differs from that to a fast client")
					}
				})
			})
		}
	}
}

// Only the stall timeout limits the time that a client takes to read an answer. The limits that
// follow the answer start when the client has received it.
func TestTimeToReadAnswerDoesNotCount(t *testing.T) {
	tests := []struct {
		name, in string
		opts     []rawhttp.Option
		want     time.Duration // time from the end of the answer to the close
		text     string        // what the client receives after the answer
	}{
		{"idle", getRequest("/a"), nil, defaultIdle, ""},
		{"idle limit shorter than that time", getRequest("/a"), []rawhttp.Option{rawhttp.WithIdleTimeout(5 * time.Second)}, 5 * time.Second, ""},
		{"the next head", getRequest("/a") + "GET", nil, 10 * time.Second, lateAnswer},
		{"content that is drained", postRequest("/a", "hello")[:len(postRequest("/a", "hello"))-1], nil, 2 * time.Second, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				client, server := duplexPipe()
				c := serveUnread(t, client, server, append(tt.opts, rawhttp.WithResolver(answerPath))...)
				c.send(tt.in)
				time.Sleep(25 * time.Second)
				answer := make([]byte, len(okAnswer("/a")))
				if _, err := io.ReadFull(c, answer); err != nil {
					t.Fatalf("read the answer after 25 s: %v", err)
				}
				start := time.Now()
				rest, _ := io.ReadAll(c)
				if got := time.Since(start); got != tt.want {
					t.Errorf("closed %v after the answer was read, want %v", got, tt.want)
				}
				if diff := cmp.Diff(okAnswer("/a")+tt.text, string(answer)+string(rest)); diff != "" {
					t.Errorf("answers (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// While an answer waits for its client to read it, the connection is not idle: it is neither
// evicted for another connection nor closed at the start of Shutdown.
func TestConnectionWithUnreadAnswerIsNotIdle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, _ := serveUnreadUntilClosed(t, rawhttp.WithMaxConns(1), rawhttp.WithResolver(answerPath))
		c.send(getRequest("/a"))
		if got := c.srv.Stats().ConnsIdle; got != 0 {
			t.Errorf("Stats().ConnsIdle = %d while the answer is unread, want 0", got)
		}
		client, server := duplexPipe()
		defer client.Close()
		go c.srv.ServeConn(t.Context(), server)
		if got := newMemoryClient(client).received(); !strings.HasPrefix(got, "HTTP/1.1 503 ") {
			t.Errorf("answer on another connection: %q, want 503, since none can be evicted", got)
		}
		stopped := make(chan error, 1)
		go func() { stopped <- c.srv.Shutdown(t.Context()) }()
		synctest.Wait()
		got, err := io.ReadAll(c)
		if diff := cmp.Diff(okAnswer("/a"), string(got)); diff != "" || err != nil {
			t.Errorf("answer read during Shutdown (-want +got):\n%s\n%v", diff, err)
		}
		if err := <-stopped; err != nil {
			t.Errorf("Shutdown = %v, want nil", err)
		}
	})
}
