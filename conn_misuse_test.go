//go:build unix

package rawhttp

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// What programs do that keep what is not theirs any more must not reach others.

// misuseRounds has clients that send content in two pieces to /misuse, each of which is
// answered before the second, and others that ask for /own in two pieces meanwhile.
func misuseRounds(t *testing.T, addr string) {
	t.Helper()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 20 {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				c.SetDeadline(time.Now().Add(30 * time.Second))
				io.WriteString(c, "POST /misuse HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"+strings.Repeat("x", 50))
				time.Sleep(time.Duration(i) * time.Millisecond)
				io.WriteString(c, strings.Repeat("x", 50))
				c.Read(make([]byte, 1000))
				c.Close()
			}
		})
		all.Go(func() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(60 * time.Second))
			answer := make([]byte, 1000)
			for j := range 40 {
				name := fmt.Sprintf("own-%d-%d", i, j)
				io.WriteString(c, "GET /"+name+" HTTP/1.1\r\nHo")
				time.Sleep(time.Duration(j%13) * time.Millisecond)
				io.WriteString(c, "st: a\r\n\r\n")
				n, err := c.Read(answer)
				if got := string(answer[:n]); err != nil || !strings.HasSuffix(got, "\r\n\r\n/"+name) {
					t.Errorf("GET /%s is answered with %q, %v", name, got, err)
					return
				}
			}
		})
	}
	all.Wait()
}

// A goroutine that reads content on, behind the answer, gets an error and nothing else.
func TestContentIsReadBehindTheAnswer(t *testing.T) {
	var readers sync.WaitGroup
	read := func(body io.Reader) {
		b := make([]byte, 10)
		for err := error(nil); err == nil; {
			var n int
			n, err = body.Read(b)
			if got := string(b[:n]); got != strings.Repeat("x", n) {
				t.Errorf("the content of a request has %q", got)
			}
		}
	}
	tests := map[string]ResolverFunc{
		"of a resolver": func(_ context.Context, req *Request) (*Response, error) {
			readers.Go(func() { read(req.Body) })
			return Text(200, "early"), nil
		},
		"of a StreamFunc": func(_ context.Context, req *Request) (*Response, error) {
			return StreamFunc(200, "a/b", func(_ context.Context, w io.Writer) error {
				readers.Go(func() { read(req.Body) })
				_, err := io.WriteString(w, "early")
				return err
			}), nil
		},
	}
	for name, misuse := range tests {
		t.Run(name, func(t *testing.T) {
			_, addr := listen(t, WithDate(false), WithResolver(ResolverFunc(func(ctx context.Context, req *Request) (*Response, error) {
				if req.isGet() {
					return Text(200, req.Path()), nil
				}
				body := req.Body // what a program keeps, not the Request
				return misuse(ctx, &Request{Body: body})
			})))
			misuseRounds(t, addr)
			readers.Wait()
		})
	}
}

// The answer does not wait for a goroutine that waits for content, nor does the end of
// the exchange.
func TestAnswerDoesNotWaitForAReader(t *testing.T) {
	read := make(chan error, 1)
	_, addr := listen(t, WithResolver(ResolverFunc(func(_ context.Context, req *Request) (*Response, error) {
		body, first := req.Body, make([]byte, 50)
		if _, err := io.ReadFull(body, first); err != nil {
			return nil, err
		}
		begun := make(chan struct{})
		go func() {
			close(begun)
			_, err := body.Read(make([]byte, 50))
			read <- err
		}()
		<-begun
		return Text(200, "early"), nil
	})))
	c := dial(t, addr)
	c.SetDeadline(time.Now().Add(20 * time.Second)) // less than content is waited for
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"+strings.Repeat("x", 50))
	answer := make([]byte, 1000)
	n, err := c.Read(answer)
	if got := string(answer[:n]); err != nil || !strings.HasSuffix(got, "\r\n\r\nearly") {
		t.Errorf("answer %q, %v, want it before the content is whole", got, err)
	}
	if err := <-read; err == nil || err == io.EOF {
		t.Errorf("the read ends with %v, want an error other than io.EOF", err)
	}
}

