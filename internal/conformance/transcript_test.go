package conformance_test

import (
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// A lineWriter collects the lines that a Transcript writes.
type lineWriter struct {
	mu    sync.Mutex
	lines []string
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

func hello(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
	return rawhttp.Text(200, "hello\n"), nil
}

// The last line of a connection says which side closed it, and why.
func TestTranscriptSaysWhoCloses(t *testing.T) {
	const get = "GET / HTTP/1.1\r\nHost: a\r\n"
	tests := []struct {
		name  string
		sends string
		then  func(client net.Conn, stop context.CancelFunc)
		want  string
	}{
		{"the client closes", get + "\r\n", func(c net.Conn, _ context.CancelFunc) { c.Close() }, "#1 C ==> closes"},
		{"the client is silent", get + "\r\n", nil, "#1 S <== closes (idle 75 s)"},
		{"nothing", "", nil, "#1 S <== closes (idle 10 s)"},
		{"the client sends Connection: close", get + "Connection: close\r\n\r\n", nil, "#1 S <== closes (after the answer)"},
		{"the request is refused", "GET\r\n\r\n", nil, "#1 S <== closes (after the answer)"},
		{"the head is late", "GET / HT", nil, "#1 S <== closes (after the answer)"},
		{"the server shuts down", get + "\r\n", func(_ net.Conn, stop context.CancelFunc) { stop() }, "#1 S <== closes (the server stops)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var w lineWriter
				srv, err := rawhttp.New(rawhttp.WithResolver(rawhttp.ResolverFunc(hello)), rawhttp.WithTrace(rawhttp.Transcript(&w)))
				if err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				client, server := net.Pipe()
				go io.Copy(io.Discard, client)
				served := make(chan struct{})
				go func() { srv.ServeConn(ctx, server); close(served) }()
				io.WriteString(client, tt.sends)
				synctest.Wait()
				if tt.then != nil {
					tt.then(client, stop)
				}
				<-served
				client.Close()
				if got := w.lines[len(w.lines)-1]; got != tt.want {
					t.Errorf("last line after %q: %q, want %q", tt.sends, got, tt.want)
				}
			})
		})
	}
}

// A refusal is marked at its byte, below its line.
func TestTranscriptMarksRefusals(t *testing.T) {
	tests := []struct {
		name  string
		sends string
		want  []string // the line before the mark, and the line with the mark
	}{{
		name:  "two spaces",
		sends: "GET  /a HTTP/1.1\r\nHost: x\r\n\r\n",
		want: []string{
			"#1.1 C --> GET  /a HTTP/1.1<CRLF>",
			"#1.1           ^ more than one space between the parts of the request line (RFC 9112, section 3): 400",
		},
	}, {
		name:  "a blank before the colon",
		sends: "GET /a HTTP/1.1\r\nHost : x\r\nA: b\r\n\r\n",
		want: []string{
			"#1.1 C --> Host : x<CRLF>",
			"#1.1           ^ field name is not a token (RFC 9112, section 5.1): 400",
		},
	}, {
		name:  "no Host",
		sends: "GET /a HTTP/1.1\r\nA: b\r\n\r\n",
		want: []string{
			"#1.1 C --> <CRLF>",
			"#1.1       ^ Host field is missing (RFC 9112, section 3.2): 400",
		},
	}, {
		name:  "a control byte, which is shown as four characters",
		sends: "GET /a HTTP/1.1\r\nHost: x\r\nX: \x00\r\n\r\n",
		want: []string{
			`#1.1 C --> X: \x00<CRLF>`,
			"#1.1          ^ field value has a control byte (RFC 9110, section 5.5): 400",
		},
	}, {
		name:  "a chunk",
		sends: "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n",
		want: []string{
			"#1.1 C --> zz<CRLF>",
			"#1.1       ^ chunk size is not a hexadecimal number (RFC 9112, section 7.1): 400",
		},
	}, {
		name:  "a limit, which has no position",
		sends: "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
		want: []string{
			"#1.1 C --> <CRLF>",
			"#1.1 C     (content of 99999999999 bytes, the limit is 10485760: 413)",
		},
	}}
	read := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		_, err := io.Copy(io.Discard, req.Body)
		return rawhttp.Text(200, "hello\n"), err
	})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var w lineWriter
				srv, err := rawhttp.New(rawhttp.WithResolver(read), rawhttp.WithTrace(rawhttp.Transcript(&w)))
				if err != nil {
					t.Fatal(err)
				}
				client, server := net.Pipe()
				go io.Copy(io.Discard, client)
				served := make(chan struct{})
				go func() { srv.ServeConn(t.Context(), server); close(served) }()
				io.WriteString(client, tt.sends)
				time.Sleep(time.Second)
				client.Close()
				<-served
				i := slices.Index(w.lines, tt.want[1])
				if i < 1 {
					t.Fatalf("Transcript of %q has no line %q:\n%s", tt.sends, tt.want[1], strings.Join(w.lines, "\n"))
				}
				if diff := cmp.Diff(tt.want, w.lines[i-1:i+1]); diff != "" {
					t.Errorf("Transcript of %q (-want +got):\n%s", tt.sends, diff)
				}
			})
		})
	}
}

