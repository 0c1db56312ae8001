//go:build unix

package rawhttp

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// Descriptors that the server was started with are not open in scripts: a shell's "exec
// 7<secret", a socket of systemd, what another program forgot to close. The test runs itself
// as such a server.
func TestScriptInheritsNothing(t *testing.T) {
	const secret, name = "inherited secret", "RAWHTTP_TEST_INHERITED"
	if os.Getenv(name) == "" {
		file := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(file, []byte(secret), 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), name+"=1")
		cmd.ExtraFiles = make([]*os.File, 120) // the first is descriptor 3
		for _, fd := range []int{3, 7, 9, 10, 63, 122} {
			cmd.ExtraFiles[fd-3] = f
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("the server that has inherited: %v\n%s", err, out)
		}
		return
	}
	for _, fd := range []int{3, 7, 122} { // else the test says nothing
		if n, err := syscall.Pread(fd, make([]byte, 100), 0); n != len(secret) {
			t.Fatalf("descriptor %d of the server: %d bytes, %v, want the secret", fd, n, err)
		}
	}
	root := scriptioFolder(t, map[string]string{
		"shell.sh": "echo; for n in 3 4 5 6 7 8 9; do (eval \"cat <&$n\") 2>&1; done; echo end",
		"self.cgi": "#!/bin/sh\necho; for n in 3 4 5 6 7 8 9; do (eval \"cat <&$n\") 2>&1; done; echo end",
		"ls.fds":   "",
	})
	check := func(what string) {
		opts := []Option{WithScript(".cgi")}
		if runtime.GOOS == "linux" {
			opts = append(opts, WithScript(".fds", "ls", "/proc/self/fd"))
		}
		addr := scriptioServe(t, root, opts...)
		for _, target := range []string{"/shell.sh", "/self.cgi"} {
			_, got := splitHead(scriptioWhole(t, talk(t, addr, scriptioGet(target))))
			if strings.Contains(got, secret) || !strings.HasSuffix(got, "end\n") {
				t.Errorf("%s: %s has printed %q, want no secret", what, target, got)
			}
		}
		if runtime.GOOS == "linux" {
			_, got := splitHead(talk(t, addr, scriptioGet("/ls.fds")))
			if _, got, _ = strings.Cut(got, "/proc/self/fd:\n"); got != "0\n1\n2\n3\n" { // 3 is ls's own
				t.Errorf("%s: descriptors of a script: %q, want 0, 1 and 2", what, got)
			}
		}
	}
	check("inherited")
	descriptorFolder[runtime.GOOS] = "/nowhere" // as where there is no /proc
	for range 3 {
		fd, err := syscall.Dup(3) // which is not marked
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(fd)
	}
	check("made by a system call")
}
