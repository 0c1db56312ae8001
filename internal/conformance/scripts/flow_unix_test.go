//go:build unix

package scripts_test

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"example.com/rawhttp"
)

// A noiseReader returns endless pseudo-random bytes, determined by its seed.
type noiseReader struct{ x uint64 }

func (z *noiseReader) Read(p []byte) (int, error) {
	for i := range p {
		z.x = z.x*6364136223846793005 + 1442695040888963407
		p[i] = byte(z.x >> 56)
	}
	return len(p), nil
}

// noiseSum returns the checksum of the first n bytes of a noiseReader.
func noiseSum(n int64) uint64 {
	h := fnv.New64a()
	io.CopyN(h, &noiseReader{}, n)
	return h.Sum64()
}

// While a script reads content, its output is sent to the client. Both directions are exact, work
// at the same time, and need only small buffers.
func TestScriptReadsWhilePrinting(t *testing.T) {
	const size, early = 20 << 20, 1 << 20
	s := serveScripts(t, map[string]string{"cat.sh": "exec cat"}, rawhttp.WithMaxBodyBytes(size))
	c := s.dial(t)
	noise := &noiseReader{}
	c.send(t, postBegun("/cat.sh", size, ""))
	if _, err := io.CopyN(c, noise, early); err != nil {
		t.Fatal(err)
	}
	resp := c.head(t) // the client has sent only a small part of the content
	got := fnv.New64a()
	first, err := io.CopyN(got, resp.Body, early/2)
	if err != nil {
		t.Fatalf("reading %d bytes of the answer to %d bytes of content: %v", first, early, err)
	}
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	go func() {
		if _, err := io.CopyN(c, noise, size-early); err != nil {
			t.Error(err)
		}
	}()
	most := uint64(0)
	total := first
	for ended := false; !ended; {
		n, err := io.CopyN(got, resp.Body, 5<<20)
		total += n
		ended = err == io.EOF
		if err != nil && !ended {
			t.Fatalf("reading after %d bytes: %v", total, err)
		}
		runtime.GC()
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapAlloc)
	}
	if want := noiseSum(size); total != size || got.Sum64() != want {
		t.Errorf("answer has %d bytes with checksum %x, want %d with %x", total, got.Sum64(), size, want)
	}
	if most > before.HeapAlloc+(4<<20) {
		t.Errorf("memory in use grew to %d bytes from %d, want only a few buffers more", most, before.HeapAlloc)
	}
}

// However a script reads its content and prints, neither side blocks forever and nothing is
// lost.
func TestScriptContentAndOutput(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	var noise bytes.Buffer
	io.CopyN(&noise, &noiseReader{}, size)
	content := noise.String()
	tests := []struct {
		name, script string
		status       int
		want         string
		why          string
	}{
		{"reads slowly", "for i in 1 2 3 4 5 6 7 8; do dd bs=64k count=2 iflag=fullblock 2>&-; sleep 0.05; done", 200, content, "content waits until the script reads it"},
		{"reads and then prints", "n=$(wc -c); echo; echo $n", 200, fmt.Sprintf("\n%d\n", size), "the script reads EOF after the content"},
		{"prints much before it reads", "head -c 1000000 /dev/zero; cat", 200, strings.Repeat("\x00", 1000000) + content, "output is sent while content waits to be read"},
		{"reads nothing", "echo; echo end", 200, "\nend\n", "a script need not read its content"},
		{"reads nothing, and prints much", "head -c 1000000 /dev/zero", 200, strings.Repeat("\x00", 1000000), "a script need not read its content"},
		{"reads some", "head -c 1000 >&-; echo; echo end", 200, "\nend\n", "a script need not read all of its content"},
		{"closes its input", "exec <&-; sleep 0.2; echo; echo end", 200, "\nend\n", "the script is not ended"},
		{"closes its input after some", "head -c 1000 >&-; exec <&-; sleep 0.2; echo; sleep 0.2; echo end", 200, "\nend\n", "the script is not ended"},
		{"closes its output and reads", "echo; echo end; exec >&-; cat >/dev/null", 200, "\nend\n", "the content is still passed on; TestScriptClosesOutput compares it"},
		{"fails and reads nothing", "exit 1", 500, "500 Internal Server Error\n", "the answer does not wait for content"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serveScripts(t, map[string]string{"a.sh": tt.script})
			c := s.dial(t)
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				io.WriteString(c, postBegun("/a.sh", size, content)) // fails if the server closes
			}()
			got := c.answer(t)
			if got.Status != tt.status || got.Cut || got.Content != tt.want {
				t.Errorf("answer %d of %d bytes, cut: %v, want %d of %d bytes\nwhy: %s",
					got.Status, len(got.Content), got.Cut, tt.status, len(tt.want), tt.why)
			}
			c.Close()
			<-sent
		})
	}
}

