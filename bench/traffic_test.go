package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestTraffic parses what clients send with net/http.
func TestTraffic(t *testing.T) {
	const chunks = chunkSize + 1 // bytes in two chunks
	tests := []struct {
		name    string
		job     job
		targets string
		method  string
		length  int64 // Content-Length; -1 is chunked
		close   bool
	}{
		{"one request", job{depth: 1, size: 96}, "/a", "GET", 0, false},
		{"different requests", job{depth: 2, differ: true, size: 96}, "/a?1 /a?2", "GET", 0, false},
		{"a connection for each", job{depth: 1, reconnect: true, size: 96}, "/a", "GET", 0, true},
		{"declared content", job{kind: upload, depth: 1, size: chunks}, "/a", "POST", chunks, false},
		{"chunked content", job{kind: upload, depth: 1, size: chunks, chunked: true}, "/a", "POST", -1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.job.path, tt.job.fields = "/a", "X-Field: x\r\n"
			in := bufio.NewReader(bytes.NewReader(newTraffic(tt.job, 8080).batch))
			for target := range strings.FieldsSeq(tt.targets) {
				req, err := http.ReadRequest(in)
				if err != nil {
					t.Fatal(err)
				}
				if req.Method != tt.method || req.RequestURI != target || req.Host != "127.0.0.1:8080" || req.Header.Get("X-Field") != "x" {
					t.Errorf("read %s %s with host %s and header %v, want %s %s with host 127.0.0.1:8080 and X-Field",
						req.Method, req.RequestURI, req.Host, req.Header, tt.method, target)
				}
				if req.ContentLength != tt.length || req.Close != tt.close {
					t.Errorf("length is %d and close is %t, want %d and %t", req.ContentLength, req.Close, tt.length, tt.close)
				}
				body, err := io.ReadAll(req.Body)
				if err != nil {
					t.Fatal(err)
				}
				if tt.length != 0 && !bytes.Equal(body, content(tt.job)) {
					t.Errorf("read %d bytes of content that are not those of the job", len(body))
				}
			}
			if rest, _ := io.ReadAll(in); len(rest) > 0 {
				t.Errorf("%q follows the requests", rest)
			}
		})
	}
}

func TestAnswer(t *testing.T) {
	tests := []struct {
		name string
		job  job
		want string
	}{
		{"hello", job{kind: hello, size: 14}, "Hello, World!\n"},
		{"a range, as in rangeField", job{kind: part, size: 1e6}, string(content(job{size: 1e6})[500_000:501_024])},
		{"a file that has not changed", job{kind: unchanged, size: 10 << 10}, ""},
		{"an upload", job{kind: upload, size: 1e6}, "1000000\n"},
		{"events", job{kind: events}, "data: Hello, World!\n\ndata: Hello, World!\n\n"},
	}
	for _, tt := range tests {
		if got := string(answer(tt.job)); got != tt.want {
			t.Errorf("%s: answer = %.40q, want %.40q", tt.name, got, tt.want)
		}
	}
	if want := "Range: bytes=500000-501023\r\n"; rangeField != want {
		t.Errorf("rangeField = %q, want %q", rangeField, want)
	}
}

func TestAnswerSidecar(t *testing.T) {
	j := job{kind: sidecar, size: 20 << 10}
	in, err := gzip.NewReader(bytes.NewReader(answer(j)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, content(j)) || len(got) != j.size {
		t.Errorf("the sidecar has %d bytes, want the %d of the file", len(got), j.size)
	}
	if n := answerSize(j); n < 10<<10 || n > 12<<10 {
		t.Errorf("the sidecar is %d bytes long, want a little more than half of the file", n)
	}
}
