package main

import (
	"bytes"
	"context"
	"fmt"
)

// verify sends one batch with this program's client, and checks that each response is right
// to the last byte.
func verify(ctx context.Context, j job, port int) error {
	c, err := dial(j, port)
	if err != nil {
		return err
	}
	defer c.close()
	var got bytes.Buffer
	if err := c.exchange(ctx, &got); err != nil {
		return err
	}
	if j.kind == listing {
		return verifyListing(j, got.Bytes())
	}
	if want := bytes.Repeat(content(j), j.depth); !bytes.Equal(got.Bytes(), want) {
		return fmt.Errorf("wrong content: %d bytes that begin with %q", got.Len(), got.Bytes()[:min(got.Len(), 40)])
	}
	return nil
}

// verifyListing checks that the HTML, in whatever form, links to each file.
func verifyListing(j job, page []byte) error {
	if !bytes.HasPrefix(bytes.TrimSpace(page), []byte("<")) {
		return fmt.Errorf("the listing is not HTML: it begins with %q", page[:min(len(page), 40)])
	}
	for i := range j.entries {
		// The names are sorted, so each search continues after the last match.
		at := bytes.Index(page, []byte(entry(i)+`"`))
		if at < 0 {
			return fmt.Errorf("the listing has no link to %s", entry(i))
		}
		page = page[at:]
	}
	return nil
}
