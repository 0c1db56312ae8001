package conformance_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
	"example.com/rawhttp/internal/testkit/testtls"
)

// An eventLog records one line for each call of a hook of its Trace.
type eventLog struct {
	mu    sync.Mutex
	lines []string
}

func (e *eventLog) add(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lines = append(e.lines, fmt.Sprintf(format, args...))
}

func (e *eventLog) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Join(e.lines, "\n")
}

// trace returns a Trace with all hooks. BytesWritten records only the first line of the bytes.
func (e *eventLog) trace() rawhttp.Trace {
	first := func(b []byte) string {
		line, _, _ := strings.Cut(string(b), "\r\n")
		return line
	}
	return rawhttp.Trace{
		ConnOpen:     func(conn uint64, c net.Conn) { e.add("%d open", conn) },
		ConnClose:    func(conn uint64, err error) { e.add("%d close %v", conn, err) },
		ConnState:    func(conn uint64, s rawhttp.ConnState) { e.add("%d state %v", conn, s) },
		BytesRead:    func(conn, req uint64, b []byte) { e.add("%d.%d read %s", conn, req, first(b)) },
		BytesWritten: func(conn, req uint64, b []byte) { e.add("%d.%d written %s", conn, req, first(b)) },
		Exchange: func(x rawhttp.Exchange) {
			target := "-"
			if x.Request != nil {
				target = x.Request.Target()
			}
			e.add("%d.%d exchange %s %d %d %v", x.Conn, x.Num, target, x.Status, x.Bytes, x.Err)
		},
	}
}

// The hooks are called in the order of events, with the numbers of the connection and the
// request.
func TestTraceHooks(t *testing.T) {
	tests := []struct {
		name     string
		resolver rawhttp.Resolver
		sends    []string
		want     string
	}{{
		name: "nothing",
		want: `1 open
1 state idle
1 state closed
1 close <nil>`,
	}, {
		name:  "two requests",
		sends: []string{getRequest("/a"), getRequest("/bb")},
		want: `1 open
1 state idle
1.1 read GET /a HTTP/1.1
1 state head
1 state resolve
1 state write
1.1 written HTTP/1.1 200 OK
1.1 exchange /a 200 2 <nil>
1 state idle
1.2 read GET /bb HTTP/1.1
1 state head
1 state resolve
1 state write
1.2 written HTTP/1.1 200 OK
1.2 exchange /bb 200 3 <nil>
1 state idle
1 state closed
1 close <nil>`,
	}, {
		name:  "two requests, the second of which arrives in two reads",
		sends: []string{getRequest("/a") + "GET /bb HTTP/1.1\r\n", "Host: a\r\n\r\n"},
		want: `1 open
1 state idle
1.1 read GET /a HTTP/1.1
1 state head
1 state resolve
1 state write
1.1 written HTTP/1.1 200 OK
1.1 exchange /a 200 2 <nil>
1 state head
1.2 read Host: a
1 state resolve
1 state write
1.2 written HTTP/1.1 200 OK
1.2 exchange /bb 200 3 <nil>
1 state idle
1 state closed
1 close <nil>`,
	}, {
		name:  "a head that is refused",
		sends: []string{"GET\r\n\r\n"},
		want: `1 open
1 state idle
1.1 read GET
1 state head
1 state write
1.1 written HTTP/1.1 400 Bad Request
1.1 exchange - 400 63 <nil>
1 state linger
1 state closed
1 close <nil>`,
	}, {
		name:  "a request that reaches no resolver",
		sends: []string{getRequest("/a", "Expect: x")},
		want: `1 open
1 state idle
1.1 read GET /a HTTP/1.1
1 state head
1 state write
1.1 written HTTP/1.1 417 Expectation Failed
1.1 exchange /a 417 23 <nil>
1 state linger
1 state closed
1 close <nil>`,
	}, {
		name:  "content that is drained",
		sends: []string{"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", "hello"},
		want: `1 open
1 state idle
1.1 read POST /a HTTP/1.1
1 state head
1 state resolve
1 state write
1.1 written HTTP/1.1 200 OK
1.1 exchange /a 200 2 <nil>
1 state drain
1.1 read hello
1 state idle
1 state closed
1 close <nil>`,
	}, {
		name:     "content after a 100",
		resolver: echo,
		sends:    []string{"POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", "hello"},
		want: `1 open
1 state idle
1.1 read POST /a HTTP/1.1
1 state head
1 state resolve
1.1 written HTTP/1.1 100 Continue
1.1 read hello
1 state write
1.1 written HTTP/1.1 200 OK
1.1 exchange /a 200 5 <nil>
1 state idle
1 state closed
1 close <nil>`,
	}, {
		name:     "HEAD with Connection: close",
		resolver: answerPath,
		sends:    []string{"HEAD /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"},
		want: `1 open
1 state idle
1.1 read HEAD /a HTTP/1.1
1 state head
1 state resolve
1 state write
1.1 written HTTP/1.1 200 OK
1.1 exchange /a 200 0 <nil>
1 state linger
1 state closed
1 close <nil>`,
	}, {
		name: "a stream that is cut",
		resolver: rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.StreamFunc(200, "", func(_ context.Context, w io.Writer) error {
				io.WriteString(w, "abc")
				io.WriteString(w, "de")
				return errors.New("cause")
			}), nil
		}),
		sends: []string{getRequest("/a")},
		want: `1 open
1 state idle
1.1 read GET /a HTTP/1.1
1 state head
1 state resolve
1 state write
1.1 written HTTP/1.1 200 OK
1.1 written 2
1.1 exchange /a 200 5 cause
1 state closed
1 close cause`,
	}, {
		name: "a panic",
		resolver: rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			panic("boom")
		}),
		sends: []string{getRequest("/a")},
		want: `1 open
1 state idle
1.1 read GET /a HTTP/1.1
1 state head
1 state resolve
1 state write
1.1 written HTTP/1.1 500 Internal Server Error
1.1 exchange /a 500 26 <nil>
1 state linger
1 state closed
1 close <nil>`,
	}, {
		name:     "content that is malformed",
		resolver: echo,
		sends:    []string{chunkedRequest("/a", "zz\r\n")},
		want: `1 open
1 state idle
1.1 read POST /a HTTP/1.1
1 state head
1 state resolve
1 state write
1.1 written HTTP/1.1 400 Bad Request
1.1 exchange /a 400 80 <nil>
1 state linger
1 state closed
1 close <nil>`,
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var events eventLog
				if tt.resolver == nil {
					tt.resolver = answerPath
				}
				c := serveDuplex(t, rawhttp.WithResolver(tt.resolver), rawhttp.WithTrace(events.trace()))
				for _, s := range tt.sends {
					c.send(s)
				}
				c.Close()
				<-c.served
				if diff := cmp.Diff(tt.want, events.String()); diff != "" {
					t.Errorf("hooks called for %q (-want +got):\n%s", tt.sends, diff)
				}
			})
		})
	}
}

