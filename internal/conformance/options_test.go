package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

var (
	oneFile    = fstest.MapFS{"a.txt": {Data: []byte("hello")}}
	pathSource = rawhttp.WithResolver(answerPath)

	optionMistakes = []struct {
		name string // name of the option, which the error must contain
		opt  rawhttp.Option
	}{
		{"WithServerField", rawhttp.WithServerField("a\r\nX: b")},
		{"WithServerField", rawhttp.WithServerField("a\x00")},
		{"WithServerField", rawhttp.WithServerField(" a")},
		{"WithReadHeaderTimeout", rawhttp.WithReadHeaderTimeout(-1)},
		{"WithIdleTimeout", rawhttp.WithIdleTimeout(-1)},
		{"WithStallTimeout", rawhttp.WithStallTimeout(-1)},
		{"WithDrainTimeout", rawhttp.WithDrainTimeout(math.MinInt64)},
		{"WithMaxHeaderBytes", rawhttp.WithMaxHeaderBytes(511)},
		{"WithMaxHeaderBytes", rawhttp.WithMaxHeaderBytes(1<<20 + 1)},
		{"WithMaxHeaderBytes", rawhttp.WithMaxHeaderBytes(0)},
		{"WithMaxFields", rawhttp.WithMaxFields(0)},
		{"WithMaxFields", rawhttp.WithMaxFields(10_001)},
		{"WithMaxBodyBytes", rawhttp.WithMaxBodyBytes(-1)},
		{"WithMaxConns", rawhttp.WithMaxConns(-1)},
		{"WithHosts", rawhttp.WithHosts("example.test", "a b")},
		{"WithHosts", rawhttp.WithHosts("")},
		{"WithHosts", rawhttp.WithHosts("example.test:80")},
		{"WithHosts", rawhttp.WithHosts("http://example.test")},
		{"WithHosts", rawhttp.WithHosts("[::1")},
		{"WithTrustedProxies", rawhttp.WithTrustedProxies(netip.MustParsePrefix("10.0.0.0/8"), netip.Prefix{})},
		{"WithTrustedProxies", rawhttp.WithTrustedProxies(netip.MustParsePrefix("::ffff:10.0.0.0/104"))}, // matches no address
	}
	fileOptionMistakes = []struct {
		name string
		opt  rawhttp.FileOption
	}{
		{"WithListing", rawhttp.WithListing(200)},
		{"WithMaxListing", rawhttp.WithMaxListing(-1)},
		{"WithIndex", rawhttp.WithIndex("index.html", "a/b")},
		{"WithIndex", rawhttp.WithIndex("")},
		{"WithIndex", rawhttp.WithIndex("..")},
		{"WithMediaType", rawhttp.WithMediaType("a/b", "text/plain")},
		{"WithMediaType", rawhttp.WithMediaType(".", "text/plain")},
		{"WithMediaType", rawhttp.WithMediaType(".a.b", "text/plain")},
		{"WithMediaType", rawhttp.WithMediaType(".txt", "")},
		{"WithMediaType", rawhttp.WithMediaType(".txt", "text/plain\r\nX: y")},
		{"WithCacheControl", rawhttp.WithCacheControl("a\nb")},
	}
)

// wantMistakes checks that New fails and that its error names each of names, as often as it is
// listed.
func wantMistakes(t *testing.T, opts []rawhttp.Option, names ...string) {
	t.Helper()
	s, err := rawhttp.New(opts...)
	if err == nil || s != nil {
		t.Errorf("New = %v, %v, want nil and an error", s, err)
		return
	}
	if !strings.HasPrefix(err.Error(), "rawhttp: ") {
		t.Errorf("New: error %q, want the prefix %q", err, "rawhttp: ")
	}
	times := make(map[string]int)
	for _, name := range names {
		times[name]++
	}
	for name, n := range times {
		if strings.Count(err.Error(), name) < n {
			t.Errorf("New: error %q, want one that names %s %d times", err, name, n)
		}
	}
}

