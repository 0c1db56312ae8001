package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// A response that fails after its head is cut so that the client can tell: without
// its last chunk, or short of its Content-Length. Never more than Content-Length is
// sent.
func TestCutResponses(t *testing.T) {
	fails := func() io.Reader {
		return io.MultiReader(strings.NewReader("early"), readerFunc(func([]byte) (int, error) { return 0, errors.New(secretPath) }))
	}
	const chunked = "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n"
	tests := []struct {
		name string
		resp *rawhttp.Response
		want string
	}{{
		name: "Stream whose Reader fails",
		resp: rawhttp.Stream(200, "a/b", fails()),
		want: chunked + "5\r\nearly\r\n",
	}, {
		name: "Stream whose Reader returns bytes with its error",
		resp: rawhttp.Stream(200, "a/b", readerFunc(func(p []byte) (int, error) { return copy(p, "early"), errors.New(secretPath) })),
		want: ownError("500 Internal Server Error") + okAnswer("/next"), // nothing had been sent
	}, {
		name: "StreamFunc that fails",
		resp: rawhttp.StreamFunc(200, "a/b", func(_ context.Context, w io.Writer) error {
			io.WriteString(w, "early")
			return errors.New(secretPath)
		}),
		want: chunked + "5\r\nearly\r\n",
	}, {
		name: "Content that is shorter than its size",
		resp: rawhttp.Content(rawhttp.Representation{MediaType: "a/b", Body: io.MultiReader(strings.NewReader(strings.Repeat("x", 70_000))), Size: 70_001}),
		want: "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 70001\r\n\r\n" + strings.Repeat("x", 70_000),
	}, {
		name: "Content that is longer than its size",
		resp: rawhttp.Content(rawhttp.Representation{MediaType: "a/b", Body: io.LimitReader(strings.NewReader("hello world"), 11), Size: 5}),
		want: "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\nhello" + okAnswer("/next"),
	}, {
		name: "large Content that is longer than its size",
		resp: rawhttp.Content(rawhttp.Representation{MediaType: "a/b", Body: io.MultiReader(strings.NewReader(strings.Repeat("x", 300_000))), Size: 200_000}),
		want: "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 200000\r\n\r\n" + strings.Repeat("x", 200_000) + okAnswer("/next"),
	}, {
		name: "Stream whose first Read fails",
		resp: rawhttp.Stream(200, "a/b", readerFunc(func([]byte) (int, error) { return 0, errors.New(secretPath) })),
		want: ownError("500 Internal Server Error") + okAnswer("/next"),
	}, {
		name: "small Content that is shorter than its size",
		resp: rawhttp.Content(rawhttp.Representation{MediaType: "a/b", Body: io.MultiReader(strings.NewReader("hello")), Size: 6}),
		want: ownError("500 Internal Server Error") + okAnswer("/next"),
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log testkit.Log
			got := talkInMemory(t, getRequest("/")+getRequest("/next"), rawhttp.WithResolver(alwaysAnswer(tt.resp, nil)), rawhttp.WithLogger(&log))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
			if cut := !strings.HasSuffix(got, "/next"); cut != log.Has("ERROR", "response cut") {
				t.Errorf("response was cut: %v, log is %q", cut, &log)
			}
		})
	}
}

// To an HTTP/1.0 client the end of the connection is the end of the content, so a
// response that is cut must not end gracefully.
func TestCutResponseToHTTP10IsReset(t *testing.T) {
	for name, fail := range map[string]error{"whole": nil, "cut": errors.New(secretPath)} {
		t.Run(name, func(t *testing.T) {
			received := make(chan struct{})
			resolver := rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
				return rawhttp.StreamFunc(200, "a/b", func(_ context.Context, w io.Writer) error {
					io.WriteString(w, "early")
					<-received
					return fail
				}), nil
			})
			_, addr := listen(t, rawhttp.WithResolver(resolver), rawhttp.WithDate(false))
			c := dial(t, addr)
			io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
			want := "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nConnection: close\r\n\r\nearly"
			got := make([]byte, len(want))
			io.ReadFull(c, got)
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("start of the answer (-want +got):\n%s", diff)
			}
			close(received)
			rest, err := io.ReadAll(c)
			if len(rest) > 0 || (err == nil) != (fail == nil) {
				t.Errorf("then the client reads %q, %v, want io.EOF only if the response is complete", rest, err)
			}
		})
	}
}

