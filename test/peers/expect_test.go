package peers

import (
	"fmt"
	"strings"
	"testing"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// expectAnswers are the answers of resources to a request with content: that content,
// if they read it.
var expectAnswers = []struct {
	method, path string
	status       int
	answer       string
	read         bool
}{
	{"GET", "/hello", 200, "hello\n", false},
	{"OPTIONS", "/hello", 200, "hello\n", false},
	{"POST", "/hello", 200, "hello\n", false},
	{"PUT", "/hello", 200, "hello\n", false},
	{"GET", "/stream", 200, "line 1\nline 2\nline 3\n", false},
	{"PUT", "/stream", 200, "line 1\nline 2\nline 3\n", false},
	{"POST", "/missing", 404, "404 Not Found\n", false},
	{"GET", "/files/a.txt", 200, "a file\n", false},
	{"OPTIONS", "/files/a.txt", 204, "", false},
	{"POST", "/files/a.txt", 405, "405 Method Not Allowed\n", false},
	{"PUT", "/files/a.txt", 405, "405 Method Not Allowed\n", false},
	{"GET", "/echo", 200, "", true},
	{"OPTIONS", "/echo", 200, "", true},
	{"POST", "/echo", 200, "", true},
	{"PUT", "/echo", 200, "", true},
	{"POST", "/echo-stream", 200, "", true},
	{"PUT", "/echo-stream", 200, "", true},
}

var expectSizes = []int{50, 2_000, 200_000}

// expectSite serves the resources of expectAnswers.
func expectSite(t *testing.T) rawhttp.Option {
	t.Helper()
	folder := t.TempDir()
	writeFile(t, folder, "a.txt", []byte("a file\n"))
	return rawhttp.WithResolver(site(t, folder))
}

// An expectation is a request with Expect: 100-continue, and an ordinary one
// for /hello after it.
type expectation struct {
	method, path string
	size         int
	timeout      string // how long curl waits for an answer to the head, in seconds
}

// ask runs curl. It returns curl's report about the two transfers, and its output.
func (e expectation) ask(t *testing.T, addr string) (got []transfer, out []byte) {
	t.Helper()
	content := writeFile(t, t.TempDir(), "content", someBytes(e.size))
	return curl(t, nil,
		"--include", "--request", e.method, "--data-binary", "@"+content,
		"--header", "Expect: 100-continue", "--expect100-timeout", e.timeout, "http://"+addr+e.path,
		"--next", "--include", "http://"+addr+"/hello")
}

// checkAnswers checks the content of the first answer and all of the second. It
// returns the first.
func checkAnswers(t *testing.T, answer string, read bool, size int, out []byte) (first string) {
	t.Helper()
	if read {
		answer = string(someBytes(size))
	}
	first, ok := strings.CutSuffix(string(out), helloAnswer)
	if !ok {
		t.Errorf("the second answer is not that of /hello:\n%.2000q", out)
		return first
	}
	if !strings.HasSuffix(first, "\r\n\r\n"+answer) {
		t.Errorf("the first answer is %.200q, want it to contain %.200q", first, answer)
	}
	return first
}

const helloAnswer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 6\r\n\r\nhello\n"

// A client that waits for the answer learns whether to send its content. If it receives
// no 100 (Continue), the server cannot know whether the content will follow (RFC
// 9110, section 10.1.1), so the answer says that the connection closes. After a 100
// it may persist, which TestCurlUpload tests.
func TestCurlExpectPatient(t *testing.T) {
	_, addr := serve(t, expectSite(t))
	for _, tt := range expectAnswers {
		for _, size := range expectSizes {
			e := expectation{tt.method, tt.path, size, "60"}
			t.Run(fmt.Sprintf("%s%s/%d", e.method, e.path, size), func(t *testing.T) {
				got, out := e.ask(t, addr)
				first := checkAnswers(t, tt.answer, tt.read, size, out)
				if proceed := strings.HasPrefix(first, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 "); proceed != tt.read {
					t.Errorf("received 100 (Continue): %t, want %t:\n%.200q", proceed, tt.read, first)
				}
				closes := strings.Contains(first, "\r\nConnection: close\r\n")
				if !closes && !tt.read {
					t.Errorf("the answer does not say Connection: close:\n%.200q", first)
				}
				want := []transfer{{Status: tt.status, Connects: 1}, {Status: 200}}
				if closes {
					want[1].Connects = 1
				}
				if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(transfer{}, "Version", "MediaType", "Uploaded", "Downloaded")); diff != "" {
					t.Errorf("transfers (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// A client that does not wait long may send its content before the answer, or
// at the same time. Whether or not the connection persists, the content is not read as
// a request, nor the next request as content.
func TestCurlExpectImpatient(t *testing.T) {
	srv, addr := serve(t, expectSite(t))
	rounds := 1
	if *long {
		rounds = 50
	}
	for range rounds {
		for _, tt := range expectAnswers {
			for _, size := range expectSizes {
				e := expectation{tt.method, tt.path, size, "0.001"}
				got, out := e.ask(t, addr)
				want := []transfer{{Status: tt.status}, {Status: 200}}
				if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(transfer{}, "Connects", "Version", "MediaType", "Uploaded", "Downloaded")); diff != "" {
					t.Errorf("%+v: transfers (-want +got):\n%s", e, diff)
				}
				checkAnswers(t, tt.answer, tt.read, size, out)
			}
		}
	}
	if got, want := srv.Stats().Requests, uint64(2*rounds*len(expectAnswers)*len(expectSizes)); got != want {
		t.Errorf("the server received %d requests, want %d", got, want)
	}
}
