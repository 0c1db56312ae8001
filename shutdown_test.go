package rawhttp

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// liveServing serves a listener in memory, inside synctest.
func liveServing(t *testing.T, opts ...Option) (*Server, *liveListener, chan error) {
	t.Helper()
	s := newServer(t, append([]Option{WithDate(false)}, opts...)...)
	ln := newLiveListener()
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background(), ln) }()
	return s, ln, served
}

// The moment of a stop may be any: an answer that is made is sent, and a request
// that came with it is answered or not begun.
func TestStopBehindAnAnswer(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"alone", liveGet("/a"), liveOK("/a")},
		{"with a request behind it", liveGet("/a") + liveGet("/b"), liveOK("/a") + liveLast("/b")},
		{"with content that nobody read", livePost("/a", "hello"), liveOK("/a")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var s *Server
				resolver := ResolverFunc(func(_ context.Context, req *Request) (*Response, error) {
					if req.Path() != "/a" {
						return Text(200, req.Path()), nil
					}
					body := struct {
						io.Reader
						io.Closer
					}{strings.NewReader("/a"), liveCloserFunc(func() error { s.stopAll(); return nil })}
					return Content(Representation{MediaType: "text/plain; charset=utf-8", Body: body, Size: 2}), nil
				})
				c := newLiveHalf(t, WithResolver(resolver))
				s = c.srv
				c.say(tt.in)
				c.Close()
				if diff := cmp.Diff(tt.want, c.heard()); diff != "" {
					t.Errorf("answers (-want +got):\n%s", diff)
				}
				if err := <-c.served; err != ErrServerClosed {
					t.Errorf("ServeConn = %v, want ErrServerClosed", err)
				}
			})
		})
	}
}

type liveCloserFunc func() error

func (f liveCloserFunc) Close() error { return f() }

// The folder of WithRoot is open until the last request is done.
func TestShutdownClosesRoot(t *testing.T) {
	root := t.TempDir()
	os.WriteFile(filepath.Join(root, "a.txt"), []byte("hello"), 0o644)
	get, _, err := ParseRequest([]byte(liveGet("/a.txt")))
	if err != nil {
		t.Fatal(err)
	}
	status := func(r Resolver) int {
		resp, err := r.Resolve(context.Background(), get)
		if err != nil {
			return StatusOf(err)
		}
		defer resp.Close()
		return resp.Status()
	}
	stops := map[string]func(*Server) error{
		"Shutdown": func(s *Server) error { return s.Shutdown(context.Background()) },
		"Close":    (*Server).Close,
	}
	for name, stop := range stops {
		for option, opt := range map[string]Option{"WithRoot": WithRoot(root), "WithFS": WithFS(os.DirFS(root))} {
			s := newServer(t, opt)
			if got := status(s.files); got != 200 {
				t.Errorf("%s before %s: status %d, want 200", option, name, got)
			}
			if err := stop(s); err != nil {
				t.Errorf("%s: %s = %v, want nil", option, name, err)
			}
			if got := status(s.files); got != 503 {
				t.Errorf("%s after %s: status %d, want 503", option, name, got)
			}
		}
		dir, err := Dir(root)
		if err != nil {
			t.Fatal(err)
		}
		if err := stop(newServer(t, WithResolver(dir))); err != nil {
			t.Errorf("%s = %v, want nil", name, err)
		}
		if got := status(dir); got != 200 {
			t.Errorf("resolver given by WithResolver after %s: status %d, want 200: it is not the server's", name, got)
		}
		dir.Close()
	}
}

// A request that is in progress when Shutdown begins still finds its file.
func TestShutdownServesFilesInProgress(t *testing.T) {
	root := t.TempDir()
	os.WriteFile(filepath.Join(root, "a.txt"), []byte("hello"), 0o644)
	var s *Server
	var once sync.Once
	stopped := make(chan error, 1)
	begun := make(chan struct{})
	s, addr := listen(t, WithRoot(root), WithTrace(Trace{ConnState: func(_ uint64, state ConnState) {
		if state == StateResolve { // before the file is opened
			once.Do(func() {
				go func() {
					close(begun)
					stopped <- s.Shutdown(context.Background())
				}()
				<-begun
				for !liveIsClosed(s) {
					runtime.Gosched()
				}
			})
		}
	}}))
	if got := talk(t, addr, liveGet("/a.txt")); !strings.HasPrefix(got, "HTTP/1.1 200 ") || !strings.HasSuffix(got, "\r\n\r\nhello") {
		t.Errorf("answer to a request in progress: %q, want the file", got)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Shutdown = %v, want nil", err)
	}
}

func liveIsClosed(s *Server) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}
