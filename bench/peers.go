package main

import (
	"fmt"
	"os"
	"path/filepath"

	"example.com/rawhttp/bench/servers/contract"
)

// The verbs of nginxConfig are, in order: user, folder, cache, further blocks of http, the
// body of server.
const nginxConfig = `
%s
worker_processes 1;
worker_rlimit_nofile 20000;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 16000; }
http {
	access_log off;
	client_body_temp_path client_body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	sendfile on;
	tcp_nopush on;
	keepalive_requests 1000000000;
	keepalive_timeout 600s;
	types { text/plain txt; text/html html; }
	charset utf-8;
	root %s;
	autoindex on;
	%s
	%s
	server {
		%s
	}
}
`

// nginxHello responds without a file system, as the other contenders do for hello.
const nginxHello = `location = /hello.txt { default_type text/plain; return 200 "Hello, World!\n"; }`

// nginxProxy is for an upstream with connections that persist.
const nginxProxy = `location / { proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; }`

func nginx(cache string) func(*lab, job, int) ([]string, error) {
	return func(l *lab, j job, port int) ([]string, error) {
		user, blocks := "", ""
		if os.Getuid() == 0 {
			user = "user root;" // the folder belongs to the user who runs this program
		}
		if j.kind == proxy {
			blocks = fmt.Sprintf("upstream origin { server %s; keepalive 64; keepalive_requests 1000000000; }", j.origin)
		}
		folder, err := os.MkdirTemp(l.dir, "nginx")
		if err != nil {
			return nil, err
		}
		config := filepath.Join(folder, "nginx.conf")
		text := fmt.Sprintf(nginxConfig, user, l.site, cache, blocks, nginxServer(l, j, port))
		if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
			return nil, err
		}
		return []string{l.tool("nginx"), "-e", "stderr", "-p", folder, "-c", config, "-g", "daemon off;"}, nil
	}
}

// nginxServer returns the body of the server block for a job.
func nginxServer(l *lab, j job, port int) string {
	listen := fmt.Sprintf("listen %s;\n", address(port))
	if j.tls {
		listen = fmt.Sprintf("listen %s ssl; ssl_session_tickets off; ssl_certificate %s; ssl_certificate_key %s;\n", address(port),
			filepath.Join(l.certificate(), contract.CertFile), filepath.Join(l.certificate(), contract.KeyFile))
	}
	switch j.kind {
	case hello, connect, idle:
		return listen + nginxHello
	case sidecar:
		return listen + "gzip_static on;"
	case listingJSON:
		return listen + "autoindex_format json;"
	case proxy:
		return listen + nginxProxy
	}
	return listen
}

const lighttpdConfig = `
server.modules = ( "mod_cgi" )
server.document-root = "%s"
server.bind = "127.0.0.1"
server.port = %d
server.max-keep-alive-requests = 65535
server.upload-dirs = ( "%s" )
cgi.assign = ( ".cgi" => "" )
`

func lighttpd(l *lab, _ job, port int) ([]string, error) {
	folder, err := os.MkdirTemp(l.dir, "lighttpd")
	if err != nil {
		return nil, err
	}
	config := filepath.Join(folder, "lighttpd.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, lighttpdConfig, l.site, port, folder), 0o644); err != nil {
		return nil, err
	}
	return []string{l.tool("lighttpd"), "-D", "-f", config}, nil
}
