package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// verify sends one batch with this program's client, and checks that each response is right
// to the last byte.
func verify(ctx context.Context, j job, port int) error {
	t := newTraffic(j, port)
	if j.kind == events {
		return verifyEvents(ctx, t)
	}
	c, err := t.dial()
	if err != nil {
		return err
	}
	defer c.close()
	var got bytes.Buffer
	if err := c.exchange(ctx, &got); err != nil {
		return err
	}
	if j.kind == listing || j.kind == listingJSON {
		return verifyListing(j, got.Bytes())
	}
	if want := bytes.Repeat(answer(j), j.depth); !bytes.Equal(got.Bytes(), want) {
		return wrongContent(got.Bytes())
	}
	return nil
}

func wrongContent(got []byte) error {
	return fmt.Errorf("wrong content: %d bytes that begin with %q", len(got), got[:min(len(got), 40)])
}

// verifyEvents checks the first events of a stream.
func verifyEvents(ctx context.Context, t traffic) error {
	s, err := t.openStream(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	s.conn.SetReadDeadline(time.Now().Add(time.Minute)) // if it fails, so does reading
	want := answer(t.job)
	got := make([]byte, len(want))
	if n, err := io.ReadFull(s.body, got); err != nil || !bytes.Equal(got, want) {
		return errors.Join(err, wrongContent(got[:n]))
	}
	return nil
}

// verifyListing checks that the HTML or JSON, in whatever form, has the name of each file: as
// the end of a link, or as a value.
func verifyListing(j job, page []byte) error {
	switch {
	case j.kind == listingJSON && !json.Valid(page):
		return fmt.Errorf("the listing is not JSON: it begins with %q", page[:min(len(page), 40)])
	case j.kind != listingJSON && !bytes.HasPrefix(bytes.TrimSpace(page), []byte("<")):
		return fmt.Errorf("the listing is not HTML: it begins with %q", page[:min(len(page), 40)])
	}
	for i := range j.entries {
		// The names are sorted, so each search continues after the last match.
		at := bytes.Index(page, []byte(entry(i)+`"`))
		if at < 0 {
			return fmt.Errorf("the listing does not have %s", entry(i))
		}
		page = page[at:]
	}
	return nil
}
