package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
)

func open(t *testing.T, name string) *notes {
	t.Helper()
	n, err := openNotes(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.db.Close() })
	return n
}

// An answer has the parts of a response that the tests compare.
type answer struct {
	Status               int
	ETag, Allow, Content string
}

func ask(t *testing.T, r rawhttp.Resolver, method, path, fields, content string) answer {
	t.Helper()
	request := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: example.test\r\n%sContent-Length: %d\r\n\r\n%s", method, path, fields, len(content), content)
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(rawhttp.Answer(r, request))), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{resp.StatusCode, resp.Header.Get("ETag"), resp.Header.Get("Allow"), string(b)}
	if a.Status >= 400 {
		a.Content = ""
	}
	return a
}

const jsonType = "Content-Type: application/json\r\n"

// Notes are created, read, changed and removed, and are still there after a restart.
func TestNotes(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a?b#c 100%.db")
	r := open(t, name).resolver()
	steps := []struct {
		method, path, fields, content string
		want                          answer
	}{
		{"GET", "/notes", "", "", answer{Status: 200, Content: "[]"}},
		{"POST", "/notes", jsonType, `{"text":"milk"}`, answer{Status: 201, ETag: `"1-1"`, Content: `{"id":1,"text":"milk"}`}},
		{"POST", "/notes", jsonType, `{"text":"tea'); DROP TABLE notes; --"}`, answer{Status: 201, ETag: `"2-1"`, Content: `{"id":2,"text":"tea'); DROP TABLE notes; --"}`}},
		{"GET", "/notes/1", "", "", answer{Status: 200, ETag: `"1-1"`, Content: `{"id":1,"text":"milk"}`}},
		{"GET", "/notes/1", "If-None-Match: \"1-1\"\r\n", "", answer{Status: 304, ETag: `"1-1"`}},
		{"PUT", "/notes/1", jsonType + "If-Match: \"1-1\"\r\n", `{"text":"two litres"}`, answer{Status: 204, ETag: `"1-2"`}},
		{"PUT", "/notes/1", jsonType + "If-Match: \"1-1\"\r\n", `{"text":"three litres"}`, answer{Status: 412}},
		{"DELETE", "/notes/1", "If-Match: \"1-1\"\r\n", "", answer{Status: 412}},
		{"GET", "/notes?after=1", "", "", answer{Status: 200, Content: `[{"id":2,"text":"tea'); DROP TABLE notes; --"}]`}},
		{"DELETE", "/notes/2", "", "", answer{Status: 204}},
		{"GET", "/notes/2", "", "", answer{Status: 404}},
		{"DELETE", "/notes/2", "", "", answer{Status: 404}},
		{"POST", "/notes", jsonType, `{"text":"cake"}`, answer{Status: 201, ETag: `"3-1"`, Content: `{"id":3,"text":"cake"}`}},
		{"GET", "/notes?after=x", "", "", answer{Status: 400}},
		{"GET", "/notes/x", "", "", answer{Status: 404}},
		{"POST", "/notes", "", `{"text":"milk"}`, answer{Status: 415}},
		{"POST", "/notes", jsonType, `{"text":`, answer{Status: 400}},
		{"POST", "/notes", jsonType, `{}`, answer{Status: 422}},
		{"POST", "/notes", jsonType, `{"text":"` + strings.Repeat("x", 64<<10) + `"}`, answer{Status: 413}},
		{"DELETE", "/notes", "", "", answer{Status: 405, Allow: "GET, HEAD, POST, OPTIONS"}},
	}
	for _, s := range steps {
		if diff := cmp.Diff(s.want, ask(t, r, s.method, s.path, s.fields, s.content)); diff != "" {
			t.Errorf("%s %s %.100q (-want +got):\n%s", s.method, s.path, s.fields+s.content, diff)
		}
	}
	want := answer{Status: 200, Content: `[{"id":1,"text":"two litres"},{"id":3,"text":"cake"}]`}
	if diff := cmp.Diff(want, ask(t, open(t, name).resolver(), "GET", "/notes", "", "")); diff != "" {
		t.Errorf("notes after the database was opened again (-want +got):\n%s", diff)
	}
}

// If several clients change the same version, only one succeeds.
func TestRace(t *testing.T) {
	r := open(t, filepath.Join(t.TempDir(), "notes.db")).resolver()
	etag := ask(t, r, "POST", "/notes", jsonType, `{"text":"0"}`).ETag
	for round := range 10 {
		var won, lost atomic.Int64
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				switch a := ask(t, r, "PUT", "/notes/1", jsonType+"If-Match: "+etag+"\r\n", `{"text":"x"}`); a.Status {
				case 204:
					won.Add(1)
				case 412:
					lost.Add(1)
				default:
					t.Errorf("answered with %v, want 204 or 412", a)
				}
			})
		}
		clients.Wait()
		if won.Load() != 1 || lost.Load() != 7 {
			t.Errorf("round %d: %d clients succeeded and %d failed, want 1 and 7", round, won.Load(), lost.Load())
		}
		etag = ask(t, r, "GET", "/notes/1", "", "").ETag
	}
}

// Errors are also JSON.
func TestErrorsAreJSON(t *testing.T) {
	srv, err := newServer(open(t, filepath.Join(t.TempDir(), "notes.db")))
	if err != nil {
		t.Fatal(err)
	}
	client, server := net.Pipe()
	go srv.ServeConn(context.Background(), server)
	fmt.Fprint(client, "GET /missing HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
	if resp.Header.Get("Content-Type") != "application/json" || string(content) != "{\"status\":404}\n" {
		t.Errorf("answered with %q of %q, want JSON", content, resp.Header.Get("Content-Type"))
	}
}
