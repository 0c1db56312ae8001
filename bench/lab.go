package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// A lab holds what measuring needs: programs, site and cores.
type lab struct {
	settings
	dir   string // temporary; contains everything that is made
	site  string // the folder to serve
	cores cores
	tools map[string]string // paths of installed programs
	notes []string          // for the report, such as what was left out
	log   io.Writer         // progress
}

// tools are optional programs, with the consequence of their absence.
var tools = []struct{ name, debian, without string }{
	{"wrk", "wrk", "all load comes from this program's own client"},
	{"nginx", "nginx", "nginx is left out"},
	{"lighttpd", "lighttpd", "lighttpd is left out"},
	{"gcc", "gcc", "the floors in C and the script are left out"},
}

// newLab builds the programs and creates the site. The caller must remove l.dir, even
// after an error.
func newLab(ctx context.Context, set settings, dir string, log io.Writer) (*lab, error) {
	l := &lab{settings: set, dir: dir, site: filepath.Join(dir, "site"), tools: map[string]string{}, log: log}
	for _, t := range tools {
		path, err := exec.LookPath(t.name)
		if err != nil { // PATH may lack the folders of system administration
			path, err = exec.LookPath("/usr/sbin/" + t.name)
		}
		if err != nil {
			l.note("%s is not installed: %s (Debian: apt-get install %s)", t.name, t.without, t.debian)
			continue
		}
		l.tools[t.name] = path
	}
	if err := l.build(ctx); err != nil {
		return nil, err
	}
	if err := makeSite(l.site, l.jobs); err != nil {
		return nil, err
	}
	if err := makeCertificate(l.certificate()); err != nil {
		return nil, err
	}
	if err := os.WriteFile(l.bin("wrk.lua"), wrkScript, 0o644); err != nil {
		return nil, err
	}
	var err error
	l.cores, err = chooseCores() // last, so that the compilers can use all cores
	if err == nil && !l.cores.pinned {
		l.note("there is only one core: nothing is pinned, and figures vary")
	}
	return l, err
}

func (l *lab) printf(format string, args ...any) { fmt.Fprintf(l.log, format+"\n", args...) }

// note prints a message and adds it to the report.
func (l *lab) note(format string, args ...any) {
	l.notes = append(l.notes, fmt.Sprintf(format, args...))
	l.printf(format, args...)
}

func (l *lab) bin(name string) string { return filepath.Join(l.dir, "bin", name) }

// certificate returns the folder of the certificate that all servers use.
func (l *lab) certificate() string { return filepath.Join(l.dir, "certificate") }

func (l *lab) tool(name string) string { return l.tools[name] }

// has reports whether all these tools are installed.
func (l *lab) has(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return l.tools[name] == "" })
}

// build compiles the servers, the floors and the script. Go programs are static and
// stripped.
func (l *lab) build(ctx context.Context) error {
	for _, name := range []string{"rawhttp", "nethttp", "fasthttp", "floor"} {
		if err := goBuild(ctx, ".", "./servers/"+name, l.bin(name)); err != nil {
			return err
		}
	}
	if !l.has("gcc") {
		return nil
	}
	if err := os.MkdirAll(l.site, 0o755); err != nil {
		return err
	}
	for source, output := range map[string]string{
		"c/floor.c":  l.bin("floor-c"),
		"c/script.c": filepath.Join(l.site, "script.cgi"),
	} {
		if out, err := exec.CommandContext(ctx, l.tool("gcc"), "-O2", "-o", output, source).CombinedOutput(); err != nil {
			return fmt.Errorf("gcc %s: %w: %s", source, err, out)
		}
	}
	return nil
}

func goBuild(ctx context.Context, dir, pkg, output string) error {
	cmd := exec.CommandContext(ctx, "go", "-C", dir, "build", "-trimpath", "-ldflags=-s -w", "-o", output, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w: %s", pkg, err, out)
	}
	return nil
}

