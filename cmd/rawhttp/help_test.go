package main

import (
	"context"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestRunHelp(t *testing.T) {
	for _, arg := range []string{"-h", "-help", "--help"} {
		var stdout, stderr lockedBuffer
		if got := run(stop{t.Context(), context.Background()}, []string{arg}, nil, &stdout, &stderr); got != 0 {
			t.Errorf("run(%q) = %d, want 0", arg, got)
		}
		if got := stdout.String(); !strings.HasPrefix(got, "usage: rawhttp [flags] [folder] ") {
			t.Errorf("run(%q) printed:\n%s\nwant the usage", arg, got)
		}
		if got := stderr.String(); got != "" {
			t.Errorf("run(%q) wrote %q to stderr, want nothing", arg, got)
		}
	}
}

// The usage names all forms of -list.
func TestRunHelpNamesForms(t *testing.T) {
	var stdout lockedBuffer
	run(stop{t.Context(), context.Background()}, []string{"-h"}, nil, &stdout, io.Discard)
	line := regexp.MustCompile(`(?m)^  -list .*$`).FindString(stdout.String())
	for _, form := range []string{"text", "html", "none"} {
		if !regexp.MustCompile(`\b` + form + `\b`).MatchString(line) {
			t.Errorf("the usage of -list, %q, does not name %s", line, form)
		}
		if got := run(stop{t.Context(), context.Background()}, []string{"-list", form, "-h"}, nil, io.Discard, io.Discard); got != 0 {
			t.Errorf("run(-list %s -h) = %d, want 0", form, got)
		}
	}
}

// The usage names all flags, and no others.
func TestRunHelpNamesFlags(t *testing.T) {
	var stdout, stderr lockedBuffer
	run(stop{t.Context(), context.Background()}, []string{"-h"}, nil, &stdout, &stderr)
	var named []string
	for _, m := range regexp.MustCompile(`(?m)(?:^  |^  -\w+, )-(\w+)`).FindAllStringSubmatch(stdout.String(), -1) {
		named = append(named, m[1])
	}
	values := map[string]string{ // a valid value
		"addr":     "127.0.0.1:0",
		"list":     "text",
		"index":    "index.html",
		"dotfiles": "true",
		"script":   ".x=sh -e",
		"server":   "example",
		"log":      "true",
		"trace":    "full",

		"port":          "0",
		"host":          "example.test",
		"auth":          "/dev/null",
		"spa":           "true",
		"precompressed": "br,gzip",
		"type":          ".x=text/plain",
		"cache":         "/a/*=no-store",
		"header":        "A: b",
		"lenient":       "true",
		"color":         "never",
		"version":       "true",
	}
	for name, value := range values {
		if !slices.Contains(named, name) {
			t.Errorf("the usage does not name -%s:\n%s", name, stdout.String())
		}
		if name == "script" && !runsScripts() {
			continue // New rejects it
		}
		if got := run(stop{t.Context(), context.Background()}, []string{"-" + name + "=" + value, "-h"}, nil, io.Discard, io.Discard); got != 0 {
			t.Errorf("run(-%s=%s -h) = %d, want 0", name, value, got)
		}
	}
	for _, name := range named {
		if _, ok := values[name]; !ok && name != "h" {
			t.Errorf("the usage names -%s, for which this test has no value", name)
		}
	}
}
