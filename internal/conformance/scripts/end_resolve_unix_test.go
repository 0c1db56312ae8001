//go:build unix

package scripts_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// If a script cannot be started, the client gets a status and the log has the reason.
func TestScriptCannotBeStarted(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		mode       os.FileMode
		want       int
		log        []string
		why        string
	}{
		{"interpreter is missing", "#!/nowhere/interpreter\necho\n", 0o755, 500, []string{"ERROR", `a.cgi" with interpreter "/nowhere/interpreter": no such file`}, "not 404, since the resource exists"},
		{"interpreter is missing, with blanks and arguments", "#! \t/nowhere/interpreter -x y\necho\n", 0o755, 500, []string{"ERROR", `a.cgi" with interpreter "/nowhere/interpreter": no such file`}, "the log must not say that the script is missing"},
		{"interpreter is missing, without a line feed", "#!/nowhere/interpreter", 0o755, 500, []string{"ERROR", `a.cgi" with interpreter "/nowhere/interpreter": no such file`}, "as above"},
		{"interpreter is missing, by a relative path", "#!nowhere\n", 0o755, 500, []string{"ERROR", `a.cgi" with interpreter "nowhere": no such file`}, "as above"},
		{"lines end in CRLF", "#!/bin/sh\r\necho\r\n", 0o755, 500, []string{"ERROR", `a.cgi" with interpreter "/bin/sh\r" (its #! line ends in CR): no such file`}, "editors on Windows save files this way"},
		{"interpreter of the interpreter is missing", "#!ROOT/run\necho\n", 0o755, 500, []string{"ERROR", `/run" with interpreter "/nowhere/deeper": `}, "some systems follow the chain and run nothing"},
		{"interpreter is below a file", "#!/bin/sh/x\necho\n", 0o755, 500, []string{"ERROR", `a.cgi" with interpreter "/bin/sh/x": not a directory`}, "the interpreter is missing in another way"},
		{"interpreter is not executable", "#!ROOT/hello.txt\necho\n", 0o755, 500, []string{"ERROR", `a.cgi" with interpreter "`, `/hello.txt": permission denied`}, "a misconfiguration, not a lack of permission for the client"},
		{"interpreter is a folder", "#!/\necho\n", 0o755, 500, []string{"ERROR", `a.cgi" with interpreter "/": permission denied`}, "a misconfiguration, not a lack of permission for the client"},
		{"no interpreter is named", "echo\n", 0o755, 500, []string{"ERROR", `a.cgi": exec format error`}, "no shell is tried"},
		{"empty", "", 0o755, 500, []string{"ERROR", `a.cgi": exec format error`}, "as above"},
		{"not executable", "#!/bin/sh\necho\n", 0o644, 403, []string{"DEBUG", `a.cgi" is not executable`}, "the answer is 403, never the source"},
		{"fine", "#!/bin/sh\necho\n", 0o755, 200, nil, "shows that the other rows fail for their own reasons"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serveScripts(t, map[string]string{"run": "#!/nowhere/deeper -x\n"}, rawhttp.WithScript(".cgi"), rawhttp.WithMaxScripts(1))
			testkit.WriteFile(t, filepath.Join(s.root, "a.cgi"), strings.ReplaceAll(tt.text, "ROOT", s.root), tt.mode)
			want := statusAnswer(tt.want)
			if tt.want == 200 {
				want = outputAnswer("\n")
			}
			for range 2 { // the second waits for its turn if the first has kept it
				want.check(t, "/a.cgi: "+tt.why, s.ask(t, "/a.cgi").answer(t))
			}
			if tt.log != nil {
				awaitLine(t, s.log, tt.log...)
			}
		})
	}
}

