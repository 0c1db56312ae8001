package testkit

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// A Log is a Logger that collects lines like "WARN message name=value". The zero Log is empty.
// Its methods may be called concurrently.
type Log struct {
	mu    sync.Mutex
	lines []string
}

// Debug adds a line, as the other methods of a Logger do.
func (l *Log) Debug(msg string, args ...any) { l.add("DEBUG", msg, args) }
func (l *Log) Info(msg string, args ...any)  { l.add("INFO", msg, args) }
func (l *Log) Warn(msg string, args ...any)  { l.add("WARN", msg, args) }
func (l *Log) Error(msg string, args ...any) { l.add("ERROR", msg, args) }

func (l *Log) add(level, msg string, args []any) {
	line := level + " " + msg
	for i := 0; i+1 < len(args); i += 2 {
		line += fmt.Sprintf(" %v=%v", args[i], args[i+1])
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

// Lines returns the lines of a level that contain all parts. An empty level stands for all levels.
func (l *Log) Lines(level string, parts ...string) (lines []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.HasPrefix(line, level) && !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(line, p) }) {
			lines = append(lines, line)
		}
	}
	return lines
}

// Has reports whether a line of the level contains all parts.
func (l *Log) Has(level string, parts ...string) bool { return l.Lines(level, parts...) != nil }

// String returns the lines, joined by line feeds.
func (l *Log) String() string { return strings.Join(l.Lines(""), "\n") }

// A QuietLogger drops what is logged.
type QuietLogger struct{}

// Debug does nothing, like the other methods.
func (QuietLogger) Debug(string, ...any) {}
func (QuietLogger) Info(string, ...any)  {}
func (QuietLogger) Warn(string, ...any)  {}
func (QuietLogger) Error(string, ...any) {}
