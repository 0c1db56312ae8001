package lesson

import (
	"bufio"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// A program is a running server, which serves until it is stopped.
type program struct {
	cmd       *exec.Cmd
	firstLine string
	port      string        // the port it listens on, with a leading colon
	news      chan struct{} // has an element if there may be more in rest
	done      chan struct{} // closed at the end of its output

	mu   sync.Mutex
	rest strings.Builder // what it has printed on standard output after the first line
}

var hasPort = regexp.MustCompile(`:\d+`)

// start starts a program and waits until it has printed its address. The port is the first
// one in its first line. The program is stopped at the end of the test.
func start(t *testing.T, name string, args []string) *program {
	t.Helper()
	p := &program{cmd: exec.Command(name, args...), news: make(chan struct{}, 1), done: make(chan struct{})}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	p.firstLine, err = lines.ReadString('\n')
	go p.collect(lines)
	t.Cleanup(p.stop)
	p.port = hasPort.FindString(p.firstLine)
	if err != nil || p.port == "" {
		t.Fatalf("%v printed %q, %v: want its address", p.cmd, p.firstLine, err)
	}
	return p
}

// collect collects what the program prints.
func (p *program) collect(lines *bufio.Reader) {
	defer close(p.done)
	for {
		line, err := lines.ReadString('\n')
		p.mu.Lock()
		p.rest.WriteString(line)
		p.mu.Unlock()
		select {
		case p.news <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// printed returns the output after the first line, as soon as enough reports true for
// it.
func (p *program) printed(t *testing.T, enough func(string) bool) string {
	t.Helper()
	timeout := time.After(hang)
	for {
		p.mu.Lock()
		text := p.rest.String()
		p.mu.Unlock()
		if enough(text) {
			return text
		}
		select {
		case <-p.news:
		case <-p.done:
			t.Errorf("%v ends after %q", p.cmd, text)
			return text
		case <-timeout:
			t.Errorf("%v prints no more than %q", p.cmd, text)
			return text
		}
	}
}

// stop interrupts the program, if there is one, and waits for its end.
func (p *program) stop() {
	if p == nil || p.cmd.ProcessState != nil {
		return
	}
	p.cmd.Process.Signal(os.Interrupt)
	<-p.done
	p.cmd.Wait()
}
