//go:build unix

package scripts_test

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
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
	const size = 512 << 10 // several times what a pipe holds
	var noise bytes.Buffer
	io.CopyN(&noise, &noiseReader{}, size)
	content := noise.String()
	tests := []struct {
		name, script string
		status       int
		want         string
		why          string
	}{
		{"reads slowly", "for i in 1 2 3 4; do dd bs=64k count=2 iflag=fullblock 2>&-; sleep 0.05; done", 200, content, "content waits until the script reads it"},
		{"reads and then prints", "n=$(wc -c); echo; echo $n", 200, fmt.Sprintf("\n%d\n", size), "the script reads EOF after the content"},
		{"prints much before it reads", "head -c 500000 /dev/zero; exec cat", 200, strings.Repeat("\x00", 500_000) + content, "output is sent while content waits to be read"},
		{"reads nothing", "echo; echo end", 200, "\nend\n", "a script need not read its content"},
		{"reads nothing, and prints much", "exec head -c 500000 /dev/zero", 200, strings.Repeat("\x00", 500_000), "a script need not read its content"},
		{"reads some", "head -c 1000 >&-; echo; echo end", 200, "\nend\n", "a script need not read all of its content"},
		{"closes its input", "exec <&-; sleep 0.2; echo; echo end", 200, "\nend\n", "the script is not ended"},
		{"closes its input after some", "head -c 1000 >&-; exec <&-; sleep 0.2; echo; sleep 0.2; echo end", 200, "\nend\n", "the script is not ended"},
		{"closes its output and reads", "echo; echo end; exec >&-; exec cat >/dev/null", 200, "\nend\n", "the content is still passed on; TestScriptClosesOutput compares it"},
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

// A script may close its output and go on reading. Its output is sent at once, and the connection
// persists after its content.
func TestScriptClosesOutput(t *testing.T) {
	t.Parallel()
	s := serveScripts(t, map[string]string{"x.sh": "echo; echo page; exec wc -c >count"})
	c := s.dial(t)
	c.send(t, postBegun("/x.sh", 10, "12345"))
	resp := c.head(t)
	page := make([]byte, len("\npage\n"))
	if _, err := io.ReadFull(resp.Body, page); string(page) != "\npage\n" || err != nil {
		t.Fatalf("before the end of the content the client read %q, %v, want the page", page, err)
	}
	c.send(t, "67890"+getRequest("/hello.txt"))
	if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
		t.Errorf("after the page: %q, %v, want io.EOF", rest, err)
	}
	wholeAnswer("hello\n").check(t, "/hello.txt on the same connection", c.answer(t))
	if got := strings.TrimSpace(s.await(t, "count")); got != "10" {
		t.Errorf("the script read %s bytes, want 10", got)
	}
}

// The answer of a script that reads nothing is sent at once, even if the client has not sent most
// of its content. The rest of the content is discarded, and the connection persists.
func TestScriptReadsNothing(t *testing.T) {
	t.Parallel()
	s := serveScripts(t, map[string]string{
		"leaves.sh": "echo hello", "closes.sh": "exec <&-; echo hello",
		"slow.sh": "printf 'Status: 413\\nContent-Type: text/plain\\n\\nno\\n'; read x <gate",
	})
	const length = 200_000
	for what, sent := range map[string]int{"nothing": 0, "a part": 100, "more than a pipe holds": 150_000} {
		for _, target := range []string{"/leaves.sh", "/closes.sh"} {
			c := s.dial(t)
			c.send(t, postBegun(target, length, strings.Repeat("z", sent)))
			outputAnswer("hello\n").check(t, target+" after the client has sent "+what, c.answer(t))
			c.send(t, strings.Repeat("z", length-sent)+getRequest("/hello.txt"))
			wholeAnswer("hello\n").check(t, "/hello.txt on the same connection", c.answer(t))
		}
	}
	open := s.gate(t)
	c := s.dial(t)
	c.send(t, postBegun("/slow.sh", 10, "1"))
	readExpected(t, c.r, "the answer of a script that runs on", "HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n"+
		"X-Content-Type-Options: nosniff\r\n\r\n3\r\nno\n\r\n")
	open()
	readExpected(t, c.r, "the end of the answer", "0\r\n\r\n")
}
