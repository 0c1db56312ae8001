package conformance_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// If a wrapper changes a shared Response without Clone, the next request is answered with 500,
// so that no client gets the fields meant for another.
func TestServedResponseIsFrozen(t *testing.T) {
	changes := map[string]func(r *rawhttp.Response, id string) *rawhttp.Response{
		"Set":                func(r *rawhttp.Response, id string) *rawhttp.Response { return r.Set("X-Id", id) },
		"Set a field again":  func(r *rawhttp.Response, id string) *rawhttp.Response { return r.Set("X-Known", id) },
		"Set a Content-Type": func(r *rawhttp.Response, id string) *rawhttp.Response { return r.Set("Content-Type", "a/"+id) },
		"Add":                func(r *rawhttp.Response, id string) *rawhttp.Response { return r.Add("Set-Cookie", "id="+id) },
		"CloseAfter":         func(r *rawhttp.Response, _ string) *rawhttp.Response { return r.CloseAfter() },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			shared := rawhttp.Text(200, "hi").Set("X-Known", "0")
			n := 0
			var log testkit.Log
			wrapper := rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
				n++
				return change(shared, fmt.Sprint(n)), nil
			})
			for i := range 3 {
				got := talkInMemory(t, getRequest("/"), rawhttp.WithResolver(wrapper), rawhttp.WithLogger(&log))
				if i == 0 {
					if !strings.HasPrefix(got, "HTTP/1.1 200 ") {
						t.Errorf("first answer %q, want 200, since the Response had not been served", got)
					}
					continue
				}
				if diff := cmp.Diff(ownError("500 Internal Server Error", closeField), got); diff != "" {
					t.Errorf("answer %d (-want +got):\n%s", i+1, diff)
				}
			}
			if !log.Has("ERROR", "changed after it was served") {
				t.Errorf("log is %q, want the error", &log)
			}
		})
	}
}

// A Clone of a shared Response may be changed, even concurrently and while the Response is being
// served.
func TestCloneOfServedResponse(t *testing.T) {
	shared := rawhttp.Text(200, "hi")
	var n atomic.Int64
	_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
		return shared.Clone().Set("X-Id", fmt.Sprint(n.Add(1))), nil
	})))
	var all sync.WaitGroup
	var mu sync.Mutex
	ids := map[string]int{}
	for range 20 {
		all.Go(func() {
			head, _ := splitHead(talk(t, addr, getRequest("/", "Connection: close")))
			_, id, _ := strings.Cut(head, "X-Id: ")
			mu.Lock()
			defer mu.Unlock()
			ids[id]++
		})
	}
	all.Wait()
	if len(ids) != 20 {
		t.Errorf("20 clients got %d different ids: %v", len(ids), ids)
	}
	if err := shared.Err(); err != nil {
		t.Errorf("Err() of the shared Response = %v, want nil", err)
	}
}

// WriteTo does not count as serving a Response; WriteResponse does.
func TestWriteResponseServesWriteToDoesNot(t *testing.T) {
	resp := rawhttp.Text(200, "hi")
	resp.WriteTo(io.Discard)
	if err := resp.Set("X-A", "b").Err(); err != nil {
		t.Errorf("Set after WriteTo: Err() = %v, want nil", err)
	}
	req, _, err := rawhttp.ParseRequest([]byte(getRequest("/")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rawhttp.WriteResponse(t.Context(), io.Discard, req, resp); err != nil {
		t.Fatal(err)
	}
	if err := resp.Set("X-C", "d").Err(); err == nil {
		t.Error("Set after WriteResponse: Err() = nil, want an error")
	}
	var b strings.Builder
	if _, err := resp.WriteTo(&b); err == nil || b.Len() > 0 {
		t.Errorf("WriteTo after it = %v and wrote %q, want the error and nothing", err, &b)
	}
}
