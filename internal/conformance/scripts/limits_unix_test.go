//go:build unix

package scripts_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// If a script exceeds its time limit, the answer is 504 if the response has not begun; otherwise
// the response is cut.
func TestScriptTimeout(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, script string
		want         scriptAnswer
		version      string
	}{
		{"prints nothing", "echo $$ >pid; exec sleep 1000", statusAnswer(504), "1.1"},
		{"prints incomplete fields", "echo $$ >pid; echo Content-Type: text/plain; exec sleep 1000", statusAnswer(504), "1.1"},
		{"prints fields and no content", "echo $$ >pid; echo Content-Type: text/plain; echo; exec sleep 1000", statusAnswer(504), "1.1"},
		{"closes its output without printing", "echo $$ >pid; exec >&-; exec sleep 1000", statusAnswer(504), "1.1"},
		{"content has begun", "echo $$ >pid; echo; echo begin; exec sleep 1000", scriptAnswer{200, "chunked", "\nbegin\n", true}, "1.1"},
		{"content has begun, to the close", "echo $$ >pid; echo; echo begin; exec sleep 1000", scriptAnswer{200, "close", "\nbegin\n", true}, "1.0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serveScripts(t, map[string]string{"a.sh": tt.script}, rawhttp.WithScriptTimeout(500*time.Millisecond))
			var c *scriptClient
			var got scriptAnswer
			for n := 1; ; n++ {
				c = s.dial(t)
				c.send(t, strings.Replace(getRequest("/a.sh"), "HTTP/1.1", "HTTP/"+tt.version, 1))
				got = c.answer(t)
				awaitLine(t, s.log, "WARN rawhttp: script was ended", fmt.Sprintf("script=%s/a.sh conn=%d request=1 err=", s.root, n), "ran too long")
				if !tt.want.Cut || got.Status != 504 || n == 20 { // 504 is possible on a slow machine
					break
				}
			}
			tt.want.check(t, "/a.sh: "+tt.name, got)
			awaitGone(t, s.awaitPid(t, "pid"))
			if tt.want.Cut {
				awaitLine(t, s.log, "ERROR rawhttp: response cut", "request=1")
				return
			}
			c.send(t, getRequest("/hello.txt"))
			wholeAnswer("hello\n").check(t, "/hello.txt on the same connection", c.answer(t))
		})
	}
}

// The time to the first byte of output has its own limit, even if WithScriptTimeout is 0.
func TestScriptFirstByte(t *testing.T) {
	skipUnlessLong(t)
	t.Parallel()
	s := serveScripts(t, map[string]string{
		"silent.sh": "echo $$ >silent; exec sleep 1000",
		"closed.sh": "echo $$ >closed; exec >&-; exec sleep 1000",
		"byte.sh":   "printf x; sleep 11; echo y",
		"fed.sh":    "echo $$ >fed; cat >/dev/null; exec sleep 1000",
		"upload.sh": "cat",
		"unread.sh": "echo $$ >unread; exec sleep 1000",
	}, rawhttp.WithScriptTimeout(0), rawhttp.WithMaxScripts(0))
	start := time.Now()
	fed, upload, later, unread := s.dial(t), s.dial(t), s.dial(t), s.dial(t)
	unread.send(t, postBegun("/unread.sh", 200_000, strings.Repeat("x", 200_000)))
	fed.send(t, postBegun("/fed.sh", 7, "content"))
	upload.send(t, postBegun("/upload.sh", 7, "con"))
	later.send(t, postBegun("/upload.sh", 7, ""))
	silent, closed, first := s.ask(t, "/silent.sh"), s.ask(t, "/closed.sh"), s.ask(t, "/byte.sh")
	statusAnswer(504).check(t, "/silent.sh", silent.answer(t))
	if took := time.Since(start); took < 10*time.Second {
		t.Errorf("answered after %v, want %v", took, 10*time.Second)
	}
	statusAnswer(504).check(t, "/closed.sh, which closes its output", closed.answer(t))
	awaitLine(t, s.log, "WARN rawhttp: script was ended", "silent.sh", "printed nothing in time")
	awaitGone(t, s.awaitPid(t, "silent"), s.awaitPid(t, "closed"))
	outputAnswer("xy\n").check(t, "/byte.sh, which has its first byte in time", first.answer(t))
	statusAnswer(504).check(t, "/fed.sh, which has its content", fed.answer(t))
	statusAnswer(504).check(t, "/unread.sh, which leaves its content unread", unread.answer(t))
	awaitGone(t, s.awaitPid(t, "fed"), s.awaitPid(t, "unread"))
	upload.send(t, "tent") // after 11 s, which do not count
	outputAnswer("content").check(t, "/upload.sh, which waits for the rest of its content", upload.answer(t))
	later.send(t, "content")
	outputAnswer("content").check(t, "/upload.sh, which waits for its content", later.answer(t))
}

