package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// listingOfFake returns a resolver for a fake folder with the given number of names.
func listingOfFake(t testing.TB, names int, opts ...rawhttp.FileOption) (*rawhttp.FileResolver, *listingFake) {
	t.Helper()
	fake := &listingFake{t: t, names: names, mayRead: true}
	r, err := rawhttp.FS(fake, append([]rawhttp.FileOption{rawhttp.WithListing(rawhttp.ListHTML)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return r, fake
}

// A listingWatch is a Writer that calls a function at each Write of a listing.
type listingWatch struct {
	writes, bytes int
	onWrite       func(write int, p []byte)
}

func (w *listingWatch) Write(p []byte) (int, error) {
	w.onWrite(w.writes, p)
	w.writes++
	w.bytes += len(p)
	return len(p), nil
}

// The first bytes of a long listing are sent before most entries have been examined, if the
// order allows it. No write is large, and the memory is little more than the names.
func TestLongListingStreams(t *testing.T) {
	names := 20_000
	if *long {
		names = 100_000
	}
	for _, form := range []string{"text", "html", "json", "html&sort=size", "json&sort=time&order=desc"} {
		t.Run(form, func(t *testing.T) {
			r, fake := listingOfFake(t, names)
			looked := 0
			fake.info = func(string) error { looked++; return nil }

			heap := func() uint64 {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return m.HeapAlloc
			}
			before, most := heap(), uint64(0)
			req := resolveGet(t, "/?format="+form)
			resp, err := r.Resolve(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			w := &listingWatch{onWrite: func(write int, p []byte) {
				if sorted := strings.Contains(form, "sort"); write < 2 && !sorted && looked > 1000 {
					t.Errorf("Write %d, of %d bytes, was called after %d entries had been examined", write, len(p), looked)
				}
				if len(p) > 20<<10 {
					t.Errorf("Write %d has %d bytes, want about 16 KiB", write, len(p))
				}
				if write%(names/500) == 0 {
					most = max(most, heap())
				}
			}}
			if persist, err := rawhttp.WriteResponse(t.Context(), w, req, resp); !persist || err != nil {
				t.Errorf("WriteResponse = %v, %v", persist, err)
			}
			if w.bytes < names*len("file-0000001.txt\n") || w.writes < w.bytes/(20<<10) {
				t.Errorf("%d Writes of %d bytes", w.writes, w.bytes)
			}
			limit := 160
			if form == "text" { // only the names are needed
				limit = 100
			}
			if n := int(most-before) / names; n > limit {
				t.Errorf("%d bytes per name are in use while the listing is written, want at most %d", n, limit)
			}
			t.Logf("%d bytes in use, %d entries examined, %d Writes of %d bytes", most-before, looked, w.writes, w.bytes)
			if n := fake.open.Load(); n != 0 {
				t.Errorf("%d folders are open at the end, want 0", n)
			}
		})
	}
}

// When the context of its request ends, a long listing ends too, both while the folder is read
// and while the listing is written.
func TestLongListingEndsWithContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	r, fake := listingOfFake(t, 100_000)
	fake.readDir = func(read int) error {
		if read >= 5000 {
			cancel()
		}
		if read > 6000 {
			t.Errorf("the folder is read after the end of the context, after %d names", read)
		}
		return nil
	}
	resp, err := r.Resolve(ctx, resolveGet(t, "/"))
	if resp != nil || rawhttp.StatusOf(err) != 503 || !errors.Is(err, context.Canceled) {
		t.Errorf("Resolve = %v, %v, want 503 and context.Canceled", resp, err)
	}

	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	fake.readDir = nil
	if resp, err = r.Resolve(ctx, resolveGet(t, "/")); err != nil {
		t.Fatal(err)
	}
	w := &listingWatch{onWrite: func(write int, p []byte) {
		if write == 2 {
			cancel()
		}
		if write > 2 {
			t.Errorf("Write %d was called after the end of the context", write)
		}
	}}
	if persist, err := rawhttp.WriteResponse(ctx, w, resolveGet(t, "/"), resp); persist || !errors.Is(err, context.Canceled) {
		t.Errorf("WriteResponse = %v, %v, want context.Canceled", persist, err)
	}
}

// BenchmarkLongListing writes a listing of 100,000 entries in each form.
func BenchmarkLongListing(b *testing.B) {
	r, _ := listingOfFake(b, 100_000)
	benchmarkListing(b, r)
}

// BenchmarkListingOfDir lists folders of 1,000 and 100,000 files on disk.
func BenchmarkListingOfDir(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		dir := b.TempDir()
		for i := range n {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("file-%06d.txt", i)), nil, 0o644); err != nil {
				b.Fatal(err)
			}
		}
		r := filesOfDir(b, dir, rawhttp.WithListing(rawhttp.ListHTML))
		b.Run(strconv.Itoa(n), func(b *testing.B) { benchmarkListing(b, r) })
	}
}

