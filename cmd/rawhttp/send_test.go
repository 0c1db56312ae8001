package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp/internal/transcript"
)

// call calls run as the command line does, and returns what it printed.
func call(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs lockedBuffer
	status = run(stop{t.Context(), context.Background()}, args, strings.NewReader(stdin), &out, &errs)
	return status, out.String(), errs.String()
}

// withoutPauses returns what was shown of a conversation without the lines about pauses of a second
// or more, which there are on a busy machine.
func withoutPauses(shown string) string {
	return regexp.MustCompile(`(?m)^#[0-9.]+ +\([0-9.]+ s later\)\n`).ReplaceAllString(shown, "")
}

// closing returns the address of a server that closes each connection as soon as it has received
// something.
func closing(t *testing.T) (addr string) {
	t.Helper()
	return serveTCP(t, func(nc *net.TCPConn) { nc.Read(make([]byte, 1<<10)) })
}

// scripted starts a server that answers the first bytes of each connection with the text and
// records what it receives.
func scripted(t *testing.T, answer string, heard *lockedBuffer) (addr string) {
	t.Helper()
	return serveTCP(t, func(nc *net.TCPConn) {
		b := make([]byte, 4096)
		for first := true; ; first = false {
			n, err := nc.Read(b)
			heard.Write(b[:n])
			if err != nil {
				return
			}
			if first {
				io.WriteString(nc, answer)
			}
		}
	})
}

