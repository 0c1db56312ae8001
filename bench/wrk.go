package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"
)

//go:embed wrk.lua
var wrkScript []byte

// runWrk puts load on a server with wrk, using one thread.
func (l *lab) runWrk(ctx context.Context, j job, port int, d time.Duration) (load, error) {
	t := newTraffic(j, port)
	if err := os.WriteFile(l.bin("batch"), t.batch, 0o644); err != nil {
		return load{}, err
	}
	scheme := "http"
	if j.tls {
		scheme = "https"
	}
	cmd := exec.CommandContext(ctx, l.tool("wrk"),
		"--threads=1",
		"--connections="+strconv.Itoa(j.conns),
		"--duration="+strconv.Itoa(int(d.Seconds()))+"s",
		"--timeout=30s",
		"--script="+l.bin("wrk.lua"),
		scheme+"://"+t.address+j.path, "--", l.bin("batch"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return load{}, fmt.Errorf("wrk: %w: %s", err, out)
	}
	return parseWrk(out)
}

// parseWrk parses the line that wrk.lua prints.
func parseWrk(out []byte) (load, error) {
	_, figures, ok := bytes.Cut(out, []byte("figures "))
	var requests, failed int
	var size, total, p50, p99 int64
	n, _ := fmt.Fscan(bytes.NewReader(figures), &requests, &size, &failed, &total, &p50, &p99)
	switch {
	case !ok || n != 6:
		return load{}, fmt.Errorf("wrk printed no figures: %s", out)
	case failed > 0 || requests == 0:
		return load{}, fmt.Errorf("wrk: %d requests were answered, %d failed", requests, failed)
	}
	return load{
		requests: requests,
		bytes:    size,
		elapsed:  time.Duration(total) * time.Microsecond,
		p50:      time.Duration(p50) * time.Microsecond,
		p99:      time.Duration(p99) * time.Microsecond,
	}, nil
}
