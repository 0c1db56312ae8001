//go:build unix

package scripts_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/rawhttp"
)

// While a script prints nothing, a client that resets its connection ends the script. A client that
// half-closes the connection, or sends its next request, receives the answer.
func TestScriptClientActions(t *testing.T) {
	t.Parallel()
	const script = "echo $$ >pid; read x <gate; echo; exec cat"
	post := postBegun("/a.sh", 7, "content")
	tests := []struct {
		name, request string
		do            func(c *scriptClient)
		want          string // content of the answer; "" if there is none, and the script is ended
	}{
		{"half-closes", getRequest("/a.sh"), func(c *scriptClient) { c.CloseWrite() }, "\n"},
		{"half-closes after content", post, func(c *scriptClient) { c.CloseWrite() }, "\ncontent"},
		{"is silent", getRequest("/a.sh"), func(*scriptClient) {}, "\n"},
		{"sends the next request", getRequest("/a.sh"), func(c *scriptClient) { io.WriteString(c, getRequest("/hello.txt")) }, "\n"},
		{"resets", getRequest("/a.sh"), (*scriptClient).reset, ""},
		{"resets after content", post, (*scriptClient).reset, ""},
		{"resets within content", postBegun("/a.sh", 7, "con"), (*scriptClient).reset, ""},
		{"resets after its next request", getRequest("/a.sh"), func(c *scriptClient) { io.WriteString(c, getRequest("/hello.txt")); c.reset() }, ""},
		{"half-closes, then resets", getRequest("/a.sh"), func(c *scriptClient) { c.CloseWrite(); c.reset() }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serveScripts(t, map[string]string{"a.sh": script})
			open := s.gate(t)
			c := s.dial(t)
			c.send(t, tt.request)
			pid := s.awaitPid(t, "pid")
			tt.do(c)
			if tt.want == "" {
				awaitGone(t, pid)
				return
			}
			time.Sleep(20 * time.Millisecond) // so that the server notices what the client did
			open()
			outputAnswer(tt.want).check(t, "a client that "+tt.name, c.answer(t))
			if lines := s.log.Lines("ERROR"); lines != nil {
				t.Errorf("log is %q, want no error", lines)
			}
		})
	}
}

// A client that resets while its script prints or reads ends the script, and so does a response that
// is complete or cut before the script ends. TestScriptInputEndsEarly has content that ends before
// the response has begun.
func TestScriptEndsWithExchange(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, script, request string
		do                    func(t *testing.T, c *scriptClient)
	}{{
		name:    "reset while the script prints",
		script:  "echo $$ >pid; while :; do echo line; done",
		request: getRequest("/a.sh"),
		do:      func(t *testing.T, c *scriptClient) { io.CopyN(io.Discard, c, 64<<10); c.reset() },
	}, {
		name:    "reset while the script does not read",
		script:  "echo $$ >pid; exec sleep 1000",
		request: postBegun("/a.sh", 2<<20, strings.Repeat("x", 1<<20)),
		do:      func(t *testing.T, c *scriptClient) { c.reset() },
	}, {
		name:    "content ends early after the head",
		script:  "echo $$ >pid; echo; echo head; cat; exec sleep 1000",
		request: postBegun("/a.sh", 8, "content"),
		do: func(t *testing.T, c *scriptClient) {
			resp := c.head(t)
			begun := make([]byte, len("\nhead\ncontent")) // read before the content ends, which ends the script at once
			if _, err := io.ReadFull(resp.Body, begun); err != nil || string(begun) != "\nhead\ncontent" {
				t.Errorf("read %q, %v, want the output before the end of the content", begun, err)
			}
			c.CloseWrite()
			scriptAnswer{200, "chunked", "", true}.check(t, "content that ends early", readScriptAnswer(resp))
		},
	}, {
		name:    "HEAD while the script prints",
		script:  "echo $$ >pid; while :; do echo line; done",
		request: strings.Replace(getRequest("/a.sh"), "GET", "HEAD", 1),
		do: func(t *testing.T, c *scriptClient) {
			resp, err := http.ReadResponse(c.r, &http.Request{Method: "HEAD"})
			if err != nil || resp.StatusCode != 200 {
				t.Errorf("answer to HEAD: %v, %v, want 200", resp, err)
			}
		},
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serveScripts(t, map[string]string{"a.sh": tt.script})
			c := s.dial(t)
			go io.WriteString(c, tt.request)
			pid := s.awaitPid(t, "pid")
			tt.do(t, c)
			awaitGone(t, pid)
		})
	}
}