// A client that half-closes after its request is answered in full, and a stream to
// it is not ended.
func TestHalfClosedClient(t *testing.T) {
	t.Parallel()
	const pieces = 50
	large := strings.Repeat("x", 5<<20)
	closed := make(chan struct{})
	resolver := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if req.Path() == "/large" {
			return rawhttp.Text(200, large), nil
		}
		return rawhttp.StreamFunc(200, "a/b", func(ctx context.Context, w io.Writer) error {
			io.WriteString(w, "begin")
			<-closed // by now the client has half-closed
			for range pieces {
				if _, err := io.WriteString(w, strings.Repeat("y", 10_000)); err != nil {
					return err
				}
			}
			return ctx.Err()
		}), nil
	})
	_, addr := listen(t, rawhttp.WithResolver(resolver), rawhttp.WithDate(false))
	if got := talk(t, addr, getRequest("/large")); got != okAnswer(large) {
		t.Errorf("answer has %d bytes, want 5 MiB of content", len(got))
	}
	c := dial(t, addr)
	io.WriteString(c, getRequest("/stream"))
	begin := make([]byte, len("HTTP/1.1 200 OK"))
	if _, err := io.ReadFull(c, begin); err != nil { // when it succeeds, the stream has begun
		t.Fatal(err)
	}
	c.CloseWrite()
	close(closed)
	rest, err := io.ReadAll(c)
	want := "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n" +
		strings.Repeat("2710\r\n"+strings.Repeat("y", 10_000)+"\r\n", pieces) + "0\r\n\r\n"
	if got := string(begin) + string(rest); got != want || err != nil {
		t.Errorf("the stream has %d bytes, %v, want %d and io.EOF", len(got), err, len(want))
	}
}

// A refusal is not lost while the client still sends its content. (Over TCP, a close with unread
// bytes is a reset, which may discard an answer that the client has not read yet.)
func TestRefusalSurvivesMoreContent(t *testing.T) {
	_, addr := listen(t, rawhttp.WithResolver(answerPath), rawhttp.WithDate(false))
	want := ownError("413 Content Too Large", closeField)
	for range 5 {
		c := dial(t, addr)
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20971520\r\n\r\n")
		if _, err := io.WriteString(c, strings.Repeat("x", 300<<10)); err != nil {
			t.Errorf("Write of content that is refused: %v", err)
		}
		got, err := io.ReadAll(c)
		if diff := cmp.Diff(want, string(got)); diff != "" || err != nil {
			t.Errorf("answer (-want +got):\n%s\n%v", diff, err)
		}
		c.Close()
	}
}

// The FIN is sent with the answer if the client has sent nothing of its content, so that a
// client that waits for the end does not wait for longer.
func TestRefusalClosesAtOnce(t *testing.T) {
	_, addr := listen(t, rawhttp.WithResolver(answerPath), rawhttp.WithDate(false), rawhttp.WithMaxBodyBytes(1))
	for _, in := range []string{
		"GET\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n",
		getRequest("/", "Expect: x"),
		getRequest("/", "Connection: close"),
	} {
		c := dial(t, addr)
		io.WriteString(c, in)
		got, err := io.ReadAll(c)
		if head, _ := splitHead(string(got)); err != nil || !strings.Contains(head, "\r\nConnection: close\r\n") {
			t.Errorf("answer to %q: %q, %v, want one with Connection: close, then io.EOF", in, got, err)
		}
	}
}

