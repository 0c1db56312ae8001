package rawhttp

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
)

// The representation that conditions are asked of, and the time that the tests take
// place in: that of a bubble.
const (
	contentText    = "0123456789abcdefghij"
	contentDate    = "Date: Sat, 01 Jan 2000 00:00:00 GMT\r\n"
	contentTag     = `"v1"`
	contentChanged = "Fri, 31 Dec 1999 12:00:00 GMT"
)

// contentOf makes a Response of contentText.
func contentOf(etag string, mod time.Time) *Response {
	return Content(Representation{MediaType: "text/plain", Body: strings.NewReader(contentText), Size: int64(len(contentText)), ModTime: mod, ETag: etag})
}

// contentAsk gives the bytes of the answer to a request of the method with the field
// lines.
func contentAsk(t testing.TB, resp *Response, method string, lines ...string) string {
	t.Helper()
	request := method + " / HTTP/1.1\r\nHost: a\r\n"
	for _, line := range lines {
		request += line + "\r\n"
	}
	var b bytes.Buffer
	if _, err := WriteResponse(context.Background(), &b, writeRequest(t, request+"\r\n"), resp); err != nil {
		t.Errorf("WriteResponse to %q: %v", request, err)
	}
	return b.String()
}

func TestFileETag(t *testing.T) {
	at := time.Date(2026, 7, 1, 12, 0, 0, 5, time.UTC) // 1782907200000000005 ns
	tests := []struct {
		name string
		mod  time.Time
		size int64
		now  time.Time
		want string
		why  string
	}{
		{"old", at, 1295, at.Add(time.Hour), `"djn7ush88w05-zz"`, "nanoseconds and bytes, base 36"},
		{"empty", at, 0, at.Add(time.Hour), `"djn7ush88w05-0"`, ""},
		{"large", at, 1<<63 - 1, at.Add(time.Hour), `"djn7ush88w05-1y2p0ij32e8e7"`, ""},
		{"2 s old", at, 1295, at.Add(2 * time.Second), `"djn7ush88w05-zz"`, ""},
		{"not quite 2 s old", at, 1295, at.Add(2*time.Second - 1), `W/"djn7ush88w05-zz"`, "it may change again within the same tick of its file system's clock"},
		{"new", at, 1295, at, `W/"djn7ush88w05-zz"`, ""},
		{"from the future", at, 1295, at.Add(-time.Hour), `W/"djn7ush88w05-zz"`, ""},
		{"from the far future", at, 1295, at.Add(-290 * 365 * 24 * time.Hour), `W/"djn7ush88w05-zz"`, "a duration that time.Duration cannot hold"},
		{"a nanosecond later", at.Add(1), 1295, at.Add(time.Hour), `"djn7ush88w06-zz"`, "a change in the same second"},
		{"the epoch", time.Unix(0, 0), 1295, at, `"0-zz"`, ""},
		{"in another zone", at.In(time.FixedZone("", 3600)), 1295, at.Add(time.Hour), `"djn7ush88w05-zz"`, ""},
		{"no time", time.Time{}, 1295, at, "", "size alone tells nothing"},
	}
	for _, tt := range tests {
		got := fileETag(tt.mod, tt.size, tt.now)
		if got != tt.want || got != "" && !isETag(got) {
			t.Errorf("%s: fileETag(%v, %d, %v) = %s, want %s\nwhy: %s", tt.name, tt.mod, tt.size, tt.now, got, tt.want, tt.why)
		}
	}
}

func TestIsETag(t *testing.T) {
	for s, want := range map[string]bool{
		`""`: true, `"a"`: true, `W/""`: true, `W/"a"`: true, `"!#$%&'()*+,-./09:;<=>?@AZ[\]^_az{|}~"`: true, "\"\x80\xff\"": true, `"W/"`: true,
		``: false, `a`: false, `"`: false, `W/`: false, `W/"`: false, `w/"a"`: false, `W"a"`: false, `/"a"`: false, `W/W/"a"`: false,
		`"a`: false, `a"`: false, `"a"b`: false, `"a""b"`: false, ` "a"`: false, `"a" `: false, `"a b"`: false, "\"a\tb\"": false,
		"\"a\x00\"": false, "\"a\x7f\"": false, "\"a\r\nb\"": false, `*`: false, `"a", "b"`: false,
	} {
		if got := isETag(s); got != want {
			t.Errorf("isETag(%q) = %v, want %v", s, got, want)
		}
	}
}
