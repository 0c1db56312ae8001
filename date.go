package rawhttp

import (
	"sync/atomic"
	"time"
)

// imfFixdate is the form of a date on the wire (RFC 9110, section 5.6.7), for a
// time in UTC.
const imfFixdate = "Mon, 02 Jan 2006 15:04:05 GMT"

// A dateCache keeps the text of the Date field for the second that it is good
// for. It may be used concurrently.
type dateCache struct {
	last atomic.Pointer[dateText]
}

type dateText struct {
	second int64
	text   string
}

// text gives the date of now.
func (d *dateCache) text() string {
	now := time.Now()
	if last := d.last.Load(); last != nil && last.second == now.Unix() {
		return last.text
	}
	t := &dateText{now.Unix(), now.UTC().Format(imfFixdate)}
	d.last.Store(t)
	return t.text
}
