//go:build unix

package conformance_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// An endsSite is a folder of shell scripts and a server of it. Scripts run in the
// folder, so they and the test meet at its files: a script says "echo >name" and the
// test waits for the file, or it says "read x <gate" and waits for the test.
type endsSite struct {
	root string
	srv  *rawhttp.Server
	addr string
	log  *endsLog
}

// endsServe writes the scripts and serves them.
func endsServe(t testing.TB, scripts map[string]string, opts ...rawhttp.Option) *endsSite {
	t.Helper()
	s := &endsSite{root: endsFolder(t, scripts), log: &endsLog{}}
	s.srv, s.addr = listen(t, append([]rawhttp.Option{
		rawhttp.WithRoot(s.root), rawhttp.WithScript(".sh", "sh"), rawhttp.WithLogger(s.log), rawhttp.WithDate(false), rawhttp.WithDrainTimeout(time.Second), rawhttp.WithMaxScripts(0),
	}, opts...)...)
	return s
}

// endsFolder makes a folder with the scripts, the file "/hello.txt" and the FIFO
// "/gate".
func endsFolder(t testing.TB, scripts map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	endsWrite(t, filepath.Join(root, "hello.txt"), "hello\n", 0o644)
	for name, text := range scripts {
		endsWrite(t, filepath.Join(root, name), text, 0o755)
	}
	if err := syscall.Mkfifo(filepath.Join(root, "gate"), 0o600); err != nil {
		t.Fatal(err)
	}
	return root
}

func endsWrite(t testing.TB, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// gate opens the FIFO, each line of which lets one "read x <gate" go on.
func (s *endsSite) gate(t testing.TB) (open func()) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(s.root, "gate"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return func() {
		t.Helper()
		if _, err := f.WriteString("\n"); err != nil {
			t.Error(err)
		}
	}
}

// await waits for a line in the file, and gives it.
func (s *endsSite) await(t testing.TB, name string) string {
	t.Helper()
	var line string
	endsUntil(t, "a script has written the file "+name, func() bool {
		b, _ := os.ReadFile(filepath.Join(s.root, name))
		before, _, whole := bytes.Cut(b, []byte("\n"))
		line = string(before)
		return whole
	})
	return line
}

// awaitPid waits for a file with the number of a process.
func (s *endsSite) awaitPid(t testing.TB, name string) int {
	t.Helper()
	pid, err := strconv.Atoi(s.await(t, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // where the test has failed
		if endsAlive(pid) {
			syscall.Kill(-pid, syscall.SIGKILL)
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return pid
}

// scriptWaits is how long a script that is told to end has for it.
const scriptWaits = 500 * time.Millisecond

// awaitTurn waits until another script may run, where one at a time may.
func (s *endsSite) awaitTurn(t testing.TB) {
	t.Helper()
	endsWrite(t, filepath.Join(s.root, "turn.sh"), "echo; echo turn", 0o755)
	endsUntil(t, "the turn of the script before is over", func() bool { return strings.HasSuffix(s.ask(t, "/turn.sh").answer(t).Content, "turn\n") })
}

// endsUntil waits until the condition holds.
func endsUntil(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for giveUp := time.Now().Add(30 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(giveUp) {
			t.Fatalf("waited for 30 s until %s", what)
		}
	}
}

// endsGone reports whether the process is. One that only waits for its new parent,
// the system's, to take note of its end is gone.
func endsGone(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return errors.Is(err, os.ErrNotExist) && endsHasProc()
	}
	_, state, _ := bytes.Cut(stat, []byte(") "))
	return bytes.HasPrefix(state, []byte("Z"))
}

func endsHasProc() bool {
	_, err := os.Stat("/proc/self/stat")
	return err == nil
}

func endsAwaitGone(t testing.TB, pids ...int) {
	t.Helper()
	endsUntil(t, fmt.Sprintf("the processes %d are gone", pids), func() bool { return !slices.ContainsFunc(pids, endsAlive) })
}

func endsAlive(pid int) bool { return !endsGone(pid) }

// An endsLog is a Logger that keeps lines like "WARN message name=value".
type endsLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *endsLog) add(level, msg string, args []any) {
	line := level + " " + msg
	for i := 0; i+1 < len(args); i += 2 {
		line += fmt.Sprintf(" %v=%v", args[i], args[i+1])
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

func (l *endsLog) Debug(msg string, args ...any) { l.add("DEBUG", msg, args) }
func (l *endsLog) Info(msg string, args ...any)  { l.add("INFO", msg, args) }
func (l *endsLog) Warn(msg string, args ...any)  { l.add("WARN", msg, args) }
func (l *endsLog) Error(msg string, args ...any) { l.add("ERROR", msg, args) }

// with gives the lines that have all the parts.
func (l *endsLog) with(parts ...string) (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(line, p) }) {
			lines = append(lines, line)
		}
	}
	return lines
}

// await waits for a line that has all the parts: some are logged behind the answer.
func (l *endsLog) await(t testing.TB, parts ...string) {
	t.Helper()
	endsUntil(t, fmt.Sprintf("the log has a line with %q", parts), func() bool { return l.with(parts...) != nil })
}

// An endsClient is a connection to a server.
type endsClient struct {
	*net.TCPConn
	r *bufio.Reader
}

func (s *endsSite) dial(t testing.TB) *endsClient {
	t.Helper()
	c := dial(t, s.addr)
	return &endsClient{c, bufio.NewReader(c)}
}

// ask sends a request without content.
func (s *endsSite) ask(t testing.TB, target string) *endsClient {
	t.Helper()
	c := s.dial(t)
	c.send(t, liveGet(target))
	return c
}

func (c *endsClient) send(t testing.TB, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Error(err)
	}
}

