package scripts_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// A leakCount counts the resources that scripts have left.
type leakCount struct {
	Survivors   int // processes in the folder of the scripts
	Zombies     int // children of this process that were not waited for
	Descriptors int // additional open descriptors
	Goroutines  int // additional goroutines
}

// leakProcesses counts the processes that run in the folder, and the zombies among the
// children of this process.
func leakProcesses(t testing.TB, folder string) (survivors, zombies int) {
	t.Helper()
	folder, err := filepath.EvalSymlinks(folder)
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if cwd, err := os.Readlink(name + "/cwd"); err == nil && cwd == folder {
			survivors++
		}
		stat, _ := os.ReadFile(name + "/stat")
		_, rest, _ := bytes.Cut(stat, []byte(") "))
		var state byte
		var parent int
		if n, _ := fmt.Sscanf(string(rest), "%c %d", &state, &parent); n == 2 && state == 'Z' && parent == os.Getpid() {
			zombies++
		}
	}
	return survivors, zombies
}

// A scriptEnding is a way in which the runs of a script end.
type scriptEnding struct {
	name, script string
	timeout      time.Duration
	post         bool
	reset        string // if set, the client resets when the file with this name and the number of the run exists
	want         int    // status if the client does not reset
	cut          bool

	site *scriptSite
}

// run runs the script once.
func (e *scriptEnding) run(t *testing.T, n int) {
	c := e.site.dial(t)
	defer c.Close()
	target := "/a.sh?" + strconv.Itoa(n)
	request := getRequest(target)
	switch {
	case e.post && e.reset != "":
		request = postBegun(target, 10, "begin")
	case e.post:
		request = postBegun(target, 7, "content")
	}
	c.send(t, request)
	if e.reset != "" {
		e.site.await(t, e.reset+strconv.Itoa(n))
		c.reset()
		return
	}
	got := c.answer(t)
	if e.cut && got.Status == 504 {
		return // on a slow machine even the head is late
	}
	if got.Status != e.want || got.Cut != e.cut {
		t.Errorf("scripts that %s: status %d, cut: %v, want %d, %v", e.name, got.Status, got.Cut, e.want, e.cut)
	}
}

// runAll runs the script of each ending, some of them concurrently, with the numbers of the runs.
func runAll(t *testing.T, endings []*scriptEnding, from, to int) {
	var all sync.WaitGroup
	next := make(chan func())
	for range 8 * len(endings) {
		all.Go(func() {
			for run := range next {
				run()
			}
		})
	}
	for n := from; n < to; n++ {
		for _, e := range endings {
			next <- func() { e.run(t, n) }
		}
	}
	close(next)
	all.Wait()
}

// However scripts end, they leave no process, zombie, descriptor or goroutine.
func TestScriptsLeakNothing(t *testing.T) {
	skipUnlessLong(t)
	noNewGoroutines(t)
	const runs = 24 // of each ending; 1000 take some minutes
	endings := []*scriptEnding{
		{name: "succeed", script: "echo; echo end", want: 200},
		{name: "succeed, with content", script: "echo; exec cat", post: true, want: 200},
		{name: "fail", script: "exit 1", want: 500},
		{name: "exceed their time limit", script: "exec sleep 1000", timeout: 30 * time.Millisecond, want: 504},
		{name: "exceed their time limit after the head", script: "echo; exec sleep 1000", timeout: 200 * time.Millisecond, want: 200, cut: true},
		{name: "exceed their time limit and ignore SIGTERM", script: "trap '' TERM; exec sleep 1000", timeout: 30 * time.Millisecond, want: 504},
		{name: "leave a child that holds the output", script: "echo; sleep 1000 &", want: 200},
		{name: "leave a child that holds standard error", script: "echo; sleep 1000 >&- &", want: 200},
		{name: "leave a child that holds nothing", script: "echo; sleep 1000 >&- 2>&- <&- &", want: 200},
		{name: "lose their client", script: "echo >run.$QUERY_STRING; sleep 1000 & wait", reset: "run."},
		{name: "lose their client while reading content", script: "echo >fed.$QUERY_STRING; exec cat", post: true, reset: "fed."},
	}
	for _, e := range endings {
		e.site = serveScripts(t, map[string]string{"a.sh": e.script}, rawhttp.WithScriptTimeout(e.timeout), rawhttp.WithMaxScripts(0), rawhttp.WithMaxConns(0))
	}
	count := func(before leakCount) (now leakCount) {
		for _, e := range endings {
			survivors, zombies := leakProcesses(t, e.site.root)
			now.Survivors += survivors
			now.Zombies = zombies
		}
		now.Descriptors = max(0, testkit.Descriptors()-before.Descriptors)
		now.Goroutines = max(0, runtime.NumGoroutine()-before.Goroutines)
		return now
	}
	runAll(t, endings, -1, 0) // so that descriptors and goroutines that the runtime needs once exist
	waitUntil(t, "the first runs are over", func() bool {
		return !slices.ContainsFunc(endings, func(e *scriptEnding) bool { return e.site.srv.Stats().ConnsOpen > 0 })
	})
	awaitNoScripts(t)
	before := leakCount{Descriptors: testkit.Descriptors(), Goroutines: runtime.NumGoroutine()}
	runAll(t, endings, 0, runs)
	var got leakCount
	for giveUp := time.Now().Add(30 * time.Second); time.Now().Before(giveUp); time.Sleep(20 * time.Millisecond) {
		if got = count(before); got == (leakCount{}) {
			break
		}
	}
	if diff := cmp.Diff(leakCount{}, got); diff != "" {
		t.Errorf("left by %d runs of each of %d endings (-want +got):\n%s", runs, len(endings), diff)
	}
}

