package conformance_test

import (
	"testing"
	"testing/fstest"
	"time"

	"example.com/rawhttp"
)

// A listing shows the modification times of files, even unusual ones.
func TestListingTimes(t *testing.T) {
	tests := []struct {
		mod        time.Time
		want, show string
		why        string
	}{
		{time.Time{}, "", "", "not known"},
		{time.Unix(0, 0), "1970-01-01T00:00:00Z", "1970-01-01 00:00", "of reproducible archives"},
		{time.Unix(1, 0), "1970-01-01T00:00:01Z", "1970-01-01 00:00", ""},
		{time.Unix(-1, 0), "1969-12-31T23:59:59Z", "1969-12-31 23:59", ""},
		{time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC), "1601-01-01T00:00:00Z", "1601-01-01 00:00", "the zero of Windows"},
		{time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), "1980-01-01T00:00:00Z", "1980-01-01 00:00", "the zero of zip"},
		{time.Date(2446, 5, 10, 22, 38, 55, 0, time.UTC), "2446-05-10T22:38:55Z", "2446-05-10 22:38", "the last of ext4"},
		{time.Date(2026, 11, 2, 1, 30, 0, 0, time.FixedZone("", 5*3600)), "2026-11-01T20:30:00Z", "2026-11-01 20:30", "times and dates are in UTC"},
		{time.Date(2026, 12, 31, 23, 59, 59, 999_999_999, time.UTC), "2026-12-31T23:59:59Z", "2026-12-31 23:59", "seconds are truncated, not rounded"},
	}
	for _, tt := range tests {
		r, err := rawhttp.FS(fstest.MapFS{"a": {ModTime: tt.mod}}, rawhttp.WithListing(rawhttp.ListHTML))
		if err != nil {
			t.Fatal(err)
		}
		row := listingGetPage(t, r, "/").Rows[0]
		e := listingReadJSON(t, listingAsk(t, r, "GET /?format=json").Content).Entries[0]
		if row.Time != tt.want || row.Shown != tt.show || e.Mtime != tt.want {
			t.Errorf("file changed at %v: time %q, shown as %q, in JSON %q, want %q and %q\nwhy: %s", tt.mod, row.Time, row.Shown, e.Mtime, tt.want, tt.show, tt.why)
		}
	}
}
