package main

import (
	"context"
	"strings"

	"example.com/rawhttp"
)

// singlePage answers with the page at index where next finds no page: the application that it
// is finds its own way. What a page needs, such as a script or a picture, stays missing, since
// the page in its place would be an error that is hard to find.
func singlePage(index string, next rawhttp.Resolver) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		resp, err := next.Resolve(ctx, req)
		if err == nil || rawhttp.StatusOf(err) != 404 || !wantsPage(req) {
			return resp, err
		}
		page, pageErr := next.Resolve(ctx, req.WithPath(index))
		if pageErr != nil {
			return nil, err // there is none
		}
		return page, nil
	})
}

// wantsPage reports whether req may be that of a person for a page: it names no file of
// another type, and a browser that wants a script or a picture says so.
func wantsPage(req *rawhttp.Request) bool {
	if m := req.Method(); m != "GET" && m != "HEAD" {
		return false
	}
	if dest := req.Header().Get("Sec-Fetch-Dest"); dest != "" && dest != "document" && dest != "iframe" {
		return false
	}
	path := req.Path()
	last := path[strings.LastIndexByte(path, '/')+1:]
	return !strings.Contains(last, ".") || strings.HasSuffix(last, ".html")
}
