package main

import (
	"path/filepath"
	"slices"
	"strconv"
)

// A contender is a server in a certain configuration.
type contender struct {
	name string
	// about is what a reader of the tables needs to know.
	about string
	kinds []kind
	tls   bool // also does jobs over TLS
	// needs names the programs that must be installed.
	needs []string
	// argv returns the command that serves the job on a port of 127.0.0.1.
	argv func(l *lab, j job, port int) ([]string, error)
}

var allContenders = []contender{{
	name:  "rawhttp",
	about: "through its public API; TLS by a listener of crypto/tls, the proxy with an http.Transport",
	kinds: []kind{hello, connect, small, part, unchanged, sidecar, large, listing, listingJSON, script, scriptLast, upload, proxy, events, idle},
	tls:   true,
	argv:  goServer("rawhttp"),
}, {
	name:  "net/http",
	about: "http.FileServer(http.Dir), which lists names only; net/http/cgi; httputil.ReverseProxy; sidecars and JSON by handlers of a few lines",
	kinds: []kind{hello, connect, small, part, unchanged, sidecar, large, listing, listingJSON, script, scriptLast, upload, proxy, events, idle},
	tls:   true,
	argv:  goServer("nethttp"),
}, {
	name:  "fasthttp",
	about: "fasthttp.FS with SkipCache, so that no response is stale; uploads by PostBody, which holds them in memory; the proxy with a HostClient",
	kinds: []kind{hello, connect, small, part, unchanged, sidecar, large, listing, upload, proxy, events, idle},
	tls:   true,
	argv:  goServer("fasthttp"),
}, {
	name:  "fasthttp-cached",
	about: "fasthttp.FS with its defaults: responses, including listings, may be 10 s old",
	kinds: []kind{small, part, unchanged, sidecar, large, listing},
	tls:   true,
	argv:  goServer("fasthttp", "-cache"),
}, {
	name:  "fasthttp-stream",
	about: "with StreamRequestBody: uploads by RequestBodyStream",
	kinds: []kind{upload},
	argv:  goServer("fasthttp", "-stream"),
}, {
	name:  "fasthttp-reduced",
	about: "with ReduceMemoryUsage",
	kinds: []kind{idle},
	argv:  goServer("fasthttp", "-reduce"),
}, {
	name:  "nginx",
	about: "one worker, sendfile, tcp_nopush, no log; gzip_static, autoindex_format, proxy_pass with keepalive",
	kinds: []kind{hello, connect, small, part, unchanged, sidecar, large, listing, listingJSON, proxy, idle},
	tls:   true,
	needs: []string{"nginx"},
	argv:  nginx(""),
}, {
	name:  "nginx-open-file-cache",
	about: "with open_file_cache: responses may be 60 s old",
	kinds: []kind{small, part, unchanged, sidecar},
	tls:   true,
	needs: []string{"nginx"},
	argv:  nginx("open_file_cache max=1000;"),
}, {
	name:  "lighttpd",
	about: "mod_cgi",
	kinds: []kind{script},
	needs: []string{"lighttpd"},
	argv:  lighttpd,
}, {
	name:  "floor-go",
	about: "one goroutine per connection that writes the same bytes for each request",
	kinds: []kind{hello, connect, small, idle},
	argv:  goFloor(),
}, {
	name:  "floor-go-releasing",
	about: "the same, holding no buffer while it waits",
	kinds: []kind{idle},
	argv:  goFloor("-release"),
}, {
	name:  "floor-c",
	about: "an epoll loop in C that writes the same bytes for each request",
	kinds: []kind{hello, small},
	needs: []string{"gcc"},
	argv:  cFloor("bytes"),
}, {
	name:  "floor-c-open",
	about: "the same loop, opening the file for each request; above 64 KiB, sendfile with TCP_NOTSENT_LOWAT of 16 KiB",
	kinds: []kind{small, large},
	needs: []string{"gcc"},
	argv:  cFloor("open"),
}, {
	name:  "floor-c-spawn",
	about: "the same loop with posix_spawn for each request, one script at a time",
	kinds: []kind{script},
	needs: []string{"gcc"},
	argv:  cFloor("spawn"),
}}

func (c contender) does(j job) bool {
	return slices.Contains(c.kinds, j.kind) && (c.tls || !j.tls)
}

// goServer returns the argv for a program in the folder servers.
func goServer(program string, flags ...string) func(*lab, job, int) ([]string, error) {
	return func(l *lab, j job, port int) ([]string, error) {
		argv := slices.Concat([]string{l.bin(program)}, flags)
		if j.tls {
			argv = append(argv, "-tls", l.certificate())
		}
		source := l.site
		if j.kind == proxy {
			source = j.origin
		}
		return append(argv, address(port), string(j.kind), source), nil
	}
}

func goFloor(flags ...string) func(*lab, job, int) ([]string, error) {
	return func(l *lab, j job, port int) ([]string, error) {
		argv := slices.Concat([]string{l.bin("floor")}, flags)
		if j.reconnect {
			argv = append(argv, "-close")
		}
		return append(argv, address(port), l.file(j)), nil
	}
}

func cFloor(mode string) func(*lab, job, int) ([]string, error) {
	return func(l *lab, j job, port int) ([]string, error) {
		return []string{l.bin("floor-c"), strconv.Itoa(port), mode, l.file(j)}, nil
	}
}

func address(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// file returns the path of the file that a job requests.
func (l *lab) file(j job) string { return filepath.Join(l.site, filepath.FromSlash(j.path)) }