// reset ends the connection so that the server gets a reset.
func (c *endsClient) reset() {
	c.SetLinger(0)
	c.Close()
}

// An endsAnswer is a response as a test wants it.
type endsAnswer struct {
	Status  int
	Framing string // "chunked", "close", or the length
	Content string
	Cut     bool
}

// head reads the head of a response.
func (c *endsClient) head(t testing.TB) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatalf("read an answer: %v", err)
	}
	return resp
}

// answer reads a response.
func (c *endsClient) answer(t testing.TB) endsAnswer {
	t.Helper()
	return endsTake(c.head(t))
}

func endsTake(resp *http.Response) (a endsAnswer) {
	a.Status = resp.StatusCode
	switch {
	case len(resp.TransferEncoding) > 0:
		a.Framing = resp.TransferEncoding[0]
	case resp.ContentLength < 0:
		a.Framing = "close"
	default:
		a.Framing = strconv.FormatInt(resp.ContentLength, 10)
	}
	b, err := io.ReadAll(resp.Body)
	a.Content, a.Cut = string(b), err != nil
	return a
}

// want compares.
func (want endsAnswer) check(t testing.TB, what string, got endsAnswer) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer to %s (-want +got):\n%s", what, diff)
	}
}

// endsPost is a request that promises n bytes of content, with the beginning of that.
func endsPost(target string, n int, content string) string {
	return "POST" + strings.TrimPrefix(liveGet(target, "Content-Length: "+strconv.Itoa(n)), "GET") + content
}

// endsOwn is the answer that the server makes of a status alone.
func endsOwn(status int) endsAnswer {
	content := fmt.Sprintf("%d %s\n", status, http.StatusText(status))
	return endsAnswer{Status: status, Framing: strconv.Itoa(len(content)), Content: content}
}

func endsWhole(content string) endsAnswer {
	return endsAnswer{Status: 200, Framing: strconv.Itoa(len(content)), Content: content}
}

// The whole group is ended: politely, and half a second later by force.
func TestScriptGroupIsEnded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, script string
		pids         []string // files with the processes that there are
		polite       bool     // the script hears of it, and ends itself
	}{{
		name:   "by itself",
		script: "trap 'echo TERM >heard; exit 0' TERM; echo $$ >pid; while :; do sleep 100 & wait; done",
		pids:   []string{"pid"}, polite: true,
	}, {
		name:   "does not heed it",
		script: "trap '' TERM; echo $$ >pid; while :; do sleep 1; done",
		pids:   []string{"pid"},
	}, {
		name:   "its child does not heed it",
		script: "sh -c 'trap \"\" TERM; echo $$ >child; while :; do sleep 1; done' & echo $$ >pid; wait",
		pids:   []string{"pid", "child"},
	}, {
		name:   "its child's child does not heed it, and they have ended",
		script: "sh -c 'sh -c \"trap \\\"\\\" TERM; echo \\$\\$ >child; while :; do sleep 1; done\" & read x <gate'; echo $$ >pid",
		pids:   []string{"child"},
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := endsServe(t, map[string]string{"a.sh": tt.script}, rawhttp.WithMaxScripts(1))
			s.gate(t)
			c := s.ask(t, "/a.sh")
			var pids []int
			for _, name := range tt.pids {
				pids = append(pids, s.awaitPid(t, name))
			}
			start := time.Now()
			c.reset()
			endsAwaitGone(t, pids...)
			if took := time.Since(start); !tt.polite && took < scriptWaits {
				t.Errorf("ended by force after %v, want not before %v", took, scriptWaits)
			}
			if _, err := os.Stat(filepath.Join(s.root, "heard")); (err == nil) != tt.polite {
				t.Errorf("the script has heard of its end: %v, want %v", err == nil, tt.polite)
			}
			s.awaitTurn(t)
		})
	}
}