// benchmarkListing measures a listing of the root in each form.
func benchmarkListing(b *testing.B, r rawhttp.Resolver) {
	for _, form := range []string{"text", "html", "json", "html&sort=size"} {
		b.Run(form, func(b *testing.B) {
			req := resolveGet(b, "/?format="+form)
			b.ReportAllocs()
			for b.Loop() {
				resp, err := r.Resolve(b.Context(), req)
				if err != nil {
					b.Fatal(err)
				}
				n, err := resp.WriteTo(io.Discard)
				if err != nil {
					b.Fatal(err)
				}
				resp.Close()
				b.SetBytes(n)
			}
		})
	}
}

// A listing of more than 200 entries is not made in memory, so it is chunked, or ends with the
// connection, and has no entity tag.
func TestLongListingFraming(t *testing.T) {
	tests := []struct {
		request string
		names   int
		want    string // which of the fields for framing, validation and persistence are present
		why     string
	}{
		{"GET HTTP/1.1", 200, "Content-Length ETag", ""},
		{"GET HTTP/1.0", 200, "Content-Length ETag Connection: close", ""},
		{"GET HTTP/1.0 keep-alive", 200, "Content-Length ETag Connection: keep-alive", ""},
		{"HEAD HTTP/1.1", 200, "", "the length is not known before the listing is made"},
		{"GET HTTP/1.1", 201, "Transfer-Encoding: chunked", ""},
		{"GET HTTP/1.0", 201, "Connection: close", "1.0 has no chunks, so the close ends the content"},
		{"GET HTTP/1.0 keep-alive", 201, "Connection: close", ""},
		{"HEAD HTTP/1.1", 201, "", ""},
		{"HEAD HTTP/1.0 keep-alive", 201, "Connection: keep-alive", "an answer to HEAD has no content"},
	}
	for _, tt := range tests {
		for _, form := range []string{"text", "html", "json"} {
			t.Run(fmt.Sprint(tt.request, " ", tt.names, " ", form), func(t *testing.T) {
				r, fake := listingOfFake(t, tt.names)
				fake.mayRead = strings.HasPrefix(tt.request, "GET")
				_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(r))
				method, version, _ := strings.Cut(tt.request, " ")
				request := method + " /?format=" + form + " " + strings.TrimSuffix(version, " keep-alive") + "\r\nHost: a\r\nIf-Match: \"a\"\r\n"
				if strings.HasSuffix(version, "keep-alive") {
					request += "Connection: keep-alive\r\n"
				}
				if tt.names <= 200 && fake.mayRead { // conditions do not apply to long listings
					request = strings.Replace(request, "If-Match", "X-None", 1)
				}
				got := parseAnswer(t, talk(t, addr, request+"\r\n"))
				var fields []string
				for _, name := range []string{"Content-Length", "Transfer-Encoding", "ETag", "Connection"} {
					value, there := got.Fields[name]
					switch {
					case !there:
					case name == "Content-Length" || name == "ETag":
						fields = append(fields, name)
					default:
						fields = append(fields, name+": "+value)
					}
				}
				if diff := cmp.Diff(tt.want, strings.Join(fields, " ")); diff != "" || got.Status != "200 OK" {
					t.Errorf("answer to %q: %s with the fields (-want +got):\n%s\nwhy: %s", request, got.Status, diff, tt.why)
				}
				if method == "HEAD" {
					return
				}
				if got.Fields["Transfer-Encoding"] == "chunked" {
					got.Content = unchunk(t, got.Content)
				}
				if names := listingCount(t, form, got.Content); names != tt.names {
					t.Errorf("%d entries, want %d", names, tt.names)
				}
			})
		}
	}
}

// listingCount counts the entries of a listing of a fake folder, and fails the test if they
// are out of order.
func listingCount(t *testing.T, form, content string) (n int) {
	t.Helper()
	var names []string
	switch form {
	case "text":
		names = listingLines(content)
	case "html":
		for _, row := range listingReadPage(t, content).Rows {
			names = append(names, row.Name)
		}
	case "json":
		for _, e := range listingReadJSON(t, content).Entries {
			names = append(names, e.Name)
		}
	}
	for i, name := range names {
		if want := fmt.Sprintf("file-%07d.txt", i+1); name != want {
			t.Fatalf("entry %d is %q, want %q", i, name, want)
		}
	}
	return len(names)
}
