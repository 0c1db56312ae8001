package main

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// A running is a server that is running.
type running struct {
	addr string
	stop func() // returns when the server has stopped
}

// start serves on a port of 127.0.0.1 until the test ends.
func start(t *testing.T, origins []string) running {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- serve(ctx, ln, origins) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve = %v, want nil", err)
		}
	})
	t.Cleanup(stop)
	return running{ln.Addr().String(), stop}
}

// dial connects with the client of the library.
func dial(t *testing.T, addr string, opts *websocket.DialOptions) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), "ws://"+addr+"/echo", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	conn.SetReadLimit(maxMessage)
	return conn
}

// expectEcho sends a message and expects to receive it back.
func expectEcho(t *testing.T, conn *websocket.Conn, typ websocket.MessageType, message string) {
	t.Helper()
	if err := conn.Write(t.Context(), typ, []byte(message)); err != nil {
		t.Fatal(err)
	}
	gotType, got, err := conn.Read(t.Context())
	if err != nil || gotType != typ || string(got) != message {
		t.Fatalf("sent %v of %d bytes, read %v of %d bytes, %v", typ, len(message), gotType, len(got), err)
	}
}

func TestEcho(t *testing.T) {
	conn := dial(t, start(t, nil).addr, nil)
	for _, message := range []string{"", "hello", strings.Repeat("large ", 10_000), strings.Repeat("x", maxMessage)} {
		expectEcho(t, conn, websocket.MessageText, message)
		expectEcho(t, conn, websocket.MessageBinary, message)
	}
	w, err := conn.Writer(t.Context(), websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // one frame per Write
		if _, err := w.Write([]byte(strings.Repeat("fragment ", 1000))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, got, err := conn.Read(t.Context()); err != nil || string(got) != strings.Repeat("fragment ", 3000) {
		t.Errorf("read %d bytes, %v, want the whole message", len(got), err)
	}
	ctx := conn.CloseRead(t.Context())
	if err := conn.Ping(ctx); err != nil {
		t.Errorf("Ping = %v, want nil", err)
	}
	if err := conn.Close(websocket.StatusNormalClosure, "done"); err != nil {
		t.Errorf("Close = %v, want the server to answer it", err)
	}
}

// TestEarlyFrames sends frames in one write with the handshake.
func TestEarlyFrames(t *testing.T) {
	early := append(frame{fin | text, "early"}.bytes(true), normal.bytes(true)...)
	got := dialRaw(t, start(t, nil).addr, early).readFrames(t, false)
	if len(got) != 2 || got[0] != (frame{fin | text, "early"}) || got[1] != normal {
		t.Errorf("the server sent %q", got)
	}
}

// TestMask sends a frame that is not masked: "a server MUST close the connection" (RFC 6455,
// section 5.1).
func TestMask(t *testing.T) {
	got := dialRaw(t, start(t, nil).addr, frame{fin | text, "x"}.bytes(false)).readFrames(t, false)
	for _, f := range got {
		if f.First != fin|closing {
			t.Errorf("the server sent %q", got)
		}
	}
}

func TestOrigin(t *testing.T) {
	addr := start(t, []string{"*.example.org"}).addr
	for origin, want := range map[string]int{
		"http://" + addr:            101,
		"https://a.example.org":     101,
		"https://example.org":       403,
		"https://evil.example.test": 403,
		"null":                      403,
		"":                          101,
	} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		conn, resp, err := websocket.Dial(t.Context(), "ws://"+addr+"/echo", &websocket.DialOptions{HTTPHeader: header})
		if resp == nil || resp.StatusCode != want {
			t.Errorf("a page from %q is answered with %v, %v, want %d", origin, resp, err, want)
		}
		if conn != nil {
			conn.CloseNow()
		}
	}
}

// TestRefused sends requests that do not open a WebSocket.
func TestRefused(t *testing.T) {
	addr := start(t, nil).addr
	for _, tt := range []struct {
		name, from, to string
		status         int
	}{
		{"no upgrade", "Upgrade: websocket\r\nConnection: Upgrade\r\n", "", 426},
		{"another protocol", "Upgrade: websocket", "Upgrade: h2c", 426},
		{"another version", "Version: 13", "Version: 8", 400},
		{"bad key", "dGhlIHNhbXBsZSBub25jZQ==", "short", 400},
		{"another method", "GET", "PUT", 405},
		{"HTTP/1.0", "HTTP/1.1", "HTTP/1.0", 426},
		{"the page", "GET /echo", "GET /", 200},
		{"another page", "GET /echo", "GET /other", 404},
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write([]byte(strings.Replace(handshake, tt.from, tt.to, 1)))
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != tt.status {
			t.Errorf("%s: the answer is %v, %v, want %d", tt.name, resp, err, tt.status)
		}
		conn.Close()
	}
}

// TestStop stops the server while clients are connected. Each receives the status 1001, and none
// delays the stop.
func TestStop(t *testing.T) {
	srv := start(t, nil)
	codes := make(chan websocket.StatusCode)
	const n = 20
	for range n {
		conn := dial(t, srv.addr, nil)
		expectEcho(t, conn, websocket.MessageText, "hello")
		go func() {
			_, _, err := conn.Read(context.Background())
			codes <- websocket.CloseStatus(err)
		}()
	}
	stopped := make(chan bool)
	go func() {
		srv.stop()
		close(stopped)
	}()
	for range n {
		if code := <-codes; code != websocket.StatusGoingAway {
			t.Errorf("a client received the close status %v, want %v", code, websocket.StatusGoingAway)
		}
	}
	<-stopped
	if _, _, err := websocket.Dial(t.Context(), "ws://"+srv.addr+"/echo", nil); err == nil {
		t.Error("a stopped server accepts a client")
	} else if ctxErr := (*net.OpError)(nil); !errors.As(err, &ctxErr) {
		t.Errorf("Dial to a stopped server = %v", err)
	}
}