// Scripts end when their server shuts down.
func TestScriptEndsWithServer(t *testing.T) {
	t.Parallel()
	const script = "trap 'echo TERM >signal; exit 1' TERM; echo $$ >pid; while :; do sleep 100 & wait; done"
	tests := []struct {
		name   string
		end    func(s *rawhttp.Server, stop context.CancelFunc)
		atOnce bool // whether the processes have ended when end returns
	}{
		{"Close", func(s *rawhttp.Server, _ context.CancelFunc) { s.Close() }, true},
		{"Shutdown that does not wait", func(s *rawhttp.Server, _ context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			s.Shutdown(ctx)
		}, true},
		{"Shutdown with a limit", func(s *rawhttp.Server, _ context.CancelFunc) {
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			s.Shutdown(ctx)
		}, true},
		{"the end of Serve's context", func(_ *rawhttp.Server, stop context.CancelFunc) { stop() }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := scriptFolder(t, map[string]string{"a.sh": script})
			srv := newServer(t, rawhttp.WithRoot(root), rawhttp.WithScript(".sh", "sh"), rawhttp.WithDrainTimeout(50*time.Millisecond))
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			defer stop()
			served := make(chan error, 1)
			go func() { served <- srv.Serve(ctx, ln) }()
			s := &scriptSite{root: root, addr: ln.Addr().String()}
			c := s.ask(t, "/a.sh")
			pid := s.awaitPid(t, "pid")
			tt.end(srv, stop)
			if tt.atOnce && isAlive(pid) {
				t.Error("the script runs after the server has ended")
			}
			awaitGone(t, pid)
			if got := s.await(t, "signal"); got != "TERM" {
				t.Errorf("the script received %q, want TERM", got)
			}
			<-served
			if b, _ := io.ReadAll(c.r); len(b) > 0 {
				t.Errorf("client received %q, want nothing", b)
			}
		})
	}
}

// Shutdown waits for scripts whose clients are still connected.
func TestShutdownWaitsForScripts(t *testing.T) {
	t.Parallel()
	s := serveScripts(t, map[string]string{
		"held.sh":   "echo >held; read x <gate; echo; echo end",
		"stream.sh": "echo; echo begin; read x <gate; echo end",
	})
	open := s.gate(t)
	held := s.ask(t, "/held.sh")
	s.await(t, "held")
	stream := s.ask(t, "/stream.sh")
	resp := stream.head(t)
	done := make(chan error)
	go func() { done <- s.srv.Shutdown(context.Background()) }()
	waitUntil(t, "Shutdown has closed the listener", func() bool {
		c, err := net.Dial("tcp", s.addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	select {
	case err := <-done:
		t.Fatalf("Shutdown = %v while two scripts run", err)
	default:
	}
	open()
	open()
	outputAnswer("\nend\n").check(t, "held.sh", held.answer(t))
	scriptAnswer{200, "chunked", "\nbegin\nend\n", false}.check(t, "stream.sh", readScriptAnswer(resp))
	held.Close()
	stream.Close()
	if err := <-done; err != nil {
		t.Errorf("Shutdown = %v, want nil", err)
	}
}

// A script that closes its standard output has completed its answer. It may run on until its time
// limit, or until the server ends.
func TestScriptRunsOnAfterOutput(t *testing.T) {
	t.Parallel()
	const script = "echo; echo all; echo $$ >pid; exec >&-; exec sleep 1000"
	tests := []struct {
		name    string
		timeout time.Duration
		end     func(*rawhttp.Server) // nil if the time limit ends the script
	}{
		{"its time limit", 2 * time.Second, nil},
		{"Close", 0, func(s *rawhttp.Server) { s.Close() }},
		{"Shutdown", 0, func(s *rawhttp.Server) { s.Shutdown(context.Background()) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serveScripts(t, map[string]string{"a.sh": script}, rawhttp.WithScriptTimeout(tt.timeout))
			c := s.ask(t, "/a.sh")
			outputAnswer("\nall\n").check(t, "/a.sh", c.answer(t))
			pid := s.awaitPid(t, "pid")
			if tt.end != nil {
				c.send(t, getRequest("/hello.txt"))
				wholeAnswer("hello\n").check(t, "/hello.txt", c.answer(t))
				c.reset()
				waitUntil(t, "the connection has ended", func() bool { return s.srv.Stats().ConnsOpen == 0 })
				if isGone(pid) {
					t.Error("the script ended when its client disconnected, want it to run on")
				}
				tt.end(s.srv)
				if isAlive(pid) {
					t.Errorf("the script runs after %s", tt.name)
				}
			}
			awaitGone(t, pid)
		})
	}
}