// A Request that is kept tells nothing that can be relied on, but does no harm.
func TestRequestIsKept(t *testing.T) {
	kept := make(chan *Request, 1)
	s, addr := listen(t, WithResolver(ResolverFunc(func(_ context.Context, req *Request) (*Response, error) {
		kept <- req
		return Text(200, "hi"), nil
	})))
	c := dial(t, addr)
	parkAsk(t, c, liveGet("/"), 1)
	parkAwait(t, s, 1)
	req := <-kept
	if id := req.Conn().ID; id != 1 {
		t.Errorf("Conn().ID = %d, want 1", id)
	}
	if path := req.Clone().Path(); path != "/" {
		t.Errorf("Clone().Path() = %q, want /", path)
	}
}

// A hook that panics ends its connection, and no byte is written twice.
func TestBytesWrittenPanics(t *testing.T) {
	s, addr := listen(t, WithDate(false), WithResolver(say("hi")), WithTrace(Trace{
		BytesWritten: func(conn, req uint64, b []byte) { panic("hook") },
	}))
	want := strings.TrimSuffix(liveOK("hi"), "\r\n")
	for range 3 {
		if got := talk(t, addr, liveGet("/")); got != want {
			t.Errorf("answer %q, want %q", got, want)
		}
	}
	if got := s.Stats().Requests; got != 3 {
		t.Errorf("%d requests, want 3", got)
	}
}

// Who keeps a connection that is gone keeps no others.
func TestConnectionThatIsGoneStandsAlone(t *testing.T) {
	g := &group{srv: newServer(t, WithResolver(say("hi")))}
	var conns []*conn
	for range 4 {
		c := &conn{}
		g.add(c)
		conns = append(conns, c)
	}
	for i, gone := range []int{2, 0, 3, 1} {
		g.remove(conns[gone])
		if c := conns[gone]; c.prev != nil || c.next != nil {
			t.Errorf("connection %d, which is gone, knows others", gone)
		}
		left := 0
		for c := g.conns; c != nil; c = c.next {
			left++
		}
		if left != 3-i {
			t.Errorf("%d connections are left, want %d", left, 3-i)
		}
	}
}

// Content of which there is much leaves much time.
func TestContentTimeOfMuch(t *testing.T) {
	for received, want := range map[int64]time.Duration{
		0: 30 * time.Second, 240 * 30: 30 * time.Second, 240*60 + 60: 60*time.Second + 250*time.Millisecond,
		8_000_000_000: 8_000_000_000 / 240 * time.Second, 1 << 33: (1 << 33) * time.Second / 240, 10e9: (1 << 33) * time.Second / 240, 1<<63 - 1: (1 << 33) * time.Second / 240,
	} {
		w := contentWait{received: received}
		if got := w.allowed(30 * time.Second); got.Truncate(time.Second) != want.Truncate(time.Second) {
			t.Errorf("allowed behind %d bytes is %v, want %v", received, got, want)
		}
	}
}

// A goroutine that writes on, behind the end of its StreamFunc, gets an error, and what
// its connection worked with can go to another meanwhile.
func TestContentIsWrittenBehindTheEnd(t *testing.T) {
	var writers sync.WaitGroup
	done := make(chan struct{})
	defer writers.Wait()
	defer close(done)
	s, addr := listen(t, WithDate(false), WithResolver(ResolverFunc(func(context.Context, *Request) (*Response, error) {
		return StreamFunc(200, "a/b", func(_ context.Context, w io.Writer) error {
			_, err := io.WriteString(w, "hi")
			writers.Go(func() {
				for writeErr := error(nil); writeErr == nil; { // until the end
					_, writeErr = w.Write(nil)
				}
				for {
					select {
					case <-done:
						return
					default:
						io.WriteString(w, "behind")
					}
				}
			})
			return err
		}), nil
	})))
	var conns []net.Conn
	for range 4 {
		c := dial(t, addr)
		parkAsk(t, c, liveGet("/"), 1)
		conns = append(conns, c)
	}
	parkAwait(t, s, len(conns))
	for _, c := range conns { // from what others had
		parkAsk(t, c, liveGet("/"), 1)
	}
	parkAwait(t, s, len(conns))
}
