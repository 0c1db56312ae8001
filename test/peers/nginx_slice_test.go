package peers

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"example.com/rawhttp"
)

// nginxSlice requests files in parts, as an nginx that caches videos does. It is a format like
// nginxProxy.
const nginxSlice = `
	upstream rawhttp {
		server %s;
	}
	server {
		listen %s;
		location / {
			slice 64k;
			proxy_set_header Range $slice_range;
			proxy_http_version 1.1;
			proxy_pass http://rawhttp;
		}
	}
`

// Every file arrives complete through an nginx that requests it in parts, even an empty one,
// which has no parts.
func TestNginxSlice(t *testing.T) {
	files := t.TempDir()
	resolver, err := rawhttp.Dir(files)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resolver.Close() })
	_, upstream := serve(t, rawhttp.WithResolver(resolver))
	addr := startNginxAs(t, nginxSlice, upstream)

	old := time.Now().Add(-time.Hour) // so that the entity tag is strong for all parts
	for _, size := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 200_000} {
		content := someBytes(size)
		name := fmt.Sprintf("%d.bin", size)
		path := writeFile(t, files, name, content)
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
		resp, err := http.Get("http://" + addr + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || err != nil || resp.ContentLength != int64(size) {
			t.Errorf("file of %d bytes: %s, Content-Length %d, error %v, want 200 and its length", size, resp.Status, resp.ContentLength, err)
			continue
		}
		wantBytes(t, name, got, content)
	}
}
