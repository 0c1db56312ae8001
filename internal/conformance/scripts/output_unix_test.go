//go:build unix

package scripts_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// pageAnswer returns the answer of a script that prints the page.
func pageAnswer(page string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\nX-Content-Type-Options: nosniff\r\n\r\n%s", len(page), page)
}

// errorText returns the server's own answer to an error with the status.
func errorText(status string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nX-Content-Type-Options: nosniff\r\n\r\n%s\n", status, len(status)+1, status)
}

// serveShell serves a folder whose .sh files are run by sh. Answers have no Date.
func serveShell(t testing.TB, root string, opts ...rawhttp.Option) (addr string) {
	t.Helper()
	_, addr = listen(t, append([]rawhttp.Option{rawhttp.WithRoot(root), rawhttp.WithDate(false), rawhttp.WithScript(".sh", "sh")}, opts...)...)
	return addr
}

// talkHeld returns the answer to the request. It tries again if the answer is chunked and
// want is not, since a busy machine may end the script too late.
func talkHeld(t testing.TB, addr, request, want string) (answer string) {
	t.Helper()
	for range 50 {
		c := dial(t, addr)
		go func() {
			io.WriteString(c, request)
			c.CloseWrite()
		}()
		b, err := io.ReadAll(c)
		answer = string(b)
		isStreamed := strings.Contains(answer, "Transfer-Encoding: chunked") || strings.Count(answer, "Content-Length: ") < strings.Count(want, "Content-Length: ")
		if answer == want || !isStreamed {
			if err != nil {
				t.Errorf("reading the answer to %q: %v", request, err)
			}
			break
		}
	}
	return answer
}

// A scriptTranscript is a script, x.sh, and a conversation with its server.
type scriptTranscript struct {
	name, script   string
	output         rawhttp.ScriptOutput
	client, server []byte
	lines          []string // the lines of the file before the answer
}

// readScriptTranscripts reads testdata/scripts. A file begins with a comment: the rule and
// its reason. "= output cgi" and "= output plain" set WithScriptOutput. Lines that begin with
// "$" are the script; those with ">" and "<" are as in testdata/wire.
func readScriptTranscripts(t *testing.T) (talks []scriptTranscript) {
	t.Helper()
	names, err := filepath.Glob("testdata/scripts/*.txt")
	if err != nil || len(names) < 40 {
		t.Fatalf("found %d transcripts of scripts, %v", len(names), err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		k := scriptTranscript{name: strings.TrimSuffix(filepath.Base(name), ".txt")}
		for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
			if err := k.parseLine(line); err != nil {
				t.Fatalf("%s:%d: %v", name, i+1, err)
			}
		}
		talks = append(talks, k)
	}
	return talks
}

func (k *scriptTranscript) parseLine(line string) (err error) {
	var b []byte
	rest := ""
	if line != "" {
		rest = line[1:]
	}
	switch {
	case line == "", line[0] == '#':
	case line == "= output cgi":
		k.output = rawhttp.ScriptCGI
	case line == "= output plain":
		k.output = rawhttp.ScriptPlain
	case line[0] == '$':
		k.script += strings.TrimPrefix(rest, " ") + "\n"
	case line[0] == '>':
		b, err = testkit.UnescapeLine(rest)
		k.client = append(k.client, b...)
	case line[0] == '<':
		b, err = testkit.UnescapeLine(rest)
		k.server = append(k.server, b...)
		return err
	default:
		err = fmt.Errorf("%q is not a comment or a line of script, client or server", line)
	}
	k.lines = append(k.lines, line)
	return err
}

// isPlainGet reports whether the client sends one plain GET.
func (k *scriptTranscript) isPlainGet() bool { return string(k.client) == getRequest("/x.sh") }

