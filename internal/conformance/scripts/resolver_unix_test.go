//go:build unix

package scripts_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// A resolver that drops the response of a script ends the script by closing the response.
func TestScriptResponseDropped(t *testing.T) {
	t.Parallel()
	const script = "echo $$ >pid; echo; echo line; exec sleep 1000"
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
	s := &scriptSite{root: scriptFolder(t, map[string]string{"held.sh": "echo; echo held", "cat.sh": "echo; exec cat"})}
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

// The end of the context ends the script, whatever the script is doing.
func TestScriptContextEnds(t *testing.T) {
	t.Parallel()
	cause := errors.New("no longer wanted")
	s := &scriptSite{root: scriptFolder(t, map[string]string{
		"silent.sh": "echo $$ >silent; exec sleep 1000",
		"block.sh":  "echo 'Content-Type: text/plain'; echo $$ >block; exec sleep 1000",
		"fields.sh": "echo 'Content-Type: text/plain'; echo; echo $$ >fields; exec sleep 1000",
		"stream.sh": "echo $$ >stream; echo; echo begin; exec sleep 1000",
		"unread.sh": "echo $$ >unread; echo; while :; do echo line; done",
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

type panicReader struct{}

func (panicReader) Read([]byte) (int, error) { panic("on purpose") }

// A panic of the reader that the program gave to Request.Content reaches the caller of Resolve: no
// other goroutine could recover it.
func TestScriptContentPanics(t *testing.T) {
	t.Parallel()
	root := scriptFolder(t, map[string]string{"a.sh": "cat"})
	req, rest, err := rawhttp.ParseRequest([]byte(postBegun("/a.sh", 8, "con")))
	if err != nil {
		t.Fatal(err)
	}
	req.Body = req.Content(rest, panicReader{})
	defer func() {
		if got := recover(); got != "on purpose" {
			t.Errorf("Resolve panics with %v, want the value of the reader's panic", got)
		}
	}()
	filesOfDir(t, root, rawhttp.WithScript(".sh", "sh")).Resolve(t.Context(), req)
}