// The log names an interpreter that was removed after the server started.
func TestScriptInterpreterRemoved(t *testing.T) {
	tools := t.TempDir()
	testkit.WriteFile(t, filepath.Join(tools, "tool"), "#!/nowhere/interpreter\n", 0o755)
	s := serveScripts(t, map[string]string{"a.x": ""}, rawhttp.WithScript(".x", filepath.Join(tools, "tool")))
	statusAnswer(500).check(t, "/a.x, whose interpreter has none", s.ask(t, "/a.x").answer(t))
	awaitLine(t, s.log, "ERROR", `start "`+tools+`/tool" with interpreter "/nowhere/interpreter": no such file`)
	if err := os.Remove(filepath.Join(tools, "tool")); err != nil {
		t.Fatal(err)
	}
	statusAnswer(500).check(t, "/a.x, whose interpreter was removed", s.ask(t, "/a.x").answer(t))
	awaitLine(t, s.log, "ERROR", `start "`+tools+`/tool": no such file`)
}

// On some systems a file that is open for writing is busy and cannot be executed. The test is not
// parallel: processes that start meanwhile inherit the open file, and keep the script busy.
func TestScriptOpenForWriting(t *testing.T) {
	s := serveScripts(t, map[string]string{"a.cgi": "#!/bin/sh\necho\n"}, rawhttp.WithScript(".cgi"))
	name := filepath.Join(s.root, "a.cgi")
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := outputAnswer("\n")
	if err := exec.Command(name).Run(); errors.Is(err, syscall.ETXTBSY) {
		want = statusAnswer(503)
	}
	want.check(t, "/a.cgi while it is written", s.ask(t, "/a.cgi").answer(t))
	f.Close()
	outputAnswer("\n").check(t, "/a.cgi", s.ask(t, "/a.cgi").answer(t))
}

// Pipelined requests around a script: the answers before it are sent at once, and those after
// it wait.
func TestScriptAmongPipelinedRequests(t *testing.T) {
	t.Parallel()
	s := serveScripts(t, map[string]string{
		"slow.sh":   "read x <gate; echo; echo slow",
		"stream.sh": "echo; echo one; read x <gate; echo two",
		"post.sh":   "echo; cat",
	})
	open := s.gate(t)
	c := s.dial(t)
	c.send(t, getRequest("/hello.txt")+getRequest("/hello.txt")+getRequest("/slow.sh")+postBegun("/post.sh", 4, "post")+getRequest("/stream.sh")+getRequest("/hello.txt"))
	for range 2 {
		wholeAnswer("hello\n").check(t, "/hello.txt while the script waits", c.answer(t))
	}
	open()
	outputAnswer("\nslow\n").check(t, "/slow.sh", c.answer(t))
	outputAnswer("\npost").check(t, "/post.sh", c.answer(t))
	resp := c.head(t)
	open()
	scriptAnswer{200, "chunked", "\none\ntwo\n", false}.check(t, "/stream.sh", readScriptAnswer(resp))
	wholeAnswer("hello\n").check(t, "/hello.txt", c.answer(t))
}

// A resolver that drops the response of a script ends the script by closing the response.
func TestScriptResponseDropped(t *testing.T) {
	t.Parallel()
	const script = "echo; echo line; echo $$ >pid; exec sleep 1000"
	failed := errors.New("dropped")
	tests := []struct {
		name string
		wrap func(rawhttp.Resolver) rawhttp.Resolver
		want scriptAnswer
	}{
		{"by a wrapper that calls Close", func(r rawhttp.Resolver) rawhttp.Resolver {
			return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
				resp, err := r.Resolve(ctx, req)
				if err != nil {
					return nil, err
				}
				return rawhttp.Text(200, "mine\n"), resp.Close()
			})
		}, wholeAnswer("mine\n")},
		{"by First", func(r rawhttp.Resolver) rawhttp.Resolver {
			return rawhttp.First(rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
				resp, _ := r.Resolve(ctx, req)
				return resp, fs.ErrNotExist
			}), answerText("next\n"))
		}, wholeAnswer("next\n")},
		{"by the server", func(r rawhttp.Resolver) rawhttp.Resolver {
			return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
				resp, _ := r.Resolve(ctx, req)
				return resp, failed
			})
		}, statusAnswer(500)},
		{"by a panic after it", func(r rawhttp.Resolver) rawhttp.Resolver {
			return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
				resp, _ := r.Resolve(ctx, req)
				defer resp.Close()
				panic("dropped")
			})
		}, statusAnswer(500)},
		{"because it is invalid", func(r rawhttp.Resolver) rawhttp.Resolver {
			return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
				resp, err := r.Resolve(ctx, req)
				return resp.Set("X-A", "\n"), err
			})
		}, statusAnswer(500)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &scriptSite{root: scriptFolder(t, map[string]string{"a.sh": script})}
			files := filesOfDir(t, s.root, rawhttp.WithScript(".sh", "sh"), rawhttp.WithScriptTimeout(0))
			_, s.addr = listen(t, rawhttp.WithResolver(tt.wrap(files)))
			tt.want.check(t, "/a.sh", s.ask(t, "/a.sh").answer(t))
			awaitGone(t, s.awaitPid(t, "pid"))
		})
	}
}

