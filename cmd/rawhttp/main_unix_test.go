//go:build unix

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// execCommand returns the command with the arguments, ready to start: this test binary, in which
// TestMain calls main.
func execCommand(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), isCommand+"=1")
	return cmd
}

// startBinary runs the command on a port of its own, and returns the address once it serves.
func startBinary(t *testing.T, args ...string) (cmd *exec.Cmd, addr string) {
	t.Helper()
	cmd = execCommand(append([]string{"-addr", "127.0.0.1:0"}, args...)...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	match := servingLine.FindStringSubmatch(line)
	if match == nil {
		t.Fatalf("rawhttp %q printed %q, %v, want a line that matches %s", args, line, err, servingLine)
	}
	return cmd, match[1]
}

func TestBinaryStatus(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args []string
		want int
	}{
		{"help", []string{"-h"}, 0},
		{"missing root", []string{"-addr", "127.0.0.1:0", filepath.Join(t.TempDir(), "missing")}, 1},
		{"unknown flag", []string{"-frobnicate"}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := execCommand(tt.args...).Run()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			got := 0
			if exit != nil {
				got = exit.ExitCode()
			}
			if got != tt.want {
				t.Errorf("rawhttp %q ended with status %d, want %d", tt.args, got, tt.want)
			}
		})
	}
}

// onTerminal makes the command run on a new terminal.
func onTerminal(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	script, err := exec.LookPath("script")
	if err != nil || runtime.GOOS != "linux" {
		t.Skip("script(1) of Linux is not installed")
	}
	cmd.Path, cmd.Args = script, []string{script, "-qec", strings.Join(cmd.Args, " "), os.DevNull}
}

// Lines typed into send on a terminal are sent with CRLF; piped input is sent unchanged.
func TestSendOnTerminal(t *testing.T) {
	t.Parallel()
	for _, typed := range []bool{false, true} {
		var heard lockedBuffer
		cmd := execCommand("send", "-wait", "30s", scripted(t, "HTTP/1.1 204 No Content\r\n\r\n", &heard))
		want := "GET / HTTP/1.0\n\n"
		if typed {
			onTerminal(t, cmd)
			want = "GET / HTTP/1.0\r\n\r\n"
		}
		cmd.Stdin = strings.NewReader("GET / HTTP/1.0\n\n")
		if out, err := cmd.CombinedOutput(); err != nil || heard.String() != want {
			t.Errorf("typed %v: %v, sent %q, want %q; output:\n%s", typed, err, heard.String(), want, out)
		}
	}
}

// A request typed on a terminal can be checked.
func TestCheckOnTerminal(t *testing.T) {
	t.Parallel()
	cmd := execCommand("check")
	onTerminal(t, cmd)
	cmd.Stdin = strings.NewReader("GET / HTTP/1.0\n\n\x04")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "    18  end") {
		t.Errorf("%v, want a request of 18 bytes; output:\n%s", err, out)
	}
}

// A command started with nohup survives the end of the terminal.
func TestHangupIgnored(t *testing.T) {
	for _, ignored := range []bool{false, true} {
		signals := stopSignals(func(os.Signal) bool { return ignored })
		if stops := slices.Contains(signals, os.Signal(syscall.SIGHUP)); stops == ignored {
			t.Errorf("with SIGHUP ignored at the start: %v, SIGHUP stops a server: %v, want the opposite", ignored, stops)
		}
	}
}

// The commands with nothing to shut down end at the first signal.
func TestBinarySignalEndsCommands(t *testing.T) {
	t.Parallel()
	heard := make(chan struct{}, 1)
	silent := serveTCP(t, func(nc *net.TCPConn) {
		nc.Read(make([]byte, 1))
		heard <- struct{}{}
		io.Copy(io.Discard, nc)
	})
	for _, args := range [][]string{{"send", "-wait", "1m", silent, "a"}, {"send", silent}, {"check"}} {
		t.Run(fmt.Sprint(len(args), args[0]), func(t *testing.T) {
			cmd := execCommand(args...)
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer stdin.Close()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if len(args) > 2 {
				<-heard
			} else if _, err := stdin.Write(make([]byte, 1<<20)); err != nil { // more than a pipe holds, so the command reads
				t.Fatal(err)
			}
			cmd.Process.Signal(os.Interrupt)
			goesOn := time.AfterFunc(10*time.Second, func() {
				t.Errorf("rawhttp %q continues after ^C", args)
				cmd.Process.Kill()
			})
			cmd.Wait()
			goesOn.Stop()
		})
	}
}

