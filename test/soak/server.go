//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// A server is a process that serves the folder of a run.
type server struct {
	addr  string
	root  string // folder of the run, with files and scripts
	start figures

	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// startServer starts a server on a new folder, which prepare fills.
func startServer(prepare func(root string) error) (*server, error) {
	root, err := os.MkdirTemp("", "soak-")
	if err != nil {
		return nil, err
	}
	s := &server{root: root}
	for _, folder := range []string{"/files", "/scripts"} {
		if err := os.Mkdir(root+folder, 0o755); err != nil {
			return s, err
		}
	}
	if err := prepare(root); err != nil {
		return s, err
	}
	s.cmd = exec.Command("/proc/self/exe", "serve", "-root", root)
	s.cmd.Stderr = os.Stderr
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return s, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return s, err
	}
	if err := s.cmd.Start(); err != nil {
		return s, err
	}
	s.out = bufio.NewReader(out)
	addr, err := s.out.ReadString('\n')
	if err != nil {
		return s, fmt.Errorf("the server printed no address: %w", err)
	}
	s.addr = strings.TrimSpace(addr)
	s.start, err = s.figures()
	return s, err
}

// figures asks the server for its figures.
func (s *server) figures() (f figures, err error) {
	if _, err := fmt.Fprintln(s.in); err != nil {
		return f, err
	}
	line, err := s.out.ReadBytes('\n')
	if err != nil {
		return f, fmt.Errorf("the server has exited: %w", err)
	}
	return f, json.Unmarshal(line, &f)
}

// settle waits until the server holds no more than when it started, apart from memory,
// and returns its figures. It records a fault for what the server still holds after a
// while.
func (s *server) settle(l *load, errorIsFault func(string) bool) (f figures, err error) {
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if f, err = s.figures(); err != nil {
			return f, err
		}
		for _, e := range f.Errors {
			l.count("errors logged")
			if errorIsFault(e) {
				l.fault("the server logged: %s", e)
			}
		}
		is := [4]int{f.Conns, f.Goroutines, f.Descriptors, f.Processes}
		was := [4]int{s.start.Conns, s.start.Goroutines, s.start.Descriptors, s.start.Processes}
		if is == was {
			return f, nil
		}
		if time.Since(begun) > hang {
			l.fault("connections, goroutines, descriptors, processes were %d and are still %d", was, is)
			return f, nil
		}
	}
}

// printFigures prints what the server held before, at its peak, and after.
func (s *server) printFigures(before, after figures, peak int) {
	fmt.Printf("  memory (VmRSS, MiB)       before %.1f, peak %.1f, after %.1f\n", mib(before.RSS), mib(peak), mib(after.RSS))
	fmt.Printf("  goroutines                before %d, after %d\n", s.start.Goroutines, after.Goroutines)
	fmt.Printf("  descriptors               before %d, after %d\n", s.start.Descriptors, after.Descriptors)
	fmt.Printf("  processes of scripts      before %d, after %d\n", s.start.Processes, after.Processes)
}

func mib(kib int) float64 { return float64(kib) / 1024 }

// watchMemory watches the memory of the server until stop is called, which returns the
// peak in KiB.
func (s *server) watchMemory() (stop func() (peak int)) {
	done := make(chan struct{})
	peak := 0
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			peak = max(peak, residentKiB(s.cmd.Process.Pid))
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	})
	return func() int {
		close(done)
		wg.Wait()
		return peak
	}
}

// stop ends the server, removes its folder, and checks its exit status.
func (s *server) stop(l *load) {
	if s == nil {
		return
	}
	defer os.RemoveAll(s.root)
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	s.in.Close()
	late := time.AfterFunc(hang, func() {
		l.fault("the server does not stop")
		s.cmd.Process.Kill()
	})
	defer late.Stop()
	if err := s.cmd.Wait(); err != nil {
		l.fault("the server ended with %v", err)
	}
}
