package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCheck runs the command with -check: all installed contenders must answer correctly
// in every job.
func TestCheck(t *testing.T) {
	set, err := parseArgs([]string{"-check"})
	if err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), set, t.Output(), t.Output()); err != nil {
		t.Error(err)
	}
}

// A new report keeps the section that is written by hand.
func TestAblations(t *testing.T) {
	old, err := os.ReadFile("RESULTS.md")
	if err != nil {
		t.Fatal(err)
	}
	got := ablations(old)
	if !bytes.HasPrefix(got, []byte("\n## What each optimization saves\n")) || !bytes.HasSuffix(old, got) {
		t.Errorf("ablations(RESULTS.md) = %q, want its last section", got)
	}
	if got := ablations([]byte("# Results\n")); got != nil {
		t.Errorf("ablations of a report without the section = %q, want none", got)
	}
}

func TestParseArgs(t *testing.T) {
	set, err := parseArgs([]string{"-jobs", "idle,hello", "-peers", "nginx,rawhttp", "-rounds", "3"})
	if err != nil || names(set.jobs) != "hello,idle" || len(set.peers) != 2 || set.peers[0] != "rawhttp" || set.rounds != 3 {
		t.Errorf("parseArgs = %+v, %v, want the jobs hello and idle, the peers rawhttp and nginx, and 3 rounds", set, err)
	}
	for _, args := range [][]string{{"-jobs", "helo"}, {"-peers", "apache"}, {"-rounds", "0"}, {"-seconds", "0"}, {"hello"}} {
		if _, err := parseArgs(args); err == nil || errors.Is(err, flag.ErrHelp) {
			t.Errorf("parseArgs(%q) returns no error", args)
		}
	}
}

func TestParseStat(t *testing.T) {
	const stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 114 0 0 0 70 30 5 7 20 0 1 0 1000 2 3"
	got, err := parseStat([]byte(stat))
	want := usage{total: 120 * time.Millisecond, user: 75, all: 112}
	if err != nil || got != want {
		t.Errorf("parseStat(%q) = %+v, %v, want %+v", stat, got, err, want)
	}
	if _, err := parseStat([]byte("42 (a) S 1")); err == nil {
		t.Error("parseStat of too few fields returns no error")
	}
}

// TestUsage checks that the time used by a child counts as the parent's, both while the
// child is alive and after it has been waited for.
func TestUsage(t *testing.T) {
	before, err := usageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	script := "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo done; read line"
	cmd := exec.Command("sh", "-c", script)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stdout.Read(make([]byte, 5))
	alive, err := usageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	stdin.Close()
	cmd.Wait() // it fails, since its input has ended
	ended, err := usageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	own := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	for name, u := range map[string]usage{"alive": alive, "ended": ended} {
		if total, _ := u.since(before); total < own-2*tick {
			t.Errorf("%s: usage is %v, want at least the %v of the child", name, total, own)
		}
	}
}

func TestParseWrk(t *testing.T) {
	got, err := parseWrk([]byte("Running 1s test\nfigures 1000 20000 0 1000000 250 900\n"))
	want := load{requests: 1000, bytes: 20000, elapsed: time.Second, p50: 250 * time.Microsecond, p99: 900 * time.Microsecond}
	if err != nil || got != want {
		t.Errorf("parseWrk = %+v, %v, want %+v", got, err, want)
	}
	for _, out := range []string{"", "figures 1 2", "figures 1000 20000 1 1000000 250 900", "figures 0 0 0 1000000 0 0"} {
		if _, err := parseWrk([]byte(out)); err == nil {
			t.Errorf("parseWrk(%q) returns no error", out)
		}
	}
}

// TestWrk checks that wrk accepts wrk.lua, which -check does not use, and puts the load that
// the job describes on a server.
func TestWrk(t *testing.T) {
	set, err := parseArgs([]string{"-jobs", "pipelined-differ,tls-connect,upload-chunked", "-peers", "rawhttp", "-rounds", "1"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLab(t.Context(), set, t.TempDir(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if !l.has("wrk") {
		t.Skip("wrk is not installed")
	}
	for _, j := range set.jobs {
		all, err := l.run(t.Context(), j)
		if err != nil || len(all) != 1 || len(all[0].samples) != 1 || all[0].samples[0].requests < j.depth {
			t.Errorf("%s: run = %+v, %v, want a sample with requests", j.name, all, err)
		}
	}
}

// A job without rawhttp or without another contender compares nothing.
func TestContenders(t *testing.T) {
	for _, j := range allJobs {
		if j.kind == programs {
			continue
		}
		var does []string
		for _, c := range allContenders {
			if c.does(j) {
				does = append(does, c.name)
			}
		}
		if len(does) < 2 || does[0] != "rawhttp" {
			t.Errorf("%s: the contenders are %q, want rawhttp and others", j.name, does)
		}
		if j.tls && slices.ContainsFunc(does, func(name string) bool { return strings.HasPrefix(name, "floor") }) {
			t.Errorf("%s: the contenders are %q, but no floor speaks TLS", j.name, does)
		}
	}
}

func TestVerifyListing(t *testing.T) {
	var page bytes.Buffer
	page.WriteString("<!doctype html><ul>")
	for i := range 3 {
		page.WriteString(`<li><a href="` + entry(i) + `">x</a>`)
	}
	if err := verifyListing(job{entries: 3}, page.Bytes()); err != nil {
		t.Errorf("verifyListing of three files: %v", err)
	}
	if err := verifyListing(job{entries: 4}, page.Bytes()); err == nil {
		t.Error("verifyListing accepts a listing without the fourth file")
	}
	if err := verifyListing(job{entries: 0}, []byte("a b c")); err == nil {
		t.Error("verifyListing accepts text as HTML")
	}
	inJSON := job{kind: listingJSON, entries: 1}
	if err := verifyListing(inJSON, []byte(`[{"name": "file-000000.txt"}]`)); err != nil {
		t.Errorf("verifyListing of JSON: %v", err)
	}
	if err := verifyListing(inJSON, []byte(`[{"name": "file-000000.txt"}`)); err == nil {
		t.Error("verifyListing accepts JSON that ends early")
	}
}

func TestTable(t *testing.T) {
	of := func(name string, cpus ...time.Duration) series {
		s := series{contender: contender{name: name}}
		for _, cpu := range cpus {
			s.samples = append(s.samples, sample{cpu: cpu})
		}
		return s
	}
	value := func(s sample) float64 { return micros(s.cpu) }
	columns := []column{{title: "CPU", format: "%.0f", value: value, compare: "rawhttp ÷ it"}}
	const us = time.Microsecond
	got := table("Job", columns, []series{of("rawhttp", 4*us, 5*us, 6*us), of("other", 8*us, 10*us, 6*us)})
	want := "## Job\n\n|  | CPU | ± | rawhttp ÷ it |\n|---|---:|---:|---:|\n" +
		"| rawhttp | 5 | 20 % |  |\n| other | 8 | 25 % | 0.50 |\n"
	if got != want {
		t.Errorf("table =\n%s\nwant\n%s", got, want)
	}
}