// A script also runs without a server: Response.WriteTo and WriteResponse write its output. The
// response of a script that has ended can be written repeatedly.
func TestScriptWithoutServer(t *testing.T) {
	t.Parallel()
	s := &scriptSite{root: scriptFolder(t, map[string]string{"held.sh": "echo; echo held", "cat.sh": "echo; cat"})}
	files := filesOfDir(t, s.root, rawhttp.WithScript(".sh", "sh"))

	var resp *rawhttp.Response
	var b bytes.Buffer
	for range 100 { // on a busy machine it may take longer to end than its output is held
		b.Reset()
		resp = resolveScript(t, files, getRequest("/held.sh"))
		if n, err := resp.WriteTo(&b); err != nil || n != int64(b.Len()) {
			t.Fatalf("WriteTo of /held.sh = %d, %v, and %d bytes are written", n, err, b.Len())
		}
		if !strings.Contains(b.String(), "chunked") {
			break
		}
		resp.Close()
	}
	var again bytes.Buffer
	if _, err := resp.WriteTo(&again); err != nil {
		t.Errorf("WriteTo of /held.sh, the second time: %v", err)
	}
	want := pageAnswer("\nheld\n")
	if diff := cmp.Diff([]string{want, want}, []string{b.String(), again.String()}); diff != "" {
		t.Errorf("WriteTo of /held.sh twice (-want +got):\n%s", diff)
	}

	resp = resolveScript(t, files, postRequest("/cat.sh", "content"))
	b.Reset()
	if persist, err := rawhttp.WriteResponse(context.Background(), &b, requestOf(t, getRequest("/cat.sh")), resp); !persist || err != nil {
		t.Errorf("WriteResponse = %v, %v, want true, nil", persist, err)
	}
	outputAnswer("\ncontent").check(t, "POST /cat.sh", readScriptAnswer(readResponse(t, &b)))
}

// The output of a running script can be written once: by its response or by a clone.
func TestScriptResponseCloned(t *testing.T) {
	t.Parallel()
	s := &scriptSite{root: scriptFolder(t, map[string]string{"stream.sh": "echo; echo begin; read x <gate; echo end"})}
	open := s.gate(t)
	resp := resolveScript(t, filesOfDir(t, s.root, rawhttp.WithScript(".sh", "sh")), getRequest("/stream.sh"))
	changed := resp.Clone().Set("X-A", "b")
	open()
	var b bytes.Buffer
	if _, err := changed.WriteTo(&b); err != nil {
		t.Errorf("WriteTo of a clone: %v", err)
	}
	answer := readResponse(t, &b)
	if got := answer.Header.Get("X-A"); got != "b" {
		t.Errorf("WriteTo of a clone: X-A is %q, want the value that was set", got)
	}
	scriptAnswer{200, "chunked", "\nbegin\nend\n", false}.check(t, "/stream.sh", readScriptAnswer(answer))
	b.Reset()
	if n, err := resp.WriteTo(&b); err == nil || n != 0 {
		t.Errorf("WriteTo after a clone has been written = %d, %v, want 0 and an error", n, err)
	}
	if err := errors.Join(changed.Close(), resp.Close()); err != nil {
		t.Errorf("Close = %v, want nil", err)
	}
}

