package ascii

import (
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// IMFFixdate is the form of a date on the wire (RFC 9110, section 5.6.7), for a
// time in UTC.
const IMFFixdate = "Mon, 02 Jan 2006 15:04:05 GMT"

// A DateCache keeps the text of the Date field for the second that it is good
// for. It may be used concurrently.
type DateCache struct {
	last atomic.Pointer[dateText]
}

type dateText struct {
	text string
	end  time.Time // when it ceases to be good
}

// Text returns the date of now. Where the second is not over, that takes a look at the
// monotonic clock only.
func (d *DateCache) Text() string {
	if last := d.last.Load(); last != nil && time.Until(last.end) > 0 {
		return last.text
	}
	now := time.Now()
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
// The day is one of the seven, be it the right one or not. Package time has all it
// takes, and much more.
func ParseDate(s string, now time.Time) (t time.Time, ok bool) {
	const imf, obsolete, asctime = "06 Nov 1994 08:49:37 GMT", "06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"
	day, rest, named := strings.Cut(s, ", ")
	switch {
	case named && len(rest) == len(imf) && rest[2] == ' ' && rest[6] == ' ' && rest[11] == ' ' && rest[20:] == " GMT":
		t, ok = dateOf(rest[7:11], rest[3:6], rest[:2], rest[12:20])
		return t, ok && isDay(day, 3)
	case named && len(rest) == len(obsolete) && rest[2] == '-' && rest[6] == '-' && rest[9] == ' ' && rest[18:] == " GMT":
		t, ok = obsoleteDate(rest, now)
		return t, ok && isDay(day, len("Wednesday"))
	case !named && len(s) == len(asctime) && s[3] == ' ' && s[7] == ' ' && s[10] == ' ' && s[19] == ' ':
		date := s[8:10]
		if date[0] == ' ' {
			date = "0" + date[1:]
		}
		t, ok = dateOf(s[20:], s[4:7], date, s[11:19])
		return t, ok && isDay(s[:3], 3)
	}
	return t, false
}

// isDay reports whether s is the name of a day, cut after n bytes.
func isDay(s string, n int) bool {
	for _, day := range [...]string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"} {
		if s == day[:min(n, len(day))] {
			return true
		}
	}
	return false
}

// obsoleteDate parses a date with a year of two digits. "Recipients of a timestamp
// value in rfc850-date format [...] MUST interpret a timestamp that appears to be
// more than 50 years in the future as representing the most recent year in the past
// that had the same last two digits." RFC 9110, section 5.6.7.
func obsoleteDate(s string, now time.Time) (t time.Time, ok bool) {
	for century := now.Year() / 100; ; century-- {
		t, ok = dateOf(strconv.Itoa(century)+s[7:9], s[3:6], s[:2], s[10:18])
		if !ok || !t.After(now.AddDate(50, 0, 0)) {
			return t, ok
		}
	}
}

// dateOf makes a time of its parts as they are written.
func dateOf(year, month, day, clock string) (t time.Time, ok bool) {
	const months = "JanFebMarAprMayJunJulAugSepOctNovDec"
	m := strings.Index(months, month)
	y, okY := number(year)
	d, okD := number(day)
	hour, okH := number(clock[:2])
	minute, okM := number(clock[3:5])
	second, okS := number(clock[6:])
	if m < 0 || m%3 != 0 || !okY || !okD || !okH || !okM || !okS || clock[2] != ':' || clock[5] != ':' ||
		hour > 23 || minute > 59 || second > 60 {
		return t, false
	}
	t = time.Date(y, time.Month(m/3+1), d, hour, minute, 0, 0, time.UTC)
	return t.Add(time.Duration(second) * time.Second), t.Day() == d // a day that its month has
}

// number parses digits.
func number(s string) (n int, ok bool) {
	for i := range len(s) {
		if !IsDigit(s[i]) {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}
