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

// A usage is the processor time used by a process and its children: those that are
// alive, and those it has waited for.
//
// Linux accounts the sum exactly, but divides it into user and system time by sampling
// with a timer.
type usage struct {
	total     time.Duration // exact for live processes, in ticks for those waited for
	user, all int64         // in ticks
}

// tick is the unit of times in /proc/PID/stat, USER_HZ, which is the same on all
// machines.
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
		if c, err := usageOf(child); err == nil { // otherwise it has ended by now
			u.total, u.user, u.all = u.total+c.total, u.user+c.user, u.all+c.all
		}
	}
	return u, nil
}

// parseStat parses a /proc/PID/stat. The total is that of children waited for only.
func parseStat(stat []byte) (usage, error) {
	// The command, in parentheses, may contain any byte.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 15 {
		return usage{}, fmt.Errorf("/proc/PID/stat has %d fields after the command", len(fields))
	}
	var ticks [4]int64 // utime, stime, cutime, cstime: fields 14 to 17
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

// processClock returns the processor time of all threads of a process, including those
// that have ended.
func processClock(pid int) (time.Duration, error) {
	const cpuclockSched = 2 // clock IDs are formed as in clock_getcpuclockid
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|cpuclockSched), &t); err != nil {
		return 0, fmt.Errorf("clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// children returns the live children of a process, started by any of its threads.
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

// since returns the processor time used since before, and its user part.
func (u usage) since(before usage) (total, user time.Duration) {
	total = u.total - before.total
	if ticks := u.all - before.all; ticks > 0 {
		user = time.Duration(float64(total) * float64(u.user-before.user) / float64(ticks))
	}
	return total, user
}

// memory returns the current and peak resident bytes of a process and its children.
func memory(pid int) (now, peak int64) {
	rollup, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid)) // in status the count lags behind
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	now, peak = kilobytes(rollup, "Rss:"), kilobytes(status, "VmHWM:")
	for _, child := range children(pid) {
		n, p := memory(child)
		now, peak = now+n, peak+p
	}
	return now, peak
}

// kilobytes finds a line such as "Rss:  1234 kB" and returns the number of bytes.
func kilobytes(b []byte, name string) int64 {
	for line := range strings.Lines(string(b)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == name {
			return int64(atoi(fields[1])) << 10
		}
	}
	return 0
}

// atoi parses a number written by the kernel.
func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
