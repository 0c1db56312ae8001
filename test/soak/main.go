//go:build linux

// Command soak puts load on a server from clients that misbehave. It checks that each
// response is the expected one, and that the server ends up with no more memory,
// goroutines, descriptors and processes than it started with.
//
//	soak mixed -for 10m   requests of all kinds, a fifth of them aborted
//	soak swap -for 1m     files that are replaced by other things while they are read
//
// It prints its measurements, and exits with status 1 if anything was wrong. The load is
// random; it prints the seed. Timing decides nothing, except that a response that takes a
// minute is a fault.
//
// The server is a separate process: the same program, run as "soak serve".
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"
)

// hang is the time limit for operations that should be immediate.
const hang = time.Minute

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	flags := flag.NewFlagSet("soak "+os.Args[1], flag.ExitOnError)
	duration := flags.Duration("for", 10*time.Second, "put load on the server for this `time`")
	clients := flags.Int("clients", 64, "`number` of clients")
	seed := flags.Uint64("seed", rand.Uint64(), "`seed` of the random choices")
	root := flags.String("root", "", "serve: the `folder` of the run")
	flags.Parse(os.Args[2:])

	run := map[string]func(*load) error{"mixed": mixed, "swap": swap}[os.Args[1]]
	switch {
	case os.Args[1] == "serve":
		exitIf(serve(*root))
		return
	case run == nil:
		usage()
	}
	fmt.Printf("%s: for %v, %d clients, seed %d\n", os.Args[1], *duration, *clients, *seed)
	l := &load{duration: *duration, clients: *clients, seed: *seed, counts: make(map[string]int)}
	exitIf(run(l))
	exitIf(l.report())
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: soak mixed|swap [-for TIME] [-clients N] [-seed N]")
	os.Exit(2)
}

func exitIf(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// A load is a run with its settings and results.
type load struct {
	duration time.Duration
	clients  int
	seed     uint64

	mu     sync.Mutex
	counts map[string]int // counts of events, by name
	faults []string
}

// random returns the source of random choices for client n. Other uses have a number of
// their own.
func (l *load) random(n int) *rand.Rand { return rand.New(rand.NewPCG(l.seed, uint64(n))) }

// count counts one event.
func (l *load) count(what string) {
	l.mu.Lock()
	l.counts[what]++
	l.mu.Unlock()
}

// fault records that something was wrong.
func (l *load) fault(format string, args ...any) {
	l.mu.Lock()
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
	l.mu.Unlock()
}

// wantCounts records a fault for each of the events that never happened: a load that
// requests nothing finds nothing.
func (l *load) wantCounts(names ...string) {
	for _, name := range names {
		if l.counts[name] == 0 {
			l.fault("nothing was counted as %q", name)
		}
	}
}

// failed reports whether there have been so many faults that continuing is pointless.
func (l *load) failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.faults) >= 20
}

// each runs f for all clients concurrently, and repeatedly until the time is up.
func (l *load) each(duration time.Duration, f func(n int, again func() bool)) {
	end := time.Now().Add(duration)
	again := func() bool { return time.Now().Before(end) && !l.failed() }
	var wg sync.WaitGroup
	for n := range l.clients {
		wg.Go(func() { f(n, again) })
	}
	wg.Wait()
}

// report prints the counts and the faults. It returns an error if there are faults.
func (l *load) report() error {
	var names []string
	for name := range l.counts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Printf("  %-24s %9d\n", name, l.counts[name])
	}
	for _, f := range l.faults {
		fmt.Println("  FAULT:", f)
	}
	if n := len(l.faults); n > 0 {
		return fmt.Errorf("%d faults; seed %d", n, l.seed)
	}
	return nil
}
