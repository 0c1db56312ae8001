package peers

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// An uploader sends uploads in turn, with one client. It returns the outcomes of the
// attempts for each, which may end at the first error.
type uploader func(t *testing.T, to origin, uploads []upload) (outcomes [][]string)

var uploadClients = []struct {
	name string
	send uploader
}{
	{"Go", uploadGo},
	{"curl", uploadCurl},
	{"Python", uploadPython},
	{"Node http", uploadNode("http")},
	{"Node fetch", uploadNode("fetch")},
}

// uploadGo sends with net/http.
func uploadGo(t *testing.T, to origin, uploads []upload) (outcomes [][]string) {
	transport := &http.Transport{TLSClientConfig: trusting(t, to.caFile)}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute} // limits a hang
	for _, u := range uploads {
		var tries []string
		for range u.Tries {
			outcome, err := postOne(client, to.url+u.Path, u)
			if err != nil {
				tries = append(tries, err.Error())
				break
			}
			tries = append(tries, outcome)
		}
		outcomes = append(outcomes, tries)
	}
	return outcomes
}

func trusting(t *testing.T, caFile string) *tls.Config {
	t.Helper()
	if caFile == "" {
		return nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatalf("there is no certificate in %s", caFile)
	}
	return &tls.Config{RootCAs: pool}
}

func postOne(client *http.Client, url string, u upload) (string, error) {
	var content io.Reader = bytes.NewReader(make([]byte, u.Size))
	if u.Chunked {
		content = io.MultiReader(content) // hides the length
	}
	req, err := http.NewRequest("POST", url, content)
	if err != nil {
		return "", err
	}
	req.Close = u.Close
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", fmt.Errorf("status %d, then %w", resp.StatusCode, err)
	}
	return outcome(resp.StatusCode, string(answer)), nil
}

// uploadCurl runs curl once for all attempts of an upload. The empty Expect keeps curl
// from waiting for 100 (Continue), so that it sends content immediately.
func uploadCurl(t *testing.T, to origin, uploads []upload) (outcomes [][]string) {
	for _, u := range uploads {
		folder := t.TempDir()
		content := filepath.Join(folder, "content")
		writeFile(t, folder, "content", nil)
		if err := os.Truncate(content, int64(u.Size)); err != nil {
			t.Fatal(err)
		}
		one := []string{"--request", "POST", "--upload-file", content, "--header", "Expect:"}
		if u.Chunked {
			one = append(one, "--header", "Transfer-Encoding: chunked")
		}
		if u.Close {
			one = append(one, "--header", "Connection: close")
		}
		if to.caFile != "" {
			one = append(one, "--cacert", to.caFile)
		}
		var args []string
		for i := range u.Tries {
			if i > 0 {
				args = append(args, "--next")
			}
			args = append(append(args, one...), "--output", answerFile(folder, i), to.url+u.Path)
		}
		outcomes = append(outcomes, curlOutcomes(t, folder, args))
	}
	return outcomes
}

func answerFile(folder string, try int) string {
	return filepath.Join(folder, fmt.Sprint("answer", try))
}

func curlOutcomes(t *testing.T, folder string, args []string) (outcomes []string) {
	t.Helper()
	got, _ := curl(t, nil, args...)
	for i, tr := range got {
		answer, err := os.ReadFile(answerFile(folder, i))
		if tr.Exit != 0 || err != nil {
			outcomes = append(outcomes, fmt.Sprintf("status %d, exit status %d, %v", tr.Status, tr.Exit, err))
			continue
		}
		outcomes = append(outcomes, outcome(tr.Status, string(answer)))
	}
	return outcomes
}

func uploadPython(t *testing.T, to origin, uploads []upload) [][]string {
	return runUploads(t, exec.Command(peer(t, "python3", "python3"), "testdata/upload.py", to.url, to.caFile), uploads)
}

func uploadNode(client string) uploader {
	return func(t *testing.T, to origin, uploads []upload) [][]string {
		cmd := exec.Command(peer(t, "node", "nodejs"), "testdata/upload.mjs", client, to.url)
		if to.caFile != "" {
			cmd.Env = append(cmd.Environ(), "NODE_EXTRA_CA_CERTS="+to.caFile)
		}
		return runUploads(t, cmd, uploads)
	}
}

// runUploads runs a script that reads uploads and prints their outcomes, in JSON.
func runUploads(t *testing.T, cmd *exec.Cmd, uploads []upload) (outcomes [][]string) {
	t.Helper()
	in, err := json.Marshal(uploads)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	if err := json.Unmarshal(out, &outcomes); err != nil || len(outcomes) != len(uploads) {
		t.Fatalf("%v: %d lists of outcomes, want %d (%v) in %.999q", cmd, len(outcomes), len(uploads), err, out)
	}
	return outcomes
}
