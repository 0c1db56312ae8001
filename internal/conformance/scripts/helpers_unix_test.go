//go:build unix

package scripts_test

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
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// A scriptSite is a folder of shell scripts and a server for it. Scripts run in the folder,
// so they and the test synchronize with files: a script runs "echo >name" and the test waits
// for the file, or it runs "read x <gate" and waits for the test.
type scriptSite struct {
	root string
	srv  *rawhttp.Server
	addr string
	log  *testkit.Log
}

// serveScripts writes the scripts and serves them.
func serveScripts(t testing.TB, scripts map[string]string, opts ...rawhttp.Option) *scriptSite {
	t.Helper()
	s := &scriptSite{root: scriptFolder(t, scripts), log: &testkit.Log{}}
	s.srv, s.addr = listen(t, append([]rawhttp.Option{
		rawhttp.WithRoot(s.root), rawhttp.WithScript(".sh", "sh"), rawhttp.WithLogger(s.log), rawhttp.WithDate(false), rawhttp.WithDrainTimeout(time.Second), rawhttp.WithMaxScripts(0),
	}, opts...)...)
	return s
}

// scriptFolder makes a folder with the scripts, the file hello.txt and the FIFO gate.
func scriptFolder(t testing.TB, scripts map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	testkit.WriteFile(t, filepath.Join(root, "hello.txt"), "hello\n", 0o644)
	for name, text := range scripts {
		testkit.WriteFile(t, filepath.Join(root, name), text, 0o755)
	}
	if err := syscall.Mkfifo(filepath.Join(root, "gate"), 0o600); err != nil {
		t.Fatal(err)
	}
	return root
}

// gate opens the FIFO. Each call of open lets one "read x <gate" return.
func (s *scriptSite) gate(t testing.TB) (open func()) {
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
func (s *scriptSite) await(t testing.TB, name string) string {
	t.Helper()
	var line string
	waitUntil(t, "a script has written the file "+name, func() bool {
		b, _ := os.ReadFile(filepath.Join(s.root, name))
		before, _, whole := bytes.Cut(b, []byte("\n"))
		line = string(before)
		return whole
	})
	return line
}

// awaitPid waits for a file with a process ID.
func (s *scriptSite) awaitPid(t testing.TB, name string) int {
	t.Helper()
	pid, err := strconv.Atoi(s.await(t, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // in case the test fails
		if isAlive(pid) {
			syscall.Kill(-pid, syscall.SIGKILL)
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return pid
}

// scriptWaits is the time between SIGTERM and SIGKILL for a script.
const scriptWaits = 500 * time.Millisecond

// awaitTurn waits until another script may run. Only one may run at a time.
func (s *scriptSite) awaitTurn(t testing.TB) {
	t.Helper()
	testkit.WriteFile(t, filepath.Join(s.root, "turn.sh"), "echo; echo turn", 0o755)
	waitUntil(t, "the turn of the script before is over", func() bool { return strings.HasSuffix(s.ask(t, "/turn.sh").answer(t).Content, "turn\n") })
}

// scriptGoroutine is in the stack of each goroutine of a running script, even before the goroutine
// runs for the first time.
const scriptGoroutine = "created by example.com/rawhttp.(*scripts).start in"

// awaitNoScripts waits until no script of any server runs. It is for tests that are not
// parallel.
func awaitNoScripts(t testing.TB) {
	t.Helper()
	waitUntil(t, "all scripts have ended", func() bool { return !strings.Contains(goroutines(), scriptGoroutine) })
}

// awaitWaiting waits until n requests, of all servers, wait for their turns.
func (s *scriptSite) awaitWaiting(t testing.TB, n int) {
	t.Helper()
	waitUntil(t, fmt.Sprintf("%d requests wait for a turn", n), func() bool { return strings.Count(goroutines(), "rawhttp.(*scripts).takeTurn(") == n })
}

// waitUntil waits until the condition holds.
func waitUntil(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for giveUp := time.Now().Add(30 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(giveUp) {
			t.Fatalf("waited for 30 s until %s", what)
		}
	}
}

// isGone reports whether the process has ended. A zombie counts as ended, since its new parent,
// process 1, may not have waited for it yet.
func isGone(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return errors.Is(err, os.ErrNotExist) && hasProc()
	}
	_, state, _ := bytes.Cut(stat, []byte(") "))
	return bytes.HasPrefix(state, []byte("Z"))
}

func hasProc() bool {
	_, err := os.Stat("/proc/self/stat")
	return err == nil
}

func awaitGone(t testing.TB, pids ...int) {
	t.Helper()
	waitUntil(t, fmt.Sprintf("the processes %d have ended", pids), func() bool { return !slices.ContainsFunc(pids, isAlive) })
}

func isAlive(pid int) bool { return !isGone(pid) }

// awaitLine waits for a line of the log that contains all parts, since some lines are logged after
// the answer.
func awaitLine(t testing.TB, log *testkit.Log, parts ...string) {
	t.Helper()
	waitUntil(t, fmt.Sprintf("the log has a line with %q", parts), func() bool { return log.Has("", parts...) })
}

// A scriptClient is a connection to a server.
type scriptClient struct {
	*net.TCPConn
	r *bufio.Reader
}

func (s *scriptSite) dial(t testing.TB) *scriptClient {
	t.Helper()
	c := dial(t, s.addr)
	c.SetDeadline(time.Now().Add(2 * time.Minute)) // so that a test without an answer fails and does not hang
	return &scriptClient{c, bufio.NewReader(c)}
}

// ask sends a request without content.
func (s *scriptSite) ask(t testing.TB, target string) *scriptClient {
	t.Helper()
	c := s.dial(t)
	c.send(t, getRequest(target))
	return c
}

func (c *scriptClient) send(t testing.TB, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Error(err)
	}
}

// reset resets the connection.
func (c *scriptClient) reset() {
	c.SetLinger(0)
	c.Close()
}

// A scriptAnswer is a response in the form that tests compare.
type scriptAnswer struct {
	Status  int
	Framing string // "chunked", "close", or the value of Content-Length; not compared if "" is wanted
	Content string
	Cut     bool
}

// head reads the head of a response.
func (c *scriptClient) head(t testing.TB) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatalf("reading an answer: %v", err)
	}
	return resp
}