// What a client does while its script is silent, and what becomes of the script.
func TestScriptAndItsClient(t *testing.T) {
	t.Parallel()
	const script = "echo $$ >pid; read x <gate; echo; cat"
	post := endsPost("/a.sh", 7, "content")
	tests := []struct {
		name, request string
		do            func(c *endsClient)
		want          string // content of the answer; "": there is none, the script is ended
	}{
		{"half-closes", liveGet("/a.sh"), func(c *endsClient) { c.CloseWrite() }, "\n"},
		{"half-closes behind content", post, func(c *endsClient) { c.CloseWrite() }, "\ncontent"},
		{"is silent", liveGet("/a.sh"), func(*endsClient) {}, "\n"},
		{"sends the next request", liveGet("/a.sh"), func(c *endsClient) { io.WriteString(c, liveGet("/hello.txt")) }, "\n"},
		{"resets", liveGet("/a.sh"), (*endsClient).reset, ""},
		{"resets behind content", post, (*endsClient).reset, ""},
		{"resets within content", endsPost("/a.sh", 7, "con"), (*endsClient).reset, ""},
		{"resets behind its next request", liveGet("/a.sh"), func(c *endsClient) { io.WriteString(c, liveGet("/hello.txt")); c.reset() }, ""},
		{"half-closes, then resets", liveGet("/a.sh"), func(c *endsClient) { c.CloseWrite(); c.reset() }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := endsServe(t, map[string]string{"a.sh": script})
			open := s.gate(t)
			c := s.dial(t)
			c.send(t, tt.request)
			pid := s.awaitPid(t, "pid")
			tt.do(c)
			if tt.want == "" {
				endsAwaitGone(t, pid)
				return
			}
			time.Sleep(20 * time.Millisecond) // so that the server sees what there is to see
			open()
			endsWhole(tt.want).check(t, tt.name, c.answer(t))
			if lines := s.log.with("ERROR"); lines != nil {
				t.Errorf("log has %q, want no error", lines)
			}
		})
	}
}

// A client that resets while its script prints, or is fed, ends it too; so does a
// body that ends early, which is refused as ever.
func TestScriptEndsWithTheExchange(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, script, request string
		opts                  []rawhttp.Option
		do                    func(t *testing.T, c *endsClient)
	}{{
		name:    "reset while it prints",
		script:  "echo $$ >pid; while :; do echo line; done",
		request: liveGet("/a.sh"),
		do:      func(t *testing.T, c *endsClient) { io.CopyN(io.Discard, c, 1<<20); c.reset() },
	}, {
		name:    "reset while it does not read",
		script:  "echo $$ >pid; exec sleep 1000",
		request: endsPost("/a.sh", 2<<20, strings.Repeat("x", 1<<20)),
		do:      func(t *testing.T, c *endsClient) { c.reset() },
	}, {
		name:    "content ends early",
		script:  "echo $$ >pid; cat; exec sleep 1000",
		request: endsPost("/a.sh", 8, "content"),
		do: func(t *testing.T, c *endsClient) {
			c.CloseWrite()
			want := endsWhole("400 Bad Request: content ends early (RFC 9112, section 8)\n")
			want.Status = 400
			want.check(t, "content that ends early", c.answer(t))
		},
	}, {
		name:    "content ends early behind the head",
		script:  "echo $$ >pid; echo; echo head; cat; exec sleep 1000",
		request: endsPost("/a.sh", 8, "content"),
		do: func(t *testing.T, c *endsClient) {
			resp := c.head(t)
			c.CloseWrite()
			endsAnswer{200, "chunked", "\nhead\ncontent", true}.check(t, "content that ends early", endsTake(resp))
		},
	}, {
		name:    "content does not go on",
		opts:    []rawhttp.Option{rawhttp.WithStallTimeout(200 * time.Millisecond)},
		script:  "echo $$ >pid; cat; exec sleep 1000",
		request: endsPost("/a.sh", 8, "content"),
		do: func(t *testing.T, c *endsClient) {
			endsOwn(408).check(t, "content that does not go on", c.answer(t))
		},
	}, {
		name:    "HEAD, while it prints",
		script:  "echo $$ >pid; while :; do echo line; done",
		request: strings.Replace(liveGet("/a.sh"), "GET", "HEAD", 1),
		do: func(t *testing.T, c *endsClient) {
			resp, err := http.ReadResponse(c.r, &http.Request{Method: "HEAD"})
			if err != nil || resp.StatusCode != 200 {
				t.Errorf("HEAD is answered with %v, %v, want 200", resp, err)
			}
		},
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := endsServe(t, map[string]string{"a.sh": tt.script}, tt.opts...)
			c := s.dial(t)
			go io.WriteString(c, tt.request)
			pid := s.awaitPid(t, "pid")
			tt.do(t, c)
			endsAwaitGone(t, pid)
		})
	}
}

