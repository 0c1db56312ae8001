package conformance_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
	"example.com/rawhttp/internal/testkit/testtls"
	"github.com/google/go-cmp/cmp"
)

const (
	askEcho  = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
	switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
	needed   = "HTTP/1.1 426 Upgrade Required\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 21\r\n" +
		"X-Content-Type-Options: nosniff\r\nUpgrade: echo\r\nConnection: Upgrade\r\n"
	neededText = "\r\n426 Upgrade Required\n"
)

// echoes sends back everything that it reads.
func echoes(_ context.Context, conn net.Conn) error {
	_, err := io.Copy(conn, conn)
	return err
}

// upgrades returns a resolver that upgrades every request to the protocol echo, served by f.
func upgrades(f func(context.Context, net.Conn) error) rawhttp.Resolver {
	resp := rawhttp.Upgrade("echo", f)
	return resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) { return resp, nil })
}

func TestUpgrade(t *testing.T) {
	echo := upgrades(echoes)
	tests := []struct {
		name, in string
		r        rawhttp.Resolver
		want     string
		why      string
	}{
		{"asked", askEcho, echo, switched, ""},
		{"early bytes", askEcho + "abc", echo, switched + "abc", "bytes after the request belong to the protocol"},
		{"early request", askEcho + get11, echo, switched + get11, "even if they look like a request"},
		{"other spelling", "GET / HTTP/1.1\r\nHost: a\r\nconnection: keep-alive, UPGRADE\r\nupgrade: h2c, ECHO\r\n\r\na", echo, switched + "a", "protocols and options are case-insensitive members of lists"},
		{"second request", get11 + askEcho + "abc", resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
			if req.Header().Get("Upgrade") == "" {
				return rawhttp.Text(200, "a"), nil
			}
			return rawhttp.Upgrade("echo", echoes), nil
		}), "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 1\r\n\r\na" + switched + "abc", "any request may ask"},
		{"fields", askEcho, resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.Upgrade("echo", echoes).Set("Sec-WebSocket-Accept", "x"), nil
		}), "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", ""},
		{"version", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo/2\r\n\r\n", resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.Upgrade("echo/2", echoes), nil
		}), strings.Replace(switched, "echo", "echo/2", 1), ""},
		{"through First, Mount and Clone", "GET /a/b HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nabc",
			rawhttp.First(rawhttp.Mount("/x", answerText("x")), rawhttp.Mount("/a/", rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
				resp, err := echo.Resolve(ctx, req)
				if err != nil {
					return nil, err
				}
				return resp.Clone().Set("A", "b"), nil
			}))), strings.Replace(switched, "Connection", "A: b\r\nConnection", 1) + "abc", "as a Response it passes through wrappers"},
		{"content", "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\nContent-Length: 3\r\n\r\nabcdef", echo, switched + "def", "bytes after the content belong to the protocol"},
		{"chunked content", "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\ndef", echo, switched + "def", "bytes after the content belong to the protocol"},
		{"bad content", "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", echo, "HTTP/1.1 400 ", "the start of the protocol is unknown"},
		{"HEAD", "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nabc", echo, switched + "abc", "the protocol decides which methods it allows"},

		{"not asked", get11, echo, needed + neededText, "RFC 9110, section 15.5.22"},
		{"not asked, then asked", get11 + askEcho + "a", echo, needed + neededText + switched + "a", "the connection persists"},
		{"HEAD, not asked", head11, echo, needed + "\r\n", ""},
		{"other protocol", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo/1, h2c\r\n\r\n", echo, needed + neededText, "the version is part of the protocol"},
		{"without the option", "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\n\r\n", echo, needed + neededText, "a proxy may have forwarded the field"},
		{"without the field", "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n", echo, needed + neededText, ""},
		{"HTTP/1.0", "GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", echo, needed + "Connection: close\r\n" + neededText, "RFC 9110, section 7.8"},
		{"invalid Upgrade", askEcho, resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) { return rawhttp.Upgrade("echo", nil), nil }), failed + "Connection: close\r\n" + failedText, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := rawhttp.Answer(tt.r, tt.in)
			if tt.name == "bad content" {
				got = got[:len(tt.want)]
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answer to %q (-want +got):\n%s\nwhy: %s", tt.in, diff, tt.why)
			}
		})
	}
}

