package main

import (
	"context"
	"net/url"
	"path/filepath"
	"testing"
)

func TestRun(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	folder := func(path string) string {
		path = filepath.ToSlash(path)
		if path[0] != '/' { // begins with a drive on Windows
			path = "/" + path
		}
		return (&url.URL{Scheme: "file", Path: path}).String()
	}
	dir := t.TempDir()
	tests := []struct {
		name, addr, bucket string
		ok                 bool
	}{
		{"memory", "127.0.0.1:0", "mem://", true},
		{"folder", "127.0.0.1:0", folder(dir), true},
		{"no bucket", "127.0.0.1:0", "", false},
		{"missing folder", "127.0.0.1:0", folder(filepath.Join(dir, "missing")), false},
		{"store without a driver", "127.0.0.1:0", "s3://bucket", false},
		{"address without a port", "127.0.0.1", "mem://", false},
	}
	for _, tt := range tests {
		for _, list := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				if err := run(ended, tt.addr, tt.bucket, list); (err == nil) != tt.ok {
					t.Errorf("run(%q, %q, %t) = %v, want no error: %t", tt.addr, tt.bucket, list, err, tt.ok)
				}
			})
		}
	}
}
