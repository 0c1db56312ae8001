package peers

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"example.com/rawhttp"
)

// nginxSliceConfig is for an nginx that asks for files in parts, as one that caches films
// does. Its first gap is the address to listen on, its second that of the upstream.
const nginxSliceConfig = `
user root; # if it is run by root: the folder is the user's who runs the test
worker_processes 1;
pid nginx.pid;
error_log stderr error;
events {}
http {
	access_log off;
	client_body_temp_path client_body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	server {
		listen %s;
		location / {
			slice 64k;
			proxy_set_header Range $slice_range;
			proxy_http_version 1.1;
			proxy_pass http://%s;
		}
	}
}
`

// Every file comes whole through an nginx that asks for parts of it: the empty one too, of
// which there are none.
func TestNginxSlice(t *testing.T) {
	command, folder, files := peer(t, "nginx", "nginx"), t.TempDir(), t.TempDir()
	resolver, err := rawhttp.Dir(files)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resolver.Close() })
	_, upstream := serve(t, rawhttp.WithResolver(resolver))
	ln := listen(t)
	config := writeFile(t, folder, "nginx.conf", fmt.Appendf(nil, nginxSliceConfig, ln.Addr(), upstream))
	cmd := exec.Command(command, "-e", "stderr", "-p", folder, "-c", config, "-g", "daemon off;")
	cmd.Env = append(cmd.Environ(), "NGINX=3;") // the listening socket, as in startNginx
	addr := startProxy(t, ln, cmd)

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