// While a StreamFunc runs a reset ends its context; so a stream without events does
// not outlive its client.
func TestResetEndsStreamContext(t *testing.T) {
	ended := make(chan error, 1)
	resolver := rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.StreamFunc(200, "a/b", func(ctx context.Context, w io.Writer) error {
			io.WriteString(w, "begin")
			<-ctx.Done()
			_, err := io.WriteString(w, "end")
			ended <- err
			return ctx.Err()
		}), nil
	})
	tests := []struct{ name, in string }{
		{"GET", getRequest("/")},
		{"content that came with the head", postRequest("/", "hello")},
		{"a request after it", getRequest("/") + getRequest("/")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, addr := listen(t, rawhttp.WithResolver(resolver), rawhttp.WithDrainTimeout(time.Millisecond))
			c := dial(t, addr)
			io.WriteString(c, tt.in)
			io.ReadFull(c, make([]byte, 10))
			reset(c)
			select {
			case err := <-ended:
				if err == nil {
					t.Error("Write after the end of the context returned no error")
				}
			case <-time.After(30 * time.Second):
				t.Error("the context of the StreamFunc has not ended 30 s after the reset")
			}
		})
	}
}

// Watching for a reset consumes nothing: pipelined requests that arrive meanwhile are answered.
func TestPipelinedRequestsAfterStream(t *testing.T) {
	released := make(chan struct{})
	resolver := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if req.Path() != "/stream" {
			return rawhttp.Text(200, req.Path()), nil
		}
		return rawhttp.StreamFunc(200, "a/b", func(_ context.Context, w io.Writer) error {
			io.WriteString(w, "begin")
			<-released
			return nil
		}), nil
	})
	_, addr := listen(t, rawhttp.WithResolver(resolver), rawhttp.WithDate(false))
	c := dial(t, addr)
	io.WriteString(c, getRequest("/stream"))
	const streamed = "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n"
	begin := make([]byte, len(streamed))
	io.ReadFull(c, begin)
	io.WriteString(c, getRequest("/a")+getRequest("/b"))
	close(released)
	c.CloseWrite()
	rest, err := io.ReadAll(c)
	if diff := cmp.Diff(streamed+"0\r\n\r\n"+okAnswer("/a")+okAnswer("/b"), string(begin)+string(rest)); diff != "" || err != nil {
		t.Errorf("answers (-want +got):\n%s\n%v", diff, err)
	}
}

// What arrives while the client is watched is not left there: it is answered after the response,
// without waiting for more.
func TestRequestReadAheadIsAnswered(t *testing.T) {
	arrived := make(chan struct{}, 1)
	_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if req.Path() == "/waits" {
			ctx.Done()
			<-arrived
		}
		return rawhttp.Text(200, req.Path()), nil
	})))
	c := dial(t, addr)
	io.WriteString(c, getRequest("/waits"))
	testkit.Await(t, "the client is watched", func() bool { return strings.Contains(goroutines(), "rawhttp.(*watch).run") })
	io.WriteString(c, getRequest("/next"))
	time.Sleep(20 * time.Millisecond) // for the watch to read it; if it does not, the test passes, too
	arrived <- struct{}{}
	want := okAnswer("/waits") + okAnswer("/next")
	got := make([]byte, len(want))
	c.SetReadDeadline(time.Now().Add(30 * time.Second))
	n, err := io.ReadFull(c, got)
	if diff := cmp.Diff(want, string(got[:n])); diff != "" || err != nil {
		t.Errorf("answers (-want +got):\n%s\n%v", diff, err)
	}
}