// answer reads a response.
func (c *scriptClient) answer(t testing.TB) scriptAnswer {
	t.Helper()
	return readScriptAnswer(c.head(t))
}

func readScriptAnswer(resp *http.Response) (a scriptAnswer) {
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

// check fails the test if got differs.
func (want scriptAnswer) check(t testing.TB, what string, got scriptAnswer) {
	t.Helper()
	if want.Framing == "" {
		want.Framing = got.Framing
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer to %s (-want +got):\n%s", what, diff)
	}
}

// postBegun returns a POST request with a Content-Length of n and only the given content.
func postBegun(target string, n int, content string) string {
	return "POST" + strings.TrimPrefix(getRequest(target, "Content-Length: "+strconv.Itoa(n)), "GET") + content
}

// statusAnswer returns the server's own answer to an error with the status.
func statusAnswer(status int) scriptAnswer {
	content := fmt.Sprintf("%d %s\n", status, http.StatusText(status))
	return scriptAnswer{Status: status, Framing: strconv.Itoa(len(content)), Content: content}
}

// outputAnswer returns the answer of a script that prints the content. It is chunked if the machine
// is too busy to end the script in time, so its framing is not compared; TestScriptFraming does that.
func outputAnswer(content string) scriptAnswer {
	return scriptAnswer{Status: 200, Content: content}
}

// wholeAnswer returns the answer of a file, or of another resource with a known length.
func wholeAnswer(content string) scriptAnswer {
	return scriptAnswer{Status: 200, Framing: strconv.Itoa(len(content)), Content: content}
}

// serveShell serves a folder whose .sh files are run by sh. Answers have no Date.
func serveShell(t testing.TB, root string, opts ...rawhttp.Option) (addr string) {
	t.Helper()
	_, addr = listen(t, append([]rawhttp.Option{rawhttp.WithRoot(root), rawhttp.WithDate(false), rawhttp.WithScript(".sh", "sh")}, opts...)...)
	return addr
}

// talkHeld returns the answer to the request. It tries again if the answer is chunked and
// want is not, since a busy machine may end the script too late.
func talkHeld(t testing.TB, addr, request, want string) (answer string) {
	t.Helper()
	for range 50 {
		c := dial(t, addr)
		go func() {
			io.WriteString(c, request)
			c.CloseWrite()
		}()
		b, err := io.ReadAll(c)
		answer = string(b)
		isStreamed := strings.Contains(answer, "Transfer-Encoding: chunked") || strings.Count(answer, "Content-Length: ") < strings.Count(want, "Content-Length: ")
		if answer == want || !isStreamed {
			if err != nil {
				t.Errorf("reading the answer to %q: %v", request, err)
			}
			break
		}
	}
	return answer
}

// pageAnswer returns the answer of a script that prints the page.
func pageAnswer(page string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\nX-Content-Type-Options: nosniff\r\n\r\n%s", len(page), page)
}

// errorText returns the server's own answer to an error with the status.
func errorText(status string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nX-Content-Type-Options: nosniff\r\n\r\n%s\n", status, len(status)+1, status)
}

// withLength returns the answer with its content framed by Content-Length, even if it was
// chunked.
func withLength(t testing.TB, answer string) string {
	t.Helper()
	head, rest := splitHead(answer)
	if !strings.Contains(head, "\r\nTransfer-Encoding: chunked\r\n") {
		return answer
	}
	var content strings.Builder
	for {
		line, data, ok := strings.Cut(rest, "\r\n")
		n, err := strconv.ParseUint(line, 16, 31)
		if !ok || err != nil || uint64(len(data)) < n+2 || data[n:n+2] != "\r\n" {
			t.Errorf("answer has a malformed or incomplete chunk: %.200q", rest)
			return answer
		}
		content.WriteString(data[:n])
		if rest = data[n+2:]; n == 0 {
			break
		}
	}
	if rest != "" {
		t.Errorf("after the answer: %.200q, want nothing", rest)
	}
	return strings.Replace(head, "Transfer-Encoding: chunked", "Content-Length: "+strconv.Itoa(content.Len()), 1) + content.String()
}

// readExpected reads len(want) bytes and compares them with want.
func readExpected(t testing.TB, r io.Reader, what, want string) {
	t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(r, got)
	if diff := cmp.Diff(want, string(got[:n])); diff != "" {
		t.Fatalf("%s (-want +got):\n%s\n%v", what, diff, err)
	}
}

// readResponse parses a response that has been written to memory.
func readResponse(t testing.TB, b *bytes.Buffer) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// leaveMark is a shell command that leaves the file ran in the folder of the script.
const leaveMark = ": >ran; "

// wantNoMark fails the test if a script with leaveMark has run in one of the folders.
func wantNoMark(t testing.TB, folders ...string) {
	t.Helper()
	for _, folder := range folders {
		if _, err := os.Stat(filepath.Join(folder, "ran")); err == nil {
			t.Errorf("a script in %s has run", folder)
		}
	}
}
