package peers

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// buildCommand builds cmd/rawhttp and returns its path.
func buildCommand(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "rawhttp")
	out, err := exec.Command("go", "build", "-o", path, "example.com/rawhttp/cmd/rawhttp").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// A process is a running command that serves.
type process struct {
	cmd    *exec.Cmd
	addr   string
	exited bool
}

// startCommand starts the command, which runs at most until the test ends,
// and returns once it listens.
func startCommand(t *testing.T, path, addr string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(t.Context(), path, append([]string{"-addr", addr, "-host", "*"}, args...)...)}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = t.Output()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !p.exited {
			p.cmd.Wait() // t.Context has ended and killed it
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("%v ended before it printed its address: %v", p.cmd, err)
	}
	if p.addr = regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(line); p.addr == "" {
		t.Fatalf("%v: no address in %q", p.cmd, strings.TrimSpace(line))
	}
	return p
}

// pause suspends the command, so that only the kernel receives what clients send.
func (p *process) pause(t *testing.T) {
	t.Helper()
	pid := p.cmd.Process.Pid
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("%v did not stop: %v, status %#x", p.cmd, err, status)
	}
}

// stop stops the command gracefully, even if it is paused, and waits until it has exited.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.cmd.Process.Signal(syscall.SIGCONT)
	p.exited = true
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("%v, after SIGTERM: %v, want exit status 0", p.cmd, err)
	}
}
