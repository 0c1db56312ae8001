package peers

import (
	"fmt"
	"os/exec"
	"testing"
)

// nginxConfig is a format for an nginx that writes only to its folder. Its argument is the server
// configuration.
const nginxConfig = `
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
	%s
}
`

// nginxProxy passes requests on unchanged. It is a format with the address of the upstream and
// the address to listen on.
const nginxProxy = `
	client_max_body_size 0;
	upstream rawhttp {
		server %s;
		keepalive 8;
	}
	server {
		listen %s;
		proxy_http_version 1.1;
		proxy_set_header Connection "";
		proxy_set_header Host $http_host;
		proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
		location / {
			proxy_pass http://rawhttp;
			proxy_request_buffering off;
			proxy_buffering off;
		}
		location /buffered/ { # as nginx does unless told otherwise
			proxy_pass http://rawhttp/;
		}
	}
`

// startNginx starts an nginx in front of the upstream.
func startNginx(t *testing.T, upstream string) (addr string) {
	t.Helper()
	return startNginxAs(t, nginxProxy, upstream)
}

// startNginxAs starts an nginx with the server configuration does, a format like nginxProxy.
func startNginxAs(t *testing.T, does, upstream string) (addr string) {
	t.Helper()
	command, ln, folder := peer(t, "nginx", "nginx"), listen(t), t.TempDir()
	config := writeFile(t, folder, "nginx.conf", fmt.Appendf(nil, nginxConfig, fmt.Sprintf(does, upstream, ln.Addr())))
	cmd := exec.Command(command, "-e", "stderr", "-p", folder, "-c", config, "-g", "daemon off;")
	// The descriptors of listening sockets that nginx should inherit, which
	// is how one nginx hands them to the next.
	cmd.Env = append(cmd.Environ(), "NGINX=3;")
	return startProxy(t, ln, cmd)
}
