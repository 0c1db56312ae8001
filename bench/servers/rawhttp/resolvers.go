package main

import (
	"context"
	"io"
	"io/fs"
	"log"
	"time"

	"example.com/rawhttp"
	"example.com/rawhttp/bench/servers/contract"
)

// hello returns the same response for every request, allocated each time.
func hello() rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
		return rawhttp.Text(200, "Hello, World!\n"), nil
	})
}

// scriptLast returns a resolver for a page and the scripts of a folder.
func scriptLast(folder string) rawhttp.Resolver {
	scripts, err := rawhttp.Dir(folder, rawhttp.WithScript(".cgi"))
	if err != nil {
		log.Fatal(err)
	}
	page := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		if req.Path() != "/" {
			return nil, fs.ErrNotExist
		}
		return rawhttp.Text(200, "Hello, World!\n"), nil
	})
	return rawhttp.First(page, scripts)
}

func upload(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	n, err := io.Copy(contract.Sink{}, req.Body)
	if err != nil {
		return nil, err
	}
	return rawhttp.Text(200, contract.Received(n)), nil
}

func events(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
	return rawhttp.StreamFunc(200, "text/event-stream", func(ctx context.Context, w io.Writer) error {
		tick := time.NewTicker(contract.EventInterval)
		defer tick.Stop()
		for {
			if _, err := io.WriteString(w, contract.Event); err != nil {
				return err
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}).Set("Cache-Control", "no-store"), nil
}
