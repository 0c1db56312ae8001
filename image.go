package rawhttp

import (
	"context"
	"slices"
)

// An image is an answer to a plain GET as it is on the wire, from status line to
// content, to be sent again without a look at it. It is good for the second of its
// Date.
type image struct {
	date   string
	format *wireFormat
	wire   []byte // nil: there was one such answer in the second so far, which may stay the only one
}

// isPlain reports whether the request is one that an image can answer.
func (t *responder) isPlain() bool {
	return t.withheld == nil && t.req.isGet() && t.req.head.Minor > 0 && t.req.head.Persist && t.persist && !t.resp.closeAfter &&
		!t.req.hasConditions() && t.format.contentLength
}

// writePlain answers a plain request from an image, or so that one is made.
func (t *responder) writePlain(ctx context.Context) error {
	date := ""
	if t.format.date != nil {
		date = t.format.date()
	}
	body := t.resp.rep.Body.(*memory)
	last := body.last.Load()
	again := last != nil && last.date == date && last.format == t.format
	if again && last.wire != nil {
		return t.putImage(last)
	}
	begin := len(t.out.buf)
	if err := t.writeAnew(ctx); err != nil {
		return err
	}
	if t.headOut { // it is too large for one write
		return nil
	}
	next := &image{date: date, format: t.format}
	if again {
		next.wire = slices.Clone(t.out.buf[begin:])
	}
	body.last.Store(next)
	return nil
}

// putImage puts an image, straight to the client if nothing else would leave with it.
func (t *responder) putImage(i *image) error {
	t.status, t.framing, t.sent = 200, byLength, t.resp.rep.Size
	if t.last && len(t.out.buf) == 0 {
		t.headOut = true
		_, err := t.out.w.Write(i.wire)
		return err
	}
	t.out.take()
	return t.out.put(i.wire)
}
