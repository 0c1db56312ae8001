package ascii

import (
	"testing"
	"testing/synctest"
	"time"
)

// The three forms of RFC 9110, section 5.6.7, and text that is not a date.
func TestParseDate(t *testing.T) {
	now := time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)
	const example = "1994-11-06T08:49:37Z"
	tests := []struct {
		name, s string
		want    string // in the form of RFC 3339; "" if the text is not a date
		why     string
	}{
		{"IMF-fixdate", "Sun, 06 Nov 1994 08:49:37 GMT", example, ""},
		{"obsolete", "Sunday, 06-Nov-94 08:49:37 GMT", example, ""},
		{"asctime", "Sun Nov  6 08:49:37 1994", example, ""},
		{"asctime with two digits of day", "Wed Nov 16 08:49:37 1994", "1994-11-16T08:49:37Z", ""},
		{"first second of a day", "Sat, 01 Jan 2000 00:00:00 GMT", "2000-01-01T00:00:00Z", ""},
		{"last second of a year", "Fri, 31 Dec 1999 23:59:59 GMT", "1999-12-31T23:59:59Z", ""},
		{"leap day", "Thu, 29 Feb 2024 00:00:00 GMT", "2024-02-29T00:00:00Z", ""},
		{"leap day of a century", "Tue, 29 Feb 2000 00:00:00 GMT", "2000-02-29T00:00:00Z", ""},
		{"before the epoch", "Wed, 31 Dec 1969 23:59:59 GMT", "1969-12-31T23:59:59Z", ""},
		{"last second with a four-digit year", "Fri, 31 Dec 9999 23:59:59 GMT", "9999-12-31T23:59:59Z", ""},
		{"leap second", "Sat, 31 Dec 2016 23:59:60 GMT", "2017-01-01T00:00:00Z", "a second may be 60, RFC 9110, section 5.6.7"},
		{"leap second, obsolete", "Saturday, 31-Dec-16 23:59:60 GMT", "2017-01-01T00:00:00Z", ""},
		{"another day of the week", "Mon, 06 Nov 1994 08:49:37 GMT", example, "the day of the week is redundant"},

		{"50 years from now", "Sunday, 22-Nov-76 12:00:00 GMT", "2076-11-22T12:00:00Z", "not more than 50 years"},
		{"a second more than 50 years from now", "Monday, 22-Nov-76 12:00:01 GMT", "1976-11-22T12:00:01Z", "the most recent year in the past with the same digits"},
		{"in the year 50 years from now", "Wednesday, 01-Jan-76 00:00:00 GMT", "2076-01-01T00:00:00Z", ""},
		{"51 years from now", "Saturday, 01-Jan-77 00:00:00 GMT", "1977-01-01T00:00:00Z", ""},
		{"year 99", "Friday, 31-Dec-99 23:59:59 GMT", "1999-12-31T23:59:59Z", ""},
		{"year 00", "Saturday, 01-Jan-00 00:00:00 GMT", "2000-01-01T00:00:00Z", ""},
		{"this year", "Sunday, 22-Nov-26 12:00:00 GMT", "2026-11-22T12:00:00Z", ""},

		{"30 February", "Fri, 30 Feb 2024 00:00:00 GMT", "", ""},
		{"29 February, not a leap year", "Wed, 29 Feb 2023 00:00:00 GMT", "", ""},
		{"29 February of a century", "Thu, 29 Feb 1900 00:00:00 GMT", "", ""},
		{"31 April", "Wed, 31 Apr 2024 00:00:00 GMT", "", ""},
		{"day 0", "Sun, 00 Nov 1994 08:49:37 GMT", "", ""},
		{"day 0, asctime", "Sun Nov  0 08:49:37 1994", "", ""},
		{"day 0 and a leap second", "Sun, 00 Nov 1994 23:59:60 GMT", "", ""},
		{"31 February and a leap second", "Sun, 31 Feb 1994 23:59:60 GMT", "", ""},
		{"day 32", "Tue, 32 Dec 2024 00:00:00 GMT", "", ""},
		{"hour 24", "Sun, 06 Nov 1994 24:00:00 GMT", "", ""},
		{"minute 60", "Sun, 06 Nov 1994 08:60:37 GMT", "", ""},
		{"second 61", "Sun, 06 Nov 1994 08:49:61 GMT", "", ""},

		{"empty", "", "", ""},
		{"a comma", ", ", "", ""},
		{"only the day of the week", "Sun", "", ""},
		{"unknown day of the week", "Xyz, 06 Nov 1994 08:49:37 GMT", "", ""},
		{"no day of the week", "06 Nov 1994 08:49:37 GMT", "", ""},
		{"empty day of the week", ", 06 Nov 1994 08:49:37 GMT", "", ""},
		{"long day of the week", "Sunday, 06 Nov 1994 08:49:37 GMT", "", "long names are for the obsolete form"},
		{"short day of the week, obsolete", "Sun, 06-Nov-94 08:49:37 GMT", "", ""},
		{"unknown day of the week, obsolete", "Someday, 06-Nov-94 08:49:37 GMT", "", ""},
		{"unknown day of the week, asctime", "Xyz Nov  6 08:49:37 1994", "", ""},
		{"day of the week in lower case", "sun, 06 Nov 1994 08:49:37 GMT", "", "HTTP-date is case-sensitive"},
		{"month in lower case", "Sun, 06 nov 1994 08:49:37 GMT", "", ""},
		{"month in upper case", "Sun, 06 NOV 1994 08:49:37 GMT", "", ""},
		{"unknown month", "Sun, 06 Foo 1994 08:49:37 GMT", "", ""},
		{"month of the letters of two names", "Sun, 06 anF 1994 08:49:37 GMT", "", ""},
		{"month as a number", "Sun, 06 011 1994 08:49:37 GMT", "", ""},
		{"zone in lower case", "Sun, 06 Nov 1994 08:49:37 gmt", "", ""},
		{"other zone", "Sun, 06 Nov 1994 08:49:37 UTC", "", "GMT = %s\"GMT\""},
		{"summer time", "Sun, 06 Nov 1994 08:49:37 BST", "", ""},
		{"offset", "Sun, 06 Nov 1994 08:49:37 +0000", "", ""},
		{"no zone", "Sun, 06 Nov 1994 08:49:37", "", ""},
		{"zone after asctime", "Sun Nov  6 08:49:37 1994 GMT", "", ""},
		{"one digit of day", "Sun, 6 Nov 1994 08:49:37 GMT", "", "2DIGIT"},
		{"blank for a digit of day", "Sun,  6 Nov 1994 08:49:37 GMT", "", "a blank is for asctime"},
		{"one digit of hour", "Sun, 06 Nov 1994 8:49:37 GMT", "", ""},
		{"blank for a digit of hour", "Sun, 06 Nov 1994  8:49:37 GMT", "", ""},
		{"two digits of year", "Sun, 06 Nov 94 08:49:37 GMT", "", ""},
		{"five digits of year", "Sun, 06 Nov 11994 08:49:37 GMT", "", ""},
		{"four digits of year, obsolete", "Sunday, 06-Nov-1994 08:49:37 GMT", "", ""},
		{"two digits of year, asctime", "Sun Nov  6 08:49:37 94", "", ""},
		{"fraction of a second", "Sun, 06 Nov 1994 08:49:37.5 GMT", "", ""},
		{"no seconds", "Sun, 06 Nov 1994 08:49 GMT", "", ""},
		{"points in the time", "Sun, 06 Nov 1994 08.49.37 GMT", "", ""},
		{"signs in the time", "Sun, 06 Nov 1994 +8:-4:37 GMT", "", ""},
		{"sign in the year", "Sun, 06 Nov -994 08:49:37 GMT", "", ""},
		{"letters in the year", "Sun, 06 Nov 19x4 08:49:37 GMT", "", ""},
		{"letters in the year, obsolete", "Sunday, 06-Nov-x4 08:49:37 GMT", "", ""},
		{"digits that are not ASCII", "Sun, ٠6 Nov 994 08:49:37 GMT", "", ""},
		{"two blanks", "Sun, 06  Nov 1994 08:49:37 GMT", "", ""},
		{"tab", "Sun,\t06 Nov 1994 08:49:37 GMT", "", ""},
		{"no blank after the comma", "Sun,06 Nov 1994 08:49:37 GMT", "", ""},
		{"no comma", "Sun 06 Nov 1994 08:49:37 GMT", "", ""},
		{"hyphens in the fixed form", "Sun, 06-Nov-1994 08:49:37 GMT", "", "the form of old cookies"},
		{"blanks in the obsolete form", "Sunday, 06 Nov 94 08:49:37 GMT", "", ""},
		{"leading blank", " Sun, 06 Nov 1994 08:49:37 GMT", "", ""},
		{"trailing blank", "Sun, 06 Nov 1994 08:49:37 GMT ", "", ""},
		{"trailing text", "Sun, 06 Nov 1994 08:49:37 GMT; length=5", "", ""},
		{"twice", "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", "", ""},
		{"in quotes", `"Sun, 06 Nov 1994 08:49:37 GMT"`, "", ""},
		{"NUL", "Sun, 06 Nov 1994 08:49:37\x00GMT", "", ""},
		{"RFC 3339", example, "", ""},
		{"seconds since 1970", "784111777", "", ""},
		{"0", "0", "", ""},
		{"-1", "-1", "", ""},
	}
	for _, tt := range tests {
		got, ok := ParseDate(tt.s, now)
		shown := ""
		if ok {
			shown = got.Format(time.RFC3339Nano)
		}
		if shown != tt.want {
			t.Errorf("%s: ParseDate(%q) = %q, want %q\nwhy: %s", tt.name, tt.s, shown, tt.want, tt.why)
		}
	}
	// A truncated date is not a date.
	for _, s := range []string{"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"} {
		for i := range len(s) {
			if got, ok := ParseDate(s[:i], now); ok {
				t.Errorf("ParseDate(%q) = %v, want no date", s[:i], got)
			}
			if got, ok := ParseDate(s[i+1:], now); ok {
				t.Errorf("ParseDate(%q) = %v, want no date", s[i+1:], got)
			}
		}
	}
}