// The hooks are called for a refused connection too.
func TestTraceOfRefusedConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var exchanges []rawhttp.Exchange
		var events eventLog
		var log strings.Builder
		s, ln, served := serveListener(t, rawhttp.WithMaxConns(1), rawhttp.WithResolver(answerPathLater), rawhttp.WithTrace(rawhttp.AccessLog(&log)),
			rawhttp.WithTrace(rawhttp.Trace{Exchange: func(x rawhttp.Exchange) { exchanges = append(exchanges, x) }}), rawhttp.WithTrace(events.trace()))
		busy := ln.dial(t)
		busy.send(getRequest("/?1h"))
		time.Sleep(3 * time.Second)
		refused := ln.dial(t)
		refused.Close()
		synctest.Wait()
		want := []rawhttp.Exchange{{Conn: 2, Num: 1, Status: 503, Bytes: 24, Start: time.Now()}}
		if diff := cmp.Diff(want, exchanges, cmp.AllowUnexported(rawhttp.Exchange{})); diff != "" {
			t.Errorf("Exchange (-want +got):\n%s", diff)
		}
		if want := "- - - [" + time.Now().Format("02/Jan/2006:15:04:05 -0700") + `] "-" 503 24 "-" "-"` + "\n"; log.String() != want {
			t.Errorf("AccessLog wrote %q, want %q", log.String(), want)
		}
		const hooks = `2 open
2 state write
2.1 written HTTP/1.1 503 Service Unavailable
2.1 exchange - 503 24 <nil>
2 state linger
2 state closed
2 close <nil>`
		_, got, _ := strings.Cut(events.String(), "2 open")
		if diff := cmp.Diff(hooks, "2 open"+got); diff != "" {
			t.Errorf("hooks called (-want +got):\n%s", diff)
		}
		s.Close()
		<-served
	})
}

