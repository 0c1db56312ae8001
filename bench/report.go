package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A column is a value measured in each round; the table has one aggregate of all rounds.
type column struct {
	title  string
	format string
	value  func(sample) float64
	// compare is the title of an extra column: rawhttp's value divided by the contender's.
	compare string
	// sampled says that single rounds are inexact: the table has the mean instead of the
	// median.
	sampled bool
}

func columnsOf(j job) []column {
	if j.kind == idle {
		perConn := func(s sample) float64 { return float64(s.growth) / float64(j.conns) }
		return []column{{title: "bytes per connection", format: "%.0f", value: perConn, compare: "rawhttp ÷ it"}}
	}
	cpu := func(s sample) float64 { return micros(s.cpu) / float64(s.requests) }
	user := func(s sample) float64 { return micros(s.user) / float64(s.requests) }
	rate := func(s sample) float64 { return float64(s.requests) / s.elapsed.Seconds() }
	p50 := func(s sample) float64 { return micros(s.p50) / 1000 }
	p99 := func(s sample) float64 { return micros(s.p99) / 1000 }
	what := "request"
	if j.kind == events {
		what = "event"
	}
	columns := []column{{title: "CPU µs/" + what, format: "%.2f", value: cpu, compare: "rawhttp ÷ it"}}
	if j.kind != script && j.kind != scriptLast { // the timer misses most processes that live only a millisecond
		columns = append(columns, column{title: "user part", format: "%.2f", value: user, compare: "user ÷ user", sampled: true})
	}
	columns = append(columns, column{title: what + "s/s", format: "%.0f", value: rate})
	if j.depth == 1 && j.kind != events { // for batches, wrk's latencies mean little
		columns = append(columns,
			column{title: "p50 ms", format: "%.2f", value: p50},
			column{title: "p99 ms", format: "%.2f", value: p99})
	}
	switch j.kind {
	case large:
		perByte := func(s sample) float64 { return s.cpu.Seconds() / float64(s.bytes) * 1e9 }
		speed := func(s sample) float64 { return float64(s.bytes) / s.elapsed.Seconds() / 1e6 }
		columns = append(columns,
			column{title: "CPU s/GB", format: "%.3f", value: perByte},
			column{title: "MB/s", format: "%.0f", value: speed})
	case listing, listingJSON, upload:
		growth := func(s sample) float64 { return float64(s.growth) / 1e6 }
		columns = append(columns, column{title: "peak memory MB", format: "%+.1f", value: growth})
	}
	if j.own && j.kind != events {
		firstByte := func(s sample) float64 { return micros(s.firstByte) / 1000 }
		columns = append(columns, column{title: "first byte ms", format: "%.2f", value: firstByte})
	}
	return columns
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// table returns the table of a job. The first value of each row has its spread.
func table(title string, columns []column, all []series) string {
	header := []string{""}
	for i, c := range columns {
		header = append(header, c.title)
		if i == 0 {
			header = append(header, "±")
		}
		if c.compare != "" {
			header = append(header, c.compare)
		}
	}
	rows := [][]string{header}
	for _, s := range all {
		row := []string{s.contender.name}
		for i, c := range columns {
			values := s.values(c)
			row = append(row, fmt.Sprintf(c.format, c.middle(values)))
			if i == 0 {
				row = append(row, fmt.Sprintf("%.0f %%", 100*spread(values)))
			}
			if c.compare != "" {
				row = append(row, ratio(all, s, c))
			}
		}
		rows = append(rows, row)
	}
	return "## " + title + "\n\n" + markdown(rows)
}

func (s series) values(c column) (values []float64) {
	for _, one := range s.samples {
		values = append(values, c.value(one))
	}
	return values
}

// ratio returns the median of the quotients of rawhttp's and the contender's value in the
// same round. A disturbance of the machine affects both.
func ratio(all []series, s series, c column) string {
	i := slices.IndexFunc(all, func(s series) bool { return s.contender.name == "rawhttp" })
	if i < 0 || all[i].contender.name == s.contender.name {
		return ""
	}
	mine, its := all[i].values(c), s.values(c)
	quotient := c.middle(mine) / c.middle(its)
	if !c.sampled {
		for n := range mine {
			mine[n] /= its[n]
		}
		quotient = median(mine)
	}
	if math.IsNaN(quotient) || math.IsInf(quotient, 0) {
		return "" // a value was too small to measure
	}
	return fmt.Sprintf("%.2f", quotient)
}

func (c column) middle(values []float64) float64 {
	if !c.sampled {
		return median(values)
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	if len(v)%2 == 1 {
		return v[len(v)/2]
	}
	return (v[len(v)/2-1] + v[len(v)/2]) / 2
}

// spread returns half the range of the values, relative to their median.
func spread(values []float64) float64 {
	return (slices.Max(values) - slices.Min(values)) / 2 / median(values)
}

// markdown formats a table with text in the first column and numbers in the others.
func markdown(rows [][]string) string {
	var b strings.Builder
	for i, row := range rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(&b, "|---|%s\n", strings.Repeat("---:|", len(row)-1))
		}
	}
	return b.String()
}

