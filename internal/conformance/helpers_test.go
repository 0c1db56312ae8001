package conformance_test

import (
	"io"
	"net/http/httputil"
	"strings"
	"testing"
	"testing/synctest"

	"example.com/rawhttp/internal/conformance/servetest"
	"example.com/rawhttp/internal/testkit"
)

// bubble runs f inside synctest: time is 2000-01-01 00:00:00 UTC at its start and
// passes only while all goroutines of f wait.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// isEntityTag reports whether s is an entity tag, weak or strong (RFC 9110, section 8.8.3).
func isEntityTag(s string) bool {
	s = strings.TrimPrefix(s, "W/")
	return len(s) >= 2 && s[0] == '"' && strings.IndexFunc(s[1:], func(r rune) bool { return r <= ' ' || r == '"' || r == 0x7f }) == len(s)-2
}

// unchunk returns the content of chunks, which must be whole.
func unchunk(t testing.TB, chunks string) string {
	t.Helper()
	content, err := io.ReadAll(httputil.NewChunkedReader(strings.NewReader(chunks)))
	if err != nil {
		t.Errorf("content: %v", err)
	}
	return string(content)
}

// Short names of helpers that several packages of tests use.
var (
	dial           = testkit.Dial
	talk           = testkit.Talk
	splitHead      = testkit.SplitHead
	getRequest     = testkit.GetRequest
	postRequest    = testkit.PostRequest
	chunkedRequest = testkit.ChunkedRequest

	newServer       = servetest.New
	pipe            = servetest.Pipe
	listen          = servetest.Listen
	filesOfDir      = servetest.Dir
	say             = servetest.Say
	echo            = servetest.Echo
	requestOf       = servetest.Request
	waits           = servetest.Waits
	noNewGoroutines = servetest.NoNewGoroutines
)