// Exchange has the numbers, byte counts and times of each request.
func TestExchange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var got []rawhttp.Exchange
		var targets []string
		keep := rawhttp.Trace{Exchange: func(x rawhttp.Exchange) {
			target := "-"
			if x.Request != nil {
				target = x.Request.Target()
			}
			x.Request = nil
			got, targets = append(got, x), append(targets, target)
		}}
		c := servePipe(t, rawhttp.WithResolver(answerPathLater), rawhttp.WithTrace(keep))
		begin := time.Now()
		at := func(d time.Duration) time.Time { return begin.Add(d) }
		time.Sleep(time.Second)
		c.send("GET /a?5s HT")
		time.Sleep(2 * time.Second)
		c.send("TP/1.1\r\nHost: a\r\n\r\n")
		time.Sleep(10 * time.Second)
		c.send(getRequest("/bb") + getRequest("/c?3s") + "GET\r\n\r\n")
		c.waitEnd(begin)
		want := []rawhttp.Exchange{
			{Conn: 1, Num: 1, RequestLine: "GET /a?5s HTTP/1.1", Status: 200, Bytes: 2, Start: at(time.Second), Duration: 7 * time.Second},
			{Conn: 1, Num: 2, RequestLine: "GET /bb HTTP/1.1", Status: 200, Bytes: 3, Start: at(13 * time.Second)},
			{Conn: 1, Num: 3, RequestLine: "GET /c?3s HTTP/1.1", Status: 200, Bytes: 2, Start: at(13 * time.Second), Duration: 3 * time.Second},
			{Conn: 1, Num: 4, Status: 400, Bytes: 63, Start: at(16 * time.Second)},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Exchange (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"/a?5s", "/bb", "/c?3s", "-"}, targets); diff != "" {
			t.Errorf("targets (-want +got):\n%s", diff)
		}
	})
}

// Exchange is called once even if the client disconnects before anything is sent.
func TestExchangeWithoutClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var events eventLog
		var log testkit.Log
		c := serveDuplex(t, rawhttp.WithResolver(echo), rawhttp.WithTrace(rawhttp.Trace{Exchange: events.trace().Exchange}), rawhttp.WithLogger(&log))
		go func() {
			io.WriteString(c, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
			c.Close()
		}()
		if err := <-c.served; err == nil {
			t.Error("ServeConn = nil, want an error")
		}
		if got := events.String(); strings.Count(got, "exchange") != 1 || !strings.HasPrefix(got, "1.1 exchange /a ") || strings.HasSuffix(got, "<nil>") {
			t.Errorf("hooks called: %q, want one Exchange with an error", got)
		}
		if log.Has("ERROR") {
			t.Errorf("log is %q, want nothing at level error, since the client disconnected", &log)
		}
	})
}

// BytesRead and BytesWritten get exactly the bytes received and sent, however the connection
// ends.
func TestTraceBytes(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "large.bin"), []byte(strings.Repeat("0123456789abcde\n", 50_000)), 0o644); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var read, written strings.Builder
	trace := rawhttp.WithTrace(rawhttp.Trace{
		BytesRead:    func(_, _ uint64, b []byte) { mu.Lock(); defer mu.Unlock(); read.Write(b) },
		BytesWritten: func(_, _ uint64, b []byte) { mu.Lock(); defer mu.Unlock(); written.Write(b) },
	})
	check := func(t *testing.T, sent, received string, s *rawhttp.Server) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if read.String() != sent {
			t.Errorf("BytesRead got %d bytes, want the %d that the client sent", read.Len(), len(sent))
		}
		if written.String() != received {
			t.Errorf("BytesWritten got %d bytes, want the %d that the client received", written.Len(), len(received))
		}
		if st := s.Stats(); st.BytesRead != uint64(len(sent)) || st.BytesWritten != uint64(len(received)) {
			t.Errorf("Stats = %+v, want %d bytes read and %d written", st, len(sent), len(received))
		}
		read.Reset()
		written.Reset()
	}
	t.Run("TCP, a large file and others", func(t *testing.T) {
		s, addr := listen(t, rawhttp.WithRoot(root), trace)
		sent := getRequest("/large.bin") + postRequest("/large.bin", "hello") + getRequest("/missing") + chunkedRequest("/", "5\r\nhello\r\n0\r\n\r\n") + "GET\r\n\r\nand more"
		received := talk(t, addr, sent)
		s.Shutdown(context.Background())
		check(t, sent, received, s)
	})
	for _, size := range []int{0, 10, 100, 70_000} {
		t.Run(fmt.Sprintf("a client that disconnects after %d bytes", size), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c, _ := serveUnreadUntilClosed(t, rawhttp.WithResolver(answerText(strings.Repeat("x", 200_000))), trace)
				c.send(getRequest("/"))
				received := make([]byte, size)
				io.ReadFull(c, received)
				c.Close()
				<-c.served
				check(t, getRequest("/"), string(received), c.srv)
			})
		})
		t.Run(fmt.Sprintf("a client that stalls after %d bytes", size), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c, _ := serveUnreadUntilClosed(t, rawhttp.WithResolver(answerText(strings.Repeat("x", 200_000))), trace)
				c.send(getRequest("/"))
				received := make([]byte, size)
				io.ReadFull(c, received)
				<-c.served
				check(t, getRequest("/"), string(received), c.srv)
			})
		})
	}
}

