package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
)

func TestInform(t *testing.T) {
	const (
		hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
		final = "HTTP/1.1 204 No Content\r\n\r\n"
	)
	inform := func(t *testing.T, req *rawhttp.Request, want error) {
		t.Helper()
		if err := req.Inform(103, "Link", "</a.css>; rel=preload"); err != want {
			t.Errorf("Inform = %v, want %v", err, want)
		}
	}
	empty := func(do func(*testing.T, *rawhttp.Request)) func(*testing.T) rawhttp.Resolver {
		return func(t *testing.T) rawhttp.Resolver {
			return resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
				do(t, req)
				return rawhttp.Empty(204), nil
			})
		}
	}
	once := empty(func(t *testing.T, req *rawhttp.Request) { inform(t, req, nil) })
	tests := []struct {
		name, in string
		r        func(*testing.T) rawhttp.Resolver
		want     string
		why      string
	}{
		{"once", get11, once, hints + final, ""},
		{"HEAD", head11, once, hints + final, ""},
		{"pipelined", get11 + get11, once, hints + final + hints + final, "each 103 precedes its own final response"},
		{"HTTP/1.0", get10, once, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", "a 1.0 client gets no 1xx, RFC 9110, section 15.2"},
		{"twice", get11, empty(func(t *testing.T, req *rawhttp.Request) {
			if err := req.Inform(102); err != nil {
				t.Error(err)
			}
			inform(t, req, nil)
		}), "HTTP/1.1 102 Processing\r\n\r\n" + hints + final, ""},
		{"several fields", get11, empty(func(t *testing.T, req *rawhttp.Request) {
			if err := req.Inform(199, "A", "1", "A", "", "B", "2"); err != nil {
				t.Error(err)
			}
		}), "HTTP/1.1 199 \r\nA: 1\r\nA: \r\nB: 2\r\n\r\n" + final, "as given"},
		{"a wrapper's request", get11, empty(func(t *testing.T, req *rawhttp.Request) {
			inform(t, req.WithPath("/a").WithUser("u").WithConn(rawhttp.ConnInfo{}), nil)
		}), hints + final, "copies are of the same connection"},
		{"with content", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", empty(func(t *testing.T, req *rawhttp.Request) {
			inform(t, req, nil)
			io.ReadAll(req.Body)
			inform(t, req, nil)
		}), hints + hints + final, ""},
		{"StreamFunc", get11, func(t *testing.T) rawhttp.Resolver {
			return resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
				return rawhttp.StreamFunc(200, "a/b", func(_ context.Context, w io.Writer) error {
					inform(t, req, nil)
					io.WriteString(w, "abc")
					if err := req.Inform(103); err == nil {
						t.Error("Inform after the head = nil, want an error")
					}
					return nil
				}), nil
			})
		}, hints + "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "before its first Write"},
		{"before an error", get11, func(t *testing.T) rawhttp.Resolver {
			return resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
				inform(t, req, nil)
				return nil, errors.New("on purpose")
			})
		}, hints + failed + failedText, "any final response may follow"},
		{"a clone", get11, empty(func(t *testing.T, req *rawhttp.Request) {
			if err := req.Clone().Inform(103); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("Inform of a clone = %v, want an error that wraps ErrUnsupported", err)
			}
		}), final, "the clone does not belong to the connection"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, rawhttp.Answer(tt.r(t), tt.in)); diff != "" {
				t.Errorf("answer to %q (-want +got):\n%s\nwhy: %s", tt.in, diff, tt.why)
			}
		})
	}
}

// Inform fails after the head of the final response, where its bytes would be part of the next
// response or of another protocol.
func TestInformAfterTheHead(t *testing.T) {
	late := func(req *rawhttp.Request) {
		if err := req.Inform(103); err == nil {
			t.Error("Inform after the head = nil, want an error")
		}
	}
	tests := []struct {
		name, in string
		f        func(req *rawhttp.Request) *rawhttp.Response
		want     string
	}{
		{"OnClose", get11, func(req *rawhttp.Request) *rawhttp.Response {
			return rawhttp.Empty(204).OnClose(func() { late(req) })
		}, "HTTP/1.1 204 No Content\r\n\r\n"},
		{"Upgrade", askEcho, func(req *rawhttp.Request) *rawhttp.Response {
			return rawhttp.Upgrade("echo", func(context.Context, net.Conn) error {
				late(req)
				return nil
			})
		}, switched},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) { return tt.f(req), nil })
			if diff := cmp.Diff(tt.want, rawhttp.Answer(r, tt.in)); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInformRefuses(t *testing.T) {
	tests := []struct {
		name   string
		status int
		fields []string
	}{
		{"100, which the server sends", 100, nil},
		{"101, which Upgrade sends", 101, nil},
		{"a final status", 200, nil},
		{"no status", 0, nil},
		{"a name without value", 103, []string{"Link"}},
		{"a name that is not a token", 103, []string{"a b", "c"}},
		{"a line end in a value", 103, []string{"Link", "a\r\nSet-Cookie: b"}},
		{"framing", 103, []string{"content-length", "3"}},
		{"framing", 103, []string{"Transfer-Encoding", "chunked"}},
		{"connection", 103, []string{"Connection", "close"}},
		{"upgrade", 103, []string{"Upgrade", "h2c"}},
	}
	for _, request := range []string{get11, get10} {
		got := rawhttp.Answer(resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
			for _, tt := range tests {
				if err := req.Inform(tt.status, tt.fields...); err == nil || errors.Is(err, errors.ErrUnsupported) {
					t.Errorf("%s: Inform(%d, %q) = %v, want an error about the arguments", tt.name, tt.status, tt.fields, err)
				}
			}
			return rawhttp.Empty(204), nil
		}), request)
		if !strings.HasPrefix(got, "HTTP/1.1 204 ") {
			t.Errorf("answer %q, want only the final response", got)
		}
	}
	if err := requestOf(t, get11).Inform(103); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Inform without a connection = %v, want an error that wraps ErrUnsupported", err)
	}
	if err := requestOf(t, get11).Inform(200); err == nil || errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Inform(200) without a connection = %v, want an error about the status", err)
	}
}