// Every date that is written can be parsed, by ParseDate and by package time.
func TestParseDateOfWrittenDates(t *testing.T) {
	for day := range 40_000 { // every day from 1970 to the middle of 2079, with all hours, minutes and seconds
		want := time.Unix(int64(day)*86400+int64(day*7919%86400), 0).UTC()
		s := want.Format(IMFFixdate)
		got, ok := ParseDate(s, want)
		if theirs, err := parseTime(s); !ok || !got.Equal(want) || err != nil || !theirs.Equal(want) {
			t.Fatalf("ParseDate(%q) = %v, %v; package time returns %v, %v; want %v", s, got, ok, theirs, err, want)
		}
	}
}

// The text is that of the current second.
func TestDateCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d DateCache
		for _, step := range []struct {
			wait time.Duration
			want string
		}{
			{0, "Sat, 01 Jan 2000 00:00:00 GMT"},
			{999_999_999, "Sat, 01 Jan 2000 00:00:00 GMT"},
			{1, "Sat, 01 Jan 2000 00:00:01 GMT"},
			{0, "Sat, 01 Jan 2000 00:00:01 GMT"},
			{time.Hour, "Sat, 01 Jan 2000 01:00:01 GMT"},
			{366 * 24 * time.Hour, "Mon, 01 Jan 2001 01:00:01 GMT"},
		} {
			<-time.After(step.wait)
			if got := d.Text(); got != step.want {
				t.Errorf("Text() at %v = %q, want %q", time.Now().UTC(), got, step.want)
			}
		}
	})
	var d DateCache
	d.Text()
	if n := testing.AllocsPerRun(100, func() { d.Text() }); n >= 1 {
		t.Errorf("Text() allocates %v times, want one allocation per second", n)
	}
}
