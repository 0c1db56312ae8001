//go:build unix

package rawhttp

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// scriptioFolder makes a folder with the files. Those that begin with "#!" can be
// executed.
func scriptioFolder(t testing.TB, files map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	for name, content := range files {
		mode := fs.FileMode(0o644)
		if strings.HasPrefix(content, "#!") {
			mode = 0o755
		}
		scriptioWrite(t, filepath.Join(root, name), content, mode)
	}
	return root
}

// scriptioWrite writes a file. No process is started meanwhile, which would have it
// open for writing too: the system runs no such file.
func scriptioWrite(t testing.TB, name, content string, mode fs.FileMode) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	err := os.MkdirAll(filepath.Dir(name), 0o755)
	if err == nil {
		err = os.WriteFile(name, []byte(content), 0o644)
	}
	if err == nil {
		err = os.Chmod(name, mode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// scriptioGet is the head of a plain GET.
func scriptioGet(target string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: example.test\r\n\r\n"
}

// scriptioServe serves a folder whose .sh files are run by sh, without Date.
func scriptioServe(t testing.TB, root string, opts ...Option) (addr string) {
	t.Helper()
	_, addr = listen(t, append([]Option{WithRoot(root), WithDate(false), WithScript(".sh", "sh")}, opts...)...)
	return addr
}

// scriptioWhole gives a response as if its content had come with a length, however
// it did.
func scriptioWhole(t testing.TB, answer string) string {
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
			t.Errorf("the answer has a malformed or cut chunk: %.200q", rest)
			return answer
		}
		content.WriteString(data[:n])
		if rest = data[n+2:]; n == 0 {
			break
		}
	}
	if rest != "" {
		t.Errorf("behind the answer is %.200q", rest)
	}
	return strings.Replace(head, "Transfer-Encoding: chunked", "Content-Length: "+strconv.Itoa(content.Len()), 1) + content.String()
}
