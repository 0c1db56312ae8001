package transcript

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/rawhttp/internal/coding"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what is shown into testdata")

// Each file of testdata is a conversation and its transcript. In the first part a line
// is what one side sends at once: C or S, and a quoted string, which * and a number repeat. Or
// it is "mail", "color", "all" or "decoded", which set options; "after 2s"; "refused OFFSET",
// which points into the head, "refused content OFFSET"; "accepted"; "C closes"; "S closes".
func TestGolden(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(names) < 10 {
		t.Fatalf("%d files in testdata, %v, want some", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			in, want, _ := strings.Cut(string(b), "----\n")
			whole := play(t, in, 0)
			if *update {
				if err := os.WriteFile(name, []byte(in+"----\n"+whole), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, whole); diff != "" {
				t.Errorf("%s is shown as (-want +got):\n%s", name, diff)
			}
			if !strings.Contains(in, "refused") && !strings.HasPrefix(in, "# Whole") { // after a refusal, the output depends on when bytes arrive
				if diff := cmp.Diff(want, play(t, in, 1)); diff != "" {
					t.Errorf("%s byte by byte is shown as (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}

// An incomplete line is shown if nothing follows it for a second, so that a prompt can be read.
func TestIncompleteLineIsShownAfterASecond(t *testing.T) {
	for _, mail := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			lines := make(chan string, 9)
			c := New(Options{Mail: mail}, func(line string) { lines <- line }).Open(1, "")
			defer c.End()
			c.Bytes(Server, []byte("log"))
			time.Sleep(900 * time.Millisecond)
			c.Bytes(Server, []byte("in: "))
			time.Sleep(900 * time.Millisecond)
			select {
			case line := <-lines:
				t.Errorf("mail %v: printed the incomplete line %q too early", mail, line)
			default:
			}
			begun := time.Now()
			if line := <-lines; !strings.HasSuffix(line, " S <-- login: \n") {
				t.Errorf("mail %v: printed %q, want the prompt", mail, line)
			}
			if waited := time.Since(begun); waited != 100*time.Millisecond {
				t.Errorf("mail %v: printed the prompt after another %v, want 100ms", mail, waited)
			}
		})
	}
}

// A line of another connection does not separate a mark from its line.
func TestMarkAfterALineOfAnotherConnection(t *testing.T) {
	var out strings.Builder
	p := New(Options{Judge: true}, func(line string) { out.WriteString(line) })
	a, b := p.Open(1, ""), p.Open(2, "")
	defer a.End()
	defer b.End()
	a.Bytes(Client, []byte("GET / HTTP/1.1\r\nHost: a\r\n"))
	b.Bytes(Client, []byte("GET /b HTTP/1.1\r\n"))
	a.Refused(25, false, "a rule: 400")
	want := `#1.1 C --> GET / HTTP/1.1<CRLF>
#1.1 C --> Host: a<CRLF>
#2.1 C --> GET /b HTTP/1.1<CRLF>
#1.1       Host: a<CRLF>
#1.1                    ^ a rule: 400
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// play returns the transcript of a conversation whose sides send piece bytes at a time; 0 means
// all.
func play(t *testing.T, in string, piece int) string {
	t.Helper()
	var out strings.Builder
	synctest.Test(t, func(t *testing.T) {
		opts := Options{Lines: 20, Judge: true}
		var c *Conversation
		conversation := func() *Conversation {
			if c == nil {
				c = New(opts, func(line string) { out.WriteString(line) }).Open(1, "127.0.0.1:50000")
			}
			return c
		}
		for line := range strings.Lines(in) {
			word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			side := Client
			if word == "S" {
				side = Server
			}
			switch {
			case word == "" || word[0] == '#':
			case word == "mail":
				opts.Mail, opts.Judge = true, false
			case word == "color":
				opts.Color = true
			case word == "decoded":
				opts.Decode = coding.Decode
			case word == "all":
				opts.Lines = -1
			case word == "after":
				d, err := time.ParseDuration(rest)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(d)
			case word == "accepted":
				conversation().Accepted()
			case word == "refused":
				where, inContent := strings.CutPrefix(rest, "content ")
				off, err := strconv.Atoi(where)
				if err != nil {
					t.Fatal(err)
				}
				conversation().Refused(off, inContent, "a rule (RFC 9112, section 0): 400")
			case word != "C" && word != "S":
				t.Fatalf("unknown line %q", line)
			case !strings.HasPrefix(rest, `"`):
				conversation().Closes(side, rest)
			default:
				said := unquote(t, rest)
				if piece == 0 {
					conversation().Bytes(side, said)
				} else {
					for _, b := range said {
						conversation().Bytes(side, []byte{b})
					}
				}
			}
		}
		conversation().End()
	})
	return out.String()
}

