package conformance_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit/testtls"
)

func TestListenAndServe(t *testing.T) {
	t.Parallel()
	t.Run("serves", func(t *testing.T) {
		for range 10 {
			if listensAndServes(t) {
				return
			}
		}
		t.Error("other programs took 10 ports that were free")
	})
	t.Run("cannot listen", func(t *testing.T) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		err = newServer(t, rawhttp.WithResolver(answerText("hi"))).ListenAndServe(t.Context(), ln.Addr().String())
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "listen" {
			t.Errorf("ListenAndServe on a port in use = %v, want a *net.OpError of listen", err)
		}
	})
	t.Run("invalid address", func(t *testing.T) {
		if err := newServer(t, rawhttp.WithResolver(answerText("hi"))).ListenAndServe(t.Context(), "127.0.0.1:none"); err == nil {
			t.Error("ListenAndServe = nil, want an error")
		}
	})
	t.Run("context has ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, addr := range []string{"127.0.0.1:0", "localhost:0"} {
			if err := newServer(t, rawhttp.WithResolver(answerText("hi"))).ListenAndServe(ctx, addr); err != nil {
				t.Errorf("ListenAndServe on %s = %v, want nil", addr, err)
			}
		}
	})
}

// A resolver gets the addresses, the TLS state and the numbers of its connection and request.
func TestConnInfo(t *testing.T) {
	type info struct {
		ID, Request uint64
		Client      string
		TLS, NetTLS bool
	}
	var mu sync.Mutex
	var got []info
	var addrs []string
	resolver := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		c := req.Conn()
		tc, isTLS := c.NetConn.(*tls.Conn)
		if isTLS && !tc.ConnectionState().HandshakeComplete {
			t.Error("ConnInfo.NetConn is a tls.Conn whose handshake is not complete")
		}
		got = append(got, info{c.ID, c.Request, c.Client.String(), c.TLS, isTLS})
		addrs = append(addrs, c.LocalAddr.String())
		return rawhttp.Text(200, "hi"), nil
	})
	_, addr := listen(t, rawhttp.WithResolver(resolver), rawhttp.WithDate(false))
	talk(t, addr, getRequest("/")+getRequest("/"))
	talk(t, addr, getRequest("/"))
	want := []info{{1, 1, "127.0.0.1", false, false}, {1, 2, "127.0.0.1", false, false}, {2, 1, "127.0.0.1", false, false}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ConnInfo of three requests on two connections (-want +got):\n%s", diff)
	}
	if addrs[0] != addr {
		t.Errorf("LocalAddr = %s, want %s", addrs[0], addr)
	}
}

// A tls.Listener can be served. Before such a connection closes, close_notify is sent.
func TestTLS(t *testing.T) {
	t.Parallel()
	config := testtls.Config(t)
	var infos []rawhttp.ConnInfo
	s := newServer(t, rawhttp.WithDate(false), rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		infos = append(infos, req.Conn())
		return rawhttp.Text(200, strings.Repeat("x", 300_000)), nil
	})))
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, tls.NewListener(tcp, config)) }()

	c, err := tls.Dial("tcp", tcp.Addr().String(), config)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, getRequest("/")+getRequest("/", "Connection: close"))
	got, err := io.ReadAll(c) // fails with io.ErrUnexpectedEOF without close_notify
	c.Close()
	large := strings.Repeat("x", 300_000)
	if string(got) != okAnswer(large)+lastAnswer(large) || err != nil {
		t.Errorf("read %d bytes of answers, %v, want %d and io.EOF", len(got), err, len(okAnswer(large)+lastAnswer(large)))
	}
	plain := talk(t, tcp.Addr().String(), getRequest("/"))
	if strings.Contains(plain, "HTTP/1.1 200") {
		t.Errorf("answer to a client without TLS: %q", plain)
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
	if len(infos) != 2 {
		t.Fatalf("Resolve was called %d times, want 2", len(infos))
	}
	for _, info := range infos {
		tc, ok := info.NetConn.(*tls.Conn)
		if !info.TLS || !ok {
			t.Errorf("ConnInfo.TLS = %v, NetConn is a %T, want true and a *tls.Conn", info.TLS, info.NetConn)
			continue
		}
		if v := tc.ConnectionState().Version; v != tls.VersionTLS13 {
			t.Errorf("ConnectionState().Version = %#x, want TLS 1.3", v)
		}
	}
}

// A listener on a Unix domain socket can be served. The client has no address.
func TestUnixSocket(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "s") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "s")
	ln, err := net.Listen("unix", name)
	if err != nil {
		t.Skipf("this system has no Unix domain sockets: %v", err)
	}
	var info rawhttp.ConnInfo
	s := newServer(t, rawhttp.WithDate(false), rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		info = req.Conn()
		return rawhttp.Text(200, "hi"), nil
	})))
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ln) }()
	c, err := net.Dial("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, getRequest("/")+"GET\r\n\r\n")
	got, err := io.ReadAll(c)
	c.Close()
	want := okAnswer("hi") + textAnswer("400 Bad Request", []string{"X-Content-Type-Options: nosniff", closeField},
		"400 Bad Request: method is not a token (RFC 9110, section 9.1)\n")
	if diff := cmp.Diff(want, string(got)); diff != "" || err != nil {
		t.Errorf("answers (-want +got):\n%s\n%v", diff, err)
	}
	if info.Client.IsValid() {
		t.Errorf("ConnInfo.Client = %v, want the invalid address", info.Client)
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
	if _, err := os.Lstat(name); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket still exists after Serve has closed its listener: %v", err)
	}
}

// listensAndServes checks ListenAndServe on a port that was free a moment ago. It returns false
// if another program has taken the port since.
func listensAndServes(t *testing.T) bool {
	asked := make(chan net.Addr, 1)
	s := newServer(t, rawhttp.WithDate(false), rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		asked <- req.Conn().RemoteAddr
		return rawhttp.Text(200, "hi"), nil
	})))
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- s.ListenAndServe(ctx, addr) }()
	var c net.Conn
	for { // until the server listens
		if c, err = net.Dial("tcp", addr); err == nil {
			break
		}
		select {
		case err := <-served:
			if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "listen" {
				return false
			}
			t.Fatalf("ListenAndServe = %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	defer c.Close()
	io.WriteString(c, getRequest("/", "Connection: close"))
	got, _ := io.ReadAll(c)
	select {
	case addr := <-asked:
		if got, want := addr.String(), c.LocalAddr().String(); got != want {
			t.Errorf("RemoteAddr = %s, want the client's %s", got, want)
		}
	default: // another server answered
		return false
	}
	if diff := cmp.Diff(lastAnswer("hi"), string(got)); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	c.Close()
	cancel()
	if err := <-served; err != nil {
		t.Errorf("ListenAndServe = %v, want nil after the end of its context", err)
	}
	return true
}
