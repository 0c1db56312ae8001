package rawhttp

import (
	"strings"
	"testing"
)

// A filesAnswer is a response taken apart.
type filesAnswer struct {
	Status  string // the status line, without version
	Fields  map[string]string
	Content string
}

// filesTake takes an answer apart. A field that is there twice fails the test.
func filesTake(t testing.TB, answer string) filesAnswer {
	t.Helper()
	head, content := splitHead(answer)
	lines := strings.Split(strings.TrimSuffix(head, "\r\n\r\n"), "\r\n")
	status, ok := strings.CutPrefix(lines[0], "HTTP/1.1 ")
	if !ok {
		t.Fatalf("answer %q is no response", bodyCut(answer))
	}
	a := filesAnswer{status, make(map[string]string), content}
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ": ")
		if _, twice := a.Fields[name]; !ok || twice {
			t.Errorf("answer %q: field line %q", head, line)
		}
		a.Fields[name] = value
	}
	return a
}
