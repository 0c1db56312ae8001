package conformance_test

import (
	"io"
	"slices"
	"strings"
	"testing"

	"example.com/rawhttp"
)

// A contentCounted counts the calls of Read and Close.
type contentCounted struct {
	io.ReadSeeker
	reads, closed int
}

func (c *contentCounted) Read(p []byte) (int, error) {
	c.reads++
	return c.ReadSeeker.Read(p)
}

func (c *contentCounted) Close() error {
	c.closed++
	return nil
}

// Every answer closes its source, and reads it only if it sends content.
func TestContentIsClosed(t *testing.T) {
	tests := []struct {
		name, method string
		lines        []string
		want         int
		read         bool
	}{
		{"200", "GET", nil, 200, true},
		{"206", "GET", []string{"Range: bytes=0-1"}, 206, true},
		{"206 of several", "GET", []string{"Range: bytes=0-1,3-4"}, 206, true},
		{"304", "GET", []string{`If-None-Match: *`}, 304, false},
		{"412", "GET", []string{`If-Match: "v2"`}, 412, false},
		{"416", "GET", []string{"Range: bytes=20-"}, 416, false},
		{"HEAD", "HEAD", nil, 200, false},
		{"HEAD 304", "HEAD", []string{`If-None-Match: *`}, 304, false},
		{"HEAD 412", "HEAD", []string{`If-Match: "v2"`}, 412, false},
	}
	for _, tt := range tests {
		for _, only := range []bool{false, true} {
			source := &contentCounted{ReadSeeker: strings.NewReader(contentText)}
			rep := rawhttp.Representation{Body: source, Size: 20, ETag: contentTag}
			if only { // only a Reader
				rep.Body = struct{ io.ReadCloser }{source}
			}
			if only && slices.Contains([]string{"206", "206 of several", "416"}, tt.name) {
				tt.want, tt.read = 200, true
			}
			if got := contentStatus(t, contentAsk(t, rawhttp.Content(rep), tt.method, tt.lines...)); got != tt.want {
				t.Errorf("%s: status %d, want %d", tt.name, got, tt.want)
			}
			if source.closed != 1 || (source.reads > 0) != tt.read {
				t.Errorf("%s: the source was closed %d times and read %d times, want closed once, read: %v", tt.name, source.closed, source.reads, tt.read)
			}
		}
	}
}

// A Response with an io.ReaderAt answers any number of requests with different ranges and
// conditions, also at once.
func TestReusableContentConcurrently(t *testing.T) {
	resp := contentOf(contentTag, contentMod).Set("Vary", "Accept")
	asks := map[string]int{
		"X-None: 1": 200, "Range: bytes=0-1": 206, "Range: bytes=0-1,3-4": 206, "Range: bytes=20-": 416, `If-None-Match: *`: 304, `If-Match: "v2"`: 412,
	}
	want := make(map[string]string)
	bubble(t, func(t *testing.T) {
		for line := range asks {
			want[line] = contentAsk(t, resp, "GET", line)
		}
		done := make(chan struct{})
		for range 50 {
			for line, status := range asks {
				go func() {
					defer func() { done <- struct{}{} }()
					if got := contentAsk(t, resp, "GET", line); got != want[line] || contentStatus(t, got) != status {
						t.Errorf("concurrent answer to %s: %q, want %d: %q", line, got, status, want[line])
					}
				}()
			}
		}
		for range 50 * len(asks) {
			<-done
		}
	})
	if got := contentStatus(t, contentAsk(t, resp, "GET")); got != 200 {
		t.Errorf("then GET: status %d, want 200", got)
	}
}