func TestNewRefusesInvalidOptions(t *testing.T) {
	for _, m := range optionMistakes {
		wantMistakes(t, []rawhttp.Option{pathSource, m.opt}, m.name)
	}
	for _, m := range fileOptionMistakes {
		wantMistakes(t, []rawhttp.Option{rawhttp.WithFS(oneFile), m.opt}, m.name)
		if f, err := rawhttp.FS(oneFile, m.opt); err == nil || f != nil || !strings.Contains(err.Error(), m.name) {
			t.Errorf("FS with an invalid %s = %v, %v, want an error that names it", m.name, f, err)
		}
		if f, err := rawhttp.Dir(t.TempDir(), m.opt); err == nil || f != nil || !strings.Contains(err.Error(), m.name) {
			t.Errorf("Dir with an invalid %s = %v, %v, want an error that names it", m.name, f, err)
		}
	}
}

// New reports the error of each option, together with that of any source.
func TestNewReportsEveryError(t *testing.T) {
	var opts []rawhttp.Option
	var names []string
	for _, m := range optionMistakes {
		opts, names = append(opts, m.opt), append(names, m.name)
	}
	for _, m := range fileOptionMistakes {
		opts, names = append(opts, m.opt), append(names, m.name)
	}
	missing := filepath.Join(t.TempDir(), "missing")
	sources := []struct {
		name string
		opts []rawhttp.Option
		want []string
	}{
		{"no source", nil, []string{"WithRoot", "WithFS", "WithResolver"}},
		{"a root", []rawhttp.Option{rawhttp.WithRoot(t.TempDir())}, nil},
		{"a missing root", []rawhttp.Option{rawhttp.WithRoot(missing)}, []string{missing}},
		{"a root without a name", []rawhttp.Option{rawhttp.WithRoot("")}, []string{"WithRoot"}},
		{"a file system", []rawhttp.Option{rawhttp.WithFS(oneFile)}, nil},
		{"a resolver", []rawhttp.Option{rawhttp.WithResolver(answerPath)}, []string{"WithRoot"}},
		{"two sources", []rawhttp.Option{rawhttp.WithFS(oneFile), rawhttp.WithResolver(answerPath)}, []string{"WithRoot"}},
	}
	for _, source := range sources {
		t.Run(source.name, func(t *testing.T) {
			wantMistakes(t, append(source.opts, opts...), append(source.want, names...)...)
			wantMistakes(t, append(opts[:len(opts):len(opts)], source.opts...), append(source.want, names...)...)
		})
	}
}

