package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cores are the cores on which processes run. pinned is false if there is only one.
type cores struct {
	pinned         bool
	server, client int
}

// chooseCores selects the first two cores that this process may use. It pins the
// process, and so the clients it starts, to the second.
func chooseCores() (cores, error) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return cores{}, fmt.Errorf("sched_getaffinity: %w", err)
	}
	var first []int
	for i := 0; i < len(all)*64 && len(first) < 2; i++ {
		if all.IsSet(i) {
			first = append(first, i)
		}
	}
	if len(first) < 2 {
		return cores{}, nil
	}
	c := cores{pinned: true, server: first[0], client: first[1]}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return cores{}, err
	}
	for _, task := range tasks {
		if err := pin(atoi(task.Name()), c.client); err != nil {
			return cores{}, err
		}
	}
	return c, nil
}

// pin pins a thread to a core; 0 is the calling thread.
func pin(thread, core int) error {
	var set unix.CPUSet
	set.Set(core)
	if err := unix.SchedSetaffinity(thread, &set); err != nil && err != unix.ESRCH {
		return fmt.Errorf("sched_setaffinity: %w", err)
	}
	return nil
}

// A process is a running server.
type process struct {
	pid    int
	port   int
	cancel context.CancelFunc
	ended  chan struct{} // closed when the process has ended
	stderr bytes.Buffer  // valid when ended is closed
	err    error         // how the process ended; valid when ended is closed

	restNow int64 // resident bytes before the first request
}

// startServer starts the command on the server's core with GOMAXPROCS=1, and waits
// until its port accepts connections.
func (c cores) startServer(ctx context.Context, port int, argv []string) (*process, error) {
	p, err := c.spawn(ctx, port, argv)
	if err != nil {
		return nil, err
	}
	limit := time.Now().Add(10 * time.Second)
	for !p.answers() {
		select {
		case <-p.ended:
			return nil, p.failure(argv[0])
		default:
		}
		if time.Now().After(limit) {
			p.stop()
			return nil, fmt.Errorf("%s does not accept connections after 10 s", argv[0])
		}
		time.Sleep(100 * time.Microsecond)
	}
	return p, nil
}

func (c cores) spawn(ctx context.Context, port int, argv []string) (*process, error) {
	ctx, cancel := context.WithCancel(ctx)
	p := &process{port: port, cancel: cancel, ended: make(chan struct{})}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = &p.stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second // before it is killed
	if err := c.startPinned(cmd); err != nil {
		cancel()
		return nil, err
	}
	p.pid = cmd.Process.Pid
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// startPinned starts a command from a thread that is pinned to the server's core
// meanwhile, since children inherit the affinity.
func (c cores) startPinned(cmd *exec.Cmd) error {
	if !c.pinned {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := pin(0, c.server); err != nil {
		return err
	}
	return errors.Join(cmd.Start(), pin(0, c.client))
}

func (p *process) answers() bool {
	conn, err := net.Dial("tcp", address(p.port))
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// stop ends the process and waits until it has ended.
func (p *process) stop() {
	p.cancel()
	<-p.ended
}

func (p *process) failure(command string) error {
	return fmt.Errorf("%s: %v: %s", command, p.err, strings.TrimSpace(p.stderr.String()))
}

// freePort returns an unused port.
func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}
