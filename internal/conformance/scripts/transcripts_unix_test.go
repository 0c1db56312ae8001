//go:build unix

package scripts_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

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
			if !k.isPlainGet() || !*long && i%20 != 0 {
				return
			}
			variants := k.variants()
			if !*long { // without -long one variant for every twentieth script, since each is a process
				variants = variants[i/7%len(variants):][:1]
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