// The hooks of every trace are called; nil hooks are skipped.
func TestSeveralTraces(t *testing.T) {
	var a, b eventLog
	full := a.trace()
	part := b.trace()
	got := talkInMemory(t, getRequest("/"), rawhttp.WithResolver(answerPath), rawhttp.WithTrace(full), rawhttp.WithTrace(rawhttp.Trace{}), rawhttp.WithTrace(rawhttp.Trace{Exchange: part.Exchange}))
	if got != okAnswer("/") {
		t.Errorf("answer %q, want 200", got)
	}
	if diff := cmp.Diff("1.1 exchange / 200 1 <nil>", b.String()); diff != "" {
		t.Errorf("hooks of the last trace called (-want +got):\n%s", diff)
	}
	if got := a.String(); strings.Count(got, "\n") != 10 {
		t.Errorf("hooks of the first trace called:\n%s\nwant 11 calls", got)
	}
}

// ConnOpen gets the same connection as ConnInfo.
func TestConnOpenGetsConnection(t *testing.T) {
	config := testtls.Config(t)
	bubble(t, func(t *testing.T) {
		var opened, seen net.Conn
		c := serveTLS(t, config, nil, rawhttp.WithTrace(rawhttp.Trace{ConnOpen: func(_ uint64, nc net.Conn) { opened = nc }}),
			rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
				seen = req.Conn().NetConn
				return rawhttp.Text(200, ""), nil
			})))
		c.send(getRequest("/"))
		if _, ok := opened.(*tls.Conn); !ok || opened != seen {
			t.Errorf("ConnOpen got a %T, ConnInfo.NetConn is a %T, want the same *tls.Conn", opened, seen)
		}
	})
}

func TestConnStateString(t *testing.T) {
	want := []string{"idle", "head", "resolve", "write", "drain", "linger", "closed", "ConnState(7)"}
	var got []string
	for s := rawhttp.StateIdle; s <= rawhttp.StateClosed+1; s++ {
		got = append(got, s.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names of the states (-want +got):\n%s", diff)
	}
	if got := rawhttp.ConnState(1 << 31).String(); got != "ConnState(2147483648)" {
		t.Errorf("ConnState(1<<31).String() = %q", got)
	}
}

// Exchange.Bytes counts bytes sent by sendfile too.
func TestExchangeCountsSendfile(t *testing.T) {
	const size = 300_000
	dir, _ := filesWrite(t, "a.bin", filesLarge(size))
	exchanges := make(chan rawhttp.Exchange, 3)
	_, addr := listen(t, rawhttp.WithResolver(filesOfDir(t, dir)), rawhttp.WithTrace(rawhttp.Trace{Exchange: func(x rawhttp.Exchange) { exchanges <- x }}))
	talk(t, addr, filesGet+"HEAD"+strings.TrimPrefix(filesGet, "GET")+strings.Replace(filesGet, "\r\n\r\n", "\r\nRange: bytes=1-200000\r\n\r\n", 1))
	for _, want := range []int64{size, 0, 200_000} {
		if x := <-exchanges; x.Bytes != want || x.Err != nil {
			t.Errorf("Exchange %d: %d bytes, error %v, want %d and nil", x.Num, x.Bytes, x.Err, want)
		}
	}
}