// start starts a contender for a job and verifies its response.
func (l *lab) start(ctx context.Context, c contender, j job) (*process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	argv, err := c.argv(l, j, port)
	if err != nil {
		return nil, err
	}
	p, err := l.cores.startServer(ctx, port, argv)
	if err != nil {
		return nil, err
	}
	p.restNow, _ = memory(p.pid)
	if err := verify(ctx, j, port); err != nil {
		p.stop()
		return nil, fmt.Errorf("verify the response: %w", err)
	}
	return p, nil
}

// startOrigin starts the server behind the proxies of a job, on the client's core.
func (l *lab) startOrigin(ctx context.Context, j job) (*process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	there := cores{pinned: l.cores.pinned, server: l.cores.client, client: l.cores.client}
	return there.startServer(ctx, port, []string{l.bin("floor"), address(port), l.file(j)})
}

// contenders returns the contenders that can do the job on this machine.
func (l *lab) contenders(j job) (cs []contender) {
	if (j.kind == script || j.kind == scriptLast) && !l.has("gcc") {
		return nil
	}
	for _, c := range allContenders {
		if c.does(j) && l.has(c.needs...) && (len(l.peers) == 0 || slices.Contains(l.peers, c.name)) {
			cs = append(cs, c)
		}
	}
	return cs
}

// A series is the result of a contender in a job, with one sample per round.
type series struct {
	contender contender
	samples   []sample
}

// A sample is the result of one round.
type sample struct {
	load
	cpu, user time.Duration // of the server; user is part of cpu
	growth    int64         // bytes from the server at rest to its peak so far; for idle connections, what they occupy
}

// run starts all contenders and runs the job in rounds, in which each takes its turn.
func (l *lab) run(ctx context.Context, j job) (all []series, err error) {
	var up []*process
	defer func() {
		for _, p := range up {
			p.stop()
		}
	}()
	if j.kind == proxy {
		origin, err := l.startOrigin(ctx, j)
		if err != nil {
			return nil, fmt.Errorf("%s: origin: %w", j.name, err)
		}
		defer origin.stop()
		j.origin = address(origin.port)
	}
	for _, c := range l.contenders(j) {
		p, err := l.start(ctx, c, j)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", j.name, c.name, err)
		}
		up, all = append(up, p), append(all, series{contender: c})
	}
	for range l.rounds {
		for i := range all {
			s, err := l.measure(ctx, j, up[i])
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", j.name, all[i].contender.name, err)
			}
			all[i].samples = append(all[i].samples, s)
		}
	}
	return all, nil
}

func (l *lab) measure(ctx context.Context, j job, p *process) (s sample, err error) {
	put := func() (load, error) { return l.putLoad(ctx, j, p.port) }
	if j.kind == events { // opening the streams does not count
		open, err := openStreams(ctx, newTraffic(j, p.port))
		if err != nil {
			return s, err
		}
		defer open.close()
		put = func() (load, error) { return open.receive(ctx, l.roundLength(j)) }
	}
	before, err := usageOf(p.pid)
	if err != nil {
		return s, err
	}
	if s.load, err = put(); err != nil {
		return s, err
	}
	after, err := usageOf(p.pid)
	if err != nil {
		return s, err
	}
	s.cpu, s.user = after.since(before)
	_, peak := memory(p.pid)
	s.growth = peak - p.restNow
	return s, nil
}

// putLoad puts load on a server for a round.
func (l *lab) putLoad(ctx context.Context, j job, port int) (load, error) {
	if l.check || j.own || !l.has("wrk") {
		return runClients(ctx, newTraffic(j, port), l.roundLength(j))
	}
	return l.runWrk(ctx, j, port, l.roundLength(j))
}

func (l *lab) roundLength(j job) time.Duration {
	if l.check {
		return 50 * time.Millisecond
	}
	return time.Duration(l.seconds*max(1, j.times)) * time.Second
}
