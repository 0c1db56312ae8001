package main

import (
	"context"
	"go/parser"
	"go/token"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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

func TestUsageIsPackageComment(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "main.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(f.Doc.Text(), "\n\n")
	var got strings.Builder
	for line := range strings.Lines(code) {
		got.WriteString(strings.TrimPrefix(line, "\t"))
	}
	if diff := cmp.Diff(usage, got.String()); diff != "" {
		t.Errorf("the package comment is not the usage (-usage +comment):\n%s", diff)
	}
}

// The usage fits on a screen.
func TestUsageFits(t *testing.T) {
	for _, text := range []string{usage, sendUsage, spyUsage, checkUsage} {
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if len(lines) > 45 {
			t.Errorf("the usage has %d lines, want at most 45", len(lines))
		}
		for _, line := range lines {
			if len(line) > 80 {
				t.Errorf("the usage has a line of %d columns, want at most 80: %s", len(line), line)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	if status, stdout, _ := call(t, "", "-version"); status != 0 || !regexp.MustCompile(`^rawhttp \S+.* go1\.\S+ \w+/\w+\n$`).MatchString(stdout) {
		t.Errorf("-version: status %d, stdout %q, want 0 and the version", status, stdout)
	}
}
