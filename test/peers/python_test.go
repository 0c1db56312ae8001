package peers

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"testing"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
)

// An answer is what http.client reports about a response, as printed by testdata/client.py.
type answer struct {
	Status    int    `json:"status"`
	Reason    string `json:"reason"`
	Version   int    `json:"version"`
	Length    string `json:"length"`
	Chunked   bool   `json:"chunked"`
	WillClose bool   `json:"will_close"`
	Size      int    `json:"size"`
	SHA256    string `json:"sha256"`
}

func answerOf(status int, reason, content string) answer {
	return answer{
		Status: status, Reason: reason, Version: 11, Length: fmt.Sprint(len(content)),
		Size: len(content), SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte(content))),
	}
}

func (a answer) chunked() answer {
	a.Length, a.Chunked = "", true
	return a
}

// head returns the answer to HEAD if a is that to GET.
func (a answer) head() answer {
	none := answerOf(0, "", "")
	a.Size, a.SHA256 = none.Size, none.SHA256
	return a
}

// python runs a scenario of testdata/client.py against the server and compares the output of
// the script.
func python[T any](t *testing.T, scenario, addr string, want []T) {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(peer(t, "python3", "python3"), "testdata/client.py", scenario, port)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("python3 testdata/client.py %s: %v\n%s", scenario, err, &stderr)
	}
	var got []T
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatalf("python3 testdata/client.py %s: %v in %q", scenario, err, &stdout)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("python3 testdata/client.py %s (-want +got):\n%s", scenario, diff)
	}
}

func wantConns(t *testing.T, srv *rawhttp.Server, want uint64) {
	t.Helper()
	if got := srv.Stats().Conns; got != want {
		t.Errorf("there were %d connections, want %d", got, want)
	}
}

func TestPythonPersistentConnection(t *testing.T) {
	srv, addr := serve(t, rawhttp.WithResolver(site(t, t.TempDir())))
	want := slices.Repeat([]answer{answerOf(200, "OK", "hello\n")}, 100)
	want[99].WillClose = true
	python(t, "persistent", addr, want)
	wantConns(t, srv, 1)
}

func TestPythonMethods(t *testing.T) {
	folder, content := t.TempDir(), someBytes(5<<20)
	writeFile(t, folder, "large.bin", content)
	srv, addr := serve(t, rawhttp.WithResolver(site(t, folder)))
	hello := answerOf(200, "OK", "hello\n")
	lines := answerOf(200, "OK", "line 1\nline 2\nline 3\n").chunked()
	missing := answerOf(404, "Not Found", "404 Not Found\n")
	large := answerOf(200, "OK", string(content))
	noContent := answerOf(204, "No Content", "")
	noContent.Length = "" // RFC 9110, section 8.6
	python(t, "methods", addr, []answer{
		hello.head(), hello,
		lines.head(), lines,
		noContent,
		missing.head(), missing,
		noContent,
		answerOf(405, "Method Not Allowed", "405 Method Not Allowed\n"),
		large.head(), large,
		hello,
	})
	wantConns(t, srv, 1)
}

func TestPythonUpload(t *testing.T) {
	srv, addr := serve(t, rawhttp.WithResolver(site(t, t.TempDir())))
	empty := answerOf(200, "OK", "")
	same := answer{Status: 200, Reason: "OK", Version: 11, Length: "3145728", Size: 3 << 20, SHA256: "the same"}
	streamed := answer{Status: 200, Reason: "OK", Version: 11, Chunked: true, Size: 64 << 10, SHA256: "the same"}
	python(t, "upload", addr, []answer{
		same, same, empty, same, empty,
		streamed, streamed, empty.chunked(), streamed, empty.chunked(),
	})
	wantConns(t, srv, 1)
}

func TestPythonChunkedResponseInPieces(t *testing.T) {
	srv, addr := serve(t, rawhttp.WithResolver(site(t, t.TempDir())))
	python(t, "pieces", addr, []string{"li", "ne 1\n", "l", "ine 2\n", "line 3\n", "", "200"})
	wantConns(t, srv, 1)
}

func TestPythonCut(t *testing.T) {
	_, addr := serve(t, rawhttp.WithResolver(site(t, t.TempDir())))
	python(t, "cut", addr, []string{"IncompleteRead", "IncompleteRead"})
}