// resolveScript returns the response to a request, which has its content after its head.
func resolveScript(t testing.TB, files *rawhttp.FileResolver, request string) *rawhttp.Response {
	t.Helper()
	req := requestOf(t, request)
	_, content := splitHead(request)
	req.Body = strings.NewReader(content)
	resp, err := files.Resolve(context.Background(), req)
	if err != nil {
		t.Fatalf("Resolve of %q: %v", request, err)
	}
	return resp
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

// The end of the context ends the script, whatever the script is doing.
func TestScriptContextEnds(t *testing.T) {
	t.Parallel()
	cause := errors.New("no longer wanted")
	s := &scriptSite{root: scriptFolder(t, map[string]string{
		"silent.sh": "echo $$ >silent; exec sleep 1000",
		"block.sh":  "echo 'Content-Type: text/plain'; echo $$ >block; exec sleep 1000",
		"fields.sh": "echo 'Content-Type: text/plain'; echo; echo $$ >fields; exec sleep 1000",
		"stream.sh": "echo; echo begin; echo $$ >stream; exec sleep 1000",
		"unread.sh": "echo; echo $$ >unread; while :; do echo line; done",
		"input.sh":  "echo $$ >input; cat",
	})}
	files := filesOfDir(t, s.root, rawhttp.WithScript(".sh", "sh"), rawhttp.WithScriptTimeout(0), rawhttp.WithMaxScripts(1))
	for _, name := range []string{"silent", "block", "fields"} {
		ctx, cancel := context.WithCancelCause(context.Background())
		go func() {
			defer cancel(cause) // even if await fails
			s.await(t, name)
		}()
		resp, err := files.Resolve(ctx, requestOf(t, getRequest("/"+name+".sh")))
		if err != cause || resp != nil {
			t.Errorf("Resolve of /%s.sh = %v, %v, want the cause of the context's end", name, resp, err)
		}
		awaitGone(t, s.awaitPid(t, name))
	}
	for _, name := range []string{"stream", "unread"} {
		ctx, cancel := context.WithCancelCause(context.Background())
		req := requestOf(t, getRequest("/"+name+".sh"))
		resp, err := files.Resolve(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		cancel(cause)
		if _, err := rawhttp.WriteResponse(context.Background(), io.Discard, req, resp); !errors.Is(err, cause) {
			t.Errorf("WriteResponse of /%s.sh = %v, want the cause of the context's end", name, err)
		}
		awaitGone(t, s.awaitPid(t, name))
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	if _, err := files.Resolve(ctx, requestOf(t, getRequest("/silent.sh"))); err != cause {
		t.Errorf("Resolve with a context that has ended = %v, want its cause", err)
	}

	// Content of a request without a server is read first. If that fails, no script runs.
	req := requestOf(t, postBegun("/input.sh", 100, ""))
	late := &rawhttp.StatusError{Status: 408, Err: os.ErrDeadlineExceeded}
	r, w := io.Pipe()
	req.Body = r
	go func() {
		w.Write([]byte("some"))
		w.CloseWithError(late)
	}()
	if _, err := files.Resolve(context.Background(), req); err != late {
		t.Errorf("Resolve with content that fails with %v = %v, want the same error", late, err)
	}
	if _, err := os.Stat(filepath.Join(s.root, "input")); err == nil {
		t.Error("the script ran although its content failed")
	}
}

// A request whose script does not start, since its context ends before, releases its turn and the
// file that holds its content. The test is not parallel, since it counts descriptors.
func TestScriptNotStartedReleasesAll(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // no finalizer closes a file
	s := &scriptSite{root: scriptFolder(t, map[string]string{"held.sh": "echo >held; read x <gate; echo", "cat.sh": "cat"})}
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

// Close of a file resolver lets requests in progress finish, ends the processes that scripts have
// left, and refuses new requests.
func TestFileResolverCloseEndsScripts(t *testing.T) {
	s := &scriptSite{root: scriptFolder(t, map[string]string{
		"held.sh":  "echo >held; read x <gate; echo; echo end",
		"left.sh":  "echo; echo $$ >left; exec >&-; exec sleep 1000",
		"later.sh": "echo >begun; read x <gate; echo; echo $$ >later; exec >&-; exec sleep 1000",
	})}
	open := s.gate(t)
	files := filesOfDir(t, s.root, rawhttp.WithScript(".sh", "sh"), rawhttp.WithScriptTimeout(0), rawhttp.WithMaxScripts(0))
	_, s.addr = listen(t, rawhttp.WithResolver(files))
	outputAnswer("\n").check(t, "/left.sh", s.ask(t, "/left.sh").answer(t))
	held, later := s.ask(t, "/held.sh"), s.ask(t, "/later.sh")
	s.await(t, "held")
	s.await(t, "begun")
	left := s.awaitPid(t, "left")
	if err := files.Close(); err != nil {
		t.Errorf("Close = %v, want nil", err)
	}
	if isAlive(left) {
		t.Error("a process that a script left runs after Close has returned")
	}
	statusAnswer(503).check(t, "/held.sh after Close", s.ask(t, "/held.sh").answer(t))
	open()
	open()
	outputAnswer("\nend\n").check(t, "/held.sh, in progress at Close", held.answer(t))
	outputAnswer("\n").check(t, "/later.sh, in progress at Close", later.answer(t))
	awaitGone(t, s.awaitPid(t, "later"))
}

// A hook that panics while a script reads its content ends the connection, not the program.
func TestHookPanicsWhileScriptReads(t *testing.T) {
	t.Parallel()
	s := &scriptSite{root: scriptFolder(t, map[string]string{"a.sh": "echo $$ >pid; cat"})}
	reads := 0
	_, s.addr = listen(t, rawhttp.WithRoot(s.root), rawhttp.WithScript(".sh", "sh"), rawhttp.WithTrace(rawhttp.Trace{BytesRead: func(uint64, uint64, []byte) {
		if reads++; reads == 2 {
			panic("hook")
		}
	}}))
	c := s.dial(t)
	c.send(t, postBegun("/a.sh", 6, "con"))
	pid := s.awaitPid(t, "pid")
	c.send(t, "ten")
	statusAnswer(500).check(t, "/a.sh, whose content cannot be read", c.answer(t))
	if b, err := io.ReadAll(c.r); len(b) > 0 || err != nil {
		t.Errorf("after the answer: %q, %v, want io.EOF", b, err)
	}
	awaitGone(t, pid)
}

// A hook that panics while content is read ends the connection even if the script has ended: it is
// unknown where the content ends.
func TestHookPanicsAfterScript(t *testing.T) {
	root := scriptFolder(t, map[string]string{"a.sh": "echo; head -c 130000 /dev/zero; echo >ended"})
	s := newServer(t, rawhttp.WithRoot(root), rawhttp.WithScript(".sh", "sh"), rawhttp.WithTrace(rawhttp.Trace{BytesRead: func(_, _ uint64, b []byte) {
		if strings.HasPrefix(string(b), "content") {
			panic("hook")
		}
	}}))
	client, server := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- s.ServeConn(context.Background(), server) }()
	io.WriteString(client, postBegun("/a.sh", 1000, ""))
	waitUntil(t, "the script has ended", func() bool { _, err := os.Stat(filepath.Join(root, "ended")); return err == nil })
	awaitNoScripts(t)
	io.WriteString(client, "content")
	go io.WriteString(client, strings.Repeat("x", 993)+getRequest("/"))
	answer, _ := io.ReadAll(client)
	if strings.Count(string(answer), "HTTP/1.1") != 1 || strings.HasSuffix(string(answer), "\r\n0\r\n\r\n") {
		t.Errorf("answer has %d bytes that end in %.20q, want a cut answer", len(answer), answer[max(0, len(answer)-20):])
	}
	if err := <-served; err == nil {
		t.Error("ServeConn = nil, want an error about the panic")
	}
}
