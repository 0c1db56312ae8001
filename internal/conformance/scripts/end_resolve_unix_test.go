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
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// If a script cannot be started, the client gets a status and the log has the reason. The
// test is not parallel: a process that another test starts may inherit a descriptor that is
// open for writing, which keeps the file busy.
func TestScriptCannotBeStarted(t *testing.T) { // not parallel: a fork of another test may hold the script open for writing
	tests := []struct {
		name, text string
		mode       os.FileMode
		want       int
		log        []string
		why        string
	}{
		{"interpreter is missing", "#!/nowhere/interpreter\necho\n", 0o755, 500, []string{"ERROR", "a.cgi", "no such file"}, "not 404, since the resource exists"},
		{"interpreter is missing, with blanks and arguments", "#! \t/nowhere/interpreter -x y\necho\n", 0o755, 500, []string{"ERROR", `a.cgi" with interpreter "/nowhere/interpreter": no such file`}, "the log must not say that the script is missing"},
		{"interpreter is missing, without a line feed", "#!/nowhere/interpreter", 0o755, 500, []string{"ERROR", `a.cgi" with interpreter "/nowhere/interpreter": no such file`}, "as above"},
		{"interpreter is missing, by a relative path", "#!nowhere\n", 0o755, 500, []string{"ERROR", `a.cgi" with interpreter "nowhere": no such file`}, "as above"},
		{"lines end in CRLF", "#!/bin/sh\r\necho\r\n", 0o755, 500, []string{"ERROR", `a.cgi" with interpreter "/bin/sh\r" (its #! line ends in CR): no such file`}, "editors on Windows save files this way"},
		{"interpreter of the interpreter is missing", "#!ROOT/run\necho\n", 0o755, 500, []string{"ERROR", `/run" with interpreter "/nowhere/deeper": `}, "some systems follow the chain and run nothing"},
		{"interpreter is below a file", "#!/bin/sh/x\necho\n", 0o755, 500, []string{"ERROR", `a.cgi" with interpreter "/bin/sh/x": not a directory`}, "the interpreter is missing in another way"},
		{"interpreter is not executable", "#!ROOT/hello.txt\necho\n", 0o755, 500, []string{"ERROR", `a.cgi" with interpreter "`, `/hello.txt": permission denied`}, "a misconfiguration, not a lack of permission for the client"},
		{"interpreter is a folder", "#!/\necho\n", 0o755, 500, []string{"ERROR", `a.cgi" with interpreter "/": permission denied`}, "a misconfiguration, not a lack of permission for the client"},
		{"no interpreter is named", "echo\n", 0o755, 500, []string{"ERROR", "a.cgi", "exec format error"}, "no shell is tried"},
		{"empty", "", 0o755, 500, []string{"ERROR", "a.cgi", "exec format error"}, "as above"},
		{"not executable", "#!/bin/sh\necho\n", 0o644, 403, []string{"DEBUG", "a.cgi", "not executable"}, "the answer is 403, never the source"},
		{"fine", "#!/bin/sh\necho\n", 0o755, 200, nil, "shows that the other rows fail for their own reasons"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serveScripts(t, map[string]string{"run": "#!/nowhere/deeper -x\n", "plain": "echo\n"}, rawhttp.WithScript(".cgi"))
			tt.text = strings.ReplaceAll(tt.text, "ROOT", s.root)
			writeScript(t, filepath.Join(s.root, "a.cgi"), tt.text, tt.mode)
			want := statusAnswer(tt.want)
			if tt.want == 200 {
				want = wholeAnswer("\n")
			}
			for range 2 {
				want.check(t, "/a.cgi: "+tt.why, s.ask(t, "/a.cgi").answer(t))
			}
			if tt.log != nil && s.log.Lines("", tt.log...) == nil {
				t.Errorf("log is %q, want a line with %q", s.log.Lines(""), tt.log)
			}
		})
	}
}

// The log names an interpreter that was removed after the server started.
func TestScriptInterpreterRemoved(t *testing.T) {
	tools := t.TempDir()
	writeScript(t, filepath.Join(tools, "tool"), "#!/nowhere/interpreter\n", 0o755)
	s := serveScripts(t, map[string]string{"a.x": ""}, rawhttp.WithScript(".x", filepath.Join(tools, "tool")))
	statusAnswer(500).check(t, "/a.x, whose interpreter has none", s.ask(t, "/a.x").answer(t))
	awaitLine(t, s.log, "ERROR", `start "`+tools+`/tool" with interpreter "/nowhere/interpreter": no such file`)
	if err := os.Remove(filepath.Join(tools, "tool")); err != nil {
		t.Fatal(err)
	}
	statusAnswer(500).check(t, "/a.x, whose interpreter was removed", s.ask(t, "/a.x").answer(t))
	awaitLine(t, s.log, "ERROR", `start "`+tools+`/tool": no such file`)
}

