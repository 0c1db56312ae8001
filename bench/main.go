// Command bench compares rawhttp with other servers, on Linux, by the processor time
// that the server needs per request. In the folder of this file, run
//
//	go run . [-jobs LIST] [-peers LIST] [-rounds N] [-seconds N] [-out FILE]
//	go run . -check
//
// It prints Markdown on standard output and progress on standard error. See also the
// README.md of the root.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// settings are the values of the command line.
type settings struct {
	jobs    []job
	peers   []string // names of contenders; empty means all
	rounds  int
	seconds int
	check   bool
	out     string
}

func main() {
	log.SetFlags(0)
	set, err := parseArgs(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var report bytes.Buffer
	if err := run(ctx, set, io.MultiWriter(os.Stdout, &report), os.Stderr); err != nil {
		log.Fatal(err)
	}
	if set.out == "" {
		return
	}
	old, _ := os.ReadFile(set.out) // the file may be new
	report.Write(ablations(old))
	if err := os.WriteFile(set.out, report.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
}

// ablations returns the section of an earlier report that is written by hand, and stays: what
// each optimization saves.
func ablations(report []byte) []byte {
	const title = "\n## What each optimization saves\n"
	if i := bytes.Index(report, []byte(title)); i >= 0 {
		return report[i:]
	}
	return nil
}

func parseArgs(args []string) (set settings, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	jobs := flags.String("jobs", "", "comma-separated `list` of "+names(allJobs)+"; all if empty")
	peers := flags.String("peers", "", "comma-separated `list` of "+names(allContenders)+"; all if empty")
	flags.IntVar(&set.rounds, "rounds", 5, "rounds per job and contender; the report has medians")
	flags.IntVar(&set.seconds, "seconds", 1, "length of a round")
	flags.StringVar(&set.out, "out", "", "also write the result to this `file`")
	flags.BoolVar(&set.check, "check", false, "only verify the responses of every contender in every job; figures are meaningless")
	if err := flags.Parse(args); err != nil {
		return set, err
	}
	if flags.NArg() > 0 || set.rounds < 1 || set.seconds < 1 {
		return set, errors.New("want no arguments, and at least 1 for -rounds and -seconds")
	}
	if set.jobs, err = choose(allJobs, *jobs); err != nil {
		return set, fmt.Errorf("-jobs: %w", err)
	}
	chosen, err := choose(allContenders, *peers)
	if err != nil {
		return set, fmt.Errorf("-peers: %w", err)
	}
	for _, c := range chosen {
		set.peers = append(set.peers, c.name)
	}
	if set.check {
		set.rounds = 1
	}
	return set, nil
}

func (j job) String() string       { return j.name }
func (c contender) String() string { return c.name }
func (p program) String() string   { return p.name }
func (s series) String() string    { return s.contender.name }

func names[T fmt.Stringer](all []T) string {
	var list []string
	for _, v := range all {
		list = append(list, v.String())
	}
	return strings.Join(list, ",")
}

// choose returns the elements of all that are named in the list, in the order of all.
// An empty list means all.
func choose[T fmt.Stringer](all []T, list string) (chosen []T, err error) {
	if list == "" {
		return all, nil
	}
	wanted := strings.Split(list, ",")
	for _, v := range all {
		if slices.Contains(wanted, v.String()) {
			chosen = append(chosen, v)
			wanted = slices.DeleteFunc(wanted, func(s string) bool { return s == v.String() })
		}
	}
	if len(wanted) > 0 {
		return nil, fmt.Errorf("unknown name %q; want one of %s", wanted, names(all))
	}
	return chosen, nil
}

// run runs the jobs and writes the report.
func run(ctx context.Context, set settings, report, progress io.Writer) error {
	dir, err := os.MkdirTemp("", "rawhttp-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintln(progress, "building")
	l, err := newLab(ctx, set, dir, progress)
	if err != nil {
		return err
	}
	loadBefore := loadAverage()
	var tables []string
	start := time.Now()
	for i, j := range set.jobs {
		l.printf("job %d of %d: %s", i+1, len(set.jobs), j.name)
		table, err := l.do(ctx, j)
		if err != nil {
			return err
		}
		if table != "" {
			tables = append(tables, table)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	l.printf("done after %v", time.Since(start).Round(time.Second))
	if set.check {
		return nil
	}
	l.writeHead(ctx, report, loadBefore, loadAverage())
	for _, table := range tables {
		fmt.Fprint(report, "\n", table)
	}
	return nil
}

// do runs a job and returns its table.
func (l *lab) do(ctx context.Context, j job) (string, error) {
	if j.kind == programs {
		return l.doPrograms(ctx, j)
	}
	work := l.run
	if j.kind == idle {
		work = l.runIdle
		j.conns = l.idleConns(j)
		j.title = fmt.Sprintf("Idle connections: %d", j.conns)
	}
	all, err := work(ctx, j)
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		l.note("%s is left out: no contender can run it on this machine", j.name)
		return "", nil
	}
	l.printf("%s: correct responses from %s", j.name, names(all))
	return table(j.title, columnsOf(j), all), nil
}