// TestScriptTranscripts compares the server's answers with the transcripts in testdata/scripts, and
// with the answers to other requests that follow from them. With -update it rewrites the lines of
// the server; review the diff like code.
func TestScriptTranscripts(t *testing.T) {
	t.Parallel()
	for i, k := range readScriptTranscripts(t) {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			root := testkit.Scripts(t, map[string]string{"x.sh": k.script})
			addr := serveShell(t, root, rawhttp.WithScriptOutput(k.output))
			if *update {
				answer := talk(t, addr, string(k.client))
				lines := append(k.lines, testkit.TranscriptLines("<", []byte(answer))...)
				if err := os.WriteFile("testdata/scripts/"+k.name+".txt", []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			k.check(t, addr, string(k.client), string(k.server))
			if !k.isPlainGet() {
				return
			}
			variants := k.variants()
			if !*long { // without -long one variant per script, since they hardly depend on the script's output
				variants = variants[i%len(variants):][:1]
			}
			for _, v := range variants {
				k.check(t, addr, v.client, v.server)
			}
			k.check(t, serveShell(t, root, rawhttp.WithScriptOutput(rawhttp.ScriptPlain)), string(k.client), k.asPlain(t, root))
		})
	}
}

func (k *scriptTranscript) check(t *testing.T, addr, client, want string) {
	t.Helper()
	got := talkHeld(t, addr, client, want)
	if diff := cmp.Diff(testkit.TranscriptLines("<", []byte(want)), testkit.TranscriptLines("<", []byte(got))); diff != "" {
		t.Errorf("answer to\n%sfor the script\n%s(-want +got):\n%s", strings.ReplaceAll(client, "\r\n", "\n"), k.script, diff)
	}
}

// variants returns other requests for the script, with the answers that follow from the
// transcript.
func (k *scriptTranscript) variants() []struct{ client, server string } {
	get, server := string(k.client), string(k.server)
	head, content := splitHead(server)
	toHead := head
	if k.name != "cgi-length-zero" && k.name != "cgi-status-205" { // without output a script may have omitted the content for HEAD; these two have output
		toHead = strings.Replace(head, "Content-Length: 0\r\n", "", 1)
	}
	old := strings.TrimSuffix(head, "\r\n") + "Connection: close\r\n\r\n" + content
	kept := strings.TrimSuffix(head, "\r\n") + "Connection: keep-alive\r\n\r\n" + content
	closed := strings.Replace(get, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)
	return []struct{ client, server string }{
		{strings.Replace(get, "GET", "HEAD", 1), toHead},
		{strings.Replace(get, "HTTP/1.1", "HTTP/1.0", 1), old},
		{strings.Replace(strings.Replace(get, "HTTP/1.1", "HTTP/1.0", 1), "\r\n\r\n", "\r\nConnection: keep-alive\r\n\r\n", 1), kept},
		{closed, old},
		{postRequest("/x.sh", "not read"), server},
		{"POST /x.sh HTTP/1.1\r\nHost: example.test\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nnot read\r\n0\r\n\r\n", server},
		{get + closed, server + old},
	}
}

// asPlain returns the answer with ScriptPlain, in which all output is content.
func (k *scriptTranscript) asPlain(t *testing.T, root string) string {
	var stdout bytes.Buffer
	cmd := exec.Command("sh", filepath.Join(root, "x.sh"))
	cmd.Stdout = &stdout
	err := cmd.Run()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	if err != nil && stdout.Len() == 0 {
		return errorText("500 Internal Server Error")
	}
	return pageAnswer(stdout.String())
}

// The log has the reason for a 500 or 502 of a script. The client does not receive it.
func TestScriptErrorsAreLogged(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, script string
		status       int
		log          string
	}{
		{"exit status", "exit 7", 500, "exit status 7"},
		{"signal", "kill -KILL $$", 500, "signal: killed"},
		{"invalid status", `printf 'Status: 1\n\n'`, 502, "Status: 1"},
		{"invalid field", `printf 'Status: 200\nA B: 1\n\n'`, 502, "A B: 1"},
		{"wrong length", `printf 'Status: 200\nContent-Length: 9\n\n12345678'`, 502, "Content-Length"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serveScripts(t, map[string]string{"x.sh": tt.script})
			statusAnswer(tt.status).check(t, tt.script, s.ask(t, "/x.sh").answer(t))
			awaitLine(t, s.log, "ERROR rawhttp: request failed", fmt.Sprintf("status=%d", tt.status), tt.log)
		})
	}
}

