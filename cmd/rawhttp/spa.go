package main

import (
	"context"
	"strings"

	"example.com/rawhttp"
)

// singlePage serves a single-page application: a request for a page that next does not find is
// answered with the page at index, which routes the path in the browser. A missing script or
// picture is still a 404, since the page in its place would be an error that is hard to find.
func singlePage(index string, next rawhttp.Resolver) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		resp, err := next.Resolve(ctx, req)
		if err == nil || rawhttp.StatusOf(err) != 404 || !wantsPage(req) {
			return resp, err
		}
		page, pageErr := next.Resolve(ctx, req.WithPath(index))
		if pageErr != nil { // the error for the page that was asked for says more
			return nil, err
		}
		return page, nil
	})
}

// wantsPage reports whether req may be for a page: its path does not name a file of another
// type, and the browser does not say that it needs a script, a picture or the like.
func wantsPage(req *rawhttp.Request) bool {
	if m := req.Method(); m != "GET" && m != "HEAD" {
		return false
	}
	if dest := req.Header().Get("Sec-Fetch-Dest"); dest != "" && dest != "document" && dest != "iframe" {
		return false
	}
	path := req.Path() // for browsers that do not send Sec-Fetch-Dest
	last := path[strings.LastIndexByte(path, '/')+1:]
	return !strings.Contains(last, ".") || strings.HasSuffix(last, ".html")
}
