package rawhttp

import (
	"context"
	"log/slog"
	"math"
	"net/netip"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp/internal/wire"
)

var _ Logger = (*slog.Logger)(nil)

var (
	oneFile  = fstest.MapFS{"a.txt": {Data: []byte("hello")}}
	hiSource = WithResolver(answerText("hi"))
)

// A later option wins, except for options that accumulate.
func TestLaterOptionsWin(t *testing.T) {
	page := func(context.Context, *Request, int, error) *Response { return nil }
	p1, p2 := netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")
	log := slog.New(slog.DiscardHandler)
	tests := []struct {
		name string
		opts []Option
		get  func(*config) any
		want any
	}{
		{"WithDate", []Option{WithDate(false), WithDate(true)}, func(c *config) any { return c.sendDate }, true},
		{"WithContentLength", []Option{WithContentLength(true), WithContentLength(false)}, func(c *config) any { return c.sendContentLength }, false},
		{"WithServerField", []Option{WithServerField("a"), WithServerField("b")}, func(c *config) any { return c.serverField }, "b"},
		{"WithServerField, none", []Option{WithServerField("a"), WithServerField("")}, func(c *config) any { return c.serverField }, ""},
		{"WithReadHeaderTimeout", []Option{WithReadHeaderTimeout(1), WithReadHeaderTimeout(0)}, func(c *config) any { return c.readHeaderTimeout }, time.Duration(0)},
		{"WithIdleTimeout", []Option{WithIdleTimeout(1), WithIdleTimeout(math.MaxInt64)}, func(c *config) any { return c.idleTimeout }, time.Duration(math.MaxInt64)},
		{"WithStallTimeout", []Option{WithStallTimeout(1), WithStallTimeout(2)}, func(c *config) any { return c.stallTimeout }, time.Duration(2)},
		{"WithDrainTimeout", []Option{WithDrainTimeout(1), WithDrainTimeout(0)}, func(c *config) any { return c.drainTimeout }, time.Duration(0)},
		{"WithMaxHeaderBytes", []Option{WithMaxHeaderBytes(1 << 20), WithMaxHeaderBytes(512)}, func(c *config) any { return c.limits.Head }, 512},
		{"WithMaxFields", []Option{WithMaxFields(10_000), WithMaxFields(1)}, func(c *config) any { return c.limits.Fields }, 1},
		{"WithMaxBodyBytes", []Option{WithMaxBodyBytes(0), WithMaxBodyBytes(math.MaxInt64)}, func(c *config) any { return c.maxBodyBytes }, int64(math.MaxInt64)},
		{"WithMaxConns", []Option{WithMaxConns(7), WithMaxConns(0)}, func(c *config) any { return c.maxConns }, 0},
		{"WithLenientParsing", []Option{WithLenientParsing()}, func(c *config) any { return c.limits.Lenient }, true},
		{"WithHosts adds", []Option{WithHosts("a", "B"), WithHosts(), WithHosts("[::1]")}, func(c *config) any { return []string(c.hosts) }, []string{"a", "b", "[::1]"}},
		{"WithTrustedProxies adds", []Option{WithTrustedProxies(p1), WithTrustedProxies(), WithTrustedProxies(p2)}, func(c *config) any { return len(c.proxies) }, 2},
		{"WithTrace adds", []Option{WithTrace(Trace{}), WithTrace(Trace{})}, func(c *config) any { return len(c.traces) }, 2},
		{"WithLogger", []Option{WithLogger(slog.Default()), WithLogger(log)}, func(c *config) any { return c.log == logger{log} }, true},
		{"WithLogger, nil is ignored", []Option{WithLogger(log), WithLogger(nil)}, func(c *config) any { return c.log == logger{log} }, true},
		{"WithErrorPage", []Option{WithErrorPage(nil), WithErrorPage(page)}, func(c *config) any { return c.errorPage != nil }, true},
		{"WithErrorPage, nil is ignored", []Option{WithErrorPage(page), WithErrorPage(nil)}, func(c *config) any { return c.errorPage != nil }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t, append(tt.opts, hiSource)...)
			if diff := cmp.Diff(tt.want, tt.get(&s.config)); diff != "" {
				t.Errorf("configuration after New (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLaterFileOptionsWin(t *testing.T) {
	tests := []struct {
		name string
		opts []FileOption
		get  func(*fileConfig) any
		want any
	}{
		{"WithListing", []FileOption{WithListing(ListNone), WithListing(ListText)}, func(c *fileConfig) any { return c.listing }, ListText},
		{"WithMaxListing", []FileOption{WithMaxListing(5), WithMaxListing(0)}, func(c *fileConfig) any { return c.maxListing }, 0},
		{"WithIndex", []FileOption{WithIndex("a"), WithIndex("b", "c")}, func(c *fileConfig) any { return c.index }, []string{"b", "c"}},
		{"WithIndex, none", []FileOption{WithIndex("a"), WithIndex()}, func(c *fileConfig) any { return len(c.index) }, 0},
		{"WithDotFiles", []FileOption{WithDotFiles(true), WithDotFiles(false)}, func(c *fileConfig) any { return c.dotFiles }, false},
		{"WithCacheControl", []FileOption{WithCacheControl("a"), WithCacheControl("")}, func(c *fileConfig) any { return c.cacheControl("/") }, ""},
		{"WithCacheControl adds", []FileOption{WithCacheControl("a"), WithCacheControl("b", "/b/*")},
			func(c *fileConfig) any { return c.cacheControl("/x") + " " + c.cacheControl("/b/x") }, "a b"},
		{"WithMediaType adds", []FileOption{WithMediaType(".A", "a/b"), WithMediaType(".c", "c/d")},
			func(c *fileConfig) any { return c.mediaType("x.a") + " " + c.mediaType("x.C") }, "a/b c/d"},
		{"WithMediaType, the same again", []FileOption{WithMediaType(".a", "a/b"), WithMediaType(".A", "c/d")},
			func(c *fileConfig) any { return c.mediaType("x.a") }, "c/d"},
		{"nil", []FileOption{nil, WithMaxListing(3), nil}, func(c *fileConfig) any { return c.maxListing }, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := FS(oneFile, tt.opts...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, tt.get(&f.config)); diff != "" {
				t.Errorf("configuration after FS (-want +got):\n%s", diff)
			}
			opts := []Option{WithFS(oneFile)}
			for _, o := range tt.opts {
				opts = append(opts, o)
			}
			s := newServer(t, opts...)
			if diff := cmp.Diff(tt.want, tt.get(&s.files.config)); diff != "" {
				t.Errorf("configuration after New (-want +got):\n%s", diff)
			}
		})
	}
}

// The defaults, which are safe on the open Internet.
func TestDefaults(t *testing.T) {
	s, err := New(hiSource)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := s.config
	type defaults struct {
		Date, ContentLength, Lenient                           bool
		Server                                                 string
		ReadHeader, Idle, Stall, Drain                         time.Duration
		HeaderBytes, LineBytes, Fields, Hosts, Proxies, Traces int
		BodyBytes                                              int64
		ErrorPage                                              bool
	}
	want := defaults{
		Date: true, ContentLength: true,
		ReadHeader: 10 * time.Second, Idle: 75 * time.Second, Stall: 30 * time.Second, Drain: 10 * time.Second,
		HeaderBytes: 32 << 10, LineBytes: 8 << 10, Fields: 100, BodyBytes: 10 << 20,
	}
	got := defaults{
		Date: c.sendDate && s.format.date != nil, ContentLength: s.format.contentLength, Lenient: c.limits.Lenient, Server: s.format.server,
		ReadHeader: c.readHeaderTimeout, Idle: c.idleTimeout, Stall: c.stallTimeout, Drain: c.drainTimeout,
		HeaderBytes: c.limits.Head, LineBytes: c.limits.Line, Fields: c.limits.Fields, BodyBytes: c.maxBodyBytes,
		Hosts: len(c.hosts), Proxies: len(c.proxies), Traces: len(c.traces), ErrorPage: c.errorPage != nil,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	if c.maxConns < 16 || c.maxConns > 10_000 {
		t.Errorf("the default of WithMaxConns is %d, want 16 to 10000", c.maxConns)
	}
	if c.log.to != nil {
		t.Errorf("the default of WithLogger is a %T, want none", c.log.to)
	}
}

func TestFileDefaults(t *testing.T) {
	f, err := FS(oneFile)
	if err != nil {
		t.Fatal(err)
	}
	type defaults struct {
		Listing      Listing
		MaxListing   int
		Index        []string
		DotFiles     bool
		CacheControl string
		Type         string
	}
	want := defaults{ListText, 100_000, []string{"index.html"}, false, "", "text/plain; charset=utf-8"}
	c := f.config
	got := defaults{c.listing, c.maxListing, c.index, c.dotFiles, c.cacheControl("/"), c.mediaType("a.txt")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

// Options are values: they may be used for any number of servers.
func TestOptionsAreReusable(t *testing.T) {
	opts := []Option{WithFS(oneFile), WithHosts("a"), WithTrace(Trace{}), WithMediaType(".x", "a/b"), WithIndex("i")}
	for range 3 {
		s := newServer(t, opts...)
		if len(s.config.hosts) != 1 || len(s.config.traces) != 1 || len(s.files.config.mediaTypes) != 1 {
			t.Errorf("a second Server made with the same options has %d hosts, %d traces, %d media types; want one of each",
				len(s.config.hosts), len(s.config.traces), len(s.files.config.mediaTypes))
		}
	}
}

// A server parses with the limits of ParseRequest, unless its options say otherwise.
func TestParseLimitsOfOptions(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts []Option
		want wire.Limits
	}{
		{"defaults", nil, wire.DefaultLimits},
		{"WithMaxHeaderBytes and WithMaxFields", []Option{WithMaxHeaderBytes(512), WithMaxFields(7)}, wire.Limits{Head: 512, Line: 8 << 10, Fields: 7}},
	} {
		s := newServer(t, append(tt.opts, hiSource)...)
		if diff := cmp.Diff(tt.want, s.config.limits, cmp.AllowUnexported(wire.Limits{})); diff != "" {
			t.Errorf("%s: limits of a server (-want +got):\n%s", tt.name, diff)
		}
	}
}

// The tests in internal/conformance test limits that they cannot refer to. When one of these
// numbers changes, change it in limits_test.go there, too.
func TestLimitsOfConformance(t *testing.T) {
	for name, ok := range map[string]bool{
		"outputBuffer":   maxJoined == 64<<10,
		"copyBuffer":     scratchSize == 64<<10,
		"sentWithHead":   firstSize == 14_000,
		"sortedEntries":  maxBufferedEntries == 200,
		"listingsAtOnce": maxListings == 16,
		"idleText":       maxIdleText == 1<<10,
		"sidecarMayLag":  sidecarLag == 2*time.Second,
		"stopPause":      stopWindow == time.Second,
		"lingerSilence":  maxLingerSilence == 5*time.Second,
		"firstPause":     firstPause == 5*time.Millisecond,
		"recovered":      recovered == time.Second,
		"queueQuiet":     queueQuiet == 50*time.Millisecond,
		"maxQueueTime":   maxQueueTime == time.Second,

		"scriptOutputMost": maxScriptOutput == 64<<20,
		"scriptErrorMost":  maxScriptStderr == 64<<10,
		"scriptHeld":       maxScriptHeld == 64<<10,
		"scriptsWaiting":   maxWaitingScripts == 64,
	} {
		if !ok {
			t.Errorf("%s differs from the value in internal/conformance", name)
		}
	}
}
