package main

import (
	"bytes"
	"context"
	"fmt"
)

// verify asks once, by the client of this program, and looks whether each answer of the
// batch is right to the last byte.
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
		return fmt.Errorf("the content is wrong: %d bytes, which begin with %q", got.Len(), got.Bytes()[:min(got.Len(), 40)])
	}
	return nil
}

// verifyListing looks for a link to each file, in whatever form of HTML.
func verifyListing(j job, page []byte) error {
	if !bytes.HasPrefix(bytes.TrimSpace(page), []byte("<")) {
		return fmt.Errorf("the listing is not HTML: it begins with %q", page[:min(len(page), 40)])
	}
	for i := range j.entries {
		// The names are in order, so a search goes on where the last one ended.
		at := bytes.Index(page, []byte(entry(i)+`"`))
		if at < 0 {
			return fmt.Errorf("the listing has no link to %s", entry(i))
		}
		page = page[at:]
	}
	return nil
}