// A client that waits for a 100 (Continue) receives it before the 101.
func TestUpgradeAfterContinue(t *testing.T) {
	c := pipe(t, rawhttp.WithDate(false), rawhttp.WithResolver(upgrades(echoes)))
	go io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
	wantRead(t, c, "HTTP/1.1 100 Continue\r\n\r\n")
	go io.WriteString(c, "abcd")
	wantRead(t, c, switched+"d")
}

// wantRead reads len(want) bytes and compares them with want.
func wantRead(t testing.TB, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(r, got)
	if err != nil || string(got) != want {
		t.Errorf("read %q, %v, want %q", got[:n], err, want)
	}
}

func TestUpgradeMisuse(t *testing.T) {
	for _, resp := range []*rawhttp.Response{
		rawhttp.Upgrade("", echoes), rawhttp.Upgrade("a b", echoes), rawhttp.Upgrade("a/", echoes), rawhttp.Upgrade("a/b/c", echoes),
		rawhttp.Upgrade("a\r\nb", echoes), rawhttp.Upgrade("echo", nil), rawhttp.Upgrade("echo", echoes).Set("Upgrade", "x"),
		rawhttp.Upgrade("echo", echoes).SetLength(3), rawhttp.Upgrade("echo", echoes).Set("Connection", "x"),
	} {
		if resp.Err() == nil {
			t.Errorf("Err() of %v = nil, want an error", resp)
		}
	}
	if err := rawhttp.Upgrade("HTTP/2.0", echoes).Err(); err != nil {
		t.Errorf("Err() = %v, want nil", err)
	}
}

// Without a connection of a server, WriteResponse writes only the head of an Upgrade.
func TestUpgradeWithoutServer(t *testing.T) {
	resp := rawhttp.Upgrade("echo", func(context.Context, net.Conn) error { panic("f was called") })
	if resp.Status() != 101 {
		t.Errorf("Status() = %d, want 101", resp.Status())
	}
	for in, want := range map[string]string{askEcho: switched, get11: needed + neededText} {
		var b strings.Builder
		persist, err := rawhttp.WriteResponse(t.Context(), &b, requestOf(t, in), resp)
		before, after, _ := strings.Cut(b.String(), "Date: ")
		got := before + after[strings.Index(after, "\r\n")+2:]
		if diff := cmp.Diff(want, got); diff != "" || err != nil || persist != (in == get11) {
			t.Errorf("WriteResponse to %q = %v, %v (-want +got):\n%s", in, persist, err, diff)
		}
	}
	var b strings.Builder
	if _, err := resp.WriteTo(&b); err != nil || b.String() != needed+neededText {
		t.Errorf("WriteTo wrote %q, %v, want the answer to a plain GET", &b, err)
	}
	if n, err := resp.WriteContent(t.Context(), io.Discard); n != 0 || err != nil {
		t.Errorf("WriteContent = %d, %v", n, err)
	}
}

func TestUpgradeErrorPage(t *testing.T) {
	page := func(_ context.Context, _ *rawhttp.Request, status int, err error) *rawhttp.Response {
		return rawhttp.Text(status, "mine")
	}
	_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(upgrades(echoes)), rawhttp.WithErrorPage(page))
	const want = "HTTP/1.1 426 Upgrade Required\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 4\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nmine"
	if diff := cmp.Diff(want, talk(t, addr, get11)); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