func TestSendIsExact(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		stdin string
		args  []string
		want  string
	}{
		{"lines", "", []string{"GET / HTTP/1.1", "Host: a", ""}, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
		{"LF alone", "", []string{"GET / HTTP/1.1", ""}, "GET / HTTP/1.1\n\n"},
		{"escapes", "", []string{`a\x00\t\\b\`, `\r\nc\\`}, "a\x00\t\\b\r\nc\\\r\n"},
		{"nothing is corrected", "", []string{"GET  /ü", "-x"}, "GET  /ü\r\n-x\r\n"},
		{"standard input, unchanged", "a\nb\\n\r", nil, "a\nb\\n\r"},
	}
	for _, tt := range tests {
		for _, split := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, -split=%v", tt.name, split), func(t *testing.T) {
				t.Parallel()
				heard := make(chan string, 1)
				addr := serveTCP(t, func(nc *net.TCPConn) {
					b := make([]byte, len(tt.want))
					nc.Read(b[:1])
					io.WriteString(nc, "HTTP/1.1 204 No Content\r\n\r\n")
					n, _ := io.ReadFull(nc, b[1:])
					nc.CloseWrite() // ends send
					more, _ := io.ReadAll(nc)
					heard <- string(b[:1+n]) + string(more)
				})
				args := []string{"send", "-wait", "30s", fmt.Sprintf("-split=%v", split)}
				if tt.name == "LF alone" {
					args = append(args, "-lf")
				}
				args = append(append(args, addr), tt.args...)
				status, stdout, stderr := call(t, tt.stdin, args...)
				if got := <-heard; status != 0 || got != tt.want {
					t.Errorf("%q sent %q, status %d, want %q, 0; output:\n%s%s", args, got, status, tt.want, stdout, stderr)
				}
			})
		}
	}
}

// When each request has its response, send does not wait for more as long as -wait permits.
func TestSendEndsAfterResponses(t *testing.T) {
	t.Parallel()
	var heard lockedBuffer
	addr := scripted(t, "HTTP/1.1 204 No Content\r\n\r\n", &heard)
	if status, _, stderr := call(t, "", "send", "-wait", "1h", addr, "GET / HTTP/1.1", "Host: a", ""); status != 0 || stderr != "" {
		t.Errorf("status %d, stderr %q, want 0 and nothing", status, stderr)
	}
}

func TestSendShowsBothSides(t *testing.T) {
	t.Parallel()
	var heard lockedBuffer
	addr := scripted(t, "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 3\r\n\r\n\x00\x01\x02", &heard)
	_, stdout, _ := call(t, "", "send", "-wait", "30s", addr, "GET / HTTP/1.1", "Host: a", "")
	_, shown, _ := strings.Cut(stdout, "\n")
	const want = `#1.1 C --> GET / HTTP/1.1<CRLF>
#1.1 C --> Host: a<CRLF>
#1.1 C --> <CRLF>
#1.1 S <-- HTTP/1.1 200 OK<CRLF>
#1.1 S <-- Content-Type: image/png<CRLF>
#1.1 S <-- Content-Length: 3<CRLF>
#1.1 S <-- <CRLF>
#1.1 S     (3 bytes of image/png)
`
	if diff := cmp.Diff(want, withoutPauses(shown)); diff != "" {
		t.Errorf("send shows (-want +got):\n%s", diff)
	}
}

func TestSendStatus(t *testing.T) {
	t.Parallel()
	var heard lockedBuffer
	answers := serveTCP(t, func(nc *net.TCPConn) {
		nc.Read(make([]byte, 100))
		io.WriteString(nc, "hello")
		nc.CloseWrite()
		io.Copy(io.Discard, nc)
	})
	open := scripted(t, "hello", &heard)
	silent := scripted(t, "", &heard)
	closes := closing(t)
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "a.txt")
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	tests := []struct {
		name  string
		args  []string
		want  int
		names string // in the output on stderr; "" means that it is empty
	}{
		{"no close", []string{open, file("> a\n< hello\\\n< (closed)\n")}, 1, "did not close"}, // first, since it waits longest
		{"an answer", []string{answers, "a"}, 0, ""},
		{"no answer", []string{silent, "a"}, 1, "no answer within 400ms"},
		{"a close", []string{closes, "a"}, 1, "closed the connection without an answer"},
		{"no server", []string{"127.0.0.1:1", "a"}, 1, "127.0.0.1:1"},
		{"the answer of a transcript", []string{answers, file("# a\n> GET /\n< hel\\\n< lo\\\n")}, 0, ""},
		{"two connections", []string{answers, file("> a\n< hello\\\n\n> b\n< hello\\\n")}, 0, ""},
		{"a different answer", []string{answers, file("> a\n< help\\\n")}, 1, `want "help", got "hell"`},
		{"too much", []string{answers, file("> a\n< hell\\\n")}, 1, `want no more, got "o"`},
		{"too little", []string{answers, file("> a\n< hello!\\\n")}, 1, `want "hello!", got no more`},
		{"too much before a close", []string{answers, file("> a\n< hell\\\n< (closed)\n")}, 1, `want no more, got "o"`},
		{"a file that is not a transcript", []string{answers, file("GET /\n")}, 2, "is not a transcript: line 1: want # = > or < at its beginning (to send the file itself, use standard input)"},
		{"an unknown directive", []string{answers, file("= refuse\n> a\n")}, 2, `unknown directive "refuse"`},
		{"a directive with too many bytes", []string{answers, file("= repeat 1048576 " + strings.Repeat("a", 100) + "\n> a\n")}, 2, "more than 67108864 bytes"},
		{"a device instead of a file", []string{answers, os.DevNull}, 0, ""},
		{"a missing file", []string{answers, "missing.txt"}, 2, "there is no transcript missing.txt"},
		{"text that is not a name", []string{answers, "see missing.txt"}, 0, ""},
		{"a directive for the server", []string{answers, file("= resolver echo\n= lenient\n\n> a\n< hello\\\n\n> a\n< hello\\\n")}, 0, "special settings of the server (resolver echo; lenient)"},
		{"an answer instead of none", []string{answers, file("> a\n< (nothing)\n")}, 1, `want no more, got "hello"`},
		{"no answer, as expected", []string{silent, file("> a\n< (nothing)\n")}, 0, ""},
		{"an unfinished head", []string{silent, "GET / HTTP/1.1", "Host: a"}, 1, "no answer within 400ms; the request lacks the empty line at the end of its head"},
		{"an unfinished line", []string{silent, "GET / HTTP/1.1", "Host: a\\"}, 1, "lacks the empty line at the end of its head"},
		{"too little content", []string{silent, "POST / HTTP/1.1", "Content-Length: 12", "", "hello"}, 1, "lacks 5 bytes of its content"},
		{"no last chunk", []string{silent, "POST / HTTP/1.1", "Transfer-Encoding: chunked", "", "1", "a"}, 1, "lacks the end of its chunked content"},
		{"a complete request", []string{silent, "GET / HTTP/1.1", ""}, 1, "no answer within 400ms\n"},
		{"an unknown host name", []string{"no..name:80", "a"}, 1, "rawhttp send: no..name: no such host\n"},
		{"a host and a port", []string{"localhost", "81", "a"}, 2, "did you mean localhost:81?"},
		{"no address", nil, 2, "HOST:PORT"},
		{"an address without a port", []string{"localhost", "a"}, 2, "localhost:8080"},
		{"a URL", []string{"http://a.test:81/x", "a"}, 2, "did you mean a.test:81?"},
		{"an unknown escape", []string{answers, `\q`}, 2, `\q`},
		{"an invalid time", []string{"-wait", "5", answers, "a"}, 2, "want a time, as in 2s"},
		{"a time of zero", []string{"-wait", "0s", answers, "a"}, 2, "want a time, as in 2s"},
		{"an unknown flag", []string{"-x", answers}, 2, "-x"},
		{"nothing to send", []string{answers}, 2, "nothing to send"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			wait := "30s" // long enough on any machine; the server ends it
			switch {
			case slices.Contains(tt.args, silent):
				wait = "400ms"
			case slices.Contains(tt.args, open):
				wait = "2s"
			}
			args := append([]string{"send", "-wait", wait}, tt.args...)
			status, _, stderr := call(t, "", args...)
			if status != tt.want || (stderr == "") != (tt.names == "") || !strings.Contains(stderr, tt.names) || strings.Count(stderr, "\n") > 1 {
				t.Errorf("%q: status %d, stderr %q, want %d and a line with %q", args, status, stderr, tt.want, tt.names)
			}
		})
	}
}

// What has been compared is used up, so that each line of a long answer is compared once, in
// however many pieces it arrives.
func TestMatchUsesUpLines(t *testing.T) {
	tests := []struct {
		want, got, rest string
		n               int
		why             string
	}{
		{"a\r\nb\r\n", "", "a\r\nb\r\n", 0, "nothing has arrived"},
		{"a\r\nb\r\n", "a\r\nb\r", "b\r\n", 3, "the second line has not ended"},
		{"a\r\nb\r\n", "a\r\nb\r\nc", "", 6, "the rest belongs to the next turn"},
		{"a\r\nb", "a\r\nbc", "", 4, "the last line need not end in the transcript"},
		{"Date: x\r\nb\r\n", "Date: yyy\r\n", "b\r\n", 11, "the value of a Date field may be longer"},
		{"Date: x\r\nb\r\n", "Date: y", "Date: x\r\nb\r\n", 0, "its line has not ended"},
	}
	for _, tt := range tests {
		rest, n, diff := match([]byte(tt.want), []byte(tt.got))
		if string(rest) != tt.rest || n != tt.n || diff != nil {
			t.Errorf("match(%q, %q) = %q, %d, %v, want %q, %d\nwhy: %s", tt.want, tt.got, rest, n, diff, tt.rest, tt.n, tt.why)
		}
	}
}

// Directives about the client are followed.
func TestSendFollowsDirectives(t *testing.T) {
	t.Parallel()
	addr := serveTCP(t, func(nc *net.TCPConn) {
		b, _ := io.ReadAll(nc)
		fmt.Fprintf(nc, "%d\r\n%s", len(b), b[:4])
	})
	name := filepath.Join(t.TempDir(), "a.txt")
	text := "= half-close\n> a\\\n= repeat 1000 b\\x00\n> \n= client closes\n< 2003\n< ab\\x00b\\\n< (closed)\n"
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if status, stdout, stderr := call(t, "", "send", "-wait", "30s", addr, name); status != 0 || stderr != "" {
		t.Errorf("status %d, stderr %q, want 0; output:\n%s", status, stderr, stdout)
	}
}

// Typed lines get the line end that they have on the wire.
func TestTerminalLines(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, end, want, why string }{
		{"GET / HTTP/1.1\nHost: a\n\n", "\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "a terminal ends lines with LF"},
		{"GET /\n", "\n", "GET /\n", "-lf"},
		{"GET /\r\n", "\r\n", "GET /\r\n", "a terminal of Windows ends lines with CRLF"},
		{"GET /\r\n", "\n", "GET /\n", "-lf replaces CRLF"},
		{"a\rb\nc", "\r\n", "a\rb\r\nc", "^V and Return is a CR, and ^D ends the input within a line"},
		{"", "\r\n", "", "^D immediately"},
	}
	for _, tt := range tests {
		for _, piece := range []int{1, 3, 100} {
			lines := &terminalLines{terminal: strings.NewReader(tt.in), end: tt.end}
			var got []byte
			var err error
			for b := make([]byte, piece); err == nil; {
				var n int
				n, err = lines.Read(b)
				got = append(got, b[:n]...)
			}
			if string(got) != tt.want || err != io.EOF {
				t.Errorf("%q in reads of %d bytes: %q, %v, want %q, EOF\nwhy: %s", tt.in, piece, got, err, tt.want, tt.why)
			}
		}
	}
}

// Standard input is sent as it arrives, however long it takes, and until the server closes.
func TestSendPassesInputOn(t *testing.T) {
	t.Parallel()
	read := make(chan string)
	addr := serveTCP(t, func(nc *net.TCPConn) {
		b := make([]byte, 100)
		for range 2 {
			n, _ := nc.Read(b)
			read <- string(b[:n])
		}
		io.WriteString(nc, "bye\r\n")
	})
	stdin, in := io.Pipe()
	defer in.Close()
	status := make(chan int)
	go func() {
		status <- run(stop{t.Context(), context.Background()}, []string{"send", "-wait", "1m", addr}, stdin, io.Discard, io.Discard)
	}()
	for _, part := range []string{"GET / HTTP", "/1.1\r\n"} {
		io.WriteString(in, part)
		if got := <-read; got != part {
			t.Errorf("the server read %q, want %q", got, part)
		}
	}
	if got := <-status; got != 0 {
		t.Errorf("status %d, want 0", got)
	}
}

// An answer is shown without being held in memory, since it may be endless.
func TestSendDoesNotBufferAnswers(t *testing.T) {
	const size = 64 << 20
	piece := make([]byte, 1<<20)
	addr := serveTCP(t, func(nc *net.TCPConn) {
		nc.Read(make([]byte, 8))
		for range size / len(piece) {
			nc.Write(piece)
		}
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	status, stdout, stderr := call(t, "", "send", "-wait", "30s", addr, "a")
	runtime.ReadMemStats(&after)
	if want := fmt.Sprintf("(%d bytes)", size); status != 0 || !strings.Contains(stdout, want) {
		t.Fatalf("status %d, want 0 and %q; output:\n%s%s", status, want, stdout, stderr)
	}
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > size/2 {
		t.Errorf("the heap grew by %d bytes for an answer of %d, want much less", grown, size)
	}
}

func TestSendShowsResets(t *testing.T) {
	t.Parallel()
	addr := serveTCP(t, func(nc *net.TCPConn) {
		nc.Read(make([]byte, 100))
		nc.SetLinger(0)
	})
	_, stdout, stderr := call(t, "", "send", "-wait", "30s", addr, "a")
	if !strings.HasSuffix(stdout, "#1 S <== resets the connection\n") || !strings.Contains(stderr, "reset the connection") {
		t.Errorf("for a reset, send shows:\n%s%s\nwant the reset", stdout, stderr)
	}
}

// A reset while send is still writing may be an error of the write alone.
func TestSendShowsResetsOfWrites(t *testing.T) {
	t.Parallel()
	addr := serveTCP(t, func(nc *net.TCPConn) {
		nc.Read(make([]byte, 1))
		nc.SetLinger(0)
	})
	in := strings.Repeat("a", 8<<20) // more than the system buffers
	for range 3 {
		_, stdout, stderr := call(t, in, "send", "-wait", "30s", addr)
		if !strings.HasSuffix(stdout, "#1 S <== resets the connection\n") || !strings.Contains(stderr, "reset the connection") {
			t.Fatalf("for a reset, send shows:\n%s%s\nwant the reset", stdout, stderr)
		}
	}
}

// If a read notices the reset first, nothing is shown as sent after it.
func TestSendShowsNothingAfterReset(t *testing.T) {
	var shown strings.Builder
	printer := transcript.New(transcript.Options{}, func(line string) { shown.WriteString(line) })
	nc, server := net.Pipe()
	server.Close()
	d := &dialog{sender: &sender{wait: time.Second}, nc: nc, shown: printer.Open(1, "a")}
	d.reset.Store(true)
	if err := d.write([]byte("hello\r\n")); err == nil || strings.Contains(shown.String(), "hello") {
		t.Errorf("write after a reset = %v and shows %q, want an error and nothing", err, &shown)
	}
}

// When a signal ends send, it has shown everything that was received, even an incomplete line.
func TestSendStops(t *testing.T) {
	t.Parallel()
	asks := serveTCP(t, func(nc *net.TCPConn) {
		io.WriteString(nc, "hello\r\nlogin: ")
		nc.Read(make([]byte, 1))
	})
	silent := serveTCP(t, func(nc *net.TCPConn) { nc.Read(make([]byte, 10)) })
	for _, tt := range []struct {
		addr, until, end string // the signal arrives when until has been shown
		want             int
		names            string // in the output on stderr
	}{
		{asks, "hello", "#1 S <-- login: \n", 0, ""},
		{silent, "connects", "", 1, "stopped before an answer arrived"},
	} {
		ctx, signal := context.WithCancel(t.Context())
		var errs lockedBuffer
		var shown strings.Builder
		stdout := writerFunc(func(b []byte) (int, error) {
			if shown.Write(b); strings.Contains(shown.String(), tt.until) {
				signal()
			}
			return len(b), nil
		})
		stdin, in := io.Pipe()
		status := run(stop{ctx, context.Background()}, []string{"send", "-wait", "1m", tt.addr}, stdin, stdout, &errs)
		in.Close()
		if status != tt.want || !strings.HasSuffix(shown.String(), tt.end) || !strings.Contains(errs.String(), tt.names) {
			t.Errorf("after a signal: status %d, stderr %q, want %d, %q; output:\n%s", status, errs.String(), tt.want, tt.names, shown.String())
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// send ends if the server does not read, however much there is to send.
func TestSendToServerThatDoesNotRead(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	addr := serveTCP(t, func(nc *net.TCPConn) { <-over })
	defer close(over)
	endless, in := io.Pipe()
	go func() {
		for {
			if _, err := in.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	}()
	defer endless.Close()
	var errs lockedBuffer
	status := run(stop{t.Context(), context.Background()}, []string{"send", "-wait", "400ms", addr}, endless, io.Discard, &errs)
	if want := "a write did not finish within 400ms"; status != 1 || !strings.Contains(errs.String(), want) {
		t.Errorf("status %d, stderr %q, want 1, %q", status, errs.String(), want)
	}
}

// The server that README.md starts answers the transcript named there as the transcript says.
func TestSendTranscriptOfReadme(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`rawhttp send localhost:8080 (testdata/\S+)`).FindSubmatch(b)
	if named == nil {
		t.Fatal("README.md names no transcript")
	}
	cmd := start(t, "-port", "0", "../../testdata/webroot")
	status, stdout, stderr := call(t, "", "send", "-wait", "30s", cmd.addr, "../../"+string(named[1]))
	if status != 0 {
		t.Errorf("%s: status %d, want 0\n%s%s", named[1], status, stdout, stderr)
	}
}

// All transcripts of the package can be read. Their answers depend on the servers of its tests.
func TestSendReadsTranscripts(t *testing.T) {
	names, err := filepath.Glob("../../testdata/wire/*.txt")
	if err != nil || len(names) < 100 {
		t.Fatalf("%d transcripts, %v", len(names), err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := parseReplay(b); err != nil || len(r.talks) == 0 {
			t.Errorf("%s: %d conversations, %v", name, len(r.talks), err)
		}
	}
}
