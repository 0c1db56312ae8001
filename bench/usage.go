package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A usage is the processor time that a process has taken, with its children: those
// that live, and those that it has waited for.
//
// Linux knows the sum exactly, and user and system time from where the timer's ticks
// found the process: so the split is sampled.
type usage struct {
	total     time.Duration // living: from their clocks, in ns; waited for: in ticks
	user, all int64         // in ticks
}

// tick is the unit of times in /proc/PID/stat, USER_HZ: the same on all machines.
const tick = 10 * time.Millisecond

func usageOf(pid int) (usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, err
	}
	u, err := parseStat(stat)
	if err != nil {
		return usage{}, err
	}
	own, err := processClock(pid)
	if err != nil {
		return usage{}, err
	}
	u.total += own
	for _, child := range children(pid) {
		if c, err := usageOf(child); err == nil { // else it has ended by now
			u.total, u.user, u.all = u.total+c.total, u.user+c.user, u.all+c.all
		}
	}
	return u, nil
}

// parseStat reads a /proc/PID/stat. The total is that of children waited for only.
func parseStat(stat []byte) (usage, error) {
	// The command, in parentheses, may have any byte in it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 15 {
		return usage{}, fmt.Errorf("/proc/PID/stat has %d fields after the command", len(fields))
	}
	var ticks [4]int64 // utime, stime, cutime, cstime: fields 14 to 17 of all
	for i := range ticks {
		n, err := strconv.ParseInt(fields[11+i], 10, 64)
		if err != nil {
			return usage{}, fmt.Errorf("/proc/PID/stat: %w", err)
		}
		ticks[i] = n
	}
	return usage{
		total: time.Duration(ticks[2]+ticks[3]) * tick,
		user:  ticks[0] + ticks[2],
		all:   ticks[0] + ticks[1] + ticks[2] + ticks[3],
	}, nil
}

// processClock reads the processor time of all threads of a process, those that have
// ended included.
func processClock(pid int) (time.Duration, error) {
	const cpuclockSched = 2 // as clock_getcpuclockid makes the number of a clock
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|cpuclockSched), &t); err != nil {
		return 0, fmt.Errorf("clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// children returns the processes that the threads of a process have started and that
// live.
func children(pid int) (pids []int) {
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, task := range tasks {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		for _, word := range strings.Fields(string(b)) {
			pids = append(pids, atoi(word))
		}
	}
	return pids
}

// since returns the processor time between two looks, and the user part of it.
func (u usage) since(before usage) (total, user time.Duration) {
	total = u.total - before.total
	if ticks := u.all - before.all; ticks > 0 {
		user = time.Duration(float64(total) * float64(u.user-before.user) / float64(ticks))
	}
	return total, user
}

// memory returns the bytes of a process and its children that are in memory, and the
// most that there ever were.
func memory(pid int) (now, peak int64) {
	rollup, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid)) // status counts in batches
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	now, peak = kilobytes(rollup, "Rss:"), kilobytes(status, "VmHWM:")
	for _, child := range children(pid) {
		n, p := memory(child)
		now, peak = now+n, peak+p
	}
	return now, peak
}

// kilobytes finds a line such as "Rss:  1234 kB" and returns the bytes.
func kilobytes(b []byte, name string) int64 {
	for line := range strings.Lines(string(b)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == name {
			return int64(atoi(fields[1])) << 10
		}
	}
	return 0
}

// atoi is for what the kernel wrote.
func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
