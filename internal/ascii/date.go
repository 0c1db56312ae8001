package ascii

import (
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// IMFFixdate is the layout of a date on the wire (RFC 9110, section 5.6.7). The time must
// be in UTC.
const IMFFixdate = "Mon, 02 Jan 2006 15:04:05 GMT"

// A DateCache caches the text of the Date field for the current second. It may be used
// concurrently.
type DateCache struct {
	last atomic.Pointer[dateText]
}

type dateText struct {
	text string
	end  time.Time // end of the second, on the monotonic clock
}

// Text returns the current date. During a second for which the text is cached, this only
// reads the monotonic clock. Goroutines that find it out of date at the same time each make a new one.
func (d *DateCache) Text() string {
	if last := d.last.Load(); last != nil && time.Until(last.end) > 0 {
		return last.text
	}
	now := time.Now()
	// Truncate strips the reading of the monotonic clock, so end is computed from now.
	second := now.Truncate(time.Second)
	t := &dateText{second.UTC().Format(IMFFixdate), now.Add(second.Add(time.Second).Sub(now))}
	d.last.Store(t)
	return t.text
}

// ParseDate parses an HTTP-date in any of its three forms (RFC 9110, section 5.6.7):
//
//	Sun, 06 Nov 1994 08:49:37 GMT
//	Sunday, 06-Nov-94 08:49:37 GMT
//	Sun Nov  6 08:49:37 1994
//
// It does not check that the day of the week matches the date. time.Parse is not used,
// since it accepts much more.
func ParseDate(s string, now time.Time) (t time.Time, ok bool) {
	const imf, obsolete, asctime = "06 Nov 1994 08:49:37 GMT", "06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"
	day, rest, named := strings.Cut(s, ", ") // asctime has no comma
	switch {
	case named && len(rest) == len(imf) && rest[2] == ' ' && rest[6] == ' ' && rest[11] == ' ' && rest[20:] == " GMT":
		t, ok = dateOf(rest[7:11], rest[3:6], rest[:2], rest[12:20])
		return t, ok && isDay(day, 3)
	case named && len(rest) == len(obsolete) && rest[2] == '-' && rest[6] == '-' && rest[9] == ' ' && rest[18:] == " GMT":
		t, ok = obsoleteDate(rest, now)
		return t, ok && isDay(day, len("Wednesday"))
	case !named && len(s) == len(asctime) && s[3] == ' ' && s[7] == ' ' && s[10] == ' ' && s[19] == ' ':
		date := s[8:10]
		if date[0] == ' ' { // date3 = month SP ( 2DIGIT / ( SP 1DIGIT ))
			date = "0" + date[1:]
		}
		t, ok = dateOf(s[20:], s[4:7], date, s[11:19])
		return t, ok && isDay(s[:3], 3)
	}
	return t, false
}

// isDay reports whether s is the name of a day of the week, cut to n bytes.
func isDay(s string, n int) bool {
	for _, day := range [...]string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"} {
		if s == day[:min(n, len(day))] {
			return true
		}
	}
	return false
}

// obsoleteDate parses a date with a two-digit year. "Recipients of a timestamp value in
// rfc850-date format [...] MUST interpret a timestamp that appears to be more than 50 years
// in the future as representing the most recent year in the past that had the same last two
// digits." RFC 9110, section 5.6.7.
func obsoleteDate(s string, now time.Time) (t time.Time, ok bool) {
	for century := now.Year() / 100; ; century-- {
		t, ok = dateOf(strconv.Itoa(century)+s[7:9], s[3:6], s[:2], s[10:18])
		if !ok || !t.After(now.AddDate(50, 0, 0)) {
			return t, ok
		}
	}
}

// dateOf returns the time with the given parts, each as text. The second may be 60: HTTP-dates
// permit leap seconds, which become the first second of the next minute.
func dateOf(year, month, day, clock string) (t time.Time, ok bool) {
	const months = "JanFebMarAprMayJunJulAugSepOctNovDec"
	m := strings.Index(months, month)
	y, okY := parseDecimal(year)
	d, okD := parseDecimal(day)
	hour, okH := parseDecimal(clock[:2])
	minute, okM := parseDecimal(clock[3:5])
	second, okS := parseDecimal(clock[6:])
	if m < 0 || m%3 != 0 || !okY || !okD || !okH || !okM || !okS || clock[2] != ':' || clock[5] != ':' ||
		hour > 23 || minute > 59 || second > 60 {
		return t, false
	}
	t = time.Date(y, time.Month(m/3+1), d, hour, minute, 0, 0, time.UTC)
	// time.Date moves a day that the month does not have to the next month.
	return t.Add(time.Duration(second) * time.Second), t.Day() == d
}

// parseDecimal parses a decimal number without sign.
func parseDecimal(s string) (n int, ok bool) {
	for i := range len(s) {
		if !IsDigit(s[i]) {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}
