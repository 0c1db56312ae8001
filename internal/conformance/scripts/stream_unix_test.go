//go:build unix

package scripts_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// The output of a script is sent before the script ends: it is held for at most 100 ms.
func TestScriptOutputStreams(t *testing.T) {
	t.Parallel()
	const (
		textType = "Content-Type: text/plain\r\n"
		sniff    = "X-Content-Type-Options: nosniff\r\n"
		ok       = "HTTP/1.1 200 OK\r\n"
	)
	tests := []struct {
		name, script, request string
		first, then           string // the answer before and after the gate opens
		persists              bool
	}{
		{
			name:    "in chunks",
			script:  "printf 'Content-Type: text/plain\\n\\none\\n'; read x <gate; echo two",
			request: getRequest("/x.sh"),
			first:   ok + textType + "Transfer-Encoding: chunked\r\n" + sniff + "\r\n4\r\none\n\r\n", then: "4\r\ntwo\n\r\n0\r\n\r\n", persists: true,
		},
		{
			name:    "plain",
			script:  "printf '\\n<p>one</p>\\n'; read x <gate; echo '<p>two</p>'",
			request: getRequest("/x.sh"),
			first:   ok + "Content-Type: text/html; charset=utf-8\r\nTransfer-Encoding: chunked\r\n" + sniff + "\r\nc\r\n\n<p>one</p>\n\r\n", then: "b\r\n<p>two</p>\n\r\n0\r\n\r\n", persists: true,
		},
		{
			name:    "until the close, in HTTP/1.0",
			script:  "printf 'Content-Type: text/plain\\n\\none\\n'; read x <gate; echo two",
			request: "GET /x.sh HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
			first:   ok + textType + sniff + "Connection: close\r\n\r\none\n", then: "two\n",
		},
		{
			name:    "no more than its Content-Length, which is not sent",
			script:  "printf 'Content-Length: 6\\nContent-Type: text/plain\\n\\none\\n'; read x <gate; echo two",
			request: getRequest("/x.sh"),
			first:   ok + textType + "Transfer-Encoding: chunked\r\n" + sniff + "\r\n4\r\none\n\r\n", then: "2\r\ntw\r\n0\r\n\r\n", persists: true,
		},
		{
			name:    "after a request with content",
			script:  "printf 'Content-Type: text/plain\\n\\n%s\\n' \"$(dd bs=1 count=3 2>/dev/null)\"; read x <gate; cat",
			request: postRequest("/x.sh", "onetwo\n"),
			first:   ok + textType + "Transfer-Encoding: chunked\r\n" + sniff + "\r\n4\r\none\n\r\n", then: "4\r\ntwo\n\r\n0\r\n\r\n", persists: true,
		},
		{
			name:    "script fails, too late for an error status",
			script:  "printf 'Content-Type: text/plain\\n\\none\\n'; read x <gate; exit 1",
			request: getRequest("/x.sh"),
			first:   ok + textType + "Transfer-Encoding: chunked\r\n" + sniff + "\r\n4\r\none\n\r\n", then: "0\r\n\r\n", persists: true,
		},
		{
			name:    "shorter than its Content-Length, so it is cut",
			script:  "printf 'Content-Length: 9\\nContent-Type: text/plain\\n\\none\\n'; read x <gate; echo two",
			request: getRequest("/x.sh"),
			first:   ok + textType + "Transfer-Encoding: chunked\r\n" + sniff + "\r\n4\r\none\n\r\n", then: "4\r\ntwo\n\r\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serveScripts(t, map[string]string{"x.sh": tt.script})
			open := s.gate(t)
			c := s.dial(t)
			c.send(t, tt.request)
			readExpected(t, c.r, "the answer before the gate opens", tt.first)
			open()
			readExpected(t, c.r, "the answer after the gate has opened", tt.then)
			if tt.persists {
				c.send(t, getRequest("/hello.txt"))
				wholeAnswer("hello\n").check(t, "/hello.txt on the same connection", c.answer(t))
				return
			}
			if rest, _ := io.ReadAll(c.r); len(rest) > 0 { // the connection may also be reset
				t.Errorf("after the answer: %q, want nothing", rest)
			}
		})
	}
}

