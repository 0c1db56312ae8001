package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"example.com/rawhttp"
)

// A field is a field that is added to responses.
type field struct{ name, value string }

// withFields adds fields to the responses of next, including those to errors. They replace
// fields of the same name.
func withFields(fields []field, next rawhttp.Resolver) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		resp, err := next.Resolve(ctx, req)
		if err != nil { // an error that is returned would become a response without the fields
			resp = rawhttp.ErrorResponse(err)
		}
		if resp == nil {
			return nil, nil
		}
		resp = resp.Clone()          // next may serve the same Response to others
		set := make(map[string]bool) // so that a name given twice is sent twice
		for _, f := range fields {
			if name := strings.ToLower(f.name); set[name] {
				resp.Add(f.name, f.value)
			} else {
				resp.Set(f.name, f.value)
				set[name] = true
			}
		}
		return resp, nil
	})
}

func parseField(s string) (field, error) {
	name, value, ok := strings.Cut(s, ":")
	f := field{name, strings.TrimSpace(value)}
	if !ok {
		if before, after, ok := strings.Cut(s, "="); ok {
			return f, fmt.Errorf("did you mean '%s: %s'?", before, after)
		}
		return f, errors.New("want 'Name: value', as in 'Access-Control-Allow-Origin: *'")
	}
	// Err has the rules for names and values, and for fields that only the server may set.
	if err := rawhttp.Text(200, "").Set(f.name, f.value).Err(); err != nil {
		return f, errors.New(withoutCalls(err))
	}
	return f, nil
}