func unquote(t *testing.T, s string) []byte {
	t.Helper()
	quoted, times, repeated := strings.Cut(s, "\" * ")
	if repeated {
		quoted += `"`
	}
	text, err := strconv.Unquote(quoted)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	n := 1
	if repeated {
		if n, err = strconv.Atoi(times); err != nil {
			t.Fatal(err)
		}
	}
	return bytes.Repeat([]byte(text), n)
}

// No bytes can control a terminal, look like a line of the other side, use more than a limited
// amount of memory, or make the program panic.
func FuzzConversation(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), []byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"), uint8(3), false)
	f.Add([]byte("GET  / HTTP/1.1\n\nX"), []byte("HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz"), uint8(9), false)
	f.Add([]byte("A LOGIN {3}\r\nabc\r\nDATA\r\n..\r\n.\r\n"), []byte("* OK\r\n354 \r\n+OK\r\n.\r\n"), uint8(5), true)
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), []byte("HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x1c\x00\x00\x00\x00\x00\x00\x01\x00a\x00\x00\x00"), uint8(50), false)
	f.Add([]byte("GET /#1.1 S <-- HTTP/1.1\r\nContent-Type: #1 C ==> a\r\nContent-Length: 9\r\n\r\n\x00"), []byte("HTTP/1.1 S <-- C --> \r\nContent-Type: S <== \r\nContent-Encoding: S <-- \r\n\r\nC --> "), uint8(200), false)
	f.Fuzz(func(t *testing.T, client, server []byte, piece uint8, mail bool) {
		c := New(Options{Lines: 3, Judge: !mail, Mail: mail, Decode: coding.Decode}, func(line string) {
			if !strings.HasSuffix(line, "\n") || strings.ContainsAny(line[:len(line)-1], "\n\r\x1b\x00") {
				t.Errorf("printed %q", line)
			}
			if len(line) > 8*maxPiece {
				t.Errorf("printed a line of %d bytes, which is too long", len(line))
			}
			if line != "\n" && !strings.HasPrefix(line, "#1") {
				t.Errorf("printed %q", line)
			}
			_, text, _ := strings.Cut(line, " ")
			for _, arrow := range append(arrows[:], ends[:]...) { // a terminal may break a line before it
				if strings.LastIndex(strings.ToUpper(text), arrow) > 0 {
					t.Errorf("printed an arrow within %q", line)
				}
			}
		}).Open(1, "x")
		n := max(1, int(piece))
		for len(client)+len(server) > 0 {
			k := min(n, len(client))
			c.Bytes(Client, client[:k])
			if piece%7 == 3 && len(client) < 20 {
				c.Refused(len(client), piece%2 == 0, "why")
			}
			client = client[k:]
			k = min(n+1, len(server))
			c.Bytes(Server, server[:k])
			server = server[k:]
			for i := range c.sides {
				if s := &c.sides[i]; cap(s.piece) > 4*maxPiece || cap(s.line) > 4*maxPiece {
					t.Errorf("a side holds buffers of %d and %d bytes, which is too much", cap(s.piece), cap(s.line))
				}
			}
		}
		c.End()
	})
}