// How scripts end with their server.
func TestScriptEndsWithTheServer(t *testing.T) {
	t.Parallel()
	const script = "trap 'echo TERM >heard; exit 1' TERM; echo $$ >pid; while :; do sleep 100 & wait; done"
	tests := []struct {
		name   string
		end    func(s *rawhttp.Server, stop context.CancelFunc)
		atOnce bool // the processes are gone when end returns
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
			root := endsFolder(t, map[string]string{"a.sh": script})
			srv := newServer(t, rawhttp.WithRoot(root), rawhttp.WithScript(".sh", "sh"), rawhttp.WithDrainTimeout(50*time.Millisecond))
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			defer stop()
			served := make(chan error, 1)
			go func() { served <- srv.Serve(ctx, ln) }()
			s := &endsSite{root: root, addr: ln.Addr().String()}
			c := s.ask(t, "/a.sh")
			pid := s.awaitPid(t, "pid")
			tt.end(srv, stop)
			if tt.atOnce && endsAlive(pid) {
				t.Error("the script is there when the server has ended, want it gone")
			}
			endsAwaitGone(t, pid)
			if got := s.await(t, "heard"); got != "TERM" {
				t.Errorf("the script has heard %q, want TERM", got)
			}
			<-served
			if b, _ := io.ReadAll(c.r); len(b) > 0 {
				t.Errorf("the client was sent %q, want nothing", b)
			}
		})
	}
}

// Shutdown waits for scripts whose clients wait.
func TestShutdownWaitsForScripts(t *testing.T) {
	t.Parallel()
	s := endsServe(t, map[string]string{
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
	endsUntil(t, "Shutdown has closed the listener", func() bool {
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
	endsWhole("\nend\n").check(t, "held.sh", held.answer(t))
	endsAnswer{200, "chunked", "\nbegin\nend\n", false}.check(t, "stream.sh", endsTake(resp))
	held.Close()
	stream.Close()
	if err := <-done; err != nil {
		t.Errorf("Shutdown = %v, want nil", err)
	}
}

// A script that closes what it prints to has been answered for, and keeps its time.
func TestScriptThatGoesOn(t *testing.T) {
	t.Parallel()
	const script = "echo; echo all; echo $$ >pid; exec >&-; exec sleep 1000"
	tests := []struct {
		name string
		opts []rawhttp.Option
		end  func(s *endsSite)
	}{
		{"its time", []rawhttp.Option{rawhttp.WithScriptTimeout(2 * time.Second)}, func(*endsSite) {}},
		{"Close", []rawhttp.Option{rawhttp.WithScriptTimeout(0)}, func(s *endsSite) { s.srv.Close() }},
		{"Shutdown", []rawhttp.Option{rawhttp.WithScriptTimeout(0)}, func(s *endsSite) { s.srv.Shutdown(context.Background()) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := endsServe(t, map[string]string{"a.sh": script}, tt.opts...)
			c := s.ask(t, "/a.sh")
			endsWhole("\nall\n").check(t, "/a.sh", c.answer(t))
			pid := s.awaitPid(t, "pid")
			if len(tt.opts) > 0 && tt.name != "its time" {
				c.send(t, liveGet("/hello.txt"))
				endsWhole("hello\n").check(t, "/hello.txt", c.answer(t))
				c.reset()
				time.Sleep(20 * time.Millisecond) // in which a script that goes with its client is gone
				if endsGone(pid) {
					t.Error("the script is gone with its client, want it to keep its time")
				}
			}
			tt.end(s)
			if tt.name != "its time" && endsAlive(pid) {
				t.Errorf("the script is there behind %s", tt.name)
			}
			endsAwaitGone(t, pid)
		})
	}
}