// running returns the number of scripts that have started.
func (s *scriptSite) running(t testing.TB) int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.root, "pid.*"))
	if err != nil {
		t.Error(err)
	}
	return len(names)
}

// Scripts run concurrently up to WithMaxScripts. A number of requests wait for their turns, and
// others are refused at once. A client that disconnects no longer waits.
func TestScriptTurns(t *testing.T) {
	const most = 3
	script := map[string]string{"a.sh": "echo >pid.$$; read x <gate; echo; echo done"}
	page := rawhttp.WithErrorPage(func(_ context.Context, _ *rawhttp.Request, status int, _ error) *rawhttp.Response {
		return rawhttp.Text(status, "mine\n")
	})
	s := serveScripts(t, script, rawhttp.WithMaxScripts(most), page)
	open := s.gate(t)
	var clients []*scriptClient
	for range most {
		clients = append(clients, s.ask(t, "/a.sh"))
	}
	waitUntil(t, "some run", func() bool { return s.running(t) == most })
	// Make sure that awaitNoScripts can see scripts.
	waitUntil(t, "each script has its three goroutines", func() bool { return strings.Count(goroutines(), scriptGoroutine) >= 3*most })
	for range scriptsWaiting {
		clients = append(clients, s.ask(t, "/a.sh"))
	}
	s.awaitWaiting(t, scriptsWaiting)
	refused := func() {
		t.Helper()
		resp := s.ask(t, "/a.sh").head(t)
		b, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || string(b) != "mine\n" {
			t.Errorf("one request more: status %d, Retry-After %q, content %q, want 503, a number and the page",
				resp.StatusCode, resp.Header.Get("Retry-After"), b)
		}
	}
	refused()
	s.awaitWaiting(t, scriptsWaiting)
	// One of the waiting clients disconnects.
	last := len(clients) - 1
	clients[last].reset()
	s.awaitWaiting(t, scriptsWaiting-1)
	clients[last] = s.ask(t, "/a.sh")
	s.awaitWaiting(t, scriptsWaiting)
	refused()
	if n := s.running(t); n != most {
		t.Errorf("%d scripts ran, want %d", n, most)
	}
	waiting := scriptsWaiting
	if !*long { // without -long most clients leave, since each script is a process
		waiting = 6
		for _, c := range clients[most+waiting:] {
			c.reset()
		}
		clients = clients[:most+waiting]
		s.awaitWaiting(t, waiting)
	}
	// The running scripts end one after another, and waiting requests get their turns.
	open()
	waitUntil(t, "one more runs", func() bool { return s.running(t) == most+1 })
	s.awaitWaiting(t, waiting-1)
	for range len(clients) - 1 {
		open()
	}
	answered := 0
	for _, c := range clients {
		switch got := c.answer(t); got.Status {
		case 200:
			outputAnswer("\ndone\n").check(t, "/a.sh", got)
			answered++
		case 503: // on a slow machine the time limit for a turn passes
		default:
			t.Errorf("answer %v, want 200 or 503", got)
		}
	}
	if answered < most+1 {
		t.Errorf("%d requests were answered with 200, want %d or nearly", answered, len(clients))
	}
	s.awaitWaiting(t, 0)
	s.awaitTurn(t)
}

