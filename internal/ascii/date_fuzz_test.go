package ascii

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// FuzzParseDate checks that package time parses each date that ParseDate accepts, with the same
// result, except for the century of a two-digit year, and leap seconds, which package time rejects.
func FuzzParseDate(f *testing.F) {
	for _, s := range []string{
		"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun Nov 16 08:49:37 1994",
		"Sat, 31 Dec 2016 23:59:60 GMT", "Saturday, 31-Dec-16 23:59:60 GMT", "Sat Dec 31 23:59:60 2016", "Thu, 29 Feb 1900 00:00:00 GMT",
		"Fri, 31 Dec 9999 23:59:59 GMT", "Sat, 01 Jan 0000 00:00:00 GMT", "Xyz, 06 Nov 1994 08:49:37 GMT", "Sun, 00 Nov 1994 23:59:60 GMT", "",
	} {
		f.Add(s, int64(1795000000))
	}
	f.Fuzz(func(t *testing.T, s string, unix int64) {
		if now := time.Unix(unix%(1<<38), 0).UTC(); now.Year() >= 1000 && now.Year() <= 9900 { // plausible clocks
			fuzzCheckDate(t, s, now)
		}
	})
}

// parseTime parses a date in one of the three forms with package time, as net/http does.
func parseTime(s string) (t time.Time, err error) {
	for _, layout := range []string{IMFFixdate, time.RFC850, time.ANSIC} {
		if t, err = time.Parse(layout, s); err == nil {
			break
		}
	}
	return t, err
}

// The same check, with valid dates in which up to two bytes are changed.
func TestParseDateAtRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	accepted := 0
	const n = 50_000
	for range n {
		now := time.Unix(r.Int64N(1<<33), 0).UTC()
		form := []string{IMFFixdate, "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC}[r.IntN(3)]
		s := []byte(time.Unix(r.Int64N(1<<34)-1<<32, 0).UTC().Format(form))
		for range r.IntN(3) {
			s[r.IntN(len(s))] = " 0123456789:,-GMTNovDec"[r.IntN(23)]
		}
		fuzzCheckDate(t, string(s), now)
		if t.Failed() {
			return
		}
		if _, ok := ParseDate(string(s), now); ok {
			accepted++
		}
	}
	if accepted < n/4 {
		t.Errorf("%d of %d dates were accepted, want at least a quarter: many are unchanged", accepted, n)
	}
}

func fuzzCheckDate(t *testing.T, s string, now time.Time) {
	t.Helper()
	got, ok := ParseDate(s, now)
	if !ok {
		return
	}
	theirs, err := parseTime(s)
	leap := time.Duration(0)
	if err != nil && strings.Count(s, ":60") == 1 {
		theirs, err = parseTime(strings.Replace(s, ":60", ":59", 1))
		leap = time.Second
	}
	if err != nil {
		t.Fatalf("ParseDate(%q) = %v, but package time: %v", s, got, err)
	}
	theirs = theirs.Add(leap)
	if got.Equal(theirs) {
		return
	}
	if !strings.Contains(s, "-") {
		t.Fatalf("ParseDate(%q) = %v, but package time returns %v", s, got, theirs)
	}
	years := got.Year() - theirs.Year()
	same := time.Date(theirs.Year()+years, theirs.Month(), theirs.Day(), theirs.Hour(), theirs.Minute(), theirs.Second(), 0, time.UTC)
	if years%100 != 0 || !got.Equal(same) || got.After(now.AddDate(50, 0, 0)) {
		t.Errorf("ParseDate(%q) in %v = %v, but package time returns %v", s, now, got, theirs)
	}
	if next := got.AddDate(100, 0, 0); next.Year()/100 <= now.Year()/100 && next.Day() == got.Day() && !next.After(now) {
		t.Errorf("ParseDate(%q) in %v = %v, want %v, which is in the past too", s, now, got, next)
	}
}