// upgradeKinds has kinds of connections. Each function serves one end and returns the other.
var upgradeKinds = map[string]func(t *testing.T, s *rawhttp.Server) net.Conn{
	"TCP": func(t *testing.T, s *rawhttp.Server) net.Conn { return upgradeDial(t, s, nil, nil) },
	"TLS": func(t *testing.T, s *rawhttp.Server) net.Conn { return upgradeDial(t, s, testtls.Config(t), nil) },
	"wrapped": func(t *testing.T, s *rawhttp.Server) net.Conn {
		return upgradeDial(t, s, nil, func(c net.Conn) net.Conn { return plainConn{c} })
	},
	"wrapped TLS": func(t *testing.T, s *rawhttp.Server) net.Conn {
		return upgradeDial(t, s, testtls.Config(t), func(c net.Conn) net.Conn { return plainConn{c} })
	},
	"byte by byte": func(t *testing.T, s *rawhttp.Server) net.Conn {
		return upgradeDial(t, s, nil, func(c net.Conn) net.Conn { return fragmentedConn{c, 1} })
	},
	"pipe": func(t *testing.T, s *rawhttp.Server) net.Conn {
		client, server := net.Pipe()
		upgradeServe(t, s, client, server)
		return client
	},
}

func upgradeDial(t *testing.T, s *rawhttp.Server, config *tls.Config, wrap func(net.Conn) net.Conn) net.Conn {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if config != nil {
		client, server = tls.Client(client, config), tls.Server(server, config)
	}
	if wrap != nil {
		server = wrap(server)
	}
	upgradeServe(t, s, client, server)
	return client
}

func upgradeServe(t *testing.T, s *rawhttp.Server, client, server net.Conn) {
	done := make(chan error, 1)
	go func() { done <- s.ServeConn(context.Background(), server) }()
	t.Cleanup(func() {
		client.Close()
		<-done
	})
}

// onEachConn runs a test on each kind of connection.
func onEachConn(t *testing.T, test func(t *testing.T, dial func(f func(context.Context, net.Conn) error, opts ...rawhttp.Option) net.Conn)) {
	for name, kind := range upgradeKinds {
		t.Run(name, func(t *testing.T) {
			noNewGoroutines(t)
			test(t, func(f func(context.Context, net.Conn) error, opts ...rawhttp.Option) net.Conn {
				s := newServer(t, append(opts, rawhttp.WithDate(false), rawhttp.WithResolver(upgrades(f)))...)
				return kind(t, s)
			})
		})
	}
}

// Bytes pass in both directions on every kind of connection, early bytes first, also while
// the watch reads ahead because ctx.Done is in use.
func TestUpgradePassesBytes(t *testing.T) {
	t.Parallel()
	for _, waits := range []bool{false, true} {
		t.Run(fmt.Sprint("waits ", waits), func(t *testing.T) {
			onEachConn(t, func(t *testing.T, dial func(func(context.Context, net.Conn) error, ...rawhttp.Option) net.Conn) {
				c := dial(func(ctx context.Context, conn net.Conn) error {
					if waits {
						stop := context.AfterFunc(ctx, func() {})
						defer stop()
					}
					buf := make([]byte, 10)
					for {
						n, err := conn.Read(buf)
						if err != nil {
							return nil
						}
						if waits { // give the watch time to begin
							<-time.After(time.Duration(n) * time.Millisecond)
						}
						if _, err := conn.Write(buf[:n]); err != nil {
							return err
						}
					}
				})
				var sent strings.Builder
				go io.WriteString(c, askEcho+"early ")
				wantRead(t, c, switched+"early ")
				for i := range 50 {
					fmt.Fprintf(&sent, "%d ", i)
				}
				go func() {
					for part := range strings.SplitAfterSeq(sent.String(), " ") {
						io.WriteString(c, part)
					}
				}()
				wantRead(t, c, sent.String())
			})
		})
	}
}

// An upgraded connection counts toward WithMaxConns, and is never evicted.
func TestUpgradeCountsTowardMaxConns(t *testing.T) {
	s, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithMaxConns(1), rawhttp.WithResolver(upgrades(echoes)))
	c := dial(t, addr)
	io.WriteString(c, askEcho)
	wantRead(t, c, switched)
	if got := talk(t, addr, askEcho); !strings.HasPrefix(got, "HTTP/1.1 503 ") {
		t.Errorf("answer on a second connection: %q, want 503", got)
	}
	io.WriteString(c, "still")
	wantRead(t, c, "still")
	st := s.Stats()
	if st.ConnsOpen != 1 || st.ConnsIdle != 0 || st.BytesWritten < uint64(len(switched)+len("still")) || st.BytesRead < uint64(len(askEcho)+len("still")) {
		t.Errorf("Stats() = %+v, want one open connection, none idle, and its bytes", st)
	}
}