// The bytes of a line can be recovered from its printed form, so different bytes never look the
// same.
func TestVisibleIsReversible(t *testing.T) {
	readBack := func(shown string) string {
		shown, hasCRLF := strings.CutSuffix(shown, "<CRLF>")
		hasLF := !hasCRLF && strings.HasSuffix(shown, "<LF>")
		if hasLF {
			shown = strings.TrimSuffix(shown, "<LF>")
		}
		b := regexp.MustCompile(`\\t|\\x[0-9a-f]{2}`).ReplaceAllStringFunc(shown, func(s string) string {
			if s == `\t` {
				return "\t"
			}
			n, _ := strconv.ParseUint(s[2:], 16, 8)
			return string([]byte{byte(n)})
		})
		switch {
		case hasCRLF:
			b += "\r\n"
		case hasLF:
			b += "\n"
		}
		return b
	}
	rng := rand.New(rand.NewPCG(1, 2))
	parts := []string{"a", "0", "x", "\\", `\x00`, `\x5c`, "\t", "t", `\t`, "S <-- ", "C ", "--> ", "日", "<", "<CRLF>", "<LF>", "\r", "\x00", "\xff", "\u202e", "\ufe0f", "é", "\r\n", "\n"}
	for range 5_000 {
		var line strings.Builder
		for range rng.IntN(8) {
			if part := parts[rng.IntN(len(parts))]; !strings.HasSuffix(line.String(), "\n") {
				line.WriteString(part)
			}
		}
		for _, escape := range []func(string) string{Escape, escapeASCII} {
			shown := format([]byte(line.String()), escape)
			if got := readBack(shown); got != line.String() {
				t.Fatalf("%q is shown as %s, which means %q", line.String(), shown, got)
			}
		}
	}
}

// A mark is below the byte, however the characters before it are shown.
func TestMark(t *testing.T) {
	tests := []struct {
		line      string
		off       int
		want, why string
	}{
		{"abc", 2, "abc|  ^", ""},
		{"abc", 3, "abc|   ^", "something is missing at the end"},
		{"abc\r\n", 4, "abc<CRLF>|   ^", "the line end is a mark of its own"},
		{"abc\r\n", 5, "abc<CRLF>|         ^", "the next line is missing"},
		{"abc\r\n\r\n", 7, "<CRLF>|^", "something is missing before the end of the head"},
		{"日本\n", 7, `\xe6\x97\xa5\xe6\x9c\xac<LF>|                            ^`, "all characters are before the mark"},
		{strings.Repeat("a", 99) + "\n", 100, "..." + strings.Repeat("a", 72) + "<LF>|" + strings.Repeat(" ", 79) + "^", ""},
		{"\x00b", 1, `\x00b|    ^`, "an escape has four columns"},
		{"\tb", 1, `\tb|  ^`, "the escape of HTAB has two"},
		{`\x00b`, 4, `\x5cx00b|       ^`, "a backslash is escaped"},
		{`\x00b`, 1, `\x5cx00b|    ^`, ""},
		{"a\xffb", 2, `a\xffb|     ^`, ""},
		{"\u202eb", 3, `\xe2\x80\xaeb|            ^`, ""},
		{"a日本", 1, "a日本| ^", "characters after the byte do not move the mark"},
		{"日本", 3, `\xe6\x97\xa5\xe6\x9c\xac|            ^`, "a terminal shows it in two columns"},
		{"日本", 1, `\xe6\x97\xa5\xe6\x9c\xac|    ^`, "a byte within a character has a place too"},
		{"éb", 2, `\xc3\xa9b|        ^`, "some terminals show it in two columns"},
		{"e\u0301b\n", 3, `e\xcc\x81b<LF>|         ^`, "a terminal shows the accent above the letter"},
		{strings.Repeat("a", 99) + "bc\r\n", 99, "..." + strings.Repeat("a", 70) + "bc<CRLF>|" + strings.Repeat(" ", 73) + "^", "a terminal would wrap it"},
		{"ab" + strings.Repeat("c", 99), 1, "ab" + strings.Repeat("c", 70) + "...| ^", ""},
		{strings.Repeat("a", 99) + "b" + strings.Repeat("\x00", 99), 99, "..." + strings.Repeat("a", 15) + "b" + strings.Repeat(`\x00`, 14) + "...|" + strings.Repeat(" ", 18) + "^", ""},
	}
	for _, tt := range tests {
		line, mark := Mark([]byte(tt.line), tt.off)
		if got := line + "|" + mark; got != tt.want {
			t.Errorf("Mark(%q, %d) = %s, want %s\nwhy: %s", tt.line, tt.off, got, tt.want, tt.why)
		}
	}
}