// A request before the signal is answered completely, even if the answer is larger than the
// buffers of the system.
func TestBinarySignals(t *testing.T) {
	t.Parallel()
	const size = 16 << 20 // more than the system buffers
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "large"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(root, "large"), size); err != nil {
		t.Fatal(err)
	}
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			cmd, addr := startBinary(t, root)

			busy, large := ask(t, addr, "/large")
			idle, folder := ask(t, addr, "/")
			if _, err := io.Copy(io.Discard, folder.Body); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			// The idle connection is closed once the signal has arrived.
			if rest, err := io.ReadAll(idle); len(rest) > 0 || err != nil {
				t.Errorf("the idle connection read %q, %v after %v, want io.EOF", rest, err, sig)
			}
			n, err := io.Copy(io.Discard, large.Body)
			if n != size || err != nil {
				t.Errorf("the request in progress received %d bytes, %v after %v, want %d, nil", n, err, sig, size)
			}
			busy.Close()
			if err := cmd.Wait(); err != nil {
				t.Errorf("rawhttp after %v: %v, want status 0", sig, err)
			}
		})
	}
}

// Connections that arrive while the system does not run the process are answered, even if the
// server was about to close its listener.
func TestBinaryStalledAsItStops(t *testing.T) {
	t.Parallel()
	root := folder(t, "a")
	for range 5 { // the stall seldom begins before the signal is noticed, or after the listener closed
		cmd, addr := startBinary(t, root)
		cmd.Process.Signal(syscall.SIGTERM)
		time.Sleep(20 * time.Millisecond)
		cmd.Process.Signal(syscall.SIGSTOP)
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			io.WriteString(conn, "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n")
			time.Sleep(100 * time.Millisecond)
		}
		cmd.Process.Signal(syscall.SIGCONT)
		if err == nil { // otherwise the listener was closed already, and nothing is lost
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil || resp.StatusCode != 200 {
				t.Errorf("a request that arrived during the stall received %v, %v, want 200", resp, err)
			}
			conn.Close()
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("rawhttp after SIGTERM: %v, want status 0", err)
		}
	}
}

// A second signal does not wait for requests in progress. Neither it nor the end of a
// terminal leaves a script running.
func TestBinarySignalsEndScripts(t *testing.T) {
	t.Parallel()
	for name, signals := range map[string][]os.Signal{
		"SIGTERM twice":          {syscall.SIGTERM, syscall.SIGTERM},
		"SIGHUP and then SIGINT": {syscall.SIGHUP, syscall.SIGINT},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if signals[0] == syscall.SIGHUP && signal.Ignored(syscall.SIGHUP) {
				t.Skip("the tests were started with nohup, and so is the command")
			}
			root := t.TempDir()
			script := "echo; echo $$; exec sleep 1000"
			if err := os.WriteFile(filepath.Join(root, "s.sh"), []byte(script), 0o644); err != nil {
				t.Fatal(err)
			}
			cmd, addr := startBinary(t, "-script", ".sh=sh", root)
			_, resp := ask(t, addr, "/s.sh")
			var pid int
			if _, err := fmt.Fscan(resp.Body, &pid); err != nil {
				t.Fatal(err)
			}
			idle, folder := ask(t, addr, "/")
			io.Copy(io.Discard, folder.Body)
			cmd.Process.Signal(signals[0])
			io.ReadAll(idle) // until the first signal has arrived
			cmd.Process.Signal(signals[1])
			if err := cmd.Wait(); err != nil {
				t.Errorf("after %v: %v, want status 0", signals, err)
			}
			if err := syscall.Kill(pid, 0); err == nil {
				t.Errorf("after %v the script is still running", signals)
			}
		})
	}
}

// ask requests a path and reads the head of the response. The end of the test
// closes the connection.
func ask(t *testing.T, addr, path string) (net.Conn, *http.Response) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, want 200", path, resp.Status)
	}
	return conn, resp
}
