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
	"reflect"
	"strings"
	"sync/atomic"
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
		{"WithHosts", rawhttp.WithHosts("*")},
		{"WithHosts", rawhttp.WithHosts("*.example.test")},
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

// Option cannot be implemented outside the package.
func TestOptionsAreSealed(t *testing.T) {
	for _, option := range []reflect.Type{reflect.TypeFor[rawhttp.Option](), reflect.TypeFor[rawhttp.FileOption]()} {
		sealed := false
		for method := range option.Methods() {
			sealed = sealed || !method.IsExported()
		}
		if !sealed {
			t.Errorf("%v has only exported methods, so other packages can implement it", option)
		}
	}
}

// 0 means off where that makes sense; a negative value is an error.
func TestNewBounds(t *testing.T) {
	tests := []struct {
		name           string
		negative, zero rawhttp.Option
		zeroIsOff      bool
	}{
		{"WithReadHeaderTimeout", rawhttp.WithReadHeaderTimeout(-1), rawhttp.WithReadHeaderTimeout(0), true},
		{"WithIdleTimeout", rawhttp.WithIdleTimeout(-1), rawhttp.WithIdleTimeout(0), true},
		{"WithStallTimeout", rawhttp.WithStallTimeout(-1), rawhttp.WithStallTimeout(0), true},
		{"WithDrainTimeout", rawhttp.WithDrainTimeout(-1), rawhttp.WithDrainTimeout(0), true},
		{"WithMaxBodyBytes", rawhttp.WithMaxBodyBytes(-1), rawhttp.WithMaxBodyBytes(0), true},
		{"WithMaxConns", rawhttp.WithMaxConns(-1), rawhttp.WithMaxConns(0), true},
		{"WithMaxListing", rawhttp.WithMaxListing(-1), rawhttp.WithMaxListing(0), true},
		{"WithMaxHeaderBytes", rawhttp.WithMaxHeaderBytes(-1), rawhttp.WithMaxHeaderBytes(0), false},
		{"WithMaxFields", rawhttp.WithMaxFields(-1), rawhttp.WithMaxFields(0), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := rawhttp.New(rawhttp.WithFS(fstest.MapFS{}), tt.negative); err == nil {
				t.Errorf("New with %s(-1) = nil error, want an error", tt.name)
			}
			if _, err := rawhttp.New(rawhttp.WithFS(fstest.MapFS{}), tt.zero); (err == nil) != tt.zeroIsOff {
				t.Errorf("New with %s(0): %v, want success: %v", tt.name, err, tt.zeroIsOff)
			}
		})
	}
}

// New reports every error, not just the first.
func TestNewJoinsErrors(t *testing.T) {
	_, err := rawhttp.New(
		rawhttp.WithIdleTimeout(-1),
		rawhttp.WithMaxFields(0),
		rawhttp.WithMediaType("a/b", "text/plain"),
	)
	joined, ok := errors.Unwrap(err).(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("New = %v, want an error that joins those of the options", err)
	}
	if got, want := len(strings.Split(err.Error(), "\n")), 4; got != want {
		t.Errorf("New reports %d errors, want %d (two options, a file option, nothing to serve): %v", got, want, joined)
	}
}

func TestLaterOptions(t *testing.T) {
	var first, second atomic.Int32
	counting := func(n *atomic.Int32) rawhttp.Option {
		return rawhttp.WithTrace(rawhttp.Trace{Exchange: func(rawhttp.Exchange) { n.Add(1) }})
	}
	_, addr := listen(t,
		rawhttp.WithFS(fstest.MapFS{"a.one": {}, "a.two": {}}),
		rawhttp.WithDate(true), rawhttp.WithDate(false),
		rawhttp.WithServerField("first"), rawhttp.WithServerField("second"),
		rawhttp.WithMediaType(".one", "a/first"), rawhttp.WithMediaType(".one", "a/one"), rawhttp.WithMediaType(".two", "a/two"),
		rawhttp.WithHosts("one.test"), rawhttp.WithHosts("two.test"),
		counting(&first), counting(&second),
	)
	got := talk(t, addr, "GET /a.one HTTP/1.1\r\nHost: one.test\r\n\r\n"+
		"GET /a.two HTTP/1.1\r\nHost: two.test\r\nConnection: close\r\n\r\n")
	want := []string{
		"Server: second\r\nContent-Type: a/one\r\n", // the later WithServerField wins
		"Server: second\r\nContent-Type: a/two\r\n", // both WithMediaType options apply
	}
	for i, answer := range strings.SplitAfter(got, "HTTP/1.1 200 OK\r\n")[1:] {
		if i >= len(want) || !strings.HasPrefix(answer, want[i]) {
			t.Errorf("answers:\n%swant each to continue with one of %q", got, want)
		}
	}
	if first.Load() != 2 || second.Load() != 2 {
		t.Errorf("the traces saw %d and %d exchanges, want 2 each", first.Load(), second.Load())
	}
}
