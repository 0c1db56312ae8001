package main

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// fileTime is the time of all files that have a job of their own.
var fileTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// ifModifiedSince is the field of a client that has the current version of a file. It is
// exact, since nginx compares it for equality.
var ifModifiedSince = "If-Modified-Since: " + fileTime.Format(http.TimeFormat) + "\r\n"

// makeSite creates the files that the jobs request.
func makeSite(site string, jobs []job) error {
	for _, j := range jobs {
		name := filepath.Join(site, filepath.FromSlash(j.path))
		switch j.kind {
		case listing, listingJSON:
			if err := makeFolder(name, j.entries); err != nil {
				return err
			}
		case hello, connect, idle, small, large, part, unchanged, sidecar, proxy:
			if err := makeFile(name, j); err != nil {
				return err
			}
		}
	}
	return nil
}

// makeFile creates the file of a job, and what is next to it.
func makeFile(name string, j job) error {
	if err := writeFile(name, content(j)); err != nil {
		return err
	}
	if j.kind == sidecar {
		return writeFile(name+".gz", compressed(content(j)))
	}
	if j.entries > 0 { // the file is one of these entries
		return makeFolder(filepath.Dir(name), j.entries)
	}
	return nil
}

func writeFile(name string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(name, b, 0o644); err != nil {
		return err
	}
	return os.Chtimes(name, fileTime, fileTime)
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

// content returns the content of the file of a job, or of its requests.
func content(j job) []byte {
	switch {
	case j.size == len(greeting):
		return []byte(greeting)
	case j.kind == sidecar:
		return digits(j.size)
	}
	line := []byte("The quick brown fox jumps over the lazy dog, and a server answers.\n")
	return bytes.Repeat(line, j.size/len(line)+1)[:j.size]
}

// digits returns size random hexadecimal digits, always the same ones, which compress to
// little more than half.
func digits(size int) []byte {
	random := make([]byte, size/2)
	rand.NewChaCha8([32]byte{}).Read(random)
	return []byte(hex.EncodeToString(random))
}

func compressed(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b) // into memory, so without error
	w.Close()
	return out.Bytes()
}
