package rawhttp

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// listingOfFake serves a fake folder with so many names.
func listingOfFake(t testing.TB, names int, opts ...FileOption) (*FileResolver, *listingFake) {
	t.Helper()
	fake := &listingFake{t: t, names: names, mayRead: true}
	r, err := FS(fake, append([]FileOption{WithListing(ListHTML)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return r, fake
}

// A listing of more than 200 entries is not made in memory first: it is chunked, or
// ends with the connection, and has no entity tag.
func TestLongListingFraming(t *testing.T) {
	tests := []struct {
		request string
		names   int
		want    string // of the fields that tell of framing and persistence
		why     string
	}{
		{"GET HTTP/1.1", 200, "Content-Length ETag", ""},
		{"GET HTTP/1.0", 200, "Content-Length ETag Connection: close", ""},
		{"GET HTTP/1.0 keep-alive", 200, "Content-Length ETag Connection: keep-alive", ""},
		{"HEAD HTTP/1.1", 200, "", "only making the listing would tell"},
		{"GET HTTP/1.1", 201, "Transfer-Encoding: chunked", ""},
		{"GET HTTP/1.0", 201, "Connection: close", "1.0 knows no chunks: the close ends the content"},
		{"GET HTTP/1.0 keep-alive", 201, "Connection: close", ""},
		{"HEAD HTTP/1.1", 201, "", ""},
		{"HEAD HTTP/1.0 keep-alive", 201, "Connection: keep-alive", "there is no content to end"},
	}
	for _, tt := range tests {
		for _, form := range []string{"text", "html", "json"} {
			t.Run(fmt.Sprint(tt.request, " ", tt.names, " ", form), func(t *testing.T) {
				r, fake := listingOfFake(t, tt.names)
				fake.mayRead = strings.HasPrefix(tt.request, "GET")
				_, addr := listen(t, WithDate(false), WithResolver(r))
				method, version, _ := strings.Cut(tt.request, " ")
				request := method + " /?format=" + form + " " + strings.TrimSuffix(version, " keep-alive") + "\r\nHost: a\r\nIf-Match: \"a\"\r\n"
				if strings.HasSuffix(version, "keep-alive") {
					request += "Connection: keep-alive\r\n"
				}
				if tt.names <= 200 && fake.mayRead { // a condition that fails would fail it
					request = strings.Replace(request, "If-Match", "X-None", 1)
				}
				got := filesTake(t, talk(t, addr, request+"\r\n"))
				var fields []string
				for _, name := range []string{"Content-Length", "Transfer-Encoding", "ETag", "Connection"} {
					value, there := got.Fields[name]
					switch {
					case !there:
					case name == "Content-Length" || name == "ETag":
						fields = append(fields, name)
					default:
						fields = append(fields, name+": "+value)
					}
				}
				if diff := cmp.Diff(tt.want, strings.Join(fields, " ")); diff != "" || got.Status != "200 OK" {
					t.Errorf("answer to %q is %s with (-want +got):\n%s\nwhy: %s", request, got.Status, diff, tt.why)
				}
				if method == "HEAD" {
					return
				}
				if got.Fields["Transfer-Encoding"] == "chunked" {
					c, _, _ := bodyOf(t, bodyChunked, got.Content, 0, 0)
					content, err := bodyReadAll(c, 1<<16)
					if err != io.EOF {
						t.Errorf("content: %v", err)
					}
					got.Content = content
				}
				if names := listingCount(t, form, got.Content); names != tt.names {
					t.Errorf("%d entries, want %d", names, tt.names)
				}
			})
		}
	}
}

// listingCount counts the entries of a listing of a fake folder, which must be in
// order.
func listingCount(t *testing.T, form, content string) (n int) {
	t.Helper()
	var names []string
	switch form {
	case "text":
		names = listingLines(content)
	case "html":
		for _, row := range listingReadPage(t, content).Rows {
			names = append(names, row.Name)
		}
	case "json":
		for _, e := range listingReadJSON(t, content).Entries {
			names = append(names, e.Name)
		}
	}
	for i, name := range names {
		if want := fmt.Sprintf("file-%07d.txt", i+1); name != want {
			t.Fatalf("entry %d is %q, want %q", i, name, want)
		}
	}
	return len(names)
}
