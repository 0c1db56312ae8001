//go:build unix

package conformance_test

import (
	"bufio"
	"bytes"
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

// await waits for a line in the file, and returns it.
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

func (l *endsLog) Info(msg string, args ...any) { l.add("INFO", msg, args) }

func (l *endsLog) Warn(msg string, args ...any) { l.add("WARN", msg, args) }

func (l *endsLog) Error(msg string, args ...any) { l.add("ERROR", msg, args) }

// with returns the lines that have all the parts.
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

// await waits for a line that has all the parts: some are logged after the answer.
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
