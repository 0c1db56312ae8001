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

// nginxSlice asks for files in parts, as an nginx does that caches films. Its gaps are those
// of nginxProxy.
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

// Every file comes whole through an nginx that asks for parts of it: the empty one too, of
// which there are none.
func TestNginxSlice(t *testing.T) {
	files := t.TempDir()
	resolver, err := rawhttp.Dir(files)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resolver.Close() })
	_, upstream := serve(t, rawhttp.WithResolver(resolver))
	addr := startNginxAs(t, nginxSlice, upstream)

	old := time.Now().Add(-time.Hour) // so that the entity tag is strong from the first part on
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
