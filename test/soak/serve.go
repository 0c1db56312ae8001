//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.com/rawhttp"
)

// serve serves the folder of a run: root/files as files, root/scripts as scripts, and
// some resolvers. It prints its address, and answers each line on standard input with
// its figures. It exits at the end of its input, so that it does not outlive the load.
func serve(root string) error {
	files, err := rawhttp.Dir(filepath.Join(root, "files"))
	if err != nil {
		return err
	}
	scripts, err := rawhttp.Dir(filepath.Join(root, "scripts"), rawhttp.WithScript(".sh", "sh"), rawhttp.WithMaxScripts(32))
	if err != nil {
		return err
	}
	logged := &logger{}
	srv, err := rawhttp.New(
		rawhttp.WithLogger(logged),
		rawhttp.WithResolver(rawhttp.First(
			rawhttp.Mount("/files/", files),
			rawhttp.Mount("/scripts/", scripts),
			rawhttp.ResolverFunc(resolve),
		)),
	)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { served <- srv.Serve(ctx, ln) }()
	fmt.Println(ln.Addr())
	out := json.NewEncoder(os.Stdout)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if err := out.Encode(takeFigures(srv, logged, root)); err != nil {
			return err
		}
	}
	stop()
	return <-served
}

// resolve answers requests for anything but files and scripts.
func resolve(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	switch req.Path() {
	case "/upload": // responds with the length and hash of the content
		h := sha256.New()
		n, err := io.Copy(h, req.Body)
		if err != nil {
			return nil, err
		}
		return rawhttp.Text(200, fmt.Sprintf("%d %x", n, h.Sum(nil))), nil
	case "/ignore": // leaves the content unread
		return rawhttp.Text(403, "no\n"), nil
	case "/echo":
		return rawhttp.Stream(200, "application/octet-stream", req.Body), nil
	case "/events": // sends events until the client disconnects, or n events
		n, err := strconv.Atoi(req.Query().Get("n"))
		if err != nil {
			n = -1
		}
		return rawhttp.StreamFunc(200, "text/event-stream", func(ctx context.Context, w io.Writer) error {
			return sendEvents(ctx, w, n)
		}), nil
	}
	return nil, fs.ErrNotExist
}

func sendEvents(ctx context.Context, w io.Writer, n int) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := 0; i != n; i++ {
		if _, err := fmt.Fprintf(w, "data: %d\n\n", i); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// figures are the resources that a server holds.
type figures struct {
	Goroutines  int
	Descriptors int
	Processes   int // children of the server, and other processes of the run's scripts
	Conns       int
	RSS         int      // KiB
	Errors      []string // errors that the server logged
}

func takeFigures(srv *rawhttp.Server, logged *logger, root string) figures {
	debug.FreeOSMemory()
	fds, _ := os.ReadDir("/proc/self/fd")
	return figures{
		Goroutines:  runtime.NumGoroutine(),
		Descriptors: len(fds),
		Processes:   countProcesses(filepath.Join(root, "scripts")),
		Conns:       int(srv.Stats().ConnsOpen),
		RSS:         residentKiB(os.Getpid()),
		Errors:      logged.errors(),
	}
}

// countProcesses counts the children of this process, including zombies, and all
// processes with the folder in their command line, whatever their parent.
func countProcesses(folder string) (n int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		b, err := os.ReadFile(stat)
		if err != nil {
			continue // it has just ended
		}
		// The name of the program may contain any byte, but nothing after it contains
		// ")".
		after := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		command, _ := os.ReadFile(filepath.Dir(stat) + "/cmdline")
		isChild := len(after) > 1 && after[1] == strconv.Itoa(os.Getpid())
		if isChild || bytes.Contains(command, []byte(folder)) {
			n++
		}
	}
	return n
}

// residentKiB returns the resident memory of a process, or 0 if it has ended.
func residentKiB(pid int) (n int) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	fmt.Sscan(after, &n)
	return n
}

// A logger collects the errors that the server logs, up to a limit.
type logger struct {
	mu   sync.Mutex
	text []string
}

func (*logger) Debug(string, ...any) {}
func (*logger) Info(string, ...any)  {}
func (*logger) Warn(string, ...any)  {}

func (l *logger) Error(msg string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.text) < 1000 {
		l.text = append(l.text, strings.TrimSpace(msg+" "+fmt.Sprintln(args...)))
	}
}

// errors returns the errors logged since the last call.
func (l *logger) errors() (text []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text, l.text = l.text, nil
	return text
}