// A request that has waited five seconds for its turn is answered with 503.
func TestScriptTurnTimeout(t *testing.T) {
	skipUnlessLong(t)
	t.Parallel()
	script := map[string]string{"a.sh": "echo >pid.$$; read x <gate; echo"}
	s := serveScripts(t, script, rawhttp.WithMaxScripts(1))
	open := s.gate(t)
	running := s.ask(t, "/a.sh")
	waitUntil(t, "one runs", func() bool { return s.running(t) == 1 })
	start := time.Now()
	resp := s.ask(t, "/a.sh").head(t)
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q, want 503 and a number", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	if took := time.Since(start); took < 5*time.Second {
		t.Errorf("answered after %v, want %v", took, 5*time.Second)
	}
	open()
	outputAnswer("\n").check(t, "the one that runs", running.answer(t))
	s.awaitTurn(t)
}

// WithMaxScripts(0) sets no limit: more scripts run concurrently than by default.
func TestScriptsWithoutLimit(t *testing.T) {
	n := 2*runtime.GOMAXPROCS(0) + 5 // more than the default limit
	s := serveScripts(t, map[string]string{"a.sh": "echo >pid.$$; read x <gate; echo"}, rawhttp.WithMaxScripts(0))
	open := s.gate(t)
	var clients []*scriptClient
	for range n {
		clients = append(clients, s.ask(t, "/a.sh"))
	}
	waitUntil(t, "all run", func() bool { return s.running(t) == n })
	for range n {
		open()
	}
	for _, c := range clients {
		outputAnswer("\n").check(t, "/a.sh", c.answer(t))
	}
}

// A request whose script does not start, since its context ends before, releases its turn and the
// file that holds its content. The test is not parallel, since it counts descriptors.
func TestScriptNotStartedReleasesAll(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // no finalizer closes a file
	s := &scriptSite{root: scriptFolder(t, map[string]string{"held.sh": "echo >held; read x <gate; echo", "cat.sh": "exec cat"})}
	open := s.gate(t)
	files := filesOfDir(t, s.root, rawhttp.WithScript(".sh", "sh"), rawhttp.WithMaxScripts(1))
	post := func(ctx context.Context) error {
		req := requestOf(t, postBegun("/cat.sh", 2*copyBuffer, ""))
		req.Body = strings.NewReader(strings.Repeat("x", 2*copyBuffer)) // not the server's reader, so it goes to a file first
		resp, err := files.Resolve(ctx, req)
		if err == nil {
			resp.Close()
		}
		return err
	}
	if err := post(context.Background()); err != nil {
		t.Fatal(err)
	}
	awaitNoScripts(t)
	before := testkit.Descriptors()
	cause := errors.New("no longer wanted")
	for range 10 { // each would keep the only turn
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(cause)
		if err := post(ctx); !errors.Is(err, cause) {
			t.Errorf("Resolve with a context that has ended = %v, want its cause", err)
		}
	}
	held := make(chan *rawhttp.Response)
	go func() {
		resp, _ := files.Resolve(context.Background(), requestOf(t, getRequest("/held.sh")))
		held <- resp
	}()
	s.await(t, "held")
	ctx, cancel := context.WithCancelCause(context.Background())
	waited := make(chan error, 1)
	go func() { waited <- post(ctx) }()
	s.awaitWaiting(t, 1)
	cancel(cause)
	if err := <-waited; rawhttp.StatusOf(err) != 503 || !errors.Is(err, cause) {
		t.Errorf("Resolve whose context ends while it waits for its turn = %v, want 503 with the cause", err)
	}
	open()
	if resp := <-held; resp == nil {
		t.Error("Resolve of the script that had the turn failed")
	} else {
		resp.Close()
	}
	awaitNoScripts(t)
	if after := testkit.Descriptors(); after > before {
		t.Errorf("%d descriptors are open, want at most %d as before", after, before)
	}
	if err := post(context.Background()); err != nil {
		t.Errorf("Resolve after requests that have released their turns = %v", err)
	}
}
