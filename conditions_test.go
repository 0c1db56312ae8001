package rawhttp

import (
	"testing"
	"time"

	"example.com/rawhttp/internal/ascii"
)

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
		{"no time", time.Time{}, 1295, at, "", "the size alone does not identify a version"},
	}
	for _, tt := range tests {
		got := fileETag(tt.mod, tt.size, tt.now)
		if got != tt.want || got != "" && !ascii.IsEntityTag(got) {
			t.Errorf("%s: fileETag(%v, %d, %v) = %s, want %s\nwhy: %s", tt.name, tt.mod, tt.size, tt.now, got, tt.want, tt.why)
		}
	}
}

func TestCodedTag(t *testing.T) {
	for coding, want := range map[string]string{"": `"abc"`, "gzip": `"abc-gzip"`, "br": `"abc-br"`} {
		if got := codedTag(`"abc"`, coding); got != want {
			t.Errorf("codedTag of coding %q = %s, want %s", coding, got, want)
		}
	}
	if got := codedTag(`W/"abc"`, "gzip"); got != `W/"abc-gzip"` {
		t.Errorf("codedTag of a weak tag = %s, want it weak", got)
	}
	if got := codedTag("", "gzip"); got != "" {
		t.Errorf("codedTag of no tag = %s, want none", got)
	}
}