// New needs exactly one of WithRoot, WithFS and WithResolver. Options for files need WithRoot or
// WithFS.
func TestNewNeedsOneSource(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(root, "missing")
	tests := []struct {
		name string
		opts []rawhttp.Option
		want string // text in the error, "" for success
	}{
		{"none", nil, "WithRoot"},
		{"only other options", []rawhttp.Option{rawhttp.WithDate(false)}, "WithRoot"},
		{"a root", []rawhttp.Option{rawhttp.WithRoot(root)}, ""},
		{"a file system", []rawhttp.Option{rawhttp.WithFS(oneFile)}, ""},
		{"a resolver", []rawhttp.Option{rawhttp.WithResolver(answerPath)}, ""},
		{"root and file system", []rawhttp.Option{rawhttp.WithRoot(root), rawhttp.WithFS(oneFile)}, "WithRoot"},
		{"root and resolver", []rawhttp.Option{rawhttp.WithRoot(root), rawhttp.WithResolver(answerPath)}, "WithRoot"},
		{"file system and resolver", []rawhttp.Option{rawhttp.WithFS(oneFile), rawhttp.WithResolver(answerPath)}, "WithRoot"},
		{"two resolvers", []rawhttp.Option{rawhttp.WithResolver(answerPath), rawhttp.WithResolver(answerPath)}, "WithRoot"},
		{"two roots", []rawhttp.Option{rawhttp.WithRoot(root), rawhttp.WithRoot(root)}, "WithRoot"},
		{"all three", []rawhttp.Option{rawhttp.WithRoot(root), rawhttp.WithFS(oneFile), rawhttp.WithResolver(answerPath)}, "WithRoot"},
		{"nil resolver", []rawhttp.Option{rawhttp.WithResolver(nil)}, "WithRoot"},
		{"nil file system", []rawhttp.Option{rawhttp.WithFS(nil)}, "WithRoot"},
		{"nil resolver and a root", []rawhttp.Option{rawhttp.WithResolver(nil), rawhttp.WithFS(nil), rawhttp.WithRoot(root)}, ""},
		{"a missing root", []rawhttp.Option{rawhttp.WithRoot(missing)}, missing},
		{"a root that is a file", []rawhttp.Option{rawhttp.WithRoot(file)}, file},
		{"file option with a root", []rawhttp.Option{rawhttp.WithIndex("a"), rawhttp.WithRoot(root)}, ""},
		{"file option with a file system", []rawhttp.Option{rawhttp.WithFS(oneFile), rawhttp.WithIndex("a")}, ""},
		{"file option with a resolver", []rawhttp.Option{rawhttp.WithResolver(answerPath), rawhttp.WithIndex("a")}, "WithRoot"},
		{"file option with nothing", []rawhttp.Option{rawhttp.WithIndex("a")}, "WithRoot"},
		{"nil options", []rawhttp.Option{nil, rawhttp.WithRoot(root), nil, rawhttp.FileOption(nil)}, ""},
		{"nil file option with a resolver", []rawhttp.Option{rawhttp.WithResolver(answerPath), rawhttp.FileOption(nil)}, ""},
		{"options with a nil argument", []rawhttp.Option{rawhttp.WithResolver(answerPath), rawhttp.WithLogger(nil), rawhttp.WithErrorPage(nil), rawhttp.WithFS(nil), rawhttp.WithResolver(nil)}, ""},
		{"an empty trace", []rawhttp.Option{rawhttp.WithResolver(answerPath), rawhttp.WithTrace(rawhttp.Trace{})}, ""},
		{"a root without a name", []rawhttp.Option{rawhttp.WithRoot("")}, "WithRoot"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want != "" {
				wantMistakes(t, tt.opts, tt.want)
				return
			}
			s, err := rawhttp.New(tt.opts...)
			if err != nil {
				t.Fatalf("New: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("Close = %v, want nil", err)
			}
		})
	}
	if _, err := rawhttp.New(rawhttp.WithRoot(missing)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("New with a missing root = %v, want an error that wraps fs.ErrNotExist", err)
	}
}

// If New fails because of another option, it closes the folder that it opened.
func TestNewLeaksNothingOnError(t *testing.T) {
	root := t.TempDir()
	rawhttp.New(rawhttp.WithRoot(root), rawhttp.WithMaxConns(-1)) // so that descriptors that the runtime opens once are open
	before := testkit.Descriptors()
	for range 50 {
		rawhttp.New(rawhttp.WithRoot(root), rawhttp.WithMaxConns(-1))
		rawhttp.New(rawhttp.WithRoot(root), rawhttp.WithMaxListing(-1))
		rawhttp.New(rawhttp.WithRoot(root), rawhttp.WithResolver(answerPath))
	}
	if after := testkit.Descriptors(); after > before {
		t.Errorf("after New has failed 150 times %d descriptors are open, want %d as before", after, before)
	}
}

// A *slog.Logger is a Logger.
func TestSlogLogger(t *testing.T) {
	var buf bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&buf, nil))
	resolver := rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return nil, errors.New(secretPath) })
	talkInMemory(t, getRequest("/"), rawhttp.WithResolver(resolver), rawhttp.WithLogger(logger))
	line := buf.String()
	for _, want := range []string{"level=ERROR", "status=500", "conn=1", "request=1", secretPath} {
		if !strings.Contains(line, want) {
			t.Errorf("slog wrote %q, want %s in it", line, want)
		}
	}
	if strings.Contains(line, "!BADKEY") {
		t.Errorf("slog wrote %q, in which a value has no name", line)
	}
}