// On some systems a file that is open for writing is busy and cannot be executed.
func TestScriptOpenForWriting(t *testing.T) {
	s := serveScripts(t, map[string]string{"a.cgi": "#!/bin/sh\necho\n"}, rawhttp.WithScript(".cgi"))
	name := filepath.Join(s.root, "a.cgi")
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := wholeAnswer("\n")
	if err := exec.Command(name).Run(); errors.Is(err, syscall.ETXTBSY) {
		want = statusAnswer(503)
	}
	want.check(t, "/a.cgi while it is written", s.ask(t, "/a.cgi").answer(t))
	f.Close()
	wholeAnswer("\n").check(t, "/a.cgi", s.ask(t, "/a.cgi").answer(t))
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
		wholeAnswer("hello\n").check(t, "/hello.txt before the script is let go on", c.answer(t))
	}
	open()
	wholeAnswer("\nslow\n").check(t, "/slow.sh", c.answer(t))
	wholeAnswer("\npost").check(t, "/post.sh", c.answer(t))
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

// A script also runs without a server.
func TestScriptWithoutServer(t *testing.T) {
	t.Parallel()
	s := &scriptSite{root: scriptFolder(t, map[string]string{
		"held.sh":   "echo; echo held",
		"stream.sh": "echo; echo begin; read x <gate; echo end",
		"cat.sh":    "echo; cat",
	})}
	open := s.gate(t)
	files := filesOfDir(t, s.root, rawhttp.WithScript(".sh", "sh"))
	resolve := func(request string) *rawhttp.Response {
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
	const head = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
	const fields = "X-Content-Type-Options: nosniff\r\n"
	held := head + "Content-Length: 6\r\n" + fields + "\r\n\nheld\n"
	read := func(b *bytes.Buffer) *http.Response { // where chunks begin depends on the time
		t.Helper()
		answer, err := http.ReadResponse(bufio.NewReader(b), nil)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}

	var resp *rawhttp.Response
	var b bytes.Buffer
	for range 100 { // on a busy machine it may take longer to end than its output is held
		b.Reset()
		resp = resolve(getRequest("/held.sh"))
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
	if diff := cmp.Diff([]string{held, held}, []string{b.String(), again.String()}); diff != "" {
		t.Errorf("WriteTo of /held.sh twice (-want +got):\n%s", diff)
	}

	resp = resolve(getRequest("/stream.sh"))
	changed := resp.Clone().Set("X-A", "b")
	open()
	b.Reset()
	if _, err := changed.WriteTo(&b); err != nil {
		t.Errorf("WriteTo of a clone of /stream.sh: %v", err)
	}
	answer := read(&b)
	if got := answer.Header.Get("X-A"); got != "b" {
		t.Errorf("WriteTo of a clone of /stream.sh: X-A is %q, want the value that was set", got)
	}
	scriptAnswer{200, "chunked", "\nbegin\nend\n", false}.check(t, "/stream.sh", readScriptAnswer(answer))
	b.Reset()
	if n, err := resp.WriteTo(&b); err == nil || n != 0 {
		t.Errorf("WriteTo after a clone has been written = %d, %v, want 0 and an error", n, err)
	}
	if err := errors.Join(changed.Close(), resp.Close()); err != nil {
		t.Errorf("Close = %v, want nil", err)
	}

	resp = resolve(postBegun("/cat.sh", 7, "content"))
	b.Reset()
	if persist, err := rawhttp.WriteResponse(context.Background(), &b, requestOf(t, getRequest("/cat.sh")), resp); !persist || err != nil {
		t.Errorf("WriteResponse = %v, %v, want true, nil", persist, err)
	}
	if content, err := io.ReadAll(read(&b).Body); err != nil || string(content) != "\ncontent" {
		t.Errorf("WriteResponse of /cat.sh wrote the content %q, %v, want that of the request", content, err)
	}
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
	files := filesOfDir(t, s.root, rawhttp.WithScript(".sh", "sh"), rawhttp.WithScriptTimeout(0), rawhttp.WithMaxScripts(0))
	for _, name := range []string{"silent", "block", "fields"} {
		ctx, cancel := context.WithCancelCause(context.Background())
		go func() {
			s.await(t, name)
			cancel(cause)
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
	wholeAnswer("\n").check(t, "/left.sh", s.ask(t, "/left.sh").answer(t))
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
	wholeAnswer("\nend\n").check(t, "/held.sh, in progress at Close", held.answer(t))
	wholeAnswer("\n").check(t, "/later.sh, in progress at Close", later.answer(t))
	awaitGone(t, s.awaitPid(t, "later"))
}

// A hook that panics while a script reads its content ends the connection, not the program.
func TestHookPanicsWhileScriptReads(t *testing.T) {
	t.Parallel()
	s := &scriptSite{root: scriptFolder(t, map[string]string{"a.sh": "echo $$ >pid; cat"})}
	reads := 0
	_, s.addr = listen(t, rawhttp.WithRoot(s.root), rawhttp.WithScript(".sh", "sh"), rawhttp.WithTrace(rawhttp.Trace{BytesRead: func(conn, _ uint64, _ []byte) {
		if reads++; reads == 2 {
			panic("hook")
		}
	}}))
	c := s.dial(t)
	c.send(t, postBegun("/a.sh", 6, "con"))
	pid := s.awaitPid(t, "pid")
	c.send(t, "ten")
	want := statusAnswer(500)
	want.check(t, "a script whose feeding fails", c.answer(t))
	if b, err := io.ReadAll(c.r); len(b) > 0 || err != nil {
		t.Errorf("then the client read %q, %v, want io.EOF", b, err)
	}
	awaitGone(t, pid)
}

// The same holds if the script has already ended and its client has yet to read the output:
// the position in the content is unknown.
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
		t.Errorf("ServeConn = nil, want an error about the panic")
	}
}
