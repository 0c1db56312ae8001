package conformance_test

import (
	"strings"
	"testing"
	"time"
)

// While the content may change again within the same second, its date is not a validator, and
// the entity tag of a file is weak.
func TestDateOfRecentlyChangedContent(t *testing.T) {
	const ms = time.Millisecond
	// Every synctest bubble starts at 2000-01-01 00:00:00.
	second58, second59, second00 := "Fri, 31 Dec 1999 23:59:58 GMT", "Fri, 31 Dec 1999 23:59:59 GMT", "Sat, 01 Jan 2000 00:00:00 GMT"
	tests := []struct {
		name  string
		age   time.Duration // time since the last change
		date  string        // the date that the client sends
		known bool          // whether the date identifies the content
		why   string
	}{
		{"just changed", 0, second00, false, "it may change again in this second"},
		{"just changed, a date in the future", 0, "Sat, 01 Jan 2000 00:00:02 GMT", true, "a change at that time would have a later time"},
		{"1.9 s old", 1900 * ms, second58, false, "some file systems store times in steps of two seconds"},
		{"1.9 s old, a second later", 1900 * ms, second59, false, "some file systems store times in steps of two seconds"},
		{"1.9 s old, two seconds later", 1900 * ms, second00, true, "a later change would have a later time"},
		{"2 s old", 2000 * ms, second58, true, ""},
		{"2 s old, a second later", 2000 * ms, second59, true, ""},
		{"2 s old, a second earlier", 2000 * ms, "Fri, 31 Dec 1999 23:59:57 GMT", false, "the content changed after that date"},
		{"from the future", -time.Hour, second00, false, "Last-Modified is then the Date of the response, not the time of the change"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				mod := time.Now().Add(-tt.age)
				modified, unmodified := 200, 412
				if tt.known {
					modified, unmodified = 304, 200
				}
				for line, want := range map[string]int{"If-Modified-Since: ": modified, "If-Unmodified-Since: ": unmodified} {
					for _, method := range []string{"GET", "HEAD"} {
						if got := contentStatus(t, contentAsk(t, contentOf("", mod), method, line+tt.date)); got != want {
							t.Errorf("%s of content that changed %v ago, with %s%s: status %d, want %d\nwhy: %s", method, tt.age, line, tt.date, got, want, tt.why)
						}
					}
				}
			})
		})
	}
}

// A Last-Modified field that the program has set is compared as it was sent, even if it is in the
// future.
func TestSetDateInTheFuture(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for date, want := range map[string]int{
			"Sat, 01 Jan 2000 01:00:00 GMT": 200,
			"Sat, 01 Jan 2000 02:00:02 GMT": 304,
		} {
			resp := contentOf("", time.Time{}).Set("Last-Modified", "Sat, 01 Jan 2000 02:00:00 GMT")
			if got := contentStatus(t, contentAsk(t, resp, "GET", "If-Modified-Since: "+date)); got != want {
				t.Errorf("If-Modified-Since: %s, for content that changes at 02:00: status %d, want %d", date, got, want)
			}
		}
	})
}

// A file that changed 1.9 s ago has the date of an earlier second, which is still not a strong
// validator.
func TestIfRangeDateOfRecentlyChangedFile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		young := contentOf("", time.Now().Add(-1900*time.Millisecond))
		if got := contentStatus(t, contentAsk(t, young, "GET", "Range: bytes=5-", "If-Range: Fri, 31 Dec 1999 23:59:58 GMT")); got != 200 {
			t.Errorf("If-Range with a date 1.9 s ago: status %d, want 200, since the file may change again with the same date", got)
		}
	})
}

// "A validator is weak if it is shared by two or more representations of a given resource
// at the same time" RFC 9110, section 8.8.1. Representations chosen by the client's preferences
// share their date, so a client must not combine ranges on the strength of it.
func TestIfRangeDateWithVary(t *testing.T) {
	tests := []struct {
		vary []string
		want int
	}{
		{nil, 206},
		{[]string{"Accept-Encoding"}, 200},
		{[]string{"accept-encoding"}, 200},
		{[]string{"Origin, Accept-Encoding"}, 200},
		{[]string{"Origin", "Accept-Language"}, 200},
		{[]string{"Accept"}, 200},
		{[]string{"*"}, 200},
		{[]string{"Origin"}, 206},
		{[]string{"Cookie, X-Accept"}, 206},
	}
	bubble(t, func(t *testing.T) {
		for _, tt := range tests {
			resp := contentOf(contentTag, contentMod)
			for _, value := range tt.vary {
				resp.Add("Vary", value)
			}
			if got := contentStatus(t, contentAsk(t, resp, "GET", "Range: bytes=5-", "If-Range: "+contentChanged)); got != tt.want {
				t.Errorf("Vary %q, If-Range with the date: status %d, want %d", tt.vary, got, tt.want)
			}
			for line, want := range map[string]int{"If-Range: " + contentTag: 206, "If-Match: " + contentTag: 206, "If-Modified-Since: " + contentChanged: 304} {
				if got := contentStatus(t, contentAsk(t, resp, "GET", "Range: bytes=5-", line)); got != want {
					t.Errorf("Vary %q, %s: status %d, want %d, the same as without Vary", tt.vary, line, got, want)
				}
			}
		}
	})
}

// Last-Modified is absent if an HTTP-date cannot express the time.
func TestLastModifiedIsADate(t *testing.T) {
	tests := []struct {
		mod  time.Time
		want string
	}{
		{time.Unix(0, 0), "Thu, 01 Jan 1970 00:00:00 GMT"},
		{time.Unix(-1, 0), "Wed, 31 Dec 1969 23:59:59 GMT"},
		{time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), "Fri, 31 Dec 9999 23:59:59 GMT"},
		{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), ""},
		{time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -3600)), ""}, // an hour later in GMT
		{time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), "Sat, 01 Jan 0000 00:00:00 GMT"},
		{time.Date(-1, 12, 31, 0, 0, 0, 0, time.UTC), ""},
		{time.Unix(1<<40, 0), ""},
		{time.Unix(-1<<40, 0), ""},
		{time.Unix(1<<62, 0), ""},
		{time.Unix(-1<<62, 0), ""},
		{time.Time{}, ""},
	}
	for _, tt := range tests {
		head, _ := splitHead(respBytes(t, contentOf("", tt.mod)))
		_, got, _ := strings.Cut(head, "\r\nLast-Modified: ")
		got, _, _ = strings.Cut(got, "\r\n")
		if got != tt.want {
			t.Errorf("Last-Modified of content that changed at %v is %q, want %q", tt.mod, got, tt.want)
		}
	}
}