// If orphans become children of the server, as they do if it is process 1, the server waits for
// those of scripts, and the script's turn ends.
func TestScriptOrphansBecomeChildren(t *testing.T) {
	const setChildSubreaper = 36
	set := func(on uintptr) {
		t.Helper()
		if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, setChildSubreaper, on, 0, 0, 0, 0); errno != 0 {
			t.Fatal(errno)
		}
	}
	set(1)
	defer set(0)
	s := serveScripts(t, map[string]string{
		"a.sh": "echo; sleep 1000 >&- 2>&- & sh -c 'sleep 1000 & sleep 1000 & echo' >&- 2>&- & sleep 0.1",
	}, rawhttp.WithMaxScripts(1))
	for range 2 {
		if got := s.ask(t, "/a.sh").answer(t); got.Status != 200 || got.Content != "\n" || got.Cut {
			t.Errorf("answer %v, want 200 and an empty line", got)
		}
	}
	waitUntil(t, "nothing is left, zombies included", func() bool {
		survivors, zombies := leakProcesses(t, s.root)
		return survivors == 0 && zombies == 0
	})
	s.awaitTurn(t)
}

// If descriptors run out, at whatever point, the answer is 503 and no descriptor leaks.
func TestScriptWithoutDescriptors(t *testing.T) {
	s := serveScripts(t, map[string]string{"a.sh": "echo; exec cat"})
	post := postBegun("/a.sh", 7, "content")
	chunk := strings.Repeat("x", copyBuffer+1)
	long := chunkedRequest("/a.sh", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(chunk), chunk))
	for name, request := range map[string]string{"short content": post, "long chunked content": long} {
		t.Run(name, func(t *testing.T) {
			c := s.dial(t)
			c.send(t, request)
			c.answer(t) // so that descriptors that are opened once are open
			var limit syscall.Rlimit
			if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
				t.Fatal(err)
			}
			before := testkit.Descriptors()
			low := limit
			low.Cur = uint64(before + 64)
			if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
				t.Fatal(err)
			}
			defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
			var held []int
			for {
				fd, err := syscall.Dup(0)
				if err != nil {
					break
				}
				held = append(held, fd)
			}
			for free, ran := 0, 0; ran < 3; free++ {
				if free > 0 && len(held) > 0 {
					syscall.Close(held[len(held)-1])
					held = held[:len(held)-1]
				}
				c.send(t, request)
				got := c.answer(t)
				if got.Status == 200 {
					ran++
				}
				if got.Status != 200 && got.Status != 503 || free == 0 && got.Status == 200 || free == 19 && got.Status != 200 {
					t.Fatalf("with %d free descriptors: status %d, want 503, or 200 if they suffice", free, got.Status)
				}
			}
			for _, fd := range held {
				syscall.Close(fd)
			}
			waitUntil(t, "all descriptors are closed", func() bool { return testkit.Descriptors() <= before })
		})
	}
}