// The verbs of method are, in order: pinning, seconds, rounds, client.
const method = `Each contender is a process of its own%s. Rounds are interleaved: in each
round, every contender in turn does the job for %d s, or five times as long for 10,000 connections, which are opened
in the round. There are %d rounds. Before the first, each contender's response is verified: the content must be right to the
last byte, and a listing must have each file. All requests of a job are the same, unless the title calls them
different. This matters because rawhttp does not parse a head again that equals the previous one on its connection.

- CPU µs/request: user and system time of the server and its children per request; the median of the rounds. It is read
  from the clock of the process (in nanoseconds), and for children that have ended from /proc/PID/stat (10 ms).
- ±: half the range of the rounds.
- rawhttp ÷ it: the median of the quotients of each round. Below 1, rawhttp needs less. Ignore differences below 5 %%
  or below ±.
- user part: sampled by the kernel's timer (/proc/PID/stat); the mean of the rounds.
- p50, p99: latency seen by the client with all connections busy, without the time to open a connection. wrk corrects it
  for requests delayed by slow responses.
- peak memory: the peak RSS so far, above that of the server at rest.
- bytes per connection: RSS per connection that has been idle for at least a second after a response.
- TLS: crypto/tls and, for nginx, OpenSSL; an ECDSA certificate with P-256, made for the run. No session is resumed.
- events: their rate is fixed, so a server that is busy is late with them: then events/s is below 3000.
- first answer: time from the start of the process to its first response; memory at rest: RSS 0.2 s later.

The load comes from %s.

`

// writeHead writes what was measured, where and how.
func (l *lab) writeHead(ctx context.Context, w io.Writer, loadBefore, loadAfter string) {
	pinned, client := ", nothing pinned", "this program's own client"
	if l.cores.pinned {
		pinned = ", on one core with GOMAXPROCS=1, the client on another"
	}
	if l.has("wrk") {
		client = "wrk with one thread; for 100 MB, 100,000 files, events and idle connections, it comes from this program's own client"
	}
	fmt.Fprintf(w, "# Results of %s\n\n", time.Now().Format(time.DateOnly))
	fmt.Fprintf(w, method, pinned, l.seconds, l.rounds, client)
	fmt.Fprintf(w, "- machine: %s, %d cores; kernel %s; %s/%s\n", cpuModel(), runtime.NumCPU(), output(ctx, "uname", "-r"), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(w, "- load average of the machine before: %s; after: %s (up to 2 of it from the run itself)\n", loadBefore, loadAfter)
	fmt.Fprintf(w, "- rawhttp at commit %s; %s; %s\n", commit(ctx), runtime.Version(),
		output(ctx, "go", "list", "-m", "-f", "{{.Path}} {{.Version}}", "github.com/valyala/fasthttp"))
	for _, version := range [][]string{{"nginx", "-v"}, {"lighttpd", "-v"}, {"wrk", "-v"}, {"gcc", "--version"}} {
		if l.has(version[0]) {
			fmt.Fprintf(w, "- %s\n", output(ctx, l.tool(version[0]), version[1:]...))
		}
	}
	for _, note := range l.notes {
		fmt.Fprintf(w, "- %s\n", note)
	}
	fmt.Fprint(w, "\nContenders:\n\n")
	for _, c := range allContenders {
		fmt.Fprintf(w, "- %s: %s\n", c.name, c.about)
	}
}

func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// output returns the first line that a command prints. It ignores the exit status, which
// for wrk -v is 1.
func output(ctx context.Context, command string, args ...string) string {
	out, _ := exec.CommandContext(ctx, command, args...).CombinedOutput()
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}

func cpuModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// loadAverage returns the load averages over 1, 5 and 15 minutes.
func loadAverage() string {
	b, _ := os.ReadFile("/proc/loadavg")
	return strings.Join(strings.Fields(string(b))[:3], " ")
}
