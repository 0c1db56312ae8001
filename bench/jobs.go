package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// A kind determines how contenders are set up for a job, and how the response is
// checked.
type kind string

const (
	hello    kind = "hello"   // fourteen bytes, without a file system
	small    kind = "small"   // a file that other servers cache
	large    kind = "large"   // a file that is sent with sendfile
	listing  kind = "listing" // a folder, as HTML
	script   kind = "script"  // a CGI script
	idle     kind = "idle"    // idle connections
	programs kind = "programs"
)

// A job is a task in which contenders are compared.
type job struct {
	name    string
	title   string
	kind    kind
	path    string // path of the request, and of the file below the site
	conns   int
	depth   int  // requests sent at once on a connection
	differ  bool // requests sent at once have different queries, so that no head equals the previous one
	size    int  // size of the file in bytes
	entries int  // names in the folder, or next to the file
	own     bool // use this program's client: a response takes too long for wrk
	times   int  // factor for the length of rounds; 0 means 1
}

const greeting = "Hello, World!\n"

var allJobs = []job{
	{name: "hello", title: "Hello: 14 bytes, 64 connections", kind: hello, path: "/hello.txt", conns: 64, depth: 1, size: len(greeting)},
	{name: "hello-1", title: "Hello: 14 bytes, 1 connection", kind: hello, path: "/hello.txt", conns: 1, depth: 1, size: len(greeting)},
	{name: "hello-10k", title: "Hello: 14 bytes, 10,000 connections", kind: hello, path: "/hello.txt", conns: 10_000, depth: 1, size: len(greeting), times: 5},
	{name: "pipelined", title: "Hello, 16 requests at once, 64 connections", kind: hello, path: "/hello.txt", conns: 64, depth: 16, size: len(greeting)},
	{name: "pipelined-differ", title: "Hello, 16 different requests at once, 64 connections", kind: hello, path: "/hello.txt", conns: 64, depth: 16, differ: true, size: len(greeting)},
	{name: "file-96", title: "File of 96 bytes, 64 connections", kind: small, path: "/96.txt", conns: 64, depth: 1, size: 96},
	{name: "file-10k", title: "File of 10 KiB, 64 connections", kind: small, path: "/10k.txt", conns: 64, depth: 1, size: 10 << 10},
	{name: "file-deep", title: "File of 96 bytes four folders deep, 64 connections", kind: small, path: "/one/two/three/four/96.txt", conns: 64, depth: 1, size: 96},
	{name: "file-many", title: "File of 14 bytes among 100,000, 64 connections", kind: small, path: "/100000/" + entry(50_000), conns: 64, depth: 1, size: len(greeting), entries: 100_000},
	{name: "file-1m", title: "File of 1 MB, 64 connections", kind: large, path: "/1m.bin", conns: 64, depth: 1, size: 1e6},
	{name: "file-100m", title: "File of 100 MB, 4 connections", kind: large, path: "/100m.bin", conns: 4, depth: 1, size: 100e6, own: true},
	{name: "listing-1k", title: "Listing of 1,000 files, 8 connections", kind: listing, path: "/1000/", conns: 8, depth: 1, entries: 1000},
	{name: "listing-100k", title: "Listing of 100,000 files, 1 connection", kind: listing, path: "/100000/", conns: 1, depth: 1, entries: 100_000, own: true},
	{name: "script", title: "Script: a C program, 8 connections", kind: script, path: "/script.cgi", conns: 8, depth: 1, size: len(greeting)},
	{name: "idle", title: "Idle connections", kind: idle, path: "/hello.txt", conns: 10_000, depth: 1, size: len(greeting)},
	{name: "programs", title: "Programs that serve a folder", kind: programs},
}

// makeSite creates the files that the jobs request.
func makeSite(site string, jobs []job) error {
	for _, j := range jobs {
		name := filepath.Join(site, filepath.FromSlash(j.path))
		switch j.kind {
		case hello, idle, small, large:
			if err := writeFile(name, content(j)); err != nil {
				return err
			}
			if j.entries > 0 { // the file is one of these entries
				if err := makeFolder(filepath.Dir(name), j.entries); err != nil {
					return err
				}
			}
		case listing:
			if err := makeFolder(name, j.entries); err != nil {
				return err
			}
		}
	}
	return nil
}

func writeFile(name string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, b, 0o644)
}

func makeFolder(folder string, entries int) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for i := range entries {
		if err := os.WriteFile(filepath.Join(folder, entry(i)), []byte(greeting), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func entry(i int) string { return fmt.Sprintf("file-%06d.txt", i) }

// content returns the content of the file of a job.
func content(j job) []byte {
	if j.size == len(greeting) {
		return []byte(greeting)
	}
	line := []byte("The quick brown fox jumps over the lazy dog, and a server answers.\n")
	return bytes.Repeat(line, j.size/len(line)+1)[:j.size]
}