// If a client sends its content slowly, the script receives each part as it arrives.
func TestScriptClientPauses(t *testing.T) {
	t.Parallel()
	s := serveScripts(t, map[string]string{"a.sh": "echo; while read line; do echo $line >part; mv part $line; echo $line; done"})
	c := s.dial(t)
	c.send(t, postBegun("/a.sh", 14, "one\n"))
	if got := s.await(t, "one"); got != "one" {
		t.Errorf("the script read %q, want one", got)
	}
	resp := c.head(t)
	for _, line := range []string{"two", "three"} {
		time.Sleep(20 * time.Millisecond) // a slow client
		c.send(t, (line + "\n")[:2])
		time.Sleep(20 * time.Millisecond)
		c.send(t, (line + "\n")[2:])
		if line == "two" {
			s.await(t, line) // the script reads before all content has arrived
		}
	}
	scriptAnswer{200, "chunked", "\none\ntwo\nthree\n", false}.check(t, "/a.sh", readScriptAnswer(resp))
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

// An answer has a Content-Length if the script ends before more output than can be held, or more
// time than it may be held, has passed.
func TestScriptFraming(t *testing.T) {
	t.Parallel()
	big := func(n int) string { return strings.Repeat("\x00", n) }
	zeros := func(n int) string { return fmt.Sprintf("head -c %d /dev/zero; ", n) }
	const waits = "read x <gate; "
	tests := []struct {
		name, script string
		gate         bool // whether the script waits until the client has read the head
		want10       string
		want         scriptAnswer
	}{
		{"ends soon", "echo; echo end", false, "5", scriptAnswer{200, "5", "\nend\n", false}},
		{"ends soon after a long wait", "sleep 0.3; echo; echo end", false, "5", scriptAnswer{200, "5", "\nend\n", false}},
		{"fields, a wait, and the content", "printf 'Content-Type: a/b\\n\\n'; sleep 0.3; echo end", false, "4", scriptAnswer{200, "4", "end\n", false}},
		{"less than can be held", zeros(scriptHeld - 1), false, "65535", scriptAnswer{200, "65535", big(scriptHeld - 1), false}},
		{"as much as can be held, then a wait", zeros(scriptHeld) + waits, true, "close", scriptAnswer{200, "chunked", big(scriptHeld), false}},
		{"some output, then a wait", "echo; printf x; " + waits + "printf y", true, "close", scriptAnswer{200, "chunked", "\nxy", false}},
		{"Content-Length by the script, then a wait", "printf 'Content-Type: a/b\\nContent-Length: 2\\n\\nx'; " + waits + "printf yz", true, "close", scriptAnswer{200, "chunked", "xy", false}},
	}
	for _, tt := range tests {
		for _, version := range []string{"1.1", "1.0"} {
			t.Run(tt.name+" HTTP/"+version, func(t *testing.T) {
				t.Parallel()
				s := serveScripts(t, map[string]string{"a.sh": tt.script})
				open := s.gate(t)
				want := tt.want
				if version == "1.0" {
					want.Framing = tt.want10
				}
				var got scriptAnswer
				for range 100 { // on a busy machine, any script may take longer than output is held
					c := s.dial(t)
					c.send(t, strings.Replace(getRequest("/a.sh"), "HTTP/1.1", "HTTP/"+version, 1))
					resp := c.head(t)
					if tt.gate {
						open()
					}
					if got = readScriptAnswer(resp); tt.gate || got.Framing == want.Framing {
						break
					}
				}
				want.check(t, "/a.sh", got)
			})
		}
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

// A child that a script leaves is ended half a second after the script, and the response ends then,
// even if the child would hold the output open.
func TestScriptLeavesChild(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, script string
		want         string // content without the lines "more"
	}{
		{"holds the output", "echo; echo end; sleep 1000 & echo $! >child", "\nend\n"},
		{"holds standard error", "echo; echo end; sleep 1000 >&- & echo $! >child", "\nend\n"},
		{"holds neither", "echo; echo end; sleep 1000 >&- 2>&- & echo $! >child", "\nend\n"},
		{"prints soon", "(sleep 0.1; echo late) & sleep 1000 & echo $! >child; echo; echo end", "\nend\nlate\n"},
		{"prints forever", "while :; do echo more; sleep 0.01; done & echo $! >child; echo; echo end", "\nend\n"},
		{"ignores SIGTERM", "sh -c 'trap \"\" TERM; echo $$ >child; while :; do sleep 1; done' & echo; echo end", "\nend\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serveScripts(t, map[string]string{"a.sh": tt.script}, rawhttp.WithScriptTimeout(0))
			got := s.ask(t, "/a.sh").answer(t)
			got.Content = strings.ReplaceAll(got.Content, "more\n", "")
			outputAnswer(tt.want).check(t, "/a.sh, whose child "+tt.name, got)
			awaitGone(t, s.awaitPid(t, "child"))
		})
	}
}