// The options select how much of the content is shown, and whether there are colors.
func TestTranscriptOptions(t *testing.T) {
	const shown = "#1.1 S <-- hello<LF>"
	tests := []struct {
		name string
		opts []rawhttp.TranscriptOption
		want string
	}{
		{"none", nil, shown},
		{"nil", []rawhttp.TranscriptOption{nil}, shown},
		{"no content", []rawhttp.TranscriptOption{rawhttp.TranscriptContent(0)}, "#1.1 S     (6 bytes of text/plain)"},
		{"all content", []rawhttp.TranscriptOption{rawhttp.TranscriptContent(-1)}, shown},
		{"the later option wins", []rawhttp.TranscriptOption{rawhttp.TranscriptContent(0), rawhttp.TranscriptContent(1)}, shown},
		{"colors", []rawhttp.TranscriptOption{rawhttp.TranscriptColor(true)}, "\x1b[32m" + shown + "\x1b[0m"},
		{"colors off", []rawhttp.TranscriptOption{rawhttp.TranscriptColor(true), rawhttp.TranscriptColor(false)}, shown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := transcriptOfGet(t, rawhttp.ResolverFunc(hello), tt.opts...)
				if !slices.Contains(w.lines, tt.want) {
					t.Errorf("no line %q in:\n%s", tt.want, strings.Join(w.lines, "\n"))
				}
			})
		})
	}
}

// Decoded content is shown, and marked as not being on the wire.
func TestTranscriptDecoder(t *testing.T) {
	coded := rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, "OLLEH\n").Set("Content-Encoding", "shout"), nil
	})
	whisper := func(coding string, b []byte) []byte {
		if coding != "shout" {
			return nil
		}
		return []byte(strings.ToLower(string(b)))
	}
	for _, tt := range []struct {
		name    string
		decoder func(string, []byte) []byte
		want    bool
	}{
		{"none", nil, false},
		{"of the coding", whisper, true},
		{"of another coding", func(string, []byte) []byte { return nil }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := transcriptOfGet(t, coded, rawhttp.TranscriptDecoder(tt.decoder))
				const line = "| olleh<LF>"
				if got := slices.ContainsFunc(w.lines, func(s string) bool { return strings.HasSuffix(s, line) && !strings.Contains(s, "<--") }); got != tt.want {
					t.Errorf("has a line that ends in %q: %v, want %v, in:\n%s", line, got, tt.want, strings.Join(w.lines, "\n"))
				}
			})
		})
	}
}

// transcriptOfGet returns what a Transcript with the options writes about one request.
func transcriptOfGet(t *testing.T, r rawhttp.Resolver, opts ...rawhttp.TranscriptOption) *lineWriter {
	t.Helper()
	w := new(lineWriter)
	srv, err := rawhttp.New(rawhttp.WithResolver(r), rawhttp.WithTrace(rawhttp.Transcript(w, opts...)))
	if err != nil {
		t.Fatal(err)
	}
	client, server := net.Pipe()
	go io.Copy(io.Discard, client)
	served := make(chan struct{})
	go func() { srv.ServeConn(t.Context(), server); close(served) }()
	io.WriteString(client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	<-served
	client.Close()
	return w
}