// The error of f is logged and traced. A Transcript has the bytes before and after the 101.
func TestUpgradeIsLoggedAndTraced(t *testing.T) {
	on := errors.New("on purpose")
	tests := []struct {
		name string
		f    func(context.Context, net.Conn) error
		log  string // error that is logged, "" for none
	}{
		{"nil", func(context.Context, net.Conn) error { return nil }, ""},
		{"error", func(context.Context, net.Conn) error { return on }, "on purpose"},
		{"panic", func(context.Context, net.Conn) error { panic(on) }, "on purpose"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log testkit.Log
			var transcript strings.Builder
			var exchanges []rawhttp.Exchange
			trace := rawhttp.Trace{Exchange: func(x rawhttp.Exchange) { exchanges = append(exchanges, x) }}
			s := newServer(t, rawhttp.WithDate(false), rawhttp.WithLogger(&log), rawhttp.WithTrace(rawhttp.Transcript(&transcript)), rawhttp.WithTrace(trace),
				rawhttp.WithResolver(upgrades(func(ctx context.Context, conn net.Conn) error {
					wantRead(t, conn, "early\nlate\n")
					io.WriteString(conn, "answer\n")
					return tt.f(ctx, conn)
				})))
			client, server := net.Pipe()
			done := make(chan struct{})
			go func() {
				s.ServeConn(context.Background(), server)
				close(done)
			}()
			go io.WriteString(client, askEcho+"early\nlate\n")
			wantRead(t, client, switched+"answer\n")
			client.Close()
			<-done
			if got := log.Has("ERROR", "on purpose"); got != (tt.log != "") {
				t.Errorf("log has the error: %v, want %v: %s", got, !got, &log)
			}
			if log.Has("ERROR", "upgrade failed") && log.Has("ERROR", "rawhttp: panic") {
				t.Errorf("log has the panic twice: %s", &log)
			}
			if len(exchanges) != 1 || exchanges[0].Status != 101 || exchanges[0].Bytes != int64(len("answer\n")) || (exchanges[0].Err != nil) != (tt.log != "") {
				t.Errorf("exchanges %+v, want one with 101, its bytes and its error", exchanges)
			}
			for _, line := range []string{"#1.1 S <-- HTTP/1.1 101 Switching Protocols<CRLF>\n", "early", "late", "answer"} {
				if !strings.Contains(transcript.String(), line) {
					t.Errorf("the transcript lacks %q:\n%s", line, &transcript)
				}
			}
		})
	}
}

// One goroutine reads, others write, another sets deadlines.
func TestUpgradeConcurrently(t *testing.T) {
	t.Parallel()
	onEachConn(t, func(t *testing.T, dial func(func(context.Context, net.Conn) error, ...rawhttp.Option) net.Conn) {
		const writers, lines = 4, 25
		c := dial(func(ctx context.Context, conn net.Conn) error {
			var all sync.WaitGroup
			for range writers {
				all.Go(func() {
					for range lines {
						io.WriteString(conn, "0123456789\n")
						conn.SetReadDeadline(time.Now().Add(time.Minute))
					}
				})
			}
			all.Go(func() { io.Copy(io.Discard, io.LimitReader(conn, 100)) })
			all.Go(func() {
				select {
				case <-ctx.Done():
				case <-time.After(20 * time.Millisecond):
				}
			})
			all.Wait()
			return nil
		})
		go io.WriteString(c, askEcho)
		wantRead(t, c, switched)
		go io.WriteString(c, strings.Repeat("x", 100))
		r := bufio.NewReader(c)
		for i := range writers * lines {
			if line, err := r.ReadString('\n'); line != "0123456789\n" || err != nil {
				t.Fatalf("line %d is %q, %v", i, line, err)
			}
		}
		if rest, err := io.ReadAll(r); len(rest) > 0 || err != nil {
			t.Errorf("after the lines: %q, %v, want io.EOF", rest, err)
		}
	})
}