// A client that disconnects is not logged at level error or warn, however it disconnects.
func TestDisconnectIsNotLogged(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		do   func(c *net.TCPConn)
	}{
		{"closes at once", func(c *net.TCPConn) {}},
		{"resets at once", func(c *net.TCPConn) { c.SetLinger(0) }},
		{"in the head", func(c *net.TCPConn) { io.WriteString(c, "GET / HT") }},
		{"resets in the head", func(c *net.TCPConn) { io.WriteString(c, "GET / HT"); c.SetLinger(0) }},
		{"in the content", func(c *net.TCPConn) { io.WriteString(c, chunkedRequest("/", "5\r\nab")) }},
		{"resets in the content", func(c *net.TCPConn) { io.WriteString(c, chunkedRequest("/", "5\r\nab")); c.SetLinger(0) }},
		{"before the answer", func(c *net.TCPConn) { io.WriteString(c, getRequest("/")); c.SetLinger(0) }},
		{"after the answer", func(c *net.TCPConn) { io.WriteString(c, getRequest("/")); io.ReadFull(c, make([]byte, 20)) }},
	}
	resolvers := map[string]rawhttp.Resolver{"ignore": answerAfterReading(-1), "echo": exceptNext(echo)}
	for name, resolver := range resolvers {
		for _, tt := range tests {
			t.Run(name+" "+tt.name, func(t *testing.T) {
				noNewGoroutines(t)
				var log testkit.Log
				s, addr := listen(t, rawhttp.WithResolver(resolver), rawhttp.WithLogger(&log))
				for range 10 {
					c := dial(t, addr)
					tt.do(c)
					c.Close()
				}
				if diff := cmp.Diff(okAnswer("/next"), talkWithoutDate(t, addr, getRequest("/next"))); diff != "" {
					t.Errorf("answer to another client (-want +got):\n%s", diff)
				}
				s.Shutdown(context.Background())
				if log.Has("ERROR") || log.Has("WARN") {
					t.Errorf("log is %q, want nothing at level error or warn", &log)
				}
				if got := s.Stats().ConnsOpen; got != 0 {
					t.Errorf("Stats().ConnsOpen = %d after Shutdown, want 0", got)
				}
			})
		}
	}
}

// talkWithoutDate is talk, without the Date of the first answer.
func talkWithoutDate(t testing.TB, addr, request string) string {
	t.Helper()
	answer := talk(t, addr, request)
	before, after, ok := strings.Cut(answer, "Date: ")
	if !ok {
		return answer
	}
	_, after, _ = strings.Cut(after, "\r\n")
	return fmt.Sprint(before, after)
}

// ConnClose gets the reset, whether it happens before a request or within its head.
func TestTraceConnCloseOfReset(t *testing.T) {
	for _, begun := range []string{"", "GET / HT"} {
		read, closed := make(chan bool, 1), make(chan error, 1)
		_, addr := listen(t, rawhttp.WithResolver(answerText("hi")), rawhttp.WithTrace(rawhttp.Trace{
			BytesRead: func(_, req uint64, _ []byte) {
				if req == 2 {
					read <- true
				}
			},
			ConnClose: func(_ uint64, err error) { closed <- err },
		}))
		c := dial(t, addr)
		io.WriteString(c, getRequest("/"))
		if _, err := c.Read(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if begun != "" {
			io.WriteString(c, begun)
			<-read
		}
		reset(c)
		if err := <-closed; err == nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.EOF) {
			t.Errorf("after %q ConnClose got %v, want the reset", begun, err)
		}
	}
}

// Close, not the client, ends a connection, whatever the connection waits for. It is an error only
// if it cuts a response.
func TestCloseIsTheEndOfConnections(t *testing.T) {
	waits := resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.StreamFunc(200, "a/b", func(ctx context.Context, w io.Writer) error {
			<-ctx.Done()
			return ctx.Err()
		}), nil
	})
	tests := []struct {
		name     string
		resolver rawhttp.Resolver
		pause    time.Duration
		cut      bool
	}{
		{"idle", answerPath, 0, false},
		{"parked", answerPath, time.Minute, false},
		{"within a response", waits, time.Second, true},
	}
	for _, tt := range tests {
		bubble(t, func(t *testing.T) {
			var ends []string
			report := func(what string, err error) { ends = append(ends, fmt.Sprintf("%s, error: %v", what, err != nil)) }
			c := serveDuplex(t, rawhttp.WithResolver(tt.resolver), rawhttp.WithTrace(rawhttp.Trace{
				ConnEnd:   func(_ uint64, why rawhttp.EndReason, err error) { report(why.String(), err) },
				ConnClose: func(_ uint64, err error) { report("close", err) },
			}))
			c.send(getRequest("/"))
			time.Sleep(tt.pause)
			c.srv.Close()
			<-c.ended
			synctest.Wait()
			want := []string{fmt.Sprintf("%v, error: %v", rawhttp.EndStopped, tt.cut), fmt.Sprintf("close, error: %v", tt.cut)}
			if diff := cmp.Diff(want, ends); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
		})
	}
}