// Inform of a Request from WithInform calls the function if the arguments are valid and the
// request is HTTP/1.1.
func TestWithInform(t *testing.T) {
	failed := errors.New("failed")
	keep := func(r *rawhttp.Request) *rawhttp.Request { return r }
	tests := []struct {
		name, request string
		status        int
		fields        []string
		change        func(*rawhttp.Request) *rawhttp.Request // a change after WithInform
		calls         []string
		want          func(error) bool
		why           string
	}{
		{"valid", get11, 103, []string{"Link", "</a>"}, keep, []string{"103 [Link </a>]"}, func(err error) bool { return err == failed }, "the error is that of the function"},
		{"other path", get11, 102, nil, func(r *rawhttp.Request) *rawhttp.Request { return r.WithPath("/b") }, []string{"102 []"}, func(err error) bool { return err == failed }, "copies keep the function"},
		{"status", get11, 200, nil, keep, nil, func(err error) bool { return err != nil && err != failed }, "not an informational status"},
		{"field", get11, 103, []string{"A"}, keep, nil, func(err error) bool { return err != nil && err != failed }, "a name without its value"},
		{"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", 103, nil, keep, nil, func(err error) bool { return err == nil }, "RFC 9110, section 15.2"},
		{"nil", get11, 103, nil, func(r *rawhttp.Request) *rawhttp.Request { return r.WithInform(nil) }, nil, func(err error) bool { return errors.Is(err, errors.ErrUnsupported) }, "as without WithInform"},
		{"Clone", get11, 103, nil, (*rawhttp.Request).Clone, nil, func(err error) bool { return errors.Is(err, errors.ErrUnsupported) }, "a Clone may outlive the response"},
	}
	for _, tt := range tests {
		var calls []string
		original, _, err := rawhttp.ParseRequest([]byte(tt.request))
		if err != nil {
			t.Fatal(err)
		}
		req := tt.change(original.WithInform(func(status int, fields ...string) error {
			calls = append(calls, fmt.Sprint(status, fields))
			return failed
		}))
		if err := req.Inform(tt.status, tt.fields...); !tt.want(err) {
			t.Errorf("%s: Inform(%d, %q) = %v: %s", tt.name, tt.status, tt.fields, err, tt.why)
		}
		if diff := cmp.Diff(tt.calls, calls); diff != "" {
			t.Errorf("%s: calls of the function (-want +got):\n%s\nwhy: %s", tt.name, diff, tt.why)
		}
		if err := original.Inform(103); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: Inform of the original = %v, want an error that wraps ErrUnsupported", tt.name, err)
		}
	}
}

// An informational response is in the Transcript, and reaches the client before the final
// response.
func TestInformReachesTranscriptAndClient(t *testing.T) {
	var transcript strings.Builder
	informed := make(chan struct{})
	s := newServer(t, rawhttp.WithDate(false), rawhttp.WithTrace(rawhttp.Transcript(&transcript)), rawhttp.WithResolver(resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
		if err := req.Inform(103, "Link", "</a>"); err != nil {
			t.Error(err)
		}
		<-informed
		return rawhttp.Empty(204), nil
	})))
	c, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		s.ServeConn(context.Background(), server)
		close(done)
	}()
	go io.WriteString(c, get11)
	wantRead(t, c, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
	close(informed)
	wantRead(t, c, "HTTP/1.1 204 No Content\r\n\r\n")
	c.Close()
	<-done
	if want := "#1.1 S <-- HTTP/1.1 103 Early Hints<CRLF>\n#1.1 S <-- Link: </a><CRLF>\n"; !strings.Contains(transcript.String(), want) {
		t.Errorf("the transcript lacks %q:\n%s", want, &transcript)
	}
}
