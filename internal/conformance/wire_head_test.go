package conformance_test

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// checkHead parses the input of the talk: all of it, each prefix of it, and again into a Request
// that has parsed others before.
func (k *wireTalk) checkHead(t *testing.T, used *rawhttp.Request) {
	in := k.client()
	if k.has("lenient") {
		k.checkLenientHead(t, in)
		return
	}
	want, first := k.wantHead(t, in)
	for _, n := range wirePrefixes(len(in)) {
		req, rest, err := rawhttp.ParseRequest(in[:n])
		if n < first && err == rawhttp.ErrIncomplete {
			continue
		}
		if diff := cmp.Diff(want, wireOutcomeOf(req, in[:n], rest, err)); diff != "" {
			t.Fatalf("ParseRequest of the first %d bytes, with a head of %d bytes (-want +got):\n%s", n, first, diff)
		}
	}
	rest, err := used.Parse(in)
	if diff := cmp.Diff(want, wireOutcomeOf(used, in, rest, err)); diff != "" {
		t.Errorf("Parse into a used Request (-want +got):\n%s", diff)
	}
}

// wirePrefixes returns the lengths of the prefixes to parse: all of them, except that most of
// those in the middle of a long input are left out.
func wirePrefixes(n int) (lengths []int) {
	for i := 0; i <= n; i++ {
		if i > 300 && i < n-300 && i%97 != 0 {
			continue
		}
		lengths = append(lengths, i)
	}
	return lengths
}

// A wireOutcome is the result of parsing.
type wireOutcome struct {
	Incomplete bool
	Error      *rawhttp.ParseError
	HeadBytes  int    // length of the head
	Understood string // description of the head, see wireUnderstood
}

func wireOutcomeOf(req *rawhttp.Request, in, rest []byte, err error) wireOutcome {
	var pe *rawhttp.ParseError
	switch {
	case err == rawhttp.ErrIncomplete:
		return wireOutcome{Incomplete: true}
	case errors.As(err, &pe):
		return wireOutcome{Error: pe}
	case err != nil || !bytes.HasSuffix(in, rest):
		return wireOutcome{Understood: fmt.Sprintf("error %v, rest %q", err, rest)}
	}
	return wireOutcome{HeadBytes: len(in) - len(rest), Understood: wireUnderstood(req)}
}

// wantHead returns the outcome that the transcript wants for the first head, and the length
// of the shortest prefix of the input that must have that outcome.
func (k *wireTalk) wantHead(t *testing.T, in []byte) (want wireOutcome, first int) {
	t.Helper()
	if k.has("incomplete") && !bytes.Contains(in, []byte("\r\n\r\n")) {
		return wireOutcome{Incomplete: true}, len(in)
	}
	if pe := k.wantRefusal(t, in); pe != nil {
		first = len(in)
		if next := bytes.LastIndex(in, []byte("GET /next ")); next >= 0 {
			first = next
		}
		return wireOutcome{Error: pe}, first
	}
	req, rest, err := rawhttp.ParseRequest(in)
	if err != nil {
		t.Fatalf("ParseRequest = %v, want success, since no directive says otherwise", err)
	}
	end := bytes.Index(in, []byte("\r\n\r\n")) + len("\r\n\r\n")
	want = wireOutcome{HeadBytes: end, Understood: wireUnderstood(req)}
	k.checkUnderstood(t, want)
	if diff := cmp.Diff(string(in[end:]), string(rest)); diff != "" {
		t.Errorf("ParseRequest: rest (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(string(in[:end]), string(req.Head())); diff != "" {
		t.Errorf("ParseRequest: Head (-want +got):\n%s", diff)
	}
	return want, end
}

// checkUnderstood compares the parsed head with the description in the first answer, if it
// has one.
func (k *wireTalk) checkUnderstood(t *testing.T, got wireOutcome) {
	t.Helper()
	answer := string(k.turns[0].server)
	name, _ := k.value("resolver")
	if name == "" && strings.HasPrefix(answer, "HTTP/1.1 200 ") && !strings.Contains(answer, "\r\n"+got.Understood) {
		t.Errorf("ParseRequest: %s, which differs from the answer:\n%s", got.Understood, answer)
	}
}

var wireReason = regexp.MustCompile(`(?s)\r\n\r\n(\d{3}) [^:]*: (.*) \(([^(]*)\)\n$`)

// wantRefusal returns the error that the transcript says the parser returns.
func (k *wireTalk) wantRefusal(t *testing.T, in []byte) *rawhttp.ParseError {
	t.Helper()
	text, ok := k.value("refused at")
	number, atByte := k.value("refused at byte")
	if !ok && !atByte {
		return nil
	}
	off, err := strconv.Atoi(number)
	if !atByte {
		var b []byte
		b, err = testkit.UnescapeLine(" " + text + `\`)
		off = bytes.Index(in, b)
		if off != bytes.LastIndex(in, b) || off < 0 {
			t.Fatalf("refused at %q: the text must occur once", b)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	server, _ := k.server()
	if pe := (*rawhttp.ParseError)(nil); bytes.HasPrefix(in, []byte("HEAD ")) { // the answer has no content with the reason
		if _, _, err := rawhttp.ParseRequest(in); errors.As(err, &pe) {
			return &rawhttp.ParseError{Status: 400, Offset: off, Reason: pe.Reason, Section: pe.Section}
		}
	}
	m := wireReason.FindSubmatch(server)
	if m == nil {
		t.Fatalf("answer %q has no reason for the refusal", server)
	}
	status, _ := strconv.Atoi(string(m[1]))
	return &rawhttp.ParseError{Status: status, Offset: off, Reason: string(m[2]), Section: string(m[3])}
}

// checkLenientHead parses the input of the talk leniently. A prefix must be reported as incomplete
// while its request line is incomplete, or a field frames content and the empty line is missing.
func (k *wireTalk) checkLenientHead(t *testing.T, in []byte) {
	var want wireOutcome
	req, rest, err := rawhttp.ParseRequestLenient(in)
	got := wireOutcomeOf(req, in, rest, err)
	if pe := k.wantRefusal(t, in); pe != nil {
		want.Error = pe
	} else {
		end := wireLenientEnd.FindIndex(in)[1]
		want = wireOutcome{HeadBytes: end, Understood: got.Understood}
		k.checkUnderstood(t, want)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ParseRequestLenient (-want +got):\n%s", diff)
	}
	line := len(in) - len(bytes.TrimLeft(in, "\r\n"))
	line += bytes.IndexAny(in[line:], "\r\n")
	for n := range in {
		_, _, err := rawhttp.ParseRequestLenient(in[:n])
		if err == rawhttp.ErrIncomplete && n > line && !wireFramingField.Match(in[:n]) {
			t.Fatalf("ParseRequestLenient(%q) = ErrIncomplete, although the request line is complete", in[:n])
		}
		if err == nil && n < line {
			t.Fatalf("ParseRequestLenient(%q) = nil error, although the request line is incomplete", in[:n])
		}
	}
}

var wireFramingField = regexp.MustCompile(`(?im)^(Content-Length|Transfer-Encoding):`)

var wireLenientEnd = regexp.MustCompile(`\n\r?\n`)
