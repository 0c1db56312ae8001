package conformance_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"runtime"
	"testing"

	"example.com/rawhttp"
)

// Close cannot interrupt a Reader that ignores the context, but bytes that it returns after Close
// are not sent, and it is not read again.
func TestCloseDuringStream(t *testing.T) {
	client, server := net.Pipe()
	reads := make(chan string)
	var calls, closed int
	s := newServer(t, rawhttp.WithDate(false), rawhttp.WithResolver(resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Stream(200, "a/b", readerFunc(func(p []byte) (int, error) {
			calls++
			return copy(p, <-reads), nil
		})).OnClose(func() { closed++ }), nil
	})))
	served := make(chan error)
	go func() { served <- s.ServeConn(context.Background(), server) }()
	go io.WriteString(client, get11)
	reads <- "abc"
	wantRead(t, client, "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if b, err := io.ReadAll(client); err != nil || len(b) > 0 {
		t.Errorf("after Close the client read %q, %v, want io.EOF", b, err)
	}
	reads <- "def"
	if err := <-served; err != rawhttp.ErrServerClosed || calls != 2 || closed != 1 {
		t.Errorf("ServeConn = %v after %d reads and %d calls of OnClose, want ErrServerClosed, 2 and 1", err, calls, closed)
	}
}

// A Read that waits is ended by Close of its Response, if the reader permits Close during a Read.
func TestCloseEndsTheReadOfAStream(t *testing.T) {
	readers := map[string]func(t *testing.T) (io.ReadCloser, io.Writer){
		"io.Pipe":  func(*testing.T) (io.ReadCloser, io.Writer) { return io.Pipe() },
		"net.Conn": func(*testing.T) (io.ReadCloser, io.Writer) { return net.Pipe() },
		"os.Pipe": func(t *testing.T) (io.ReadCloser, io.Writer) {
			if runtime.GOOS == "windows" {
				t.Skip("Close does not end a Read of a pipe on Windows")
			}
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { w.Close() })
			return r, w
		},
	}
	ends := map[string]func(s *rawhttp.Server, client net.Conn){
		"the server closes":      func(s *rawhttp.Server, _ net.Conn) { s.Close() },
		"the client disconnects": func(_ *rawhttp.Server, client net.Conn) { client.Close() },
	}
	for name, open := range readers {
		for how, end := range ends {
			t.Run(name+", "+how, func(t *testing.T) {
				content, producer := open(t)
				client, server := net.Pipe()
				s := newServer(t, rawhttp.WithResolver(rawhttp.ResolverFunc(func(ctx context.Context, _ *rawhttp.Request) (*rawhttp.Response, error) {
					resp := rawhttp.Stream(200, "text/plain", content)
					context.AfterFunc(ctx, func() { resp.Close() })
					return resp, nil
				})))
				served := make(chan error)
				go func() { served <- s.ServeConn(context.Background(), server) }()
				io.WriteString(client, get11)
				go io.WriteString(producer, "begun")
				if _, err := bufio.NewReader(client).ReadString('\n'); err != nil {
					t.Fatal(err)
				}
				end(s, client)
				<-served // never, if the Read goes on
			})
		}
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A slowListener accepts one more connection after its Close, like a listener that is closed just
// after Accept.
type slowListener struct {
	net.Listener
	late chan net.Conn
}

func (l *slowListener) Accept() (net.Conn, error) {
	if c, ok := <-l.late; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func TestCloseDuringAccept(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	slow := &slowListener{ln, make(chan net.Conn)}
	s := newServer(t, rawhttp.WithResolver(answerText("hello")))
	served := make(chan error)
	go func() { served <- s.Serve(context.Background(), slow) }()
	client, server := net.Pipe()
	accepted, other := net.Pipe() // accepted when Serve has begun
	defer other.Close()
	slow.late <- accepted
	s.Close()
	slow.late <- server
	close(slow.late)
	go io.WriteString(client, get11)
	if b, err := io.ReadAll(client); err != nil || len(b) > 0 {
		t.Errorf("client of a connection accepted during Close read %q, %v, want io.EOF", b, err)
	}
	if err := <-served; err != rawhttp.ErrServerClosed {
		t.Errorf("Serve = %v, want ErrServerClosed", err)
	}
}
