package peers

import (
	"fmt"
	"os/exec"
	"testing"
)

// haproxyConfig is a format with the address of the upstream.
const haproxyConfig = `
global
	nbthread 1
	maxconn 100
defaults
	mode http
	option forwardfor
	http-reuse always
	timeout connect 60s
	timeout client 60s
	timeout server 60s
frontend front
	bind fd@3
	default_backend rawhttp
backend rawhttp
	server rawhttp %s
`

func startHAProxy(t *testing.T, upstream string) (addr string) {
	t.Helper()
	command, ln := peer(t, "haproxy", "haproxy"), listen(t)
	config := writeFile(t, t.TempDir(), "haproxy.cfg", fmt.Appendf(nil, haproxyConfig, upstream))
	return startProxy(t, ln, exec.Command(command, "-db", "-f", config))
}