// printRepeated returns a shell command that prints the byte c n times.
func printRepeated(c byte, n int) string {
	return fmt.Sprintf("head -c %d /dev/zero | tr '\\000' '%c'", n, c)
}

// The fields that a script prints may have 32 KiB, including the empty line after them.
func TestScriptFieldsLimit(t *testing.T) {
	t.Parallel()
	const limit = 32 << 10
	// A block of n bytes: "Status: 200\nX: aaa...\n\n".
	block := func(first string, n int) string {
		return fmt.Sprintf("printf '%s\\nX: '; %s; printf '\\n\\n'", first, printRepeated('a', n-len(first)-len("\nX: \n\n")))
	}
	ok := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX: %s\r\nX-Content-Type-Options: nosniff\r\n\r\npage", strings.Repeat("a", limit-len("Status: 200\nX: \n\n")))
	long := func(first string, n int) string {
		return first + "\nX: " + strings.Repeat("a", n-len(first)-len("\nX: \n\n")) + "\n\npage"
	}
	bad := errorText("502 Bad Gateway")
	tests := []struct {
		name, script string
		mode         rawhttp.ScriptOutput
		want         string
	}{
		{"32 KiB", block("Status: 200", limit) + "; printf page", rawhttp.ScriptAuto, ok},
		{"32 KiB and CGI", block("Status: 200", limit) + "; printf page", rawhttp.ScriptCGI, ok},
		{"a byte more", block("Status: 200", limit+1) + "; printf page", rawhttp.ScriptAuto, bad},
		{"a byte more and CGI", block("Status: 200", limit+1) + "; printf page", rawhttp.ScriptCGI, bad},
		{"far more", block("Status: 200", 3*limit) + "; printf page", rawhttp.ScriptAuto, bad},
		{"CGI field, no end of the fields", "echo Status: 200; " + printRepeated('a', 2*limit), rawhttp.ScriptAuto, bad},
		{"no CGI field", block("A: b", limit+1) + "; printf page", rawhttp.ScriptAuto, pageAnswer(long("A: b", limit+1))},
		{"no CGI field, and CGI", block("A: b", limit+1) + "; printf page", rawhttp.ScriptCGI, bad},
		{"CGI field after the limit", block("A: b", limit+1) + "; printf 'Status: 404\\n\\n'", rawhttp.ScriptAuto,
			pageAnswer(strings.TrimSuffix(long("A: b", limit+1), "page") + "Status: 404\n\n")},
		{"no line feed", printRepeated('a', limit+1), rawhttp.ScriptAuto, pageAnswer(strings.Repeat("a", limit+1))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := testkit.Scripts(t, map[string]string{"x.sh": tt.script})
			addr := serveShell(t, root, rawhttp.WithScriptOutput(tt.mode))
			if diff := cmp.Diff(tt.want, withLength(t, talk(t, addr, getRequest("/x.sh")))); diff != "" {
				t.Errorf("answer of the script %.100q (-want +got):\n%s", tt.script, diff)
			}
		})
	}
}

// withLength returns the answer with its content framed by Content-Length, even if it was
// chunked.
func withLength(t testing.TB, answer string) string {
	t.Helper()
	head, rest := splitHead(answer)
	if !strings.Contains(head, "\r\nTransfer-Encoding: chunked\r\n") {
		return answer
	}
	var content strings.Builder
	for {
		line, data, ok := strings.Cut(rest, "\r\n")
		n, err := strconv.ParseUint(line, 16, 31)
		if !ok || err != nil || uint64(len(data)) < n+2 || data[n:n+2] != "\r\n" {
			t.Errorf("answer has a malformed or incomplete chunk: %.200q", rest)
			return answer
		}
		content.WriteString(data[:n])
		if rest = data[n+2:]; n == 0 {
			break
		}
	}
	if rest != "" {
		t.Errorf("after the answer: %.200q, want nothing", rest)
	}
	return strings.Replace(head, "Transfer-Encoding: chunked", "Content-Length: "+strconv.Itoa(content.Len()), 1) + content.String()
}
