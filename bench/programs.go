package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// A program is a program whose size is measured. Those in the folder tiny only serve a
// folder.
type program struct {
	name, dir, pkg string
	argv           func(l *lab, binary string, port int) []string
}

func serveFolder(l *lab, binary string, port int) []string {
	return []string{binary, address(port), l.site}
}

var allPrograms = []program{
	{"rawhttp-ten-lines", ".", "./tiny/rawhttp", serveFolder},
	{"rawhttp-command", "..", "./cmd/rawhttp", func(l *lab, binary string, port int) []string {
		return []string{binary, "-addr", address(port), l.site}
	}},
	{"net/http-ten-lines", ".", "./tiny/nethttp", serveFolder},
	{"fasthttp-ten-lines", ".", "./tiny/fasthttp", serveFolder},
	{"floor-go", ".", "./servers/floor", func(l *lab, binary string, port int) []string {
		return []string{binary, address(port), l.bin("hello.txt")}
	}},
}

// doPrograms compares size, number of packages, start-up time, and memory at rest.
func (l *lab) doPrograms(ctx context.Context, j job) (string, error) {
	hello := job{path: "/hello.txt", depth: 1, size: len(greeting), kind: small}
	if err := makeSite(l.site, []job{hello}); err != nil {
		return "", err
	}
	if err := os.WriteFile(l.bin("hello.txt"), []byte(greeting), 0o644); err != nil {
		return "", err
	}
	rows := [][]string{{"", "stripped static binary MB", "packages", "first answer after ms", "memory at rest MB"}}
	startUps, memories := make([][]float64, len(allPrograms)), make([][]float64, len(allPrograms))
	for i, p := range allPrograms {
		row, err := l.sizeOf(ctx, p, i)
		if err != nil {
			return "", fmt.Errorf("%s: %w", p.name, err)
		}
		rows = append(rows, row)
	}
	for range l.rounds {
		for i, p := range allPrograms {
			startUp, rest, err := l.startUp(ctx, p, i, hello)
			if err != nil {
				return "", fmt.Errorf("%s: %w", p.name, err)
			}
			startUps[i] = append(startUps[i], micros(startUp)/1000)
			memories[i] = append(memories[i], float64(rest)/1e6)
		}
	}
	for i := range allPrograms {
		rows[i+1] = append(rows[i+1], fmt.Sprintf("%.1f", median(startUps[i])), fmt.Sprintf("%.2f", median(memories[i])))
	}
	l.printf("%s: correct responses from %s", j.name, names(allPrograms))
	return "## " + j.title + "\n\n" + markdown(rows), nil
}

func (l *lab) programBinary(i int) string { return l.bin(fmt.Sprintf("program-%d", i)) }

func (l *lab) sizeOf(ctx context.Context, p program, i int) (row []string, err error) {
	if err := goBuild(ctx, p.dir, p.pkg, l.programBinary(i)); err != nil {
		return nil, err
	}
	info, err := os.Stat(l.programBinary(i))
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", "-C", p.dir, "list", "-deps", p.pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	packages, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	return []string{
		p.name,
		fmt.Sprintf("%.2f", float64(info.Size())/1e6),
		fmt.Sprint(strings.Count(string(packages), "\n")),
	}, nil
}

// startUp measures the time from the start of the process to its first response, and its
// memory some idle time later.
func (l *lab) startUp(ctx context.Context, p program, i int, j job) (startUp time.Duration, rest int64, err error) {
	port, err := freePort()
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	running, err := l.cores.startServer(ctx, port, p.argv(l, l.programBinary(i), port))
	if err != nil {
		return 0, 0, err
	}
	defer running.stop()
	if err := verify(ctx, j, port); err != nil {
		return 0, 0, err
	}
	startUp = time.Since(start)
	time.Sleep(200 * time.Millisecond)
	rest, _ = memory(running.pid)
	return startUp, rest, nil
}