// The answer to HEAD does not wait for content, and the script is ended.
func TestScriptHEADDoesNotWaitForContent(t *testing.T) {
	t.Parallel()
	s := serveScripts(t, map[string]string{"x.sh": "printf 'Content-Type: text/plain\\n\\none\\n'; read x <gate; : >late"}, rawhttp.WithMaxScripts(1), rawhttp.WithScriptTimeout(0))
	got := talk(t, s.addr, "HEAD /x.sh HTTP/1.1\r\nHost: example.test\r\n\r\nHEAD /missing HTTP/1.1\r\nHost: example.test\r\n\r\n")
	want := "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nX-Content-Type-Options: nosniff\r\n\r\n" +
		"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 14\r\nX-Content-Type-Options: nosniff\r\n\r\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer to HEAD of a script that is still running (-want +got):\n%s", diff)
	}
	s.awaitTurn(t) // the script has ended
	if _, err := os.Stat(filepath.Join(s.root, "late")); err == nil {
		t.Error("the script ran on after the gate, which was never opened")
	}
}

// The client receives each line of output before the script prints the next.
func TestScriptLinesArriveOneByOne(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1.1", "1.0"} {
		t.Run("HTTP/"+version, func(t *testing.T) {
			s := serveScripts(t, map[string]string{"a.sh": "for i in 1 2 3 4 5; do echo line$i; read x <gate; done"})
			open := s.gate(t)
			c := s.dial(t)
			c.send(t, strings.Replace(getRequest("/a.sh"), "HTTP/1.1", "HTTP/"+version, 1))
			resp := c.head(t)
			line := make([]byte, len("line1\n"))
			for i := 1; i <= 5; i++ {
				if _, err := io.ReadFull(resp.Body, line); err != nil || string(line) != fmt.Sprintf("line%d\n", i) {
					t.Fatalf("line %d is %q, %v", i, line, err)
				}
				open()
			}
			if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
				t.Errorf("after the lines: %q, %v, want io.EOF", rest, err)
			}
		})
	}
}

// A script blocks until a slow client reads its output. Output is available even after the script
// has ended and its processes have been killed.
func TestScriptWaitsForSlowClient(t *testing.T) {
	t.Parallel()
	const size = 30 << 20 // more than the buffers of a connection can hold
	s := serveScripts(t, map[string]string{
		"slow.sh": fmt.Sprintf("echo $$ >pid; head -c %d /dev/zero; echo end >ended", size),
		"left.sh": "echo; echo begin; read x <gate; (exec sleep 1000 >&- 2>&-) & echo $! >child; head -c 60000 /dev/zero",
	})
	open := s.gate(t)
	c := s.ask(t, "/slow.sh")
	resp := c.head(t)
	time.Sleep(300 * time.Millisecond)
	if _, err := os.Stat(filepath.Join(s.root, "ended")); err == nil {
		t.Errorf("the script printed all %d bytes before the client read them", size)
	}
	if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
		t.Errorf("answer has %d bytes, %v, want %d", n, err, size)
	}
	s.await(t, "ended")

	// Nothing reads the output until the Response is written.
	files := filesOfDir(t, s.root, rawhttp.WithScript(".sh", "sh"))
	req := requestOf(t, getRequest("/left.sh"))
	left, err := files.Resolve(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	open()
	awaitGone(t, s.awaitPid(t, "child")) // the processes of the script have been ended
	var b bytes.Buffer
	if _, err := left.WriteTo(&b); err != nil {
		t.Errorf("WriteTo after the end of the script: %v", err)
	}
	left.Close()
	scriptAnswer{200, "chunked", "\nbegin\n" + strings.Repeat("\x00", 60000), false}.check(t, "/left.sh", readScriptAnswer(readResponse(t, &b)))
}
